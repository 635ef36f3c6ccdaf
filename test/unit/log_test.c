/*
 * Lines of the log: the escaping of untrusted text, the limit on lines of a
 * kind, and the count of omitted lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/utf8.h"
#include "zocket/types.h"

/* ---- escaping ---- */

static void check(const char *text, size_t len, const char *expected)
{
    char out[256];
    const size_t n = zkt__log_escape(out, sizeof(out), text, len);
    assert_string_equal(out, expected);
    assert_int_equal(n, strlen(expected));
}

#define CHECK(text, expected) check(text, sizeof(text) - 1, expected)

static void test_plain_characters(void **state)
{
    (void)state;
    CHECK("", "");
    CHECK("plain: \"text\" \\ ~", "plain: \"text\" \\ ~");
    CHECK("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
          "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    CHECK("\xc2\xa0", "\xc2\xa0"); /* the first character after the controls */
}

static void test_escaped_characters(void **state)
{
    (void)state;
    CHECK("a\nerror: b\r\t", "a\\x0aerror: b\\x0d\\x09");
    CHECK("\x1b[2J\x07\x7f", "\\x1b[2J\\x07\\x7f");
    CHECK("\0", "\\x00");
    CHECK("\xc2\x9b"
          "2J",
          "\\xc2\\x9b"
          "2J"); /* CSI in one character */
    CHECK("\xc2\x85", "\\xc2\\x85");
    CHECK("\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
    CHECK("\xe2\x80\xae\xe2\x81\xa6", "\\xe2\\x80\\xae\\xe2\\x81\\xa6");
    CHECK("\xd8\x9c\xef\xbb\xbf", "\\xd8\\x9c\\xef\\xbb\\xbf");
}

static void test_malformed_utf8(void **state)
{
    (void)state;
    CHECK("\xff"
          "a",
          "\\xff"
          "a");
    CHECK("\x80", "\\x80");
    CHECK("\xe2\x82", "\\xe2\\x82"); /* a truncated character */
    /* the next character is not swallowed */
    CHECK("\xe2\x82\n", "\\xe2\\x82\\x0a");
    CHECK("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
    CHECK("\xc0\x8a", "\\xc0\\x8a");          /* a line end, overlong */
    CHECK("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
}

/* Truncation at any size leaves no partial escape or character. */
static void test_truncation(void **state)
{
    static const char text[] = "a\xc3\xa9\n\xf0\x9f\x98\x80\xff.";
    char whole[64], out[64];
    (void)state;
    const size_t len = zkt__log_escape(whole, sizeof(whole), text,
                                       sizeof(text) - 1);
    for (size_t size = 4; size <= len + 1; size++) {
        memset(out, '#', sizeof(out));
        const size_t n = zkt__log_escape(out, size, text, sizeof(text) - 1);
        assert_true(n < size);
        assert_int_equal(out[n], '\0');
        assert_int_equal(out[size], '#');
        assert_true(zkt__utf8_valid(out, n));
        if (size > len) {
            assert_string_equal(out, whole);
            continue;
        }
        assert_memory_equal(out + n - 3, "\xe2\x80\xa6", 3);
        assert_memory_equal(out, whole, n - 3);
        assert_int_not_equal(whole[n - 3], 'x'); /* no partial escape */
        assert_true(whole[n - 3] != '0' && whole[n - 3] != 'f');
    }
}

/* ---- lines ---- */

struct pages {
    struct zkt_log log;
    int lines;
    char last[ZKT_LOG_LINE];
    bool answers; /* the callback logs */
};

static bool say(struct zkt_log *log, int64_t now, const char *format, ...)
    ZKT_PRINTF(3, 4);

static bool say(struct zkt_log *log, int64_t now, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const bool written = zkt__log_line(log, now, ZKT_LOG_INFO, format,
                                       arguments);
    va_end(arguments);
    return written;
}

static void take(void *user, enum zkt_log_level level, const char *text)
{
    struct pages *p = user;
    (void)level;
    p->lines++;
    snprintf(p->last, sizeof(p->last), "%s", text);
    if (p->answers) {
        p->answers = false;
        (void)say(&p->log, 0, "the log says: %d", 1);
    }
}

static void begin(struct pages *p, int64_t per_second)
{
    *p = (struct pages){ .log = { .write = take, .per_second = per_second } };
    p->log.user = p;
}

static void test_a_long_line(void **state)
{
    static char text[3000];
    struct pages p;
    (void)state;
    begin(&p, 0);
    memset(text, 'x', sizeof(text) - 1);
    assert_true(say(&p.log, 0, "%s", text));
    assert_int_equal(strlen(p.last), ZKT_LOG_LINE - 1);
    assert_string_equal(p.last + ZKT_LOG_LINE - 4, "\xe2\x80\xa6");
    memset(text, '\n', sizeof(text) - 1);
    assert_true(say(&p.log, 0, "%s", text));
    assert_memory_equal(p.last, "\\x0a\\x0a", 8);
    assert_true(strlen(p.last) < ZKT_LOG_LINE);
    text[ZKT_LOG_LINE - 1] = '\0';
    memset(text, 'y', ZKT_LOG_LINE - 1);
    assert_true(say(&p.log, 0, "%s", text)); /* the longest that fits */
    assert_string_equal(p.last, text);
}

static const char often[] = "it is %d again";
static const char seldom[] = "for once";

static void test_a_kind_has_its_share(void **state)
{
    struct pages p;
    (void)state;
    begin(&p, 3);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(say(&p.log, 500 + i / 2, often, i), i < 3);
    }
    assert_int_equal(p.lines, 3);
    assert_true(say(&p.log, 1499, seldom)); /* another kind */
    assert_int_equal(p.lines, 4);
    assert_string_equal(p.last, "for once");
    assert_true(say(&p.log, 1500, seldom)); /* a second has passed */
    assert_int_equal(p.lines, 6);
    assert_true(say(&p.log, 1500, often, 7));
    assert_string_equal(p.last, "it is 7 again");
    assert_int_equal(p.lines, 7);
    zkt__log_flush(&p.log);
    assert_int_equal(p.lines, 7); /* omitted lines are reported once */
}

static void test_the_count_of_omitted_lines(void **state)
{
    struct pages p;
    (void)state;
    begin(&p, 1);
    assert_true(say(&p.log, 0, often, 1));
    assert_false(say(&p.log, 0, often, 2));
    assert_false(say(&p.log, 0, often, 3));
    zkt__log_flush(&p.log);
    assert_int_equal(p.lines, 2);
    assert_string_equal(p.last,
                        "2 more lines were left out, such as: it is 3 again");
    assert_false(say(&p.log, -5, often, 4)); /* the clock stands still */
    assert_true(say(&p.log, 1000, often, 5));
    assert_int_equal(p.lines, 4);
}

/* Beyond the number of distinguished kinds, all others share a kind. */
static void test_many_kinds(void **state)
{
    static char formats[3 * ZKT_LOG_KINDS][8];
    struct pages p;
    int written = 0;
    (void)state;
    begin(&p, 1);
    for (int i = 0; i < 3 * ZKT_LOG_KINDS; i++) {
        snprintf(formats[i], sizeof(formats[i]), "%d", i);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        written += say(&p.log, 0, formats[i], NULL);
#pragma GCC diagnostic pop
    }
    assert_int_equal(written, ZKT_LOG_KINDS);
}

static void test_a_log_that_logs(void **state)
{
    struct pages p;
    (void)state;
    begin(&p, 1);
    assert_true(say(&p.log, 0, often, 1));
    assert_false(say(&p.log, 0, often, 2));
    p.answers = true;
    assert_true(say(&p.log, 1000, seldom));
    /* the count, the callback's line, and the new line */
    assert_int_equal(p.lines, 4);
    assert_string_equal(p.last, "for once");
}

static void test_no_log(void **state)
{
    struct zkt_log log = { .per_second = 1 };
    (void)state;
    assert_true(say(&log, 0, seldom));
    assert_true(say(&log, 0, seldom));
    zkt__log_flush(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_characters),
        cmocka_unit_test(test_escaped_characters),
        cmocka_unit_test(test_malformed_utf8),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_a_long_line),
        cmocka_unit_test(test_a_kind_has_its_share),
        cmocka_unit_test(test_the_count_of_omitted_lines),
        cmocka_unit_test(test_many_kinds),
        cmocka_unit_test(test_a_log_that_logs),
        cmocka_unit_test(test_no_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
