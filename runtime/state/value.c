/* See value.h. Recursion is bounded by the depth of the value, which has been
 * checked. */
#include "state/value.h"

#include <string.h>

#include "state/container.h"
#include "json/scalar.h"

/* ---- copying ---- */

static bool copy_string(const struct zkt_store *store, struct zkt_str *to,
                        struct zkt_str from)
{
    *to = ZKT_STR("");
    if (from.len == 0) {
        return true;
    }
    if (from.len == SIZE_MAX) {
        return false;
    }
    char *data = zkt__alloc(store->allocator, from.len + 1);
    if (data == NULL) {
        return false;
    }
    memcpy(data, from.data, from.len);
    data[from.len] = '\0';
    *to = (struct zkt_str){ data, from.len };
    return true;
}

/* Copies the bytes and adds a NUL; *@data is NULL if there are none. */
static bool copy_block(const struct zkt_store *store, const void **data,
                       size_t *to_len, const void *from, size_t len)
{
    struct zkt_str text;
    if (!copy_string(store, &text, (struct zkt_str){ from, len })) {
        return false;
    }
    *data = len > 0 ? text.data : NULL;
    *to_len = len;
    return true;
}

static bool copy_bytes(const struct zkt_store *store, struct zkt_bytes *to,
                       const struct zkt_bytes *from)
{
    const void *data;
    if (!copy_block(store, &data, &to->len, from->data, from->len)) {
        return false;
    }
    to->data = data;
    return true;
}

static bool copy_json(const struct zkt_store *store, struct zkt_json *to,
                      const struct zkt_json *from)
{
    const void *text;
    if (!copy_block(store, &text, &to->len, from->text, from->len)) {
        return false;
    }
    to->text = text;
    return true;
}

static bool copy_struct(const struct zkt_store *store,
                        const struct zkt_type *type, char *to, const char *from)
{
    const struct zkt_struct_info *info = type->of.structs;
    for (uint32_t i = 0; i < info->count; i++) {
        const struct zkt_field *field = &info->fields[i];
        if (!zkt__value_copy(store, field->type, to + field->offset,
                             from + field->offset)) {
            return false;
        }
    }
    return true;
}

/* Returns the variant that a union holds, or NULL if its kind is unknown. */
static const struct zkt_type *variant_of(const struct zkt_type *type,
                                         const void *value)
{
    const struct zkt_union_info *info = type->of.unions;
    const int kind = *(const int *)value;
    return kind >= 0 && (uint32_t)kind < info->kinds->count
               ? info->variants[kind]
               : NULL;
}

static bool copy_union(const struct zkt_store *store,
                       const struct zkt_type *type, char *to, const char *from)
{
    const struct zkt_type *variant = variant_of(type, from);
    const uint32_t offset = type->of.unions->value_offset;
    memcpy(to, from, sizeof(int));
    return variant == NULL ||
           zkt__value_copy(store, variant, to + offset, from + offset);
}

static bool copy_list(const struct zkt_store *store,
                      const struct zkt_list_info *info, struct zkt_any_list *to,
                      const struct zkt_any_list *from)
{
    const struct zkt_type *item = info->item;
    if (!zkt__list_open(store, to, item->size, 0, from->len, NULL, NULL)) {
        return false;
    }
    if (from->len == 0) {
        return true;
    }
    memset(zkt__list_at(to, item->size, 0), 0, from->len * item->size);
    for (size_t i = 0; i < from->len; i++) {
        if (!zkt__value_copy(store, item, zkt__list_at(to, item->size, i),
                             (const char *)from->items + i * item->size)) {
            return false;
        }
    }
    return true;
}

/* Copies an entry of a map that may contain the key: the last entry wins. */
static bool copy_entry(const struct zkt_store *store,
                       const struct zkt_map_info *info, struct zkt_any_map *to,
                       struct zkt_str key, const void *value)
{
    const uint32_t there = zkt__map_position(to, info->entry_size, key);
    if (there != ZKT_INDEX_NONE) {
        char *old = (char *)(uintptr_t)to->items + there * info->entry_size +
                    info->value_offset;
        zkt__value_release(store, info->value, old);
        return zkt__value_copy(store, info->value, old, value);
    }
    struct zkt_str own_key;
    if (!copy_string(store, &own_key, key)) {
        return false;
    }
    /* The value is added as zeros, so that no scratch is needed. */
    if (!zkt__map_add(store, to, info, own_key, NULL, NULL, NULL)) {
        zkt__value_release(store, &zkt_type_string, &own_key);
        return false;
    }
    return zkt__value_copy(store, info->value,
                           (char *)(uintptr_t)to->items +
                               (to->len - 1) * info->entry_size +
                               info->value_offset,
                           value);
}

static bool copy_map(const struct zkt_store *store,
                     const struct zkt_map_info *info, struct zkt_any_map *to,
                     const struct zkt_any_map *from)
{
    for (size_t i = 0; i < from->len; i++) {
        if (!copy_entry(store, info, to,
                        zkt__map_key(from, info->entry_size, i),
                        (const char *)from->items + i * info->entry_size +
                            info->value_offset)) {
            return false;
        }
    }
    return true;
}

static bool copy_boxed(const struct zkt_store *store,
                       const struct zkt_type *inner, void *to, const void *from)
{
    const void *box;
    memcpy(&box, from, sizeof(box));
    if (box == NULL) {
        return true;
    }
    void *own = zkt__alloc_zero(store->allocator, 1, inner->size);
    memcpy(to, &own, sizeof(own));
    return own != NULL && zkt__value_copy(store, inner, own, box);
}

static bool copy_scalar(const struct zkt_store *store,
                        const struct zkt_type *type, void *to, const void *from)
{
    switch (zkt__class_of(type)) {
    case ZKT_CLASS_TEXT:
        return copy_string(store, to, *(const struct zkt_str *)from);
    case ZKT_CLASS_BYTES:
        return copy_bytes(store, to, from);
    case ZKT_CLASS_ANY:
        return copy_json(store, to, from);
    case ZKT_CLASS_NONE:
    case ZKT_CLASS_TRUTH:
    case ZKT_CLASS_INTEGER:
    case ZKT_CLASS_TIME:
    case ZKT_CLASS_REAL:
        break;
    }
    memcpy(to, from, type->size);
    return true;
}

/* Copies into the zeroed @to. On failure the parts already copied remain, for
 * the caller to release. */
static bool copy(const struct zkt_store *store, const struct zkt_type *type,
                 void *to, const void *from)
{
    const struct zkt_optional_info *optional = type->of.optionals;
    switch (type->kind) {
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
        return copy_scalar(store, type, to, from);
    case ZKT_KIND_ENUM:
    case ZKT_KIND_LITERAL:
        memcpy(to, from, type->size);
        return true;
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_TUPLE:
        return copy_struct(store, type, to, from);
    case ZKT_KIND_UNION:
        return copy_union(store, type, to, from);
    case ZKT_KIND_LIST:
        return copy_list(store, type->of.lists, to, from);
    case ZKT_KIND_MAP:
        return copy_map(store, type->of.maps, to, from);
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
        if (!*(const bool *)from) {
            return true;
        }
        *(bool *)to = true;
        return zkt__value_copy(store, optional->value,
                               (char *)to + optional->value_offset,
                               (const char *)from + optional->value_offset);
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        return copy_boxed(store, optional->value, to, from);
    }
    return true;
}

bool zkt__value_copy(const struct zkt_store *store, const struct zkt_type *type,
                     void *to, const void *from)
{
    if (!type->owns) {
        memcpy(to, from, type->size);
        return true;
    }
    memset(to, 0, type->size);
    if (copy(store, type, to, from)) {
        return true;
    }
    zkt__value_release(store, type, to);
    return false;
}

/* ---- releasing ---- */

static void release_list(const struct zkt_store *store,
                         const struct zkt_type *item, struct zkt_any_list *list)
{
    if (item->owns) {
        for (size_t i = 0; i < list->len; i++) {
            zkt__value_release(store, item, zkt__list_at(list, item->size, i));
        }
    }
    zkt__list_free(store, list);
}

static void release_map(const struct zkt_store *store,
                        const struct zkt_map_info *info,
                        struct zkt_any_map *map)
{
    for (size_t i = 0; i < map->len; i++) {
        char *entry = (char *)(uintptr_t)map->items + i * info->entry_size;
        zkt__value_release(store, &zkt_type_string, entry);
        zkt__value_release(store, info->value, entry + info->value_offset);
    }
    zkt__map_free(store, map);
}

static void release_boxed(const struct zkt_store *store,
                          const struct zkt_type *inner, void *value)
{
    void *box;
    memcpy(&box, value, sizeof(box));
    if (box != NULL) {
        zkt__value_release(store, inner, box);
        zkt__release(store->allocator, box);
    }
}

static void release_block(const struct zkt_store *store, const void *data,
                          size_t len)
{
    if (len > 0) {
        zkt__release(store->allocator, (void *)(uintptr_t)data);
    }
}

static void release_scalar(const struct zkt_store *store,
                           const struct zkt_type *type, const void *value)
{
    const struct zkt_str *text = value;
    const struct zkt_bytes *bytes = value;
    const struct zkt_json *json = value;
    switch (zkt__class_of(type)) {
    case ZKT_CLASS_TEXT:
        release_block(store, text->data, text->len);
        return;
    case ZKT_CLASS_BYTES:
        release_block(store, bytes->data, bytes->len);
        return;
    case ZKT_CLASS_ANY:
        release_block(store, json->text, json->len);
        return;
    case ZKT_CLASS_NONE:
    case ZKT_CLASS_TRUTH:
    case ZKT_CLASS_INTEGER:
    case ZKT_CLASS_TIME:
    case ZKT_CLASS_REAL:
        return;
    }
}

static void release_union(const struct zkt_store *store,
                          const struct zkt_type *type, char *value)
{
    const struct zkt_type *variant = variant_of(type, value);
    if (variant != NULL) {
        zkt__value_release(store, variant,
                           value + type->of.unions->value_offset);
    }
}

void zkt__value_release(const struct zkt_store *store,
                        const struct zkt_type *type, void *value)
{
    const struct zkt_struct_info *info = type->of.structs;
    if (!type->owns) {
        memset(value, 0, type->size);
        return;
    }
    switch (type->kind) {
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
        release_scalar(store, type, value);
        break;
    case ZKT_KIND_ENUM:
    case ZKT_KIND_LITERAL:
        break;
    case ZKT_KIND_UNION:
        release_union(store, type, value);
        break;
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_TUPLE:
        for (uint32_t i = 0; i < info->count; i++) {
            zkt__value_release(store, info->fields[i].type,
                               (char *)value + info->fields[i].offset);
        }
        break;
    case ZKT_KIND_LIST:
        release_list(store, type->of.lists->item, value);
        break;
    case ZKT_KIND_MAP:
        release_map(store, type->of.maps, value);
        break;
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
        if (*(bool *)value) {
            zkt__value_release(store, type->of.optionals->value,
                               (char *)value +
                                   type->of.optionals->value_offset);
        }
        break;
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        release_boxed(store, type->of.optionals->value, value);
        break;
    }
    memset(value, 0, type->size);
}

/* ---- comparing ---- */

static bool equal_structs(const struct zkt_type *type, const char *a,
                          const char *b)
{
    const struct zkt_struct_info *info = type->of.structs;
    for (uint32_t i = 0; i < info->count; i++) {
        const struct zkt_field *field = &info->fields[i];
        if (!zkt__value_equal(field->type, a + field->offset,
                              b + field->offset)) {
            return false;
        }
    }
    return true;
}

static bool equal_lists(const struct zkt_type *item,
                        const struct zkt_any_list *a,
                        const struct zkt_any_list *b)
{
    if (a->len != b->len) {
        return false;
    }
    for (size_t i = 0; i < a->len; i++) {
        if (!zkt__value_equal(item, (const char *)a->items + i * item->size,
                              (const char *)b->items + i * item->size)) {
            return false;
        }
    }
    return true;
}

static bool equal_maps(const struct zkt_map_info *info,
                       const struct zkt_any_map *a, const struct zkt_any_map *b)
{
    if (a->len != b->len) {
        return false;
    }
    for (size_t i = 0; i < a->len; i++) {
        const uint32_t there = zkt__map_position(
            b, info->entry_size, zkt__map_key(a, info->entry_size, i));
        if (there == ZKT_INDEX_NONE ||
            !zkt__value_equal(info->value,
                              (const char *)a->items + i * info->entry_size +
                                  info->value_offset,
                              (const char *)b->items +
                                  there * info->entry_size +
                                  info->value_offset)) {
            return false;
        }
    }
    return true;
}

static bool equal_boxed(const struct zkt_type *inner, const void *a,
                        const void *b)
{
    const void *in_a, *in_b;
    memcpy(&in_a, a, sizeof(in_a));
    memcpy(&in_b, b, sizeof(in_b));
    if (in_a == NULL || in_b == NULL) {
        return in_a == in_b;
    }
    return zkt__value_equal(inner, in_a, in_b);
}

static bool equal_unions(const struct zkt_type *type, const char *a,
                         const char *b)
{
    const struct zkt_type *variant = variant_of(type, a);
    const uint32_t offset = type->of.unions->value_offset;
    return memcmp(a, b, sizeof(int)) == 0 &&
           (variant == NULL ||
            zkt__value_equal(variant, a + offset, b + offset));
}

static bool equal_blocks(const void *a, size_t a_len, const void *b,
                         size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static bool equal_scalars(const struct zkt_type *type, const void *a,
                          const void *b)
{
    const struct zkt_bytes *x = a, *y = b;
    const struct zkt_json *p = a, *q = b;
    switch (zkt__class_of(type)) {
    case ZKT_CLASS_REAL:
        return zkt__real_at(type, a) == zkt__real_at(type, b);
    case ZKT_CLASS_TEXT:
        return zkt_str_eq(*(const struct zkt_str *)a,
                          *(const struct zkt_str *)b);
    case ZKT_CLASS_BYTES:
        return equal_blocks(x->data, x->len, y->data, y->len);
    case ZKT_CLASS_ANY:
        return equal_blocks(p->text, p->len, q->text, q->len);
    case ZKT_CLASS_NONE:
    case ZKT_CLASS_TRUTH:
    case ZKT_CLASS_INTEGER:
    case ZKT_CLASS_TIME:
        break;
    }
    return memcmp(a, b, type->size) == 0;
}

bool zkt__value_equal(const struct zkt_type *type, const void *a, const void *b)
{
    const struct zkt_optional_info *optional = type->of.optionals;
    switch (type->kind) {
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
        return equal_scalars(type, a, b);
    case ZKT_KIND_ENUM:
    case ZKT_KIND_LITERAL:
        return memcmp(a, b, type->size) == 0;
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_TUPLE:
        return equal_structs(type, a, b);
    case ZKT_KIND_UNION:
        return equal_unions(type, a, b);
    case ZKT_KIND_LIST:
        return equal_lists(type->of.lists->item, a, b);
    case ZKT_KIND_MAP:
        return equal_maps(type->of.maps, a, b);
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
        if (!*(const bool *)a || !*(const bool *)b) {
            return *(const bool *)a == *(const bool *)b;
        }
        return zkt__value_equal(optional->value,
                                (const char *)a + optional->value_offset,
                                (const char *)b + optional->value_offset);
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        return equal_boxed(optional->value, a, b);
    }
    return false;
}

bool zkt__value_default(const struct zkt_store *store,
                        const struct zkt_type *type, void *to)
{
    const struct zkt_struct_info *info = type->of.structs;
    memset(to, 0, type->size);
    for (uint32_t i = 0; i < info->count; i++) {
        const struct zkt_field *field = &info->fields[i];
        if (field->default_value != NULL &&
            !zkt__value_copy(store, field->type, (char *)to + field->offset,
                             field->default_value)) {
            zkt__value_release(store, type, to);
            return false;
        }
    }
    return true;
}
