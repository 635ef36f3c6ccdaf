/*
 * Random sequences of calls, subscriptions, changes of roles, expulsions and
 * kicks, against a model of all rights. After each step every peer has received
 * exactly the messages of the model. With one shard and with two; the peers
 * take turns on them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "rights_server.h"
#include "server/connection.h"
#include "server/core.h"
#include "wire.h"

enum {
    PEERS = 6,
    STEPS = 4000,
    DEFAULT_ROLE = 2,
    CONNECTS = 2, /* the least role for a contact with the board, … */
    WATCHES = 3,  /* … for its state, … */
    LISTENS = 4,  /* … for its events, … */
    MODERATES = 5 /* … and for expelling and kicking */
};

static int connected, disconnected;

/* ---- handlers ---- */

static enum zkt_status member(struct rights_middleware_call *call)
{
    return call->connection->role >= 1 ? ZKT_OK
                                       : rights_fail_no_member(call->zkt, NULL);
}

static enum zkt_status moderator(struct rights_middleware_call *call)
{
    return call->connection->role >= MODERATES
               ? ZKT_OK
               : rights_fail_no_moderator(call->zkt, NULL);
}

static enum zkt_status write_n(struct rights_board_call *call, int32_t *out)
{
    *out = call->state->n + 1;
    rights_board_set_n(call, *out);
    rights_board_emit_said(call, &(struct rights_board_said_event){ *out },
                           zkt_to_all());
    rights_emit_news(call->zkt, &(struct rights_news_broadcast){ *out },
                     zkt_to_all());
    return ZKT_OK;
}

static enum zkt_status expel(struct rights_board_call *call,
                             const struct rights_board_expel_input *in)
{
    zkt_expel(call->zkt, in->id, ZKT_PERMISSION_DENIED, "out");
    return ZKT_OK;
}

static enum zkt_status kick(struct rights_board_call *call,
                            const struct rights_board_kick_input *in)
{
    zkt_kick(call->zkt, in->id, 4001, "out");
    return ZKT_OK;
}

static enum zkt_status on_connect(struct rights_board_call *call)
{
    if (call->connection->role < CONNECTS) {
        return zkt_fail(call->zkt, ZKT_PERMISSION_DENIED, "no contact");
    }
    connected++;
    return ZKT_OK;
}

static enum zkt_status on_subscribe(struct rights_board_call *call,
                                    enum zkt_subscription subscription)
{
    const int32_t least = subscription == ZKT_SUBSCRIPTION_STATE ? WATCHES
                                                                 : LISTENS;
    return call->connection->role >= least
               ? ZKT_OK
               : zkt_fail(call->zkt, ZKT_PERMISSION_DENIED, "no subscription");
}

static enum zkt_status on_disconnect(struct rights_board_call *call)
{
    (void)call;
    disconnected++;
    return ZKT_OK;
}

static enum zkt_status become(struct rights_desk_call *call,
                              const struct rights_desk_become_input *in)
{
    rights_connection_set_role(call->zkt, in->role);
    return in->fails ? zkt_fail(call->zkt, ZKT_ABORTED, "in vain") : ZKT_OK;
}

/* ---- peers ---- */

enum heard {
    RESULT, /* of a call that succeeded */
    REFUSAL,
    SNAPSHOT,
    PATCH,
    SUBSCRIBED, /* to events */
    EVENT,
    NEWS,
    KINDS
};

static const char *const heard_as[KINDS] = {
    [RESULT] = "{\"type\":\"rpc:result\"",
    [REFUSAL] = "\"error\":\"",
    [SNAPSHOT] = "{\"type\":\"state:snapshot\"",
    [PATCH] = "{\"type\":\"state:patch\"",
    [SUBSCRIBED] = "{\"type\":\"sub:ok\"",
    [EVENT] = "{\"type\":\"event\"",
    [NEWS] = "{\"type\":\"broadcast\"",
};

struct peer {
    struct wire wire;
    char id[ZKT_CLIENT_ID_LEN + 1];
    /* The model. */
    int32_t role;
    bool contact, watches, listens, hears;
    int expected[KINDS];
};

struct world {
    struct zkt_server *server;
    uint32_t shards;
    struct failing_alloc alloc;
    struct peer peers[PEERS];
    uint32_t dice;
};

static uint32_t roll(struct world *w, uint32_t below)
{
    w->dice = w->dice * 1664525 + 1013904223;
    return (w->dice >> 8) % below;
}

static void settle(const struct world *w)
{
    for (uint32_t i = 0; i < 4 * w->shards; i++) {
        struct zkt_server *shard = zkt__server_shard(w->server, i % w->shards);
        zkt__server_core(shard)->ops->tick(zkt__server_core(shard));
    }
}

static void open_peer(struct world *w, uint32_t number)
{
    struct peer *p = &w->peers[number];
    *p = (struct peer){ .role = DEFAULT_ROLE };
    p->wire = open_wire_rfc6902(
        zkt__server_shard(w->server, number % w->shards));
    settle(w);
    drain(&p->wire);
    const char *id = strstr(p->wire.text, "\"clientId\":\"");
    assert_non_null(id);
    memcpy(p->id, id + 12, ZKT_CLIENT_ID_LEN);
    p->wire.len = 0;
}

static void close_peer(const struct world *w, struct peer *p)
{
    close_wire(&p->wire);
    settle(w);
}

/* Each peer has received the messages of the model, and nothing else. */
static void check_all(struct world *w)
{
    settle(w);
    for (int i = 0; i < PEERS; i++) {
        struct peer *p = &w->peers[i];
        drain(&p->wire);
        int refusals = p->expected[REFUSAL];
        int messages = refusals;
        for (int kind = 0; kind < KINDS; kind++) {
            const int heard = count_text(&p->wire, heard_as[kind]);
            if (kind == RESULT) { /* refusals among them */
                messages += p->expected[RESULT];
                assert_in_range(heard, p->expected[RESULT],
                                p->expected[RESULT] + refusals);
            } else {
                messages += kind != REFUSAL ? p->expected[kind] : 0;
                assert_int_equal(heard, p->expected[kind]);
            }
        }
        assert_int_equal(count_text(&p->wire, "{\"type\":"), messages);
        memset(p->expected, 0, sizeof(p->expected));
        p->wire.len = 0;
    }
}

/* ---- steps ---- */

#define BOARD "\"actor\":\"board\",\"actorId\":\"b\""

/* The middleware and `connect` of a message to the board. */
static bool let_in(struct peer *p, bool moderates)
{
    const bool in = p->role >= (moderates ? MODERATES : 1) &&
                    (p->contact || p->role >= CONNECTS);
    p->expected[REFUSAL] += !in;
    p->contact = p->contact || in;
    return in;
}

static void step_write(struct world *w, struct peer *p)
{
    send_text(&p->wire,
              "{\"type\":\"rpc\",\"id\":\"1\"," BOARD ",\"method\":\"write\"}",
              true);
    if (!let_in(p, false)) {
        return;
    }
    p->expected[RESULT]++;
    for (int i = 0; i < PEERS; i++) {
        struct peer *other = &w->peers[i];
        other->expected[PATCH] += other->watches;
        other->expected[EVENT] += other->listens;
        other->expected[NEWS] += other->hears;
    }
}

static void step_become(struct world *w, struct peer *p)
{
    const int32_t role = (int32_t)roll(w, 8);
    const bool fails = roll(w, 4) == 0;
    char text[256];
    snprintf(
        text, sizeof(text),
        "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"desk\",\"actorId\":"
        "\"d\",\"method\":\"become\",\"input\":{\"role\":%d,\"fails\":%s}}",
        (int)role, fails ? "true" : "false");
    send_text(&p->wire, text, true);
    p->expected[fails ? REFUSAL : RESULT]++;
    p->role = fails ? p->role : role;
}

/* A subscription that is refused has ended, if there was one. */
static void step_subscribe(struct peer *p, bool to_state)
{
    bool *subscribed = to_state ? &p->watches : &p->listens;
    send_text(&p->wire,
              to_state ? "{\"type\":\"state:sub\"," BOARD "}"
                       : "{\"type\":\"event:sub\"," BOARD "}",
              true);
    *subscribed = false;
    if (!let_in(p, false)) {
        return;
    }
    if (p->role < (to_state ? WATCHES : LISTENS)) {
        p->expected[REFUSAL]++;
        return;
    }
    *subscribed = true;
    p->expected[to_state ? SNAPSHOT : SUBSCRIBED]++;
}

static void step_unsubscribe(struct peer *p, bool from_state)
{
    send_text(&p->wire,
              from_state ? "{\"type\":\"state:unsub\"," BOARD "}"
                         : "{\"type\":\"event:unsub\"," BOARD "}",
              true);
    *(from_state ? &p->watches : &p->listens) = false;
}

static void step_hear(struct peer *p)
{
    p->hears = !p->hears;
    send_text(&p->wire,
              p->hears ? "{\"type\":\"broadcast:sub\"}"
                       : "{\"type\":\"broadcast:unsub\"}",
              true);
}

static void end_contact(struct peer *p)
{
    p->contact = p->watches = p->listens = false;
}

static void send_about(struct peer *p, const char *method,
                       const struct peer *target)
{
    char text[256];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"1\"," BOARD
             ",\"method\":\"%s\",\"input\":{\"id\":\"%s\"}}",
             method, target->id);
    send_text(&p->wire, text, true);
}

static void step_expel(struct peer *p, struct peer *target)
{
    send_about(p, "expel", target);
    if (let_in(p, true)) {
        p->expected[RESULT]++;
        target->expected[REFUSAL] += target->watches + target->listens;
        end_contact(target);
    }
}

static void step_kick(struct world *w, struct peer *p, uint32_t number)
{
    struct peer *target = &w->peers[number];
    if (target == p) {
        return;
    }
    send_about(p, "kick", target);
    if (let_in(p, true)) {
        p->expected[RESULT]++;
        settle(w);
        drain(&target->wire);
        assert_int_equal(count_text(&target->wire, "\x0f\xa1out"),
                         1); /* 4001 */
        assert_int_equal(count_text(&target->wire, "{\"type\":"), 0);
        close_peer(w, target);
        open_peer(w, number);
    }
}

static void step(struct world *w)
{
    const uint32_t number = roll(w, PEERS);
    const uint32_t target = roll(w, PEERS);
    struct peer *p = &w->peers[number];
    switch (roll(w, 14)) {
    case 0:
    case 1:
    case 2:
        step_write(w, p);
        break;
    case 3:
    case 4:
        step_become(w, p);
        break;
    case 5:
    case 6:
        step_subscribe(p, true);
        break;
    case 7:
    case 8:
        step_subscribe(p, false);
        break;
    case 9:
        step_unsubscribe(p, roll(w, 2) == 0);
        break;
    case 10:
        step_hear(p);
        break;
    case 11:
        step_expel(p, &w->peers[target]);
        break;
    case 12:
        step_kick(w, p, target);
        break;
    default:
        if (roll(w, 2) == 0) {
            send_text(&p->wire, "{\"type\":\"leave\"," BOARD "}", true);
            end_contact(p);
        } else {
            close_peer(w, p);
            open_peer(w, number);
        }
        break;
    }
    check_all(w);
}

static void play(uint32_t shards)
{
    static const struct rights_board_handlers board = {
        .write = write_n,
        .expel = expel,
        .kick = kick,
        .on_connect = on_connect,
        .on_subscribe = on_subscribe,
        .on_disconnect = on_disconnect,
    };
    static const struct rights_desk_handlers desk = { .become = become };
    static const struct rights_handlers handlers = {
        .member = member,
        .moderator = moderator,
        .board = &board,
        .desk = &desk,
    };
    static const uint8_t seed[32] = { 9 };
    struct world w = { .shards = shards, .dice = shards };
    const struct zkt_serve_options options = {
        .random_seed = seed,
        .threads = shards,
        .allocator = &w.alloc.allocator,
    };
    connected = disconnected = 0;
    failing_alloc_init(&w.alloc, 0);
    assert_int_equal(zkt_server_new(rights_app(&handlers), &options, &w.server),
                     ZKT_OK);
    zkt__server_run_shards(w.server, shards);
    for (uint32_t i = 0; i < PEERS; i++) {
        open_peer(&w, i);
    }
    for (int i = 0; i < STEPS; i++) {
        step(&w);
    }
    for (int i = 0; i < PEERS; i++) {
        close_peer(&w, &w.peers[i]);
    }
    assert_true(connected > STEPS / 100);
    assert_int_equal(connected, disconnected);
    zkt_server_free(w.server);
    assert_int_equal(w.alloc.live, 0);
}

static void test_one_shard(void **state)
{
    (void)state;
    play(1);
}

static void test_two_shards(void **state)
{
    (void)state;
    play(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shard),
        cmocka_unit_test(test_two_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
