/*
 * Types: whether every value of the old type is a value of the new, and the
 * reverse. A wider type hurts who reads from newer writers, a narrower type
 * who writes to newer readers, and other code in C in any case.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "breaking/breaking.h"
#include "schema/schema.h"

static bool is_kind(const struct json_value *type, const char *kind)
{
    return strcmp(json_value_text(type, "kind"), kind) == 0;
}

/* ---- rules ---- */

enum change {
    SAME,
    TIGHTER,
    LOOSER,
    OTHER
};

static void rule_changed(struct breaking *b, enum change change,
                         const char *text, const struct breaking_place *place)
{
    static const enum breaking_id ids[] = {
        [TIGHTER] = BREAKING_RULE_TIGHTENED,
        [LOOSER] = BREAKING_RULE_LOOSENED,
        [OTHER] = BREAKING_RULE_CHANGED,
    };
    const bool in = (place->uses & USE_INPUT) != 0;
    if (change == SAME) {
        return;
    }
    struct breaking_finding *f = breaking_report(b, ids[change], place, text);
    breaking_because(b, f, in && change != LOOSER, BREAKS_CLIENT,
                     "send what is refused now");
    breaking_because(b, f, in && change != TIGHTER, BREAKS_SERVER,
                     "refuse what newer clients send");
    breaking_because(b, f, (place->uses & USE_STORED) != 0 && change != LOOSER,
                     BREAKS_STATE, "what was stored may break the rule");
}

/* A lower or an upper bound; an exclusive bound has a name of its own. */
struct bound {
    const struct json_value *value; /* NULL: there is none */
    bool exclusive;
};

static struct bound bound_of(const struct json_value *type,
                             const char *inclusive, const char *exclusive)
{
    const struct json_value *value = json_value_find(type, exclusive);
    return value != NULL
               ? (struct bound){ value, true }
               : (struct bound){ json_value_find(type, inclusive), false };
}

/* How a bound has moved; @sign: 1 where more is tighter, else -1. */
static enum change compare_bounds(struct bound old, struct bound new, int sign)
{
    if (old.value == NULL || new.value == NULL) {
        return old.value == new.value ? SAME
               : old.value == NULL    ? TIGHTER
                                      : LOOSER;
    }
    const double moved = sign * (strtod(new.value->text, NULL) -
                                 strtod(old.value->text, NULL));
    if (moved > 0 || moved < 0) {
        return moved > 0 ? TIGHTER : LOOSER;
    }
    return old.exclusive == new.exclusive ? SAME
           : new.exclusive                ? TIGHTER
                                          : LOOSER;
}

static void bound_changed(struct breaking *b, const struct json_value *old,
                          const struct json_value *new, bool lower,
                          const struct breaking_place *place)
{
    const char *inclusive = lower ? "min" : "max";
    const char *exclusive = lower ? "above" : "below";
    const struct bound o = bound_of(old, inclusive, exclusive);
    const struct bound n = bound_of(new, inclusive, exclusive);
    const enum change change = compare_bounds(o, n, lower ? 1 : -1);
    rule_changed(
        b, change,
        arena_printf(
            b->arena, "the %s bound of %s was %s%s and is %s%s now",
            lower ? "lower" : "upper", place->label,
            o.exclusive ? "exclusive " : "", breaking_print(b, o.value),
            n.exclusive ? "exclusive " : "", breaking_print(b, n.value)),
        place);
}

/* The text of a pattern or a format in the schema. */
static const char *pattern_text(const struct json_value *pattern)
{
    const char *format = json_value_text(pattern, "format");
    return format[0] != '\0' ? format : json_value_text(pattern, "pattern");
}

/* Whether all patterns of a list are in another list. */
static bool includes(const struct json_value *outer,
                     const struct json_value *inner)
{
    for (const struct json_value *i = inner != NULL ? inner->first : NULL;
         i != NULL; i = i->next) {
        const struct json_value *o = outer != NULL ? outer->first : NULL;
        while (o != NULL && strcmp(pattern_text(o), pattern_text(i)) != 0) {
            o = o->next;
        }
        if (o == NULL) {
            return false;
        }
    }
    return true;
}

/* The patterns as in a schema. */
static const char *print_patterns(struct breaking *b,
                                  const struct json_value *list)
{
    const char *text = "";
    for (const struct json_value *t = list != NULL ? list->first : NULL;
         t != NULL; t = t->next) {
        text = arena_printf(b->arena, "%s%s%s", text,
                            text[0] != '\0' ? ", " : "", pattern_text(t));
    }
    return text[0] != '\0' ? text : "none";
}

/* Each pattern narrows, a format too: more patterns are tighter. */
static void patterns_changed(struct breaking *b, const struct json_value *old,
                             const struct json_value *new,
                             const struct breaking_place *place)
{
    const struct json_value *o = json_value_find(old, "patterns");
    const struct json_value *n = json_value_find(new, "patterns");
    const bool more = includes(n, o), less = includes(o, n);
    rule_changed(
        b,
        more && less ? SAME
        : more       ? TIGHTER
        : less       ? LOOSER
                     : OTHER,
        arena_printf(b->arena, "the patterns of %s were %s and are %s now",
                     place->label, print_patterns(b, o), print_patterns(b, n)),
        place);
}

/* A multiple of a multiple is a multiple of the number, too. */
static void step_changed(struct breaking *b, const struct json_value *old,
                         const struct json_value *new,
                         const struct breaking_place *place)
{
    const struct json_value *o = json_value_find(old, "multipleOf");
    const struct json_value *n = json_value_find(new, "multipleOf");
    const long long was = o != NULL ? strtoll(o->text, NULL, 10) : 1;
    const long long is = n != NULL ? strtoll(n->text, NULL, 10) : 1;
    rule_changed(b,
                 was == is                   ? SAME
                 : was != 0 && is % was == 0 ? TIGHTER
                 : is != 0 && was % is == 0  ? LOOSER
                                             : OTHER,
                 arena_printf(b->arena, "'%%' of %s was %s and is %s now",
                              place->label, breaking_print(b, o),
                              breaking_print(b, n)),
                 place);
}

/* Compares a word that is there or not. With @narrows fewer values pass; a
 * transform changes values instead. */
static void word_changed(struct breaking *b, const struct json_value *old,
                         const struct json_value *new, const char *word,
                         bool narrows, const struct breaking_place *place)
{
    const bool was = json_value_truth(old, word);
    const bool is = json_value_truth(new, word);
    const enum change change = was == is  ? SAME
                               : !narrows ? OTHER
                               : is       ? TIGHTER
                                          : LOOSER;
    rule_changed(
        b, change,
        arena_printf(b->arena,
                     is ? "%s has '%s' now" : "%s has no '%s' any more",
                     place->label, word),
        place);
}

static void words_changed(struct breaking *b, const struct json_value *old,
                          const struct json_value *new,
                          const struct breaking_place *place)
{
    word_changed(b, old, new, "strict", true, place);
    word_changed(b, old, new, "check", true, place);
    for (size_t i = 0; i < SCHEMA_MODIFIER_COUNT; i++) {
        word_changed(b, old, new, schema_modifiers[i].word,
                     !schema_modifiers[i].is_transform, place);
    }
}

void breaking_rules(struct breaking *b, const struct json_value *old,
                    const struct json_value *new,
                    const struct breaking_place *place)
{
    bound_changed(b, old, new, true, place);
    bound_changed(b, old, new, false, place);
    step_changed(b, old, new, place);
    patterns_changed(b, old, new, place);
    words_changed(b, old, new, place);
}

/* ---- numbers ---- */

struct range {
    double min, max;
};

/* The range of a kind of integer. Returns false for other kinds. */
static bool natural_range(const struct json_value *type, struct range *out)
{
    const enum schema_kind kind = schema_find_scalar(
        json_value_text(type, "kind"));
    if (kind == SCHEMA_KIND_COUNT || !schema_is_integral(kind)) {
        return false;
    }
    *out = (struct range){ schema_kinds[kind].min, schema_kinds[kind].max };
    return true;
}

static struct range ruled_range(const struct json_value *type,
                                struct range natural)
{
    const struct json_value *min = json_value_find(type, "min");
    const struct json_value *max = json_value_find(type, "max");
    return (struct range){
        min != NULL ? strtod(min->text, NULL) : natural.min,
        max != NULL ? strtod(max->text, NULL) : natural.max,
    };
}

static bool holds(struct range outer, struct range inner)
{
    return outer.min <= inner.min && outer.max >= inner.max;
}

/* Both are integers, of different kinds. */
static void compare_integers(struct breaking *b, const struct json_value *old,
                             const struct json_value *new,
                             const struct breaking_place *place)
{
    struct range o = { 0 }, n = { 0 };
    (void)natural_range(old, &o);
    (void)natural_range(new, &n);
    const struct range ruled_o = ruled_range(old, o);
    const struct range ruled_n = ruled_range(new, n);
    const bool in = (place->uses & USE_INPUT) != 0;
    const bool out = (place->uses & USE_OUTPUT) != 0;
    const bool same_c = (is_kind(old, "int64") && is_kind(new, "timestamp")) ||
                        (is_kind(old, "timestamp") && is_kind(new, "int64"));
    struct breaking_finding *f = breaking_report(
        b,
        holds(n, o)   ? BREAKING_TYPE_WIDENED
        : holds(o, n) ? BREAKING_TYPE_NARROWED
                      : BREAKING_TYPE_CHANGED,
        place,
        arena_printf(b->arena, "%s was %s and is %s now", place->label,
                     json_value_text(old, "kind"),
                     json_value_text(new, "kind")));
    breaking_because(b, f, in && !holds(ruled_n, ruled_o), BREAKS_CLIENT,
                     "send what is refused now");
    breaking_because(b, f, out && !holds(o, ruled_n), BREAKS_CLIENT,
                     "cannot read all of what they are sent");
    breaking_because(b, f, in && !holds(ruled_o, ruled_n), BREAKS_SERVER,
                     "refuse what newer clients send");
    breaking_because(b, f, out && !holds(n, ruled_o), BREAKS_SERVER,
                     "send what newer clients cannot read");
    breaking_because(
        b, f, (place->uses & USE_STORED) != 0 && !holds(ruled_n, ruled_o),
        BREAKS_STATE, "what was stored may not fit");
    breaking_because(b, f, !same_c, BREAKS_SOURCE, "the C type is another one");
}

/* ---- kinds ---- */

/* Whether @real has every number of @part: a double has those of a float and
 * of any kind of integer. */
static bool real_holds(enum schema_kind real, enum schema_kind part)
{
    return real != SCHEMA_KIND_COUNT && part != SCHEMA_KIND_COUNT &&
           schema_is_real(real) && !schema_is_single(real) &&
           (schema_is_integral(part) || schema_is_single(part));
}

/* Whether @type is a literal that is a value of @kind. */
static bool is_literal_of(const struct json_value *type, enum schema_kind kind)
{
    const struct json_value *value = json_value_find(type, "value");
    const enum schema_class class = kind != SCHEMA_KIND_COUNT
                                        ? schema_kinds[kind].class
                                        : SCHEMA_CLASS_NONE;
    if (value == NULL) {
        return false;
    }
    const bool in_range = value->kind == JSON_NUMBER &&
                          strtod(value->text, NULL) >= schema_kinds[kind].min &&
                          strtod(value->text, NULL) <= schema_kinds[kind].max;
    return (class == SCHEMA_CLASS_TEXT && value->kind == JSON_STRING) ||
           (class == SCHEMA_CLASS_TRUTH && value->kind == JSON_BOOL) ||
           (class == SCHEMA_CLASS_REAL && value->kind == JSON_NUMBER) ||
           (class == SCHEMA_CLASS_INTEGER && in_range);
}

/* Compares the values of two kinds: TIGHTER if some old values are refused. */
static enum change compare_kinds(const struct json_value *old,
                                 const struct json_value *new)
{
    static const char *const wider[][2] = {
        { "enum", "string" },
        { "bytes", "string" },
    };
    const enum schema_kind was = schema_find_scalar(
        json_value_text(old, "kind"));
    const enum schema_kind is = schema_find_scalar(
        json_value_text(new, "kind"));
    if (real_holds(is, was) || is_literal_of(old, is)) {
        return LOOSER;
    }
    if (real_holds(was, is) || is_literal_of(new, was)) {
        return TIGHTER;
    }
    if (is_kind(new, "json") || is_kind(new, "nullable")) {
        return LOOSER;
    }
    if (is_kind(old, "json") || is_kind(old, "nullable")) {
        return TIGHTER;
    }
    for (size_t i = 0; i < sizeof(wider) / sizeof(wider[0]); i++) {
        if (is_kind(old, wider[i][0]) && is_kind(new, wider[i][1])) {
            return LOOSER;
        }
        if (is_kind(old, wider[i][1]) && is_kind(new, wider[i][0])) {
            return TIGHTER;
        }
    }
    return OTHER;
}

/* The name of a type in a message. */
static const char *type_text(struct breaking *b, const struct json_value *type)
{
    const char *name = json_value_text(type, "name");
    if (is_kind(type, "nullable")) {
        return arena_printf(b->arena, "%s | null",
                            type_text(b, json_value_find(type, "of")));
    }
    if (is_kind(type, "object")) {
        return "an object";
    }
    if (is_kind(type, "literal")) {
        return breaking_print(b, json_value_find(type, "value"));
    }
    return name[0] != '\0' ? arena_printf(b->arena, "%s %s",
                                          json_value_text(type, "kind"), name)
                           : json_value_text(type, "kind");
}

static void kind_changed(struct breaking *b, const struct json_value *old,
                         const struct json_value *new, enum change change,
                         const struct breaking_place *place)
{
    static const enum breaking_id ids[] = {
        [TIGHTER] = BREAKING_TYPE_NARROWED,
        [LOOSER] = BREAKING_TYPE_WIDENED,
        [OTHER] = BREAKING_TYPE_CHANGED,
    };
    const bool in = (place->uses & USE_INPUT) != 0;
    const bool out = (place->uses & USE_OUTPUT) != 0;
    struct breaking_finding *f = breaking_report(
        b, ids[change], place,
        arena_printf(b->arena, "%s was %s and is %s now", place->label,
                     type_text(b, old), type_text(b, new)));
    breaking_because(b, f, in && change != LOOSER, BREAKS_CLIENT,
                     "send what is refused now");
    breaking_because(b, f, out && change != TIGHTER, BREAKS_CLIENT,
                     "cannot read what they are sent");
    breaking_because(b, f, in && change != TIGHTER, BREAKS_SERVER,
                     "refuse what newer clients send");
    breaking_because(b, f, out && change != LOOSER, BREAKS_SERVER,
                     "send what newer clients cannot read");
    breaking_because(b, f, (place->uses & USE_STORED) != 0 && change != LOOSER,
                     BREAKS_STATE, "what was stored may not fit");
    breaking_because(b, f, true, BREAKS_SOURCE, "the C type is another one");
}

/* The names of items, which are members in C. */
static void compare_labels(struct breaking *b, const struct json_value *old,
                           const struct json_value *new,
                           const struct breaking_place *place)
{
    const struct json_value *labels = json_value_find(old, "names");
    const struct json_value *others = json_value_find(new, "names");
    const struct json_value *o = labels != NULL ? labels->first : NULL;
    const struct json_value *n = others != NULL ? others->first : NULL;
    const bool same = (labels == NULL) == (others == NULL);
    while (same && o != NULL && n != NULL && strcmp(o->text, n->text) == 0) {
        o = o->next;
        n = n->next;
    }
    if (!same || (o != NULL && n != NULL)) {
        struct breaking_finding *f = breaking_report(
            b, BREAKING_FIELD_RENAMED, place,
            arena_printf(b->arena, "the items of %s have other names",
                         place->label));
        breaking_because(b, f, true, BREAKS_SOURCE,
                         "the members of the struct have other names");
    }
}

static void compare_tuples(struct breaking *b, const struct json_value *old,
                           const struct json_value *new,
                           const struct breaking_place *place)
{
    if (!breaking_own_names(b, old, new, "struct", place)) {
        compare_labels(b, old, new, place);
    }
    const struct json_value *o = json_value_find(old, "items")->first;
    const struct json_value *n = json_value_find(new, "items")->first;
    for (unsigned i = 0; o != NULL && n != NULL;
         i++, o = o->next, n = n->next) {
        struct breaking_place item = *place;
        item.label = arena_printf(b->arena, "item %u of %s", i, place->label);
        breaking_type(b, o, n, &item);
    }
    if (o != n) {
        struct breaking_place whole = *place;
        whole.label = arena_printf(b->arena, "the number of items of %s",
                                   place->label);
        kind_changed(b, old, new, OTHER, &whole);
    }
}

/* Two types of the same kind. */
static void compare_same_kind(struct breaking *b, const struct json_value *old,
                              const struct json_value *new,
                              const struct breaking_place *place)
{
    const bool other_state = is_kind(old, "state") &&
                             strcmp(json_value_text(old, "name"),
                                    json_value_text(new, "name")) != 0;
    if (other_state || !json_value_equal(json_value_find(old, "value"),
                                         json_value_find(new, "value"))) {
        kind_changed(b, old, new, OTHER, place);
        return;
    }
    if (breaking_declared(b->old, old) != NULL) {
        return; /* a pair of its own */
    }
    breaking_rules(b, old, new, place);
    if (json_value_find(old, "items") != NULL) {
        compare_tuples(b, old, new, place);
    } else if (json_value_find(old, "of") != NULL) {
        struct breaking_place inner = *place;
        if (!is_kind(old, "nullable")) {
            inner.label = arena_printf(b->arena, "what is in %s", place->label);
        }
        breaking_type(b, json_value_find(old, "of"), json_value_find(new, "of"),
                      &inner);
    }
}

void breaking_type(struct breaking *b, const struct json_value *old,
                   const struct json_value *new,
                   const struct breaking_place *place)
{
    struct range range;
    if (strcmp(json_value_text(old, "kind"), json_value_text(new, "kind")) ==
        0) {
        compare_same_kind(b, old, new, place);
    } else if (natural_range(old, &range) && natural_range(new, &range)) {
        compare_integers(b, old, new, place);
    } else {
        kind_changed(b, old, new, compare_kinds(old, new), place);
        if (is_kind(old, "nullable")) {
            breaking_type(b, json_value_find(old, "of"), new, place);
        } else if (is_kind(new, "nullable")) {
            breaking_type(b, old, json_value_find(new, "of"), place);
        }
    }
}
