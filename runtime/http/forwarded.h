/*
 * Whom a proxy speaks for: the fields X-Forwarded-For, -Host and -Proto, and
 * Forwarded (RFC 7239). A client may send these as well, and proxies append to
 * those of others. So they are read from the right, past the addresses of
 * trusted proxies, to the first that is none: that is the client. What stands
 * left of it is its own word.
 */
#ifndef ZKT_HTTP_FORWARDED_H
#define ZKT_HTTP_FORWARDED_H

#include "base/ip.h"
#include "base/memory.h"
#include "zocket/server.h"

/* Proxies on the way of a request; the next is taken for the client. */
#define ZKT_FORWARDED_HOPS 32

/* The option trusted_proxies. */
struct zkt_proxies {
    bool unix_sockets; /* whoever connects to a Unix socket */
    uint32_t count;
    struct zkt_network all[];
};

/** Returns NULL if there is no memory. @list was checked. */
struct zkt_proxies *zkt__proxies_new(const struct zkt_allocator *allocator,
                                     const char *list);
/** Returns the first entry of the option that is malformed, or "". Takes
 * NULL. */
struct zkt_str zkt__proxies_find_bad(const char *list);
bool zkt__proxies_trust(const struct zkt_proxies *proxies,
                        const struct zkt_ip *ip);

/* What proxies tell of a request. */
struct zkt_forwarded {
    bool has_ip;
    struct zkt_ip ip;    /* of the client, as far as it is told */
    struct zkt_str host; /* that the client has named; data NULL: not told */
    bool secure;         /* the client speaks TLS */
};

/** Reads the fields of a request that a trusted proxy has sent. @fields is of a
 * struct zkt_http_request; @out borrows from it. */
void zkt__forwarded_read(enum zkt_forwarded_by by,
                         const struct zkt_proxies *proxies,
                         struct zkt_str fields, struct zkt_forwarded *out);

#endif
