/*
 * An app whose schema has a connection with a parameter of each source and
 * type, as tables that are written by hand. Include cmocka first.
 *
 *     enum Color { green, "dark red" }
 *     connection {
 *         token:  string(1..64)? from bearer;
 *         sid:    string(1..8)?  from cookie("sid");
 *         tenant: string(1..8)   from header("x-tenant");
 *         locale: string(2..8) = "en";
 *         n: int32(0..150)?; x: float64?; flag: bool?; color: Color?;
 *         blob: bytes?;
 *     }
 */
#ifndef GATE_H
#define GATE_H

#include <stdio.h>
#include <string.h>

#include "zocket/codec.h"
#include "zocket/schema.h"
#include "zocket/server.h"

#define GATE_OPTIONAL(T)                                                       \
    struct {                                                                   \
        bool has;                                                              \
        T value;                                                               \
    }

struct gate_input {
    GATE_OPTIONAL(struct zkt_str) token, sid;
    struct zkt_str tenant, locale;
    GATE_OPTIONAL(int32_t) n;
    GATE_OPTIONAL(double) x;
    GATE_OPTIONAL(bool) flag;
    GATE_OPTIONAL(int) color;
    GATE_OPTIONAL(struct zkt_bytes) blob;
};

/* ---- types ---- */

#define GATE_STRING(name, low, high)                                           \
    static const struct zkt_type name = {                                      \
        .kind = ZKT_KIND_STRING,                                               \
        .size = sizeof(struct zkt_str),                                        \
        .owns = true,                                                          \
        .of.strings = &(const struct zkt_string_rules){ .min = (low),          \
                                                        .max = (high) },       \
        .decode = zkt_decode_string,                                           \
        .encode = zkt_encode_string,                                           \
    }
#define GATE_OPTIONAL_OF(name, inner, member, own)                             \
    static const struct zkt_type name = {                                      \
        .kind = ZKT_KIND_OPTIONAL,                                             \
        .size = sizeof(((struct gate_input *)0)->member),                      \
        .owns = (own),                                                         \
        .of.optionals =                                                        \
            &(const struct zkt_optional_info){                                 \
                .value = &(inner),                                             \
                .value_offset = offsetof(struct gate_input, member.value) -    \
                                offsetof(struct gate_input, member),           \
            },                                                                 \
        .decode = zkt_decode_optional,                                         \
        .encode = zkt_encode_optional,                                         \
    }

GATE_STRING(gate_token, 1, 64);
GATE_STRING(gate_name, 1, 8);
GATE_STRING(gate_locale, 2, 8);
static const struct zkt_type gate_n = {
    .kind = ZKT_KIND_INT32,
    .size = sizeof(int32_t),
    .of.ints = &(const struct zkt_int_rules){ 0, 150, 0 },
    .decode = zkt_decode_int32,
    .encode = zkt_encode_int32,
};

static inline int gate_find_color(struct zkt_str wire)
{
    return zkt_str_eq(wire, ZKT_STR("green"))      ? 0
           : zkt_str_eq(wire, ZKT_STR("dark red")) ? 1
                                                   : -1;
}

static const struct zkt_str gate_colors[] = { ZKT_STR_INIT("green"),
                                              ZKT_STR_INIT("dark red") };
static const struct zkt_type gate_color = {
    .kind = ZKT_KIND_ENUM,
    .size = sizeof(int),
    .of.enums = &(const struct zkt_enum_info){ "Color", gate_colors, 2,
                                               gate_find_color },
    .decode = zkt_decode_enum,
    .encode = zkt_encode_enum,
};

GATE_OPTIONAL_OF(gate_optional_token, gate_token, token, true);
GATE_OPTIONAL_OF(gate_optional_sid, gate_name, sid, true);
GATE_OPTIONAL_OF(gate_optional_n, gate_n, n, false);
GATE_OPTIONAL_OF(gate_optional_x, zkt_type_float64, x, false);
GATE_OPTIONAL_OF(gate_optional_flag, zkt_type_bool, flag, false);
GATE_OPTIONAL_OF(gate_optional_color, gate_color, color, false);
GATE_OPTIONAL_OF(gate_optional_blob, zkt_type_bytes, blob, true);

#define GATE_FIELD(member, t)                                                  \
    {                                                                          \
        .name = ZKT_STR_INIT(#member),                                         \
        .offset = offsetof(struct gate_input, member), .type = &(t)            \
    }

static const struct zkt_str gate_english = ZKT_STR_INIT("en");
static const struct zkt_field gate_fields[] = {
    GATE_FIELD(token, gate_optional_token),
    GATE_FIELD(sid, gate_optional_sid),
    GATE_FIELD(tenant, gate_name),
    { .name = ZKT_STR_INIT("locale"),
      .offset = offsetof(struct gate_input, locale),
      .type = &gate_locale,
      .default_value = &gate_english },
    GATE_FIELD(n, gate_optional_n),
    GATE_FIELD(x, gate_optional_x),
    GATE_FIELD(flag, gate_optional_flag),
    GATE_FIELD(color, gate_optional_color),
    GATE_FIELD(blob, gate_optional_blob),
};

static const struct zkt_parameter gate_parameters[] = {
    { ZKT_FROM_BEARER, ZKT_STR_INIT("") },
    { ZKT_FROM_COOKIE, ZKT_STR_INIT("sid") },
    { ZKT_FROM_HEADER, ZKT_STR_INIT("x-tenant") },
    { ZKT_FROM_QUERY, ZKT_STR_INIT("locale") },
    { ZKT_FROM_QUERY, ZKT_STR_INIT("n") },
    { ZKT_FROM_QUERY, ZKT_STR_INIT("x") },
    { ZKT_FROM_QUERY, ZKT_STR_INIT("flag") },
    { ZKT_FROM_QUERY, ZKT_STR_INIT("color") },
    { ZKT_FROM_QUERY, ZKT_STR_INIT("blob") },
};

static const struct zkt_type gate_input_type = {
    .kind = ZKT_KIND_STRUCT,
    .size = sizeof(struct gate_input),
    .owns = true,
    .of.structs =
        &(const struct zkt_struct_info){
            .name = "connection",
            .fields = gate_fields,
            .count = sizeof(gate_fields) / sizeof(gate_fields[0]),
        },
};

/* ---- the app ---- */

static const struct zkt_connection_info gate_connection = {
    .input = &gate_input_type,
    .parameters = gate_parameters,
};

static inline int gate_find_actor(struct zkt_str name)
{
    (void)name;
    return -1;
}

static const struct zkt_app_info gate_info = {
    .name = "gate",
    .find_actor = gate_find_actor,
    .connection = &gate_connection,
};

/* Returns the app; NULL: without handlers. */
static inline struct zkt_app gate_app(const void *handlers)
{
    static const int nothing;
    return (struct zkt_app){
        .info = &gate_info,
        .handlers = handlers != NULL ? handlers : &nothing,
    };
}

/* Prints parameters as `name=value`, those that are absent left out. */
static inline void gate_print(const struct gate_input *in, char *out,
                              size_t size)
{
    size_t len = 0;
#define PRINT(...) len += (size_t)snprintf(out + len, size - len, __VA_ARGS__)
    if (in->token.has) {
        PRINT("token=%.*s ", ZKT_ARG(in->token.value));
    }
    if (in->sid.has) {
        PRINT("sid=%.*s ", ZKT_ARG(in->sid.value));
    }
    PRINT("tenant=%.*s locale=%.*s", ZKT_ARG(in->tenant), ZKT_ARG(in->locale));
    if (in->n.has) {
        PRINT(" n=%d", (int)in->n.value);
    }
    if (in->x.has) {
        PRINT(" x=%g", in->x.value);
    }
    if (in->flag.has) {
        PRINT(" flag=%d", in->flag.value);
    }
    if (in->color.has) {
        PRINT(" color=%d", in->color.value);
    }
    if (in->blob.has) {
        PRINT(" blob=%zu:", in->blob.value.len);
        for (size_t i = 0; i < in->blob.value.len; i++) {
            PRINT("%02x", in->blob.value.data[i]);
        }
    }
#undef PRINT
}

#endif
