/* Strings, and lookups in maps. */
#include "zocket/types.h"

#include <string.h>

#include "base/map.h"

struct zkt_str zkt_cstr(const char *text)
{
    if (text == NULL) {
        return ZKT_STR("");
    }
    return (struct zkt_str){ text, strlen(text) };
}

bool zkt_str_eq(struct zkt_str a, struct zkt_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct zkt_str zkt__map_key(const struct zkt_any_map *map, size_t entry_size,
                            size_t position)
{
    struct zkt_str key;
    memcpy(&key, (const char *)map->items + position * entry_size, sizeof(key));
    return key;
}

/* The owner for zkt__index_find. */
struct indexed {
    const struct zkt_any_map *map;
    size_t entry_size;
};

static bool same_key(const void *owner, uint32_t position, const void *key,
                     size_t len)
{
    const struct indexed *in = owner;
    return zkt_str_eq(zkt__map_key(in->map, in->entry_size, position),
                      (struct zkt_str){ key, len });
}

uint32_t zkt__map_position(const struct zkt_any_map *map, size_t entry_size,
                           struct zkt_str key)
{
    const struct zkt_map_index *index = map->index_;
    if (index != NULL && index->items == map->items &&
        index->index.used == map->len) {
        const struct indexed owner = { map, entry_size };
        return zkt__index_find(&index->index,
                               zkt__hash(&index->key, key.data, key.len),
                               same_key, &owner, key.data, key.len);
    }
    for (size_t i = 0; i < map->len; i++) {
        if (zkt_str_eq(zkt__map_key(map, entry_size, i), key)) {
            return (uint32_t)i;
        }
    }
    return ZKT_INDEX_NONE;
}

const void *zkt_map_find(const void *map, size_t entry_size,
                         size_t value_offset, struct zkt_str key)
{
    struct zkt_any_map any;
    memcpy(&any, map, sizeof(any));
    const uint32_t position = zkt__map_position(&any, entry_size, key);
    if (position == ZKT_INDEX_NONE) {
        return NULL;
    }
    return (const char *)any.items + position * entry_size + value_offset;
}

#define X(name, type)                                                          \
    const type *name##_map_find(const struct name##_map *map,                  \
                                struct zkt_str key)                            \
    {                                                                          \
        return zkt_map_find(map, sizeof(struct name##_entry),                  \
                            offsetof(struct name##_entry, value), key);        \
    }
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, type, empty,     \
                   name, ...)                                                  \
    ZKT_CONTAINERS_OF_##class(X, name, type)
#include "zocket/scalars.def"
#undef ZKT_SCALAR
#undef X
