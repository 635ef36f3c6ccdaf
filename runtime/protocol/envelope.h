/*
 * The messages of the wire protocol, both ways: finding the parts of one that
 * arrived, without touching the payloads in it, and writing the text around a
 * payload. It knows names of messages, nothing of actors or types.
 */
#ifndef ZKT_PROTOCOL_ENVELOPE_H
#define ZKT_PROTOCOL_ENVELOPE_H

#include "zocket/status.h"
#include "json/json.h"

/* X(NAME, text of "type") */
#define ZKT_MESSAGE_TABLE(X)                                                   \
    X(RPC, "rpc")                                                              \
    X(EVENT_SUB, "event:sub")                                                  \
    X(EVENT_UNSUB, "event:unsub")                                              \
    X(STATE_SUB, "state:sub")                                                  \
    X(STATE_UNSUB, "state:unsub")                                              \
    X(WELCOME, "welcome")                                                      \
    X(RPC_RESULT, "rpc:result")                                                \
    X(EVENT, "event")                                                          \
    X(STATE_SNAPSHOT, "state:snapshot")                                        \
    X(STATE_PATCH, "state:patch")                                              \
    X(ERROR, "error")                                                          \
    X(SUB_ERROR, "sub:error")

enum zkt_message {
#define X(name, text) ZKT_MESSAGE_##name,
    ZKT_MESSAGE_TABLE(X)
#undef X
    ZKT_MESSAGE_UNKNOWN, /* a "type" that is none of these */
    ZKT_MESSAGE_NONE     /* no "type" */
};

/*
 * What a message holds. A part that is absent, or a string that should be one
 * and is not, has data NULL. Spans of JSON are the text as it came; strings
 * are decoded (in place or in the reader's arena).
 */
struct zkt_envelope {
    enum zkt_message type;
    struct zkt_str id; /* the JSON token as it came, quotes included */
    struct zkt_str actor, actor_id, method, event, client_id;
    struct zkt_str error, code;
    /* input, result, payload, state, patches: raw JSON */
    struct zkt_str input, result, payload, state, patches;
    struct zkt_str plain; /* the reader's, for the one that reads a span */
};

/**
 * Reads one message whole. False: not one JSON object, or no memory (see
 * reader->malformed, reader->no_memory). Keys come in any order; unknown ones
 * are skipped; of equal ones the last counts. Bytes in the spans are as they
 * came, with ZKT_PADDING readable bytes behind the whole text. A call as
 * clients print it is recognised whole; the result is the same.
 */
bool zkt__envelope_read(struct zkt_envelope *out, struct zkt_reader *reader);

/* The beginnings and ends of messages; payloads are written in between. */
void zkt__write_welcome(struct zkt_writer *w, struct zkt_str client_id);
/** `{"type":"rpc:result","id":…` ; then `,"result":` … `}` or the error. */
void zkt__write_result_begin(struct zkt_writer *w, struct zkt_str id);
/** @error is never empty; @status names the code. The whole message. */
void zkt__write_result_error(struct zkt_writer *w, struct zkt_str id,
                             struct zkt_str error, enum zkt_status status);
/** `{"type":…,"actor":…,"actorId":…` for TYPE, ready for more fields. */
void zkt__write_address(struct zkt_writer *w, enum zkt_message type,
                        struct zkt_str actor, struct zkt_str actor_id);
void zkt__write_error(struct zkt_writer *w, struct zkt_str error,
                      enum zkt_status status);
void zkt__write_sub_error(struct zkt_writer *w, struct zkt_str actor,
                          struct zkt_str actor_id, struct zkt_str error,
                          enum zkt_status status);
/** The status that a code's name stands for; ZKT_INTERNAL for others. */
enum zkt_status zkt__status_parse(struct zkt_str code);

#endif
