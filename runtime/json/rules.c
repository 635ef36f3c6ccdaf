/* See rules.h. */
#include "json/rules.h"

#include <math.h>

#include "base/utf8.h"
#include "json/number.h"

bool zkt__rule_int(const struct zkt_where *where,
                   const struct zkt_int_rules *rules, int64_t value)
{
    if (value < rules->min) {
        zkt__issue_add(where->issues, ZKT_ISSUE_TOO_SMALL, where->path,
                       where->depth, "must be at least %lld",
                       (long long)rules->min);
        return false;
    }
    if (value > rules->max) {
        zkt__issue_add(where->issues, ZKT_ISSUE_TOO_BIG, where->path,
                       where->depth, "must be at most %lld",
                       (long long)rules->max);
        return false;
    }
    return true;
}

static void report_bound(const struct zkt_where *where,
                         enum zkt_issue_code code, const char *text,
                         double bound)
{
    char number[ZKT_NUMBER_SIZE];
    const size_t len = zkt__real_write(number, bound);
    zkt__issue_add(where->issues, code, where->path, where->depth, "%s %.*s",
                   text, (int)len, number);
}

bool zkt__rule_float(const struct zkt_where *where,
                     const struct zkt_float_rules *rules, double value)
{
    if (!isfinite(value)) {
        zkt__issue_add(where->issues, ZKT_ISSUE_INVALID_TYPE, where->path,
                       where->depth, "expected a finite number");
        return false;
    }
    if (value < rules->min) {
        report_bound(where, ZKT_ISSUE_TOO_SMALL, "must be at least",
                     rules->min);
        return false;
    }
    if (value > rules->max) {
        report_bound(where, ZKT_ISSUE_TOO_BIG, "must be at most", rules->max);
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

bool zkt__rule_string(const struct zkt_where *where,
                      const struct zkt_string_rules *rules,
                      struct zkt_str value)
{
    /* A code point takes one to four bytes: mostly no need to count. */
    if (value.len <= rules->max && value.len / 4 >= rules->min) {
        return true;
    }
    return zkt__rule_count(where, rules->min, rules->max,
                           zkt__utf8_count(value.data, value.len), "character",
                           "characters");
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
