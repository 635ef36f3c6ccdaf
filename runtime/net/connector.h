/*
 * From a name to a connected socket: a numeric one is known at once, others are
 * looked up on a thread, and the addresses found are tried one after the other.
 * One search at a time. One that was given up begins with another address the
 * next time, so that an address which never answers does not hide the others;
 * and it goes on with the lookup that was begun, so that a name which takes
 * longer than an attempt is found nevertheless, and is asked for once at a
 * time.
 */
#ifndef ZKT_NET_CONNECTOR_H
#define ZKT_NET_CONNECTOR_H

#include "net/loop.h"
#include "net/resolver.h"

struct zkt_attempt;

struct zkt_connector {
    struct zkt_loop *loop; /* counts our handles and requests as its own */
    const char *host;
    uint16_t port;
    /* The end, once for each begin: a socket, or a libuv error. */
    void (*on_end)(void *user, int socket_or_error);
    void *user;
    void (*wake)(
        void *user); /* from any thread: zkt__connector_resume is due */
    struct zkt_lookup *lookup;   /* under way, wanted or not; or NULL */
    struct addrinfo *found;      /* by the resolver; freed with the search */
    uint32_t count, left;        /* addresses: found, not tried yet */
    uint32_t turn;               /* the next one to be tried, modulo count */
    struct zkt_attempt *attempt; /* the address being tried, or NULL */
    int error;                   /* of the last address that was tried */
    bool resolving;              /* it waits for the lookup */
};

/** Begins to look for a socket; may end at once. */
void zkt__connector_begin(struct zkt_connector *connector);
/** Ends the search with UV_ECANCELED. Does nothing when there is none. */
void zkt__connector_abort(struct zkt_connector *connector);
/** After a wake: goes on if the lookup has ended. */
void zkt__connector_resume(struct zkt_connector *connector);
/** Aborts; there will be no wake any more. */
void zkt__connector_finish(struct zkt_connector *connector);

#endif
