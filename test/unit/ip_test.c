/* Addresses and networks: texts, and what is one of what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/ip.h"

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *printed; /* NULL: none */
        bool loopback;
    } table[] = {
        { "127.0.0.1", "127.0.0.1", true },
        { "127.255.3.4", "127.255.3.4", true },
        { "128.0.0.1", "128.0.0.1", false },
        { "0.0.0.0", "0.0.0.0", false },
        { "::1", "::1", true },
        { "0:0::1", "::1", true },
        { "::", "::", false },
        { "::ffff:127.0.0.1", "127.0.0.1", true },
        { "::FFFF:c000:201", "192.0.2.1", false },
        { "2001:DB8::1", "2001:db8::1", false },
        { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false },
        { "", NULL, false },
        { "127.1", NULL, false },
        { "127.0.0.1.", NULL, false },
        { "127.0.0.01", NULL, false },
        { "127.0.0.256", NULL, false },
        { " 127.0.0.1", NULL, false },
        { "127.0.0.1:80", NULL, false },
        { "[::1]", NULL, false },
        { "::1%lo", NULL, false },
        { "fe80::1%eth0", NULL, false },
        { "::ffff:127.0.0.1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1", NULL, false },
        { "localhost", NULL, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_ip ip;
        char printed[ZKT_IP_TEXT];
        const bool good = zkt__ip_parse(zkt_cstr(table[i].text), &ip);
        if (good != (table[i].printed != NULL)) {
            fail_msg("'%s' is%s an address", table[i].text, good ? "" : " not");
        }
        if (good) {
            zkt__ip_format(&ip, printed);
            assert_string_equal(printed, table[i].printed);
            assert_int_equal(zkt__ip_is_loopback(&ip), table[i].loopback);
        }
    }
    struct zkt_ip ip;
    assert_false(zkt__ip_parse((struct zkt_str){ "::1\0", 4 }, &ip));
    assert_false(zkt__ip_parse((struct zkt_str){ NULL, 0 }, &ip));
}

static void test_networks_that_count(void **state)
{
    static const char *const table[][2] = {
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
        { "2001:db8:1:2::", "2001:db8:1:2::" },
        { "2001:DB8:1:3::1", "2001:db8:1:3::" },
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "192.0.2.1", "192.0.2.1" },
        { "::1", "::" },
        { "fe80::1%eth0", "fe80::1%eth0" },
        { "", "" },
        { "a", "a" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char network[ZKT_IP_TEXT];
        assert_string_equal(zkt__ip_network(table[i][0], network), table[i][1]);
    }
}

static void test_networks(void **state)
{
    static const struct {
        const char *network;
        const char *has[4], *lacks[4]; /* none: no network */
    } table[] = {
        { "10.0.0.0/8",
          { "10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3" },
          { "9.255.255.255", "11.0.0.0", "a00::", "::10.1.2.3" } },
        { "192.0.2.4/31", { "192.0.2.4", "192.0.2.5" }, { "192.0.2.6" } },
        { "192.0.2.4", { "192.0.2.4" }, { "192.0.2.5" } },
        { "192.0.2.4/32", { "192.0.2.4" }, { "192.0.2.5" } },
        { "0.0.0.0/0", { "0.0.0.0", "255.255.255.255" }, { "::1" } },
        { "::/0", { "::1", "10.0.0.1", "ffff::" }, { NULL } },
        { "2001:db8::/33", { "2001:db8::1" }, { "2001:db8:8000::" } },
        { "::1", { "::1" }, { "::2", "127.0.0.1" } },
        { "10.0.0.1/8", { NULL }, { NULL } },
        { "10.0.0.0/33", { NULL }, { NULL } },
        { "10.0.0.0/", { NULL }, { NULL } },
        { "10.0.0.0/08", { NULL }, { NULL } },
        { "10.0.0.0/-1", { NULL }, { NULL } },
        { "10.0.0.0/8/8", { NULL }, { NULL } },
        { "::/129", { NULL }, { NULL } },
        { "/8", { NULL }, { NULL } },
        { "", { NULL }, { NULL } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_network network;
        struct zkt_ip ip;
        const bool good = zkt__network_parse(zkt_cstr(table[i].network),
                                             &network);
        if (good != (table[i].has[0] != NULL)) {
            fail_msg("'%s' is%s a network", table[i].network,
                     good ? "" : " not");
        }
        for (size_t k = 0; k < 4 && table[i].has[k] != NULL; k++) {
            assert_true(zkt__ip_parse(zkt_cstr(table[i].has[k]), &ip));
            assert_true(zkt__network_has(&network, &ip));
        }
        for (size_t k = 0; k < 4 && table[i].lacks[k] != NULL; k++) {
            assert_true(zkt__ip_parse(zkt_cstr(table[i].lacks[k]), &ip));
            assert_false(zkt__network_has(&network, &ip));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_networks_that_count),
        cmocka_unit_test(test_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
