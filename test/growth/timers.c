/*
 * Timers: n of an instance, and n instances with a tick, on tables that are
 * written by hand. The program runs functions in the instances, so there are no
 * connections.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "zocket/call.h"
#include "zocket/embed.h"
#include "zocket/schema.h"

/* ---- an app with timers ---- */

enum {
    TICK,
    ALARM,
    TICK_MS = 50
};

struct alarm {
    struct zkt_str key;
};

static size_t fired;

static enum zkt_status fire(struct zkt_call *call, const void *handlers,
                            const void *input)
{
    (void)call;
    (void)handlers;
    (void)input;
    fired++;
    return ZKT_OK;
}

static void any(void)
{
}

struct clock_handlers {
    void (*any)(void);
    const struct clock_handlers *own;
};

static const struct clock_handlers handlers = { any, &handlers };

static const struct zkt_type state_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = 1,
    .of.structs = &(const struct zkt_struct_info){ .name = "clock" },
};
static const struct zkt_type alarm_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(struct alarm),
    .owns = true,
    .of.structs =
        &(const struct zkt_struct_info){
            .name = "alarm",
            .fields = &(const struct zkt_field){ ZKT_STR_INIT("key"), 0,
                                                 &zkt_type_string, NULL },
            .count = 1,
        },
};
static const struct zkt_timer timers[] = {
    [TICK] = { .name = ZKT_STR_INIT("tick"),
               .by = -1,
               .every_ms = TICK_MS,
               .handler_offset = offsetof(struct clock_handlers, any),
               .invoke = fire },
    [ALARM] = { .name = ZKT_STR_INIT("alarm"),
                .input = &alarm_type,
                .handler_offset = offsetof(struct clock_handlers, any),
                .invoke = fire },
};

static int find_none(struct zkt_str name)
{
    (void)name;
    return -1;
}

static const struct zkt_actor clock_actor = {
    .name = ZKT_STR_INIT("clock"),
    .state = &state_type,
    .handlers_offset = offsetof(struct clock_handlers, own),
    .find_method = find_none,
    .timers = timers,
    .timer_count = 2,
};
static const struct zkt_actor *const actors[] = { &clock_actor };
static const struct zkt_app_info info = {
    .name = "clocks",
    .actors = actors,
    .actor_count = 1,
    .find_actor = find_none,
};

/* ---- a server ---- */

struct work {
    struct zkt_server *server;
    size_t n;
};

typedef enum zkt_status step(struct zkt_call *call, struct work *w);

static enum zkt_status run_step(struct zkt_call *call, void (*fn)(void),
                                void *user)
{
    step *const own = (step *)fn;
    return own(call, user);
}

/* Runs a function in an instance. */
static void run_in(struct work *w, size_t id, step *fn)
{
    char name[32];
    snprintf(name, sizeof(name), "%zu", id);
    if (zkt_server_run(w->server, 0, zkt_cstr(name), run_step,
                       (void (*)(void))fn, w) != ZKT_OK) {
        abort();
    }
    zkt_server_advance(w->server, 0);
}

static void finish(void *work)
{
    struct work *w = work;
    zkt_server_free(w->server);
    free(w);
}

static struct work *begin(size_t n)
{
    struct work *w = calloc(1, sizeof(*w));
    const struct zkt_serve_options options = {
        .allocator = &growth_allocator,
        .limits = { .timers = 1 << 20, .turn_work = INT64_MAX / 2 },
    };
    const struct zkt_app app = { .info = &info, .handlers = &handlers };
    fired = 0;
    if (w == NULL || zkt_server_new(app, &options, &w->server) != ZKT_OK) {
        free(w);
        return NULL;
    }
    w->n = n;
    return w;
}

/* ---- many keys ---- */

static struct zkt_str key(char *text, size_t size, size_t i)
{
    snprintf(text, size, "key%zu", i);
    return zkt_cstr(text);
}

static enum zkt_status start_all(struct zkt_call *call, struct work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        char text[32];
        const struct alarm in = { key(text, sizeof(text), i) };
        zkt_call_timer_start(call, ALARM, 100, &in);
    }
    return ZKT_OK;
}

static enum zkt_status stop_all(struct zkt_call *call, struct work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        char text[32];
        zkt_call_timer_stop(call, ALARM, key(text, sizeof(text), i));
    }
    return ZKT_OK;
}

static enum zkt_status touch_one(struct zkt_call *call, struct work *w)
{
    (void)w;
    const struct alarm in = { ZKT_STR("key0") };
    zkt_call_timer_stop(call, ALARM, in.key);
    zkt_call_timer_start(call, ALARM, 100, &in);
    return zkt_call_timer_due(call, ALARM, in.key) > 0 ? ZKT_OK : ZKT_INTERNAL;
}

static void *prepare_server(const void *with, size_t n)
{
    (void)with;
    return begin(n);
}

static void *prepare_keys(const void *with, size_t n)
{
    struct work *w = begin(n);
    (void)with;
    if (w != NULL) {
        run_in(w, 0, start_all);
    }
    return w;
}

static bool count_timers(const struct work *w, size_t count)
{
    struct zkt_server_stats stats;
    zkt_server_stats(w->server, &stats);
    return stats.timers == count;
}

static bool start_keys(void *work)
{
    struct work *w = work;
    run_in(w, 0, start_all);
    return count_timers(w, w->n);
}

static bool stop_keys(void *work)
{
    struct work *w = work;
    run_in(w, 0, stop_all);
    return count_timers(w, 0);
}

static bool touch_key(void *work)
{
    struct work *w = work;
    run_in(w, 0, touch_one);
    return count_timers(w, w->n > 0 ? w->n : 1);
}

static bool fire_keys(void *work)
{
    struct work *w = work;
    zkt_server_advance(w->server, 100);
    return fired == w->n;
}

/* ---- many instances ---- */

static enum zkt_status start_tick(struct zkt_call *call, struct work *w)
{
    (void)w;
    zkt_call_timer_start(call, TICK, TICK_MS, NULL);
    return ZKT_OK;
}

static void *prepare_instances(const void *with, size_t n)
{
    struct work *w = begin(n);
    (void)with;
    for (size_t i = 0; w != NULL && i < n; i++) {
        run_in(w, i, start_tick);
    }
    return w;
}

static bool tick_each(void *work)
{
    struct work *w = work;
    zkt_server_advance(w->server, TICK_MS);
    return fired == w->n;
}

void growth_timers(void)
{
    static const struct growth_row rows[] = {
        { "timers: starting by key", 0, NULL, prepare_server, start_keys,
          finish },
        { "timers: stopping by key", 0, NULL, prepare_keys, stop_keys, finish },
        { "timers: one by key, flat", 0, NULL, prepare_keys, touch_key,
          finish },
        { "timers: firing by key", 0, NULL, prepare_keys, fire_keys, finish },
        { "timers: a tick of instances", 2500, NULL, prepare_instances,
          tick_each, finish },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
