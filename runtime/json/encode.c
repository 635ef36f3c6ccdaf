/* The encoders of the built-in kinds, and their type descriptors. */
#include <math.h>

#include "base/base64.h"
#include "base/map.h"
#include "json/json.h"

/* ---- type tables ---- */

#define RULES_OF_TRUTH(min, max) .of.nothing = NULL
#define RULES_OF_INTEGER(min, max)                                             \
    .of.ints = &(const struct zkt_int_rules)                                   \
    {                                                                          \
        (int64_t)(min), (int64_t)(max), 0                                      \
    }
#define RULES_OF_TIME(min, max) RULES_OF_INTEGER(min, max)
#define RULES_OF_REAL(min, max)                                                \
    .of.floats = &(const struct zkt_float_rules)                               \
    {                                                                          \
        min, max, false, false                                                 \
    }
#define RULES_OF_TEXT(min, max_)                                               \
    .owns = true, .of.strings = &(const struct zkt_string_rules)               \
    {                                                                          \
        .max = UINT32_MAX                                                      \
    }
#define RULES_OF_BYTES(min, max_)                                              \
    .owns = true, .of.bytes = &(const struct zkt_bytes_rules)                  \
    {                                                                          \
        .max = UINT32_MAX                                                      \
    }
#define RULES_OF_ANY(min, max) .owns = true

#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, c_type, ...)     \
    const struct zkt_type zkt_type_##word = {                                  \
        .kind = ZKT_KIND_##symbol,                                             \
        .size = sizeof(c_type),                                                \
        RULES_OF_##class(min, max),                                            \
        .decode = zkt_decode_##word,                                           \
        .encode = zkt_encode_##word,                                           \
    };
#include "zocket/scalars.def"
#undef ZKT_SCALAR

/* ---- scalars ---- */

static void write_bytes(struct zkt_writer *writer,
                        const struct zkt_bytes *bytes)
{
    ZKT_WRITE(writer, "\"");
    if (bytes->len < SIZE_MAX / 2 &&
        zkt_write_reserve(writer, ZKT_BASE64_LEN(bytes->len))) {
        writer->len += zkt__base64(bytes->data, bytes->len,
                                   writer->data + writer->len);
    }
    ZKT_WRITE(writer, "\"");
}

static void write_json(struct zkt_writer *writer, const struct zkt_json *json)
{
    if (json->len > 0) {
        zkt_write_raw(writer, json->text, json->len);
    } else {
        ZKT_WRITE(writer, "null");
    }
}

#define WRITE_TRUTH(word, c_type) zkt_write_bool(writer, *(const bool *)value)
#define WRITE_INTEGER(word, c_type)                                            \
    zkt_write_int64(writer, (int64_t) * (const c_type *)value)
#define WRITE_TIME(word, c_type) WRITE_INTEGER(word, c_type)
#define WRITE_REAL(word, c_type)                                               \
    zkt_write_##word(writer, *(const c_type *)value)
#define WRITE_TEXT(word, c_type)                                               \
    zkt_write_string(writer, *(const c_type *)value)
#define WRITE_BYTES(word, c_type) write_bytes(writer, value)
#define WRITE_ANY(word, c_type)   write_json(writer, value)

#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, c_type, ...)     \
    void zkt_encode_##word(struct zkt_writer *writer,                          \
                           const struct zkt_type *type, const void *value)     \
    {                                                                          \
        (void)type;                                                            \
        WRITE_##class(word, c_type);                                           \
    }
#include "zocket/scalars.def"
#undef ZKT_SCALAR

void zkt_encode_literal(struct zkt_writer *writer, const struct zkt_type *type,
                        const void *value)
{
    const struct zkt_str json = type->of.literals->json;
    (void)value;
    zkt_write_raw(writer, json.data, json.len);
}

void zkt_encode_enum(struct zkt_writer *writer, const struct zkt_type *type,
                     const void *value)
{
    const struct zkt_enum_info *info = type->of.enums;
    const int number = *(const int *)value;
    const bool known = number >= 0 && (uint32_t)number < info->count;
    zkt_write_string(writer, known ? info->values[number] : ZKT_STR(""));
}

void zkt_encode_list(struct zkt_writer *writer, const struct zkt_type *type,
                     const void *value)
{
    const struct zkt_type *item = type->of.lists->item;
    const struct zkt_any_list *list = value;
    ZKT_WRITE(writer, "[");
    for (size_t i = 0; i < list->len && !writer->failed; i++) {
        if (i > 0) {
            ZKT_WRITE(writer, ",");
        }
        item->encode(writer, item, (const char *)list->items + i * item->size);
    }
    ZKT_WRITE(writer, "]");
}

void zkt_encode_map(struct zkt_writer *writer, const struct zkt_type *type,
                    const void *value)
{
    const struct zkt_map_info *info = type->of.maps;
    const struct zkt_any_map *map = value;
    const size_t begin = zkt_write_begin(writer);
    for (size_t i = 0; i < map->len && !writer->failed; i++) {
        ZKT_WRITE(writer, ",");
        zkt_write_string(writer, zkt__map_key(map, info->entry_size, i));
        ZKT_WRITE(writer, ":");
        info->value->encode(writer, info->value,
                            (const char *)map->items + i * info->entry_size +
                                info->value_offset);
    }
    zkt_write_end(writer, begin);
}

void zkt_encode_optional(struct zkt_writer *writer, const struct zkt_type *type,
                         const void *value)
{
    const struct zkt_optional_info *info = type->of.optionals;
    if (*(const bool *)value) {
        info->value->encode(writer, info->value,
                            (const char *)value + info->value_offset);
    } else {
        ZKT_WRITE(writer, "null");
    }
}

void zkt_encode_boxed(struct zkt_writer *writer, const struct zkt_type *type,
                      const void *value)
{
    const struct zkt_type *inner = type->of.optionals->value;
    const void *box;
    memcpy(&box, value, sizeof(box));
    if (box != NULL) {
        inner->encode(writer, inner, box);
    } else {
        ZKT_WRITE(writer, "null");
    }
}
