/*
 * Between JSON text and C structs, for generated code: a pull reader that
 * validates while it decodes, and a writer. There is no tree in between.
 *
 * Reading collects every failure (up to a limit) as an *issue* with the path
 * of the value, and goes on with the next value. A string without escapes
 * stays where it is in the text: the reader ends it with a NUL in place of
 * its closing quote, so the text belongs to the reader and lives as long as
 * what was decoded from it.
 */
#ifndef ZOCKET_CODEC_H
#define ZOCKET_CODEC_H

#include <string.h>

#include "zocket/schema.h"
#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- issues: what is wrong with a value ---- */

/* Codes as Zod names them. X(NAME, text on the wire) */
#define ZKT_ISSUE_TABLE(X)                                                     \
    X(INVALID_TYPE, "invalid_type")                                            \
    X(TOO_SMALL, "too_small")                                                  \
    X(TOO_BIG, "too_big")                                                      \
    X(INVALID_FORMAT, "invalid_format")                                        \
    X(INVALID_VALUE, "invalid_value")                                          \
    X(INVALID_UNION, "invalid_union")                                          \
    X(NOT_MULTIPLE_OF, "not_multiple_of")                                      \
    X(UNRECOGNIZED_KEYS, "unrecognized_keys")                                  \
    X(CUSTOM, "custom")

enum zkt_issue_code {
#define X(name, text) ZKT_ISSUE_##name,
    ZKT_ISSUE_TABLE(X)
#undef X
};

/* A step of a path: a key of an object, or an index of an array. */
struct zkt_step {
    const char *key; /* NULL: an index */
    uint32_t len;    /* of the key */
    uint32_t order;  /* the index, or the field's place in the schema */
};

#define ZKT_DEPTH_MAX 64

/* ---- reading ---- */

struct zkt_arena;
struct zkt_hash_key;

/*
 * Set up by the runtime. The members are visible for the inline functions
 * below and are nobody else's business.
 */
struct zkt_reader {
    char *at, *end;          /* end[0 .. ZKT_PADDING) are readable zeros */
    struct zkt_arena *arena; /* where lists, maps and unescaped text go */
    struct zkt_issues *issues;
    const struct zkt_hash_key *hash_key; /* for the indexes of maps */
    struct zkt_str discriminator; /* a key that the next object has beside
                                     its fields; data NULL: none */
    struct zkt_str plain; /* the longest plain beginning of a string that was
                             skipped: it is not looked through again */
    bool tolerant;        /* a client: types are checked, rules are not */
    bool malformed;       /* not JSON, from here on; everything returns false */
    bool no_memory;       /* likewise */
    bool too_deep;        /* malformed for a limit of ours: depth_max */
    uint32_t unknown_fields, unknown_values; /* that were passed over */
    uint32_t depth, depth_max; /* containers around what is read; at most */
    struct zkt_step path[ZKT_DEPTH_MAX];
};

/* The decoders of the built-in kinds, as they stand in type tables. */
bool zkt_decode_bool(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_int32(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_uint32(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_int64(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_uint64(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_float64(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_string(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_bytes(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_json(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_timestamp(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_enum(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_list(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_map(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_tuple(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_union(struct zkt_reader *, const struct zkt_type *, void *);
/* OPTIONAL, NULLABLE: null is read as absent. Boxed: the same, by pointer. */
bool zkt_decode_optional(struct zkt_reader *, const struct zkt_type *, void *);
bool zkt_decode_boxed(struct zkt_reader *, const struct zkt_type *, void *);

/* A JSON object on its way into a struct; lives in a generated decoder. */
struct zkt_object {
    struct zkt_str key;           /* the current one */
    struct zkt_str discriminator; /* a key that is known beside the fields */
    uint32_t unknown_count;       /* keys that a strict one does not have */
    uint32_t unknown_listed, unknown_len;
    char unknown_keys[160];      /* those that are reported by name */
    uint32_t first_issue, found; /* issues before this object: kept, in all */
    uint64_t seen[ZKT_FIELDS_MAX / 64];
};

/**
 * Begins the object that stands next and zeroes the struct @value. False: it
 * is no object (an issue was added and the value skipped); return false.
 */
bool zkt_object_open(struct zkt_reader *reader, const struct zkt_type *type,
                     void *value, struct zkt_object *object);
/** Reads the next key into object->key; false at the end. */
bool zkt_object_next(struct zkt_reader *reader, struct zkt_object *object);
/**
 * The key is that of field @index: decode its value next. A key that comes
 * again drops what was wrong with its earlier value: the last one wins.
 */
void zkt_object_field(struct zkt_reader *reader, const struct zkt_type *type,
                      struct zkt_object *object, uint32_t index);
/** The key is no field's: skips the value, and notes it if @type is strict. */
void zkt_object_unknown(struct zkt_reader *reader, const struct zkt_type *type,
                        struct zkt_object *object);
/**
 * Ends the object: sets defaults, reports missing keys and puts the issues in
 * the order of the schema. True when there is no issue in all of the object.
 */
bool zkt_object_close(struct zkt_reader *reader, const struct zkt_type *type,
                      void *value, struct zkt_object *object);

/** Whether the key is @literal, whose length was compared already. */
#define ZKT_KEY_IS(key_, literal)                                              \
    (memcmp((key_).data, literal, sizeof(literal) - 1) == 0)

/* ---- writing ---- */

/*
 * Bytes that grow. No memory is sticky: `failed` is set, and all that follows
 * does nothing.
 */
struct zkt_writer {
    char *data;
    size_t len, capacity;
    size_t limit; /* it fails past this size; 0: none */
    bool failed;
    const struct zkt_allocator *allocator;
};

/** Makes room for @size more; false: failed. */
bool zkt_write_reserve(struct zkt_writer *writer, size_t size);

static inline void zkt_write_raw(struct zkt_writer *writer, const char *text,
                                 size_t len)
{
    if (writer->capacity - writer->len >= len ||
        zkt_write_reserve(writer, len)) {
        memcpy(writer->data + writer->len, text, len);
        writer->len += len;
    }
}

/** A string literal as it stands: punctuation and keys, `,"name":`. */
#define ZKT_WRITE(writer, literal)                                             \
    zkt_write_raw(writer, "" literal, sizeof(literal) - 1)

void zkt_write_bool(struct zkt_writer *writer, bool value);
void zkt_write_int64(struct zkt_writer *writer, int64_t value);
/** The shortest text that reads back to the same value, as ECMAScript. */
void zkt_write_float64(struct zkt_writer *writer, double value);
/** In quotes, with the escapes that RFC 8259, section 7, asks for. */
void zkt_write_string(struct zkt_writer *writer, struct zkt_str value);

/**
 * An object is written as fields that each begin with a comma, `,"key":…`;
 * the end turns the first comma into the brace. begin returns what end takes.
 */
static inline size_t zkt_write_begin(const struct zkt_writer *writer)
{
    return writer->len;
}
void zkt_write_end(struct zkt_writer *writer, size_t begin);

/* The encoders of the built-in kinds, as they stand in type tables. */
void zkt_encode_bool(struct zkt_writer *, const struct zkt_type *,
                     const void *);
void zkt_encode_int32(struct zkt_writer *, const struct zkt_type *,
                      const void *);
void zkt_encode_uint32(struct zkt_writer *, const struct zkt_type *,
                       const void *);
void zkt_encode_int64(struct zkt_writer *, const struct zkt_type *,
                      const void *); /* and timestamps, and uint64 */
void zkt_encode_float64(struct zkt_writer *, const struct zkt_type *,
                        const void *);
void zkt_encode_string(struct zkt_writer *, const struct zkt_type *,
                       const void *);
void zkt_encode_bytes(struct zkt_writer *, const struct zkt_type *,
                      const void *);
void zkt_encode_json(struct zkt_writer *, const struct zkt_type *,
                     const void *);
void zkt_encode_tuple(struct zkt_writer *, const struct zkt_type *,
                      const void *);
void zkt_encode_union(struct zkt_writer *, const struct zkt_type *,
                      const void *);
void zkt_encode_enum(struct zkt_writer *, const struct zkt_type *,
                     const void *);
void zkt_encode_list(struct zkt_writer *, const struct zkt_type *,
                     const void *);
void zkt_encode_map(struct zkt_writer *, const struct zkt_type *, const void *);
/* The value that is there. As a field, an absent one is not written at all:
 * that is the struct encoder's business. */
void zkt_encode_optional(struct zkt_writer *, const struct zkt_type *,
                         const void *);
void zkt_encode_boxed(struct zkt_writer *, const struct zkt_type *,
                      const void *);

/* ---- values ---- */

/**
 * A deep copy of a value in one block from malloc, to be given to free();
 * NULL when there is no memory. What `<type>_dup` is made of.
 */
void *zkt_value_dup(const struct zkt_type *type, const void *value);

#ifdef __cplusplus
}
#endif
#endif
