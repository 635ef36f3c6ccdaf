/*
 * zkt_client_open: a client core on a libuv loop of its own, which runs while
 * zkt_client_poll or a blocking call does. Names are resolved by libuv's
 * threads; the addresses found are tried one after the other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/url.h"

struct dialer;

/* One address that is being connected to. */
struct attempt {
    uv_poll_t poll;
    struct dialer *dialer;
    int fd;
};

struct dialer {
    uv_loop_t uv;
    struct zkt_loop loop;
    struct zkt_client *client;
    const struct zkt_allocator *allocator;
    struct zkt_url url; /* its views point into text */
    uv_getaddrinfo_t resolve;
    struct addrinfo *found;      /* by the resolver; freed with the search */
    const struct addrinfo *next; /* to be tried */
    struct attempt *attempt;     /* the address being tried, or NULL */
    uv_timer_t patience;         /* the timeout of one zkt_client_poll */
    int error;                   /* of the last address that was tried */
    bool resolving, impatient;
    char text[];
};

/* ---- connecting ---- */

static void end_search(struct dialer *d)
{
    uv_freeaddrinfo(d->found);
    d->found = NULL;
    d->next = NULL;
    d->loop.turns++;
}

static void on_attempt_gone(uv_handle_t *handle)
{
    struct attempt *attempt = handle->data;
    struct dialer *d = attempt->dialer;
    d->loop.handles--;
    zkt__release(d->allocator, attempt);
}

/* Ends the attempt and hands out its socket. */
static int end_attempt(struct dialer *d)
{
    struct attempt *attempt = d->attempt;
    const int fd = attempt->fd;
    d->attempt = NULL;
    uv_poll_stop(&attempt->poll);
    uv_close((uv_handle_t *)&attempt->poll, on_attempt_gone);
    return fd;
}

static void try_next(struct dialer *d);

static void on_attempt_ready(uv_poll_t *poll, int status, int events)
{
    struct attempt *attempt = poll->data;
    struct dialer *d = attempt->dialer;
    (void)events;
    const int fd = end_attempt(d);
    d->error = zkt__socket_connected(fd);
    if (d->error == 0 && status != 0) {
        d->error = status;
    }
    if (d->error != 0) {
        zkt__socket_close(fd);
        try_next(d);
        return;
    }
    end_search(d);
    zkt__loop_clock(&d->loop);
    struct zkt_endpoint *endpoint = zkt__client_connected(d->client);
    if (endpoint == NULL) {
        zkt__socket_close(fd);
    } else {
        (void)zkt__loop_attach(&d->loop, fd, endpoint); /* or it detaches */
    }
}

/* 0, or a libuv error: then this address is not being tried. */
static int begin_attempt(struct dialer *d, const struct addrinfo *address)
{
    const int fd = zkt__socket_connect(address->ai_addr, address->ai_addrlen);
    if (fd < 0) {
        return fd;
    }
    struct attempt *attempt = zkt__alloc_zero(d->allocator, 1,
                                              sizeof(struct attempt));
    int error = attempt != NULL ? uv_poll_init(&d->uv, &attempt->poll, fd)
                                : UV_ENOMEM;
    if (error != 0) {
        zkt__release(d->allocator, attempt);
        zkt__socket_close(fd);
        return error;
    }
    attempt->poll.data = attempt;
    attempt->dialer = d;
    attempt->fd = fd;
    d->attempt = attempt;
    d->loop.handles++;
    error = uv_poll_start(&attempt->poll, UV_WRITABLE, on_attempt_ready);
    if (error != 0) {
        zkt__socket_close(end_attempt(d));
    }
    return error;
}

static void try_next(struct dialer *d)
{
    while (d->next != NULL) {
        const struct addrinfo *address = d->next;
        d->next = address->ai_next;
        d->error = begin_attempt(d, address);
        if (d->error == 0) {
            return;
        }
    }
    end_search(d);
    zkt__client_connect_failed(d->client, uv_strerror(d->error));
}

static void on_resolved(uv_getaddrinfo_t *request, int status,
                        struct addrinfo *found)
{
    struct dialer *d = request->data;
    d->resolving = false;
    d->found = found;
    d->next = found;
    d->error = status;
    if (d->loop.stopping) {
        end_search(d);
        return;
    }
    zkt__loop_clock(&d->loop);
    try_next(d);
}

static void dial(void *driver, struct zkt_client *client)
{
    struct dialer *d = driver;
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    char port[6];
    snprintf(port, sizeof(port), "%u", (unsigned)d->url.port);
    d->resolve.data = d;
    const int error = uv_getaddrinfo(&d->uv, &d->resolve, on_resolved,
                                     d->url.host, port, &hints);
    if (error != 0) {
        zkt__client_connect_failed(client, uv_strerror(error));
        return;
    }
    d->resolving = true;
}

/* Drops what is being tried. A resolver that runs finds nothing to try. */
static void drop_search(struct dialer *d)
{
    if (d->attempt != NULL) {
        zkt__socket_close(end_attempt(d));
    }
    if (d->resolving) {
        (void)uv_cancel((uv_req_t *)&d->resolve);
    }
}

static void abort_dial(void *driver, struct zkt_client *client)
{
    struct dialer *d = driver;
    (void)client;
    drop_search(d);
    if (!d->resolving) {
        end_search(d);
        zkt__client_connect_failed(d->client, "connecting took too long");
    } /* else on_resolved answers, with the cancellation or with what it found
       */
}

/* ---- running ---- */

static void on_impatient(uv_timer_t *timer)
{
    struct dialer *d = timer->data;
    d->impatient = true;
    uv_stop(timer->loop); /* it ran before the poll, which must not wait */
}

static enum zkt_status run_loop(void *driver, int timeout_ms)
{
    struct dialer *d = driver;
    const uint64_t before = d->loop.turns;
    uv_update_time(&d->uv);
    zkt__loop_end_turn(&d->loop);
    d->impatient = timeout_ms == 0;
    if (timeout_ms > 0) {
        uv_timer_start(&d->patience, on_impatient, (uint64_t)timeout_ms, 0);
    }
    if (timeout_ms == 0) {
        (void)uv_run(&d->uv, UV_RUN_NOWAIT);
    }
    /* What was due already must not be waited for again. */
    while (d->loop.turns == before && !d->impatient) {
        (void)uv_run(&d->uv, UV_RUN_ONCE);
    }
    uv_timer_stop(&d->patience);
    return d->loop.turns != before ? ZKT_OK : ZKT_DEADLINE_EXCEEDED;
}

static void on_patience_gone(uv_handle_t *handle)
{
    struct dialer *d = handle->data;
    d->loop.handles--;
}

static void destroy(struct dialer *d)
{
    zkt__loop_finish(&d->loop);
    (void)uv_loop_close(&d->uv);
    zkt__release(d->allocator, d);
}

static void finish(void *driver, struct zkt_client *client)
{
    struct dialer *d = driver;
    uv_update_time(&d->uv);
    zkt__loop_end_turn(&d->loop); /* the goodbye, if the socket takes it */
    drop_search(d);
    zkt__loop_stop(&d->loop);
    uv_close((uv_handle_t *)&d->patience, on_patience_gone);
    while (d->loop.handles > 0 || d->resolving) {
        (void)uv_run(&d->uv, UV_RUN_ONCE);
    }
    zkt__client_free(client);
    destroy(d);
}

static const struct zkt_client_driver_ops dialer_ops = {
    .connect = dial,
    .abort_connect = abort_dial,
    .poll = run_loop,
    .finish = finish,
};

/* ---- opening ---- */

static void report(const struct zkt_client_options *options, const char *text)
{
    if (options != NULL && options->log != NULL) {
        options->log(options->log_user, ZKT_LOG_ERROR, text);
    }
}

/* A dialer for a copy of @url, without a loop yet. */
static struct dialer *new_dialer(const char *url,
                                 const struct zkt_client_options *options)
{
    const struct zkt_allocator *allocator = options != NULL &&
                                                    options->allocator != NULL
                                                ? options->allocator
                                                : &zkt__allocator_default;
    const size_t len = strlen(url);
    struct dialer *d = zkt__alloc_zero(allocator, 1,
                                       sizeof(struct dialer) + len + 1);
    if (d != NULL) {
        d->allocator = allocator;
        memcpy(d->text, url, len + 1);
        (void)zkt__url_parse(d->text, &d->url); /* it was parsed before */
    }
    return d;
}

/* The loop and the client in it; 0, or a libuv error and nothing is left. */
static int start(struct dialer *d, const struct zkt_client_options *options)
{
    int error = uv_loop_init(&d->uv);
    if (error != 0) {
        return error;
    }
    d->client = zkt__client_new(options, d->url.authority, d->url.path,
                                &dialer_ops, d);
    if (d->client == NULL) {
        error = UV_ENOMEM;
        goto fail_client;
    }
    error = zkt__loop_init(&d->loop, &d->uv, zkt__client_core(d->client),
                           d->allocator, 0);
    if (error != 0) {
        goto fail_loop;
    }
    uv_timer_init(&d->uv, &d->patience);
    d->patience.data = d;
    d->loop.handles++;
    return 0;

fail_loop:
    zkt__client_free(d->client);
fail_client:
    (void)uv_loop_close(&d->uv);
    return error;
}

struct zkt_client *zkt_client_open(const char *url,
                                   const struct zkt_client_options *options)
{
    struct zkt_url parsed;
    const char *wrong = zkt__url_parse(url, &parsed);
    if (wrong != NULL) {
        char text[128];
        snprintf(text, sizeof(text), "cannot open the URL: %s", wrong);
        report(options, text);
        return NULL;
    }
    struct dialer *d = new_dialer(url, options);
    const int error = d != NULL ? start(d, options) : UV_ENOMEM;
    if (error != 0) {
        report(options, uv_strerror(error));
        if (d != NULL) {
            zkt__release(d->allocator, d);
        }
        return NULL;
    }
    return d->client;
}
