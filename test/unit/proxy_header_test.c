/*
 * Headers of the PROXY protocol, version 2: whole and cut at every byte, and
 * what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xcb\0\x71\x09\x0a\0\0\x01\x12\x34\x0b\xb8"
#define V6_FROM   "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"
#define V6_TO     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define PORTS     "\x12\x34\x0b\xb8"

/* Reads a header in pieces of @cut. Writes the client, "-" for none, or "bad"
 * with the number of bytes that have shown it. */
static void read_header(const char *bytes, size_t len, size_t cut, char *out,
                        size_t size)
{
    struct zkt_proxy_header header = { .have = 0 };
    struct zkt_ip ip;
    size_t at = 0, wanted;
    while (at < len && (wanted = zkt__proxy_header_wants(&header)) > 0) {
        size_t n = wanted < cut ? wanted : cut;
        n = n < len - at ? n : len - at;
        if (!zkt__proxy_header_take(&header, (const uint8_t *)bytes + at, n)) {
            snprintf(out, size, "bad %zu", at + n);
            return;
        }
        at += n;
    }
    if (zkt__proxy_header_wants(&header) > 0) {
        snprintf(out, size, "more");
        return;
    }
    char address[ZKT_IP_TEXT] = "-";
    if (zkt__proxy_header_client(&header, &ip)) {
        zkt__ip_format(&ip, address);
    }
    snprintf(out, size, "%s +%zu", address, len - at);
}

static void test_headers(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *told;
    } table[] = {
#define ROW(bytes, told) { bytes, sizeof(bytes) - 1, told }
        ROW(SIGNATURE "\x21\x11\0\x0c" V4, "203.0.113.9 +0"),
        ROW(SIGNATURE "\x21\x12\0\x0c" V4 "GET", "203.0.113.9 +3"),
        ROW(SIGNATURE "\x21\x11\0\x0f" V4 "tlvGET", "203.0.113.9 +3"),
        ROW(SIGNATURE "\x21\x21\0\x24" V6_FROM V6_TO PORTS, "2001:db8::9 +0"),
        ROW(SIGNATURE "\x21\x21\0\x26" V6_FROM V6_TO PORTS "xyz",
            "2001:db8::9 +1"),
        ROW(SIGNATURE "\x20\0\0\0GET", "- +3"),
        ROW(SIGNATURE "\x20\x11\0\x0c" V4, "- +0"),
        ROW(SIGNATURE "\x20\xff\0\x02xyGET", "- +3"), /* to be skipped */
        ROW(SIGNATURE "\x21\0\0\x03xyzGET", "- +3"),
        ROW("", "more"),
        ROW(SIGNATURE, "more"),
        ROW(SIGNATURE "\x21\x11\0\x0c", "more"),
        ROW("GET / HTTP/1.1\r\n\r\n", "bad 1"),
        ROW("\r\n\r\nGET / HTTP/1.1\r\n\r\n", "bad 5"),
        ROW("PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n", "bad 1"),
        ROW("\x16\x03\x01\x02\0\x01", "bad 1"),
        ROW(SIGNATURE "\x11\x11\0\x0c" V4, "bad 13"), /* version 1 */
        ROW(SIGNATURE "\x22\x11\0\x0c" V4, "bad 13"),
        ROW(SIGNATURE "\x21\x10\0\x0c" V4, "bad 16"),
        ROW(SIGNATURE "\x21\x13\0\x0c" V4, "bad 16"),
        ROW(SIGNATURE "\x21\x41\0\x0c" V4, "bad 16"),
        ROW(SIGNATURE "\x21\x01\0\x0c" V4, "bad 16"),
        ROW(SIGNATURE "\x21\x11\0\x0b" V4, "bad 16"),
        ROW(SIGNATURE "\x21\x21\0\x23" V6_FROM V6_TO PORTS, "bad 16"),
        ROW(SIGNATURE "\x21\x31\0\xd7", "bad 16"),
        ROW(SIGNATURE "\x21\x11\x10\x01", "bad 16"), /* too long */
        ROW(SIGNATURE "\x20\0\xff\xff", "bad 16"),
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (size_t cut = 1; cut < 60; cut++) {
            char told[64];
            read_header(table[i].bytes, table[i].len, cut, told, sizeof(told));
            /* A later byte of the same read may have shown it. */
            const bool same = cut == 1 || strncmp(told, "bad", 3) != 0
                                  ? strcmp(told, table[i].told) == 0
                                  : strncmp(table[i].told, "bad", 3) == 0;
            if (!same) {
                fail_msg("row %zu, cut at %zu: '%s'", i, cut, told);
            }
        }
    }
}

/* The longest header, and paths of Unix sockets, which are skipped. */
static void test_long_headers(void **state)
{
    static char bytes[ZKT_PROXY_FIXED + ZKT_PROXY_MAX + 5];
    static const struct {
        const char *fixed;
        size_t len;
        const char *told;
    } table[] = {
        { SIGNATURE "\x21\x31\0\xd8", 216, "- +5" },
        { SIGNATURE "\x21\x11\x10\0", ZKT_PROXY_MAX, "120.120.120.120 +5" },
        { SIGNATURE "\x20\0\x10\0", ZKT_PROXY_MAX, "- +5" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (size_t cut = 1; cut <= sizeof(bytes); cut += 509) {
            char told[64];
            memset(bytes, 'x', sizeof(bytes));
            memcpy(bytes, table[i].fixed, ZKT_PROXY_FIXED);
            read_header(bytes, ZKT_PROXY_FIXED + table[i].len + 5, cut, told,
                        sizeof(told));
            assert_string_equal(told, table[i].told);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_long_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
