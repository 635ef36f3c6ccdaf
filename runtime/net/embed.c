/*
 * The functions of zocket/embed.h for loops over sockets: listening, accepting,
 * a call for the input and a call for the output of a connection, with the
 * system's clocks. They use only the rest of that header and keep no state: the
 * user's loop keeps the descriptors and calls poll, epoll or kqueue itself.
 */
#include "zocket/embed.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <uv.h>

#include "base/endpoint.h"
#include "net/socket.h"
#include "server/server.h"

enum {
    CHUNK = 16 * 1024,
    CHUNKS = 4, /* per connection and turn */
    SLICES = 16
};

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t); /* both clocks exist */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void zkt_server_read_clock(struct zkt_server *server)
{
    zkt_server_clock(server, read_clock(CLOCK_MONOTONIC),
                     read_clock(CLOCK_REALTIME));
}

int zkt_socket_listen(const char *host, uint16_t *port)
{
    const int fd = zkt__socket_listen(host, port);
    if (fd < 0) {
        errno = -fd;
        return -1;
    }
    return fd;
}

static bool would_block(ptrdiff_t error)
{
    return error == -EAGAIN || error == -EWOULDBLOCK;
}

/* Most likely out of descriptors or memory: the server is not open for a while,
 * since poll would keep reporting a connection that cannot be accepted. */
static void note_accept_error(struct zkt_server *server, int error)
{
    if (!would_block(error) && !zkt__socket_error_is_transient(error) &&
        zkt__server_may_call(server, "zkt_server_accept_socket")) {
        zkt__server_log(server, ZKT_LOG_WARNING, "cannot accept for now: %s",
                        uv_strerror(error));
        zkt__server_pause_accepting(server);
    }
}

struct zkt_endpoint *zkt_server_accept_socket(struct zkt_server *server,
                                              int listener, void *user, int *fd)
{
    struct sockaddr_storage peer;
    char address[ZKT_ADDRESS_TEXT];
    const int accepted = zkt__socket_accept(listener, &peer);
    if (accepted < 0) {
        note_accept_error(server, accepted);
        return NULL;
    }
    zkt__socket_format_address((struct sockaddr *)&peer, address);
    struct zkt_endpoint *endpoint = zkt_server_accept(server, address, user);
    if (endpoint == NULL) {
        zkt__socket_close(accepted);
        return NULL;
    }
    *fd = accepted;
    return endpoint;
}

/* The transport has failed: the fate is ZKT_FATE_DROP from now on. */
static void abort_endpoint(struct zkt_endpoint *endpoint)
{
    endpoint->aborted = true;
    zkt__endpoint_mark_dirty(endpoint);
}

/* Takes read bytes; discards bytes that arrive after our end of file. */
static void take(struct zkt_endpoint *endpoint, char *bytes, ptrdiff_t got)
{
    if (got == 0) {
        endpoint->ended = true;
        zkt_endpoint_ended(endpoint);
    } else if (got > 0 && !endpoint->half_closed) {
        zkt_endpoint_feed(endpoint, bytes, (size_t)got);
    } else if (got < 0 && !would_block(got)) {
        abort_endpoint(endpoint);
    }
}

void zkt_endpoint_receive(struct zkt_endpoint *endpoint, int fd)
{
    char bytes[CHUNK];
    if (!zkt_endpoint_reading(endpoint) && zkt__socket_connected(fd) != 0) {
        abort_endpoint(endpoint); /* poll would keep reporting it */
        return;
    }
    for (int i = 0; i < CHUNKS && zkt_endpoint_reading(endpoint); i++) {
        const ptrdiff_t got = zkt__socket_read(fd, bytes, sizeof(bytes));
        take(endpoint, bytes, got);
        if (got < CHUNK || zkt_endpoint_fate(endpoint) == ZKT_FATE_DROP) {
            return;
        }
    }
}

/* Sends pending bytes. Returns true if the socket takes no more for now. */
static bool flush(struct zkt_endpoint *endpoint, int fd)
{
    struct zkt_slice slices[SLICES];
    bool blocked = false;
    size_t count;
    while (!blocked && zkt_endpoint_fate(endpoint) != ZKT_FATE_DROP &&
           (count = zkt_endpoint_pending(endpoint, slices, SLICES)) > 0) {
        const ptrdiff_t sent = zkt__socket_write(fd, slices, count);
        if (sent >= 0) {
            zkt_endpoint_sent(endpoint, (size_t)sent);
        } else if (would_block(sent)) {
            blocked = true;
        } else {
            abort_endpoint(endpoint);
        }
    }
    return blocked;
}

/*
 * Sends the end of file after the last byte, and waits for the peer's. Closing
 * a socket with unread input sends a reset, and a peer that still writes would
 * lose bytes that it has not read yet: the close frame (RFC 6455, section
 * 7.1.1).
 */
static void half_close(struct zkt_endpoint *endpoint, int fd)
{
    if (!endpoint->half_closed) {
        endpoint->half_closed = true;
        zkt__socket_finish_writing(fd);
        zkt__server_await_close(endpoint);
    }
}

int zkt_endpoint_send(struct zkt_endpoint *endpoint, int fd)
{
    const bool blocked = flush(endpoint, fd);
    const enum zkt_fate fate = zkt_endpoint_fate(endpoint);
    const bool over = fate == ZKT_FATE_CLOSE && !blocked;
    const bool idle = over && endpoint->idle && !endpoint->half_closed &&
                      zkt__socket_is_settled(fd);
    if (fate == ZKT_FATE_DROP || (over && endpoint->ended) || idle) {
        zkt_endpoint_detach(endpoint);
        return -1;
    }
    if (over) {
        half_close(endpoint, fd);
    }
    const bool reads = zkt_endpoint_reading(endpoint) && !endpoint->ended;
    return (reads ? POLLIN : 0) | (blocked ? POLLOUT : 0);
}
