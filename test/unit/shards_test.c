/*
 * A server with two shards on one thread; the test takes their turns. Wire `a`
 * is a connection of the first shard, wire `b` of the second. A message between
 * shards arrives when both have had their turns, so a test decides which
 * messages are under way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/core.h"
#include "shard/group.h"
#include "slow.h"
#include "zocket/embed.h"

struct pair {
    struct zkt_server *server;
    struct wire a, b;
};

static struct zkt_server *shard(const struct pair *p, uint32_t i)
{
    return p->server->shards->all[i];
}

static const struct zkt_session *session_of(const struct wire *w)
{
    return &ZKT_CONTAINER(w->e, struct zkt_connection, endpoint)->session;
}

/* Delivers all messages that are under way, and those that they cause. */
static void settle(const struct pair *p)
{
    for (uint32_t i = 0; i < 8; i++) {
        turn(shard(p, i % 2));
    }
}

static struct pair open_pair(const struct zkt_limits *limits,
                             const struct zkt_allocator *allocator)
{
    struct pair p = { .server = new_slow_shards(limits, allocator, 2) };
    zkt__server_run_shards(p.server, 2);
    p.a = open_slow(shard(&p, 0));
    p.b = open_slow(shard(&p, 1));
    return p;
}

/* Clients of an instance that is destroyed are not told to disconnect. */
static void close_pair_but(struct pair *p, int dropped)
{
    close_wire(&p->a);
    close_wire(&p->b);
    zkt_server_free(p->server);
    assert_int_equal(hooks.activate, hooks.deactivate);
    assert_int_equal(hooks.connect, hooks.disconnect + dropped);
}

static void close_pair(struct pair *p)
{
    close_pair_but(p, 0);
}

/* Sends @text and returns the answer after it has crossed the shards. */
static const char *ask_across(const struct pair *p, struct wire *w,
                              const char *text)
{
    send_text(w, text, true);
    settle(p);
    return said(w);
}

#define SNAPSHOT(id, n, trail)                                                 \
    "{\"type\":\"state:snapshot\",\"actor\":\"job\",\"actorId\":\"" id         \
    "\",\"state\":{\"n\":" n ",\"trail\":\"" trail "\"}}\n"
#define PATCH(id, n)                                                           \
    "{\"type\":\"state:patch\",\"actor\":\"job\",\"actorId\":\"" id            \
    "\",\"patches\":[{\"op\":\"replace\",\"path\":\"/n\",\"value\":" n "}]}\n"
#define ADDED(id, n)                                                           \
    "{\"type\":\"event\",\"actor\":\"job\",\"actorId\":\"" id                  \
    "\",\"event\":\"added\",\"payload\":{\"n\":" n "}}\n"
#define GONE(id, text, code)                                                   \
    "{\"type\":\"sub:error\",\"actor\":\"job\",\"actorId\":\"" id              \
    "\",\"error\":\"" text "\",\"code\":\"" code "\"}\n"
#define DESTROYED "the instance was destroyed"

/* ---- calls and order across shards ---- */

/* The issue stands in the text, where quotes are escaped, and by itself. */
#define ISSUE(q)                                                               \
    "[{" q "code" q ":" q "invalid_type" q "," q "path" q ":[" q "by" q "]," q \
    "message" q ":" q "expected integer, got boolean" q "}]"
#define INVALID(escaped, plain)                                                \
    "{\"type\":\"rpc:result\",\"id\":\"3\",\"error\":\"Validation failed for " \
    "add: " ISSUE(escaped) "\",\"code\":\"INVALID_ARGUMENT\","                 \
                           "\"issues\":" ISSUE(plain) "}\n"

static void test_a_call_across(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    (void)state;
    assert_string_equal(ask(&p.a, ADD("1", "x", "5", "")), RESULT("1", "5"));
    assert_string_equal(ask(&p.b, ADD("2", "x", "2", "")), ""); /* under way */
    settle(&p);
    assert_string_equal(said(&p.b), RESULT("2", "7"));
    assert_string_equal(ask_across(&p, &p.b, ADD("3", "x", "true", "")),
                        INVALID("\\\"", "\""));
    assert_string_equal(ask_across(&p, &p.b, MARK("4", "x", "wrong")),
                        REFUSED("4", "internal error", "INTERNAL"));
    assert_int_equal(hooks.activate, 1);
    assert_int_equal(hooks.connect, 2);
    assert_int_equal(stats_of(p.server).instances, 1);
    assert_int_equal(stats_of(shard(&p, 1)).instances, 1);
    assert_int_equal(stats_of(p.server).calls, 3);
    assert_int_equal(stats_of(p.server).connections, 2);
    close_pair(&p);
}

static void test_order_across(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    (void)state;
    (void)ask(&p.a, SUB("state:sub", "x"));
    (void)ask(&p.a, SUB("event:sub", "x"));
    assert_string_equal(ask_across(&p, &p.b, SUB("state:sub", "x")),
                        SNAPSHOT("x", "0", ""));
    assert_string_equal(ask_across(&p, &p.b, SUB("event:sub", "x")), "");
    /* The caller gets a patch, then its events, then the result. */
    assert_string_equal(ask_across(&p, &p.b, ADD("1", "x", "1", "")),
                        PATCH("x", "1") ADDED("x", "1") RESULT("1", "1"));
    assert_string_equal(said(&p.a), PATCH("x", "1") ADDED("x", "1"));
    assert_string_equal(ask(&p.a, ADD("2", "x", "1", "")),
                        PATCH("x", "2") ADDED("x", "2") RESULT("2", "2"));
    settle(&p);
    assert_string_equal(said(&p.b), PATCH("x", "2") ADDED("x", "2"));
    /* Two calls of a turn send two frames of each kind. */
    send_text(&p.b, ADD("3", "x", "1", ""), false);
    send_text(&p.b, ADD("4", "x", "1", ""), false);
    settle(&p);
    assert_string_equal(said(&p.b),
                        PATCH("x", "3") ADDED("x", "3") RESULT("3", "3")
                            PATCH("x", "4") ADDED("x", "4") RESULT("4", "4"));
    close_pair(&p);
}

/* Only a subscription that is not given up gets snapshots and patches: a client
 * would take a snapshot without patches after it for a live subscription. */
static void test_unsubscribing_while_a_snapshot_is_under_way(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", ""));
    send_text(&p.b, SUB("state:sub", "x"), true);
    send_text(&p.b, SUB("state:unsub", "x"), true);
    settle(&p);
    (void)ask(&p.a, ADD("2", "x", "1", ""));
    settle(&p);
    assert_string_equal(said(&p.b), "");
    send_text(&p.b, SUB("state:sub", "x"), true);
    send_text(&p.b, SUB("state:unsub", "x"), true);
    send_text(&p.b, SUB("state:sub", "x"), true);
    send_text(&p.b, SUB("event:sub", "x"), true);
    send_text(&p.b, SUB("event:unsub", "x"), true);
    settle(&p);
    assert_string_equal(said(&p.b), SNAPSHOT("x", "2", ""));
    (void)ask(&p.a, ADD("3", "x", "1", ""));
    settle(&p);
    assert_string_equal(said(&p.b), PATCH("x", "3"));
    /* Subscribing again sends a fresh snapshot; no patch before the result of
     * an earlier call is missed. */
    (void)ask(&p.a, ADD("4", "x", "1", ""));
    send_text(&p.b, ADD("b", "x", "0", ""), true);
    send_text(&p.b, SUB("state:sub", "x"), true);
    settle(&p);
    assert_string_equal(said(&p.b), PATCH("x", "4") RESULT("b", "4")
                                        SNAPSHOT("x", "4", ""));
    (void)ask(&p.a, ADD("5", "x", "1", ""));
    settle(&p);
    assert_string_equal(said(&p.b), PATCH("x", "5"));
    close_pair(&p);
}

/* The same while the instance is busy, on its own thread and on another: only
 * the last of three waiting requests is answered. */
static void resubscribe_while_busy(uint32_t on)
{
    struct pair p = open_pair(NULL, NULL);
    struct wire *w = on == 0 ? &p.a : &p.b;
    struct wire other = open_slow(shard(&p, 0));
    struct ran ran = { 0 };
    (void)ask_across(&p, &other, ADD("1", "x", "1", "later-dirty"));
    send_text(w, SUB("state:sub", "x"), true);
    send_text(w, SUB("state:unsub", "x"), true);
    settle(&p);
    send_text(&other, ADD("2", "x", "1", ""), true);
    send_text(w, SUB("state:sub", "x"), true);
    settle(&p);
    assert_string_equal(said(w), "");
    resume(0, &ran);
    settle(&p);
    assert_string_equal(said(&other), RESULT("1", "1") RESULT("2", "2"));
    assert_string_equal(said(w), SNAPSHOT("x", "2", "dirty"));
    (void)ask_across(&p, &other, ADD("3", "x", "1", ""));
    settle(&p);
    assert_string_equal(said(w), PATCH("x", "3"));
    close_wire(&other);
    close_pair(&p);
}

static void test_resubscribing_while_busy(void **state)
{
    (void)state;
    resubscribe_while_busy(0);
    resubscribe_while_busy(1);
}

/* An unsubscription does not create an instance. */
static void test_unsubscribing_without_an_instance(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    (void)state;
    assert_string_equal(ask_across(&p, &p.b, SUB("state:unsub", "x")), "");
    assert_string_equal(ask_across(&p, &p.b, ADD("1", "x", "1", "")),
                        RESULT("1", "1"));
    (void)ask_across(&p, &p.a, ADD("2", "x", "1", ""));
    assert_int_equal(zkt_server_destroy(p.server, ZKT_STR("job"), ZKT_STR("x")),
                     ZKT_OK);
    settle(&p);
    /* The contact is still there; the instance has ended. */
    assert_string_equal(ask_across(&p, &p.a, SUB("state:unsub", "x")), "");
    assert_string_equal(ask_across(&p, &p.a, SUB("event:unsub", "x")), "");
    assert_int_equal(stats_of(p.server).instances, 0);
    close_pair_but(&p, 2);
}

/* ---- inspection ---- */

struct seen {
    int count;
    uint32_t clients, subscribers;
};

static void see(const struct zkt_instance_info *info, void *user)
{
    struct seen *seen = user;
    seen->count++;
    seen->clients = info->clients;
    seen->subscribers = info->subscribers;
}

static void test_contacts(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    struct seen seen = { 0 };
    (void)state;
    (void)ask(&p.a, SUB("state:sub", "x"));
    (void)ask_across(&p, &p.b, SUB("state:sub", "x"));
    zkt_server_instances(p.server, see, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.clients, 2);
    assert_int_equal(seen.subscribers, 2);
    seen = (struct seen){ 0 };
    /* only the owning shard lists it */
    zkt_server_instances(shard(&p, 1), see, &seen);
    assert_int_equal(seen.count, 0);
    close_wire(&p.b);
    settle(&p);
    assert_int_equal(hooks.disconnect, 1);
    zkt_server_instances(p.server, see, &seen);
    assert_int_equal(seen.clients, 1);
    assert_int_equal(seen.subscribers, 1);
    p.b = open_slow(shard(&p, 1));
    assert_string_equal(ask_across(&p, &p.b, SUB("state:sub", "x")),
                        SNAPSHOT("x", "0", ""));
    close_pair(&p);
}

/* A name may move to another shard when nothing refers to it. */
static void test_homes(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    uint32_t home;
    struct zkt_directory *directory = &p.server->shards->group->directory;
    const struct zkt_actor *job = p.server->host.app.info->actors[0];
    (void)state;
    assert_false(zkt__directory_find(directory, job, ZKT_STR("x"), &home));
    (void)ask_across(&p, &p.b, ADD("1", "x", "1", ""));
    assert_true(zkt__directory_find(directory, job, ZKT_STR("x"), &home));
    assert_int_equal(home, 1);
    (void)ask_across(&p, &p.a, ADD("2", "x", "1", ""));
    (void)ask_across(&p, &p.b, SLOW_CALL("3", "x", "end", "null"));
    assert_int_equal(stats_of(p.server).instances, 0);
    /* Unused contacts end with their instance. */
    assert_false(zkt__directory_find(directory, job, ZKT_STR("x"), &home));
    assert_string_equal(ask_across(&p, &p.a, ADD("4", "x", "1", "")),
                        RESULT("4", "1"));
    assert_true(zkt__directory_find(directory, job, ZKT_STR("x"), &home));
    assert_int_equal(home, 0);
    close_pair_but(&p, 2);
}

/* ---- ends ---- */

static void test_the_end_of_an_instance(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", ""));
    (void)ask_across(&p, &p.b, SUB("state:sub", "x"));
    (void)ask_across(&p, &p.b, SUB("event:sub", "x"));
    /* Destroys it from the other shard, which does not hold the instance. */
    assert_int_equal(
        zkt_server_destroy(shard(&p, 1), ZKT_STR("job"), ZKT_STR("x")), ZKT_OK);
    assert_int_equal(
        zkt_server_destroy(shard(&p, 1), ZKT_STR("job"), ZKT_STR("y")),
        ZKT_NOT_FOUND);
    settle(&p);
    assert_int_equal(hooks.deactivate, 1);
    assert_string_equal(said(&p.b),
                        PATCH("x", "-1") GONE("x", DESTROYED, "ABORTED"));
    /* The subscriptions have ended; the next message creates a new instance. */
    (void)ask(&p.a, ADD("2", "x", "0", ""));
    assert_string_equal(ask_across(&p, &p.b, ADD("2", "x", "3", "")),
                        RESULT("2", "3"));
    assert_int_equal(hooks.activate, 2);
    assert_int_equal(hooks.connect, 4);
    assert_string_equal(ask_across(&p, &p.b, SUB("state:sub", "x")),
                        SNAPSHOT("x", "3", ""));
    /* A subscription that is under way survives the end of the instance. */
    assert_int_equal(zkt_server_destroy(p.server, ZKT_STR("job"), ZKT_STR("x")),
                     ZKT_OK);
    turn(shard(&p, 0));
    send_text(&p.b, SUB("state:sub", "x"), true);
    settle(&p);
    assert_string_equal(said(&p.b), PATCH("x", "-1") SNAPSHOT("x", "0", ""));
    close_pair_but(&p, 4);
}

/* The first of two subscriptions is refused: patches begin with the second
 * subscription. */
static void test_a_subscription_that_is_refused(void **state)
{
    const struct zkt_limits few = { .mailbox_messages = 1 };
    struct pair p = open_pair(&few, NULL);
    struct wire c = open_slow(shard(&p, 1));
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&p.a, ADD("0", "x", "1", ""));
    (void)ask_across(&p, &c, SUB("state:sub", "x"));
    (void)ask(&p.a, ADD("1", "x", "1", "later"));
    (void)ask(&p.a, ADD("2", "x", "1", "later")); /* the mailbox is full */
    send_text(&p.b, SUB("state:sub", "x"), true);
    turn(shard(&p, 0)); /* refused; `b` does not know it yet */
    resume(0, &ran);
    turn(shard(&p, 0));
    resume(1, &ran);
    turn(shard(&p, 0));
    send_text(&p.b, SUB("state:sub", "x"), true);
    settle(&p);
    assert_string_equal(said(&p.b),
                        GONE("x", "too many messages wait for the instance",
                             "RESOURCE_EXHAUSTED") SNAPSHOT("x", "3", ""));
    (void)ask(&p.a, ADD("3", "x", "1", ""));
    settle(&p);
    assert_string_equal(said(&p.b), PATCH("x", "4"));
    close_wire(&c);
    close_pair(&p);
}

/* While the owner is busy, messages of the other shard wait and are not
 * lost. */
static void test_a_busy_owner(void **state)
{
    const struct zkt_limits few = { .mailbox_messages = 4, .pending_calls = 3 };
    struct pair p = open_pair(&few, NULL);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", "later-dirty"));
    assert_string_equal(ask_across(&p, &p.b, ADD("2", "x", "1", "")), "");
    assert_string_equal(ask_across(&p, &p.b, SUB("state:sub", "x")), "");
    assert_string_equal(ask_across(&p, &p.b, SUB("event:sub", "x")),
                        GONE("x", "too many messages wait for the instance",
                             "RESOURCE_EXHAUSTED"));
    assert_string_equal(ask_across(&p, &p.b, ADD("3", "x", "1", "")),
                        REFUSED("3", "too many messages wait for the instance",
                                "RESOURCE_EXHAUSTED"));
    assert_int_equal(stats_of(p.server).queued, 2);
    resume(0, &ran);
    settle(&p);
    assert_string_equal(said(&p.a), RESULT("1", "1"));
    assert_string_equal(said(&p.b),
                        RESULT("2", "2") SNAPSHOT("x", "2", "dirty"));
    /* Calls to a busy instance on another shard stop the reading of their
     * connection only. */
    (void)ask(&p.a, ADD("4", "x", "1", "later"));
    (void)ask(&p.a, ADD("z", "z", "1", "later"));
    (void)ask_across(&p, &p.b, ADD("5", "x", "1", ""));
    (void)ask_across(&p, &p.b, ADD("6", "x", "1", ""));
    (void)ask_across(&p, &p.b, ADD("7", "z", "1", ""));
    assert_false(zkt_endpoint_reading(p.b.e));
    assert_string_equal(ask_across(&p, &p.b, ADD("8", "y", "1", "")), "");
    assert_true(stats_of(p.server).limit_hits.pending_calls > 0);
    resume(1, &ran);
    settle(&p);
    assert_string_equal(said(&p.b),
                        PATCH("x", "3") PATCH("x", "4") RESULT("5", "4")
                            PATCH("x", "5") RESULT("6", "5") RESULT("8", "1"));
    assert_true(zkt_endpoint_reading(p.b.e));
    resume(2, &ran);
    settle(&p);
    assert_string_equal(said(&p.b), RESULT("7", "2"));
    close_pair(&p);
}

static void test_a_caller_that_leaves(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", ""));
    (void)ask_across(&p, &p.b, ADD("2", "x", "1", "later"));
    close_wire(&p.b);
    settle(&p);
    assert_int_equal(hooks.disconnect, 0); /* after its call */
    resume(0, &ran);
    settle(&p);
    assert_int_equal(ran.times, 1);
    assert_int_equal(hooks.disconnect, 1);
    p.b = open_slow(shard(&p, 1));
    assert_string_equal(ask_across(&p, &p.b, ADD("3", "x", "1", "")),
                        RESULT("3", "3"));
    close_pair(&p);
}

static void test_a_deadline(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", ""));
    (void)ask_across(&p, &p.b, ADD("2", "x", "1", "later"));
    zkt_server_advance(p.server, 30000);
    settle(&p);
    assert_string_equal(said(&p.b),
                        REFUSED("2", "the handler did not finish in time",
                                "DEADLINE_EXCEEDED"));
    resume(0, &ran);
    assert_string_equal(ask_across(&p, &p.b, ADD("3", "x", "1", "")),
                        RESULT("3", "2"));
    assert_int_equal(ran.cancelled, 1);
    close_pair(&p);
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    const struct zkt_limits few = { .instances = 1, .connections = 2 };
    struct pair p = open_pair(&few, NULL);
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", ""));
    assert_string_equal(
        ask_across(&p, &p.b, ADD("2", "y", "1", "")),
        REFUSED("2", "too many instances", "RESOURCE_EXHAUSTED"));
    assert_string_equal(ask_across(&p, &p.b, SUB("state:sub", "y")),
                        GONE("y", "too many instances", "RESOURCE_EXHAUSTED"));
    assert_string_equal(ask_across(&p, &p.b, ADD("3", "x", "1", "")),
                        RESULT("3", "2"));
    (void)ask(&p.a, SLOW_CALL("4", "x", "end", "null"));
    assert_string_equal(ask_across(&p, &p.b, ADD("5", "y", "1", "")),
                        RESULT("5", "1"));
    /* The contact with the old instance stays; a new instance has no room. */
    assert_string_equal(
        ask_across(&p, &p.b, ADD("6", "x", "1", "")),
        REFUSED("6", "too many instances", "RESOURCE_EXHAUSTED"));
    assert_int_equal(stats_of(p.server).limit_hits.instances, 3);
    struct wire third = { .e = zkt__server_accept(shard(&p, 0), "test") };
    assert_non_null(third.e);
    feed(&third, request, sizeof(request) - 1, 4096, true);
    assert_true(third.e->closing);
    assert_true(holds(third.text, third.len, "503"));
    close_wire(&third);
    assert_int_equal(stats_of(p.server).limit_hits.connections, 1);
    close_pair_but(&p, 2);
}

/* A subscriber that reads nothing gets one snapshot in the end. */
static void test_a_slow_subscriber(void **state)
{
    const struct zkt_limits few = { .output_high = 400,
                                    .output_stuck_ms = 60000 };
    struct pair p = open_pair(&few, NULL);
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", ""));
    (void)ask_across(&p, &p.b, SUB("state:sub", "x"));
    for (int i = 0; i < 20; i++) {
        (void)ask(&p.a, ADD("2", "x", "1", ""));
        turn(shard(&p, 1));
    }
    assert_true(stats_of(p.server).limit_hits.output_high > 0);
    char *before = strdup(said(&p.b));
    assert_null(strstr(before, "snapshot"));
    assert_non_null(strstr(before, PATCH("x", "2")));
    assert_null(strstr(before, PATCH("x", "21")));
    free(before);
    /* The placeholder is at the head of the queue; its snapshot has been
     * requested. */
    settle(&p);
    assert_string_equal(said(&p.b), SNAPSHOT("x", "21", ""));
    (void)ask(&p.a, ADD("3", "x", "1", ""));
    settle(&p);
    assert_string_equal(said(&p.b), PATCH("x", "22"));
    /* The subscriber unsubscribes while its snapshot is under way. */
    for (int i = 0; i < 20; i++) {
        (void)ask(&p.a, ADD("4", "x", "1", ""));
        turn(shard(&p, 1));
    }
    (void)said(&p.b);
    send_text(&p.b, SUB("state:unsub", "x"), true);
    settle(&p);
    assert_string_equal(said(&p.b), "");
    assert_string_equal(ask_across(&p, &p.b, ADD("5", "x", "1", "")),
                        RESULT("5", "43"));
    close_pair(&p);
}

/* Fills the queue of `b`, which is subscribed, until it holds a placeholder. */
static void fall_behind(struct pair *p)
{
    const uint64_t before = stats_of(shard(p, 1)).limit_hits.output_high;
    for (int i = 0; i < 12; i++) {
        (void)ask(&p->a, ADD("0", "x", "1", ""));
        turn(shard(p, 1));
    }
    assert_true(stats_of(shard(p, 1)).limit_hits.output_high > before);
}

/* A snapshot on its way counts as much as its contact's last snapshot, so the
 * next snapshot is not requested. */
static void test_snapshots_that_are_fetched(void **state)
{
    enum {
        SLOW = 3
    };
    const struct zkt_limits limits = { .output_high = 300,
                                       .snapshot_bytes = 100 };
    struct pair p = open_pair(&limits, NULL);
    struct wire slow[SLOW];
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", ""));
    for (int i = 0; i < SLOW; i++) {
        slow[i] = open_slow(shard(&p, 1));
        (void)ask_across(&p, &slow[i], SUB("state:sub", "x"));
    }
    for (int i = 0; i < 10; i++) {
        (void)ask(&p.a, ADD("1", "x", "1", ""));
        settle(&p);
    }
    for (int i = 0; i < SLOW; i++) {
        (void)said(&slow[i]); /* the placeholder is at the head */
    }
    const struct zkt_sessions *sessions = &shard(&p, 1)->sessions;
    assert_int_equal(stats_of(shard(&p, 1)).limit_hits.snapshot_bytes,
                     SLOW - 1);
    assert_true(sessions->snapshot_bytes > 50);
    assert_true(sessions->snapshot_bytes < 150);
    for (int i = 0; i < SLOW; i++) {
        (void)said(&slow[i]); /* asks, now that there is room */
        assert_true(sessions->snapshot_bytes < 150);
        settle(&p);
        assert_string_equal(said(&slow[i]), SNAPSHOT("x", "11", ""));
    }
    assert_int_equal(sessions->snapshot_bytes, 0);
    for (int i = 0; i < SLOW; i++) {
        close_wire(&slow[i]);
    }
    close_pair(&p);
}

/* A requested snapshot arrives after the unsubscription, while a second
 * snapshot is under way. */
static void test_a_late_snapshot(void **state)
{
    const struct zkt_limits few = { .output_high = 400,
                                    .output_stuck_ms = 60000 };
    struct pair p = open_pair(&few, NULL);
    (void)state;
    (void)ask(&p.a, ADD("0", "x", "1", ""));
    (void)ask_across(&p, &p.b, SUB("state:sub", "x"));
    fall_behind(&p);
    (void)said(&p.b); /* the placeholder is at the head */
    const struct zkt_core *core = &shard(&p, 1)->core;
    assert_int_equal(core->ops->deadline(core), core->now_ms); /* at once */
    send_text(&p.b, ADD("1", "own", "0", ""), false);
    send_text(&p.b, SUB("state:unsub", "x"), false);
    send_text(&p.b, SUB("state:sub", "x"), false);
    settle(&p);
    assert_string_equal(said(&p.b), RESULT("1", "0"));
    settle(&p); /* the new snapshot is requested at the head */
    assert_string_equal(said(&p.b), SNAPSHOT("x", "13", ""));
    (void)ask_across(&p, &p.a, ADD("0", "x", "1", ""));
    assert_string_equal(said(&p.b), PATCH("x", "14"));
    close_pair(&p);
}

/* A close waits neither for a snapshot that is under way nor, on one thread,
 * for an unfinished call. */
static void test_a_close_that_does_not_wait(void **state)
{
    const struct zkt_limits few = { .output_high = 400,
                                    .output_stuck_ms = 60000 };
    const char close[] = "\x88\x82\1\2\3\4\x02\xea"; /* 1000 */
    (void)state;
    for (int across = 0; across < 2; across++) {
        struct ran ran = { 0 };
        struct pair p = open_pair(&few, NULL);
        (void)ask_across(&p, across ? &p.a : &p.b, ADD("0", "x", "0", ""));
        (void)ask_across(&p, &p.b, SUB("state:sub", "x"));
        for (int i = 0; i < 12; i++) {
            (void)ask_across(&p, &p.a, ADD("0", "x", "1", ""));
        }
        if (!across) {
            (void)ask_across(&p, &p.a, ADD("9", "x", "1", "later-dirty"));
        }
        (void)said(&p.b);
        assert_true(session_of(&p.b)->queue.count == 1); /* the placeholder */
        feed(&p.b, close, sizeof(close) - 1, sizeof(close), true);
        assert_string_equal(said(&p.b), "close 1000\n");
        if (held_count > 0) {
            resume(0, &ran);
        }
        settle(&p);
        close_pair(&p);
    }
}

/* Messages of another shard get their share of a turn, and no more. */
static void test_a_share_of_a_turn(void **state)
{
    const struct zkt_limits few = { .turn_work = 8000 }; /* four calls */
    struct pair p = open_pair(&few, NULL);
    (void)state;
    (void)ask(&p.a, ADD("0", "x", "0", ""));
    for (int i = 0; i < 10; i++) {
        send_text(&p.b, ADD("1", "x", "1", ""), true);
    }
    for (uint64_t ran = 4; ran < 10; ran += 4) {
        turn(shard(&p, 0));
        assert_int_equal(stats_of(shard(&p, 0)).calls, 1 + ran);
        const struct zkt_core *core = &shard(&p, 0)->core;
        assert_int_equal(core->ops->deadline(core), core->now_ms);
    }
    settle(&p);
    assert_int_equal(stats_of(shard(&p, 0)).calls, 11);
    assert_non_null(strstr(said(&p.b), RESULT("1", "10")));
    close_pair(&p);
}

/* ---- stopping ---- */

static void test_a_shutdown(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&p.a, SUB("state:sub", "x"));
    (void)ask_across(&p, &p.b, SUB("state:sub", "x"));
    (void)ask_across(&p, &p.b, ADD("1", "x", "1", "later"));
    send_text(&p.b, ADD("2", "x", "1", "now"), true); /* under way */
    zkt_server_shutdown(shard(&p, 1));
    settle(&p);
    assert_string_equal(said(&p.b), "");
    assert_string_equal(ask(&p.b, ADD("3", "x", "1", "")),
                        REFUSED("3", "the server stops", "UNAVAILABLE"));
    resume(0, &ran);
    settle(&p);
    assert_string_equal(said(&p.b),
                        PATCH("x", "1") RESULT("1", "1") PATCH("x", "2")
                            RESULT("2", "2") "close 1001\n");
    assert_string_equal(said(&p.a),
                        PATCH("x", "1") PATCH("x", "2") "close 1001\n");
    assert_int_equal(hooks.disconnect, 2);
    assert_int_equal(hooks.deactivate, 1);
    assert_false(zkt_server_is_down(p.server));
    close_wire(&p.a);
    close_wire(&p.b);
    settle(&p);
    assert_true(zkt_server_is_down(p.server));
    zkt_server_free(p.server);
}

static void test_a_shutdown_that_waits_in_vain(void **state)
{
    struct pair p = open_pair(NULL, NULL);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&p.a, ADD("1", "x", "1", ""));
    (void)ask_across(&p, &p.b, ADD("2", "x", "1", "later"));
    zkt_server_shutdown(p.server);
    settle(&p);
    zkt_server_advance(shard(&p, 1), 5000);
    settle(&p);
    assert_string_equal(said(&p.b), REFUSED("2", "the server stops",
                                            "UNAVAILABLE") "close 1001\n");
    assert_int_equal(stats_of(p.server).limit_hits.drain_ms, 1);
    close_wire(&p.a);
    close_wire(&p.b);
    zkt_server_free(p.server);
    resume(0, &ran);
    assert_int_equal(ran.cancelled, 1);
}

/* A server that does not listen has no threads and uses only its first
 * shard. */
static void test_a_shutdown_without_threads(void **state)
{
    struct zkt_server *server = new_slow_shards(NULL, NULL, 2);
    struct wire w = open_slow(server);
    (void)state;
    assert_string_equal(ask(&w, ADD("1", "x", "1", "")), RESULT("1", "1"));
    zkt_server_shutdown(server);
    turn(server);
    assert_string_equal(said(&w), "close 1001\n");
    close_wire(&w);
    turn(server);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
}

static void test_options(void **state)
{
    const struct zkt_serve_options many = { .threads = ZKT_THREADS_MAX + 1 };
    struct zkt_server *server;
    (void)state;
    assert_int_equal(zkt_server_new(slow_app(&slow_handlers), &many, &server),
                     ZKT_BAD_OPTION);
}

/* ---- memory ---- */

/* Plays a session on both wires. */
static void play(struct pair *p)
{
    struct ran ran = { 0 };
    (void)ask_across(p, &p->a, SUB("state:sub", "x"));
    (void)ask_across(p, &p->b, SUB("state:sub", "x"));
    (void)ask_across(p, &p->b, SUB("event:sub", "x"));
    (void)ask_across(p, &p->b, ADD("1", "x", "1", ""));
    (void)ask_across(p, &p->a, ADD("2", "x", "1", "later"));
    (void)ask_across(p, &p->b, ADD("3", "x", "1", "now"));
    (void)ask_across(p, &p->b, SUB("event:unsub", "x"));
    while (held_count > 0) {
        resume(--held_count, &ran);
    }
    settle(p);
    (void)zkt_server_destroy(shard(p, 1), ZKT_STR("job"), ZKT_STR("x"));
    settle(p);
    (void)ask_across(p, &p->b, ADD("4", "x", "1", "now"));
}

/* Each allocation of a session fails once: nothing leaks, the other shard goes
 * on, and so do connections that were not closed. */
static void test_no_memory(void **state)
{
    struct failing_alloc counting;
    (void)state;
    failing_alloc_init(&counting, 0);
    struct pair p = open_pair(NULL, &counting.allocator);
    const long before = counting.calls;
    play(&p);
    const long count = counting.calls - before;
    close_wire(&p.a);
    close_wire(&p.b);
    zkt_server_free(p.server);
    assert_int_equal(counting.live, 0);
    assert_true(count > 30);
    for (long i = 1; i <= count; i++) {
        failing_alloc_init(&counting, 0);
        p = open_pair(NULL, &counting.allocator);
        counting.fail_at = counting.calls + i;
        play(&p);
        /* Each connection that is still open can be served. */
        const bool a = session_of(&p.a)->open;
        const bool b = session_of(&p.b)->open;
        assert_true(a || b);
        if (a) {
            assert_non_null(strstr(ask_across(&p, &p.a, ADD("8", "z", "1", "")),
                                   RESULT("8", "1")));
        }
        if (b) {
            assert_non_null(
                strstr(ask_across(&p, &p.b, ADD("9", "z", "1", "")),
                       "\"type\":\"rpc:result\",\"id\":\"9\",\"result\""));
        }
        close_wire(&p.a);
        close_wire(&p.b);
        zkt_server_free(p.server);
        assert_int_equal(counting.live, 0);
    }
}

/* ---- random subscriptions, checked against copies of the state ---- */

enum {
    WATCHERS = 6,
    NAMES = 3
};

struct watcher {
    struct wire wire;
    bool subscribed[NAMES];
    bool known[NAMES];
    long n[NAMES]; /* the last value that the wire has received */
};

/* Returns the number after @key in @line. */
static long number_after(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    assert_non_null(at);
    return strtol(at + strlen(key), NULL, 10);
}

static void listen(struct watcher *w)
{
    for (const char *line = said(&w->wire); *line != '\0';
         line = strchr(line, '\n') + 1) {
        const char *id = strstr(line, "\"actorId\":\"");
        const bool snapshot = strncmp(line, "{\"type\":\"state:s", 16) == 0;
        if (!snapshot && strncmp(line, "{\"type\":\"state:p", 16) != 0) {
            continue;
        }
        const int name = id[11] - 'a';
        /* A subscription that was given up may still get its snapshot. */
        assert_true(snapshot || w->known[name]); /* a snapshot comes first */
        const long n = number_after(line, snapshot ? "\"n\":" : "\"value\":");
        /* Every change adds 1, so no patch is missed or doubled. */
        assert_true(snapshot || n == w->n[name] + 1);
        w->known[name] = true;
        w->n[name] = n;
    }
}

static uint32_t below(uint64_t *random, uint32_t n)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % n;
}

/* Gives every shard several turns. */
static void settle_all(const struct zkt_server *server)
{
    const struct zkt_shards *shards = server->shards;
    for (uint32_t i = 0; i < 4 * shards->count; i++) {
        turn(shards->all[i % shards->count]);
    }
}

static bool is_behind(const struct wire *w)
{
    const struct zkt_connection *c = ZKT_CONTAINER(w->e, struct zkt_connection,
                                                   endpoint);
    return c->unhandled != NULL || c->session.queue.count > 0;
}

/* Takes turns until the server has handled all messages of the watcher and sent
 * all its output: messages wait behind a snapshot, and that snapshot may wait
 * until other readers release memory. */
static void catch_up(const struct zkt_server *server, struct watcher *all,
                     const struct watcher *one)
{
    for (int i = 0; is_behind(&one->wire); i++) {
        assert_true(i < 10000);
        settle_all(server);
        listen(&all[i % WATCHERS]);
    }
}

static void unsubscribe(const struct zkt_server *server, struct watcher *all,
                        struct watcher *w, uint32_t name)
{
    char text[256];
    catch_up(server, all, w);
    snprintf(text, sizeof(text), SUB("state:unsub", "%c"), 'a' + (int)name);
    send_text(&w->wire, text, true);
    catch_up(server, all, w);
    listen(w);
    w->subscribed[name] = w->known[name] = false;
}

static void act(const struct zkt_server *server, struct watcher *all,
                uint64_t *random, long sums[NAMES])
{
    struct watcher *w = &all[below(random, WATCHERS)];
    const uint32_t name = below(random, NAMES);
    const uint32_t what = below(random, 8);
    const bool takes = below(random, 3) > 0;
    char text[256];
    if (what == 0) {
        unsubscribe(server, all, w, name);
        return;
    }
    if (what <= 2) {
        w->subscribed[name] = true;
        snprintf(text, sizeof(text), SUB("state:sub", "%c"), 'a' + (int)name);
    } else {
        sums[name]++;
        snprintf(text, sizeof(text), ADD("1", "%c", "1", ""), 'a' + (int)name);
    }
    send_text(&w->wire, text, takes);
}

/* A limit from 1 to @most or, in a third of all draws, the default. */
static int64_t draw(uint64_t *random, uint32_t most)
{
    return below(random, 3) == 0 ? 0 : 1 + below(random, most);
}

static struct zkt_limits draw_limits(uint64_t *random)
{
    return (struct zkt_limits){
        .ping_after_ms = INT32_MAX,
        .turn_work = draw(random, 12000),
        .channel_messages = draw(random, 6),
        .channel_bytes = draw(random, 2000),
        .pending_calls = draw(random, 6),
        .mailbox_per_turn = draw(random, 3),
        .output_high = draw(random, 1000),
        .snapshot_bytes = draw(random, 200),
        .cache_bytes = draw(random, 1000),
    };
}

static void check_copies(struct watcher *w, const long sums[NAMES])
{
    for (uint32_t name = 0; name < NAMES; name++) {
        assert_true(!w->subscribed[name] || w->n[name] == sums[name]);
    }
}

static void watch_at_random(uint64_t seed, uint32_t shards)
{
    struct watcher watchers[WATCHERS] = { 0 };
    long sums[NAMES] = { 0 };
    uint64_t random = seed;
    const struct zkt_limits limits = draw_limits(&random);
    struct zkt_server *server = new_slow_shards(&limits, NULL, shards);
    for (uint32_t i = 0; i < WATCHERS; i++) {
        watchers[i].wire = open_slow(server->shards->all[i % shards]);
    }
    for (int step = 0; step < 300; step++) {
        act(server, watchers, &random, sums);
        turn(server->shards->all[below(&random, shards)]);
        listen(&watchers[below(&random, WATCHERS)]);
    }
    for (uint32_t round = 0; round < 100 * WATCHERS; round++) {
        settle_all(server);
        listen(&watchers[round % WATCHERS]);
    }
    for (uint32_t i = 0; i < WATCHERS; i++) {
        check_copies(&watchers[i], sums);
        close_wire(&watchers[i].wire);
    }
    zkt_server_free(server);
}

static void test_copies(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        watch_at_random(seed, 1 + (uint32_t)(seed % 3));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_across),
        cmocka_unit_test(test_order_across),
        cmocka_unit_test(test_unsubscribing_while_a_snapshot_is_under_way),
        cmocka_unit_test(test_resubscribing_while_busy),
        cmocka_unit_test(test_unsubscribing_without_an_instance),
        cmocka_unit_test(test_contacts),
        cmocka_unit_test(test_homes),
        cmocka_unit_test(test_the_end_of_an_instance),
        cmocka_unit_test(test_a_subscription_that_is_refused),
        cmocka_unit_test(test_a_busy_owner),
        cmocka_unit_test(test_a_caller_that_leaves),
        cmocka_unit_test(test_a_deadline),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_a_slow_subscriber),
        cmocka_unit_test(test_a_late_snapshot),
        cmocka_unit_test(test_snapshots_that_are_fetched),
        cmocka_unit_test(test_a_close_that_does_not_wait),
        cmocka_unit_test(test_a_share_of_a_turn),
        cmocka_unit_test(test_a_shutdown),
        cmocka_unit_test(test_a_shutdown_that_waits_in_vain),
        cmocka_unit_test(test_a_shutdown_without_threads),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
