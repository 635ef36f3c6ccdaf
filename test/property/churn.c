/*
 * Clients of a server on a network that drops connections at any byte and
 * refuses new connections, while the state changes, listeners come and go, and
 * the instance ends and begins again. When it is quiet again, every client has
 * the state that a new client gets, every call has ended once, and no call was
 * executed twice or without a reply to its caller, unless its connection was
 * lost.
 *
 *   churn [ROUNDS [SEED [SHARDS]]]
 */
#include <stdlib.h>

#include "chat_client.h"
#include "chat_server.h"
#include "client/client.h"
#include "random_value.h"
#include "server/server.h"
#include "state/value.h"

enum {
    PEERS = 4,
    STEPS = 400, /* of a round */
    SAYINGS = STEPS + 1
};

static long failures;

static void fail(const char *what)
{
    if (failures++ < 5) {
        fprintf(stderr, "%s\n", what);
    }
}

/* ---- the server ---- */

static int carried_out[SAYINGS]; /* how often each saying was executed */

static enum zkt_status join(struct demo_chat_call *call,
                            const struct demo_chat_join_input *in,
                            struct demo_member *out)
{
    *out = (struct demo_member){ in->name, 7 };
    demo_chat_put_members(call, zkt_client_id(call->zkt), out);
    return ZKT_OK;
}

static enum zkt_status say(struct demo_chat_call *call,
                           const struct demo_chat_say_input *in,
                           struct demo_message *out)
{
    const long number = strtol(in->text.data, NULL, 10);
    *out = (struct demo_message){ .id = call->state->next_id,
                                  .from = ZKT_STR("x"),
                                  .text = in->text };
    demo_chat_set_next_id(call, out->id + 1);
    while (call->state->messages.len > 6) {
        demo_chat_remove_messages(call, random_below(6), 1);
    }
    const unsigned len = (unsigned)call->state->messages.len;
    demo_chat_insert_messages(call, random_below(len + 1), out);
    carried_out[number]++;
    return ZKT_OK;
}

static enum zkt_status whisper(struct demo_chat_call *call,
                               const struct demo_chat_whisper_input *in)
{
    (void)call;
    (void)in;
    return ZKT_OK;
}

static enum zkt_status history(struct demo_chat_call *call,
                               const struct demo_chat_history_input *in,
                               struct demo_message_list *out)
{
    (void)in;
    *out = call->state->messages;
    return ZKT_OK;
}

static enum zkt_status who(struct demo_chat_call *call,
                           struct demo_member_map *out)
{
    *out = call->state->members;
    return ZKT_OK;
}

static enum zkt_status set_topic(struct demo_chat_call *call,
                                 const struct demo_chat_set_topic_input *in)
{
    demo_chat_set_topic(call, in->topic);
    return ZKT_OK;
}

static enum zkt_status leave(struct demo_chat_call *call)
{
    demo_chat_remove_members(call, zkt_client_id(call->zkt));
    return ZKT_OK;
}

static enum zkt_status count_online(struct demo_chat_call *call)
{
    demo_chat_set_online(call, (int32_t)zkt_clients(call->zkt).len);
    return ZKT_OK;
}

static const struct demo_chat_handlers chat = {
    .join = join,
    .say = say,
    .whisper = whisper,
    .history = history,
    .who = who,
    .set_topic = set_topic,
    .leave = leave,
    .on_connect = count_online,
    .on_disconnect = count_online,
};

/* ---- the network ---- */

struct peer {
    struct zkt_server *server; /* its shard */
    struct zkt_client *client;
    /* the client's and the server's endpoint, or NULL */
    struct zkt_endpoint *near, *far;
    struct demo_chat *room;
    uint64_t listener; /* 0 if it does not follow the state */
    bool asked;        /* a dial is pending */
};

static void on_connect(void *driver, struct zkt_client *client)
{
    struct peer *p = driver;
    (void)client;
    p->asked = true;
}

static void on_abort(void *driver, struct zkt_client *client)
{
    struct peer *p = driver;
    p->asked = false;
    zkt__client_connect_failed(client, "given up");
}

/* Drops the connection at any moment. */
static void drop(struct peer *p)
{
    struct zkt_endpoint *near = p->near, *far = p->far;
    p->near = p->far = NULL;
    if (near != NULL) {
        near->ops->detach(near);
        far->ops->detach(far);
    }
}

static void on_finish(void *driver, struct zkt_client *client)
{
    drop(driver);
    zkt__client_free(client);
}

static const struct zkt_client_driver_ops ops = {
    .connect = on_connect,
    .abort_connect = on_abort,
    .finish = on_finish,
};

static void answer(struct peer *p, bool yes)
{
    p->asked = false;
    p->far = yes ? zkt__server_accept(p->server, "peer") : NULL;
    if (p->far == NULL) {
        zkt__client_connect_failed(p->client, "refused");
        return;
    }
    p->near = zkt__client_connected(p->client);
    if (p->near == NULL) {
        p->far->ops->detach(p->far);
        p->far = NULL;
    }
}

/* Moves at most @max bytes at once; returns their number. */
static size_t move_bytes(struct zkt_endpoint *from, struct zkt_endpoint *to,
                         size_t max)
{
    static uint8_t piece[65536];
    struct zkt_slice slice;
    if (from->ops->pending(from, &slice, 1) == 0) {
        return 0;
    }
    size_t len = slice.len < max ? slice.len : max;
    len = len < sizeof(piece) ? len : sizeof(piece);
    memcpy(piece, slice.data, len);
    from->ops->sent(from, len);
    to->ops->feed(to, piece, len);
    return len;
}

/* Moves bytes both ways; returns true if anything moved or ended. */
static bool pump(struct peer *p, size_t max)
{
    if (p->near == NULL) {
        return false;
    }
    const size_t up = move_bytes(p->near, p->far, max);
    const size_t down = move_bytes(p->far, p->near, max);
    const bool over = p->near->closing || p->near->aborted || p->far->closing ||
                      p->far->aborted;
    if (over && up + down == 0) {
        drop(p);
    }
    return over || up + down > 0;
}

static void tick(struct peer *peers, size_t count, int64_t ms)
{
    const struct zkt_server *server = peers[0].server;
    const uint32_t shards = zkt__server_shard_count(server);
    struct zkt_core *core = NULL;
    /* delivers messages between shards */
    for (uint32_t i = 0; i < 2 * shards; i++) {
        core = zkt__server_core(zkt__server_shard(server, i % shards));
        core->now_ms += i < shards ? ms : 0;
        core->ops->tick(core);
    }
    for (size_t i = 0; i < count; i++) {
        struct zkt_core *own = zkt__client_core(peers[i].client);
        own->now_ms = core->now_ms;
        own->ops->tick(own);
    }
}

/* ---- clients ---- */

struct saying {
    int ended;
    enum zkt_status status;
};
static struct saying sayings[SAYINGS];
static int said;         /* in this round */
static int begun, ended; /* calls of any kind */
static bool destroyed;   /* the instance was destroyed in this round */

static void on_said(const struct zkt_reply *reply,
                    const struct demo_message *message, void *user)
{
    struct saying *saying = user;
    (void)message;
    ended++;
    saying->ended++;
    saying->status = reply->status;
    if (reply->status != ZKT_OK && reply->status != ZKT_UNAVAILABLE &&
        reply->status != ZKT_DEADLINE_EXCEEDED &&
        (reply->status != ZKT_ABORTED || !destroyed)) {
        fail(reply->error);
    }
}

static void on_joined(const struct zkt_reply *reply,
                      const struct demo_member *member, void *user)
{
    (void)reply;
    (void)member;
    (void)user;
    ended++;
}

static void on_done(const struct zkt_reply *reply, void *user)
{
    (void)reply;
    (void)user;
    ended++;
}

static void on_state(const struct demo_chat_state *now, void *user)
{
    (void)now;
    (void)user;
}

static void begin_call(struct peer *p)
{
    char text[16];
    begun++;
    if (random_below(4) > 0) {
        snprintf(text, sizeof(text), "%d", said);
        const struct demo_chat_say_input in = { .text = zkt_cstr(text) };
        demo_chat_begin_say(p->room, &in, on_said, &sayings[said++]);
    } else if (random_below(2) > 0) {
        const struct demo_chat_join_input in = { .name = ZKT_STR("ada") };
        demo_chat_begin_join(p->room, &in, on_joined, NULL);
    } else {
        demo_chat_begin_leave(p->room, on_done, NULL);
    }
}

static void follow(struct peer *p, bool yes)
{
    if (yes && p->listener == 0) {
        p->listener = demo_chat_subscribe(p->room, on_state, NULL);
    } else if (!yes) {
        zkt_client_off(p->client, p->listener);
        p->listener = 0;
    }
}

/* Closes the handle and opens another, perhaps after a turn. */
static void reopen(struct peer *p)
{
    demo_chat_close(p->room);
    p->room = demo_chat_open(p->client, "room");
    p->listener = 0;
    follow(p, random_below(2) > 0);
}

static void step(struct peer *peers)
{
    struct peer *p = &peers[random_below(PEERS)];
    switch (random_below(12)) {
    case 7:
        if (random_below(8) == 0) {
            destroyed = true;
            (void)zkt_server_destroy(p->server, ZKT_STR("chat"),
                                     ZKT_STR("room"));
        }
        break;
    case 0:
    case 1:
    case 2:
        begin_call(p);
        break;
    case 3:
        (void)pump(p, random_below(300) + 1);
        drop(p);
        break;
    case 4:
        follow(p, random_below(3) > 0);
        break;
    case 5:
        reopen(p);
        break;
    case 6:
        tick(peers, PEERS, random_below(1500));
        break;
    default:
        if (p->asked) {
            answer(p, random_below(4) > 0);
        }
        (void)pump(p, random_below(2) > 0 ? 65536 : random_below(40) + 1);
        tick(peers, PEERS, random_below(10));
    }
}

/* Delivers everything, on a network that works, including requests that are
 * repeated after a while. */
static void calm_down(struct peer *peers, size_t count)
{
    for (int quiet = 0; quiet < 3;) {
        bool busy = false;
        for (size_t i = 0; i < count; i++) {
            struct peer *p = &peers[i];
            if (p->asked) {
                answer(p, true);
            }
            busy = pump(p, 65536) || busy;
            busy = zkt_client_status(p->client) != ZKT_CONNECTED || busy;
        }
        tick(peers, count, busy ? 50 : 1000);
        quiet = busy ? 0 : quiet + 1;
    }
}

/* ---- checking ---- */

static void open_peer(struct peer *p, struct zkt_server *server)
{
    const uint64_t seed[4] = { random_below(1u << 30) };
    const struct zkt_client_options options = {
        .random_seed = (const uint8_t *)seed,
    };
    *p = (struct peer){ .server = server };
    p->client = zkt__client_new(&options, ZKT_STR("h"), ZKT_STR("/"), &ops, p);
    p->room = demo_chat_open(p->client, "room");
}

static void close_peer(struct peer *p)
{
    demo_chat_close(p->room);
    zkt_client_close(p->client);
}

/* The last of @peers is new: its state is the true state. */
static void check_states(struct peer *peers)
{
    struct zkt_client_stats stats;
    open_peer(&peers[PEERS], peers[0].server);
    for (int i = 0; i <= PEERS; i++) {
        follow(&peers[i], i == PEERS || peers[i].listener != 0);
    }
    calm_down(peers, PEERS + 1);
    const struct demo_chat_state *truth = demo_chat_snapshot(peers[PEERS].room);
    for (int i = 0; i < PEERS; i++) {
        const struct demo_chat_state *now = demo_chat_snapshot(peers[i].room);
        if ((now != NULL) != (peers[i].listener != 0)) {
            fail("a state is known without a listener, or missing with a "
                 "listener");
        } else if (now != NULL &&
                   !zkt__value_equal(&demo_chat_state_type_, now, truth)) {
            fail("a client has another state");
        }
        zkt_client_stats(peers[i].client, &stats);
        if (stats.mismatches + stats.unknown_messages > 0 ||
            (stats.errors > 0 && !destroyed)) {
            fail("a message did not fit");
        }
    }
    close_peer(&peers[PEERS]);
}

static void check_calls(void)
{
    if (begun != ended) {
        fail("a call has not ended, or twice");
    }
    for (int i = 0; i < said; i++) {
        if (sayings[i].ended != 1 || carried_out[i] > 1 ||
            (sayings[i].status == ZKT_OK && carried_out[i] == 0)) {
            fail("a saying was reported or executed wrongly");
        }
    }
}

static void run_round(uint32_t shards)
{
    static const struct demo_handlers handlers = { .chat = &chat };
    static const uint8_t seed[32] = { 1 };
    const struct zkt_serve_options options = { .random_seed = seed,
                                               .threads = shards };
    struct peer peers[PEERS + 1];
    struct zkt_server *server = NULL;
    memset(sayings, 0, sizeof(sayings));
    memset(carried_out, 0, sizeof(carried_out));
    said = begun = ended = 0;
    destroyed = false;
    if (zkt_server_new(demo_app(&handlers), &options, &server) != ZKT_OK) {
        fail("no server");
        return;
    }
    zkt__server_run_shards(server, shards);
    for (uint32_t i = 0; i < PEERS; i++) {
        open_peer(&peers[i], zkt__server_shard(server, i % shards));
    }
    for (int i = 0; i < STEPS; i++) {
        step(peers);
        if (i % 100 == 99) {
            calm_down(peers, PEERS);
            check_states(peers);
        }
    }
    check_calls();
    for (int i = 0; i < PEERS; i++) {
        close_peer(&peers[i]);
    }
    zkt_server_free(server);
}

int main(int argc, char **argv)
{
    const long rounds = argc > 1 ? atol(argv[1]) : 100;
    random_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const uint32_t shards = argc > 3 ? (uint32_t)atoi(argv[3]) : 1;
    long i = 0;
    for (; i < rounds && failures == 0; i++) {
        const uint64_t seed = random_seed;
        run_round(shards);
        if (failures > 0) {
            fprintf(stderr, "in round %ld: seed %llu\n", i,
                    (unsigned long long)seed);
        }
    }
    printf("%ld rounds, %ld failures\n", i, failures);
    return failures == 0 ? 0 : 1;
}
