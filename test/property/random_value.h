/*
 * Random values of any type, by its table: small values with many equal parts,
 * so that changes overlap. Strings contain characters to be escaped. The values
 * keep the rules of numbers, counts and `unique`; those of strings only if the
 * program sets random_ruled_text.
 */
#ifndef RANDOM_VALUE_H
#define RANDOM_VALUE_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "state/value.h"
#include "json/json.h"

static uint64_t random_seed = 1;

static inline unsigned random_below(unsigned n)
{
    random_seed = random_seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_seed >> 33) % n;
}

static inline struct zkt_str random_text(struct zkt_arena *arena)
{
    static const char *const pieces[] = { "a",  "b",    "~", "/", "\"", "\\",
                                          "\n", "\x01", "é", "€", "😀" };
    char text[64] = "";
    const unsigned n = random_below(4);
    for (unsigned i = 0; i < n; i++) {
        strcat(text, pieces[random_below(11)]);
    }
    return zkt__arena_str(arena, zkt_cstr(text));
}

static void random_value(struct zkt_arena *arena, const struct zkt_type *type,
                         void *out, unsigned depth);

/* Makes a string that keeps its rules; if NULL, these are ignored. */
static struct zkt_str (*random_ruled_text)(
    struct zkt_arena *arena, const struct zkt_string_rules *rules) = NULL;

static inline int64_t random_int(const struct zkt_int_rules *rules)
{
    const int64_t step = rules->step > 1 ? rules->step : 1;
    const int64_t low = rules->min / step + (rules->min % step > 0);
    const int64_t high = rules->max / step - (rules->max % step < 0);
    const unsigned what = random_below(8);
    int64_t k = what == 0 ? low : what == 1 ? high : random_below(4) - 1;
    k = k < low ? low : k > high ? high : k;
    return k * step;
}

static inline bool real_fits(const struct zkt_float_rules *rules, double value)
{
    return (rules->above ? value > rules->min : value >= rules->min) &&
           (rules->below ? value < rules->max : value <= rules->max);
}

static inline double random_real(const struct zkt_type *type)
{
    static const double values[] = { 0,       1,      -1,        0.5,
                                     0.1,     1e21,   1e-7,      3e5,
                                     1.0 / 3, 5e-324, 123456.789 };
    const struct zkt_float_rules *rules = type->of.floats;
    for (int i = 0; i < 20; i++) {
        double value = values[random_below(11)];
        if (type->size == sizeof(float)) {
            value = (double)(float)value;
        }
        if (real_fits(rules, value)) {
            return value;
        }
    }
    if (isfinite(rules->min) && isfinite(rules->max)) {
        return rules->min + (rules->max - rules->min) / 2;
    }
    return isfinite(rules->min) ? rules->min + 1 : rules->max - 1;
}

/* Returns a random count between @min and @max; small at depth. */
static inline size_t random_count(uint32_t min, uint32_t max, unsigned usual,
                                  unsigned depth)
{
    const size_t wanted = depth > 3 ? 0 : random_below(usual);
    return wanted < min ? min : wanted > max ? max : wanted;
}

/* Returns true if an item among the first @count equals the next. */
static inline bool is_repeated(const struct zkt_type *item, const char *items,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (zkt__value_equal(item, items + i * item->size,
                             items + count * item->size)) {
            return true;
        }
    }
    return false;
}

static inline void random_list(struct zkt_arena *arena,
                               const struct zkt_type *type, void *out,
                               unsigned depth)
{
    const struct zkt_list_info *info = type->of.lists;
    const struct zkt_type *item = info->item;
    struct zkt_any_list *list = out;
    const size_t wanted = random_count(info->min, info->max, 5, depth);
    char *items = zkt__arena_zero(arena, wanted + 1, item->size);
    list->items = items;
    for (unsigned tries = 0; list->len < wanted && tries < 1000; tries++) {
        random_value(arena, item, items + list->len * item->size, depth + 1);
        list->len += !info->unique || !is_repeated(item, items, list->len);
    }
}

static inline void random_map(struct zkt_arena *arena,
                              const struct zkt_type *type, void *out,
                              unsigned depth)
{
    const struct zkt_map_info *info = type->of.maps;
    struct zkt_any_map *map = out;
    const size_t wanted = random_count(info->min, info->max, 12, depth);
    char *items = zkt__arena_zero(arena, wanted + 1, info->entry_size);
    map->items = items;
    for (unsigned tries = 0; map->len < wanted && tries < 2 * wanted + 50;
         tries++) {
        const struct zkt_str key = random_text(arena);
        if (zkt__map_position(map, info->entry_size, key) != ZKT_INDEX_NONE) {
            continue;
        }
        char *entry = items + map->len++ * info->entry_size;
        memcpy(entry, &key, sizeof(key));
        random_value(arena, info->value, entry + info->value_offset, depth + 1);
    }
}

static inline void random_struct(struct zkt_arena *arena,
                                 const struct zkt_type *type, void *out,
                                 unsigned depth)
{
    const struct zkt_struct_info *info = type->of.structs;
    for (uint32_t i = 0; i < info->count; i++) {
        random_value(arena, info->fields[i].type,
                     (char *)out + info->fields[i].offset, depth + 1);
    }
}

static inline void random_union(struct zkt_arena *arena,
                                const struct zkt_type *type, void *out,
                                unsigned depth)
{
    const struct zkt_union_info *info = type->of.unions;
    const unsigned kind = random_below(info->kinds->count);
    *(int *)out = (int)kind;
    random_value(arena, info->variants[kind], (char *)out + info->value_offset,
                 depth);
}

static inline struct zkt_bytes random_bytes(struct zkt_arena *arena,
                                            const struct zkt_bytes_rules *rules)
{
    const size_t len = random_count(rules->min, rules->max, 6, 0);
    uint8_t *data = zkt__arena_zero(arena, len + 1, 1);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(random_below(2) ? random_below(256) : 0);
    }
    return (struct zkt_bytes){ data, len };
}

static inline struct zkt_json random_json(void)
{
    static const char *const texts[] = { "null",
                                         "true",
                                         "-1.50",
                                         "\"\\u00e9\"",
                                         "[]",
                                         "[1, {\"a\":[]}]",
                                         "{ \"b\" : null }" };
    const char *text = texts[random_below(7)];
    return (struct zkt_json){ text, strlen(text) };
}

/* Deep values that may be absent or null are. A JSON null that is present
 * cannot be told from an absent value. */
static inline void random_optional(struct zkt_arena *arena,
                                   const struct zkt_type *type, void *out,
                                   unsigned depth)
{
    const struct zkt_optional_info *info = type->of.optionals;
    if (depth <= 5 && random_below(2) != 0) {
        *(bool *)out = true;
        void *value = (char *)out + info->value_offset;
        do {
            random_value(arena, info->value, value, depth + 1);
        } while (info->value->kind == ZKT_KIND_JSON &&
                 strcmp(((struct zkt_json *)value)->text, "null") == 0);
    }
}

static inline void random_boxed(struct zkt_arena *arena,
                                const struct zkt_type *type, void *out,
                                unsigned depth)
{
    const struct zkt_type *inner = type->of.optionals->value;
    if (depth <= 3 && random_below(2) != 0) {
        void *box = zkt__arena_zero(arena, 1, inner->size);
        random_value(arena, inner, box, depth + 1);
        memcpy(out, &box, sizeof(box));
    }
}

static inline struct zkt_str random_string(struct zkt_arena *arena,
                                           const struct zkt_string_rules *rules)
{
    return random_ruled_text != NULL ? random_ruled_text(arena, rules)
                                     : random_text(arena);
}

#define RANDOM_TRUTH(c_type)   random_below(2) != 0
#define RANDOM_INTEGER(c_type) (c_type) random_int(type->of.ints)
#define RANDOM_TIME(c_type)    RANDOM_INTEGER(c_type)
#define RANDOM_REAL(c_type)    (c_type) random_real(type)
#define RANDOM_TEXT(c_type)    random_string(arena, type->of.strings)
#define RANDOM_BYTES(c_type)   random_bytes(arena, type->of.bytes)
#define RANDOM_ANY(c_type)     random_json()

static void random_value(struct zkt_arena *arena, const struct zkt_type *type,
                         void *out, unsigned depth)
{
    memset(out, 0, type->size);
    switch (type->kind) {
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, c_type, ...)     \
    case ZKT_KIND_##symbol:                                                    \
        *(c_type *)out = RANDOM_##class(c_type);                               \
        break;
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
        *(int *)out = (int)random_below(type->of.enums->count);
        break;
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_TUPLE:
        random_struct(arena, type, out, depth);
        break;
    case ZKT_KIND_UNION:
        random_union(arena, type, out, depth);
        break;
    case ZKT_KIND_LIST:
        random_list(arena, type, out, depth);
        break;
    case ZKT_KIND_MAP:
        random_map(arena, type, out, depth);
        break;
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
        random_optional(arena, type, out, depth);
        break;
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        random_boxed(arena, type, out, depth);
        break;
    case ZKT_KIND_LITERAL:
        break;
    }
}

#endif
