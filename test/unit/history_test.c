/*
 * New subscribers of an instance: they get the snapshot that earlier
 * subscribers got, and the patches since. The tests say when a snapshot is
 * kept, when it is encoded again, and how much memory the cache may use. Frames
 * are compared to the last byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "instance/snapshot_cache.h"
#include "recap.h"
#include "wire.h"
#include "zocket/embed.h"

/* ---- the server ---- */

static struct recap_board_later_later *held; /* a deferred call */

static enum zkt_status fail_it(struct recap_board_call *call,
                               const struct recap_board_fail_input *in)
{
    recap_board_set_n(call, in->n);
    recap_board_append_lines(call, ZKT_STR("never"));
    return zkt_fail(call->zkt, ZKT_ABORTED, "in vain");
}

static enum zkt_status later(struct recap_board_call *call,
                             const struct recap_board_later_input *in)
{
    recap_board_set_n(call, in->n);
    held = recap_board_defer_later(call);
    return held != NULL ? ZKT_PENDING : ZKT_OK;
}

static enum zkt_status then(struct recap_board_call *call,
                            const struct recap_board_later_input *in,
                            void *user)
{
    (void)user;
    recap_board_set_n(call, in->n + 1);
    return ZKT_OK;
}

static struct zkt_server *serve(struct zkt_limits limits,
                                const struct zkt_allocator *allocator)
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
    const struct zkt_serve_options options = { .limits = limits,
                                               .random_seed = seed,
                                               .allocator = allocator };
    struct zkt_server *server = NULL;
    held = NULL;
    if (zkt_server_new(recap_app(&handlers), &options, &server) != ZKT_OK) {
        assert_non_null(allocator);
    }
    return server;
}

static struct zkt_server_stats stats_of(const struct zkt_server *server)
{
    struct zkt_server_stats stats;
    zkt_server_stats(server, &stats);
    return stats;
}

static void expect_snapshots(const struct zkt_server *server, int sent,
                             int cached)
{
    assert_int_equal(stats_of(server).snapshots, sent);
    assert_int_equal(stats_of(server).snapshots_cached, cached);
}

/* ---- connections ---- */

/* Returns the text frames and close codes received since the last call, as
 * lines. Valid until the next call. */
static const char *said(struct wire *w)
{
    static char lines[256 * 1024];
    size_t used = 0, at = 0;
    drain(w);
    while (at + 2 <= w->len) {
        const uint8_t *head = (const uint8_t *)w->text + at;
        size_t len = head[1] & 0x7f, skip = len == 126 ? 4 : 2;
        if (len == 127) {
            len = 0;
            skip = 10;
        }
        for (size_t i = 2; i < skip; i++) {
            len = (i == 2 ? 0 : len << 8) | head[i];
        }
        assert_true(used + len + 16 < sizeof(lines));
        used += (size_t)((head[0] & 0x0f) == 8
                             ? snprintf(lines + used, 16, "close %d\n",
                                        head[2] << 8 | head[3])
                             : snprintf(lines + used, len + 2, "%.*s\n",
                                        (int)len, w->text + at + skip));
        at += skip + len;
    }
    lines[used] = '\0';
    w->len = 0;
    return lines;
}

static struct wire visit(struct zkt_server *server)
{
    struct wire w = open_wire(server);
    w.len = 0;
    return w;
}

/* Connects with the RFC 6902 dialect. */
static struct wire visit_rfc6902(struct zkt_server *server)
{
    struct wire w = open_wire_rfc6902(server);
    w.len = 0;
    return w;
}

static void ask_of(struct wire *w, const char *type, const char *id)
{
    char text[600];
    snprintf(text, sizeof(text),
             "{\"type\":\"%s\",\"actor\":\"board\",\"actorId\":\"%s\"}", type,
             id);
    send_text(w, text, false);
}

static void subscribe(struct wire *w, const char *id)
{
    ask_of(w, "state:sub", id);
}

static void call(struct wire *w, const char *id, const char *method,
                 const char *input)
{
    static char text[40000];
    static char bytes[40000];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"board\",\"actorId\":"
             "\"%s\",\"method\":\"%s\"%s%s}",
             id, method, input[0] != '\0' ? ",\"input\":" : "", input);
    feed(w, bytes, frame(bytes, text), 8000, false);
}

#define DONE "{\"type\":\"rpc:result\",\"id\":\"1\"}\n"

/* Calls a method and expects its result. */
static void tell(struct wire *w, const char *id, const char *method,
                 const char *input)
{
    call(w, id, method, input);
    assert_string_equal(said(w), DONE);
}

/* Returns an input object: @name with a text of @len letters. */
static const char *text_of(const char *name, char letter, size_t len)
{
    static char input[33000];
    char *to = input + snprintf(input, 64, "{\"%s\":\"", name);
    memset(to, letter, len);
    strcpy(to + len, "\"}");
    return input;
}

/* Returns `"xxx…"`, a line of a state; valid until the call after the next. */
static const char *line_of(char letter, size_t len)
{
    static char lines[2][33000];
    static int which;
    char *line = lines[which ^= 1];
    line[0] = '"';
    memset(line + 1, letter, len);
    strcpy(line + 1 + len, "\"");
    return line;
}

/* Returns a snapshot message as a line; valid until the next call. */
static const char *snapshot(const char *id, int n, const char *lines)
{
    static char text[80000];
    snprintf(text, sizeof(text),
             "{\"type\":\"state:snapshot\",\"actor\":\"board\",\"actorId\":"
             "\"%s\",\"state\":{\"n\":%d,\"lines\":[%s]}}\n",
             id, n, lines);
    return text;
}

#define PATCH(id, operations)                                                  \
    "{\"type\":\"state:patch\",\"actor\":\"board\",\"actorId\":\"" id          \
    "\",\"patches\":[" operations "]}\n"
#define SET_N(n) "{\"op\":\"replace\",\"path\":\"/n\",\"value\":" #n "}"

/* Expects @first and then @rest. */
static void expect(struct wire *w, const char *first, const char *rest)
{
    const char *all = said(w);
    const size_t len = strlen(first);
    assert_true(strlen(all) >= len);
    assert_memory_equal(all, first, len);
    assert_string_equal(all + len, rest);
}

enum {
    LINE = 4200 /* letters; a snapshot of this size is kept */
};

/* Starts a server with an instance x of a single line, and a wire that changes
 * it and subscribes to it, which creates its snapshot. */
static struct zkt_server *begin(struct wire *writer)
{
    struct zkt_server *server = serve((struct zkt_limits){ 0 }, NULL);
    *writer = visit(server);
    tell(writer, "x", "append", text_of("text", 'a', LINE));
    subscribe(writer, "x");
    expect(writer, snapshot("x", 0, line_of('a', LINE)), "");
    expect_snapshots(server, 1, 0);
    return server;
}

/* Expects these frames on a new subscription, and closes it. */
static void expect_newcomer(struct zkt_server *server, const char *first,
                            const char *rest)
{
    struct wire w = visit(server);
    subscribe(&w, "x");
    expect(&w, first, rest);
    close_wire(&w);
    zkt_server_tick(server);
}

/* ---- tests ---- */

static void test_patches_since(void **state)
{
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    (void)state;
    expect_newcomer(server, snapshot("x", 0, line_of('a', LINE)), "");
    expect_snapshots(server, 2, 1);
    call(&writer, "x", "set", "{\"n\":1}");
    expect(&writer, PATCH("x", SET_N(1)), DONE);
    struct wire follower = visit(server);
    subscribe(&follower, "x");
    expect(&follower, snapshot("x", 0, line_of('a', LINE)),
           PATCH("x", SET_N(1)));
    expect_snapshots(server, 3, 2);
    assert_int_equal(stats_of(server).patches, 2);
    /* Patches follow: none twice, none missing. */
    call(&writer, "x", "append", "{\"text\":\"b\"}");
    expect(&follower,
           PATCH("x", "{\"op\":\"add\",\"path\":\"/lines/1\","
                      "\"value\":\"b\"}"),
           "");
    expect_newcomer(server, snapshot("x", 0, line_of('a', LINE)),
                    PATCH("x", SET_N(1))
                        PATCH("x", "{\"op\":\"add\",\"path\":\"/lines/1\","
                                   "\"value\":\"b\"}"));
    close_wire(&follower);
    close_wire(&writer);
    zkt_server_free(server);
}

/* A snapshot of 4096 bytes, frame head included, is kept; a smaller snapshot is
 * not. */
static void test_small_snapshots_are_not_kept(void **state)
{
    const size_t around = strlen(snapshot("x", 0, "\"\"")) - 1 + 4;
    (void)state;
    for (size_t size = 4095; size <= 4096; size++) {
        struct zkt_server *server = serve((struct zkt_limits){ 0 }, NULL);
        struct wire w = visit(server);
        tell(&w, "x", "append", text_of("text", 'a', size - around));
        subscribe(&w, "x");
        drain(&w);
        assert_int_equal(w.len, size);
        expect_newcomer(server, said(&w), "");
        expect_snapshots(server, 2, size == 4096);
        close_wire(&w);
        zkt_server_free(server);
    }
}

/* A quarter of the snapshot is 1067 bytes; each patch costs 358 or 359. */
static void test_too_many_patches(void **state)
{
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    (void)state;
    for (int i = 1; i <= 3; i++) {
        char input[16];
        snprintf(input, sizeof(input), "{\"n\":%d}", i);
        call(&writer, "x", "set", input);
        (void)said(&writer);
        if (i == 2) {
            expect_newcomer(server, snapshot("x", 0, line_of('a', LINE)),
                            PATCH("x", SET_N(1)) PATCH("x", SET_N(2)));
        }
    }
    expect_snapshots(server, 2, 1);
    expect_newcomer(server, snapshot("x", 3, line_of('a', LINE)), "");
    expect_snapshots(server, 3, 1);
    expect_newcomer(server, snapshot("x", 3, line_of('a', LINE)), "");
    expect_snapshots(server, 4, 2);
    close_wire(&writer);
    zkt_server_free(server);
}

static void test_a_big_change(void **state)
{
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    char lines[3 * LINE];
    (void)state;
    call(&writer, "x", "append", text_of("text", 'b', 1000));
    (void)said(&writer);
    snprintf(lines, sizeof(lines), "%s,%s", line_of('a', LINE),
             line_of('b', 1000));
    expect_newcomer(server, snapshot("x", 0, lines), "");
    expect_snapshots(server, 2, 0);
    close_wire(&writer);
    zkt_server_free(server);
}

#define ADD(index, value)                                                      \
    "{\"op\":\"add\",\"path\":\"/lines/" #index "\",\"value\":\"" value "\"}"

static void test_dialects(void **state)
{
    static const char plain[] = PATCH("x", ADD(1, "b")) PATCH(
        "x", "{\"op\":\"replace\",\"path\":\"/lines/1\",\"value\":\"c\"}," ADD(
                 2, "b"));
    static const char rfc6902[] = PATCH("x", ADD(1, "b"))
        PATCH("x", ADD(1, "c"));
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    struct wire modern = visit_rfc6902(server), old = visit(server);
    (void)state;
    call(&writer, "x", "append", "{\"text\":\"b\"}");
    call(&writer, "x", "insert", "{\"text\":\"c\"}");
    subscribe(&modern, "x");
    subscribe(&old, "x");
    expect(&modern, snapshot("x", 0, line_of('a', LINE)), rfc6902);
    expect(&old, snapshot("x", 0, line_of('a', LINE)), plain);
    expect_snapshots(server, 3, 2);
    close_wire(&modern);
    close_wire(&old);
    close_wire(&writer);
    zkt_server_free(server);
}

/* A repeated subscription gets neither the kept snapshot nor the patches after
 * it: the client may have asked because they did not fit. */
static void test_asking_again(void **state)
{
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    (void)state;
    subscribe(&writer, "x");
    expect(&writer, snapshot("x", 0, line_of('a', LINE)), "");
    expect_snapshots(server, 2, 1);
    call(&writer, "x", "set", "{\"n\":1}");
    (void)said(&writer);
    subscribe(&writer, "x");
    expect(&writer, snapshot("x", 1, line_of('a', LINE)), "");
    expect_newcomer(server, snapshot("x", 1, line_of('a', LINE)), "");
    expect_snapshots(server, 4, 2);
    close_wire(&writer);
    zkt_server_free(server);
}

/* ---- large frames, which are shared without being copied ---- */

enum {
    LARGE_LINE = 30000
};

/* Appends two lines, and a third so that the snapshot of x has @size bytes.
 * Returns the lines as JSON; valid until the next call. */
static const char *fill(struct wire *w, size_t size)
{
    static char lines[80000];
    const size_t frame = strlen(snapshot("x", 0, "")) - 1;
    const size_t rest = size - frame - 2 * LARGE_LINE - strlen("\"\",") * 3 + 1;
    tell(w, "x", "append", text_of("text", 'a', LARGE_LINE));
    tell(w, "x", "append", text_of("text", 'b', LARGE_LINE));
    tell(w, "x", "append", text_of("text", 'c', rest));
    const int len = snprintf(lines, sizeof(lines), "%s,%s",
                             line_of('a', LARGE_LINE),
                             line_of('b', LARGE_LINE));
    snprintf(lines + len, sizeof(lines) - (size_t)len, ",%s",
             line_of('c', rest));
    return lines;
}

static void test_large_frames(void **state)
{
    static const size_t sizes[] = { 65535, 65536, 65537, 75000 };
    static char result[80000];
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct zkt_server *server = serve((struct zkt_limits){ 0 }, NULL);
        struct wire writer = visit(server);
        const char *lines = fill(&writer, sizes[i]);
        for (int k = 0; k < 3; k++) {
            const char *text = snapshot("x", 0, lines);
            assert_int_equal(strlen(text) - 1, sizes[i]);
            expect_newcomer(server, text, "");
        }
        expect_snapshots(server, 3, 2);
        call(&writer, "x", "read", "");
        snprintf(result, sizeof(result),
                 "{\"type\":\"rpc:result\",\"id\":\"1\",\"result\":[%s]}\n",
                 lines);
        expect(&writer, result, "");
        /* The next buffer is small again. */
        tell(&writer, "x", "set", "{\"n\":1}");
        expect_newcomer(server, snapshot("x", 1, lines), "");
        close_wire(&writer);
        zkt_server_free(server);
    }
}

/* ---- calls that change nothing, and unwatched changes ---- */

static void test_calls_that_change_nothing(void **state)
{
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    (void)state;
    for (int i = 0; i < 2; i++) {
        call(&writer, "x", "fail", "{\"n\":5}");
        assert_string_equal(said(&writer),
                            "{\"type\":\"rpc:result\",\"id\":\"1\",\"error\":"
                            "\"in vain\",\"code\":\"ABORTED\"}\n");
        tell(&writer, "x", "hide", "{\"n\":5}");
        expect_newcomer(server, snapshot("x", 0, line_of('a', LINE)), "");
        if (i == 0) {
            tell(&writer, "x", "set", "{\"n\":0}");
        }
        /* The second round has no subscriber. */
        ask_of(&writer, "state:unsub", "x");
    }
    expect_snapshots(server, 3, 2);
    close_wire(&writer);
    zkt_server_free(server);
}

static void test_a_change_that_nobody_watches(void **state)
{
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    (void)state;
    ask_of(&writer, "state:unsub", "x");
    expect_newcomer(server, snapshot("x", 0, line_of('a', LINE)), "");
    tell(&writer, "x", "set", "{\"n\":7}");
    expect_newcomer(server, snapshot("x", 7, line_of('a', LINE)), "");
    expect_snapshots(server, 3, 1);
    close_wire(&writer);
    zkt_server_free(server);
}

static void test_destroyed(void **state)
{
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    (void)state;
    tell(&writer, "x", "set", "{\"n\":0}");
    call(&writer, "x", "end", "");
    assert_non_null(strstr(said(&writer), "sub:error"));
    expect_newcomer(server, snapshot("x", 0, ""), "");
    expect_snapshots(server, 2, 0);
    close_wire(&writer);
    zkt_server_free(server);
}

/* ---- calls that finish later ---- */

static void test_an_unfinished_call(void **state)
{
    struct wire writer;
    struct zkt_server *server = begin(&writer);
    struct wire w = visit(server);
    (void)state;
    call(&writer, "x", "later", "{\"n\":5}");
    subscribe(&w, "x"); /* the snapshot is of the committed state */
    expect(&w, snapshot("x", 0, line_of('a', LINE)), "");
    recap_board_resume_later(held, then, NULL);
    zkt_server_tick(server);
    assert_string_equal(said(&w), PATCH("x", SET_N(6)));
    call(&writer, "x", "later", "{\"n\":8}");
    (void)said(&writer);
    zkt_server_advance(server, 30000);
    assert_non_null(strstr(said(&writer), "DEADLINE_EXCEEDED"));
    recap_board_resume_later(held, then, NULL); /* has no effect */
    expect_newcomer(server, snapshot("x", 0, line_of('a', LINE)),
                    PATCH("x", SET_N(6)));
    expect_snapshots(server, 3, 2);
    close_wire(&w);
    close_wire(&writer);
    zkt_server_free(server);
}

/* ---- slow readers ---- */

/*
 * A subscriber that has not taken its snapshot subscribes again: a placeholder
 * is queued. It is not filled with the kept snapshot, which may be older than
 * the state that the subscriber knows, and it waits while a call has changed
 * the state and has not finished. Messages queued behind it stay there.
 */
static void test_a_placeholder(void **state)
{
    static char all[4 * LINE], lines[2 * LINE];
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_high = 500, .output_hard = 600 }, NULL);
    struct wire writer = visit(server), slow = visit(server);
    (void)state;
    tell(&writer, "x", "append", text_of("text", 'a', LINE));
    subscribe(&slow, "x");
    subscribe(&slow, "x");
    call(&slow, "y", "set", "{\"n\":1}");
    call(&slow, "y", "set", "{\"n\":2}");
    tell(&writer, "x", "set", "{\"n\":1}");
    tell(&writer, "x", "append", "{\"text\":\"b\"}");
    call(&writer, "x", "later", "{\"n\":5}");
    expect_snapshots(server, 1, 0);
    assert_string_equal(said(&slow), snapshot("x", 0, line_of('a', LINE)));
    recap_board_resume_later(held, then, NULL);
    zkt_server_tick(server);
    snprintf(lines, sizeof(lines), "%s,\"b\"", line_of('a', LINE));
    strcpy(all, snapshot("x", 6, lines));
    strcat(all, DONE DONE);
    assert_string_equal(said(&slow), all);
    expect_snapshots(server, 2, 0);
    assert_int_equal(stats_of(server).patches, 0);
    close_wire(&slow);
    close_wire(&writer);
    zkt_server_free(server);
}

/* Neither a snapshot nor the patches after it count towards the hard limit. */
static void test_catch_up_is_exempt_from_the_hard_limit(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .output_high = 500, .output_hard = 600 }, NULL);
    struct wire writer = visit(server), watcher = visit(server);
    struct wire slow = visit(server);
    char first[33000], rest[33000] = "";
    (void)state;
    tell(&writer, "x", "append", text_of("text", 'a', 30000));
    strcpy(first, snapshot("x", 0, line_of('a', 30000)));
    subscribe(&watcher, "x");
    expect(&watcher, first, "");
    for (int i = 1; i < 20; i++) {
        char input[16];
        snprintf(input, sizeof(input), "{\"n\":%d}", i);
        tell(&writer, "x", "set", input);
        strcat(rest, said(&watcher));
    }
    assert_true(strlen(rest) > 1000);
    subscribe(&slow, "x");
    assert_int_equal(zkt_endpoint_fate(slow.e), ZKT_FATE_OPEN);
    assert_true(zkt_endpoint_reading(slow.e));
    expect(&slow, first, rest);
    assert_int_equal(stats_of(server).limit_hits.output_hard, 0);
    close_wire(&slow);
    close_wire(&watcher);
    close_wire(&writer);
    zkt_server_free(server);
}

/* ---- the memory of the cache ---- */

static uint64_t dropped(const struct zkt_server *server)
{
    return stats_of(server).limit_hits.cache_bytes;
}

/* Returns true if a new subscriber to @id gets the kept snapshot. */
static bool is_kept(struct zkt_server *server, const char *id)
{
    const uint64_t before = stats_of(server).snapshots_cached;
    struct wire w = visit(server);
    subscribe(&w, id);
    drain(&w);
    assert_non_null(strstr(said(&w), "state:snapshot"));
    close_wire(&w);
    return stats_of(server).snapshots_cached > before;
}

static void test_the_budget(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .cache_bytes = 10000 }, NULL);
    struct wire writer = visit(server);
    (void)state;
    tell(&writer, "x", "append", text_of("text", 'a', LINE));
    tell(&writer, "y", "append", text_of("text", 'a', LINE));
    tell(&writer, "z", "append", text_of("text", 'a', LINE));
    tell(&writer, "large", "append", text_of("text", 'a', 10000));
    assert_false(is_kept(server, "x"));
    assert_false(is_kept(server, "y"));
    assert_true(is_kept(server, "x"));
    assert_int_equal(dropped(server), 0);
    assert_false(is_kept(server, "z")); /* replaces y */
    assert_int_equal(dropped(server), 1);
    assert_true(is_kept(server, "x"));
    assert_true(is_kept(server, "z"));
    assert_false(is_kept(server, "y")); /* replaces x */
    assert_int_equal(dropped(server), 2);
    assert_true(is_kept(server, "z"));
    assert_true(is_kept(server, "y"));
    assert_false(is_kept(server, "large")); /* too large to replace others */
    assert_false(is_kept(server, "large"));
    assert_int_equal(dropped(server), 4);
    assert_true(is_kept(server, "z"));
    assert_true(is_kept(server, "y"));
    close_wire(&writer);
    zkt_server_free(server);
}

/* Patches count as well: 4304 bytes for each of two snapshots, then 153 for a
 * patch. */
static void test_patches_in_the_budget(void **state)
{
    struct zkt_server *server = serve(
        (struct zkt_limits){ .cache_bytes = 8800 }, NULL);
    struct wire writer = visit(server);
    (void)state;
    tell(&writer, "x", "append", text_of("text", 'a', LINE));
    tell(&writer, "y", "append", text_of("text", 'a', LINE));
    subscribe(&writer, "x");
    (void)said(&writer);
    assert_false(is_kept(server, "y"));
    call(&writer, "x", "set", "{\"n\":1}");
    assert_int_equal(dropped(server), 0);
    call(&writer, "x", "set", "{\"n\":2}");
    assert_int_equal(dropped(server), 1); /* x itself, the older snapshot */
    (void)said(&writer);
    assert_true(is_kept(server, "y"));
    assert_false(is_kept(server, "x"));
    close_wire(&writer);
    zkt_server_free(server);
}

/* The next snapshot is expected to be as large as the last, kept or not. */
static void test_the_expected_size(void **state)
{
    static const uint32_t sizes[] = { 4095, 4096, 10001, 64000, 4095, 32 };
    struct zkt_snapshot_cache cache;
    struct zkt_snapshot_log *log = NULL;
    uint64_t reached = 0;
    (void)state;
    zkt__snapshot_log_init(&cache, &zkt__allocator_default, 20000, &reached);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct zkt_buffer *b = zkt__buffer_new(&zkt__allocator_default,
                                               sizes[i]);
        assert_non_null(b);
        zkt__snapshot_log_keep(&cache, &log, b);
        zkt__buffer_unref(b);
        assert_int_equal(zkt__snapshot_log_estimate(log),
                         i == 0 ? 0 : sizes[i] + sizes[i] / 32);
        assert_int_equal(zkt__snapshot_log_is_kept(log), i == 1 || i == 2);
    }
    assert_int_equal(reached, 1);
    assert_int_equal(cache.bytes, 0);
    zkt__snapshot_log_free(&cache, log);
}

/* ---- without memory ---- */

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
        n++;
    }
    return n;
}

/*
 * Changes, subscriptions and the cache while the @n-th allocation fails: a
 * client that is still connected has the current state. Returns false if there
 * were fewer allocations.
 */
static bool run_without_memory(long n, bool large)
{
    struct failing_alloc failing;
    failing_alloc_init(&failing, 0);
    struct zkt_server *server = serve((struct zkt_limits){ 0 },
                                      &failing.allocator);
    struct wire writer = visit(server), w[3];
    if (large) {
        (void)fill(&writer, 70000);
    } else {
        tell(&writer, "x", "append", text_of("text", 'a', LINE));
    }
    for (int i = 0; i < 3; i++) {
        w[i] = visit(server);
    }
    failing.fail_at = failing.calls + n;
    for (int i = 0; i < 3; i++) {
        subscribe(&w[i], "x");
        call(&writer, "x", "append", "{\"text\":\"b\"}");
    }
    const bool failed = failing.calls >= failing.fail_at;
    failing.fail_at = 0;
    /* A new subscriber gets the true state. */
    struct wire last = visit(server);
    subscribe(&last, "x");
    const size_t truth = count_of(said(&last), "\"b\"");
    const size_t done = count_of(said(&writer), DONE);
    assert_in_range(truth, failed ? 0 : 3, 3);
    assert_in_range(done, failed ? 0 : 3, truth);
    for (int i = 0; i < 3; i++) {
        const char *all = said(&w[i]);
        if (zkt_endpoint_fate(w[i].e) == ZKT_FATE_OPEN &&
            strstr(all, "sub:error") == NULL) {
            assert_memory_equal(all, "{\"type\":\"state:snapshot\"", 24);
            assert_int_equal(count_of(all, "\"b\""), truth);
        } else {
            assert_true(failed);
        }
        close_wire(&w[i]);
    }
    close_wire(&last);
    close_wire(&writer);
    zkt_server_free(server);
    assert_int_equal(failing.live, 0);
    return failed;
}

static void test_without_memory(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        long n = 1;
        while (run_without_memory(n, large)) {
            n++;
        }
        assert_true(n > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patches_since),
        cmocka_unit_test(test_small_snapshots_are_not_kept),
        cmocka_unit_test(test_too_many_patches),
        cmocka_unit_test(test_a_big_change),
        cmocka_unit_test(test_dialects),
        cmocka_unit_test(test_asking_again),
        cmocka_unit_test(test_large_frames),
        cmocka_unit_test(test_calls_that_change_nothing),
        cmocka_unit_test(test_a_change_that_nobody_watches),
        cmocka_unit_test(test_destroyed),
        cmocka_unit_test(test_an_unfinished_call),
        cmocka_unit_test(test_a_placeholder),
        cmocka_unit_test(test_catch_up_is_exempt_from_the_hard_limit),
        cmocka_unit_test(test_the_budget),
        cmocka_unit_test(test_patches_in_the_budget),
        cmocka_unit_test(test_the_expected_size),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
