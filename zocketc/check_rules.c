/* The rules of types: which fit, and what they say as numbers. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const char *kind_noun(const struct model_type *type)
{
    switch (type->kind) {
    case MODEL_BOOL:
        return "a bool";
    case MODEL_INT32:
    case MODEL_INT64:
        return "an integer";
    case MODEL_TIMESTAMP:
        return "a timestamp";
    case MODEL_FLOAT64:
        return "a float64";
    case MODEL_STRING:
        return "a string";
    case MODEL_LIST:
        return "a list";
    case MODEL_MAP:
        return "a map";
    case MODEL_ENUM:
        return "an enum";
    default:
        return "a struct";
    }
}

static bool has_ranges(const struct model_type *type)
{
    return type->kind != MODEL_BOOL && type->kind != MODEL_ENUM &&
           type->kind != MODEL_STRUCT && type->kind != MODEL_TIMESTAMP;
}

static void bad_bound(struct check *c, const struct ast_number *bound,
                      const struct model_type *type)
{
    diag_report(c->diag, bound->at, DIAG_BAD_BOUND, bound->text,
                kind_noun(type));
}

static void empty_range(struct check *c, const struct ast_rule *rule)
{
    diag_report(c->diag, rule->at, DIAG_EMPTY_RANGE, rule->low.text,
                rule->high.text);
}

/* A bound of an integer; false: reported. */
static bool read_integer(struct check *c, const struct ast_number *bound,
                         const struct model_type *type, int64_t *out)
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

static void integer_range(struct check *c, const struct ast_rule *rule,
                          struct model_type *type)
{
    int64_t low = type->int_min, high = type->int_max;
    if ((rule->low.text != NULL && !read_integer(c, &rule->low, type, &low)) ||
        (rule->high.text != NULL &&
         !read_integer(c, &rule->high, type, &high))) {
        return;
    }
    if (low > high) {
        empty_range(c, rule);
        return;
    }
    type->int_min = low;
    type->int_max = high;
}

static void float_range(struct check *c, const struct ast_rule *rule,
                        struct model_type *type)
{
    double low = type->float_min, high = type->float_max;
    if (rule->low.text != NULL) {
        low = strtod(rule->low.text, NULL);
    }
    if (rule->high.text != NULL) {
        high = strtod(rule->high.text, NULL);
    }
    if ((rule->low.text != NULL && !isfinite(low)) ||
        (rule->high.text != NULL && !isfinite(high))) {
        const bool by_low = rule->low.text != NULL && !isfinite(low);
        bad_bound(c, by_low ? &rule->low : &rule->high, type);
    } else if (low > high) {
        empty_range(c, rule);
    } else {
        type->float_min = low;
        type->float_max = high;
    }
}

static bool read_count(struct check *c, const struct ast_number *bound,
                       const struct model_type *type, uint32_t *out)
{
    errno = 0;
    const long long value = strtoll(bound->text, NULL, 10);
    if (!bound->whole || errno != 0 || value < 0 || value >= UINT32_MAX / 2) {
        bad_bound(c, bound, type);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static void count_range(struct check *c, const struct ast_rule *rule,
                        struct model_type *type)
{
    uint32_t low = 0, high = UINT32_MAX;
    if ((rule->low.text != NULL && !read_count(c, &rule->low, type, &low)) ||
        (rule->high.text != NULL && !read_count(c, &rule->high, type, &high))) {
        return;
    }
    if (low > high) {
        empty_range(c, rule);
        return;
    }
    type->min = low;
    type->max = high;
}

static const char *const words[] = { "trim", "lower", "email",
                                     "url",  "uuid",  "unique" };

static const char *word_at(const void *user, size_t i)
{
    (void)user;
    return words[i];
}

static void word_rule(struct check *c, const struct ast_rule *rule,
                      struct model_type *type)
{
    const size_t count = sizeof(words) / sizeof(words[0]);
    size_t i = 0;
    while (i < count && strcmp(rule->text, words[i]) != 0) {
        i++;
    }
    if (i == count) {
        const char *near = diag_nearest(rule->text, count, word_at, NULL);
        diag_report(c->diag, rule->at, DIAG_UNKNOWN_RULE, rule->text);
        if (near != NULL) {
            diag_report(c->diag, rule->at, DIAG_DID_YOU_MEAN_WORD, near);
        }
    } else if (type->kind != MODEL_STRING && i != count - 1) {
        diag_report(c->diag, rule->at, DIAG_MISPLACED_RULE, kind_noun(type));
    } else if (i > 0) {
        diag_report(c->diag, rule->at, DIAG_UNSUPPORTED,
                    arena_printf(c->arena, "'%s'", rule->text));
    } else if (type->trim) {
        diag_report(c->diag, rule->at, DIAG_DUPLICATE_RULE);
    } else {
        type->trim = true;
    }
}

static void range_rule(struct check *c, const struct ast_rule *rule,
                       struct model_type *type)
{
    if (!has_ranges(type)) {
        diag_report(c->diag, rule->at, DIAG_MISPLACED_RULE, kind_noun(type));
    } else if (type->kind == MODEL_FLOAT64) {
        float_range(c, rule, type);
    } else if (type->kind == MODEL_INT32 || type->kind == MODEL_INT64) {
        integer_range(c, rule, type);
    } else {
        count_range(c, rule, type);
    }
}

void check_rules(struct check *c, const struct ast_rule *rules,
                 struct model_type *type)
{
    bool range = false;
    for (const struct ast_rule *rule = rules; rule != NULL; rule = rule->next) {
        if (rule->kind == AST_RULE_OTHER) {
            diag_report(c->diag, rule->at, DIAG_UNSUPPORTED, rule->text);
        } else if (rule->kind == AST_RULE_WORD) {
            word_rule(c, rule, type);
        } else if (range) {
            diag_report(c->diag, rule->at, DIAG_DUPLICATE_RULE);
        } else {
            range = true;
            range_rule(c, rule, type);
        }
    }
}
