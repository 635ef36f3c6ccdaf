/*
 * Any call in any callback of a client: a session that reaches every kind of
 * callback is run for each callback and each action in it: all calls of the
 * API, closing the handle, closing the client. After any action, every pending
 * call is completed once, nothing leaks, and closed handles and stale ids are
 * harmless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolve_client.h"
#include "failing_alloc.h"
#include "fake_server.h"

enum place {
    IN_STATUS_CONNECTED,
    IN_STATUS_RECONNECTING,
    IN_STATUS_DISCONNECTED,
    IN_SNAPSHOT,
    IN_PATCH,
    IN_FRESH,
    IN_FIELD,
    IN_EVENT,
    IN_ERRORS,
    IN_REPLY,
    IN_REFUSAL,
    IN_INVALID,
    IN_TIMEOUT,
    IN_DROP,
    IN_PROGRESS,
    IN_CHUNK,
    IN_BLOCKING,
    IN_POST,
    IN_LOG,
    IN_PREPARE,
    IN_END,
    PLACES
};

enum deed {
    MEDDLE,
    CLOSE_HANDLE,
    CLOSE_CLIENT,
    CLOSE_BOTH,
    DEEDS
};

struct world {
    struct fake fake;
    struct failing_alloc memory;
    struct test_doc *doc, *opened; /* opened in a callback, closed at the end */
    struct zkt_handle *film;
    enum place place;
    enum deed deed;
    uint64_t ids[8]; /* of listeners, some of them removed */
    int begun, told, meddled, posted, deep;
    bool done, open, blocking;
};

static struct world *the; /* the running session */

/* A method with progress, and a stream. */
static const struct zkt_remote_method methods[] = {
    { .name = ZKT_STR_INIT("render"), .progress = &zkt_type_int32 },
    { .name = ZKT_STR_INIT("generate"), .chunk = &zkt_type_int32 },
};
static const struct zkt_remote_actor film = {
    .name = ZKT_STR_INIT("film"),
    .state = &test_doc_state_type_,
    .methods = methods,
    .method_count = 2,
};

static void ignore_reply(const struct zkt_reply *reply, void *user)
{
    struct world *w = user;
    assert_non_null(reply->error);
    w->told++;
}

static void ignore_posted(struct zkt_client *client, void *user)
{
    struct world *w = user;
    assert_true(client != NULL);
    w->posted++;
}

static void ignore_status(enum zkt_connection status, void *user)
{
    (void)status;
    (void)user;
}

static void ignore_state(const struct test_doc_state *state, void *user)
{
    (void)user;
    assert_non_null(state);
}

static void ignore_error(const struct zkt_reply *error, void *user)
{
    (void)error;
    (void)user;
}

static void ignore_quiet(void *user)
{
    (void)user;
}

/* ---- actions ---- */

/* Adds and removes listeners, also listeners that are removed already or never
 * existed. */
static void meddle_with_listeners(struct world *w)
{
    struct zkt_client *client = w->fake.client;
    for (size_t i = 0; i < 8; i++) {
        zkt_client_off(client, w->ids[i]);
        zkt_client_off(client, w->ids[i] ^ 1);
    }
    zkt_client_off(client, 0);
    zkt_client_off(client, UINT64_MAX);
    w->ids[0] = test_doc_subscribe(w->doc, ignore_state, w);
    w->ids[1] = test_doc_on_quiet(w->doc, ignore_quiet, w);
    w->ids[2] = test_doc_subscribe_errors(w->doc, ignore_error, w);
    w->ids[3] = zkt_client_on_status(client, ignore_status, w);
    w->ids[4] = test_doc_subscribe(w->opened, ignore_state, w);
}

/* Cancels all calls that may be under way, and begins others. */
static void meddle_with_calls(struct world *w)
{
    struct zkt_client *client = w->fake.client;
    w->begun += 3;
    const uint64_t last = test_doc_begin_ping(w->opened, ignore_reply, w);
    for (uint64_t call = 0; call <= last; call++) {
        zkt_client_cancel(client, call);
    }
    zkt_client_cancel(client, last);
    zkt_client_cancel(client, UINT64_MAX);
    test_doc_begin_ping(w->doc, ignore_reply, w);
    test_doc_begin_ping(w->opened, ignore_reply, w);
}

static void meddle(struct world *w)
{
    struct fake *f = &w->fake;
    struct zkt_client_stats stats;
    struct zkt_reply reply = { 0 };
    w->meddled++;
    struct test_doc *brief = test_doc_open(f->client, "b");
    test_doc_close(brief);
    if (w->opened == NULL) {
        w->opened = test_doc_open(f->client, "c");
    }
    meddle_with_listeners(w);
    assert_int_equal(test_doc_call_ping(w->doc, &reply),
                     ZKT_FAILED_PRECONDITION);
    zkt_reply_clear(&reply);
    if (w->deep < 3) { /* a refusal may call back at once */
        w->deep++;
        meddle_with_calls(w);
        w->deep--;
    }
    (void)test_doc_snapshot(w->doc);
    (void)test_doc_snapshot(NULL);
    (void)zkt_client_own_id(f->client);
    (void)zkt_client_refusal(f->client);
    (void)test_doc_id(w->doc);
    (void)test_doc_ready(w->doc, 0);
    (void)zkt_client_ready(f->client, 0);
    assert_int_equal(zkt_client_ready(f->client, -1), ZKT_FAILED_PRECONDITION);
    assert_int_equal(test_doc_ready(w->doc, 1),
                     w->doc != NULL ? ZKT_FAILED_PRECONDITION : ZKT_CLOSED);
    (void)zkt_client_status(f->client);
    zkt_client_stats(f->client, &stats);
    assert_int_equal(zkt_client_poll(f->client, 0), ZKT_FAILED_PRECONDITION);
    assert_int_equal(zkt_client_post(f->client, ignore_posted, w), ZKT_OK);
    f->core->ops->tick(f->core);
}

static void close_handle(struct world *w)
{
    struct test_doc *doc = w->doc;
    w->doc = NULL;
    test_doc_close(doc);
    test_doc_close(doc);
    zkt_handle_close(w->film);
    w->film = NULL;
    w->begun++;
    test_doc_begin_ping(doc, ignore_reply, w);
    assert_int_equal(test_doc_on_quiet(doc, ignore_quiet, w), 0);
    assert_null(test_doc_snapshot(doc));
}

/* Does the action once if @place is its callback. */
static void act(enum place place)
{
    struct world *w = the;
    if (w->place != place || w->done) {
        return;
    }
    w->done = true;
    if (w->deed == MEDDLE) {
        meddle(w);
    }
    if (w->deed == CLOSE_HANDLE || w->deed == CLOSE_BOTH) {
        close_handle(w);
    }
    if (w->deed == CLOSE_CLIENT || w->deed == CLOSE_BOTH) {
        zkt_client_close(w->fake.client);
        zkt_client_close(w->fake.client);
        meddle(w);
    }
}

/* ---- the callbacks ---- */

static void on_status(enum zkt_connection status, void *user)
{
    (void)user;
    if (status == ZKT_CONNECTED) {
        act(IN_STATUS_CONNECTED);
    } else if (status == ZKT_RECONNECTING) {
        act(IN_STATUS_RECONNECTING);
    } else {
        act(IN_STATUS_DISCONNECTED);
    }
}

static void on_state(const struct test_doc_state *state, void *user)
{
    const struct world *w = user;
    act(w->blocking ? IN_BLOCKING : state->n > 1 ? IN_PATCH : IN_SNAPSHOT);
}

static void on_fresh(const struct test_doc_state *state, void *user)
{
    (void)state;
    (void)user;
    act(IN_FRESH);
}

static void on_n(int32_t n, void *user)
{
    (void)n;
    (void)user;
    act(IN_FIELD);
}

static void on_hit(const struct test_doc_hit_event *hit, void *user)
{
    (void)hit;
    (void)user;
    act(IN_EVENT);
}

static void on_error(const struct zkt_reply *error, void *user)
{
    (void)error;
    (void)user;
    act(IN_ERRORS);
}

static void on_log(struct fake *f)
{
    (void)f;
    act(IN_LOG);
}

static enum zkt_status on_prepare(void *user, struct zkt_connect *connect)
{
    (void)user;
    act(IN_PREPARE);
    zkt_connect_bearer(connect, "token");
    return ZKT_OK;
}

static void on_posted(struct zkt_client *client, void *user)
{
    (void)client;
    (void)user;
    act(IN_POST);
}

static void on_done(const struct zkt_reply *reply, void *user)
{
    struct world *w = user;
    w->told++;
    switch (reply->status) {
    case ZKT_OK:
        act(IN_REPLY);
        break;
    case ZKT_ABORTED:
        act(IN_REFUSAL);
        break;
    case ZKT_DEADLINE_EXCEEDED:
        act(IN_TIMEOUT);
        break;
    case ZKT_UNAVAILABLE:
        act(IN_DROP);
        break;
    case ZKT_CANCELLED:
        act(IN_END);
        break;
    default:
        break;
    }
}

static void on_added(const struct zkt_reply *reply, int32_t n, void *user)
{
    struct world *w = user;
    (void)n;
    w->told++;
    if (reply->status == ZKT_INVALID_ARGUMENT) {
        act(IN_INVALID);
    }
}

static void on_end(zkt_any_function *done, const struct zkt_reply *reply,
                   const void *result, void *user)
{
    (void)done;
    (void)result;
    ignore_reply(reply, user);
}

static void on_progress(zkt_any_function *fn, const void *value, void *user)
{
    (void)fn;
    (void)value;
    (void)user;
    act(IN_PROGRESS);
}

static void on_chunk(zkt_any_function *fn, const void *value, void *user)
{
    (void)fn;
    (void)value;
    (void)user;
    act(IN_CHUNK);
}

static void nobody(void)
{
}

/* ---- the session; every step tolerates a closed client ---- */

#define MESSAGE(type)                                                          \
    "{\"type\":\"" type "\",\"actor\":\"doc\",\"actorId\":\"a\""
#define SNAPSHOT(n)                                                            \
    MESSAGE("state:snapshot")                                                  \
    ",\"state\":{\"n\":" #n ",\"level\":\"low\",\"list\":[],\"items\":{}}}"
#define PATCH(n)                                                               \
    MESSAGE("state:patch")                                                     \
    ",\"patches\":[{\"op\":\"replace\",\"path\":\"/n\",\"value\":" #n "}]}"

static bool is_there(const struct world *w)
{
    return !w->fake.finished && w->fake.endpoint != NULL;
}

static void say(struct world *w, const char *text)
{
    if (is_there(w)) {
        fake_say(&w->fake, text);
    }
    fake_turn(&w->fake);
}

static void accept(struct world *w)
{
    if (!w->fake.finished && w->fake.asked) {
        fake_accept(&w->fake);
    }
    fake_turn(&w->fake);
}

static void begin_ping(struct world *w)
{
    w->begun++;
    test_doc_begin_ping(w->doc, on_done, w);
    fake_turn(&w->fake);
}

/* Replies to the last call. */
static void answer(struct world *w, const char *rest)
{
    char text[256];
    const char *id = NULL, *at = w->fake.sent;
    while ((at = strstr(at, "\"rpc_")) != NULL) {
        id = at++;
    }
    if (id != NULL) {
        snprintf(text, sizeof(text), "{\"type\":\"rpc:result\",\"id\":%.*s%s}",
                 (int)(strchr(id + 1, '"') - id + 1), id, rest);
        w->fake.sent[0] = '\0';
        say(w, text);
    }
}

/* Begins a call of the film. Plays a part of it, another and its end. */
static void show(struct world *w, uint32_t method, const char *part)
{
    char text[128];
    w->begun++;
    const uint64_t call = zkt_handle_begin_parts(
        w->film, method, NULL, method == 0 ? on_progress : on_chunk, nobody,
        on_end, nobody, w);
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"rpc:%s\",\"id\":\"rpc_%d_0\",\"%s\":%d}", part,
                 (int)call, part, i);
        say(w, text);
    }
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc:result\",\"id\":\"rpc_%d_0\"}", (int)call);
    say(w, text);
}

static void on_poll(struct fake *f)
{
    if (f->endpoint != NULL) {
        fake_say(f, PATCH(7));
        fake_detach(f);
    }
}

static void begin_session(struct world *w, enum place place, enum deed deed)
{
    const struct zkt_client_options options = {
        .reconnect_jitter = -1,
        .rpc_timeout_ms = 1000,
        .allocator = &w->memory.allocator,
        .prepare = on_prepare,
    };
    *w = (struct world){ .place = place, .deed = deed };
    failing_alloc_init(&w->memory, 0);
    the = w;
    assert_non_null(fake_open(&w->fake, options));
    w->fake.on_log = on_log;
    w->doc = test_doc_open(w->fake.client, "a");
    w->film = zkt_handle_open(w->fake.client, &film, "f");
    w->ids[3] = zkt_client_on_status(w->fake.client, on_status, w);
    w->ids[0] = test_doc_subscribe(w->doc, on_state, w);
    w->ids[1] = test_doc_on_hit(w->doc, on_hit, w);
    w->ids[2] = test_doc_subscribe_errors(w->doc, on_error, w);
    w->ids[5] = test_doc_watch_n(w->doc, on_n, w);
    fake_turn(&w->fake);
    accept(w);
}

static void watch_state(struct world *w)
{
    say(w, SNAPSHOT(1));
    say(w, PATCH(2));
    w->ids[6] = test_doc_subscribe(w->doc, on_fresh, w);
    fake_turn(&w->fake);
    say(w, MESSAGE("event") ",\"event\":\"hit\",\"payload\":{\"level\":\"low\","
                            "\"by\":1}}");
    say(w, MESSAGE("event") ",\"event\":\"hit\",\"payload\":1}");
    say(w, "{\"type\":\"error\",\"error\":\"no\"}");
}

static void make_calls(struct world *w)
{
    const struct test_doc_add_input bad = { .by = 99 };
    begin_ping(w);
    answer(w, "");
    begin_ping(w);
    answer(w, ",\"error\":\"no\",\"code\":\"ABORTED\"");
    w->begun++;
    test_doc_begin_add(w->doc, &bad, on_added, w);
    fake_turn(&w->fake);
    begin_ping(w);
    if (!w->fake.finished) {
        fake_advance(&w->fake, 1500);
    }
    begin_ping(w);
    if (is_there(w)) {
        fake_detach(&w->fake);
    }
    fake_turn(&w->fake);
    if (!w->fake.finished) {
        fake_advance(&w->fake, 250);
    }
    accept(w);
    say(w, SNAPSHOT(1));
}

static void block(struct world *w)
{
    struct zkt_reply reply = { 0 };
    w->fake.on_poll = on_poll;
    w->blocking = true;
    assert_int_not_equal(test_doc_call_ping(w->doc, &reply), ZKT_OK);
    zkt_reply_clear(&reply);
    w->blocking = false;
    w->fake.on_poll = NULL;
    fake_turn(&w->fake);
}

static void end_session(struct world *w)
{
    begin_ping(w); /* it waits for a socket */
    if (!w->fake.finished) {
        (void)zkt_client_post(w->fake.client, on_posted, w);
    }
    fake_turn(&w->fake);
    fake_close(&w->fake);
    test_doc_close(w->opened);
    test_doc_close(w->doc);
    zkt_handle_close(w->film);
}

static void test_any_action_in_any_callback(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    (void)state;
    for (int i = 0; i < PLACES * DEEDS; i++) {
        begin_session(w, (enum place)(i / DEEDS), (enum deed)(i % DEEDS));
        watch_state(w);
        make_calls(w);
        show(w, 0, "progress");
        show(w, 1, "chunk");
        block(w);
        end_session(w);
        if (!w->done || w->told != w->begun || w->memory.live != 0) {
            fail_msg("place %d, deed %d: %d of %d calls ended, %ld blocks left",
                     w->place, w->deed, w->told, w->begun, w->memory.live);
        }
    }
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_action_in_any_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
