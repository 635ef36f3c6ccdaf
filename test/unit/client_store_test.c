/*
 * A client's states and events, against a server that the test plays:
 * subscriptions, handles, listeners that remove each other, patches that do not
 * fit, and messages of a newer server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolve_client.h"
#include "failing_alloc.h"
#include "fake_server.h"

#define MESSAGE(type, id)                                                      \
    "{\"type\":\"" type "\",\"actor\":\"doc\",\"actorId\":\"" id "\""
#define SUB(id)         MESSAGE("state:sub", id) "}\n"
#define UNSUB(id)       MESSAGE("state:unsub", id) "}\n"
#define EVENT_SUB(id)   MESSAGE("event:sub", id) "}\n"
#define EVENT_UNSUB(id) MESSAGE("event:unsub", id) "}\n"
#define SNAPSHOT(state) MESSAGE("state:snapshot", "a") ",\"state\":" state "}"
#define PATCH(patches)  MESSAGE("state:patch", "a") ",\"patches\":" patches "}"
#define EVENT(event)    MESSAGE("event", "a") ",\"event\":" event "}"
#define STATE(n)        "{\"n\":" #n ",\"level\":\"low\",\"list\":[],\"items\":{}}"
#define SET_N(n)        "[{\"op\":\"replace\",\"path\":\"/n\",\"value\":" #n "}]"

static const struct zkt_client_options plain = { .reconnect_jitter = -1 };

/* A connected client. */
struct fixture {
    struct fake fake;
    struct test_doc *doc; /* the instance "a" */
};

static void connect(struct fixture *t)
{
    struct fake *f = &t->fake;
    t->doc = test_doc_open(fake_open(f, plain), "a");
    fake_turn(f);
    fake_accept(f);
}

static void disconnect(struct fixture *t)
{
    test_doc_close(t->doc);
    fake_close(&t->fake);
}

static struct zkt_client_stats stats_of(const struct fixture *t)
{
    struct zkt_client_stats stats;
    zkt_client_stats(t->fake.client, &stats);
    return stats;
}

/* ---- listeners that count ---- */

struct seen {
    int states, fields, hits, quiets, errors;
    int32_t n;             /* of the last state */
    enum test_level level; /* of the last event */
    int32_t by;
    enum zkt_status status; /* of the last error */
    char error[128];
};

static void on_state(const struct test_doc_state *now, void *user)
{
    struct seen *seen = user;
    seen->states++;
    seen->n = now->n;
}

static void on_n(int32_t n, void *user)
{
    struct seen *seen = user;
    seen->fields++;
    seen->n = n;
}

static void on_hit(const struct test_doc_hit_event *event, void *user)
{
    struct seen *seen = user;
    seen->hits++;
    seen->level = event->level;
    seen->by = event->by;
}

static void on_quiet(void *user)
{
    struct seen *seen = user;
    seen->quiets++;
}

static void on_error(const struct zkt_reply *error, void *user)
{
    struct seen *seen = user;
    seen->errors++;
    seen->status = error->status;
    snprintf(seen->error, sizeof(seen->error), "%s", error->error);
}

/* ---- subscriptions and handles ---- */

static void test_the_first_subscribes_and_the_last_unsubscribes(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    struct zkt_client *client = t.fake.client;
    assert_string_equal(fake_sent(&t.fake), "");
    const uint64_t first = test_doc_subscribe(t.doc, on_state, &seen);
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    const uint64_t second = test_doc_watch_n(t.doc, on_n, &seen);
    const uint64_t event = test_doc_on_hit(t.doc, on_hit, &seen);
    assert_string_equal(fake_sent(&t.fake), EVENT_SUB("a"));
    const uint64_t other = test_doc_on_quiet(t.doc, on_quiet, &seen);
    test_doc_subscribe_errors(t.doc, on_error, &seen);
    zkt_client_off(client, first);
    zkt_client_off(client, event);
    assert_string_equal(fake_sent(&t.fake), "");
    zkt_client_off(client, other);
    assert_string_equal(fake_sent(&t.fake), EVENT_UNSUB("a"));
    zkt_client_off(client, second);
    zkt_client_off(client, second);
    zkt_client_off(client, 12345);
    assert_string_equal(fake_sent(&t.fake), UNSUB("a"));
    disconnect(&t);
}

static void test_handles_share_and_count(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    struct test_doc *same = test_doc_open(t.fake.client, "a");
    struct test_doc *other = test_doc_open(t.fake.client, "b");
    test_doc_subscribe(t.doc, on_state, &seen);
    test_doc_subscribe(same, on_state, &seen);
    test_doc_subscribe(other, on_state, &seen);
    assert_string_equal(fake_sent(&t.fake), SUB("a") SUB("b"));
    fake_say(&t.fake, SNAPSHOT(STATE(4)));
    assert_int_equal(seen.states, 2);
    assert_ptr_equal(test_doc_snapshot(t.doc), test_doc_snapshot(same));
    assert_null(test_doc_snapshot(other));
    test_doc_close(t.doc);
    test_doc_close(t.doc);
    test_doc_close(t.doc);
    assert_null(test_doc_snapshot(t.doc));
    assert_int_equal(test_doc_subscribe(t.doc, on_state, &seen), 0);
    assert_string_equal(fake_sent(&t.fake), "");
    fake_say(&t.fake, PATCH(SET_N(5)));
    assert_int_equal(seen.states, 3);
    test_doc_close(same);
    assert_string_equal(t.fake.sent, ""); /* on the next turn */
    assert_string_equal(fake_sent(&t.fake), UNSUB("a"));
    /* Late messages of an instance without a handle are ignored. */
    fake_say(&t.fake, SNAPSHOT(STATE(6)));
    fake_say(&t.fake, EVENT("\"quiet\""));
    assert_int_equal(seen.states, 3);
    test_doc_close(other);
    disconnect(&t);
}

static void test_released_and_taken_again_in_one_turn(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    test_doc_subscribe(t.doc, on_state, &seen);
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    fake_say(&t.fake, SNAPSHOT(STATE(1)));
    test_doc_close(t.doc);
    t.doc = test_doc_open(t.fake.client, "a");
    test_doc_subscribe(t.doc, on_state, &seen);
    assert_int_equal(test_doc_snapshot(t.doc)->n, 1);
    assert_string_equal(fake_sent(&t.fake), "");
    /* the new listener gets the known state */
    assert_int_equal(seen.states, 2);
    disconnect(&t);
}

static void test_many_handles_closed_twice(void **state)
{
    struct fixture t;
    (void)state;
    connect(&t);
    for (int i = 0; i < 1000; i++) {
        struct test_doc *doc = test_doc_open(t.fake.client, "a");
        assert_non_null(doc);
        test_doc_close(doc);
        test_doc_close(doc);
        fake_turn(&t.fake);
    }
    assert_string_equal(fake_sent(&t.fake), "");
    disconnect(&t);
}

static void on_stale(const struct zkt_reply *reply, void *user)
{
    int *told = user;
    assert_int_equal(reply->status, ZKT_FAILED_PRECONDITION);
    (*told)++;
}

/* Every use of a closed handle fails, even after its memory has been used
 * again. */
static void test_a_stale_handle_is_refused(void **state)
{
    enum {
        MANY = 20000
    };
    struct fixture t;
    struct seen seen = { 0 };
    struct zkt_reply reply = { 0 };
    int told = 0;
    (void)state;
    connect(&t);
    struct test_doc *stale = test_doc_open(t.fake.client, "a");
    test_doc_close(stale);
    for (int i = 0; i < MANY; i++) {
        struct test_doc *doc = test_doc_open(t.fake.client, "b");
        assert_ptr_not_equal(doc, stale);
        test_doc_close(stale);
        assert_int_equal(test_doc_subscribe(stale, on_state, &seen), 0);
        const uint64_t id = test_doc_on_quiet(doc, on_quiet, &seen);
        assert_int_not_equal(id, 0);
        test_doc_close(doc);
    }
    test_doc_begin_ping(stale, on_stale, &told);
    assert_int_equal(told, 1);
    assert_null(test_doc_snapshot(stale));
    assert_int_equal(test_doc_call_ping(stale, &reply),
                     ZKT_FAILED_PRECONDITION);
    assert_string_equal(reply.error, "the handle is closed");
    zkt_reply_clear(&reply);
    disconnect(&t);
}

static void test_handles_closed_after_the_client(void **state)
{
    struct fixture t;
    (void)state;
    connect(&t);
    struct test_doc *closed = test_doc_open(t.fake.client, "a");
    struct test_doc *other = test_doc_open(t.fake.client, "b");
    test_doc_close(closed);
    fake_close(&t.fake);
    test_doc_close(closed);
    test_doc_close(other);
    test_doc_close(other); /* another handle is open */
    assert_null(test_doc_snapshot(other));
    test_doc_close(t.doc);
}

/* Every instance is found, in any order of closing. */
static void test_many_instances(void **state)
{
    enum {
        MANY = 200
    };
    static struct test_doc *docs[MANY];
    struct seen seen = { 0 };
    struct fixture t;
    char text[128];
    int expected = 0;
    (void)state;
    connect(&t);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "%d", i);
        docs[i] = test_doc_open(t.fake.client, text);
        test_doc_on_quiet(docs[i], on_quiet, &seen);
    }
    for (int gone = 0; gone < MANY; gone++) {
        const int last = gone * 77 % MANY; /* in no order */
        fake_turn(&t.fake);
        for (int i = 0; i < MANY; i++) {
            snprintf(text, sizeof(text),
                     "{\"type\":\"event\",\"actor\":\"doc\","
                     "\"actorId\":\"%d\",\"event\":\"quiet\"}",
                     i);
            expected += docs[i] != NULL;
            fake_say(&t.fake, text);
        }
        assert_int_equal(seen.quiets, expected);
        test_doc_close(docs[last]);
        docs[last] = NULL;
        t.fake.sent[0] = '\0';
    }
    disconnect(&t);
}

static void test_a_handle_that_outlives_its_client(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    struct zkt_reply reply = { 0 };
    (void)state;
    connect(&t);
    test_doc_subscribe(t.doc, on_state, &seen);
    fake_close(&t.fake);
    assert_null(test_doc_snapshot(t.doc));
    assert_int_equal(test_doc_subscribe(t.doc, on_state, &seen), 0);
    assert_int_equal(test_doc_subscribe_errors(t.doc, on_error, &seen), 0);
    assert_int_equal(test_doc_call_ping(t.doc, &reply),
                     ZKT_FAILED_PRECONDITION);
    test_doc_close(t.doc);
}

/* ---- state ---- */

static void test_snapshots_and_patches(void **state)
{
    struct fixture t;
    struct seen all = { 0 }, n = { 0 }, late = { 0 };
    (void)state;
    connect(&t);
    test_doc_subscribe(t.doc, on_state, &all);
    test_doc_watch_n(t.doc, on_n, &n);
    fake_turn(&t.fake);
    fake_say(&t.fake, PATCH(SET_N(9))); /* ignored until a snapshot has come */
    assert_int_equal(all.states, 0);
    fake_say(&t.fake, SNAPSHOT(STATE(1)));
    assert_int_equal(all.states, 1);
    assert_int_equal(n.fields, 1);
    fake_say(&t.fake, PATCH("[{\"op\":\"add\",\"path\":\"/note\","
                            "\"value\":\"x\"}]"));
    assert_int_equal(all.states, 2);
    assert_int_equal(n.fields, 1); /* not its field */
    fake_say(&t.fake, PATCH(SET_N(2)));
    assert_int_equal(n.fields, 2);
    assert_int_equal(n.n, 2);
    test_doc_watch_n(t.doc, on_n, &late);
    assert_int_equal(late.fields, 0);
    fake_turn(&t.fake);
    assert_int_equal(late.fields, 1); /* at once, as the state is known */
    assert_int_equal(late.n, 2);
    assert_int_equal(n.fields, 2);
    assert_int_equal(stats_of(&t).snapshots, 1);
    assert_int_equal(stats_of(&t).patches, 2);
    disconnect(&t);
}

static void test_state_is_in_sync_after_a_drop(void **state)
{
    struct fixture t;
    struct seen all = { 0 }, n = { 0 }, hits = { 0 };
    (void)state;
    connect(&t);
    test_doc_subscribe(t.doc, on_state, &all);
    test_doc_watch_n(t.doc, on_n, &n);
    test_doc_on_hit(t.doc, on_hit, &hits);
    fake_turn(&t.fake);
    fake_say(&t.fake, SNAPSHOT(STATE(1)));
    fake_detach(&t.fake);
    fake_turn(&t.fake);
    assert_int_equal(test_doc_snapshot(t.doc)->n, 1); /* the last known state */
    struct test_doc *other = test_doc_open(t.fake.client, "b");
    test_doc_on_quiet(other, on_quiet, &hits);
    (void)fake_sent(&t.fake);
    fake_advance(&t.fake, 250);
    fake_accept(&t.fake);
    assert_string_equal(fake_sent(&t.fake),
                        SUB("a") EVENT_SUB("a") EVENT_SUB("b"));
    /* belongs to no snapshot of this connection */
    fake_say(&t.fake, PATCH(SET_N(7)));
    assert_int_equal(test_doc_snapshot(t.doc)->n, 1);
    fake_say(&t.fake, SNAPSHOT("{\"n\":1,\"level\":\"high\",\"list\":[5],"
                               "\"items\":{}}"));
    assert_int_equal(all.states, 2);
    assert_int_equal(n.fields, 1); /* the field has not changed */
    assert_int_equal(test_doc_snapshot(t.doc)->list.len, 1);
    fake_say(&t.fake, PATCH(SET_N(8)));
    assert_int_equal(n.n, 8);
    assert_int_equal(stats_of(&t).connections, 2);
    assert_int_equal(stats_of(&t).drops, 1);
    test_doc_close(other);
    disconnect(&t);
}

/* The last listener leaves while there is no connection. */
static void test_subscriptions_without_listeners_are_not_renewed(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    const uint64_t id = test_doc_subscribe(t.doc, on_state, &seen);
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    fake_detach(&t.fake);
    zkt_client_off(t.fake.client, id);
    fake_advance(&t.fake, 250);
    fake_advance(&t.fake, 0);
    fake_accept(&t.fake);
    assert_string_equal(fake_sent(&t.fake), "");
    assert_null(test_doc_snapshot(t.doc));
    disconnect(&t);
}

/* An `add` inside a list: a plain server means an overwrite. */
static void test_two_dialects(void **state)
{
    static const char patch[] = PATCH(
        "[{\"op\":\"add\",\"path\":\"/list/0\",\"value\":9}]");
    static const char snapshot[] = SNAPSHOT(
        "{\"n\":0,\"level\":\"low\",\"list\":[1,2],\"items\":{}}");
    (void)state;
    for (int plain_server = 0; plain_server < 2; plain_server++) {
        struct fake f;
        struct seen seen = { 0 };
        struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
        test_doc_subscribe(doc, on_state, &seen);
        fake_turn(&f);
        fake_attach(&f);
        fake_shake(&f, plain_server ? NULL : "zocket.rfc6902");
        fake_say(&f, "{\"type\":\"welcome\",\"clientId\":\"me\"}");
        fake_say(&f, snapshot);
        fake_say(&f, patch);
        const struct test_doc_state *now = test_doc_snapshot(doc);
        assert_int_equal(seen.states, 2);
        assert_int_equal(now->list.len, plain_server ? 2 : 3);
        assert_int_equal(now->list.items[0], 9);
        assert_int_equal(now->list.items[1], plain_server ? 2 : 1);
        test_doc_close(doc);
        fake_close(&f);
    }
}

/* ---- patches that do not fit ---- */

#define MISFIT                                                                 \
    PATCH("[{\"op\":\"replace\",\"path\":\"/n\",\"value\":3},"                 \
          "{\"op\":\"remove\",\"path\":\"/list/7\"}]")

static void follow(struct fixture *t, struct seen *seen)
{
    *seen = (struct seen){ 0 };
    connect(t);
    test_doc_subscribe(t->doc, on_state, seen);
    test_doc_subscribe_errors(t->doc, on_error, seen);
    assert_string_equal(fake_sent(&t->fake), SUB("a"));
    fake_say(&t->fake, SNAPSHOT(STATE(1)));
}

static void test_a_mismatch_asks_for_a_snapshot(void **state)
{
    struct fixture t;
    struct seen seen;
    (void)state;
    follow(&t, &seen);
    fake_say(&t.fake, MISFIT);
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    assert_int_equal(test_doc_snapshot(t.doc)->n, 1); /* not applied by half */
    /* Messages under way belong to a state that the client has dropped. */
    fake_say(&t.fake, MISFIT);
    fake_say(&t.fake, PATCH(SET_N(5)));
    assert_int_equal(test_doc_snapshot(t.doc)->n, 1);
    assert_string_equal(fake_sent(&t.fake), "");
    fake_say(&t.fake, SNAPSHOT(STATE(6)));
    fake_say(&t.fake, PATCH(SET_N(7)));
    assert_int_equal(seen.n, 7);
    assert_int_equal(seen.errors, 0);
    /* A state that fits came between, so this counts as a first mismatch
     * again. */
    fake_say(&t.fake, MISFIT);
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    assert_int_equal(seen.errors, 0);
    assert_int_equal(stats_of(&t).mismatches, 2);
    disconnect(&t);
}

static void test_a_second_mismatch_is_an_error(void **state)
{
    struct fixture t;
    struct seen seen;
    (void)state;
    follow(&t, &seen);
    fake_say(&t.fake, MISFIT);
    fake_say(&t.fake, SNAPSHOT(STATE(2)));
    (void)fake_sent(&t.fake);
    fake_say(&t.fake, MISFIT);
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.status, ZKT_INTERNAL);
    assert_string_equal(seen.error, "the state does not fit the schema");
    assert_null(test_doc_snapshot(t.doc));
    assert_string_equal(fake_sent(&t.fake), "");
    fake_say(&t.fake, PATCH(SET_N(5)));
    fake_say(&t.fake, MISFIT);
    assert_int_equal(seen.errors, 1);
    /* The next connection starts afresh. */
    fake_detach(&t.fake);
    fake_turn(&t.fake);
    fake_advance(&t.fake, 250);
    fake_accept(&t.fake);
    fake_say(&t.fake, SNAPSHOT(STATE(8)));
    assert_int_equal(test_doc_snapshot(t.doc)->n, 8);
    assert_int_equal(seen.n, 8);
    disconnect(&t);
}

static void test_snapshots_that_do_not_fit(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    test_doc_subscribe(t.doc, on_state, &seen);
    test_doc_subscribe_errors(t.doc, on_error, &seen);
    (void)fake_sent(&t.fake);
    fake_say(&t.fake, SNAPSHOT("{\"n\":\"one\"}"));
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    assert_int_equal(seen.errors, 0);
    fake_say(&t.fake, SNAPSHOT("[]"));
    assert_int_equal(seen.errors, 1);
    assert_string_equal(fake_sent(&t.fake), "");
    assert_int_equal(seen.states, 0);
    disconnect(&t);
}

/* The limits of received messages: nesting and frames. */
static void test_limits_of_messages(void **state)
{
    static const char begin[] = "\x01\x01{", more[] = "\0\0";
    struct zkt_client_options options = plain;
    struct fixture t;
    struct fake *f = &t.fake;
    (void)state;
    options.json_depth = 3;
    options.fragments = 2;
    t.doc = test_doc_open(fake_open(f, options), "a");
    test_doc_subscribe(t.doc, on_state, &(struct seen){ 0 });
    fake_turn(f);
    fake_accept(f);
    assert_string_equal(fake_sent(f), SUB("a"));
#define WITH(extra)                                                            \
    "{\"n\":1,\"level\":\"low\",\"list\":[],\"items\":{}" extra "}"
    fake_say(f, SNAPSHOT(WITH(",\"x\":[[]]")));
    assert_int_equal(stats_of(&t).snapshots, 1);
    assert_int_equal(stats_of(&t).over_limit, 0);
    fake_say(f, PATCH("[{\"op\":\"add\",\"path\":\"/items/k\",\"value\":"
                      "{\"name\":\"b\",\"x\":[[]]}}]"));
    assert_int_equal(stats_of(&t).patches, 1);
    fake_say(f, SNAPSHOT(WITH(",\"x\":[[[]]]")));
    assert_int_equal(stats_of(&t).over_limit, 1);
    assert_int_equal(stats_of(&t).mismatches, 1);
    fake_say(f, SNAPSHOT(WITH("")));
    fake_say(f, PATCH("[{\"op\":\"add\",\"path\":\"/items/k\",\"value\":"
                      "{\"name\":\"b\",\"x\":[[[]]]}}]"));
#undef WITH
    assert_int_equal(stats_of(&t).over_limit, 2);
    assert_int_equal(stats_of(&t).patches, 1);
    fake_feed(f, begin, 3);
    fake_feed(f, more, 2);
    assert_int_equal(stats_of(&t).over_limit, 2);
    assert_int_equal(zkt_client_status(f->client), ZKT_CONNECTED);
    fake_feed(f, more, 2);
    assert_int_equal(stats_of(&t).over_limit, 3);
    fake_turn(f);
    assert_int_equal(zkt_client_status(f->client), ZKT_RECONNECTING);
    disconnect(&t);
}

static void test_refused_subscriptions_and_events_that_do_not_fit(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    test_doc_on_hit(t.doc, on_hit, &seen);
    test_doc_subscribe_errors(t.doc, on_error, &seen);
    fake_turn(&t.fake);
    fake_say(&t.fake,
             MESSAGE("sub:error",
                     "a") ",\"error\":\"not here\",\"code\":\"NOT_FOUND\"}");
    assert_int_equal(seen.errors, 1);
    assert_int_equal(seen.status, ZKT_NOT_FOUND);
    assert_string_equal(seen.error, "the subscription was refused: not here");
    fake_say(&t.fake, EVENT("\"hit\",\"payload\":{\"by\":1}"));
    assert_int_equal(seen.errors, 2);
    assert_string_equal(seen.error, "an event hit does not fit the schema");
    fake_say(&t.fake, EVENT("\"hit\""));
    assert_int_equal(seen.errors, 3);
    assert_int_equal(seen.hits, 0);
    fake_say(&t.fake, MESSAGE("sub:error", "elsewhere") "}");
    fake_say(&t.fake, "{\"type\":\"sub:error\"}");
    fake_say(&t.fake, "{\"type\":\"event\",\"actor\":\"doc\"}");
    assert_int_equal(seen.errors, 3);
    disconnect(&t);
}

/* ---- subscriptions that are refused, or end ---- */

#define REFUSED(code)                                                          \
    MESSAGE("sub:error", "a") ",\"error\":\"no\",\"code\":\"" code "\"}"
#define RPC_WITHIN(id, ms)                                                     \
    "{\"type\":\"rpc\",\"id\":\"rpc_" id "_0\",\"actor\":\"doc\","             \
    "\"actorId\":\"a\",\"method\":\"ping\",\"timeoutMs\":" ms "}\n"
#define RPC(id) RPC_WITHIN(id, "10000")

/* Returns the time until "a" is subscribed to again; nothing else is sent. */
static int64_t wait_for_sub(struct fixture *t)
{
    struct fake *f = &t->fake;
    assert_string_equal(fake_sent(f), "");
    const int64_t wait = fake_deadline(f) - f->core->now_ms;
    fake_advance(f, wait - 1);
    assert_string_equal(fake_sent(f), "");
    fake_advance(f, 1);
    assert_string_equal(fake_sent(f), SUB("a"));
    return wait;
}

static void test_a_temporary_refusal(void **state)
{
    static const char *const codes[] = {
        REFUSED("UNAVAILABLE"), REFUSED("RESOURCE_EXHAUSTED"),
        REFUSED("ABORTED"),     REFUSED("DEADLINE_EXCEEDED"),
        REFUSED("UNAVAILABLE"),
    };
    static const int64_t expected[] = { 250, 500, 1000, 2000, 2000 };
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    test_doc_subscribe(t.doc, on_state, &seen);
    test_doc_subscribe_errors(t.doc, on_error, &seen);
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    for (int i = 0; i < 5; i++) {
        fake_say(&t.fake, codes[i]);
        assert_int_equal(seen.errors, i + 1);
        /* A listener that joins meanwhile does not shorten the delay. */
        test_doc_watch_n(t.doc, on_n, &seen);
        assert_int_equal(wait_for_sub(&t), expected[i]);
    }
    fake_say(&t.fake, SNAPSHOT(STATE(3)));
    assert_int_equal(test_doc_snapshot(t.doc)->n, 3);
    /* After a subscription that has held, the delays start at the first
     * again. */
    fake_advance(&t.fake, 5000);
    fake_say(&t.fake, PATCH(SET_N(4)));
    fake_say(&t.fake, REFUSED("UNAVAILABLE"));
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    fake_say(&t.fake, REFUSED("UNAVAILABLE"));
    assert_int_equal(wait_for_sub(&t), 250);
    disconnect(&t);
}

/* The client follows the instance that replaces an ended instance; if instances
 * only end, it subscribes with pauses. */
static void test_an_instance_that_ends(void **state)
{
    struct fixture t;
    struct seen seen, late = { 0 };
    (void)state;
    follow(&t, &seen);
    fake_say(&t.fake, REFUSED("ABORTED"));
    assert_int_equal(seen.errors, 1);
    assert_string_equal(seen.error, "the subscription has ended: no");
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    fake_say(&t.fake, PATCH(SET_N(7))); /* of the previous subscription */
    assert_int_equal(seen.states, 1);
    test_doc_subscribe(t.doc, on_state, &late);
    assert_string_equal(fake_sent(&t.fake), "");
    fake_say(&t.fake, SNAPSHOT(STATE(9)));
    fake_say(&t.fake, PATCH(SET_N(10)));
    assert_int_equal(seen.n, 10);
    assert_int_equal(late.n, 10);
    fake_say(&t.fake, REFUSED("ABORTED"));
    assert_int_equal(wait_for_sub(&t), 250);
    fake_say(&t.fake, SNAPSHOT(STATE(11)));
    fake_say(&t.fake, REFUSED("ABORTED"));
    assert_int_equal(wait_for_sub(&t), 500);
    disconnect(&t);
}

static void test_a_permanent_refusal(void **state)
{
    struct fixture t;
    struct seen seen;
    (void)state;
    follow(&t, &seen);
    test_doc_on_hit(t.doc, on_hit, &seen);
    assert_string_equal(fake_sent(&t.fake), EVENT_SUB("a"));
    fake_say(&t.fake, REFUSED("PERMISSION_DENIED"));
    assert_null(test_doc_snapshot(t.doc));
    fake_say(&t.fake, PATCH(SET_N(2)));
    assert_int_equal(seen.states, 1);
    fake_advance(&t.fake, 25000);
    assert_string_equal(fake_sent(&t.fake), "");
    /* A new listener makes the client subscribe again. */
    test_doc_watch_n(t.doc, on_n, &seen);
    assert_string_equal(fake_sent(&t.fake), SUB("a"));
    fake_say(&t.fake, REFUSED("NOT_FOUND"));
    test_doc_on_quiet(t.doc, on_quiet, &seen);
    assert_string_equal(fake_sent(&t.fake), EVENT_SUB("a"));
    /* So does a new connection. */
    fake_say(&t.fake, REFUSED("UNAUTHENTICATED"));
    fake_detach(&t.fake);
    fake_turn(&t.fake);
    fake_advance(&t.fake, 250);
    fake_accept(&t.fake);
    assert_string_equal(fake_sent(&t.fake), SUB("a") EVENT_SUB("a"));
    disconnect(&t);
}

static void test_leaving_while_refused(void **state)
{
    static const char *const codes[] = { REFUSED("UNAVAILABLE"),
                                         REFUSED("NOT_FOUND") };
    struct seen seen = { 0 };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fixture t;
        connect(&t);
        const uint64_t id = test_doc_subscribe(t.doc, on_state, &seen);
        assert_string_equal(fake_sent(&t.fake), SUB("a"));
        fake_say(&t.fake, codes[i]);
        zkt_client_off(t.fake.client, id);
        fake_advance(&t.fake, 5000);
        assert_string_equal(fake_sent(&t.fake), ""); /* no listener is left */
        fake_say(&t.fake, SNAPSHOT(STATE(1)));
        assert_null(test_doc_snapshot(t.doc));
        test_doc_subscribe(t.doc, on_state, &seen);
        assert_string_equal(fake_sent(&t.fake), SUB("a"));
        disconnect(&t);
    }
    assert_int_equal(seen.states, 0);
}

/* The refusal belongs to a subscription that was given up and made again: the
 * snapshot shows that the new subscription was accepted. */
static void test_a_refusal_of_an_earlier_subscription(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    test_doc_subscribe(t.doc, on_state, &seen);
    fake_turn(&t.fake);
    fake_say(&t.fake, REFUSED("UNAVAILABLE"));
    fake_say(&t.fake, SNAPSHOT(STATE(1)));
    fake_say(&t.fake, PATCH(SET_N(2)));
    assert_int_equal(seen.n, 2);
    (void)fake_sent(&t.fake);
    fake_advance(&t.fake, 5000);
    assert_string_equal(fake_sent(&t.fake), "");
    disconnect(&t);
}

/* Many subscriptions wait at once, each for its own delay, in any order of
 * closing. */
static void test_many_refusals(void **state)
{
    enum {
        MANY = 100
    };
    static struct test_doc *docs[MANY];
    struct zkt_client_options options = { .ping_after_ms = -1 };
    struct fixture t;
    struct seen seen = { 0 };
    char text[128];
    (void)state;
    t.doc = test_doc_open(fake_open(&t.fake, options), "a");
    fake_turn(&t.fake);
    fake_accept(&t.fake);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "%d", i);
        docs[i] = test_doc_open(t.fake.client, text);
        test_doc_subscribe(docs[i], on_state, &seen);
    }
    fake_turn(&t.fake);
    t.fake.sent[0] = '\0';
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"sub:error\",\"actor\":\"doc\","
                 "\"actorId\":\"%d\",\"code\":\"UNAVAILABLE\"}",
                 i);
        fake_say(&t.fake, text);
    }
    assert_in_range(fake_deadline(&t.fake) - t.fake.core->now_ms, 125, 250);
    struct zkt_client_stats before = stats_of(&t);
    fake_advance(&t.fake, 124);
    assert_int_equal(stats_of(&t).messages_out, before.messages_out);
    fake_advance(&t.fake, 126);
    assert_int_equal(stats_of(&t).messages_out, before.messages_out + MANY);
    for (int i = 0; i < MANY; i++) {
        test_doc_close(docs[i]);
    }
    disconnect(&t);
}

/* ---- the order of the program ---- */

static void ignore_reply(const struct zkt_reply *reply, void *user)
{
    (void)reply;
    (void)user;
}

static void test_calls_do_not_overtake_subscriptions(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    struct zkt_client *client = t.fake.client;
    test_doc_on_hit(t.doc, on_hit, &seen);
    uint64_t id = test_doc_subscribe(t.doc, on_state, &seen);
    test_doc_begin_ping(t.doc, ignore_reply, NULL);
    zkt_client_off(client, id);
    test_doc_begin_ping(t.doc, ignore_reply, NULL);
    id = test_doc_watch_n(t.doc, on_n, &seen);
    assert_string_equal(fake_sent(&t.fake), EVENT_SUB("a") SUB("a") RPC("1")
                                                UNSUB("a") RPC("2") SUB("a"));
    /* A change that is undone between two calls is not sent. */
    test_doc_begin_ping(t.doc, ignore_reply, NULL);
    zkt_client_off(client, id);
    test_doc_watch_n(t.doc, on_n, &seen);
    test_doc_begin_ping(t.doc, ignore_reply, NULL);
    assert_string_equal(fake_sent(&t.fake), RPC("3") RPC("4"));
    disconnect(&t);
}

static void test_order_without_a_connection(void **state)
{
    struct fixture t;
    struct seen seen = { 0 };
    (void)state;
    connect(&t);
    struct zkt_client *client = t.fake.client;
    struct test_doc *other = test_doc_open(client, "b");
    struct test_doc *third = test_doc_open(client, "c");
    test_doc_on_quiet(other, on_quiet, &seen);
    test_doc_subscribe(t.doc, on_state, &seen);
    const uint64_t gone = test_doc_subscribe(third, on_state, &seen);
    assert_string_equal(fake_sent(&t.fake), EVENT_SUB("b") SUB("a") SUB("c"));
    fake_detach(&t.fake);
    test_doc_begin_ping(t.doc, ignore_reply, NULL);
    const uint64_t id = test_doc_on_hit(t.doc, on_hit, &seen);
    test_doc_begin_ping(t.doc, ignore_reply, NULL);
    zkt_client_off(client, gone);
    fake_turn(&t.fake);
    zkt_client_off(client, id);
    /* new again: after the second call */
    test_doc_on_hit(t.doc, on_hit, &seen);
    fake_turn(&t.fake);
    fake_advance(&t.fake, 250);
    fake_accept(&t.fake);
    assert_string_equal(fake_sent(&t.fake),
                        EVENT_SUB("b") SUB("a") RPC_WITHIN("1", "9750")
                            RPC_WITHIN("2", "9750") EVENT_SUB("a"));
    test_doc_close(other);
    test_doc_close(third);
    disconnect(&t);
}

/* ---- a newer server ---- */

static void test_messages_of_a_newer_server(void **state)
{
    struct fixture t;
    struct seen seen;
    (void)state;
    follow(&t, &seen);
    test_doc_on_hit(t.doc, on_hit, &seen);
    fake_turn(&t.fake);
    fake_say(&t.fake,
             SNAPSHOT("{\"n\":2,\"level\":\"extreme\",\"list\":[],\"items\":"
                      "{\"x\":{\"name\":\"x\",\"level\":\"high\",\"size\":4}},"
                      "\"colour\":{\"r\":1}}"));
    const struct test_doc_state *now = test_doc_snapshot(t.doc);
    assert_int_equal(now->n, 2);
    assert_int_equal(now->level, TEST_LEVEL_UNKNOWN_);
    assert_string_equal(now->items.items[0].value.name.data, "x");
    assert_int_equal(stats_of(&t).unknown_fields, 2);
    assert_int_equal(stats_of(&t).unknown_values, 1);
    fake_say(&t.fake,
             PATCH("[{\"op\":\"replace\",\"path\":\"/colour/r\",\"value\":2},"
                   "{\"op\":\"add\",\"path\":\"/items/x/size\",\"value\":5},"
                   "{\"op\":\"replace\",\"path\":\"/items/x/level\","
                   "\"value\":\"huge\"},"
                   "{\"op\":\"replace\",\"path\":\"/n\",\"value\":3}]"));
    assert_int_equal(now->n, 3);
    assert_int_equal(now->items.items[0].value.level, TEST_LEVEL_UNKNOWN_);
    assert_int_equal(stats_of(&t).unknown_fields, 4);
    assert_int_equal(stats_of(&t).unknown_values, 2);
    fake_say(&t.fake, EVENT("\"hit\",\"payload\":{\"level\":\"huge\",\"by\":3,"
                            "\"from\":\"y\"}"));
    assert_int_equal(seen.hits, 1);
    assert_int_equal(seen.level, TEST_LEVEL_UNKNOWN_);
    assert_int_equal(seen.by, 3);
    fake_say(&t.fake, EVENT("\"exploded\",\"payload\":{}"));
    assert_int_equal(stats_of(&t).unknown_fields, 5);
    assert_int_equal(stats_of(&t).unknown_values, 3);
    assert_int_equal(stats_of(&t).unknown_events, 1);
    assert_int_equal(stats_of(&t).events, 1);
    assert_int_equal(stats_of(&t).mismatches, 0);
    assert_int_equal(seen.errors, 0);
    disconnect(&t);
}

/* ---- listeners that remove each other ---- */

struct meddler {
    struct fixture *t;
    int told;
    uint64_t victim;
    struct seen *joins; /* a listener to add */
};

static void meddle(const struct test_doc_state *now, void *user)
{
    struct meddler *m = user;
    (void)now;
    m->told++;
    zkt_client_off(m->t->fake.client, m->victim);
    if (m->joins != NULL) {
        test_doc_subscribe(m->t->doc, on_state, m->joins);
        m->joins = NULL;
    }
}

static void test_listeners_leave_and_join(void **state)
{
    struct fixture t;
    struct seen before = { 0 }, victim = { 0 }, after = { 0 }, joined = { 0 };
    (void)state;
    connect(&t);
    struct meddler m = { .t = &t, .joins = &joined };
    test_doc_subscribe(t.doc, on_state, &before);
    const uint64_t self = test_doc_subscribe(t.doc, meddle, &m);
    m.victim = test_doc_subscribe(t.doc, on_state, &victim);
    test_doc_subscribe(t.doc, on_state, &after);
    fake_turn(&t.fake);
    fake_say(&t.fake, SNAPSHOT(STATE(1)));
    assert_int_equal(before.states, 1);
    assert_int_equal(m.told, 1);
    assert_int_equal(victim.states, 0);
    assert_int_equal(after.states, 1);
    assert_int_equal(joined.states, 0);
    fake_turn(&t.fake);
    assert_int_equal(joined.states, 1);
    m.victim = self; /* then it removes itself */
    fake_say(&t.fake, PATCH(SET_N(2)));
    fake_say(&t.fake, PATCH(SET_N(3)));
    assert_int_equal(m.told, 2);
    assert_int_equal(before.states, 3);
    assert_int_equal(after.states, 3);
    assert_int_equal(joined.states, 3);
    disconnect(&t);
}

static void close_doc(const struct test_doc_state *now, void *user)
{
    struct meddler *m = user;
    assert_int_equal(now->n, 1);
    m->told++;
    test_doc_close(m->t->doc);
    assert_int_equal(now->n, 1); /* still valid */
}

static void test_closing_a_handle_in_its_listener(void **state)
{
    struct fixture t;
    struct seen after = { 0 }, other = { 0 };
    (void)state;
    connect(&t);
    struct meddler m = { .t = &t };
    struct test_doc *same = test_doc_open(t.fake.client, "a");
    test_doc_subscribe(t.doc, close_doc, &m);
    test_doc_subscribe(t.doc, on_state, &after);
    test_doc_subscribe(same, on_state, &other);
    (void)fake_sent(&t.fake);
    fake_say(&t.fake, SNAPSHOT(STATE(1)));
    assert_int_equal(m.told, 1);
    assert_int_equal(after.states, 0); /* its handle is closed */
    assert_int_equal(other.states, 1);
    assert_string_equal(fake_sent(&t.fake), "");
    test_doc_close(same);
    assert_string_equal(fake_sent(&t.fake), UNSUB("a"));
    disconnect(&t); /* closes the handle a second time */
}

static void close_client(const struct test_doc_hit_event *event, void *user)
{
    struct meddler *m = user;
    m->told++;
    zkt_client_close(m->t->fake.client);
    zkt_client_close(m->t->fake.client);
    test_doc_close(m->t->doc);
    assert_int_equal(event->by, 1); /* the message is still valid */
}

static void test_closing_the_client_in_a_listener(void **state)
{
    struct fixture t;
    struct seen after = { 0 };
    (void)state;
    connect(&t);
    struct meddler m = { .t = &t };
    struct test_doc *other = test_doc_open(t.fake.client, "b");
    test_doc_on_hit(t.doc, close_client, &m);
    test_doc_on_hit(t.doc, on_hit, &after);
    fake_turn(&t.fake);
    fake_say(&t.fake,
             EVENT("\"hit\",\"payload\":{\"level\":\"low\",\"by\":1}"));
    fake_say(&t.fake,
             EVENT("\"hit\",\"payload\":{\"level\":\"low\",\"by\":2}"));
    assert_int_equal(m.told, 1);
    assert_int_equal(after.hits, 0);
    fake_turn(&t.fake);
    assert_true(t.fake.finished);
    assert_int_equal(t.fake.closes, 1);
    test_doc_close(other);
}

/* ---- no memory ---- */

static void on_pinged(const struct zkt_reply *reply, void *user)
{
    int *told = user;
    assert_non_null(reply->error);
    (*told)++;
}

/* A session with a lost connection, a reconnection and pending calls. */
static bool session_with_failure(long n)
{
    struct zkt_client_options options = plain;
    struct failing_alloc failing;
    struct seen seen = { 0 };
    struct fake f;
    int begun = 0, told = 0;
    failing_alloc_init(&failing, n);
    options.rpc_timeout_ms = 1500;
    options.allocator = &failing.allocator;
    struct zkt_client *client = fake_open(&f, options);
    struct test_doc *doc = test_doc_open(client, "a");
    test_doc_subscribe(doc, on_state, &seen);
    test_doc_subscribe_errors(doc, on_error, &seen);
    for (int i = 0; doc != NULL && i < 8; i++) {
        begun++;
        test_doc_begin_ping(doc, on_pinged, &told);
        fake_turn(&f);
        if (f.asked) {
            fake_attach(&f);
        }
        if (f.endpoint != NULL && f.raw_len > 0 && f.raw[0] == 'G') {
            fake_shake(&f, NULL);
        }
        if (f.endpoint != NULL) {
            fake_say(&f, SNAPSHOT("{\"n\":1,\"level\":\"low\",\"list\":[1],"
                                  "\"items\":{\"x\":{\"name\":\"long enough "
                                  "to need memory\"}}}"));
            fake_say(&f, PATCH("[{\"op\":\"add\",\"path\":\"/list/1\","
                               "\"value\":2}]"));
        }
        if (f.endpoint != NULL && i % 3 == 2) {
            fake_detach(&f);
        }
        fake_advance(&f, 1000);
    }
    const struct test_doc_state *now = test_doc_snapshot(doc);
    if (now != NULL) { /* whole, after any failure */
        assert_int_equal(now->n, 1);
        assert_int_equal(now->items.len, 1);
        assert_in_range(now->list.len, 1, 2);
    }
    assert_int_equal(seen.errors, 0); /* lack of memory is not a mismatch */
    test_doc_close(doc);
    if (client != NULL) {
        fake_close(&f);
    }
    assert_int_equal(told, begun);
    assert_int_equal(failing.live, 0);
    return failing.calls >= n;
}

static void test_every_allocation_of_a_session(void **state)
{
    long n = 1;
    (void)state;
    while (session_with_failure(n)) {
        n++;
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_subscribes_and_the_last_unsubscribes),
        cmocka_unit_test(test_handles_share_and_count),
        cmocka_unit_test(test_released_and_taken_again_in_one_turn),
        cmocka_unit_test(test_many_handles_closed_twice),
        cmocka_unit_test(test_a_stale_handle_is_refused),
        cmocka_unit_test(test_handles_closed_after_the_client),
        cmocka_unit_test(test_many_instances),
        cmocka_unit_test(test_a_handle_that_outlives_its_client),
        cmocka_unit_test(test_snapshots_and_patches),
        cmocka_unit_test(test_state_is_in_sync_after_a_drop),
        cmocka_unit_test(test_subscriptions_without_listeners_are_not_renewed),
        cmocka_unit_test(test_two_dialects),
        cmocka_unit_test(test_a_mismatch_asks_for_a_snapshot),
        cmocka_unit_test(test_a_second_mismatch_is_an_error),
        cmocka_unit_test(test_snapshots_that_do_not_fit),
        cmocka_unit_test(test_limits_of_messages),
        cmocka_unit_test(test_refused_subscriptions_and_events_that_do_not_fit),
        cmocka_unit_test(test_a_temporary_refusal),
        cmocka_unit_test(test_an_instance_that_ends),
        cmocka_unit_test(test_a_permanent_refusal),
        cmocka_unit_test(test_leaving_while_refused),
        cmocka_unit_test(test_a_refusal_of_an_earlier_subscription),
        cmocka_unit_test(test_many_refusals),
        cmocka_unit_test(test_calls_do_not_overtake_subscriptions),
        cmocka_unit_test(test_order_without_a_connection),
        cmocka_unit_test(test_messages_of_a_newer_server),
        cmocka_unit_test(test_listeners_leave_and_join),
        cmocka_unit_test(test_closing_a_handle_in_its_listener),
        cmocka_unit_test(test_closing_the_client_in_a_listener),
        cmocka_unit_test(test_every_allocation_of_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
