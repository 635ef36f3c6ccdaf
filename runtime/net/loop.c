/*
 * See loop.h. The timer is set to no later than the next deadline of the core
 * and of the sockets that linger; a timer that fires early is set anew.
 */
#include "net/loop.h"

#include <time.h>

#include "net/transport.h"

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
    const int64_t now = zkt__core_woken(loop->core);
    int64_t passed = zkt__ticks_ns(ticks, (uint64_t)(now - loop->wall_read));
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
        zkt__transport_drop(t);
    }
}

bool zkt__loop_drop_lingering(struct zkt_loop *loop)
{
    struct zkt_node *node = zkt__list_first(&loop->linger);
    if (node != NULL) {
        zkt__transport_drop(ZKT_CONTAINER(node, struct zkt_transport, node));
    }
    return node != NULL;
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
            zkt__transport_watch(t); /* flushed when the socket takes more */
        } else {
            zkt__transport_update(t);
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
    zkt__transports_free_dropped(loop);
    arm(loop);
    if (loop->sockets == 0) {
        zkt__loop_stop(loop);
    }
}

static void drop_all(struct zkt_list *transports)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(transports)) != NULL) {
        zkt__transport_drop(ZKT_CONTAINER(node, struct zkt_transport, node));
    }
}

void zkt__loop_retire(struct zkt_loop *loop)
{
    drop_all(&loop->transports);
    loop->core = NULL;
    end_retired(loop);
}

/* Adds the time of a turn, since the poller woke or since its end began. */
static void add_turn(struct zkt_loop *loop)
{
    struct zkt_core *core = loop->core;
    const int64_t began = loop->turn_began != 0 ? loop->turn_began
                                                : core->woken;
    core->busy += zkt__ticks_read(&core->ticks, core) - began;
    loop->turn_began = 0;
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
    zkt__transports_free_dropped(loop);
    loop->handshakes = 0;
    arm(loop);
    if (loop->core->measures) {
        add_turn(loop);
    }
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
    struct zkt_loop *loop = ZKT_CONTAINER(poller, struct zkt_loop, poller);
    zkt__loop_clock(loop);
    if (loop->core != NULL && loop->turn_began == 0) {
        loop->turn_began = loop->core->woken;
    }
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
    zkt__transports_free_dropped(loop);
    zkt__release(loop->allocator, loop->read_buffer);
    zkt__secure_memory_free(loop->secure);
    loop->read_buffer = NULL;
    loop->secure = NULL;
}
