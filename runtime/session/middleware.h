/*
 * Middleware: handlers that decide on a message of the protocol before it
 * touches an instance, and before its input is decoded. They run in the order
 * of a chain, each once for a message.
 */
#ifndef ZKT_SESSION_MIDDLEWARE_H
#define ZKT_SESSION_MIDDLEWARE_H

#include "protocol/envelope.h"
#include "session/session.h"

/* A call or a subscription that is about to begin. */
struct zkt_incoming {
    const struct zkt_envelope *message;
    const struct zkt_actor *actor;
    const struct zkt_method *method; /* NULL: a subscription */
    int64_t deadline;                /* of the call; 0: none */
};

/**
 * Runs a chain, which is not empty. The message begins if all of it succeeds,
 * by zkt__session_proceed, and is refused with the first failure. While a
 * handler that has deferred is waited for, the session receives nothing.
 */
void zkt__middleware_run(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_incoming *incoming,
                         const struct zkt_middleware_chain *chain);

/** Cancels the call @id of the client, if its middleware is deferred. */
void zkt__middleware_cancel(struct zkt_host *host, struct zkt_session *session,
                            struct zkt_str id);

#endif
