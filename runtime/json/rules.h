/*
 * The rules of the built-in types, a function for each; used for received
 * values and for values that handlers write. Each adds issues, and returns true
 * if the rule holds.
 */
#ifndef ZKT_JSON_RULES_H
#define ZKT_JSON_RULES_H

#include "json/json.h"

/* The path of the checked value, and the list for its issues. */
struct zkt_where {
    struct zkt_issues *issues;
    const struct zkt_step *path;
    uint32_t depth;
};

/** Returns true if zkt__rule_int would. */
static inline bool zkt__rule_int_holds(const struct zkt_int_rules *rules,
                                       int64_t value)
{
    return value >= rules->min && value <= rules->max &&
           (rules->step <= 1 || value % rules->step == 0);
}
bool zkt__rule_int(const struct zkt_where *where,
                   const struct zkt_int_rules *rules, int64_t value);
/** A code point takes one to four bytes, so counting is seldom needed. */
static inline bool zkt__rule_length_holds(const struct zkt_string_rules *rules,
                                          struct zkt_str value)
{
    return value.len <= rules->max && value.len / 4 >= rules->min;
}
/** @single: the value is a float, and its bounds are floats. */
bool zkt__rule_float(const struct zkt_where *where,
                     const struct zkt_float_rules *rules, double value,
                     bool single);
/** Checks the length, then every pattern. @value must be valid UTF-8. */
bool zkt__rule_string(const struct zkt_where *where,
                      const struct zkt_string_rules *rules,
                      struct zkt_str value);
bool zkt__rule_bytes(const struct zkt_where *where,
                     const struct zkt_bytes_rules *rules, size_t len);
/** Checks an item count; UINT32_MAX as @max: no bound. @one and @many name the
 * items in the issue ("item", "items"). */
bool zkt__rule_count(const struct zkt_where *where, uint32_t min, uint32_t max,
                     size_t count, const char *one, const char *many);

/** Checks that all items differ; @item is a scalar, string or enum. */
bool zkt__rule_unique(const struct zkt_where *where,
                      const struct zkt_type *item,
                      const struct zkt_any_list *list);
/** Calls the `check;` hook of a struct, if it has a hook and an app is set. */
bool zkt__rule_check(const struct zkt_where *where, const struct zkt_type *type,
                     const void *value);

#define ZKT_MAP_KEY_MAX 256 /* bytes */

bool zkt__rule_map_key(const struct zkt_where *where, struct zkt_str key);

/* ---- transforms ---- */

/** Returns true if @rules have a transform. */
static inline bool zkt__has_transform(const struct zkt_string_rules *rules)
{
    return rules->trim || rules->lower || rules->upper;
}

/** Applies the transforms of @rules to @text in place; returns the result. */
struct zkt_str zkt__transform(const struct zkt_string_rules *rules, char *text,
                              size_t len);

#endif
