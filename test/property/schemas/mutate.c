/*
 * See mutate.h: values with parts. Uses the runtime's writer only for strings
 * and numbers, and none of its rules.
 */
#include "mutate_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"

static void write_value(struct mutation *m, const struct zkt_type *type,
                        const void *value);

/* Notes that the member, of @type, becomes the value at @to, or absent. */
static void note_change(struct mutation *m, const struct zkt_type *type,
                        const void *member, const void *to)
{
    m->member = (void *)(uintptr_t)member;
    m->member_size = type->size;
    m->becomes = to;
}

static void step(struct mutation *m, struct zkt_str key, uint32_t order)
{
    m->path[m->depth - 1] = (struct zkt_step){ key.data, (uint32_t)key.len,
                                               order };
}

/* ---- wrong tokens ---- */

static const struct zkt_type *inside(const struct zkt_type *type)
{
    switch (type->kind) {
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        return type->of.optionals->value;
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_LIST:
    case ZKT_KIND_MAP:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
    return type;
}

#define WRONG_FOR_BOOLEAN of_bool[which % 3]
#define WRONG_FOR_NUMBER  of_number[which % 3]
#define WRONG_FOR_STRING  of_text[which % 3]
#define WRONG_FOR_ANY     NULL

/* Returns a JSON value that is not of the type, or NULL if there is none. */
static const char *wrong_token(const struct zkt_type *type, unsigned which)
{
    static const char *const of_text[] = { "7", "[]", "false" };
    static const char *const of_number[] = { "\"7\"", "true", "{}" };
    static const char *const of_object[] = { "[]", "\"{}\"", "0" };
    static const char *const of_array[] = { "{}", "\"[]\"", "1e3" };
    static const char *const of_bool[] = { "0", "\"true\"", "[true]" };
    switch (inside(type)->kind) {
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, ...)             \
    case ZKT_KIND_##symbol:                                                    \
        return WRONG_FOR_##json;
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
        return of_text[which % 3];
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_UNION:
    case ZKT_KIND_MAP:
        return of_object[which % 3];
    case ZKT_KIND_LIST:
    case ZKT_KIND_TUPLE:
        return of_array[which % 3];
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
    case ZKT_KIND_LITERAL: /* any other value is wrong in another way */
        break;
    }
    return NULL;
}

static bool write_wrong_type(struct mutation *m, const struct zkt_type *type)
{
    const bool nullable = m->nullable || type->kind == ZKT_KIND_JSON ||
                          type->kind == ZKT_KIND_LITERAL;
    const char *token = wrong_token(type, m->sites);
    m->nullable = false;
    if (!nullable && breaks(m, "null", ZKT_ISSUE_INVALID_TYPE, false)) {
        put(m, "null");
        return true;
    }
    if (token != NULL &&
        breaks(m, "wrong type", ZKT_ISSUE_INVALID_TYPE, false)) {
        put(m, token);
        return true;
    }
    return false;
}

/* ---- structs ---- */

static bool is_there(const struct zkt_type *type, const void *value)
{
    const void *box;
    switch (type->kind) {
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
        return *(const bool *)value;
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        memcpy(&box, value, sizeof(box));
        return box != NULL;
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_LIST:
    case ZKT_KIND_MAP:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
    return true;
}

static bool may_be_absent(const struct zkt_type *type)
{
    return type->kind == ZKT_KIND_OPTIONAL || type->kind == ZKT_KIND_BOXED;
}

static void put_key(struct mutation *m, struct zkt_str key, size_t start)
{
    if (m->w->len > start + 1) {
        put(m, ",");
    }
    zkt_write_string(m->w, key);
    put(m, ":");
}

/* Changes the key itself; returns true if the field is done. */
static bool change_field(struct mutation *m, const struct zkt_field *field,
                         const void *member, size_t start)
{
    const bool absent = may_be_absent(field->type);
    const char *token = wrong_token(field->type, m->sites);
    if (!absent && field->default_value == NULL &&
        breaks_key(m, "missing key", ZKT_ISSUE_INVALID_TYPE, false,
                   field->name)) {
        return true;
    }
    if ((absent || field->default_value != NULL) &&
        means_the_same(m, absent ? "absent" : "default")) {
        note_change(m, field->type, member, field->default_value);
        return true;
    }
    if (absent && means_the_same(m, "null for absent")) {
        note_change(m, field->type, member, NULL);
        put_key(m, field->name, start);
        put(m, "null");
        return true;
    }
    if (token != NULL && is_there(field->type, member) &&
        means_the_same(m, "key twice")) {
        put_key(m, field->name, start);
        put(m, token);
    }
    return false;
}

static void write_field(struct mutation *m, const struct zkt_field *field,
                        uint32_t index, const void *value, size_t start)
{
    const void *member = (const char *)value + field->offset;
    step(m, field->name, index);
    m->depth--;
    const bool done = change_field(m, field, member, start);
    m->depth++;
    if (done ||
        (may_be_absent(field->type) && !is_there(field->type, member))) {
        return;
    }
    put_key(m, field->name, start);
    write_value(m, field->type, member);
}

static void write_unknown_key(struct mutation *m,
                              const struct zkt_struct_info *info, size_t start)
{
    bool write = false;
    if (info->strict) {
        write = breaks(m, "strict", ZKT_ISSUE_UNRECOGNIZED_KEYS, false);
    } else {
        write = means_the_same(m, "unknown key");
    }
    if (write) {
        put_key(m, ZKT_STR("no field of any"), start);
        put(m, "{\"a\":[1,null,\"\\u0000\"]}");
    }
}

/* Writes the fields of an object that began at @start; @discriminator is its
 * key. */
static void write_fields(struct mutation *m, const struct zkt_type *type,
                         const void *value, size_t start)
{
    const struct zkt_struct_info *info = type->of.structs;
    const bool backwards = info->count > 1 && means_the_same(m, "backwards");
    write_unknown_key(m, info, start);
    m->depth++;
    for (uint32_t i = 0; i < info->count; i++) {
        const uint32_t index = backwards ? info->count - 1 - i : i;
        write_field(m, &info->fields[index], index, value, start);
    }
    m->depth--;
    m->checks += info->check != 0;
    if (info->check != 0 && breaks(m, "check", ZKT_ISSUE_CUSTOM, true)) {
        m->failing_check = m->checks;
    }
}

static void write_struct(struct mutation *m, const struct zkt_type *type,
                         const void *value)
{
    const size_t start = m->w->len;
    put(m, "{");
    write_fields(m, type, value, start);
    put(m, "}");
}

static void write_union(struct mutation *m, const struct zkt_type *type,
                        const void *value)
{
    const struct zkt_union_info *info = type->of.unions;
    const int kind = *(const int *)value;
    const struct zkt_str key = info->discriminator;
    const size_t start = m->w->len;
    const char *bad = NULL;
    if (breaks_key(m, "unknown kind", ZKT_ISSUE_INVALID_UNION, true, key)) {
        bad = "\"no kind of any\"";
    } else if (breaks_key(m, "kind is no text", ZKT_ISSUE_INVALID_UNION, false,
                          key)) {
        bad = "0";
    }
    const bool without = breaks_key(m, "no kind", ZKT_ISSUE_INVALID_UNION,
                                    false, key);
    const bool last = means_the_same(m, "kind last");
    put(m, "{");
    if (bad != NULL) {
        put_key(m, key, start);
        put(m, bad);
    } else if (!last && !without) {
        put_key(m, key, start);
        zkt_write_string(m->w, info->kinds->values[kind]);
    }
    write_fields(m, info->variants[kind],
                 (const char *)value + info->value_offset, start);
    if (last) {
        put_key(m, key, start);
        zkt_write_string(m->w, info->kinds->values[kind]);
    }
    put(m, "}");
}

/* ---- lists, tuples, maps ---- */

/* Returns the number of items to write, which may be wrong. */
static size_t wrong_count(struct mutation *m, uint32_t min, uint32_t max,
                          size_t len)
{
    if (min > 0 && breaks(m, "few items", ZKT_ISSUE_TOO_SMALL, true)) {
        return min - 1;
    }
    if (max < 300 && len > 0 &&
        breaks(m, "many items", ZKT_ISSUE_TOO_BIG, true)) {
        return max + 1;
    }
    return len;
}

static void write_item(struct mutation *m, const struct zkt_list_info *info,
                       const struct zkt_any_list *list, size_t i, size_t from)
{
    put(m, i > 0 ? "," : "");
    m->quiet += i != from;
    step(m, (struct zkt_str){ NULL, 0 }, (uint32_t)i);
    write_value(m, info->item,
                (const char *)list->items + from * info->item->size);
    m->quiet -= i != from;
}

static void write_list(struct mutation *m, const struct zkt_type *type,
                       const struct zkt_any_list *list)
{
    const struct zkt_list_info *info = type->of.lists;
    const size_t count = wrong_count(m, info->min, info->max, list->len);
    const bool twice = info->unique && count == list->len && count > 1 &&
                       breaks(m, "unique", ZKT_ISSUE_CUSTOM, true);
    put(m, "[");
    m->depth++;
    for (size_t i = 0; i < count; i++) {
        const bool copied = i >= list->len || (twice && i + 1 == count);
        write_item(m, info, list, i, copied ? 0 : i);
    }
    m->depth--;
    put(m, "]");
}

static void write_tuple(struct mutation *m, const struct zkt_type *type,
                        const void *value)
{
    const struct zkt_struct_info *info = type->of.structs;
    uint32_t count = info->count;
    if (breaks(m, "short tuple", ZKT_ISSUE_TOO_SMALL, false)) {
        count--;
    }
    const bool longer = breaks(m, "long tuple", ZKT_ISSUE_TOO_BIG, false);
    put(m, "[");
    m->depth++;
    for (uint32_t i = 0; i < count; i++) {
        put(m, i > 0 ? "," : "");
        step(m, (struct zkt_str){ NULL, 0 }, i);
        write_value(m, info->fields[i].type,
                    (const char *)value + info->fields[i].offset);
    }
    m->depth--;
    put(m, longer ? ",null]" : "]");
}

static void write_entry(struct mutation *m, const struct zkt_map_info *info,
                        const struct zkt_any_map *map, size_t i, size_t start)
{
    const char *entry = (const char *)map->items + i * info->entry_size;
    const struct zkt_str key = zkt__map_key(map, info->entry_size, i);
    const char *token = wrong_token(info->value, m->sites);
    static char longest[257];
    memset(longest, 'k', sizeof(longest));
    const struct zkt_str too_long = { longest, sizeof(longest) };
    m->depth--;
    const bool rename = breaks_key(m, "long key", ZKT_ISSUE_TOO_BIG, true,
                                   too_long);
    if (token != NULL && means_the_same(m, "key twice")) {
        put_key(m, key, start);
        put(m, token);
    }
    m->depth++;
    step(m, rename ? too_long : key, (uint32_t)i);
    put_key(m, rename ? too_long : key, start);
    write_value(m, info->value, entry + info->value_offset);
}

/* Writes @count more entries, with new keys. */
static void write_more(struct mutation *m, const struct zkt_map_info *info,
                       const struct zkt_any_map *map, size_t count,
                       size_t start)
{
    m->quiet++;
    for (size_t i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof(key), "more %zu", i);
        put_key(m, zkt_cstr(key), start);
        write_value(m, info->value,
                    (const char *)map->items + info->value_offset);
    }
    m->quiet--;
}

static void write_map(struct mutation *m, const struct zkt_type *type,
                      const struct zkt_any_map *map)
{
    const struct zkt_map_info *info = type->of.maps;
    const size_t count = wrong_count(m, info->min, info->max, map->len);
    const size_t start = m->w->len;
    put(m, "{");
    m->depth++;
    for (size_t i = 0; i < count && i < map->len; i++) {
        write_entry(m, info, map, i, start);
    }
    if (count > map->len) {
        write_more(m, info, map, count - map->len, start);
    }
    m->depth--;
    put(m, "}");
}

/* ---- any value ---- */

static void write_inside(struct mutation *m, const struct zkt_type *type,
                         const void *value)
{
    const struct zkt_optional_info *info = type->of.optionals;
    const void *box;
    m->nullable = true;
    if (!is_there(type, value)) {
        m->nullable = false;
        put(m, "null");
    } else if (type->kind == ZKT_KIND_OPTIONAL ||
               type->kind == ZKT_KIND_NULLABLE) {
        write_value(m, info->value, (const char *)value + info->value_offset);
    } else {
        memcpy(&box, value, sizeof(box));
        write_value(m, info->value, box);
    }
}

static void write_literal(struct mutation *m, const struct zkt_type *type)
{
    static const char *const others[] = { "null", "\"another\"", "-7",  "[]",
                                          "1.5",  "{\"a\":1}",   "\"\"" };
    const char *other = others[m->sites % 7];
    if (zkt_str_eq(zkt_cstr(other), type->of.literals->json)) {
        other = "null";
    }
    if (breaks(m, "another literal", ZKT_ISSUE_INVALID_VALUE, false)) {
        put(m, other);
    } else {
        type->encode(m->w, type, NULL);
    }
}

static void write_value(struct mutation *m, const struct zkt_type *type,
                        const void *value)
{
    if (type != inside(type)) {
        write_inside(m, type, value);
        return;
    }
    if (write_wrong_type(m, type)) {
        return;
    }
    switch (type->kind) {
    case ZKT_KIND_STRUCT:
        write_struct(m, type, value);
        break;
    case ZKT_KIND_LIST:
        write_list(m, type, value);
        break;
    case ZKT_KIND_MAP:
        write_map(m, type, value);
        break;
    case ZKT_KIND_TUPLE:
        write_tuple(m, type, value);
        break;
    case ZKT_KIND_UNION:
        write_union(m, type, value);
        break;
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
        mutation_scalar(m, type, value);
        break;
    case ZKT_KIND_LITERAL:
        write_literal(m, type);
        break;
    case ZKT_KIND_OPTIONAL: /* written above */
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        break;
    }
}

void mutation_write(struct mutation *m, const struct zkt_type *type,
                    const void *value)
{
    write_value(m, type, value);
}
