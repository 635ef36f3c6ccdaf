/*
 * From a name to a connected socket: libuv's threads resolve it, and the
 * addresses found are tried one after the other. One search at a time. One
 * that was given up begins with another address the next time, so that an
 * address which never answers does not hide the others.
 */
#ifndef ZKT_NET_SEARCH_H
#define ZKT_NET_SEARCH_H

#include "net/loop.h"

struct zkt_attempt;

struct zkt_search {
    struct zkt_loop *loop; /* counts our handles and requests as its own */
    const char *host;
    uint16_t port;
    /* The end, once for each begin: a socket, or a libuv error. */
    void (*on_end)(void *user, int socket_or_error);
    void *user;
    uv_getaddrinfo_t resolve;
    struct addrinfo *found;      /* by the resolver; freed with the search */
    uint32_t count, left;        /* addresses: found, not tried yet */
    uint32_t turn;               /* the next one to be tried, modulo count */
    struct zkt_attempt *attempt; /* the address being tried, or NULL */
    int error;                   /* of the last address that was tried */
    bool resolving, unwanted;
};

/** Begins to look for a socket; may end at once. */
void zkt__search_begin(struct zkt_search *search);
/**
 * Ends the search with UV_ECANCELED; when the resolver is at work, only once
 * that has finished. Does nothing when there is none.
 */
void zkt__search_abort(struct zkt_search *search);

#endif
