/*
 * The layout of emitted C: long lines are broken, and blank lines come singly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output_c/wrap.h"

static void assert_layout(const char *text, const char *expected)
{
    struct text_buffer in = { 0 };
    emit_text(&in, text);
    struct text_buffer out = wrap_code(&in);
    assert_string_equal(out.text, expected);
    text_buffer_finish(&in);
    text_buffer_finish(&out);
}

static void what_fits_stays(void **state)
{
    (void)state;
    assert_layout("int f(int a, int b);\n", "int f(int a, int b);\n");
    assert_layout("void f(int aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
                  "int bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb);\n",
                  "void f(int aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
                  "int bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb);\n");
}

static void arguments_go_below_the_first(void **state)
{
    (void)state;
    assert_layout("void f(int aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
                  "int bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb);\n",
                  "void f(int aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,\n"
                  "       int bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb);\n");
}

static void wide_arguments_go_to_a_new_line(void **state)
{
    (void)state;
    assert_layout(
        "    enum zkt_status some_rather_long_name(struct a *a, const struct "
        "a_long_name_of_an_input *in);\n",
        "    enum zkt_status some_rather_long_name(\n"
        "        struct a *a, const struct a_long_name_of_an_input *in);\n");
}

static void an_argument_may_be_broken_too(void **state)
{
    (void)state;
    assert_layout(
        "void begin_something(struct handle *handle, void (*done)(const struct "
        "zkt_reply *reply, const struct demo_message *result, void *user), "
        "void *user);\n",
        "void begin_something(\n"
        "    struct handle *handle,\n"
        "    void (*done)(const struct zkt_reply *reply,\n"
        "                 const struct demo_message *result, void *user),\n"
        "    void *user);\n");
}

static void a_long_definition_has_its_name_below(void **state)
{
    (void)state;
    assert_layout(
        "static const struct a_type_with_a_long_name a_type_with_a_long_name"
        "_defaults_ = {\n    .a = 1,\n};\n",
        "static const struct a_type_with_a_long_name\n"
        "    a_type_with_a_long_name_defaults_ = {\n    .a = 1,\n};\n");
}

static void initialisers_open_up(void **state)
{
    (void)state;
    assert_layout("    .field = { .first = { (const int32_t[]){ 1, 2 }, 2 }, "
                  ".second = STRING(\"a, b }\"), .c = 3 },\n",
                  "    .field = {\n"
                  "        .first = { (const int32_t[]){ 1, 2 }, 2 },\n"
                  "        .second = STRING(\"a, b }\"),\n"
                  "        .c = 3,\n"
                  "    },\n");
    assert_layout("    .list = { (const struct a_long_name[]){ { .first = 1, "
                  ".second = 2 }"
                  ", { .first = 3, .second = 4 } }, 2 },\n",
                  "    .list = {\n"
                  "        (const struct a_long_name[]){\n"
                  "            { .first = 1, .second = 2 },\n"
                  "            { .first = 3, .second = 4 },\n"
                  "        },\n"
                  "        2,\n"
                  "    },\n");
}

static void strings_are_not_broken(void **state)
{
    (void)state;
    assert_layout("    call(reader, \"a string, with \\\" (parentheses and all "
                  "of that\", "
                  "and_another_argument);\n",
                  "    call(reader, \"a string, with \\\" (parentheses and all "
                  "of that\",\n"
                  "         and_another_argument);\n");
}

static void comments_and_directives_stay(void **state)
{
    (void)state;
    static const char text[] =
        " * a comment (one, two, three, four, five, six, seven, eight, nine, "
        "ten, eleven)\n"
        "#error \"a directive (one, two, three, four, five, six, seven, eight, "
        "nine)\"\n";
    assert_layout(text, text);
}

static void blank_lines_come_singly(void **state)
{
    (void)state;
    assert_layout("\n\na\n\n\n\nb\nc\n\n", "a\n\nb\nc\n");
}

static void a_blank_line_stands_before_documentation(void **state)
{
    (void)state;
    assert_layout("struct a {\n    /** First. */\n    int b;\n"
                  "    /** Second. */\n    int c;\n};\n/* d */\n",
                  "struct a {\n    /** First. */\n    int b;\n\n"
                  "    /** Second. */\n    int c;\n};\n/* d */\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_stays),
        cmocka_unit_test(arguments_go_below_the_first),
        cmocka_unit_test(wide_arguments_go_to_a_new_line),
        cmocka_unit_test(an_argument_may_be_broken_too),
        cmocka_unit_test(a_long_definition_has_its_name_below),
        cmocka_unit_test(initialisers_open_up),
        cmocka_unit_test(strings_are_not_broken),
        cmocka_unit_test(comments_and_directives_stay),
        cmocka_unit_test(blank_lines_come_singly),
        cmocka_unit_test(a_blank_line_stands_before_documentation),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
