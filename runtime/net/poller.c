/*
 * See poller.h. Ready sources are taken in batches. A source that is forgotten
 * is removed from the batch, so that nothing points to it.
 */
#define _GNU_SOURCE /* EPOLL_CLOEXEC and TFD_CLOEXEC under every libc */
#include "net/poller.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/list.h"
#include "net/socket.h"

enum {
    BATCH = 256
};

/* ---- sources ---- */

static int control(struct zkt_poller *poller, int op, struct zkt_source *source,
                   uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };
    return epoll_ctl(poller->epoll, op, source->fd, &event) == 0 ? 0 : -errno;
}

/* Reports a failure once: the program has closed the epoll descriptor, for
 * example. Stops waiting, which would spin. */
static void fail(struct zkt_poller *poller, int error)
{
    if (poller->error == 0) {
        poller->error = error;
        if (poller->nested_active) {
            uv_poll_stop(&poller->nested);
            poller->nested_active = false;
        }
        poller->on_failed(poller, error);
    }
}

/* Dispatches one batch; waits for it if @timeout is -1. */
static void take_batch(struct zkt_poller *poller, int timeout)
{
    struct epoll_event batch[BATCH];
    const int count = epoll_wait(poller->epoll, batch, BATCH, timeout);
    if (count < 0) {
        if (errno != EINTR) { /* the loop calls again */
            fail(poller, -errno);
        }
        return;
    }
    if (poller->standalone) {
        uv_update_time(poller->uv);
    }
    poller->batches++;
    poller->dispatched += (uint64_t)count;
    poller->is_full = count == BATCH;
    poller->next = batch;
    poller->end = batch + count;
    poller->on_wake(poller);
    while (poller->next < poller->end) {
        const struct epoll_event *event = poller->next++;
        struct zkt_source *source = event->data.ptr;
        if (source != NULL) {
            source->on_ready(source, event->events);
        }
    }
    poller->next = poller->end = NULL;
    if (poller->standalone) {
        poller->on_polled(poller);
    }
}

static void on_nested(uv_poll_t *nested, int status, int events)
{
    (void)events;
    if (status < 0) {
        fail(nested->data, status);
    } else {
        take_batch(nested->data, 0);
    }
}

/* Lets libuv wait for the epoll descriptor, from the first source on. */
static int nest(struct zkt_poller *poller)
{
    if (poller->nested_active || poller->standalone) {
        return 0;
    }
    if (poller->error != 0) {
        return poller->error;
    }
    const int error = uv_poll_start(&poller->nested, UV_READABLE, on_nested);
    poller->nested_active = error == 0;
    return error;
}

int zkt__poller_watch(struct zkt_poller *poller, struct zkt_source *source,
                      uint32_t events)
{
    if (source->watched && source->events == events) {
        return 0;
    }
    int error = nest(poller);
    if (error == 0) {
        error = control(poller, source->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                        source, events);
    }
    if (error == 0) {
        poller->watched += !source->watched;
        source->watched = true;
        source->events = events;
    }
    return error;
}

/* Closing a descriptor is not enough: a child that is being forked may still
 * have it open. */
void zkt__poller_forget(struct zkt_poller *poller, struct zkt_source *source)
{
    if (!source->watched) {
        return;
    }
    (void)control(poller, EPOLL_CTL_DEL, source, 0);
    source->watched = false;
    poller->watched--;
    for (struct epoll_event *e = poller->next; e < poller->end; e++) {
        if (e->data.ptr == source) {
            e->data.ptr = NULL;
        }
    }
}

/* ---- nested ---- */

int zkt__poller_init(struct zkt_poller *poller, uv_loop_t *uv)
{
    *poller = (struct zkt_poller){ .uv = uv, .alarm_at = INT64_MAX };
    poller->alarm.fd = -1;
    poller->epoll = zkt__socket_above_stdio(epoll_create1(EPOLL_CLOEXEC));
    if (poller->epoll < 0) {
        return poller->epoll;
    }
    const int error = uv_poll_init(uv, &poller->nested, poller->epoll);
    if (error != 0) {
        zkt__socket_close(poller->epoll);
    }
    poller->nested.data = poller;
    return error;
}

void zkt__poller_close(struct zkt_poller *poller, uv_close_cb on_closed)
{
    poller->next = poller->end;
    uv_close((uv_handle_t *)&poller->nested, on_closed);
    zkt__socket_close(poller->epoll);
    if (poller->alarm.fd >= 0) {
        zkt__socket_close(poller->alarm.fd);
    }
}

/* ---- standalone ---- */

static void on_backend(struct zkt_source *source, uint32_t events)
{
    struct zkt_poller *poller = ZKT_CONTAINER(source, struct zkt_poller,
                                              backend);
    (void)events;
    poller->uv_ready = true;
}

static void on_alarm(struct zkt_source *source, uint32_t events)
{
    struct zkt_poller *poller = ZKT_CONTAINER(source, struct zkt_poller, alarm);
    uint64_t times;
    (void)events;
    if (read(source->fd, &times, sizeof(times)) > 0) {
        poller->alarm_at = INT64_MAX;
        poller->uv_ready = true;
    }
}

int zkt__poller_take_over(struct zkt_poller *poller)
{
    const int fd = zkt__socket_above_stdio(
        timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (fd < 0) {
        return fd;
    }
    if (poller->nested_active) { /* else each epoll waits for the other */
        uv_poll_stop(&poller->nested);
    }
    poller->nested_active = false;
    poller->standalone = true;
    poller->alarm = (struct zkt_source){ .on_ready = on_alarm, .fd = fd };
    poller->backend = (struct zkt_source){
        .on_ready = on_backend,
        .fd = uv_backend_fd(poller->uv),
    };
    const int error = zkt__poller_watch(poller, &poller->alarm, EPOLLIN);
    return error != 0 ? error
                      : zkt__poller_watch(poller, &poller->backend, EPOLLIN);
}

/* The alarm goes off in @ms at the latest: once that is so, it costs nothing
 * to want it later. Setting it cannot fail. */
static void set_alarm(struct zkt_poller *poller, int ms)
{
    const struct itimerspec in = {
        .it_value = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L },
    };
    const int64_t at = (int64_t)uv_now(poller->uv) + ms;
    if (poller->alarm_at > at) {
        poller->alarm_at = at;
        (void)timerfd_settime(poller->alarm.fd, 0, &in, NULL);
    }
}

bool zkt__poller_turn(struct zkt_poller *poller)
{
    const int wait = uv_backend_timeout(poller->uv);
    poller->uv_ready = wait == 0;
    if (wait > 0) {
        set_alarm(poller, wait);
    }
    take_batch(poller, wait == 0 ? 0 : -1);
    if (poller->uv_ready) {
        (void)uv_run(poller->uv, UV_RUN_NOWAIT);
    }
    return poller->uv_ready;
}
