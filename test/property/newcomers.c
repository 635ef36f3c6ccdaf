/*
 * Subscribers that come and go, in both dialects, some of them slow, while a
 * state changes at random and grows and shrinks around the size from which its
 * snapshot is kept for new subscribers. A subscriber that has read everything
 * has the server's state, from its snapshot and the patches in its dialect.
 *
 *   newcomers [ROUNDS [SEED [SHARDS]]]
 */
#include <stdlib.h>

#include "protocol/envelope.h"
#include "random_patch.h"
#include "server/connection.h"
#include "server/core.h"
#include "zoo_server.h"

enum {
    PEERS = 6,
    STEPS = 150, /* of a round */
    ROOM = 1 << 20
};

static long failures;

static void fail(const char *what)
{
    if (failures++ < 5) {
        fprintf(stderr, "%s\n", what);
    }
}

/* ---- the server ---- */

static void grow(struct zoo_tree_call *call)
{
    static char text[6000];
    memset(text, 'x', sizeof(text));
    zoo_tree_set_name(call, (struct zkt_str){ text, 1000 * random_below(6) });
}

/* Makes some changes; at times fails, or makes none. */
static enum zkt_status get(struct zoo_tree_call *call,
                           const struct zoo_tree_get_input *in,
                           struct zoo_branch *out)
{
    struct zkt_arena arena;
    *out = in->branch;
    zkt__arena_init(&arena, &zkt__allocator_default);
    for (unsigned n = random_below(4); n > 0; n--) {
        change(&arena, zkt_call_cursor(call->zkt));
    }
    if (random_below(8) == 0) {
        grow(call);
    }
    zkt__arena_finish(&arena);
    return random_below(8) == 0 ? zkt_fail(call->zkt, ZKT_ABORTED, "in vain")
                                : ZKT_OK;
}

static enum zkt_status link_it(struct zoo_tree_call *call,
                               const struct zoo_tree_link_input *in,
                               struct zoo_shape *out)
{
    (void)in;
    (void)out;
    return zkt_fail(call->zkt, ZKT_ABORTED, "never called");
}

static const struct zoo_tree_handlers tree = { .get = get, .link = link_it };
static const struct zoo_handlers handlers = { .tree = &tree };

/* ---- peers ---- */

struct peer {
    struct zkt_endpoint *e; /* NULL if not connected */
    enum zkt_dialect dialect;
    bool subscribed; /* has subscribed and not unsubscribed */
    bool known;
    void *state;
    uint8_t *bytes; /* received bytes */
    size_t len;
};

static struct zkt_store store = { .key = { 1, 2 } };
static const struct zkt_type *const type = &zoo_tree_state_type_;
static long snapshots, patches;

static void forget(struct peer *p)
{
    if (p->known) {
        zkt__value_release(&store, type, p->state);
    }
    p->known = false;
}

static void take_snapshot(struct peer *p, struct zkt_arena *arena,
                          struct zkt_str json)
{
    struct zkt_issues issues;
    struct zkt_reader reader;
    void *decoded = zkt__arena_zero(arena, 1, type->size);
    zkt__issues_init(&issues, arena, NULL);
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len, arena,
                     &issues, &store.key);
    reader.tolerant = true;
    if (!type->decode(&reader, type, decoded)) {
        fail("a snapshot does not fit");
        return;
    }
    forget(p);
    memset(p->state, 0, type->size);
    p->known = zkt__value_copy(&store, type, p->state, decoded);
    snapshots++;
}

static void take_patch(struct peer *p, struct zkt_arena *arena,
                       struct zkt_str json)
{
    struct zkt_issues issues;
    struct zkt_reader reader;
    struct zkt_journal journal;
    if (!p->known) {
        fail("a patch before the snapshot");
        return;
    }
    zkt__issues_init(&issues, arena, NULL);
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len, arena,
                     &issues, &store.key);
    reader.tolerant = true;
    (void)zkt__journal_begin(&journal, &store, arena, &issues, type, p->state,
                             UINT32_MAX);
    journal.checks = false;
    if (zkt__patch_apply(&journal, &reader, p->dialect) != ZKT_PATCH_APPLIED) {
        fail("a patch does not fit");
        return;
    }
    zkt__journal_commit(&journal);
    patches++;
}

static void take_message(struct peer *p, const uint8_t *data, size_t len)
{
    struct zkt_arena arena;
    struct zkt_reader reader;
    struct zkt_envelope message;
    zkt__arena_init(&arena, &zkt__allocator_default);
    char *text = zkt__arena_zero(&arena, len + ZKT_PADDING, 1);
    memcpy(text, data, len);
    zkt__reader_init(&reader, text, len, &arena, NULL, &store.key);
    if (!zkt__envelope_read(&message, &reader)) {
        fail("not a message");
    } else if (message.type == ZKT_MESSAGE_STATE_SNAPSHOT) {
        take_snapshot(p, &arena, message.state);
    } else if (message.type == ZKT_MESSAGE_STATE_PATCH) {
        take_patch(p, &arena, message.patches);
    }
    zkt__arena_finish(&arena);
}

/* Removes whole frames from the front. */
static void take_frames(struct peer *p)
{
    size_t at = 0;
    while (p->len - at >= 2) {
        const uint8_t *head = p->bytes + at;
        size_t len = head[1], skip = len == 126 ? 4 : len == 127 ? 10 : 2;
        for (size_t i = 2; i < skip && p->len - at >= skip; i++) {
            len = (i == 2 ? 0 : len << 8) | head[i];
        }
        if (p->len - at < skip || p->len - at - skip < len) {
            break;
        }
        take_message(p, head + skip, len);
        at += skip + len;
    }
    memmove(p->bytes, p->bytes + at, p->len - at);
    p->len -= at;
}

/* Takes at most @max bytes of output; returns true if that was all. */
static bool take(struct peer *p, size_t max)
{
    struct zkt_slice slice;
    while (p->e->ops->pending(p->e, &slice, 1) > 0) {
        size_t len = slice.len < max ? slice.len : max;
        len = len < ROOM - p->len ? len : ROOM - p->len;
        if (len == 0) {
            return false;
        }
        memcpy(p->bytes + p->len, slice.data, len);
        p->len += len;
        max -= len;
        p->e->ops->sent(p->e, len);
        take_frames(p);
    }
    return true;
}

static void say(struct peer *p, const char *text)
{
    uint8_t frame[512];
    const size_t len = strlen(text), head = len < 126 ? 2 : 4;
    frame[0] = 0x81;
    frame[1] = (uint8_t)(0x80 | (len < 126 ? len : 126));
    if (head == 4) {
        frame[2] = (uint8_t)(len >> 8);
        frame[3] = (uint8_t)len;
    }
    memset(frame + head, 0, 4); /* a mask of zeros */
    memcpy(frame + head + 4, text, len);
    p->e->ops->feed(p->e, frame, head + 4 + len);
    p->e->core->ops->tick(p->e->core);
}

/* Gives every shard turns, which delivers messages between shards. */
static void settle(const struct zkt_server *server)
{
    const uint32_t count = zkt__server_shard_count(server);
    for (uint32_t i = 0; i < 4 * count; i++) {
        struct zkt_core *core = zkt__server_core(
            zkt__server_shard(server, i % count));
        core->ops->tick(core);
    }
}

static void come(struct peer *p, struct zkt_server *server)
{
    char request[512];
    p->dialect = random_below(2) > 0 ? ZKT_DIALECT_RFC6902 : ZKT_DIALECT_PLAIN;
    const int len = snprintf(
        request, sizeof(request),
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n%s"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        p->dialect == ZKT_DIALECT_PLAIN
            ? ""
            : "Sec-WebSocket-Protocol: zocket.rfc6902\r\n");
    struct zkt_slice slice;
    p->e = zkt__server_accept(server, "peer");
    p->e->ops->feed(p->e, (uint8_t *)request, (size_t)len);
    p->e->core->ops->tick(p->e->core); /* after waiting clients */
    while (p->e->ops->pending(p->e, &slice, 1) > 0) {
        /* the handshake's reply, and the welcome */
        p->e->ops->sent(p->e, slice.len);
    }
    p->e->core->ops->tick(p->e->core);
}

static void go(struct peer *p)
{
    p->e->ops->detach(p->e);
    p->e = NULL;
    p->len = 0;
    p->subscribed = false;
    forget(p);
}

/* ---- steps ---- */

#define ADDRESS ",\"actor\":\"tree\",\"actorId\":\"a\""

static void step(struct peer *p, struct zkt_server *server)
{
    const uint32_t shards = zkt__server_shard_count(server);
    if (p->e == NULL) {
        come(p, zkt__server_shard(server, random_below(shards)));
    }
    switch (random_below(10)) {
    case 0:
    case 1:
        p->subscribed = true;
        say(p, "{\"type\":\"state:sub\"" ADDRESS "}");
        break;
    case 2:
        p->subscribed = false;
        say(p, "{\"type\":\"state:unsub\"" ADDRESS "}");
        break;
    case 3:
        go(p);
        break;
    case 4:
        (void)take(p, random_below(5000));
        break;
    case 5:
        (void)take(p, SIZE_MAX);
        break;
    default:
        say(p, "{\"type\":\"rpc\",\"id\":1,\"method\":\"get\"" ADDRESS
               ",\"input\":{\"branch\":{\"leaves\":[],\"byName\":{},"
               "\"grid\":[]}}}");
        break;
    }
}

/* Finds the instance on any shard. */
static const struct zkt_instance *find(const struct zkt_server *server)
{
    const struct zkt_instance *instance = NULL;
    for (uint32_t i = 0; i < zkt__server_shard_count(server); i++) {
        const struct zkt_host *host = &zkt__server_shard(server, i)->host;
        const struct zkt_location *location = zkt__location_find(
            host, host->app.info->actors[0], ZKT_STR("a"));
        if (location != NULL && location->instance != NULL) {
            instance = location->instance;
        }
    }
    return instance;
}

/* Takes all output, including a snapshot from another shard. Returns true if
 * that was all. */
static bool take_all(struct peer *p, const struct zkt_server *server)
{
    bool all = true;
    for (int i = 0; i < 4 && all; i++) {
        settle(server);
        all = take(p, SIZE_MAX);
    }
    return all;
}

/* A subscriber that has read everything has the current state. */
static void check(struct peer *p, struct zkt_server *server)
{
    if (p->e == NULL || !take_all(p, server) || !p->subscribed) {
        return;
    }
    const struct zkt_instance *instance = find(server);
    if (p->e->closing || p->e->aborted) {
        fail("a connection was closed");
    } else if (!p->known || instance == NULL ||
               !zkt__value_equal(type, p->state, instance->state)) {
        fail("a subscriber has another state");
    }
}

static long cached, reached;

static void run_round(uint32_t shards)
{
    static const uint8_t seed[32] = { 5 };
    struct zkt_serve_options options = { .random_seed = seed,
                                         .threads = shards };
    struct peer peers[PEERS] = { 0 };
    struct zkt_server *server = NULL;
    struct zkt_server_stats stats;
    options.limits.output_high = random_below(2) > 0 ? 3000 : 0;
    options.limits.output_hard = INT64_C(1) << 24;
    options.limits.cache_bytes = random_below(4) > 0 ? 0 : 7000;
    if (zkt_server_new(zoo_app(&handlers), &options, &server) != ZKT_OK) {
        fail("no server");
        return;
    }
    zkt__server_run_shards(server, shards);
    for (int i = 0; i < PEERS; i++) {
        peers[i].state = calloc(1, type->size);
        peers[i].bytes = malloc(ROOM);
    }
    for (int i = 0; i < STEPS && failures == 0; i++) {
        step(&peers[random_below(PEERS)], server);
        if (random_below(8) == 0) {
            check(&peers[random_below(PEERS)], server);
        }
    }
    for (int i = 0; i < PEERS; i++) {
        check(&peers[i], server);
    }
    zkt_server_stats(server, &stats);
    cached += (long)stats.snapshots_cached;
    reached += (long)stats.limit_hits.cache_bytes;
    for (int i = 0; i < PEERS; i++) {
        if (peers[i].e != NULL) {
            go(&peers[i]);
        }
        free(peers[i].state);
        free(peers[i].bytes);
    }
    zkt_server_free(server);
}

int main(int argc, char **argv)
{
    const long rounds = argc > 1 ? atol(argv[1]) : 150;
    long i = 0;
    random_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const uint32_t shards = argc > 3 ? (uint32_t)atoi(argv[3]) : 1;
    store.allocator = &zkt__allocator_default;
    for (; i < rounds && failures == 0; i++) {
        const uint64_t seed = random_seed;
        run_round(shards);
        if (failures > 0) {
            fprintf(stderr, "in round %ld: seed %llu\n", i,
                    (unsigned long long)seed);
        }
    }
    /* A run without cached snapshots has tested nothing. */
    if (rounds >= 100 && (cached == 0 || reached == 0)) {
        fail("the cache was not used, or never full");
    }
    printf("%ld rounds, %ld failures; %ld snapshots, %ld of them cached, %ld "
           "patches\n",
           i, failures, snapshots, cached, patches);
    return failures == 0 ? 0 : 1;
}
