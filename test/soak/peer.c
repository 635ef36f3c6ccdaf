/* A peer's socket and frames; see peer.h. No function blocks. */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "../bench/frames.h"

struct peer peers[PEERS];

struct line {
    uv_poll_t poll;
    struct peer *peer;
    int fd;
};

/* ---- the socket ---- */

static void on_ready(uv_poll_t *poll, int status, int events);

static void free_line(uv_handle_t *handle)
{
    free(handle->data);
}

/* Closes the connection; pending replies do not come any more. */
static void let_go(struct peer *p, bool reset)
{
    const struct linger none = { .l_onoff = 1 };
    struct line *line = p->line;
    if (reset) {
        (void)setsockopt(line->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    uv_poll_stop(&line->poll);
    close(line->fd);
    uv_close((uv_handle_t *)&line->poll, free_line);
    peer_lose_calls(p);
    for (int i = 0; i < PLACES; i++) {
        replica_finish(&p->replicas[i]);
    }
    p->line = NULL;
    p->state = PEER_AWAY;
}

static void watch(struct peer *p)
{
    const int events = (p->stalled ? 0 : UV_READABLE) |
                       (p->out_len > p->out_at ? UV_WRITABLE : 0);
    if (events == 0) {
        uv_poll_stop(&p->line->poll);
    } else {
        SOAK_CHECK(uv_poll_start(&p->line->poll, events, on_ready) == 0,
                   "cannot watch a socket");
    }
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

/* Resets the peer for a new connection; keeps its buffers. */
static void start_anew(struct peer *p)
{
    *p = (struct peer){ .in = p->in,
                        .in_room = p->in_room,
                        .out = p->out,
                        .out_room = p->out_room };
    for (int i = 0; i < PLACES; i++) {
        replica_init(&p->replicas[i], i, p->client);
    }
}

void peer_open(struct peer *p, const char *request, enum peer_state state)
{
    start_anew(p);
    p->line = calloc(1, sizeof(*p->line));
    SOAK_CHECK(p->line != NULL, "no memory");
    p->line->peer = p;
    p->line->fd = connect_socket();
    p->state = state;
    SOAK_CHECK(uv_poll_init(&soak.loop, &p->line->poll, p->line->fd) == 0,
               "cannot watch a socket");
    p->line->poll.data = p->line;
    peer_put(p, request, strlen(request));
}

void peer_reset(struct peer *p)
{
    soak.resets++;
    let_go(p, true);
}

void peer_doom(struct peer *p, int code)
{
    p->state = PEER_DOOMED;
    p->code = code;
}

void peer_stall(struct peer *p, bool stalled)
{
    p->stalled = stalled;
    p->slow = true;
    watch(p);
}

void peer_finish(struct peer *p)
{
    free(p->in);
    free(p->out);
    *p = (struct peer){ .in = NULL };
}

/* ---- sending ---- */

static void grow(char **bytes, size_t *room, size_t needed)
{
    if (needed > *room) {
        *room = needed * 2;
        *bytes = realloc(*bytes, *room);
        SOAK_CHECK(*bytes != NULL, "no memory");
    }
}

static void flush(struct peer *p)
{
    while (p->out_at < p->out_len) {
        const ssize_t sent = send(p->line->fd, p->out + p->out_at,
                                  p->out_len - p->out_at, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            break;
        }
        /* A broken connection is noticed when reading. */
        p->out_at = sent < 0 ? p->out_len : p->out_at + (size_t)sent;
    }
    if (p->out_at == p->out_len) {
        p->out_at = p->out_len = 0;
    }
    watch(p);
}

void peer_put(struct peer *p, const char *bytes, size_t len)
{
    grow(&p->out, &p->out_room, p->out_len + len);
    memcpy(p->out + p->out_len, bytes, len);
    p->out_len += len;
    flush(p);
}

void peer_send(struct peer *p, uint8_t first, const char *text, size_t len)
{
    size_t size, head;
    char *frame = make_frame(first, text, len, &size, &head);
    SOAK_CHECK(frame != NULL, "no memory");
    peer_put(p, frame, size);
    free(frame);
}

/* ---- receiving ---- */

static void take_close(struct peer *p, const uint8_t *payload, size_t len)
{
    p->closed = len >= 2 ? payload[0] << 8 | payload[1] : 1005;
    SOAK_CHECK(p->state == PEER_DOOMED &&
                   (p->code == 0 || p->code == p->closed),
               "closed with %d, not %d: %.*s", p->closed,
               p->state == PEER_DOOMED ? p->code : 0,
               (int)(len > 2 ? len - 2 : 0), (const char *)payload + 2);
    soak.closes[p->closed % 5000]++;
    if (p->code != 1000) { /* which the peer has sent first */
        peer_send(p, 0x88, (const char *)payload, len >= 2 ? 2 : 0);
    }
}

static void take_text(struct peer *p, const char *text, size_t len)
{
    static char *copy;
    static size_t room;
    grow(&copy, &room, len + ZKT_PADDING);
    memcpy(copy, text, len);
    memset(copy + len, 0, ZKT_PADDING);
    peer_hear(p, copy, len);
}

static void take_frame(struct peer *p, const char *frame, size_t head,
                       size_t size)
{
    const char *payload = frame + head;
    switch ((uint8_t)frame[0]) {
    case 0x81:
        take_text(p, payload, size - head);
        break;
    case 0x88:
        take_close(p, (const uint8_t *)payload, size - head);
        break;
    case 0x89:
        soak.pings++;
        peer_send(p, 0x8a, payload, size - head);
        break;
    case 0x8a:
        SOAK_CHECK(p->pongs-- > 0, "an unexpected pong");
        break;
    default:
        soak_fail("a frame that begins with %02x", (unsigned)(uint8_t)frame[0]);
    }
}

static void take_frames(struct peer *p)
{
    size_t at = 0, head, size;
    while (p->closed == 0 &&
           (size = measure_frame((const uint8_t *)p->in + at, p->in_len - at,
                                 &head)) > 0) {
        take_frame(p, p->in + at, head, size);
        at += size;
    }
    memmove(p->in, p->in + at, p->in_len - at);
    p->in_len -= at;
}

static void take_head(struct peer *p)
{
    for (size_t i = 4; i <= p->in_len; i++) {
        if (memcmp(p->in + i - 4, "\r\n\r\n", 4) == 0) {
            SOAK_CHECK(memcmp(p->in, "HTTP/1.1 101 ", 13) == 0,
                       "the handshake is refused");
            p->in_len -= i;
            memmove(p->in, p->in + i, p->in_len);
            p->state = PEER_UP;
            return;
        }
    }
}

/* The server has ended the connection. */
static void take_end(struct peer *p)
{
    if (p->state == PEER_REFUSED) {
        SOAK_CHECK(p->in_len > 10 && memcmp(p->in, "HTTP/1.1 4", 10) == 0,
                   "not refused by HTTP");
    } else {
        SOAK_CHECK(p->state == PEER_DOOMED &&
                       (p->code == 0 || p->closed == p->code),
                   "the server has ended a connection, state %d, code %d",
                   p->state, p->code);
    }
    let_go(p, false);
}

/* Returns false if there is nothing more to read for now. */
static bool receive(struct peer *p)
{
    grow(&p->in, &p->in_room, p->in_len + 65536);
    const ssize_t got = recv(p->line->fd, p->in + p->in_len,
                             p->in_room - p->in_len, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            take_end(p);
        }
        return false;
    }
    p->in_len += (size_t)got;
    if (p->state == PEER_SHAKING) {
        take_head(p);
    }
    if (p->state == PEER_UP || p->state == PEER_DOOMED) {
        take_frames(p);
    }
    return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct peer *p = ((struct line *)poll->data)->peer;
    SOAK_CHECK(status == 0, "a socket cannot be watched");
    if ((events & UV_WRITABLE) != 0) {
        flush(p);
    }
    if ((events & UV_READABLE) != 0) {
        while (receive(p)) {
        }
    }
}
