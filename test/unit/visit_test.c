/*
 * Every hook with every end: it succeeds, fails, expels its client, destroys
 * its instance; at once or deferred; with one shard and with two. The observer
 * is in contact before, so that the instance is on the first shard. The visitor
 * comes from the last.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "server/connection.h"
#include "server/core.h"
#include "visit_server.h"
#include "wire.h"

enum end {
    SUCCEEDS,
    FAILS,
    FAILS_INSIDE,
    WRITES_WRONGLY,
    EXPELS,
    DESTROYS,
    ENDS
};

static const char *const end_names[ENDS] = {
    "succeeds", "fails", "fails inside", "writes wrongly", "expels", "destroys",
};
static const char *const hook_names[ZKT_HOOK_COUNT] = {
    [ZKT_HOOK_ACTIVATE] = "activate",     [ZKT_HOOK_CONNECT] = "connect",
    [ZKT_HOOK_SUBSCRIBE] = "subscribe",   [ZKT_HOOK_DISCONNECT] = "disconnect",
    [ZKT_HOOK_DEACTIVATE] = "deactivate",
};

/* The hook that the test is about, if `armed`; all others succeed. */
static struct {
    bool armed, defers, under_way;
    enum zkt_hook hook;
    enum end end;
    int64_t idle_ms; /* 0: instances stay */
} plan;

/* Hooks that have run; second halves of those that were deferred. */
static struct {
    int ran[ZKT_HOOK_COUNT], good[ZKT_HOOK_COUNT];
    int deferred, finished, cancelled;
} seen;

/* Hooks that are deferred, in order. */
static void *held[8];
static int held_count;

/* ---- handlers ---- */

static enum zkt_status act(struct visit_place_call *call, enum zkt_hook hook)
{
    visit_place_set_n(call, call->state->n + 1);
    visit_place_emit_came(
        call, &(struct visit_place_came_event){ call->state->n }, zkt_to_all());
    switch (plan.end) {
    case FAILS:
        return zkt_fail(call->zkt, ZKT_PERMISSION_DENIED, "no entry");
    case FAILS_INSIDE:
        return ZKT_INTERNAL;
    case WRITES_WRONGLY:
        visit_place_set_n(call, 100);
        return ZKT_OK;
    case EXPELS:
        zkt_expel(call->zkt, zkt_client_id(call->zkt), ZKT_PERMISSION_DENIED,
                  "out");
        break;
    case DESTROYS:
        zkt_destroy(call->zkt);
        break;
    case SUCCEEDS:
    case ENDS:
        break;
    }
    seen.good[hook]++;
    return ZKT_OK;
}

static enum zkt_status finish(struct visit_place_call *call, enum zkt_hook hook)
{
    seen.finished++;
    if (zkt_cancelled(call->zkt)) {
        seen.cancelled++;
        return ZKT_OK;
    }
    return act(call, hook);
}

static void *defer(struct visit_place_call *call, enum zkt_hook hook)
{
    switch (hook) {
    case ZKT_HOOK_ACTIVATE:
        return visit_place_defer_on_activate(call);
    case ZKT_HOOK_CONNECT:
        return visit_place_defer_on_connect(call);
    case ZKT_HOOK_SUBSCRIBE:
        return visit_place_defer_on_subscribe(call);
    case ZKT_HOOK_DISCONNECT:
        return visit_place_defer_on_disconnect(call);
    case ZKT_HOOK_DEACTIVATE:
        return visit_place_defer_on_deactivate(call);
    case ZKT_HOOK_COUNT:
        break;
    }
    return NULL;
}

static enum zkt_status run_hook(struct visit_place_call *call,
                                enum zkt_hook hook)
{
    seen.ran[hook]++;
    if (!plan.armed || hook != plan.hook) {
        seen.good[hook]++;
        return ZKT_OK;
    }
    if (!plan.defers) {
        return act(call, hook);
    }
    assert_in_range(held_count, 0, 7);
    held[held_count] = defer(call, hook);
    if (held[held_count] == NULL) {
        return ZKT_OK; /* the call is poisoned */
    }
    held_count++;
    seen.deferred++;
    return ZKT_PENDING;
}

#define HOOK(name, number)                                                     \
    static enum zkt_status on_##name(struct visit_place_call *call)            \
    {                                                                          \
        return run_hook(call, number);                                         \
    }                                                                          \
    static enum zkt_status name##_then(struct visit_place_call *call,          \
                                       void *user)                             \
    {                                                                          \
        (void)user;                                                            \
        return finish(call, number);                                           \
    }
HOOK(activate, ZKT_HOOK_ACTIVATE)
HOOK(connect, ZKT_HOOK_CONNECT)
HOOK(disconnect, ZKT_HOOK_DISCONNECT)
HOOK(deactivate, ZKT_HOOK_DEACTIVATE)

static enum zkt_status on_subscribe(struct visit_place_call *call,
                                    enum zkt_subscription subscription)
{
    (void)subscription;
    return run_hook(call, ZKT_HOOK_SUBSCRIBE);
}

static enum zkt_status subscribe_then(struct visit_place_call *call,
                                      enum zkt_subscription subscription,
                                      void *user)
{
    (void)subscription;
    (void)user;
    return finish(call, ZKT_HOOK_SUBSCRIBE);
}

/* Resumes the hook that was deferred first. */
static void resume(void)
{
    void *first = held[0];
    held_count--;
    memmove(held, held + 1, sizeof(held) - sizeof(held[0]));
    switch (plan.hook) {
    case ZKT_HOOK_ACTIVATE:
        visit_place_resume_on_activate(first, activate_then, NULL);
        break;
    case ZKT_HOOK_CONNECT:
        visit_place_resume_on_connect(first, connect_then, NULL);
        break;
    case ZKT_HOOK_SUBSCRIBE:
        visit_place_resume_on_subscribe(first, subscribe_then, NULL);
        break;
    case ZKT_HOOK_DISCONNECT:
        visit_place_resume_on_disconnect(first, disconnect_then, NULL);
        break;
    case ZKT_HOOK_DEACTIVATE:
        visit_place_resume_on_deactivate(first, deactivate_then, NULL);
        break;
    case ZKT_HOOK_COUNT:
        break;
    }
}

static enum zkt_status add(struct visit_place_call *call,
                           const struct visit_place_add_input *in, int32_t *out)
{
    visit_place_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

/* ---- a server, an observer and a visitor ---- */

struct house {
    struct zkt_server *server;
    uint32_t shards;
    struct failing_alloc alloc;
    struct wire observer, visitor;
};

static struct zkt_server *last_shard(const struct house *h)
{
    return zkt__server_shard(h->server, h->shards - 1);
}

static void settle(const struct house *h)
{
    for (uint32_t i = 0; i < 4 * h->shards; i++) {
        struct zkt_server *shard = zkt__server_shard(h->server, i % h->shards);
        zkt__server_core(shard)->ops->tick(zkt__server_core(shard));
    }
}

#define ABOUT "\"actor\":\"place\",\"actorId\":\"x\""
#define ADD(id)                                                                \
    "{\"type\":\"rpc\",\"id\":\"" id "\"," ABOUT                               \
    ",\"method\":\"add\",\"input\":{\"by\":1}}"
#define STATE_SUB "{\"type\":\"state:sub\"," ABOUT "}"
#define EVENT_SUB "{\"type\":\"event:sub\"," ABOUT "}"

static bool heard(struct wire *w, const char *text)
{
    drain(w);
    return w->len > 0 && holds(w->text, w->len, text);
}

static int count(struct wire *w, const char *text)
{
    drain(w);
    return count_text(w, text);
}

static void say(const struct house *h, struct wire *w, const char *text)
{
    w->len = 0;
    send_text(w, text, true);
    settle(h);
}

static void build(struct house *h, uint32_t shards, long fail_at)
{
    static const struct visit_place_handlers place = {
        .add = add,
        .on_activate = on_activate,
        .on_connect = on_connect,
        .on_subscribe = on_subscribe,
        .on_disconnect = on_disconnect,
        .on_deactivate = on_deactivate,
    };
    static const struct visit_handlers handlers = { .place = &place };
    static const uint8_t seed[32] = { 7 };
    const struct zkt_serve_options options = {
        .random_seed = seed,
        .threads = shards,
        .limits.ping_after_ms = INT32_MAX,
        .limits.idle_ms = plan.idle_ms,
        .allocator = &h->alloc.allocator
    };
    memset(&seen, 0, sizeof(seen));
    plan.armed = false;
    held_count = 0;
    h->shards = shards;
    failing_alloc_init(&h->alloc, 0);
    assert_int_equal(zkt_server_new(visit_app(&handlers), &options, &h->server),
                     ZKT_OK);
    zkt__server_run_shards(h->server, shards);
    h->observer = open_wire_rfc6902(h->server);
    h->visitor = open_wire_rfc6902(last_shard(h));
    if (plan.hook != ZKT_HOOK_ACTIVATE) {
        say(h, &h->observer, STATE_SUB);
        say(h, &h->observer, EVENT_SUB);
        assert_true(heard(&h->observer, "sub:ok"));
    }
    h->observer.len = h->visitor.len = 0;
    h->alloc.calls = 0;
    h->alloc.fail_at = fail_at;
    plan.armed = plan.under_way = true;
}

static void leave(struct wire *w)
{
    if (w->e != NULL) {
        close_wire(w);
    }
    *w = (struct wire){ 0 };
}

static void end_of(struct house *h)
{
    plan.armed = false;
    while (held_count > 0) {
        resume();
    }
    settle(h);
    leave(&h->visitor);
    leave(&h->observer);
    settle(h);
    zkt_server_free(h->server);
    assert_int_equal(seen.deferred, seen.finished);
    assert_int_equal(h->alloc.live, 0);
    plan.under_way = false;
}

/* Says which case has failed. */
static int tell(void **state)
{
    (void)state;
    if (plan.under_way) {
        print_message("%s %s%s\n", hook_names[plan.hook], end_names[plan.end],
                      plan.defers ? ", deferred" : "");
    }
    return 0;
}

/* ---- the end of every hook ---- */

static const char *const firsts[] = { ADD("0"), STATE_SUB, EVENT_SUB };

enum {
    FIRSTS = sizeof(firsts) / sizeof(firsts[0]),
    SHARDS = 2
};

/* Sends three messages of the visitor, which the hook may hold up. */
static void send_three(struct house *h, const char *first)
{
    send_text(&h->visitor, first, true);
    send_text(&h->visitor, ADD("1"), true);
    send_text(&h->visitor, STATE_SUB, true);
    settle(h);
}

/* Resumes what is deferred, and what is deferred meanwhile. */
static void finish_held(struct house *h)
{
    for (int n = 0; held_count > 0; n++) {
        assert_in_range(n, 0, 9);
        resume();
        settle(h);
    }
}

#define REFUSAL "\"error\":\""

/* Nothing of the instance is said, and every message is refused. */
static void assert_refused(struct wire *w, int refusals)
{
    assert_int_equal(count(w, REFUSAL), refusals);
    assert_int_equal(count(w, "\"result\""), 0);
    assert_int_equal(count(w, "state:"), 0);
}

static void check_texts(struct wire *w, int refusals)
{
    static const char *const texts[ENDS] = {
        [FAILS] = "\"error\":\"no entry\",\"code\":\"PERMISSION_DENIED\"",
        [FAILS_INSIDE] = "\"error\":\"internal error\",\"code\":\"INTERNAL\"",
        [WRITES_WRONGLY] = "\"error\":\"internal error\",\"code\":\"INTERNAL\"",
        [EXPELS] = "\"error\":\"out\",\"code\":\"PERMISSION_DENIED\"",
        [DESTROYS] = "\"error\":\"the instance was destroyed\"",
    };
    assert_int_equal(count(w, texts[plan.end]), refusals);
}

/* The state holds what has succeeded and nothing else, and the visitor may try
 * again. */
static void check_state(struct house *h)
{
    char text[64];
    plan.armed = false;
    const int adds = count(&h->visitor, "\"result\"");
    const int wrote = plan.end == SUCCEEDS || plan.end == EXPELS
                          ? seen.good[plan.hook] -
                                (plan.hook != ZKT_HOOK_ACTIVATE) -
                                (plan.hook == ZKT_HOOK_SUBSCRIBE)
                          : 0;
    snprintf(text, sizeof(text), "\"result\":%d}", adds + wrote + 1);
    say(h, &h->visitor, ADD("9"));
    assert_true(heard(&h->visitor, text));
}

/* Looks at the state, unless it is gone, and ends. */
static void end_visit(struct house *h)
{
    if (plan.end == DESTROYS) {
        end_of(h); /* clients of an instance that is destroyed are not told */
        return;
    }
    check_state(h);
    end_of(h);
    assert_int_equal(seen.good[ZKT_HOOK_CONNECT],
                     seen.ran[ZKT_HOOK_DISCONNECT]);
}

static void test_connect(void **state)
{
    (void)state;
    plan.hook = ZKT_HOOK_CONNECT;
    for (uint32_t i = 0; i < SHARDS * 2 * ENDS * FIRSTS; i++) {
        const char *first = firsts[i % FIRSTS];
        struct house h;
        plan.end = i / FIRSTS % ENDS;
        plan.defers = i / FIRSTS / ENDS % 2 == 1;
        build(&h, 1 + i / FIRSTS / ENDS / 2, 0);
        send_three(&h, first);
        if (plan.defers) {
            assert_true(held_count > 0);
            assert_int_equal(count(&h.visitor, "\"type\""), 0);
        }
        finish_held(&h);
        if (plan.end == SUCCEEDS) {
            assert_int_equal(count(&h.visitor, REFUSAL), 0);
            assert_int_equal(count(&h.visitor, "state:snapshot"),
                             first == firsts[1] ? 2 : 1);
        } else {
            assert_refused(&h.visitor, 3);
            check_texts(&h.visitor, 3);
        }
        end_visit(&h);
    }
}

static void test_subscribe(void **state)
{
    (void)state;
    plan.hook = ZKT_HOOK_SUBSCRIBE;
    for (uint32_t i = 0; i < SHARDS * 2 * ENDS * FIRSTS; i++) {
        struct house h;
        plan.end = i / FIRSTS % ENDS;
        plan.defers = i / FIRSTS / ENDS % 2 == 1;
        build(&h, 1 + i / FIRSTS / ENDS / 2, 0);
        send_three(&h, firsts[i % FIRSTS]);
        finish_held(&h);
        if (plan.end == SUCCEEDS) {
            assert_int_equal(count(&h.visitor, REFUSAL), 0);
            assert_true(heard(&h.visitor, "state:snapshot"));
        } else {
            assert_false(heard(&h.visitor, "state:snapshot"));
            check_texts(&h.visitor, count(&h.visitor, REFUSAL));
            assert_in_range(count(&h.visitor, REFUSAL), 1, 3);
        }
        end_visit(&h);
    }
}

/* No instance is created; a new try comes after a second, and not before. */
static void test_activate(void **state)
{
    (void)state;
    plan.hook = ZKT_HOOK_ACTIVATE;
    for (uint32_t i = 0; i < SHARDS * 2 * 3; i++) {
        struct house h;
        plan.end = FAILS + i % 3;
        plan.defers = i / 3 % 2 == 1;
        build(&h, 1 + i / 6, 0);
        send_three(&h, firsts[i % FIRSTS]);
        assert_true(held_count > 0 || !plan.defers);
        finish_held(&h);
        assert_refused(&h.visitor, 3);
        assert_int_equal(count(&h.visitor, "\"retryAfterMs\":"), 3);
        assert_int_equal(count(&h.visitor, "\"code\":\"INTERNAL\""), 0);
        plan.armed = false;
        say(&h, &h.visitor, ADD("2"));
        assert_refused(&h.visitor, 1);
        zkt_server_advance(h.server, 1000);
        zkt_server_advance(last_shard(&h), 1000);
        say(&h, &h.visitor, ADD("3"));
        assert_true(heard(&h.visitor, "\"result\":1}"));
        assert_int_equal(seen.ran[ZKT_HOOK_ACTIVATE], 2);
        assert_int_equal(seen.ran[ZKT_HOOK_DEACTIVATE], 0);
        end_of(&h);
        assert_int_equal(seen.ran[ZKT_HOOK_CONNECT],
                         seen.ran[ZKT_HOOK_DISCONNECT]);
        assert_int_equal(seen.ran[ZKT_HOOK_DEACTIVATE], 1);
    }
}

/* A failure is logged, and changes nothing of the end. */
static void test_disconnect_and_deactivate(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SHARDS * 2 * ENDS * 2; i++) {
        struct house h;
        struct zkt_server_stats stats;
        plan.hook = i % 2 == 0 ? ZKT_HOOK_DISCONNECT : ZKT_HOOK_DEACTIVATE;
        plan.end = i / 2 % ENDS;
        plan.defers = i / 2 / ENDS % 2 == 1;
        build(&h, 1 + i / 2 / ENDS / 2, 0);
        say(&h, &h.visitor, ADD("1"));
        if (plan.hook == ZKT_HOOK_DISCONNECT) {
            leave(&h.visitor);
        } else {
            assert_int_equal(
                zkt_server_destroy(h.server, ZKT_STR("place"), ZKT_STR("x")),
                ZKT_OK);
        }
        settle(&h);
        finish_held(&h);
        zkt_server_stats(h.server, &stats);
        assert_int_equal(stats.hook_failures, plan.end == FAILS ||
                                                  plan.end == FAILS_INSIDE ||
                                                  plan.end == WRITES_WRONGLY);
        assert_int_equal(seen.ran[plan.hook], 1);
        if (plan.hook == ZKT_HOOK_DEACTIVATE || plan.end == DESTROYS) {
            assert_true(heard(&h.observer, "sub:error"));
            assert_int_equal(stats.instances, 0);
        } else {
            say(&h, &h.observer, ADD("2"));
            assert_true(
                heard(&h.observer, plan.end == SUCCEEDS || plan.end == EXPELS
                                       ? "\"result\":3}"
                                       : "\"result\":2}"));
        }
        end_of(&h);
        assert_int_equal(seen.ran[ZKT_HOOK_ACTIVATE],
                         seen.ran[ZKT_HOOK_DEACTIVATE]);
    }
}

/* The last client leaves with a hook that finishes later: the instance waits
 * for its end as it would otherwise. */
static void test_the_last_disconnect(void **state)
{
    (void)state;
    plan.hook = ZKT_HOOK_DISCONNECT;
    plan.end = SUCCEEDS;
    plan.defers = true;
    plan.idle_ms = 60000;
    for (uint32_t shards = 1; shards <= SHARDS; shards++) {
        struct house h;
        struct zkt_server_stats stats;
        build(&h, shards, 0);
        leave(&h.observer);
        settle(&h);
        assert_int_equal(held_count, 1);
        finish_held(&h);
        zkt_server_advance(h.server, plan.idle_ms);
        settle(&h);
        zkt_server_stats(h.server, &stats);
        assert_int_equal(stats.instances, 0);
        assert_int_equal(seen.ran[ZKT_HOOK_DEACTIVATE], 1);
        end_of(&h);
    }
    plan.idle_ms = 0;
}

/* ---- while a hook is deferred ---- */

enum moment {
    OUT_OF_TIME,
    VISITOR_CLOSES,
    VISITOR_LEAVES,
    VISITOR_BREAKS,
    INSTANCE_IS_DESTROYED,
    SERVER_STOPS,
    SERVER_IS_FREED,
    MOMENTS
};

/* Brings about the hook that the plan is about. */
static void provoke(struct house *h)
{
    switch (plan.hook) {
    case ZKT_HOOK_ACTIVATE:
    case ZKT_HOOK_CONNECT:
    case ZKT_HOOK_SUBSCRIBE:
        send_three(h, STATE_SUB);
        break;
    case ZKT_HOOK_DISCONNECT:
        send_text(&h->visitor, ADD("1"), true);
        settle(h);
        send_text(&h->visitor, "{\"type\":\"leave\"," ABOUT "}", true);
        send_three(h, ADD("2"));
        break;
    case ZKT_HOOK_DEACTIVATE:
        (void)zkt_server_destroy(h->server, ZKT_STR("place"), ZKT_STR("x"));
        send_three(h, ADD("2"));
        break;
    case ZKT_HOOK_COUNT:
        break;
    }
    settle(h);
}

static void happen(struct house *h, enum moment moment)
{
    switch (moment) {
    case OUT_OF_TIME:
        for (uint32_t i = 0; i < h->shards; i++) {
            zkt_server_advance(zkt__server_shard(h->server, i), 60000);
        }
        break;
    case VISITOR_CLOSES:
        leave(&h->visitor);
        break;
    case VISITOR_LEAVES:
        send_text(&h->visitor, "{\"type\":\"leave\"," ABOUT "}", true);
        break;
    case VISITOR_BREAKS:
        h->visitor.e->ops->feed(h->visitor.e, (uint8_t[]){ 0xff }, 1);
        break;
    case INSTANCE_IS_DESTROYED:
        (void)zkt_server_destroy(h->server, ZKT_STR("place"), ZKT_STR("x"));
        break;
    case SERVER_STOPS:
        zkt_server_shutdown(h->server);
        break;
    case SERVER_IS_FREED:
    case MOMENTS:
        break;
    }
    settle(h);
}

/* Nothing is lost or done twice, whatever happens while the hook waits. */
static void test_moments(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SHARDS * ZKT_HOOK_COUNT * ENDS * MOMENTS; i++) {
        const enum moment moment = i % MOMENTS;
        struct house h;
        plan.defers = true;
        plan.hook = i / MOMENTS % ZKT_HOOK_COUNT;
        plan.end = i / MOMENTS / ZKT_HOOK_COUNT % ENDS;
        build(&h, 1 + i / MOMENTS / ZKT_HOOK_COUNT / ENDS, 0);
        provoke(&h);
        assert_true(held_count > 0);
        assert_int_equal(seen.deferred, 1);
        happen(&h, moment);
        if (moment != SERVER_IS_FREED) {
            finish_held(&h);
        }
        assert_true(seen.cancelled > 0 || moment != OUT_OF_TIME);
        end_of(&h);
    }
}

/* ---- no memory ---- */

/* Runs a visit in which an allocation fails; returns false if none failed. */
static bool visit_without_memory(uint32_t shards, long fail_at)
{
    struct house h;
    build(&h, shards, fail_at);
    provoke(&h);
    finish_held(&h);
    const bool failed = h.alloc.calls >= fail_at;
    h.alloc.fail_at = 0;
    if (seen.good[ZKT_HOOK_CONNECT] == 0) {
        assert_int_equal(count(&h.visitor, "\"result\""), 0);
        assert_int_equal(count(&h.visitor, "state:"), 0);
    }
    end_of(&h);
    return failed;
}

static void test_no_memory(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SHARDS * 2 * ZKT_HOOK_COUNT * ENDS; i++) {
        plan.hook = i % ZKT_HOOK_COUNT;
        plan.end = i / ZKT_HOOK_COUNT % ENDS;
        plan.defers = i / ZKT_HOOK_COUNT / ENDS % 2 == 1;
        long fail_at = 1;
        while (
            visit_without_memory(1 + i / ZKT_HOOK_COUNT / ENDS / 2, fail_at)) {
            fail_at++;
        }
        assert_true(fail_at > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_connect, tell),
        cmocka_unit_test_teardown(test_subscribe, tell),
        cmocka_unit_test_teardown(test_activate, tell),
        cmocka_unit_test_teardown(test_disconnect_and_deactivate, tell),
        cmocka_unit_test_teardown(test_the_last_disconnect, tell),
        cmocka_unit_test_teardown(test_moments, tell),
        cmocka_unit_test_teardown(test_no_memory, tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
