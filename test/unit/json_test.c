/* The JSON layer: well-formed and malformed JSON, strings, numbers, writing. */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "protocol/envelope.h"
#include "json/json.h"
#include "json/number.h"

static const struct zkt_hash_key hash_key = { 1, 2 };

/* Starts a reader on a copy of @text with the padding that it needs. */
static void read_text(struct zkt_reader *reader, struct zkt_arena *arena,
                      struct zkt_issues *issues, const char *text, size_t len)
{
    char *copy = zkt__arena_zero(arena, len + ZKT_PADDING, 1);
    memcpy(copy, text, len);
    zkt__reader_init(reader, copy, len, arena, issues, &hash_key);
}

static bool is_json(const char *text, size_t len)
{
    struct zkt_arena arena;
    struct zkt_reader reader;
    zkt__arena_init(&arena, &zkt__allocator_default);
    read_text(&reader, &arena, NULL, text, len);
    const bool good = zkt__reader_skip(&reader, NULL) &&
                      zkt__reader_done(&reader);
    zkt__arena_finish(&arena);
    return good;
}

static void test_well_formed_json(void **state)
{
    static const char *const good[] = {
        "0",
        "-0",
        "1.5e+10",
        "\"\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "{\"a\":{\"b\":[null,true,false]}}",
        "\"\\u0000\\ud800 \\\" \\/ \\b\\f\\n\\r\\t\"",
        "\"\x7f é 😀\"",
        "[[[[]]],{\"\":0}]",
        "\t\r\n 1 \t",
    };
    static const char *const bad[] = {
        "",          " ",       "01",       "1.",         ".5",       "+1",
        "1e",        "-",       "nul",      "truee",      "\"",       "\"\\x\"",
        "\"\\u12\"", "\"\n\"",  "[",        "[1,]",       "[,1]",     "[1 2]",
        "{",         "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",    "{1:1}",
        "]",         "[}",      "[1]]",     "NaN",        "Infinity", "'a'",
        "1 2",       "//",      "\v1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(is_json(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (is_json(bad[i], strlen(bad[i]))) {
            fail_msg("accepted as JSON: %s", bad[i]);
        }
    }
    assert_false(is_json("1\0", 2));
    assert_false(is_json("\"a\0b\"", 5));
}

static void test_depth(void **state)
{
    char text[2 * 100001];
    (void)state;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    assert_true(is_json(text, 128));
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_true(is_json(text, 130)); /* deeper than a decoder accepts */
    text[100] = '}';
    assert_false(is_json(text, 130));
    memset(text, '[', 100000);
    memset(text + 100000, ']', 100000);
    assert_true(is_json(text, 200000));
    assert_false(is_json(text, 199999));
    text[100000] = '}';
    assert_false(is_json(text, 200000));
}

/* Skipping a value deeper than decoders accept takes memory for its depth, and
 * gives it back. */
static void test_skipping_keeps_nothing(void **state)
{
    enum {
        VALUES = 200,
        LEVELS = 1000
    };
    static char text[VALUES * (2 * LEVELS + 1) + 1 + ZKT_PADDING];
    struct zkt_arena arena;
    struct zkt_reader reader;
    char *at = text;
    int count = 0;
    (void)state;
    *at++ = '[';
    for (int i = 0; i < VALUES; i++) {
        memset(at, '[', LEVELS);
        memset(at + LEVELS, ']', LEVELS);
        at += 2 * LEVELS;
        *at++ = i + 1 < VALUES ? ',' : ']';
    }
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__reader_init(&reader, text, (size_t)(at - text), &arena, NULL,
                     &hash_key);
    assert_true(zkt__reader_enter(&reader, ZKT_TOKEN_ARRAY));
    while (zkt__reader_item(&reader)) {
        assert_true(zkt__reader_skip(&reader, NULL));
        count++;
    }
    assert_true(zkt__reader_done(&reader));
    assert_int_equal(count, VALUES);
    assert_true(arena.size <= 1024);
    zkt__arena_finish(&arena);
}

static void test_strings(void **state)
{
    static const struct {
        const char *json, *text;
        size_t len;
        bool lone;
    } table[] = {
        { "\"\"", "", 0, false },
        { "\"plain text of some length, no escapes\"",
          "plain text of some length, no escapes", 37, false },
        { "\"a\\u0000b\"", "a\0b", 3, false },
        { "\"\\ud83d\\ude00\"", "😀", 4, false },
        { "\"\\ud83d\"", "\xef\xbf\xbd", 3, true },
        { "\"\\ude00x\"", "\xef\xbf\xbdx", 4, true },
        { "\"\\ud83d\\u0041\"",
          "\xef\xbf\xbd"
          "A",
          4, true },
        { "\"\\n\\\\\\/\\u00e9\\u20ac\"", "\n\\/é€", 8, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_arena arena;
        struct zkt_reader reader;
        struct zkt_str text;
        bool lone;
        zkt__arena_init(&arena, &zkt__allocator_default);
        read_text(&reader, &arena, NULL, table[i].json, strlen(table[i].json));
        assert_true(zkt__reader_text(&reader, &text, &lone));
        assert_int_equal(lone, table[i].lone);
        assert_int_equal(text.len, table[i].len);
        assert_memory_equal(text.data, table[i].text, text.len + 1);
        assert_true(zkt__reader_done(&reader));
        zkt__arena_finish(&arena);
    }
}

/* The spelling of numbers in ECMA-262. */
static void test_numbers(void **state)
{
    static const struct {
        double value;
        const char *text;
    } table[] = {
        { 0, "0" },
        { -0.0, "0" },
        { 1, "1" },
        { -1.5, "-1.5" },
        { 0.1, "0.1" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 1e20, "100000000000000000000" },
        { 1e21, "1e+21" },
        { 123e-20, "1.23e-18" },
        { 1e-6, "0.000001" },
        { 1e-7, "1e-7" },
        { 5e-324, "5e-324" },
        { 4.450147717014403e-308, "4.450147717014403e-308" }, /* 2^-1021 */
        { 1.1125369292536007e-308, "1.1125369292536007e-308" },
        { 9.5367431640625e-7, "9.5367431640625e-7" }, /* 2^-20 */
        { 1.7976931348623157e308, "1.7976931348623157e+308" },
        { 9007199254740993.0, "9007199254740992" },
        { 4.35, "4.35" },
        { 5.684341886080802e-14, "5.684341886080802e-14" },
        { 100, "100" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[ZKT_NUMBER_SIZE + 1];
        text[zkt__real_write(text, table[i].value)] = '\0';
        assert_string_equal(text, table[i].text);
    }
    char text[ZKT_NUMBER_SIZE + 1];
    text[zkt__integer_write(text, INT64_MIN)] = '\0';
    assert_string_equal(text, "-9223372036854775808");
}

/* Without the zeros at both ends and the exponent. */
static int count_digits(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '0') {
            zeros += count > 0;
        } else if (*text >= '1' && *text <= '9') {
            count += zeros + 1;
            zeros = 0;
        }
    }
    return count;
}

/* The decimal of so many digits that is nearest to @value; whether it reads
 * back. */
static bool reads_back(float value, int digits, double *out)
{
    char text[40];
    snprintf(text, sizeof(text), "%.*e", digits - 1, (double)value);
    *out = strtod(text, NULL);
    return strtof(text, NULL) == value;
}

/* The text of a float reads back to it, has no digit more than it takes, and is
 * the nearest of that length, unless that one is on the side of a power of two
 * where the next float is closer, and is read as that. */
static void assert_shortest(float value)
{
    char text[ZKT_NUMBER_SIZE + 1];
    const size_t len = zkt__single_write(text, value);
    text[len] = '\0';
    const struct zkt_number read = zkt__number_read(text, text + len);
    const float back = (float)zkt__single_round(read.real);
    const int digits = count_digits(text);
    double nearest;
    assert_memory_equal(&back, &value, sizeof(value));
    if (digits > 1) {
        assert_false(reads_back(value, digits - 1, &nearest));
    }
    if (digits > 0 && reads_back(value, digits, &nearest)) {
        assert_memory_equal(&read.real, &nearest, sizeof(nearest));
    }
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void test_floats(void **state)
{
    const uint32_t first = 1u << 23, last = 0x7f800000u; /* infinity */
    (void)state;
    for (uint32_t bits = 0; bits < last; bits += first) {
        for (uint32_t i = 0; i < 20; i++) {
            assert_shortest(float_of(bits + i));
            assert_shortest(float_of(bits + first - 1 - i));
            assert_shortest(float_of(bits + (first >> (i + 1))));
        }
    }
    for (uint32_t bits = 1; bits < last; bits += 65521) {
        assert_shortest(float_of(bits));
        assert_shortest(float_of(bits | 0x80000000u));
    }
}

static void test_texts_of_floats(void **state)
{
    static const struct {
        float value;
        const char *text;
    } table[] = {
        { 0, "0" },
        { -0.0f, "0" },
        { 0.1f, "0.1" },
        { -1.5f, "-1.5" },
        { 16777216, "16777216" },
        { 3e10f, "30000000000" },
        { 1e21f, "1e+21" },
        { 1e-7f, "1e-7" },
        { 1.0f / 3, "0.33333334" },
        { FLT_MAX, "3.4028235e+38" },
        { FLT_MIN, "1.1754944e-38" },
        { 1e-45f, "1e-45" },
        /* Its shortest text is read as the next float by way of a double. */
        { 0x1.5c87fap-84f, "7.038530691851209e-26" },
        { -0x1.5c87fap-84f, "-7.038530691851209e-26" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[ZKT_NUMBER_SIZE + 1];
        text[zkt__single_write(text, table[i].value)] = '\0';
        assert_string_equal(text, table[i].text);
    }
}

static void test_reading_plain_integers(void **state)
{
    static const struct {
        const char *text;
        size_t len; /* 0: left to the general parser */
        int64_t value;
    } table[] = {
        { "0", 1, 0 },
        { "-0", 2, 0 },
        { "17,", 2, 17 },
        { "-9]", 2, -9 },
        { "999999999999999999", 18, 999999999999999999 },
        { "-999999999999999999", 19, -999999999999999999 },
        { "1000000000000000000", 0, 0 },
        { "00", 0, 0 },
        { "-01", 0, 0 },
        { "-", 0, 0 },
        { "x", 0, 0 },
        { "1.5", 0, 0 },
        { "1e3", 0, 0 },
        { "1E3", 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[32];
        int64_t value = 0;
        strcpy(text, table[i].text);
        const char *end = zkt__integer_read(text, &value);
        assert_ptr_equal(end, table[i].len > 0 ? text + table[i].len : NULL);
        assert_true(value == table[i].value);
    }
}

static void test_reading_numbers(void **state)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t integer;
        double real;
    } table[] = {
        { "17", true, 17, 17 },
        { "-9223372036854775807", true, -INT64_MAX, -9223372036854775807.0 },
        { "1.0", true, 1, 1 },
        { "1e3", true, 1000, 1000 },
        { "1.5", false, 0, 1.5 },
        { "123456789012345678901234567890", false, 0,
          123456789012345678901234567890.0 },
        { "0.1000000000000000055511151231257827", false, 0, 0.1 },
        { "1e-400", true, 0, 0 },
        /* Half-way between two doubles: rounds to even. */
        { "4503599627370496.5", true, 4503599627370496, 4503599627370496.0 },
        { "4503599627370497.5", true, 4503599627370498, 4503599627370498.0 },
        { "0.30000000000000004", false, 0, 0.1 + 0.2 },
        { "1.7976931348623157e308", false, 0, 1.7976931348623157e308 },
        { "9999999999999999999e280", false, 0, 9999999999999999999e280 },
        { "1e-280", false, 0, 1e-280 },
        { "2.2250738585072011e-308", false, 0, 2.2250738585072011e-308 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[64];
        strcpy(text, table[i].text);
        char *end = zkt__number_end(text);
        assert_ptr_equal(end, text + strlen(text));
        const struct zkt_number n = zkt__number_read(text, end);
        assert_int_equal(n.whole, table[i].whole);
        if (n.whole) {
            assert_true(n.integer == table[i].integer);
        }
        assert_memory_equal(&n.real, &table[i].real, sizeof(n.real));
    }
}

static void test_writing(void **state)
{
    struct zkt_writer w;
    (void)state;
    zkt__writer_init(&w, &zkt__allocator_default);
    zkt_write_string(&w, (struct zkt_str){ "a\"\\\n\x01\0é/", 9 });
    assert_int_equal(w.len, strlen("\"a\\\"\\\\\\n\\u0001\\u0000é/\""));
    assert_memory_equal(w.data, "\"a\\\"\\\\\\n\\u0001\\u0000é/\"", w.len);
    w.len = 0;
    zkt_write_end(&w, zkt_write_begin(&w));
    assert_memory_equal(w.data, "{}", 2);
    w.limit = w.capacity;
    for (int i = 0; i < 1000; i++) {
        ZKT_WRITE(&w, "0123456789");
    }
    assert_true(w.failed);
    zkt__writer_finish(&w);
}

/* Writes a text of @len letters with a quote at @at, at the very end of the
 * writer's room. */
static void write_with_quote(size_t len, size_t at)
{
    enum {
        ROOM = 256 /* the initial room of a writer */
    };
    struct zkt_writer w;
    char *text = malloc(len + 1), expected[ROOM];
    assert_non_null(text);
    memset(text, 'x', len);
    zkt__writer_init(&w, &zkt__allocator_default);
    while (w.len < ROOM - len - 2) {
        ZKT_WRITE(&w, ".");
    }
    const size_t begin = w.len;
    memset(expected, 'x', sizeof(expected));
    expected[0] = expected[len + 1] = '"';
    if (at < len) {
        text[at] = '"';
        expected[len + 1] = 'x';
        memcpy(expected + 1 + at, "\\\"", 2);
        expected[len + 2] = '"';
    }
    /* reading behind it would be out of bounds */
    text = realloc(text, len > 0 ? len : 1);
    zkt_write_string(&w, (struct zkt_str){ text, len });
    assert_false(w.failed);
    assert_int_equal(w.len, begin + len + 2 + (at < len));
    assert_memory_equal(w.data + begin, expected, w.len - begin);
    free(text);
    zkt__writer_finish(&w);
}

static void test_writing_text(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 100; len++) {
        for (size_t at = 0; at <= len; at++) { /* at the end: no quote */
            write_with_quote(len, at);
        }
    }
}

static void test_envelopes(void **state)
{
    static const char text[] =
        " {\"input\":{\"type\":[1]},\"x\":{},\"actorId\":\"a\\u0041\","
        "\"id\":17,\"method\":\"m\",\"actor\":\"old\",\"actor\":\"new\","
        "\"ty\\u0070e\":\"rpc\"} ";
    struct zkt_arena arena;
    struct zkt_reader reader;
    struct zkt_envelope e;
    (void)state;
    zkt__arena_init(&arena, &zkt__allocator_default);
    read_text(&reader, &arena, NULL, text, sizeof(text) - 1);
    assert_true(zkt__envelope_read(&e, &reader));
    assert_int_equal(e.type, ZKT_MESSAGE_RPC);
    assert_string_equal(e.actor.data, "new");
    assert_string_equal(e.actor_id.data, "aA");
    assert_int_equal(e.id.len, 2);
    assert_memory_equal(e.input.data, "{\"type\":[1]}", e.input.len);
    assert_null(e.event.data);
    read_text(&reader, &arena, NULL, "{\"type\":\"rpc\"} x", 16);
    assert_false(zkt__envelope_read(&e, &reader));
    assert_int_equal(zkt__status_parse(ZKT_STR("ABORTED")), ZKT_ABORTED);
    assert_int_equal(zkt__status_parse(ZKT_STR("OK")), ZKT_INTERNAL);
    assert_int_equal(zkt__status_parse(ZKT_STR("CLOSED")), ZKT_INTERNAL);
    zkt__arena_finish(&arena);
}

/* A call that is recognised as a whole, and calls that differ from it in one
 * place. */
static void test_calls_in_the_usual_order(void **state)
{
#define CALL                                                                   \
    "{\"type\":\"rpc\",\"id\":\"i7\",\"actor\":\"a\",\"actorId\":\"one\","
#define LONG "0123456789abcdef0123456789abcdef0123456789abcdef"
    static const struct {
        const char *text, *actor_id, *method, *input;
    } cases[] = {
        { CALL "\"method\":\"m\"}", "one", "m", NULL },
        { CALL "\"method\":\"m\",\"input\":{\"x\":[1,\"" LONG "\"]}}", "one",
          "m", "{\"x\":[1,\"" LONG "\"]}" },
        { CALL "\"method\":\"m\",\"input\":7 }", "one", "m", "7" },
        { CALL "\"method\":\"m\",\"input\":7} ", "one", "m", "7" },
        { CALL "\"method\":\"m\" ,\"input\":7}", "one", "m", "7" },
        { CALL "\"method\":\"\\u006d\",\"input\":7}", "one", "m", "7" },
        { CALL "\"method\":\"m\",\"input\":7,\"actorId\":\"two\"}", "two", "m",
          "7" },
        { CALL "\"method\":\"m\",\"input\":7,\"input\":8}", "one", "m", "8" },
        { CALL "\"method\":\"m\",\"input\":7", NULL, NULL, NULL },
        { CALL "\"method\":\"m\",\"input\":}", NULL, NULL, NULL },
        { CALL "\"method\":\"m\",\"input\":7}}", NULL, NULL, NULL },
        { CALL "\"method\":\"m", NULL, NULL, NULL },
        { CALL "\"method\":\"m\"", NULL, NULL, NULL },
    };
    struct zkt_arena arena;
    struct zkt_reader reader;
    struct zkt_envelope e;
    (void)state;
    zkt__arena_init(&arena, &zkt__allocator_default);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *input = cases[i].input;
        read_text(&reader, &arena, NULL, cases[i].text, strlen(cases[i].text));
        assert_int_equal(zkt__envelope_read(&e, &reader),
                         cases[i].method != NULL);
        if (cases[i].method == NULL) {
            assert_false(reader.no_memory);
            continue;
        }
        assert_int_equal(e.type, ZKT_MESSAGE_RPC);
        assert_int_equal(e.id.len, 4);
        assert_memory_equal(e.id.data, "\"i7\"", 4);
        assert_string_equal(e.actor.data, "a");
        assert_string_equal(e.actor_id.data, cases[i].actor_id);
        assert_string_equal(e.method.data, cases[i].method);
        assert_int_equal(e.input.len, input != NULL ? strlen(input) : 0);
        if (input != NULL) {
            assert_memory_equal(e.input.data, input, e.input.len);
        }
    }
    zkt__arena_finish(&arena);
#undef CALL
#undef LONG
}

/* Every length around the block sizes of the scan for the end of a text. */
static void test_the_end_of_a_text(void **state)
{
    static const char stops[] = { '"', '\\', '\x1f', '\x01' };
    struct zkt_arena arena;
    struct zkt_reader reader;
    (void)state;
    zkt__arena_init(&arena, &zkt__allocator_default);
    for (size_t len = 0; len < 100; len++) {
        for (size_t i = 0; i < sizeof(stops); i++) {
            char text[128] = { '"' };
            struct zkt_str out;
            /* Plain bytes with values next to those of special bytes. */
            memset(text + 1, "\x7f !#[]\xa2\xdc"[len % 8], len);
            text[1 + len] = stops[i];
            memcpy(text + 2 + len, "n\"", 2);
            read_text(&reader, &arena, NULL, text, len + 4);
            const bool good = zkt__reader_string(&reader, &out);
            assert_int_equal(good, i < 2);
            if (good) {
                assert_int_equal(out.len, i == 0 ? len : len + 1);
            }
        }
    }
    zkt__arena_finish(&arena);
}

static void test_trim_is_that_of_ecmascript(void **state)
{
    static const struct zkt_string_rules rules = { .max = UINT32_MAX,
                                                   .trim = true };
    struct zkt_type type = zkt_type_string;
    static const char text[] =
        "\"\\t\\n\\u000b\\f\\r \\u00a0\\u1680\\u2000\\u200a\\u2028\\u2029"
        "\\u202f\\u205f\\u3000\\ufeff x \\u0085 y\\u3000\\ufeff\\u00a0 \"";
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    struct zkt_reader reader;
    struct zkt_str value;
    (void)state;
    type.of.strings = &rules;
    zkt__arena_init(&arena, &zkt__allocator_default);
    read_text(&reader, &arena, &issues, text, sizeof(text) - 1);
    assert_true(zkt_decode_string(&reader, &type, &value));
    assert_string_equal(value.data, "x \xc2\x85 y");
    assert_true(zkt__reader_done(&reader));
    zkt__arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_formed_json),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_skipping_keeps_nothing),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_texts_of_floats),
        cmocka_unit_test(test_reading_plain_integers),
        cmocka_unit_test(test_reading_numbers),
        cmocka_unit_test(test_writing),
        cmocka_unit_test(test_writing_text),
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_calls_in_the_usual_order),
        cmocka_unit_test(test_the_end_of_a_text),
        cmocka_unit_test(test_trim_is_that_of_ecmascript),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
