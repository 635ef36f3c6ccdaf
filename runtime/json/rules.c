/* See rules.h. */
#include "json/rules.h"

#include <math.h>

#include "base/utf8.h"
#include "zocket/call.h"
#include "json/number.h"
#include "json/pattern.h"

bool zkt__rule_int(const struct zkt_where *where,
                   const struct zkt_int_rules *rules, int64_t value)
{
    if (zkt__rule_int_holds(rules, value)) {
        return true;
    }
    if (value < rules->min) {
        zkt__issue_add(where->issues, ZKT_ISSUE_TOO_SMALL, where->path,
                       where->depth, "must be at least %lld",
                       (long long)rules->min);
    } else if (value > rules->max) {
        zkt__issue_add(where->issues, ZKT_ISSUE_TOO_BIG, where->path,
                       where->depth, "must be at most %lld",
                       (long long)rules->max);
    } else {
        zkt__issue_add(where->issues, ZKT_ISSUE_NOT_MULTIPLE_OF, where->path,
                       where->depth, "must be a multiple of %lld",
                       (long long)rules->step);
    }
    return false;
}

static void report_bound(const struct zkt_where *where,
                         enum zkt_issue_code code, const char *text,
                         double bound, bool single)
{
    char number[ZKT_NUMBER_SIZE];
    const size_t len = single ? zkt__single_write(number, (float)bound)
                              : zkt__real_write(number, bound);
    zkt__issue_add(where->issues, code, where->path, where->depth, "%s %.*s",
                   text, (int)len, number);
}

bool zkt__rule_float(const struct zkt_where *where,
                     const struct zkt_float_rules *rules, double value,
                     bool single)
{
    if (!isfinite(value)) {
        zkt__issue_add(where->issues, ZKT_ISSUE_INVALID_TYPE, where->path,
                       where->depth, "expected a finite number");
        return false;
    }
    if (value < rules->min || (rules->above && value == rules->min)) {
        report_bound(where, ZKT_ISSUE_TOO_SMALL,
                     rules->above ? "must be more than" : "must be at least",
                     rules->min, single);
        return false;
    }
    if (value > rules->max || (rules->below && value == rules->max)) {
        report_bound(where, ZKT_ISSUE_TOO_BIG,
                     rules->below ? "must be less than" : "must be at most",
                     rules->max, single);
        return false;
    }
    return true;
}

bool zkt__rule_count(const struct zkt_where *where, uint32_t min, uint32_t max,
                     size_t count, const char *one, const char *many)
{
    if (count < min) {
        zkt__issue_add(where->issues, ZKT_ISSUE_TOO_SMALL, where->path,
                       where->depth, "must have at least %u %s", min,
                       min == 1 ? one : many);
        return false;
    }
    if (max != UINT32_MAX && count > max) {
        zkt__issue_add(where->issues, ZKT_ISSUE_TOO_BIG, where->path,
                       where->depth, "must have at most %u %s", max,
                       max == 1 ? one : many);
        return false;
    }
    return true;
}

static bool rule_length(const struct zkt_where *where,
                        const struct zkt_string_rules *rules,
                        struct zkt_str value)
{
    return zkt__rule_length_holds(rules, value) ||
           zkt__rule_count(where, rules->min, rules->max,
                           zkt__utf8_count(value.data, value.len), "character",
                           "characters");
}

static bool rule_pattern(const struct zkt_where *where,
                         const struct zkt_pattern *pattern,
                         struct zkt_str value)
{
    const struct zkt_rule_context *context = where->issues->context;
    if (context == NULL) {
        return true;
    }
    switch (zkt__pattern_match(context->patterns, pattern, value,
                               &where->issues->pattern_steps)) {
    case ZKT_MATCHES:
        return true;
    case ZKT_MATCH_NO_MEMORY:
        where->issues->no_memory = true;
        break;
    case ZKT_DIFFERS:
        break;
    }
    zkt__issue_add(
        where->issues, ZKT_ISSUE_INVALID_FORMAT, where->path, where->depth,
        pattern->is_format ? "is not a valid %.*s" : "does not match %.*s",
        ZKT_ARG(pattern->display_text));
    return false;
}

bool zkt__rule_string(const struct zkt_where *where,
                      const struct zkt_string_rules *rules,
                      struct zkt_str value)
{
    bool good = rule_length(where, rules, value);
    for (uint32_t i = 0; i < rules->pattern_count; i++) {
        good = rule_pattern(where, &rules->patterns[i], value) && good;
    }
    return good;
}

bool zkt__rule_bytes(const struct zkt_where *where,
                     const struct zkt_bytes_rules *rules, size_t len)
{
    return zkt__rule_count(where, rules->min, rules->max, len, "byte", "bytes");
}

bool zkt__rule_check(const struct zkt_where *where, const struct zkt_type *type,
                     const void *value)
{
    struct zkt_issues *issues = where->issues;
    const uint32_t number = type->of.structs->check;
    if (number == 0 || issues->context == NULL ||
        issues->context->app == NULL) {
        return true;
    }
    const struct zkt_app *app = issues->context->app;
    const uint32_t found = issues->total;
    issues->base = where->path;
    issues->base_depth = where->depth;
    app->info->checks[number - 1].invoke(app->handlers, value, issues);
    issues->base_depth = 0;
    return issues->total == found;
}

bool zkt__rule_map_key(const struct zkt_where *where, struct zkt_str key)
{
    if (key.len <= ZKT_MAP_KEY_MAX) {
        return true;
    }
    zkt__issue_add(where->issues, ZKT_ISSUE_TOO_BIG, where->path, where->depth,
                   "the key must have at most %d bytes", ZKT_MAP_KEY_MAX);
    return false;
}
