/*
 * The wslay adapter, for all frames outside the fast path. A context exists
 * only from the start of such a frame to the end of its message. It is fed a
 * frame at a time, through memory callbacks. wslay checks sizes, reserved bits,
 * opcodes, fragments, UTF-8 and close codes; the exceptions are marked below.
 */
#include <string.h>
#include <wslay/wslay.h>

#include "websocket/frames.h"

enum {
    CLOSE_FRAME_MAX = 2 + 4 + 125 /* RFC 6455, section 5.5 */
};

struct zkt_ws_wslay {
    wslay_event_context_ptr context;
    struct zkt_ws *ws;
    const uint8_t *in; /* bytes being fed */
    size_t in_len;
    uint64_t fed;      /* bytes fed so far */
    uint64_t boundary; /* end of the current frame */
    size_t frames;     /* frames of the current message */
    size_t payload;    /* payload bytes of the current message */
    bool control;      /* the current frame is a control frame */
    uint64_t size;   /* payload lengths of the frames of the current message */
    size_t head_len; /* bytes of the current header in head */
    bool has_head;   /* the bytes being fed complete the header */
    uint8_t head[ZKT_WS_HEAD_MAX];
    bool fragmented;     /* inside a fragmented message */
    bool closing;        /* the current frame is a close frame */
    bool ended;          /* the current frame is complete */
    unsigned close_code; /* of a close frame that wslay would misjudge; or 0 */
    size_t held;         /* bytes in hold */
    uint8_t hold[CLOSE_FRAME_MAX];
};

/* ---- callbacks ---- */

static ssize_t on_receive(wslay_event_context_ptr context, uint8_t *buffer,
                          size_t len, int flags, void *user)
{
    struct zkt_ws_wslay *adapter = user;
    (void)flags;
    if (adapter->in_len == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    const size_t n = len < adapter->in_len ? len : adapter->in_len;
    memcpy(buffer, adapter->in, n);
    adapter->in += n;
    adapter->in_len -= n;
    adapter->fed += n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *data,
                       size_t len, int flags, void *user)
{
    struct zkt_ws_wslay *adapter = user;
    (void)context;
    (void)flags;
    adapter->ws->setup->callbacks->send(adapter->ws->user, data, len);
    return (ssize_t)len;
}

static int on_mask(wslay_event_context_ptr context, uint8_t *buffer, size_t len,
                   void *user)
{
    struct zkt_ws_wslay *adapter = user;
    (void)context;
    for (size_t i = 0; i < len; i++) {
        buffer[i] = (uint8_t)zkt__random_next(adapter->ws->client->random);
    }
    return 0;
}

/* Ends the connection from a callback. */
static void refuse(wslay_event_context_ptr context, uint16_t code)
{
    (void)wslay_event_queue_close(context, code, NULL, 0);
    wslay_event_shutdown_read(context);
}

static void on_frame_start(wslay_event_context_ptr context,
                           const struct wslay_event_on_frame_recv_start_arg *a,
                           void *user)
{
    struct zkt_ws_wslay *adapter = user;
    const uint64_t len = a->payload_length;
    const uint64_t mask = adapter->ws->role == ZKT_WS_SERVER ? 4 : 0;
    adapter->boundary += 2 + mask + len + (len > 65535 ? 8 : len > 125 ? 2 : 0);
    adapter->ended = false;
    adapter->closing = a->opcode == WSLAY_CONNECTION_CLOSE;
    adapter->control = wslay_is_ctrl_frame(a->opcode);
    if (adapter->control) {
        return;
    }
    const bool continues = a->opcode == WSLAY_CONTINUATION_FRAME;
    adapter->frames = continues ? adapter->frames + 1 : 1;
    adapter->payload = continues ? adapter->payload : 0;
    adapter->size = continues ? adapter->size + len : len;
    adapter->fragmented = !a->fin;
    if (adapter->frames > adapter->ws->setup->limits->fragments) {
        refuse(context, WSLAY_CODE_MESSAGE_TOO_BIG);
    }
}

/*
 * Overrides wslay for two kinds of close frames: it takes half of a code for
 * none (RFC 6455, section 5.5.1), and the codes that were registered later,
 * 1012 to 1014, for violations (IANA, "WebSocket Close Code Number Registry").
 * They are answered here: once a close frame is queued, wslay queues no other.
 */
static void on_chunk(wslay_event_context_ptr context,
                     const struct wslay_event_on_frame_recv_chunk_arg *a,
                     void *user)
{
    struct zkt_ws_wslay *adapter = user;
    adapter->payload += adapter->control ? 0 : a->data_length;
    if (!adapter->closing || a->data_length == 0) {
        return;
    }
    const unsigned code = a->data_length < 2
                              ? WSLAY_CODE_PROTOCOL_ERROR
                              : (unsigned)(a->data[0] << 8 | a->data[1]);
    if (a->data_length < 2 || (code >= 1012 && code <= 1014)) {
        adapter->close_code = code;
        (void)wslay_event_queue_close(context, (uint16_t)code, NULL, 0);
    }
}

static void on_frame_end(wslay_event_context_ptr context, void *user)
{
    struct zkt_ws_wslay *adapter = user;
    (void)context;
    adapter->ended = true;
}

static void on_message(wslay_event_context_ptr context,
                       const struct wslay_event_on_msg_recv_arg *a, void *user)
{
    struct zkt_ws_wslay *adapter = user;
    struct zkt_ws *ws = adapter->ws;
    if (wslay_is_ctrl_frame(a->opcode) || ws->state != ZKT_WS_OPEN ||
        adapter->frames > ws->setup->limits->fragments) {
        return;
    }
    if (wslay_get_rsv1(a->rsv)) {
        const unsigned code = zkt__ws_inflate(ws, a->opcode == WSLAY_TEXT_FRAME,
                                              a->msg, a->msg_length);
        if (code != 0) {
            refuse(context, (uint16_t)code);
        }
        return;
    }
    if (a->msg_length > ws->setup->limits->message) {
        refuse(context, WSLAY_CODE_MESSAGE_TOO_BIG);
        return;
    }
    uint8_t *memory = ws->setup->callbacks->memory(ws->user, a->msg_length);
    if (memory == NULL) {
        refuse(context, WSLAY_CODE_INTERNAL_SERVER_ERROR);
        return;
    }
    if (a->msg_length > 0) {
        memcpy(memory, a->msg, a->msg_length);
    }
    memset(memory + a->msg_length, 0, ZKT_PADDING);
    ws->setup->callbacks->on_message(ws->user, a->opcode == WSLAY_BINARY_FRAME,
                                     memory, a->msg_length);
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_receive,
    .send_callback = on_send,
    .genmask_callback = on_mask,
    .on_frame_recv_start_callback = on_frame_start,
    .on_frame_recv_chunk_callback = on_chunk,
    .on_frame_recv_end_callback = on_frame_end,
    .on_msg_recv_callback = on_message,
};

/* ---- the context ---- */

bool zkt__ws_wslay_begin(struct zkt_ws *ws)
{
    if (ws->wslay != NULL) {
        return true;
    }
    struct zkt_ws_wslay *adapter = zkt__alloc_zero(ws->setup->allocator, 1,
                                                   sizeof(struct zkt_ws_wslay));
    if (adapter == NULL) {
        zkt__ws_end(ws, 1011, "out of memory");
        return false;
    }
    adapter->ws = ws;
    adapter->ended = true;
    const int failed = ws->role == ZKT_WS_SERVER
                           ? wslay_event_context_server_init(
                                 &adapter->context, &callbacks, adapter)
                           : wslay_event_context_client_init(
                                 &adapter->context, &callbacks, adapter);
    if (failed != 0) {
        zkt__release(ws->setup->allocator, adapter);
        zkt__ws_end(ws, 1011, "out of memory");
        return false;
    }
    wslay_event_config_set_max_recv_msg_length(
        adapter->context, zkt__ws_payload_limit(ws, ws->deflates));
    if (ws->deflates) {
        wslay_event_config_set_allowed_rsv_bits(adapter->context,
                                                WSLAY_RSV1_BIT);
    }
    ws->wslay = adapter;
    return true;
}

void zkt__ws_wslay_end(struct zkt_ws *ws)
{
    if (ws->wslay != NULL) {
        wslay_event_context_free(ws->wslay->context);
        zkt__release(ws->setup->allocator, ws->wslay);
        ws->wslay = NULL;
    }
}

size_t zkt__ws_wslay_partial(const struct zkt_ws *ws, size_t *memory)
{
    const struct zkt_ws_wslay *adapter = ws->wslay;
    const size_t most = ws->setup->limits->message;
    *memory = adapter->size < most ? (size_t)adapter->size : most;
    return adapter->payload;
}

bool zkt__ws_wslay_idle(const struct zkt_ws *ws)
{
    const struct zkt_ws_wslay *adapter = ws->wslay;
    return ws->state == ZKT_WS_OPEN && !adapter->fragmented && adapter->ended &&
           adapter->fed == adapter->boundary && adapter->held == 0 &&
           !wslay_event_want_write(adapter->context);
}

/* Reports code and reason of the last close frame, which is still in hold. */
static void report_close(struct zkt_ws *ws, unsigned code)
{
    struct zkt_ws_wslay *adapter = ws->wslay;
    const size_t len = adapter->hold[1] & 127;
    const size_t head = ws->role == ZKT_WS_SERVER ? 6 : 2;
    uint8_t payload[CLOSE_FRAME_MAX];
    if (ws->setup->callbacks->on_peer_status == NULL) {
        return;
    }
    memcpy(payload, adapter->hold + head, len);
    if (ws->role == ZKT_WS_SERVER) {
        (void)zkt__ws_mask(payload, payload, len, adapter->hold + 2, 0);
    }
    const struct zkt_str reason = { (const char *)payload + 2,
                                    len > 2 ? len - 2 : 0 };
    ws->setup->callbacks->on_peer_status(ws->user, code, reason);
}

/* Ends the connection if the closing handshake is complete, or if wslay has
 * ended it because of a violation. */
static void detect_end(struct zkt_ws *ws)
{
    wslay_event_context_ptr context = ws->wslay->context;
    const bool received = wslay_event_get_close_received(context);
    const bool reading = wslay_event_get_read_enabled(context);
    unsigned code = ws->wslay->close_code;
    if (received || !reading) {
        const bool broken = code != 0 ? code == WSLAY_CODE_PROTOCOL_ERROR
                                      : !received;
        if (code == 0) {
            code = received ? wslay_event_get_status_code_received(context)
                            : wslay_event_get_status_code_sent(context);
        }
        if (!broken && !ws->notified) {
            report_close(ws, code);
        }
        if (!received && code == WSLAY_CODE_MESSAGE_TOO_BIG) {
            zkt__ws_notify_limit(ws, ws->wslay->frames >
                                             ws->setup->limits->fragments
                                         ? ZKT_WS_LIMIT_FRAGMENTS
                                         : ZKT_WS_LIMIT_MESSAGE);
        }
        zkt__ws_end(ws, code,
                    broken ? "the peer broke the protocol"
                           : "the peer closed the connection");
    }
}

/* wslay failed: for an impossible header it queued a close frame without a
 * code. Send a close frame with a code (RFC 6455, section 7.1.7). */
static void fail_connection(struct zkt_ws *ws, int error)
{
    const bool memory = error == WSLAY_ERR_NOMEM;
    const unsigned code = memory ? 1011 : 1002;
    if (ws->state == ZKT_WS_OPEN) {
        zkt__ws_control(ws, ZKT_WS_CLOSE_FRAME, code);
    }
    zkt__ws_end(ws, code,
                memory ? "out of memory" : "the peer broke the protocol");
}

/* ---- heads ---- */

/* Returns the length of the current header, as far as it is known. */
static size_t head_size(const struct zkt_ws_wslay *adapter)
{
    const unsigned second = adapter->head_len < 2 ? 0 : adapter->head[1];
    const unsigned code = second & 127;
    return 2 + (second >> 7) * 4 + (code == 127 ? 8 : code == 126 ? 2 : 0);
}

static uint64_t payload_size(const struct zkt_ws_wslay *adapter)
{
    const unsigned code = adapter->head[1] & 127u;
    const size_t extra = code == 127 ? 8 : code == 126 ? 2 : 0;
    uint64_t value = extra > 0 ? 0 : code;
    for (size_t i = 0; i < extra; i++) {
        value = value << 8 | adapter->head[2 + i];
    }
    return value;
}

static bool continues_message(const struct zkt_ws_wslay *adapter)
{
    return (adapter->head[0] & 15) == WSLAY_CONTINUATION_FRAME;
}

static bool message_too_long(const struct zkt_ws_wslay *adapter)
{
    const uint64_t most = zkt__ws_payload_limit(adapter->ws,
                                                adapter->ws->deflates);
    const uint64_t before = continues_message(adapter) ? adapter->size : 0;
    const uint64_t len = payload_size(adapter);
    return len > most || before > most - len;
}

static bool too_many_fragments(const struct zkt_ws_wslay *adapter)
{
    return continues_message(adapter) &&
           adapter->frames >= adapter->ws->setup->limits->fragments;
}

/* Returns true if the header is invalid here (RFC 6455, sections 5.1, 5.2 and
 * 5.4). */
static bool breaks_protocol(const struct zkt_ws_wslay *adapter)
{
    static const bool is_known[16] = {
        [0] = true, [1] = true, [2] = true, [8] = true, [9] = true, [10] = true
    };
    const unsigned opcode = adapter->head[0] & 15;
    const bool masked = adapter->head[1] >> 7 != 0;
    /* Of a compressed message the first frame alone says so (RFC 7692, section
     * 6.1). */
    const bool begins = !wslay_is_ctrl_frame(opcode) &&
                        !continues_message(adapter);
    const unsigned allowed = adapter->ws->deflates && begins ? ZKT_WS_COMPRESSED
                                                             : 0;
    const bool reserved = (adapter->head[0] & 0x70 & ~allowed) != 0 ||
                          !is_known[opcode];
    return reserved || masked != (adapter->ws->role == ZKT_WS_SERVER) ||
           (!wslay_is_ctrl_frame(opcode) &&
            continues_message(adapter) != adapter->fragmented);
}

/* Returns the close code for a header that wslay has not rejected, or 0. */
static uint16_t head_violation(const struct zkt_ws_wslay *adapter)
{
    const unsigned opcode = adapter->head[0] & 15;
    if (payload_size(adapter) == 0) {
        return 0; /* wslay has checked the frame already */
    }
    if (breaks_protocol(adapter)) {
        return WSLAY_CODE_PROTOCOL_ERROR;
    }
    if (wslay_is_ctrl_frame(opcode)) {
        return 0; /* always short */
    }
    return too_many_fragments(adapter) || message_too_long(adapter)
               ? WSLAY_CODE_MESSAGE_TOO_BIG
               : 0;
}

/* Refuses a frame as soon as its header is complete. wslay would do so at the
 * begin of the payload, which the peer may delay. */
static void refuse_bad_head(struct zkt_ws_wslay *adapter)
{
    const uint16_t code = head_violation(adapter);
    if (code != 0) {
        adapter->frames += too_many_fragments(adapter);
        refuse(adapter->context, code);
    }
}

/* Stores a byte of a header; returns true if that completes the header. Ignores
 * the first payload byte. */
static bool keep_head(struct zkt_ws_wslay *adapter, uint8_t byte)
{
    adapter->head_len = adapter->fed == adapter->boundary ? 0
                                                          : adapter->head_len;
    if (adapter->head_len == head_size(adapter)) {
        return false;
    }
    adapter->head[adapter->head_len++] = byte;
    return adapter->head_len == head_size(adapter);
}

/* ---- giving ---- */

/* Returns how many of @len bytes to feed at once: up to the end of the frame;
 * in a header byte by byte, so that wslay never reads past a frame. */
static size_t portion(const struct zkt_ws_wslay *adapter, size_t len)
{
    if (adapter->fed < adapter->boundary) {
        const uint64_t left = adapter->boundary - adapter->fed;
        return left < len ? (size_t)left : len;
    }
    return 1;
}

/* Returns the length of the close frame in hold, as far as it is known; 2 if
 * its header is invalid. */
static size_t close_size(const struct zkt_ws_wslay *adapter)
{
    const bool masked = adapter->ws->role == ZKT_WS_SERVER;
    const size_t len = adapter->hold[1] & 127;
    if (adapter->held < 2 || len > 125 ||
        (adapter->hold[1] >> 7 != 0) != masked) {
        return 2;
    }
    return (masked ? 6u : 2u) + len;
}

/*
 * Holds a close frame until it is complete: wslay skips the two bytes of the
 * code in every piece before it checks that the reason is UTF-8. Returns the
 * number of consumed bytes; sets in, empty while the frame is incomplete.
 */
static size_t hold_close(struct zkt_ws_wslay *adapter, const uint8_t *bytes,
                         size_t len)
{
    size_t n = 0;
    while (n < len &&
           (adapter->held == 0 || adapter->held < close_size(adapter))) {
        adapter->hold[adapter->held++] = bytes[n++];
    }
    const bool whole = adapter->held >= close_size(adapter);
    adapter->in = adapter->hold;
    adapter->in_len = whole ? adapter->held : 0;
    adapter->held = whole ? 0 : adapter->held;
    if (whole) { /* an invalid header may continue with its mask */
        memcpy(adapter->head, adapter->hold, 2);
        adapter->head_len = 2;
        adapter->has_head = head_size(adapter) == 2;
    }
    return n;
}

/* Sets the bytes to feed next; returns the number of consumed bytes. */
static size_t take(struct zkt_ws_wslay *adapter, const uint8_t *bytes,
                   size_t len)
{
    const bool starts = adapter->fed == adapter->boundary &&
                        bytes[0] == (0x80 | ZKT_WS_CLOSE_FRAME);
    if (adapter->held > 0 || starts) {
        return hold_close(adapter, bytes, len);
    }
    adapter->has_head = adapter->fed >= adapter->boundary &&
                        keep_head(adapter, bytes[0]);
    adapter->in = bytes;
    adapter->in_len = portion(adapter, len);
    return adapter->in_len;
}

size_t zkt__ws_wslay_feed(struct zkt_ws *ws, const uint8_t *bytes, size_t len)
{
    if (!zkt__ws_wslay_begin(ws)) {
        return len;
    }
    struct zkt_ws_wslay *adapter = ws->wslay;
    const uint8_t *start = bytes;
    do {
        adapter->has_head = false;
        const size_t n = take(adapter, bytes, len);
        const int failed = wslay_event_recv(adapter->context);
        if (failed != 0) {
            fail_connection(ws, failed);
            break;
        }
        if (adapter->has_head) {
            refuse_bad_head(adapter);
        }
        (void)wslay_event_send(adapter->context);
        detect_end(ws);
        bytes += n;
        len -= n;
    } while (len > 0 && ws->state != ZKT_WS_CLOSED && !ws->paused &&
             !zkt__ws_wslay_idle(ws));
    return (size_t)(bytes - start);
}

void zkt__ws_wslay_close(struct zkt_ws *ws, unsigned code, const char *reason)
{
    if (!zkt__ws_wslay_begin(ws)) {
        return;
    }
    const size_t len = reason != NULL ? strlen(reason) : 0;
    (void)wslay_event_queue_close(
        ws->wslay->context, (uint16_t)code, (const uint8_t *)reason,
        len < ZKT_WS_REASON_MAX ? len : ZKT_WS_REASON_MAX);
    (void)wslay_event_send(ws->wslay->context);
    if (ws->gathered != NULL) {
        /* The frame that is being received ends before the peer's close frame;
         * want is the number of its bytes to skip. */
        const size_t left = ws->want - ws->gathered->have;
        zkt__ws_drop_gathered(ws);
        ws->want = left;
    }
}
