/* See connector.h. */
#include "net/connector.h"

#include <errno.h>

#include "net/socket.h"
#include "net/unix_socket.h"

/* An address that is being connected to. */
struct zkt_attempt {
    uv_poll_t poll;
    struct zkt_connector *connector; /* while this is its attempt */
    struct zkt_loop *loop;
    int fd;
};

static void end(struct zkt_connector *c, int socket_or_error)
{
    if (c->found != NULL) {
        freeaddrinfo(c->found);
        c->found = NULL;
    }
    c->left = 0;
    c->loop->turns++;
    c->on_end(c->user, socket_or_error);
}

static void on_attempt_gone(uv_handle_t *handle)
{
    struct zkt_attempt *attempt = handle->data;
    struct zkt_loop *loop = attempt->loop;
    zkt__release(loop->allocator, attempt);
    zkt__loop_handle_gone(loop);
}

/* Ends the attempt and returns its socket. */
static int end_attempt(struct zkt_connector *c)
{
    struct zkt_attempt *attempt = c->attempt;
    const int fd = attempt->fd;
    c->attempt = NULL;
    uv_poll_stop(&attempt->poll);
    uv_close((uv_handle_t *)&attempt->poll, on_attempt_gone);
    return fd;
}

static void try_next(struct zkt_connector *c);

static void on_attempt_ready(uv_poll_t *poll, int status, int events)
{
    struct zkt_attempt *attempt = poll->data;
    struct zkt_connector *c = attempt->connector;
    (void)events;
    const int fd = end_attempt(c);
    c->error = zkt__socket_connected(fd);
    if (c->error == 0 && status != 0) {
        c->error = status;
    }
    if (c->error == 0) {
        c->turn--; /* it answers: begin with it the next time */
        end(c, fd);
    } else {
        zkt__socket_close(fd);
        try_next(c);
    }
}

/* Returns 0, or a libuv error if the address cannot be tried. */
static int begin_attempt(struct zkt_connector *c,
                         const struct sockaddr *address, socklen_t len)
{
    const struct zkt_allocator *allocator = c->loop->allocator;
    const int fd = zkt__socket_connect(address, len);
    if (fd < 0) {
        return fd;
    }
    struct zkt_attempt *attempt = zkt__alloc_zero(allocator, 1,
                                                  sizeof(*attempt));
    int error = attempt != NULL ? uv_poll_init(c->loop->uv, &attempt->poll, fd)
                                : UV_ENOMEM;
    if (error != 0) {
        zkt__release(allocator, attempt);
        zkt__socket_close(fd);
        return error;
    }
    attempt->poll.data = attempt;
    attempt->connector = c;
    attempt->loop = c->loop;
    attempt->fd = fd;
    c->attempt = attempt;
    c->loop->handles++;
    error = uv_poll_start(&attempt->poll, UV_WRITABLE, on_attempt_ready);
    if (error != 0) {
        zkt__socket_close(end_attempt(c));
    }
    return error;
}

/* Returns the next address. */
static const struct addrinfo *take_address(struct zkt_connector *c)
{
    const struct addrinfo *address = c->found;
    for (uint32_t i = c->turn % c->count; i > 0; i--) {
        address = address->ai_next;
    }
    c->turn++;
    c->left--;
    return address;
}

static void try_next(struct zkt_connector *c)
{
    while (c->left > 0) {
        const struct addrinfo *address = take_address(c);
        c->error = begin_attempt(c, address->ai_addr, address->ai_addrlen);
        if (c->error == 0) {
            return;
        }
    }
    end(c, c->error);
}

/* Tries the addresses found. */
static void begin_attempts(struct zkt_connector *c)
{
    c->count = 0;
    for (const struct addrinfo *a = c->found; a != NULL; a = a->ai_next) {
        c->count++;
    }
    c->left = c->count;
    try_next(c);
}

static void begin_unix(struct zkt_connector *c)
{
    struct sockaddr_un address;
    const socklen_t len = zkt__socket_unix_address(c->host, &address);
    c->error = len > 0
                   ? begin_attempt(c, (const struct sockaddr *)&address, len)
                   : -ENAMETOOLONG;
    if (c->error != 0) {
        end(c, c->error);
    }
}

void zkt__connector_resume(struct zkt_connector *c)
{
    if (c->resolving && zkt__lookup_take(c->lookup, &c->found, &c->error)) {
        c->lookup = NULL;
        c->resolving = false;
        begin_attempts(c);
    }
}

void zkt__connector_begin(struct zkt_connector *c)
{
    if (c->is_unix) {
        begin_unix(c);
        return;
    }
    c->error = zkt__resolve_numeric(c->host, c->port, &c->found);
    if (c->error == 0) {
        begin_attempts(c);
        return;
    }
    if (c->lookup == NULL) {
        c->lookup = zkt__lookup_begin(c->host, c->port, c->wake, c->user);
    }
    if (c->lookup == NULL) {
        end(c, UV_EAGAIN);
        return;
    }
    c->resolving = true;
    zkt__connector_resume(c); /* an earlier lookup may have ended */
}

void zkt__connector_abort(struct zkt_connector *c)
{
    if (c->resolving) {
        c->resolving = false;
        end(c, UV_ECANCELED);
    } else if (c->attempt != NULL) {
        zkt__socket_close(end_attempt(c));
        end(c, UV_ECANCELED);
    }
}

void zkt__connector_finish(struct zkt_connector *c)
{
    zkt__connector_abort(c);
    zkt__lookup_forget(c->lookup);
    c->lookup = NULL;
}
