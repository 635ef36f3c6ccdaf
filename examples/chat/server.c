/*
 * The chat server. `open` decides who is there; each handler checks only
 * conditions that the schema cannot express (has the user joined, is the room
 * full), changes the state and returns. Rules and rates of the schema have been
 * checked before.
 */
#include "chat_server.h"
#include "zocket/http.h"

/* The name is taken on trust. A server for strangers reads a token instead
 * (`token: string from bearer`), and fails with UNAUTHENTICATED if nobody has
 * signed it. */
static enum zkt_status on_open(struct demo_connection_call *call,
                               const struct demo_connection_input *in,
                               struct demo_connection *out)
{
    (void)call;
    out->user = in->user;
    return ZKT_OK;
}

/* Returns the user of the call as a member of the room, or NULL. */
static const struct demo_member *find_caller(const struct demo_chat_call *call)
{
    return demo_member_map_find(&call->state->members, call->connection->user);
}

/* Returns the ids of all connections of a user to the room. */
static struct zkt_str_list find_connections(const struct demo_chat_call *call,
                                            struct zkt_str user)
{
    const struct zkt_str_list all = zkt_clients(call->zkt);
    struct zkt_str *ids = ZKT_NEW(call->zkt, struct zkt_str, all.len);
    struct zkt_str_list found = { .items = ids };
    for (size_t i = 0; ids != NULL && i < all.len; i++) {
        const struct demo_connection *connection = demo_connection_of(
            call->zkt, all.items[i]);
        if (zkt_str_eq(connection->user, user)) {
            ids[found.len++] = all.items[i];
        }
    }
    return found;
}

static enum zkt_status join(struct demo_chat_call *call,
                            struct demo_member *out)
{
    const struct zkt_str user = call->connection->user;
    const struct demo_member *joined = find_caller(call);
    if (joined != NULL) {
        *out = *joined;
        return ZKT_OK;
    }
    if (call->state->members.len == DEMO_CHAT_MEMBERS_MAX) {
        const struct demo_room_full_error full = {
            .capacity = DEMO_CHAT_MEMBERS_MAX,
        };
        return demo_fail_room_full(call->zkt, &full, NULL);
    }
    *out = (struct demo_member){
        .joined_at = zkt_now_ms(call->zkt),
        .connections = (int32_t)find_connections(call, user).len,
    };
    demo_chat_put_members(call, user, out);
    return ZKT_OK;
}

static enum zkt_status say(struct demo_chat_call *call,
                           const struct demo_chat_say_input *in,
                           struct demo_message *out)
{
    if (find_caller(call) == NULL) {
        return demo_fail_not_joined(call->zkt, NULL);
    }
    *out = (struct demo_message){
        .id = call->state->next_id,
        .from = call->connection->user,
        .text = in->text,
        .sent_at = zkt_now_ms(call->zkt),
        .reply_to = in->reply_to,
    };
    demo_chat_set_next_id(call, out->id + 1);
    if (call->state->messages.len == DEMO_CHAT_MESSAGES_MAX) {
        demo_chat_remove_messages(call, 0, 1);
    }
    demo_chat_append_messages(call, out);
    demo_chat_emit_said(call, out, zkt_to_all());
    return ZKT_OK;
}

static enum zkt_status whisper(struct demo_chat_call *call,
                               const struct demo_chat_whisper_input *in)
{
    if (find_caller(call) == NULL) {
        return demo_fail_not_joined(call->zkt, NULL);
    }
    if (demo_member_map_find(&call->state->members, in->to) == NULL) {
        const struct demo_not_here_error absent = { .user = in->to };
        return demo_fail_not_here(call->zkt, &absent, "%s is not here",
                                  in->to.data);
    }
    const struct zkt_str_list ids = find_connections(call, in->to);
    const struct demo_chat_whispered_event event = {
        .from = call->connection->user,
        .text = in->text,
    };
    demo_chat_emit_whispered(call, &event, zkt_to_each(ids.items, ids.len));
    return ZKT_OK;
}

static enum zkt_status history(struct demo_chat_call *call,
                               const struct demo_chat_history_input *in,
                               struct demo_message_list *out)
{
    const struct demo_message_list *all = &call->state->messages;
    const size_t limit = (size_t)in->limit;
    out->len = all->len < limit ? all->len : limit;
    if (out->len > 0) { /* a view of the state, without a copy */
        out->items = all->items + (all->len - out->len);
    }
    return ZKT_OK;
}

static enum zkt_status set_topic(struct demo_chat_call *call,
                                 const struct demo_chat_set_topic_input *in)
{
    if (find_caller(call) == NULL) {
        return demo_fail_not_joined(call->zkt, NULL);
    }
    demo_chat_set_topic(call, in->topic);
    return ZKT_OK;
}

static void remove_member(struct demo_chat_call *call, struct zkt_str user)
{
    const struct demo_chat_left_event event = { .user = user };
    demo_chat_remove_members(call, user);
    demo_chat_emit_left(call, &event, zkt_to_all());
}

static enum zkt_status leave(struct demo_chat_call *call)
{
    if (find_caller(call) != NULL) {
        remove_member(call, call->connection->user);
    }
    return ZKT_OK;
}

/* Counts the connections of the room, and those of the caller, of which
 * @change have come. */
static enum zkt_status count_connections(struct demo_chat_call *call,
                                         int32_t change)
{
    const struct zkt_str user = call->connection->user;
    const struct demo_member *member = find_caller(call);
    demo_chat_set_online(call, (int32_t)zkt_clients(call->zkt).len);
    if (member != NULL && member->connections + change == 0) {
        remove_member(call, user);
    } else if (member != NULL) {
        demo_member_set_connections(demo_chat_edit_members(call, user),
                                    member->connections + change);
    }
    return ZKT_OK;
}

static enum zkt_status on_connect(struct demo_chat_call *call)
{
    return count_connections(call, 1);
}

static enum zkt_status on_disconnect(struct demo_chat_call *call)
{
    return count_connections(call, -1);
}

static const struct demo_chat_handlers chat = {
    .join = join,
    .say = say,
    .whisper = whisper,
    .history = history,
    .set_topic = set_topic,
    .leave = leave,
    .on_connect = on_connect,
    .on_disconnect = on_disconnect,
};

/* A page for whoever watches the server: `curl localhost:3000/version`. */
static void on_request(struct zkt_http *http, void *user)
{
    (void)user;
    if (zkt_str_eq(zkt_http_path(http), ZKT_STR("/version"))) {
        zkt_http_reply(http, 200, "text/plain", "1.4.2\n", 6);
    } else {
        zkt_http_next(http);
    }
}

int main(int argc, char **argv)
{
    const struct demo_handlers handlers = {
        .on_open = on_open,
        .chat = &chat,
    };
    const struct zkt_serve_options options = {
        .port = 3000,
        .on_request = on_request,
    };
    return zkt_serve_main(demo_app(&handlers), &options, argc, argv);
}
