/*
 * An app whose methods let others in, on tables that are written by hand: the
 * actor room has no hooks, the hall has them all. Peers are on the last shard,
 * the instances "a" on the first.
 *
 *     actor room {
 *         state { n: int32; }
 *         method go -> string;
 *         method fetch(string) -> string interleave;
 *         method talk(string) -> stream string(..100000);
 *         method build -> string progress int32(0..9);
 *     }
 */
#ifndef STREAMING_H
#define STREAMING_H

#include "door.h"

enum {
    GO,
    FETCH,
    TALK,
    BUILD,
    METHODS
};

/* The handlers of the test; NULL: they succeed. */
static struct {
    enum zkt_status (*play[METHODS])(struct zkt_call *call);
    enum zkt_status (*hook)(struct zkt_call *call, const char *name);
} plays;

static struct zkt_str played; /* the input of the handler that runs, or "" */

static int32_t count_of(struct zkt_call *call)
{
    return ((const struct door_state *)zkt_call_state(call))->n;
}

static void set_count(struct zkt_call *call, int32_t n)
{
    zkt_state_set(zkt_call_cursor(call), 0, &n);
}

static enum zkt_status play(struct zkt_call *call, int method,
                            const void *input, void *result)
{
    static const char *const names[] = { "go", "fetch", "talk", "build" };
    played = input != NULL ? *(const struct zkt_str *)input : ZKT_STR("");
    note(names[method], played);
    if (result != NULL) {
        *(struct zkt_str *)result = ZKT_STR("");
    }
    return plays.play[method] != NULL ? plays.play[method](call) : ZKT_OK;
}

#define PLAY(name, number)                                                     \
    static enum zkt_status invoke_##name(struct zkt_call *call,                \
                                         const void *handlers,                 \
                                         const void *input, void *result)      \
    {                                                                          \
        (void)handlers;                                                        \
        return play(call, number, input, result);                              \
    }
PLAY(go, GO)
PLAY(fetch, FETCH)
PLAY(talk, TALK)
PLAY(build, BUILD)

#define HOOK(name)                                                             \
    static enum zkt_status on_##name(struct zkt_call *call,                    \
                                     const void *handlers)                     \
    {                                                                          \
        (void)handlers;                                                        \
        note(#name, ZKT_STR(""));                                              \
        return plays.hook != NULL ? plays.hook(call, #name) : ZKT_OK;          \
    }
HOOK(activate)
HOOK(connect)
HOOK(disconnect)
HOOK(deactivate)

/* ---- tables ---- */

#define ANY offsetof(struct door_handlers, any)

GATE_STRING(streaming_chunk, 0, 100000);

static const struct zkt_method streaming_methods[] = {
    [GO] = { .name = ZKT_STR_INIT("go"),
             .result = &zkt_type_string,
             .handler_offset = ANY,
             .invoke = invoke_go },
    [FETCH] = { .name = ZKT_STR_INIT("fetch"),
                .input = &zkt_type_string,
                .result = &zkt_type_string,
                .handler_offset = ANY,
                .invoke = invoke_fetch,
                .interleaves = true },
    [TALK] = { .name = ZKT_STR_INIT("talk"),
               .input = &zkt_type_string,
               .handler_offset = ANY,
               .invoke = invoke_talk,
               .interleaves = true,
               .chunk = &streaming_chunk },
    [BUILD] = { .name = ZKT_STR_INIT("build"),
                .result = &zkt_type_string,
                .handler_offset = ANY,
                .invoke = invoke_build,
                .progress = &door_role },
};

static int streaming_find_method(struct zkt_str name)
{
    int i = 0;
    while (i < METHODS && !zkt_str_eq(name, streaming_methods[i].name)) {
        i++;
    }
    return i < METHODS ? i : -1;
}

static const struct zkt_actor streaming_room = {
    .name = ZKT_STR_INIT("room"),
    .state = &door_state_type,
    .methods = streaming_methods,
    .method_count = METHODS,
    .handlers_offset = offsetof(struct door_handlers, room),
    .find_method = streaming_find_method,
};
static const struct zkt_actor streaming_hall = {
    .name = ZKT_STR_INIT("hall"),
    .state = &door_state_type,
    .methods = streaming_methods,
    .method_count = METHODS,
    .hooks = {
        [ZKT_HOOK_CONNECT] = { true, ANY, on_connect },
        [ZKT_HOOK_DISCONNECT] = { true, ANY, on_disconnect },
        [ZKT_HOOK_ACTIVATE] = { true, ANY, on_activate },
        [ZKT_HOOK_DEACTIVATE] = { true, ANY, on_deactivate },
    },
    .handlers_offset = offsetof(struct door_handlers, room),
    .find_method = streaming_find_method,
};

static int streaming_find_actor(struct zkt_str name)
{
    return zkt_str_eq(name, ZKT_STR("room"))   ? 0
           : zkt_str_eq(name, ZKT_STR("hall")) ? 1
                                               : -1;
}

static const struct zkt_actor *const streaming_actors[] = { &streaming_room,
                                                            &streaming_hall };
static const struct zkt_app_info streaming_info = {
    .name = "streaming",
    .actors = streaming_actors,
    .actor_count = 2,
    .find_actor = streaming_find_actor,
    .connection = &door_connection,
    .errors = door_errors,
    .error_count = 1,
};
static const struct zkt_app streaming_app = { .info = &streaming_info,
                                              .handlers = &door_handlers };

#define DOOR_APP  streaming_app
#define DOOR_ROOM streaming_room
#include "door_peers.h"

/* ---- a server and peers ---- */

#define RPC(id, actor, method, more)                                           \
    "{\"type\":\"rpc\",\"id\":\"" id "\",\"actor\":\"" actor                   \
    "\",\"actorId\":\"a\",\"method\":\"" method "\"" more "}"
#define INPUT(text)     ",\"input\":\"" text "\""
#define GO_ON(id)       RPC(id, "room", "go", "")
#define FETCH_ON(id, x) RPC(id, "room", "fetch", INPUT(x))
#define PATCH(n)                                                               \
    "|{\"type\":\"state:patch\",\"actor\":\"room\",\"actorId\":\"a\","         \
    "\"patches\":[{\"op\":\"replace\",\"path\":\"/n\",\"value\":" n "}]}"
#define NO_RESULT(id) "|{\"type\":\"rpc:result\",\"id\":\"" id "\"}"

static struct zkt_location *hall;

static inline void set_up_with(struct zkt_limits limits)
{
    memset(&plays, 0, sizeof(plays));
    begin_with(limits);
    hall = zkt__location_take(
        &server->host, &streaming_hall, ZKT_STR("a"),
        zkt__location_hash(&server->host, &streaming_hall, ZKT_STR("a")));
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

static inline struct zkt_server_stats stats(void)
{
    struct zkt_server_stats all;
    zkt_server_stats(server, &all);
    return all;
}

/* ---- deferred calls ---- */

enum {
    HELD_MAX = 2048
};

static struct zkt_deferred *handles[HELD_MAX];
static uint32_t handle_methods[HELD_MAX];
static size_t handle_count;

static inline enum zkt_status defer(struct zkt_call *call, uint32_t method)
{
    assert_true(handle_count < HELD_MAX);
    held = zkt_call_defer(call, ZKT_MEMBER_METHOD, method);
    handle_methods[handle_count] = method;
    handles[handle_count++] = held;
    return held != NULL ? ZKT_PENDING : ZKT_OK;
}

static inline enum zkt_status defer_fetch(struct zkt_call *call)
{
    return defer(call, FETCH);
}

/* Adds 1 to the state. */
static inline enum zkt_status add(struct zkt_call *call)
{
    set_count(call, count_of(call) + 1);
    return ZKT_OK;
}

static inline enum zkt_status add_and_defer_fetch(struct zkt_call *call)
{
    (void)add(call);
    return defer(call, FETCH);
}

/* The second half: *@user is a script, or NULL. The result is the state before
 * and the input; none, if the call is cancelled. */
struct half {
    enum zkt_status (*play)(struct zkt_call *call);
};

static inline enum zkt_status finish(struct zkt_call *call, void (*then)(void),
                                     const void *input, void *result,
                                     void *user)
{
    const struct half *half = user;
    (void)then;
    const struct zkt_str in = input != NULL ? *(const struct zkt_str *)input
                                            : ZKT_STR("");
    note(zkt_cancelled(call) ? "cancelled" : "then", in);
    if (result != NULL) {
        assert_int_equal(((struct zkt_str *)result)->len, 0);
        *(struct zkt_str *)result = zkt_format(
            call, "%d %.*s", (int)count_of(call), ZKT_ARG(in));
    }
    return half != NULL && half->play != NULL ? half->play(call) : ZKT_OK;
}

static inline void resume_with(size_t i, struct half *half)
{
    zkt_deferred_resume(handles[i], finish, NULL, half);
}

static inline void resume(size_t i)
{
    resume_with(i, NULL);
}

#endif
