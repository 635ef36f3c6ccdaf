/*
 * Random sequences of calls, hooks and timers that start, restart and stop
 * timers, of calls that fail and that hold their instance, of clients that come
 * and go, of instances that end, and of steps and jumps of the clock, against a
 * model. The model knows each timer of each instance. Each handler of a timer
 * must be the next of the model, at its exact time, and each handler asks for
 * the due times of all timers. At the end of a step nothing is overdue.
 *
 * In some steps an allocation fails. A call has then changed all timers, or
 * none, and a timer that fires may be spent without its handler.
 *
 *     timers_random_test [SHARDS [SEEDS [FIRST-SEED]]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "call/call.h"
#include "timed.h"

enum {
    INSTANCES = 4, /* rooms "a" and "b", halls "a" and "b" */
    PEERS = 3,
    STEPS = 120,
    TIMERS = 5, /* of an instance, as far as the test names them */
    HANDLER_MS = 300,
    IDLE_MS = 70,
    PERIOD_MS = 50
};

static const struct {
    uint32_t number;
    const char *key;
} names[TIMERS] = {
    { TICK, "" }, { OVER, "" }, { AFK, "" }, { AFK, "ada" }, { AFK, "bob" }
};

/* ---- the model ---- */

struct timer {
    bool runs, started;
    int64_t due, period; /* 0: it fires once */
    uint64_t order;      /* among equal times */
    /* When it can fire first, if a call that was held has started it late, and
     * the number of that call; such timers are behind those that wait. */
    int64_t late;
    uint64_t batch; /* 0: in time */
    int32_t round;
};

struct change {
    int timer; /* index of names */
    struct timer to;
};

struct instance {
    uint32_t actor;
    const char *id;
    bool exists, established, written, ends;
    bool enters; /* a contact, when `activate` has run */
    int contacts;
    bool has_peer[PEERS];
    struct timer timers[TIMERS];
    /* Of the call that has not ended. */
    struct change changes[TIMERS];
    int change_count;
    int64_t added;
    int parked; /* the call that holds the instance, from 1; 0: none */
    int64_t parked_at;
    int64_t free_at; /* when the last call let it go */
    int64_t idle_since;
};

struct held_call {
    struct zkt_deferred *deferred;
    struct instance *instance;
    int number;
};

static struct {
    struct instance instances[INSTANCES];
    struct wire peers[PEERS];
    struct zkt_location *locations[INSTANCES];
    struct held_call held[STEPS];
    int held_count, call_count;
    uint64_t order, batch;
    int64_t now, jumped;
    int64_t limit;  /* timers of an instance */
    bool is_short;  /* of memory: handlers change nothing, calls may fail */
    int spent;      /* timers without a handler in this step */
    uint64_t fired; /* handlers of timers that ran */
} model;

static int64_t monotonic_base;
static uint64_t seed;
static int runs = 150;
static uint64_t first_seed;

/* A linear congruential generator; its high bits are good enough. */
static int draw(int below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((seed >> 33) % (uint64_t)below);
}

static int64_t later_by(int64_t at, int64_t ms)
{
    return ms < INT64_MAX - 1 - at ? at + ms : INT64_MAX - 1;
}

static int64_t time_of(const struct zkt_call *call)
{
    return call->host->clock->now_ms - monotonic_base;
}

static struct instance *instance_of(struct zkt_call *call)
{
    const int in_hall = call->actor == &timed_hall;
    return &model.instances[2 * in_hall + zkt_instance_id(call).data[0] - 'a'];
}

static bool is_hall(const struct instance *in)
{
    return in->actor == 1;
}

static bool has_started(const struct instance *in)
{
    for (int i = 0; i < TIMERS; i++) {
        if (in->timers[i].runs && in->timers[i].started) {
            return true;
        }
    }
    return false;
}

static int count_running(const struct instance *in)
{
    int n = 0;
    for (int i = 0; i < TIMERS; i++) {
        n += in->timers[i].runs;
    }
    return n;
}

/* The instance is gone, with everything of it. */
static void clear(struct instance *in)
{
    *in = (struct instance){ .actor = in->actor, .id = in->id };
}

/* Nobody is here, and nothing keeps the instance. */
static bool is_unused(const struct instance *in)
{
    return in->contacts == 0 && in->parked == 0 && !has_started(in);
}

/* The limit of a call that holds its instance may have passed, and a room may
 * have ended, which has no hooks. */
static void refresh(struct instance *in, int64_t now)
{
    if (in->parked != 0 && now >= in->parked_at + HANDLER_MS) {
        in->free_at = in->parked_at + HANDLER_MS;
        in->parked = in->change_count = 0;
        in->added = 0;
    }
    if (!is_hall(in) && is_unused(in) &&
        (!in->written || now >= in->idle_since + IDLE_MS)) {
        clear(in);
    }
}

static void begin_tick(struct instance *in, int64_t now)
{
    if (!in->timers[TICK].runs) {
        in->timers[TICK] = (struct timer){ .runs = true,
                                           .due = later_by(now, PERIOD_MS),
                                           .period = PERIOD_MS,
                                           .order = ++model.order };
    }
}

static void add_contact(struct instance *in, int64_t now)
{
    in->exists = true;
    if (in->contacts++ == 0) {
        begin_tick(in, now);
    }
}

static void drop_contact(struct instance *in, int64_t now)
{
    assert_true(in->contacts > 0);
    if (--in->contacts == 0 && !in->timers[TICK].started) {
        in->timers[TICK].runs = false;
    }
    in->idle_since = now;
}

/* ---- changes of a call ---- */

static struct change *change_of(struct instance *in, int timer)
{
    for (int i = 0; i < in->change_count; i++) {
        if (in->changes[i].timer == timer) {
            return &in->changes[i];
        }
    }
    return NULL;
}

static const struct timer *seen(struct instance *in, int timer)
{
    const struct change *change = change_of(in, timer);
    return change != NULL ? &change->to : &in->timers[timer];
}

/* The last change of a timer is applied in its own place. */
static void change_to(struct instance *in, int timer, struct timer to)
{
    struct change *earlier = change_of(in, timer);
    in->added += to.runs - seen(in, timer)->runs;
    if (earlier != NULL) {
        in->change_count--;
        memmove(earlier, earlier + 1,
                sizeof(*earlier) *
                    (size_t)(&in->changes[in->change_count] - earlier));
    }
    in->changes[in->change_count++] = (struct change){ timer, to };
}

static void forget_changes(struct instance *in)
{
    in->change_count = 0;
    in->added = 0;
}

static void apply_changes(struct instance *in, int64_t now)
{
    const uint64_t batch = ++model.batch;
    for (int i = 0; i < in->change_count; i++) {
        struct timer *timer = &in->timers[in->changes[i].timer];
        *timer = in->changes[i].to;
        timer->order = ++model.order;
        timer->late = now;
        timer->batch = timer->due <= now ? batch : 0;
    }
    forget_changes(in);
}

/* ---- handlers ---- */

static int64_t due_of(const struct zkt_call *call, int i)
{
    return zkt_call_timer_due(call, names[i].number, zkt_cstr(names[i].key));
}

static int64_t due_in_model(struct zkt_call *call, struct instance *in, int i)
{
    const struct timer *timer = seen(in, i);
    return timer->runs ? later_by(zkt_now_ms(call), timer->due - time_of(call))
                       : -1;
}

static void check_due(struct zkt_call *call, struct instance *in)
{
    for (int i = 0; !model.is_short && i < TIMERS; i++) {
        assert_int_equal(due_of(call, i), due_in_model(call, in, i));
    }
}

static int64_t draw_delay(void)
{
    switch (draw(12)) {
    case 0:
        return -draw(10);
    case 1:
        return 1000 + draw(3000);
    case 2:
        return draw(4) == 0 ? INT64_MAX : 20;
    default:
        return 1 + draw(120);
    }
}

static void start_timer(struct zkt_call *call, int i, int64_t ms, int32_t round)
{
    if (names[i].number == TICK) {
        zkt_call_timer_start(call, TICK, ms, NULL);
    } else if (names[i].number == OVER) {
        start_over(call, ms, round);
    } else {
        start_afk(call, ms, names[i].key);
    }
}

/* Starts a timer. Returns false if that fails the call. If @careful, that does
 * not happen. */
static bool start_some(struct zkt_call *call, struct instance *in, bool careful)
{
    const int i = draw(TIMERS);
    const int64_t ms = draw_delay();
    const int64_t delay = ms > 0 ? ms : 1;
    const int32_t round = draw(careful ? 10 : 11);
    const bool full = !seen(in, i)->runs &&
                      count_running(in) + in->added >= model.limit;
    if (careful && full) {
        return true;
    }
    start_timer(call, i, ms, round);
    if (full || (names[i].number == OVER && round > 9)) {
        return false;
    }
    change_to(in, i,
              (struct timer){ .runs = true,
                              .started = true,
                              .due = later_by(time_of(call), delay),
                              .period = i == TICK ? delay : 0,
                              .round = round });
    return true;
}

static void stop_some(struct zkt_call *call, struct instance *in)
{
    const int i = draw(TIMERS);
    zkt_call_timer_stop(call, names[i].number, zkt_cstr(names[i].key));
    if (seen(in, i)->runs) {
        change_to(in, i, (struct timer){ .runs = false });
    }
}

/* Returns false if the call fails. */
static bool change_some(struct zkt_call *call, struct instance *in,
                        bool careful)
{
    check_due(call, in);
    for (int n = draw(4); n > 0; n--) {
        if (draw(3) == 0) {
            stop_some(call, in);
        } else if (!start_some(call, in, careful)) {
            return false;
        }
        check_due(call, in);
    }
    return true;
}

static void end_by(struct zkt_call *call, struct instance *in)
{
    zkt_destroy(call);
    if (is_hall(in)) {
        memset(in->timers, 0, sizeof(in->timers));
        in->ends = true;
    } else {
        clear(in);
    }
}

static void write_it(struct zkt_call *call, struct instance *in)
{
    const int32_t n = ((const struct door_state *)zkt_call_state(call))->n + 1;
    zkt_state_set(zkt_call_cursor(call), 0, &n);
    in->written = true;
}

/* Ends a call in a way that is drawn; the rest of it is the commit. */
static enum zkt_status end_somehow(struct zkt_call *call, struct instance *in)
{
    const int what = draw(20);
    in->idle_since = time_of(call);
    if (what < 4) {
        forget_changes(in);
        return zkt_fail(call, ZKT_ABORTED, "no");
    }
    apply_changes(in, time_of(call));
    if (what < 5) {
        end_by(call, in);
    } else if (what < 9) {
        write_it(call, in);
    }
    return ZKT_OK;
}

static enum zkt_status run_some(struct zkt_call *call, struct instance *in)
{
    if (change_some(call, in, false)) {
        return end_somehow(call, in);
    }
    forget_changes(in);
    in->idle_since = time_of(call);
    return ZKT_OK; /* it fails */
}

/* ---- methods ---- */

static struct instance *enter_call(struct zkt_call *call)
{
    struct instance *in = instance_of(call);
    refresh(in, time_of(call));
    assert_int_equal(in->parked, 0);
    assert_false(in->ends);
    in->exists = true;
    return in;
}

static enum zkt_status hold_it(struct zkt_call *call, struct instance *in)
{
    struct held_call *kept = &model.held[model.held_count++];
    in->parked = ++model.call_count;
    in->parked_at = time_of(call);
    held = zkt_call_defer(call, ZKT_MEMBER_METHOD, 0);
    assert_non_null(held);
    *kept = (struct held_call){ held, in, in->parked };
    return ZKT_PENDING;
}

static enum zkt_status play_go(struct zkt_call *call)
{
    struct instance *in = enter_call(call);
    if (model.is_short) { /* the caller finds out if it was committed */
        (void)change_some(call, in, true);
        return ZKT_OK;
    }
    if (draw(6) > 0) {
        return run_some(call, in);
    }
    if (change_some(call, in, false)) {
        return hold_it(call, in);
    }
    forget_changes(in);
    return ZKT_OK;
}

static enum zkt_status then(struct zkt_call *call, void (*fn)(void),
                            const void *input, void *result, void *user)
{
    const struct held_call *kept = user;
    struct instance *in = kept->instance;
    (void)fn;
    (void)input;
    *(struct zkt_str *)result = ZKT_STR("");
    if (zkt_cancelled(call)) {
        assert_int_not_equal(in->parked, kept->number);
        return ZKT_OK;
    }
    assert_int_equal(in->parked, kept->number);
    in->parked = 0;
    in->free_at = time_of(call);
    return run_some(call, in);
}

static enum zkt_status run_in(struct zkt_call *call, void (*fn)(void),
                              void *user)
{
    (void)fn;
    (void)user;
    if (zkt_cancelled(call)) {
        return ZKT_OK;
    }
    struct instance *in = enter_call(call);
    in->established = true;
    return run_some(call, in);
}

/* ---- timers ---- */

static bool is_before(const struct timer *a, const struct timer *b)
{
    const int64_t a_ready = a->batch > 0 ? a->late : a->due;
    const int64_t b_ready = b->batch > 0 ? b->late : b->due;
    return a_ready != b_ready     ? a_ready < b_ready
           : a->batch != b->batch ? a->batch < b->batch
           : a->due != b->due     ? a->due < b->due
                                  : a->order < b->order;
}

/* Returns the timer that fires next, or -1. */
static int find_next(const struct instance *in, int64_t now)
{
    int next = -1;
    for (int i = 0; i < TIMERS; i++) {
        const struct timer *timer = &in->timers[i];
        if (timer->runs && timer->due <= now &&
            (next < 0 || is_before(timer, &in->timers[next]))) {
            next = i;
        }
    }
    return next;
}

/* The time at which a due timer is served. */
static int64_t serving_time(const struct instance *in, int i)
{
    int64_t at = in->timers[i].due;
    at = at > in->free_at ? at : in->free_at;
    return at > model.jumped ? at : model.jumped;
}

static void spend(struct instance *in, int i, int64_t now)
{
    struct timer *timer = &in->timers[i];
    if (timer->period == 0) {
        timer->runs = false;
        return;
    }
    const int64_t missed = (now - timer->due) / timer->period;
    timer->due = later_by(timer->due + missed * timer->period, timer->period);
    timer->order = ++model.order;
    timer->batch = 0;
}

/* Spends a timer that has fired without its handler, before the handler of @i
 * runs at @now (-1: none does): there was no memory for it. */
static void spend_silent(struct instance *in, int i, int64_t now)
{
    const int next = find_next(in, now);
    if (!model.is_short || model.spent > 0 || next < 0 ||
        (next == i && serving_time(in, i) == now)) {
        return;
    }
    in->idle_since = serving_time(in, next);
    spend(in, next, in->idle_since);
    model.spent++;
}

/* Returns the timer that runs, as an index of names, or -1. */
static int fired_timer(const struct zkt_call *call)
{
    if (strcmp(call->name, "afk") != 0) {
        return strcmp(call->name, "over") == 0;
    }
    for (int i = 2; i < TIMERS; i++) {
        if (zkt_str_eq(((const struct afk *)fired)->player,
                       zkt_cstr(names[i].key))) {
            return i;
        }
    }
    return -1;
}

static enum zkt_status play_timer(struct zkt_call *call)
{
    struct instance *in = instance_of(call);
    const int64_t now = time_of(call);
    const int i = fired_timer(call);
    refresh(in, now);
    spend_silent(in, i, now);
    assert_int_equal(in->parked, 0);
    assert_int_equal(find_next(in, now), i);
    assert_int_equal(now, serving_time(in, i));
    assert_true(i != 1 ||
                ((const struct over *)fired)->round == in->timers[i].round);
    spend(in, i, now);
    in->idle_since = now;
    model.fired++;
    return model.is_short ? ZKT_OK : run_some(call, in);
}

/* ---- hooks ---- */

static int peer_of(struct zkt_call *call)
{
    const struct door_data *data = zkt_call_connection(call);
    return data->user.value.data[0] - '0';
}

/* Ends a hook that is committed. */
static enum zkt_status commit_hook(struct zkt_call *call, struct instance *in)
{
    (void)change_some(call, in, true);
    apply_changes(in, time_of(call));
    in->idle_since = time_of(call);
    return ZKT_OK;
}

/* The contact that the instance is made for begins after `activate`. */
static enum zkt_status play_activate(struct zkt_call *call, struct instance *in)
{
    const enum zkt_status status = commit_hook(call, in);
    in->exists = true;
    if (in->enters) {
        add_contact(in, time_of(call));
    }
    in->enters = false;
    return status;
}

static enum zkt_status play_connect(struct zkt_call *call, struct instance *in)
{
    if (draw(8) > 0) {
        in->established = true;
        return commit_hook(call, in);
    }
    (void)change_some(call, in, true);
    forget_changes(in);
    in->has_peer[peer_of(call)] = false;
    drop_contact(in, time_of(call));
    return zkt_fail(call, ZKT_PERMISSION_DENIED, "not you");
}

static enum zkt_status play_disconnect(struct zkt_call *call,
                                       struct instance *in)
{
    drop_contact(in, time_of(call));
    if (draw(6) > 0) {
        return commit_hook(call, in);
    }
    (void)change_some(call, in, true);
    forget_changes(in);
    return zkt_fail(call, ZKT_ABORTED, "no");
}

/* The instance ends in due time; no timer that the hook starts outlives it. */
static enum zkt_status play_deactivate(struct zkt_call *call,
                                       struct instance *in)
{
    const bool was_refused = !in->established && in->contacts == 0;
    assert_true(in->ends || was_refused ||
                (is_unused(in) && time_of(call) >= in->idle_since + IDLE_MS));
    start_over(call, 10, 1);
    start_timer(call, TICK, 10, 0);
    clear(in);
    return ZKT_OK;
}

static enum zkt_status play_hook(struct zkt_call *call, const char *name)
{
    struct instance *in = instance_of(call);
    refresh(in, time_of(call));
    assert_int_equal(in->parked, 0);
    if (strcmp(name, "activate") == 0) {
        return play_activate(call, in);
    }
    if (strcmp(name, "connect") == 0) {
        return play_connect(call, in);
    }
    return strcmp(name, "disconnect") == 0 ? play_disconnect(call, in)
                                           : play_deactivate(call, in);
}

/* ---- steps ---- */

static void refresh_all(void)
{
    for (int i = 0; i < INSTANCES; i++) {
        refresh(&model.instances[i], model.now);
    }
}

static struct wire enter_as(int peer)
{
    char fields[64];
    snprintf(fields, sizeof(fields), "Authorization: Bearer %d\r\n", peer);
    struct wire w = knock("/", fields, NULL);
    (void)hear(&w);
    return w;
}

static const char *call_from(struct wire *w, const struct instance *in)
{
    static unsigned number;
    char text[256];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"%u\",\"actor\":\"%s\","
             "\"actorId\":\"%s\",\"method\":\"go\"}",
             ++number, is_hall(in) ? "hall" : "room", in->id);
    return ask(w, text);
}

static void call_some(void)
{
    struct instance *in = &model.instances[draw(INSTANCES)];
    const int peer = draw(PEERS);
    if (!in->has_peer[peer]) {
        in->has_peer[peer] = true;
        in->enters = is_hall(in) && !in->exists;
        if (!in->enters) {
            add_contact(in, model.now);
        }
    }
    (void)call_from(&model.peers[peer], in);
}

static void call_as_program(void)
{
    const struct instance *in = &model.instances[draw(INSTANCES)];
    assert_int_equal(zkt_server_run(server, in->actor, zkt_cstr(in->id), run_in,
                                    any_handler, NULL),
                     ZKT_OK);
    pass(0);
}

static void resume_some(void)
{
    struct held_call *kept = &model.held[draw(model.held_count)];
    if (kept->deferred != NULL) {
        zkt_deferred_resume(kept->deferred, then, NULL, kept);
        kept->deferred = NULL;
        pass(0);
    }
}

/* Returns true if the contact of a peer with an instance must stay: a call
 * holds the instance, and would hold back the end of the contact. */
static bool must_stay(int peer)
{
    for (int i = 0; i < INSTANCES; i++) {
        const struct instance *in = &model.instances[i];
        if (in->has_peer[peer] && in->parked != 0) {
            return true;
        }
    }
    return false;
}

static void reconnect(int peer)
{
    for (int i = 0; i < INSTANCES; i++) {
        struct instance *in = &model.instances[i];
        if (in->has_peer[peer] && !is_hall(in)) {
            drop_contact(in, model.now);
        }
        in->has_peer[peer] = false; /* the hook of a hall does the rest */
    }
    go_away(&model.peers[peer]);
    model.peers[peer] = enter_as(peer);
}

static void pass_some(int64_t ms)
{
    model.now += ms;
    pass(ms);
}

/* Moves the clock without the turns in between. */
static void jump(int64_t ms)
{
    for (uint32_t i = 0; i < shards; i++) {
        struct zkt_core *core = &zkt__server_shard(server, i)->core;
        core->now_ms += ms;
        core->wall_ms += ms;
    }
    model.now += ms;
    model.jumped = model.now;
    pass(0);
}

/* ---- steps without memory ---- */

static void be_short(bool is)
{
    model.is_short = is;
    model.spent = 0;
    memory.calls = 0;
    memory.fail_at = is ? 1 + draw(12) : 0;
}

/* The reports of the instance on the changes of the model. */
struct told {
    bool with, without; /* its timers are those with, or without them */
};

static enum zkt_status compare(struct zkt_call *call, void (*fn)(void),
                               void *user)
{
    struct told *told = user;
    struct instance *with = instance_of(call);
    struct instance without = *with;
    (void)fn;
    forget_changes(&without);
    *told = (struct told){ true, true };
    for (int i = 0; i < TIMERS; i++) {
        const int64_t due = due_of(call, i);
        told->with = told->with && due == due_in_model(call, with, i);
        told->without = told->without && due == due_in_model(call, &without, i);
    }
    return ZKT_OK;
}

/* The instance tells if a call was committed, also one whose caller was lost.
 * Returns true if it may have been. */
static bool find_out(struct instance *in)
{
    struct told told = { false, false };
    assert_int_equal(zkt_server_run(server, in->actor, zkt_cstr(in->id),
                                    compare, any_handler, &told),
                     ZKT_OK);
    pass(0);
    assert_true(told.with || told.without);
    if (told.with) {
        apply_changes(in, model.now);
    }
    forget_changes(in);
    in->idle_since = model.now;
    return told.with;
}

/* A client of its own makes a call and leaves: the call has changed all timers,
 * or none. */
static void call_without_memory(void)
{
    struct instance *in = &model.instances[draw(2)];
    if (in->parked != 0) {
        return;
    }
    struct wire w = enter_as(PEERS);
    add_contact(in, model.now);
    be_short(true);
    const char *answer = call_from(&w, in);
    const bool committed = strstr(answer, "\"result\"") != NULL;
    const bool failed = strstr(answer, "\"error\"") != NULL;
    be_short(false);
    go_away(&w);
    if (failed) {
        forget_changes(in);
    }
    drop_contact(in, model.now);
    assert_true(find_out(in) || !committed);
}

/* Timers fire while an allocation fails. No instance that has hooks may end
 * then, and no call. */
static void pass_without_memory(void)
{
    for (int i = 0; i < INSTANCES; i++) {
        const struct instance *in = &model.instances[i];
        if (in->parked != 0 || (in->exists && is_unused(in))) {
            return;
        }
    }
    be_short(true);
    pass_some(draw(IDLE_MS));
    for (int i = 0; i < INSTANCES; i++) {
        spend_silent(&model.instances[i], -1, model.now);
    }
    be_short(false);
}

static void take_step(void)
{
    const int kind = draw(100);
    const int peer = draw(PEERS);
    if (kind < 40) {
        call_some();
    } else if (kind < 46) {
        call_as_program();
    } else if (kind < 70) {
        pass_some(draw(80));
    } else if (kind < 74) {
        pass_some(draw(1500));
    } else if (kind < 79) {
        jump(draw(400));
    } else if (kind < 89 && model.held_count > 0) {
        resume_some();
    } else if (kind < 94 && !must_stay(peer)) {
        reconnect(peer);
    } else if (kind < 97) {
        call_without_memory();
    } else {
        pass_without_memory();
    }
}

static void check_step(void)
{
    uint64_t running = 0, instances = 0;
    refresh_all();
    for (int i = 0; i < INSTANCES; i++) {
        const struct instance *in = &model.instances[i];
        assert_false(in->ends);
        assert_true(in->parked != 0 || find_next(in, model.now) < 0);
        assert_false(is_hall(in) && in->exists && is_unused(in) &&
                     model.now >= in->idle_since + IDLE_MS);
        running += (uint64_t)count_running(in);
        instances += in->exists;
    }
    assert_int_equal(stats().timers, running);
    assert_int_equal(stats().instances, instances);
}

/* ---- runs ---- */

/* The wall clock is far ahead of the monotonic clock, as it is in life. */
static void set_clocks(void)
{
    monotonic_base = server->core.now_ms;
    for (uint32_t i = 0; i < shards; i++) {
        zkt__server_shard(server, i)->core.wall_ms = 1700000000000;
    }
}

/* Instances are on all shards. */
static void set_up_model(void)
{
    static const char *const ids[] = { "a", "b" };
    memset(&model, 0, sizeof(model));
    model.limit = draw(3) == 0 ? 3 : 1024;
    traces = false;
    set_up_with((struct zkt_limits){ .handler_ms = HANDLER_MS,
                                     .idle_ms = IDLE_MS,
                                     .timers = model.limit,
                                     .ping_after_ms = 1000000000,
                                     .log_per_second = 1 });
    set_clocks();
    plays.go = play_go;
    plays.timer = play_timer;
    plays.hook = play_hook;
    for (int i = 0; i < INSTANCES; i++) {
        struct zkt_host *host =
            &zkt__server_shard(server, (uint32_t)i % shards)->host;
        const struct zkt_actor *actor = timed_actors[i / 2];
        const struct zkt_str id = zkt_cstr(ids[i % 2]);
        model.instances[i] = (struct instance){ .actor = (uint32_t)i / 2,
                                                .id = ids[i % 2] };
        model.locations[i] = zkt__location_take(
            host, actor, id, zkt__location_hash(host, actor, id));
        assert_non_null(model.locations[i]);
    }
    for (int i = 0; i < PEERS; i++) {
        model.peers[i] = enter_as(i);
    }
}

static void tear_down_model(void)
{
    for (int i = 0; i < model.held_count; i++) {
        if (model.held[i].deferred != NULL) {
            zkt_deferred_resume(model.held[i].deferred, then, NULL,
                                &model.held[i]);
            pass(0);
        }
    }
    plays.go = NULL;
    plays.timer = NULL;
    plays.hook = NULL;
    for (int i = 0; i < PEERS; i++) {
        go_away(&model.peers[i]);
    }
    for (int i = 0; i < INSTANCES; i++) {
        struct zkt_host *host =
            &zkt__server_shard(server, (uint32_t)i % shards)->host;
        zkt__location_release(host, model.locations[i]);
    }
    tear_down();
}

static void play_run(uint64_t number)
{
    seed = number * 7919 + shards;
    set_up_model();
    for (int i = 0; i < STEPS; i++) {
        take_step();
        check_step();
    }
    assert_true(model.fired > 0);
    tear_down_model();
}

static void test_random(void **state)
{
    (void)state;
    for (int i = 0; i < runs; i++) {
        play_run(first_seed + (uint64_t)i);
    }
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };
    shards = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1;
    runs = count > 2 ? atoi(arguments[2]) : runs;
    first_seed = count > 3 ? strtoull(arguments[3], NULL, 10) : 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
