/* See search.h. */
#include "net/search.h"

#include "net/socket.h"

/* One address that is being connected to. */
struct zkt_attempt {
    uv_poll_t poll;
    struct zkt_search *search; /* while it is the current one */
    struct zkt_loop *loop;
    int fd;
};

static void end_search(struct zkt_search *s, int socket_or_error)
{
    if (s->found != NULL) {
        freeaddrinfo(s->found);
        s->found = NULL;
    }
    s->left = 0;
    s->loop->turns++;
    s->on_end(s->user, socket_or_error);
}

static void on_attempt_gone(uv_handle_t *handle)
{
    struct zkt_attempt *attempt = handle->data;
    struct zkt_loop *loop = attempt->loop;
    zkt__release(loop->allocator, attempt);
    zkt__loop_handle_gone(loop);
}

/* Ends the attempt and hands out its socket. */
static int end_attempt(struct zkt_search *s)
{
    struct zkt_attempt *attempt = s->attempt;
    const int fd = attempt->fd;
    s->attempt = NULL;
    uv_poll_stop(&attempt->poll);
    uv_close((uv_handle_t *)&attempt->poll, on_attempt_gone);
    return fd;
}

static void try_next(struct zkt_search *s);

static void on_attempt_ready(uv_poll_t *poll, int status, int events)
{
    struct zkt_attempt *attempt = poll->data;
    struct zkt_search *s = attempt->search;
    (void)events;
    const int fd = end_attempt(s);
    s->error = zkt__socket_connected(fd);
    if (s->error == 0 && status != 0) {
        s->error = status;
    }
    if (s->error == 0) {
        s->turn--; /* it answers: the first one next time, too */
        end_search(s, fd);
    } else {
        zkt__socket_close(fd);
        try_next(s);
    }
}

/* 0, or a libuv error: then this address is not being tried. */
static int begin_attempt(struct zkt_search *s, const struct addrinfo *address)
{
    const struct zkt_allocator *allocator = s->loop->allocator;
    const int fd = zkt__socket_connect(address->ai_addr, address->ai_addrlen);
    if (fd < 0) {
        return fd;
    }
    struct zkt_attempt *attempt = zkt__alloc_zero(allocator, 1,
                                                  sizeof(*attempt));
    int error = attempt != NULL ? uv_poll_init(s->loop->uv, &attempt->poll, fd)
                                : UV_ENOMEM;
    if (error != 0) {
        zkt__release(allocator, attempt);
        zkt__socket_close(fd);
        return error;
    }
    attempt->poll.data = attempt;
    attempt->search = s;
    attempt->loop = s->loop;
    attempt->fd = fd;
    s->attempt = attempt;
    s->loop->handles++;
    error = uv_poll_start(&attempt->poll, UV_WRITABLE, on_attempt_ready);
    if (error != 0) {
        zkt__socket_close(end_attempt(s));
    }
    return error;
}

/* The address whose turn it is. */
static const struct addrinfo *take_address(struct zkt_search *s)
{
    const struct addrinfo *address = s->found;
    for (uint32_t i = s->turn % s->count; i > 0; i--) {
        address = address->ai_next;
    }
    s->turn++;
    s->left--;
    return address;
}

static void try_next(struct zkt_search *s)
{
    while (s->left > 0) {
        s->error = begin_attempt(s, take_address(s));
        if (s->error == 0) {
            return;
        }
    }
    end_search(s, s->error);
}

/* Tries what was found. */
static void begin_attempts(struct zkt_search *s)
{
    s->count = 0;
    for (const struct addrinfo *a = s->found; a != NULL; a = a->ai_next) {
        s->count++;
    }
    s->left = s->count;
    try_next(s);
}

void zkt__search_look(struct zkt_search *s)
{
    if (s->resolving && zkt__lookup_take(s->lookup, &s->found, &s->error)) {
        s->lookup = NULL;
        s->resolving = false;
        begin_attempts(s);
    }
}

void zkt__search_begin(struct zkt_search *s)
{
    s->error = zkt__resolve_numeric(s->host, s->port, &s->found);
    if (s->error == 0) {
        begin_attempts(s);
        return;
    }
    if (s->lookup == NULL) {
        s->lookup = zkt__lookup_begin(s->host, s->port, s->wake, s->user);
    }
    if (s->lookup == NULL) {
        end_search(s, UV_EAGAIN);
        return;
    }
    s->resolving = true;
    zkt__search_look(s); /* one that was begun before may have ended */
}

void zkt__search_abort(struct zkt_search *s)
{
    if (s->resolving) {
        s->resolving = false;
        end_search(s, UV_ECANCELED);
    } else if (s->attempt != NULL) {
        zkt__socket_close(end_attempt(s));
        end_search(s, UV_ECANCELED);
    }
}

void zkt__search_finish(struct zkt_search *s)
{
    zkt__search_abort(s);
    zkt__lookup_forget(s->lookup);
    s->lookup = NULL;
}
