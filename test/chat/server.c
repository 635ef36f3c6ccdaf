/*
 * The chat server. Each handler checks only conditions that the schema cannot
 * express (who may do this, is the name free), changes the state and returns;
 * the schema's rules have been checked before.
 */
#include "chat_server.h"
#ifdef HAS_TLS
#include "zocket/tls.h"
#endif

static const struct demo_member *caller(const struct demo_chat_call *call)
{
    return demo_member_map_find(&call->state->members,
                                zkt_client_id(call->zkt));
}

static bool name_is_taken(const struct demo_chat_call *call,
                          struct zkt_str name)
{
    const struct demo_member_map *members = &call->state->members;
    for (size_t i = 0; i < members->len; i++) {
        if (zkt_str_eq(members->items[i].value.name, name)) {
            return true;
        }
    }
    return false;
}

static enum zkt_status join(struct demo_chat_call *call,
                            const struct demo_chat_join_input *in,
                            struct demo_member *out)
{
    if (caller(call) != NULL) {
        return zkt_fail(call->zkt, ZKT_FAILED_PRECONDITION,
                        "you have joined already");
    }
    if (name_is_taken(call, in->name)) {
        return zkt_fail(call->zkt, ZKT_ALREADY_EXISTS, "%s is here already",
                        in->name.data);
    }
    *out = (struct demo_member){
        .name = in->name,
        .joined_at = zkt_now_ms(call->zkt),
    };
    demo_chat_put_members(call, zkt_client_id(call->zkt), out);
    return ZKT_OK;
}

static enum zkt_status say(struct demo_chat_call *call,
                           const struct demo_chat_say_input *in,
                           struct demo_message *out)
{
    const struct demo_member *from = caller(call);
    if (from == NULL) {
        return zkt_fail(call->zkt, ZKT_FAILED_PRECONDITION, "join first");
    }
    *out = (struct demo_message){
        .id = call->state->next_id,
        .from = from->name,
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
    const struct demo_member *from = caller(call);
    if (from == NULL) {
        return zkt_fail(call->zkt, ZKT_FAILED_PRECONDITION, "join first");
    }
    if (demo_member_map_find(&call->state->members, in->to) == NULL) {
        return zkt_fail(call->zkt, ZKT_NOT_FOUND, "no such member");
    }
    const struct demo_chat_whispered_event event = {
        .from = from->name,
        .text = in->text,
    };
    demo_chat_emit_whispered(call, &event, zkt_to(in->to));
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

static enum zkt_status who(struct demo_chat_call *call,
                           struct demo_member_map *out)
{
    *out = call->state->members;
    return ZKT_OK;
}

static enum zkt_status set_topic(struct demo_chat_call *call,
                                 const struct demo_chat_set_topic_input *in)
{
    if (caller(call) == NULL) {
        return zkt_fail(call->zkt, ZKT_PERMISSION_DENIED,
                        "only members set the topic");
    }
    demo_chat_set_topic(call, in->topic);
    return ZKT_OK;
}

/* Removes the caller from the room; does nothing if the caller has not
 * joined. */
static void remove_caller(struct demo_chat_call *call)
{
    const struct demo_member *member = caller(call);
    if (member == NULL) {
        return;
    }
    /* The copy is valid after the removal, the pointer is not. */
    const struct demo_member gone = *member;
    demo_chat_remove_members(call, zkt_client_id(call->zkt));
    const struct demo_chat_left_event event = { .name = gone.name };
    demo_chat_emit_left(call, &event, zkt_to_all());
}

static enum zkt_status leave(struct demo_chat_call *call)
{
    remove_caller(call);
    return ZKT_OK;
}

static enum zkt_status on_connect(struct demo_chat_call *call)
{
    demo_chat_set_online(call, (int32_t)zkt_clients(call->zkt).len);
    return ZKT_OK;
}

static enum zkt_status on_disconnect(struct demo_chat_call *call)
{
    demo_chat_set_online(call, (int32_t)zkt_clients(call->zkt).len);
    remove_caller(call);
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

int main(int argc, char **argv)
{
    const struct demo_handlers handlers = { .chat = &chat };
    struct zkt_serve_options options = { .port = 3000 };
#ifdef HAS_TLS
    options.tls = zkt_tls_server(NULL);
#endif
    const int status = zkt_serve_main(demo_app(&handlers), &options, argc,
                                      argv);
#ifdef HAS_TLS
    zkt_tls_free(options.tls);
#endif
    return status;
}
