/*
 * See loop.h. A connection costs a few words; the read buffer belongs to the
 * loop. While a peer is slow, its socket is polled for writing and nothing is
 * copied: pending bytes stay in the core's queue. A server closes a connection
 * by sending everything, half-closing, and waiting for the peer to close, so
 * that no reset overtakes the close frame (RFC 6455, section 7.1.1). A client
 * only waits, since the server is to close first.
 */
#include "net/loop.h"

#include <errno.h>
#include <time.h>

#include "net/socket.h"

enum {
    WRITE_PER_TURN = 16 * 1024 * 1024
};

struct zkt_transport {
    struct zkt_source source;
    struct zkt_loop *loop;
    struct zkt_endpoint *endpoint; /* NULL: detached */
    struct zkt_node node; /* in loop->transports, ->linger or ->dropped */
    int64_t linger_until;
    bool stalled; /* the socket takes no more bytes */
    bool ended;   /* end of file from the peer */
};

static int64_t read_wall_ns(void)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
}

/* Sets the time for durations, and takes the time since the epoch from that: so
 * a turn reads one clock, whether or not it measures. The clock of the epoch,
 * which may be set, is read again after some milliseconds. */
static int64_t measure_wall_ns(struct zkt_loop *loop)
{
    enum {
        REFRESH_NS = 20 * 1000000
    };
    const struct zkt_ticks *ticks = &loop->core->ticks;
    const int64_t now = zkt__ticks_read(ticks, loop->core);
    int64_t passed = zkt__ticks_ns(ticks, (uint64_t)(now - loop->wall_read));
    loop->core->woken = now;
    if (passed >= REFRESH_NS || loop->wall_ns == 0) {
        loop->wall_read = now;
        loop->wall_ns = read_wall_ns();
        passed = 0;
    }
    return loop->wall_ns + passed;
}

void zkt__loop_clock(struct zkt_loop *loop)
{
    struct zkt_core *core = loop->core;
    if (core == NULL) {
        return;
    }
    core->now_ms = (int64_t)uv_now(loop->uv);
    core->wall_ms = (core->measures ? measure_wall_ns(loop) : read_wall_ns()) /
                    1000000;
}

/*
 * Called after each poll. A round ends when each ready socket has had its turn,
 * which may take several batches: epoll returns ready sockets in order, and
 * sockets that are still ready last. Then all bytes that had arrived before the
 * round began have been read.
 */
static void note_polled(struct zkt_loop *loop)
{
    struct zkt_poller *poller = &loop->poller;
    const uint64_t dispatched = poller->dispatched - loop->round_dispatched;
    if (!poller->is_full || dispatched >= poller->watched) {
        if (loop->core != NULL) {
            loop->core->heard_ms = loop->round_at;
        }
        loop->round_dispatched = poller->dispatched;
        loop->round_at = (int64_t)uv_now(loop->uv);
    }
    poller->is_full = false;
}

void zkt__loop_handle_gone(struct zkt_loop *loop)
{
    loop->handles--;
    if (loop->handles == 0 && loop->stopping && loop->on_stopped != NULL) {
        loop->on_stopped(loop);
    }
}

/* ---- a connection ---- */

/* Closes the socket and detaches the endpoint. The caller may still look at the
 * transport, which is freed at the end of the turn. */
static void drop(struct zkt_transport *t)
{
    struct zkt_loop *loop = t->loop;
    if (t->source.fd < 0) {
        return;
    }
    zkt__node_unlink(&t->node);
    zkt__list_append(&loop->dropped, &t->node);
    zkt__poller_forget(&loop->poller, &t->source);
    zkt__socket_close(t->source.fd);
    t->source.fd = -1;
    loop->sockets--;
    if (t->endpoint != NULL) {
        t->endpoint->transport = NULL;
        t->endpoint->ops->detach(t->endpoint);
        t->endpoint = NULL;
    }
    if (loop->on_transport_closed != NULL) {
        loop->on_transport_closed(loop);
    }
}

static void free_dropped(struct zkt_loop *loop)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&loop->dropped)) != NULL) {
        zkt__node_unlink(node);
        zkt__release(loop->allocator,
                     ZKT_CONTAINER(node, struct zkt_transport, node));
    }
}

/* Watches for the events that matter now; without any, epoll still reports a
 * reset. */
static void watch(struct zkt_transport *t)
{
    const struct zkt_endpoint *e = t->endpoint;
    uint32_t events = 0;
    if (!t->ended && (e == NULL || e->reading || e->closing)) {
        events |= EPOLLIN;
    }
    if (t->stalled) {
        events |= EPOLLOUT;
    }
    if (zkt__poller_watch(&t->loop->poller, &t->source, events) != 0) {
        drop(t);
    }
}

/* Detaches the endpoint, which has sent everything, and waits for the peer to
 * close. */
static void linger(struct zkt_transport *t)
{
    struct zkt_loop *loop = t->loop;
    if (!loop->is_client) {
        zkt__socket_finish_writing(t->source.fd);
    }
    t->endpoint->transport = NULL;
    t->endpoint->ops->detach(t->endpoint);
    t->endpoint = NULL;
    t->linger_until = (int64_t)uv_now(loop->uv) + loop->linger_ms;
    zkt__node_unlink(&t->node);
    zkt__list_append(&loop->linger, &t->node);
}

/*
 * Sends pending bytes, up to a limit: a connection that is owed many snapshots
 * and reads fast must not keep the others waiting. Returns false if the
 * transport was dropped.
 */
static bool flush(struct zkt_transport *t)
{
    struct zkt_endpoint *e = t->endpoint;
    struct zkt_slice slices[ZKT_SOCKET_SLICES];
    size_t left = WRITE_PER_TURN;
    t->stalled = false;
    for (;;) {
        const size_t count = e->ops->pending(e, slices, ZKT_SOCKET_SLICES);
        if (count == 0) {
            return true;
        }
        size_t wanted = 0;
        for (size_t i = 0; i < count; i++) {
            wanted += slices[i].len;
        }
        const ptrdiff_t put = zkt__socket_write(t->source.fd, slices, count);
        if (put < 0 && put != -EAGAIN) {
            drop(t);
            return false;
        }
        if (put > 0) {
            e->ops->sent(e, (size_t)put);
        }
        if (put < 0 || (size_t)put < wanted || (size_t)put >= left) {
            t->stalled = true;
            return true;
        }
        left -= (size_t)put;
    }
}

/* Acts on the endpoint's output and flags. */
static void update(struct zkt_transport *t)
{
    struct zkt_endpoint *e = t->endpoint;
    if (e->aborted) {
        drop(t);
        return;
    }
    if (!flush(t)) {
        return;
    }
    if (e->aborted || (e->closing && t->ended && !t->stalled)) {
        drop(t);
        return;
    }
    if (e->closing && !t->stalled) {
        linger(t);
    }
    watch(t);
}

static void read_once(struct zkt_transport *t)
{
    struct zkt_loop *loop = t->loop;
    const ptrdiff_t got = zkt__socket_read(t->source.fd, loop->read_buffer,
                                           loop->read_size);
    if (got == -EAGAIN) {
        return;
    }
    struct zkt_endpoint *e = t->endpoint;
    if (got < 0 || (got == 0 && e == NULL)) {
        drop(t);
        return;
    }
    if (e == NULL) {
        return; /* lingering: discards the bytes */
    }
    if (got == 0) {
        t->ended = true;
        e->ops->ended(e);
        return;
    }
    e->ops->feed(e, loop->read_buffer, (size_t)got);
}

static void on_ready(struct zkt_source *source, uint32_t events)
{
    struct zkt_transport *t = ZKT_CONTAINER(source, struct zkt_transport,
                                            source);
    const bool reads = (source->events & EPOLLIN) != 0;
    t->loop->turns++;
    if ((events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && !reads)) {
        drop(t);
        return;
    }
    if (reads && (events & (EPOLLIN | EPOLLHUP)) != 0) {
        read_once(t);
    }
    if (t->endpoint != NULL) {
        update(t);
    }
}

int zkt__loop_attach(struct zkt_loop *loop, int fd,
                     struct zkt_endpoint *endpoint)
{
    int error = UV_ENOMEM;
    struct zkt_transport *t = zkt__alloc_zero(loop->allocator, 1,
                                              sizeof(struct zkt_transport));
    if (t == NULL) {
        goto fail_alloc;
    }
    t->source = (struct zkt_source){ .on_ready = on_ready, .fd = fd };
    error = zkt__poller_watch(&loop->poller, &t->source, EPOLLIN);
    if (error != 0) {
        goto fail_watch;
    }
    loop->sockets++;
    t->loop = loop;
    t->endpoint = endpoint;
    endpoint->transport = t;
    zkt__list_append(&loop->transports, &t->node);
    update(t);
    return 0;

fail_watch:
    zkt__release(loop->allocator, t);
fail_alloc:
    endpoint->ops->detach(endpoint);
    zkt__socket_close(fd);
    return error;
}

void zkt__loop_read_early(struct zkt_loop *loop, struct zkt_endpoint *endpoint)
{
    struct zkt_transport *t = endpoint->transport;
    if (t != NULL && endpoint->reading) {
        loop->turns++;
        read_once(t);
        if (t->endpoint != NULL) {
            update(t);
        }
    }
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer)
{
    struct zkt_loop *loop = timer->data;
    loop->armed = ZKT_NEVER;
    loop->in_timer = true;
    zkt__loop_end_turn(loop);
    loop->in_timer = false;
}

static void on_check(uv_check_t *check)
{
    struct zkt_loop *loop = check->data;
    if (!loop->poller.standalone) {
        note_polled(loop);
    }
    zkt__loop_end_turn(loop);
}

static void drop_lingering(struct zkt_loop *loop)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&loop->linger)) != NULL) {
        struct zkt_transport *t = ZKT_CONTAINER(node, struct zkt_transport,
                                                node);
        if (t->linger_until > (int64_t)uv_now(loop->uv)) {
            return;
        }
        drop(t);
    }
}

static void flush_dirty(struct zkt_loop *loop)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&loop->core->dirty)) != NULL) {
        struct zkt_endpoint *e = ZKT_CONTAINER(node, struct zkt_endpoint,
                                               dirty);
        zkt__node_unlink(node);
        struct zkt_transport *t = e->transport;
        if (t == NULL) {
            continue;
        }
        if (t->stalled && !e->aborted) {
            watch(t); /* flushed when the socket takes more */
        } else {
            update(t);
        }
    }
}

static void arm(struct zkt_loop *loop)
{
    int64_t deadline = loop->core != NULL
                           ? loop->core->ops->deadline(loop->core)
                           : ZKT_NEVER;
    const struct zkt_node *first = zkt__list_first(&loop->linger);
    if (first != NULL) {
        const struct zkt_transport *t = ZKT_CONTAINER(
            first, struct zkt_transport, node);
        if (t->linger_until < deadline) {
            deadline = t->linger_until;
        }
    }
    /* A timer that fires early costs less than setting it in each turn. */
    if (deadline >= loop->armed) {
        return;
    }
    loop->armed = deadline;
    const int64_t wait = deadline - (int64_t)uv_now(loop->uv);
    /* libuv runs timers until none is due, before it polls: a deadline that is
     * still due in a timer callback waits for the sockets. */
    const int64_t least = loop->in_timer ? 1 : 0;
    uv_timer_start(&loop->timer, on_timer,
                   (uint64_t)(wait > least ? wait : least), 0);
}

/* Ends a turn without a core. */
static void end_retired(struct zkt_loop *loop)
{
    drop_lingering(loop);
    free_dropped(loop);
    arm(loop);
    if (loop->sockets == 0) {
        zkt__loop_stop(loop);
    }
}

static void drop_all(struct zkt_list *transports)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(transports)) != NULL) {
        drop(ZKT_CONTAINER(node, struct zkt_transport, node));
    }
}

void zkt__loop_retire(struct zkt_loop *loop)
{
    drop_all(&loop->transports);
    loop->core = NULL;
    end_retired(loop);
}

/* Ends a turn; the clock has just been read. */
static void end_turn(struct zkt_loop *loop)
{
    if (loop->stopping) {
        return;
    }
    if (loop->core == NULL) {
        end_retired(loop);
        return;
    }
    if (loop->counts_turns) {
        /* A due deadline may run here, before the timer fires. */
        loop->turns += loop->core->ops->deadline(loop->core) <=
                       loop->core->now_ms;
    }
    loop->core->ops->tick(loop->core);
    flush_dirty(loop);
    drop_lingering(loop);
    free_dropped(loop);
    arm(loop);
    if (loop->on_turn != NULL) {
        loop->on_turn(loop);
    }
}

void zkt__loop_end_turn(struct zkt_loop *loop)
{
    zkt__loop_clock(loop);
    end_turn(loop);
}

static void on_poller_wake(struct zkt_poller *poller)
{
    zkt__loop_clock(ZKT_CONTAINER(poller, struct zkt_loop, poller));
}

static void on_poller_polled(struct zkt_poller *poller)
{
    note_polled(ZKT_CONTAINER(poller, struct zkt_loop, poller));
}

static void on_poller_failed(struct zkt_poller *poller, int error)
{
    struct zkt_loop *loop = ZKT_CONTAINER(poller, struct zkt_loop, poller);
    loop->error = error;
    if (loop->on_failed != NULL) {
        loop->on_failed(loop, error);
    }
}

int zkt__loop_init(struct zkt_loop *loop, uv_loop_t *uv, struct zkt_core *core,
                   const struct zkt_allocator *allocator, int64_t linger_ms,
                   size_t read_size)
{
    *loop = (struct zkt_loop){
        .uv = uv,
        .core = core,
        .allocator = allocator,
        .linger_ms = linger_ms,
        .read_size = read_size,
        .armed = ZKT_NEVER,
    };
    zkt__list_init(&loop->transports);
    zkt__list_init(&loop->linger);
    zkt__list_init(&loop->dropped);
    loop->read_buffer = zkt__alloc(allocator, read_size);
    if (loop->read_buffer == NULL) {
        return UV_ENOMEM;
    }
    const int error = zkt__poller_init(&loop->poller, uv);
    if (error != 0) {
        zkt__loop_finish(loop);
        return error;
    }
    loop->poller.on_wake = on_poller_wake;
    loop->poller.on_polled = on_poller_polled;
    loop->poller.on_failed = on_poller_failed;
    /* Neither of these two can fail (libuv documents them so). */
    uv_timer_init(uv, &loop->timer);
    uv_check_init(uv, &loop->check);
    uv_check_start(&loop->check, on_check);
    loop->timer.data = loop->check.data = loop;
    loop->handles = 3;
    loop->round_at = (int64_t)uv_now(uv);
    zkt__loop_clock(loop);
    return 0;
}

int zkt__loop_take_over(struct zkt_loop *loop)
{
    return loop->stopping ? 0 : zkt__poller_take_over(&loop->poller);
}

int zkt__loop_run(struct zkt_loop *loop)
{
    loop->handles++; /* defers on_stopped, which may free the loop */
    while (!loop->stopping) {
        if (!zkt__poller_turn(&loop->poller)) {
            end_turn(loop);
        }
    }
    const int error = loop->error;
    zkt__loop_handle_gone(loop);
    return error;
}

static void on_poller_gone(uv_handle_t *handle)
{
    struct zkt_poller *poller = handle->data;
    zkt__loop_handle_gone(ZKT_CONTAINER(poller, struct zkt_loop, poller));
}

static void on_handle_gone(uv_handle_t *handle)
{
    zkt__loop_handle_gone(handle->data);
}

void zkt__loop_stop(struct zkt_loop *loop)
{
    if (loop->stopping) {
        return;
    }
    loop->stopping = true;
    drop_all(&loop->transports);
    drop_all(&loop->linger);
    uv_close((uv_handle_t *)&loop->timer, on_handle_gone);
    uv_close((uv_handle_t *)&loop->check, on_handle_gone);
    zkt__poller_close(&loop->poller, on_poller_gone);
}

void zkt__loop_finish(struct zkt_loop *loop)
{
    free_dropped(loop);
    zkt__release(loop->allocator, loop->read_buffer);
    loop->read_buffer = NULL;
}
