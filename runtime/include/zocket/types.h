/*
 * The C values of the built-in types of a schema. All of them are views: a
 * pointer and a length, never an owner. The comment of the function that hands
 * out a view says how long the bytes stay; a value that a program passes in is
 * copied before the function returns, unless its comment says "borrowed".
 *
 * How long the runtime keeps values that it hands out:
 *
 * - the input of a handler, and all that call.h gives: until the call ends
 * - the state in a handler: until a mutator changes that part of it
 * - a value in a callback of a client: until the callback returns
 * - the result of a blocking call: until zkt_reply_clear
 *
 * A generated `…_dup` copies a struct with all that it points to, to keep it
 * for longer.
 *
 *     #include <stdio.h>
 *
 *     #include "zocket/types.h"
 *
 *     void print_scores(const struct zkt_int32_map *scores)
 *     {
 *         for (size_t i = 0; i < scores->len; i++) {
 *             printf("%.*s: %d\n", ZKT_ARG(scores->items[i].key),
 *                    (int)scores->items[i].value);
 *         }
 *         const int32_t *mine = zkt_int32_map_find(scores, ZKT_STR("me"));
 *         if (mine != NULL) {
 *             printf("mine: %d\n", (int)*mine);
 *         }
 *     }
 *
 * None of the functions takes memory or can fail, and all may be called from
 * any thread, as far as the values themselves are not changed meanwhile.
 */
#ifndef ZOCKET_TYPES_H
#define ZOCKET_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Attributes of the functions below and of those in other headers; both are
 * empty for compilers that do not have them.
 *
 * ZKT_PRINTF(f, a): argument number @f is a format of printf, the values for it
 * begin with argument number @a, and the compiler checks each call.
 *
 * ZKT_MUST_USE: the compiler warns about a call that ignores the result.
 */
#if defined(__GNUC__)
#define ZKT_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define ZKT_MUST_USE     __attribute__((warn_unused_result))
#else
#define ZKT_PRINTF(f, a)
#define ZKT_MUST_USE
#endif

/* ---- text, bytes, JSON ---- */

/**
 * UTF-8 text, the C value of a `string`. Text that the runtime hands out is
 * valid UTF-8 and has a NUL after data[len], which len does not count, so that
 * it can be used as a C string if it holds no NUL itself. Text that the runtime
 * is given needs no NUL.
 */
struct zkt_str {
    /* NULL only where len is 0, and never in text that is handed out. */
    const char *data;
    /* Bytes, not code points. */
    size_t len;
};

/*
 * Views of a string literal @s, with its length at compile time.
 * ZKT_STR_INIT(s) initialises a static or automatic struct zkt_str; ZKT_STR(s)
 * is an expression, for arguments and assignments. Any argument that is not a
 * literal is a compile error; zkt_cstr takes other strings.
 */
#define ZKT_STR_INIT(s)                                                        \
    {                                                                          \
        "" s, sizeof(s) - 1                                                    \
    }
#ifdef __cplusplus
#define ZKT_STR(s) (zkt_str{ "" s, sizeof(s) - 1 })
#else
#define ZKT_STR(s) ((struct zkt_str){ "" s, sizeof(s) - 1 })
#endif

/*
 * The two arguments of "%.*s" for a zkt_str, its length and its text, as in
 * printf("%.*s", ZKT_ARG(name)). @s is evaluated twice.
 */
#define ZKT_ARG(s) (int)(s).len, (s).data

/**
 * Returns a view of a C string, which is borrowed as long as the view is used.
 * NULL gives the empty string.
 */
struct zkt_str zkt_cstr(const char *text);

/**
 * Returns true if two strings have the same bytes. Unicode is not normalised:
 * two spellings of a character differ.
 */
bool zkt_str_eq(struct zkt_str a, struct zkt_str b);

/**
 * Any bytes, the C value of `bytes`; base64 with padding on the wire (RFC 4648,
 * section 4). No NUL follows.
 */
struct zkt_bytes {
    /* NULL only where len is 0. */
    const uint8_t *data;
    /* Bytes, after decoding. */
    size_t len;
};

/**
 * A JSON value as text (RFC 8259), the C value of `json`. Text that the runtime
 * hands out is valid JSON, and no NUL needs to follow it. Text that the runtime
 * is given is checked: a call that writes or returns other text fails. An empty
 * text stands for null.
 */
struct zkt_json {
    /* NULL only where len is 0. */
    const char *text;
    /* Bytes. */
    size_t len;
};

/**
 * A view of a literal of JSON text, as ZKT_STR is of a string:
 * ZKT_JSON("{\"a\":[1]}"). The text is checked where it is used, not here.
 */
#ifdef __cplusplus
#define ZKT_JSON(s) (zkt_json{ "" s, sizeof(s) - 1 })
#else
#define ZKT_JSON(s) ((struct zkt_json){ "" s, sizeof(s) - 1 })
#endif

/* ---- containers of built-in types ---- */

/*
 * X(name, C type) of a scalar that has containers of its own, by its class:
 * `timestamp` is an int64_t and shares the containers of int64. For each scalar
 * there are
 *
 *   struct zkt_int32_list   a list, `int32[]`
 *   struct zkt_int32_opt    a value that may be absent or null
 *   struct zkt_int32_entry  an entry of a map
 *   struct zkt_int32_map    a map, `map<int32>`
 *
 * Containers of the types of a schema have the same shapes, under names of the
 * schema, in its generated header.
 *
 * A program builds them from arrays of its own, which have to exist until the
 * function that is given the container has returned; for the result of a
 * handler, until the call ends (zkt_alloc):
 *
 *   const int32_t primes[] = { 2, 3, 5 };
 *   const struct zkt_int32_list list = { primes, 3 };
 *
 *   const struct zkt_int32_entry ages[] = { { ZKT_STR_INIT("Ada"), 36 } };
 *   const struct zkt_int32_map map = { ages, 1, NULL };
 */
/* bool */
#define ZKT_CONTAINERS_OF_TRUTH(X, name, type) X(name, type)
/* int32, uint32, int64, uint64 */
#define ZKT_CONTAINERS_OF_INTEGER(X, name, type) X(name, type)
/* timestamp: milliseconds since the epoch in an int64_t, which has the
 * containers of int64. */
#define ZKT_CONTAINERS_OF_TIME(X, name, type)
/* float32, float64; finite. NaN and infinities are not JSON and fail a call
 * that writes them. */
#define ZKT_CONTAINERS_OF_REAL(X, name, type) X(name, type)
/* string */
#define ZKT_CONTAINERS_OF_TEXT(X, name, type) X(name, type)
/* bytes */
#define ZKT_CONTAINERS_OF_BYTES(X, name, type) X(name, type)
/* json: the text of a value, which is checked when a handler writes it and is
 * valid when it is handed out. */
#define ZKT_CONTAINERS_OF_ANY(X, name, type) X(name, type)
/* Each row of scalars.def, by its class. */
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, type, empty,     \
                   name, ...)                                                  \
    ZKT_CONTAINERS_OF_##class(X, name, type)

#define X(name, type)                                                          \
    /** A list, as handed out or as a program builds it. */                    \
    struct name##_list {                                                       \
        /* The items, in order; borrowed. NULL only where len is 0. */         \
        const type *items;                                                     \
        /* Items. */                                                           \
        size_t len;                                                            \
    };                                                                         \
    /** An optional or nullable value; { 0 } is an absent value. */            \
    struct name##_opt {                                                        \
        /* False: absent, or null. */                                          \
        bool has;                                                              \
        /* The value; without meaning where has is false. */                   \
        type value;                                                            \
    };                                                                         \
    /** A key of a map and its value. */                                       \
    struct name##_entry {                                                      \
        /* Borrowed; UTF-8, at most 256 bytes, perhaps none. */                \
        struct zkt_str key;                                                    \
        /* The value under the key. */                                         \
        type value;                                                            \
    };                                                                         \
    /**                                                                        \
     * A map. Its entries keep the order of insertion until an entry is        \
     * removed; then the last entry takes its place.                           \
     */                                                                        \
    struct name##_map {                                                        \
        /* Entries with different keys; borrowed. */                           \
        const struct name##_entry *items;                                      \
        /* Entries. */                                                         \
        size_t len;                                                            \
        /* The runtime's index, or NULL; a program that builds a map sets      \
         * NULL. The runtime checks that the index belongs to items: in a      \
         * copy of the struct, items and len may be changed freely. */         \
        const void *index_;                                                    \
    };                                                                         \
    /**                                                                        \
     * Returns the value under @key, or NULL if there is none. The pointer is  \
     * good until the map changes. It takes constant time in a map that has    \
     * an index: a map of more than 8 entries in a state or an input.          \
     */                                                                        \
    const type *name##_map_find(const struct name##_map *map,                  \
                                struct zkt_str key);
#include "zocket/scalars.def"
#undef X
#undef ZKT_SCALAR

/**
 * Returns the value under @key in any map struct, or NULL; borrowed until the
 * map changes. For generated `…_map_find` functions, which know the shape:
 * entries have @entry_size bytes, with the value at @value_offset.
 */
const void *zkt_map_find(const void *map, size_t entry_size,
                         size_t value_offset, struct zkt_str key);

/*
 * Initialises an optional or nullable value that is there. A struct is written
 * with its braces:
 *
 *   { .reply_to = ZKT_SOME(7), .at = ZKT_SOME({ 1, 2 }) }
 */
#define ZKT_SOME(...)                                                          \
    {                                                                          \
        true, __VA_ARGS__                                                      \
    }

#ifdef __cplusplus
}
#endif
#endif
