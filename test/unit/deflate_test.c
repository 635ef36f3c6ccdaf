/*
 * permessage-deflate: which offers are accepted, compressing and decompressing
 * by themselves, frames of a connection, and the compressed forms of a server's
 * frames. Compressed messages of the test are made by zlib itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#include "failing_alloc.h"
#include "websocket/deflate.h"
#include "websocket/websocket.h"

/* ---- negotiation ---- */

static void test_offers(void **state)
{
    static const struct {
        const char *line;
        bool accepted, window;
    } table[] = {
        { "permessage-deflate", true, false },
        { "Permessage-Deflate; client_max_window_bits", true, false },
        { "permessage-deflate; client_max_window_bits=9", true, false },
        { "permessage-deflate;server_no_context_takeover;"
          "client_no_context_takeover",
          true, false },
        { "permessage-deflate ; server_max_window_bits = 15", true, true },
        { "permessage-deflate; server_max_window_bits=\"15\"", true, true },
        /* a smaller window of the server */
        { "permessage-deflate; server_max_window_bits=10", false, false },
        { "permessage-deflate; server_max_window_bits=10, permessage-deflate",
          true, false },
        { "permessage-deflate; server_max_window_bits=8, "
          "permessage-deflate; server_max_window_bits=15",
          true, true },
        /* an extension, or a parameter, that is none */
        { "", false, false },
        { "permessage-bzip2", false, false },
        { "permessage-bzip2, permessage-deflate", true, false },
        { "permessage-deflate; x", false, false },
        { "permessage-deflate; server_no_context_takeover=1", false, false },
        { "permessage-deflate; client_no_context_takeover=", false, false },
        { "permessage-deflate; server_max_window_bits", false, false },
        { "permessage-deflate; server_max_window_bits=", false, false },
        { "permessage-deflate; server_max_window_bits=16", false, false },
        { "permessage-deflate; server_max_window_bits=015", false, false },
        { "permessage-deflate; server_max_window_bits=1e1", false, false },
        { "permessage-deflate; client_max_window_bits=7", false, false },
        { "permessage-deflate; client_max_window_bits=115", false, false },
        { "permessage-deflate; client_max_window_bits=99999999999999999999",
          false, false },
        { "permessage-deflate; client_max_window_bits=\"12", false, false },
        { "permessage-deflate; client_max_window_bits; client_max_window_bits",
          false, false },
        { "permessage-deflate;; client_max_window_bits", false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_deflate_offer offer = { .accepted = false };
        zkt__deflate_read_offers(zkt_cstr(table[i].line), &offer);
        if (offer.accepted != table[i].accepted ||
            offer.window != table[i].window) {
            fail_msg("%s: %d, %d", table[i].line, offer.accepted, offer.window);
        }
    }
}

static void test_responses(void **state)
{
    static const struct {
        const char *line;
        bool accepted;
    } table[] = {
        { "permessage-deflate; server_no_context_takeover", true },
        { "permessage-deflate; server_no_context_takeover; "
          "client_no_context_takeover; server_max_window_bits=9",
          true },
        { "permessage-deflate", false },
        { "permessage-deflate; server_no_context_takeover; "
          "client_max_window_bits=9",
          false },
        { "permessage-deflate; server_no_context_takeover; "
          "server_max_window_bits",
          false },
        { "permessage-deflate; server_no_context_takeover, x", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (zkt__deflate_is_accepted(zkt_cstr(table[i].line)) !=
            table[i].accepted) {
            fail_msg("%s", table[i].line);
        }
    }
}

/* ---- messages ---- */

enum {
    LONGEST = 200000
};

static uint8_t message[LONGEST], packed[2 * LONGEST];

/* Fills the message with bytes of @kinds values. */
static void make_message(size_t len, unsigned kinds, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        message[i] = (uint8_t)('a' + (seed >> 24) % kinds);
    }
}

/* Compresses as a client may; @flush ends the message. Returns the length. */
static size_t pack(const void *bytes, size_t len, int level, int flush)
{
    z_stream z = { .next_in = bytes, .avail_in = (uInt)len };
    assert_int_equal(
        deflateInit2(&z, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = packed;
    z.avail_out = sizeof(packed);
    (void)deflate(&z, flush);
    const size_t size = sizeof(packed) - z.avail_out;
    (void)deflateEnd(&z);
    if (flush != Z_FINISH) {
        return size - 4;
    }
    packed[size] = 0; /* behind a final block: RFC 7692, section 7.2.3.4 */
    return size + 1;
}

static void test_round_trips(void **state)
{
    struct zkt_deflate *d = zkt__deflate_new(&zkt__allocator_default);
    (void)state;
    for (uint32_t i = 0; i < 60; i++) {
        const size_t len = i < 10 ? i : (size_t)i * i * 50;
        struct zkt_inflated_message out;
        make_message(len, 2 + i % 5, i);
        const size_t size = zkt__deflate_message(d, message, len, packed,
                                                 len + 100);
        assert_true(size > 0);
        assert_int_equal(zkt__inflate_message(d, packed, size, len, &out),
                         ZKT_INFLATED);
        assert_int_equal(out.len, len);
        assert_memory_equal(out.bytes, message, len);
        for (size_t pad = 0; pad < ZKT_PADDING; pad++) {
            assert_int_equal(out.bytes[len + pad], 0);
        }
        free(out.bytes);
        if (len > 0) {
            assert_int_equal(
                zkt__inflate_message(d, packed, size, len - 1, &out),
                ZKT_INFLATE_TOO_LONG);
        }
        /* There is no room for all of it. */
        assert_int_equal(
            zkt__deflate_message(d, message, len, packed, size + 3), 0);
    }
    zkt__deflate_free(d);
}

/* Messages as other compressors end them, of each level. */
static void test_other_compressors(void **state)
{
    static const int ends[] = { Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_FINISH };
    struct zkt_deflate *d = zkt__deflate_new(&zkt__allocator_default);
    (void)state;
    for (int level = 0; level < 10; level++) {
        for (size_t i = 0; i < 3; i++) {
            struct zkt_inflated_message out;
            make_message(5000, 4, (uint32_t)level);
            const size_t len = pack(message, 5000, level, ends[i]);
            assert_int_equal(zkt__inflate_message(d, packed, len, 5000, &out),
                             ZKT_INFLATED);
            assert_int_equal(out.len, 5000);
            assert_memory_equal(out.bytes, message, 5000);
            free(out.bytes);
        }
    }
    zkt__deflate_free(d);
}

static void test_no_compressed_data(void **state)
{
    struct zkt_deflate *d = zkt__deflate_new(&zkt__allocator_default);
    struct zkt_inflated_message out;
    (void)state;
    make_message(3000, 9, 1);
    const size_t len = pack(message, 3000, 6, Z_SYNC_FLUSH);
    for (size_t cut = 1; cut < len; cut++) {
        const enum zkt_inflated result = zkt__inflate_message(
            d, packed, len - cut, 3000, &out);
        if (result == ZKT_INFLATED) { /* the end of a block by chance */
            assert_true(out.len <= 3000);
            free(out.bytes);
        } else { /* the bytes that end a message may be read as more text */
            assert_true(result == ZKT_INFLATE_INVALID ||
                        result == ZKT_INFLATE_TOO_LONG);
        }
    }
    static const uint8_t bad[] = { 0x06, 0xff, 0xff };
    assert_int_equal(zkt__inflate_message(d, bad, sizeof(bad), 3000, &out),
                     ZKT_INFLATE_INVALID);
    /* Nothing is not even an empty message: that is an empty block. */
    assert_int_equal(zkt__inflate_message(d, bad, 0, 3000, &out),
                     ZKT_INFLATE_INVALID);
    assert_int_equal(
        zkt__inflate_message(d, (const uint8_t[]){ 0 }, 1, 3000, &out),
        ZKT_INFLATED);
    assert_int_equal(out.len, 0);
    free(out.bytes);
    zkt__deflate_free(d);
}

/* A block is never larger than the limit, with its padding. */
static void *bounded_alloc(void *user, size_t size)
{
    size_t *most = user;
    *most = size > *most ? size : *most;
    return malloc(size);
}

static void *bounded_resize(void *user, void *block, size_t size)
{
    size_t *most = user;
    *most = size > *most ? size : *most;
    return realloc(block, size);
}

static void bounded_free(void *user, void *block)
{
    (void)user;
    free(block);
}

static void test_bombs(void **state)
{
    size_t most = 0;
    const struct zkt_allocator allocator = { .alloc = bounded_alloc,
                                             .resize = bounded_resize,
                                             .release = bounded_free,
                                             .user = &most };
    struct zkt_deflate *d = zkt__deflate_new(&allocator);
    struct zkt_inflated_message out;
    (void)state;
    memset(message, 'a', sizeof(message));
    size_t len = pack(message, sizeof(message), 9, Z_SYNC_FLUSH);
    assert_true(len < 300);
    most = 0;
    assert_int_equal(zkt__inflate_message(d, packed, len, 100000, &out),
                     ZKT_INFLATE_TOO_LONG);
    assert_true(most <= 100001 + ZKT_PADDING);
    /* Many final blocks, each with a stream of its own. */
    len = pack(message, 1000, 9, Z_FINISH) - 1;
    for (size_t i = 1; i < 500; i++) {
        memcpy(packed + i * len, packed, len);
    }
    packed[500 * len] = 0;
    assert_int_equal(
        zkt__inflate_message(d, packed, 500 * len + 1, 100000, &out),
        ZKT_INFLATE_TOO_LONG);
    assert_int_equal(
        zkt__inflate_message(d, packed, 500 * len + 1, 500000, &out),
        ZKT_INFLATED);
    assert_int_equal(out.len, 500000);
    free(out.bytes);
    zkt__deflate_free(d);
}

static void test_without_memory(void **state)
{
    (void)state;
    for (long n = 1;; n++) {
        struct failing_alloc failing;
        struct zkt_inflated_message out;
        failing_alloc_init(&failing, n);
        struct zkt_deflate *d = zkt__deflate_new(&failing.allocator);
        bool good = false;
        if (d != NULL) {
            make_message(5000, 3, 1);
            const size_t size = zkt__deflate_message(d, message, 5000, packed,
                                                     5000);
            const size_t len = size > 0 ? size
                                        : pack(message, 5000, 1, Z_SYNC_FLUSH);
            const enum zkt_inflated result = zkt__inflate_message(
                d, packed, len, 5000, &out);
            assert_true(result == ZKT_INFLATED ||
                        result == ZKT_INFLATE_NO_MEMORY);
            good = failing.calls < n;
            if (result == ZKT_INFLATED) {
                assert_memory_equal(out.bytes, message, 5000);
                zkt__release(&failing.allocator, out.bytes);
            }
        }
        zkt__deflate_free(d);
        assert_int_equal(failing.live, 0);
        if (good) {
            return;
        }
    }
}

/* ---- frames ---- */

struct heard {
    char text[16384];
    size_t len, messages;
    bool binary;
    unsigned code;
    unsigned limits;
    uint8_t sent[4096];
    size_t sent_len;
    uint8_t memory[16384 + ZKT_PADDING];
};

static uint8_t *on_memory(void *user, size_t len)
{
    struct heard *h = user;
    return len <= 16384 ? h->memory : NULL;
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct heard *h = user;
    memcpy(h->text + h->len, data, len);
    h->len += len;
    h->messages++;
    h->binary = binary;
    for (size_t i = 0; i < ZKT_PADDING; i++) {
        assert_int_equal(data[len + i], 0);
    }
}

static void on_send(void *user, const void *data, size_t len)
{
    struct heard *h = user;
    memcpy(h->sent + h->sent_len, data, len);
    h->sent_len += len;
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct heard *h = user;
    (void)reason;
    h->code = code;
}

static void on_limit(void *user, enum zkt_ws_limit limit)
{
    struct heard *h = user;
    h->limits += limit == ZKT_WS_LIMIT_MESSAGE;
}

static const struct zkt_ws_callbacks callbacks = {
    .memory = on_memory,
    .on_message = on_message,
    .send = on_send,
    .on_close = on_close,
    .on_limit = on_limit,
};
static const struct zkt_ws_limits limits = { 4000, 4096, 4, 0 };

enum {
    FIN = 0x80,
    RSV1 = 0x40,
    RSV2 = 0x20,
    TEXT = 1,
    BINARY = 2,
    PING = 9
};

/* Writes a masked frame; returns its length. */
static size_t put(uint8_t *to, unsigned first, const void *payload, size_t len)
{
    static const uint8_t key[4] = { 9, 8, 7, 6 };
    size_t head = 2;
    to[0] = (uint8_t)first;
    to[1] = (uint8_t)(0x80 | (len < 126 ? len : 126));
    if (len >= 126) {
        to[2] = (uint8_t)(len >> 8);
        to[3] = (uint8_t)len;
        head = 4;
    }
    memcpy(to + head, key, 4);
    for (size_t i = 0; i < len; i++) {
        to[head + 4 + i] = ((const uint8_t *)payload)[i] ^ key[i & 3];
    }
    return head + 4 + len;
}

static struct zkt_deflate *deflater;

/* Feeds a server's WebSocket in pieces of @cut bytes. */
static void run(struct heard *h, const uint8_t *bytes, size_t len, size_t cut,
                bool deflates)
{
    const struct zkt_ws_setup setup = { .callbacks = &callbacks,
                                        .allocator = &zkt__allocator_default,
                                        .limits = &limits,
                                        .deflate = deflater };
    struct zkt_ws ws;
    memset(h, 0, sizeof(*h));
    zkt__ws_init_server(&ws, &setup, h);
    ws.state = ZKT_WS_OPEN;
    ws.deflates = deflates;
    for (size_t at = 0; at < len; at += cut) {
        uint8_t copy[8192];
        const size_t n = len - at < cut ? len - at : cut;
        memcpy(copy, bytes + at, n);
        (void)zkt__ws_feed(&ws, copy, n);
    }
    zkt__ws_finish(&ws);
}

static void expect(const char *what, const uint8_t *bytes, size_t len,
                   unsigned code, const char *text)
{
    static const size_t cuts[] = { 1, 2, 7, 8192 };
    static struct heard h;
    for (size_t i = 0; i < 4; i++) {
        run(&h, bytes, len, cuts[i], true);
        if (h.code != code || h.len != strlen(text) ||
            memcmp(h.text, text, h.len) != 0) {
            fail_msg("%s, cut %zu: %u, '%.*s'", what, cuts[i], h.code,
                     (int)h.len, h.text);
        }
    }
}

static void test_frames(void **state)
{
    static const char text[] = "{\"type\":\"rpc\",\"rpc\":\"rpc\"}";
    const size_t text_len = sizeof(text) - 1;
    uint8_t bytes[8192], whole[512];
    (void)state;
    deflater = zkt__deflate_new(&zkt__allocator_default);
    const size_t n = pack(text, text_len, 6, Z_SYNC_FLUSH);
    memcpy(whole, packed, n);
    size_t len = put(bytes, FIN | RSV1 | TEXT, whole, n);
    expect("whole", bytes, len, 0, text);
    len += put(bytes + len, FIN | TEXT, "plain", 5);
    len += put(bytes + len, FIN | RSV1 | TEXT, "\0", 1);
    expect("then plain, then empty", bytes, len, 0,
           "{\"type\":\"rpc\",\"rpc\":\"rpc\"}plain");
    len = put(bytes, RSV1 | TEXT, whole, 3);
    len += put(bytes + len, FIN | PING, "?", 1);
    len += put(bytes + len, 0, whole + 3, 5);
    len += put(bytes + len, FIN, whole + 8, n - 8);
    len += put(bytes + len, FIN | TEXT, "!", 1);
    expect("in fragments", bytes, len, 0,
           "{\"type\":\"rpc\",\"rpc\":\"rpc\"}!");
    len = put(bytes, TEXT, "ab", 2);
    len += put(bytes + len, FIN | RSV1, whole + 3, n - 3);
    expect("RSV1 in a continuation", bytes, len, 1002, "");
    len = put(bytes, FIN | RSV1 | PING, "?", 1);
    expect("RSV1 in a ping", bytes, len, 1002, "");
    len = put(bytes, FIN | RSV2 | TEXT, whole, n);
    expect("RSV2", bytes, len, 1002, "");
    len = put(bytes, FIN | RSV1 | RSV2 | TEXT, whole, n);
    expect("RSV1 and RSV2", bytes, len, 1002, "");
    len = put(bytes, FIN | RSV1 | TEXT, "\x06\xff\xff", 3);
    expect("no compressed data", bytes, len, 1007, "");
    len = put(bytes, RSV1 | TEXT, "\x06\xff", 2);
    len += put(bytes + len, FIN, "\xff", 1);
    expect("no compressed data, in fragments", bytes, len, 1007, "");
    const size_t odd = pack("a\xc3", 2, 6, Z_SYNC_FLUSH);
    len = put(bytes, FIN | RSV1 | TEXT, packed, odd);
    expect("no UTF-8", bytes, len, 1007, "");
    len = put(bytes, FIN | RSV1 | BINARY, packed, odd);
    expect("any bytes", bytes, len, 0, "a\xc3");
    zkt__deflate_free(deflater);
}

static void test_limits(void **state)
{
    static struct heard h;
    uint8_t bytes[8192];
    (void)state;
    deflater = zkt__deflate_new(&zkt__allocator_default);
    memset(message, 'a', sizeof(message));
    for (size_t over = 0; over < 2; over++) {
        const size_t n = pack(message, 4000 + over, 9, Z_SYNC_FLUSH);
        for (size_t cut = 1; cut < 9000; cut += 8191) {
            const size_t len = put(bytes, FIN | RSV1 | TEXT, packed, n);
            run(&h, bytes, len, cut, true);
            assert_int_equal(h.code, over > 0 ? 1009 : 0);
            assert_int_equal(h.limits, over);
            assert_int_equal(h.messages, 1 - over);
        }
        /* As fragments, each within the limit. */
        size_t len = put(bytes, RSV1 | TEXT, packed, 4);
        len += put(bytes + len, FIN, packed + 4, n - 4);
        run(&h, bytes, len, 8192, true);
        assert_int_equal(h.code, over > 0 ? 1009 : 0);
        assert_int_equal(h.limits, over);
    }
    /* Where it was not negotiated, the bit is reserved. */
    const size_t n = pack(message, 100, 9, Z_SYNC_FLUSH);
    for (size_t cut = 1; cut < 9000; cut += 8191) {
        const size_t len = put(bytes, FIN | RSV1 | TEXT, packed, n);
        run(&h, bytes, len, cut, false);
        assert_int_equal(h.code, 1002);
        assert_int_equal(h.messages, 0);
    }
    zkt__deflate_free(deflater);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offers),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_other_compressors),
        cmocka_unit_test(test_no_compressed_data),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
