/*
 * Calls from the moment they are begun until their reply. Every call ends
 * exactly once: with a reply, a timeout, by being cancelled, or with the end of
 * the connection. Until then it may get progress or the chunks of a stream.
 */
#ifndef ZKT_CLIENT_CALLS_H
#define ZKT_CLIENT_CALLS_H

#include "base/slots.h"
#include "base/timeouts.h"
#include "client/subscription.h"
#include "protocol/envelope.h"
#include "zocket/client.h"

struct zkt_client;
struct zkt_client_instance;
struct zkt_handle;

/* A call without a reply yet. */
struct zkt_pending {
    /* In client->calls, overdue, streams or failed. */
    struct zkt_timeout timeout;
    struct zkt_unsent queued; /* until it is sent */
    struct zkt_client_instance *instance;
    const struct zkt_remote_method *method;
    uint64_t number, stamp; /* of its id; numbers are unique */
    zkt_handle_id slot;     /* in client->sent; 0: none */
    struct zkt_str text;    /* its text, until the socket is open; after a bad
                                 input the error message */
    const char *trace;      /* while it is submitted; NULL: none is sent */
    enum zkt_status status; /* of a call that has failed */
    bool was_sent;          /* the same: the server may have it */
    struct zkt_handle *embedded_in; /* the handle that this is embedded in */
    /* For progress and chunks; NULL: nobody is told. */
    zkt_part_thunk *part;
    zkt_any_function *on_part;
    void *user;
    /* Asynchronous calls: */
    void (*thunk)(zkt_any_function *, const struct zkt_reply *, const void *,
                  void *);
    zkt_any_function *done;
    /* Blocking calls: */
    struct zkt_reply *reply;
    void *out;
    bool *over;
};

/** Returns the id of the request of a call that the program makes on this
 * thread, in @memory, or NULL. */
const char *zkt__call_trace(const struct zkt_client *client,
                            char memory[ZKT_TRACE_SIZE]);
/** Begins a call; the outcome goes to the members of @p. Input was checked. */
void zkt__call_submit(struct zkt_client *client,
                      struct zkt_client_instance *instance, uint32_t method,
                      const void *input, struct zkt_pending *p);
/** Sends a call that was kept until the socket is open, unless its time is
 * over. */
void zkt__call_send(struct zkt_client *client, struct zkt_pending *p);
/** Fails a call; its callback runs in zkt__calls_expire. */
void zkt__call_fail(struct zkt_client *client, struct zkt_pending *p,
                    enum zkt_status status);
/** Fails the calls that were sent, or @all calls; their callbacks run in
 * zkt__calls_expire. */
void zkt__calls_fail(struct zkt_client *client, enum zkt_status status,
                     bool all);
/** The next time at which a call times out. */
int64_t zkt__calls_deadline(const struct zkt_client *client);
/** Fails the calls that have timed out, and runs the callbacks of all calls
 * that have failed. */
void zkt__calls_expire(struct zkt_client *client);
/** Ends the call that @message replies to. */
void zkt__calls_receive(struct zkt_client *client,
                        const struct zkt_envelope *message);
/** Gives progress, or a chunk, to the call that @message is about. */
void zkt__calls_receive_part(struct zkt_client *client,
                             const struct zkt_envelope *message);

#endif
