/*
 * The decoders of lists, maps and optionals. Items grow in the call's arena,
 * since their number is unknown in advance.
 */
#include "base/map.h"
#include "json/rules.h"
#include "json/scan.h"

static struct zkt_where here(const struct zkt_reader *reader)
{
    return (struct zkt_where){ reader->issues, reader->path, reader->depth };
}

static bool no_memory(struct zkt_reader *reader)
{
    reader->no_memory = true;
    return false;
}

/* ---- lists ---- */

/* An array that grows in the arena. */
struct item_array {
    char *items;
    size_t len, capacity, size;
};

/* Appends a zeroed item, or returns NULL if there is no memory. */
static void *grow(struct zkt_reader *reader, struct item_array *g)
{
    if (g->len == g->capacity) {
        const size_t capacity = g->capacity > 0 ? g->capacity * 2 : 4;
        char *items = capacity > SIZE_MAX / g->size
                          ? NULL
                          : zkt__arena_resize(reader->arena, g->items,
                                              g->capacity * g->size,
                                              capacity * g->size);
        if (items == NULL) {
            no_memory(reader);
            return NULL;
        }
        g->items = items;
        g->capacity = capacity;
    }
    return memset(g->items + g->len++ * g->size, 0, g->size);
}

/* Returns the unused capacity to the arena, if possible. */
static void shrink_to_fit(struct zkt_reader *reader, struct item_array *g)
{
    if (g->len > 0 && g->len < g->capacity) {
        g->items = zkt__arena_shrink(reader->arena, g->items,
                                     g->capacity * g->size, g->len * g->size);
        g->capacity = g->len;
    }
}

bool zkt_decode_list(struct zkt_reader *reader, const struct zkt_type *type,
                     void *value)
{
    const struct zkt_list_info *info = type->of.lists;
    struct zkt_any_list *out = value;
    struct item_array g = { .size = info->item->size };
    *out = (struct zkt_any_list){ NULL, 0 };
    if (!zkt__reader_enter(reader, ZKT_TOKEN_ARRAY)) {
        return zkt__decode_mismatch(reader, "array");
    }
    const uint32_t limit = reader->tolerant ? UINT32_MAX : info->max;
    bool good = true;
    size_t count = 0; /* one more than the limit if it is exceeded */
    while (zkt__reader_item(reader)) {
        reader->path[reader->depth - 1] = (struct zkt_step){ NULL, 0,
                                                             (uint32_t)g.len };
        if (++count > limit) {
            good = zkt__reader_skip_rest(reader, ZKT_TOKEN_ARRAY);
            break;
        }
        void *item = grow(reader, &g);
        good = item != NULL && info->item->decode(reader, info->item, item) &&
               good;
    }
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    shrink_to_fit(reader, &g);
    *out = (struct zkt_any_list){ g.items, g.len };
    const struct zkt_where where = here(reader);
    if (reader->tolerant) {
        return good;
    }
    good = zkt__rule_count(&where, info->min, info->max, count, "item",
                           "items") &&
           good;
    return (!info->unique || !good ||
            zkt__rule_unique(&where, info->item, out)) &&
           good;
}

/* ---- maps ---- */

/* A map that is being decoded. */
struct map_builder {
    struct item_array entries;
    struct zkt_map_index *index;
    uint32_t first_issue;
    uint32_t limit; /* of entries */
    bool over;      /* further entries were skipped */
};

/* Returns the position of @key, or ZKT_INDEX_NONE. */
static uint32_t find_entry(const struct map_builder *b, struct zkt_str key)
{
    const struct zkt_any_map map = { b->entries.items, b->entries.len,
                                     b->index };
    return zkt__map_position(&map, b->entries.size, key);
}

/* Adds the newest entry to the index; makes the index once there are many
 * entries. */
static bool note_entry(struct zkt_reader *reader, struct map_builder *b)
{
    const struct zkt_allocator memory = zkt__arena_allocator(reader->arena);
    const struct zkt_any_map map = { b->entries.items, b->entries.len, NULL };
    size_t from = b->entries.len - 1;
    if (b->entries.len <= ZKT_MAP_LINEAR) {
        return true;
    }
    if (b->index == NULL) {
        b->index = zkt__arena_zero(reader->arena, 1, sizeof(*b->index));
        if (b->index == NULL) {
            return no_memory(reader);
        }
        b->index->key = *reader->hash_key;
        from = 0;
    }
    b->index->items = b->entries.items; /* may have moved */
    if (!zkt__index_reserve(&b->index->index, &memory,
                            (uint32_t)(b->entries.len - from))) {
        return no_memory(reader);
    }
    for (size_t i = from; i < b->entries.len; i++) {
        const struct zkt_str key = zkt__map_key(&map, b->entries.size, i);
        zkt__index_add(&b->index->index,
                       zkt__hash(&b->index->key, key.data, key.len),
                       (uint32_t)i);
    }
    return true;
}

/* Reads a key and its colon; terminates the key with a NUL. */
static bool take_key(struct zkt_reader *reader, struct zkt_str *key,
                     bool *lone_surrogate)
{
    if (!zkt__reader_text(reader, key, lone_surrogate)) {
        reader->malformed = reader->malformed || !reader->no_memory;
        return false;
    }
    reader->at = zkt__skip_space(reader->at);
    if (*reader->at != ':') {
        reader->malformed = true;
        return false;
    }
    reader->at++;
    return true;
}

/* Returns true if @key is valid; issues get the path of its entry. */
static bool key_is_good(struct zkt_reader *reader, struct zkt_str key,
                        bool lone_surrogate)
{
    const struct zkt_where where = here(reader);
    if (lone_surrogate) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_FORMAT, reader->path,
                       reader->depth, "the key holds half of a surrogate pair");
        return false;
    }
    return reader->tolerant || zkt__rule_map_key(&where, key);
}

/* Adds an entry with the new @key. Returns false if there is no memory. */
static bool add_entry(struct zkt_reader *reader, struct map_builder *b,
                      struct zkt_str key)
{
    char *entry = grow(reader, &b->entries);
    if (entry == NULL) {
        return false;
    }
    memcpy(entry, &key, sizeof(key));
    return note_entry(reader, b);
}

/* Reads an entry, starting at its key. */
static void take_entry(struct zkt_reader *reader, const struct zkt_type *type,
                       struct map_builder *b)
{
    const struct zkt_map_info *info = type->of.maps;
    struct zkt_str key;
    bool lone_surrogate;
    if (!take_key(reader, &key, &lone_surrogate)) {
        return;
    }
    uint32_t position = find_entry(b, key);
    struct zkt_step *step = &reader->path[reader->depth - 1];
    *step = (struct zkt_step){ key.data, (uint32_t)key.len,
                               (uint32_t)b->entries.len };
    if (position != ZKT_INDEX_NONE) {
        step->order = position;
        zkt__issues_drop(reader->issues, b->first_issue, reader->depth - 1,
                         position);
    } else if (b->entries.len == b->limit) {
        b->over = zkt__reader_skip_rest(reader, ZKT_TOKEN_OBJECT);
        return;
    } else {
        position = (uint32_t)b->entries.len;
        if (!add_entry(reader, b, key)) {
            return;
        }
    }
    (void)key_is_good(reader, key, lone_surrogate);
    (void)info->value->decode(reader, info->value,
                              b->entries.items + position * b->entries.size +
                                  info->value_offset);
}

bool zkt_decode_map(struct zkt_reader *reader, const struct zkt_type *type,
                    void *value)
{
    const struct zkt_map_info *info = type->of.maps;
    struct zkt_any_map *out = value;
    struct map_builder b = {
        .entries = { .size = info->entry_size },
        .first_issue = reader->issues->count,
        .limit = reader->tolerant ? UINT32_MAX : info->max,
    };
    const uint32_t found = reader->issues->total;
    *out = (struct zkt_any_map){ NULL, 0, NULL };
    if (!zkt__reader_enter(reader, ZKT_TOKEN_OBJECT)) {
        return zkt__decode_mismatch(reader, "object");
    }
    while (!b.over && zkt__reader_entry(reader)) {
        take_entry(reader, type, &b);
    }
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    shrink_to_fit(reader, &b.entries);
    if (b.index != NULL) {
        b.index->items = b.entries.items;
    }
    *out = (struct zkt_any_map){ b.entries.items, b.entries.len, b.index };
    const struct zkt_where where = here(reader);
    if (!reader->tolerant) {
        (void)zkt__rule_count(&where, info->min, info->max,
                              b.entries.len + b.over, "entry", "entries");
    }
    return reader->issues->total == found;
}

/* ---- what may be absent ---- */

static bool take_null(struct zkt_reader *reader)
{
    return zkt__reader_peek(reader) == ZKT_TOKEN_NULL &&
           zkt__reader_skip(reader, NULL);
}

bool zkt_decode_optional(struct zkt_reader *reader, const struct zkt_type *type,
                         void *value)
{
    const struct zkt_optional_info *info = type->of.optionals;
    memset(value, 0, type->size);
    if (take_null(reader)) {
        return true;
    }
    *(bool *)value = true;
    return info->value->decode(reader, info->value,
                               (char *)value + info->value_offset);
}

bool zkt_decode_boxed(struct zkt_reader *reader, const struct zkt_type *type,
                      void *value)
{
    const struct zkt_type *inner = type->of.optionals->value;
    void *box = NULL;
    bool good = true;
    if (!take_null(reader)) {
        box = zkt__arena_zero(reader->arena, 1, inner->size);
        good = box != NULL ? inner->decode(reader, inner, box)
                           : no_memory(reader);
    }
    memcpy(value, &box, sizeof(box));
    return good;
}
