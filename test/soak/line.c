/* See line.h. Records are made only when the socket has taken those before. */
#include "line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "net/tls.h"

enum {
    READ_SIZE = 65536
};

struct line {
    uv_poll_t poll;
    void (*on_ready)(void *user, int events);
    void *user;
    int fd;
    struct zkt_tls_stream *tls; /* NULL: none */
    struct zkt_tls_bytes bytes; /* of TLS; out is unsent from out_at on */
    size_t out_at;
    bool broken; /* by line_break */
    uint8_t in[READ_SIZE];
};

/* ---- from begin to end ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct line *line = poll->data;
    SOAK_CHECK(status == 0, "a socket cannot be watched");
    line->on_ready(line->user, events);
}

/* A small buffer in the kernel, so that the server's fills. */
static int connect_socket(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    const int on = 1, small = 16384;
    address.sin_port = htons((uint16_t)atoi(soak.server.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    SOAK_CHECK(fd >= 0, "no socket");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    SOAK_CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0,
               "cannot connect: %s", strerror(errno));
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Sends as much as the socket takes. Returns 0 if it takes nothing. */
static size_t send_some(int fd, const void *bytes, size_t len)
{
    const ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN ? 0 : len;
    }
    return (size_t)sent;
}

/* Returns true if no record is unsent. */
static bool flush_records(struct line *line)
{
    size_t sent = 1;
    while (line->out_at < line->bytes.out_len && sent > 0) {
        sent = send_some(line->fd, line->bytes.out + line->out_at,
                         line->bytes.out_len - line->out_at);
        line->out_at += sent;
    }
    if (line->out_at < line->bytes.out_len) {
        return false;
    }
    line->out_at = line->bytes.out_len = 0;
    return true;
}

/* The first read sends the greeting. */
static void begin_tls(struct line *line)
{
    static char none[1];
    line->bytes.allocator = &zkt__allocator_default;
    line->tls = soak.tls->ops->open(soak.tls, &zkt__allocator_default,
                                    "127.0.0.1");
    SOAK_CHECK(line->tls != NULL &&
                   line->tls->ops->read(line->tls, &line->bytes, none,
                                        sizeof(none)) == ZKT_TLS_MORE,
               "TLS does not begin");
    (void)flush_records(line);
}

struct line *line_open(void (*on_ready)(void *user, int events), void *user)
{
    struct line *line = calloc(1, sizeof(*line));
    SOAK_CHECK(line != NULL, "no memory");
    line->on_ready = on_ready;
    line->user = user;
    line->fd = connect_socket();
    SOAK_CHECK(uv_poll_init(&soak.loop, &line->poll, line->fd) == 0,
               "cannot watch a socket");
    line->poll.data = line;
    if (soak.tls != NULL) {
        begin_tls(line);
    }
    return line;
}

static void free_line(uv_handle_t *handle)
{
    free(handle->data);
}

void line_close(struct line *line, bool reset)
{
    const struct linger none = { .l_onoff = 1 };
    if (reset) {
        (void)setsockopt(line->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    uv_poll_stop(&line->poll);
    close(line->fd);
    if (line->tls != NULL) {
        line->tls->ops->close(line->tls);
        zkt__release(&zkt__allocator_default, line->bytes.out);
    }
    uv_close((uv_handle_t *)&line->poll, free_line);
}

void line_watch(struct line *line, bool reads, bool writes)
{
    const bool sends = line_is_sent(line)
                           ? writes && (line->tls == NULL || line->tls->is_open)
                           : true;
    const int events = (reads ? UV_READABLE : 0) | (sends ? UV_WRITABLE : 0);
    if (events == 0) {
        uv_poll_stop(&line->poll);
    } else {
        SOAK_CHECK(uv_poll_start(&line->poll, events, on_poll) == 0,
                   "cannot watch a socket");
    }
}

/* ---- sending ---- */

bool line_is_sent(const struct line *line)
{
    return line->out_at == line->bytes.out_len;
}

size_t line_send(struct line *line, const char *bytes, size_t len)
{
    if (line->tls == NULL) {
        return send_some(line->fd, bytes, len);
    }
    if (!flush_records(line) || !line->tls->is_open) {
        return 0;
    }
    const size_t part = len < ZKT_TLS_RECORD ? len : ZKT_TLS_RECORD;
    if (!line->tls->ops->write(line->tls, &line->bytes, bytes, part)) {
        return len;
    }
    (void)flush_records(line);
    return part;
}

bool line_break(struct line *line, const char *bytes, size_t len)
{
    if (line->tls == NULL) {
        return false;
    }
    struct zkt_tls_bytes *out = &line->bytes;
    uint8_t *all = zkt__resize(out->allocator, out->out, out->out_len + len);
    SOAK_CHECK(all != NULL, "no memory");
    memcpy(all + out->out_len, bytes, len);
    out->out = all;
    out->out_len = out->out_capacity = out->out_len + len;
    line->broken = true;
    (void)flush_records(line);
    return true;
}

/* ---- receiving ---- */

static ssize_t receive_bytes(struct line *line, void *to, size_t size)
{
    const ssize_t got = recv(line->fd, to, size, 0);
    return got >= 0 ? got : errno == EAGAIN ? -1 : 0;
}

/* The socket has ended, or failed. A server says before that it sends no more;
 * a reset may come instead, for bytes that it has not read. */
static ssize_t receive_records(struct line *line)
{
    const ssize_t got = recv(line->fd, line->in, sizeof(line->in), 0);
    SOAK_CHECK(got != 0 || line->broken,
               "the server has ended a connection, but not its TLS");
    line->bytes.in = line->in;
    line->bytes.in_len = got > 0 ? (size_t)got : 0;
    return got >= 0 ? got : errno == EAGAIN ? -1 : 0;
}

static ssize_t receive_plain(struct line *line, char *to, size_t size)
{
    ssize_t received = 1;
    ptrdiff_t got = ZKT_TLS_MORE;
    while (received > 0) {
        got = line->tls->ops->read(line->tls, &line->bytes, to, size);
        (void)flush_records(line);
        if (got != ZKT_TLS_MORE) {
            break;
        }
        received = receive_records(line);
    }
    SOAK_CHECK(got != ZKT_TLS_FAILED || line->broken, "TLS has failed: %s",
               line->tls->ops->explain(line->tls));
    return got > 0 ? (ssize_t)got : got == ZKT_TLS_MORE ? received : 0;
}

ssize_t line_receive(struct line *line, char *to, size_t size)
{
    return line->tls != NULL ? receive_plain(line, to, size)
                             : receive_bytes(line, to, size);
}
