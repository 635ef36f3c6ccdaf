/*
 * A hostile client that knows how the server is built: its messages are made to
 * cost much time, to make the server keep much memory, or to make it wait, on
 * one thread and on two (the instances are then on the other thread). The tests
 * count kept memory at its peak, in bytes, and the size of the answers. No test
 * looks at a clock.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"

/* ---- memory, counted in bytes ---- */

static size_t used, peak;

static void count_block(void *block, bool comes)
{
    const size_t size = block != NULL ? malloc_usable_size(block) : 0;
    used = comes ? used + size : used - size;
    peak = used > peak ? used : peak;
}

static void *get(void *user, size_t size)
{
    (void)user;
    void *block = malloc(size);
    count_block(block, true);
    return block;
}

static void *resize(void *user, void *block, size_t size)
{
    (void)user;
    count_block(block, false);
    void *grown = realloc(block, size);
    count_block(grown != NULL ? grown : block, true);
    return grown;
}

static void release(void *user, void *block)
{
    (void)user;
    count_block(block, false);
    free(block);
}

static const struct zkt_allocator counting = { get, resize, release, NULL };

/* ---- a server, and messages to it ---- */

enum {
    KIB = 1024,
    MIB = 1024 * KIB,
    HOMES = 12 /* ids that the tests use */
};

static struct zkt_server *server;
static size_t before; /* bytes in use after the peer has connected */

/* The peer is on the last shard, its instances are on the first. */
static uint32_t shards = 1;
static struct zkt_location *homes[2 * HOMES];

static void claim_homes(void)
{
    struct zkt_host *host = &server->host;
    for (uint32_t i = 0; i < 2 * HOMES; i++) {
        const struct zkt_actor *actor = host->app.info->actors[i % 2];
        const char text[2] = { "0123456789xz"[i / 2], '\0' };
        const struct zkt_str name = zkt_cstr(text);
        homes[i] = zkt__location_take(host, actor, name,
                                      zkt__location_hash(host, actor, name));
        assert_non_null(homes[i]);
    }
}

/* Advances the clock and delivers messages between shards. */
static void pass(int64_t ms)
{
    for (uint32_t i = 0; i < 4 * shards; i++) {
        zkt_server_advance(zkt__server_shard(server, i % shards),
                           i < shards ? ms : 0);
    }
}

static const char *hear(struct wire *w)
{
    if (shards > 1) {
        pass(0);
    }
    return said(w);
}

static const char *ask_and_hear(struct wire *w, const char *text)
{
    send_text(w, text, true);
    return hear(w);
}

static struct wire begin(struct zkt_limits limits)
{
    used = 0;
    server = new_slow_shards(&limits, &counting, shards);
    zkt__server_run_shards(server, shards);
    claim_homes();
    struct wire w = open_slow(zkt__server_shard(server, shards - 1));
    before = peak = used;
    return w;
}

static void end(struct wire *w)
{
    close_wire(w);
    for (uint32_t i = 0; i < 2 * HOMES; i++) {
        zkt__location_release(&server->host, homes[i]);
    }
    zkt_server_free(server);
    assert_int_equal(used, 0);
}

/* Returns the peak of the bytes that the peer has made the server keep. */
static size_t kept(void)
{
    return peak - before;
}

/* Sends a message of any length; the mask is zero. */
static void say_long(struct wire *w, const char *text, size_t len)
{
    char head[14] = { (char)0x81, (char)0xff };
    for (int i = 0; i < 8; i++) {
        head[2 + i] = (char)((uint64_t)len >> 8 * (7 - i));
    }
    feed(w, head, sizeof(head), sizeof(head), false);
    feed(w, text, len, 8192, false);
}

/* Returns PREFIX, then PIECE repeated for @len bytes, then SUFFIX. */
static char *repeat(const char *prefix, const char *piece, size_t len,
                    const char *suffix, size_t *out)
{
    const size_t first = strlen(prefix), each = strlen(piece);
    const size_t last = strlen(suffix), times = len / each;
    char *text = malloc(first + times * each + last + 1);
    memcpy(text, prefix, first);
    for (size_t i = 0; i < times; i++) {
        memcpy(text + first + i * each, piece, each);
    }
    memcpy(text + first + times * each, suffix, last + 1);
    *out = first + times * each + last;
    return text;
}

/* Sends such a message and returns the answer. */
static const char *ask_long(struct wire *w, const char *prefix,
                            const char *piece, size_t len, const char *suffix)
{
    size_t total;
    char *text = repeat(prefix, piece, len, suffix, &total);
    say_long(w, text, total);
    free(text);
    return hear(w);
}

#define BUILD                                                                  \
    "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"job\",\"actorId\":\"x\","      \
    "\"method\":\"build\",\"input\":"
#define SPELL                                                                  \
    "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"plain\",\"actorId\":\"x\","    \
    "\"method\":\"spell\",\"input\":"

/* ---- frames ---- */

static const struct zkt_limits no_limits;

/* Endless pings of a client that does not read pongs: the server stops reading
 * it. */
static void test_pings_without_end(void **state)
{
    char flood[8192];
    size_t len = 0;
    int rounds = 0;
    struct wire w = begin(no_limits);
    (void)state;
    while (len + 131 <= sizeof(flood)) {
        memcpy(flood + len, "\x89\xfd\0\0\0\0", 6);
        memset(flood + len + 6, 'x', 125);
        len += 131;
    }
    while (zkt_endpoint_reading(w.e) && rounds < 1000) {
        feed(&w, flood, len, len, false);
        rounds++;
    }
    assert_true(rounds < 40);
    assert_true(kept() < 600 * KIB);
    assert_int_equal(stats_of(server).limit_hits.output_high, 1);
    drain(&w); /* after it has read them, the server goes on */
    pass(0);
    drain(&w);
    assert_true(zkt_endpoint_reading(w.e));
    assert_int_equal(w.len, (size_t)rounds * len / 131 * 127);
    w.len = 0;
    feed(&w, flood, len, len, false);
    pass(9999);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    pass(1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    assert_int_equal(stats_of(server).limit_hits.output_stuck_ms, 1);
    end(&w);
}

/* Half a frame costs the bytes that have arrived, not the announced length. */
static void test_half_frames(void **state)
{
    static const char heads[][15] = {
        "\x81\xff\0\0\0\0\0\x0f\xff\xff\0\0\0\0", /* nearly a MiB */
        "\x01\xff\0\0\0\0\0\x0f\xff\xff\0\0\0\0", /* a fragment */
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct wire w = begin(no_limits);
        feed(&w, heads[i], 14, 14, true);
        for (int j = 0; j < 99; j++) { /* a byte every tenth of a second */
            feed(&w, "x", 1, 1, true);
            pass(100);
        }
        assert_true(kept() < 20 * KIB);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
        pass(100);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
        assert_non_null(strstr(hear(&w), "close 1013\n"));
        end(&w);
    }
}

/* Fragments of one byte: their number is limited, and their cost is
 * proportional. */
static void test_tiny_fragments(void **state)
{
    struct wire w = begin(no_limits);
    (void)state;
    feed(&w, "\x01\x81\0\0\0\0x", 7, 7, true);
    for (int i = 1; i < 1024; i++) {
        feed(&w, "\0\x81\0\0\0\0x", 7, 7, true);
        feed(&w, "\x89\x80\0\0\0\0", 6, 6, true); /* pings do not count */
    }
    w.len = 0;
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    assert_true(kept() < 64 * KIB);
    feed(&w, "\0\x81\0\0\0\0x", 7, 7, true);
    assert_string_equal(hear(&w), "close 1009\n");
    end(&w);
}

/* The client sends a close frame, stays, reads nothing, and goes on sending. */
static void test_a_close_that_does_not_end(void **state)
{
    char junk[4096];
    struct wire w = begin(no_limits);
    (void)state;
    memset(junk, 'x', sizeof(junk));
    send_text(&w, SUB("state:sub", "x"), false);
    feed(&w, "\x88\x82\0\0\0\0\x03\xe8", 8, 8, false);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    int seconds = 0;
    while (zkt_endpoint_fate(w.e) == ZKT_FATE_CLOSE && seconds < 100) {
        feed(&w, junk, sizeof(junk), sizeof(junk), false);
        pass(1000);
        seconds++;
    }
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
    assert_true(seconds <= 35); /* as for a silent client */
    assert_true(kept() < 20 * KIB);
    end(&w);
}

/* ---- subscriptions and calls ---- */

/* A short message asks for a long answer, again and again. */
static void test_a_storm_of_subscriptions(void **state)
{
    struct wire busy = begin((struct zkt_limits){ .output_high = 16 * KIB });
    struct wire w = open_slow(server);
    (void)state;
    for (int i = 0; i < 19; i++) { /* a state of nearly 4 KB */
        char text[600];
        snprintf(text, sizeof(text), MARK("1", "x", "%0200d"), i);
        (void)ask_and_hear(&busy, text);
    }
    for (int i = 0; i < 5000 && zkt_endpoint_reading(w.e); i++) {
        send_text(&w, SUB("state:sub", "x"), false);
        if (i % 3 == 0) {
            send_text(&w, SUB("state:unsub", "x"), false);
        }
        if (i % 100 == 0) {
            send_text(&w, SUB("event:sub", "x"), false);
            send_text(&w, SUB("event:unsub", "x"), false);
        }
    }
    assert_true(kept() < 80 * KIB);
    close_wire(&busy);
    end(&w);
}

/* ---- JSON ---- */

#define TOO_DEEP "is nested too deeply"

/* Cancelled calls that are not resumed yet keep little more than their
 * input. */
static void test_cancelled_calls(void **state)
{
    enum {
        CALLS = 10,
        PADDING = 3000
    };
    struct wire w = begin(no_limits);
    struct ran ran = { 0 };
    char text[PADDING + 300];
    (void)state;
    for (int i = 0; i < CALLS; i++) {
        snprintf(text, sizeof(text),
                 "{\"padding\":\"%0*d\",\"type\":\"rpc\",\"id\":\"1\","
                 "\"actor\":\"job\",\"actorId\":\"%d\",\"method\":\"add\","
                 "\"input\":{\"by\":1,\"note\":\"later\"}}",
                 PADDING, 0, i);
        assert_string_equal(ask_and_hear(&w, text), "");
    }
    const size_t deferred = used - before;
    assert_true(deferred > CALLS * PADDING);
    /* The last step is short: nobody takes the output meanwhile. */
    pass(29999);
    pass(1);
    assert_non_null(strstr(hear(&w), "DEADLINE_EXCEEDED"));
    /* A call to another shard keeps only its input from the start. */
    assert_true(shards > 1 || used - before < deferred - CALLS * PADDING);
    assert_true(used - before < CALLS * (PADDING + 1000));
    for (size_t i = 0; i < CALLS; i++) {
        resume(i, &ran);
    }
    pass(0);
    assert_int_equal(ran.cancelled, CALLS);
    end(&w);
}

static void test_deep_json(void **state)
{
    struct wire w = begin(no_limits);
    (void)state;
    const char *answer = ask_long(&w, BUILD "{\"part\":", "[", MIB - 4 * KIB,
                                  "");
    assert_non_null(strstr(answer, "the message is not a JSON object"));
    /* Well-formed, in a known field and in an unknown field. */
    static const char *const places[] = { "{\"part\":", "{\"x\":" };
    for (size_t i = 0; i < 2; i++) {
        char prefix[256];
        size_t len, total;
        snprintf(prefix, sizeof(prefix), "%s%s", BUILD, places[i]);
        char *closing = repeat("", "]", 400 * KIB, "}}", &len);
        char *text = repeat(prefix, "[", 400 * KIB, closing, &total);
        say_long(&w, text, total);
        assert_non_null(strstr(hear(&w), TOO_DEEP));
        free(text);
        free(closing);
    }
    assert_true(kept() < 4 * MIB);
    end(&w);
}

/* An input with many errors: the first are listed, the rest are counted. */
static void test_many_issues(void **state)
{
    struct wire w = begin(no_limits);
    (void)state;
    const char *answer = ask_long(&w, SPELL "{\"words\":[", "0,", MIB - 4 * KIB,
                                  "0]}}");
    assert_non_null(strstr(answer, "and 522209 more"));
    assert_int_equal(stats_of(server).limit_hits.issues, 1);
    assert_true(kept() < 24 * MIB); /* the list, while it grows */
    end(&w);
}

/* A long key is part of the path of an issue, but an answer is not longer than
 * its question. */
static void test_long_keys(void **state)
{
    struct wire w = begin(no_limits);
    (void)state;
    const char *answer = ask_long(
        &w, BUILD "{\"part\":{\"name\":\"a\",\"sizes\":[]},\"more\":[{\"", "k",
        900 * KIB, "\":\"bad\"}]}}");
    assert_non_null(strstr(answer, "build: [{\\\"code\\\":\\\"custom\\\","
                                   "\\\"path\\\":[],\\\"message\\\":"
                                   "\\\"and 2 more\\\"}]"));
    answer = ask_long(&w,
                      BUILD "{\"part\":{\"name\":\"a\",\"sizes\":[]},"
                            "\"more\":[],\"",
                      "k", 900 * KIB, "\":1}}");
    assert_non_null(strstr(answer, "\"id\":\"1\""));
    assert_true(kept() < 6 * MIB);
    end(&w);
}

/* Input that is short in JSON and large in memory, repeated under the same key:
 * the last value counts, but all are decoded. */
static void test_memory_of_a_call(void **state)
{
    enum {
        CALL = 256 * KIB
    };
    struct wire w = begin((struct zkt_limits){ .call_bytes = CALL });
    (void)state;
    assert_string_equal(
        ask_long(&w, SPELL "{\"words\":[\"a\"", ",\"a\"", 900 * KIB, "]}}"),
        REFUSED("1", "out of memory", "RESOURCE_EXHAUSTED"));
    assert_int_equal(stats_of(server).limit_hits.call_bytes, 1);
    assert_string_equal(ask_long(&w, SPELL "{\"words\":[]",
                                 ",\"words\":[\"a\",\"a\",\"a\"]", 900 * KIB,
                                 "}}"),
                        REFUSED("1", "out of memory", "RESOURCE_EXHAUSTED"));
    assert_int_equal(stats_of(server).limit_hits.call_bytes, 2);
    assert_true(kept() < MIB + CALL + 3 * MIB); /* and the message, twice */
    assert_string_equal(ask_and_hear(&w, MARK("2", "x", "y")), DONE("2"));
    end(&w);
}

/* Numbers of a million digits, of every kind. */
static void test_long_numbers(void **state)
{
    static const char *const fronts[] = { "1", "0.", "1e", "-1.1e-", "1e+" };
    struct wire w = begin(no_limits);
    (void)state;
    for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
        char prefix[256];
        snprintf(prefix, sizeof(prefix), "%s%s%s",
                 SPELL "{\"words\":[],\"at\":", fronts[i], i == 1 ? "0" : "");
        const char *answer = ask_long(&w, prefix, "9", 900 * KIB, "}}");
        assert_non_null(strstr(answer, "\"id\":\"1\""));
    }
    assert_true(kept() < 6 * MIB);
    end(&w);
}

/* Many words; each takes the maximum of matching steps. */
static void test_many_hard_words(void **state)
{
    struct wire w = begin(no_limits);
    (void)state;
    const char *answer = ask_long(&w, SPELL "{\"words\":[\"a\"",
                                  ",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"",
                                  900 * KIB, "]}}");
    assert_non_null(strstr(answer, "does not match"));
    assert_non_null(strstr(answer, " more"));
    end(&w);
}

/* Keys that would collide under an unseeded hash. */
static void test_hashes_are_seeded(void **state)
{
    const struct slow_handlers *handlers = &slow_handlers;
    struct zkt_server *a = NULL, *b = NULL;
    (void)state;
    assert_int_equal(zkt_server_new(slow_app(handlers), NULL, &a), ZKT_OK);
    assert_int_equal(zkt_server_new(slow_app(handlers), NULL, &b), ZKT_OK);
    struct wire v = open_wire(a), w = open_wire(b);
    /* A client's id comes from the same random numbers. */
    assert_int_equal(v.len, w.len);
    assert_memory_not_equal(v.text, w.text, v.len);
    close_wire(&v);
    close_wire(&w);
    zkt_server_free(a);
    zkt_server_free(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pings_without_end),
        cmocka_unit_test(test_half_frames),
        cmocka_unit_test(test_tiny_fragments),
        cmocka_unit_test(test_a_close_that_does_not_end),
        cmocka_unit_test(test_a_storm_of_subscriptions),
        cmocka_unit_test(test_cancelled_calls),
        cmocka_unit_test(test_deep_json),
        cmocka_unit_test(test_many_issues),
        cmocka_unit_test(test_long_keys),
        cmocka_unit_test(test_memory_of_a_call),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_many_hard_words),
        cmocka_unit_test(test_hashes_are_seeded),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
