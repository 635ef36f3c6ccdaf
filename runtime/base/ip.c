/* See ip.h. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    V4 = 12 /* where an address of IPv4 begins */
};

_Static_assert(ZKT_IP_TEXT == INET6_ADDRSTRLEN, "room for any address");

static const uint8_t v4_prefix[V4] = { [10] = 0xff, [11] = 0xff };

static bool is_v4(const struct zkt_ip *ip)
{
    return memcmp(ip->bytes, v4_prefix, V4) == 0;
}

bool zkt__ip_parse(struct zkt_str text, struct zkt_ip *out)
{
    char copy[ZKT_IP_TEXT];
    if (text.len == 0 || text.len >= sizeof(copy) ||
        memchr(text.data, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (memchr(copy, ':', text.len) != NULL) {
        return inet_pton(AF_INET6, copy, out->bytes) == 1;
    }
    memcpy(out->bytes, v4_prefix, V4);
    return inet_pton(AF_INET, copy, out->bytes + V4) == 1;
}

void zkt__ip_format(const struct zkt_ip *ip, char out[ZKT_IP_TEXT])
{
    const bool v4 = is_v4(ip);
    /* It has room for any address, so this cannot fail. */
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, ip->bytes + (v4 ? V4 : 0), out,
                    ZKT_IP_TEXT);
}

bool zkt__ip_is_loopback(const struct zkt_ip *ip)
{
    static const struct zkt_ip v6 = { { [15] = 1 } };
    return (is_v4(ip) && ip->bytes[V4] == 127) ||
           memcmp(ip, &v6, sizeof(v6)) == 0;
}

/* ---- networks ---- */

const char *zkt__ip_network(const char *text, char out[ZKT_IP_TEXT])
{
    struct zkt_ip ip;
    if (strchr(text, ':') == NULL || !zkt__ip_parse(zkt_cstr(text), &ip)) {
        return text;
    }
    if (!is_v4(&ip)) {
        memset(ip.bytes + 8, 0, 8);
    }
    zkt__ip_format(&ip, out);
    return out;
}

/* Parses a decimal number from 0 to @most, without a sign or a leading zero.
 * Returns -1 if @text is none. */
static int parse_bits(struct zkt_str text, int most)
{
    int value = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && *text.data == '0')) {
        return -1;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    return value <= most ? value : -1;
}

/* The bits of byte @i that are among the first @bits. */
static uint8_t mask_of(uint8_t bits, unsigned i)
{
    const unsigned before = 8 * i;
    return bits >= before + 8 ? 0xff
           : bits <= before   ? 0
                              : (uint8_t)(0xff00 >> (bits - before));
}

bool zkt__network_parse(struct zkt_str text, struct zkt_network *out)
{
    const char *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    const size_t len = slash != NULL ? (size_t)(slash - text.data) : text.len;
    out->bits = 128;
    if (!zkt__ip_parse((struct zkt_str){ text.data, len }, &out->first)) {
        return false;
    }
    if (slash != NULL) {
        const bool v4 = memchr(text.data, ':', len) == NULL;
        const int bits = parse_bits(
            (struct zkt_str){ slash + 1, text.len - len - 1 }, v4 ? 32 : 128);
        if (bits < 0) {
            return false;
        }
        out->bits = (uint8_t)(bits + (v4 ? 8 * V4 : 0));
    }
    for (unsigned i = 0; i < sizeof(out->first.bytes); i++) {
        if ((out->first.bytes[i] & ~mask_of(out->bits, i) & 0xff) != 0) {
            return false;
        }
    }
    return true;
}

bool zkt__network_has(const struct zkt_network *network,
                      const struct zkt_ip *ip)
{
    for (unsigned i = 0; i < sizeof(ip->bytes); i++) {
        if (((network->first.bytes[i] ^ ip->bytes[i]) &
             mask_of(network->bits, i)) != 0) {
            return false;
        }
    }
    return true;
}
