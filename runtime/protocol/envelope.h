/*
 * The messages of the wire protocol, in both directions: locates the parts of a
 * received message without decoding its payloads, and writes the text around a
 * payload. Knows the names of messages, but no actors or types.
 */
#ifndef ZKT_PROTOCOL_ENVELOPE_H
#define ZKT_PROTOCOL_ENVELOPE_H

#include "protocol/failure.h"
#include "protocol/request.h"

/* X(NAME, text of "type") */
#define ZKT_MESSAGE_TABLE(X)                                                   \
    X(RPC, "rpc")                                                              \
    X(EVENT_SUB, "event:sub")                                                  \
    X(EVENT_UNSUB, "event:unsub")                                              \
    X(STATE_SUB, "state:sub")                                                  \
    X(STATE_UNSUB, "state:unsub")                                              \
    X(LEAVE, "leave")                                                          \
    X(BROADCAST_SUB, "broadcast:sub")                                          \
    X(BROADCAST_UNSUB, "broadcast:unsub")                                      \
    X(RPC_CANCEL, "rpc:cancel")                                                \
    X(WELCOME, "welcome")                                                      \
    X(RPC_RESULT, "rpc:result")                                                \
    X(RPC_PROGRESS, "rpc:progress")                                            \
    X(RPC_CHUNK, "rpc:chunk")                                                  \
    X(EVENT, "event")                                                          \
    X(STATE_SNAPSHOT, "state:snapshot")                                        \
    X(STATE_PATCH, "state:patch")                                              \
    X(ERROR, "error")                                                          \
    X(SUB_ERROR, "sub:error")                                                  \
    X(SUB_OK, "sub:ok")                                                        \
    X(BROADCAST, "broadcast")

enum zkt_message {
#define X(name, text) ZKT_MESSAGE_##name,
    ZKT_MESSAGE_TABLE(X)
#undef X
    ZKT_MESSAGE_UNKNOWN, /* unknown "type" */
    ZKT_MESSAGE_NONE     /* no "type" */
};

/*
 * The parts of a message. An absent part has data NULL, and so has a part of
 * the wrong type where a string is required. Spans of JSON are the received
 * text; strings are decoded (in place or in the reader's arena).
 */
struct zkt_envelope {
    enum zkt_message type;
    bool is_optimistic; /* of a call */
    struct zkt_str id;  /* the JSON token as received, with quotes */
    struct zkt_str actor, actor_id, method;
    struct zkt_str input;   /* raw JSON */
    struct zkt_str timeout; /* timeoutMs, raw JSON */
    struct zkt_str plain;   /* zkt_reader.plain, for the reader of a span */
    /* The number of the request is set by the receiver, its trace is here. */
    struct zkt_request request;
    /* Set by the receiver: see call/report.h, and the bytes of the message. */
    int64_t arrived;
    uint32_t size;
    /* Not set for a call in the form of clients, which has none of them. */
    struct zkt_str event, client_id, error, code, of, reason, trace;
    /* Raw JSON; retry_after is retryAfterMs. */
    struct zkt_str details, retryable, retry_after, issues, level, optimistic;
    struct zkt_str result, progress, chunk, payload, state, patches;
};

/**
 * Reads a complete message. Returns false if it is not a single JSON object, or
 * if there is no memory (see reader->malformed, reader->no_memory). Keys may
 * have any order; unknown keys are skipped; the last of duplicate keys counts.
 * Bytes in the spans are unchanged, and ZKT_PADDING readable bytes follow the
 * text. A fast path reads calls in the form that clients write; the result is
 * the same.
 */
bool zkt__envelope_read(struct zkt_envelope *out, struct zkt_reader *reader);

/* Functions for the begin and end of messages; the caller writes payloads in
 * between. */
void zkt__write_welcome(struct zkt_writer *w, struct zkt_str client_id);
/** Writes `{"type":"rpc:result","id":…`; then follow `,"result":` … `}` or the
 * error. */
void zkt__write_result_begin(struct zkt_writer *w, struct zkt_str id);
/** Writes `{"type":"rpc:KIND","id":…,"KIND":`; a value and `}` follow. */
void zkt__write_part_begin(struct zkt_writer *w, struct zkt_str kind,
                           struct zkt_str id);
/** Writes a complete message. */
void zkt__write_result_error(struct zkt_writer *w, struct zkt_str id,
                             const struct zkt_failure *failure);
/** Writes `{"type":…,"actor":…,"actorId":…` of @type, open for more fields. */
void zkt__write_address(struct zkt_writer *w, enum zkt_message type,
                        struct zkt_str actor, struct zkt_str actor_id);
void zkt__write_error(struct zkt_writer *w, const struct zkt_failure *failure);
/** Writes `,"of":…`, the subject of a subscription; @of may be "": nothing. */
void zkt__write_of(struct zkt_writer *w, struct zkt_str of);
/** Returns the status that the name of a code stands for; ZKT_INTERNAL for
 * unknown names. */
enum zkt_status zkt__status_parse(struct zkt_str code);

#endif
