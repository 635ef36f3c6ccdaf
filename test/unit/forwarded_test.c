/*
 * Whom proxies speak for: chains of proxies, and what clients put into the
 * fields themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "http/forwarded.h"
#include "http/request.h"

/* Writes `address host`, each "-" if it is not told, and " tls". */
static void read_fields(enum zkt_forwarded_by by, const char *fields, char *out,
                        size_t size)
{
    struct zkt_proxies *proxies = zkt__proxies_new(
        &zkt__allocator_default, "10.0.0.0/8, 192.0.2.1, ::1, fd00::/8, unix");
    struct zkt_forwarded f;
    char address[ZKT_IP_TEXT] = "-";
    assert_non_null(proxies);
    zkt__forwarded_read(by, proxies, zkt_cstr(fields), &f);
    if (f.has_ip) {
        zkt__ip_format(&f.ip, address);
    }
    if (f.host.data == NULL) {
        f.host = ZKT_STR("-");
    }
    snprintf(out, size, "%s %.*s%s", address, ZKT_ARG(f.host),
             f.secure ? " tls" : "");
    zkt__release(&zkt__allocator_default, proxies);
}

struct row {
    const char *fields, *told;
};

static void check(enum zkt_forwarded_by by, const struct row *rows,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char told[256];
        read_fields(by, rows[i].fields, told, sizeof(told));
        if (strcmp(told, rows[i].told) != 0) {
            fail_msg("'%s', not '%s': %s", told, rows[i].told, rows[i].fields);
        }
    }
}

#define FOR  "X-Forwarded-For: "
#define HOST "X-Forwarded-Host: "
#define TLS  "X-Forwarded-Proto: "
#define END  "\r\n"

static void test_x_forwarded_for(void **state)
{
    static const struct row rows[] = {
        { "", "- -" },
        { "Forwarded: for=203.0.113.7" END, "- -" },
        { FOR END, "- -" },
        { FOR "203.0.113.7" END, "203.0.113.7 -" },
        { "x-forwarded-FOR:203.0.113.7" END, "203.0.113.7 -" },
        { FOR "2001:db8::7" END, "2001:db8::7 -" },
        { FOR "203.0.113.7:4711" END, "203.0.113.7 -" },
        { FOR "[2001:db8::7]:4711" END, "2001:db8::7 -" },
        { FOR "[2001:db8::7]" END, "2001:db8::7 -" },
        /* the client's own word is left of its address */
        { FOR "127.0.0.1, 203.0.113.7" END, "203.0.113.7 -" },
        { FOR "10.0.0.5, 203.0.113.7" END, "203.0.113.7 -" },
        { FOR "\"10.0.0.5, 203.0.113.7" END, "203.0.113.7 -" },
        { FOR "10.0.0.5" END FOR "203.0.113.7" END, "203.0.113.7 -" },
        { FOR "203.0.113.7" END FOR "10.0.0.5" END, "203.0.113.7 -" },
        { FOR "203.0.113.7" END "X: 1" END FOR END, "203.0.113.7 -" },
        /* past trusted hops */
        { FOR "1.1.1.1, 203.0.113.7, 10.0.0.5,192.0.2.1" END, "203.0.113.7 -" },
        { FOR "203.0.113.7, [fd00::1]:80, ::ffff:10.1.1.1" END,
          "203.0.113.7 -" },
        { FOR "10.0.0.6, 10.0.0.5" END, "10.0.0.6 -" },
        { FOR ", ,203.0.113.7 ,, 10.0.0.5 , " END, "203.0.113.7 -" },
        /* what is no address ends the reading */
        { FOR "unknown" END, "- -" },
        { FOR "203.0.113.7, unknown" END, "- -" },
        { FOR "203.0.113.7, unknown, 10.0.0.5" END, "10.0.0.5 -" },
        { FOR "203.0.113.7, 10.0.0.256, 10.0.0.5" END, "10.0.0.5 -" },
        { FOR "203.0.113.7, 10.0.0.5:, 10.0.0.6" END, "10.0.0.6 -" },
        { FOR "203.0.113.7:1:2" END, "- -" },
        { FOR "[203.0.113.7]" END, "- -" },
        { FOR "[2001:db8::7" END, "- -" },
        { FOR "[2001:db8::7]4711" END, "- -" },
        { FOR "[2001:db8::7]:" END, "- -" },
        { FOR "[]" END, "- -" },
        { FOR "[" END, "- -" },
        { FOR ":" END, "- -" },
        { FOR "203.0.113.7:80 80" END, "- -" },
        { FOR "fe80::1%eth0" END, "- -" },
        /* host and protocol */
        { FOR "203.0.113.7" END HOST "a.org" END TLS "https" END,
          "203.0.113.7 a.org tls" },
        { HOST "a.org:8443" END TLS "WSS" END, "- a.org:8443 tls" },
        { TLS "http" END, "- -" },
        { FOR "203.0.113.7" END HOST "evil.com, a.org" END,
          "203.0.113.7 a.org" },
        { FOR "1.1.1.1, 203.0.113.7" END HOST "evil.com, a.org" END TLS
              "https, http" END,
          "203.0.113.7 a.org" },
        /* two proxies that append, and two that replace */
        { FOR "203.0.113.7, 10.0.0.5" END HOST "evil.com, a.org, in.org" END TLS
              "https, http" END,
          "203.0.113.7 a.org tls" },
        { FOR "203.0.113.7, 10.0.0.5" END HOST "a.org" END TLS "https" END,
          "203.0.113.7 a.org tls" },
        /* a client within the network of the proxies */
        { FOR "10.0.0.9" END HOST "evil.com, a.org" END, "10.0.0.9 a.org" },
    };
    (void)state;
    check(ZKT_FORWARDED_BY_X_FORWARDED_FOR, rows,
          sizeof(rows) / sizeof(rows[0]));
}

#define F "Forwarded: "

static void test_forwarded(void **state)
{
    static const struct row rows[] = {
        { "", "- -" },
        { FOR "203.0.113.7" END, "- -" },
        { F "for=203.0.113.7" END, "203.0.113.7 -" },
        { F "For=203.0.113.7;Proto=https;Host=a.org;by=10.0.0.1" END,
          "203.0.113.7 a.org tls" },
        { F "for=203.0.113.7; host=\"a.org:8443\" ;proto=\"http\"" END,
          "203.0.113.7 a.org:8443" },
        { F "for=\"203.0.113.7:4711\"" END, "203.0.113.7 -" },
        { F "for=\"[2001:db8::7]\"" END, "2001:db8::7 -" },
        { F "for=\"[2001:db8::7]:4711\"" END, "2001:db8::7 -" },
        { F "for=\"[2001:db8::7]:_port-1\"" END, "2001:db8::7 -" },
        { F "for=203.0.113.7;secret=\"x,y;z\"" END, "203.0.113.7 -" },
        /* the client's own word */
        { F "for=127.0.0.1, for=203.0.113.7" END, "203.0.113.7 -" },
        { F "for=10.0.0.1;host=evil.com, for=203.0.113.7;host=a.org" END,
          "203.0.113.7 a.org" },
        { F "for=10.0.0.1" END F "for=203.0.113.7" END, "203.0.113.7 -" },
        { F "for=\"10.0.0.1, for=203.0.113.7" END, "203.0.113.7 -" },
        { F "for=\"10.0.0.1, for=\"[2001:db8::7]\"" END, "2001:db8::7 -" },
        { F "for=\"\\\", for=\"[2001:db8::7]\"" END, "2001:db8::7 -" },
        { F "for=\\, for=203.0.113.7" END, "203.0.113.7 -" },
        { F ";;;, for=203.0.113.7" END, "203.0.113.7 -" },
        /* past trusted hops */
        { F "for=1.1.1.1, for=203.0.113.7;host=a.org;proto=https,"
            "for=10.0.0.5;host=in.org;proto=http" END,
          "203.0.113.7 a.org tls" },
        { F "for=203.0.113.7, for=10.0.0.5;host=a.org;proto=https" END,
          "203.0.113.7 a.org tls" },
        { F "for=10.0.0.6, for=\"[fd00::1]\"" END, "10.0.0.6 -" },
        /* hidden clients, and mistakes */
        { F "for=unknown;host=a.org" END, "- a.org" },
        { F "for=_hidden, for=10.0.0.5" END, "10.0.0.5 -" },
        { F "for=1.1.1.1, for=_SEVKISEK;proto=https" END, "- - tls" },
        { F "host=a.org" END, "- a.org" },
        { F "for=203.0.113.7, host=a.org" END, "- a.org" },
        { F "for" END, "- -" },
        { F "for=" END, "- -" },
        { F "for=\"\"" END, "- -" },
        { F "=203.0.113.7" END, "- -" },
        { F "for =203.0.113.7" END, "- -" },
        { F "for=203.0.113.7;for=1.1.1.1" END, "- -" },
        { F "for=203.0.113.7;host=a;host=b" END, "- -" },
        { F "for=\"203.0.113.7\"x" END, "- -" },
        { F "for=203.0.113.7\"" END, "- -" },
        { F "for=\"203.0\\.113.7\"" END, "- -" },
        { F "for=203.0.113.7;" END, "203.0.113.7 -" },
        { F "for=203.0.113.7;;" END, "- -" },
        { F "for=2001:db8::7" END, "2001:db8::7 -" }, /* tolerated */
    };
    (void)state;
    check(ZKT_FORWARDED_BY_FORWARDED, rows, sizeof(rows) / sizeof(rows[0]));
}

/* A chain of proxies has an end: the hop there is taken for the client. */
static void test_long_chains(void **state)
{
    char fields[8192], told[256];
    (void)state;
    for (int i = ZKT_FORWARDED_HOPS - 2; i < ZKT_FORWARDED_HOPS + 3; i++) {
        int len = snprintf(fields, sizeof(fields), FOR "203.0.113.7");
        for (int hop = i; hop > 0; hop--) {
            len += snprintf(fields + len, sizeof(fields) - (size_t)len,
                            ",10.0.0.%d", hop);
        }
        snprintf(fields + len, sizeof(fields) - (size_t)len, END);
        read_fields(ZKT_FORWARDED_BY_X_FORWARDED_FOR, fields, told,
                    sizeof(told));
        assert_string_equal(told, i <= ZKT_FORWARDED_HOPS ? "203.0.113.7 -"
                                                          : "10.0.0.33 -");
    }
    /* one in each line */
    int len = 0;
    for (int i = 0; i < ZKT_HTTP_FIELDS_MAX; i++) {
        len += snprintf(fields + len, sizeof(fields) - (size_t)len,
                        F "for=10.0.0.%d" END, i);
    }
    read_fields(ZKT_FORWARDED_BY_FORWARDED, fields, told, sizeof(told));
    assert_string_equal(told, "10.0.0.67 -");
}

static void test_options(void **state)
{
    static const struct {
        const char *list, *bad;
    } table[] = {
        { NULL, "" },
        { "", "" },
        { "unix, 127.0.0.1,::1 , 10.0.0.0/8", "" },
        { "10.0.0.1/8", "10.0.0.1/8" },
        { "127.0.0.1, proxy.example.org", "proxy.example.org" },
        { "UNIX", "UNIX" },
        { "*", "*" },
    };
    struct zkt_ip ip;
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct zkt_str bad = zkt__proxies_find_bad(table[i].list);
        assert_true(zkt_str_eq(bad, zkt_cstr(table[i].bad)));
    }
    struct failing_alloc memory;
    failing_alloc_init(&memory, 1);
    assert_null(zkt__proxies_new(&memory.allocator, "::1"));
    struct zkt_proxies *proxies = zkt__proxies_new(&memory.allocator,
                                                   "::1, 10.0.0.0/8");
    assert_non_null(proxies);
    assert_false(proxies->unix_sockets);
    assert_true(zkt__ip_parse(ZKT_STR("10.9.9.9"), &ip));
    assert_true(zkt__proxies_trust(proxies, &ip));
    assert_true(zkt__ip_parse(ZKT_STR("::2"), &ip));
    assert_false(zkt__proxies_trust(proxies, &ip));
    zkt__release(&memory.allocator, proxies);
    assert_int_equal(memory.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x_forwarded_for),
        cmocka_unit_test(test_forwarded),
        cmocka_unit_test(test_long_chains),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
