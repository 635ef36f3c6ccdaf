/* The rules of types: whether they fit, and their bounds as numbers. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/check.h"

static const char *kind_noun(const struct schema_type *type)
{
    return schema_kinds[type->kind].noun;
}

/* The rules that were seen in a pair of brackets. */
struct seen_rules {
    bool low, high, step;
    unsigned modifiers;
};

static enum schema_class class_of(const struct schema_type *type)
{
    return schema_kinds[type->kind].class;
}

static bool is_integer(const struct schema_type *type)
{
    return class_of(type) == SCHEMA_CLASS_INTEGER;
}

static bool has_counts(const struct schema_type *type)
{
    return class_of(type) == SCHEMA_CLASS_TEXT ||
           class_of(type) == SCHEMA_CLASS_BYTES || type->kind == SCHEMA_LIST ||
           type->kind == SCHEMA_MAP;
}

static void bad_bound(struct check *c, const struct ast_number *bound,
                      const struct schema_type *type)
{
    diag_report(c->diag, bound->at, DIAG_BAD_BOUND, bound->text,
                kind_noun(type));
}

static void empty_numbers(struct check *c, const struct ast_rule *rule,
                          const char *low, const char *high)
{
    diag_report(c->diag, rule->at, DIAG_EMPTY_RANGE, low, high);
}

/* Whether a rule of this kind was seen before, which is reported. */
static bool is_duplicate(struct check *c, const struct ast_rule *rule,
                         bool *seen)
{
    if (*seen) {
        diag_report(c->diag, rule->at, DIAG_DUPLICATE_RULE);
        return true;
    }
    *seen = true;
    return false;
}

/* ---- numbers ---- */

/* A bound of an integer; false: reported. */
static bool read_integer(struct check *c, const struct ast_number *bound,
                         const struct schema_type *type, int64_t *out)
{
    errno = 0;
    const long long value = strtoll(bound->text, NULL, 10);
    if (!bound->whole || errno != 0 || value < type->int_min ||
        value > type->int_max) {
        bad_bound(c, bound, type);
        return false;
    }
    *out = value;
    return true;
}

/* An exclusive bound of an integer is an inclusive bound beside it. */
static void integer_range(struct check *c, const struct ast_rule *rule,
                          struct schema_type *type)
{
    int64_t low = type->int_min, high = type->int_max;
    if ((rule->low.text != NULL && !read_integer(c, &rule->low, type, &low)) ||
        (rule->high.text != NULL &&
         !read_integer(c, &rule->high, type, &high))) {
        return;
    }
    low += rule->kind == AST_RULE_ABOVE;
    high -= rule->kind == AST_RULE_BELOW;
    if (low > high) {
        empty_numbers(c, rule, arena_printf(c->arena, "%lld", (long long)low),
                      arena_printf(c->arena, "%lld", (long long)high));
        return;
    }
    type->int_min = low;
    type->int_max = high;
}

static bool read_float(struct check *c, const struct ast_number *bound,
                       const struct schema_type *type, double *out)
{
    char *end;
    *out = schema_round(type->kind, strtod(bound->text, &end));
    if (*end != '\0' || !isfinite(*out) || *out < type->float_min ||
        *out > type->float_max) {
        bad_bound(c, bound, type);
        return false;
    }
    return true;
}

static void float_range(struct check *c, const struct ast_rule *rule,
                        struct schema_type *type)
{
    double low = type->float_min, high = type->float_max;
    if ((rule->low.text != NULL && !read_float(c, &rule->low, type, &low)) ||
        (rule->high.text != NULL && !read_float(c, &rule->high, type, &high))) {
        return;
    }
    const bool above = rule->low.text != NULL ? rule->kind == AST_RULE_ABOVE
                                              : type->above;
    const bool below = rule->high.text != NULL ? rule->kind == AST_RULE_BELOW
                                               : type->below;
    if (low > high || (!(low < high) && (above || below))) {
        empty_numbers(c, rule, arena_printf(c->arena, "%g", low),
                      arena_printf(c->arena, "%g", high));
        return;
    }
    type->float_min = low;
    type->float_max = high;
    type->above = above;
    type->below = below;
}

static void multiple_rule(struct check *c, const struct ast_rule *rule,
                          struct schema_type *type)
{
    errno = 0;
    const long long step = strtoll(rule->low.text, NULL, 10);
    if (!is_integer(type)) {
        diag_report(c->diag, rule->at, DIAG_MISPLACED_RULE, kind_noun(type));
    } else if (!rule->low.whole || errno != 0 || step < 1 ||
               (double)step > schema_kinds[SCHEMA_INT64].max) {
        bad_bound(c, &rule->low, type);
    } else if (type->int_step > 1 && step % type->int_step != 0) {
        bad_bound(c, &rule->low,
                  type); /* an alias has a bound that is not met */
    } else {
        type->int_step = step;
    }
}

/* ---- counts ---- */

/* The bytes of a unit, or 0: there is no such unit. */
static long long unit_of(const char *unit)
{
    static const struct {
        const char *name;
        long long bytes;
    } units[] = { { "", 1 }, { "B", 1 }, { "KiB", 1024 }, { "MiB", 1 << 20 } };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(units[i].name, unit) == 0) {
            return units[i].bytes;
        }
    }
    return 0;
}

static bool read_count(struct check *c, const struct ast_number *bound,
                       const struct schema_type *type, uint32_t *out)
{
    char *end;
    errno = 0;
    const long long number = strtoll(bound->text, &end, 10);
    const long long unit = unit_of(end);
    const bool has_unit = *end != '\0';
    if (errno != 0 || number < 0 || unit == 0 ||
        (has_unit && class_of(type) != SCHEMA_CLASS_BYTES) ||
        number >= UINT32_MAX / 2 / unit) {
        bad_bound(c, bound, type);
        return false;
    }
    *out = (uint32_t)(number * unit);
    return true;
}

static void count_range(struct check *c, const struct ast_rule *rule,
                        struct schema_type *type)
{
    uint32_t low = 0, high = UINT32_MAX;
    if ((rule->low.text != NULL && !read_count(c, &rule->low, type, &low)) ||
        (rule->high.text != NULL && !read_count(c, &rule->high, type, &high))) {
        return;
    }
    /* The rules of an alias hold as well. */
    low = low > type->min ? low : type->min;
    high = high < type->max ? high : type->max;
    if (low > high) {
        empty_numbers(c, rule, arena_printf(c->arena, "%u", low),
                      arena_printf(c->arena, "%u", high));
        return;
    }
    type->min = low;
    type->max = high;
}

static void range_rule(struct check *c, const struct ast_rule *rule,
                       struct schema_type *type, struct seen_rules *seen)
{
    const bool exclusive = rule->kind != AST_RULE_RANGE;
    const bool is_real = schema_is_real(type->kind);
    if ((!is_integer(type) && !is_real && !has_counts(type)) ||
        (exclusive && has_counts(type))) {
        diag_report(c->diag, rule->at, DIAG_MISPLACED_RULE, kind_noun(type));
        return;
    }
    if ((rule->low.text != NULL && is_duplicate(c, rule, &seen->low)) ||
        (rule->high.text != NULL && is_duplicate(c, rule, &seen->high))) {
        return;
    }
    if (is_real) {
        float_range(c, rule, type);
    } else if (is_integer(type)) {
        integer_range(c, rule, type);
    } else {
        count_range(c, rule, type);
    }
}

/* ---- patterns ---- */

enum {
    PATTERNS_MAX = 16
};

static void add_pattern(struct check *c, const struct ast_rule *rule,
                        struct schema_type *type, struct schema_pattern pattern)
{
    if (type->pattern_count == PATTERNS_MAX) {
        diag_report(c->diag, rule->at, DIAG_TOO_MANY_PATTERNS, PATTERNS_MAX);
        return;
    }
    struct schema_pattern *all = arena_alloc(
        c->arena, (type->pattern_count + 1) * sizeof(*all));
    for (size_t i = 0; i < type->pattern_count; i++) {
        all[i] = type->patterns[i];
    }
    all[type->pattern_count++] = pattern;
    type->patterns = all;
}

static void pattern_rule(struct check *c, const struct ast_rule *rule,
                         struct schema_type *type)
{
    struct schema_pattern pattern = { .display = rule->text };
    const char *error;
    size_t at;
    if (class_of(type) != SCHEMA_CLASS_TEXT) {
        diag_report(c->diag, rule->at, DIAG_MISPLACED_RULE, kind_noun(type));
        return;
    }
    if (!pattern_lower(c->arena, rule->text, &pattern, &error, &at)) {
        const uint32_t start = rule->at.start + (uint32_t)at;
        diag_report(c->diag, (struct source_range){ start, start + 1 },
                    DIAG_BAD_PATTERN, error);
        return;
    }
    add_pattern(c, rule, type, pattern);
}

/* ---- words ---- */

static const struct {
    const char *word, *pattern;
} formats[] = {
#define F(word, pattern) { word, pattern },
#include "schema/formats.def"
#undef F
};

/* Words are numbered: formats, then modifiers. */
enum {
    FORMAT_COUNT = sizeof(formats) / sizeof(formats[0]),
    WORD_COUNT = FORMAT_COUNT + SCHEMA_MODIFIER_COUNT
};

static const char *word_of(size_t i)
{
    return i < FORMAT_COUNT ? formats[i].word
                            : schema_modifiers[i - FORMAT_COUNT].word;
}

static bool is_of_items(size_t i)
{
    return i >= FORMAT_COUNT && schema_modifiers[i - FORMAT_COUNT].of_items;
}

/* Whether items of the type can be compared. */
static bool is_comparable(const struct schema_type *type)
{
    return type->kind == SCHEMA_ENUM || (schema_is_scalar(type->kind) &&
                                         class_of(type) != SCHEMA_CLASS_BYTES &&
                                         class_of(type) != SCHEMA_CLASS_ANY);
}

static bool word_fits(size_t i, const struct schema_type *type)
{
    return is_of_items(i)
               ? type->kind == SCHEMA_LIST && is_comparable(type->inner)
               : class_of(type) == SCHEMA_CLASS_TEXT;
}

/* All rules of a type. */
struct rules {
    const struct schema_type *type;
    const struct ast_rule *all;
};

/* A rule that fits the type and is not there yet. */
static const char *word_at(const void *user, size_t i)
{
    const struct rules *rules = user;
    for (const struct ast_rule *r = rules->all; r != NULL; r = r->next) {
        if (r->kind == AST_RULE_WORD && strcmp(r->text, word_of(i)) == 0) {
            return NULL;
        }
    }
    return word_fits(i, rules->type) ? word_of(i) : NULL;
}

static void format_rule(struct check *c, const struct ast_rule *rule,
                        struct schema_type *type, size_t format)
{
    struct schema_pattern pattern = { .display = formats[format].word,
                                      .is_format = true };
    const char *error;
    size_t at;
    for (size_t i = 0; i < type->pattern_count; i++) {
        if (type->patterns[i].is_format &&
            strcmp(type->patterns[i].display, rule->text) == 0) {
            diag_report(c->diag, rule->at, DIAG_DUPLICATE_RULE);
            return;
        }
    }
    (void)pattern_lower(c->arena, formats[format].pattern, &pattern, &error,
                        &at);
    add_pattern(c, rule, type, pattern);
}

static void modifier_rule(struct check *c, const struct ast_rule *rule,
                          struct schema_type *type, struct seen_rules *seen,
                          size_t modifier)
{
    const unsigned bit = 1u << modifier;
    const unsigned wrong = schema_modifiers[modifier].contradicts &
                           type->modifiers;
    bool duplicate = (seen->modifiers & bit) != 0;
    seen->modifiers |= bit;
    if (is_duplicate(c, rule, &duplicate)) {
        return;
    }
    for (size_t i = 0; i < SCHEMA_MODIFIER_COUNT; i++) {
        if ((wrong & 1u << i) != 0) {
            diag_report(c->diag, rule->at, DIAG_CONTRADICTION, rule->text,
                        schema_modifiers[i].word);
            return;
        }
    }
    type->modifiers |= bit;
}

static void word_rule(struct check *c, const struct ast_rule *rule,
                      const struct ast_rule *all, struct schema_type *type,
                      struct seen_rules *seen)
{
    size_t i = 0;
    while (i < WORD_COUNT && strcmp(rule->text, word_of(i)) != 0) {
        i++;
    }
    if (i == WORD_COUNT) {
        const struct rules rules = { type, all };
        diag_report(c->diag, rule->at, DIAG_UNKNOWN_RULE, rule->text);
        diag_suggest(c->diag, rule->at, rule->text, WORD_COUNT, word_at,
                     &rules);
    } else if (!word_fits(i, type)) {
        diag_report(c->diag, rule->at, DIAG_MISPLACED_RULE,
                    is_of_items(i) && type->kind == SCHEMA_LIST
                        ? "a list of such items"
                        : kind_noun(type));
    } else if (i < FORMAT_COUNT) {
        format_rule(c, rule, type, i);
    } else {
        modifier_rule(c, rule, type, seen, i - FORMAT_COUNT);
    }
}

void check_rules(struct check *c, const struct ast_rule *rules,
                 struct schema_type *type)
{
    struct seen_rules seen = { 0 };
    for (const struct ast_rule *rule = rules; rule != NULL; rule = rule->next) {
        switch (rule->kind) {
        case AST_RULE_RANGE:
        case AST_RULE_ABOVE:
        case AST_RULE_BELOW:
            range_rule(c, rule, type, &seen);
            break;
        case AST_RULE_MULTIPLE:
            if (!is_duplicate(c, rule, &seen.step)) {
                multiple_rule(c, rule, type);
            }
            break;
        case AST_RULE_WORD:
            word_rule(c, rule, rules, type, &seen);
            break;
        case AST_RULE_PATTERN:
            pattern_rule(c, rule, type);
            break;
        }
    }
}
