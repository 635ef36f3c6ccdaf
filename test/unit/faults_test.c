/*
 * Server and clients with an allocator that fails once, at every allocation in
 * turn: the chat of test/chat, two clients and the server joined in memory.
 * After any failure nothing leaks, nothing hangs, every reply is an error or
 * the right result, and the server serves the next client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "chat_client.h"
#include "failing_alloc.h"

#define main chat_main
#include "../chat/server.c"
#undef main

struct seen {
    int said, topics, states;
};

static void on_said(const struct demo_message *message, void *user)
{
    struct seen *seen = user;
    assert_string_equal(message->from.data, "ada");
    seen->said++;
}

static void on_topic(struct zkt_str topic, void *user)
{
    struct seen *seen = user;
    (void)topic;
    seen->topics++;
}

static void on_state(const struct demo_chat_state *state, void *user)
{
    struct seen *seen = user;
    assert_true(state->messages.len <= 2);
    seen->states++;
}

static void on_done(const struct zkt_reply *reply, void *user)
{
    int *done = user;
    assert_non_null(reply->error);
    (*done)++;
}

/* Visits the server; calls may fail, but only with an error text. */
static bool visit(struct zkt_server *server, struct seen *seen)
{
    struct zkt_client *client = zkt_client_open_local(server);
    struct demo_chat *room = demo_chat_open(client, "room");
    struct zkt_reply reply = { 0 };
    struct demo_member me;
    struct demo_message message;
    struct demo_message_list history;
    const struct demo_chat_join_input join = { .name = ZKT_STR("ada") };
    const struct demo_chat_say_input say = { .text = ZKT_STR("hello") };
    const struct demo_chat_history_input all = { .limit = 10 };
    const struct demo_chat_set_topic_input topic = {
        .topic = ZKT_STR("a topic that is not short")
    };
    int done = 0;
    bool good = true;
    demo_chat_on_said(room, on_said, seen);
    demo_chat_watch_topic(room, on_topic, seen);
    demo_chat_subscribe(room, on_state, seen);
    good = demo_chat_call_join(room, &join, &me, &reply) == ZKT_OK && good;
    assert_non_null(reply.error);
    good = demo_chat_call_say(room, &say, &message, &reply) == ZKT_OK && good;
    demo_chat_begin_set_topic(room, &topic, on_done, &done);
    for (int i = 0; i < 100 && done == 0; i++) {
        if (zkt_client_poll(client, 20000) == ZKT_CLOSED) {
            break;
        }
    }
    assert_int_equal(done, 1);
    good = demo_chat_call_history(room, &all, &history, &reply) == ZKT_OK &&
           good;
    if (good) {
        assert_int_equal(history.len, 1);
        assert_string_equal(history.items[0].text.data, "hello");
    }
    good = demo_chat_call_leave(room, &reply) == ZKT_OK && good;
    zkt_reply_clear(&reply);
    demo_chat_close(room);
    zkt_client_close(client);
    return good;
}

static const struct demo_handlers handlers = { .chat = &chat };

/* Runs while the @n-th allocation fails. Returns false if there were fewer
 * allocations. */
static bool run_with_failure(long n)
{
    struct failing_alloc failing;
    struct seen seen = { 0 };
    failing_alloc_init(&failing, n);
    const struct zkt_serve_options options = {
        .allocator = &failing.allocator,
    };
    struct zkt_server *server = NULL;
    const enum zkt_status status = zkt_server_new(demo_app(&handlers), &options,
                                                  &server);
    if (status != ZKT_OK) {
        assert_int_equal(status, ZKT_NO_MEMORY);
        assert_null(server);
        assert_int_equal(failing.live, 0);
        return true;
    }
    const bool good = visit(server, &seen);
    const bool failed = failing.calls >= n;
    failing.fail_at = 0;
    if (!failed) {
        assert_true(good);
        assert_int_equal(seen.said, 1);
        assert_true(seen.topics >= 2);
    }
    /* An instance keeps its messages; another room is not affected. */
    struct zkt_client *client = zkt_client_open_local(server);
    struct demo_chat *room = demo_chat_open(client, "another");
    struct zkt_reply reply = { 0 };
    struct demo_member me;
    const struct demo_chat_join_input join = { .name = ZKT_STR("bob") };
    assert_int_equal(demo_chat_call_join(room, &join, &me, &reply), ZKT_OK);
    assert_string_equal(me.name.data, "bob");
    zkt_reply_clear(&reply);
    demo_chat_close(room);
    zkt_client_close(client);
    zkt_server_free(server);
    assert_int_equal(failing.live, 0);
    return failed;
}

static void test_every_allocation(void **state)
{
    long n = 1;
    (void)state;
    while (run_with_failure(n)) {
        n++;
        assert_true(n < 10000);
    }
    assert_true(n > 50); /* the session does allocate */
    print_message("# %ld allocations failed in turn\n", n - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
