/* See listener.h. */
#include "net/listener.h"

#include <errno.h>

enum {
    RETRY_MS = 100
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *timer)
{
    zkt__listener_resume(timer->data);
}

/* A poll that stays on would spin. */
static void rest(struct zkt_listener *listener)
{
    listener->resting = true;
    uv_poll_stop(&listener->poll);
}

/* The process is out of something, which may come back unseen. */
static void rest_a_while(struct zkt_listener *listener, int error)
{
    rest(listener);
    uv_timer_start(&listener->retry, on_retry, RETRY_MS, 0);
    listener->on_error(listener->user, error);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct zkt_listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int64_t i = 0; i < listener->per_turn; i++) {
        char peer[ZKT_ADDRESS_TEXT];
        if (!listener->is_open(listener->user)) {
            rest(listener);
            return;
        }
        const int fd = zkt__socket_accept(listener->fd, peer);
        if (fd == -EAGAIN) {
            return;
        }
        if (fd == -ECONNABORTED || fd == -EINTR || fd == -EPROTO) {
            continue; /* that one was gone before we looked */
        }
        if (fd < 0) {
            rest_a_while(listener, fd);
            return;
        }
        listener->on_accept(listener->user, fd, peer);
    }
    (*listener->turns_full)++;
}

int zkt__listener_open(struct zkt_listener *listener, uv_loop_t *uv,
                       const char *host, uint16_t *port)
{
    const int fd = zkt__socket_listen(host, port);
    if (fd < 0) {
        return fd;
    }
    int error = uv_poll_init(uv, &listener->poll, fd);
    if (error != 0) {
        zkt__socket_close(fd);
        return error;
    }
    listener->fd = fd;
    listener->poll.data = listener->retry.data = listener;
    uv_timer_init(uv, &listener->retry);
    listener->handles = 2;
    error = uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    if (error != 0) {
        zkt__listener_close(listener);
    }
    return error;
}

void zkt__listener_resume(struct zkt_listener *listener)
{
    if (listener->resting && listener->fd >= 0) {
        listener->resting = false;
        uv_timer_stop(&listener->retry);
        const int error = uv_poll_start(&listener->poll, UV_READABLE,
                                        on_readable);
        if (error != 0) {
            rest_a_while(listener, error);
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
    if (listener->handles == 0 || listener->fd < 0) {
        return;
    }
    uv_poll_stop(&listener->poll);
    zkt__socket_close(listener->fd);
    listener->fd = -1;
    uv_close((uv_handle_t *)&listener->poll, on_handle_gone);
    uv_close((uv_handle_t *)&listener->retry, on_handle_gone);
}
