/*
 * The header of the PROXY protocol, version 2 (HAProxy, doc/proxy-protocol.txt,
 * section 2.2), which a proxy sends on a connection before any byte of its
 * client. Without I/O: the reader says how many bytes it wants next, and never
 * more than belong to the header, so that the bytes behind it stay in the
 * socket.
 */
#ifndef ZKT_NET_PROXY_HEADER_H
#define ZKT_NET_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

/* Signature, command, family and length. */
#define ZKT_PROXY_FIXED 16
/* The addresses of IPv6, with their ports; others are shorter, or skipped. */
#define ZKT_PROXY_ADDRESSES 36
/* Bytes behind the fixed part; a longer header is refused. */
#define ZKT_PROXY_MAX 4096

/* A header that is being read; zeroed at first. */
struct zkt_proxy_header {
    uint8_t bytes[ZKT_PROXY_FIXED + ZKT_PROXY_ADDRESSES];
    uint16_t have; /* bytes that were taken */
};

/** Returns the number of bytes that are still known to belong to the header; 0
 * if it is complete. */
size_t zkt__proxy_header_wants(const struct zkt_proxy_header *header);
/** Takes bytes, at most as many as it wants. Returns false if it is no header,
 * as soon as that is known. */
bool zkt__proxy_header_take(struct zkt_proxy_header *header,
                            const uint8_t *bytes, size_t len);
/** Stores the address of the client that a complete header tells. Returns false
 * if it tells none: the proxy speaks for itself, or has a Unix socket. */
bool zkt__proxy_header_client(const struct zkt_proxy_header *header,
                              struct zkt_ip *out);

#endif
