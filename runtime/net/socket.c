/*
 * Uses system calls rather than uv_tcp_t: a watched descriptor is
 * smaller, lets the loop decide how much to read in a turn, and needs no write
 * request while a peer is slow. Sending with MSG_NOSIGNAL leaves the program's
 * action for SIGPIPE as it is.
 */
#define _GNU_SOURCE /* accept4 */
#include "net/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    BACKLOG = 4096
};

static socklen_t parse_address(const char *host, uint16_t port,
                               union zkt_socket_address *out)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return sizeof(out->v4);
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        return sizeof(out->v6);
    }
    return 0;
}

/* Closes @fd and returns the error in errno before that. */
static int fail(int fd)
{
    const int error = -errno;
    zkt__socket_close(fd);
    return error;
}

int zkt__socket_above_stdio(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO) {
        return fd < 0 ? -errno : fd;
    }
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int error = -errno;
    zkt__socket_close(fd);
    return copy < 0 ? error : copy;
}

int zkt__socket_new(int family)
{
    return zkt__socket_above_stdio(
        socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static bool set_option(int fd, int level, int option)
{
    const int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

/* Accepted sockets inherit TCP_NODELAY, which saves a call for each. */
static int listen_on(const struct sockaddr *address, socklen_t len,
                     bool only_v6)
{
    const int fd = zkt__socket_new(address->sa_family);
    if (fd < 0) {
        return fd;
    }
    if (!set_option(fd, SOL_SOCKET, SO_REUSEADDR) ||
        !set_option(fd, IPPROTO_TCP, TCP_NODELAY) ||
        (only_v6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        bind(fd, address, len) != 0 || listen(fd, BACKLOG) != 0) {
        return fail(fd);
    }
    return fd;
}

int zkt__socket_listen(const char *host, uint16_t *port)
{
    union zkt_socket_address address;
    const socklen_t len = parse_address(host, *port, &address);
    if (len == 0) {
        return -EINVAL;
    }
    const int fd = listen_on(&address.any, len, false);
    if (fd < 0) {
        return fd;
    }
    const int error = zkt__socket_address(fd, &address);
    if (error != 0) {
        zkt__socket_close(fd);
        return error;
    }
    *port = zkt__socket_port(&address);
    return fd;
}

int zkt__socket_listen_at(const struct sockaddr *address, socklen_t len)
{
    return listen_on(address, len, address->sa_family == AF_INET6);
}

int zkt__socket_start_listening(int fd)
{
    return listen(fd, BACKLOG) == 0 ? 0 : -errno;
}

/* ---- inherited sockets ---- */

static int option_value(int fd, int option, int *out)
{
    socklen_t len = sizeof(*out);
    return getsockopt(fd, SOL_SOCKET, option, out, &len) == 0 ? 0 : -errno;
}

static bool add_flag(int fd, int get, int set, int flag)
{
    const int flags = fcntl(fd, get);
    return flags >= 0 && fcntl(fd, set, flags | flag) == 0;
}

int zkt__socket_adopt(int fd)
{
    union zkt_socket_address address;
    int listens, type;
    int error = option_value(fd, SO_ACCEPTCONN, &listens);
    if (error == 0) {
        error = option_value(fd, SO_TYPE, &type);
    }
    if (error == 0) {
        error = zkt__socket_address(fd, &address);
    }
    if (error != 0) {
        return error;
    }
    if (!listens || type != SOCK_STREAM) {
        return -EINVAL;
    }
    if (!add_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC) ||
        !add_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK)) {
        return -errno;
    }
    if (address.any.sa_family != AF_UNIX &&
        !set_option(fd, IPPROTO_TCP, TCP_NODELAY)) {
        return -errno;
    }
    return 0;
}

/* ---- addresses ---- */

int zkt__socket_address(int fd, union zkt_socket_address *out)
{
    socklen_t len = sizeof(*out);
    memset(out, 0, sizeof(*out));
    return getsockname(fd, &out->any, &len) == 0 ? 0 : -errno;
}

uint16_t zkt__socket_port(const union zkt_socket_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohs(address->v4.sin_port);
    case AF_INET6:
        return ntohs(address->v6.sin6_port);
    default:
        return 0;
    }
}

bool zkt__socket_is_loopback(const union zkt_socket_address *address)
{
    const struct in6_addr *v6 = &address->v6.sin6_addr;
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(v6) ||
               (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
    default:
        return false;
    }
}

/* An abstract name begins with '@'. */
static void format_path(const struct sockaddr_un *address, const char *scheme,
                        char text[ZKT_SOCKET_URL])
{
    const bool is_abstract = address->sun_path[0] == '\0' &&
                             address->sun_path[1] != '\0';
    const char *path = address->sun_path + is_abstract;
    const size_t size = sizeof(address->sun_path) - is_abstract;
    snprintf(text, ZKT_SOCKET_URL, "%s+unix://%s%.*s", scheme,
             is_abstract ? "@" : "", (int)strnlen(path, size), path);
}

void zkt__socket_format_url(const union zkt_socket_address *address,
                            const char *scheme, char text[ZKT_SOCKET_URL])
{
    char host[ZKT_ADDRESS_TEXT];
    if (address->any.sa_family == AF_UNIX) {
        format_path(&address->local, scheme, text);
        return;
    }
    const bool v6 = address->any.sa_family == AF_INET6;
    zkt__socket_format_address(&address->any, host);
    snprintf(text, ZKT_SOCKET_URL, "%s://%s%s%s:%u", scheme, v6 ? "[" : "",
             host, v6 ? "]" : "", (unsigned)zkt__socket_port(address));
}

int zkt__socket_accept(int listener, struct sockaddr_storage *peer)
{
    socklen_t len = sizeof(*peer);
    return zkt__socket_above_stdio(accept4(listener, (struct sockaddr *)peer,
                                           &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/* Linux reports pending errors of the new socket, and refusals of a firewall
 * (accept(2), "Error handling"). */
bool zkt__socket_error_is_transient(int error)
{
    static const int transient[] = {
        ECONNABORTED, EINTR,       EPROTO,      EPERM,
        ENETDOWN,     ENOPROTOOPT, EHOSTDOWN,   ENONET,
        EHOSTUNREACH, EOPNOTSUPP,  ENETUNREACH, ETIMEDOUT,
    };
    for (size_t i = 0; i < sizeof(transient) / sizeof(transient[0]); i++) {
        if (error == -transient[i]) {
            return true;
        }
    }
    return false;
}

void zkt__socket_format_address(const struct sockaddr *peer,
                                char text[ZKT_ADDRESS_TEXT])
{
    union zkt_socket_address address;
    const bool v6 = peer->sa_family == AF_INET6;
    memcpy(&address, peer, v6 ? sizeof(address.v6) : sizeof(address.v4));
    const void *bytes = v6 ? (const void *)&address.v6.sin6_addr
                           : (const void *)&address.v4.sin_addr;
    if (inet_ntop(peer->sa_family, bytes, text, ZKT_ADDRESS_TEXT) == NULL) {
        text[0] = '\0';
    }
}

void zkt__socket_format_peer(const struct sockaddr *peer,
                             char text[ZKT_ADDRESS_TEXT])
{
    zkt__socket_format_address(peer, text);
    if (text[0] == '\0') {
        snprintf(text, ZKT_ADDRESS_TEXT, "a Unix socket");
    }
}

int zkt__socket_connect(const struct sockaddr *address, socklen_t len)
{
    const int fd = zkt__socket_new(address->sa_family);
    if (fd < 0) {
        return fd;
    }
    if (address->sa_family != AF_UNIX) {
        (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    }
    if (connect(fd, address, len) != 0 && errno != EINPROGRESS) {
        return fail(fd);
    }
    return fd;
}

int zkt__socket_connected(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        return -errno;
    }
    return -error;
}

ptrdiff_t zkt__socket_read(int fd, void *buffer, size_t size)
{
    ptrdiff_t got;
    do {
        got = recv(fd, buffer, size, 0);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* Writes a single slice, the usual case; send costs less than sendmsg. */
static ptrdiff_t write_one(int fd, const struct zkt_slice *slice)
{
    ptrdiff_t put;
    do {
        put = send(fd, slice->data, slice->len, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return put < 0 ? -errno : put;
}

ptrdiff_t zkt__socket_write(int fd, const struct zkt_slice *slices,
                            size_t count)
{
    if (count == 1) {
        return write_one(fd, slices);
    }
    struct iovec vectors[ZKT_SOCKET_SLICES];
    for (size_t i = 0; i < count; i++) {
        /* sendmsg does not write through this pointer, which iovec lacks const
         * for. */
        memcpy(&vectors[i].iov_base, &slices[i].data, sizeof(void *));
        vectors[i].iov_len = slices[i].len;
    }
    struct msghdr message = { .msg_iov = vectors, .msg_iovlen = count };
    ptrdiff_t put;
    do {
        put = sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    return put < 0 ? -errno : put;
}

bool zkt__socket_is_settled(int fd)
{
    int unread = -1, unsent = -1;
    return ioctl(fd, SIOCINQ, &unread) == 0 && unread == 0 &&
           ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent == 0;
}

void zkt__socket_finish_writing(int fd)
{
    (void)shutdown(fd, SHUT_WR); /* fails only if the connection is gone */
}

void zkt__socket_close(int fd)
{
    const int kept = errno;
    (void)close(fd);
    errno = kept;
}
