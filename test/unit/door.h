/*
 * The app of gate.h with everything that decides who may enter, as tables that
 * are written by hand: `open` and `close`, data, middleware, and an actor. The
 * test scripts the handlers, and reads in `trace` which of them have run.
 *
 *     error banned(days: int32) = PERMISSION_DENIED;
 *     connection { …; on open, close; }
 *         -> { user: string(..20)?; role: int32(0..9) = 1; }
 *     middleware authed { user: string; } throws banned;
 *     middleware moderator after authed {}
 *     actor room {
 *         subscribe use authed;
 *         method who -> string;
 *         method ban -> string use moderator;
 *         on connect, disconnect;
 *     }
 */
#ifndef DOOR_H
#define DOOR_H

#include "gate.h"

#include "failing_alloc.h"
#include "server/core.h"
#include "wire.h"
#include "zocket/call.h"

/* The handlers that have run, separated by spaces; of a single thread. */
static char trace[8192];
static bool traces = true;

static inline void note(const char *what, struct zkt_str of)
{
    if (!traces) {
        return;
    }
    const size_t len = strlen(trace);
    snprintf(trace + len, sizeof(trace) - len, "%s%s%s%.*s", len > 0 ? " " : "",
             what, of.len > 0 ? ":" : "", ZKT_ARG(of));
}

struct door_data {
    GATE_OPTIONAL(struct zkt_str) user;
    int32_t role;
};

struct door_authed {
    struct zkt_str user;
};

struct door_state {
    int32_t n;
};

/* The scripts of the handlers; NULL: they succeed. */
static struct {
    enum zkt_status (*open)(struct zkt_call *call, const struct gate_input *in,
                            struct door_data *out);
    void (*close)(struct zkt_call *call);
    enum zkt_status (*authed)(struct zkt_call *call, struct door_authed *out);
    enum zkt_status (*moderator)(struct zkt_call *call,
                                 const struct door_authed *authed);
    enum zkt_status (*who)(struct zkt_call *call, struct zkt_str *out);
    enum zkt_status (*ban)(struct zkt_call *call,
                           const struct door_authed *authed,
                           struct zkt_str *out);
} script;

/* Returns the data that a call sees as `user/role`. */
static inline struct zkt_str door_seen(struct zkt_call *call)
{
    const struct door_data *data = zkt_call_connection(call);
    return data == NULL ? ZKT_STR("nobody")
                        : zkt_format(call, "%.*s/%d", ZKT_ARG(data->user.value),
                                     (int)data->role);
}

/* ---- handlers ---- */

static enum zkt_status invoke_open(struct zkt_call *call, const void *handlers,
                                   const void *input, void *data)
{
    const struct gate_input *in = input;
    struct door_data *out = data;
    (void)handlers;
    note("open", in->tenant);
    if (script.open != NULL) {
        return script.open(call, in, out);
    }
    out->user.has = in->token.has;
    out->user.value = in->token.value;
    return ZKT_OK;
}

static void invoke_close(struct zkt_call *call, const void *handlers)
{
    (void)handlers;
    note("close", door_seen(call));
    if (script.close != NULL) {
        script.close(call);
    }
}

static enum zkt_status invoke_authed(struct zkt_call *call,
                                     const void *handlers, void *output)
{
    struct door_authed *out = output;
    (void)handlers;
    note("authed", door_seen(call));
    if (script.authed != NULL) {
        return script.authed(call, out);
    }
    out->user = door_seen(call);
    return ZKT_OK;
}

static enum zkt_status invoke_moderator(struct zkt_call *call,
                                        const void *handlers, void *output)
{
    const struct door_authed *authed = zkt_call_middleware(call, 0);
    (void)handlers;
    assert_null(output);
    assert_non_null(authed);
    note("moderator", authed->user);
    return script.moderator != NULL ? script.moderator(call, authed) : ZKT_OK;
}

static enum zkt_status invoke_who(struct zkt_call *call, const void *handlers,
                                  const void *input, void *result)
{
    struct zkt_str *out = result;
    (void)handlers;
    (void)input;
    note("who", door_seen(call));
    *out = door_seen(call);
    return script.who != NULL ? script.who(call, out) : ZKT_OK;
}

static enum zkt_status invoke_ban(struct zkt_call *call, const void *handlers,
                                  const void *input, void *result)
{
    const struct door_authed *authed = zkt_call_middleware(call, 0);
    struct zkt_str *out = result;
    (void)handlers;
    (void)input;
    assert_non_null(authed);
    assert_null(zkt_call_middleware(call, 1));
    note("ban", authed->user);
    *out = authed->user;
    return script.ban != NULL ? script.ban(call, authed, out) : ZKT_OK;
}

static enum zkt_status invoke_connect(struct zkt_call *call,
                                      const void *handlers)
{
    (void)handlers;
    note("connect", door_seen(call));
    return ZKT_OK;
}

static enum zkt_status invoke_disconnect(struct zkt_call *call,
                                         const void *handlers)
{
    (void)handlers;
    note("disconnect", door_seen(call));
    return ZKT_OK;
}

/* ---- tables ---- */

GATE_STRING(door_user, 0, 20);
static const struct zkt_type door_optional_user = {
    .kind = ZKT_KIND_OPTIONAL,
    .size = sizeof(((struct door_data *)0)->user),
    .owns = true,
    .of.optionals =
        &(const struct zkt_optional_info){
            .value = &door_user,
            .value_offset = offsetof(struct door_data, user.value),
        },
    .decode = zkt_decode_optional,
    .encode = zkt_encode_optional,
};
static const struct zkt_type door_role = {
    .kind = ZKT_KIND_INT32,
    .size = sizeof(int32_t),
    .of.ints = &(const struct zkt_int_rules){ 0, 9, 0 },
    .decode = zkt_decode_int32,
    .encode = zkt_encode_int32,
};

static void encode_count(struct zkt_writer *writer, const char *key, int32_t n)
{
    const size_t begin = zkt_write_begin(writer);
    ZKT_WRITE(writer, ",\"");
    zkt_write_raw(writer, key, strlen(key));
    ZKT_WRITE(writer, "\":");
    zkt_write_int64(writer, n);
    zkt_write_end(writer, begin);
}

static void encode_state(struct zkt_writer *writer, const struct zkt_type *type,
                         const void *value)
{
    (void)type;
    encode_count(writer, "n", ((const struct door_state *)value)->n);
}

static void encode_banned(struct zkt_writer *writer,
                          const struct zkt_type *type, const void *value)
{
    (void)type;
    encode_count(writer, "days", *(const int32_t *)value);
}

static const int32_t door_member = 1;

#define DOOR_STRUCT(c_type, title, does_own, encoder, ...)                     \
    {                                                                          \
        .kind = ZKT_KIND_STRUCT, .size = sizeof(c_type), .owns = (does_own),   \
        .of.structs =                                                          \
            &(const struct zkt_struct_info){                                   \
                .name = (title),                                               \
                .fields = (const struct zkt_field[]){ __VA_ARGS__ },           \
                .count = sizeof((const struct zkt_field[]){ __VA_ARGS__ }) /   \
                         sizeof(struct zkt_field),                             \
            },                                                                 \
        .encode = (encoder),                                                   \
    }
#define DOOR_FIELD(c_type, member, t, value)                                   \
    {                                                                          \
        ZKT_STR_INIT(#member), offsetof(c_type, member), &(t), (value)         \
    }

static const struct zkt_type door_data_type = DOOR_STRUCT(
    struct door_data, "connection", true, NULL,
    DOOR_FIELD(struct door_data, user, door_optional_user, NULL),
    DOOR_FIELD(struct door_data, role, door_role, &door_member));
static const struct zkt_type door_authed_type = DOOR_STRUCT(
    struct door_authed, "authed", true, NULL,
    DOOR_FIELD(struct door_authed, user, zkt_type_string, NULL));
static const struct zkt_type door_state_type = DOOR_STRUCT(
    struct door_state, "room", false, encode_state,
    DOOR_FIELD(struct door_state, n, zkt_type_int32, NULL));
static const struct zkt_type door_banned_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(int32_t),
    .of.structs =
        &(const struct zkt_struct_info){
            .name = "banned",
            .fields = &(const struct zkt_field){ ZKT_STR_INIT("days"), 0,
                                                 &zkt_type_int32, NULL },
            .count = 1,
        },
    .encode = encode_banned,
};

static const struct zkt_error door_errors[] = {
    { ZKT_STR_INIT("banned"), ZKT_PERMISSION_DENIED, &door_banned_type,
      ZKT_STR_INIT("You are banned.") },
};
static const uint16_t door_throws[] = { 0 };
static const uint16_t door_chain[] = { 0, 1 };

/* Any handler that is not NULL. */
struct door_handlers {
    int open, close;
    void (*any)(void);
    const struct door_handlers *room;
};

static void any_handler(void)
{
}

static const struct zkt_connection_info door_connection = {
    .input = &gate_input_type,
    .parameters = gate_parameters,
    .data = &door_data_type,
    .open = invoke_open,
    .close = invoke_close,
    .open_offset = offsetof(struct door_handlers, any),
    .close_offset = offsetof(struct door_handlers, any),
    .errors = door_throws,
    .error_count = 1,
};

static const struct zkt_middleware door_middleware[] = {
    { ZKT_STR_INIT("authed"), &door_authed_type,
      offsetof(struct door_handlers, any), invoke_authed, door_throws, 1 },
    { ZKT_STR_INIT("moderator"), NULL, offsetof(struct door_handlers, any),
      invoke_moderator, NULL, 0 },
};

static const struct zkt_method door_methods[] = {
    { .name = ZKT_STR_INIT("who"),
      .result = &zkt_type_string,
      .handler_offset = offsetof(struct door_handlers, any),
      .invoke = invoke_who },
    { .name = ZKT_STR_INIT("ban"),
      .result = &zkt_type_string,
      .handler_offset = offsetof(struct door_handlers, any),
      .invoke = invoke_ban,
      .middleware = { door_chain, 2 } },
    { .name = ZKT_STR_INIT("settle"),
      .result = &zkt_type_string,
      .handler_offset = offsetof(struct door_handlers, any),
      .invoke = invoke_who },
};

/* The last method is internal. */
static int door_find_method(struct zkt_str name)
{
    for (int i = 0; i < 2; i++) {
        if (zkt_str_eq(name, door_methods[i].name)) {
            return i;
        }
    }
    return -1;
}

static const struct zkt_actor door_room = {
    .name = ZKT_STR_INIT("room"),
    .state = &door_state_type,
    .methods = door_methods,
    .method_count = 3,
    .hooks = {
        [ZKT_HOOK_CONNECT] = { true, offsetof(struct door_handlers, any),
                               invoke_connect },
        [ZKT_HOOK_DISCONNECT] = { true, offsetof(struct door_handlers, any),
                                  invoke_disconnect },
    },
    .handlers_offset = offsetof(struct door_handlers, room),
    .find_method = door_find_method,
    .subscribe_middleware = { door_chain, 1 },
};

static int door_find_actor(struct zkt_str name)
{
    return zkt_str_eq(name, ZKT_STR("room")) ? 0 : -1;
}

static const struct zkt_actor *const door_actors[] = { &door_room };
static const struct zkt_app_info door_info = {
    .name = "door",
    .actors = door_actors,
    .actor_count = 1,
    .find_actor = door_find_actor,
    .connection = &door_connection,
    .middleware = door_middleware,
    .middleware_count = 2,
    .errors = door_errors,
    .error_count = 1,
};
static const struct door_handlers door_handlers = {
    .any = any_handler,
    .room = &(const struct door_handlers){ .any = any_handler },
};
static const struct zkt_app door_app = { .info = &door_info,
                                         .handlers = &door_handlers };

#endif
