/*
 * See echo.h. A message is received into its connection's memory, and its frame
 * appended to the connection's queue, a single block. While the queue is long,
 * nothing is read, so that a peer that does not read costs no more than the
 * limit.
 */
#include "echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct echo {
    struct zkt_endpoint endpoint;
    struct zkt_node node;
    struct zkt_ws ws;
    struct zkt_ws_client ws_client;
    uint8_t *message; /* the message that is being received */
    uint8_t *queue;   /* output, from begin to end */
    size_t begin, end, capacity;
    bool detached;
};

static struct echo *from_endpoint(struct zkt_endpoint *e)
{
    return ZKT_CONTAINER(e, struct echo, endpoint);
}

static struct echo_core *core_of(struct echo *c)
{
    return ZKT_CONTAINER(c->endpoint.core, struct echo_core, core);
}

/* ---- sending ---- */

/* Returns room for @len more bytes at the queue's end, or NULL. */
static uint8_t *reserve(struct echo *c, size_t len)
{
    if (c->begin == c->end) {
        c->begin = c->end = 0;
    }
    if (c->capacity - c->end < len) {
        const size_t capacity = 2 * c->capacity + len;
        uint8_t *grown = realloc(c->queue, capacity);
        if (grown == NULL) {
            c->endpoint.aborted = true;
            return NULL;
        }
        c->queue = grown;
        c->capacity = capacity;
    }
    return c->queue + c->end;
}

static void on_send(void *user, const void *data, size_t len)
{
    struct echo *c = user;
    uint8_t *to = reserve(c, len);
    if (to != NULL) {
        memcpy(to, data, len);
        c->end += len;
    }
    zkt__endpoint_mark_dirty(&c->endpoint);
}

/* ---- receiving ---- */

static uint8_t *on_memory(void *user, size_t len)
{
    struct echo *c = user;
    free(c->message);
    c->message = malloc(len + ZKT_PADDING);
    return c->message;
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct echo *c = user;
    if (core_of(c)->prints) {
        printf("%.*s\n", (int)len, (const char *)data);
        return;
    }
    uint8_t *to = reserve(c, ZKT_WS_HEAD_MAX + len);
    if (to == NULL) {
        return;
    }
    uint8_t *payload = to + ZKT_WS_HEAD_MAX;
    size_t head, packed = 0;
    if (c->ws.deflates) {
        packed = zkt__deflate_message(core_of(c)->deflate, data, len, payload,
                                      len);
    }
    if (packed == 0) {
        memcpy(payload, data, len);
    }
    len = packed > 0 ? packed : len;
    if (c->ws.role == ZKT_WS_CLIENT) {
        const uint64_t bits = zkt__random_next(&core_of(c)->random);
        uint8_t mask[4];
        memcpy(mask, &bits, sizeof(mask));
        head = zkt__ws_frame_masked(payload, len, mask);
    } else {
        head = zkt__ws_frame_head(payload, len);
    }
    memmove(to, payload - head, head + len);
    to[0] = (uint8_t)(0x80 | (packed > 0 ? ZKT_WS_COMPRESSED : 0) |
                      (binary ? 2 : 1));
    c->end += head + len;
    zkt__endpoint_mark_dirty(&c->endpoint);
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct echo *c = user;
    (void)reason;
    core_of(c)->code = code;
}

static const struct zkt_ws_callbacks callbacks = {
    .memory = on_memory,
    .on_message = on_message,
    .send = on_send,
    .on_close = on_close,
};

/* ---- the endpoint ---- */

/* Reads only while the queue is short; closes after all output. */
static void settle(struct echo *c)
{
    c->endpoint.reading = c->end - c->begin <= core_of(c)->limits.message;
    c->endpoint.closing = c->endpoint.closing || c->ws.state == ZKT_WS_CLOSED;
    zkt__endpoint_mark_dirty(&c->endpoint);
}

static void feed(struct zkt_endpoint *e, uint8_t *bytes, size_t len)
{
    struct echo *c = from_endpoint(e);
    (void)zkt__ws_feed(&c->ws, bytes, len);
    settle(c);
}

static size_t pending(struct zkt_endpoint *e, struct zkt_slice *out, size_t max)
{
    struct echo *c = from_endpoint(e);
    if (max == 0 || c->begin == c->end) {
        return 0;
    }
    out[0] = (struct zkt_slice){ c->queue + c->begin, c->end - c->begin };
    return 1;
}

static void sent(struct zkt_endpoint *e, size_t len)
{
    struct echo *c = from_endpoint(e);
    c->begin += len;
    settle(c);
}

static void ended(struct zkt_endpoint *e)
{
    e->closing = true;
    zkt__endpoint_mark_dirty(e);
}

static void detach(struct zkt_endpoint *e)
{
    struct echo *c = from_endpoint(e);
    zkt__node_unlink(&e->dirty);
    c->detached = true;
}

static const struct zkt_endpoint_ops endpoint_ops = {
    .feed = feed,
    .pending = pending,
    .sent = sent,
    .ended = ended,
    .detach = detach,
};

static struct echo *new_connection(struct echo_core *core)
{
    struct echo *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->endpoint.ops = &endpoint_ops;
    c->endpoint.core = &core->core;
    c->endpoint.reading = true;
    zkt__list_append(&core->connections, &c->node);
    return c;
}

struct zkt_endpoint *echo_accept(struct echo_core *core)
{
    struct echo *c = new_connection(core);
    if (c == NULL) {
        return NULL;
    }
    zkt__ws_init_server(&c->ws, &core->setup, c);
    return &c->endpoint;
}

struct zkt_endpoint *echo_connect(struct echo_core *core, struct zkt_str host,
                                  struct zkt_str path)
{
    struct echo *c = new_connection(core);
    if (c == NULL || !zkt__ws_init_client(
                         &c->ws, &c->ws_client, &core->setup, c, &core->random,
                         &(const struct zkt_ws_opening){ .host = host,
                                                         .target = path,
                                                         .fields = ZKT_STR(""),
                                                         .offered = "" })) {
        return NULL; /* the core still has it, and frees it */
    }
    return &c->endpoint;
}

/* ---- the core ---- */

static int64_t deadline(const struct zkt_core *core)
{
    (void)core;
    return ZKT_NEVER;
}

static void free_connection(struct echo *c)
{
    zkt__node_unlink(&c->node);
    zkt__node_unlink(&c->endpoint.dirty);
    zkt__ws_finish(&c->ws);
    free(c->message);
    free(c->queue);
    free(c);
}

static void tick(struct zkt_core *base)
{
    struct echo_core *core = ZKT_CONTAINER(base, struct echo_core, core);
    struct zkt_node *node = zkt__list_first(&core->connections);
    while (node != NULL) {
        struct echo *c = ZKT_CONTAINER(node, struct echo, node);
        node = zkt__list_after(&core->connections, node);
        if (c->detached) {
            free_connection(c);
        }
    }
}

bool echo_init(struct echo_core *core, size_t message)
{
    static const struct zkt_core_ops ops = { deadline, tick };
    struct zkt_hash_key unused;
    *core = (struct echo_core){
        .core.ops = &ops,
        .limits = { .message = message, .head = 16384, .fragments = message },
        .setup = { .callbacks = &callbacks,
                   .allocator = &zkt__allocator_default,
                   .limits = &core->limits },
    };
    core->deflate = zkt__deflate_new(&zkt__allocator_default);
    core->setup.deflate = core->deflate;
    zkt__list_init(&core->core.dirty);
    zkt__list_init(&core->connections);
    return zkt__random_init(&core->random, &unused, NULL);
}

void echo_close_all(struct echo_core *core, unsigned code)
{
    for (struct zkt_node *node = zkt__list_first(&core->connections);
         node != NULL; node = zkt__list_after(&core->connections, node)) {
        struct echo *c = ZKT_CONTAINER(node, struct echo, node);
        zkt__ws_close(&c->ws, code, "");
        /* the close frame of the peer is not awaited */
        c->endpoint.closing = true;
        zkt__endpoint_mark_dirty(&c->endpoint);
    }
}

void echo_finish(struct echo_core *core)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&core->connections)) != NULL) {
        free_connection(ZKT_CONTAINER(node, struct echo, node));
    }
    zkt__deflate_free(core->deflate);
}

long echo_option(int argc, char **argv, const char *name, long standard)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return strtol(argv[i + 1], NULL, 10);
        }
    }
    return standard;
}
