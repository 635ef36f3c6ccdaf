/*
 * Random values of any type, by its table: small ones, with many equal parts,
 * so that changes meet. Strings hold what must be escaped.
 */
#ifndef RANDOM_VALUE_H
#define RANDOM_VALUE_H

#include <stdio.h>
#include <string.h>

#include "base/map.h"
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

static inline double random_real(void)
{
    static const double values[] = { 0,       1,      -1,        0.5,
                                     0.1,     1e21,   1e-7,      3e5,
                                     1.0 / 3, 5e-324, 123456.789 };
    return values[random_below(11)];
}

static inline void random_list(struct zkt_arena *arena,
                               const struct zkt_type *type, void *out,
                               unsigned depth)
{
    const struct zkt_type *item = type->of.lists->item;
    struct zkt_any_list *list = out;
    list->len = depth > 3 ? 0 : random_below(5);
    char *items = zkt__arena_zero(arena, list->len + 1, item->size);
    for (size_t i = 0; i < list->len; i++) {
        random_value(arena, item, items + i * item->size, depth + 1);
    }
    list->items = items;
}

static inline void random_map(struct zkt_arena *arena,
                              const struct zkt_type *type, void *out,
                              unsigned depth)
{
    const struct zkt_map_info *info = type->of.maps;
    struct zkt_any_map *map = out;
    const size_t wanted = depth > 3 ? 0 : random_below(12);
    char *items = zkt__arena_zero(arena, wanted + 1, info->entry_size);
    map->items = items;
    for (size_t i = 0; i < wanted; i++) {
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

/* @out gets a value that keeps no rules beyond its type's. */
static void random_value(struct zkt_arena *arena, const struct zkt_type *type,
                         void *out, unsigned depth)
{
    const struct zkt_optional_info *optional = type->of.optionals;
    memset(out, 0, type->size);
    switch (type->kind) {
    case ZKT_KIND_BOOL:
        *(bool *)out = random_below(2) != 0;
        break;
    case ZKT_KIND_INT32:
        *(int32_t *)out = (int32_t)random_below(4) - 1;
        break;
    case ZKT_KIND_INT64:
    case ZKT_KIND_TIMESTAMP:
        *(int64_t *)out = random_below(2) ? 9007199254740991 : 7;
        break;
    case ZKT_KIND_FLOAT64:
        *(double *)out = random_real();
        break;
    case ZKT_KIND_STRING:
        *(struct zkt_str *)out = random_text(arena);
        break;
    case ZKT_KIND_ENUM:
        *(int *)out = (int)random_below(type->of.enums->count);
        break;
    case ZKT_KIND_STRUCT:
        random_struct(arena, type, out, depth);
        break;
    case ZKT_KIND_LIST:
        random_list(arena, type, out, depth);
        break;
    case ZKT_KIND_MAP:
        random_map(arena, type, out, depth);
        break;
    case ZKT_KIND_OPTIONAL:
        *(bool *)out = random_below(2) != 0;
        if (*(bool *)out) {
            random_value(arena, optional->value,
                         (char *)out + optional->value_offset, depth + 1);
        }
        break;
    case ZKT_KIND_BOXED:
        if (depth <= 3 && random_below(2) != 0) {
            void *box = zkt__arena_zero(arena, 1, optional->value->size);
            random_value(arena, optional->value, box, depth + 1);
            memcpy(out, &box, sizeof(box));
        }
        break;
    default:
        break;
    }
}

#endif
