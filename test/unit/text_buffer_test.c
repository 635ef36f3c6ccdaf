/*
 * The text buffer of the templates: the output of each kind of hole; no text of
 * a schema can leave the string or the comment that holds it.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/text_buffer.h"

/* Expects the text of @out, and finishes it. */
#define assert_emitted(out, expected)                                          \
    do {                                                                       \
        assert_non_null((out).text);                                           \
        assert_string_equal((out).text, expected);                             \
        assert_int_equal((out).len, strlen((out).text));                       \
        text_buffer_finish(&(out));                                            \
    } while (0)

static void values_become_text(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    const char *text = "x = ";
    emit_value(&out, text);
    emit_value(&out, (bool)(2 > 1));
    emit_value(&out, (bool)(1 > 2));
    emit_value(&out, -7);
    emit_value(&out, (uint32_t)4294967295u);
    emit_value(&out, (size_t)9);
    emit_value(&out, INT64_MIN);
    emit_value(&out, UINT64_MAX);
    assert_emitted(
        out,
        "x = truefalse-742949672959-922337203685477580818446744073709551615");
}

static void blanks_are_as_many_as_wanted(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    emit_blanks(&out, 0);
    assert_emitted(out, "");
    emit_text(&out, "a");
    emit_blanks(&out, 3);
    emit_text(&out, "b");
    assert_emitted(out, "a   b");
    emit_blanks(&out, 5000); /* more than the initial room */
    assert_int_equal(out.len, 5000);
    assert_int_equal(strspn(out.text, " "), 5000);
    text_buffer_finish(&out);
}

static void floats_are_constants_of_that_type(void **state)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        { 0.5f, "0.5f" },
        { 1, "1.0f" },
        { -0.0f, "-0.0f" },
        { 0.1f, "0.1f" },
        { 16777216, "16777216.0f" },
        { FLT_MAX, "3.4028235e+38f" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text_buffer out = { 0 };
        emit_float(&out, cases[i].value);
        assert_emitted(out, cases[i].text);
    }
}

static void doubles_are_constants_of_that_type(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        { 0.5, "0.5" },
        { 1, "1.0" },
        { -0.0, "-0.0" },
        { 0.1, "0.1" },
        { 1e300, "1e+300" },
        { 1.0 / 3, "0.3333333333333333" },
        { DBL_MAX, "1.7976931348623157e+308" },
        { INFINITY, "INFINITY" },
        { -INFINITY, "-INFINITY" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text_buffer out = { 0 };
        emit_value(&out, cases[i].value);
        assert_emitted(out, cases[i].text);
    }
}

static void c_strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text, *literal;
    } cases[] = {
        { "", "\"\"" },
        { "plain", "\"plain\"" },
        { "a\"b\\c", "\"a\\\"b\\\\c\"" },
        { "a\nb\tc", "\"a\\nb\\tc\"" },
        { "\x01"
          "1",
          "\"\\0011\"" },
        { "\x7f", "\"\\177\"" },
        { "what?\?/", "\"what?\\?/\"" },
        { "caf\xc3\xa9 \xf0\x9f\x9a\x80", "\"caf\xc3\xa9 \xf0\x9f\x9a\x80\"" },
        { "\xe2\x80\xae"
          "evil",
          "\"\\342\\200\\256evil\"" },
        { "\xef\xbb\xbf", "\"\\357\\273\\277\"" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text_buffer out = { 0 };
        emit_value(&out, c_string(cases[i].text));
        assert_emitted(out, cases[i].literal);
    }
}

static void c_strings_may_hold_nul(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    emit_value(&out, c_string_of("a\0"
                                 "1",
                                 3));
    assert_emitted(out, "\"a\\0001\"");
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    emit_value(&out, json_string("a\"b\\c\n\x1f/\xc3\xa9"));
    assert_emitted(out, "\"a\\\"b\\\\c\\u000a\\u001f/\xc3\xa9\"");
}

static void no_doc_is_no_comment(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    emit_comment(&out, 4, NULL);
    emit_comment(&out, 4, "");
    assert_null(out.text);
    assert_int_equal(out.len, 0);
}

static void comments_have_one_line_or_many(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    emit_comment(&out, 4, "Adds to the number.");
    emit_comment(&out, 0, "One.\n\nTwo.");
    assert_emitted(out, "    /** Adds to the number. */\n"
                        "/**\n * One.\n *\n * Two.\n */\n");
}

static void a_comment_has_80_columns(void **state)
{
    (void)state;
    char doc[75];
    memset(doc, 'x', sizeof(doc));
    doc[73] = '\0';
    struct text_buffer out = { 0 };
    emit_comment(&out, 0, doc);
    assert_memory_equal(out.text, "/** xx", 6);
    assert_int_equal(out.len, 81); /* 80 and the newline */
    text_buffer_finish(&out);
    doc[73] = 'x';
    doc[74] = '\0';
    emit_comment(&out, 0, doc);
    assert_memory_equal(out.text, "/**\n * xx", 9);
    text_buffer_finish(&out);
}

static void no_text_ends_a_comment(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    emit_comment(&out, 0, "a */ b /* c **/ ?\?/");
    assert_emitted(out, "/** a * / b / * c ** / ? ?/ */\n");
    emit_comment(&out, 0, "/");
    assert_emitted(out, "/** / */\n");
    emit_comment(&out, 0,
                 "\xe2\x80\xae"
                 "x\x01");
    assert_emitted(out, "/** <U+202E>x<U+0001> */\n");
    emit_comment(&out, 0, "*\n/");
    assert_emitted(out, "/**\n * *\n * /\n */\n");
}

static void a_text_grows(void **state)
{
    (void)state;
    struct text_buffer out = { 0 };
    for (int i = 0; i < 10000; i++) {
        emit_text(&out, "0123456789");
    }
    assert_int_equal(out.len, 100000);
    assert_string_equal(out.text + 99990, "0123456789");
    text_buffer_finish(&out);
    assert_null(out.text);
    assert_int_equal(out.capacity, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_text),
        cmocka_unit_test(blanks_are_as_many_as_wanted),
        cmocka_unit_test(doubles_are_constants_of_that_type),
        cmocka_unit_test(floats_are_constants_of_that_type),
        cmocka_unit_test(c_strings_are_escaped),
        cmocka_unit_test(c_strings_may_hold_nul),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(no_doc_is_no_comment),
        cmocka_unit_test(comments_have_one_line_or_many),
        cmocka_unit_test(a_comment_has_80_columns),
        cmocka_unit_test(no_text_ends_a_comment),
        cmocka_unit_test(a_text_grows),
    };
    return cmocka_run_group_tests_name("emit", tests, NULL, NULL);
}
