/*
 * The rules of the built-in types: one function each, used for what arrives
 * and for what a handler writes. Each reports and returns whether it holds.
 */
#ifndef ZKT_JSON_RULES_H
#define ZKT_JSON_RULES_H

#include "json/json.h"

/* Where a value stands that may break a rule. */
struct zkt_where {
    struct zkt_issues *issues;
    const struct zkt_step *path;
    uint32_t depth;
};

bool zkt__rule_int(const struct zkt_where *where,
                   const struct zkt_int_rules *rules, int64_t value);
bool zkt__rule_float(const struct zkt_where *where,
                     const struct zkt_float_rules *rules, double value);
/** Length only: valid UTF-8 is expected. */
bool zkt__rule_string(const struct zkt_where *where,
                      const struct zkt_string_rules *rules,
                      struct zkt_str value);
/** @noun: "item" or "entry"; UINT32_MAX as @max: no bound. */
bool zkt__rule_count(const struct zkt_where *where, uint32_t min, uint32_t max,
                     size_t count, const char *one, const char *many);

#define ZKT_MAP_KEY_MAX 256 /* bytes */

bool zkt__rule_map_key(const struct zkt_where *where, struct zkt_str key);

#endif
