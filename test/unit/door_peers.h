/*
 * A server of the app of door.h on one shard or on two, and peers of it. The
 * peers are on the last shard; room "a" is on the first.
 */
#ifndef DOOR_PEERS_H
#define DOOR_PEERS_H

#include "door.h"

#include "zocket/embed.h"

/* The app and its actor; a test may define others, with the same connection. */
#ifndef DOOR_APP
#define DOOR_APP  door_app
#define DOOR_ROOM door_room
#endif

#ifndef DOOR_ALLOCATOR
#define DOOR_ALLOCATOR &memory.allocator
#endif

static uint32_t shards = 1;
static struct zkt_server *server;
static struct zkt_location *home; /* of room "a", on the first shard */
static struct failing_alloc memory;
static char logged[8192];

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    const size_t len = strlen(logged);
    (void)user;
    (void)level;
    snprintf(logged + len, sizeof(logged) - len, "%s\n", text);
}

/* Advances the clock and delivers messages between shards. */
static inline void pass(int64_t ms)
{
    for (uint32_t i = 0; i < 4 * shards; i++) {
        zkt_server_advance(zkt__server_shard(server, i % shards),
                           i < shards ? ms : 0);
    }
}

static inline void begin_with(struct zkt_limits limits)
{
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    const struct zkt_serve_options options = {
        .random_seed = seed,
        .allocator = DOOR_ALLOCATOR,
        .threads = shards,
        .limits = limits,
        .log = keep_log,
        .metrics = true,
    };
    memset(&script, 0, sizeof(script));
    trace[0] = logged[0] = '\0';
    failing_alloc_init(&memory, 0);
    assert_int_equal(zkt_server_new(DOOR_APP, &options, &server), ZKT_OK);
    zkt__server_run_shards(server, shards);
    home = zkt__location_take(
        &server->host, &DOOR_ROOM, ZKT_STR("a"),
        zkt__location_hash(&server->host, &DOOR_ROOM, ZKT_STR("a")));
    assert_non_null(home);
}

static inline void begin(void)
{
    begin_with((struct zkt_limits){ 0 });
}

static inline void end(void)
{
    zkt__location_release(&server->host, home);
    zkt_server_free(server);
    assert_int_equal(memory.live, 0);
}

/* ---- peers ---- */

#define UPGRADE                                                                \
    " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"    \
    "Sec-WebSocket-Version: 13\r\n"                                            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-tenant: t\r\n"
#define OURS "Sec-WebSocket-Protocol: zocket.rfc6902\r\n"
#define ACCEPTED                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"               \
    "Connection: Upgrade\r\n"                                                  \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static inline void say(struct wire *w, const char *text)
{
    send_text(w, text, true);
}

/* Begins a handshake with a path and further header fields; *@early, if it is
 * not NULL, comes with the head. */
static inline struct wire knock_on(uint32_t shard, const char *path,
                                   const char *fields, const char *early)
{
    char bytes[8192];
    struct wire w = {
        .e = zkt__server_accept(zkt__server_shard(server, shard), "192.0.2.7"),
    };
    assert_non_null(w.e);
    size_t len = (size_t)snprintf(bytes, sizeof(bytes),
                                  "GET %s" UPGRADE "%s\r\n", path, fields);
    if (early != NULL) {
        len += frame(bytes + len, early);
    }
    feed(&w, bytes, len, sizeof(bytes), true);
    pass(0);
    drain(&w);
    return w;
}

/* The same on the last shard. */
static inline struct wire knock(const char *path, const char *fields,
                                const char *early)
{
    return knock_on(shards - 1, path, fields, early);
}

static inline void forget(struct wire *w)
{
    w->len = 0;
    if (w->text != NULL) {
        w->text[0] = '\0';
    }
}

/* Returns all text that the peer has received since; frame heads become '|'. */
static inline const char *hear(struct wire *w)
{
    static char text[16384];
    size_t len = 0;
    pass(0);
    drain(w);
    for (size_t i = 0; i < w->len && len + 1 < sizeof(text); i++) {
        const unsigned char c = (unsigned char)w->text[i];
        if (c == 0x81) {
            const unsigned char n = (unsigned char)w->text[i + 1];
            i += n == 126 ? 3 : n == 127 ? 9 : 1;
            text[len++] = '|';
        } else if (c != '\0') { /* of a ping */
            text[len++] = (char)c;
        }
    }
    text[len] = '\0';
    forget(w);
    return text;
}

static inline const char *ask(struct wire *w, const char *text)
{
    say(w, text);
    return hear(w);
}

/* Leaves; its contacts end, and `close` runs. */
static inline void leave(struct wire *w)
{
    w->e->ops->detach(w->e);
    free(w->text);
    w->text = NULL;
    for (int i = 0; i < 4; i++) {
        pass(0);
    }
}

static inline const char *trace_since(void)
{
    static char copy[sizeof(trace)];
    memcpy(copy, trace, sizeof(trace));
    trace[0] = '\0';
    return copy;
}

#define CALL(id, method)                                                       \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"room\",\"actorId\":\"a\",\"method\":\"" method "\"}"
#define SUB(type) "{\"type\":\"" type "\",\"actor\":\"room\",\"actorId\":\"a\"}"
#define RESULT(id, value)                                                      \
    "|{\"type\":\"rpc:result\",\"id\":\"" id "\",\"result\":\"" value "\"}"

/* ---- for scripts ---- */

static struct zkt_deferred *held; /* of a deferred call */

static inline void set_role(struct zkt_call *call, int32_t role)
{
    zkt_call_set_connection(call, 1, &role);
}

static inline void set_user(struct zkt_call *call, struct zkt_str user)
{
    const struct door_data data = { .user = { true, user } };
    zkt_call_set_connection(call, 0, &data.user);
}

#endif
