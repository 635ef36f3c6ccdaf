/*
 * Which origins and hosts a request may have, as texts: the defaults, the
 * options, and entries that are none. filter_test.c sends such requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/origin.h"

/* Returns the reader of a request with an Origin, or without one for NULL. */
static struct zkt_http_reader *read_request(const char *origin)
{
    char text[512];
    size_t used, at = 0;
    const int len = snprintf(
        text, sizeof(text), "GET / HTTP/1.1\r\nHost: unused\r\n%s%s%s\r\n",
        origin != NULL ? "Origin: " : "", origin != NULL ? origin : "",
        origin != NULL ? "\r\n" : "");
    struct zkt_http_reader *reader = zkt__http_reader_new(
        &zkt__allocator_default, (struct zkt_http_limits){ 1024, 0 });
    while (at < (size_t)len) {
        assert_true(zkt__http_read(&zkt__allocator_default, &reader,
                                   (const uint8_t *)text + at, (size_t)len - at,
                                   &used));
        at += used;
    }
    assert_int_equal(zkt__http_stage(reader), ZKT_HTTP_COMPLETE);
    return reader;
}

enum {
    LOOPBACK = 1,
    SECURE = 2
};

static void test_origins(void **state)
{
    static const struct {
        const char *allowed, *host, *origin;
        int way;
        bool may;
    } table[] = {
        { NULL, "example.org", NULL, 0, true },
        { NULL, "example.org", "https://example.org", 0, true },
        { NULL, "Example.org:443", "https://example.ORG", 0, true },
        { NULL, "example.org", "http://example.org:80", 0, true },
        { NULL, "example.org:80", "https://example.org", 0, false },
        { NULL, "localhost:3000", "http://localhost:3000", 0, true },
        { NULL, "localhost:3000", "http://localhost:5173", 0, false },
        { NULL, "[::1]:8", "http://[::1]:8", 0, true },
        { NULL, "[::1]:8", "http://[::2]:8", 0, false },
        { NULL, "[0:0::1]:8", "http://[::1]:8", 0, true },
        { NULL, "example.org:", "https://example.org", 0, true },
        { NULL, "example.org:", "https://example.org:444", 0, false },
        { NULL, "example.org.", "https://example.org.", 0, true },
        { NULL, "example.org.:8", "https://example.org:8", 0, true },
        { NULL, "example.org:99999", "https://example.org", 0, false },
        { NULL, "example.org", "https://example.org.evil.com", 0, false },
        { NULL, "example.org", "https://evil.com/example.org", 0, false },
        { NULL, "example.org", "https://evil.com?example.org", 0, false },
        { NULL, "example.org", "https://a@example.org", 0, false },
        { NULL, "example.org", "null", 0, false },
        { NULL, "example.org", "", 0, false },
        { NULL, "example.org", "https://", 0, false },
        { NULL, "example.org", "https://example.org:", 0, false },
        { NULL, "example.org", "https://example.org:x", 0, false },
        { NULL, "", "https://", 0, false },
        { NULL, NULL, "https://example.org", 0, false },
        /* with TLS, a page without it is somebody's on the way */
        { NULL, "example.org", "https://example.org", SECURE, true },
        { NULL, "example.org", "http://example.org", SECURE, false },
        { NULL, "example.org:80", "http://example.org", SECURE, false },
        /* a development server beside ours */
        { NULL, "localhost:3000", "http://localhost:5173", LOOPBACK, true },
        { NULL, "127.0.0.1:3000", "https://app.localhost", LOOPBACK, true },
        { NULL, "127.0.0.1:3000", "http://127.9.0.1:8080", LOOPBACK, true },
        { NULL, "localhost:3000", "http://[::1]:5173", LOOPBACK, true },
        { NULL, "localhost:3000", "http://example.org", LOOPBACK, false },
        { NULL, "localhost:3000", "http://localhost.evil.com", LOOPBACK,
          false },
        { NULL, "localhost:3000", "http://127.0.0.1.evil.com", LOOPBACK,
          false },
        { NULL, "localhost:3000", "http://evillocalhost", LOOPBACK, false },
        { NULL, "localhost:3000", "http://[::2]:5173", LOOPBACK, false },
        { NULL, "localhost:3000", "null", LOOPBACK, false },
        { "https://a.org", "localhost:3000", "http://localhost:5173", LOOPBACK,
          false },
        { "", "example.org", "https://example.org", 0, false },
        { "", "example.org", NULL, 0, true },
        { "*", "x", "null", 0, true },
        { "*", "x", "https://example.org", 0, true },
        { "null", "x", "null", 0, true },
        { "null", "x", "https://example.org", 0, false },
        { "https://a.org, null", "x", "null", 0, true },
        { "https://a.org", "x", "null", 0, false },
        { "https://a.org, https://b.org:8443", "x", "https://a.org", 0, true },
        { "https://a.org, https://b.org:8443", "x", "HTTPS://A.org:443", 0,
          true },
        { "https://a.org, https://b.org:8443", "x", "http://a.org", 0, false },
        { "https://a.org, https://b.org:8443", "x", "https://b.org", 0, false },
        { "https://a.org, https://b.org:8443", "x", "https://b.org:8443", 0,
          true },
        { "https://a.org", "x", "https://c.a.org", 0, false },
        { "https://a.org", "https://a.org", "https://x", 0, false },
        { "*.a.org", "x", "https://c.a.org", 0, true },
        { "*.a.org", "x", "http://d.C.A.org:99", 0, true },
        { "*.a.org", "x", "https://a.org", 0, false },
        { "*.a.org", "x", "https://.a.org", 0, false },
        { "*.a.org", "x", "https://ba.org", 0, false },
        { "*.a.org", "x", "https://evil.com/.a.org", 0, false },
        { "*.a.org", "x", "https://evil.com:80.a.org", 0, false },
        { "*.a.org", "x", "c.a.org", 0, false },
        { "*.a.org.", "x", "https://c.a.org", 0, true },
        { "*.a.org", "x", "https://c.a.org.", 0, true },
        { "https://[0:0::1]", "x", "https://[::1]", 0, true },
        { "https://[0:0::1]", "x", "https://[::2]", 0, false },
        { "app://a", "x", "app://a", 0, true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_http_reader *reader = read_request(table[i].origin);
        const struct zkt_origin_rules rules = { table[i].allowed, NULL };
        const struct zkt_origin_way way = {
            .host = table[i].host != NULL ? zkt_cstr(table[i].host)
                                          : (struct zkt_str){ NULL, 0 },
            .loopback = (table[i].way & LOOPBACK) != 0,
            .secure = (table[i].way & SECURE) != 0,
        };
        struct zkt_http_request request;
        enum zkt_http_cors cors;
        zkt__http_get(reader, &request);
        const bool may = zkt__origin_check(&rules, &way, &request, &cors) ==
                         ZKT_ORIGIN_ALLOWED;
        if (may != table[i].may) {
            fail_msg("origin %zu", i);
        }
        zkt__http_reader_free(&zkt__allocator_default, reader);
    }
}

static void test_hosts(void **state)
{
    static const struct {
        const char *names, *host;
        bool loopback, served;
    } table[] = {
        { NULL, "anything:80", false, true },
        { NULL, "localhost", true, true },
        { NULL, "LOCALHOST:3000", true, true },
        { NULL, "a.localhost:3000", true, true },
        { NULL, "127.0.0.1:3000", true, true },
        { NULL, "127.1.2.3", true, true },
        { NULL, "[::1]:3000", true, true },
        { NULL, "[0:0:0:0:0:0:0:1]", true, true },
        { NULL, "[::ffff:127.0.0.1]", true, true },
        { NULL, "", true, true },
        { NULL, NULL, true, true },
        { NULL, "example.org:3000", true, false },
        { NULL, "localhost.example.org", true, false },
        { NULL, "127.0.0.1.example.org", true, false },
        { NULL, "127.1", true, false },
        { NULL, "0.0.0.0:3000", true, false },
        { NULL, "[::2]", true, false },
        { NULL, "::1", true, false },
        { NULL, "localhost:x", true, false },
        { NULL, "localhost:", true, true },
        { NULL, "[::1]:", true, true },
        { NULL, "localhost.", true, true },
        { NULL, "a.localhost.:80", true, true },
        { NULL, "localhost..", true, false },
        { NULL, "localhost::", true, false },
        { NULL, ".", true, false },
        { NULL, ":", true, false },
        { NULL, "localhost:65535", true, true },
        { NULL, "localhost:65536", true, false },
        { "*", "example.org", true, true },
        { "example.org", "example.org", false, true },
        { "example.org", "EXAMPLE.org:8443", true, true },
        { "example.org", "a.example.org", false, false },
        { "example.org", "localhost", true, false },
        { "example.org", "127.0.0.1", false, false },
        { "example.org", NULL, false, true },
        { "a.org, *.b.org", "c.b.org", false, true },
        { "a.org, *.b.org", "b.org", false, false },
        { "a.org, *.b.org", "xb.org", false, false },
        { "192.0.2.1, ::1", "192.0.2.1:3000", false, true },
        { "192.0.2.1, ::1", "[::1]:3000", false, true },
        { "192.0.2.1, [::1]", "[::1]", false, true },
        { "192.0.2.1, ::1", "[::2]", false, false },
        { "192.0.2.1, ::1", "[0:0::1]", false, true },
        { "0:0::1", "[::1]:3000", false, true },
        { "192.0.2.1", "[::ffff:192.0.2.1]", false, true },
        { "example.org", "example.org.", false, true },
        { "example.org.", "example.org:", false, true },
        { "*.example.org", "a.example.org.", false, true },
        { "example.org", "example.org..", false, false },
        { "", "example.org", false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct zkt_origin_rules rules = { NULL, table[i].names };
        const struct zkt_origin_way way = {
            .host = table[i].host != NULL ? zkt_cstr(table[i].host)
                                          : (struct zkt_str){ NULL, 0 },
            .loopback = table[i].loopback,
        };
        if (zkt__origin_serves(&rules, &way) != table[i].served) {
            fail_msg("host %zu", i);
        }
    }
}

/* What the log may have of an Origin. */
static void test_shown(void **state)
{
    static const char *const table[][2] = {
        { "https://a.org:8443", "https://a.org:8443" },
        { "null", "null" },
        { "http://a.org/", "http://a.org/" },
        { "http://a.org/?token=x", "http://a.org/" },
        { "http://a.org#x", "http://a.org" },
        { "?token=x", "" },
        { "http://user:password@a.org", "" },
        { "", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct zkt_str shown = zkt__origin_shown(zkt_cstr(table[i][0]));
        if (!zkt_str_eq(shown, zkt_cstr(table[i][1]))) {
            fail_msg("'%s': '%.*s'", table[i][0], ZKT_ARG(shown));
        }
    }
}

static void test_options(void **state)
{
    static const struct {
        const char *text, *bad_origin, *bad_name;
    } table[] = {
        { NULL, "", "" },
        { "", "", "" },
        { "*", "", "" },
        { " *.b.org ", "", "" },
        { "null", "", "" }, /* a host may have that name */
        { "*,https://a.org,  *.b.org ,http://[::1]:8", "", "https://a.org" },
        { "https://a.org, b.org", "b.org", "https://a.org" },
        { "a.org, 192.0.2.1, ::1, [::1], localhost", "a.org", "" },
        { "a.org:80", "a.org:80", "a.org:80" },
        { "[::1]:80", "[::1]:80", "[::1]:80" },
        { "https://a.org/", "https://a.org/", "https://a.org/" },
        { "https://*.a.org", "https://*.a.org", "https://*.a.org" },
        { "*.*.org", "*.*.org", "*.*.org" },
        { "https://a.org:99999", "https://a.org:99999", "https://a.org:99999" },
        { "*.", "*.", "*." },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct zkt_str origin = zkt__origin_find_bad(table[i].text);
        const struct zkt_str name = zkt__origin_find_bad_name(table[i].text);
        if (!zkt_str_eq(origin, zkt_cstr(table[i].bad_origin)) ||
            !zkt_str_eq(name, zkt_cstr(table[i].bad_name))) {
            fail_msg("'%s': '%.*s', '%.*s'", table[i].text, ZKT_ARG(origin),
                     ZKT_ARG(name));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
