/*
 * Lines of the log: the escaping of untrusted text, the formats, the limit on
 * lines of a kind, and the count of omitted lines. test/property/log_lines.c
 * prints random records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- formats ---- */

static const struct zkt_log_record sample = {
    .level = ZKT_LOG_WARNING,
    .time_ms = 1796000000123,
    .text = ZKT_STR_INIT("it did not finish in time"),
    .request = ZKT_STR_INIT("c2d81f0b7a94-1f"),
    .connection = ZKT_STR_INIT("9f86d081884c7d659a2feaa0c55ad015"),
    .actor = ZKT_STR_INIT("room"),
    .id = ZKT_STR_INIT("lobby"),
    .method = ZKT_STR_INIT("add"),
    .address = ZKT_STR_INIT("203.0.113.7"),
};

static void check_next_line(FILE *file, const char *line)
{
    char expected[ZKT_LOG_LINE_MAX];
    assert_non_null(fgets(expected, sizeof(expected), file));
    expected[strcspn(expected, "\n")] = '\0';
    assert_string_equal(line, expected);
}

/* The lines of log_formats.txt, which docs/operations.md shows. */
static void test_formats(void **state)
{
    char line[ZKT_LOG_LINE_MAX];
    size_t len;
    FILE *file = fopen(getenv("LOG_FORMATS"), "r");
    (void)state;
    assert_non_null(file);
    zkt__log_print_line(&sample, line);
    check_next_line(file, line);
    len = zkt_log_print_logfmt(&sample, line);
    assert_int_equal(len, strlen(line));
    check_next_line(file, line);
    len = zkt_log_print_json(&sample, line);
    assert_int_equal(len, strlen(line));
    check_next_line(file, line);
    fclose(file);
}

static void test_all_fields(void **state)
{
    struct zkt_log_record record = sample;
    char line[ZKT_LOG_LINE_MAX];
    (void)state;
    record.code = ZKT_STR("NOT_FOUND");
    record.ms = 3;
    record.has_ms = true;
    zkt__log_print_line(&record, line);
    assert_string_equal(line, "room \"lobby\": add: it did not finish in time "
                              "(NOT_FOUND, 3 ms)");
    zkt_log_print_logfmt(&record, line);
    assert_non_null(strstr(line, " code=NOT_FOUND address=203.0.113.7 ms=3"));
    zkt_log_print_json(&record, line);
    assert_non_null(strstr(line, ",\"code\":\"NOT_FOUND\",\"address\":"
                                 "\"203.0.113.7\",\"ms\":3}"));
}

/* A record without an actor and without a time. */
static void test_few_fields(void **state)
{
    struct zkt_log_record record = { .text = ZKT_STR("no"),
                                     .connection = ZKT_STR("c1"),
                                     .method = ZKT_STR("open") };
    char line[ZKT_LOG_LINE_MAX];
    (void)state;
    zkt__log_print_line(&record, line);
    assert_string_equal(line, "connection \"c1\": open: no");
    zkt_log_print_logfmt(&record, line);
    assert_string_equal(line, "level=info msg=no connection=c1 method=open");
    /* The id of an instance cannot end before its quote. */
    record = (struct zkt_log_record){ .actor = ZKT_STR("chat"),
                                      .id = ZKT_STR("a\": leave: \\\n"),
                                      .text = ZKT_STR("say \"a\\b\"") };
    zkt__log_print_line(&record, line);
    assert_string_equal(line, "chat \"a\\\": leave: \\\\\\x0a\": "
                              "say \"a\\b\"");
    record = (struct zkt_log_record){ .level = ZKT_LOG_ERROR, .has_ms = true };
    zkt__log_print_line(&record, line);
    assert_string_equal(line, " (0 ms)");
    zkt_log_print_logfmt(&record, line);
    assert_string_equal(line, "level=error msg=\"\" ms=0");
    zkt_log_print_json(&record, line);
    assert_string_equal(line, "{\"level\":\"error\",\"msg\":\"\",\"ms\":0}");
    record.time_ms = INT64_MAX; /* a year of more digits */
    zkt_log_print_logfmt(&record, line);
    assert_string_equal(line, "level=error msg=\"\" ms=0");
}

/* With the longest of everything there is room for colours. */
static void test_the_longest_line(void **state)
{
    static char bytes[2000];
    const struct zkt_str all = { bytes, sizeof(bytes) };
    struct zkt_log_record record = {
        ZKT_LOG_WARNING, 1796000000123, all, all, all, all, all, all, all, all,
        INT64_MIN,       true
    };
    char line[ZKT_LOG_LINE_MAX];
    (void)state;
    for (int c = 0; c < 256; c++) {
        memset(bytes, c, sizeof(bytes));
        assert_true(zkt_log_print_json(&record, line) < sizeof(line) - 16);
        assert_true(zkt__utf8_valid(line, strlen(line)));
        assert_int_equal(line[strlen(line) - 1], '}');
        assert_true(zkt_log_print_logfmt(&record, line) < sizeof(line) - 16);
        assert_int_equal(line[strlen(line) - 1], '8');
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
    const struct zkt_log_record fields = { .level = ZKT_LOG_INFO };
    const bool written = zkt__log_line(log, now, &fields, format, arguments);
    va_end(arguments);
    return written;
}

static void take(void *user, const struct zkt_log_record *record)
{
    struct pages *p = user;
    p->lines++;
    zkt__log_print_line(record, p->last);
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

static bool say_with(struct zkt_log *log, const struct zkt_log_record *fields,
                     const char *format, ...) ZKT_PRINTF(3, 4);

static bool say_with(struct zkt_log *log, const struct zkt_log_record *fields,
                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const bool written = zkt__log_line(log, 0, fields, format, arguments);
    va_end(arguments);
    return written;
}

/* Lines of lower levels are left out and do not count; those of calls are not
 * limited. */
static void test_levels(void **state)
{
    const struct zkt_log_record debug = { .level = ZKT_LOG_DEBUG };
    const struct zkt_log_record info = { .level = ZKT_LOG_INFO };
    struct pages p;
    (void)state;
    begin(&p, 1);
    for (int i = 0; i < 10; i++) {
        assert_true(say_with(&p.log, &debug, often, i));
    }
    assert_int_equal(p.lines, 0);
    p.log.level = ZKT_LOG_DEBUG;
    for (int i = 0; i < 10; i++) {
        assert_true(say_with(&p.log, &debug, often, i));
    }
    assert_int_equal(p.lines, 10);
    p.log.level = ZKT_LOG_WARNING;
    assert_true(say_with(&p.log, &info, often, 1));
    assert_true(say_with(&p.log, &info, often, 2));
    assert_int_equal(p.lines, 10);
    assert_true(say_with(&p.log, &sample, often, 3));
    assert_string_equal(p.last, "room \"lobby\": add: it is 3 again");
}

static struct zkt_log_record kept;

static void keep(void *user, const struct zkt_log_record *record)
{
    (void)user;
    kept = *record;
}

/* Fields are cut at a character. */
static void test_long_fields(void **state)
{
    static char bytes[400];
    struct zkt_log log = { .write = keep };
    struct zkt_log_record fields = sample;
    (void)state;
    for (size_t i = 1; i < sizeof(bytes); i++) {
        bytes[i] = i % 2 == 1 ? '\xc3' : '\xa9';
    }
    bytes[0] = 'x';
    fields.id = (struct zkt_str){ bytes, sizeof(bytes) };
    fields.method = (struct zkt_str){ bytes + 1, sizeof(bytes) - 1 };
    assert_true(say_with(&log, &fields, seldom));
    assert_int_equal(kept.id.len, 255);
    assert_int_equal(kept.method.len, 256);
    assert_int_equal(kept.actor.len, 4);
    memset(bytes, 0x80, sizeof(bytes)); /* no character begins */
    assert_true(say_with(&log, &fields, seldom));
    assert_int_equal(kept.id.len, 256);
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
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_few_fields),
        cmocka_unit_test(test_the_longest_line),
        cmocka_unit_test(test_a_long_line),
        cmocka_unit_test(test_a_kind_has_its_share),
        cmocka_unit_test(test_the_count_of_omitted_lines),
        cmocka_unit_test(test_many_kinds),
        cmocka_unit_test(test_a_log_that_logs),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_long_fields),
        cmocka_unit_test(test_no_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
