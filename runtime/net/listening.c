/* See listening.h. */
#include "net/listening.h"

#include <errno.h>
#include <string.h>

#include "net/listen_address.h"
#include "net/resolver.h"
#include "net/systemd.h"

enum {
    DEFAULT_MODE = 0600,
    PORT_TRIES = 8
};

struct opening {
    const struct zkt_server *server;
    struct zkt_listening *listening;
    unsigned traits;    /* of the listener, besides those of its address */
    mode_t mode;        /* of Unix sockets */
    bool has_tls;       /* the server has a certificate */
    bool is_metrics;    /* the listener is the one of metrics */
    const char *reason; /* of the error; NULL: the error's own text */
};

static int fail(struct opening *o, int error, const char *reason)
{
    o->reason = reason;
    return error;
}

static unsigned traits_of(const union zkt_socket_address *address)
{
    return address->any.sa_family == AF_UNIX  ? ZKT_LISTENER_UNIX
           : zkt__socket_is_loopback(address) ? ZKT_LISTENER_LOOPBACK
                                              : 0;
}

/* Takes ownership of @fd, or closes it. Returns 0 or an error. */
static int add(struct opening *o, int fd, struct zkt_socket_file file)
{
    struct zkt_listening *listening = o->listening;
    struct zkt_listening_socket socket = { .fd = fd, .file = file };
    int error = zkt__socket_address(fd, &socket.address);
    socket.traits = (uint8_t)(traits_of(&socket.address) | o->traits);
    if (error == 0 && listening->count == ZKT_LISTENING_MAX) {
        error = fail(o, UV_E2BIG, "there are more than 64 sockets");
    }
    if (error != 0) {
        zkt__socket_remove_file(&file);
        zkt__socket_close(fd);
        return error;
    }
    listening->all[listening->count++] = socket;
    return 0;
}

static uint16_t port_of_last(const struct opening *o)
{
    return zkt__socket_port(
        &o->listening->all[o->listening->count - 1].address);
}

/* ---- hosts ---- */

/* An address of a name may be of a family that the machine lacks. Without IPv6,
 * ::1 is either not supported or not available. */
static bool lacks_family(const struct addrinfo *address, int error)
{
    return error == -EAFNOSUPPORT ||
           (error == -EADDRNOTAVAIL && address->ai_family == AF_INET6);
}

static bool same_address(const struct addrinfo *a, const struct addrinfo *b)
{
    return a->ai_addrlen == b->ai_addrlen &&
           memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen) == 0;
}

/* A name may be listed twice with the same address. */
static bool is_repeated(const struct addrinfo *found, const struct addrinfo *at)
{
    while (found != at && !same_address(found, at)) {
        found = found->ai_next;
    }
    return found != at;
}

static int listen_at(const struct addrinfo *found, uint16_t port)
{
    union zkt_socket_address address = { 0 };
    if (found->ai_addrlen > sizeof(address)) {
        return -EAFNOSUPPORT;
    }
    memcpy(&address, found->ai_addr, found->ai_addrlen);
    if (address.any.sa_family == AF_INET6) {
        address.v6.sin6_port = htons(port);
    } else {
        address.v4.sin_port = htons(port);
    }
    return zkt__socket_listen_at(&address.any, found->ai_addrlen);
}

/* Opens all addresses on one port; 0: on the free port of the first. Returns 0
 * or an error; earlier sockets remain open. */
static int open_all(struct opening *o, const struct addrinfo *found,
                    uint16_t port)
{
    int lacking = UV_EAI_NONAME;
    bool opened = false;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        if (is_repeated(found, at)) {
            continue;
        }
        const int fd = listen_at(at, port);
        if (fd < 0 && !lacks_family(at, fd)) {
            return fd;
        }
        if (fd < 0) {
            lacking = fd;
            continue;
        }
        const int error = add(o, fd, (struct zkt_socket_file){ 0 });
        if (error != 0) {
            return error;
        }
        port = port_of_last(o);
        opened = true;
    }
    return opened ? 0 : lacking;
}

/* A port that is free on one address may be in use on another. */
static int open_host(struct opening *o,
                     const struct zkt_listen_address *address)
{
    const char *host = strcmp(address->host, "*") != 0 ? address->host : NULL;
    const uint32_t before = o->listening->count;
    struct addrinfo *found;
    int error = zkt__resolve_blocking(host, address->port, &found);
    if (error != 0) {
        return error;
    }
    for (int left = address->port == 0 ? PORT_TRIES : 1; left > 0; left--) {
        zkt__listening_close(o->listening, before);
        error = open_all(o, found, address->port);
        if (error != -EADDRINUSE) {
            break;
        }
    }
    freeaddrinfo(found);
    return error;
}

/* The option `host` is numeric, and its IPv6 socket may accept IPv4 peers. */
static int open_port(struct opening *o, const char *host, uint16_t port)
{
    const int fd = zkt__socket_listen(host, &port);
    if (fd < 0) {
        return fd == -EINVAL ? fail(o, fd, "not a numeric address") : fd;
    }
    return add(o, fd, (struct zkt_socket_file){ 0 });
}

/* ---- Unix sockets ---- */

static int open_unix(struct opening *o, const char *path)
{
    struct zkt_socket_file file = { 0 };
    const int fd = zkt__socket_listen_unix(path, o->mode, &file);
    if (fd == -EADDRINUSE) {
        return fail(o, fd, "another server listens there");
    }
    if (fd == -EEXIST) {
        return fail(o, fd, "there is a file that is no socket");
    }
    return fd < 0 ? fd : add(o, fd, file);
}

/* ---- inherited sockets ---- */

static int open_fd(struct opening *o, int fd)
{
    for (uint32_t i = 0; i < o->listening->count; i++) {
        if (o->listening->all[i].fd == fd) {
            return fail(o, -EINVAL, "its descriptor is in use");
        }
    }
    const int error = zkt__socket_adopt(fd);
    if (error == -EINVAL) {
        return fail(o, error, "it is no listening stream socket");
    }
    return error != 0 ? error : add(o, fd, (struct zkt_socket_file){ 0 });
}

static int open_systemd(struct opening *o)
{
    const int count = zkt__systemd_descriptors(ZKT_LISTENING_MAX);
    int error = 0;
    if (count < 0) {
        return fail(o, -EINVAL,
                    "LISTEN_PID or LISTEN_FDS is no number, or too large");
    }
    if (count == 0) {
        return fail(o, -EINVAL, "systemd has passed no sockets");
    }
    for (int i = 0; i < count && error == 0; i++) {
        error = open_fd(o, ZKT_SYSTEMD_FIRST_FD + i);
    }
    return error;
}

/* ---- all of them ---- */

/* Returns NULL, or a contradiction between a listener and the options. */
static const char *check_proxied(const struct opening *o,
                                 const struct zkt_listen_address *address)
{
    if (zkt__server_options(o->server)->forwarded_by !=
        ZKT_FORWARDED_BY_PROXY_PROTOCOL) {
        return "it needs forwarded_by proxy-protocol";
    }
    return address->kind == ZKT_LISTEN_UNIX &&
                   !zkt__server_trusts(o->server, "", ZKT_LISTENER_UNIX)
               ? "it needs 'unix' among trusted_proxies"
               : NULL;
}

static unsigned traits_of_prefixes(const struct opening *o,
                                   const struct zkt_listen_address *address)
{
    const bool tls = o->has_tls && !address->plain && !address->redirects;
    return (address->proxied ? ZKT_LISTENER_PROXY : 0u) |
           (address->redirects ? ZKT_LISTENER_REDIRECT : 0u) |
           (tls ? ZKT_LISTENER_TLS : 0u);
}

static int open_listener(struct opening *o, const char *text)
{
    struct zkt_listen_address address;
    const char *wrong = zkt__listen_address_parse(text, &address);
    if (wrong != NULL) {
        return fail(o, -EINVAL, wrong);
    }
    if (address.proxied) {
        wrong = check_proxied(o, &address);
        if (wrong != NULL) {
            return fail(o, -EINVAL, wrong);
        }
    }
    if (address.redirects && !o->has_tls) {
        return fail(o, -EINVAL, "the server has no certificate to send to");
    }
    if (o->is_metrics && (address.proxied || address.redirects)) {
        return fail(o, -EINVAL, "metrics are for no proxy and no redirect");
    }
    o->traits = o->is_metrics ? ZKT_LISTENER_METRICS
                              : traits_of_prefixes(o, &address);
    switch (address.kind) {
    case ZKT_LISTEN_UNIX:
        return open_unix(o, address.path);
    case ZKT_LISTEN_FD:
        return open_fd(o, address.fd);
    case ZKT_LISTEN_SYSTEMD:
        return open_systemd(o);
    default:
        return open_host(o, &address);
    }
}

static const char *explain(const struct opening *o, int error)
{
    return o->reason != NULL ? o->reason : uv_strerror(error);
}

/* Opens a listener. Returns 0, or an error that is logged. */
static int open_named(struct opening *o, struct zkt_server *server,
                      const char *where)
{
    const int error = open_listener(o, where);
    if (error != 0) {
        zkt__server_log_address(server, ZKT_LOG_ERROR, where,
                                "cannot listen on %s: %s", where,
                                explain(o, error));
    }
    return error;
}

static int open_listed(struct opening *o, struct zkt_server *server)
{
    const char *const *listen = zkt__server_options(server)->listen;
    int error = 0;
    for (; *listen != NULL && error == 0; listen++) {
        error = open_named(o, server, *listen);
    }
    return error;
}

/* Opens the listener of metrics, if the options have one. */
static int open_metrics(struct opening *o, struct zkt_server *server)
{
    const char *where = zkt__server_options(server)->metrics_listen;
    o->is_metrics = true;
    return where != NULL ? open_named(o, server, where) : 0;
}

static int open_default(struct opening *o, struct zkt_server *server)
{
    const struct zkt_serve_options *options = zkt__server_options(server);
    const char *host = options->host != NULL ? options->host : "127.0.0.1";
    const int error = open_port(o, host, options->port);
    if (error != 0) {
        zkt__server_log_address(server, ZKT_LOG_ERROR, host,
                                "cannot listen on %s port %u: %s", host,
                                (unsigned)options->port, explain(o, error));
    }
    return error;
}

/* Returns true if the proxies are to use a protocol that no listener has. */
static bool lacks_proxied(const struct opening *o)
{
    const struct zkt_listening *listening = o->listening;
    bool lacks = zkt__server_options(o->server)->forwarded_by ==
                 ZKT_FORWARDED_BY_PROXY_PROTOCOL;
    for (uint32_t i = 0; i < listening->count; i++) {
        lacks = lacks && (listening->all[i].traits & ZKT_LISTENER_PROXY) == 0;
    }
    return lacks;
}

int zkt__listening_open(struct zkt_server *server, bool has_tls,
                        struct zkt_listening *out)
{
    const struct zkt_serve_options *options = zkt__server_options(server);
    struct opening o = {
        .server = server,
        .listening = out,
        .mode = options->socket_mode != 0 ? options->socket_mode : DEFAULT_MODE,
        .has_tls = has_tls,
        .traits = has_tls ? ZKT_LISTENER_TLS : 0,
    };
    const bool listed = options->listen != NULL && options->listen[0] != NULL;
    out->count = 0;
    int error = listed ? open_listed(&o, server) : open_default(&o, server);
    if (error == 0 && lacks_proxied(&o)) {
        zkt__server_log(server, ZKT_LOG_ERROR,
                        "forwarded_by proxy-protocol, but no listener is "
                        "proxy:HOST:PORT");
        error = -EINVAL;
    }
    error = error == 0 ? open_metrics(&o, server) : error;
    if (error != 0) {
        zkt__listening_close(out, 0);
    }
    return error;
}

void zkt__listening_close(struct zkt_listening *listening, uint32_t from)
{
    for (uint32_t i = from; i < listening->count; i++) {
        zkt__socket_remove_file(&listening->all[i].file);
        zkt__socket_close(listening->all[i].fd);
    }
    if (listening->count > from) {
        listening->count = from;
    }
}

uint16_t zkt__listening_port(const struct zkt_listening *listening,
                             unsigned traits)
{
    const unsigned not_public = ZKT_LISTENER_REDIRECT | ZKT_LISTENER_METRICS;
    uint16_t port = 0;
    for (uint32_t i = 0; i < listening->count && port == 0; i++) {
        const struct zkt_listening_socket *socket = &listening->all[i];
        if ((socket->traits & traits) == traits &&
            (socket->traits & not_public) == 0) {
            port = zkt__socket_port(&socket->address);
        }
    }
    return port;
}
