/*
 * zocket/embed.h: the endpoint interface (base/endpoint.h) for drivers outside
 * of the runtime. Each function checks the thread and passes the call on.
 */
#include "zocket/embed.h"

#include <limits.h>

#include "server/core.h"

/* The common case costs no call, and nothing in a build with NDEBUG. */
static bool may_call(const struct zkt_server *server, const char *function)
{
    return zkt__affinity_allows(&server->owner) ||
           zkt__server_may_call(server, function);
}

/* ---- the server ---- */

/* The program's clock may begin anywhere, and the core's goes on from where it
 * is: a time limit that began before the first call has all of its time. */
static int64_t core_time(struct zkt_server *server, int64_t now_ms)
{
    if (!server->clock_is_set) {
        server->clock_is_set = true;
        server->clock_start = now_ms - server->core.now_ms;
    }
    const int64_t start = server->clock_start;
    return start < 0 && now_ms > INT64_MAX + start ? INT64_MAX : now_ms - start;
}

void zkt_server_clock(struct zkt_server *server, int64_t now_ms,
                      int64_t wall_ms)
{
    struct zkt_core *core = &server->core;
    if (!may_call(server, "zkt_server_clock")) {
        return;
    }
    const int64_t now = core_time(server, now_ms);
    /* A program that has polled since then has fed all bytes of that time. */
    core->heard_ms = core->now_ms;
    if (now > core->now_ms) {
        core->now_ms = now;
    }
    core->wall_ms = wall_ms;
    if (core->measures) {
        (void)zkt__core_woken(core);
    }
}

void zkt_server_tick(struct zkt_server *server)
{
    struct zkt_core *core = &server->core;
    if (may_call(server, "zkt_server_tick")) {
        core->ops->tick(core);
    }
}

int zkt_server_timeout(const struct zkt_server *server)
{
    const struct zkt_core *core = &server->core;
    if (!may_call(server, "zkt_server_timeout")) {
        return -1;
    }
    const int64_t due = core->ops->deadline(core);
    if (due == ZKT_NEVER) {
        return -1;
    }
    const int64_t wait = due - core->now_ms;
    return wait <= 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}

struct zkt_endpoint *zkt_server_changed(struct zkt_server *server)
{
    if (!may_call(server, "zkt_server_changed")) {
        return NULL;
    }
    struct zkt_node *node = zkt__list_first(&server->core.dirty);
    if (node == NULL) {
        return NULL;
    }
    zkt__node_unlink(node);
    return ZKT_CONTAINER(node, struct zkt_endpoint, dirty);
}

void zkt_server_on_wake(struct zkt_server *server, void (*wake)(void *user),
                        void *user)
{
    if (may_call(server, "zkt_server_on_wake")) {
        zkt__work_queue_on_wake(zkt__server_work(server), wake, user);
    }
}

/* ---- connections ---- */

/* The endpoints of this interface belong to servers. */
static const struct zkt_server *server_of(const struct zkt_endpoint *endpoint)
{
    return (const struct zkt_server *)(const void *)endpoint->core;
}

static bool may_use(const struct zkt_endpoint *endpoint, const char *function)
{
    return may_call(server_of(endpoint), function);
}

static bool is_in_callback(const struct zkt_endpoint *endpoint)
{
    return zkt__server_is_busy(server_of(endpoint));
}

bool zkt_server_accepting(struct zkt_server *server)
{
    return may_call(server, "zkt_server_accepting") &&
           zkt__server_is_open(server);
}

struct zkt_endpoint *zkt_server_accept(struct zkt_server *server,
                                       const char *address, void *user)
{
    if (!may_call(server, "zkt_server_accept")) {
        return NULL;
    }
    struct zkt_endpoint *endpoint = zkt__server_accept(server, address);
    if (endpoint != NULL) {
        endpoint->transport = user;
    }
    return endpoint;
}

void *zkt_endpoint_user(const struct zkt_endpoint *endpoint)
{
    return may_use(endpoint, "zkt_endpoint_user") ? endpoint->transport : NULL;
}

void zkt_endpoint_feed(struct zkt_endpoint *endpoint, void *bytes, size_t len)
{
    if (!may_use(endpoint, "zkt_endpoint_feed")) {
        return;
    }
    if (is_in_callback(endpoint)) {
        /* The memory of a call is in use; without these bytes the others are
         * useless. */
        endpoint->aborted = true;
        zkt__endpoint_mark_dirty(endpoint);
        return;
    }
    endpoint->ops->feed(endpoint, bytes, len);
}

size_t zkt_endpoint_pending(struct zkt_endpoint *endpoint,
                            struct zkt_slice *out, size_t max)
{
    if (!may_use(endpoint, "zkt_endpoint_pending") ||
        is_in_callback(endpoint)) {
        return 0; /* a state may be half changed */
    }
    return endpoint->ops->pending(endpoint, out, max);
}

void zkt_endpoint_sent(struct zkt_endpoint *endpoint, size_t len)
{
    if (may_use(endpoint, "zkt_endpoint_sent")) {
        endpoint->ops->sent(endpoint, len);
    }
}

void zkt_endpoint_ended(struct zkt_endpoint *endpoint)
{
    if (may_use(endpoint, "zkt_endpoint_ended")) {
        endpoint->ops->ended(endpoint);
    }
}

void zkt_endpoint_detach(struct zkt_endpoint *endpoint)
{
    if (may_use(endpoint, "zkt_endpoint_detach")) {
        endpoint->ops->detach(endpoint);
    }
}

bool zkt_endpoint_reading(const struct zkt_endpoint *endpoint)
{
    return may_use(endpoint, "zkt_endpoint_reading") &&
           (endpoint->reading || endpoint->closing);
}

enum zkt_fate zkt_endpoint_fate(const struct zkt_endpoint *endpoint)
{
    if (!may_use(endpoint, "zkt_endpoint_fate")) {
        return ZKT_FATE_OPEN;
    }
    return endpoint->aborted   ? ZKT_FATE_DROP
           : endpoint->closing ? ZKT_FATE_CLOSE
                               : ZKT_FATE_OPEN;
}
