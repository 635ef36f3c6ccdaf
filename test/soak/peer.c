/* A peer's connection and frames; see peer.h. No function blocks. */
#include "peer.h"

#include "../bench/frames.h"
#include "line.h"

struct peer peers[PEERS];

/* ---- the connection ---- */

/* Closes the connection; pending replies do not come any more. */
static void let_go(struct peer *p, bool reset)
{
    line_close(p->line, reset);
    peer_lose_calls(p);
    for (int i = 0; i < PLACES; i++) {
        replica_finish(&p->replicas[i]);
    }
    p->line = NULL;
    p->state = PEER_AWAY;
}

static void watch(struct peer *p)
{
    line_watch(p->line, !p->stalled, p->out_len > 0);
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

static void on_ready(void *user, int events);

void peer_open(struct peer *p, const char *request, enum peer_state state)
{
    start_anew(p);
    p->line = line_open(on_ready, p);
    p->state = state;
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
    size_t sent = 1;
    while (p->out_at < p->out_len && sent > 0) {
        sent = line_send(p->line, p->out + p->out_at, p->out_len - p->out_at);
        p->out_at += sent;
    }
    if (p->out_at == p->out_len) {
        p->out_at = p->out_len = 0;
    }
    watch(p);
}

bool peer_is_sent(const struct peer *p)
{
    return p->line == NULL || (p->out_len == 0 && line_is_sent(p->line));
}

bool peer_break(struct peer *p, const char *bytes, size_t len)
{
    if (!line_break(p->line, bytes, len)) {
        return false;
    }
    peer_doom(p, 0);
    watch(p);
    return true;
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
    const ssize_t got = line_receive(p->line, p->in + p->in_len,
                                     p->in_room - p->in_len);
    if (got <= 0) {
        if (got == 0) {
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

static void on_ready(void *user, int events)
{
    struct peer *p = user;
    if ((events & UV_WRITABLE) != 0) {
        flush(p);
    }
    if ((events & UV_READABLE) != 0) {
        while (receive(p)) {
        }
    }
    if (p->line != NULL) {
        flush(p); /* the end of a handshake lets the request go */
    }
}
