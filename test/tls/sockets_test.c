/*
 * TLS of servers and clients over sockets of one loop: calls, refusals and what
 * the log says of them, options, 1000 handshakes that break off at any byte,
 * and memory of ours that fails at every allocation. CERTIFICATES names the
 * script that makes the certificates.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "base/memory.h"
#include "certificates.h"
#include "counter_client.h"
#include "counter_server.h"
#include "failing_alloc.h"
#include "loopback.h"
#include "net/secure.h"
#include "zocket/tls.h"

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    (void)call;
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };
static const struct demo_counter_inc_input one = { .by = 1 };

/* ---- a server and a client on a loop ---- */

struct site {
    uv_loop_t loop;
    struct zkt_tls *tls;
    struct zkt_server *server;
    uint16_t port;
    struct zkt_client *client;
    struct demo_counter *counter;
    bool answered, refused, replied;
    int32_t n;
    char log[4096]; /* of both */
};

static void on_listening(void *user, uint16_t port)
{
    struct site *site = user;
    site->port = port;
}

static void take_log(void *user, enum zkt_log_level level, const char *text)
{
    struct site *site = user;
    const size_t len = strlen(site->log);
    (void)level;
    snprintf(site->log + len, sizeof(site->log) - len, "%s\n", text);
    site->refused = site->refused || strncmp(text, "cannot connect", 14) == 0;
}

static struct zkt_tls *server_tls(const char *name, const char *client_ca,
                                  const struct zkt_allocator *allocator)
{
    static char chain[128], key[128], ca[128];
    const struct zkt_tls_certificate certificate = {
        certificate_file(chain, name, ".pem"),
        certificate_file(key, name, ".key")
    };
    return zkt_tls_server(&(struct zkt_tls_server_options){
        .certificates = &certificate,
        .certificate_count = 1,
        .client_ca = client_ca != NULL ? certificate_file(ca, client_ca, ".pem")
                                       : NULL,
        .allocator = allocator,
    });
}

/* Returns false if there is no memory. */
static bool open_server(struct site *site, struct zkt_tls *tls,
                        const struct zkt_allocator *allocator)
{
    *site = (struct site){ .tls = tls };
    assert_int_equal(uv_loop_init(&site->loop), 0);
    const struct zkt_serve_options options = {
        .on_listening = on_listening,
        .user = site,
        .log = take_log,
        .log_user = site,
        .tls = tls,
        .allocator = allocator,
    };
    return zkt_server_new(demo_app(&handlers), &options, &site->server) ==
               ZKT_OK &&
           zkt_server_listen(site->server, &site->loop) == ZKT_OK;
}

static void close_site(struct site *site)
{
    demo_counter_close(site->counter);
    zkt_client_close(site->client);
    for (int i = 0; i < 20; i++) { /* the goodbye arrives */
        uv_run(&site->loop, UV_RUN_NOWAIT);
    }
    zkt_server_free(site->server);
    uv_run(&site->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&site->loop), 0);
    zkt_tls_free(site->tls);
}

static void on_inc(const struct zkt_reply *reply, int32_t n, void *user)
{
    struct site *site = user;
    site->answered = reply->status == ZKT_OK;
    site->replied = true;
    site->n = n;
}

static bool open_client(struct site *site, const char *host,
                        struct zkt_tls *tls,
                        const struct zkt_allocator *allocator)
{
    char url[128];
    snprintf(url, sizeof(url), "wss://%s:%u/", host, (unsigned)site->port);
    site->client = zkt_client_open(url, &(struct zkt_client_options){
                                            .loop = &site->loop,
                                            .tls = tls,
                                            .log = take_log,
                                            .log_user = site,
                                            .allocator = allocator,
                                            .reconnect_min_ms = 1,
                                            .reconnect_max_ms = 1,
                                        });
    site->counter = demo_counter_open(site->client, "x");
    demo_counter_begin_inc(site->counter, &one, on_inc, site);
    return site->client != NULL;
}

/* Runs the loop until the call is answered, or an attempt has failed. */
static void run(struct site *site)
{
    while (!site->replied && !site->refused) {
        uv_run(&site->loop, UV_RUN_ONCE);
    }
}

static struct zkt_tls *client_tls(const char *ca, const char *name)
{
    static char authority[128], chain[128], key[128];
    return zkt_tls_client(&(struct zkt_tls_client_options){
        .ca = ca != NULL ? certificate_file(authority, ca, ".pem") : NULL,
        .certificate = { name != NULL ? certificate_file(chain, name, ".pem")
                                      : NULL,
                         name != NULL ? certificate_file(key, name, ".key")
                                      : NULL },
    });
}

/* ---- tests ---- */

static struct site site;

static void test_calls(void **state)
{
    static const char *const hosts[] = { "127.0.0.1", "localhost" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct zkt_tls *tls = client_tls("ca", NULL);
        assert_true(open_server(&site, server_tls("good", NULL, NULL), NULL));
        assert_non_null(strstr(site.log, "listening on wss://127.0.0.1:"));
        assert_true(open_client(&site, hosts[i], tls, NULL));
        run(&site);
        assert_true(site.answered);
        assert_int_equal(site.n, 1);
        for (int n = 0; n < 1000; n++) {
            demo_counter_begin_inc(site.counter, &one, on_inc, &site);
        }
        while (site.n < 1001) {
            uv_run(&site.loop, UV_RUN_ONCE);
        }
        close_site(&site);
        zkt_tls_free(tls);
    }
}

struct refusal {
    const char *server, *client_ca;
    const char *ca, *client, *host;
    const char *line; /* of the log */
};

static void test_refusals(void **state)
{
    static const struct refusal all[] = {
        { "expired", NULL, "ca", NULL, "localhost",
          "cannot connect: TLS has failed: certificate has expired" },
        { "wrong", NULL, "ca", NULL, "localhost",
          "cannot connect: TLS has failed: hostname mismatch" },
        { "wrong", NULL, "ca", NULL, "127.0.0.1",
          "cannot connect: TLS has failed: IP address mismatch" },
        { "good", NULL, "other-ca", NULL, "localhost",
          "cannot connect: TLS has failed: unable to get local issuer" },
        { "good", NULL, NULL, NULL, "localhost", /* the system's authorities */
          "cannot connect: TLS has failed: unable to get local issuer" },
        { "good", "ca", "ca", NULL, "localhost",
          "cannot connect: TLS has failed: " },
        { "good", "ca", "ca", "stranger", "localhost",
          "cannot connect: TLS has failed: " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const struct refusal *r = &all[i];
        struct zkt_tls *tls = client_tls(r->ca, r->client);
        assert_true(open_server(
            &site, server_tls(r->server, r->client_ca, NULL), NULL));
        assert_true(open_client(&site, r->host, tls, NULL));
        run(&site);
        assert_false(site.answered);
        if (strstr(site.log, r->line) == NULL) {
            fail_msg("%s: no %s", site.log, r->line);
        }
        close_site(&site);
        zkt_tls_free(tls);
    }
}

static void test_certificate_of_the_client(void **state)
{
    struct zkt_tls *tls = client_tls("ca", "client");
    (void)state;
    assert_true(open_server(&site, server_tls("good", "ca", NULL), NULL));
    assert_true(open_client(&site, "localhost", tls, NULL));
    run(&site);
    assert_true(site.answered);
    close_site(&site);
    zkt_tls_free(tls);
}

static void test_insecure(void **state)
{
    struct zkt_tls *tls = zkt_tls_client(&(struct zkt_tls_client_options){
        .insecure_accept_any_certificate = true });
    (void)state;
    assert_true(open_server(&site, server_tls("expired", NULL, NULL), NULL));
    assert_true(open_client(&site, "127.0.0.1", tls, NULL));
    run(&site);
    assert_true(site.answered);
    close_site(&site);
    zkt_tls_free(tls);
}

/* Opens a client that cannot be opened. */
static void expect_no_client(struct zkt_tls *tls, const char *line)
{
    site.log[0] = '\0';
    assert_null(
        zkt_client_open("wss://localhost:1/", &(struct zkt_client_options){
                                                  .tls = tls,
                                                  .log = take_log,
                                                  .log_user = &site,
                                              }));
    if (strstr(site.log, line) == NULL) {
        fail_msg("%s: no %s", site.log, line);
    }
    zkt_tls_free(tls);
}

static const char *do_nothing(struct zkt_tls *tls, const char *option,
                              const char *value)
{
    (void)tls;
    (void)option;
    (void)value;
    return NULL;
}

static void test_options(void **state)
{
    struct failing_alloc memory;
    (void)state;
    expect_no_client(NULL, "wss:// needs the option tls");
    expect_no_client(client_tls("none", NULL), "cannot read the authorities ");
    expect_no_client(client_tls("ca", "none"), "cannot read the certificate ");
    failing_alloc_init(&memory, 1);
    expect_no_client(zkt_tls_client(&(struct zkt_tls_client_options){
                         .allocator = &memory.allocator }),
                     "out of memory");
    /* A server without its certificate is none without TLS. */
    assert_false(open_server(
        &site, zkt_tls_server(&(struct zkt_tls_server_options){ 0 }), NULL));
    assert_non_null(strstr(site.log, "TLS has no certificate"));
    close_site(&site);
    memory.calls = 0;
    assert_false(
        open_server(&site, server_tls("good", NULL, &memory.allocator), NULL));
    assert_non_null(strstr(site.log, "out of memory"));
    close_site(&site);
    /* A library of another version. */
    static const struct zkt_tls_ops other = {
        .interface = ZKT_TLS_INTERFACE + 1, .configure = do_nothing
    };
    struct zkt_tls tls = { &other };
    assert_false(open_server(&site, &tls, NULL));
    assert_non_null(strstr(site.log, "not of the same version"));
    site.tls = NULL;
    close_site(&site);
}

/* ---- peers that break off ---- */

struct raw {
    struct zkt_tls_stream *stream;
    struct zkt_tls_bytes bytes;
    int fd;
    size_t left; /* bytes until it breaks off */
};

/* Sends at most as many bytes as are left. */
static void raw_send(struct raw *raw)
{
    const size_t len = raw->bytes.out_len < raw->left ? raw->bytes.out_len
                                                      : raw->left;
    if (len > 0) {
        assert_int_equal(send(raw->fd, raw->bytes.out, len, MSG_NOSIGNAL), len);
    }
    raw->left -= len;
    raw->bytes.out_len = 0;
}

static void raw_read(struct raw *raw, const uint8_t *bytes, size_t len)
{
    char plain[4096];
    raw->bytes.in = bytes;
    raw->bytes.in_len = len;
    while (raw->stream->ops->read(raw->stream, &raw->bytes, plain,
                                  sizeof(plain)) > 0) {
    }
}

static void raw_receive(struct raw *raw)
{
    uint8_t bytes[8192];
    const ssize_t got = recv(raw->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got > 0) {
        raw_read(raw, bytes, (size_t)got);
    }
}

/* Speaks TLS and asks for a page, and breaks off after @limit bytes: with an
 * end of file, or by a reset. */
static void break_off(struct zkt_tls *tls, size_t limit, bool resets)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    const struct linger reset_at_once = { 1, 0 };
    struct raw raw = { .bytes.allocator = &zkt__allocator_default,
                       .fd = connect_to_loopback(site.port),
                       .left = limit };
    raw.stream = tls->ops->open(tls, &zkt__allocator_default, "localhost");
    raw_read(&raw, NULL, 0);
    for (int i = 0; i < 100 && raw.left > 0; i++) {
        raw_send(&raw);
        uv_run(&site.loop, UV_RUN_NOWAIT);
        raw_receive(&raw);
        if (raw.stream->is_open) {
            (void)raw.stream->ops->write(raw.stream, &raw.bytes, request,
                                         sizeof(request) - 1);
        }
    }
    if (resets) {
        (void)setsockopt(raw.fd, SOL_SOCKET, SO_LINGER, &reset_at_once,
                         sizeof(reset_at_once));
    }
    close(raw.fd);
    uv_run(&site.loop, UV_RUN_NOWAIT);
    raw.stream->ops->close(raw.stream);
    free(raw.bytes.out);
}

static int count_descriptors(void)
{
    enum {
        DESCRIPTORS = 1024
    };
    int count = 0;
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

static uint32_t count_connections(void)
{
    struct zkt_server_stats stats;
    zkt_server_stats(site.server, &stats);
    return (uint32_t)stats.connections;
}

/* Runs the loop until only the client is connected, with as many descriptors as
 * before; gives up after a long time. */
static void expect_the_client_alone(int descriptors)
{
    enum {
        GIVE_UP_MS = 60000
    };
    const uint64_t begin = uv_now(&site.loop);
    while (count_connections() != 1 || count_descriptors() != descriptors) {
        uv_run(&site.loop, UV_RUN_NOWAIT);
        if (uv_now(&site.loop) - begin > GIVE_UP_MS) {
            fail_msg("%u connections, %d descriptors, which were %d",
                     (unsigned)count_connections(), count_descriptors(),
                     descriptors);
        }
        uv_sleep(1);
    }
}

static void test_1000_broken_handshakes(void **state)
{
    enum {
        HANDSHAKES = 1000,
        LONGEST = 800 /* a handshake has about 600 bytes of the client */
    };
    struct zkt_tls *tls = client_tls("ca", NULL);
    uint32_t seed = 1;
    (void)state;
    assert_true(open_server(&site, server_tls("good", NULL, NULL), NULL));
    assert_true(open_client(&site, "localhost", tls, NULL));
    run(&site);
    const int descriptors = count_descriptors();
    for (int i = 0; i < HANDSHAKES; i++) {
        seed = seed * 1664525 + 1013904223;
        break_off(tls, 1 + (seed >> 8) % LONGEST, i % 2 == 0);
    }
    expect_the_client_alone(descriptors);
    site.replied = false;
    demo_counter_begin_inc(site.counter, &one, on_inc, &site);
    run(&site);
    assert_true(site.answered);
    assert_int_equal(site.n, 2);
    close_site(&site);
    zkt_tls_free(tls);
}

/* ---- memory ---- */

/* Stores the greeting of a client. Returns its length. */
static size_t greet(uint8_t *out, size_t size)
{
    struct zkt_tls *tls = client_tls("ca", NULL);
    struct zkt_tls_bytes bytes = { .allocator = &zkt__allocator_default };
    assert_int_equal(tls->ops->load(tls, NULL, NULL), 1);
    struct zkt_tls_stream *stream = tls->ops->open(tls, bytes.allocator,
                                                   "localhost");
    assert_non_null(stream);
    assert_int_equal(tls->ops->read(stream, &bytes, out, size), ZKT_TLS_MORE);
    assert_true(bytes.out_len > 0 && bytes.out_len <= size);
    memcpy(out, bytes.out, bytes.out_len);
    zkt__release(bytes.allocator, bytes.out);
    tls->ops->close(stream);
    zkt_tls_free(tls);
    return bytes.out_len;
}

/* A socket that is lost while the handshake is answered is no failure of TLS,
 * of which a log would warn; bytes that are no TLS are one, also then. */
static void test_a_lost_socket(void **state)
{
    static uint8_t greeting[4096];
    const size_t len = greet(greeting, sizeof(greeting));
    struct zkt_tls *tls = server_tls("good", NULL, NULL);
    (void)state;
    assert_int_equal(tls->ops->load(tls, NULL, NULL), 1);
    for (int broken = 0; broken < 2; broken++) {
        int ends[2];
        struct zkt_secure_memory *memory = zkt__secure_memory_new(
            &zkt__allocator_default);
        struct zkt_tls_stream *stream = tls->ops->open(
            tls, &zkt__allocator_default, NULL);
        assert_true(memory != NULL && stream != NULL);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        close(ends[1]);
        greeting[0] ^= broken ? 0x40 : 0;
        memory->bytes.in = greeting;
        memory->bytes.in_len = len;
        assert_int_equal(zkt__secure_read(stream, memory, ends[0]),
                         broken ? ZKT_TLS_FAILED : ZKT_SECURE_LOST);
        zkt__secure_close(stream, memory);
        zkt__secure_memory_free(memory);
        close(ends[0]);
    }
    zkt_tls_free(tls);
}

static void test_failing_memory(void **state)
{
    struct failing_alloc server, client;
    (void)state;
    for (long n = 1;; n++) {
        failing_alloc_init(&server, 0);
        failing_alloc_init(&client, 0);
        struct zkt_tls *tls = client_tls("ca", NULL);
        const bool listens = open_server(&site, server_tls("good", NULL, NULL),
                                         &server.allocator);
        server.calls = client.calls = 0;
        server.fail_at = client.fail_at = n;
        if (listens &&
            open_client(&site, "localhost", tls, &client.allocator)) {
            run(&site);
        }
        const bool over = server.calls < n && client.calls < n;
        assert_true(!over || site.answered);
        server.fail_at = client.fail_at = 0;
        close_site(&site);
        zkt_tls_free(tls);
        assert_int_equal(server.live, 0);
        assert_int_equal(client.live, 0);
        if (over) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_certificate_of_the_client),
        cmocka_unit_test(test_insecure),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_1000_broken_handshakes),
        cmocka_unit_test(test_a_lost_socket),
        cmocka_unit_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, certificates_make,
                                  certificates_remove);
}
