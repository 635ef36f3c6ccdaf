/*
 * The C client of a state with readers, joined to its server in memory: hidden
 * fields come and go as any other, and are absent in the meantime.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sight_client.h"
#include "sight_server.h"

enum {
    ADA,
    BOB,
    CLIENTS
};

static struct player {
    struct zkt_client *client;
    struct sight_draw *draw;
    char id[64], user[8];
    char seen[256]; /* the state, at the last change */
} players[CLIENTS];

static struct player *caller; /* of the call that runs */
static enum zkt_status (*script)(struct sight_draw_call *call);

/* ---- handlers ---- */

static enum zkt_status go(struct sight_draw_call *call, int32_t *out)
{
    *out = 0;
    return script(call);
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
    (void)in;
    (void)out;
    return ZKT_OK;
}

static bool is_drawer(const struct sight_draw_state *state,
                      const struct sight_draw_private *private_state,
                      struct zkt_str client_id,
                      const struct sight_connection *connection)
{
    (void)state;
    (void)connection;
    return zkt_str_eq(private_state->drawer, client_id);
}

static bool is_judge(const struct sight_draw_state *state,
                     const struct sight_draw_private *private_state,
                     struct zkt_str client_id,
                     const struct sight_connection *connection)
{
    (void)state;
    (void)private_state;
    (void)client_id;
    return connection->role > 0;
}

static const struct sight_draw_handlers draw = {
    .go = go,
    .wander = go,
    .on_subscribe = on_subscribe,
    .audience_drawer = is_drawer,
    .audience_judge = is_judge,
};
static const struct sight_handlers handlers = { .on_open = on_open,
                                                .draw = &draw };

/* ---- scripts ---- */

static enum zkt_status introduce(struct sight_draw_call *call)
{
    snprintf(caller->id, sizeof(caller->id), "%.*s",
             ZKT_ARG(zkt_client_id(call->zkt)));
    sight_connection_set_user(call->zkt, zkt_cstr(caller->user));
    return ZKT_OK;
}

static enum zkt_status appoint(struct sight_draw_call *call)
{
    sight_draw_set_drawer(call, zkt_cstr(caller->id));
    sight_draw_set_word(call, zkt_cstr(caller->user));
    return ZKT_OK;
}

static enum zkt_status deal(struct sight_draw_call *call)
{
    const struct sight_card cards[] = { { .text = ZKT_STR("A") },
                                        { .text = ZKT_STR("B") } };
    sight_draw_put_hands(call, ZKT_STR("ada"), &cards[0]);
    sight_draw_put_hands(call, ZKT_STR("bob"), &cards[1]);
    return ZKT_OK;
}

static enum zkt_status exchange(struct sight_draw_call *call)
{
    (void)deal(call);
    sight_draw_set_n(call, call->state->n + 1);
    sight_draw_remove_hands(call, ZKT_STR("ada"));
    return ZKT_OK;
}

static enum zkt_status become_bob(struct sight_draw_call *call)
{
    sight_connection_set_user(call->zkt, ZKT_STR("bob"));
    return ZKT_OK;
}

/* ---- clients ---- */

static void on_state(const struct sight_draw_state *state, void *user)
{
    struct player *p = user;
    int len = snprintf(p->seen, sizeof(p->seen), "%d %.*s", (int)state->n,
                       ZKT_ARG(state->word.value));
    for (size_t i = 0; i < state->hands.len; i++) {
        len += snprintf(p->seen + len, sizeof(p->seen) - (size_t)len,
                        " %.*s:%.*s", ZKT_ARG(state->hands.items[i].key),
                        ZKT_ARG(state->hands.items[i].value.text));
    }
}

static void poll_all(void)
{
    for (int i = 0; i < 8; i++) {
        (void)zkt_client_poll(players[i % CLIENTS].client, 0);
    }
}

static void run_as(struct player *p,
                   enum zkt_status (*fn)(struct sight_draw_call *))
{
    struct zkt_reply reply = { 0 };
    int32_t n;
    caller = p;
    script = fn;
    assert_int_equal(sight_draw_call_go(p->draw, &n, &reply), ZKT_OK);
    zkt_reply_clear(&reply);
    poll_all();
}

static void assert_seen(const char *by_ada, const char *by_bob)
{
    assert_string_equal(players[ADA].seen, by_ada);
    assert_string_equal(players[BOB].seen, by_bob);
}

static void test_a_client(void **state)
{
    struct zkt_server *server;
    (void)state;
    assert_int_equal(zkt_server_new(sight_app(&handlers), NULL, &server),
                     ZKT_OK);
    for (int i = 0; i < CLIENTS; i++) {
        struct player *p = &players[i];
        snprintf(p->user, sizeof(p->user), "%s", i == ADA ? "ada" : "bob");
        p->client = zkt_client_open_local(server);
        p->draw = sight_draw_open(p->client, "a");
        (void)sight_draw_subscribe(p->draw, on_state, p);
    }
    run_as(&players[ADA], introduce);
    run_as(&players[BOB], introduce);
    assert_seen("0 ", "0 ");
    run_as(&players[ADA], appoint);
    assert_seen("0 ada", "0 ");
    run_as(&players[BOB], deal);
    assert_seen("0 ada ada:A", "0  bob:B");
    run_as(&players[BOB], appoint);
    assert_seen("0  ada:A", "0 bob bob:B");
    run_as(&players[BOB], exchange);
    assert_seen("1 ", "1 bob bob:B");
    run_as(&players[ADA], become_bob);
    assert_seen("1  bob:B", "1 bob bob:B");
    for (int i = 0; i < CLIENTS; i++) {
        sight_draw_close(players[i].draw);
        zkt_client_close(players[i].client);
    }
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_client) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
