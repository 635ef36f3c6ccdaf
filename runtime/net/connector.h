/*
 * Connects to a Unix socket, or to a host and port: a numeric address is known
 * at once, a name is looked up on another thread, and the addresses found are
 * tried in turn. A connector makes one attempt at a time. After an aborted
 * attempt, the next attempt begins with another address, so that an address
 * that never answers does not hide the others. It also continues the unfinished
 * lookup, so that a name that takes longer than an attempt is found
 * nevertheless, and is looked up only once at a time.
 */
#ifndef ZKT_NET_CONNECTOR_H
#define ZKT_NET_CONNECTOR_H

#include "net/loop.h"
#include "net/resolver.h"

struct zkt_attempt;

struct zkt_connector {
    struct zkt_loop *loop; /* counts the handles of attempts as its own */
    const char *host;      /* or the path of a Unix socket */
    uint16_t port;
    bool is_unix;
    /* Called once for each begin, with a socket or a libuv error. */
    void (*on_end)(void *user, int socket_or_error);
    void *user;
    void (*wake)(
        void *user); /* from any thread: zkt__connector_resume is due */
    struct zkt_lookup *lookup;   /* unfinished, also after abort; or NULL */
    struct addrinfo *found;      /* addresses; freed when the attempt ends */
    uint32_t count, left;        /* addresses found, addresses not tried yet */
    uint32_t turn;               /* index of the next address, modulo count */
    struct zkt_attempt *attempt; /* the address being tried, or NULL */
    int error;                   /* of the last address tried */
    bool resolving;              /* the attempt waits for the lookup */
};

/** Begins to connect; may end during the call. */
void zkt__connector_begin(struct zkt_connector *connector);
/** Ends the attempt with UV_ECANCELED, if there is one. */
void zkt__connector_abort(struct zkt_connector *connector);
/** Continues if the lookup has ended; to be called after a wake. */
void zkt__connector_resume(struct zkt_connector *connector);
/** Aborts, and forgets the lookup: wake is not called any more. */
void zkt__connector_finish(struct zkt_connector *connector);

#endif
