/*
 * The outcome of a stream of frames, by our decoder and by wslay, which is fed
 * a byte at a time: messages, replies, the close. Both must be the same, in
 * either role, except for known differences of wslay: for some streams its
 * code, 1002 or 1007, depends on the cuts; it does not know the codes 1012 to
 * 1014; it answers an impossible header with a close frame without a code; it
 * takes half a close code for no code; it does not check the reason in a close
 * frame that comes in pieces; and it refuses a frame only when its payload
 * begins.
 */
#ifndef WEBSOCKET_OUTCOME_H
#define WEBSOCKET_OUTCOME_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/utf8.h"
#include "websocket/websocket.h"

enum {
    OUTCOME_MESSAGE_MAX = 40000
};

struct outcome {
    uint8_t *messages, *replies;
    size_t messages_len, replies_len;
    unsigned code;      /* of the close; 0 for none */
    unsigned next_code; /* the reference: the code after another byte */
    struct zkt_ws *ws;
    uint32_t pauses; /* state of the random pauses; 0 for none */
    uint8_t memory[OUTCOME_MESSAGE_MAX + ZKT_PADDING];
};

static inline void outcome_append(uint8_t **to, size_t *len, const void *bytes,
                                  size_t n)
{
    if (n > 0) {
        *to = realloc(*to, *len + n);
        memcpy(*to + *len, bytes, n);
        *len += n;
    }
}

static inline void outcome_message(struct outcome *o, bool binary,
                                   const uint8_t *data, size_t len)
{
    const uint32_t head[2] = { binary ? 2u : 1u, (uint32_t)len };
    outcome_append(&o->messages, &o->messages_len, head, sizeof(head));
    outcome_append(&o->messages, &o->messages_len, data, len);
}

static inline void outcome_begin(struct outcome *o)
{
    o->messages = o->replies = NULL;
    o->messages_len = o->replies_len = 0;
    o->code = o->next_code = 0;
    o->pauses = 0;
}

static inline void outcome_end(struct outcome *o)
{
    free(o->messages);
    free(o->replies);
    outcome_begin(o);
}

/* ---- our decoder ---- */

static inline uint8_t *our_memory(void *user, size_t len)
{
    struct outcome *o = user;
    return len <= OUTCOME_MESSAGE_MAX ? o->memory : NULL;
}

static inline bool our_chance(struct outcome *o)
{
    if (o->pauses != 0) {
        o->pauses = o->pauses * 1664525u + 1013904223u;
        o->pauses += o->pauses == 0;
    }
    return o->pauses >> 30 == 3;
}

static inline void our_message(void *user, bool binary, uint8_t *data,
                               size_t len)
{
    struct outcome *o = user;
    if (zkt__ws_is_paused(o->ws)) {
        fprintf(stderr, "a message during a pause\n");
        abort();
    }
    if (our_chance(o)) {
        zkt__ws_pause(o->ws);
    }
    for (size_t i = 0; i < ZKT_PADDING; i++) {
        if (data[len + i] != 0) {
            fprintf(stderr, "no zeros behind a message\n");
            abort();
        }
    }
    outcome_message(user, binary, data, len);
}

static inline void our_send(void *user, const void *data, size_t len)
{
    struct outcome *o = user;
    outcome_append(&o->replies, &o->replies_len, data, len);
}

static inline void our_close(void *user, unsigned code, const char *reason)
{
    struct outcome *o = user;
    (void)reason;
    o->code = code;
}

/* Opens a WebSocket after its handshake; @client has random numbers for masks.
 */
static inline void our_begin(struct zkt_ws *ws, struct outcome *o,
                             enum zkt_ws_role role,
                             struct zkt_ws_client *client)
{
    static const struct zkt_ws_callbacks callbacks = {
        .memory = our_memory,
        .on_message = our_message,
        .send = our_send,
        .on_close = our_close,
    };
    static const struct zkt_ws_limits limits = {
        .message = OUTCOME_MESSAGE_MAX,
        .head = 1024,
        .fragments = 1024,
    };
    static const struct zkt_ws_setup setup = { .callbacks = &callbacks,
                                               .allocator =
                                                   &zkt__allocator_default,
                                               .limits = &limits };
    zkt__ws_init_server(ws, &setup, o);
    o->ws = ws;
    ws->role = (uint8_t)role;
    if (role == ZKT_WS_CLIENT) {
        ws->client = client;
    }
    ws->state = ZKT_WS_OPEN;
}

/* Feeds a copy in its own block, so that reading past it is caught; continues
 * after each pause. */
static inline void our_feed(struct zkt_ws *ws, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, bytes, len);
    size_t taken = 0;
    for (;;) {
        const size_t n = zkt__ws_feed(ws, copy + taken, len - taken);
        taken += n;
        if (taken == len) {
            break;
        }
        if (!zkt__ws_is_paused(ws) ||
            zkt__ws_feed(ws, copy + taken, len - taken) != 0) {
            fprintf(stderr, "a pause without effect\n");
            abort();
        }
        zkt__ws_resume(ws);
    }
    free(copy);
}

/* ---- wslay ---- */

struct reference {
    const uint8_t *in;
    size_t len;
    struct outcome *o;
    bool bad_reason, silent;
};

static inline ssize_t ref_receive(wslay_event_context_ptr context,
                                  uint8_t *buffer, size_t len, int flags,
                                  void *user)
{
    struct reference *r = user;
    (void)flags;
    (void)len;
    if (r->len == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    *buffer = *r->in++;
    r->len--;
    return 1;
}

static inline ssize_t ref_send(wslay_event_context_ptr context,
                               const uint8_t *data, size_t len, int flags,
                               void *user)
{
    struct reference *r = user;
    (void)context;
    (void)flags;
    if (!r->bad_reason && !r->silent) {
        our_send(r->o, data, len);
    }
    return (ssize_t)len;
}

static inline int ref_mask(wslay_event_context_ptr context, uint8_t *buffer,
                           size_t len, void *user)
{
    (void)context;
    (void)user;
    memset(buffer, 0, len);
    return 0;
}

static inline void ref_message(wslay_event_context_ptr context,
                               const struct wslay_event_on_msg_recv_arg *a,
                               void *user)
{
    struct reference *r = user;
    (void)context;
    r->bad_reason = a->opcode == WSLAY_CONNECTION_CLOSE &&
                    (a->msg_length == 1 ||
                     (a->msg_length > 2 &&
                      !zkt__utf8_valid(a->msg + 2, a->msg_length - 2)));
    if (!wslay_is_ctrl_frame(a->opcode) && !r->silent) {
        outcome_message(r->o, a->opcode == WSLAY_BINARY_FRAME, a->msg,
                        a->msg_length);
    }
}

static inline void refer_close(struct outcome *o, enum zkt_ws_role role,
                               unsigned code)
{
    const uint8_t close[8] = { 0x88, 2, (uint8_t)(code >> 8), (uint8_t)code };
    our_send(o, close, role == ZKT_WS_SERVER ? 4 : 8);
    o->code = code;
}

/* Returns the code that another byte would lead to, or 0. */
static inline unsigned code_of_next(wslay_event_context_ptr context,
                                    struct reference *r)
{
    static const uint8_t next;
    r->silent = true;
    r->in = &next;
    r->len = 1;
    if (wslay_event_recv(context) != 0 || wslay_event_send(context) != 0 ||
        wslay_event_get_read_enabled(context)) {
        return 0;
    }
    return wslay_event_get_status_code_sent(context);
}

static inline void run_reference(const uint8_t *bytes, size_t len,
                                 enum zkt_ws_role role, struct outcome *o)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = ref_receive,
        .send_callback = ref_send,
        .genmask_callback = ref_mask,
        .on_msg_recv_callback = ref_message,
    };
    struct reference r = { .o = o };
    wslay_event_context_ptr context;
    const int refused =
        role == ZKT_WS_SERVER
            ? wslay_event_context_server_init(&context, &callbacks, &r)
            : wslay_event_context_client_init(&context, &callbacks, &r);
    if (refused != 0) {
        abort();
    }
    wslay_event_config_set_max_recv_msg_length(context, OUTCOME_MESSAGE_MAX);
    bool failed = false;
    for (size_t i = 0; i < len && wslay_event_get_read_enabled(context); i++) {
        r.in = bytes + i;
        r.len = 1;
        failed = wslay_event_recv(context) != 0;
        if (failed) {
            break;
        }
        wslay_event_send(context);
    }
    if (failed || r.bad_reason) {
        refer_close(o, role, 1002);
    } else if (wslay_event_get_close_received(context)) {
        o->code = wslay_event_get_status_code_received(context);
    } else if (!wslay_event_get_read_enabled(context)) {
        o->code = wslay_event_get_status_code_sent(context);
    } else {
        o->next_code = code_of_next(context, &r);
    }
    wslay_event_context_free(context);
}

/* ---- comparison ---- */

static inline unsigned class_of(unsigned code)
{
    return code == 1007 || (code >= 1012 && code <= 1014) ? 1002 : code;
}

/* A client's replies have random masks; after a violation only the length of
 * the close frame is compared. */
static inline bool same_outcome(const struct outcome *a, struct outcome *b,
                                enum zkt_ws_role role)
{
    if (b->code == 0 && b->next_code != 0 && a->code == b->next_code) {
        refer_close(b, role, b->next_code);
    }
    if (a->messages_len != b->messages_len ||
        a->replies_len != b->replies_len ||
        class_of(a->code) != class_of(b->code)) {
        return false;
    }
    const bool compare = role == ZKT_WS_SERVER && class_of(a->code) != 1002;
    return (a->messages_len == 0 ||
            memcmp(a->messages, b->messages, a->messages_len) == 0) &&
           (!compare || a->replies_len == 0 ||
            memcmp(a->replies, b->replies, a->replies_len) == 0);
}

#endif
