/*
 * Random sessions: calls that finish at once, later, with a failure, too late
 * or not at all, since they are cancelled, subscriptions, lost connections,
 * ended instances, time that passes, and a server that stops. In every order,
 * each call of a lasting connection is answered once, the calls to an instance
 * in their order; none is cancelled that its caller did not cancel, or late
 * before its time; each resumed part runs once, and its program is told before
 * that the call has ended; activate and deactivate are paired; nothing leaks. A
 * server has one to three shards, which have their turns in any order on one
 * thread, and random limits, most of them so low that they are reached all the
 * time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"

enum {
    WIRES = 4,
    INSTANCES = 3,
    STEPS = 400,
    CALLS_MAX = STEPS * 2,
    HANDLER_MS = 30000
};

struct caller {
    struct wire wire;
    bool open;
    int answered; /* of the calls below */
    int begun;
    bool waits[CALLS_MAX];
    bool cancelled[CALLS_MAX]; /* by the caller */
    int64_t due[CALLS_MAX];    /* no call is late before */
    int instance[CALLS_MAX];
    int last[INSTANCES]; /* the latest call that succeeded */
};

/* A handle with a function for notices. */
struct watch {
    const struct slow_job_add_later *later;
    int ends;
    bool resumed;
};

struct chaos {
    struct zkt_server *server;
    uint32_t shards;
    struct caller callers[WIRES];
    struct ran ran;
    int resumed;
    int ended; /* of them, calls that were known to have ended */
    struct watch watches[STEPS];
    int watch_count;
    int64_t now;
    uint64_t random;
};

/* Of all sessions. */
static uint64_t all_cancelled, all_expired, all_told;

static uint32_t below(struct chaos *c, uint32_t n)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(c->random >> 33) % n;
}

static struct zkt_server *shard_of(struct chaos *c, uint32_t i)
{
    return c->server->shards->all[i % c->shards];
}

static struct zkt_server *any_shard(struct chaos *c)
{
    return shard_of(c, below(c, c->shards));
}

/* Advances the clock of all shards and delivers the messages between them. */
static void advance(struct chaos *c, int64_t ms)
{
    c->now += ms;
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < c->shards; i++) {
            zkt_server_advance(shard_of(c, i), round == 0 ? ms : 0);
        }
    }
}

/* ---- answers ---- */

/* Only calls that the caller has cancelled are cancelled, and none is late too
 * early. */
static void check_code(const struct chaos *c, const struct caller *caller,
                       long id, const char *line)
{
    if (strstr(line, "\"code\":\"CANCELLED\"") != NULL) {
        assert_true(caller->cancelled[id]);
    } else if (strstr(line, "\"code\":\"DEADLINE_EXCEEDED\"") != NULL) {
        assert_true(c->now >= caller->due[id]);
    }
}

static void take_answer(const struct chaos *c, struct caller *caller,
                        const char *line)
{
    static const char head[] = "{\"type\":\"rpc:result\",\"id\":\"";
    if (strncmp(line, head, sizeof(head) - 1) != 0) {
        return;
    }
    char *end;
    const long id = strtol(line + sizeof(head) - 1, &end, 10);
    assert_in_range(id, 0, caller->begun - 1);
    assert_true(caller->waits[id]);
    caller->waits[id] = false;
    caller->answered++;
    check_code(c, caller, id, line);
    if (strncmp(end, "\",\"error\"", 9) != 0) {
        int *last = &caller->last[caller->instance[id]];
        assert_true(id > *last);
        *last = (int)id;
    }
}

static void read_answers(struct chaos *c)
{
    for (int i = 0; i < WIRES; i++) {
        struct caller *caller = &c->callers[i];
        if (!caller->open) {
            continue;
        }
        for (const char *line = said(&caller->wire); *line != '\0';
             line = strchr(line, '\n') + 1) {
            char text[512];
            snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"),
                     line);
            take_answer(c, caller, text);
        }
    }
}

/* ---- steps ---- */

/* Messages to other connections may come first. */
static void await_welcome(struct chaos *c, struct caller *caller)
{
    struct wire *w = &caller->wire;
    for (int i = 0; !holds(w->text, w->len, "\"welcome\"") &&
                    zkt_endpoint_fate(w->e) == ZKT_FATE_OPEN;
         i++) {
        assert_true(i < 1000);
        advance(c, 0);
        drain(w);
    }
    w->len = 0;
}

static void open_one(struct chaos *c, struct caller *caller)
{
    *caller = (struct caller){ .last = { -1, -1, -1 } };
    caller->wire.e = zkt__server_accept(
        shard_of(c, (uint32_t)(caller - c->callers)), "test");
    if (caller->wire.e != NULL) {
        feed(&caller->wire, request, sizeof(request) - 1, 4096, true);
        await_welcome(c, caller);
        caller->open = true;
    }
}

/* Gives half of all calls a time. */
static void set_time(struct chaos *c, struct caller *caller, char *call)
{
    int64_t ms = HANDLER_MS;
    if (below(c, 2) == 0) {
        ms = 1 + below(c, 9000);
        snprintf(strrchr(call, '}'), 64, ",\"timeoutMs\":%d}", (int)ms);
    }
    caller->due[caller->begun] = c->now + ms;
}

/* Cancels any call, or one that does not exist. */
static void cancel_one(struct chaos *c, struct caller *caller)
{
    char text[64];
    const uint32_t id = below(c, (uint32_t)caller->begun + 1);
    snprintf(text, sizeof(text), "{\"type\":\"rpc:cancel\",\"id\":\"%u\"}",
             (unsigned)id);
    caller->cancelled[id] = true;
    send_text(&caller->wire, text, below(c, 2) > 0);
    caller->cancelled[caller->begun] = false;
}

static void call(struct chaos *c, struct caller *caller)
{
    static const char *const notes[] = {
        "now",       "now",        "now",         "later",       "later-dirty",
        "later-not", "later-fail", "later-twice", "later-early",
    };
    const int instance = (int)below(c, INSTANCES);
    const uint32_t note = below(c, sizeof(notes) / sizeof(notes[0]) + 1);
    char text[256];
    if (note == sizeof(notes) / sizeof(notes[0])) {
        snprintf(text, sizeof(text), SLOW_CALL("%d", "%c", "end", "null"),
                 caller->begun, 'a' + instance);
    } else {
        snprintf(text, sizeof(text), ADD("%d", "%c", "1", "%s"), caller->begun,
                 'a' + instance, notes[note]);
    }
    set_time(c, caller, text);
    caller->instance[caller->begun] = instance;
    caller->waits[caller->begun++] = true;
    send_text(&caller->wire, text, below(c, 4) > 0);
}

static void subscribe(struct chaos *c, struct caller *caller)
{
    static const char *const kinds[] = { "state:sub", "state:unsub",
                                         "event:sub", "event:unsub" };
    char text[128];
    snprintf(text, sizeof(text), SUB("%s", "%c"), kinds[below(c, 4)],
             'a' + (int)below(c, INSTANCES));
    send_text(&caller->wire, text, true);
}

static void take_notice(enum zkt_notice notice, void *user)
{
    struct watch *watch = user;
    assert_false(watch->resumed);
    assert_int_not_equal(notice, ZKT_NOTICE_READY);
    assert_int_equal(watch->ends++, 0);
    all_told++;
    assert_true(slow_job_cancelled_add(watch->later));
}

/* Asks for the notices of a handle. */
static void watch_one(struct chaos *c)
{
    if (held_count > 0) {
        struct watch *watch = &c->watches[c->watch_count++];
        struct slow_job_add_later *later = held[below(c, (uint32_t)held_count)];
        *watch = (struct watch){ .later = later };
        slow_job_notify_add(later, take_notice, watch);
    }
}

static void resume_one(struct chaos *c)
{
    if (held_count > 0) {
        const size_t i = below(c, (uint32_t)held_count);
        struct slow_job_add_later *later = held[i];
        held[i] = held[--held_count];
        c->ended += slow_job_cancelled_add(later);
        for (int w = 0; w < c->watch_count; w++) {
            c->watches[w].resumed = c->watches[w].resumed ||
                                    c->watches[w].later == later;
        }
        c->resumed++;
        c->ran.again = below(c, 4) == 0;
        slow_job_resume_add(later, add_later, &c->ran);
    }
}

static void destroy_one(struct chaos *c)
{
    const char name[2] = { (char)('a' + (int)below(c, INSTANCES)), '\0' };
    (void)zkt_server_destroy(any_shard(c), ZKT_STR("job"), zkt_cstr(name));
}

static void step(struct chaos *c)
{
    struct caller *caller = &c->callers[below(c, WIRES)];
    const uint32_t what = below(c, 115);
    trace[0] = '\0';
    if (!caller->open) {
        open_one(c, caller);
    } else if (what < 45) {
        call(c, caller);
    } else if (what < 60) {
        subscribe(c, caller);
    } else if (what < 80) {
        resume_one(c);
    } else if (what < 84) {
        caller->open = false;
        close_wire(&caller->wire);
    } else if (what < 88) {
        destroy_one(c);
    } else if (what < 92) {
        advance(c, below(c, 8000));
    } else if (what < 102) {
        cancel_one(c, caller);
    } else if (what < 107) {
        watch_one(c);
    } else {
        turn(any_shard(c));
    }
    if (below(c, 3) == 0) {
        read_answers(c);
    }
}

/* A connection that has read nothing for too long is closed. */
static bool stays(const struct caller *caller)
{
    return caller->open && !caller->wire.e->aborted && !caller->wire.e->closing;
}

static bool all_is_answered(const struct chaos *c)
{
    const struct zkt_server_stats stats = stats_of(c->server);
    bool all = stats.deferred + stats.queued == 0;
    for (int i = 0; i < WIRES; i++) {
        const struct caller *caller = &c->callers[i];
        all = all && (!stays(caller) || caller->answered == caller->begun);
    }
    return all;
}

/* Gives waiting calls their turns; calls that are not resumed reach their
 * deadlines. */
static void await_answers(struct chaos *c)
{
    int rounds = 0;
    do {
        advance(c, 2000);
        read_answers(c);
        while (held_count > 0 && below(c, 2) == 0) {
            resume_one(c);
            c->ran.again = false;
        }
        assert_true(rounds++ < 10000);
    } while (!all_is_answered(c));
    advance(c, 0); /* the last replies may be under way */
    read_answers(c);
}

/* Ends the session in one of several ways. */
static void finish(struct chaos *c)
{
    if (below(c, 3) == 0) {
        zkt_server_shutdown(any_shard(c));
        advance(c, 5000);
    }
    c->ran.again = false;
    while (held_count > 0 && below(c, 20) > 0) {
        resume_one(c);
        c->ran.again = false;
        turn(any_shard(c));
    }
    await_answers(c);
    for (int i = 0; i < WIRES; i++) {
        struct caller *caller = &c->callers[i];
        assert_true(!stays(caller) || caller->answered == caller->begun);
        if (caller->open) {
            close_wire(&caller->wire);
        }
    }
    all_cancelled += stats_of(c->server).cancelled;
    all_expired += stats_of(c->server).expired;
    zkt_server_free(c->server);
    while (held_count > 0) { /* the server does not resume them */
        resume_one(c);
    }
}

/* A limit from 1 to @most or, in a third of all draws, the default. */
static int64_t draw(struct chaos *c, uint32_t most)
{
    return below(c, 3) == 0 ? 0 : 1 + below(c, most);
}

static struct zkt_limits draw_limits(struct chaos *c)
{
    return (struct zkt_limits){
        .ping_after_ms = INT32_MAX,
        .turn_work = draw(c, 12000),
        .channel_messages = draw(c, 6),
        .channel_bytes = draw(c, 2000),
        .pending_calls = draw(c, 6),
        .mailbox_messages = draw(c, 6),
        .mailbox_bytes = draw(c, 4000),
        .mailbox_per_turn = draw(c, 3),
        .output_high = draw(c, 1000),
        .snapshot_bytes = draw(c, 200),
        .cache_bytes = draw(c, 1000),
        .deferred_bytes = draw(c, 40000),
        .leaves_per_turn = draw(c, 2),
        .posted_per_turn = draw(c, 3),
        .idle_ms = draw(c, 4000),
        .links = draw(c, 3),
        .subscriptions = draw(c, 4),
    };
}

static void run(uint64_t seed, uint32_t shards)
{
    struct chaos *c = calloc(1, sizeof(*c));
    struct failing_alloc counting;
    failing_alloc_init(&counting, 0);
    c->random = seed;
    c->shards = shards;
    const struct zkt_limits limits = draw_limits(c);
    c->server = new_slow_shards(&limits, &counting.allocator, shards);
    zkt__server_run_shards(c->server, shards);
    for (int i = 0; i < STEPS; i++) {
        step(c);
    }
    finish(c);
    assert_int_equal(c->ran.times, c->resumed);
    assert_true(c->ran.cancelled >= c->ended);
    assert_int_equal(early_ran.times, early_resumed);
    assert_int_equal(hooks.activate, hooks.deactivate);
    assert_true(hooks.disconnect <= hooks.connect);
    assert_true(hooks.activate > 0 && hooks.disconnect > 0);
    assert_int_equal(counting.live, 0);
    free(c);
}

static void test_chaos(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        run(seed, 1 + (uint32_t)(seed % 3));
    }
    assert_true(all_cancelled > 1000);
    assert_true(all_expired > 1000);
    assert_true(all_told > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
