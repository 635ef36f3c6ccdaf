/*
 * Generated code for connections, middleware, errors, rates, broadcasts and
 * calls from outside, on a server without sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "club_client.h"
#include "club_server.h"
#include "wire.h"

static int opened, closed;
static unsigned closed_by, left_by[2];
static int left;
static char log_text[4096];

/* ---- handlers ---- */

static enum zkt_status on_open(struct club_connection_call *call,
                               const struct club_connection_input *in,
                               struct club_connection *out)
{
    if (in->name.has && zkt_str_eq(in->name.value, ZKT_STR("mallory"))) {
        return club_fail_banned(call->zkt,
                                &(const struct club_banned_error){ 3 },
                                "not you, %s", in->name.value.data);
    }
    opened++;
    club_emit_news(call->zkt,
                   &(const struct club_news_broadcast){ ZKT_STR("someone") },
                   zkt_to_all());
    out->name = in->name.has ? in->name.value : ZKT_STR("");
    return ZKT_OK;
}

static void on_close(struct club_connection_call *call)
{
    assert_non_null(call->connection);
    closed_by = zkt_close_code(call->zkt);
    closed++;
}

static enum zkt_status named(struct club_middleware_call *call,
                             struct club_named *out)
{
    if (call->connection->name.len == 0) {
        return club_fail_no_name(call->zkt, NULL);
    }
    out->name = call->connection->name;
    return ZKT_OK;
}

static enum zkt_status host(struct club_middleware_call *call,
                            const struct club_named *named)
{
    assert_true(named->name.len > 0);
    return call->connection->role > 0
               ? ZKT_OK
               : zkt_fail(call->zkt, ZKT_PERMISSION_DENIED, "hosts only");
}

static enum zkt_status join(struct club_room_call *call,
                            const struct club_named *named, int32_t *out)
{
    if (call->state->members.len == CLUB_ROOM_MEMBERS_MAX) {
        zkt_retry_after(call->zkt, 250);
        return club_fail_full(call->zkt, &(const struct club_full_error){ 2 },
                              NULL);
    }
    club_room_append_members(call, named->name);
    club_room_emit_joined(call,
                          &(const struct club_room_joined_event){ named->name },
                          zkt_to_all());
    *out = (int32_t)call->state->members.len;
    return ZKT_OK;
}

static enum zkt_status shout(struct club_room_call *call,
                             const struct club_room_shout_input *in)
{
    (void)call;
    (void)in;
    return ZKT_OK;
}

static enum zkt_status promote(struct club_room_call *call,
                               const struct club_named *named)
{
    (void)named;
    club_connection_set_role(call->zkt, 1);
    assert_int_equal(call->connection->role, 1);
    return ZKT_OK;
}

static enum zkt_status announce(struct club_room_call *call,
                                const struct club_named *named,
                                const struct club_room_announce_input *in)
{
    (void)named;
    club_emit_news(call->zkt, &(const struct club_news_broadcast){ in->text },
                   zkt_to_topic(zkt_instance_id(call->zkt)));
    return ZKT_OK;
}

static enum zkt_status enter(struct club_room_call *call,
                             const struct club_room_enter_input *in)
{
    zkt_topic_join(call->zkt, in->topic);
    return ZKT_OK;
}

static enum zkt_status expel(struct club_room_call *call,
                             const struct club_room_expel_input *in)
{
    zkt_expel(call->zkt, in->id, ZKT_PERMISSION_DENIED, "out with you");
    return ZKT_OK;
}

static enum zkt_status lie(struct club_room_call *call)
{
    return club_fail_banned(call->zkt, &(const struct club_banned_error){ 1 },
                            NULL);
}

static enum zkt_status settle(struct club_room_call *call,
                              const struct club_room_settle_input *in,
                              int32_t *out)
{
    assert_null(call->connection);
    assert_int_equal(zkt_client_id(call->zkt).len, 0);
    club_room_set_round(call, in->round);
    *out = call->state->round;
    return ZKT_OK;
}

static enum zkt_status on_connect(struct club_room_call *call)
{
    return zkt_str_eq(zkt_instance_id(call->zkt), ZKT_STR("closed"))
               ? club_fail_full(call->zkt, &(const struct club_full_error){ 0 },
                                NULL)
               : ZKT_OK;
}

static enum zkt_status on_disconnect(struct club_room_call *call)
{
    left_by[left++ & 1] = zkt_close_code(call->zkt);
    return ZKT_OK;
}

static enum zkt_status on_subscribe(struct club_room_call *call,
                                    enum zkt_subscription subscription)
{
    const bool is_state = subscription == ZKT_SUBSCRIPTION_STATE;
    return is_state && zkt_str_eq(zkt_instance_id(call->zkt), ZKT_STR("secret"))
               ? zkt_fail(call->zkt, ZKT_PERMISSION_DENIED, "it is secret")
               : ZKT_OK;
}

/* ---- a server ---- */

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    const size_t len = strlen(log_text);
    (void)user;
    (void)level;
    snprintf(log_text + len, sizeof(log_text) - len, "%s\n", text);
}

static struct zkt_server *serve(void)
{
    static const struct club_room_handlers room = {
        .join = join,
        .shout = shout,
        .promote = promote,
        .announce = announce,
        .enter = enter,
        .expel = expel,
        .lie = lie,
        .settle = settle,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .on_subscribe = on_subscribe,
    };
    static const struct club_handlers handlers = {
        .on_open = on_open,
        .on_close = on_close,
        .named = named,
        .host = host,
        .room = &room,
    };
    const struct zkt_serve_options options = { .log = keep_log };
    struct zkt_server *server;
    opened = closed = left = 0;
    log_text[0] = '\0';
    assert_int_equal(zkt_server_new(club_app(&handlers), &options, &server),
                     ZKT_OK);
    return server;
}

/* Opens a wire with a query string, in the dialect of ours. */
static struct wire arrive(struct zkt_server *server, const char *query)
{
    char head[512];
    struct wire w = { .e = zkt__server_accept(server, "test") };
    const int len = snprintf(
        head, sizeof(head),
        "GET /?%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        query);
    assert_non_null(w.e);
    feed(&w, head, (size_t)len, 4096, true);
    drain(&w);
    return w;
}

static void say(struct wire *w, const char *text)
{
    char bytes[2048];
    w->len = 0;
    feed(w, bytes, frame(bytes, text), 4096, true);
    drain(w);
}

#define CALL(id, instance, method, input)                                      \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"room\",\"actorId\":\"" instance "\",\"method\":\"" method  \
    "\",\"input\":" input "}"

static bool heard(struct wire *w, const char *text)
{
    drain(w);
    for (size_t i = 0; i + strlen(text) <= w->len; i++) {
        if (memcmp(w->text + i, text, strlen(text)) == 0) {
            return true;
        }
    }
    return false;
}

static void leave(struct wire *w)
{
    w->e->ops->detach(w->e);
    free(w->text);
}

/* ---- tests ---- */

static void test_open(void **state)
{
    struct zkt_server *server = serve();
    struct wire mallory = arrive(server, "name=mallory");
    (void)state;
    assert_true(heard(&mallory, "HTTP/1.1 403"));
    assert_true(heard(&mallory, "\"error\":\"not you, mallory\""));
    assert_true(heard(&mallory, "\"reason\":\"banned\",\"details\":"
                                "{\"days\":3}"));
    struct wire ada = arrive(server, "name=ada");
    assert_true(heard(&ada, "HTTP/1.1 101"));
    assert_true(heard(&ada, "\"level\":1"));
    say(&ada, "{\"type\":\"broadcast:sub\"}");
    struct wire bob = arrive(server, "name=bob"); /* `open` broadcasts */
    assert_true(heard(&ada, "\"text\":\"someone\""));
    assert_false(heard(&bob, "someone"));
    leave(&bob);
    struct wire wrong = arrive(server, "name=");
    assert_true(heard(&wrong, "HTTP/1.1 400"));
    assert_true(heard(&wrong, "\"path\":[\"name\"]"));
    leave(&mallory);
    leave(&ada);
    leave(&wrong);
    zkt_server_free(server);
    assert_int_equal(opened, 2);
    assert_int_equal(closed, 2);
}

static void test_middleware_and_errors(void **state)
{
    struct zkt_server *server = serve();
    struct wire guest = arrive(server, "");
    struct wire ada = arrive(server, "name=ada");
    (void)state;
    say(&guest, CALL("1", "a", "join", "{}"));
    assert_true(heard(&guest, "\"error\":\"Say who you are.\",\"code\":"
                              "\"UNAUTHENTICATED\",\"reason\":\"noName\""));
    say(&ada, CALL("1", "a", "join", "{}"));
    assert_true(heard(&ada, "\"result\":1"));
    say(&ada, CALL("2", "a", "join", "{}"));
    say(&ada, CALL("3", "a", "join", "{}"));
    assert_true(heard(&ada, "\"error\":\"There is no seat left.\",\"code\":"
                            "\"RESOURCE_EXHAUSTED\",\"reason\":\"full\","
                            "\"details\":{\"capacity\":2},\"retryAfterMs\":"
                            "250"));
    say(&ada, CALL("4", "a", "lie", "{}"));
    assert_true(heard(&ada, "\"error\":\"internal error\",\"code\":"
                            "\"INTERNAL\"}"));
    assert_non_null(strstr(log_text, "banned, which it does not declare"));
    say(&ada, CALL("5", "a", "settle", "{\"round\":1}"));
    assert_true(heard(&ada, "Unknown method: settle"));
    leave(&guest);
    leave(&ada);
    zkt_server_free(server);
}

static void test_data_broadcasts_and_rates(void **state)
{
    struct zkt_server *server = serve();
    struct wire ada = arrive(server, "name=ada");
    struct wire bob = arrive(server, "name=bob");
    (void)state;
    say(&ada, "{\"type\":\"broadcast:sub\"}");
    say(&bob, "{\"type\":\"broadcast:sub\"}");
    say(&bob, CALL("1", "a", "enter", "{\"topic\":\"a\"}"));
    say(&ada, CALL("1", "a", "announce", "{\"text\":\"hi\"}"));
    assert_true(heard(&ada, "hosts only"));
    say(&ada, CALL("2", "a", "promote", "{}"));
    say(&ada, CALL("3", "a", "announce", "{\"text\":\"hi\"}"));
    assert_true(heard(&bob, "{\"type\":\"broadcast\",\"event\":\"news\","
                            "\"payload\":{\"text\":\"hi\"}}"));
    assert_false(heard(&ada, "broadcast"));
    assert_int_equal(club_broadcast_news(
                         server,
                         &(const struct club_news_broadcast){ ZKT_STR("all") },
                         zkt_to_all()),
                     ZKT_OK);
    say(&ada, CALL("4", "a", "shout", "{\"text\":\"x\"}"));
    assert_true(heard(&ada, "\"text\":\"all\""));
    say(&ada, CALL("5", "a", "shout", "{\"text\":\"x\"}"));
    say(&ada, CALL("6", "a", "shout", "{\"text\":\"x\"}"));
    assert_true(heard(&ada, "Rate limit exceeded"));
    assert_true(heard(&ada, "\"retryAfterMs\":500"));
    struct wire again = arrive(server, "name=ada"); /* the same bucket */
    say(&again, CALL("1", "a", "shout", "{\"text\":\"x\"}"));
    assert_true(heard(&again, "Rate limit exceeded"));
    say(&bob, CALL("2", "a", "shout", "{\"text\":\"x\"}"));
    assert_true(heard(&bob, "{\"type\":\"rpc:result\",\"id\":\"2\"}"));
    leave(&again);
    leave(&ada);
    leave(&bob);
    zkt_server_free(server);
}

static void test_contacts(void **state)
{
    struct zkt_server *server = serve();
    struct wire ada = arrive(server, "name=ada");
    struct wire bob = arrive(server, "name=bob");
    char id[33], text[256];
    (void)state;
    say(&ada, CALL("1", "closed", "join", "{}"));
    assert_true(heard(&ada, "\"reason\":\"full\",\"details\":"
                            "{\"capacity\":0}"));
    say(&ada, "{\"type\":\"state:sub\",\"actor\":\"room\",\"actorId\":"
              "\"secret\"}");
    assert_true(heard(&ada, "\"sub:error\""));
    assert_true(heard(&ada, "it is secret"));
    assert_false(heard(&ada, "members"));
    say(&bob, "{\"type\":\"state:sub\",\"actor\":\"room\",\"actorId\":\"a\"}");
    assert_true(heard(&bob, "\"members\":[]"));
    const char *at = NULL;
    bob.len = 0;
    leave(&bob);
    bob = arrive(server, "name=bob");
    for (size_t i = 0; i + 12 < bob.len && at == NULL; i++) {
        at = memcmp(bob.text + i, "\"clientId\":\"", 12) == 0
                 ? bob.text + i + 12
                 : NULL;
    }
    assert_non_null(at);
    memcpy(id, at, 32);
    id[32] = '\0';
    say(&bob, "{\"type\":\"state:sub\",\"actor\":\"room\",\"actorId\":\"a\"}");
    bob.len = 0;
    snprintf(text, sizeof(text), CALL("2", "a", "expel", "{\"id\":\"%s\"}"),
             id);
    say(&ada, text);
    assert_true(heard(&bob, "\"error\":\"out with you\",\"code\":"
                            "\"PERMISSION_DENIED\""));
    say(&ada, CALL("3", "a", "join", "{}"));
    assert_false(heard(&bob, "patch"));
    leave(&ada);
    leave(&bob);
    zkt_server_free(server);
}

#define LEAVE "{\"type\":\"leave\",\"actor\":\"room\",\"actorId\":\"a\"}"

static void test_leaving(void **state)
{
    struct zkt_server *server = serve();
    struct wire ada = arrive(server, "name=ada");
    (void)state;
    say(&ada, LEAVE); /* there is no contact */
    say(&ada, "{\"type\":\"state:sub\",\"actor\":\"room\",\"actorId\":\"a\"}");
    say(&ada, LEAVE);
    assert_int_equal(left, 1);
    assert_int_equal(left_by[0], 0);
    say(&ada, CALL("1", "a", "join", "{}"));
    assert_true(heard(&ada, "\"result\":1"));
    assert_false(heard(&ada, "patch")); /* the subscription has ended */
    const char bye[] = "\x88\x86\0\0\0\0\x0f\xa1"
                       "bye!"; /* 4001 */
    feed(&ada, bye, sizeof(bye) - 1, 4096, true);
    leave(&ada);
    zkt_server_advance(server, 0);
    assert_int_equal(left, 2);
    assert_int_equal(left_by[1], 4001);
    assert_int_equal(closed_by, 4001);
    struct wire bob = arrive(server, "name=bob");
    say(&bob, CALL("1", "a", "join", "{}"));
    leave(&bob);
    zkt_server_advance(server, 0);
    assert_int_equal(left_by[0], 1006);
    assert_int_equal(closed_by, 1006);
    zkt_server_free(server);
}

static void kick_bob(const struct zkt_client_info *info, void *user)
{
    struct zkt_server *server = user;
    const struct club_connection *connection = info->data;
    if (zkt_str_eq(connection->name, ZKT_STR("bob"))) {
        assert_int_equal(info->contacts, 1);
        assert_int_equal(zkt_server_kick(server, info->id, 4403, "out"),
                         ZKT_OK);
    }
}

static void test_kicking(void **state)
{
    struct zkt_server *server = serve();
    struct wire ada = arrive(server, "name=ada");
    struct wire bob = arrive(server, "name=bob");
    (void)state;
    say(&bob, CALL("1", "a", "join", "{}"));
    assert_int_equal(zkt_server_connections(server, kick_bob, NULL, server),
                     ZKT_OK);
    zkt_server_advance(server, 0);
    zkt_server_advance(server, 0);
    assert_true(heard(&bob, "\x88\x05\x11\x33out")); /* a close frame */
    assert_int_equal(left, 1);
    assert_int_equal(left_by[0], 4403);
    leave(&bob);
    zkt_server_advance(server, 0);
    assert_int_equal(closed_by, 4403);
    say(&ada, CALL("1", "a", "join", "{}"));
    assert_true(heard(&ada, "\"result\":2"));
    leave(&ada);
    zkt_server_free(server);
}

static enum zkt_status add_round(struct club_room_call *call, void *user)
{
    int *runs = user;
    ++*runs;
    if (!zkt_cancelled(call->zkt)) {
        club_room_set_round(call, call->state->round + 1);
    }
    return ZKT_OK;
}

static void settled(const struct zkt_reply *reply, int32_t round, void *user)
{
    int *last = user;
    *last = reply->status == ZKT_OK ? round : -1;
}

static void joined(const struct zkt_reply *reply, int32_t count, void *user)
{
    int *last = user;
    *last = reply->status == ZKT_OK ? count : -1;
}

static void test_from_outside(void **state)
{
    struct zkt_server *server = serve();
    int runs = 0, last = 0, members = 0;
    (void)state;
    assert_int_equal(club_room_run(server, ZKT_STR("a"), add_round, &runs),
                     ZKT_OK);
    assert_int_equal(
        club_room_invoke_settle(server, ZKT_STR("a"),
                                &(const struct club_room_settle_input){ 7 },
                                settled, &last),
        ZKT_OK);
    assert_int_equal(
        club_room_invoke_join(server, ZKT_STR("a"),
                              &(const struct club_named){ ZKT_STR("eve") },
                              joined, &members),
        ZKT_OK);
    zkt_server_advance(server, 0);
    zkt_server_advance(server, 0);
    assert_int_equal(runs, 1);
    assert_int_equal(last, 7);
    assert_int_equal(members, 1);
    assert_int_equal(
        club_room_invoke_settle(server, ZKT_STR("a"),
                                &(const struct club_room_settle_input){ 70 },
                                settled, &last),
        ZKT_OK);
    zkt_server_advance(server, 0);
    assert_int_equal(last, -1);
    zkt_server_free(server);
}

static void on_news(const struct club_news_broadcast *payload, void *user)
{
    int *count = user;
    assert_string_equal(payload->text.data, "hello");
    ++*count;
}

static void test_client(void **state)
{
    struct zkt_server *server = serve();
    struct zkt_client *client = zkt_client_open_local(server);
    struct club_room *room = club_room_open(client, "a");
    struct club_room *closed_room = club_room_open(client, "closed");
    struct zkt_reply reply = { 0 };
    int32_t count = 0;
    int news = 0;
    (void)state;
    assert_int_equal(club_room_call_join(room, &count, &reply),
                     ZKT_UNAUTHENTICATED);
    assert_true(club_is_no_name(&reply));
    assert_false(club_is_full(&reply));
    assert_null(club_details_full(&reply));
    assert_false(reply.retryable);
    assert_int_equal(club_room_call_shout(
                         closed_room,
                         &(const struct club_room_shout_input){ ZKT_STR("x") },
                         &reply),
                     ZKT_RESOURCE_EXHAUSTED);
    assert_true(club_is_full(&reply));
    assert_non_null(club_details_full(&reply));
    assert_int_equal(club_details_full(&reply)->capacity, 0);
    assert_true(reply.retryable);
    assert_true(club_on_news(client, on_news, &news) != 0);
    while (zkt_client_poll(client, 0) == ZKT_OK) {
    }
    assert_int_equal(
        club_broadcast_news(
            server, &(const struct club_news_broadcast){ ZKT_STR("hello") },
            zkt_to_all()),
        ZKT_OK);
    zkt_server_advance(server, 0);
    while (zkt_client_poll(client, 0) == ZKT_OK) {
    }
    assert_int_equal(news, 1);
    zkt_reply_clear(&reply);
    club_room_close(room);
    club_room_close(closed_room);
    zkt_client_close(client);
    zkt_server_free(server);
}

/* Runs the client until nothing happens. */
static void run(struct zkt_client *client)
{
    while (zkt_client_poll(client, 0) == ZKT_OK) {
    }
}

/* The last handle of a client is its contact with the instance. */
static void test_a_client_leaves(void **state)
{
    struct zkt_server *server = serve();
    struct zkt_client *client = zkt_client_open_local(server);
    struct club_room *room = club_room_open(client, "a");
    struct club_room *same = club_room_open(client, "a");
    struct zkt_reply reply = { 0 };
    const struct club_room_enter_input in = { ZKT_STR("x") };
    (void)state;
    assert_int_equal(club_room_call_enter(room, &in, &reply), ZKT_OK);
    club_room_close(room);
    run(client);
    assert_int_equal(left, 0);
    club_room_close(same);
    run(client);
    assert_int_equal(left, 1);
    assert_int_equal(left_by[0], 0);
    /* A call that is under way is answered before. */
    room = club_room_open(client, "a");
    club_room_begin_enter(room, &in, NULL, NULL);
    club_room_close(room);
    run(client);
    assert_int_equal(left, 2);
    assert_int_equal(zkt_client_status(client), ZKT_CONNECTED);
    zkt_reply_clear(&reply);
    zkt_client_close(client);
    zkt_server_free(server);
    assert_int_equal(left, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_middleware_and_errors),
        cmocka_unit_test(test_data_broadcasts_and_rates),
        cmocka_unit_test(test_contacts),
        cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_kicking),
        cmocka_unit_test(test_from_outside),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_a_client_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
