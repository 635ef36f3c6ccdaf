/*
 * Numeric addresses of IPv4 and IPv6, and networks of them. An address of IPv4
 * and the one of IPv6 that stands for it (::ffff:192.0.2.1; RFC 4291, section
 * 2.5.5.2) are the same.
 */
#ifndef ZKT_BASE_IP_H
#define ZKT_BASE_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "zocket/types.h"

/* The longest text of an address, with its NUL. */
#define ZKT_IP_TEXT 46

/* An address of IPv6, or of IPv4 as one. */
struct zkt_ip {
    uint8_t bytes[16];
};

/** Parses an address, without a zone. Returns false if @text is none. */
bool zkt__ip_parse(struct zkt_str text, struct zkt_ip *out);
/** Writes an address as RFC 5952 has it; IPv4 with its dots. */
void zkt__ip_format(const struct zkt_ip *ip, char out[ZKT_IP_TEXT]);
/** Returns true for 127.0.0.0/8 and ::1. */
bool zkt__ip_is_loopback(const struct zkt_ip *ip);

/**
 * Returns the text that an address is counted by: the network of 64 bits of an
 * IPv6 address, since a host has all addresses of its network; IPv4 for an
 * IPv4-mapped address; other texts as they are. It is @text or @out.
 */
const char *zkt__ip_network(const char *text, char out[ZKT_IP_TEXT]);

/* The addresses that have the first bits of one of them. */
struct zkt_network {
    struct zkt_ip first;
    uint8_t bits; /* 0 to 128; 96 more than for IPv4 */
};

/** Parses `10.0.0.0/8`, or an address, which is a network of its own. Returns
 * false if @text is neither, or the address has bits behind those. */
bool zkt__network_parse(struct zkt_str text, struct zkt_network *out);
/** Returns true if the network has the address. */
bool zkt__network_has(const struct zkt_network *network,
                      const struct zkt_ip *ip);

#endif
