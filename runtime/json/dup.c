/*
 * Deep copies in a single block, made in two passes: the first measures, the
 * second copies. Implements `<type>_dup`, so users free the block with free().
 */
#include <stdalign.h>
#include <stdlib.h>

#include "base/map.h"
#include "json/json.h"
#include "json/scalar.h"

/* The block of the copy; at is NULL while measuring. */
struct block {
    char *at;
    size_t used;
};

static void dup_inside(struct block *b, const struct zkt_type *type,
                       void *value);

/* Appends a copy of @size bytes; returns NULL while measuring. */
static void *put(struct block *b, const void *from, size_t size)
{
    const size_t alignment = alignof(max_align_t);
    char *to = b->at != NULL ? b->at + b->used : NULL;
    if (to != NULL && size > 0) {
        memcpy(to, from, size);
    }
    b->used += (size + alignment - 1) / alignment * alignment;
    return to;
}

static void dup_string(struct block *b, struct zkt_str *text)
{
    char *to = put(b, text->data, text->len);
    const size_t alignment = alignof(max_align_t);
    if (text->len % alignment == 0) {
        b->used += alignment; /* room for the NUL */
    }
    if (to != NULL) {
        to[text->len] = '\0';
        text->data = to;
    }
}

static void dup_bytes(struct block *b, const void **data, size_t len)
{
    const void *to = put(b, *data, len);
    if (to != NULL) {
        *data = to;
    }
}

/* Copies the items of a container, each of which has a value at @offset, and a
 * key at its begin if @keys. */
static void dup_items(struct block *b, const void **items, size_t len,
                      size_t size, const struct zkt_type *inner, size_t offset,
                      bool keys)
{
    char *to = put(b, *items, len * size);
    for (size_t i = 0; i < len; i++) {
        /* While measuring, a copy of the key keeps the original intact. */
        char *item = to != NULL ? to + i * size : NULL;
        const char *from = (const char *)*items + i * size;
        if (keys) {
            struct zkt_str key;
            memcpy(&key, from, sizeof(key));
            dup_string(b, &key);
            if (item != NULL) {
                memcpy(item, &key, sizeof(key));
            }
        }
        if (inner->owns) {
            dup_inside(b, inner,
                       item != NULL ? item + offset
                                    : (char *)(uintptr_t)(from + offset));
        }
    }
    if (to != NULL) {
        *items = to;
    }
}

static void dup_struct(struct block *b, const struct zkt_type *type,
                       char *value)
{
    const struct zkt_struct_info *info = type->of.structs;
    for (uint32_t i = 0; i < info->count; i++) {
        dup_inside(b, info->fields[i].type, value + info->fields[i].offset);
    }
}

static void dup_union(struct block *b, const struct zkt_union_info *info,
                      char *value)
{
    const int kind = *(const int *)(const void *)value;
    if (kind >= 0 && (uint32_t)kind < info->kinds->count) {
        dup_inside(b, info->variants[kind], value + info->value_offset);
    }
}

static void dup_boxed(struct block *b, const struct zkt_type *type, void *value)
{
    const struct zkt_type *inner = type->of.optionals->value;
    void *box;
    memcpy(&box, value, sizeof(box));
    if (box == NULL) {
        return;
    }
    void *to = put(b, box, inner->size);
    dup_inside(b, inner, to != NULL ? to : box);
    if (to != NULL) {
        memcpy(value, &to, sizeof(to));
    }
}

/* The order of entries stays, so the index can be copied as is. */
static void dup_index(struct block *b, struct zkt_any_map *map)
{
    const struct zkt_map_index *index = map->index_;
    if (index == NULL) {
        return;
    }
    struct zkt_map_index *to = put(b, index, sizeof(*index));
    const size_t slots = index->index.slots != NULL
                             ? (size_t)index->index.mask + 1
                             : 0;
    uint64_t *copied = put(b, index->index.slots, slots * sizeof(uint64_t));
    if (to != NULL) {
        to->index.slots = slots > 0 ? copied : NULL;
        to->items = map->items;
        map->index_ = to;
    }
}

static void dup_scalar(struct block *b, const struct zkt_type *type,
                       void *value)
{
    struct zkt_bytes *bytes = value;
    struct zkt_json *json = value;
    struct zkt_str text;
    const void *data;
    switch (zkt__class_of(type)) {
    case ZKT_CLASS_TEXT:
        dup_string(b, value);
        return;
    case ZKT_CLASS_BYTES:
        data = bytes->data;
        dup_bytes(b, &data, bytes->len);
        if (b->at != NULL) {
            bytes->data = data;
        }
        return;
    case ZKT_CLASS_ANY:
        text = (struct zkt_str){ json->text, json->len };
        dup_string(b, &text);
        if (b->at != NULL) {
            json->text = text.data;
        }
        return;
    case ZKT_CLASS_NONE:
    case ZKT_CLASS_TRUTH:
    case ZKT_CLASS_INTEGER:
    case ZKT_CLASS_TIME:
    case ZKT_CLASS_REAL:
        return;
    }
}

/* Copies what @value points to; the value itself is in the block already, or
 * nothing is written while measuring. */
static void dup_inside(struct block *b, const struct zkt_type *type,
                       void *value)
{
    if (!type->owns) {
        return;
    }
    switch (type->kind) {
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
        dup_scalar(b, type, value);
        return;
    case ZKT_KIND_ENUM:
    case ZKT_KIND_LITERAL:
        return;
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_TUPLE:
        dup_struct(b, type, value);
        return;
    case ZKT_KIND_UNION:
        dup_union(b, type->of.unions, value);
        return;
    case ZKT_KIND_LIST: {
        struct zkt_any_list *list = value;
        const struct zkt_type *item = type->of.lists->item;
        dup_items(b, &list->items, list->len, item->size, item, 0, false);
        return;
    }
    case ZKT_KIND_MAP: {
        struct zkt_any_map *map = value;
        const struct zkt_map_info *info = type->of.maps;
        dup_items(b, &map->items, map->len, info->entry_size, info->value,
                  info->value_offset, true);
        dup_index(b, map);
        return;
    }
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
        if (*(const bool *)value) {
            dup_inside(b, type->of.optionals->value,
                       (char *)value + type->of.optionals->value_offset);
        }
        return;
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        dup_boxed(b, type, value);
        return;
    }
}

size_t zkt__value_measure(const struct zkt_type *type, const void *value)
{
    struct block b = { NULL, 0 };
    (void)put(&b, value, type->size);
    /* Measuring writes nothing, so the cast is safe. */
    dup_inside(&b, type, (void *)(uintptr_t)value);
    return b.used;
}

void *zkt__value_dup_into(const struct zkt_type *type, const void *value,
                          void *block)
{
    struct block b = { block, 0 };
    void *copy = put(&b, value, type->size);
    dup_inside(&b, type, copy);
    return copy;
}

void *zkt_value_dup(const struct zkt_type *type, const void *value)
{
    void *block = malloc(zkt__value_measure(type, value));
    return block != NULL ? zkt__value_dup_into(type, value, block) : NULL;
}
