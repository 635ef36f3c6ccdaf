/*
 * Calls that let others in, chunks and progress: n of them, on tables that are
 * written by hand. A client calls, and its output is taken and discarded,
 * unless it reads nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "zocket/call.h"
#include "zocket/codec.h"
#include "zocket/embed.h"
#include "zocket/schema.h"

/* ---- an app ---- */

enum {
    FETCH,
    TALK,
    BUILD,
    END,
    METHODS
};

static struct zkt_deferred **handles;
static size_t handle_count;

static enum zkt_status defer(struct zkt_call *call, uint32_t method)
{
    handles[handle_count++] = zkt_call_defer(call, ZKT_MEMBER_METHOD, method);
    return ZKT_PENDING;
}

#define DEFERS(name, number)                                                   \
    static enum zkt_status name(struct zkt_call *call, const void *own,        \
                                const void *input, void *result)               \
    {                                                                          \
        (void)own;                                                             \
        (void)input;                                                           \
        (void)result;                                                          \
        return defer(call, number);                                            \
    }
DEFERS(fetch, FETCH)
DEFERS(talk, TALK)
DEFERS(build, BUILD)

static enum zkt_status end(struct zkt_call *call, const void *own,
                           const void *input, void *result)
{
    (void)own;
    (void)input;
    (void)result;
    zkt_destroy(call);
    return ZKT_OK;
}

static enum zkt_status then(struct zkt_call *call, void (*fn)(void),
                            const void *input, void *result, void *user)
{
    (void)call;
    (void)fn;
    (void)input;
    (void)result;
    (void)user;
    return ZKT_OK;
}

static void any(void)
{
}

struct room_handlers {
    void (*any)(void);
    const struct room_handlers *own;
};

static const struct room_handlers handlers = { any, &handlers };

#define ANY offsetof(struct room_handlers, any)

static const struct zkt_type state_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = 1,
    .of.structs = &(const struct zkt_struct_info){ .name = "room" },
};
static const struct zkt_method methods[] = {
    [FETCH] = { .name = ZKT_STR_INIT("fetch"),
                .handler_offset = ANY,
                .invoke = fetch,
                .interleaves = true },
    [TALK] = { .name = ZKT_STR_INIT("talk"),
               .handler_offset = ANY,
               .invoke = talk,
               .interleaves = true,
               .chunk = &zkt_type_string },
    [BUILD] = { .name = ZKT_STR_INIT("build"),
                .handler_offset = ANY,
                .invoke = build,
                .progress = &zkt_type_int32 },
    [END] = { .name = ZKT_STR_INIT("end"),
              .handler_offset = ANY,
              .invoke = end },
};

static int find_method(struct zkt_str name)
{
    int i = 0;
    while (i < METHODS && !zkt_str_eq(name, methods[i].name)) {
        i++;
    }
    return i < METHODS ? i : -1;
}

static int find_actor(struct zkt_str name)
{
    (void)name;
    return 0;
}

static const struct zkt_actor room = {
    .name = ZKT_STR_INIT("room"),
    .state = &state_type,
    .methods = methods,
    .method_count = METHODS,
    .handlers_offset = offsetof(struct room_handlers, own),
    .find_method = find_method,
};
static const struct zkt_actor *const actors[] = { &room };
static const struct zkt_app_info info = {
    .name = "rooms",
    .actors = actors,
    .actor_count = 1,
    .find_actor = find_actor,
};

/* ---- a server and its peers ---- */

struct work {
    struct zkt_server *server;
    struct zkt_endpoint *peers[2];
    size_t n, taken;
    bool slow; /* its output is not taken */
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
            w->taken += len;
            zkt_endpoint_sent(e, len);
        }
    }
}

static void turn(struct work *w)
{
    do {
        zkt_server_tick(w->server);
        take_output(w);
    } while (zkt_server_timeout(w->server) == 0);
}

static void say(struct work *w, size_t peer, const char *text)
{
    char bytes[256];
    const size_t len = strlen(text);
    bytes[0] = (char)0x81;
    bytes[1] = (char)(0x80 | len);
    memset(bytes + 2, 0, 4); /* a mask of zeros */
    memcpy(bytes + 6, text, len);
    zkt_endpoint_feed(w->peers[peer], bytes, 6 + len);
    turn(w);
}

static void call(struct work *w, size_t peer, const char *method)
{
    char text[126];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"room\","
             "\"actorId\":\"a\",\"method\":\"%s\"}",
             method);
    say(w, peer, text);
}

static bool join(struct work *w, size_t peer)
{
    char request[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    w->peers[peer] = zkt_server_accept(w->server, "", NULL);
    if (w->peers[peer] == NULL) {
        return false;
    }
    zkt_endpoint_feed(w->peers[peer], request, sizeof(request) - 1);
    turn(w);
    return true;
}

static void finish(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < handle_count; i++) {
        zkt_deferred_resume(handles[i], then, NULL, NULL);
    }
    zkt_server_free(w->server);
    free(handles);
    free(w);
}

static struct work *begin(size_t n)
{
    struct work *w = calloc(1, sizeof(*w));
    const struct zkt_serve_options options = {
        .allocator = &growth_allocator,
        .limits = { .open_calls = 1 << 20,
                    .pending_calls = 1 << 20,
                    .stream_bytes = 1 << 30,
                    .unsent_bytes = (int64_t)1 << 40,
                    .turn_work = INT64_MAX / 2,
                    .posted_per_turn = 1 << 20 },
    };
    const struct zkt_app app = { .info = &info, .handlers = &handlers };
    handle_count = 0;
    handles = calloc(n + 1, sizeof(struct zkt_deferred *));
    if (w == NULL || handles == NULL ||
        zkt_server_new(app, &options, &w->server) != ZKT_OK) {
        return NULL;
    }
    w->n = n;
    return join(w, 0) && join(w, 1) ? w : NULL;
}

/* Prepares a call of the method @with. */
static void *prepare_call(const void *with, size_t n)
{
    struct work *w = begin(n);
    if (w != NULL) {
        call(w, 0, with);
        w->taken = 0;
    }
    return w;
}

/* Prepares n calls of the method @with. */
static void *prepare_calls(const void *with, size_t n)
{
    struct work *w = begin(n);
    for (size_t i = 0; w != NULL && i < n; i++) {
        call(w, 0, with);
    }
    return w;
}

static void *prepare_slow(const void *with, size_t n)
{
    struct work *w = prepare_call(with, n);
    if (w != NULL) {
        w->slow = true;
    }
    return w;
}

static void *prepare_many_slow(const void *with, size_t n)
{
    struct work *w = prepare_calls(with, n);
    if (w != NULL) {
        w->slow = true;
    }
    return w;
}

/* ---- chunks and progress ---- */

static bool send(size_t handle)
{
    static const struct zkt_str chunk = ZKT_STR_INIT("a chunk of a stream");
    return zkt_deferred_send(handles[handle], &chunk) == ZKT_OK;
}

static bool send_chunks(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        if (!send(0)) {
            return false;
        }
    }
    turn(w);
    return w->slow || w->taken >= 50 * w->n;
}

static bool send_each(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        if (!send(0)) {
            return false;
        }
        turn(w);
    }
    return w->taken >= 50 * w->n;
}

/* Lets the chunks of a slow reader wait, and reads them. */
static bool read_late(void *work)
{
    struct work *w = work;
    const bool good = send_chunks(w);
    struct zkt_slice slices[16];
    size_t count;
    while ((count = zkt_endpoint_pending(w->peers[0], slices, 16)) > 0) {
        size_t len = 0;
        for (size_t i = 0; i < count; i++) {
            len += slices[i].len;
        }
        w->taken += len;
        zkt_endpoint_sent(w->peers[0], len);
    }
    return good && w->taken >= 50 * w->n;
}

/* A chunk of each of n streams. */
static bool send_to_each(void *work)
{
    struct work *w = work;
    bool good = true;
    for (size_t i = 0; i < w->n; i++) {
        good = good && send(i);
    }
    w->n = 0; /* of the first stream */
    return good && read_late(w);
}

static bool report(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        const int32_t value = (int32_t)i;
        zkt_deferred_progress(handles[0], &value);
        turn(w);
    }
    return w->taken >= 40 * w->n;
}

/* ---- open calls ---- */

static void *prepare_none(const void *with, size_t n)
{
    (void)with;
    return begin(n);
}

static bool open_calls(void *work)
{
    struct work *w = work;
    for (size_t i = 0; i < w->n; i++) {
        call(w, 0, "fetch");
    }
    return handle_count == w->n;
}

static bool count_deferred(const struct work *w, size_t count)
{
    struct zkt_server_stats stats;
    zkt_server_stats(w->server, &stats);
    return stats.deferred == count;
}

static bool resume_all(void *work)
{
    struct work *w = work;
    while (handle_count > 0) {
        zkt_deferred_resume(handles[--handle_count], then, NULL, NULL);
    }
    turn(w);
    return count_deferred(w, 0);
}

static bool end_instance(void *work)
{
    struct work *w = work;
    call(w, 1, "end");
    return count_deferred(w, 0);
}

/* Another client comes and goes. */
static bool come_and_go(void *work)
{
    struct work *w = work;
    call(w, 1, "none");
    zkt_endpoint_detach(w->peers[1]);
    turn(w);
    return count_deferred(w, w->n);
}

/* The caller goes: its streams end. */
static bool end_connection(void *work)
{
    struct work *w = work;
    zkt_endpoint_detach(w->peers[0]);
    turn(w);
    return count_deferred(w, 0);
}

void growth_streams(void)
{
    static const struct growth_row rows[] = {
        { "streams: chunks at once", 0, "talk", prepare_call, send_chunks,
          finish },
        { "streams: chunks", 0, "talk", prepare_call, send_each, finish },
        { "streams: chunks for a slow reader", 0, "talk", prepare_slow,
          read_late, finish },
        { "streams: one chunk of many streams", 0, "talk", prepare_many_slow,
          send_to_each, finish },
        { "streams: progress", 0, "build", prepare_call, report, finish },
        { "streams: opening calls", 0, NULL, prepare_none, open_calls, finish },
        { "streams: resuming calls", 0, "fetch", prepare_calls, resume_all,
          finish },
        { "streams: ending an instance", 0, "fetch", prepare_calls,
          end_instance, finish },
        { "streams: ending a connection", 0, "talk", prepare_calls,
          end_connection, finish },
        { "streams: another client, flat", 0, "fetch", prepare_calls,
          come_and_go, finish },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
