/*
 * A server that compresses: subscribers with and without compression, of both
 * dialects, share their frames; every frame is decompressed by
 * zlib and compared with the frame of a subscriber without compression.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#define ZLIB_CONST
#include <zlib.h>

#include "failing_alloc.h"
#include "recap.h"
#include "wire.h"
#include "zocket/embed.h"

/* ---- the server ---- */

static enum zkt_status fail_it(struct recap_board_call *call,
                               const struct recap_board_fail_input *in)
{
    (void)in;
    return zkt_fail(call->zkt, ZKT_ABORTED, "in vain");
}

static enum zkt_status later(struct recap_board_call *call,
                             const struct recap_board_later_input *in)
{
    recap_board_set_n(call, in->n);
    return ZKT_OK;
}

static struct zkt_server *serve(const struct zkt_allocator *allocator)
{
    static const struct recap_board_handlers board = {
        .set = set,
        .append = append,
        .insert = insert,
        .hide = hide,
        .fail = fail_it,
        .read = read_lines,
        .later = later,
        .end = end,
    };
    static const struct recap_handlers handlers = { .board = &board };
    static const uint8_t seed[32] = { 3 };
    const struct zkt_serve_options options = { .deflate = true,
                                               .random_seed = seed,
                                               .allocator = allocator };
    struct zkt_server *server = NULL;
    assert_int_equal(zkt_server_new(recap_app(&handlers), &options, &server),
                     ZKT_OK);
    return server;
}

static struct zkt_server_stats stats_of(const struct zkt_server *server)
{
    struct zkt_server_stats stats;
    zkt_server_stats(server, &stats);
    return stats;
}

/* ---- connections ---- */

static struct wire visit(struct zkt_server *server, bool deflates, bool rfc6902)
{
    char head[512];
    const int len = snprintf(
        head, sizeof(head),
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n%s%s"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        rfc6902 ? "Sec-WebSocket-Protocol: zocket.rfc6902\r\n" : "",
        deflates ? "Sec-WebSocket-Extensions: permessage-deflate; "
                   "client_max_window_bits\r\n"
                 : "");
    struct wire w = { .e = zkt__server_accept(server, "test") };
    assert_non_null(w.e);
    feed(&w, head, (size_t)len, 4096, true);
    assert_true(deflates ==
                (count_text(&w, "Sec-WebSocket-Extensions: permessage-deflate; "
                                "server_no_context_takeover; "
                                "client_no_context_takeover\r\n") == 1));
    w.len = 0;
    return w;
}

static void send_to(struct wire *w, const char *text)
{
    static char bytes[70000];
    feed(w, bytes, frame(bytes, text), 8000, false);
}

static void subscribe(struct wire *w)
{
    send_to(w, "{\"type\":\"state:sub\",\"actor\":\"board\","
               "\"actorId\":\"b\"}");
}

/* Calls a method with a text of @len letters. */
static void call(struct wire *w, const char *method, char letter, size_t len)
{
    static char text[40000], filler[33000];
    memset(filler, letter, len);
    filler[len] = '\0';
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"board\",\"actorId\":"
             "\"b\",\"method\":\"%s\",\"input\":{\"text\":\"%s\"}}",
             method, filler);
    send_to(w, text);
}

/* The texts of the frames that were received, as lines. */
struct lines {
    char text[256 * 1024];
    size_t len;
    unsigned frames, compressed;
};

static void inflate_into(struct lines *to, const uint8_t *bytes, size_t len)
{
    static const uint8_t tail[] = { 0, 0, 0xff, 0xff };
    z_stream z = { .next_in = bytes, .avail_in = (uInt)len };
    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    z.next_out = (uint8_t *)to->text + to->len;
    z.avail_out = (uInt)(sizeof(to->text) - to->len - 2);
    const uInt room = z.avail_out;
    assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
    z.next_in = tail;
    z.avail_in = sizeof(tail);
    (void)inflate(&z, Z_SYNC_FLUSH);
    assert_int_equal(z.avail_in, 0);
    to->len += room - z.avail_out;
    (void)inflateEnd(&z);
}

static void read_lines_of(struct wire *w, struct lines *to)
{
    size_t at = 0;
    *to = (struct lines){ .len = 0 };
    drain(w);
    while (at + 2 <= w->len) {
        const uint8_t *head = (const uint8_t *)w->text + at;
        const unsigned code = head[1] & 0x7f;
        const size_t skip = code == 126 ? 4 : code == 127 ? 10 : 2;
        size_t len = code;
        for (size_t i = 2; i < skip; i++) {
            len = (i == 2 ? 0 : len << 8) | head[i];
        }
        assert_true((head[0] & 0x3f) == 1);
        to->frames++;
        if ((head[0] & 0x40) != 0) {
            to->compressed++;
            inflate_into(to, head + skip, len);
        } else {
            memcpy(to->text + to->len, head + skip, len);
            to->len += len;
        }
        to->text[to->len++] = '\n';
        at += skip + len;
    }
    to->text[to->len] = '\0';
    w->len = 0;
}

static struct lines ours, theirs;

/* Expects the same lines of both, some of them compressed. */
static void expect_same(struct wire *plain, struct wire *deflates,
                        unsigned compressed)
{
    read_lines_of(plain, &theirs);
    read_lines_of(deflates, &ours);
    assert_string_equal(ours.text, theirs.text);
    assert_int_equal(theirs.compressed, 0);
    assert_int_equal(ours.compressed, compressed);
}

static void test_patches_and_snapshots(void **state)
{
    (void)state;
    struct zkt_server *server = serve(NULL);
    struct wire caller = visit(server, false, false);
    struct wire plain[2], deflates[2];
    for (int i = 0; i < 2; i++) {
        plain[i] = visit(server, false, i == 1);
        deflates[i] = visit(server, true, i == 1);
        subscribe(&plain[i]);
        subscribe(&deflates[i]);
        expect_same(&plain[i], &deflates[i], 0);
    }
    call(&caller, "append", 'a', 900);
    for (int i = 0; i < 2; i++) {
        expect_same(&plain[i], &deflates[i], 0);
    }
    call(&caller, "append", 'b', 1100);
    for (int i = 0; i < 2; i++) {
        expect_same(&plain[i], &deflates[i], 1);
    }
    assert_int_equal(stats_of(server).deflated, 1);
    /* Here the dialects have a patch each. */
    call(&caller, "insert", 'c', 1100);
    for (int i = 0; i < 2; i++) {
        expect_same(&plain[i], &deflates[i], 1);
    }
    assert_int_equal(stats_of(server).deflated, 3);
    /* The snapshot is kept with its compressed form. */
    call(&caller, "append", 'd', 9000);
    for (int i = 0; i < 2; i++) {
        expect_same(&plain[i], &deflates[i], 1);
    }
    assert_int_equal(stats_of(server).deflated, 4);
    for (int i = 0; i < 3; i++) {
        struct wire late = visit(server, true, false);
        struct wire late_plain = visit(server, false, false);
        subscribe(&late);
        subscribe(&late_plain);
        expect_same(&late_plain, &late, 1);
        close_wire(&late);
        close_wire(&late_plain);
    }
    assert_int_equal(stats_of(server).deflated, 5);
    assert_true(stats_of(server).snapshots_cached >= 4);
    for (int i = 0; i < 2; i++) {
        close_wire(&plain[i]);
        close_wire(&deflates[i]);
    }
    close_wire(&caller);
    zkt_server_free(server);
}

static void test_results(void **state)
{
    (void)state;
    struct zkt_server *server = serve(NULL);
    struct wire plain = visit(server, false, false);
    struct wire deflates = visit(server, true, false);
    static const size_t sizes[] = { 10, 3000, 30000, 30000 };
    for (size_t i = 0; i < 4; i++) { /* the last results are large frames */
        call(&plain, "append", (char)('a' + i), sizes[i]);
        read_lines_of(&plain, &theirs);
        call(&plain, "read", 'x', 1);
        call(&deflates, "read", 'x', 1);
        expect_same(&plain, &deflates, i > 0);
        assert_true(ours.len > sizes[i]);
    }
    close_wire(&plain);
    close_wire(&deflates);
    zkt_server_free(server);
}

static void test_many_subscribers(void **state)
{
    enum {
        MANY = 1000
    };
    static struct wire subscribers[MANY];
    (void)state;
    struct zkt_server *server = serve(NULL);
    struct wire caller = visit(server, false, false);
    for (int i = 0; i < MANY; i++) {
        subscribers[i] = visit(server, true, i % 2 == 1);
        subscribe(&subscribers[i]);
        drain(&subscribers[i]);
        subscribers[i].len = 0;
    }
    for (int round = 0; round < 3; round++) {
        call(&caller, "append", 'a', 2000);
        for (int i = 0; i < MANY; i++) {
            drain(&subscribers[i]);
            /* A frame with a short header. */
            assert_int_equal((uint8_t)subscribers[i].text[0], 0xc1);
            assert_true(subscribers[i].len < 126);
            subscribers[i].len = 0;
        }
        assert_int_equal(stats_of(server).deflated, round + 1);
    }
    for (int i = 0; i < MANY; i++) {
        close_wire(&subscribers[i]);
    }
    close_wire(&caller);
    zkt_server_free(server);
}

/* Without memory for it a frame is sent as it is. */
static void test_without_memory(void **state)
{
    (void)state;
    unsigned compressed = 0, plain = 0;
    bool whole = false;
    for (long n = 1; !whole; n++) {
        struct failing_alloc failing;
        failing_alloc_init(&failing, 0);
        struct zkt_server *server = serve(&failing.allocator);
        struct wire caller = visit(server, false, false);
        struct wire w = visit(server, true, false);
        subscribe(&w);
        drain(&w);
        w.len = 0;
        const long before = failing.calls;
        failing.fail_at = before + n;
        call(&caller, "append", 'a', 5000);
        whole = failing.calls < failing.fail_at;
        failing.fail_at = 0;
        if (!w.e->closing && !w.e->aborted) {
            read_lines_of(&w, &ours);
            compressed += ours.compressed;
            plain += ours.frames - ours.compressed;
            assert_true(ours.frames <= 1);
        }
        close_wire(&caller);
        close_wire(&w);
        zkt_server_free(server);
        assert_int_equal(failing.live, 0);
    }
    assert_true(compressed > 0);
    assert_true(plain > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patches_and_snapshots),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_many_subscribers),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
