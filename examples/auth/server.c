/*
 * The server of examples/auth. `open` decides who may come in: it checks the
 * token, and asks the hall whether the user is banned. Later calls find the
 * user in call->connection, and never see a token.
 */
#include "auth_server.h"
#include "token.h"

#include <string.h>

#define THE_HALL ZKT_STR("main")

/* ---- the connection ---- */

/* An `open` that waits for the hall's answer. */
struct arrival {
    struct demo_connection_on_open_later *later;
    struct token token;
    enum zkt_status status;
    int64_t banned_until;
};

static enum zkt_status finish_open(struct demo_connection_call *call,
                                   const struct demo_connection_input *in,
                                   struct demo_connection *out, void *user)
{
    const struct arrival *arrival = user;
    (void)in;
    if (arrival->status != ZKT_OK) {
        return zkt_fail(call->zkt, ZKT_UNAVAILABLE, "the hall is closed");
    }
    if (arrival->banned_until > 0) {
        const struct demo_banned_error details = { arrival->banned_until };
        return demo_fail_banned(call->zkt, &details, NULL);
    }
    out->user_id = zkt_format(call->zkt, "%s", arrival->token.user);
    out->role = strcmp(arrival->token.role, "moderator") == 0
                    ? DEMO_ROLE_MODERATOR
                    : DEMO_ROLE_MEMBER;
    return ZKT_OK;
}

static void on_banned_until(const struct zkt_reply *reply, int64_t until,
                            void *user)
{
    struct arrival *arrival = user;
    arrival->status = reply->status;
    arrival->banned_until = until;
    demo_connection_resume_on_open(arrival->later, finish_open, arrival);
}

static enum zkt_status ask_the_hall(struct demo_connection_call *call,
                                    const struct token *token)
{
    struct arrival *arrival = ZKT_NEW(call->zkt, struct arrival, 1);
    if (arrival == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    arrival->token = *token;
    arrival->later = demo_connection_defer_on_open(call);
    if (arrival->later == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    const struct demo_hall_banned_until_input in = {
        .user_id = zkt_cstr(token->user),
    };
    const enum zkt_status status = demo_hall_invoke_banned_until(
        zkt_call_server(call->zkt), THE_HALL, &in, on_banned_until, arrival);
    if (status != ZKT_OK) { /* on_banned_until will not run */
        arrival->status = status;
        demo_connection_resume_on_open(arrival->later, finish_open, arrival);
    }
    return ZKT_PENDING;
}

static enum zkt_status on_open(struct demo_connection_call *call,
                               const struct demo_connection_input *in,
                               struct demo_connection *out)
{
    struct token token;
    (void)out; /* finish_open fills it in */
    if (!in->token.has) {
        return demo_fail_no_token(call->zkt, NULL);
    }
    switch (token_check(zkt_user(call->zkt), in->token.value.data,
                        in->token.value.len, zkt_now_ms(call->zkt), &token)) {
    case TOKEN_BAD:
        return demo_fail_bad_token(call->zkt, NULL);
    case TOKEN_EXPIRED:
        return demo_fail_expired_token(call->zkt, NULL);
    case TOKEN_GOOD:
        break;
    }
    return ask_the_hall(call, &token);
}

static enum zkt_status moderator(struct demo_middleware_call *call)
{
    return call->connection->role == DEMO_ROLE_MODERATOR
               ? ZKT_OK
               : demo_fail_not_moderator(call->zkt, NULL);
}

/* ---- the hall ---- */

/* Returns the end of a user's ban, or 0. */
static int64_t end_of_ban(const struct demo_hall_call *call,
                          struct zkt_str user_id)
{
    const int64_t *until = zkt_int64_map_find(&call->state->bans, user_id);
    return until != NULL && *until > zkt_now_ms(call->zkt) ? *until : 0;
}

/*
 * A client names any instance, and another hall would have other bans. And a
 * user may have been banned after `open` has asked.
 */
static enum zkt_status on_connect(struct demo_hall_call *call)
{
    if (!zkt_str_eq(zkt_instance_id(call->zkt), THE_HALL)) {
        return zkt_fail(call->zkt, ZKT_NOT_FOUND, "no such hall");
    }
    const struct demo_banned_error details = {
        .until = end_of_ban(call, call->connection->user_id),
    };
    return details.until == 0 ? ZKT_OK
                              : demo_fail_banned(call->zkt, &details, NULL);
}

static enum zkt_status enter(struct demo_hall_call *call,
                             const struct demo_hall_enter_input *in)
{
    zkt_topic_join(call->zkt, in->room);
    return ZKT_OK;
}

static enum zkt_status say(struct demo_hall_call *call,
                           const struct demo_hall_say_input *in)
{
    if (!zkt_topic_has(call->zkt, in->room)) {
        return demo_fail_not_in_room(call->zkt, NULL);
    }
    const struct demo_said_broadcast line = {
        .room = in->room,
        .by = call->connection->user_id,
        .text = in->text,
    };
    demo_emit_said(call->zkt, &line, zkt_to_topic(in->room));
    return ZKT_OK;
}

static enum zkt_status announce(struct demo_hall_call *call,
                                const struct demo_hall_announce_input *in)
{
    const struct demo_announced_broadcast line = {
        .by = call->connection->user_id,
        .text = in->text,
    };
    demo_emit_announced(call->zkt, &line, zkt_to_all());
    return ZKT_OK;
}

/* Closes every connection of a user that is in contact with the hall. Returns
 * their number. */
static size_t close_connections(struct demo_hall_call *call,
                                struct zkt_str user_id, unsigned code,
                                const char *reason)
{
    const struct zkt_str_list clients = zkt_clients(call->zkt);
    size_t closed = 0;
    for (size_t i = 0; i < clients.len; i++) {
        const struct demo_connection *of = demo_connection_of(call->zkt,
                                                              clients.items[i]);
        if (of != NULL && zkt_str_eq(of->user_id, user_id)) {
            zkt_kick(call->zkt, clients.items[i], code, reason);
            closed++;
        }
    }
    return closed;
}

static enum zkt_status kick(struct demo_hall_call *call,
                            const struct demo_hall_kick_input *in)
{
    return close_connections(call, in->user_id, 1008, "kicked") > 0
               ? ZKT_OK
               : zkt_fail(call->zkt, ZKT_NOT_FOUND, "%s is not here",
                          in->user_id.data);
}

static enum zkt_status ban(struct demo_hall_call *call,
                           const struct demo_hall_ban_input *in)
{
    if (call->state->bans.len == DEMO_HALL_BANS_MAX) {
        return zkt_fail(call->zkt, ZKT_RESOURCE_EXHAUSTED, "too many bans");
    }
    demo_hall_put_bans(call, in->user_id,
                       zkt_now_ms(call->zkt) + in->minutes * INT64_C(60000));
    close_connections(call, in->user_id, 4403, "banned");
    return ZKT_OK;
}

static enum zkt_status banned_until(
    struct demo_hall_call *call, const struct demo_hall_banned_until_input *in,
    int64_t *out)
{
    *out = end_of_ban(call, in->user_id);
    if (*out == 0) {
        demo_hall_remove_bans(call, in->user_id); /* it may have ended */
    }
    return ZKT_OK;
}

static const struct demo_hall_handlers hall = {
    .enter = enter,
    .say = say,
    .announce = announce,
    .kick = kick,
    .ban = ban,
    .banned_until = banned_until,
    .on_connect = on_connect,
};

int main(int argc, char **argv)
{
    struct token_key key;
    if (!token_read_key(&key)) {
        return 2;
    }
    const struct demo_handlers handlers = {
        .user = &key,
        .on_open = on_open,
        .moderator = moderator,
        .hall = &hall,
    };
    const struct zkt_serve_options options = { .port = 3000 };
    return zkt_serve_main(demo_app(&handlers), &options, argc, argv);
}
