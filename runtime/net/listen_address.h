/*
 * Parses the texts of zkt_serve_options.listen:
 *
 *     127.0.0.1:3000  [::1]:3000  localhost:3000  *:3000
 *     unix:/run/chat.sock
 *     fd:3            an inherited listening socket
 *     systemd         the sockets of systemd's socket activation
 *     proxy:…         any of these, with the PROXY protocol
 *     plain:…         any of these, without TLS on a server that has it
 *     redirect:…      any of these, to send requests on to https://
 */
#ifndef ZKT_NET_LISTEN_ADDRESS_H
#define ZKT_NET_LISTEN_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/url.h"

enum zkt_listen_kind {
    ZKT_LISTEN_HOST,
    ZKT_LISTEN_UNIX,
    ZKT_LISTEN_FD,
    ZKT_LISTEN_SYSTEMD
};

struct zkt_listen_address {
    bool proxied, plain, redirects;
    enum zkt_listen_kind kind;
    char host[ZKT_HOST_MAX + 1]; /* name, numeric address, or "*" for all */
    uint16_t port;
    const char *path; /* of the Unix socket; a view */
    int fd;
};

/** Returns NULL, or a short text that names the defect. @out borrows from
 * @text. */
const char *zkt__listen_address_parse(const char *text,
                                      struct zkt_listen_address *out);

/** Parses a decimal number from 0 to @max without a sign. Returns -1 if @text
 * is none. */
int zkt__listen_parse_number(const char *text, int max);

#endif
