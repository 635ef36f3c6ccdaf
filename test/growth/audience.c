/*
 * A state with readers: n subscribers that belong to audiences or have entries
 * of their own. The program runs functions in the instance.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "server/connection.h"
#include "server/core.h"
#include "sight_server.h"
#include "zocket/embed.h"

/* ---- an app ---- */

static enum zkt_status go(struct sight_draw_call *call, int32_t *out)
{
    *out = 0;
    sight_connection_set_role(call->zkt, 1 - call->connection->role);
    return ZKT_OK;
}

static enum zkt_status on_subscribe(struct sight_draw_call *call,
                                    enum zkt_subscription subscription)
{
    (void)call;
    (void)subscription;
    return ZKT_OK;
}

static enum zkt_status on_open(struct sight_connection_call *call,
                               const struct sight_connection_input *in,
                               struct sight_connection *out)
{
    (void)call;
    out->user = in->user;
    return ZKT_OK;
}

/* Rows have audiences of their own. */
static bool is_nobody(const struct sight_draw_state *state,
                      const struct sight_draw_private *private_state,
                      struct zkt_str client_id,
                      const struct sight_connection *connection)
{
    (void)state;
    (void)private_state;
    (void)client_id;
    (void)connection;
    return false;
}

static const struct sight_draw_handlers draw = {
    .go = go,
    .wander = go,
    .on_subscribe = on_subscribe,
    .audience_drawer = is_nobody,
    .audience_judge = is_nobody,
};
static const struct sight_handlers handlers = { .on_open = on_open,
                                                .draw = &draw };

/* Half of all clients, in each audience others. */
#define HALF(number)                                                           \
    static bool half_##number(const void *of, const void *state,               \
                              const void *hidden, struct zkt_str client_id,    \
                              const void *connection)                          \
    {                                                                          \
        (void)of;                                                              \
        (void)state;                                                           \
        (void)hidden;                                                          \
        (void)connection;                                                      \
        return client_id.data[number] % 2 == 0;                                \
    }
HALF(0)
HALF(1)
HALF(2)
HALF(3)

/* All clients, while `n` is odd. */
static bool all_if_odd(const void *of, const void *state, const void *hidden,
                       struct zkt_str client_id, const void *connection)
{
    (void)of;
    (void)hidden;
    (void)client_id;
    (void)connection;
    return ((const struct sight_draw_state *)state)->n % 2 == 1;
}

static bool by_role(const void *of, const void *state, const void *hidden,
                    struct zkt_str client_id, const void *connection)
{
    (void)of;
    (void)state;
    (void)hidden;
    (void)client_id;
    return ((const struct sight_connection *)connection)->role == 1;
}

static const struct zkt_audience halves[] = {
    { ZKT_STR_INIT("0"), 0, half_0 },
    { ZKT_STR_INIT("1"), 0, half_1 },
    { ZKT_STR_INIT("2"), 0, half_2 },
    { ZKT_STR_INIT("3"), 0, half_3 },
};
static const struct zkt_audience odd[] = { { ZKT_STR_INIT("odd"), 0,
                                             all_if_odd } };
static const struct zkt_audience roles[] = { { ZKT_STR_INIT("role"), 0,
                                               by_role } };

/* ---- a server and its subscribers ---- */

typedef enum zkt_status step(struct sight_draw_call *call, void *work);

struct work {
    struct zkt_server *server;
    struct zkt_endpoint **peers;
    size_t n, peer_count;
    struct sight_card_entry *entries;
    struct zkt_actor actor;
    const struct zkt_actor *actors[1];
    struct zkt_app_info info;
    uint64_t sent; /* patches, before the work */
};

static void take_output(struct work *w)
{
    struct zkt_endpoint *e;
    while ((e = zkt_server_changed(w->server)) != NULL) {
        struct zkt_slice slices[16];
        size_t count;
        while ((count = zkt_endpoint_pending(e, slices, 16)) > 0) {
            size_t len = 0;
            for (size_t i = 0; i < count; i++) {
                len += slices[i].len;
            }
            zkt_endpoint_sent(e, len);
        }
    }
}

static void turn(struct work *w)
{
    do {
        zkt_server_tick(w->server);
        take_output(w);
    } while (zkt_server_timeout(w->server) == 0);
}

static size_t frame(char *to, const char *text)
{
    const size_t len = strlen(text);
    const size_t head = len < 126 ? 2 : 4;
    to[0] = (char)0x81;
    to[1] = (char)(0x80 | (len < 126 ? len : 126));
    if (head == 4) {
        to[2] = (char)(len >> 8);
        to[3] = (char)len;
    }
    memset(to + head, 0, 4); /* a mask of zeros */
    memcpy(to + head + 4, text, len);
    return head + 4 + len;
}

static void say(struct work *w, size_t peer, const char *text)
{
    char bytes[512];
    zkt_endpoint_feed(w->peers[peer], bytes, frame(bytes, text));
    turn(w);
}

/* Connects a client; its user is its number. */
static bool join(struct work *w)
{
    char bytes[512];
    struct zkt_endpoint *e = zkt_server_accept(w->server, "", NULL);
    if (e == NULL) {
        return false;
    }
    const int len = snprintf(
        bytes, sizeof(bytes),
        "GET /?user=u%zu HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        w->peer_count);
    w->peers[w->peer_count++] = e;
    zkt_endpoint_feed(e, bytes, (size_t)len);
    turn(w);
    say(w, w->peer_count - 1,
        "{\"type\":\"state:sub\",\"actor\":\"draw\",\"actorId\":\"a\"}");
    return true;
}

static void run_in(struct work *w, step *fn)
{
    if (sight_draw_run(w->server, ZKT_STR("a"), fn, w) != ZKT_OK) {
        abort();
    }
    turn(w);
}

static uint64_t patches_of(const struct work *w)
{
    struct zkt_server_stats stats;
    zkt_server_stats(w->server, &stats);
    return stats.patches;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt_server_free(w->server);
    free(w->peers);
    free(w->entries);
    free(w);
}

static struct zkt_app app_of(struct work *w, const struct zkt_audience *all,
                             uint32_t count)
{
    struct zkt_app app = sight_app(&handlers);
    w->info = *app.info;
    w->actor = *w->info.actors[0];
    w->actor.hooks[ZKT_HOOK_SUBSCRIBE].declared = false;
    w->actor.audiences = all;
    w->actor.audience_count = count;
    w->actors[0] = &w->actor;
    w->info.actors = w->actors;
    app.info = &w->info;
    return app;
}

static struct work *begin(size_t n, size_t peers,
                          const struct zkt_audience *all, uint32_t count)
{
    struct work *w = calloc(1, sizeof(*w));
    const struct zkt_serve_options options = {
        .allocator = &growth_allocator,
        .limits = { .turn_work = INT64_MAX / 2, .mutations = 1 << 20 },
    };
    if (w == NULL ||
        zkt_server_new(app_of(w, all, count), &options, &w->server) != ZKT_OK) {
        free(w);
        return NULL;
    }
    w->n = n;
    w->peers = calloc(peers + 1, sizeof(struct zkt_endpoint *));
    for (size_t i = 0; i < peers; i++) {
        if (!join(w)) {
            return NULL;
        }
    }
    return w;
}

/* ---- audiences ---- */

static enum zkt_status count_up(struct sight_draw_call *call, void *work)
{
    (void)work;
    sight_draw_set_n(call, call->state->n + 1);
    return ZKT_OK;
}

static enum zkt_status write_word(struct sight_draw_call *call, void *work)
{
    (void)work;
    sight_draw_set_n(call, call->state->n + 1);
    sight_draw_set_word(call, ZKT_STR("word"));
    return ZKT_OK;
}

static void *prepare_halves(const void *with, size_t n)
{
    (void)with;
    struct work *w = begin(n, n, halves, 2);
    if (w != NULL) {
        w->sent = patches_of(w);
    }
    return w;
}

static bool change_all(void *work)
{
    struct work *w = work;
    run_in(w, write_word);
    return patches_of(w) == w->sent + w->peer_count;
}

/* @n audiences, and as many subscribers for each @n. */
static void *prepare_audiences(const void *with, size_t n)
{
    (void)with;
    struct work *w = begin(n, 1000, halves, (uint32_t)n);
    if (w != NULL) {
        w->sent = patches_of(w);
    }
    return w;
}

static void *prepare_odd(const void *with, size_t n)
{
    (void)with;
    struct work *w = begin(n, n, odd, 1);
    if (w != NULL) {
        run_in(w, write_word);
        w->sent = patches_of(w);
    }
    return w;
}

static bool come(void *work)
{
    struct work *w = work;
    run_in(w, count_up);
    return patches_of(w) == w->sent + w->peer_count;
}

static void *prepare_roles(const void *with, size_t n)
{
    (void)with;
    struct work *w = begin(n, n, roles, 1);
    if (w != NULL) {
        run_in(w, write_word);
        w->sent = patches_of(w);
    }
    return w;
}

/* Each connection changes its data. */
static bool change_data(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        say(w, i,
            "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"draw\","
            "\"actorId\":\"a\",\"method\":\"go\"}");
    }
    return patches_of(w) == w->sent + w->n;
}

/* ---- entries ---- */

static bool make_entries(struct work *w)
{
    enum {
        SIZE = 16
    };
    w->entries = calloc(w->n + 1, sizeof(*w->entries) + SIZE);
    char *text = (char *)(w->entries + w->n);
    for (size_t i = 0; i < w->n; i++) {
        const int len = snprintf(text, SIZE, "u%zu", i);
        w->entries[i].key = (struct zkt_str){ text, (size_t)len };
        w->entries[i].value.text = w->entries[i].key;
        text += SIZE;
    }
    return w->entries != NULL;
}

static enum zkt_status set_all(struct sight_draw_call *call, void *work)
{
    const struct work *w = work;
    sight_draw_set_hands(
        call, &(const struct sight_card_map){ w->entries, w->n, NULL });
    return ZKT_OK;
}

static enum zkt_status clear_all(struct sight_draw_call *call, void *work)
{
    (void)work;
    sight_draw_clear_hands(call);
    return ZKT_OK;
}

static enum zkt_status put_one(struct sight_draw_call *call, void *work)
{
    (void)work;
    const struct sight_card card = { .text = ZKT_STR("new") };
    sight_draw_put_hands(call, ZKT_STR("u0"), &card);
    return ZKT_OK;
}

/* @n subscribers with an entry each, and another subscriber. */
static void *prepare_entries(const void *with, size_t n)
{
    (void)with;
    struct work *w = begin(n, n + 1, NULL, 0);
    if (w == NULL || !make_entries(w)) {
        return NULL;
    }
    run_in(w, set_all);
    w->sent = patches_of(w);
    return w;
}

static bool change_one(void *work)
{
    struct work *w = work;
    run_in(w, put_one);
    return patches_of(w) == w->sent + 1;
}

static bool clear_and_set(void *work)
{
    struct work *w = work;
    run_in(w, clear_all);
    run_in(w, set_all);
    return patches_of(w) == w->sent + 2 * w->n;
}

void growth_audience(void)
{
    static const struct growth_row rows[] = {
        { "audience: a change for n subscribers", 0, NULL, prepare_halves,
          change_all, finish },
        { "audience: n audiences of 1000 subscribers, flat", 1, NULL,
          prepare_audiences, change_all, finish },
        { "audience: n subscribers come", 0, NULL, prepare_odd, come, finish },
        { "audience: n connections change their data", 0, NULL, prepare_roles,
          change_data, finish },
        { "audience: an entry of n, flat", 1000, NULL, prepare_entries,
          change_one, finish },
        { "audience: n entries cleared and set", 0, NULL, prepare_entries,
          clear_and_set, finish },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
