/*
 * zkt_client_open_local: a client and a server in one thread, joined by
 * memory. There is no waiting: when no byte moves, the clock that all of them
 * share jumps to the next deadline, so a test of a timeout takes no time. Only
 * a poll without a limit that finds no deadline waits: for another thread to
 * post something, to the server or to any of the clients.
 */
#include <string.h>

#include "client/client.h"
#include "net/inbox.h"
#include "server/server.h"

/* Rung when another thread has posted something. */
struct bell {
    pthread_mutex_t mutex;
    pthread_cond_t rings;
    bool rung;
};

/* Everybody who is joined to one server; its driver. */
struct hub {
    struct bell bell;
    const struct zkt_allocator *allocator;
    struct zkt_server *server; /* NULL: it was freed */
    struct zkt_core *core;     /* the server's, or none */
    struct zkt_core none; /* goes on with the clock of one that was freed */
    struct zkt_list joints;
    uint32_t users; /* that go on to use it: it is not freed meanwhile */
    bool turning;
};

/* One client and its two endpoints. */
struct joint {
    struct zkt_node node; /* in hub->joints */
    struct hub *hub;
    struct zkt_client *client;
    struct zkt_endpoint *near, *far; /* the client's, the server's; or NULL */
    struct zkt_inbox inbox;
    bool polling;   /* it is polled: who polls it finishes it */
    bool finishing; /* its last callbacks run */
};

static struct zkt_core *core_of(const struct joint *joint)
{
    return zkt__client_core(joint->client);
}

/* ---- waiting for other threads ---- */

static bool bell_init(struct bell *bell)
{
    if (pthread_mutex_init(&bell->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_cond_init(&bell->rings, NULL) != 0) {
        pthread_mutex_destroy(&bell->mutex);
        return false;
    }
    return true;
}

static void bell_finish(struct bell *bell)
{
    pthread_cond_destroy(&bell->rings);
    pthread_mutex_destroy(&bell->mutex);
}

/* From any thread. */
static void ring(void *user)
{
    struct hub *hub = user;
    pthread_mutex_lock(&hub->bell.mutex);
    hub->bell.rung = true;
    pthread_cond_signal(&hub->bell.rings);
    pthread_mutex_unlock(&hub->bell.mutex);
}

/* Waits until it rings, unless it has since the last time. */
static void wait_for_bell(struct bell *bell)
{
    pthread_mutex_lock(&bell->mutex);
    while (!bell->rung) {
        pthread_cond_wait(&bell->rings, &bell->mutex);
    }
    bell->rung = false;
    pthread_mutex_unlock(&bell->mutex);
}

/* ---- moving bytes ---- */

enum {
    CHUNK = 16 * 1024
};

/* Moves what is pending at @from to @to; whether there was any. A callback may
 * end the server, and the joint with it. */
static bool move_bytes(const struct joint *joint, struct zkt_endpoint *from,
                       struct zkt_endpoint *to)
{
    struct zkt_slice slice;
    uint8_t chunk[CHUNK];
    bool moved = false;
    while (joint->near != NULL && from->ops->pending(from, &slice, 1) > 0) {
        const size_t len = slice.len < CHUNK ? slice.len : CHUNK;
        memcpy(chunk, slice.data, len);
        from->ops->sent(from, len);
        to->ops->feed(to, chunk, len);
        moved = true;
    }
    return moved;
}

/* Ends the joint when either side wants no more. */
static bool part(struct joint *joint)
{
    if (!joint->near->closing && !joint->near->aborted &&
        !joint->far->closing && !joint->far->aborted) {
        return false;
    }
    struct zkt_endpoint *near = joint->near, *far = joint->far;
    joint->near = joint->far = NULL;
    near->ops->detach(near);
    far->ops->detach(far);
    return true;
}

static bool pump(struct joint *joint)
{
    if (joint->near == NULL) {
        return false;
    }
    struct zkt_endpoint *near = joint->near, *far = joint->far;
    bool moved = move_bytes(joint, near, far);
    moved = move_bytes(joint, far, near) || moved;
    return (joint->near != NULL && part(joint)) || moved;
}

/* ---- turns ---- */

static bool is_due(const struct zkt_core *core)
{
    return core->ops->deadline(core) <= core->now_ms;
}

static void copy_clock(const struct hub *hub, struct zkt_core *to)
{
    to->now_ms = hub->core->now_ms;
    to->wall_ms = hub->core->wall_ms;
}

/* One turn of a client; whether anything happened. */
static bool turn_joint(struct joint *joint)
{
    struct zkt_core *core = core_of(joint);
    copy_clock(joint->hub, core);
    bool moved = !zkt__client_is_in_callback(joint->client) &&
                 zkt__inbox_run(&joint->inbox, joint->client);
    moved = is_due(core) || moved;
    core->ops->tick(core);
    return pump(joint) || moved;
}

/* One turn of everybody; whether anything happened. */
static bool turn(struct hub *hub)
{
    bool moved = is_due(hub->core);
    hub->core->ops->tick(hub->core);
    struct zkt_node *n = zkt__list_first(&hub->joints);
    for (; n != NULL; n = zkt__list_after(&hub->joints, n)) {
        struct joint *joint = ZKT_CONTAINER(n, struct joint, node);
        moved = (!joint->finishing && turn_joint(joint)) || moved;
    }
    return moved;
}

/* When the next one of them wants to be woken. */
static int64_t next_deadline(const struct hub *hub)
{
    int64_t next = hub->core->ops->deadline(hub->core);
    for (const struct zkt_node *n = zkt__list_first(&hub->joints); n != NULL;
         n = zkt__list_after(&hub->joints, n)) {
        const struct joint *joint = ZKT_CONTAINER(n, struct joint, node);
        const int64_t own = core_of(joint)->ops->deadline(core_of(joint));
        next = own < next ? own : next;
    }
    return next;
}

static void advance(struct hub *hub, int64_t ms)
{
    hub->core->now_ms += ms;
    hub->core->wall_ms += ms;
}

/* ---- the end of the server ---- */

static int64_t never(const struct zkt_core *core)
{
    (void)core;
    return ZKT_NEVER;
}

static void do_nothing(struct zkt_core *core)
{
    (void)core;
}

static const struct zkt_core_ops no_ops = { .deadline = never,
                                            .tick = do_nothing };

static void leave_server(struct hub *hub)
{
    if (hub->server != NULL) {
        zkt__work_queue_on_wake(zkt__server_work(hub->server), NULL, NULL);
        hub->core->driver = NULL;
        hub->core->wake = NULL;
        hub->core->abandon = NULL;
    }
}

/* It is freed while clients are open: they lose their connections, and can
 * still be closed. */
static void abandon(struct zkt_core *core)
{
    struct hub *hub = core->driver;
    for (struct zkt_node *n = zkt__list_first(&hub->joints); n != NULL;
         n = zkt__list_after(&hub->joints, n)) {
        struct joint *joint = ZKT_CONTAINER(n, struct joint, node);
        if (joint->near != NULL) {
            joint->near->closing = true;
            (void)part(joint);
        }
    }
    leave_server(hub);
    hub->none = (struct zkt_core){ .ops = &no_ops,
                                   .now_ms = core->now_ms,
                                   .wall_ms = core->wall_ms };
    hub->core = &hub->none;
    hub->server = NULL;
}

/* The hub of nobody, once nobody uses it. */
static void release_empty(struct hub *hub)
{
    if (hub->users == 0 && zkt__list_empty(&hub->joints)) {
        leave_server(hub);
        bell_finish(&hub->bell);
        zkt__release(hub->allocator, hub);
    }
}

static void finish_joint(struct joint *joint);

/* One that was closed in a callback, of its own or of others, and can end. */
static struct joint *find_closed(const struct hub *hub)
{
    for (struct zkt_node *n = zkt__list_first(&hub->joints); n != NULL;
         n = zkt__list_after(&hub->joints, n)) {
        struct joint *joint = ZKT_CONTAINER(n, struct joint, node);
        if (!joint->polling && !joint->finishing &&
            zkt__client_close_wanted(joint->client) &&
            !zkt__client_is_busy(joint->client)) {
            return joint;
        }
    }
    return NULL;
}

/* A turn that no callback within it begins anew. False: nothing happened, or
 * nobody is left. */
static bool turn_once(struct hub *hub)
{
    struct joint *closed;
    if (hub->turning) {
        return false;
    }
    hub->users++;
    hub->turning = true;
    bool moved = turn(hub);
    hub->turning = false;
    while ((closed = find_closed(hub)) != NULL) {
        finish_joint(closed);
        moved = true;
    }
    moved = moved && !zkt__list_empty(&hub->joints);
    hub->users--;
    release_empty(hub);
    return moved;
}

static enum zkt_status run_turn(struct hub *hub, int timeout_ms)
{
    if (turn_once(hub)) {
        return ZKT_OK;
    }
    const int64_t next = next_deadline(hub);
    const int64_t wait = next - hub->core->now_ms;
    if (timeout_ms >= 0 && wait > timeout_ms) {
        advance(hub, timeout_ms);
        return ZKT_DEADLINE_EXCEEDED;
    }
    if (next == ZKT_NEVER) {
        wait_for_bell(&hub->bell);
        (void)turn_once(hub);
        return ZKT_OK;
    }
    advance(hub, wait > 0 ? wait : 0);
    (void)turn_once(hub);
    return ZKT_OK;
}

static enum zkt_status poll_local(void *driver, int timeout_ms)
{
    struct joint *joint = driver;
    joint->polling = true;
    const enum zkt_status status = run_turn(joint->hub, timeout_ms);
    joint->polling = false;
    return status;
}

/* Not in a callback of the server, nor of another client that is joined. */
static bool may_poll(const void *driver)
{
    const struct joint *joint = driver;
    const struct hub *hub = joint->hub;
    return !hub->turning &&
           (hub->server == NULL || !zkt__server_is_running(hub->server));
}

/* zkt_server_advance has moved the server's clock. */
static void on_wake(struct zkt_core *core)
{
    struct hub *hub = core->driver;
    while (turn_once(hub)) {
    }
}

/* ---- joining and parting ---- */

static void connect_local(void *driver, struct zkt_client *client)
{
    struct joint *joint = driver;
    struct zkt_server *server = joint->hub->server;
    joint->far = server != NULL ? zkt__server_accept(server, "") : NULL;
    if (joint->far == NULL) {
        zkt__client_connect_failed(client, "the server takes no connection");
        return;
    }
    joint->near = zkt__client_connected(client);
    if (joint->near == NULL) {
        joint->far->ops->detach(joint->far);
        joint->far = NULL;
    }
}

static void abort_connect(void *driver, struct zkt_client *client)
{
    (void)driver;
    zkt__client_connect_failed(client, "connecting was given up");
}

/* What the peer has yet to see, and its end. In a callback of the server it
 * sees the end alone: it cannot be fed. */
static void say_goodbye(struct joint *joint)
{
    const struct hub *hub = joint->hub;
    if (hub->server != NULL && !zkt__server_is_running(hub->server)) {
        (void)pump(joint);
    }
    if (joint->near != NULL) {
        joint->near->closing = true;
        (void)part(joint);
    }
    hub->core->ops->tick(hub->core);
}

static void finish_joint(struct joint *joint)
{
    struct hub *hub = joint->hub;
    joint->finishing = true;
    hub->users++;
    zkt__inbox_close(&joint->inbox);
    (void)zkt__inbox_run(&joint->inbox, joint->client);
    say_goodbye(joint);
    zkt__client_free(joint->client);
    zkt__inbox_finish(&joint->inbox);
    zkt__node_unlink(&joint->node);
    zkt__release(hub->allocator, joint);
    hub->users--;
    release_empty(hub);
}

/* In the middle of a turn it waits for the turn's end, which finds it; and if
 * it is polled, for the one who does. */
static void finish_local(void *driver, struct zkt_client *client)
{
    struct joint *joint = driver;
    (void)client;
    if (!joint->hub->turning && !joint->polling) {
        finish_joint(joint);
    }
}

static enum zkt_status post_local(void *driver, zkt_posted_function *fn,
                                  void *user)
{
    struct joint *joint = driver;
    return zkt__inbox_post(&joint->inbox, fn, user);
}

static const struct zkt_client_driver_ops local_ops = {
    .connect = connect_local,
    .abort_connect = abort_connect,
    .poll = poll_local,
    .may_poll = may_poll,
    .finish = finish_local,
    .post = post_local,
};

static struct hub *hub_of(struct zkt_server *server)
{
    struct zkt_core *core = zkt__server_core(server);
    if (core->driver != NULL) {
        /* A server that listens has another driver. */
        return core->wake == on_wake ? core->driver : NULL;
    }
    struct hub *hub = zkt__alloc_zero(zkt__server_allocator(server), 1,
                                      sizeof(*hub));
    if (hub == NULL || !bell_init(&hub->bell)) {
        zkt__release(zkt__server_allocator(server), hub);
        return NULL;
    }
    hub->allocator = zkt__server_allocator(server);
    hub->server = server;
    hub->core = core;
    zkt__list_init(&hub->joints);
    core->driver = hub;
    core->wake = on_wake;
    core->abandon = abandon;
    zkt__work_queue_on_wake(zkt__server_work(server), ring, hub);
    return hub;
}

struct zkt_client *zkt_client_open_local(struct zkt_server *server)
{
    if (server == NULL ||
        !zkt__server_may_call(server, "zkt_client_open_local")) {
        return NULL;
    }
    const struct zkt_allocator *allocator = zkt__server_allocator(server);
    struct hub *hub = hub_of(server);
    struct joint *joint = zkt__alloc_zero(allocator, 1, sizeof(*joint));
    if (hub == NULL || joint == NULL) {
        goto fail;
    }
    const struct zkt_client_options options = {
        .allocator = allocator,
        .ping_after_ms = -1, /* memory does not fall silent */
    };
    if (zkt__inbox_init(&joint->inbox, allocator, ring, hub) != 0) {
        goto fail;
    }
    joint->hub = hub;
    zkt__list_append(&hub->joints, &joint->node);
    joint->client = zkt__client_new(&options, ZKT_STR("local"), ZKT_STR("/"),
                                    &local_ops, joint);
    if (joint->client == NULL) {
        zkt__inbox_finish(&joint->inbox);
        goto fail;
    }
    copy_clock(hub, core_of(joint));
    return joint->client;

fail:
    if (joint != NULL) {
        zkt__node_unlink(&joint->node);
        zkt__release(allocator, joint);
    }
    if (hub != NULL) {
        release_empty(hub);
    }
    return NULL;
}
