/*
 * The parameters of a connection: each source, each type, each mistake; and the
 * subprotocol that is selected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "server/core.h"
#include "session/parameters.h"
#include "session/request.h"

#include "gate.h"

/* Reads the parameters of a request; @out is their values, or their issues. */
static void read_request(struct zkt_host *host, const char *query,
                         const char *fields, char *out, size_t size)
{
    struct gate_input in;
    struct zkt_issues issues;
    struct zkt_arena arena;
    struct zkt_writer w;
    const struct zkt_ws_request request = {
        .query = zkt_cstr(query),
        .fields = zkt_cstr(fields),
    };
    zkt__arena_init(&arena, host->allocator);
    zkt__writer_init(&w, &zkt__allocator_default);
    zkt__issues_init(&issues, &arena, &host->rules);
    if (zkt__parameters_read(host, NULL, host->app.info->connection, &request,
                             &issues, &in)) {
        assert_int_equal(issues.total, 0);
        gate_print(&in, out, size);
    } else if (issues.no_memory) {
        snprintf(out, size, "no memory");
    } else {
        zkt__issues_write(&issues, &w);
        snprintf(out, size, "%.*s", (int)w.len, w.data);
    }
    zkt__writer_finish(&w);
    zkt__arena_finish(&arena);
}

#define T                     "x-tenant: t\r\n"
#define NO_NUMBER             ISSUE("invalid_type", "x", "expected a number")
#define NO_BOOL               ISSUE("invalid_type", "flag", "expected true or false")
#define NO_COLOR              ISSUE("invalid_value", "color", "is no value of Color")
#define NO_BYTES              ISSUE("invalid_format", "blob", "is not base64")
#define BAD(code, name, text) "[" ISSUE(code, name, text) "]"
#define ISSUE(code, name, text)                                                \
    "{\"code\":\"" code "\",\"path\":[\"" name "\"],\"message\":\"" text "\"}"

static const struct {
    const char *query, *fields, *expected;
} requests[] = {
    /* The sources, absent or not. */
    { "", T, "tenant=t locale=en" },
    { "", "X-Tenant:   a b  \r\n", "tenant=a b locale=en" },
    { "locale=de", T, "tenant=t locale=de" },
    { "a=1&&locale=de&b&=c&%zz=1", T, "tenant=t locale=de" },
    { "", T "Cookie: a=b; sid=s1; c\r\n", "sid=s1 tenant=t locale=en" },
    { "", T "cookie: sid=\"s 1\"\r\n", "sid=s 1 tenant=t locale=en" },
    { "", T "Cookie: a=b\r\nCookie: SID=no;sid=a%20b\r\n",
      "sid=a%20b tenant=t locale=en" },
    { "", T "Authorization: Bearer abc==\r\n",
      "token=abc== tenant=t locale=en" },
    { "", T "authorization: bEaReR   abc \r\n",
      "token=abc tenant=t locale=en" },
    { "", T "Authorization: Basic abc\r\n", "tenant=t locale=en" },
    { "", T "Sec-WebSocket-Protocol: zocket, bearer.a-b.c\r\n",
      "token=a-b.c tenant=t locale=en" },
    { "", T "Sec-WebSocket-Protocol: bearer64.w6kg\r\n",
      "token=\xc3\xa9  tenant=t locale=en" },
    { "", T "Sec-WebSocket-Protocol: bearer64.-_8\r\n",
      BAD("invalid_format", "token", "is not UTF-8") },
    { "", T "Sec-WebSocket-Protocol: bearer, Bearer.x, bearer65.x\r\n",
      "tenant=t locale=en" },
    { "",
      T "Authorization: Bearer \xc3\xa9\r\n"
        "Sec-WebSocket-Protocol: bearer64.w6k\r\n",
      "token=\xc3\xa9 tenant=t locale=en" },
    /* A parameter has one source only. */
    { "tenant=x&token=y&sid=z&x-tenant=a", T "locale: de\r\n",
      "tenant=t locale=en" },
    { "", "", BAD("invalid_type", "tenant", "is required") },
    { "tenant=t", "Cookie: x-tenant=t; tenant=t\r\n",
      BAD("invalid_type", "tenant", "is required") },
    /* Escapes, once. */
    { "locale=%64%65", T, "tenant=t locale=de" },
    { "loc%61le=a+b%2Bc", T, "tenant=t locale=a b+c" },
    { "locale=%2564", T, "tenant=t locale=%64" },
    { "locale=%e2%82%AC+", T, "tenant=t locale=\xe2\x82\xac " },
    { "locale=d%", T, BAD("invalid_format", "locale", "has a bad escape") },
    { "locale=d%6", T, BAD("invalid_format", "locale", "has a bad escape") },
    { "locale=d%6g", T, BAD("invalid_format", "locale", "has a bad escape") },
    { "locale=d%+6", T, BAD("invalid_format", "locale", "has a bad escape") },
    { "locale=%c3%28", T, BAD("invalid_format", "locale", "is not UTF-8") },
    { "locale=%ed%a0%80", T, BAD("invalid_format", "locale", "is not UTF-8") },
    { "", "x-tenant: \xff\r\n",
      BAD("invalid_format", "tenant", "is not UTF-8") },
    { "locale=\"%5C%0a", T, "tenant=t locale=\"\\\n" },
    /* Twice. */
    { "locale=de&locale=de", T,
      BAD("invalid_value", "locale", "is given twice") },
    { "locale=de&loc%61le=%", T,
      BAD("invalid_value", "locale", "is given twice") },
    { "locale&locale=de&locale", T,
      BAD("invalid_value", "locale", "is given twice") },
    { "", T T, BAD("invalid_value", "tenant", "is given twice") },
    { "", T "Cookie: sid=a; sid=a\r\n",
      BAD("invalid_value", "sid", "is given twice") },
    { "", T "Cookie: sid=a\r\nCookie: sid=b\r\n",
      BAD("invalid_value", "sid", "is given twice") },
    { "", T "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n",
      BAD("invalid_value", "token", "is given twice") },
    { "", T "Sec-WebSocket-Protocol: bearer.a, bearer.a\r\n",
      BAD("invalid_value", "token", "is given twice") },
    { "",
      T "Authorization: Bearer a\r\nSec-WebSocket-Protocol: bearer.a, "
        "bearer64.YQ\r\n",
      BAD("invalid_value", "token", "is given twice") },
    { "",
      T "Authorization: Bearer secret\r\n"
        "Sec-WebSocket-Protocol: bearer.other\r\n",
      BAD("invalid_value", "token",
          "differs in Authorization and the subprotocol") },
    /* Bearer tokens. */
    { "", T "Authorization: Bearer\r\n",
      BAD("invalid_format", "token", "is no bearer token") },
    { "", T "Authorization: Bearer a b\r\n",
      BAD("invalid_format", "token", "is no bearer token") },
    { "", T "Sec-WebSocket-Protocol: bearer64.YR\r\n",
      BAD("invalid_format", "token", "is not base64url") },
    { "", T "Sec-WebSocket-Protocol: bearer64.Y+Y+\r\n",
      BAD("invalid_format", "token", "is not base64url") },
    { "", T "Sec-WebSocket-Protocol: bearer64.Y\r\n",
      BAD("invalid_format", "token", "is not base64url") },
    { "", T "Sec-WebSocket-Protocol: bearer.\r\n",
      BAD("too_small", "token", "must have at least 1 character") },
    /* Types and rules. */
    { "n=0&x=-1.5e1&flag=true&color=dark+red&blob=-_8", T,
      "tenant=t locale=en n=0 x=-15 flag=1 color=1 blob=2:fbff" },
    { "n=150&x=2&flag=false&color=green&blob=", T,
      "tenant=t locale=en n=150 x=2 flag=0 color=0 blob=0:" },
    { "blob=-_8%3D", T, "tenant=t locale=en blob=2:fbff" },
    { "n=151", T, BAD("too_big", "n", "must be at most 150") },
    { "n=-1", T, BAD("too_small", "n", "must be at least 0") },
    { "n=99999999999999999999", T, BAD("too_big", "n", "must be at most 150") },
    { "n", T, BAD("invalid_type", "n", "expected a decimal integer") },
    { "n=1.0", T, BAD("invalid_type", "n", "expected a decimal integer") },
    { "n=1e1", T, BAD("invalid_type", "n", "expected a decimal integer") },
    { "n=01", T, BAD("invalid_type", "n", "expected a decimal integer") },
    { "n=%2B1", T, BAD("invalid_type", "n", "expected a decimal integer") },
    { "n=+1", T, BAD("invalid_type", "n", "expected a decimal integer") },
    { "n=1%00", T, BAD("invalid_type", "n", "expected a decimal integer") },
    { "x=1.&flag=TRUE&color=red&blob=YR", T,
      "[" NO_NUMBER "," NO_BOOL "," NO_COLOR "," NO_BYTES "]" },
    { "x=NaN", T, "[" NO_NUMBER "]" },
    { "x=+1", T, "[" NO_NUMBER "]" },
    { "x=1%20", T, "[" NO_NUMBER "]" },
    { "x=1e999", T, BAD("invalid_type", "x", "expected a finite number") },
    { "flag=1", T, "[" NO_BOOL "]" },
    { "flag", T, "[" NO_BOOL "]" },
    { "color=GREEN", T, "[" NO_COLOR "]" },
    { "blob=a+b_", T, "[" NO_BYTES "]" },
    { "locale=toolong99", T,
      BAD("too_big", "locale", "must have at most 8 characters") },
    /* All issues, in the order of the schema. */
    { "blob=Y&n=x&locale=d", "Cookie: sid=\r\n",
      "[" ISSUE("too_small", "sid", "must have at least 1 character") "," ISSUE(
          "invalid_type", "tenant",
          "is required") "," ISSUE("too_small", "locale",
                                   "must have at least 2 "
                                   "characters") "," ISSUE("invalid"
                                                           "_type",
                                                           "n",
                                                           "expecte"
                                                           "d a "
                                                           "decimal"
                                                           " intege"
                                                           "r") "," NO_BYTES
                                                                "]" },
};

static struct zkt_server *new_server(const struct zkt_allocator *allocator)
{
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    const struct zkt_serve_options options = { .allocator = allocator,
                                               .random_seed = seed };
    struct zkt_server *server = NULL;
    assert_int_equal(zkt_server_new(gate_app(NULL), &options, &server), ZKT_OK);
    return server;
}

static void test_parameters(void **state)
{
    struct zkt_server *server = new_server(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        char out[1024];
        read_request(&server->host, requests[i].query, requests[i].fields, out,
                     sizeof(out));
        if (strcmp(out, requests[i].expected) != 0) {
            fail_msg("request %zu: %s, not %s", i, out, requests[i].expected);
        }
    }
    zkt_server_free(server);
}

/* Without memory nothing is read in part. */
static void test_no_memory(void **state)
{
    struct failing_alloc memory;
    (void)state;
    failing_alloc_init(&memory, 0);
    struct zkt_server *server = new_server(&memory.allocator);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        bool failed = true;
        for (long n = 1; failed; n++) {
            char out[1024];
            memory.calls = 0;
            memory.fail_at = n;
            read_request(&server->host, requests[i].query, requests[i].fields,
                         out, sizeof(out));
            failed = memory.calls >= n;
            assert_string_equal(out,
                                failed ? "no memory" : requests[i].expected);
        }
        memory.fail_at = 0;
    }
    zkt_server_free(server);
    assert_int_equal(memory.live, 0);
}

/* ---- subprotocols ---- */

static void test_subprotocols(void **state)
{
    static const struct {
        const char *fields, *selected;
    } table[] = {
        { "", "" },
        { "Sec-WebSocket-Protocol: a, b\r\n", "" },
        { "Sec-WebSocket-Protocol: zocket\r\n", "zocket" },
        { "Sec-WebSocket-Protocol: Zocket, ZOCKET.RFC6902\r\n", "" },
        { "Sec-WebSocket-Protocol: zocket.rfc6902,zocket\r\n",
          "zocket.rfc6902" },
        { "Sec-WebSocket-Protocol: zocket, zocket.rfc6902\r\n",
          "zocket.rfc6902" },
        { "Sec-WebSocket-Protocol: zocket, bearer.x, zocket.rfc6902\r\n",
          "zocket.rfc6902" },
        { "Sec-WebSocket-Protocol: bearer.x, zocket\r\n", "zocket" },
        { "Sec-WebSocket-Protocol: a, bearer64.x, bearer.y\r\n", "bearer64.x" },
        { "Sec-WebSocket-Protocol: bearer.x\r\nA: b\r\n"
          "sec-websocket-protocol: zocket.rfc6902\r\n",
          "zocket.rfc6902" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct zkt_ws_request request = {
            .fields = zkt_cstr(table[i].fields),
            .protocols = ZKT_STR("any"),
            .more_protocols = true,
        };
        char out[64];
        snprintf(out, sizeof(out), "%.*s",
                 ZKT_ARG(zkt__request_protocol(&request)));
        assert_string_equal(out, table[i].selected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_subprotocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
