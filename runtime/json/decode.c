/*
 * The decoders of the built-in kinds. Each takes exactly one value off the
 * text, whatever it is, and reports what is wrong with it; so one bad value
 * hides no other.
 */
#include <math.h>

#include "base/map.h"
#include "json/number.h"
#include "json/rules.h"
#include "json/scan.h"

static struct zkt_where here(const struct zkt_reader *reader)
{
    return (struct zkt_where){ reader->issues, reader->path, reader->depth };
}

static const char *token_name(enum zkt_token token)
{
    static const char *const names[] = {
        [ZKT_TOKEN_NULL] = "null",     [ZKT_TOKEN_BOOL] = "boolean",
        [ZKT_TOKEN_NUMBER] = "number", [ZKT_TOKEN_STRING] = "string",
        [ZKT_TOKEN_ARRAY] = "array",   [ZKT_TOKEN_OBJECT] = "object",
        [ZKT_TOKEN_NONE] = "nothing",
    };
    return names[token];
}

bool zkt__decode_mismatch(struct zkt_reader *reader, const char *expected)
{
    const enum zkt_token token = zkt__reader_peek(reader);
    if (zkt__reader_skip(reader, NULL)) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_TYPE, reader->path,
                       reader->depth, "expected %s, got %s", expected,
                       token_name(token));
    }
    return false;
}

static bool no_memory(struct zkt_reader *reader)
{
    reader->no_memory = true;
    return false;
}

bool zkt_decode_bool(struct zkt_reader *reader, const struct zkt_type *type,
                     void *value)
{
    bool *out = value;
    (void)type;
    *out = false;
    if (zkt__reader_peek(reader) != ZKT_TOKEN_BOOL) {
        return zkt__decode_mismatch(reader, "boolean");
    }
    const bool is_true = *reader->at == 't';
    if (!zkt__reader_skip(reader, NULL)) {
        return false;
    }
    *out = is_true;
    return true;
}

/* ---- numbers ---- */

static bool take_number(struct zkt_reader *reader, const char *expected,
                        struct zkt_number *out)
{
    if (zkt__reader_peek(reader) != ZKT_TOKEN_NUMBER) {
        return zkt__decode_mismatch(reader, expected);
    }
    char *end = zkt__number_end(reader->at);
    if (end == NULL) {
        reader->malformed = true;
        return false;
    }
    *out = zkt__number_read(reader->at, end);
    reader->at = end;
    return true;
}

/* A whole number within @type's rules; a client needs only what @widest
 * allows, the C type's own range. */
static bool take_integer(struct zkt_reader *reader, const struct zkt_type *type,
                         const struct zkt_int_rules *widest, int64_t *out)
{
    struct zkt_number number = { .whole = false };
    *out = 0;
    if (!take_number(reader, "integer", &number)) {
        return false;
    }
    const struct zkt_where where = here(reader);
    const struct zkt_int_rules *rules = reader->lenient ? widest
                                                        : type->of.ints;
    if (!number.whole) {
        if (number.real != floor(number.real)) {
            zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_TYPE, reader->path,
                           reader->depth, "expected integer, got a fraction");
            return false;
        }
        /* Past 2^53 there are only whole numbers, and all are too far. */
        number.integer = number.real < 0 ? INT64_MIN : INT64_MAX;
    }
    if (!zkt__rule_int(&where, rules, number.integer)) {
        return false;
    }
    *out = number.integer;
    return true;
}

bool zkt_decode_int32(struct zkt_reader *reader, const struct zkt_type *type,
                      void *value)
{
    int64_t wide;
    const bool good = take_integer(reader, type, zkt_type_int32.of.ints, &wide);
    *(int32_t *)value = (int32_t)wide;
    return good;
}

bool zkt_decode_int64(struct zkt_reader *reader, const struct zkt_type *type,
                      void *value)
{
    return take_integer(reader, type, zkt_type_int64.of.ints, value);
}

bool zkt_decode_timestamp(struct zkt_reader *reader,
                          const struct zkt_type *type, void *value)
{
    return take_integer(reader, type, zkt_type_timestamp.of.ints, value);
}

bool zkt_decode_float64(struct zkt_reader *reader, const struct zkt_type *type,
                        void *value)
{
    struct zkt_number number;
    double *out = value;
    *out = 0;
    if (!take_number(reader, "number", &number)) {
        return false;
    }
    const struct zkt_where where = here(reader);
    const struct zkt_float_rules *rules = reader->lenient
                                              ? zkt_type_float64.of.floats
                                              : type->of.floats;
    if (!zkt__rule_float(&where, rules, number.real)) {
        return false;
    }
    *out = number.real + 0.0; /* makes -0 plain 0 */
    return true;
}

/* ---- strings and enums ---- */

/* The bytes of the white space or line terminator that begins at @at, or 0
 * (ECMA-262, sections 12.2 and 12.3: what String.prototype.trim removes). */
static size_t space_at(const unsigned char *at, size_t len)
{
    if (len >= 1 && (at[0] == ' ' || (at[0] >= 0x09 && at[0] <= 0x0d))) {
        return 1;
    }
    if (len >= 2 && at[0] == 0xc2 && at[1] == 0xa0) {
        return 2;
    }
    if (len < 3) {
        return 0;
    }
    const unsigned c = (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 |
                       (at[2] & 0x3fu);
    const bool three = (at[0] & 0xf0) == 0xe0;
    const bool space = c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
                       c == 0x2028 || c == 0x2029 || c == 0x202f ||
                       c == 0x205f || c == 0x3000 || c == 0xfeff;
    return three && space ? 3 : 0;
}

static struct zkt_str trim(struct zkt_str text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    size_t len = text.len, n;
    while ((n = space_at(at, len)) > 0) {
        at += n;
        len -= n;
    }
    while (len > 0) {
        /* The start of the last character. */
        size_t last = len - 1;
        while (last > 0 && (at[last] & 0xc0) == 0x80) {
            last--;
        }
        if (space_at(at + last, len - last) == 0) {
            break;
        }
        len = last;
    }
    return (struct zkt_str){ (const char *)at, len };
}

/* Puts the NUL behind a text that became shorter; it stands in what the
 * reader owns, before the place it reads from. */
static void end_text(struct zkt_reader *reader, struct zkt_str text)
{
    const ptrdiff_t back = reader->at - (text.data + text.len);
    reader->at[-back] = '\0';
}

bool zkt_decode_string(struct zkt_reader *reader, const struct zkt_type *type,
                       void *value)
{
    struct zkt_str *out = value;
    bool lone_surrogate;
    *out = ZKT_STR("");
    if (zkt__reader_peek(reader) != ZKT_TOKEN_STRING) {
        return zkt__decode_mismatch(reader, "string");
    }
    if (!zkt__reader_text(reader, out, &lone_surrogate)) {
        return false;
    }
    if (lone_surrogate) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_FORMAT, reader->path,
                       reader->depth, "holds half of a surrogate pair");
        return false;
    }
    if (reader->lenient) {
        return true;
    }
    const struct zkt_string_rules *rules = type->of.strings;
    if (rules->trim) {
        *out = trim(*out);
        /* The text is the reader's: the NUL may move forward. */
        end_text(reader, *out);
    }
    const struct zkt_where where = here(reader);
    return zkt__rule_string(&where, rules, *out);
}

bool zkt_decode_enum(struct zkt_reader *reader, const struct zkt_type *type,
                     void *value)
{
    int *out = value;
    struct zkt_str text;
    bool lone_surrogate;
    *out = -1;
    if (zkt__reader_peek(reader) != ZKT_TOKEN_STRING) {
        return zkt__decode_mismatch(reader, "string");
    }
    if (!zkt__reader_text(reader, &text, &lone_surrogate)) {
        return false;
    }
    *out = type->of.enums->find(text);
    reader->unknown_values += *out < 0;
    if (*out >= 0 || reader->lenient) {
        return true;
    }
    zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_VALUE, reader->path,
                   reader->depth, "is no value of %s", type->of.enums->name);
    return false;
}

/* ---- containers ---- */

/* Items on their way into an array of the arena. */
struct growing {
    char *items;
    size_t len, capacity, size;
};

/* Room for one more item, zeroed, or NULL. */
static void *grow(struct zkt_reader *reader, struct growing *g)
{
    if (g->len == g->capacity) {
        const size_t capacity = g->capacity > 0 ? g->capacity * 2 : 4;
        char *items = zkt__arena_zero(reader->arena, capacity, g->size);
        if (items == NULL) {
            no_memory(reader);
            return NULL;
        }
        if (g->len > 0) {
            memcpy(items, g->items, g->len * g->size);
        }
        g->items = items;
        g->capacity = capacity;
    }
    return g->items + g->len++ * g->size;
}

/* The rest of an array that has too many items, which nobody reads. */
static bool skip_items(struct zkt_reader *reader)
{
    do {
        if (!zkt__reader_skip(reader, NULL)) {
            return false;
        }
    } while (zkt__reader_item(reader));
    return !reader->malformed;
}

bool zkt_decode_list(struct zkt_reader *reader, const struct zkt_type *type,
                     void *value)
{
    const struct zkt_list_info *info = type->of.lists;
    struct zkt_any_list *out = value;
    struct growing g = { .size = info->item->size };
    *out = (struct zkt_any_list){ NULL, 0 };
    if (!zkt__reader_enter(reader, ZKT_TOKEN_ARRAY)) {
        return zkt__decode_mismatch(reader, "array");
    }
    const uint32_t limit = reader->lenient ? UINT32_MAX : info->max;
    bool good = true;
    size_t count = 0; /* with one more than fits, when there are more */
    while (zkt__reader_item(reader)) {
        if (++count > limit) {
            good = skip_items(reader);
            break;
        }
        reader->path[reader->depth - 1] = (struct zkt_step){ NULL, 0,
                                                             (uint32_t)g.len };
        void *item = grow(reader, &g);
        good = item != NULL && info->item->decode(reader, info->item, item) &&
               good;
    }
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    *out = (struct zkt_any_list){ g.items, g.len };
    const struct zkt_where where = here(reader);
    return (reader->lenient || zkt__rule_count(&where, info->min, info->max,
                                               count, "item", "items")) &&
           good;
}

/* A map on its way in. */
struct building {
    struct growing entries;
    struct zkt_map_index *index;
    uint32_t first_issue;
};

/* Where @key stands already, or ZKT_INDEX_NONE. */
static uint32_t find_entry(const struct building *b, struct zkt_str key)
{
    const struct zkt_any_map map = { b->entries.items, b->entries.len,
                                     b->index };
    return zkt__map_position(&map, b->entries.size, key);
}

/* Notes the newest entry in the index, making one when there are many. */
static bool note_entry(struct zkt_reader *reader, struct building *b)
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

/* The key that stands next, ended with a NUL, and its colon. */
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

/* Whether @key may be one; what is wrong is said at the path of its entry. */
static bool key_is_good(struct zkt_reader *reader, struct zkt_str key,
                        bool lone_surrogate)
{
    const struct zkt_where where = here(reader);
    if (lone_surrogate) {
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_FORMAT, reader->path,
                       reader->depth, "the key holds half of a surrogate pair");
        return false;
    }
    return zkt__rule_map_key(&where, key);
}

/* One entry, of which the key is next. */
static bool take_entry(struct zkt_reader *reader, const struct zkt_type *type,
                       struct building *b)
{
    const struct zkt_map_info *info = type->of.maps;
    struct zkt_str key;
    bool lone_surrogate;
    if (!take_key(reader, &key, &lone_surrogate)) {
        return false;
    }
    uint32_t position = find_entry(b, key);
    struct zkt_step *step = &reader->path[reader->depth - 1];
    *step = (struct zkt_step){ key.data, (uint32_t)key.len,
                               (uint32_t)b->entries.len };
    if (position != ZKT_INDEX_NONE) {
        step->order = position;
        zkt__issues_drop(reader->issues, b->first_issue, reader->depth - 1,
                         position);
    } else {
        position = (uint32_t)b->entries.len;
        char *entry = grow(reader, &b->entries);
        if (entry == NULL) {
            return false;
        }
        memcpy(entry, &key, sizeof(key));
        if (!note_entry(reader, b)) {
            return false;
        }
    }
    const bool good = key_is_good(reader, key, lone_surrogate);
    return info->value->decode(reader, info->value,
                               b->entries.items + position * b->entries.size +
                                   info->value_offset) &&
           good;
}

bool zkt_decode_map(struct zkt_reader *reader, const struct zkt_type *type,
                    void *value)
{
    const struct zkt_map_info *info = type->of.maps;
    struct zkt_any_map *out = value;
    struct building b = {
        .entries = { .size = info->entry_size },
        .first_issue = reader->issues->count,
    };
    const uint32_t found = reader->issues->total;
    *out = (struct zkt_any_map){ NULL, 0, NULL };
    if (!zkt__reader_enter(reader, ZKT_TOKEN_OBJECT)) {
        return zkt__decode_mismatch(reader, "object");
    }
    while (zkt__reader_entry(reader)) {
        (void)take_entry(reader, type, &b);
    }
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    *out = (struct zkt_any_map){ b.entries.items, b.entries.len, b.index };
    const struct zkt_where where = here(reader);
    if (!reader->lenient) {
        (void)zkt__rule_count(&where, info->min, info->max, b.entries.len,
                              "entry", "entries");
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
