/*
 * zkt_client_open_local: clients and a server in one thread, connected by
 * memory. Time is simulated: when no byte moves, the clock that all of them
 * share jumps to the next deadline, so a test of a timeout takes no time. Only
 * a poll without a timeout that finds no deadline waits, until another thread
 * posts work to the server or to a client.
 */
#include <string.h>

#include "client/client.h"
#include "net/inbox.h"
#include "server/server.h"

/* Signalled when another thread has posted work. */
struct condition {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool signalled;
};

/* The driver of a server: joins it to its local clients. */
struct loopback {
    struct condition posted;
    const struct zkt_allocator *allocator;
    struct zkt_server *server;    /* NULL: freed */
    struct zkt_core *core;        /* the server's, or stopped_core */
    struct zkt_core stopped_core; /* keeps a freed server's clock running */
    struct zkt_list pipes;
    uint32_t users; /* calls that still use it: it is not freed meanwhile */
    bool turning;
};

/* Connects a client to the server. */
struct pipe {
    struct zkt_node node; /* in loopback->pipes */
    struct loopback *loopback;
    struct zkt_client *client;
    struct zkt_endpoint *client_end, *server_end; /* NULL: not connected */
    struct zkt_inbox inbox;
    bool polling;   /* zkt_client_poll runs, and closes the pipe */
    bool finishing; /* the last callbacks of the client run */
};

static struct zkt_core *core_of(const struct pipe *pipe)
{
    return zkt__client_core(pipe->client);
}

/* ---- waiting for other threads ---- */

static bool condition_init(struct condition *condition)
{
    if (pthread_mutex_init(&condition->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_cond_init(&condition->changed, NULL) != 0) {
        pthread_mutex_destroy(&condition->mutex);
        return false;
    }
    return true;
}

static void condition_finish(struct condition *condition)
{
    pthread_cond_destroy(&condition->changed);
    pthread_mutex_destroy(&condition->mutex);
}

/* May be called from any thread. */
static void signal_posted(void *user)
{
    struct loopback *loopback = user;
    pthread_mutex_lock(&loopback->posted.mutex);
    loopback->posted.signalled = true;
    pthread_cond_signal(&loopback->posted.changed);
    pthread_mutex_unlock(&loopback->posted.mutex);
}

/* Waits for a signal; returns at once if there was one since the last wait. */
static void condition_wait(struct condition *condition)
{
    pthread_mutex_lock(&condition->mutex);
    while (!condition->signalled) {
        pthread_cond_wait(&condition->changed, &condition->mutex);
    }
    condition->signalled = false;
    pthread_mutex_unlock(&condition->mutex);
}

/* ---- moving bytes ---- */

enum {
    CHUNK = 16 * 1024
};

/* Moves pending bytes of @from to @to. Returns true if there were any. A
 * callback may end the server, and with it the connection. */
static bool move_bytes(const struct pipe *pipe, struct zkt_endpoint *from,
                       struct zkt_endpoint *to)
{
    struct zkt_slice slice;
    uint8_t chunk[CHUNK];
    bool moved = false;
    while (pipe->client_end != NULL &&
           from->ops->pending(from, &slice, 1) > 0) {
        const size_t len = slice.len < CHUNK ? slice.len : CHUNK;
        memcpy(chunk, slice.data, len);
        from->ops->sent(from, len);
        to->ops->feed(to, chunk, len);
        moved = true;
    }
    return moved;
}

/* Detaches both ends if either wants to close. Returns true if so. */
static bool disconnect(struct pipe *pipe)
{
    if (!pipe->client_end->closing && !pipe->client_end->aborted &&
        !pipe->server_end->closing && !pipe->server_end->aborted) {
        return false;
    }
    struct zkt_endpoint *client_end = pipe->client_end,
                        *server_end = pipe->server_end;
    pipe->client_end = pipe->server_end = NULL;
    client_end->ops->detach(client_end);
    server_end->ops->detach(server_end);
    return true;
}

static bool pump(struct pipe *pipe)
{
    if (pipe->client_end == NULL) {
        return false;
    }
    struct zkt_endpoint *client_end = pipe->client_end,
                        *server_end = pipe->server_end;
    bool moved = move_bytes(pipe, client_end, server_end);
    moved = move_bytes(pipe, server_end, client_end) || moved;
    return (pipe->client_end != NULL && disconnect(pipe)) || moved;
}

/* ---- turns ---- */

static bool is_due(const struct zkt_core *core)
{
    return core->ops->deadline(core) <= core->now_ms;
}

static void copy_clock(const struct loopback *loopback, struct zkt_core *to)
{
    to->now_ms = loopback->core->now_ms;
    to->wall_ms = loopback->core->wall_ms;
}

/* Runs a turn of a client. Returns true if anything happened. */
static bool turn_pipe(struct pipe *pipe)
{
    struct zkt_core *core = core_of(pipe);
    copy_clock(pipe->loopback, core);
    bool moved = !zkt__client_is_in_callback(pipe->client) &&
                 zkt__inbox_run(&pipe->inbox, pipe->client);
    moved = is_due(core) || moved;
    core->ops->tick(core);
    return pump(pipe) || moved;
}

/* Runs a turn of the server and of each client. Returns true if anything
 * happened. */
static bool turn(struct loopback *loopback)
{
    bool moved = is_due(loopback->core);
    loopback->core->ops->tick(loopback->core);
    struct zkt_node *n = zkt__list_first(&loopback->pipes);
    for (; n != NULL; n = zkt__list_after(&loopback->pipes, n)) {
        struct pipe *pipe = ZKT_CONTAINER(n, struct pipe, node);
        moved = (!pipe->finishing && turn_pipe(pipe)) || moved;
    }
    return moved;
}

/* Returns the earliest deadline of the server and the clients. */
static int64_t next_deadline(const struct loopback *loopback)
{
    int64_t next = loopback->core->ops->deadline(loopback->core);
    for (const struct zkt_node *n = zkt__list_first(&loopback->pipes);
         n != NULL; n = zkt__list_after(&loopback->pipes, n)) {
        const struct pipe *pipe = ZKT_CONTAINER(n, struct pipe, node);
        const int64_t own = core_of(pipe)->ops->deadline(core_of(pipe));
        next = own < next ? own : next;
    }
    return next;
}

static void advance(struct loopback *loopback, int64_t ms)
{
    loopback->core->now_ms += ms;
    loopback->core->wall_ms += ms;
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

static void leave_server(struct loopback *loopback)
{
    if (loopback->server != NULL) {
        zkt__work_queue_on_wake(zkt__server_work(loopback->server), NULL, NULL);
        loopback->core->driver = NULL;
        loopback->core->wake = NULL;
        loopback->core->abandon = NULL;
    }
}

/* The server is freed while clients are open: they lose their connections, and
 * can still be closed. */
static void abandon(struct zkt_core *core)
{
    struct loopback *loopback = core->driver;
    for (struct zkt_node *n = zkt__list_first(&loopback->pipes); n != NULL;
         n = zkt__list_after(&loopback->pipes, n)) {
        struct pipe *pipe = ZKT_CONTAINER(n, struct pipe, node);
        if (pipe->client_end != NULL) {
            pipe->client_end->closing = true;
            (void)disconnect(pipe);
        }
    }
    leave_server(loopback);
    loopback->stopped_core = (struct zkt_core){ .ops = &no_ops,
                                                .now_ms = core->now_ms,
                                                .wall_ms = core->wall_ms };
    loopback->core = &loopback->stopped_core;
    loopback->server = NULL;
}

/* Frees the loopback if it has no client and no call uses it. */
static void release_empty(struct loopback *loopback)
{
    if (loopback->users == 0 && zkt__list_empty(&loopback->pipes)) {
        leave_server(loopback);
        condition_finish(&loopback->posted);
        zkt__release(loopback->allocator, loopback);
    }
}

static void close_pipe(struct pipe *pipe);

/* Returns the pipe of a client that was closed in a callback and can end now,
 * or NULL. */
static struct pipe *find_closed(const struct loopback *loopback)
{
    for (struct zkt_node *n = zkt__list_first(&loopback->pipes); n != NULL;
         n = zkt__list_after(&loopback->pipes, n)) {
        struct pipe *pipe = ZKT_CONTAINER(n, struct pipe, node);
        if (!pipe->polling && !pipe->finishing &&
            zkt__client_close_wanted(pipe->client) &&
            !zkt__client_is_busy(pipe->client)) {
            return pipe;
        }
    }
    return NULL;
}

/* Runs a turn, unless a callback of a turn calls it. Returns false if nothing
 * happened or no client is left. */
static bool turn_once(struct loopback *loopback)
{
    struct pipe *closed;
    if (loopback->turning) {
        return false;
    }
    loopback->users++;
    loopback->turning = true;
    bool moved = turn(loopback);
    loopback->turning = false;
    while ((closed = find_closed(loopback)) != NULL) {
        close_pipe(closed);
        moved = true;
    }
    moved = moved && !zkt__list_empty(&loopback->pipes);
    loopback->users--;
    release_empty(loopback);
    return moved;
}

static enum zkt_status run_turn(struct loopback *loopback, int timeout_ms)
{
    if (turn_once(loopback)) {
        return ZKT_OK;
    }
    const int64_t next = next_deadline(loopback);
    const int64_t wait = next - loopback->core->now_ms;
    if (timeout_ms >= 0 && wait > timeout_ms) {
        advance(loopback, timeout_ms);
        return ZKT_DEADLINE_EXCEEDED;
    }
    if (next == ZKT_NEVER) {
        condition_wait(&loopback->posted);
        (void)turn_once(loopback);
        return ZKT_OK;
    }
    advance(loopback, wait > 0 ? wait : 0);
    (void)turn_once(loopback);
    return ZKT_OK;
}

static enum zkt_status poll_local(void *driver, int timeout_ms)
{
    struct pipe *pipe = driver;
    pipe->polling = true;
    const enum zkt_status status = run_turn(pipe->loopback, timeout_ms);
    pipe->polling = false;
    return status;
}

/* Returns false in a callback of the server or of another of its clients. */
static bool may_poll(const void *driver)
{
    const struct pipe *pipe = driver;
    const struct loopback *loopback = pipe->loopback;
    return !loopback->turning && (loopback->server == NULL ||
                                  !zkt__server_is_running(loopback->server));
}

/* Called when zkt_server_advance has moved the server's clock. */
static void on_wake(struct zkt_core *core)
{
    struct loopback *loopback = core->driver;
    while (turn_once(loopback)) {
    }
}

/* ---- connecting and closing ---- */

static void connect_local(void *driver, struct zkt_client *client)
{
    struct pipe *pipe = driver;
    struct zkt_server *server = pipe->loopback->server;
    pipe->server_end = server != NULL ? zkt__server_accept(server, "") : NULL;
    if (pipe->server_end == NULL) {
        zkt__client_connect_failed(client, "the server takes no connection");
        return;
    }
    pipe->client_end = zkt__client_connected(client);
    if (pipe->client_end == NULL) {
        pipe->server_end->ops->detach(pipe->server_end);
        pipe->server_end = NULL;
    }
}

static void abort_connect(void *driver, struct zkt_client *client)
{
    (void)driver;
    zkt__client_connect_failed(client, "connecting was given up");
}

/* Delivers pending bytes and closes the connection. In a callback of the server
 * the bytes are dropped: the server cannot be fed. */
static void flush_and_disconnect(struct pipe *pipe)
{
    const struct loopback *loopback = pipe->loopback;
    if (loopback->server != NULL && !zkt__server_is_running(loopback->server)) {
        (void)pump(pipe);
    }
    if (pipe->client_end != NULL) {
        pipe->client_end->closing = true;
        (void)disconnect(pipe);
    }
    loopback->core->ops->tick(loopback->core);
}

static void close_pipe(struct pipe *pipe)
{
    struct loopback *loopback = pipe->loopback;
    pipe->finishing = true;
    loopback->users++;
    zkt__inbox_close(&pipe->inbox, pipe->client);
    flush_and_disconnect(pipe);
    zkt__client_free(pipe->client);
    zkt__inbox_finish(&pipe->inbox);
    zkt__node_unlink(&pipe->node);
    zkt__release(loopback->allocator, pipe);
    loopback->users--;
    release_empty(loopback);
}

/* Closes the pipe, unless a turn or a poll runs: their end closes it. */
static void finish_local(void *driver, struct zkt_client *client)
{
    struct pipe *pipe = driver;
    (void)client;
    if (!pipe->loopback->turning && !pipe->polling) {
        close_pipe(pipe);
    }
}

static enum zkt_status post_local(void *driver, zkt_posted_function *fn,
                                  void *user)
{
    struct pipe *pipe = driver;
    return zkt__inbox_post(&pipe->inbox, fn, user);
}

static bool post_work(void *driver, struct zkt_work *work)
{
    struct pipe *pipe = driver;
    return zkt__inbox_post_work(&pipe->inbox, work);
}

static const struct zkt_client_driver_ops local_ops = {
    .connect = connect_local,
    .abort_connect = abort_connect,
    .poll = poll_local,
    .may_poll = may_poll,
    .finish = finish_local,
    .post = post_local,
    .post_work = post_work,
};

static struct loopback *loopback_of(struct zkt_server *server)
{
    struct zkt_core *core = zkt__server_core(server);
    if (core->driver != NULL) {
        /* A server that listens on a loop has another driver. */
        return core->wake == on_wake ? core->driver : NULL;
    }
    struct loopback *loopback = zkt__alloc_zero(zkt__server_allocator(server),
                                                1, sizeof(*loopback));
    if (loopback == NULL || !condition_init(&loopback->posted)) {
        zkt__release(zkt__server_allocator(server), loopback);
        return NULL;
    }
    loopback->allocator = zkt__server_allocator(server);
    loopback->server = server;
    loopback->core = core;
    zkt__list_init(&loopback->pipes);
    core->driver = loopback;
    core->wake = on_wake;
    core->abandon = abandon;
    zkt__work_queue_on_wake(zkt__server_work(server), signal_posted, loopback);
    return loopback;
}

struct zkt_client *zkt_client_open_local_with(
    struct zkt_server *server, const struct zkt_client_options *given)
{
    struct zkt_client_options options = { 0 };
    if (given != NULL) {
        options = *given;
    }
    if (server == NULL || options.loop != NULL || options.thread ||
        !zkt__server_may_call(server, "zkt_client_open_local")) {
        return NULL;
    }
    const struct zkt_allocator *allocator = zkt__server_allocator(server);
    options.allocator = allocator;
    options.ping_after_ms = -1; /* memory does not fall silent */
    struct loopback *loopback = loopback_of(server);
    struct pipe *pipe = zkt__alloc_zero(allocator, 1, sizeof(*pipe));
    if (loopback == NULL || pipe == NULL) {
        goto fail;
    }
    if (zkt__inbox_init(&pipe->inbox, allocator, signal_posted, loopback) !=
        0) {
        goto fail;
    }
    pipe->loopback = loopback;
    zkt__list_append(&loopback->pipes, &pipe->node);
    pipe->client = zkt__client_new(&options, ZKT_STR("local"), ZKT_STR("/"),
                                   &local_ops, pipe);
    if (pipe->client == NULL) {
        zkt__inbox_finish(&pipe->inbox);
        goto fail;
    }
    copy_clock(loopback, core_of(pipe));
    return pipe->client;

fail:
    if (pipe != NULL) {
        zkt__node_unlink(&pipe->node);
        zkt__release(allocator, pipe);
    }
    if (loopback != NULL) {
        release_empty(loopback);
    }
    return NULL;
}

struct zkt_client *zkt_client_open_local(struct zkt_server *server)
{
    return zkt_client_open_local_with(server, NULL);
}
