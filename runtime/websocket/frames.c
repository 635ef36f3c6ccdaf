/*
 * The fast path of common frames. A data frame that is complete in the bytes at
 * hand is unmasked into its receiver's memory; a partial data frame is
 * gathered, unmasked and checked as it arrives. All other frames go to wslay
 * from their start (wslay_adapter.c); the fast path resumes behind their
 * message.
 */
#include "websocket/frames.h"

#include <string.h>

#include "websocket/handshake.h"

enum {
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_PING = 9,
    OPCODES = 15,
    FIN = 0x80,
    MASKED = 0x80,
    GATHER_MIN = 1024
};

void zkt__ws_init_server(struct zkt_ws *ws, const struct zkt_ws_setup *setup,
                         void *user)
{
    *ws = (struct zkt_ws){
        .setup = setup,
        .user = user,
        .role = ZKT_WS_SERVER,
        .state = ZKT_WS_HANDSHAKE,
    };
}

void zkt__ws_notify_close(struct zkt_ws *ws, unsigned code, const char *reason)
{
    if (!ws->notified) {
        ws->notified = true;
        ws->setup->callbacks->on_close(ws->user, code, reason);
    }
}

void zkt__ws_notify_limit(struct zkt_ws *ws, enum zkt_ws_limit limit)
{
    if (ws->setup->callbacks->on_limit != NULL) {
        ws->setup->callbacks->on_limit(ws->user, limit);
    }
}

void zkt__ws_end(struct zkt_ws *ws, unsigned code, const char *reason)
{
    ws->state = ZKT_WS_CLOSED;
    ws->paused = false;
    zkt__ws_notify_close(ws, code, reason);
}

void zkt__ws_fail(struct zkt_ws *ws, unsigned code, const char *reason)
{
    if (ws->state == ZKT_WS_OPEN) {
        zkt__ws_control(ws, ZKT_WS_CLOSE_FRAME, code);
    }
    zkt__ws_end(ws, code, reason);
}

unsigned zkt__ws_inflate(struct zkt_ws *ws, bool text, const uint8_t *bytes,
                         size_t len)
{
    struct zkt_inflated_message message;
    const enum zkt_inflated result = zkt__inflate_message(
        ws->setup->deflate, bytes, len, ws->setup->limits->message, &message);
    if (result != ZKT_INFLATED) {
        return result == ZKT_INFLATE_TOO_LONG    ? 1009
               : result == ZKT_INFLATE_NO_MEMORY ? 1011
                                                 : 1007;
    }
    const bool valid = !text || zkt__utf8_valid(message.bytes, message.len);
    if (valid) {
        ws->setup->callbacks->on_message(ws->user, !text, message.bytes,
                                         message.len);
    }
    zkt__release(ws->setup->allocator, message.bytes);
    return valid ? 0 : 1007;
}

/* ---- gathering ---- */

struct zkt_ws_gathered *zkt__ws_take_gathered(struct zkt_ws *ws)
{
    struct zkt_ws_gathered *gathered = ws->gathered;
    ws->gathered = NULL;
    ws->want = 0;
    return gathered;
}

void zkt__ws_drop_gathered(struct zkt_ws *ws)
{
    zkt__release(ws->setup->allocator, zkt__ws_take_gathered(ws));
}

/* Returns false if there is no memory for @needed bytes. */
static bool reserve(struct zkt_ws *ws, size_t needed)
{
    struct zkt_ws_gathered *gathered = ws->gathered;
    size_t capacity = gathered != NULL ? gathered->capacity * 2 : GATHER_MIN;
    capacity = capacity < needed ? needed : capacity;
    gathered = zkt__resize(ws->setup->allocator, gathered,
                           sizeof(*gathered) + capacity);
    if (gathered == NULL) {
        return false;
    }
    if (ws->gathered == NULL) {
        *gathered = (struct zkt_ws_gathered){ .have = 0 };
    }
    gathered->capacity = capacity;
    ws->gathered = gathered;
    return true;
}

/* Grows with the received bytes, not with the length in a header. */
bool zkt__ws_gather(struct zkt_ws *ws, const uint8_t *bytes, size_t len)
{
    const size_t needed = zkt__ws_have(ws) + len + ZKT_PADDING;
    if ((ws->gathered == NULL || needed > ws->gathered->capacity) &&
        !reserve(ws, needed)) {
        return false;
    }
    memcpy(ws->gathered->bytes + ws->gathered->have, bytes, len);
    ws->gathered->have += len;
    return true;
}

/* ---- heads ---- */

enum {
    HEAD_INCOMPLETE = 0,
    HEAD_WSLAY = -1 /* not a frame for the fast path */
};

/* The bit of a first byte that says that its message is compressed; 0 if none
 * may be. */
static uint8_t compressed_bit(const struct zkt_ws *ws)
{
    return ws->deflates ? ZKT_WS_COMPRESSED : 0;
}

static bool is_compressed(uint8_t first)
{
    return (first & ZKT_WS_COMPRESSED) != 0;
}

static bool is_text(uint8_t first)
{
    return (first & OPCODES) == OPCODE_TEXT;
}

/*
 * Returns the length of the header at @at, and the payload's in *@payload. The
 * fast path takes final, unfragmented data frames, masked as the role requires,
 * with the shortest form of their length and within the limit.
 */
static int read_head(const struct zkt_ws *ws, const uint8_t *at, size_t len,
                     uint64_t *payload)
{
    const bool masked = ws->role == ZKT_WS_SERVER;
    const size_t mask_len = masked ? 4 : 0;
    if (len < 2) {
        return HEAD_INCOMPLETE;
    }
    const uint8_t first = at[0] & (uint8_t)~compressed_bit(ws);
    if ((first != (FIN | OPCODE_TEXT) && first != (FIN | OPCODE_BINARY)) ||
        ((at[1] & MASKED) != 0) != masked) {
        return HEAD_WSLAY;
    }
    const unsigned code = at[1] & 127;
    const size_t extra = code == 127 ? 8 : code == 126 ? 2 : 0;
    const size_t head = 2 + extra + mask_len;
    if (len < head) {
        return HEAD_INCOMPLETE;
    }
    uint64_t value = extra > 0 ? 0 : code;
    for (size_t i = 0; i < extra; i++) {
        value = value << 8 | at[2 + i];
    }
    const bool shortest = value >= (extra == 8   ? 65536u
                                    : extra == 2 ? 126u
                                                 : 0u);
    if (!shortest || value > zkt__ws_payload_limit(ws, is_compressed(at[0]))) {
        return HEAD_WSLAY;
    }
    *payload = value;
    return (int)head;
}

static const uint8_t *mask_of(const uint8_t *head, size_t head_len)
{
    return head + head_len - 4;
}

size_t zkt__ws_peek(const struct zkt_ws *ws, const uint8_t *bytes, size_t len,
                    uint8_t *text, size_t room, size_t *text_len)
{
    uint64_t payload;
    const int head = zkt__ws_has_partial(ws)
                         ? HEAD_WSLAY
                         : read_head(ws, bytes, len, &payload);
    if (head <= 0 || payload > len - (size_t)head) {
        return 0;
    }
    *text_len = payload <= room ? (size_t)payload : 0;
    (void)zkt__ws_mask(text, bytes + head, *text_len,
                       mask_of(bytes, (size_t)head), 0);
    return (size_t)head + (size_t)payload;
}

/* ---- a frame in pieces ---- */

/* Hands the gathered bytes, as received, to wslay, which closes the
 * connection. */
static void hand_to_wslay(struct zkt_ws *ws, size_t head)
{
    struct zkt_ws_gathered *gathered = zkt__ws_take_gathered(ws);
    uint8_t *bytes = gathered->bytes;
    if (ws->role == ZKT_WS_SERVER && gathered->have > head) {
        zkt__ws_mask(bytes + head, bytes + head, gathered->have - head,
                     mask_of(bytes, head), 0);
    }
    (void)zkt__ws_wslay_feed(ws, bytes, gathered->have);
    zkt__release(ws->setup->allocator, gathered);
}

/* Decompresses a message, and delivers it or ends the WebSocket. */
static void deliver_compressed(struct zkt_ws *ws, bool text,
                               const uint8_t *bytes, size_t len)
{
    const unsigned code = zkt__ws_inflate(ws, text, bytes, len);
    if (code == 1009) {
        zkt__ws_notify_limit(ws, ZKT_WS_LIMIT_MESSAGE);
    }
    if (code != 0) {
        zkt__ws_fail(ws, code,
                     code == 1011 ? "out of memory"
                                  : "the peer broke the protocol");
    }
}

static void deliver_gathered(struct zkt_ws *ws, size_t head)
{
    struct zkt_ws_gathered *gathered = zkt__ws_take_gathered(ws);
    uint8_t *bytes = gathered->bytes;
    const size_t len = gathered->have - head;
    const uint8_t first = bytes[0];
    memset(bytes + gathered->have, 0, ZKT_PADDING);
    ws->completed++;
    if (is_compressed(first)) {
        deliver_compressed(ws, is_text(first), bytes + head, len);
    } else {
        ws->setup->callbacks->on_message(ws->user, !is_text(first),
                                         bytes + head, len);
    }
    zkt__release(ws->setup->allocator, gathered);
}

/* Gathers more of the frame; returns the number of consumed bytes. */
static size_t gather_more(struct zkt_ws *ws, const uint8_t *bytes, size_t len)
{
    uint64_t payload = 0;
    const size_t before = ws->gathered->have;
    const size_t head = (size_t)read_head(ws, ws->gathered->bytes, before,
                                          &payload);
    const size_t left = ws->want - before;
    const size_t taken = len < left ? len : left;
    if (!zkt__ws_gather(ws, bytes, taken)) {
        zkt__ws_close(ws, 1011, "out of memory");
        return len;
    }
    struct zkt_ws_gathered *gathered = ws->gathered;
    uint8_t *added = gathered->bytes + before;
    if (ws->role == ZKT_WS_SERVER) {
        zkt__ws_mask(added, added, taken, mask_of(gathered->bytes, head),
                     before - head);
    }
    /* Compressed text is checked when it is whole. */
    const bool text = gathered->bytes[0] == (FIN | OPCODE_TEXT);
    const bool whole = gathered->have == ws->want;
    if (text && (!zkt__utf8_feed(&gathered->utf8, added, taken) ||
                 (whole && gathered->utf8.need != 0))) {
        hand_to_wslay(ws, head);
    } else if (whole) {
        deliver_gathered(ws, head);
    }
    return taken;
}

/* ---- frames ---- */

static bool whole_is_valid(bool text, bool ascii, const uint8_t *data,
                           size_t len)
{
    return !text || ascii || zkt__utf8_valid(data, len);
}

/* Takes a complete frame. Returns false if it is invalid; wslay then closes the
 * connection. */
static bool take_whole(struct zkt_ws *ws, const uint8_t *frame, size_t head,
                       size_t len)
{
    const bool text = is_text(frame[0]);
    uint8_t *memory = ws->setup->callbacks->memory(ws->user, len);
    if (memory == NULL) {
        zkt__ws_close(ws, 1011, "out of memory");
        return true;
    }
    bool ascii = false;
    if (ws->role == ZKT_WS_SERVER) {
        ascii = zkt__ws_mask(memory, frame + head, len, mask_of(frame, head),
                             0);
    } else if (len > 0) {
        memcpy(memory, frame + head, len);
    }
    if (is_compressed(frame[0])) {
        ws->completed++;
        deliver_compressed(ws, text, memory, len);
        return true;
    }
    if (!whole_is_valid(text, ascii, memory, len)) {
        return false;
    }
    memset(memory + len, 0, ZKT_PADDING);
    ws->completed++;
    ws->setup->callbacks->on_message(ws->user, !text, memory, len);
    return true;
}

/* Begins to gather; the header is complete. */
static size_t begin_gathering(struct zkt_ws *ws, const uint8_t *bytes,
                              size_t head, uint64_t payload)
{
    if (!zkt__ws_gather(ws, bytes, head)) {
        zkt__ws_close(ws, 1011, "out of memory");
        return head;
    }
    ws->want = head + (size_t)payload;
    return head;
}

static size_t take_frame(struct zkt_ws *ws, uint8_t *bytes, size_t len)
{
    uint64_t payload = 0;
    const int head = read_head(ws, bytes, len, &payload);
    if (head > 0) {
        const size_t size = (size_t)head + (size_t)payload;
        if (len < size) {
            return begin_gathering(ws, bytes, (size_t)head, payload);
        }
        if (take_whole(ws, bytes, (size_t)head, (size_t)payload)) {
            return size;
        }
    }
    return zkt__ws_wslay_feed(ws, bytes, len);
}

/* Skips the rest of a frame that zkt__ws_close stopped gathering. */
static size_t skip(struct zkt_ws *ws, size_t len)
{
    const size_t taken = len < ws->want ? len : ws->want;
    ws->want -= taken;
    return taken;
}

/* Consumes at least a byte, and nothing behind the end of a message. */
static size_t feed_step(struct zkt_ws *ws, uint8_t *bytes, size_t len)
{
    if (ws->state == ZKT_WS_HANDSHAKE) {
        return zkt__ws_handshake_feed(ws, bytes, len);
    }
    if (ws->state == ZKT_WS_CLOSING && ws->want > 0) {
        return skip(ws, len);
    }
    if (ws->wslay != NULL) {
        return zkt__ws_wslay_feed(ws, bytes, len);
    }
    if (ws->gathered != NULL) {
        return gather_more(ws, bytes, len);
    }
    return take_frame(ws, bytes, len);
}

size_t zkt__ws_feed(struct zkt_ws *ws, uint8_t *bytes, size_t len)
{
    size_t taken = 0;
    while (taken < len && ws->state < ZKT_WS_ASKED && !ws->paused) {
        taken += feed_step(ws, bytes + taken, len - taken);
        if (ws->wslay != NULL && zkt__ws_wslay_idle(ws)) {
            ws->completed++;
            zkt__ws_wslay_end(ws);
        }
    }
    /* Bytes behind a close are ignored. */
    return ws->state == ZKT_WS_CLOSED ? len : taken;
}

void zkt__ws_pause(struct zkt_ws *ws)
{
    ws->paused = ws->state == ZKT_WS_HANDSHAKE || ws->state == ZKT_WS_ASKED ||
                 ws->state == ZKT_WS_OPEN;
}

bool zkt__ws_is_paused(const struct zkt_ws *ws)
{
    return ws->paused;
}

size_t zkt__ws_partial(const struct zkt_ws *ws, size_t *memory)
{
    if (ws->wslay != NULL) {
        const size_t payload = zkt__ws_wslay_partial(ws, memory);
        return payload > 0 ? payload : 1; /* a frame has begun */
    }
    if (ws->role == ZKT_WS_SERVER && ws->request != NULL) {
        return zkt__http_received(ws->request, memory);
    }
    *memory = ws->gathered != NULL ? ws->gathered->capacity : 0;
    return zkt__ws_have(ws);
}

void zkt__ws_close(struct zkt_ws *ws, unsigned code, const char *reason)
{
    if (ws->state == ZKT_WS_HANDSHAKE || ws->state == ZKT_WS_ASKED) {
        zkt__ws_end(ws, code, reason);
        return;
    }
    if (ws->state != ZKT_WS_OPEN) {
        return;
    }
    ws->state = ZKT_WS_CLOSING;
    ws->paused = false;
    zkt__ws_wslay_close(ws, code, reason);
    zkt__ws_notify_close(ws, code, reason);
}

void zkt__ws_control(struct zkt_ws *ws, unsigned opcode, unsigned code)
{
    uint8_t frame[2 + 4 + 2] = { (uint8_t)(FIN | opcode), 0 };
    size_t len = 2;
    uint8_t *payload = frame + 2;
    if (ws->role == ZKT_WS_CLIENT) {
        const uint64_t mask = zkt__random_next(ws->client->random);
        memcpy(frame + 2, &mask, 4);
        payload = frame + 6;
        len = 6;
    }
    if (code != 0) {
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        frame[1] = 2;
        len += 2;
    }
    if (ws->role == ZKT_WS_CLIENT) {
        frame[1] |= MASKED;
        zkt__ws_mask(payload, payload, frame[1] & 127, frame + 2, 0);
    }
    ws->setup->callbacks->send(ws->user, frame, len);
}

void zkt__ws_ping(struct zkt_ws *ws)
{
    if (ws->state == ZKT_WS_OPEN) {
        zkt__ws_control(ws, OPCODE_PING, 0);
    }
}

void zkt__ws_finish(struct zkt_ws *ws)
{
    zkt__ws_wslay_end(ws);
    if (ws->setup != NULL) {
        zkt__ws_drop_gathered(ws);
        zkt__ws_drop_request(ws);
    }
    ws->state = ZKT_WS_CLOSED;
}

/* ---- making frames ---- */

size_t zkt__ws_frame_head(uint8_t *end, size_t len)
{
    if (len < 126) {
        end[-2] = FIN | OPCODE_TEXT;
        end[-1] = (uint8_t)len;
        return 2;
    }
    const size_t extra = len < 65536 ? 2 : 8;
    for (size_t i = 0; i < extra; i++) {
        end[-1 - (ptrdiff_t)i] = (uint8_t)((uint64_t)len >> 8 * i);
    }
    uint8_t *head = end - extra - 2;
    head[0] = FIN | OPCODE_TEXT;
    head[1] = extra == 2 ? 126 : 127;
    return extra + 2;
}

size_t zkt__ws_frame_masked(uint8_t *end, size_t len, const uint8_t mask[4])
{
    const size_t head = zkt__ws_frame_head(end - 4, len);
    end[-4 - (ptrdiff_t)head + 1] |= MASKED;
    memcpy(end - 4, mask, 4);
    zkt__ws_mask(end, end, len, mask, 0);
    return head + 4;
}
