/*
 * Who may send a request: the host that it names, and the page that sends it.
 *
 * A browser tells of each request which page makes it: by Origin (RFC 6454), or
 * by Sec-Fetch-Site (W3C, Fetch Metadata) where it sends no Origin. Only a
 * browser sends these, and no page can change them. A page of an attacker that
 * has its name resolve to the address of the server (DNS rebinding) has the
 * server's own origin, as the browser sees it, and is found by Host.
 */
#ifndef ZKT_HTTP_ORIGIN_H
#define ZKT_HTTP_ORIGIN_H

#include "http/request.h"

/* The rules of a server, as its options have them. */
struct zkt_origin_rules {
    /* Comma-separated. NULL: the origin of the host; on loopback, every origin
     * of loopback, too. */
    const char *allow_origins;
    /* Comma-separated. NULL: on loopback its names and addresses, else any. */
    const char *server_names;
};

/* The way of a request to the server. */
struct zkt_origin_way {
    struct zkt_str host; /* that the client has named; "" or data NULL: none */
    bool loopback;       /* by a listener on loopback, and no proxy */
    bool secure;         /* the client speaks TLS */
};

/** Returns true if the server goes by the name of the host. A request without a
 * host is no browser's, and is served. */
bool zkt__origin_serves(const struct zkt_origin_rules *rules,
                        const struct zkt_origin_way *way);

/** Returns true if a text is a host, perhaps with a port, from 0 to 65535. */
bool zkt__origin_is_host(struct zkt_str host);

enum zkt_origin_verdict {
    ZKT_ORIGIN_ALLOWED,
    ZKT_ORIGIN_FOREIGN,   /* by an Origin that is not allowed */
    ZKT_ORIGIN_CROSS_SITE /* by a page of another site, without Origin */
};

/**
 * Decides on the page that sends a request. Stores in *@cors what its answer
 * tells the browser. A request without Origin is allowed unless
 * it is one of another site, other than a navigation: the user follows a link,
 * and the page that has it does not read the answer.
 */
enum zkt_origin_verdict zkt__origin_check(
    const struct zkt_origin_rules *rules, const struct zkt_origin_way *way,
    const struct zkt_http_request *request, enum zkt_http_cors *cors);

/** Returns an Origin as the log may have it. One that is none may have secrets:
 * a query is cut off, and a password leaves nothing. */
struct zkt_str zkt__origin_shown(struct zkt_str origin);

/** Returns true if a request is a preflight (Fetch, section 4.8): a browser
 * asks whether a page may send another. */
bool zkt__origin_is_preflight(const struct zkt_http_request *request);

/** Return the first entry of the option that is malformed, or "". Take NULL. */
struct zkt_str zkt__origin_find_bad(const char *allow_origins);
struct zkt_str zkt__origin_find_bad_name(const char *server_names);

#endif
