/*
 * The connection that a call is caused by: its data, topics and middleware. A
 * call sees a copy of the data in its own memory, which its writes change in
 * place, and collects the changes for the session.
 */
#ifndef ZKT_CALL_CONNECTION_H
#define ZKT_CALL_CONNECTION_H

#include "shard/message.h"

struct zkt_call;

/* A record of another connection that the call has been shown. */
struct zkt_held_record {
    struct zkt_held_record *next;
    struct zkt_connection_record *record;
};

/* The connection's data and topics as a call sees them; in its memory. */
struct zkt_connection_view {
    void *data; /* NULL: not copied yet */
    size_t bytes;
    struct zkt_str *topics; /* sorted; NULL: not copied yet */
    uint32_t topic_count;
    struct zkt_connection_change *first, *last;
    struct zkt_held_record *held;
};

/** Returns the output of the middleware of the app with that number, among
 * those of a chain; NULL if it has none, or @outputs is NULL. */
const void *zkt__outputs_find(const struct zkt_middleware_chain *chain,
                              const struct zkt_output *outputs,
                              uint32_t number);
/** Keeps @record until the call ends. Returns false with the call poisoned if
 * there is no memory. */
bool zkt__call_hold_record(struct zkt_call *call,
                           struct zkt_connection_record *record);

#endif
