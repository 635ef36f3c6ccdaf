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

/** Whether zkt__rule_int would have nothing to say. */
static inline bool zkt__rule_int_holds(const struct zkt_int_rules *rules,
                                       int64_t value)
{
    return value >= rules->min && value <= rules->max &&
           (rules->step <= 1 || value % rules->step == 0);
}
bool zkt__rule_int(const struct zkt_where *where,
                   const struct zkt_int_rules *rules, int64_t value);
/** A code point takes one to four bytes: mostly no need to count. */
static inline bool zkt__rule_length_holds(const struct zkt_string_rules *rules,
                                          struct zkt_str value)
{
    return value.len <= rules->max && value.len / 4 >= rules->min;
}
bool zkt__rule_float(const struct zkt_where *where,
                     const struct zkt_float_rules *rules, double value);
/** Length, then patterns: all that fail. Valid UTF-8 is expected. */
bool zkt__rule_string(const struct zkt_where *where,
                      const struct zkt_string_rules *rules,
                      struct zkt_str value);
bool zkt__rule_bytes(const struct zkt_where *where,
                     const struct zkt_bytes_rules *rules, size_t len);
/** @one: "item" or "entry"; UINT32_MAX as @max: no bound. */
bool zkt__rule_count(const struct zkt_where *where, uint32_t min, uint32_t max,
                     size_t count, const char *one, const char *many);

/** No two items are equal; @item is a scalar, string or enum. */
bool zkt__rule_unique(const struct zkt_where *where,
                      const struct zkt_type *item,
                      const struct zkt_any_list *list);
/** The `check;` hook of a struct that has one, where there is an app. */
bool zkt__rule_check(const struct zkt_where *where, const struct zkt_type *type,
                     const void *value);

#define ZKT_MAP_KEY_MAX 256 /* bytes */

bool zkt__rule_map_key(const struct zkt_where *where, struct zkt_str key);

/* ---- transforms ---- */

/** Without the white space at both ends; a view of @text. */
struct zkt_str zkt__trim(struct zkt_str text);
/** ASCII capitals become small letters, in place. */
void zkt__lower(char *text, size_t len);

#endif
