/*
 * Breaking changes, on models written by hand: kinds of types and rules in all
 * directions, among them kinds that no schema of test/breaking has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "breaking/breaking.h"

/* ---- models from text: JSON with single quotes and no escapes ---- */

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " ,:");
}

static char *read_string(struct arena *arena, const char **at)
{
    const size_t len = strcspn(*at + 1, "'");
    char *text = arena_text(arena, *at + 1, len);
    *at += len + 2;
    return text;
}

static struct json_value *read_value(struct arena *arena, const char **at)
{
    skip_blanks(at);
    if (**at == '\'') {
        const char *text = read_string(arena, at);
        return json_value_string(arena, text, strlen(text));
    }
    if (**at == 't') {
        *at += strlen("true");
        return json_value_bool(arena, true);
    }
    if (**at != '{' && **at != '[') {
        const size_t len = strspn(*at, "-.0123456789");
        const char *text = arena_text(arena, *at, len);
        assert_true(len > 0);
        *at += len;
        return json_value_number(arena, text);
    }
    const bool object = **at == '{';
    struct json_value *value = json_value_new(arena,
                                              object ? JSON_OBJECT : JSON_LIST);
    for ((*at)++, skip_blanks(at); **at != '}' && **at != ']';
         skip_blanks(at)) {
        const char *key = object ? read_string(arena, at) : NULL;
        json_value_add(value, key, read_value(arena, at));
    }
    (*at)++;
    return value;
}

/* Returns a model with an actor that has a method, a state, and the members
 * @more. */
static struct json_value *model(struct arena *arena, const char *type,
                                const char *more)
{
    const char *text = arena_printf(
        arena,
        "{'app':'demo','c':'demo',%s"
        "'actors':[{'name':'a','c':'demo_a','hooks':[],'events':[],"
        "'private':{'kind':'object','c':'demo_a_private','fields':["
        "{'name':'p','c':'p','type':%s}]},"
        "'methods':[{'name':'m','c':'m','input':%s,'result':%s}]}]}",
        more, type, type, type);
    return read_value(arena, &text);
}

/* Returns the findings in short: "ID: LETTERS, …", the letters naming the
 * affected clients, by place. */
static const char *compare(struct arena *arena, const struct json_value *old,
                           const struct json_value *new)
{
    static const struct {
        enum breaking_who who;
        char letter;
    } letters[] = {
        { BREAKS_CLIENT, 'c' },
        { BREAKS_SERVER, 's' },
        { BREAKS_STATE, 'S' },
        { BREAKS_SOURCE, 'C' },
    };
    const char *text = "";
    const struct breaking_finding *f = breaking_compare(arena, old, new);
    for (; f != NULL; f = f->next) {
        text = arena_printf(arena, "%s%s%s ", text, text[0] != '\0' ? ", " : "",
                            breaking_id_text(f->id));
        for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
            if ((f->breaks & letters[i].who) != 0) {
                text = arena_printf(arena, "%s%c", text, letters[i].letter);
            }
        }
    }
    return text;
}

/* The order is: private state, input, result. */
static void assert_types(const char *old, const char *new, const char *expected)
{
    struct arena arena = { 0 };
    const char *actual = compare(&arena, model(&arena, old, ""),
                                 model(&arena, new, ""));
    assert_string_equal(actual, expected);
    arena_finish(&arena);
}

static void kinds(void **state)
{
    (void)state;
    assert_types("{'kind':'string'}", "{'kind':'string'}", "");
    assert_types("{'kind':'bool'}", "{'kind':'json'}",
                 "type-widened C, type-widened sC, type-widened cC");
    assert_types("{'kind':'float32'}", "{'kind':'float64'}",
                 "type-widened C, type-widened sC, type-widened cC");
    assert_types("{'kind':'float64'}", "{'kind':'float32'}",
                 "type-narrowed SC, type-narrowed cC, type-narrowed sC");
    assert_types("{'kind':'int32'}", "{'kind':'float32'}",
                 "type-changed SC, type-changed csC, type-changed csC");
    assert_types("{'kind':'json'}", "{'kind':'bool'}",
                 "type-narrowed SC, type-narrowed cC, type-narrowed sC");
    assert_types("{'kind':'bytes'}", "{'kind':'string'}",
                 "type-widened C, type-widened sC, type-widened cC");
    assert_types("{'kind':'bool'}", "{'kind':'int32'}",
                 "type-changed SC, type-changed csC, type-changed csC");
}

static void integers(void **state)
{
    (void)state;
    assert_types("{'kind':'uint32'}", "{'kind':'int64'}",
                 "type-widened C, type-widened sC, type-widened cC");
    assert_types("{'kind':'uint64'}", "{'kind':'uint32'}",
                 "type-narrowed SC, type-narrowed cC, type-narrowed sC");
    assert_types("{'kind':'int32'}", "{'kind':'uint32'}",
                 "type-changed SC, type-changed csC, type-changed csC");
    /* A change within the rules is visible only in C. */
    assert_types("{'kind':'int32','min':0,'max':9}",
                 "{'kind':'uint32','min':0,'max':9}",
                 "type-changed C, type-changed C, type-changed C");
    assert_types("{'kind':'timestamp'}", "{'kind':'int64'}",
                 "type-widened s, type-widened c");
    assert_types("{'kind':'uint32'}", "{'kind':'float64'}",
                 "type-widened C, type-widened sC, type-widened cC");
}

static void null(void **state)
{
    (void)state;
    assert_types("{'kind':'string'}",
                 "{'kind':'nullable','of':{'kind':'string'}}",
                 "type-widened C, type-widened sC, type-widened cC");
    assert_types("{'kind':'nullable','of':{'kind':'string'}}",
                 "{'kind':'string','max':5}",
                 "type-narrowed SC, rule-tightened S, "
                 "type-narrowed cC, rule-tightened c, type-narrowed sC");
    assert_types("{'kind':'nullable','of':{'kind':'string'}}",
                 "{'kind':'nullable','of':{'kind':'string','min':1}}",
                 "rule-tightened S, rule-tightened c");
}

static void tuples(void **state)
{
    (void)state;
    assert_types("{'kind':'tuple','items':[{'kind':'int32'},{'kind':'bool'}]}",
                 "{'kind':'tuple','items':[{'kind':'int64'},{'kind':'bool'}]}",
                 "type-widened C, type-widened sC, type-widened cC");
    assert_types("{'kind':'tuple','items':[{'kind':'int32'}]}",
                 "{'kind':'tuple','items':[{'kind':'int32'},{'kind':'bool'}]}",
                 "type-changed SC, type-changed csC, type-changed csC");
    assert_types("{'kind':'tuple','c':'demo_point','items':[]}",
                 "{'kind':'tuple','c':'demo_place','items':[]}",
                 "type-renamed C, type-renamed C, type-renamed C");
}

static void bounds(void **state)
{
    (void)state;
    assert_types("{'kind':'float64','min':0}", "{'kind':'float64','above':0}",
                 "rule-tightened S, rule-tightened c");
    assert_types("{'kind':'float64','above':0}", "{'kind':'float64','min':0}",
                 "rule-loosened s");
    assert_types("{'kind':'float64','below':1.5}", "{'kind':'float64','max':1}",
                 "rule-tightened S, rule-tightened c");
    assert_types("{'kind':'float64','below':1}", "{'kind':'float64','below':1}",
                 "");
    assert_types("{'kind':'bytes','max':10}", "{'kind':'bytes','max':9}",
                 "rule-tightened S, rule-tightened c");
}

static void steps(void **state)
{
    (void)state;
    assert_types("{'kind':'int32'}", "{'kind':'int32','multipleOf':5}",
                 "rule-tightened S, rule-tightened c");
    assert_types("{'kind':'int32','multipleOf':10}",
                 "{'kind':'int32','multipleOf':5}", "rule-loosened s");
    assert_types("{'kind':'int32','multipleOf':2}",
                 "{'kind':'int32','multipleOf':3}",
                 "rule-changed S, rule-changed cs");
}

static void patterns(void **state)
{
    (void)state;
    assert_types(
        "{'kind':'string','patterns':[{'pattern':'/a/'}]}",
        "{'kind':'string','patterns':[{'pattern':'/b/'},{'pattern':'/a/'}]}",
        "rule-tightened S, rule-tightened c");
    assert_types("{'kind':'string','patterns':[{'pattern':'/a/'}]}",
                 "{'kind':'string'}", "rule-loosened s");
    assert_types("{'kind':'string','patterns':[{'pattern':'/a/'}]}",
                 "{'kind':'string','patterns':[{'pattern':'/b/'}]}",
                 "rule-changed S, rule-changed cs");
    assert_types("{'kind':'string'}",
                 "{'kind':'string','patterns':[{'format':'email'}]}",
                 "rule-tightened S, rule-tightened c");
    assert_types("{'kind':'string','lower':true}", "{'kind':'string'}",
                 "rule-changed S, rule-changed cs");
}

static void unique(void **state)
{
    (void)state;
    assert_types("{'kind':'list','of':{'kind':'int32'}}",
                 "{'kind':'list','unique':true,'of':{'kind':'int32'}}",
                 "rule-tightened S, rule-tightened c");
    assert_types("{'kind':'list','unique':true,'of':{'kind':'int32'}}",
                 "{'kind':'list','of':{'kind':'int32'}}", "rule-loosened s");
}

/* Compares two models with a method that takes a union or a struct, declared as
 * @old and @new. */
static void assert_declared(const char *kind, const char *old, const char *new,
                            const char *expected)
{
    struct arena arena = { 0 };
    const char *type = arena_printf(&arena, "{'kind':'%s','name':'T'}", kind);
    const char *circle = "{'name':'Circle','c':'demo_circle','fields':[]},"
                         "{'name':'Box','c':'demo_box','fields':[]}";
    const bool is_union = kind[0] == 'u';
    const char *form = is_union ? "'structs':[%s],'unions':[%s],"
                                : "'structs':[%s,%s],";
    const char *texts[] = { old, new };
    struct json_value *models[2];
    for (size_t i = 0; i < 2; i++) {
        const char *declared = arena_printf(&arena, form, circle, texts[i]);
        models[i] = model(&arena, type, declared);
    }
    assert_string_equal(compare(&arena, models[0], models[1]), expected);
    arena_finish(&arena);
}

#define CIRCLE "{'name':'circle','type':{'kind':'struct','name':'Circle'}}"
#define BOX    "{'name':'box','type':{'kind':'struct','name':'Box'}}"
#define UNION(by, variants)                                                    \
    "{'name':'T','c':'demo_t','discriminator':'" by "','variants':[" variants  \
    "]}"

static void unions(void **state)
{
    (void)state;
    assert_declared("union", UNION("kind", CIRCLE "," BOX),
                    UNION("kind", BOX "," CIRCLE), "");
    assert_declared("union", UNION("kind", CIRCLE "," BOX),
                    UNION("kind", CIRCLE), "variant-removed cSC");
    assert_declared("union", UNION("kind", CIRCLE),
                    UNION("kind", CIRCLE "," BOX), "variant-added s");
    assert_declared("union", UNION("kind", CIRCLE), UNION("type", CIRCLE),
                    "discriminator-changed csS");
}

#define FIELD(name)    "{'name':'" name "','c':'" name "','type':{'kind':'bool'}}"
#define STRUCT(fields) "{'name':'T','c':'demo_t'," fields "}"

static void strictness(void **state)
{
    (void)state;
    assert_declared("struct", STRUCT("'fields':[]"),
                    STRUCT("'strict':true,'fields':[]"), "rule-tightened cS");
    assert_declared("struct", STRUCT("'strict':true,'fields':[]"),
                    STRUCT("'fields':[]"), "rule-loosened s");
    assert_declared("struct", STRUCT("'check':true,'fields':[]"),
                    STRUCT("'fields':[]"), "rule-loosened s, hook-removed C");
    assert_declared(
        "struct",
        STRUCT("'strict':true,'fields':[{'name':'x','optional':true,"
               "'type':{'kind':'bool'}}]"),
        STRUCT("'strict':true,'fields':[]"), "field-removed cSC");
    assert_declared(
        "struct", STRUCT("'strict':true,'fields':[]"),
        STRUCT("'strict':true,'fields':[{'name':'x','optional':true,"
               "'type':{'kind':'bool'}}]"),
        "field-added s");
    assert_declared("struct", STRUCT("'fields':[" FIELD("x") "]"),
                    STRUCT("'fields':[" FIELD("y") "]"), "field-renamed csSC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),    cmocka_unit_test(integers),
        cmocka_unit_test(null),     cmocka_unit_test(tuples),
        cmocka_unit_test(bounds),   cmocka_unit_test(steps),
        cmocka_unit_test(patterns), cmocka_unit_test(unique),
        cmocka_unit_test(unions),   cmocka_unit_test(strictness),
    };
    return cmocka_run_group_tests_name("breaking", tests, NULL, NULL);
}
