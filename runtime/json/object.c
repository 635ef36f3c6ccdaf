/*
 * Decodes objects into structs: the parts of a generated decoder around its
 * switch. The common path is a few stores per field; duplicates, missing keys
 * and the order of issues cost only if they occur.
 */
#include <stdio.h>

#include "json/rules.h"

enum {
    KEY_SHOWN_MAX = 64 /* bytes shown of an unknown key */
};

bool zkt_object_open(struct zkt_reader *reader, const struct zkt_type *type,
                     void *value, struct zkt_object *object)
{
    memset(value, 0, type->size);
    memset(object->seen, 0, sizeof(object->seen));
    object->discriminator = reader->discriminator;
    reader->discriminator.data = NULL;
    object->unknown_count = 0;
    object->first_issue = reader->issues->count;
    object->found = reader->issues->total;
    if (zkt__reader_enter(reader, ZKT_TOKEN_OBJECT)) {
        return true;
    }
    return zkt__decode_mismatch(reader, "object");
}

bool zkt_object_next(struct zkt_reader *reader, struct zkt_object *object)
{
    return zkt__reader_key(reader, &object->key);
}

void zkt_object_field(struct zkt_reader *reader, const struct zkt_type *type,
                      struct zkt_object *object, uint32_t index)
{
    const struct zkt_str name = type->of.structs->fields[index].name;
    const uint64_t bit = (uint64_t)1 << index % 64;
    reader->path[reader->depth - 1] =
        (struct zkt_step){ name.data, (uint32_t)name.len, index };
    if ((object->seen[index / 64] & bit) != 0) {
        zkt__issues_drop(reader->issues, object->first_issue, reader->depth - 1,
                         index);
    }
    object->seen[index / 64] |= bit;
}

/* Appends the quoted key to the list for the issue, if there is room and no
 * earlier key was dropped. */
static void note_unknown(struct zkt_object *object)
{
    const struct zkt_str key = object->key;
    const uint32_t len = key.len < KEY_SHOWN_MAX ? (uint32_t)key.len
                                                 : KEY_SHOWN_MAX;
    if (object->unknown_count++ == 0) {
        object->unknown_listed = object->unknown_len = 0;
    }
    if (object->unknown_listed + 1 < object->unknown_count ||
        object->unknown_len + len + 4 > sizeof(object->unknown_keys)) {
        return;
    }
    char *to = object->unknown_keys + object->unknown_len, *at = to;
    if (object->unknown_listed++ > 0) {
        *at++ = ',';
        *at++ = ' ';
    }
    *at++ = '"';
    memcpy(at, key.data, len);
    at += len;
    *at++ = '"';
    object->unknown_len += (uint32_t)(at - to);
}

void zkt_object_unknown(struct zkt_reader *reader, const struct zkt_type *type,
                        struct zkt_object *object)
{
    const bool known = object->discriminator.data != NULL &&
                       zkt_str_eq(object->key, object->discriminator);
    if (!known) {
        reader->unknown_fields++;
        if (type->of.structs->strict && !reader->tolerant) {
            note_unknown(object);
        }
    }
    reader->path[reader->depth - 1] = (struct zkt_step){
        object->key.data, (uint32_t)object->key.len, UINT32_MAX
    };
    (void)zkt__reader_skip(reader, NULL);
}

static void report_unknown(struct zkt_reader *reader,
                           const struct zkt_object *object)
{
    const uint32_t others = object->unknown_count - object->unknown_listed;
    char more[32] = "";
    if (others > 0) {
        snprintf(more, sizeof(more), " and %u more", others);
    }
    zkt__issue_add(reader->issues, ZKT_ISSUE_UNRECOGNIZED_KEYS, reader->path,
                   reader->depth, "has %s %.*s%s",
                   object->unknown_count == 1 ? "an unknown key"
                                              : "unknown keys",
                   (int)object->unknown_len, object->unknown_keys, more);
}

/* Sets a field without a key to its default, or to absent; else reports it. */
static void fill_missing(struct zkt_reader *reader,
                         const struct zkt_field *field, uint32_t index,
                         void *value, uint32_t depth)
{
    void *member = (char *)value + field->offset;
    if (field->default_value != NULL) {
        memcpy(member, field->default_value, field->type->size);
        return;
    }
    memset(member, 0, field->type->size);
    if (field->type->kind == ZKT_KIND_OPTIONAL ||
        field->type->kind == ZKT_KIND_BOXED) {
        return;
    }
    reader->path[depth] = (struct zkt_step){ field->name.data,
                                             (uint32_t)field->name.len, index };
    zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_TYPE, reader->path,
                   depth + 1, "is required");
}

/* A stable insertion sort; the number of listed issues is small. */
static void sort_issues(struct zkt_issues *issues, uint32_t first,
                        uint32_t depth)
{
    for (uint32_t i = first + 1; i < issues->count; i++) {
        const struct zkt_issue issue = issues->items[i];
        uint32_t to = i;
        while (to > first && issues->items[to - 1].path[depth].order >
                                 issue.path[depth].order) {
            issues->items[to] = issues->items[to - 1];
            to--;
        }
        issues->items[to] = issue;
    }
}

bool zkt_object_close(struct zkt_reader *reader, const struct zkt_type *type,
                      void *value, struct zkt_object *object)
{
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    const struct zkt_struct_info *info = type->of.structs;
    for (uint32_t i = 0; i < info->count; i++) {
        if ((object->seen[i / 64] >> i % 64 & 1) == 0) {
            fill_missing(reader, &info->fields[i], i, value, reader->depth);
        }
    }
    if (reader->issues->total != object->found) {
        sort_issues(reader->issues, object->first_issue, reader->depth);
    }
    if (object->unknown_count > 0) {
        report_unknown(reader, object);
    }
    if (reader->issues->total != object->found) {
        return false;
    }
    if (info->check == 0 || reader->tolerant) {
        return true;
    }
    const struct zkt_where where = { reader->issues, reader->path,
                                     reader->depth };
    return zkt__rule_check(&where, type, value);
}
