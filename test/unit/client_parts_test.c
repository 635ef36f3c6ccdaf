/*
 * Progress and streams at a client, against a server that the test plays. The
 * tables of the actor are written by hand; a part is noted as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolve_types.h"
#include "failing_alloc.h"
#include "fake_server.h"

enum {
    RENDER,
    GENERATE,
    PING
};

static const struct zkt_remote_method methods[] = {
    [RENDER] = { .name = ZKT_STR_INIT("render"),
                 .result = &zkt_type_string,
                 .progress = &zkt_type_int32 },
    [GENERATE] = { .name = ZKT_STR_INIT("generate"),
                   .chunk = &test_item_type_ },
    [PING] = { .name = ZKT_STR_INIT("ping") },
};
static const struct zkt_remote_actor film = {
    .name = ZKT_STR_INIT("film"),
    .state = &test_doc_state_type_,
    .methods = methods,
    .method_count = 3,
};

#define RPC(number, method, rest)                                              \
    "{\"type\":\"rpc\",\"id\":\"rpc_" number "_0\",\"actor\":\"film\","        \
    "\"actorId\":\"a\",\"method\":\"" method "\"" rest "}\n"
#define RENDER_RPC(number)   RPC(number, "render", ",\"timeoutMs\":10000")
#define GENERATE_RPC(number) RPC(number, "generate", "")
#define ABOUT(type, number)                                                    \
    "{\"type\":\"rpc:" type "\",\"id\":\"rpc_" number "_0\""
#define CANCEL(number) ABOUT("cancel", number) "}\n"
#define RESULT(number) ABOUT("result", number) "}"
#define PROGRESS(number, value)                                                \
    ABOUT("progress", number) ",\"progress\":" value "}"
#define CHUNK(number, value) ABOUT("chunk", number) ",\"chunk\":" value "}"
#define ITEM(number, name)   CHUNK(number, "{\"name\":\"" name "\"}")

static const struct zkt_client_options plain = { .reconnect_jitter = -1,
                                                 .ping_after_ms = -1 };

/* A call and all that it was told: its parts, each with a blank, and its end as
 * a status. */
struct seen {
    struct fake *fake;
    struct zkt_handle *handle;
    char text[256];
    int ended;
    enum zkt_status status;
    char error[80];
    uint64_t call;
    void (*deed)(struct seen *seen); /* done at the first part; NULL: none */
};

static void note(struct seen *seen, const char *text)
{
    const size_t len = strlen(seen->text);
    assert_int_equal(seen->ended, 0); /* nothing follows the end */
    snprintf(seen->text + len, sizeof(seen->text) - len, "%s ", text);
    if (seen->deed != NULL) {
        void (*deed)(struct seen *) = seen->deed;
        seen->deed = NULL;
        deed(seen);
    }
}

static void on_progress(int32_t percent, void *user)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", (int)percent);
    note(user, text);
}

static void on_chunk(const struct test_item *item, void *user)
{
    note(user, item->name.data);
}

static void pass_progress(zkt_any_function *fn, const void *value, void *user)
{
    typedef void function(int32_t, void *);
    ((function *)fn)(*(const int32_t *)value, user);
}

static void pass_chunk(zkt_any_function *fn, const void *value, void *user)
{
    typedef void function(const struct test_item *, void *);
    ((function *)fn)(value, user);
}

static void on_done(zkt_any_function *done, const struct zkt_reply *reply,
                    const void *result, void *user)
{
    struct seen *seen = user;
    (void)done;
    seen->ended++;
    seen->status = reply->status;
    snprintf(seen->error, sizeof(seen->error), "%s", reply->error);
    assert_true(result == NULL || reply->status == ZKT_OK);
}

static void nobody(void)
{
}

static void begin(struct seen *seen, uint32_t method)
{
    zkt_any_function *on_part = method == RENDER
                                    ? (zkt_any_function *)on_progress
                                    : (zkt_any_function *)on_chunk;
    seen->call = zkt_handle_begin_parts(seen->handle, method, NULL,
                                        method == RENDER ? pass_progress
                                                         : pass_chunk,
                                        on_part, on_done, nobody, seen);
}

static void open_film(struct seen *seen, struct fake *f)
{
    fake_open(f, plain);
    *seen = (struct seen){ .fake = f };
    seen->handle = zkt_handle_open(f->client, &film, "a");
    fake_turn(f);
    fake_accept_at(f, 1);
}

static void close_film(struct seen *seen)
{
    zkt_handle_close(seen->handle);
    fake_close(seen->fake);
}

static struct zkt_client_stats stats_of(const struct fake *f)
{
    struct zkt_client_stats stats;
    zkt_client_stats(f->client, &stats);
    return stats;
}

static void check_end(const struct seen *seen, const char *text,
                      enum zkt_status status)
{
    assert_int_equal(seen->ended, 1);
    assert_string_equal(seen->text, text);
    assert_int_equal(seen->status, status);
}

/* ---- progress ---- */

static void test_progress_comes_before_the_result(void **state)
{
    struct seen seen;
    struct fake f;
    (void)state;
    open_film(&seen, &f);
    begin(&seen, RENDER);
    assert_string_equal(fake_sent(&f), RENDER_RPC("1"));
    fake_say(&f, PROGRESS("1", "10"));
    assert_string_equal(seen.text, "10 ");   /* in the turn */
    fake_say(&f, PROGRESS("1", "\"half\"")); /* dropped */
    fake_say(&f, ABOUT("progress", "1") "}");
    fake_say(&f, PROGRESS("1", "90"));
    fake_say(&f, ABOUT("result", "1") ",\"result\":\"film\"}");
    fake_say(&f, PROGRESS("1", "100"));
    fake_turn(&f);
    check_end(&seen, "10 90 ", ZKT_OK);
    assert_int_equal(stats_of(&f).mismatches, 2);
    assert_string_equal(fake_sent(&f), "");
    close_film(&seen);
}

/* Progress does not give a call more time. */
static void test_progress_and_time(void **state)
{
    struct seen seen;
    struct fake f;
    (void)state;
    open_film(&seen, &f);
    begin(&seen, RENDER);
    assert_string_equal(fake_sent(&f), RENDER_RPC("1"));
    fake_advance(&f, 10000);
    fake_say(&f, PROGRESS("1", "10"));
    fake_advance(&f, 500);
    check_end(&seen, "10 ", ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(fake_sent(&f), CANCEL("1"));
    close_film(&seen);
}

/* ---- streams ---- */

static void test_chunks_in_order(void **state)
{
    struct seen seen;
    struct fake f;
    (void)state;
    open_film(&seen, &f);
    begin(&seen, GENERATE);
    assert_string_equal(fake_sent(&f), GENERATE_RPC("1"));
    fake_say(&f, ITEM("1", "once"));
    fake_say(
        &f, CHUNK("1", "{\"level\":\"high\",\"name\":\"up\\u006fn\",\"n\":1}"));
    fake_turn(&f);
    fake_say(&f, ITEM("1", "a time"));
    fake_say(&f, RESULT("1"));
    fake_say(&f, ITEM("1", "too late"));
    fake_turn(&f);
    check_end(&seen, "once upon a time ", ZKT_OK);
    assert_int_equal(stats_of(&f).mismatches, 0);
    assert_int_equal(stats_of(&f).unknown_messages, 0);
    assert_int_equal(stats_of(&f).unknown_fields, 1);
    close_film(&seen);
}

static void test_a_stream_that_fails(void **state)
{
    struct seen seen;
    struct fake f;
    (void)state;
    open_film(&seen, &f);
    begin(&seen, GENERATE);
    fake_say(&f, ITEM("1", "once"));
    fake_say(&f, ABOUT("result", "1") ",\"error\":\"x\",\"code\":\"ABORTED\"}");
    check_end(&seen, "once ", ZKT_ABORTED);
    assert_string_equal(fake_sent(&f), GENERATE_RPC("1"));
    close_film(&seen);
}

static void test_a_chunk_that_does_not_fit(void **state)
{
    static const char *const chunks[] = {
        CHUNK("1", "7"),
        CHUNK("1", "{\"name\":7}"),
        CHUNK("1", "{}"),
        ABOUT("chunk", "1") "}",
    };
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct seen seen;
        struct fake f;
        (void)state;
        open_film(&seen, &f);
        begin(&seen, GENERATE);
        assert_string_equal(fake_sent(&f), GENERATE_RPC("1"));
        fake_say(&f, ITEM("1", "once"));
        fake_say(&f, chunks[i]);
        fake_say(&f, ITEM("1", "too late"));
        fake_say(&f, RESULT("1"));
        assert_string_equal(fake_sent(&f), CANCEL("1"));
        check_end(&seen, "once ", ZKT_INTERNAL);
        assert_string_equal(seen.error, "a chunk does not fit the schema");
        assert_int_equal(stats_of(&f).mismatches, 1);
        close_film(&seen);
    }
}

/* The limit counts until the first chunk, which may come in the time beyond;
 * later calls keep their own. */
static void test_a_stream_has_time(void **state)
{
    struct seen stream, silent, call;
    struct fake f;
    (void)state;
    open_film(&stream, &f);
    silent = call = stream;
    begin(&stream, GENERATE);
    begin(&silent, GENERATE);
    fake_advance(&f, 10400);
    fake_say(&f, ITEM("1", "once"));
    begin(&call, RENDER);
    assert_string_equal(fake_sent(&f),
                        GENERATE_RPC("1") GENERATE_RPC("2") RENDER_RPC("3"));
    fake_advance(&f, 100);
    check_end(&silent, "", ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(silent.error,
                        "RPC \"generate\" timed out after 10000ms");
    fake_advance(&f, 10400);
    check_end(&call, "", ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(fake_sent(&f), CANCEL("2") CANCEL("3"));
    assert_int_equal(fake_deadline(&f), ZKT_NEVER);
    fake_advance(&f, 3600000);
    fake_say(&f, ITEM("1", "again"));
    fake_say(&f, RESULT("1"));
    check_end(&stream, "once again ", ZKT_OK);
    close_film(&stream);
}

/* A stream waits for a connection as a call does; with the connection it is
 * lost, and is not sent again. */
static void test_a_stream_and_its_connection(void **state)
{
    struct seen seen, waiting;
    struct fake f;
    (void)state;
    open_film(&seen, &f);
    waiting = seen;
    begin(&seen, GENERATE);
    fake_say(&f, ITEM("1", "once"));
    assert_string_equal(fake_sent(&f), GENERATE_RPC("1"));
    fake_detach(&f);
    begin(&waiting, GENERATE);
    fake_turn(&f);
    check_end(&seen, "once ", ZKT_UNAVAILABLE);
    fake_advance(&f, 250);
    fake_accept_at(&f, 1);
    assert_string_equal(fake_sent(&f), GENERATE_RPC("2"));
    fake_say(&f, ITEM("1", "stale"));
    fake_say(&f, ITEM("2", "fresh"));
    zkt_handle_close(seen.handle);
    fake_close(&f);
    check_end(&waiting, "fresh ", ZKT_CANCELLED);
}

static void test_parts_that_nobody_takes(void **state)
{
    static const char *const messages[] = {
        PROGRESS("1", "1"),
        ITEM("2", "of no stream"),
        ITEM("9", "x"),
        PROGRESS("9", "1"),
        "{\"type\":\"rpc:chunk\"}",
        "{\"type\":\"rpc:progress\"}",
        CHUNK("1", "{\"name\":\"it fits\"}"),
    };
    struct seen seen;
    struct fake f;
    (void)state;
    open_film(&seen, &f);
    zkt_handle_begin(seen.handle, GENERATE, NULL, on_done, nobody, &seen);
    zkt_handle_begin_parts(seen.handle, PING, NULL, pass_chunk, NULL, on_done,
                           NULL, NULL);
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        fake_say(&f, messages[i]);
    }
    assert_int_equal(stats_of(&f).unknown_messages, 2);
    assert_int_equal(stats_of(&f).mismatches, 0);
    assert_int_equal(seen.ended, 0);
    fake_say(&f, CHUNK("1", "1")); /* the rules are those of all streams */
    fake_turn(&f);
    check_end(&seen, "", ZKT_INTERNAL);
    close_film(&seen);
}

/* ---- actions in the callback of a part ---- */

static void cancel_it(struct seen *seen)
{
    zkt_client_cancel(seen->fake->client, seen->call);
}

static void close_the_handle(struct seen *seen)
{
    zkt_handle_close(seen->handle);
}

static void close_the_client(struct seen *seen)
{
    zkt_client_close(seen->fake->client);
}

static void ignore_reply(zkt_any_function *done, const struct zkt_reply *reply,
                         const void *result, void *user)
{
    (void)done;
    (void)reply;
    (void)result;
    (void)user;
}

/* Begins as many calls as make the index of calls grow, and cancels most. */
static void begin_others(struct seen *seen)
{
    for (int i = 0; i < 100; i++) {
        const uint64_t call = zkt_handle_begin(seen->handle, PING, NULL,
                                               ignore_reply, nobody, NULL);
        assert_true(call > seen->call);
        if (i > 0) {
            zkt_client_cancel(seen->fake->client, call);
        }
    }
}

static void block(struct seen *seen)
{
    struct zkt_reply reply = { 0 };
    assert_int_equal(zkt_handle_call(seen->handle, PING, NULL, NULL, &reply),
                     ZKT_FAILED_PRECONDITION);
    zkt_reply_clear(&reply);
}

static void lose_the_connection(struct seen *seen)
{
    fake_detach(seen->fake);
}

/* Begins a call, does @deed at its first part, and plays the rest of it, some
 * of it in the same turn. */
static void act_in(uint32_t method, void (*deed)(struct seen *),
                   const char *text, enum zkt_status status)
{
    struct seen seen;
    struct fake f;
    open_film(&seen, &f);
    begin(&seen, method);
    seen.deed = deed;
    const char *const frames[] = {
        method == RENDER ? PROGRESS("1", "1") : ITEM("1", "1"),
        method == RENDER ? PROGRESS("1", "2") : ITEM("1", "2"),
        ABOUT("result", "1") ",\"result\":\"\"}",
    };
    for (size_t i = 0; i < 3 && f.endpoint != NULL; i++) {
        fake_say(&f, frames[i]);
    }
    fake_turn(&f);
    fake_turn(&f);
    check_end(&seen, text, status);
    close_film(&seen);
}

static void test_actions_in_a_part(void **state)
{
    static const struct {
        void (*deed)(struct seen *);
        const char *text;
        enum zkt_status status;
    } table[] = {
        { cancel_it, "1 ", ZKT_CANCELLED },
        { close_the_handle, "1 2 ", ZKT_OK },
        { close_the_client, "1 ", ZKT_CANCELLED },
        { begin_others, "1 2 ", ZKT_OK },
        { block, "1 2 ", ZKT_OK },
        { lose_the_connection, "1 ", ZKT_UNAVAILABLE },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        act_in(RENDER, table[i].deed, table[i].text, table[i].status);
        act_in(GENERATE, table[i].deed, table[i].text, table[i].status);
    }
}

/* ---- calls that block ---- */

/* The messages that the server says while the call waits, one in each poll. */
static const char *const *script;

static void say_next(struct fake *f)
{
    if (f->endpoint != NULL && *script != NULL) {
        fake_say(f, *script++);
    }
}

static void test_blocking_calls_with_parts(void **state)
{
    static const char *const render[] = {
        PROGRESS("1", "50"), PROGRESS("1", "null"),
        ABOUT("result", "1") ",\"result\":\"film\"}", NULL
    };
    static const char *const generate[] = { ITEM("2", "a"), ITEM("2", "b"),
                                            RESULT("2"), NULL };
    static const char *const misfit[] = { ITEM("3", "c"), CHUNK("3", "7"),
                                          NULL };
    struct zkt_reply reply = { 0 };
    struct zkt_str result;
    struct seen seen;
    struct fake f;
    (void)state;
    open_film(&seen, &f);
    f.on_poll = say_next;
    script = render;
    seen.deed = block;
    assert_int_equal(
        zkt_handle_call_parts(seen.handle, RENDER, NULL, &result, pass_progress,
                              (zkt_any_function *)on_progress, &seen, &reply),
        ZKT_OK);
    assert_string_equal(result.data, "film");
    script = generate;
    assert_int_equal(
        zkt_handle_call_parts(seen.handle, GENERATE, NULL, NULL, pass_chunk,
                              (zkt_any_function *)on_chunk, &seen, NULL),
        ZKT_OK);
    script = misfit;
    assert_int_equal(
        zkt_handle_call_parts(seen.handle, GENERATE, NULL, NULL, pass_chunk,
                              (zkt_any_function *)on_chunk, &seen, &reply),
        ZKT_INTERNAL);
    assert_string_equal(reply.error, "a chunk does not fit the schema");
    assert_string_equal(seen.text, "50 a b c ");
    zkt_reply_clear(&reply);
    close_film(&seen);
}

static void test_closing_a_client_that_blocks(void **state)
{
    static const char *const messages[] = { ITEM("1", "a"), ITEM("1", "b"),
                                            NULL };
    struct zkt_reply reply = { 0 };
    struct seen seen;
    struct fake f;
    (void)state;
    open_film(&seen, &f);
    f.on_poll = say_next;
    script = messages;
    seen.deed = close_the_client;
    assert_int_equal(
        zkt_handle_call_parts(seen.handle, GENERATE, NULL, NULL, pass_chunk,
                              (zkt_any_function *)on_chunk, &seen, &reply),
        ZKT_CANCELLED);
    assert_string_equal(seen.text, "a ");
    assert_true(f.finished);
    zkt_reply_clear(&reply);
    close_film(&seen);
}

/* ---- memory ---- */

/* The client keeps no chunk after its callback. */
static void test_chunks_do_not_pile_up(void **state)
{
    struct zkt_client_options options = plain;
    struct failing_alloc memory;
    struct fake f;
    struct seen seen = { .fake = &f };
    (void)state;
    failing_alloc_init(&memory, 0);
    options.allocator = &memory.allocator;
    fake_open(&f, options);
    seen.handle = zkt_handle_open(f.client, &film, "a");
    fake_turn(&f);
    fake_accept_at(&f, 1);
    begin(&seen, GENERATE);
    fake_say(&f, ITEM("1", "a"));
    const long blocks = memory.live, calls = memory.calls;
    for (int i = 0; i < 1000; i++) {
        seen.text[0] = '\0';
        fake_say(&f, ITEM("1", "a"));
    }
    assert_int_equal(memory.live, blocks);
    assert_int_equal(memory.calls, calls);
    close_film(&seen);
    assert_int_equal(memory.live, 0);
}

/* Plays the server's part of a session that may lose its connection. */
static void keep_up(struct fake *f)
{
    for (int i = 0; i < 4; i++) {
        if (f->asked) {
            fake_attach(f);
        }
        if (f->endpoint != NULL && f->raw_len > 0 && f->raw[0] == 'G') {
            fake_shake(f, ZKT_WS_PROTOCOL_RFC6902);
        }
        if (f->endpoint != NULL) {
            fake_say(f, "{\"type\":\"welcome\",\"level\":1}");
        }
        fake_advance(f, 500);
    }
}

static void say_if_there(struct fake *f, const char *text)
{
    if (f->endpoint != NULL) {
        fake_say(f, text);
    }
    fake_turn(f);
}

/* The @n-th allocation fails. Whatever fails, no chunk is left out between
 * others, and the stream ends once. */
static bool stream_with_failure(long n)
{
    struct zkt_client_options options = plain;
    struct failing_alloc memory;
    struct fake f;
    struct seen seen = { .fake = &f }, render;
    failing_alloc_init(&memory, n);
    options.allocator = &memory.allocator;
    if (fake_open(&f, options) == NULL) {
        return true;
    }
    seen.handle = zkt_handle_open(f.client, &film, "a");
    render = seen;
    keep_up(&f);
    begin(&seen, GENERATE);
    begin(&render, RENDER);
    say_if_there(&f, ITEM("1", "a"));
    say_if_there(&f,
                 CHUNK("1", "{\"name\":\"b\",\"level\":\"low\",\"x\":[{}]}"));
    say_if_there(&f, PROGRESS("2", "1"));
    say_if_there(&f, ITEM("1", "c"));
    keep_up(&f);
    fake_close(&f);
    assert_int_equal(seen.ended, 1);
    assert_int_equal(render.ended, 1);
    assert_true(memcmp("a b c ", seen.text, strlen(seen.text)) == 0);
    assert_int_not_equal(seen.status, ZKT_INTERNAL);
    zkt_handle_close(seen.handle);
    assert_int_equal(memory.live, 0);
    return memory.calls >= n;
}

static void test_every_allocation_of_a_stream(void **state)
{
    long n = 1;
    (void)state;
    while (stream_with_failure(n)) {
        n++;
    }
    assert_true(n > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress_comes_before_the_result),
        cmocka_unit_test(test_progress_and_time),
        cmocka_unit_test(test_chunks_in_order),
        cmocka_unit_test(test_a_stream_that_fails),
        cmocka_unit_test(test_a_chunk_that_does_not_fit),
        cmocka_unit_test(test_a_stream_has_time),
        cmocka_unit_test(test_a_stream_and_its_connection),
        cmocka_unit_test(test_parts_that_nobody_takes),
        cmocka_unit_test(test_actions_in_a_part),
        cmocka_unit_test(test_blocking_calls_with_parts),
        cmocka_unit_test(test_closing_a_client_that_blocks),
        cmocka_unit_test(test_chunks_do_not_pile_up),
        cmocka_unit_test(test_every_allocation_of_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
