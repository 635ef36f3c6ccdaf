/*
 * JSON according to RFC 8259, through the decoders of a schema. Each case is a
 * text and its outcome: JSON that is not a value of the type is an issue, other
 * text is malformed. The table also shows our choices where the RFC leaves them
 * open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "json/json.h"

enum outcome {
    GOOD,
    ISSUE,    /* JSON, but not a value of the type */
    MALFORMED /* not JSON */
};

struct row {
    const char *section;
    const struct zkt_type *type;
    const char *text;
    enum outcome outcome;
    const char *back; /* the encoded value */
};

#define ANY  &zkt_type_json
#define TEXT &zkt_type_string
#define INT  &zkt_type_int32
#define BIG  &zkt_type_int64
#define REAL &zkt_type_float64
#define BOOL &zkt_type_bool

static const struct row table[] = {
    /* 2: white space is four characters only. */
    { "2", ANY, " \t\r\n1 \t\r\n", GOOD, "1" },
    { "2", ANY, "\f1", MALFORMED, NULL },
    { "2", ANY, "\v1", MALFORMED, NULL },
    { "2", ANY,
      "\xc2\xa0"
      "1",
      MALFORMED, NULL },
    /* 8.1: no byte order mark. */
    { "8.1", ANY,
      "\xef\xbb\xbf"
      "1",
      MALFORMED, NULL },
    /* 2: a text is a single value with nothing after it. */
    { "2", ANY, "", MALFORMED, NULL },
    { "2", ANY, "1 2", MALFORMED, NULL },
    { "2", ANY, "{}x", MALFORMED, NULL },
    { "2", ANY, "[],", MALFORMED, NULL },
    { "2", INT, "1]", MALFORMED, NULL },
    { "2", TEXT, "\"a\"\"b\"", MALFORMED, NULL },
    { "2", ANY, "1/**/", MALFORMED, NULL },
    /* 3: names are lower-case. */
    { "3", BOOL, "true", GOOD, "true" },
    { "3", BOOL, "True", MALFORMED, NULL },
    { "3", BOOL, "tru", MALFORMED, NULL },
    { "3", BOOL, "truey", MALFORMED, NULL },
    { "3", BOOL, "null", ISSUE, NULL },
    { "3", ANY, "nil", MALFORMED, NULL },
    /* 4, 5: commas between members, colons after keys. */
    { "4", ANY, "{\"a\":1,}", MALFORMED, NULL },
    { "4", ANY, "{,\"a\":1}", MALFORMED, NULL },
    { "4", ANY, "{\"a\" 1}", MALFORMED, NULL },
    { "4", ANY, "{\"a\"::1}", MALFORMED, NULL },
    { "4", ANY, "{a:1}", MALFORMED, NULL },
    { "4", ANY, "{'a':1}", MALFORMED, NULL },
    { "4", ANY, "{1:1}", MALFORMED, NULL },
    { "5", ANY, "[1,,2]", MALFORMED, NULL },
    { "5", ANY, "[1,]", MALFORMED, NULL },
    { "5", ANY, "[1}", MALFORMED, NULL },
    { "5", ANY, "[1", MALFORMED, NULL },
    /* 6: numbers. */
    { "6", INT, "-0", GOOD, "0" },
    { "6", INT, "1.0", GOOD, "1" },
    { "6", INT, "1e2", GOOD, "100" },
    { "6", INT, "100E-2", GOOD, "1" },
    { "6", INT, "2147483647", GOOD, "2147483647" },
    { "6", INT, "2147483648", ISSUE, NULL },
    { "6", INT, "-2147483648", GOOD, "-2147483648" },
    { "6", INT, "-2147483649", ISSUE, NULL },
    { "6", INT, "1e400", ISSUE, NULL },
    { "6", INT, "-1e400", ISSUE, NULL },
    { "6", INT, "99999999999999999999999", ISSUE, NULL },
    { "6", INT, "1.5", ISSUE, NULL },
    { "6", BIG, "9007199254740991", GOOD, "9007199254740991" },
    { "6", BIG, "9007199254740992", ISSUE, NULL },
    { "6", REAL, "1e400", ISSUE, NULL },
    { "6", REAL, "-1e400", ISSUE, NULL },
    { "6", REAL, "1e-400", GOOD, "0" },
    { "6", REAL, "-0.0", GOOD, "0" },
    { "6", REAL, "1.7976931348623157e308", GOOD, "1.7976931348623157e+308" },
    { "6", REAL, "0.1", GOOD, "0.1" },
    { "6", REAL, "01", MALFORMED, NULL },
    { "6", REAL, "-01", MALFORMED, NULL },
    { "6", REAL, "1.", MALFORMED, NULL },
    { "6", REAL, ".5", MALFORMED, NULL },
    { "6", REAL, "+1", MALFORMED, NULL },
    { "6", REAL, "-", MALFORMED, NULL },
    { "6", REAL, "1e", MALFORMED, NULL },
    { "6", REAL, "1e+", MALFORMED, NULL },
    { "6", REAL, "0x10", MALFORMED, NULL },
    { "6", REAL, "1_000", MALFORMED, NULL },
    { "6", REAL, "NaN", MALFORMED, NULL },
    { "6", REAL, "Infinity", MALFORMED, NULL },
    /* 7: strings. */
    { "7", TEXT, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", GOOD,
      "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
    { "7", TEXT, "\"\\u0041\\u00e9\\u20AC\"", GOOD, "\"Aé€\"" },
    { "7", TEXT, "\"a\\u0000b\"", GOOD, "\"a\\u0000b\"" },
    { "7", TEXT, "\"\\ud83d\\ude00\"", GOOD, "\"😀\"" },
    { "7", TEXT, "\"\\uDBFF\\uDFFF\"", GOOD, "\"\xf4\x8f\xbf\xbf\"" },
    { "7", TEXT, "\"\x7f\"", GOOD, "\"\x7f\"" },
    { "7", TEXT, "\"a\nb\"", MALFORMED, NULL },
    { "7", TEXT, "\"a\tb\"", MALFORMED, NULL },
    { "7", TEXT, "\"\x1f\"", MALFORMED, NULL },
    { "7", TEXT, "\"\\a\"", MALFORMED, NULL },
    { "7", TEXT, "\"\\x41\"", MALFORMED, NULL },
    { "7", TEXT, "\"\\u12\"", MALFORMED, NULL },
    { "7", TEXT, "\"\\u 123\"", MALFORMED, NULL },
    { "7", TEXT, "\"\\U0041\"", MALFORMED, NULL },
    { "7", TEXT, "\"abc", MALFORMED, NULL },
    { "7", TEXT, "\"abc\\", MALFORMED, NULL },
    { "7", TEXT, "\"abc\\\"", MALFORMED, NULL },
    { "7", TEXT, "'abc'", MALFORMED, NULL },
    /* 8.2: an unpaired surrogate is not Unicode; we refuse it. */
    { "8.2", TEXT, "\"\\ud83d\"", ISSUE, NULL },
    { "8.2", TEXT, "\"\\ude00\"", ISSUE, NULL },
    { "8.2", TEXT, "\"\\ude00\\ud83d\"", ISSUE, NULL },
    { "8.2", TEXT, "\"\\ud83d\\u0041\"", ISSUE, NULL },
    { "8.2", TEXT, "\"\\ud83d\\ud83d\\ude00\"", ISSUE, NULL },
    { "8.2", TEXT, "\"\\ud83dx\"", ISSUE, NULL },
    { "8.2", TEXT, "\"\\ud83d\\n\"", ISSUE, NULL },
};

/* Decodes, and writes the encoded value to @out. */
static enum outcome run(const struct row *row, size_t len, char *out)
{
    static const struct zkt_hash_key key = { 1, 2 };
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    struct zkt_reader reader;
    struct zkt_writer w;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__writer_init(&w, &zkt__allocator_default);
    char *text = zkt__arena_zero(&arena, len + ZKT_PADDING, 1);
    void *value = zkt__arena_zero(&arena, 1, row->type->size);
    memcpy(text, row->text, len);
    zkt__reader_init(&reader, text, len, &arena, &issues, &key);
    const bool good = row->type->decode(&reader, row->type, value);
    const bool whole = zkt__reader_done(&reader);
    if (good && whole) {
        row->type->encode(&w, row->type, value);
        snprintf(out, 256, "%.*s", (int)w.len, w.data);
    }
    zkt__writer_finish(&w);
    zkt__arena_finish(&arena);
    assert_true(issues.total == 0 || !good);
    return issues.total > 0 ? ISSUE : good && whole ? GOOD : MALFORMED;
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct row *row = &table[i];
        char back[256] = "";
        const enum outcome outcome = run(row, strlen(row->text), back);
        if (outcome != row->outcome ||
            (row->back != NULL && strcmp(back, row->back) != 0)) {
            fail_msg("RFC 8259, section %s: %s is %d, not %d; %s", row->section,
                     row->text, outcome, row->outcome, back);
        }
    }
}

/* The decoder does not look at memory after the end of the text. */
static void test_every_cut_is_malformed(void **state)
{
    static const struct row whole = {
        "2", ANY, "{\"a\":[true,null,-1.5e3,\"\\u00e9\\n\"],\"b\":{}}", GOOD,
        NULL
    };
    char back[256];
    const size_t len = strlen(whole.text);
    (void)state;
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(run(&whole, cut, back), MALFORMED);
    }
    assert_int_equal(run(&whole, len, back), GOOD);
    assert_int_equal(run(&(struct row){ "2", ANY, "1\0", GOOD, NULL }, 2, back),
                     MALFORMED); /* a NUL is not white space */
    assert_int_equal(
        run(&(struct row){ "7", TEXT, "\"a\0b\"", GOOD, NULL }, 5, back),
        MALFORMED);
}

/* 9: depth is limited; exceeding it is an issue and costs no stack. */
static void test_depth(void **state)
{
    static char text[400001];
    char back[256];
    const struct row row = { "9", ANY, text, GOOD, NULL };
    (void)state;
    for (size_t depth = 63; depth <= 65; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(run(&row, 2 * depth, back),
                         depth <= 64 ? GOOD : ISSUE);
    }
    memset(text, '[', sizeof(text));
    assert_int_equal(run(&row, sizeof(text), back), MALFORMED);
    for (size_t i = 0; i + 5 < sizeof(text); i += 5) {
        memcpy(text + i, "{\"\":", 4);
        text[i + 4] = ' ';
    }
    assert_int_equal(run(&row, sizeof(text) - 1, back), MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_every_cut_is_malformed),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
