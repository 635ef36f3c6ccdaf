/*
 * The C values that a schema's built-in types become. All of them are views:
 * a pointer and a length, never an owner. Who owns what they point to is said
 * where they are handed out.
 */
#ifndef ZOCKET_TYPES_H
#define ZOCKET_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ZKT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define ZKT_MUST_USE     __attribute__((warn_unused_result))
#else
#define ZKT_PRINTF(f, a)
#define ZKT_MUST_USE
#endif

/**
 * UTF-8 text. What the runtime hands out is valid and has a NUL after
 * data[len], which len does not count; what it is given needs none. data may
 * be NULL only where len is 0, and never is in what the runtime hands out.
 */
struct zkt_str {
    const char *data;
    size_t len;
};

/* A view of a string literal; ZKT_STR_INIT is for static initialisers. */
#define ZKT_STR_INIT(s)                                                        \
    {                                                                          \
        "" s, sizeof(s) - 1                                                    \
    }
#ifdef __cplusplus
#define ZKT_STR(s) (zkt_str{ "" s, sizeof(s) - 1 })
#else
#define ZKT_STR(s) ((struct zkt_str){ "" s, sizeof(s) - 1 })
#endif

/* printf("%.*s", ZKT_ARG(s)) */
#define ZKT_ARG(s) (int)(s).len, (s).data

/** A view of a C string; NULL gives the empty string. Borrows @text. */
struct zkt_str zkt_cstr(const char *text);

/** Whether two strings are the same bytes. */
bool zkt_str_eq(struct zkt_str a, struct zkt_str b);

/** Any bytes; base64 on the wire. data may be NULL only where len is 0. */
struct zkt_bytes {
    const uint8_t *data;
    size_t len;
};

/**
 * One JSON value as text (RFC 8259). What the runtime hands out is valid; what
 * it is given is checked. No text at all stands for null. What it hands out
 * need not have a NUL behind it.
 */
struct zkt_json {
    const char *text;
    size_t len;
};

/** A view of JSON text: ZKT_JSON("{\"a\":[1]}"). */
#ifdef __cplusplus
#define ZKT_JSON(s) (zkt_json{ "" s, sizeof(s) - 1 })
#else
#define ZKT_JSON(s) ((struct zkt_json){ "" s, sizeof(s) - 1 })
#endif

/*
 * X(name, C type): what lists, options and maps of built-in types are made of:
 *   struct zkt_int32_list { const int32_t *items; size_t len; };
 *   struct zkt_int32_opt  { bool has; int32_t value; };
 *   struct zkt_int32_map  { const struct zkt_int32_entry *items; ... };
 * A map's items keep the order of insertion until one is removed (the last
 * one then takes its place). index_ is the runtime's, which looks whether it
 * is of these items: in a copy of the struct, items and len may be changed
 * without a thought of it.
 */
#define ZKT_BUILTIN_TYPES(X)                                                   \
    X(bool, bool)                                                              \
    X(int32, int32_t)                                                          \
    X(uint32, uint32_t)                                                        \
    X(int64, int64_t)                                                          \
    X(uint64, uint64_t)                                                        \
    X(float64, double)                                                         \
    X(str, struct zkt_str)                                                     \
    X(bytes, struct zkt_bytes)                                                 \
    X(json, struct zkt_json)

#define X(name, type)                                                          \
    struct zkt_##name##_list {                                                 \
        const type *items;                                                     \
        size_t len;                                                            \
    };                                                                         \
    struct zkt_##name##_opt {                                                  \
        bool has;                                                              \
        type value;                                                            \
    };                                                                         \
    struct zkt_##name##_entry {                                                \
        struct zkt_str key;                                                    \
        type value;                                                            \
    };                                                                         \
    struct zkt_##name##_map {                                                  \
        const struct zkt_##name##_entry *items;                                \
        size_t len;                                                            \
        const void *index_;                                                    \
    };                                                                         \
    /** The value under @key, or NULL; good until the map changes. */          \
    const type *zkt_##name##_map_find(const struct zkt_##name##_map *map,      \
                                      struct zkt_str key);
ZKT_BUILTIN_TYPES(X)
#undef X

/**
 * For generated `…_map_find`: the value under @key in any map struct, whose
 * entries have @entry_size bytes and the value at @value_offset; or NULL.
 */
const void *zkt_map_find(const void *map, size_t entry_size,
                         size_t value_offset, struct zkt_str key);

/* { .reply_to = ZKT_SOME(7) } */
#define ZKT_SOME(...)                                                          \
    {                                                                          \
        true, __VA_ARGS__                                                      \
    }

#ifdef __cplusplus
}
#endif
#endif
