/*
 * Parses ws://, wss:// and ws+unix:// URLs for a client (RFC 6455, section 3;
 * RFC 3986): the host and port to connect to, and the request target.
 * Characters that a URL may only hold encoded are encoded, except blanks and
 * control characters: a text with these was not meant to be a URL, or holds
 * several.
 *
 * A Unix socket is written `ws+unix:///run/chat.sock:/path?query`, as the `ws`
 * package of Node does: its absolute path, encoded, then a colon and the
 * request target, or a query alone.
 *
 * Also refused: user information and fragments, which the scheme does not have
 * (RFC 6455, section 3), and hosts that are not ASCII, which need IDNA.
 */
#ifndef ZKT_NET_URL_H
#define ZKT_NET_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "zocket/types.h"

#define ZKT_HOST_MAX 255

struct zkt_url {
    /* Name or address, with an IPv6 zone; or the path of a Unix socket. */
    char host[ZKT_HOST_MAX + 1];
    bool is_unix, is_tls;
    uint16_t port;                     /* 0 for a Unix socket */
    char authority[ZKT_HOST_MAX + 16]; /* the Host header: no default port */
    struct zkt_str rest;               /* path and query as written; a view */
};

/** Returns NULL, or a short text that names the defect. @out borrows from
 * @text. */
const char *zkt__url_parse(const char *text, struct zkt_url *out);

/** Returns an upper bound of the length of the request target. */
size_t zkt__url_target_max(const struct zkt_url *url);
/** Writes the request target, path and query, and a NUL. Returns its length
 * without the NUL. */
size_t zkt__url_target(const struct zkt_url *url, char *to);

#endif
