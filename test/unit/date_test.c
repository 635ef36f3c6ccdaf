/* Dates in fields of HTTP: written, and read in three forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/date.h"

static void test_writing(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        { 0, "" },
        { -1, "" },
        { 1, "Thu, 01 Jan 1970 00:00:00 GMT" },
        { 784111777000, "Sun, 06 Nov 1994 08:49:37 GMT" },
        { 951782399999, "Mon, 28 Feb 2000 23:59:59 GMT" },
        { 951782400000, "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 951868800000, "Wed, 01 Mar 2000 00:00:00 GMT" },
        { 1709164800000, "Thu, 29 Feb 2024 00:00:00 GMT" },
        { 1735689599000, "Tue, 31 Dec 2024 23:59:59 GMT" },
        { 4107542400000, "Mon, 01 Mar 2100 00:00:00 GMT" },
        { 253402300799999, "Fri, 31 Dec 9999 23:59:59 GMT" },
        { 253402300800000, "" },
        { INT64_MAX, "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[ZKT_HTTP_DATE_SIZE];
        zkt__http_date(table[i].ms, text);
        assert_string_equal(text, table[i].text);
    }
}

static void test_reading(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds; /* -1: no date */
    } table[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Wed Nov 16 08:49:37 1994", 784975777 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Thursday, 01-Jan-70 00:00:00 GMT", 0 },
        { "Tuesday, 31-Dec-69 23:59:59 GMT", 3155759999 },
        { "Wednesday, 07-Nov-07 23:59:59 GMT", 1194479999 },
        { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
        { "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
        /* the name of the day does not count */
        { "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
        { "Mon, 01 Jan 0000 00:00:00 GMT", -1 },
        { "Sun, 29 Feb 2100 00:00:00 GMT", -1 },
        { "Sun, 31 Apr 1994 08:49:37 GMT", -1 },
        { "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 32 Dec 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 24:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
        { " Sun, 06 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:37", -1 },
        { "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06 nov 1994 08:49:37 GMT", -1 },
        { "Sunday, 06 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06-Nov-94 08:49:37 GMT", -1 },
        { "Sunday, 06-Nov-1994 08:49:37 GMT", -1 },
        { "Sun Nov 06 08:49:37 94", -1 },
        { "Monsday, 06-Nov-94 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", -1 },
        { "784111777", -1 },
        { "", -1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int64_t seconds = -1;
        const bool read = zkt__http_parse_date(zkt_cstr(table[i].text),
                                               &seconds);
        if (read != (table[i].seconds >= 0) || seconds != table[i].seconds) {
            fail_msg("%s: %lld", table[i].text, (long long)seconds);
        }
    }
    int64_t seconds;
    assert_false(zkt__http_parse_date((struct zkt_str){ NULL, 0 }, &seconds));
}

/* Every prefix of a date is read within its bounds. */
static void test_prefixes(void **state)
{
    static const char *const whole[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t len = 0; len < strlen(whole[i]); len++) {
            char *text = malloc(len + (len == 0));
            int64_t seconds;
            memcpy(text, whole[i], len);
            assert_false(
                zkt__http_parse_date((struct zkt_str){ text, len }, &seconds));
            free(text);
        }
    }
}

/* Days from 1970 to 9999, with a time of each hour and weekday. */
static void test_both_ways(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 2932897; day += 11) {
        char text[ZKT_HTTP_DATE_SIZE];
        const int64_t second = day * 86400 + (day == 0 ? 1 : day % 86400);
        int64_t seconds = 0;
        zkt__http_date(second * 1000, text);
        assert_true(zkt__http_parse_date(zkt_cstr(text), &seconds));
        assert_true(seconds == second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
