/* The reader of requests: http_cases.def, whole and in pieces; each byte at
 * each place; limits; memory that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "http/head.h"
#include "http/request.h"
#include "http_cases.h"

static const struct zkt_http_limits limits = { 2048, 64 };

/* The outcome of a stream; see http_cases.def. */
struct outcome {
    char text[4096];
    size_t len;
    bool over;
};

static void say(struct outcome *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(o->text + o->len, sizeof(o->text) - o->len, format,
                            args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(o->text) - o->len);
    o->len += (size_t)n;
}

static void say_request(struct outcome *o, const struct zkt_http_reader *r)
{
    static const char *const names[] = {
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"
    };
    struct zkt_http_request request;
    zkt__http_get(r, &request);
    say(o, "%s%s%.*s", o->len > 0 ? " " : "", names[request.method],
        ZKT_ARG(request.path));
    if (request.body.len > 0) {
        say(o, "=%.*s", ZKT_ARG(request.body));
    }
    if (request.host.data == NULL) {
        say(o, "@?");
    } else if (!zkt_str_eq(request.host, ZKT_STR("x"))) {
        say(o, "@%.*s", ZKT_ARG(request.host));
    }
    say(o, "%s%s", request.asks_websocket ? "^" : "",
        request.keeps_alive ? "" : "$");
}

/* Feeds @len bytes, and adds to the outcome. */
static void feed(struct outcome *o, struct zkt_http_reader **r,
                 const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && !o->over) {
        size_t used = 0;
        if (*r == NULL) {
            *r = zkt__http_reader_new(&zkt__allocator_default, limits);
        }
        /* A copy, so that reading past its end is noticed. */
        uint8_t *copy = malloc(len - at);
        memcpy(copy, bytes + at, len - at);
        assert_true(
            zkt__http_read(&zkt__allocator_default, r, copy, len - at, &used));
        free(copy);
        assert_true(used <= len - at);
        at += used;
        const enum zkt_http_stage stage = zkt__http_stage(*r);
        if (stage == ZKT_HTTP_REFUSED) {
            say(o, "%s%d", o->len > 0 ? " " : "", zkt__http_refusal(*r));
            o->over = true;
        } else if (stage == ZKT_HTTP_COMPLETE) {
            say_request(o, *r);
            zkt__http_reader_free(&zkt__allocator_default, *r);
            *r = NULL;
        } else {
            assert_true(used > 0);
        }
    }
}

static void read_stream(struct outcome *o, const char *bytes, size_t len,
                        size_t first, size_t cut)
{
    struct zkt_http_reader *r = NULL;
    o->len = 0;
    o->text[0] = '\0';
    o->over = false;
    feed(o, &r, bytes, first);
    for (size_t at = first; at < len; at += cut) {
        feed(o, &r, bytes + at, len - at < cut ? len - at : cut);
    }
    size_t memory;
    if (!o->over && r != NULL &&
        (zkt__http_received(r, &memory) > 0 || bytes[len - 1] == '\r')) {
        say(o, "%s...", o->len > 0 ? " " : "");
    }
    zkt__http_reader_free(&zkt__allocator_default, r);
}

/* Returns false if the outcome is another, which it prints. */
static bool has_outcome(const char *bytes, size_t len, const char *expected,
                        size_t first, size_t cut)
{
    struct outcome o;
    read_stream(&o, bytes, len, first, cut);
    if (strcmp(o.text, expected) == 0) {
        return true;
    }
    print_error("'%s', not '%s', cut at %zu, then by %zu: %.*s\n", o.text,
                expected, first, cut, len < 400 ? (int)len : 400, bytes);
    return false;
}

static void expect(const char *bytes, size_t len, const char *expected,
                   size_t cut)
{
    assert_true(has_outcome(bytes, len, expected, 0, cut));
}

static void test_cases(void **state)
{
    size_t wrong = 0;
    (void)state;
    for (size_t i = 0; i < HTTP_CASES; i++) {
        const size_t len = http_cases[i].len;
        bool good = has_outcome(http_cases[i].bytes, len, http_cases[i].outcome,
                                0, 1);
        for (size_t first = 0; first <= len && good; first++) {
            good = has_outcome(http_cases[i].bytes, len, http_cases[i].outcome,
                               first, len);
        }
        wrong += !good;
    }
    assert_int_equal(wrong, 0);
}

/* ---- each byte at each place ---- */

static bool is_token(int c)
{
    return zkt__head_token[c] != 0 || c == ':'; /* the end of the name */
}

static bool is_in_value(int c) /* RFC 9110, section 5.5 */
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool is_in_path(int c) /* what is not to be encoded, and what is often
                                 not */
{
    return c > ' ' && c < 0x7f && c != '#';
}

static bool is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* @before and @after surround a byte that is refused unless @good. */
static void try_each_byte(const char *before, const char *after,
                          bool (*good)(int c))
{
    for (int c = 0; c < 256; c++) {
        char bytes[256];
        struct outcome o;
        const int len = snprintf(bytes, sizeof(bytes), "%s?%s", before, after);
        bytes[strlen(before)] = (char)c;
        for (size_t cut = 1; cut < 300; cut += 256) {
            read_stream(&o, bytes, (size_t)len, 0, cut);
            if (good(c) != (strcmp(o.text, "400") != 0)) {
                fail_msg("byte %d: '%s': %s", c, o.text, bytes);
            }
        }
    }
}

static void test_each_byte(void **state)
{
    (void)state;
    try_each_byte("GET / HTTP/1.1\r\nHost: x\r\nX", "Y: y\r\n\r\n", is_token);
    try_each_byte("GET / HTTP/1.1\r\nHost: x\r\nX: a", "b\r\n\r\n",
                  is_in_value);
    try_each_byte("GET /a", "b HTTP/1.1\r\nHost: x\r\n\r\n", is_in_path);
    try_each_byte("GET / HTTP/1.1\r\nHost: x\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n",
                  "\r\n", is_hex);
}

/* ---- limits ---- */

static void repeat(char *to, const char *piece, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to = stpcpy(to, piece);
    }
}

static void test_limits(void **state)
{
    static char bytes[200000], fields[100000];
    (void)state;
    /* A head of the limit, and of a byte more. */
    for (size_t more = 0; more < 2; more++) {
        const int len = snprintf(bytes, sizeof(bytes),
                                 "GET / HTTP/1.1\r\nHost: x\r\nX: %0*d\r\n\r\n",
                                 (int)(limits.head - 32 + more), 0);
        assert_int_equal(len, limits.head + more);
        expect(bytes, (size_t)len, more > 0 ? "431" : "GET/", 1);
        expect(bytes, (size_t)len, more > 0 ? "431" : "GET/", 4096);
    }
    /* As many fields as there may be, with Host, and more. */
    for (size_t count = 99; count < 101; count++) {
        repeat(fields, "X: y\r\n", count);
        const int len = snprintf(bytes, sizeof(bytes),
                                 "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
        expect(bytes, (size_t)len, count > 99 ? "431" : "GET/", 4096);
    }
}

/* Small chunks are as many as the body has bytes; what stands around them is
 * little. */
static void test_chunk_limits(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: x\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    static char bytes[200000], middle[100000];
    (void)state;
    repeat(middle, "1\r\nx\r\n", limits.body);
    int len = snprintf(bytes, sizeof(bytes), "%s%s0\r\n\r\n", head, middle);
    char expected[100] = "POST/=";
    memset(expected + 6, 'x', limits.body);
    expect(bytes, (size_t)len, expected, 7);
    for (int more = 0; more < 2; more++) {
        const int size = 16 * 1024 + (more > 0 ? 10 : -40);
        len = snprintf(bytes, sizeof(bytes), "%s1;a=%0*d\r\nx\r\n0\r\n\r\n",
                       head, size, 0);
        expect(bytes, (size_t)len, more > 0 ? "400" : "POST/=x", 4096);
        len = snprintf(bytes, sizeof(bytes), "%s0\r\nX: %0*d\r\n\r\n", head,
                       size, 0);
        expect(bytes, (size_t)len, more > 0 ? "400" : "POST/", 4096);
        len = snprintf(bytes, sizeof(bytes), "%s%0*d\r\n\r\n", head, size, 0);
        expect(bytes, (size_t)len, more > 0 ? "400" : "POST/", 1);
    }
}

/* ---- the request ---- */

static void test_the_parts_of_a_request(void **state)
{
    static const char text[] =
        "GET /a/b?c=d?e HTTP/1.1\r\nHost: x\r\nOrigin:  http://y \r\n"
        "Sec-WebSocket-Protocol: a\r\nX: 1\r\nsec-websocket-protocol: b, c\r\n"
        "Content-Length: 2\r\nExpect: 100-continue\r\n\r\nhi";
    const struct zkt_allocator *allocator = &zkt__allocator_default;
    struct zkt_http_reader *r = zkt__http_reader_new(allocator, limits);
    struct zkt_http_request request;
    struct zkt_str name, value;
    size_t used, memory;
    int fields = 0;
    (void)state;
    assert_true(zkt__http_read(allocator, &r, (const uint8_t *)text,
                               sizeof(text) - 1, &used));
    assert_int_equal(zkt__http_stage(r), ZKT_HTTP_READING_BODY);
    assert_int_equal(used, sizeof(text) - 3);
    assert_int_equal(zkt__http_received(r, &memory), used);
    assert_true(memory > used);
    zkt__http_get(r, &request);
    assert_true(request.expects_continue && request.keeps_alive);
    assert_int_equal(request.body.len, 0);
    assert_true(
        zkt__http_read(allocator, &r, (const uint8_t *)text + used, 2, &used));
    assert_int_equal(used, 2);
    zkt__http_get(r, &request);
    assert_true(zkt_str_eq(request.target, ZKT_STR("/a/b?c=d?e")));
    assert_true(zkt_str_eq(request.path, ZKT_STR("/a/b")));
    assert_true(zkt_str_eq(request.query, ZKT_STR("c=d?e")));
    assert_true(zkt_str_eq(request.host, ZKT_STR("x")));
    assert_true(zkt_str_eq(request.body, ZKT_STR("hi")));
    assert_true(zkt_str_eq(zkt__http_value(&request, ZKT_HTTP_FIELD_ORIGIN),
                           ZKT_STR("http://y")));
    assert_true(zkt__http_has(&request, ZKT_HTTP_FIELD_WS_PROTOCOL, "C"));
    assert_false(zkt__http_has(&request, ZKT_HTTP_FIELD_WS_PROTOCOL, "d"));
    assert_null(zkt__http_value(&request, ZKT_HTTP_FIELD_UPGRADE).data);
    while (zkt__http_next_field(&request.fields, &name, &value)) {
        fields++;
    }
    assert_int_equal(fields, 7);
    /* Nothing of a further request is taken. */
    assert_true(zkt__http_read(allocator, &r, (const uint8_t *)"G", 1, &used));
    assert_int_equal(used, 0);
    zkt__http_reader_free(allocator, r);
}

static void test_failing_memory(void **state)
{
    static char text[3000];
    const int len = snprintf(text, sizeof(text),
                             "POST / HTTP/1.1\r\nHost: x\r\nX: %01500d\r\n"
                             "Content-Length: 60\r\n\r\n%060d",
                             0, 0);
    struct failing_alloc failing;
    (void)state;
    for (long n = 0; n < 4; n++) {
        bool good = true;
        failing_alloc_init(&failing, n);
        struct zkt_http_reader *r = zkt__http_reader_new(&failing.allocator,
                                                         limits);
        for (int at = 0; r != NULL && good && at < len;) {
            size_t used;
            good = zkt__http_read(&failing.allocator, &r,
                                  (const uint8_t *)text + at, 1, &used);
            at += 1;
        }
        if (n == 0) {
            assert_int_equal(zkt__http_stage(r), ZKT_HTTP_COMPLETE);
        } else if (failing.calls >= n) {
            assert_true(r == NULL || !good);
        }
        zkt__http_reader_free(&failing.allocator, r);
        assert_int_equal(failing.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_each_byte),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_chunk_limits),
        cmocka_unit_test(test_the_parts_of_a_request),
        cmocka_unit_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
