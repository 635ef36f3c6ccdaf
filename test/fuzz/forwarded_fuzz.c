/*
 * Any words of proxies. The first byte selects what the rest is: the value of
 * X-Forwarded-For or of Forwarded, to which a trusted proxy has added its
 * client; fields; or a header of the PROXY protocol, in pieces of a length. No
 * client changes what a proxy adds, and a header is the same in pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/forwarded.h"
#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct zkt_proxies *proxies;

static struct zkt_forwarded read_fields(enum zkt_forwarded_by by,
                                        struct zkt_str fields)
{
    struct zkt_forwarded out;
    zkt__forwarded_read(by, proxies, fields, &out);
    if (out.host.data != NULL) {
        require(out.host.data >= fields.data &&
                out.host.data + out.host.len <= fields.data + fields.len);
    }
    return out;
}

/* Adds to the value of a client as a proxy does: to its line, or in one of its
 * own. */
static void add_to(enum zkt_forwarded_by by, const char *name,
                   const char *client, bool line, const uint8_t *data,
                   size_t size)
{
    char *fields = malloc(size + 256);
    struct zkt_ip ip;
    int len = sprintf(fields, "%s: ", name);
    for (size_t i = 0; i < size; i++) { /* as the reader lets them through */
        fields[len++] = data[i] == '\r' || data[i] == '\n' || data[i] == 0
                            ? ' '
                            : (char)data[i];
    }
    if (line) {
        len += sprintf(fields + len, "\r\n%s: %s\r\n", name, client);
    } else {
        len += sprintf(fields + len, ", %s\r\n", client);
    }
    const struct zkt_forwarded out = read_fields(
        by, (struct zkt_str){ fields, (size_t)len });
    require(zkt__ip_parse(ZKT_STR("2001:db8::9"), &ip));
    require(out.has_ip && memcmp(&out.ip, &ip, sizeof(ip)) == 0);
    free(fields);
}

/* Returns the number of bytes that were taken, or -1. */
static int read_header(const uint8_t *data, size_t size, size_t cut,
                       struct zkt_proxy_header *header)
{
    size_t at = 0, wanted;
    *header = (struct zkt_proxy_header){ .have = 0 };
    while (at < size && (wanted = zkt__proxy_header_wants(header)) > 0) {
        size_t n = wanted < cut ? wanted : cut;
        n = n < size - at ? n : size - at;
        if (!zkt__proxy_header_take(header, data + at, n)) {
            return -1;
        }
        at += n;
    }
    return (int)at;
}

static void check_header(const uint8_t *data, size_t size, size_t cut)
{
    struct zkt_proxy_header whole, pieces;
    struct zkt_ip a, b;
    const int taken = read_header(data, size, size, &whole);
    require(taken == read_header(data, size, cut, &pieces));
    require(taken <= ZKT_PROXY_FIXED + ZKT_PROXY_MAX);
    if (taken >= 0 && zkt__proxy_header_wants(&whole) == 0) {
        const bool told = zkt__proxy_header_client(&whole, &a);
        require(told == zkt__proxy_header_client(&pieces, &b));
        require(!told || memcmp(&a, &b, sizeof(a)) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (proxies == NULL) {
        proxies = zkt__proxies_new(&zkt__allocator_default,
                                   "10.0.0.0/8, fd00::/8");
    }
    if (size < 1) {
        return 0;
    }
    const bool line = (data[0] & 4) != 0;
    const enum zkt_forwarded_by by = line ? ZKT_FORWARDED_BY_FORWARDED
                                          : ZKT_FORWARDED_BY_X_FORWARDED_FOR;
    switch (data[0] & 3) {
    case 0:
        add_to(ZKT_FORWARDED_BY_X_FORWARDED_FOR, "X-Forwarded-For",
               "2001:db8::9", line, data + 1, size - 1);
        break;
    case 1:
        add_to(ZKT_FORWARDED_BY_FORWARDED, "Forwarded",
               "for=\"[2001:db8::9]:80\";proto=https", line, data + 1,
               size - 1);
        break;
    case 2:
        (void)read_fields(by,
                          (struct zkt_str){ (const char *)data + 1, size - 1 });
        break;
    default:
        check_header(data + 1, size - 1, 1 + (data[0] >> 3));
        break;
    }
    return 0;
}
