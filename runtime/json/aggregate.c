/*
 * Tuples and unions. A tuple is the array of its elements. A union is the
 * object of a variant with an additional key, the discriminator, which names
 * the variant. As it may be the last key, the object is searched for it before
 * it is decoded.
 */
#include "json/rules.h"

/* ---- tuples ---- */

static void report_length(struct zkt_reader *reader, uint32_t wanted, bool more)
{
    zkt__issue_add(reader->issues,
                   more ? ZKT_ISSUE_TOO_BIG : ZKT_ISSUE_TOO_SMALL, reader->path,
                   reader->depth, "must have %u items", wanted);
}

bool zkt_decode_tuple(struct zkt_reader *reader, const struct zkt_type *type,
                      void *value)
{
    const struct zkt_struct_info *info = type->of.structs;
    bool good = true;
    memset(value, 0, type->size);
    if (!zkt__reader_enter(reader, ZKT_TOKEN_ARRAY)) {
        return zkt__decode_mismatch(reader, "array");
    }
    uint32_t count = 0;
    for (; zkt__reader_item(reader); count++) {
        reader->path[reader->depth - 1] = (struct zkt_step){ NULL, 0, count };
        if (count >= info->count) {
            (void)zkt__reader_skip(reader, NULL);
            continue;
        }
        const struct zkt_field *element = &info->fields[count];
        good = element->type->decode(reader, element->type,
                                     (char *)value + element->offset) &&
               good;
    }
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    if (count != info->count) {
        report_length(reader, info->count, count > info->count);
        return false;
    }
    return good;
}

void zkt_encode_tuple(struct zkt_writer *writer, const struct zkt_type *type,
                      const void *value)
{
    const struct zkt_struct_info *info = type->of.structs;
    for (uint32_t i = 0; i < info->count; i++) {
        const struct zkt_field *element = &info->fields[i];
        zkt_write_raw(writer, i == 0 ? "[" : ",", 1);
        element->type->encode(writer, element->type,
                              (const char *)value + element->offset);
    }
    ZKT_WRITE(writer, "]");
}

/* ---- unions ---- */

enum found {
    FOUND,
    MISSING,
    NOT_TEXT
};

/* Searches the next object for the discriminator (the last duplicate counts),
 * and resets the reader to its begin. */
static enum found find_kind(struct zkt_reader *reader,
                            const struct zkt_union_info *info,
                            struct zkt_str *kind)
{
    char *start = reader->at;
    const uint32_t depth = reader->depth;
    struct zkt_str key, value = { NULL, 0 };
    if (!zkt__reader_enter(reader, ZKT_TOKEN_OBJECT)) {
        return MISSING;
    }
    while (zkt__reader_key(reader, &key)) {
        const bool is_it = zkt_str_eq(key, info->discriminator);
        reader->path[reader->depth - 1] =
            (struct zkt_step){ key.data, (uint32_t)key.len, UINT32_MAX };
        struct zkt_str text;
        (void)zkt__reader_peek(reader);
        if (zkt__reader_skip(reader, &text) && is_it) {
            value = text;
        }
    }
    if (reader->malformed || reader->no_memory) {
        return MISSING;
    }
    reader->at = start;
    reader->depth = depth;
    if (value.data == NULL) {
        return MISSING;
    }
    return zkt__text_copy(reader, value, kind) ? FOUND : NOT_TEXT;
}

static bool no_kind(struct zkt_reader *reader,
                    const struct zkt_union_info *info, enum found found)
{
    if (reader->malformed || reader->no_memory) {
        return false;
    }
    if (zkt__reader_skip(reader, NULL)) {
        reader->path[reader->depth] = (struct zkt_step){
            info->discriminator.data, (uint32_t)info->discriminator.len, 0
        };
        zkt__issue_add(reader->issues, ZKT_ISSUE_INVALID_UNION, reader->path,
                       reader->depth + 1,
                       found == MISSING ? "is required" : "is no kind of %s",
                       info->name);
    }
    return false;
}

bool zkt_decode_union(struct zkt_reader *reader, const struct zkt_type *type,
                      void *value)
{
    const struct zkt_union_info *info = type->of.unions;
    struct zkt_str kind = { NULL, 0 };
    memset(value, 0, type->size);
    *(int *)value = -1;
    if (zkt__reader_peek(reader) != ZKT_TOKEN_OBJECT) {
        return zkt__decode_mismatch(reader, "object");
    }
    const enum found found = find_kind(reader, info, &kind);
    const int index = found == FOUND ? info->kinds->find(kind) : -1;
    if (index >= 0) {
        const struct zkt_type *variant = info->variants[index];
        *(int *)value = index;
        reader->discriminator = info->discriminator;
        return variant->decode(reader, variant,
                               (char *)value + info->value_offset);
    }
    if (found == FOUND && reader->tolerant) {
        reader->unknown_values++;
        return zkt__reader_skip(reader, NULL); /* sent by a newer server */
    }
    return no_kind(reader, info, found);
}

void zkt_encode_union(struct zkt_writer *writer, const struct zkt_type *type,
                      const void *value)
{
    const struct zkt_union_info *info = type->of.unions;
    const int kind = *(const int *)value;
    if (kind < 0 || (uint32_t)kind >= info->kinds->count) {
        ZKT_WRITE(writer, "null"); /* checks reject such values */
        return;
    }
    ZKT_WRITE(writer, "{");
    zkt_write_string(writer, info->discriminator);
    ZKT_WRITE(writer, ":");
    zkt_write_string(writer, info->kinds->values[kind]);
    const size_t at = writer->len;
    info->variants[kind]->encode(writer, info->variants[kind],
                                 (const char *)value + info->value_offset);
    if (writer->failed) {
        return;
    }
    /* The variant wrote an object of its own: replace its brace with a comma,
     * or remove it if the object is empty. */
    if (writer->data[at + 1] == '}') {
        writer->data[at] = '}';
        writer->len = at + 1;
    } else {
        writer->data[at] = ',';
    }
}
