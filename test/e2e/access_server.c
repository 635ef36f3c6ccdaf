/*
 * The server of access.test.js: `open` refuses a connection as its query says,
 * and `open` and middleware wait for a call of `release`.
 */
#include "access_server.h"

#include <pthread.h>

/* ---- deferred handlers ---- */

#define WAITING_MAX 8

static struct {
    pthread_mutex_t lock;
    struct waiting {
        void (*resume)(void *deferred);
        void *deferred;
    } all[WAITING_MAX];
    uint32_t count;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

static enum zkt_status wait(void (*resume)(void *deferred), void *deferred)
{
    if (deferred == NULL) {
        return ZKT_INTERNAL;
    }
    pthread_mutex_lock(&queue.lock);
    const bool has_room = queue.count < WAITING_MAX;
    if (has_room) {
        queue.all[queue.count++] = (struct waiting){ resume, deferred };
    }
    pthread_mutex_unlock(&queue.lock);
    if (!has_room) {
        resume(deferred);
    }
    return ZKT_PENDING;
}

static enum zkt_status waiting(struct access_desk_call *call, uint32_t *out)
{
    (void)call;
    pthread_mutex_lock(&queue.lock);
    *out = queue.count;
    pthread_mutex_unlock(&queue.lock);
    return ZKT_OK;
}

static enum zkt_status release(struct access_desk_call *call)
{
    (void)call;
    pthread_mutex_lock(&queue.lock);
    while (queue.count > 0) {
        const struct waiting *next = &queue.all[--queue.count];
        next->resume(next->deferred);
    }
    pthread_mutex_unlock(&queue.lock);
    return ZKT_OK;
}

/* ---- the connection ---- */

static enum zkt_status decide(struct access_connection_call *call,
                              const struct access_connection_input *in,
                              struct access_connection *out, void *user)
{
    static const struct access_banned_error three_days = { .days = 3 };
    static const enum zkt_status codes[] = {
        [ACCESS_ANSWER_INVALID] = ZKT_INVALID_ARGUMENT,
        [ACCESS_ANSWER_UNAUTHENTICATED] = ZKT_UNAUTHENTICATED,
        [ACCESS_ANSWER_DENIED] = ZKT_PERMISSION_DENIED,
        [ACCESS_ANSWER_MISSING] = ZKT_NOT_FOUND,
        [ACCESS_ANSWER_EXHAUSTED] = ZKT_RESOURCE_EXHAUSTED,
        [ACCESS_ANSWER_UNAVAILABLE] = ZKT_UNAVAILABLE,
        [ACCESS_ANSWER_INTERNAL] = ZKT_INTERNAL,
    };
    (void)user;
    switch (in->answer) {
    case ACCESS_ANSWER_WELCOME:
        out->role = in->role;
        return ZKT_OK;
    case ACCESS_ANSWER_BANNED:
        return access_fail_banned(call->zkt, &three_days, NULL);
    case ACCESS_ANSWER_EXHAUSTED:
    case ACCESS_ANSWER_UNAVAILABLE:
        zkt_retry_after(call->zkt, 1500);
        break;
    default:
        break;
    }
    return zkt_fail(call->zkt, codes[in->answer], "not like this");
}

static void resume_open(void *deferred)
{
    access_connection_resume_on_open(deferred, decide, NULL);
}

static enum zkt_status on_open(struct access_connection_call *call,
                               const struct access_connection_input *in,
                               struct access_connection *out)
{
    return in->late ? wait(resume_open, access_connection_defer_on_open(call))
                    : decide(call, in, out, NULL);
}

static enum zkt_status members(struct access_middleware_call *call)
{
    return call->connection->role == ACCESS_ROLE_GUEST
               ? access_fail_members_only(call->zkt, NULL)
               : ZKT_OK;
}

static enum zkt_status pass(struct access_middleware_call *call, void *user)
{
    (void)call;
    (void)user;
    return ZKT_OK;
}

static void resume_held(void *deferred)
{
    access_middleware_resume_held(deferred, pass, NULL);
}

static enum zkt_status held(struct access_middleware_call *call)
{
    return wait(resume_held, access_middleware_defer_held(call));
}

/* ---- the room ---- */

static enum zkt_status write_line(struct access_room_call *call,
                                  const struct access_room_write_input *in)
{
    const struct access_room_written_event event = { .text = in->text };
    const struct access_news_broadcast news = { .text = in->text };
    zkt_topic_join(call->zkt, ZKT_STR("writers"));
    if (call->state->lines.len == ACCESS_ROOM_LINES_MAX) {
        access_room_remove_lines(call, 0, 1);
    }
    access_room_append_lines(call, in->text);
    access_room_emit_written(call, &event, zkt_to_all());
    access_emit_news(call->zkt, &news, zkt_to_topic(ZKT_STR("writers")));
    return ZKT_OK;
}

static enum zkt_status nothing(struct access_room_call *call)
{
    (void)call;
    return ZKT_OK;
}

static enum zkt_status kick(struct access_room_call *call,
                            const struct access_room_kick_input *in)
{
    zkt_kick(call->zkt, in->client_id, 4403, "out with you");
    return ZKT_OK;
}

static enum zkt_status expel(struct access_room_call *call,
                             const struct access_room_expel_input *in)
{
    zkt_expel(call->zkt, in->client_id, ZKT_PERMISSION_DENIED, "out with you");
    return ZKT_OK;
}

int main(int argc, char **argv)
{
    static const struct access_room_handlers room = {
        .write = write_line,
        .slow = nothing,
        .ping = nothing,
        .kick = kick,
        .expel = expel,
    };
    static const struct access_desk_handlers desk = {
        .waiting = waiting,
        .release = release,
    };
    static const struct access_handlers handlers = {
        .on_open = on_open,
        .members = members,
        .held = held,
        .room = &room,
        .desk = &desk,
    };
    return zkt_serve_main(access_app(&handlers), NULL, argc, argv);
}
