/*
 * Waiting, with a time limit, until a client is connected or a state is known.
 * Each wait is in a list, with a deadline of its own, and is checked at the
 * end of every turn. The client's own thread runs turns meanwhile; other
 * threads sleep.
 */
#include "client/ready.h"

#include "client/blocking.h"
#include "client/core.h"
#include "client/instance.h"

/* Lives in the stack frame of the waiting function. */
struct zkt_ready_wait {
    struct zkt_node node; /* in client->ready_waits */
    struct zkt_client *client;
    struct zkt_handle *handle; /* for its state; NULL: for the connection */
    bool is_handle;
    int timeout_ms;
    int64_t due;
    enum zkt_status status; /* ZKT_PENDING until it ends */
    bool over;
};

static struct zkt_ready_wait *from_node(struct zkt_node *node)
{
    return ZKT_CONTAINER(node, struct zkt_ready_wait, node);
}

static enum zkt_status client_result(const struct zkt_client *client)
{
    switch (client->status) {
    case ZKT_CONNECTED:
        return ZKT_OK;
    case ZKT_DISCONNECTED:
        return ZKT_CLOSED;
    default:
        return ZKT_PENDING;
    }
}

static enum zkt_status handle_result(const struct zkt_client *client,
                                     const struct zkt_handle *handle)
{
    const struct zkt_handle *cell = zkt__handle_find(handle);
    if (cell == NULL) {
        return ZKT_FAILED_PRECONDITION;
    }
    const struct zkt_subscription *sub = &cell->instance->of_state;
    if (cell->instance->known) {
        return ZKT_OK;
    }
    if (sub->listeners == 0) {
        return ZKT_FAILED_PRECONDITION; /* nothing will come */
    }
    if (sub->state == ZKT_SUB_CLOSED || sub->state == ZKT_SUB_MISMATCHED) {
        return sub->refused;
    }
    return client->status == ZKT_DISCONNECTED ? ZKT_CLOSED : ZKT_PENDING;
}

/* Returns the result of the wait, or ZKT_PENDING while it goes on. */
static enum zkt_status wait_result(const struct zkt_ready_wait *w)
{
    const struct zkt_client *client = w->client;
    if (client->close_wanted) {
        return ZKT_CLOSED;
    }
    const enum zkt_status status = w->is_handle
                                       ? handle_result(client, w->handle)
                                       : client_result(client);
    return status == ZKT_PENDING && w->due <= client->core.now_ms
               ? ZKT_DEADLINE_EXCEEDED
               : status;
}

static void end_if_over(struct zkt_ready_wait *w)
{
    const struct zkt_client *client = w->client;
    w->status = wait_result(w);
    if (w->status == ZKT_PENDING) {
        return;
    }
    zkt__node_unlink(&w->node);
    if (client->ops->end_wait != NULL) {
        client->ops->end_wait(client->driver, &w->over);
    } else {
        w->over = true;
    }
}

/* On the client's thread. */
static void begin(void *user)
{
    struct zkt_ready_wait *w = user;
    struct zkt_client *client = w->client;
    zkt__client_clock(client);
    w->due = w->timeout_ms < 0 ? ZKT_NEVER
                               : zkt__client_time_after(client, w->timeout_ms);
    zkt__list_append(&client->ready_waits, &w->node);
    end_if_over(w);
    if (!w->over) {
        zkt__client_wake(client);
    }
}

void zkt__ready_tick(struct zkt_client *client)
{
    struct zkt_node *node = zkt__list_first(&client->ready_waits);
    while (node != NULL) {
        struct zkt_ready_wait *w = from_node(node);
        node = zkt__list_after(&client->ready_waits, node);
        end_if_over(w);
    }
}

int64_t zkt__ready_deadline(const struct zkt_client *client)
{
    int64_t next = ZKT_NEVER;
    for (struct zkt_node *n = zkt__list_first(&client->ready_waits); n != NULL;
         n = zkt__list_after(&client->ready_waits, n)) {
        const int64_t due = from_node(n)->due;
        next = due < next ? due : next;
    }
    return next;
}

static enum zkt_status wait_for(struct zkt_ready_wait *w)
{
    struct zkt_client *client = w->client;
    w->status = ZKT_CLOSED; /* until it begins */
    if (!zkt__client_may_call(client)) {
        return ZKT_FAILED_PRECONDITION;
    }
    if (client->ops->is_other_thread != NULL &&
        client->ops->is_other_thread(client->driver)) {
        client->ops->wait(client->driver, begin, w, &w->over);
        return w->status;
    }
    if (w->timeout_ms == 0) { /* no wait: the current state */
        w->due = client->core.now_ms;
        return wait_result(w);
    }
    if (!zkt__client_may_poll(client)) {
        return ZKT_FAILED_PRECONDITION;
    }
    client->blocking++;
    begin(w);
    if (!zkt__block(client, &w->over)) {
        zkt__node_unlink(&w->node);
        w->status = ZKT_SYSTEM;
    }
    zkt__unblock(client);
    return w->status;
}

enum zkt_status zkt_client_ready(struct zkt_client *client, int timeout_ms)
{
    struct zkt_ready_wait w = { .client = client, .timeout_ms = timeout_ms };
    return client != NULL ? wait_for(&w) : ZKT_CLOSED;
}

enum zkt_status zkt_handle_ready(struct zkt_handle *handle, int timeout_ms)
{
    struct zkt_ready_wait w = {
        .client = zkt__handle_client(handle),
        .handle = handle,
        .is_handle = true,
        .timeout_ms = timeout_ms,
    };
    return w.client != NULL ? wait_for(&w) : ZKT_CLOSED;
}
