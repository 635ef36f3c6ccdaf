/*
 * The parts of requests for files: paths, among them those that try to leave
 * the folder; Accept-Encoding; preconditions and ranges; media types.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/coding.h"
#include "http/conditions.h"
#include "http/file_path.h"
#include "http/media_type.h"
#include "http/navigation.h"

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

/* ---- paths ---- */

/* Joins the names by `|`; `/` at the end: a folder. */
static void say_path(int status, const struct zkt_http_file_path *path,
                     char *out)
{
    const char *name = path->names;
    if (status != 0) {
        sprintf(out, "%d", status);
        return;
    }
    *out = '\0';
    for (size_t i = 0; i < path->count; i++) {
        out += sprintf(out, "%s%s", i > 0 ? "|" : "", name);
        assert_int_equal(name == path->last, i + 1 == path->count);
        name += strlen(name) + 1;
    }
    strcpy(out, path->folder ? "/" : "");
}

static void test_paths(void **state)
{
    static const struct {
        const char *path, *expected;
    } table[] = {
        { "/", "/" },
        { "/a", "a" },
        { "/a/", "a/" },
        { "/a/b.html", "a|b.html" },
        { "/%61/b%2Ehtml", "a|b.html" },
        { "/a%20b/%C3%A4", "a b|\xc3\xa4" },
        { "/a+b", "a+b" },
        { "/a%0ab", "a\nb" },
        { "/%ff", "\xff" },
        { "/a;b=c", "a;b=c" },
        { "/C:", "C:" },
        { "/a..b", "a..b" },
        { "/a..", "a.." },
        { "/a.", "a." },
        { "/~root", "~root" },
        /* decoded once */
        { "/%2561", "%61" },
        { "/%252e%252e/a", "%2e%2e|a" },
        { "/%25", "%" },
        /* the folder above, and the same one */
        { "/..", "400" },
        { "/../", "400" },
        { "/../etc/passwd", "400" },
        { "/a/../b", "400" },
        { "/a/..", "400" },
        { "/%2e%2e/a", "400" },
        { "/%2E./a", "400" },
        { "/.%2e/a", "400" },
        { "/a/%2e%2e", "400" },
        { "/.", "400" },
        { "/./a", "400" },
        { "/a/%2e/b", "400" },
        { "/.well-known/../a", "400" },
        /* separators and NULs in a name */
        { "/a%2fb", "400" },
        { "/a%2Fb", "400" },
        { "/..%2fa", "400" },
        { "/%2f", "400" },
        { "/a%5cb", "400" },
        { "/a\\b", "400" },
        { "/..\\a", "400" },
        { "/..%5ca", "400" },
        { "/a%00", "400" },
        { "/a%00.html", "400" },
        { "/%00", "400" },
        /* overlong UTF-8 is bytes like others */
        { "/%c0%af", "\xc0\xaf" },
        { "/%c0%ae%c0%ae/a", "\xc0\xae\xc0\xae|a" },
        /* percent signs */
        { "/%", "400" },
        { "/%4", "400" },
        { "/a%", "400" },
        { "/%zz", "400" },
        { "/%4g", "400" },
        { "/%%34", "400" },
        { "/%u002e", "400" },
        { "/% 1", "400" },
        { "/%/41", "400" },
        /* empty names: another host, or none */
        { "//", "404" },
        { "//evil.example/a", "404" },
        { "//evil.example/%2e%2e", "400" },
        { "/a//b", "404" },
        { "/a//", "404" },
        { "///", "404" },
        /* hidden files */
        { "/.git/config", "404" },
        { "/.env", "404" },
        { "/%2eenv", "404" },
        { "/a/.htaccess", "404" },
        { "/.../a", "404" },
        { "/..a", "404" },
        { "/.well-known", ".well-known" },
        { "/.well-known/", ".well-known/" },
        { "/.well-known/acme/x", ".well-known|acme|x" },
        { "/%2ewell-known/x", ".well-known|x" },
        { "/.well-known/.x", "404" },
        { "/.Well-Known/x", "404" },
        { "/.well-known2/x", "404" },
        { "/a/.well-known/x", "404" },
        { "/.well-known/.well-known/x", "404" },
        { "", "400" },
        { "*", "400" },
        { "a", "400" },
    };
    struct zkt_http_file_path path;
    char text[2 * ZKT_HTTP_PATH_BYTES];
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        const int status = zkt__http_file_path(zkt_cstr(table[i].path), &path);
        say_path(status, &path, text);
        if (strcmp(text, table[i].expected) != 0) {
            fail_msg("%s: %s, not %s", table[i].path, text, table[i].expected);
        }
    }
}

/* Reads a path of @count pieces from a block of its very size. */
static int read_long(const char *piece, size_t count,
                     struct zkt_http_file_path *path)
{
    const size_t each = strlen(piece);
    char *text = malloc(count * each);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + i * each, piece, each);
    }
    const int status = zkt__http_file_path(
        (struct zkt_str){ text, count * each }, path);
    free(text);
    return status;
}

static void test_long_paths(void **state)
{
    struct zkt_http_file_path path;
    char name[ZKT_HTTP_NAME_MAX + 3] = "/";
    (void)state;
    assert_int_equal(read_long("/a", ZKT_HTTP_PATH_NAMES, &path), 0);
    assert_int_equal(path.count, ZKT_HTTP_PATH_NAMES);
    assert_int_equal(read_long("/a", ZKT_HTTP_PATH_NAMES + 1, &path), 404);
    assert_int_equal(read_long("/a", 100000, &path), 404);
    assert_int_equal(read_long("/", 100000, &path), 404);
    assert_int_equal(read_long("/..", 100000, &path), 400);
    memset(name + 1, 'x', ZKT_HTTP_NAME_MAX);
    assert_int_equal(zkt__http_file_path(zkt_cstr(name), &path), 0);
    assert_int_equal(strlen(path.last), ZKT_HTTP_NAME_MAX);
    /* 16 names of 255 bytes and a NUL are all that there is room for. */
    assert_int_equal(read_long(name, 16, &path), 0);
    assert_int_equal(path.count, 16);
    assert_int_equal(read_long(name, 17, &path), 404);
    name[ZKT_HTTP_NAME_MAX + 1] = 'x';
    assert_int_equal(zkt__http_file_path(zkt_cstr(name), &path), 404);
    /* A percent sign at the end is read within the bounds. */
    assert_int_equal(read_long("/%4", 1, &path), 400);
    assert_int_equal(read_long("/%", 1, &path), 400);
}

/* ---- Accept-Encoding ---- */

static void test_codings(void **state)
{
    static const struct {
        const char *fields;
        int br, gzip, identity;
    } table[] = {
        { "", 0, 0, 1 },
        { "Accept: gzip\r\n", 0, 0, 1 },
        { "Accept-Encoding:\r\n", 0, 0, 1 },
        { "Accept-Encoding: gzip\r\n", 0, 1000, 1 },
        { "accept-encoding: GZip , BR\r\n", 1000, 1000, 1 },
        { "Accept-Encoding: x-gzip\r\n", 0, 1000, 1 },
        { "Accept-Encoding: gzip, deflate, br, zstd\r\n", 1000, 1000, 1 },
        { "Accept-Encoding: gzip\r\nX: y\r\nAccept-Encoding: br\r\n", 1000,
          1000, 1 },
        { "Accept-Encoding: br;q=0.5, gzip;q=0.75\r\n", 500, 750, 1 },
        { "Accept-Encoding: br ; q=0.125 , gzip;q=1.000\r\n", 125, 1000, 1 },
        { "Accept-Encoding: br;Q=1., gzip;x=y;q=0.1\r\n", 1000, 100, 1 },
        { "Accept-Encoding: identity\r\n", 0, 0, 1000 },
        { "Accept-Encoding: identity;q=0\r\n", 0, 0, 0 },
        { "Accept-Encoding: gzip, identity;q=0\r\n", 0, 1000, 0 },
        { "Accept-Encoding: *\r\n", 1000, 1000, 1000 },
        { "Accept-Encoding: *;q=0\r\n", 0, 0, 0 },
        { "Accept-Encoding: gzip, *;q=0\r\n", 0, 1000, 0 },
        { "Accept-Encoding: *;q=0, identity;q=0.5\r\n", 0, 0, 500 },
        { "Accept-Encoding: br;q=0, *;q=0.5\r\n", 0, 500, 500 },
        { "Accept-Encoding: br;q=0, br\r\n", 1000, 0, 1 },
        /* malformed items */
        { "Accept-Encoding: br;q=2, gzip;q=x\r\n", 0, 0, 1 },
        { "Accept-Encoding: br;q=, gzip;q=0.1234\r\n", 0, 0, 1 },
        { "Accept-Encoding: br;q=1.001, gzip;q=-1\r\n", 0, 0, 1 },
        { "Accept-Encoding: br;q=.5, gzip;q=01\r\n", 0, 0, 1 },
        { "Accept-Encoding: ;q=1, ;;;, gzip;\r\n", 0, 1000, 1 },
        { "Accept-Encoding: brx, xbr, b r\r\n", 0, 0, 1 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        const struct zkt_http_accepted accepted = zkt__http_accepted(
            zkt_cstr(table[i].fields));
        const uint16_t *weights = accepted.weights;
        if (weights[ZKT_HTTP_CODING_BR] != table[i].br ||
            weights[ZKT_HTTP_CODING_GZIP] != table[i].gzip ||
            weights[ZKT_HTTP_CODING_IDENTITY] != table[i].identity) {
            fail_msg("%s: %d %d %d", table[i].fields, weights[0], weights[1],
                     weights[2]);
        }
    }
}

/* ---- preconditions and ranges ---- */

/* 2024-03-01, of 1000 bytes. */
static const struct zkt_http_validators current = {
    .etag = { "\"a,1\"", 5 },
    .modified_s = 1709251200,
    .now_s = 1709251300,
    .size = 1000,
};

#define BEFORE "Thu, 29 Feb 2024 23:59:59 GMT"
#define THEN   "Fri, 01 Mar 2024 00:00:00 GMT"
#define AFTER  "Fri, 01 Mar 2024 00:00:01 GMT"

/* The status, and for 206 the range, `first+length`. */
static void say_judgement(const char *fields,
                          const struct zkt_http_validators *validators,
                          bool ranges, char *out)
{
    struct zkt_http_range range;
    const int status = zkt__http_judge_conditions(zkt_cstr(fields), validators,
                                                  ranges, &range);
    out += sprintf(out, "%d", status);
    if (status == 206) {
        sprintf(out, " %llu+%llu", (unsigned long long)range.first,
                (unsigned long long)range.len);
    } else {
        assert_true(range.first == 0 && range.len == validators->size);
    }
}

static void test_conditions(void **state)
{
    static const struct {
        const char *fields, *expected;
    } table[] = {
        { "", "200" },
        { "If-None-Match: \"a,1\"\r\n", "304" },
        { "If-None-Match: W/\"a,1\"\r\n", "304" },
        { "if-none-match: *\r\n", "304" },
        { "If-None-Match: \"a\"\r\n", "200" },
        { "If-None-Match: \"a\", \"a,1\"\r\n", "304" },
        { "If-None-Match: \"a\" ,,\t\"a,1\"\r\n", "304" },
        { "If-None-Match: \"a\"\"a,1\"\r\n", "304" },
        { "If-None-Match: \"a\"\r\nIf-None-Match: \"a,1\"\r\n", "304" },
        { "If-None-Match: a,1\r\n", "200" },
        { "If-None-Match: \"a,1\r\n", "200" },
        { "If-None-Match: x, \"a,1\"\r\n", "200" },
        { "If-None-Match: \"a, \"a,1\"\r\n", "200" },
        { "If-None-Match: w/\"a,1\"\r\n", "200" },
        { "If-None-Match: *, \"b\"\r\n", "200" },
        { "If-None-Match:\r\n", "200" },
        { "If-None-Match: W/\r\n", "200" },
        { "If-None-Match: \"\r\n", "200" },
        { "If-Match: \"a,1\"\r\n", "200" },
        { "If-Match: *\r\n", "200" },
        { "If-Match: W/\"a,1\"\r\n", "412" },
        { "If-Match: \"b\"\r\n", "412" },
        { "If-Match: \"b\"\r\nIf-Match: \"a,1\"\r\n", "200" },
        { "If-Match:\r\n", "412" },
        { "If-Match: \"a,1\"\r\nIf-None-Match: \"a,1\"\r\n", "304" },
        { "If-Match: \"b\"\r\nIf-None-Match: \"a,1\"\r\n", "412" },
        { "If-Modified-Since: " BEFORE "\r\n", "200" },
        { "If-Modified-Since: " THEN "\r\n", "304" },
        { "If-Modified-Since: " AFTER "\r\n", "304" },
        { "If-Modified-Since: yesterday\r\n", "200" },
        { "If-Modified-Since: " THEN "\r\nIf-Modified-Since: " THEN "\r\n",
          "200" },
        { "If-Modified-Since:\r\n", "200" },
        /* a tag decides, whatever the date */
        { "If-Modified-Since: " THEN "\r\nIf-None-Match: \"b\"\r\n", "200" },
        { "If-Modified-Since: " BEFORE "\r\nIf-None-Match: \"a,1\"\r\n",
          "304" },
        { "If-Unmodified-Since: " BEFORE "\r\n", "412" },
        { "If-Unmodified-Since: " THEN "\r\n", "200" },
        { "If-Unmodified-Since: never\r\n", "200" },
        { "If-Unmodified-Since: " BEFORE "\r\nIf-Match: \"a,1\"\r\n", "200" },
        /* ranges */
        { "Range: bytes=0-0\r\n", "206 0+1" },
        { "Range: bytes=0-499\r\n", "206 0+500" },
        { "Range: bytes=500-\r\n", "206 500+500" },
        { "Range: bytes=-1\r\n", "206 999+1" },
        { "Range: bytes=-1000\r\n", "206 0+1000" },
        { "Range: bytes=-5000\r\n", "206 0+1000" },
        { "Range: bytes=0-5000\r\n", "206 0+1000" },
        { "Range: bytes=999-\r\n", "206 999+1" },
        { "Range: BYTES= 1-2 \r\n", "206 1+2" },
        { "Range: bytes=,1-2,,\r\n", "206 1+2" },
        { "Range: bytes=000001-0000002\r\n", "206 1+2" },
        { "Range: bytes=0-99999999999999999999999\r\n", "206 0+1000" },
        { "Range: bytes=-99999999999999999999999\r\n", "206 0+1000" },
        { "Range: bytes=1000-\r\n", "416" },
        { "Range: bytes=1000-2000\r\n", "416" },
        { "Range: bytes=-0\r\n", "416" },
        { "Range: bytes=99999999999999999999999-\r\n", "416" },
        { "Range: bytes=18446744073709551615-\r\n", "416" },
        { "Range: bytes=18446744073709551616-\r\n", "416" },
        /* not one range of bytes: all of it */
        { "Range: bytes=0-0,-1\r\n", "200" },
        { "Range: bytes=0-0,5000-\r\n", "200" },
        { "Range: bytes=2-1\r\n", "200" },
        { "Range: bytes=-\r\n", "200" },
        { "Range: bytes=1\r\n", "200" },
        { "Range: bytes=a-\r\n", "200" },
        { "Range: bytes=1-2x\r\n", "200" },
        { "Range: bytes=1 - 2\r\n", "200" },
        { "Range: bytes=--1\r\n", "200" },
        { "Range: bytes=+1-2\r\n", "200" },
        { "Range: bytes=0x1-2\r\n", "200" },
        { "Range: bytes=\r\n", "200" },
        { "Range: bytes\r\n", "200" },
        { "Range: bytes 0-1\r\n", "200" },
        { "Range: lines=0-1\r\n", "200" },
        { "Range: 0-1\r\n", "200" },
        { "Range:\r\n", "200" },
        { "Range: bytes=0-1\r\nRange: bytes=0-1\r\n", "200" },
        /* the client has another representation */
        { "Range: bytes=0-0\r\nIf-Range: \"a,1\"\r\n", "206 0+1" },
        { "If-Range: \"a,1\"\r\nRange: bytes=0-0\r\n", "206 0+1" },
        { "Range: bytes=0-0\r\nIf-Range: W/\"a,1\"\r\n", "200" },
        { "Range: bytes=0-0\r\nIf-Range: \"b\"\r\n", "200" },
        { "Range: bytes=0-0\r\nIf-Range: *\r\n", "200" },
        { "Range: bytes=0-0\r\nIf-Range:\r\n", "200" },
        { "Range: bytes=0-0\r\nIf-Range: \"a,1\"\r\nIf-Range: \"a,1\"\r\n",
          "200" },
        { "Range: bytes=0-0\r\nIf-Range: " THEN "\r\n", "206 0+1" },
        { "Range: bytes=0-0\r\nIf-Range: " BEFORE "\r\n", "200" },
        { "Range: bytes=0-0\r\nIf-Range: " AFTER "\r\n", "200" },
        { "Range: bytes=5000-\r\nIf-Range: \"b\"\r\n", "200" },
        { "If-Range: \"b\"\r\n", "200" },
        /* conditions come before ranges */
        { "Range: bytes=0-0\r\nIf-None-Match: \"a,1\"\r\n", "304" },
        { "Range: bytes=0-0\r\nIf-Match: \"b\"\r\n", "412" },
        { "Range: bytes=0-0\r\nIf-Match: \"a,1\"\r\n", "206 0+1" },
        { "Range: bytes=5000-\r\nIf-None-Match: \"a,1\"\r\n", "304" },
    };
    char text[64];
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        say_judgement(table[i].fields, &current, true, text);
        if (strcmp(text, table[i].expected) != 0) {
            fail_msg("%s: %s, not %s", table[i].fields, text,
                     table[i].expected);
        }
    }
}

static void test_representations(void **state)
{
    static const char date[] = "Range: bytes=0-0\r\nIf-Range: " THEN "\r\n";
    struct zkt_http_validators other = current;
    char text[64];
    (void)state;
    /* HEAD has no ranges */
    say_judgement("Range: bytes=0-0\r\n", &current, false, text);
    assert_string_equal(text, "200");
    say_judgement("Range: bytes=5000-\r\n", &current, false, text);
    assert_string_equal(text, "200");
    /* an empty file has none either */
    other.size = 0;
    say_judgement("Range: bytes=0-\r\n", &other, true, text);
    assert_string_equal(text, "200");
    say_judgement("Range: bytes=-1\r\n", &other, true, text);
    assert_string_equal(text, "200");
    other.size = UINT64_MAX;
    say_judgement("Range: bytes=-1\r\n", &other, true, text);
    assert_string_equal(text, "206 18446744073709551614+1");
    say_judgement("Range: bytes=1-18446744073709551614\r\n", &other, true,
                  text);
    assert_string_equal(text, "206 1+18446744073709551614");
    /* a second that is not over, and a program without a clock */
    other = current;
    other.now_s = other.modified_s;
    say_judgement(date, &other, true, text);
    assert_string_equal(text, "200");
    other.now_s = 0;
    say_judgement(date, &other, true, text);
    assert_string_equal(text, "200");
}

/* ---- media types ---- */

static void test_media_types(void **state)
{
    static const struct {
        const char *name, *type;
    } table[] = {
        { "index.html", "text/html; charset=utf-8" },
        { "INDEX.HTML", "text/html; charset=utf-8" },
        { "app.min.js", "text/javascript; charset=utf-8" },
        { "app.js.gz", "application/gzip" },
        { "font.woff2", "font/woff2" },
        { "a.wasm", "application/wasm" },
        { "html", "application/octet-stream" },
        { "a.", "application/octet-stream" },
        { "a.htmlx", "application/octet-stream" },
        { "a.htm\n", "application/octet-stream" },
        { "", "application/octet-stream" },
    };
    static const char *const endings[] = {
#define TYPE(ending, type) ending,
#include "http/media_types.def"
#undef TYPE
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_string_equal(zkt__http_media_type(zkt_cstr(table[i].name)),
                            table[i].type);
    }
    for (size_t i = 1; i < COUNT(endings); i++) {
        assert_true(strcmp(endings[i - 1], endings[i]) < 0);
    }
}

/* ---- navigations ---- */

static void test_navigations(void **state)
{
    static const struct {
        const char *fields;
        bool expected;
    } table[] = {
        { "", false },
        { "Accept: */*\r\n", false },
        { "Accept: text/*\r\n", false },
        { "Accept: text/html\r\n", true },
        { "accept: image/png, TEXT/HTML ;q=0.5\r\n", true },
        { "Accept: a/b\r\nAccept: application/xhtml+xml;q=1\r\n", true },
        { "Accept: text/htmlx, xtext/html\r\n", false },
        { "Accept: ;text/html\r\n", false },
        { "Sec-Fetch-Mode: navigate\r\n", true },
        { "Sec-Fetch-Mode: no-cors\r\nAccept: text/html\r\n", false },
        { "Accept: text/html\r\nSec-Fetch-Mode:\r\n", false },
        { "Sec-Fetch-Mode: navigate, cors\r\n", false },
        { "Sec-Fetch-Mode: cors\r\nSec-Fetch-Mode: navigate\r\n", false },
        { "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Mode: navigate\r\n", false },
        { "Sec-Fetch-Dest: document\r\n", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        if (zkt__http_is_navigation(zkt_cstr(table[i].fields)) !=
            table[i].expected) {
            fail_msg("%s", table[i].fields);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_long_paths),
        cmocka_unit_test(test_codings),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_representations),
        cmocka_unit_test(test_media_types),
        cmocka_unit_test(test_navigations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
