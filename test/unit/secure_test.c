/*
 * Sockets with TLS, of a library that is made up: the order of handshakes, and
 * the shared memory after a failure. test/tls has the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "counter_server.h"
#include "failing_alloc.h"
#include "loopback.h"
#include "net/secure.h"

/* ---- the library ---- */

static int open_streams, steps;

static int load(struct zkt_tls *tls, void (*report)(void *, const char *),
                void *user)
{
    (void)tls;
    (void)report;
    (void)user;
    return 1;
}

static struct zkt_tls_stream *open_stream(struct zkt_tls *tls,
                                          const struct zkt_allocator *allocator,
                                          const char *host)
{
    struct zkt_tls_stream *stream = calloc(1, sizeof(*stream));
    (void)allocator;
    (void)host;
    assert_non_null(stream);
    stream->ops = tls->ops;
    open_streams++;
    return stream;
}

static void close_stream(struct zkt_tls_stream *stream)
{
    open_streams--;
    free(stream);
}

/* Each step of a handshake needs another. */
static ptrdiff_t take_step(struct zkt_tls_stream *stream,
                           struct zkt_tls_bytes *bytes, void *plain,
                           size_t size)
{
    (void)stream;
    (void)plain;
    (void)size;
    bytes->in_len = 0;
    steps++;
    return ZKT_TLS_MORE;
}

/* Puts out @len bytes in records of a single one, each in memory of its own.
 * Returns false if there is none. */
static bool write_records(struct zkt_tls_stream *stream,
                          struct zkt_tls_bytes *bytes, const void *plain,
                          size_t len)
{
    (void)stream;
    for (size_t i = 0; i < len; i++) {
        uint8_t *out = bytes->allocator->resize(bytes->allocator->user,
                                                bytes->out, bytes->out_len + 1);
        if (out == NULL) {
            return false;
        }
        bytes->out = out;
        bytes->out_capacity = bytes->out_len + 1;
        out[bytes->out_len++] = ((const uint8_t *)plain)[i];
    }
    return true;
}

static void say_end(struct zkt_tls_stream *stream, struct zkt_tls_bytes *bytes)
{
    (void)stream;
    (void)bytes;
}

static const char *explain(const struct zkt_tls_stream *stream)
{
    (void)stream;
    return "";
}

static const struct zkt_tls_ops ops = {
    .interface = ZKT_TLS_INTERFACE,
    .load = load,
    .open = open_stream,
    .close = close_stream,
    .read = take_step,
    .write = write_records,
    .end = say_end,
    .explain = explain,
};
static struct zkt_tls library = { &ops };

/* ---- handshakes ---- */

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    *out = call->state->n + in->by;
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    (void)call;
    return ZKT_OK;
}

static uint16_t port;

static void on_listening(void *user, uint16_t number)
{
    (void)user;
    port = number;
}

/* A turn has eight steps of handshakes, whoever else has sent one. */
static void test_handshakes_of_a_turn(void **state)
{
    enum {
        PEERS = 20
    };
    static const struct demo_counter_handlers counter = { .inc = inc,
                                                          .reset = reset };
    static const struct demo_handlers handlers = { .counter = &counter };
    static const int expected[] = { 8, 16, 20, 20 };
    const struct zkt_serve_options options = { .tls = &library,
                                               .on_listening = on_listening };
    struct zkt_server *server;
    uv_loop_t loop;
    int peers[PEERS];
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &server),
                     ZKT_OK);
    assert_int_equal(zkt_server_listen(server, &loop), ZKT_OK);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = connect_to_loopback(port);
    }
    while (open_streams < PEERS) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    steps = 0;
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(send(peers[i], "\x16", 1, MSG_NOSIGNAL), 1);
    }
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(steps, expected[i]);
    }
    for (int i = 0; i < PEERS; i++) {
        close(peers[i]);
    }
    zkt_server_free(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(open_streams, 0);
}

/* ---- memory ---- */

/* Records that were made before the memory failed are not sent by another
 * stream. */
static void test_a_failed_write(void **state)
{
    static const struct zkt_slice secret = { (const uint8_t *)"secret", 6 },
                                  other = { (const uint8_t *)"other", 5 };
    struct failing_alloc memory;
    (void)state;
    failing_alloc_init(&memory, 0);
    for (long n = 1; n <= 7; n++) {
        int first[2], second[2];
        char got[16];
        struct zkt_tls_stream *a = open_stream(&library, NULL, NULL);
        struct zkt_tls_stream *b = open_stream(&library, NULL, NULL);
        struct zkt_secure_memory *shared = zkt__secure_memory_new(
            &memory.allocator);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, second), 0);
        memory.calls = 0;
        memory.fail_at = n;
        assert_int_equal(zkt__secure_write(a, shared, first[0], &secret, 1),
                         n <= 6 ? -1 : 6);
        memory.fail_at = 0;
        assert_int_equal(zkt__secure_write(b, shared, second[0], &other, 1), 5);
        assert_int_equal(recv(second[1], got, sizeof(got), 0), 5);
        assert_memory_equal(got, "other", 5);
        assert_int_equal(recv(first[1], got, sizeof(got), MSG_DONTWAIT),
                         n <= 6 ? -1 : 6);
        for (int i = 0; i < 2; i++) {
            close(first[i]);
            close(second[i]);
        }
        zkt__secure_close(a, shared);
        zkt__secure_close(b, shared);
        zkt__secure_memory_free(shared);
        assert_int_equal(memory.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshakes_of_a_turn),
        cmocka_unit_test(test_a_failed_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
