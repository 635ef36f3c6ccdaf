/*
 * An app with timers, as tables that are written by hand: an actor without
 * hooks, and one with them. Peers are on the last shard; room "a" and hall "a"
 * are on the first.
 *
 *     actor room {
 *         timer tick every 50ms;
 *         timer over(round: int32(0..9));
 *         timer afk(player: string) by player;
 *     }
 */
#ifndef TIMED_H
#define TIMED_H

#include "door.h"

enum {
    TICK,
    OVER,
    AFK
};

struct over {
    int32_t round;
};

struct afk {
    struct zkt_str player;
};

/* The handlers of the test; NULL: they succeed. */
static struct {
    enum zkt_status (*go)(struct zkt_call *call);
    enum zkt_status (*timer)(struct zkt_call *call);
    enum zkt_status (*hook)(struct zkt_call *call, const char *name);
} plays;

/* The input of the timer that runs. */
static const void *fired;

/* ---- handlers ---- */

static inline enum zkt_status invoke_go(struct zkt_call *call,
                                        const void *handlers, const void *input,
                                        void *result)
{
    (void)handlers;
    (void)input;
    *(struct zkt_str *)result = ZKT_STR("");
    return plays.go != NULL ? plays.go(call) : ZKT_OK;
}

static inline enum zkt_status play(struct zkt_call *call, const char *name,
                                   struct zkt_str of)
{
    assert_null(zkt_call_connection(call));
    assert_int_equal(zkt_client_id(call).len, 0);
    note(name, of);
    return plays.timer != NULL ? plays.timer(call) : ZKT_OK;
}

static inline enum zkt_status invoke_tick(struct zkt_call *call,
                                          const void *handlers,
                                          const void *input)
{
    (void)handlers;
    assert_null(input);
    fired = NULL;
    return play(call, "tick", ZKT_STR(""));
}

static inline enum zkt_status invoke_over(struct zkt_call *call,
                                          const void *handlers,
                                          const void *input)
{
    (void)handlers;
    const struct over *in = input;
    fired = input;
    return play(call, "over", zkt_format(call, "%d", (int)in->round));
}

static inline enum zkt_status invoke_afk(struct zkt_call *call,
                                         const void *handlers,
                                         const void *input)
{
    (void)handlers;
    fired = input;
    return play(call, "afk", ((const struct afk *)input)->player);
}

static inline enum zkt_status hook(struct zkt_call *call, const char *name)
{
    note(name, ZKT_STR(""));
    return plays.hook != NULL ? plays.hook(call, name) : ZKT_OK;
}

#define HOOK(name)                                                             \
    static enum zkt_status on_##name(struct zkt_call *call,                    \
                                     const void *handlers)                     \
    {                                                                          \
        (void)handlers;                                                        \
        return hook(call, #name);                                              \
    }
HOOK(activate)
HOOK(connect)
HOOK(disconnect)
HOOK(deactivate)

/* ---- tables ---- */

#define ANY offsetof(struct door_handlers, any)

static const struct zkt_type over_type = DOOR_STRUCT(
    struct over, "over", false, NULL,
    DOOR_FIELD(struct over, round, door_role, NULL));
static const struct zkt_type afk_type = DOOR_STRUCT(
    struct afk, "afk", true, NULL,
    DOOR_FIELD(struct afk, player, zkt_type_string, NULL));

static const struct zkt_timer room_timers[] = {
    { ZKT_STR_INIT("tick"), NULL, -1, 50, ANY, invoke_tick },
    { ZKT_STR_INIT("over"), &over_type, -1, 0, ANY, invoke_over },
    { ZKT_STR_INIT("afk"), &afk_type, 0, 0, ANY, invoke_afk },
};

static const struct zkt_method room_methods[] = {
    { .name = ZKT_STR_INIT("go"),
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_go },
};

static inline int find_go(struct zkt_str name)
{
    return zkt_str_eq(name, ZKT_STR("go")) ? 0 : -1;
}

static const struct zkt_actor timed_room = {
    .name = ZKT_STR_INIT("room"),
    .state = &door_state_type,
    .methods = room_methods,
    .method_count = 1,
    .handlers_offset = offsetof(struct door_handlers, room),
    .find_method = find_go,
    .timers = room_timers,
    .timer_count = 3,
};
static const struct zkt_actor timed_hall = {
    .name = ZKT_STR_INIT("hall"),
    .state = &door_state_type,
    .methods = room_methods,
    .method_count = 1,
    .hooks = {
        [ZKT_HOOK_CONNECT] = { true, ANY, on_connect },
        [ZKT_HOOK_DISCONNECT] = { true, ANY, on_disconnect },
        [ZKT_HOOK_ACTIVATE] = { true, ANY, on_activate },
        [ZKT_HOOK_DEACTIVATE] = { true, ANY, on_deactivate },
    },
    .handlers_offset = offsetof(struct door_handlers, room),
    .find_method = find_go,
    .timers = room_timers,
    .timer_count = 3,
};

static inline int find_actor(struct zkt_str name)
{
    return zkt_str_eq(name, ZKT_STR("room"))   ? 0
           : zkt_str_eq(name, ZKT_STR("hall")) ? 1
                                               : -1;
}

static const struct zkt_actor *const timed_actors[] = { &timed_room,
                                                        &timed_hall };
static const struct zkt_app_info timed_info = {
    .name = "timed",
    .actors = timed_actors,
    .actor_count = 2,
    .find_actor = find_actor,
    .connection = &door_connection,
    .errors = door_errors,
    .error_count = 1,
};
static const struct zkt_app timed_app = { .info = &timed_info,
                                          .handlers = &door_handlers };

#define DOOR_APP  timed_app
#define DOOR_ROOM timed_room
#include "door_peers.h"

/* ---- a server and peers ---- */

#define GO_TO(actor, id)                                                       \
    "{\"type\":\"rpc\",\"id\":\"" id "\",\"actor\":\"" actor                   \
    "\",\"actorId\":\"a\",\"method\":\"go\"}"
#define GO      GO_TO("room", "1")
#define GO_HALL GO_TO("hall", "1")
#define DONE    RESULT("1", "")

static struct zkt_location *hall;

static inline void set_up_with(struct zkt_limits limits)
{
    memset(&plays, 0, sizeof(plays));
    begin_with(limits);
    hall = zkt__location_take(
        &server->host, &timed_hall, ZKT_STR("a"),
        zkt__location_hash(&server->host, &timed_hall, ZKT_STR("a")));
    assert_non_null(hall);
}

static inline void set_up(void)
{
    set_up_with((struct zkt_limits){ 0 });
}

static inline void tear_down(void)
{
    zkt__location_release(&server->host, hall);
    end();
}

static inline struct wire enter(void)
{
    struct wire w = knock("/", "", NULL);
    (void)hear(&w);
    (void)trace_since();
    return w;
}

/* Ends the connection; `close` is not in the trace. */
static inline void go_away(struct wire *w)
{
    traces = false;
    leave(w);
    traces = true;
}

static inline struct zkt_server_stats stats(void)
{
    struct zkt_server_stats all;
    zkt_server_stats(server, &all);
    return all;
}

/* Calls `go` of the room, in which @go runs. */
static inline void run(struct wire *w,
                       enum zkt_status (*go)(struct zkt_call *call))
{
    plays.go = go;
    assert_string_equal(ask(w, GO), DONE);
    plays.go = NULL;
}

/* Returns the handlers that ran within @ms. */
static inline const char *within(int64_t ms)
{
    pass(ms);
    return trace_since();
}

/* ---- calls ---- */

static inline void start_over(struct zkt_call *call, int64_t ms, int32_t round)
{
    zkt_call_timer_start(call, OVER, ms, &(const struct over){ round });
}

static inline void start_afk(struct zkt_call *call, int64_t ms,
                             const char *player)
{
    zkt_call_timer_start(call, AFK, ms,
                         &(const struct afk){ zkt_cstr(player) });
}

/* Returns the time until a timer is due, or -1. */
static inline int64_t left(struct zkt_call *call, uint32_t timer,
                           const char *key)
{
    const int64_t due = zkt_call_timer_due(call, timer, zkt_cstr(key));
    return due < 0 ? -1 : due - zkt_now_ms(call);
}

#endif
