/*
 * Generated code for timers, on a server without sockets: every form of a timer
 * reaches its handler with its input, and its functions find it by its key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "alarm_client.h"
#include "alarm_server.h"

/* The timers that have fired since the last comparison. */
static char seen[256];

static enum zkt_status see(const char *text)
{
    const size_t len = strlen(seen);
    snprintf(seen + len, sizeof(seen) - len, "%s;", text);
    return ZKT_OK;
}

static void assert_seen(const char *text)
{
    assert_string_equal(seen, text);
    seen[0] = '\0';
}

/* ---- handlers ---- */

static enum zkt_status look(struct alarm_tower_call *call, int32_t *out)
{
    *out = call->state->ticks;
    return ZKT_OK;
}

static enum zkt_status tick(struct alarm_tower_call *call)
{
    alarm_tower_set_ticks(call, call->state->ticks + 1);
    return ZKT_OK;
}

static enum zkt_status strike(struct alarm_tower_call *call)
{
    (void)call;
    return see("strike");
}

static enum zkt_status over(struct alarm_tower_call *call,
                            const struct alarm_tower_over_timer *in)
{
    assert_int_equal(alarm_tower_due_over(call), -1);
    return see(zkt_format(call->zkt, "over %d", (int)in->round).data);
}

static enum zkt_status afk(struct alarm_tower_call *call,
                           const struct alarm_tower_afk_timer *in)
{
    return see(zkt_format(call->zkt, "afk %s", in->player_id.data).data);
}

static enum zkt_status bell(struct alarm_tower_call *call,
                            const struct alarm_bell *in)
{
    return see(
        zkt_format(call->zkt, "bell %s %d", in->id.data, (int)in->rings).data);
}

static enum zkt_status count(struct alarm_tower_call *call, int32_t in)
{
    return see(zkt_format(call->zkt, "count %d", (int)in).data);
}

static enum zkt_status quiet(struct alarm_tower_call *call)
{
    (void)call;
    return see("quiet");
}

/* ---- a server ---- */

static const struct alarm_tower_handlers tower_handlers = {
    .look = look,
    .timer_tick = tick,
    .timer_strike = strike,
    .timer_over = over,
    .timer_afk = afk,
    .timer_bell = bell,
    .timer_count = count,
    .timer_quiet = quiet,
};

static enum zkt_status serve(const struct alarm_tower_handlers *tower,
                             struct zkt_server **server)
{
    static struct alarm_handlers handlers;
    handlers.tower = tower;
    return zkt_server_new(alarm_app(&handlers), NULL, server);
}

static void run(struct zkt_server *server,
                enum zkt_status (*fn)(struct alarm_tower_call *, void *))
{
    assert_int_equal(alarm_tower_run(server, ZKT_STR("a"), fn, NULL), ZKT_OK);
    zkt_server_advance(server, 0);
}

/* ---- tests ---- */

static enum zkt_status start_all(struct alarm_tower_call *call, void *user)
{
    const int64_t now = zkt_now_ms(call->zkt);
    const struct alarm_tower_afk_timer ada = { ZKT_STR("ada") };
    const struct alarm_tower_afk_timer bob = { ZKT_STR("bob") };
    (void)user;
    alarm_tower_start_over(call, 1000,
                           &(const struct alarm_tower_over_timer){ 3 });
    alarm_tower_start_afk(call, 2000, &ada);
    alarm_tower_start_afk(call, 2500, &bob);
    alarm_tower_start_bell(call, 3000,
                           &(const struct alarm_bell){ ZKT_STR("big"), 2 });
    alarm_tower_start_count(call, 4000, 7);
    alarm_tower_start_quiet(call, 5000);
    alarm_tower_start_strike(call);
    assert_int_equal(alarm_tower_due_over(call), now + 1000);
    assert_int_equal(alarm_tower_due_afk(call, ZKT_STR("ada")), now + 2000);
    assert_int_equal(alarm_tower_due_afk(call, ZKT_STR("eve")), -1);
    assert_int_equal(alarm_tower_due_bell(call, ZKT_STR("big")), now + 3000);
    assert_int_equal(alarm_tower_due_count(call), now + 4000);
    assert_int_equal(alarm_tower_due_quiet(call), now + 5000);
    assert_int_equal(alarm_tower_due_strike(call), now + 3600000);
    assert_int_equal(alarm_tower_due_tick(call), -1); /* nobody is there */
    return ZKT_OK;
}

static enum zkt_status stop_bob(struct alarm_tower_call *call, void *user)
{
    (void)user;
    alarm_tower_stop_afk(call, ZKT_STR("bob"));
    return ZKT_OK;
}

static enum zkt_status stop_strike(struct alarm_tower_call *call, void *user)
{
    (void)user;
    alarm_tower_stop_strike(call);
    return ZKT_OK;
}

static void test_every_form(void **state)
{
    struct zkt_server *server;
    (void)state;
    assert_int_equal(serve(&tower_handlers, &server), ZKT_OK);
    run(server, start_all);
    zkt_server_advance(server, 999);
    assert_seen("");
    zkt_server_advance(server, 1);
    assert_seen("over 3;");
    run(server, stop_bob);
    zkt_server_advance(server, 10000);
    assert_seen("afk ada;bell big 2;count 7;quiet;");
    zkt_server_advance(server, 2 * 3600000);
    assert_seen("strike;strike;");
    run(server, stop_strike);
    zkt_server_advance(server, 2 * 3600000);
    assert_seen("");
    zkt_server_free(server);
}

static void test_in_contact(void **state)
{
    struct zkt_server *server;
    struct zkt_reply reply = { 0 };
    int32_t ticks = -1;
    (void)state;
    assert_int_equal(serve(&tower_handlers, &server), ZKT_OK);
    struct zkt_client *client = zkt_client_open_local(server);
    struct alarm_tower *tower = alarm_tower_open(client, "a");
    assert_int_equal(alarm_tower_call_look(tower, &ticks, &reply), ZKT_OK);
    assert_int_equal(ticks, 0);
    zkt_server_advance(server, 200);
    assert_int_equal(alarm_tower_call_look(tower, &ticks, &reply), ZKT_OK);
    assert_int_equal(ticks, 4);
    alarm_tower_close(tower);
    zkt_reply_clear(&reply);
    zkt_client_close(client);
    zkt_server_free(server);
}

static void test_a_missing_handler(void **state)
{
    struct alarm_tower_handlers lacking = tower_handlers;
    struct zkt_server *server = NULL;
    (void)state;
    lacking.timer_quiet = NULL;
    assert_int_not_equal(serve(&lacking, &server), ZKT_OK);
    assert_null(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_in_contact),
        cmocka_unit_test(test_a_missing_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
