/* The encoders of the built-in kinds, and their type descriptors. */
#include <math.h>

#include "base/base64.h"
#include "base/map.h"
#include "json/json.h"

#define WIRE_MAX 9007199254740991 /* 2^53 - 1: exact in every JSON reader */
#define TIME_MAX 8640000000000000 /* ECMA-262, section 21.4.1.1 */

static const struct zkt_int_rules any_int32 = { INT32_MIN, INT32_MAX, 0 };
static const struct zkt_int_rules any_uint32 = { 0, UINT32_MAX, 0 };
static const struct zkt_int_rules any_int64 = { -WIRE_MAX, WIRE_MAX, 0 };
static const struct zkt_int_rules any_uint64 = { 0, WIRE_MAX, 0 };
static const struct zkt_int_rules any_timestamp = { -TIME_MAX, TIME_MAX, 0 };
static const struct zkt_float_rules any_float64 = { .min = -INFINITY,
                                                    .max = INFINITY };
static const struct zkt_string_rules any_string = { .max = UINT32_MAX };
static const struct zkt_bytes_rules any_bytes = { .max = UINT32_MAX };

const struct zkt_type zkt_type_bool = {
    .kind = ZKT_KIND_BOOL,
    .size = sizeof(bool),
    .decode = zkt_decode_bool,
    .encode = zkt_encode_bool,
};
const struct zkt_type zkt_type_int32 = {
    .kind = ZKT_KIND_INT32,
    .size = sizeof(int32_t),
    .of.ints = &any_int32,
    .decode = zkt_decode_int32,
    .encode = zkt_encode_int32,
};
const struct zkt_type zkt_type_uint32 = {
    .kind = ZKT_KIND_UINT32,
    .size = sizeof(uint32_t),
    .of.ints = &any_uint32,
    .decode = zkt_decode_uint32,
    .encode = zkt_encode_uint32,
};
const struct zkt_type zkt_type_uint64 = {
    .kind = ZKT_KIND_UINT64,
    .size = sizeof(uint64_t),
    .of.ints = &any_uint64,
    .decode = zkt_decode_uint64,
    .encode = zkt_encode_int64,
};
const struct zkt_type zkt_type_int64 = {
    .kind = ZKT_KIND_INT64,
    .size = sizeof(int64_t),
    .of.ints = &any_int64,
    .decode = zkt_decode_int64,
    .encode = zkt_encode_int64,
};
const struct zkt_type zkt_type_timestamp = {
    .kind = ZKT_KIND_TIMESTAMP,
    .size = sizeof(int64_t),
    .of.ints = &any_timestamp,
    .decode = zkt_decode_timestamp,
    .encode = zkt_encode_int64,
};
const struct zkt_type zkt_type_float64 = {
    .kind = ZKT_KIND_FLOAT64,
    .size = sizeof(double),
    .of.floats = &any_float64,
    .decode = zkt_decode_float64,
    .encode = zkt_encode_float64,
};
const struct zkt_type zkt_type_string = {
    .kind = ZKT_KIND_STRING,
    .size = sizeof(struct zkt_str),
    .owns = true,
    .of.strings = &any_string,
    .decode = zkt_decode_string,
    .encode = zkt_encode_string,
};

const struct zkt_type zkt_type_bytes = {
    .kind = ZKT_KIND_BYTES,
    .size = sizeof(struct zkt_bytes),
    .owns = true,
    .of.bytes = &any_bytes,
    .decode = zkt_decode_bytes,
    .encode = zkt_encode_bytes,
};
const struct zkt_type zkt_type_json = {
    .kind = ZKT_KIND_JSON,
    .size = sizeof(struct zkt_json),
    .owns = true,
    .decode = zkt_decode_json,
    .encode = zkt_encode_json,
};

void zkt_encode_bool(struct zkt_writer *writer, const struct zkt_type *type,
                     const void *value)
{
    (void)type;
    zkt_write_bool(writer, *(const bool *)value);
}

void zkt_encode_int32(struct zkt_writer *writer, const struct zkt_type *type,
                      const void *value)
{
    (void)type;
    zkt_write_int64(writer, *(const int32_t *)value);
}

void zkt_encode_uint32(struct zkt_writer *writer, const struct zkt_type *type,
                       const void *value)
{
    (void)type;
    zkt_write_int64(writer, *(const uint32_t *)value);
}

void zkt_encode_int64(struct zkt_writer *writer, const struct zkt_type *type,
                      const void *value)
{
    (void)type;
    zkt_write_int64(writer, *(const int64_t *)value);
}

void zkt_encode_float64(struct zkt_writer *writer, const struct zkt_type *type,
                        const void *value)
{
    (void)type;
    zkt_write_float64(writer, *(const double *)value);
}

void zkt_encode_string(struct zkt_writer *writer, const struct zkt_type *type,
                       const void *value)
{
    (void)type;
    zkt_write_string(writer, *(const struct zkt_str *)value);
}

void zkt_encode_bytes(struct zkt_writer *writer, const struct zkt_type *type,
                      const void *value)
{
    const struct zkt_bytes *bytes = value;
    (void)type;
    ZKT_WRITE(writer, "\"");
    if (bytes->len < SIZE_MAX / 2 &&
        zkt_write_reserve(writer, ZKT_BASE64_LEN(bytes->len))) {
        writer->len += zkt__base64(bytes->data, bytes->len,
                                   writer->data + writer->len);
    }
    ZKT_WRITE(writer, "\"");
}

void zkt_encode_json(struct zkt_writer *writer, const struct zkt_type *type,
                     const void *value)
{
    const struct zkt_json *json = value;
    (void)type;
    if (json->len > 0) {
        zkt_write_raw(writer, json->text, json->len);
    } else {
        ZKT_WRITE(writer, "null");
    }
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
