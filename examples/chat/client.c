/*
 * A chat client that plays a person: chat_client URL NAME OTHER. It is refused,
 * joins, waits for the other person, talks, whispers, watches the state change,
 * and leaves. Run it twice at the same time with the names swapped:
 * `./examples/run` does.
 */
#include "chat_client.h"

#include <stdio.h>

struct person {
    const char *name, *other;
    struct zkt_client *client;
    struct demo_chat *room;
    struct zkt_reply reply;
    size_t heard; /* messages in the room, its own too */
    bool whispered, topic_is_new;
};

/* Sets the parameters of the connection, before each attempt to connect. */
static enum zkt_status say_who(void *user, struct zkt_connect *connect)
{
    const struct person *me = user;
    zkt_connect_query(connect, "user", me->name);
    return ZKT_OK;
}

static void on_said(const struct demo_message *message, void *user)
{
    struct person *me = user;
    me->heard++;
    printf("[%s] hears %s say: %s\n", me->name, message->from.data,
           message->text.data);
}

static void on_whispered(const struct demo_chat_whispered_event *event,
                         void *user)
{
    struct person *me = user;
    me->whispered = true;
    printf("[%s] hears %s whisper: %s\n", me->name, event->from.data,
           event->text.data);
}

static void on_left(const struct demo_chat_left_event *event, void *user)
{
    const struct person *me = user;
    printf("[%s] sees %s leave\n", me->name, event->user.data);
}

static void on_topic(struct zkt_str topic, void *user)
{
    struct person *me = user;
    me->topic_is_new = !zkt_str_eq(topic, ZKT_STR("general"));
    printf("[%s] sees the topic: %s\n", me->name, topic.data);
}

static void on_members(const struct demo_member_map *members, void *user)
{
    const struct person *me = user;
    printf("[%s] sees %zu in the room:", me->name, members->len);
    for (size_t i = 0; i < members->len; i++) {
        printf(" %s", members->items[i].key.data);
    }
    printf("\n");
}

static bool saw_other(const struct person *me)
{
    const struct demo_chat_state *now = demo_chat_snapshot(me->room);
    return now != NULL &&
           demo_member_map_find(&now->members, zkt_cstr(me->other)) != NULL;
}

static bool saw_all(const struct person *me)
{
    return me->heard >= 2 && me->whispered && me->topic_is_new;
}

/* Runs the client's loop until @is_true holds; returns false if the connection
 * is lost. */
static bool wait_until(struct person *me,
                       bool (*is_true)(const struct person *))
{
    while (!is_true(me)) {
        if (zkt_client_poll(me->client, 10000) != ZKT_OK) {
            fprintf(stderr, "[%s] waited in vain\n", me->name);
            return false;
        }
    }
    return true;
}

static enum zkt_status say_hello(struct person *me)
{
    const struct demo_chat_say_input hello = { .text = ZKT_STR("hello!") };
    struct demo_message sent;
    return demo_chat_call_say(me->room, &hello, &sent, &me->reply);
}

/* Talks without having joined. Returns false unless the server refuses that
 * with the schema's error. */
static bool is_refused(struct person *me)
{
    (void)say_hello(me);
    if (!demo_is_not_joined(&me->reply)) {
        return false;
    }
    printf("[%s] is told: %s\n", me->name, me->reply.error);
    return true;
}

static enum zkt_status talk(struct person *me)
{
    enum zkt_status status = say_hello(me);
    if (status != ZKT_OK) {
        return status;
    }
    const struct demo_chat_whisper_input whisper = {
        .to = zkt_cstr(me->other),
        .text = ZKT_STR("this is between us"),
    };
    status = demo_chat_call_whisper(me->room, &whisper, &me->reply);
    if (status != ZKT_OK) {
        return status;
    }
    const struct demo_chat_set_topic_input topic = {
        .topic = ZKT_STR("state in sync"),
    };
    return demo_chat_call_set_topic(me->room, &topic, &me->reply);
}

static enum zkt_status visit(struct person *me)
{
    struct demo_member joined;
    if (!is_refused(me)) {
        return ZKT_FAILED_PRECONDITION;
    }
    enum zkt_status status = demo_chat_call_join(me->room, &joined, &me->reply);
    if (status != ZKT_OK) {
        return status;
    }
    if (!wait_until(me, saw_other)) {
        return ZKT_DEADLINE_EXCEEDED;
    }
    status = talk(me);
    if (status != ZKT_OK) {
        return status;
    }
    if (!wait_until(me, saw_all)) {
        return ZKT_DEADLINE_EXCEEDED;
    }
    const struct demo_chat_history_input newest = { .limit = 10 };
    struct demo_message_list messages;
    status = demo_chat_call_history(me->room, &newest, &messages, &me->reply);
    if (status != ZKT_OK) {
        return status;
    }
    printf("[%s] reads a history of %zu messages and leaves\n", me->name,
           messages.len);
    return demo_chat_call_leave(me->room, &me->reply);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s URL NAME OTHER\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct person me = { .name = argv[2], .other = argv[3] };
    const struct zkt_client_options options = {
        .prepare = say_who,
        .prepare_user = &me,
    };
    me.client = zkt_client_open(argv[1], &options);
    me.room = demo_chat_open(me.client, "lobby");
    demo_chat_on_said(me.room, on_said, &me);
    demo_chat_on_whispered(me.room, on_whispered, &me);
    demo_chat_on_left(me.room, on_left, &me);
    demo_chat_watch_topic(me.room, on_topic, &me);
    demo_chat_watch_members(me.room, on_members, &me);

    const enum zkt_status status = visit(&me);
    if (status != ZKT_OK) {
        fprintf(stderr, "[%s] %s\n", me.name,
                me.reply.error != NULL ? me.reply.error
                                       : zkt_status_text(status));
    }
    zkt_reply_clear(&me.reply);
    demo_chat_close(me.room);
    zkt_client_close(me.client);
    return status == ZKT_OK ? 0 : 1;
}
