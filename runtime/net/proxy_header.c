/*
 * See proxy_header.h. Addresses are kept; what stands behind them, the TLVs and
 * the paths of Unix sockets, is counted and skipped.
 */
#include "net/proxy_header.h"

#include <string.h>

enum {
    COMMAND = 12, /* where it is, with the version in its upper half */
    FAMILY = 13,
    LENGTH = 14,
    LOCAL = 0x20,
    PROXY = 0x21
};

/* The upper half of the family, and its addresses. */
enum {
    UNSPEC,
    INET,
    INET6,
    UNIX
};

static const uint8_t signature[] = { '\r', '\n', '\r', '\n', 0,   '\r',
                                     '\n', 'Q',  'U',  'I',  'T', '\n' };

static size_t length_of(const struct zkt_proxy_header *header)
{
    return (size_t)header->bytes[LENGTH] << 8 | header->bytes[LENGTH + 1];
}

size_t zkt__proxy_header_wants(const struct zkt_proxy_header *header)
{
    return (header->have < ZKT_PROXY_FIXED
                ? ZKT_PROXY_FIXED
                : ZKT_PROXY_FIXED + length_of(header)) -
           header->have;
}

/* Returns true if a family of the fixed part is one, and its addresses fit into
 * the length. The lower half is the transport: a stream or datagrams. */
static bool has_addresses(const struct zkt_proxy_header *header)
{
    static const uint8_t lengths[] = {
        [INET] = 12, [INET6] = 36, [UNIX] = 216
    };
    const uint8_t family = header->bytes[FAMILY];
    const unsigned transport = family & 15;
    return family == UNSPEC ||
           (family >> 4 <= UNIX && family >> 4 != UNSPEC && transport >= 1 &&
            transport <= 2 && length_of(header) >= lengths[family >> 4]);
}

static bool is_good(const struct zkt_proxy_header *header)
{
    const uint8_t command = header->bytes[COMMAND];
    const size_t begin = header->have < sizeof(signature) ? header->have
                                                          : sizeof(signature);
    if (memcmp(header->bytes, signature, begin) != 0 ||
        (header->have > COMMAND && command != LOCAL && command != PROXY)) {
        return false;
    }
    return header->have < ZKT_PROXY_FIXED ||
           (length_of(header) <= ZKT_PROXY_MAX &&
            (command == LOCAL || has_addresses(header)));
}

bool zkt__proxy_header_take(struct zkt_proxy_header *header,
                            const uint8_t *bytes, size_t len)
{
    const size_t room = header->have < sizeof(header->bytes)
                            ? sizeof(header->bytes) - header->have
                            : 0;
    if (room > 0) {
        memcpy(header->bytes + header->have, bytes, len < room ? len : room);
    }
    header->have = (uint16_t)(header->have + len);
    return is_good(header);
}

bool zkt__proxy_header_client(const struct zkt_proxy_header *header,
                              struct zkt_ip *out)
{
    const uint8_t *source = header->bytes + ZKT_PROXY_FIXED;
    const unsigned family = header->bytes[FAMILY] >> 4;
    if (header->bytes[COMMAND] != PROXY ||
        (family != INET && family != INET6)) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    if (family == INET6) {
        memcpy(out->bytes, source, 16);
    } else {
        out->bytes[10] = out->bytes[11] = 0xff;
        memcpy(out->bytes + 12, source, 4);
    }
    return true;
}
