/*
 * Servers and clients joined in memory: handlers that misuse the runtime, the
 * calls that callbacks may make, and a clock that jumps.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "chat_client.h"
#include "chat_server.h"
#include "counter_client.h"
#include "net/inbox.h"
#include "zocket/embed.h"

/* ---- a server whose handlers misbehave on demand ---- */

static char log_text[4096];

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(log_text, sizeof(log_text), "%s", text);
}

static bool hook_fails;

static enum zkt_status join(struct demo_chat_call *call,
                            const struct demo_chat_join_input *in,
                            struct demo_member *out)
{
    *out = (struct demo_member){ in->name, zkt_now_ms(call->zkt) };
    demo_chat_put_members(call, zkt_client_id(call->zkt), out);
    demo_chat_set_topic(call, in->name);
    if (zkt_str_eq(in->name, ZKT_STR("index"))) {
        demo_chat_remove_messages(call, 7, 1);
    } else if (zkt_str_eq(in->name, ZKT_STR("stale"))) {
        struct demo_member_ref ref = demo_chat_edit_members(
            call, zkt_client_id(call->zkt));
        demo_chat_clear_members(call);
        demo_member_set_joined_at(ref, 5);
    } else if (zkt_str_eq(in->name, ZKT_STR("rule"))) {
        demo_chat_append_messages(call, &(struct demo_message){ .id = 0 });
    } else if (zkt_str_eq(in->name, ZKT_STR("utf8"))) {
        demo_chat_set_topic(call, (struct zkt_str){ "\xff", 1 });
    } else if (zkt_str_eq(in->name, ZKT_STR("much"))) {
        (void)zkt_alloc(call->zkt, 1, (size_t)1 << 30);
    } else if (zkt_str_eq(in->name, ZKT_STR("overflow"))) {
        (void)zkt_alloc(call->zkt, SIZE_MAX, 2);
    } else if (zkt_str_eq(in->name, ZKT_STR("result"))) {
        out->name = ZKT_STR("");
    } else if (zkt_str_eq(in->name, ZKT_STR("secret"))) {
        return zkt_fail(call->zkt, ZKT_INTERNAL, "the password is %d", 42);
    } else if (zkt_str_eq(in->name, ZKT_STR("refused"))) {
        demo_chat_emit_left(call, &(struct demo_chat_left_event){ in->name },
                            zkt_to_all());
        return zkt_fail(call->zkt, ZKT_ABORTED, "no");
    }
    return ZKT_OK;
}

static enum zkt_status say(struct demo_chat_call *call,
                           const struct demo_chat_say_input *in,
                           struct demo_message *out)
{
    *out = (struct demo_message){
        .id = call->state->next_id,
        .from = ZKT_STR("x"),
        .text = in->text,
        .reply_to = in->reply_to,
    };
    /* One element more than fits, trimmed before the commit: that is legal. */
    for (int i = 0; i < DEMO_CHAT_MESSAGES_MAX + 1; i++) {
        demo_chat_append_messages(call, out);
    }
    if (!in->reply_to.has) {
        demo_chat_remove_messages(call, 0, 1);
    }
    return ZKT_OK;
}

static enum zkt_status whisper(struct demo_chat_call *call,
                               const struct demo_chat_whisper_input *in)
{
    demo_chat_emit_left(call, &(struct demo_chat_left_event){ in->text },
                        zkt_except(in->to));
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
    return ZKT_PENDING;
}

static enum zkt_status leave(struct demo_chat_call *call)
{
    demo_chat_remove_members(call, zkt_client_id(call->zkt));
    return ZKT_OK;
}

static enum zkt_status on_connect(struct demo_chat_call *call)
{
    demo_chat_set_online(call, (int32_t)zkt_clients(call->zkt).len);
    return hook_fails ? zkt_fail(call->zkt, ZKT_ABORTED, "hook") : ZKT_OK;
}

static enum zkt_status on_disconnect(struct demo_chat_call *call)
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
    .on_connect = on_connect,
    .on_disconnect = on_disconnect,
};
static const struct demo_handlers handlers = { .chat = &chat };

struct fixture {
    struct zkt_server *server;
    struct zkt_client *client;
    struct demo_chat *room;
    struct zkt_reply reply;
};

static int set_up(void **state)
{
    static struct fixture f;
    const struct zkt_serve_options options = { .log = keep_log };
    f = (struct fixture){ 0 };
    hook_fails = false;
    log_text[0] = '\0';
    assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &f.server),
                     ZKT_OK);
    f.client = zkt_client_open_local(f.server);
    f.room = demo_chat_open(f.client, "room");
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    zkt_reply_clear(&f->reply);
    demo_chat_close(f->room);
    zkt_client_close(f->client);
    zkt_server_free(f->server);
    return 0;
}

static enum zkt_status call_join(struct fixture *f, const char *name)
{
    struct demo_member me;
    const struct demo_chat_join_input in = { .name = zkt_cstr(name) };
    return demo_chat_call_join(f->room, &in, &me, &f->reply);
}

/* ---- handlers ---- */

static void test_poisoned_calls(void **state)
{
    static const struct {
        const char *name, *log;
    } table[] = {
        { "index", "chat \"room\": join: index 7 is past the end of 0 items" },
        { "stale", "chat \"room\": join: a cursor was used after" },
        { "rule", "\"path\":[\"messages\",0,\"id\"]" },
        { "utf8", "\"path\":[\"topic\"],\"message\":\"is not valid UTF-8\"" },
        { "result", "the result breaks its rules: [{\"code\":\"too_small\"" },
        { "secret", "the password is 42" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(call_join(f, table[i].name), ZKT_INTERNAL);
        assert_string_equal(f->reply.error, "internal error");
        assert_non_null(strstr(log_text, table[i].log));
        struct demo_member_map members;
        assert_int_equal(demo_chat_call_who(f->room, &members, &f->reply),
                         ZKT_OK);
        assert_int_equal(members.len, 0); /* rolled back */
    }
}

/* The log says whether a limit or the system has refused the memory. */
static void test_memory_that_runs_out(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call_join(f, "much"), ZKT_RESOURCE_EXHAUSTED);
    assert_string_equal(f->reply.error, "out of memory");
    assert_string_equal(log_text, "chat \"room\": join: no memory for the "
                                  "handler: the limit call_bytes is reached");
    assert_int_equal(call_join(f, "overflow"), ZKT_RESOURCE_EXHAUSTED);
    assert_string_equal(log_text,
                        "chat \"room\": join: no memory for the handler");
}

static void on_left(const struct demo_chat_left_event *event, void *user)
{
    (void)event;
    (*(int *)user)++;
}

static void test_failure_takes_events_back(void **state)
{
    struct fixture *f = *state;
    int left = 0;
    demo_chat_on_left(f->room, on_left, &left);
    assert_int_equal(call_join(f, "refused"), ZKT_ABORTED);
    assert_string_equal(f->reply.error, "no");
    const struct demo_chat_whisper_input to_others = {
        .to = zkt_client_own_id(f->client), .text = ZKT_STR("x")
    };
    assert_int_equal(demo_chat_call_whisper(f->room, &to_others, &f->reply),
                     ZKT_OK);
    assert_int_equal(left, 0); /* except the caller */
    const struct demo_chat_whisper_input to_us = { .to = ZKT_STR("nobody"),
                                                   .text = ZKT_STR("x") };
    assert_int_equal(demo_chat_call_whisper(f->room, &to_us, &f->reply),
                     ZKT_OK);
    assert_int_equal(left, 1);
}

static void test_counts_are_checked_at_the_commit(void **state)
{
    struct fixture *f = *state;
    struct demo_message message;
    struct demo_message_list all;
    struct demo_chat_say_input in = { .text = ZKT_STR("x") };
    assert_int_equal(demo_chat_call_say(f->room, &in, &message, &f->reply),
                     ZKT_OK);
    const struct demo_chat_history_input limit = { .limit = 1 };
    assert_int_equal(demo_chat_call_history(f->room, &limit, &all, &f->reply),
                     ZKT_OK);
    assert_int_equal(all.len, DEMO_CHAT_MESSAGES_MAX);
    in.reply_to = (struct zkt_int32_opt){ true, 1 };
    assert_int_equal(demo_chat_call_say(f->room, &in, &message, &f->reply),
                     ZKT_INTERNAL);
    assert_non_null(strstr(log_text, "must have at most 200 items"));
}

static void test_pending_without_deferring(void **state)
{
    struct fixture *f = *state;
    const struct demo_chat_set_topic_input in = { .topic = ZKT_STR("x") };
    assert_int_equal(demo_chat_call_set_topic(f->room, &in, &f->reply),
                     ZKT_INTERNAL);
    assert_non_null(strstr(log_text, "has not deferred"));
}

static void test_a_hook_that_fails(void **state)
{
    struct fixture *f = *state;
    struct zkt_server_stats stats;
    hook_fails = true;
    assert_int_equal(call_join(f, "ada"), ZKT_ABORTED);
    zkt_server_stats(f->server, &stats);
    assert_int_equal(stats.hook_failures, 1);
    hook_fails = false; /* the next message tries again */
    assert_int_equal(call_join(f, "ada"), ZKT_OK);
}

static void test_missing_handlers_are_named(void **state)
{
    static const struct demo_chat_handlers empty = { .join = join };
    const struct demo_handlers some = { .chat = &empty };
    const struct demo_handlers none = { .chat = NULL };
    const struct zkt_serve_options options = { .log = keep_log };
    const struct zkt_serve_options bad = { .log = keep_log,
                                           .limits = { .message_bytes = -1 } };
    struct zkt_server *server = NULL;
    (void)state;
    assert_int_equal(zkt_server_new(demo_app(&some), &options, &server),
                     ZKT_MISSING_HANDLER);
    assert_non_null(strstr(log_text, "on_disconnect"));
    assert_int_equal(zkt_server_new(demo_app(&none), &options, &server),
                     ZKT_MISSING_HANDLER);
    assert_non_null(strstr(log_text, "actor chat"));
    assert_int_equal(zkt_server_new(demo_app(&handlers), &bad, &server),
                     ZKT_BAD_OPTION);
    assert_non_null(strstr(log_text, "message_bytes"));
    assert_null(server);
}

/* ---- clients ---- */

static void test_input_is_checked_before_it_is_sent(void **state)
{
    struct fixture *f = *state;
    struct zkt_server_stats stats;
    assert_int_equal(call_join(f, ""), ZKT_INVALID_ARGUMENT);
    assert_string_equal(f->reply.error,
                        "Validation failed for join: [{\"code\":\"too_small\","
                        "\"path\":[\"name\"],\"message\":\"must have at least "
                        "1 character\"}]");
    zkt_server_stats(f->server, &stats);
    assert_int_equal(stats.messages_in, 0);
}

/* By its strings as they will be where they arrive. */
static void test_input_is_checked_as_it_will_be(void **state)
{
    struct fixture *f = *state;
    struct zkt_server_stats stats;
    assert_int_equal(call_join(f, "   "), ZKT_INVALID_ARGUMENT);
    zkt_server_stats(f->server, &stats);
    assert_int_equal(stats.messages_in, 0);
    assert_int_equal(call_join(f, "\t 12345678901234567890123456789012 \n"),
                     ZKT_OK);
}

struct busy {
    struct fixture *f;
    int told, nested;
    uint64_t self, other;
};

static void on_other(const struct demo_chat_state *now, void *user)
{
    struct busy *busy = user;
    (void)now;
    busy->nested++;
}

/* A callback may call everything: leave, join, close, call. */
static void on_state(const struct demo_chat_state *now, void *user)
{
    struct busy *busy = user;
    struct fixture *f = busy->f;
    assert_non_null(now);
    busy->told++;
    zkt_client_off(f->client, busy->other);
    zkt_client_off(f->client, busy->self);
    zkt_client_off(f->client, busy->self);
    demo_chat_subscribe(f->room, on_other, busy);
    assert_int_equal(call_join(f, "ada"), ZKT_FAILED_PRECONDITION);
    assert_int_equal(zkt_client_poll(f->client, 0), ZKT_FAILED_PRECONDITION);
}

static void test_listeners_in_callbacks(void **state)
{
    struct fixture *f = *state;
    struct busy busy = { .f = f };
    busy.self = demo_chat_subscribe(f->room, on_state, &busy);
    busy.other = demo_chat_subscribe(f->room, on_other, &busy);
    for (int i = 0; i < 10; i++) {
        zkt_client_poll(f->client, 10);
    }
    assert_int_equal(busy.told, 1);
    /* the listener that was added, in its turn */
    assert_int_equal(busy.nested, 1);
}

static void close_all(const struct zkt_reply *reply, void *user)
{
    struct fixture *f = user;
    assert_int_equal(reply->status, ZKT_OK);
    demo_chat_close(f->room);
    zkt_client_close(f->client);
    f->room = NULL;
}

static void test_closing_in_a_callback(void **state)
{
    struct fixture *f = *state;
    demo_chat_begin_leave(f->room, close_all, f);
    for (int i = 0; i < 10 && f->room != NULL; i++) {
        zkt_client_poll(f->client, 10);
    }
    assert_null(f->room);
    f->client = NULL;
}

static void on_done(const struct zkt_reply *reply, void *user)
{
    snprintf(user, 64, "%s", reply->error);
}

static void test_closing_rejects_what_is_pending(void **state)
{
    struct fixture *f = *state;
    char error[64] = "";
    demo_chat_begin_leave(f->room, on_done, error);
    assert_string_equal(error, ""); /* never inside begin */
    zkt_client_close(f->client);
    assert_string_equal(error, "WebSocket client closed");
    f->client = NULL;
    struct zkt_reply reply = { 0 }; /* a stale handle is harmless */
    assert_int_equal(demo_chat_call_leave(f->room, &reply),
                     ZKT_FAILED_PRECONDITION);
    assert_null(demo_chat_snapshot(f->room));
}

static void test_two_clients_stay_in_sync(void **state)
{
    struct fixture *f = *state;
    struct zkt_client *bob = zkt_client_open_local(f->server);
    struct demo_chat *his = demo_chat_open(bob, "room");
    struct busy busy = { .f = f };
    demo_chat_subscribe(f->room, on_other, &busy);
    demo_chat_subscribe(his, on_other, &busy);
    assert_int_equal(call_join(f, "ada"), ZKT_OK);
    for (int i = 0; i < 10; i++) {
        zkt_client_poll(bob, 10);
    }
    const struct demo_chat_state *mine = demo_chat_snapshot(f->room);
    const struct demo_chat_state *other = demo_chat_snapshot(his);
    assert_int_equal(mine->members.len, 1);
    assert_int_equal(other->members.len, 1);
    assert_int_equal(other->online, 2);
    assert_string_equal(other->members.items[0].value.name.data, "ada");
    demo_chat_close(his);
    zkt_client_close(bob);
    for (int i = 0; i < 10; i++) {
        zkt_client_poll(f->client, 10);
    }
    assert_int_equal(demo_chat_snapshot(f->room)->online, 1);
}

/* The instance ends, and its follower follows the next instance. */
static void test_a_new_instance_is_followed(void **state)
{
    struct fixture *f = *state;
    struct zkt_client *bob = zkt_client_open_local(f->server);
    struct demo_chat *his = demo_chat_open(bob, "room");
    struct busy busy = { .f = f };
    demo_chat_subscribe(his, on_other, &busy);
    assert_int_equal(call_join(f, "ada"), ZKT_OK);
    assert_int_equal(demo_chat_ready(his, -1), ZKT_OK);
    assert_int_equal(demo_chat_snapshot(his)->members.len, 1);
    assert_int_equal(
        zkt_server_destroy(f->server, ZKT_STR("chat"), ZKT_STR("room")),
        ZKT_OK);
    while (zkt_client_poll(bob, 0) == ZKT_OK) {
    }
    assert_int_equal(demo_chat_snapshot(his)->members.len, 0);
    assert_int_equal(call_join(f, "eve"), ZKT_OK);
    while (zkt_client_poll(bob, 0) == ZKT_OK) {
    }
    const struct demo_member_map *members = &demo_chat_snapshot(his)->members;
    assert_int_equal(members->len, 1);
    assert_string_equal(members->items[0].value.name.data, "eve");
    demo_chat_close(his);
    zkt_client_close(bob);
}

static void count_left(const struct demo_chat_left_event *event, void *user)
{
    int *count = user;
    (void)event;
    (*count)++;
}

/* A client that subscribes before its call gets the events of its own call. */
static void test_the_event_of_a_call(void **state)
{
    struct fixture *f = *state;
    const struct demo_chat_whisper_input in = { .to = ZKT_STR("nobody"),
                                                .text = ZKT_STR("x") };
    int count = 0;
    while (zkt_client_poll(f->client, 0) == ZKT_OK) {
    }
    assert_int_equal(zkt_client_status(f->client), ZKT_CONNECTED);
    demo_chat_on_left(f->room, count_left, &count);
    assert_int_equal(demo_chat_call_whisper(f->room, &in, &f->reply), ZKT_OK);
    assert_int_equal(count, 1);
}

static void on_joined(const struct zkt_reply *reply,
                      const struct demo_member *me, void *user)
{
    (void)me;
    *(enum zkt_status *)user = reply->status;
}

/* Calls that are begun before the first time of the program's clock have all of
 * their time from then on, wherever that clock begins; a later jump takes it.
 */
static void test_the_first_time_is_no_jump(void **state)
{
    struct fixture *f = *state;
    static enum zkt_status first, second;
    const struct demo_chat_join_input in = { .name = ZKT_STR("ada") };
    first = second = ZKT_PENDING;
    demo_chat_begin_join(f->room, &in, on_joined, &first);
    zkt_server_clock(f->server, INT64_C(1) << 40, 0);
    for (int i = 0; i < 10 && first == ZKT_PENDING; i++) {
        (void)zkt_client_poll(f->client, 0);
    }
    assert_int_equal(first, ZKT_OK);
    demo_chat_begin_join(f->room, &in, on_joined, &second);
    zkt_server_clock(f->server, (INT64_C(1) << 40) + 1000000, 0);
    for (int i = 0; i < 10 && second == ZKT_PENDING; i++) {
        (void)zkt_client_poll(f->client, 0);
    }
    assert_int_equal(second, ZKT_DEADLINE_EXCEEDED);
}

static void test_silence_ends_a_connection(void **state)
{
    struct fixture *f = *state;
    struct zkt_server_stats stats;
    assert_int_equal(call_join(f, "ada"), ZKT_OK);
    zkt_server_advance(f->server, 29000);
    zkt_server_stats(f->server, &stats);
    assert_int_equal(stats.connections, 1);
    for (int i = 0; i < 10; i++) { /* pings are answered */
        zkt_server_advance(f->server, 30000);
    }
    zkt_server_stats(f->server, &stats);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(call_join(f, "again"), ZKT_OK);
}

/* The server ends the connection because of a message that is too long; the
 * clock jumps over the delay, and the client works as before. */
static void test_a_local_client_comes_back(void **state)
{
    const struct zkt_serve_options options = { .log = keep_log,
                                               .limits.message_bytes = 300 };
    const struct demo_chat_join_input join = { .name = ZKT_STR("ada") };
    struct busy busy = { .told = 0 };
    struct zkt_server *server = NULL;
    struct zkt_reply reply = { 0 };
    struct demo_member me;
    struct demo_message message;
    char text[1000];
    (void)state;
    memset(text, 'x', sizeof(text));
    const struct demo_chat_say_input say = { .text = { text, sizeof(text) } };
    assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &server),
                     ZKT_OK);
    struct zkt_client *client = zkt_client_open_local(server);
    struct demo_chat *room = demo_chat_open(client, "room");
    demo_chat_subscribe(room, on_other, &busy);
    assert_int_equal(demo_chat_call_join(room, &join, &me, &reply), ZKT_OK);
    assert_int_equal(demo_chat_call_say(room, &say, &message, &reply),
                     ZKT_UNAVAILABLE);
    assert_string_equal(reply.error, "WebSocket closed: 1009");
    assert_int_equal(zkt_client_status(client), ZKT_RECONNECTING);
    const int before = busy.nested;
    assert_int_equal(demo_chat_call_join(room, &join, &me, &reply), ZKT_OK);
    assert_int_equal(zkt_client_status(client), ZKT_CONNECTED);
    assert_true(busy.nested > before);
    assert_int_equal(demo_chat_snapshot(room)->members.len, 2);
    assert_int_equal(demo_chat_snapshot(room)->online, 1);
    zkt_reply_clear(&reply);
    demo_chat_close(room);
    zkt_client_close(client);
    zkt_server_free(server);
}

static void free_in_a_callback(const struct demo_chat_state *chat, void *user)
{
    struct fixture *f = user;
    (void)chat;
    zkt_server_free(f->server);
    f->server = NULL;
}

/* Clients outlive their server: they have lost the connection, and close as
 * always. */
static void test_the_server_goes_first(void **state)
{
    struct fixture *f = *state;
    struct zkt_client *other = zkt_client_open_local(f->server);
    struct demo_chat *room = demo_chat_open(other, "room");
    assert_int_equal(call_join(f, "ann"), ZKT_OK);
    zkt_server_free(f->server);
    f->server = NULL;
    zkt_reply_clear(&f->reply);
    assert_int_equal(call_join(f, "ann"), ZKT_DEADLINE_EXCEEDED);
    assert_int_not_equal(zkt_client_status(f->client), ZKT_CONNECTED);
    (void)zkt_client_poll(other, 100);
    demo_chat_close(room);
    zkt_client_close(other);
}

/* The server also ends in the middle of a turn of all clients. */
static void test_the_server_goes_in_a_callback(void **state)
{
    struct fixture *f = *state;
    struct zkt_client *other = zkt_client_open_local(f->server);
    struct demo_chat *room = demo_chat_open(other, "room");
    demo_chat_subscribe(f->room, free_in_a_callback, f);
    while (f->server != NULL) {
        assert_int_equal(zkt_client_poll(other, 0), ZKT_OK);
    }
    (void)zkt_client_poll(other, 0);
    (void)zkt_client_poll(f->client, 0);
    demo_chat_close(room);
    zkt_client_close(other);
}

static void count_posted(struct zkt_client *client, void *user)
{
    int *count = user;
    (*count)++;
    if (*count == 1) {
        assert_int_equal(zkt_client_post(client, count_posted, user), ZKT_OK);
    }
}

static void test_posting_to_a_local_client(void **state)
{
    struct fixture *f = *state;
    int count = 0;
    assert_int_equal(zkt_client_post(f->client, count_posted, &count), ZKT_OK);
    assert_int_equal(count, 0);
    zkt_client_poll(f->client, 0);
    /* functions that it posts run in the next turn */
    assert_int_equal(count, 1);
    zkt_client_poll(f->client, 0);
    assert_int_equal(count, 2);
    assert_int_equal(zkt_client_post(f->client, count_posted, &count), ZKT_OK);
    zkt_client_close(f->client);
    f->client = NULL;
    assert_int_equal(count, 3);
}

static void add_one(struct zkt_client *client, void *user)
{
    (void)client;
    ++*(int *)user;
}

/* A turn runs a part of what was posted, so that it ends; the last runs all. */
static void test_posting_much_to_a_local_client(void **state)
{
    struct fixture *f = *state;
    int count = 0;
    for (int i = 0; i < 4 * ZKT_INBOX_TURN; i++) {
        assert_int_equal(zkt_client_post(f->client, add_one, &count), ZKT_OK);
    }
    for (int turn = 1; turn <= 2; turn++) {
        assert_int_equal(zkt_client_poll(f->client, 1000), ZKT_OK);
        assert_int_equal(count, turn * ZKT_INBOX_TURN);
    }
    zkt_client_close(f->client);
    f->client = NULL;
    assert_int_equal(count, 4 * ZKT_INBOX_TURN);
}

/* The part of another thread while this thread polls. */
struct poster {
    struct zkt_server *server;
    struct zkt_client *client;
    bool ran;
};

static void note_client(struct zkt_client *client, void *user)
{
    struct poster *p = user;
    assert_ptr_equal(client, p->client);
    p->ran = true;
}

static void note_server(struct zkt_server *server, void *user)
{
    struct poster *p = user;
    assert_ptr_equal(server, p->server);
    p->ran = true;
}

static void *post_to_client(void *user)
{
    struct poster *p = user;
    return zkt_client_post(p->client, note_client, p) == ZKT_OK ? p : NULL;
}

static void *post_to_server(void *user)
{
    struct poster *p = user;
    return zkt_server_post(p->server, note_server, p) == ZKT_OK ? p : NULL;
}

/* @polled polls without a limit until @post, on another thread, wakes it. */
static void wait_for_post(struct poster *p, struct zkt_client *polled,
                          void *(*post)(void *user))
{
    pthread_t thread;
    void *good;
    p->ran = false;
    assert_int_equal(pthread_create(&thread, NULL, post, p), 0);
    while (!p->ran) {
        assert_int_equal(zkt_client_poll(polled, -1), ZKT_OK);
    }
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_ptr_equal(good, p);
}

/* No deadline is armed, so the clock has no time to jump to. */
static void test_a_post_ends_a_poll_without_a_limit(void **state)
{
    const struct zkt_serve_options options = {
        .log = keep_log,
        .limits = { .ping_after_ms = INT64_MAX },
    };
    struct poster p = { .ran = false };
    (void)state;
    assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &p.server),
                     ZKT_OK);
    p.client = zkt_client_open_local(p.server);
    struct zkt_client *other = zkt_client_open_local(p.server);
    while (zkt_client_status(p.client) != ZKT_CONNECTED ||
           zkt_client_status(other) != ZKT_CONNECTED) {
        zkt_client_poll(p.client, 0);
    }
    wait_for_post(&p, p.client, post_to_client);
    wait_for_post(&p, p.client, post_to_server);
    wait_for_post(&p, other, post_to_client);
    zkt_client_close(other);
    wait_for_post(&p, p.client, post_to_server);
    zkt_client_close(p.client);
    zkt_server_free(p.server);
}

static void test_no_client_at_all(void **state)
{
    struct demo_counter *counter = demo_counter_open(NULL, "x");
    struct zkt_reply reply = { 0 };
    int32_t n = 0;
    const struct demo_counter_inc_input in = { .by = 1 };
    (void)state;
    assert_null(counter);
    assert_int_equal(demo_counter_call_inc(counter, &in, &n, &reply),
                     ZKT_FAILED_PRECONDITION);
    assert_string_equal(reply.error, "there is no client to call with");
    assert_int_equal(demo_counter_watch_n(counter, NULL, NULL), 0);
    assert_int_equal(zkt_client_poll(NULL, 0), ZKT_CLOSED);
    demo_counter_close(counter);
    zkt_client_close(NULL);
    assert_null(zkt_client_open("http://nonsense", NULL));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_poisoned_calls),
        T(test_memory_that_runs_out),
        T(test_failure_takes_events_back),
        T(test_counts_are_checked_at_the_commit),
        T(test_pending_without_deferring),
        T(test_a_hook_that_fails),
        T(test_missing_handlers_are_named),
        T(test_input_is_checked_before_it_is_sent),
        T(test_input_is_checked_as_it_will_be),
        T(test_listeners_in_callbacks),
        T(test_closing_in_a_callback),
        T(test_closing_rejects_what_is_pending),
        T(test_two_clients_stay_in_sync),
        T(test_a_new_instance_is_followed),
        T(test_the_event_of_a_call),
        T(test_the_first_time_is_no_jump),
        T(test_silence_ends_a_connection),
        T(test_a_local_client_comes_back),
        T(test_the_server_goes_first),
        T(test_the_server_goes_in_a_callback),
        T(test_posting_to_a_local_client),
        T(test_posting_much_to_a_local_client),
        T(test_a_post_ends_a_poll_without_a_limit),
        T(test_no_client_at_all),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
