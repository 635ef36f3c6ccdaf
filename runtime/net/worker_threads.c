/*
 * See worker_threads.h. Sockets reach a worker through a queue of its own
 * rather than through the queue of its shard: so a worker that stops can close
 * the sockets still in it, and no work of net remains in the shard.
 */
#include "net/worker_threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "net/proxied.h"
#include "net/shard_driver.h"
#include "net/socket.h"

struct worker {
    struct zkt_shard_driver driver;
    struct zkt_worker_threads *workers;
    struct zkt_work_queue *queue;
    uv_loop_t uv;
    pthread_t thread;
    bool has_loop, has_thread;
    atomic_uint sockets;        /* in its loop or in its queue */
    atomic_bool stop_requested; /* without waiting for peers */
    atomic_bool finished;
    atomic_int error; /* of its failure, or 0 */
};

struct zkt_worker_threads {
    const struct zkt_allocator *allocator;
    struct zkt_server *server;
    void (*wake)(void *user);
    void *user;
    uint32_t count;
    struct worker all[];
};

/* A socket in the queue from the listening thread. */
struct accepted_socket {
    struct zkt_work work;
    struct zkt_accepted accepted;
};

/* ---- on a worker's thread ---- */

static void reject(struct worker *w, struct zkt_server *server,
                   const struct zkt_accepted *accepted)
{
    zkt__socket_close(accepted->fd);
    atomic_fetch_sub(&w->sockets, 1);
    zkt__server_cancel_admission(server, accepted->listener);
}

static void take_accepted(struct zkt_work *work, void *owner)
{
    struct accepted_socket *socket = ZKT_CONTAINER(work, struct accepted_socket,
                                                   work);
    struct worker *w = owner;
    struct zkt_server *server = w->driver.server;
    if (atomic_load(&w->stop_requested) || zkt__server_is_stopping(server)) {
        reject(w, server, &socket->accepted);
    } else if (!zkt__shard_driver_take(&w->driver, &socket->accepted)) {
        atomic_fetch_sub(&w->sockets, 1);
    }
    zkt__release(w->workers->allocator, socket);
}

static void on_transport_closed(struct zkt_loop *loop)
{
    struct worker *w = loop->user;
    atomic_fetch_sub(&w->sockets, 1);
}

/* Rejects the sockets in the queue; nobody wakes the worker any more. */
static void stop(struct worker *w)
{
    zkt__work_close(w->queue);
    zkt__work_run(w->queue, w, ZKT_WORK_ALL);
    zkt__shard_driver_stop(&w->driver);
}

static void on_wake(struct zkt_shard_driver *driver)
{
    struct worker *w = ZKT_CONTAINER(driver, struct worker, driver);
    if (atomic_load(&w->stop_requested)) {
        stop(w);
    } else {
        zkt__work_run(w->queue, w, ZKT_WORK_ALL);
    }
}

static void on_turn(struct zkt_loop *loop)
{
    struct worker *w = loop->user;
    if (zkt__server_is_stopping(w->driver.server)) {
        zkt__proxied_drop_all(&w->driver);
    }
    if (atomic_load(&w->stop_requested) ||
        (zkt_server_is_down(w->driver.server) && loop->sockets == 0)) {
        stop(w);
    }
}

/* The listening thread sees the error in its next turn and stops the others. */
static void on_failed(struct zkt_loop *loop, int error)
{
    struct worker *w = loop->user;
    atomic_store(&w->error, error);
    stop(w);
}

static void *run(void *user)
{
    struct worker *w = user;
    zkt__loop_end_turn(&w->driver.loop);
    (void)zkt__loop_run(&w->driver.loop);
    (void)uv_run(&w->uv, UV_RUN_DEFAULT); /* until handles are closed */
    atomic_store(&w->finished, true);
    w->workers->wake(w->workers->user);
    return NULL;
}

/* ---- starting ---- */

/* From any thread. */
static void wake_worker(void *user)
{
    struct worker *w = user;
    zkt__shard_driver_wake(&w->driver);
}

/*
 * Blocks signals, which are for the program's own threads, except the signals
 * that report a fault of this thread: the program may have a handler for these.
 */
static int create_thread(struct worker *w)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                               SIGABRT, SIGSYS, SIGTRAP };
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        sigdelset(&blocked, own[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
    const int error = pthread_create(&w->thread, NULL, run, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

/* Returns 0 or a libuv error; finish frees the rest in both cases. */
static int start(struct worker *w, struct zkt_server *shard)
{
    w->queue = zkt__work_queue_new(w->workers->allocator);
    if (w->queue == NULL) {
        return UV_ENOMEM;
    }
    int error = uv_loop_init(&w->uv);
    if (error != 0) {
        return error;
    }
    w->has_loop = true;
    error = zkt__shard_driver_init(&w->driver, shard, &w->uv);
    if (error != 0) {
        return error;
    }
    w->driver.on_wake = on_wake;
    w->driver.loop.on_turn = on_turn;
    w->driver.loop.on_transport_closed = on_transport_closed;
    w->driver.loop.on_failed = on_failed;
    w->driver.loop.user = w;
    error = zkt__loop_take_over(&w->driver.loop);
    if (error != 0) {
        zkt__shard_driver_stop(&w->driver);
        return error;
    }
    zkt__shard_driver_join(&w->driver, NULL);
    zkt__work_queue_on_wake(w->queue, wake_worker, w);
    zkt__server_unbind_thread(shard);
    error = create_thread(w);
    if (error != 0) {
        stop(w);
        return error;
    }
    w->has_thread = true;
    return 0;
}

int zkt__worker_threads_open(struct zkt_server *server,
                             void (*wake)(void *user), void *user,
                             struct zkt_worker_threads **out)
{
    const struct zkt_allocator *allocator = zkt__server_allocator(server);
    const uint32_t count = zkt__server_shard_count(server) - 1;
    int error = UV_ENOMEM;
    *out = NULL;
    if (count == 0) {
        return 0;
    }
    struct zkt_worker_threads *workers = zkt__alloc_zero(
        allocator, 1, sizeof(*workers) + count * sizeof(struct worker));
    if (workers == NULL) {
        goto fail_alloc;
    }
    workers->allocator = allocator;
    workers->server = server;
    workers->wake = wake;
    workers->user = user;
    workers->count = count;
    zkt__server_run_shards(server, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        workers->all[i].workers = workers;
        error = start(&workers->all[i], zkt__server_shard(server, i + 1));
        if (error != 0) {
            goto fail_start;
        }
    }
    *out = workers;
    return 0;

fail_start:
    zkt__worker_threads_stop(workers);
    zkt__server_run_shards(server, 1);
fail_alloc:
    zkt__server_log(server, ZKT_LOG_ERROR, "cannot start %u threads: %s",
                    (unsigned)count, uv_strerror(error));
    return error;
}

/* ---- sockets ---- */

uint32_t zkt__worker_threads_sockets(const struct zkt_worker_threads *workers)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; workers != NULL && i < workers->count; i++) {
        sum += atomic_load(&workers->all[i].sockets);
    }
    return sum;
}

/* Returns the worker with the fewest sockets, fewer than @most, or NULL. */
static struct worker *find_least_loaded(struct zkt_worker_threads *workers,
                                        uint32_t most)
{
    struct worker *least_loaded = NULL;
    for (uint32_t i = 0; workers != NULL && i < workers->count; i++) {
        const uint32_t sockets = atomic_load(&workers->all[i].sockets);
        if (sockets < most) {
            least_loaded = &workers->all[i];
            most = sockets;
        }
    }
    return least_loaded;
}

bool zkt__worker_threads_offer(struct zkt_worker_threads *workers, uint32_t own,
                               const struct zkt_accepted *accepted)
{
    char text[ZKT_ADDRESS_TEXT];
    struct worker *w = find_least_loaded(workers, own);
    if (w == NULL) {
        return false;
    }
    atomic_fetch_add(&w->sockets, 1);
    struct accepted_socket *socket = zkt__alloc(workers->allocator,
                                                sizeof(*socket));
    if (socket == NULL) {
        reject(w, workers->server, accepted);
        zkt__socket_format_peer((const struct sockaddr *)&accepted->peer, text);
        zkt__server_log_address(workers->server, ZKT_LOG_WARNING, text,
                                "a connection from %s was dropped: %s", text,
                                uv_strerror(UV_ENOMEM));
        return true;
    }
    *socket = (struct accepted_socket){ .work.run = take_accepted,
                                        .accepted = *accepted };
    /* Cannot fail: no socket is accepted after the first queue has closed. */
    (void)zkt__work_post(w->queue, &socket->work);
    return true;
}

/* ---- stopping ---- */

int zkt__worker_threads_error(const struct zkt_worker_threads *workers)
{
    int error = 0;
    for (uint32_t i = 0; workers != NULL && error == 0 && i < workers->count;
         i++) {
        error = atomic_load(&workers->all[i].error);
    }
    return error;
}

bool zkt__worker_threads_are_finished(const struct zkt_worker_threads *workers)
{
    bool finished = true;
    for (uint32_t i = 0; workers != NULL && i < workers->count; i++) {
        finished = finished && atomic_load(&workers->all[i].finished);
    }
    return finished;
}

/* Closes the loop; the thread has ended or was never started. */
static void finish(struct worker *w)
{
    if (w->has_loop) {
        (void)uv_run(&w->uv, UV_RUN_DEFAULT);
        zkt__loop_finish(&w->driver.loop);
        (void)uv_loop_close(&w->uv);
    }
    zkt__work_queue_unref(w->queue);
}

void zkt__worker_threads_stop(struct zkt_worker_threads *workers)
{
    if (workers == NULL) {
        return;
    }
    for (uint32_t i = 0; i < workers->count; i++) {
        if (workers->all[i].has_thread) {
            atomic_store(&workers->all[i].stop_requested, true);
            zkt__work_wake(workers->all[i].queue);
        }
    }
    for (uint32_t i = 0; i < workers->count; i++) {
        if (workers->all[i].has_thread) {
            (void)pthread_join(workers->all[i].thread, NULL);
        }
        finish(&workers->all[i]);
    }
    zkt__release(workers->allocator, workers);
}
