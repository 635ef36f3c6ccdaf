/*
 * A server of sight.zkt on some shards, which have their turns on a single
 * thread, and peers of it. The fields of the state are for:
 *
 *     word: the audience `drawer`, of the client with the id in the private
 *           state
 *     clue: the audience `judge`, of connections with a role from 5 on
 *     hands: the user of the connection; moves: the id of the client
 *
 * Each call of a method runs the function in `plays`. Include cmocka first.
 */
#ifndef SIGHT_H
#define SIGHT_H

#include <stdio.h>

#include "failing_alloc.h"
#include "server/connection.h"
#include "server/core.h"
#include "sight_server.h"
#include "wire.h"
#include "zocket/embed.h"

enum {
    ROLE_OF_JUDGES = 5
};

/* The handlers of the test; NULL: they succeed. */
static struct {
    enum zkt_status (*go)(struct sight_draw_call *call);
    enum zkt_status (*wander)(struct sight_draw_call *call);
    enum zkt_status (*subscribe)(struct sight_draw_call *call);
} plays;

static uint32_t shards = 1;
static struct zkt_server *server;
static struct failing_alloc memory;

/* ---- handlers ---- */

static enum zkt_status go(struct sight_draw_call *call, int32_t *out)
{
    *out = 0;
    return plays.go != NULL ? plays.go(call) : ZKT_OK;
}

static enum zkt_status wander(struct sight_draw_call *call, int32_t *out)
{
    *out = 0;
    return plays.wander != NULL ? plays.wander(call) : ZKT_OK;
}

static enum zkt_status on_subscribe(struct sight_draw_call *call,
                                    enum zkt_subscription subscription)
{
    (void)subscription;
    return plays.subscribe != NULL ? plays.subscribe(call) : ZKT_OK;
}

static enum zkt_status on_open(struct sight_connection_call *call,
                               const struct sight_connection_input *in,
                               struct sight_connection *out)
{
    (void)call;
    out->user = in->user;
    return ZKT_OK;
}

static bool is_drawer(const struct sight_draw_state *state,
                      const struct sight_draw_private *private_state,
                      struct zkt_str client_id,
                      const struct sight_connection *connection)
{
    (void)connection;
    assert_non_null(state);
    return zkt_str_eq(private_state->drawer, client_id);
}

static bool is_judge(const struct sight_draw_state *state,
                     const struct sight_draw_private *private_state,
                     struct zkt_str client_id,
                     const struct sight_connection *connection)
{
    (void)state;
    (void)private_state;
    assert_int_equal(client_id.len, ZKT_CLIENT_ID_LEN);
    return connection->role >= ROLE_OF_JUDGES;
}

static const struct sight_draw_handlers sight_draw = {
    .go = go,
    .wander = wander,
    .on_subscribe = on_subscribe,
    .audience_drawer = is_drawer,
    .audience_judge = is_judge,
};
static const struct sight_handlers sight_handlers_ = { .on_open = on_open,
                                                       .draw = &sight_draw };

/* ---- tables ---- */

/* The tables of the schema, of which a test may change the actor. */
static struct zkt_actor sight_actor;
static struct zkt_app_info sight_info;
static struct zkt_app sight;

static inline void make_tables(void)
{
    static const struct zkt_actor *const actors[] = { &sight_actor };
    sight = sight_app(&sight_handlers_);
    sight_info = *sight.info;
    sight_actor = *sight_info.actors[0];
    sight_info.actors = actors;
    sight.info = &sight_info;
}

/* ---- a server ---- */

static inline struct zkt_server *shard(uint32_t number)
{
    return zkt__server_shard(server, number % shards);
}

/* Advances the clock and delivers messages between shards. */
static inline void pass(int64_t ms)
{
    for (uint32_t i = 0; i < 4 * shards; i++) {
        zkt_server_advance(shard(i), i < shards ? ms : 0);
    }
}

static inline void begin_with(struct zkt_limits limits)
{
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    const struct zkt_serve_options options = {
        .random_seed = seed,
        .allocator = &memory.allocator,
        .threads = shards,
        .limits = limits,
    };
    memset(&plays, 0, sizeof(plays));
    assert_int_equal(zkt_server_new(sight, &options, &server), ZKT_OK);
    zkt__server_run_shards(server, shards);
}

/* A server with the tables as they are in sight.zkt but for the hook. */
static inline void begin(void)
{
    make_tables();
    sight_actor.hooks[ZKT_HOOK_SUBSCRIBE].declared = false;
    failing_alloc_init(&memory, 0);
    begin_with((struct zkt_limits){ 0 });
}

static inline void end(void)
{
    zkt_server_free(server);
    assert_int_equal(memory.live, 0);
}

/* ---- peers ---- */

struct peer {
    struct wire wire;
    char id[ZKT_CLIENT_ID_LEN + 1];
};

/* Returns all text that the peer has received since; frame heads become '|'. */
static inline const char *hear(struct peer *p)
{
    static char text[65536];
    struct wire *w = &p->wire;
    size_t len = 0;
    pass(0);
    drain(w);
    for (size_t i = 0; i < w->len && len + 1 < sizeof(text); i++) {
        const unsigned char c = (unsigned char)w->text[i];
        if (c == 0x81) {
            const unsigned char n = (unsigned char)w->text[i + 1];
            i += n == 126 ? 3 : n == 127 ? 9 : 1;
            text[len++] = '|';
        } else {
            text[len++] = (char)c;
        }
    }
    text[len] = '\0';
    w->len = 0;
    if (w->text != NULL) {
        w->text[0] = '\0';
    }
    return text;
}

static inline void say(struct peer *p, const char *text)
{
    send_text(&p->wire, text, true);
}

static inline const char *ask(struct peer *p, const char *text)
{
    say(p, text);
    return hear(p);
}

/* Connects a client to a shard; @user may be "", which is none. */
static inline struct peer enter_in(uint32_t number, const char *user,
                                   bool rfc6902)
{
    char bytes[2048];
    struct peer p = { .wire.e = zkt__server_accept(shard(number), "test") };
    assert_non_null(p.wire.e);
    const int len = snprintf(
        bytes, sizeof(bytes),
        "GET /%s%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n%s"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        user[0] != '\0' ? "?user=" : "", user,
        rfc6902 ? "Sec-WebSocket-Protocol: zocket.rfc6902\r\n" : "");
    feed(&p.wire, bytes, (size_t)len, sizeof(bytes), true);
    const char *welcome = hear(&p);
    const char *id = strstr(welcome, "\"clientId\":\"");
    if (id != NULL) {
        memcpy(p.id, id + 12, ZKT_CLIENT_ID_LEN);
    }
    return p;
}

/* The instance is on the first shard; peers are on the last. */
static inline struct peer enter(const char *user)
{
    return enter_in(shards - 1, user, false);
}

static inline void leave(struct peer *p)
{
    close_wire(&p->wire);
    p->wire = (struct wire){ .e = NULL };
    pass(0);
}

#define GO                                                                     \
    "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"draw\",\"actorId\":\"a\","     \
    "\"method\":\"go\"}"
#define DONE      "|{\"type\":\"rpc:result\",\"id\":\"1\",\"result\":0}"
#define SUB(type) "{\"type\":\"" type "\",\"actor\":\"draw\",\"actorId\":\"a\"}"
#define SNAPSHOT(state)                                                        \
    "|{\"type\":\"state:snapshot\",\"actor\":\"draw\",\"actorId\":\"a\","      \
    "\"state\":" state "}"
#define PATCH(operations)                                                      \
    "|{\"type\":\"state:patch\",\"actor\":\"draw\",\"actorId\":\"a\","         \
    "\"patches\":[" operations "]}"
#define EVENT(name, text)                                                      \
    "|{\"type\":\"event\",\"actor\":\"draw\",\"actorId\":\"a\",\"event\":"     \
    "\"" name "\",\"payload\":{\"text\":\"" text "\"}}"

/* Runs @fn in `go`, called by a client; the result is the end of what it
 * receives, which is returned. */
static inline const char *run_as(
    struct peer *p, enum zkt_status (*fn)(struct sight_draw_call *))
{
    plays.go = fn;
    const char *text = ask(p, GO);
    plays.go = NULL;
    return text;
}

#endif
