/*
 * An app of which instances tell and ask each other, on tables that are written
 * by hand, and a server of it on shards of one thread. Instances "a", "b" and
 * "c" of both actors are on the first, the second and the third shard, as far
 * as there are any.
 *
 *     actor room {
 *         method go -> string;
 *         method seek -> string interleave;
 *         internal method add(by: int32(0..9999), text: string) -> string;
 *         internal method guarded -> string use authed;
 *         internal method soon -> string interleave timeout 20ms;
 *         timer tick;
 *     }
 *     actor hall { … the same, with every hook }
 */
#ifndef ASKING_H
#define ASKING_H

#include "door.h"

enum {
    ROOM,
    HALL
};
enum {
    GO,
    SEEK,
    ADD,
    GUARDED,
    SOON
};

struct add {
    int32_t by;
    struct zkt_str text;
};

typedef enum zkt_status script_function(struct zkt_call *call);

/* The handlers of the test; NULL: they succeed. */
static struct {
    script_function *go, *seek, *guarded, *timer;
    enum zkt_status (*add)(struct zkt_call *call, const struct add *in);
    enum zkt_status (*hook)(struct zkt_call *call, const char *name);
} plays;

/* ---- handlers ---- */

static enum zkt_status play(struct zkt_call *call, script_function *played,
                            void *result)
{
    *(struct zkt_str *)result = zkt_instance_id(call);
    return played != NULL ? played(call) : ZKT_OK;
}

static enum zkt_status invoke_go(struct zkt_call *call, const void *handlers,
                                 const void *input, void *result)
{
    (void)handlers;
    (void)input;
    return play(call, plays.go, result);
}

static enum zkt_status invoke_seek(struct zkt_call *call, const void *handlers,
                                   const void *input, void *result)
{
    (void)handlers;
    (void)input;
    return play(call, plays.seek, result);
}

/* Notes `b<text+by`, and returns `text+by`. */
static enum zkt_status invoke_add(struct zkt_call *call, const void *handlers,
                                  const void *input, void *result)
{
    const struct add *in = input;
    struct zkt_str *out = result;
    (void)handlers;
    assert_int_equal(zkt_clients(call).len, 0);
    assert_int_equal(zkt_client_id(call).len, 0);
    *out = zkt_format(call, "%.*s+%d", ZKT_ARG(in->text), (int)in->by);
    note(zkt_instance_id(call).data, *out);
    return plays.add != NULL ? plays.add(call, in) : ZKT_OK;
}

static enum zkt_status invoke_guarded(struct zkt_call *call,
                                      const void *handlers, const void *input,
                                      void *result)
{
    const struct door_authed *authed = zkt_call_middleware(call, 0);
    (void)handlers;
    (void)input;
    assert_non_null(authed);
    note("guarded", authed->user);
    *(struct zkt_str *)result = authed->user;
    return plays.guarded != NULL ? plays.guarded(call) : ZKT_OK;
}

static enum zkt_status invoke_tick(struct zkt_call *call, const void *handlers,
                                   const void *input)
{
    (void)handlers;
    (void)input;
    return plays.timer != NULL ? plays.timer(call) : ZKT_OK;
}

static enum zkt_status hook(struct zkt_call *call, const char *name)
{
    note(name, zkt_instance_id(call));
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

static const struct zkt_type by_type = {
    .kind = ZKT_KIND_INT32,
    .size = sizeof(int32_t),
    .of.ints = &(const struct zkt_int_rules){ 0, 9999, 0 },
    .decode = zkt_decode_int32,
    .encode = zkt_encode_int32,
};
static const struct zkt_type add_type = DOOR_STRUCT(
    struct add, "add", true, NULL, DOOR_FIELD(struct add, by, by_type, NULL),
    DOOR_FIELD(struct add, text, zkt_type_string, NULL));

static const struct zkt_method asking_methods[] = {
    { .name = ZKT_STR_INIT("go"),
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_go },
    { .name = ZKT_STR_INIT("seek"),
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_seek,
      .interleaves = true },
    { .name = ZKT_STR_INIT("add"),
      .input = &add_type,
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_add,
      .errors = door_throws,
      .error_count = 1 },
    { .name = ZKT_STR_INIT("guarded"),
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_guarded,
      .middleware = { door_chain, 1 } },
    { .name = ZKT_STR_INIT("soon"),
      .result = &zkt_type_string,
      .handler_offset = ANY,
      .invoke = invoke_seek,
      .timeout_ms = 20,
      .interleaves = true },
};

static const struct zkt_timer asking_timers[] = {
    { ZKT_STR_INIT("tick"), NULL, -1, 0, ANY, invoke_tick },
};

/* The methods after `seek` are internal. */
static int find_asking_method(struct zkt_str name)
{
    return zkt_str_eq(name, ZKT_STR("go"))     ? GO
           : zkt_str_eq(name, ZKT_STR("seek")) ? SEEK
                                               : -1;
}

static const struct zkt_actor asking_room = {
    .name = ZKT_STR_INIT("room"),
    .state = &door_state_type,
    .methods = asking_methods,
    .method_count = 5,
    .handlers_offset = offsetof(struct door_handlers, room),
    .find_method = find_asking_method,
    .timers = asking_timers,
    .timer_count = 1,
};
static const struct zkt_actor asking_hall = {
    .name = ZKT_STR_INIT("hall"),
    .state = &door_state_type,
    .methods = asking_methods,
    .method_count = 5,
    .hooks = {
        [ZKT_HOOK_CONNECT] = { true, ANY, on_connect },
        [ZKT_HOOK_DISCONNECT] = { true, ANY, on_disconnect },
        [ZKT_HOOK_ACTIVATE] = { true, ANY, on_activate },
        [ZKT_HOOK_DEACTIVATE] = { true, ANY, on_deactivate },
    },
    .handlers_offset = offsetof(struct door_handlers, room),
    .find_method = find_asking_method,
};

static int find_asking_actor(struct zkt_str name)
{
    return zkt_str_eq(name, ZKT_STR("room"))   ? ROOM
           : zkt_str_eq(name, ZKT_STR("hall")) ? HALL
                                               : -1;
}

static const struct zkt_actor *const asking_actors[] = { &asking_room,
                                                         &asking_hall };
static const struct zkt_app_info asking_info = {
    .name = "asking",
    .actors = asking_actors,
    .actor_count = 2,
    .find_actor = find_asking_actor,
    .connection = &door_connection,
    .middleware = door_middleware,
    .middleware_count = 2,
    .errors = door_errors,
    .error_count = 1,
};
static const struct zkt_app asking_app = { .info = &asking_info,
                                           .handlers = &door_handlers };

#define DOOR_APP  asking_app
#define DOOR_ROOM asking_room
#include "door_peers.h"

/* ---- a server ---- */

static struct zkt_location *places[6];

static void place(uint32_t number, const struct zkt_actor *actor,
                  const char *name)
{
    struct zkt_host *host =
        &zkt__server_shard(server, number / 2 % shards)->host;
    places[number] = zkt__location_take(
        host, actor, zkt_cstr(name),
        zkt__location_hash(host, actor, zkt_cstr(name)));
    assert_non_null(places[number]);
}

static inline void set_up_with(struct zkt_limits limits)
{
    memset(&plays, 0, sizeof(plays));
    begin_with(limits);
    place(0, &asking_room, "a");
    place(1, &asking_hall, "a");
    place(2, &asking_room, "b");
    place(3, &asking_hall, "b");
    place(4, &asking_room, "c");
    place(5, &asking_hall, "c");
}

static inline void set_up(void)
{
    set_up_with((struct zkt_limits){ 0 });
}

/* Frees the server; memory is left if there are @held_calls: not resumed yet.
 */
static inline void tear_down_with(bool held_calls)
{
    for (uint32_t i = 0; i < 6; i++) {
        zkt__location_release(&zkt__server_shard(server, i / 2 % shards)->host,
                              places[i]);
    }
    zkt__location_release(&server->host, home);
    zkt_server_free(server);
    assert_true((memory.live > 0) == held_calls);
}

static inline void tear_down(void)
{
    tear_down_with(false);
}

/* Sums the statistics of all shards as of now. */
static inline struct zkt_server_stats stats(void)
{
    struct zkt_server_stats all;
    zkt_server_stats(server, &all);
    return all;
}

/* ---- calls ---- */

static inline void tell(struct zkt_call *call, uint32_t actor, const char *id,
                        int32_t by)
{
    const struct zkt_str text = zkt_instance_id(call);
    zkt_call_tell(call, actor, ADD, zkt_cstr(id), NULL,
                  &(const struct add){ by, text });
}

typedef void done_function(const struct zkt_reply *reply, const void *result,
                           void *user);

static inline void call_done(void (*done)(void), const struct zkt_reply *reply,
                             const void *result, void *user)
{
    ((done_function *)done)(reply, result, user);
}

static inline void ask_method(struct zkt_call *call, uint32_t actor,
                              uint32_t method, const char *id,
                              const void *input, done_function *done,
                              void *user)
{
    zkt_call_ask(call, actor, method, zkt_cstr(id), NULL, input, call_done,
                 (void (*)(void))done, user);
}

static inline void ask_add(struct zkt_call *call, uint32_t actor,
                           const char *id, int32_t by, done_function *done,
                           void *user)
{
    const struct add in = { by, zkt_instance_id(call) };
    ask_method(call, actor, ADD, id, &in, done, user);
}

/* Notes `LABEL=OK/result` or `LABEL=CODE/text`. */
static inline void note_reply(const struct zkt_reply *reply, const void *result,
                              void *user)
{
    char text[512];
    assert_true((reply->status == ZKT_OK) == (result != NULL));
    snprintf(text, sizeof(text), "%s=%s/%.*s", (const char *)user,
             zkt_status_name(reply->status),
             result != NULL ? (int)((const struct zkt_str *)result)->len
                            : (int)strlen(reply->error),
             result != NULL ? ((const struct zkt_str *)result)->data
                            : reply->error);
    note(text, ZKT_STR(""));
}

/* The program calls a method of an instance; notes the reply as `go`. */
static inline void invoke(uint32_t actor, uint32_t method, const char *id,
                          const void *input)
{
    assert_int_equal(zkt_server_invoke(server, actor, method, zkt_cstr(id),
                                       NULL, input, call_done,
                                       (void (*)(void))note_reply,
                                       (void *)(uintptr_t) "go"),
                     ZKT_OK);
}

/* Runs `go` of a room. */
static inline void run(const char *id, script_function *go)
{
    plays.go = go;
    invoke(ROOM, GO, id, NULL);
    pass(0);
}

/* Runs `seek` of a room, which interleaves. */
static inline void seek(const char *id, script_function *played)
{
    plays.seek = played;
    invoke(ROOM, SEEK, id, NULL);
    pass(0);
}

#endif
