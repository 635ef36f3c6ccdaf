/*
 * The client: n handles, listeners, calls, subscriptions, messages. This file
 * plays its server: it takes the client's output and sends the messages that a
 * row needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "growth.h"
#include "growth_types.h"
#include "websocket/handshake.h"

/* ---- the schema: an event, a method without input and a stream, on a state */

static const struct zkt_event events[] = { { .name = ZKT_STR_INIT("rang") } };
static const struct zkt_remote_method methods[] = {
    { .name = ZKT_STR_INIT("ping") },
    { .name = ZKT_STR_INIT("count"), .chunk = &zkt_type_int32 },
};
static const struct zkt_remote_actor actor = {
    .name = ZKT_STR_INIT("store"),
    .state = &growth_store_state_type_,
    .methods = methods,
    .method_count = 2,
    .events = events,
    .event_count = 1,
};

/* ---- a client and its server ---- */

enum {
    TEXT = 1024
};

struct work {
    struct zkt_client *client;
    struct zkt_core *core;
    struct zkt_endpoint *endpoint;
    size_t n;
    struct zkt_handle **handles;
    uint64_t *listeners;
    uint64_t *calls; /* the ids of the calls that were begun */
    size_t begun;
    size_t told;
    char request[TEXT];
    size_t request_len;
    char *frame; /* of a row whose message is long; begins with a head */
    size_t frame_len;
};

static void on_connect(void *driver, struct zkt_client *client)
{
    (void)driver;
    (void)client;
}

static void on_finish(void *driver, struct zkt_client *client)
{
    struct work *w = driver;
    if (w->endpoint != NULL) {
        w->endpoint->ops->detach(w->endpoint);
    }
    zkt__client_free(client);
}

static enum zkt_status on_poll(void *driver, int timeout_ms)
{
    (void)driver;
    (void)timeout_ms;
    return ZKT_OK;
}

/* Takes the client's output; keeps the beginning of it. */
static void drain(struct work *w)
{
    struct zkt_slice slice;
    w->request_len = 0;
    while (w->endpoint->ops->pending(w->endpoint, &slice, 1) > 0) {
        size_t len = slice.len;
        if (len > TEXT - 1 - w->request_len) {
            len = TEXT - 1 - w->request_len;
        }
        memcpy(w->request + w->request_len, slice.data, len);
        w->request_len += len;
        w->endpoint->ops->sent(w->endpoint, slice.len);
    }
    w->request[w->request_len] = '\0';
}

static void turn(struct work *w)
{
    w->core->ops->tick(w->core);
    if (w->endpoint != NULL) {
        drain(w);
    }
}

static void feed(struct work *w, const char *bytes, size_t len)
{
    uint8_t copy[TEXT];
    memcpy(copy, bytes, len);
    w->endpoint->ops->feed(w->endpoint, copy, len);
}

static void say(struct work *w, const char *json)
{
    char frame[TEXT];
    const size_t len = strlen(json);
    uint8_t *payload = (uint8_t *)frame + ZKT_WS_HEAD_MAX;
    memcpy(payload, json, len);
    const size_t head = zkt__ws_frame_head(payload, len);
    feed(w, frame + ZKT_WS_HEAD_MAX - head, head + len);
}

static void accept_connection(struct work *w)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    char accept[ZKT_WS_ACCEPT_LEN + 1], reply[TEXT];
    w->endpoint = zkt__client_connected(w->client);
    drain(w);
    zkt__ws_accept_key(strstr(w->request, name) + strlen(name), accept);
    snprintf(reply, sizeof(reply),
             "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n\r\n",
             accept);
    feed(w, reply, strlen(reply));
    turn(w);
}

static void drop_connection(struct work *w)
{
    struct zkt_endpoint *endpoint = w->endpoint;
    w->endpoint = NULL;
    endpoint->ops->detach(endpoint);
}

static struct work *connect_client(size_t n)
{
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    static const struct zkt_client_driver_ops ops = {
        .connect = on_connect,
        .finish = on_finish,
        .poll = on_poll,
    };
    const struct zkt_client_options options = {
        .allocator = &growth_allocator,
        .random_seed = seed,
        .reconnect_jitter = -1,
    };
    struct work *w = calloc(1, sizeof(*w));
    w->n = n;
    w->handles = calloc(n + 1, sizeof(struct zkt_handle *));
    w->listeners = calloc(n + 1, sizeof(uint64_t));
    w->calls = calloc(n + 1, sizeof(uint64_t));
    w->client = zkt__client_new(&options, ZKT_STR("h"), ZKT_STR("/"), &ops, w);
    w->core = zkt__client_core(w->client);
    turn(w);
    accept_connection(w);
    return w;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt_client_close(w->client);
    free(w->frame);
    free(w->handles);
    free(w->listeners);
    free(w->calls);
    free(w);
}

/* ---- parts of rows ---- */

static struct zkt_handle *open_one(struct work *w, size_t i)
{
    char id[32];
    snprintf(id, sizeof(id), "%zu", i);
    return zkt_handle_open(w->client, &actor, id);
}

static void count_value(zkt_any_function *fn, const void *value, void *user)
{
    struct work *w = user;
    (void)fn;
    (void)value;
    w->told++;
}

static void count_reply(zkt_any_function *done, const struct zkt_reply *reply,
                        const void *result, void *user)
{
    struct work *w = user;
    (void)done;
    (void)reply;
    (void)result;
    w->told++;
}

static void nobody(void)
{
}

static void begin_one(struct work *w, struct zkt_handle *handle)
{
    w->calls[w->begun++] = zkt_handle_begin(handle, 0, NULL, count_reply,
                                            nobody, w);
}

/* Opens a single handle for all. */
static void *prepare_one(const void *with, size_t n)
{
    struct work *w = connect_client(n);
    (void)with;
    w->handles[w->n] = open_one(w, 0);
    return w;
}

static void *prepare_instances(const void *with, size_t n)
{
    struct work *w = connect_client(n);
    (void)with;
    for (size_t i = 0; i < n; i++) {
        w->handles[i] = open_one(w, i);
        w->listeners[i] = zkt_handle_on(w->handles[i], 0, count_value, nobody,
                                        w);
    }
    turn(w);
    return w;
}

static void *prepare_listeners(const void *with, size_t n)
{
    struct work *w = prepare_one(with, n);
    for (size_t i = 0; i < n; i++) {
        w->handles[i] = open_one(w, 0);
        w->listeners[i] = zkt_handle_subscribe(w->handles[i], count_value,
                                               nobody, w);
    }
    turn(w);
    return w;
}

static void *prepare_calls(const void *with, size_t n)
{
    struct work *w = prepare_one(with, n);
    for (size_t i = 0; i < n; i++) {
        begin_one(w, w->handles[n]);
    }
    turn(w);
    return w;
}

/* The server knows rpc:cancel, and the calls were sent. */
static void *prepare_cancelling(const void *with, size_t n)
{
    struct work *w = prepare_calls(with, n);
    say(w, "{\"type\":\"welcome\",\"clientId\":\"c\",\"level\":1}");
    return w;
}

static void *prepare_stream(const void *with, size_t n)
{
    struct work *w = prepare_one(with, n);
    zkt_handle_begin_parts(w->handles[n], 1, NULL, count_value, nobody,
                           count_reply, nobody, w);
    turn(w);
    return w;
}

static void *prepare_streams(const void *with, size_t n)
{
    struct work *w = prepare_one(with, n);
    for (size_t i = 0; i < n; i++) {
        zkt_handle_begin_parts(w->handles[n], 1, NULL, count_value, nobody,
                               count_reply, nobody, w);
    }
    turn(w);
    return w;
}

static void *prepare_state(const void *with, size_t n)
{
    struct work *w = prepare_one(with, n);
    zkt_handle_subscribe(w->handles[n], count_value, nobody, w);
    turn(w);
    say(w, "{\"type\":\"state:snapshot\",\"actor\":\"store\","
           "\"actorId\":\"0\",\"state\":{\"n\":0}}");
    return w;
}

/* ---- a patch of n operations, for observers ---- */

enum {
    OPERATION_MAX = 96,
    INTS = 2, /* fields of the state in growth.zkt */
    NAMES = 13
};

struct observed_row {
    const char *operation; /* with a place for a number, and no other */
    uint32_t field;
    bool is_filled; /* the list has n items beforehand */
};

static const struct observed_row appending = {
    "{\"op\":\"add\",\"path\":\"/ints/%zu\",\"value\":1}", INTS, false
};
static const struct observed_row replacing = {
    "{\"op\":\"replace\",\"path\":\"/ints/%zu\",\"value\":1}", INTS, true
};
static const struct observed_row removing = {
    "{\"op\":\"remove\",\"path\":\"/ints/0\"}", INTS, true
};
static const struct observed_row putting = {
    "{\"op\":\"add\",\"path\":\"/names/%zu\",\"value\":\"a name\"}", NAMES,
    false
};

static void count_change(const void *observer,
                         const struct zkt_observed *change, void *user)
{
    struct work *w = user;
    (void)observer;
    (void)change;
    w->told++;
}

/* Makes the frame of a message that begins with @begin, has n parts, and ends
 * with @end. */
static void make_frame(struct work *w, const char *begin, const char *part,
                       const char *end)
{
    const size_t size = ZKT_WS_HEAD_MAX + TEXT + w->n * OPERATION_MAX;
    char *buffer = malloc(size);
    char *payload = buffer + ZKT_WS_HEAD_MAX;
    char *at = payload + sprintf(payload, "%s", begin);
    for (size_t i = 0; i < w->n; i++) {
        at += sprintf(at, "%s", i > 0 ? "," : "");
        at += snprintf(at, OPERATION_MAX, part, i);
    }
    at += sprintf(at, "%s", end);
    const size_t len = (size_t)(at - payload);
    const size_t head = zkt__ws_frame_head((uint8_t *)payload, len);
    w->frame_len = head + len;
    w->frame = malloc(w->frame_len);
    memcpy(w->frame, payload - head, w->frame_len);
    free(buffer);
}

static void say_frame(struct work *w)
{
    w->endpoint->ops->feed(w->endpoint, (uint8_t *)w->frame, w->frame_len);
}

#define STATE(type)                                                            \
    "{\"type\":\"state:" type "\",\"actor\":\"store\",\"actorId\":\"0\","

static void *prepare_observed(const void *with, size_t n)
{
    const struct observed_row *row = with;
    struct work *w = prepare_one(NULL, n);
    const char observer = 0;
    zkt_handle_observe(w->handles[n], row->field, count_change, &observer, 1,
                       w);
    turn(w);
    if (row->is_filled) {
        make_frame(w, STATE("snapshot") "\"state\":{\"ints\":[", "0", "]}}");
        say_frame(w);
        free(w->frame);
    } else {
        say(w, STATE("snapshot") "\"state\":{}}");
    }
    make_frame(w, STATE("patch") "\"patches\":[", row->operation, "]}");
    return w;
}

/* A reset counts as a change: a list is told as a whole when it has changed in
 * too many places. */
static bool observe_one_patch(void *work)
{
    struct work *w = work;
    const size_t before = w->told;
    say_frame(w);
    turn(w);
    return w->told - before == w->n || w->told - before == (w->n > 0);
}

/* ---- rows ---- */

static bool open_each(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        w->handles[i] = open_one(w, i);
        w->listeners[i] = zkt_handle_subscribe(w->handles[i], count_value,
                                               nobody, w);
        turn(w);
    }
    return w->n == 0 || w->listeners[w->n - 1] != 0;
}

static bool close_each(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        zkt_handle_close(w->handles[i]);
        turn(w);
    }
    return true;
}

static bool leave_each(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        zkt_client_off(w->client, w->listeners[i]);
        turn(w);
    }
    return true;
}

static bool join_each(void *work)
{
    struct work *w = work;
    const size_t before = w->told;
    for (size_t i = 0; i < w->n; i++) {
        zkt_handle_subscribe(w->handles[w->n], count_value, nobody, w);
        turn(w);
    }
    return w->told - before == w->n;
}

static bool open_and_close(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        zkt_handle_close(open_one(w, 0));
    }
    turn(w);
    return true;
}

/* Answers the last call first. */
static bool answer_each(void *work)
{
    struct work *w = work;
    char text[TEXT];
    for (size_t i = w->n; i > 0; i--) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"rpc:result\",\"id\":\"rpc_%zu_0\"}", i);
        say(w, text);
    }
    return w->told == w->n;
}

static bool call_each(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        begin_one(w, w->handles[w->n]);
        turn(w);
    }
    return true;
}

/* Cancels a call in each turn, the oldest first. */
static bool cancel_oldest(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        zkt_client_cancel(w->client, w->calls[i]);
        turn(w);
    }
    return w->told == w->n;
}

static bool cancel_newest(void *work)
{
    struct work *w = work;
    for (size_t i = w->n; i > 0; i--) {
        zkt_client_cancel(w->client, w->calls[i - 1]);
        turn(w);
    }
    return w->told == w->n;
}

static bool cancel_together(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        zkt_client_cancel(w->client, w->calls[i]);
    }
    turn(w);
    return w->told == w->n;
}

/* Cancels calls that wait for a connection. */
static bool cancel_unsent(void *work)
{
    struct work *w = work;
    drop_connection(w);
    turn(w);
    for (size_t i = 0; i < w->n; i++) {
        begin_one(w, w->handles[w->n]);
    }
    return cancel_newest(w);
}

static void say_chunk(struct work *w, size_t call)
{
    char text[TEXT];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc:chunk\",\"id\":\"rpc_%zu_0\",\"chunk\":1}", call);
    say(w, text);
}

static bool hear_chunks(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        say_chunk(w, 1);
        turn(w);
    }
    return w->told == w->n;
}

/* Begins the last stream first, and loses all of them. */
static bool hear_streams(void *work)
{
    struct work *w = work;
    for (size_t i = w->n; i > 0; i--) {
        say_chunk(w, i);
        turn(w);
    }
    const bool heard = w->told == w->n;
    drop_connection(w);
    turn(w);
    return heard && w->told == 2 * w->n;
}

static bool lose_all(void *work)
{
    struct work *w = work;
    drop_connection(w);
    turn(w);
    return w->told == w->n;
}

static bool time_out_all(void *work)
{
    struct work *w = work;
    w->core->now_ms += 10500;
    turn(w);
    return w->told == w->n;
}

static bool keep_calls(void *work)
{
    struct work *w = work;
    drop_connection(w);
    for (size_t i = 0; i < w->n; i++) {
        begin_one(w, w->handles[w->n]);
        turn(w);
    }
    w->core->now_ms += 250;
    turn(w);
    accept_connection(w);
    return w->told == 0;
}

static bool reconnect(void *work)
{
    struct work *w = work;
    struct zkt_client_stats before, after;
    zkt_client_stats(w->client, &before);
    drop_connection(w);
    turn(w);
    w->core->now_ms += 250;
    turn(w);
    accept_connection(w);
    zkt_client_stats(w->client, &after);
    return after.messages_out - before.messages_out == w->n;
}

static bool hear_each(void *work)
{
    struct work *w = work;
    char text[TEXT];
    for (size_t i = 0; i < w->n; i++) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"event\",\"actor\":\"store\",\"actorId\":\"%zu\","
                 "\"event\":\"rang\"}",
                 i);
        say(w, text);
    }
    return w->told == w->n;
}

/* Refuses a subscription in each turn; the client asks again. */
static bool refuse_each(void *work)
{
    struct work *w = work;
    struct zkt_client_stats before, after;
    char text[TEXT];
    zkt_client_stats(w->client, &before);
    for (size_t i = 0; i < w->n; i++) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"sub:error\",\"actor\":\"store\","
                 "\"actorId\":\"%zu\",\"code\":\"UNAVAILABLE\"}",
                 i);
        say(w, text);
        turn(w);
    }
    w->core->now_ms += 250;
    turn(w);
    zkt_client_stats(w->client, &after);
    return after.messages_out - before.messages_out == w->n;
}

/* Refuses each subscription for a time of its own, the longest first. */
static bool refuse_for_times(void *work)
{
    struct work *w = work;
    struct zkt_client_stats before, after;
    char text[TEXT];
    zkt_client_stats(w->client, &before);
    for (size_t i = 0; i < w->n; i++) {
        snprintf(text, sizeof(text),
                 "{\"type\":\"sub:error\",\"actor\":\"store\","
                 "\"actorId\":\"%zu\",\"code\":\"UNAVAILABLE\","
                 "\"retryAfterMs\":%zu}",
                 i, 4 * (w->n - i));
        say(w, text);
        turn(w);
    }
    w->core->now_ms += 20000;
    turn(w);
    zkt_client_stats(w->client, &after);
    return after.messages_out - before.messages_out == w->n;
}

static bool patch_each(void *work)
{
    struct work *w = work;
    const size_t before = w->told;
    for (size_t i = 0; i < w->n; i++) {
        say(w, "{\"type\":\"state:patch\",\"actor\":\"store\","
               "\"actorId\":\"0\",\"patches\":[{\"op\":\"add\",\"path\":"
               "\"/ints/-\",\"value\":1}]}");
        turn(w);
    }
    return w->told - before == w->n;
}

void growth_client(void)
{
    static const struct growth_row rows[] = {
        { .name = "client: instances are opened",
          .prepare = prepare_one,
          .run = open_each },
        { .name = "client: instances are closed",
          .prepare = prepare_instances,
          .run = close_each },
        { .name = "client: handles of one instance are closed",
          .prepare = prepare_listeners,
          .run = close_each },
        { .name = "client: handles are opened and closed",
          .prepare = prepare_one,
          .run = open_and_close },
        { .name = "client: listeners leave",
          .prepare = prepare_listeners,
          .run = leave_each },
        { .name = "client: listeners join",
          .prepare = prepare_state,
          .run = join_each },
        { .name = "client: calls are begun",
          .prepare = prepare_one,
          .run = call_each },
        { .name = "client: calls are answered, the last first",
          .prepare = prepare_calls,
          .run = answer_each },
        { .name = "client: calls are lost",
          .prepare = prepare_calls,
          .run = lose_all },
        { .name = "client: calls time out",
          .prepare = prepare_calls,
          .run = time_out_all },
        { .name = "client: calls are cancelled, the oldest first",
          .prepare = prepare_cancelling,
          .run = cancel_oldest },
        { .name = "client: calls are cancelled, the newest first",
          .prepare = prepare_cancelling,
          .run = cancel_newest },
        { .name = "client: calls are cancelled together",
          .prepare = prepare_cancelling,
          .run = cancel_together },
        { .name = "client: unsent calls are cancelled",
          .prepare = prepare_one,
          .run = cancel_unsent },
        { .name = "client: calls that a server knows time out",
          .prepare = prepare_cancelling,
          .run = time_out_all },
        { .name = "client: chunks of a stream",
          .prepare = prepare_stream,
          .run = hear_chunks },
        { .name = "client: a chunk of each stream",
          .prepare = prepare_streams,
          .run = hear_streams },
        { .name = "client: calls wait for a connection",
          .prepare = prepare_one,
          .run = keep_calls },
        { .name = "client: subscriptions are made again",
          .prepare = prepare_instances,
          .run = reconnect },
        { .name = "client: subscriptions are refused",
          .prepare = prepare_instances,
          .run = refuse_each },
        { .name = "client: subscriptions are refused for times",
          .prepare = prepare_instances,
          .run = refuse_for_times },
        { .name = "client: events of as many instances",
          .prepare = prepare_instances,
          .run = hear_each },
        { .name = "client: patches",
          .prepare = prepare_state,
          .run = patch_each },
        { .name = "client: an observed patch, appending",
          .with = &appending,
          .prepare = prepare_observed,
          .run = observe_one_patch },
        { .name = "client: an observed patch, replacing",
          .with = &replacing,
          .prepare = prepare_observed,
          .run = observe_one_patch },
        { .name = "client: an observed patch, removing",
          .with = &removing,
          .prepare = prepare_observed,
          .run = observe_one_patch },
        { .name = "client: an observed patch, putting",
          .with = &putting,
          .prepare = prepare_observed,
          .run = observe_one_patch },
        { .name = "client: an observed patch, a few items",
          .n = 32,
          .with = &replacing,
          .prepare = prepare_observed,
          .run = observe_one_patch },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct growth_row row = rows[i];
        row.finish = finish;
        growth_measure(&row);
    }
}
