/*
 * The server's core: n connections, contacts, subscribers, messages. It gets
 * frames in memory; its output is taken and discarded, unless a row leaves it
 * in the queue.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "room_server.h"
#include "server/connection.h"
#include "server/core.h"
#include "zocket/embed.h"

/* ---- the handlers ---- */

static struct room_box_wait_later *held;

static enum zkt_status inc(struct room_box_call *call)
{
    room_box_set_n(call, call->state->n + 1);
    return ZKT_OK;
}

static enum zkt_status tell(struct room_box_call *call,
                            const struct room_box_tell_input *in)
{
    room_box_emit_rang(call, in->to.len > 0
                                 ? zkt_to_each(in->to.items, in->to.len)
                                 : zkt_to_all());
    return ZKT_OK;
}

static enum zkt_status wait_for_it(struct room_box_call *call)
{
    held = room_box_defer_wait(call);
    return ZKT_PENDING;
}

static enum zkt_status then(struct room_box_call *call, void *user)
{
    (void)call;
    (void)user;
    return ZKT_OK;
}

static enum zkt_status enter(struct room_box_call *call,
                             const struct room_box_enter_input *in)
{
    zkt_topic_join(call->zkt, in->topic);
    return ZKT_OK;
}

static enum zkt_status announce(struct room_box_call *call,
                                const struct room_box_announce_input *in)
{
    room_emit_news(call->zkt,
                   in->topic.len > 0 ? zkt_to_topic(in->topic) : zkt_to_all());
    return ZKT_OK;
}

/* Expels all clients but the caller. */
static enum zkt_status expel(struct room_box_call *call)
{
    const struct zkt_str_list clients = zkt_clients(call->zkt);
    for (size_t i = 0; i + 1 < clients.len; i++) {
        zkt_expel(call->zkt, clients.items[i], ZKT_ABORTED, "");
    }
    return ZKT_OK;
}

/* Closes the connections of all clients but the caller. */
static enum zkt_status kick(struct room_box_call *call)
{
    const struct zkt_str_list clients = zkt_clients(call->zkt);
    for (size_t i = 0; i + 1 < clients.len; i++) {
        zkt_kick(call->zkt, clients.items[i], 4000, "");
    }
    return ZKT_OK;
}

static const struct room_box_handlers box = {
    .inc = inc,
    .tell = tell,
    .wait = wait_for_it,
    .enter = enter,
    .announce = announce,
    .expel = expel,
    .kick = kick,
};
static const struct room_handlers handlers = { .box = &box };

/* ---- a server and its peers ---- */

enum {
    TEXT = 512
};

struct work {
    struct zkt_server *server;
    struct zkt_endpoint **peers;
    size_t n, peer_count;
    bool slow; /* its output is not taken */
    char *frames;
    size_t len;
    char client[ZKT_CLIENT_ID_LEN + 1]; /* of the last peer */
};

static void take_output(struct work *w)
{
    struct zkt_endpoint *e;
    while ((e = zkt_server_changed(w->server)) != NULL) {
        struct zkt_slice slices[16];
        size_t count;
        while (!w->slow && (count = zkt_endpoint_pending(e, slices, 16)) > 0) {
            size_t len = 0;
            for (size_t i = 0; i < count; i++) {
                len += slices[i].len;
            }
            zkt_endpoint_sent(e, len);
        }
    }
}

static void turn(struct work *w)
{
    zkt_server_tick(w->server);
    take_output(w);
    while (zkt_server_timeout(w->server) == 0) {
        zkt_server_tick(w->server);
        take_output(w);
    }
}

static size_t frame(char *to, const char *text)
{
    const size_t len = strlen(text);
    const size_t head = len < 126 ? 2 : 4;
    to[0] = (char)0x81;
    to[1] = (char)(0x80 | (len < 126 ? len : 126));
    if (head == 4) {
        to[2] = (char)(len >> 8);
        to[3] = (char)len;
    }
    memset(to + head, 0, 4); /* a mask of zeros */
    memcpy(to + head + 4, text, len);
    return head + 4 + len;
}

static void feed(struct work *w, struct zkt_endpoint *e, const char *bytes,
                 size_t len)
{
    char copy[TEXT + 16];
    memcpy(copy, bytes, len);
    zkt_endpoint_feed(e, copy, len);
    turn(w);
}

static void say(struct work *w, size_t peer, const char *text)
{
    char bytes[TEXT + 16];
    feed(w, w->peers[peer], bytes, frame(bytes, text));
}

static const char *call(const char *method, size_t id, const char *input)
{
    static char text[TEXT];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"box\","
             "\"actorId\":\"%zu\",\"method\":\"%s\"%s%s}",
             id, method, *input != '\0' ? ",\"input\":" : "", input);
    return text;
}

static const char *subscribe(const char *type, size_t id)
{
    static char text[TEXT];
    snprintf(text, sizeof(text),
             "{\"type\":\"%s\",\"actor\":\"box\",\"actorId\":\"%zu\"}", type,
             id);
    return text;
}

static bool join(struct work *w)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct zkt_endpoint *e = zkt_server_accept(w->server, "", NULL);
    if (e == NULL) {
        return false;
    }
    w->peers[w->peer_count++] = e;
    feed(w, e, request, sizeof(request) - 1);
    const struct zkt_connection *c = ZKT_CONTAINER(e, struct zkt_connection,
                                                   endpoint);
    memcpy(w->client, c->session.peer.client_id, sizeof(w->client));
    return true;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt_server_free(w->server);
    free(w->peers);
    free(w->frames);
    free(w);
}

/* Starts a server with @peers peers. */
static struct work *begin(size_t n, size_t peers)
{
    struct work *w = calloc(1, sizeof(*w));
    const struct zkt_serve_options options = {
        .allocator = &growth_allocator,
        .http_calls = true,
        .limits = { .links = 1 << 20,
                    .subscriptions = 1 << 20,
                    .mailbox_messages = 1 << 20,
                    .pending_calls = 1 << 20,
                    .leaves_per_turn = 1 << 20,
                    .output_high = 1 << 20,
                    .turn_work = INT64_MAX / 2 },
    };
    held = NULL;
    if (w == NULL ||
        zkt_server_new(room_app(&handlers), &options, &w->server) != ZKT_OK) {
        free(w);
        return NULL;
    }
    w->n = n;
    w->peers = calloc(peers + 1, sizeof(struct zkt_endpoint *)); /* and one */
    for (size_t i = 0; i < peers; i++) {
        if (!join(w)) {
            return NULL;
        }
    }
    return w;
}

/* Prepares @n frames of @text for the last peer; `%zu` is the number of the
 * frame. */
static void load(struct work *w, const char *(*text)(size_t i))
{
    w->frames = malloc(w->n * (TEXT + 16) + 1);
    for (size_t i = 0; i < w->n; i++) {
        w->len += frame(w->frames + w->len, text(i));
    }
}

static struct zkt_server_stats stats_of(const struct work *w)
{
    struct zkt_server_stats stats;
    zkt_server_stats(w->server, &stats);
    return stats;
}

static bool send_frames(void *work)
{
    struct work *w = work;
    enum {
        PIECE = 32768
    };
    for (size_t at = 0; at < w->len; at += PIECE) {
        const size_t len = w->len - at < PIECE ? w->len - at : PIECE;
        zkt_endpoint_feed(w->peers[w->peer_count - 1], w->frames + at, len);
        turn(w);
    }
    return stats_of(w).messages_in >= w->n && stats_of(w).protocol_errors == 0;
}

/* ---- a connection ---- */

static const char *call_same(size_t i)
{
    (void)i;
    return call("inc", 0, "");
}

static const char *call_each(size_t i)
{
    return call("inc", i, "");
}

static const char *subscribe_each(size_t i)
{
    return subscribe("state:sub", i);
}

static const char *change_mind(size_t i)
{
    return subscribe(i % 2 == 0 ? "event:sub" : "event:unsub", i / 2);
}

static void *prepare_frames(const void *with, size_t n)
{
    const char *(*const *text)(size_t) = with;
    struct work *w = begin(n, 1);
    if (w != NULL) {
        load(w, *text);
    }
    return w;
}

/* A connection with contacts to n instances calls an instance. */
static void *prepare_one_of_many(const void *with, size_t n)
{
    struct work *w = begin(n, 1);
    (void)with;
    for (size_t i = 0; w != NULL && i < n; i++) {
        say(w, 0, call("inc", i, ""));
    }
    return w;
}

static bool call_one(void *work)
{
    say(work, 0, call("inc", 0, ""));
    return true;
}

static bool leave_all(void *work)
{
    struct work *w = work;
    zkt_endpoint_detach(w->peers[0]);
    turn(w);
    return true;
}

/* A subscriber of n states that reads no patches. */
static void *prepare_slow(const void *with, size_t n)
{
    struct work *w = begin(n, 2);
    (void)with;
    for (size_t i = 0; w != NULL && i < n; i++) {
        say(w, 1, subscribe("state:sub", i));
    }
    if (w != NULL) {
        load(w, call_each);
    }
    return w;
}

/* ---- many connections ---- */

/* n connections with a contact to an instance; the last of them subscribes. */
static void *prepare_crowd(const void *with, size_t n)
{
    struct work *w = begin(n, n + 1);
    (void)with;
    for (size_t i = 0; w != NULL && i <= n; i++) {
        say(w, i, call("inc", 0, ""));
    }
    if (w != NULL) {
        say(w, n, subscribe("state:sub", 0));
        say(w, n, subscribe("event:sub", 0));
    }
    return w;
}

static bool change(void *work)
{
    struct work *w = work;
    say(w, w->peer_count - 1, call("inc", 0, ""));
    return true;
}

/* n subscribers. */
static void *prepare_watchers(const void *with, size_t n)
{
    struct work *w = begin(n, n + 1);
    (void)with;
    for (size_t i = 0; w != NULL && i <= n; i++) {
        say(w, i, subscribe("state:sub", 0));
        say(w, i, subscribe("event:sub", 0));
    }
    return w;
}

static bool tell_all(void *work)
{
    say(work, 0, call("tell", 0, "{\"to\":[]}"));
    return true;
}

static bool tell_one(void *work)
{
    struct work *w = work;
    char input[128];
    snprintf(input, sizeof(input), "{\"to\":[\"%s\"]}", w->client);
    say(w, 0, call("tell", 0, input));
    return true;
}

static bool leave_each(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->peer_count; i++) {
        zkt_endpoint_detach(w->peers[i]);
    }
    turn(w);
    return true;
}

static bool destroy(void *work)
{
    struct work *w = work;
    const enum zkt_status status = zkt_server_destroy(w->server, ZKT_STR("box"),
                                                      ZKT_STR("0"));
    turn(w);
    return status == ZKT_OK || w->n == 0;
}

/* n connections that listen to broadcasts; the last of them is in a topic. */
static void *prepare_hearers(const void *with, size_t n)
{
    struct work *w = begin(n, n + 1);
    (void)with;
    for (size_t i = 0; w != NULL && i <= n; i++) {
        say(w, i, "{\"type\":\"broadcast:sub\"}");
    }
    if (w != NULL) {
        say(w, n, call("enter", 0, "{\"topic\":\"a\"}"));
    }
    return w;
}

static bool announce_to_all(void *work)
{
    say(work, 0, call("announce", 0, "{\"topic\":\"\"}"));
    return true;
}

static bool announce_to_topic(void *work)
{
    say(work, 0, call("announce", 0, "{\"topic\":\"a\"}"));
    return true;
}

static bool expel_crowd(void *work)
{
    struct work *w = work;
    say(w, w->peer_count - 1, call("expel", 0, ""));
    return true;
}

static bool kick_crowd(void *work)
{
    struct work *w = work;
    say(w, w->peer_count - 1, call("kick", 0, ""));
    return true;
}

/* n connections with calls that wait for an unfinished call. */
static void *prepare_queue(const void *with, size_t n)
{
    struct work *w = begin(n, n + 1);
    (void)with;
    if (w != NULL) {
        say(w, n, call("wait", 0, ""));
    }
    for (size_t i = 0; w != NULL && i < n; i++) {
        say(w, i, call("inc", 0, ""));
    }
    return w;
}

static bool resume(void *work)
{
    struct work *w = work;
    room_box_resume_wait(held, then, NULL);
    turn(w);
    return stats_of(w).queued == 0 && stats_of(w).calls == w->n + 1;
}

/* ---- calls that end while they wait ---- */

static const char *call_with_id(size_t i)
{
    static char text[TEXT];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":%zu,\"actor\":\"box\","
             "\"actorId\":\"0\",\"method\":\"inc\",\"timeoutMs\":1000}",
             i);
    return text;
}

static const char *cancel(size_t i)
{
    static char text[TEXT];
    snprintf(text, sizeof(text), "{\"type\":\"rpc:cancel\",\"id\":%zu}", i);
    return text;
}

static const char *cancel_unknown(size_t i)
{
    return cancel(i + 1000000);
}

/* n calls of the last peer wait for a call of the first; n frames of a text are
 * to be sent. */
static void *prepare_waiting(const void *with, size_t n)
{
    const char *(*const *text)(size_t) = with;
    struct work *w = begin(n, 2);
    if (w == NULL) {
        return NULL;
    }
    say(w, 0, call("wait", 0, ""));
    for (size_t i = 0; i < n; i++) {
        say(w, 1, call_with_id(i));
    }
    load(w, *text);
    return w;
}

/* Returns true if no call waits any more, and @count have ended so. */
static bool have_ended(const struct work *w, uint64_t count)
{
    return count == w->n && stats_of(w).queued == 0;
}

static bool cancel_each(void *work)
{
    return send_frames(work) && have_ended(work, stats_of(work).cancelled);
}

static bool cancel_none(void *work)
{
    const struct work *w = work;
    return send_frames(work) && stats_of(work).queued == w->n;
}

static bool let_expire(void *work)
{
    struct work *w = work;
    zkt_server_advance(w->server, 1000);
    turn(w);
    return have_ended(w, stats_of(w).expired);
}

static void finish_waiting(void *work)
{
    room_box_resume_wait(held, then, NULL);
    finish(work);
}

/* ---- plain HTTP ---- */

/* Connects a peer that will send the @len bytes of w->frames. */
static bool connect_plainly(struct work *w)
{
    struct zkt_endpoint *e = w != NULL ? zkt_server_accept(w->server, "", NULL)
                                       : NULL;
    if (e != NULL) {
        w->peers[w->peer_count++] = e;
    }
    return e != NULL;
}

/* A pipeline of @n calls. */
static void *prepare_pipeline(const void *with, size_t n)
{
    static const char call_by_http[] =
        "POST /actors/box/0/inc HTTP/1.1\r\nHost: x\r\n"
        "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n";
    struct work *w = begin(n, 1);
    (void)with;
    if (!connect_plainly(w)) {
        return NULL;
    }
    w->frames = malloc(n * sizeof(call_by_http) + 1);
    for (size_t i = 0; i < n; i++) {
        memcpy(w->frames + w->len, call_by_http, sizeof(call_by_http) - 1);
        w->len += sizeof(call_by_http) - 1;
    }
    return w;
}

/* A call whose input is a list of @n texts. */
static void *prepare_input(const void *with, size_t n)
{
    static const char item[] = "\"x\",";
    const size_t list = n * (sizeof(item) - 1);
    struct work *w = begin(1, 1);
    (void)with;
    if (!connect_plainly(w)) {
        return NULL;
    }
    w->frames = malloc(list + TEXT);
    w->len = (size_t)sprintf(w->frames,
                             "POST /actors/box/0/tell HTTP/1.1\r\nHost: x\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: %zu\r\n\r\n{\"to\":[",
                             list + sizeof("{\"to\":[\"x\"]}") - 1);
    for (size_t i = 0; i < n; i++) {
        memcpy(w->frames + w->len, item, sizeof(item) - 1);
        w->len += sizeof(item) - 1;
    }
    w->len += (size_t)sprintf(w->frames + w->len, "\"x\"]}");
    return w;
}

/* A call with @n codings of its body, which all change nothing. */
static void *prepare_codings(const void *with, size_t n)
{
    struct work *w = begin(1, 1);
    (void)with;
    if (!connect_plainly(w)) {
        return NULL;
    }
    w->frames = malloc(n + TEXT);
    w->len = (size_t)sprintf(w->frames,
                             "POST /actors/box/0/inc HTTP/1.1\r\nHost: x\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: 0\r\nContent-Encoding: ");
    memset(w->frames + w->len, ',', n);
    w->len += n;
    w->len += (size_t)sprintf(w->frames + w->len, "\r\n\r\n");
    return w;
}

static bool send_requests(void *work)
{
    struct work *w = work;
    const uint64_t calls = stats_of(w).calls;
    enum {
        PIECE = 32768
    };
    for (size_t at = 0; at < w->len; at += PIECE) {
        const size_t len = w->len - at < PIECE ? w->len - at : PIECE;
        zkt_endpoint_feed(w->peers[w->peer_count - 1], w->frames + at, len);
        turn(w);
    }
    return stats_of(w).calls == calls + w->n;
}

void growth_server(void)
{
    static const char *(*const known)(size_t) = cancel;
    static const char *(*const unknown)(size_t) = cancel_unknown;
    static const char *(*const same)(size_t) = call_same;
    static const char *(*const each)(size_t) = call_each;
    static const char *(*const subs)(size_t) = subscribe_each;
    static const char *(*const minds)(size_t) = change_mind;
    static const struct growth_row rows[] = {
        { "server: calls at once", 0, &same, prepare_frames, send_frames,
          finish },
        { "server: calls of an instance each", 0, &each, prepare_frames,
          send_frames, finish },
        { "server: subscriptions of an instance each", 0, &subs, prepare_frames,
          send_frames, finish },
        { "server: subscriptions that are given up", 0, &minds, prepare_frames,
          send_frames, finish },
        { "server: a call among contacts, flat", 0, NULL, prepare_one_of_many,
          call_one, finish },
        { "server: calls by HTTP", 0, NULL, prepare_pipeline, send_requests,
          finish },
        { "server: the input of a call by HTTP", 0, NULL, prepare_input,
          send_requests, finish },
        { "server: the codings of a call by HTTP", 0, NULL, prepare_codings,
          send_requests, finish },
        { "server: leaving instances", 0, NULL, prepare_one_of_many, leave_all,
          finish },
        { "server: changes for a slow reader", 0, NULL, prepare_slow,
          send_frames, finish },
        { "server: a change in a crowd, flat", 64, NULL, prepare_crowd, change,
          finish },
        { "server: an event to one of a crowd, flat", 64, NULL,
          prepare_watchers, tell_one, finish },
        { "server: a change for watchers", 64, NULL, prepare_watchers, change,
          finish },
        { "server: an event for listeners", 64, NULL, prepare_watchers,
          tell_all, finish },
        { "server: a broadcast to all", 64, NULL, prepare_hearers,
          announce_to_all, finish },
        { "server: a broadcast to a topic, flat", 64, NULL, prepare_hearers,
          announce_to_topic, finish },
        { "server: expelling a crowd", 64, NULL, prepare_watchers, expel_crowd,
          finish },
        { "server: kicking a crowd", 64, NULL, prepare_watchers, kick_crowd,
          finish },
        { "server: connections that leave", 64, NULL, prepare_watchers,
          leave_each, finish },
        { "server: the end of an instance", 64, NULL, prepare_watchers, destroy,
          finish },
        { "server: calls that have waited", 64, NULL, prepare_queue, resume,
          finish },
        { "server: cancels of calls that wait", 0, &known, prepare_waiting,
          cancel_each, finish_waiting },
        { "server: cancels of unknown calls", 0, &unknown, prepare_waiting,
          cancel_none, finish_waiting },
        { "server: calls whose time is over", 0, &known, prepare_waiting,
          let_expire, finish_waiting },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
