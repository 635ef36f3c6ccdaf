/* See listener.h. */
#include "net/listener.h"

#include <errno.h>

#include "base/list.h"

enum {
    RETRY_MS = 100
};

static int watch(struct zkt_listener *listener)
{
    return zkt__poller_watch(listener->poller, &listener->source, EPOLLIN);
}

static void on_retry(uv_timer_t *timer)
{
    zkt__listener_resume(timer->data);
}

/* Stops polling, which would spin. */
static void pause_accepting(struct zkt_listener *listener)
{
    listener->paused = true;
    zkt__poller_forget(listener->poller, &listener->source);
}

/* Pauses after an error: the process is out of a resource, and is not told when
 * it is available again. */
static void pause_and_retry(struct zkt_listener *listener, int error)
{
    pause_accepting(listener);
    uv_timer_start(&listener->retry, on_retry, RETRY_MS, 0);
    if (!listener->failing) {
        listener->failing = true;
        listener->on_error(listener->user, error);
    }
}

/*
 * Returns how many connections to accept: one, since a failing accept costs a
 * system call; or twice as many as the last time, if the socket was ready in
 * the previous batch, too.
 */
static int64_t allow(struct zkt_listener *listener)
{
    const uint64_t batch = listener->poller->batches;
    const bool consecutive = listener->batch + 1 == batch;
    const int64_t most = listener->per_turn;
    listener->batch = batch;
    listener->allowed = consecutive ? listener->allowed * 2 : 1;
    listener->allowed = listener->allowed < most ? listener->allowed : most;
    return listener->allowed;
}

static void on_readable(struct zkt_source *source, uint32_t events)
{
    struct zkt_listener *listener = ZKT_CONTAINER(source, struct zkt_listener,
                                                  source);
    const int64_t most = allow(listener);
    (void)events;
    for (int64_t i = 0; i < most; i++) {
        struct zkt_accepted accepted = { .listener = listener->traits };
        if (!listener->is_open(listener->user)) {
            pause_accepting(listener);
            return;
        }
        accepted.fd = zkt__socket_accept(source->fd, &accepted.peer);
        if (accepted.fd == -EAGAIN) {
            return;
        }
        if (zkt__socket_error_is_transient(accepted.fd)) {
            continue;
        }
        if (accepted.fd < 0) {
            pause_and_retry(listener, accepted.fd);
            return;
        }
        listener->failing = false;
        listener->on_accept(listener->user, &accepted);
    }
    *listener->turns_full += most == listener->per_turn;
}

int zkt__listener_open(struct zkt_listener *listener, struct zkt_poller *poller,
                       const struct zkt_listening_socket *socket)
{
    listener->poller = poller;
    listener->allowed = 1;
    listener->source = (struct zkt_source){ .on_ready = on_readable,
                                            .fd = socket->fd };
    listener->file = socket->file;
    listener->traits = socket->traits;
    uv_timer_init(poller->uv, &listener->retry);
    listener->retry.data = listener;
    listener->handles = 1;
    const int error = watch(listener);
    if (error != 0) {
        zkt__listener_close(listener);
    }
    return error;
}

void zkt__listener_resume(struct zkt_listener *listener)
{
    if (listener->paused && listener->source.fd >= 0) {
        listener->paused = false;
        uv_timer_stop(&listener->retry);
        const int error = watch(listener);
        if (error != 0) {
            pause_and_retry(listener, error);
        }
    }
}

static void on_handle_gone(uv_handle_t *handle)
{
    struct zkt_listener *listener = handle->data;
    if (--listener->handles == 0) {
        listener->on_closed(listener->user);
    }
}

void zkt__listener_close(struct zkt_listener *listener)
{
    if (listener->handles == 0 || listener->source.fd < 0) {
        return;
    }
    zkt__poller_forget(listener->poller, &listener->source);
    zkt__socket_remove_file(&listener->file);
    zkt__socket_close(listener->source.fd);
    listener->source.fd = -1;
    uv_close((uv_handle_t *)&listener->retry, on_handle_gone);
}
