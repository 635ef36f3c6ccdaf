/*
 * Checks C values that programs made, by the same rules as received values. C
 * values can be wrong in ways that JSON cannot: invalid UTF-8, NaN, an enum
 * value out of range, duplicate keys.
 */
#include "base/map.h"
#include "base/utf8.h"
#include "json/rules.h"
#include "json/scalar.h"

/* The path of the value being checked. */
struct walk {
    struct zkt_issues *issues;
    bool arrives; /* strings are checked as their transforms will make them */
    uint32_t depth;
    struct zkt_step path[ZKT_DEPTH_MAX];
};

static bool check(struct walk *w, const struct zkt_type *type,
                  const void *value);

static struct zkt_where here(const struct walk *w)
{
    return (struct zkt_where){ w->issues, w->path, w->depth };
}

static bool report(struct walk *w, enum zkt_issue_code code, const char *text)
{
    zkt__issue_add(w->issues, code, w->path, w->depth, "%s", text);
    return false;
}

/* Checks a text as the transforms of its receiver will make it. */
static bool check_arriving(struct walk *w, const struct zkt_string_rules *rules,
                           struct zkt_str text)
{
    const struct zkt_where where = here(w);
    char *copy = zkt__arena_alloc(w->issues->arena, text.len);
    if (copy == NULL) {
        w->issues->no_memory = true;
        return report(w, ZKT_ISSUE_CUSTOM, "no memory to check it");
    }
    memcpy(copy, text.data, text.len);
    return zkt__rule_string(&where, rules,
                            zkt__transform(rules, copy, text.len));
}

static bool check_string(struct walk *w, const struct zkt_type *type,
                         struct zkt_str text)
{
    const struct zkt_where where = here(w);
    if (text.data == NULL && text.len > 0) {
        return report(w, ZKT_ISSUE_INVALID_TYPE, "has a length but no text");
    }
    if (!zkt__utf8_valid(text.data, text.len)) {
        return report(w, ZKT_ISSUE_INVALID_FORMAT, "is not valid UTF-8");
    }
    return w->arrives && text.len > 0 && zkt__has_transform(type->of.strings)
               ? check_arriving(w, type->of.strings, text)
               : zkt__rule_string(&where, type->of.strings, text);
}

static bool check_bytes(struct walk *w, const struct zkt_type *type,
                        const struct zkt_bytes *bytes)
{
    const struct zkt_where where = here(w);
    if (bytes->data == NULL && bytes->len > 0) {
        return report(w, ZKT_ISSUE_INVALID_TYPE, "has a length but no bytes");
    }
    return zkt__rule_bytes(&where, type->of.bytes, bytes->len);
}

/* Checks that the text is a JSON value. Copies it, as the reader needs zeros
 * behind the text. */
static bool check_json(struct walk *w, const struct zkt_json *json)
{
    struct zkt_reader reader;
    if (json->len == 0) {
        return true;
    }
    if (json->text == NULL || !zkt__utf8_valid(json->text, json->len)) {
        return report(w, ZKT_ISSUE_INVALID_FORMAT, "is not valid UTF-8");
    }
    char *copy = json->len < SIZE_MAX - ZKT_PADDING
                     ? zkt__arena_alloc(w->issues->arena,
                                        json->len + ZKT_PADDING)
                     : NULL;
    if (copy == NULL) {
        w->issues->no_memory = true;
        return report(w, ZKT_ISSUE_CUSTOM, "no memory to check it");
    }
    memcpy(copy, json->text, json->len);
    memset(copy + json->len, 0, ZKT_PADDING);
    const uint32_t found = w->issues->total;
    zkt__reader_init(&reader, copy, json->len, w->issues->arena, w->issues,
                     NULL);
    reader.depth = w->depth;
    memcpy(reader.path, w->path, w->depth * sizeof(*w->path));
    const bool good = zkt__reader_skip(&reader, NULL) &&
                      zkt__reader_done(&reader);
    zkt__arena_release(w->issues->arena, copy, json->len + ZKT_PADDING);
    if (good) {
        return true;
    }
    return w->issues->total == found &&
           report(w, ZKT_ISSUE_INVALID_FORMAT, "is not JSON");
}

static bool check_enum(struct walk *w, const struct zkt_type *type, int value)
{
    if (value >= 0 && (uint32_t)value < type->of.enums->count) {
        return true;
    }
    return report(w, ZKT_ISSUE_INVALID_VALUE, "is no value of its enum");
}

/* Goes a step down. Returns false if it is too deep. */
static bool enter(struct walk *w)
{
    if (w->depth == ZKT_DEPTH_MAX) {
        return report(w, ZKT_ISSUE_TOO_BIG, "is nested too deeply");
    }
    w->depth++;
    return true;
}

static bool check_struct(struct walk *w, const struct zkt_type *type,
                         const void *value)
{
    const struct zkt_struct_info *info = type->of.structs;
    bool good = true;
    if (!enter(w)) {
        return false;
    }
    for (uint32_t i = 0; i < info->count; i++) {
        const struct zkt_field *field = &info->fields[i];
        w->path[w->depth - 1] =
            (struct zkt_step){ field->name.data, (uint32_t)field->name.len, i };
        good = check(w, field->type, (const char *)value + field->offset) &&
               good;
    }
    w->depth--;
    const struct zkt_where where = here(w);
    return good && zkt__rule_check(&where, type, value);
}

static bool check_tuple(struct walk *w, const struct zkt_type *type,
                        const void *value)
{
    const struct zkt_struct_info *info = type->of.structs;
    bool good = true;
    if (!enter(w)) {
        return false;
    }
    for (uint32_t i = 0; i < info->count; i++) {
        w->path[w->depth - 1] = (struct zkt_step){ NULL, 0, i };
        good = check(w, info->fields[i].type,
                     (const char *)value + info->fields[i].offset) &&
               good;
    }
    w->depth--;
    return good;
}

/* Reports the discriminator, as the decoder does. */
static bool report_kind(struct walk *w, const struct zkt_union_info *info)
{
    const struct zkt_str key = info->discriminator;
    if (!enter(w)) {
        return false;
    }
    w->path[w->depth - 1] = (struct zkt_step){ key.data, (uint32_t)key.len, 0 };
    (void)report(w, ZKT_ISSUE_INVALID_UNION, "is no kind of its union");
    w->depth--;
    return false;
}

static bool check_union(struct walk *w, const struct zkt_type *type,
                        const void *value)
{
    const struct zkt_union_info *info = type->of.unions;
    const int kind = *(const int *)value;
    if (kind < 0 || (uint32_t)kind >= info->kinds->count) {
        return report_kind(w, info);
    }
    return check(w, info->variants[kind],
                 (const char *)value + info->value_offset);
}

static bool check_list(struct walk *w, const struct zkt_type *type,
                       const void *value)
{
    const struct zkt_list_info *info = type->of.lists;
    const struct zkt_any_list *list = value;
    const struct zkt_where where = here(w);
    if (!zkt__rule_count(&where, info->min, info->max, list->len, "item",
                         "items") ||
        !enter(w)) {
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < list->len; i++) {
        w->path[w->depth - 1] = (struct zkt_step){ NULL, 0, (uint32_t)i };
        good = check(w, info->item,
                     (const char *)list->items + i * info->item->size) &&
               good;
    }
    w->depth--;
    return good &&
           (!info->unique || zkt__rule_unique(&where, info->item, list));
}

/* Checks the key of entry @order, the last step of the path. */
static bool check_key(struct walk *w, struct zkt_str key, uint32_t order)
{
    struct zkt_step *step = &w->path[w->depth - 1];
    const struct zkt_where where = here(w);
    if (key.data == NULL && key.len > 0) {
        *step = (struct zkt_step){ NULL, 0, order };
        return report(w, ZKT_ISSUE_INVALID_TYPE,
                      "its key has a length but no text");
    }
    if (!zkt__utf8_valid(key.data, key.len)) {
        *step = (struct zkt_step){ NULL, 0, order };
        return report(w, ZKT_ISSUE_INVALID_FORMAT,
                      "its key is not valid UTF-8");
    }
    *step = (struct zkt_step){ key.data, (uint32_t)key.len, order };
    return zkt__rule_map_key(&where, key);
}

static bool check_entry(struct walk *w, const struct zkt_map_info *info,
                        const struct zkt_any_map *map, size_t i)
{
    const struct zkt_str key = zkt__map_key(map, info->entry_size, i);
    return check_key(w, key, (uint32_t)i) &&
           check(w, info->value,
                 (const char *)map->items + i * info->entry_size +
                     info->value_offset);
}

static bool check_map(struct walk *w, const struct zkt_type *type,
                      const void *value)
{
    const struct zkt_map_info *info = type->of.maps;
    const struct zkt_any_map *map = value;
    const struct zkt_where where = here(w);
    if (!zkt__rule_count(&where, info->min, info->max, map->len, "entry",
                         "entries") ||
        !enter(w)) {
        return false;
    }
    bool good = true;
    for (size_t i = 0; i < map->len; i++) {
        good = check_entry(w, info, map, i) && good;
    }
    w->depth--;
    return good;
}

/* Checks the inner value of an optional that is present. */
static bool check_inner(struct walk *w, const struct zkt_type *type,
                        const void *value)
{
    const struct zkt_optional_info *info = type->of.optionals;
    if (type->kind == ZKT_KIND_BOXED || type->kind == ZKT_KIND_BOXED_NULLABLE) {
        const void *box;
        memcpy(&box, value, sizeof(box));
        return box == NULL || check(w, info->value, box);
    }
    return !*(const bool *)value ||
           check(w, info->value, (const char *)value + info->value_offset);
}

#define CHECK_TRUTH(c_type) true
#define CHECK_INTEGER(c_type)                                                  \
    zkt__rule_int(&where, type->of.ints, ZKT_WIDE(c_type, value))
#define CHECK_TIME(c_type) CHECK_INTEGER(c_type)
#define CHECK_REAL(c_type)                                                     \
    zkt__rule_float(&where, type->of.floats, (double)*(const c_type *)value,   \
                    sizeof(c_type) == sizeof(float))
#define CHECK_TEXT(c_type)  check_string(w, type, *(const c_type *)value)
#define CHECK_BYTES(c_type) check_bytes(w, type, value)
#define CHECK_ANY(c_type)   check_json(w, value)

static bool check(struct walk *w, const struct zkt_type *type,
                  const void *value)
{
    const struct zkt_where where = here(w);
    switch (type->kind) {
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, c_type, ...)     \
    case ZKT_KIND_##symbol:                                                    \
        return CHECK_##class(c_type);
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
        return check_enum(w, type, *(const int *)value);
    case ZKT_KIND_STRUCT:
        return check_struct(w, type, value);
    case ZKT_KIND_LIST:
        return check_list(w, type, value);
    case ZKT_KIND_MAP:
        return check_map(w, type, value);
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        return check_inner(w, type, value);
    case ZKT_KIND_TUPLE:
        return check_tuple(w, type, value);
    case ZKT_KIND_UNION:
        return check_union(w, type, value);
    case ZKT_KIND_LITERAL:
        return true;
    }
    return true;
}

bool zkt__check_constraints(const struct zkt_type *type, const void *value,
                            const struct zkt_step *path, uint32_t depth,
                            struct zkt_issues *issues)
{
    const struct zkt_where where = { issues, path, depth };
    if (type->kind == ZKT_KIND_STRUCT) {
        return zkt__rule_check(&where, type, value);
    }
    return type->kind != ZKT_KIND_LIST || !type->of.lists->unique ||
           zkt__rule_unique(&where, type->of.lists->item, value);
}

static bool check_string_fast(const struct zkt_string_rules *rules,
                              struct zkt_str text)
{
    return text.data != NULL && rules->pattern_count == 0 &&
           zkt__rule_length_holds(rules, text) &&
           zkt__utf8_valid(text.data, text.len);
}

#define GLANCE_AT_TRUTH(c_type) true
#define GLANCE_AT_INTEGER(c_type)                                              \
    zkt__rule_int_holds(type->of.ints, ZKT_WIDE(c_type, value))
#define GLANCE_AT_TIME(c_type) GLANCE_AT_INTEGER(c_type)
#define GLANCE_AT_REAL(c_type) false
#define GLANCE_AT_TEXT(c_type)                                                 \
    check_string_fast(type->of.strings, *(const c_type *)value)
#define GLANCE_AT_BYTES(c_type) false
#define GLANCE_AT_ANY(c_type)   false

bool zkt__check_fast(const struct zkt_type *type, const void *value)
{
    switch (type->kind) {
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, c_type, ...)     \
    case ZKT_KIND_##symbol:                                                    \
        return GLANCE_AT_##class(c_type);
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_LIST:
    case ZKT_KIND_MAP:
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
    return false;
}

bool zkt__check_map_key(struct zkt_str key, const struct zkt_step *path,
                        uint32_t depth, struct zkt_issues *issues)
{
    struct walk w;
    w.issues = issues;
    w.arrives = false;
    w.depth = depth + 1;
    if (depth > 0) {
        memcpy(w.path, path, depth * sizeof(*path));
    }
    return check_key(&w, key, 0);
}

bool zkt__check_value(const struct zkt_type *type, const void *value,
                      const struct zkt_step *path, uint32_t depth,
                      struct zkt_issues *issues)
{
    struct walk w;
    if (zkt__check_fast(type, value)) {
        return true;
    }
    w.issues = issues;
    w.arrives = false;
    w.depth = depth;
    if (depth > 0) {
        memcpy(w.path, path, depth * sizeof(*path));
    }
    return check(&w, type, value);
}

bool zkt__check_input(const struct zkt_type *type, const void *value,
                      struct zkt_issues *issues)
{
    struct walk w;
    w.issues = issues;
    w.arrives = true;
    w.depth = 0;
    return check(&w, type, value);
}
