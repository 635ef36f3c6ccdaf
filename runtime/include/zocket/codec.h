/*
 * Between JSON text and C values, for generated code: a pull reader that
 * validates while it decodes, and a writer (RFC 8259). There is no tree in
 * between.
 *
 * Reading collects every failure (up to a limit) as an *issue* with the path of
 * the value, and goes on with the next value: so a caller reads all that is
 * wrong at once. A string without escapes stays where it is in the text: the
 * reader ends it with a NUL in place of its closing quote. So the text belongs
 * to the reader, is changed by it, and lives as long as the decoded values.
 *
 * The generated decoder of `struct { by: int32; }`:
 *
 *     #include "zocket/codec.h"
 *
 *     struct input {
 *         int32_t by;
 *     };
 *
 *     bool input_decode(struct zkt_reader *reader,
 *                       const struct zkt_type *type, void *value)
 *     {
 *         struct input *out = value;
 *         struct zkt_object object;
 *         if (!zkt_object_open(reader, type, value, &object)) {
 *             return false;
 *         }
 *         while (zkt_object_next(reader, &object)) {
 *             if (object.key.len == 2 && ZKT_KEY_IS(object.key, "by")) {
 *                 zkt_object_field(reader, type, &object, 0);
 *                 zkt_decode_int32(reader, &zkt_type_int32, &out->by);
 *             } else {
 *                 zkt_object_unknown(reader, type, &object);
 *             }
 *         }
 *         return zkt_object_close(reader, type, value, &object);
 *     }
 *
 * Threads: a reader or writer is for one thread at a time.
 */
#ifndef ZOCKET_CODEC_H
#define ZOCKET_CODEC_H

#include <string.h>

#include "zocket/schema.h"
#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- issues: mistakes in a value ---- */

/* X(NAME, text on the wire): the codes of issues, as Zod 4 names them. */
#define ZKT_ISSUE_TABLE(X)                                                     \
    /* Another kind of JSON, a fraction for an integer, a missing key. */      \
    X(INVALID_TYPE, "invalid_type")                                            \
    /* Below a bound: a number, or a length, size or count. */                 \
    X(TOO_SMALL, "too_small")                                                  \
    /* Above a bound; or nested deeper than json_depth. */                     \
    X(TOO_BIG, "too_big")                                                      \
    /* A string without its pattern or format, or not base64. */               \
    X(INVALID_FORMAT, "invalid_format")                                        \
    /* No value of the enum. */                                                \
    X(INVALID_VALUE, "invalid_value")                                          \
    /* No discriminator, or no kind of the union. */                           \
    X(INVALID_UNION, "invalid_union")                                          \
    /* A number that is no multiple of the step. */                            \
    X(NOT_MULTIPLE_OF, "not_multiple_of")                                      \
    /* Keys that a strict struct does not have. */                             \
    X(UNRECOGNIZED_KEYS, "unrecognized_keys")                                  \
    /* Of a `check;` handler, and of `unique`. */                              \
    X(CUSTOM, "custom")

/** The code of an issue. */
enum zkt_issue_code {
#define X(name, text) ZKT_ISSUE_##name,
    ZKT_ISSUE_TABLE(X)
#undef X
};

/** A step of a path: a key of an object, or an index of an array. */
struct zkt_step {
    /* The key; NULL: the step is an index. Borrowed from the text, or from a
     * table. */
    const char *key;
    /* Bytes of the key. */
    uint32_t len;
    /* The index, or the number of the field in the schema, by which issues are
     * sorted; UINT32_MAX for an unknown key: its issues come last. */
    uint32_t order;
};

/** The largest number of containers around a value, and so of steps. */
#define ZKT_DEPTH_MAX 64

/* ---- reading ---- */

/* Memory of a call; the runtime's. */
struct zkt_arena;
/* A random key, so that peers cannot choose keys that collide; the runtime's.
 */
struct zkt_hash_key;

/**
 * JSON text that is read from front to end. The runtime sets it up; generated
 * code passes it on, and touches no member.
 */
struct zkt_reader {
    /* The next byte, and the end of the text, after which some zeros can be
     * read. */
    char *at, *end;
    /* Where lists, maps and keys with escapes go. */
    struct zkt_arena *arena;
    /* Where issues are collected. */
    struct zkt_issues *issues;
    /* For the indexes of maps. */
    const struct zkt_hash_key *hash_key;
    /* A key that the next object has beside its fields; data NULL: none. */
    struct zkt_str discriminator;
    /* The longest plain beginning of a string that was skipped: it is not
     * looked through again. */
    struct zkt_str plain;
    /* True on a client: types are checked, rules are not. */
    bool tolerant;
    /* True: the text is not JSON from here on, and everything returns false. */
    bool malformed;
    /* True: there was no memory; likewise. */
    bool no_memory;
    /* True: malformed because of depth_max, which is a limit, no mistake. */
    bool too_deep;
    /* Fields and values that the schema does not know and that were ignored. */
    uint32_t unknown_fields, unknown_values;
    /* Containers around the next value; and the most of them. */
    uint32_t depth, depth_max;
    /* The path of the next value: depth steps. */
    struct zkt_step path[ZKT_DEPTH_MAX];
};

/*
 * The decoders of the built-in kinds, as they stand in type tables. Each takes
 * exactly one value off the text, of any kind, and stores it in *value, which
 * is of the kind's C type (schema.h). Returns true if the value fits the rules
 * of @type. Otherwise it has added an issue, or the reader has failed, and
 * *value is zero, empty, or the part that could be read. Decoded values borrow
 * from the text and from the arena.
 */

/*
 * The scalars:
 *
 *   bool       reads true or false. Issues: invalid_type.
 *   int32 …    reads a whole number within the range of the kind; 1.0 and 1e3
 *              are whole. Issues: invalid_type, also for a fraction; too_small,
 *              too_big, not_multiple_of.
 *   timestamp  reads milliseconds since the epoch. Issues as for int32.
 *   float64    reads a number into the nearest double; -0 becomes 0. Issues:
 *              invalid_type, also for a number too large for a double;
 *              too_small, too_big.
 *   string     reads a string, with a NUL behind it; applies its transforms
 *              first. Issues: invalid_type; too_small, too_big; invalid_format
 *              for a pattern, a format or half of a surrogate pair.
 *   bytes      reads a string of base64 (RFC 4648, section 4). The bytes take
 *              the place of the text. Issues: invalid_type, invalid_format,
 *              too_small, too_big.
 *   json       reads any value, without a NUL behind it. The text is as it
 *              came, with its spaces. Issues: too_big, if it is nested too
 *              deeply.
 */
#define ZKT_SCALAR(symbol, word, ...)                                          \
    bool zkt_decode_##word(struct zkt_reader *, const struct zkt_type *,       \
                           void *);
#include "zocket/scalars.def"
#undef ZKT_SCALAR

/**
 * Reads a string into an enum of C; -1 for a value that it does not have. That
 * has the issue invalid_value, unless the reader is tolerant. Issues: also
 * invalid_type.
 */
bool zkt_decode_enum(struct zkt_reader *, const struct zkt_type *, void *);
/**
 * Reads an array into a list struct, with items in the arena. Issues:
 * invalid_type, too_small, too_big; custom for equal items of a unique list;
 * those of the items.
 */
bool zkt_decode_list(struct zkt_reader *, const struct zkt_type *, void *);
/**
 * Reads an object into a map struct, with entries in the arena, and an index if
 * there are more than 8. Of two entries with the same key the last counts.
 * Issues: invalid_type; too_small, too_big, also for a key of more than 256
 * bytes; invalid_format for half of a surrogate pair in a key; those of values.
 */
bool zkt_decode_map(struct zkt_reader *, const struct zkt_type *, void *);
/**
 * Reads an array of exactly so many elements into a struct. Issues:
 * invalid_type; too_small or too_big for another number; those of the elements.
 */
bool zkt_decode_tuple(struct zkt_reader *, const struct zkt_type *, void *);
/**
 * Reads an object into a union struct. It looks through the object for the
 * discriminator first, then the decoder of the variant reads it. Issues:
 * invalid_type; invalid_union for a missing or unknown kind; those of the
 * variant. A tolerant reader stores -1 for an unknown kind.
 */
bool zkt_decode_union(struct zkt_reader *, const struct zkt_type *, void *);
/**
 * Reads the value of a literal: any other has the issue invalid_value. Stores
 * nothing: a struct has no member for it.
 */
bool zkt_decode_literal(struct zkt_reader *, const struct zkt_type *, void *);
/**
 * Reads a value, or null as an absent value, into { bool has; T value; }.
 * Issues: those of the value.
 */
bool zkt_decode_optional(struct zkt_reader *, const struct zkt_type *, void *);
/**
 * The same into a const T *: the value is in the arena, NULL for null. Issues:
 * those of the value.
 */
bool zkt_decode_boxed(struct zkt_reader *, const struct zkt_type *, void *);

/**
 * A JSON object on its way into a struct; a variable of a generated decoder.
 * Not initialised by hand: zkt_object_open does that.
 */
struct zkt_object {
    /* The current key: the only member that a decoder reads. */
    struct zkt_str key;
    /* A key that is known beside the fields: of the union around it. */
    struct zkt_str discriminator;
    /* Keys that a strict struct does not have. */
    uint32_t unknown_count;
    /* Of these: those that fit into unknown_keys, and their bytes. */
    uint32_t unknown_listed, unknown_len;
    /* Those that are reported by name, in quotes. */
    char unknown_keys[160];
    /* Issues before this object: those that were kept, and all of them. */
    uint32_t first_issue, found;
    /* A bit for each field, set when its key has come. */
    uint64_t seen[ZKT_FIELDS_MAX / 64];
};

/**
 * Begins the object that stands next, and zeroes the struct *@value. Returns
 * false if it is no object; then an issue was added, the value was skipped, and
 * the decoder returns false.
 */
bool zkt_object_open(struct zkt_reader *reader, const struct zkt_type *type,
                     void *value, struct zkt_object *object);

/**
 * Reads the next key into object->key, unescaped, borrowed until the next call.
 * Returns false at the end of the object, and if the reader has failed.
 */
bool zkt_object_next(struct zkt_reader *reader, struct zkt_object *object);

/**
 * Says that the key is that of field number @index; its value is decoded next.
 * If the key has come before, the issues of its earlier value are dropped: the
 * last value wins.
 */
void zkt_object_field(struct zkt_reader *reader, const struct zkt_type *type,
                      struct zkt_object *object, uint32_t index);

/**
 * Says that the key is no field's: skips its value. It becomes an issue if
 * @type is strict and the reader is not tolerant.
 */
void zkt_object_unknown(struct zkt_reader *reader, const struct zkt_type *type,
                        struct zkt_object *object);

/**
 * Ends the object: sets the defaults of missing keys or reports them, sorts the
 * issues into the order of the schema, and runs the `check;` of the struct if
 * there are none. Returns true if there is no issue in the whole object.
 */
bool zkt_object_close(struct zkt_reader *reader, const struct zkt_type *type,
                      void *value, struct zkt_object *object);

/**
 * True if the string @key_ is the literal; generated code has compared its
 * length before, in a switch.
 */
#define ZKT_KEY_IS(key_, literal)                                              \
    (memcmp((key_).data, literal, sizeof(literal) - 1) == 0)

/* ---- writing ---- */

/**
 * Bytes that grow. Failing is sticky: once there is no memory, or the limit is
 * reached, `failed` is set and everything that follows does nothing, so that a
 * writer is checked once, at the end. The runtime sets it up and owns the
 * bytes.
 */
struct zkt_writer {
    /* The bytes so far; NULL before the first. */
    char *data;
    /* Bytes written, and bytes that there is room for. */
    size_t len, capacity;
    /* The size that it must not grow past; 0: there is none. */
    size_t limit;
    /* True: no memory, or past the limit. */
    bool failed;
    /* Where data comes from; borrowed. */
    const struct zkt_allocator *allocator;
};

/**
 * Makes room for @size more bytes. Returns false if the writer has failed.
 */
bool zkt_write_reserve(struct zkt_writer *writer, size_t size);

/** Appends @len bytes as they are; @text may be NULL if @len is 0. */
static inline void zkt_write_raw(struct zkt_writer *writer, const char *text,
                                 size_t len)
{
    if (len > 0 && (writer->capacity - writer->len >= len ||
                    zkt_write_reserve(writer, len))) {
        memcpy(writer->data + writer->len, text, len);
        writer->len += len;
    }
}

/** Appends a string literal as it is: punctuation and keys, `,"name":`. */
#define ZKT_WRITE(writer, literal)                                             \
    zkt_write_raw(writer, "" literal, sizeof(literal) - 1)

/** Appends true or false. */
void zkt_write_bool(struct zkt_writer *writer, bool value);

/** Appends a whole number in decimal digits. */
void zkt_write_int64(struct zkt_writer *writer, int64_t value);

/**
 * Appends the shortest number that reads back as @value, in the form that
 * ECMAScript gives it (ECMA-262, Number::toString). @value is finite.
 */
void zkt_write_float64(struct zkt_writer *writer, double value);

/**
 * The same of a float: the shortest number that reads back as the same float,
 * 0.1 for 0.1f.
 */
void zkt_write_float32(struct zkt_writer *writer, float value);

/**
 * Appends a string in quotes, with the escapes that RFC 8259, section 7, asks
 * for and no others. @value is UTF-8.
 */
void zkt_write_string(struct zkt_writer *writer, struct zkt_str value);

/**
 * Begins an object. Its fields are written with a comma in front of each, and
 * zkt_write_end turns the first comma into the brace:
 *
 *   const size_t begin = zkt_write_begin(writer);
 *   ZKT_WRITE(writer, ",\"by\":");
 *   zkt_write_int64(writer, in->by);
 *   zkt_write_end(writer, begin);
 *
 * Returns the position that zkt_write_end takes.
 */
static inline size_t zkt_write_begin(const struct zkt_writer *writer)
{
    return writer->len;
}

/** Ends the object that begins at @begin; without fields it is `{}`. */
void zkt_write_end(struct zkt_writer *writer, size_t begin);

/*
 * The encoders of the built-in kinds, as they stand in type tables: each
 * appends the value that the last argument points to. The value fits its type,
 * which the runtime has checked. Those of the scalars append a bool or a number
 * as zkt_write_… does, a string with quotes and escapes, bytes as a string of
 * base64 with padding, and json as it is; null for an empty text.
 */
#define ZKT_SCALAR(symbol, word, ...)                                          \
    void zkt_encode_##word(struct zkt_writer *, const struct zkt_type *,       \
                           const void *);
#include "zocket/scalars.def"
#undef ZKT_SCALAR
/** Appends the elements of a tuple as an array. */
void zkt_encode_tuple(struct zkt_writer *, const struct zkt_type *,
                      const void *);
/** Appends the object of a union's variant, with the discriminator first. */
void zkt_encode_union(struct zkt_writer *, const struct zkt_type *,
                      const void *);
/** Appends the string of an enum's value. */
void zkt_encode_enum(struct zkt_writer *, const struct zkt_type *,
                     const void *);
/** Appends a list as an array. */
void zkt_encode_list(struct zkt_writer *, const struct zkt_type *,
                     const void *);
/** Appends a map as an object, in the order of its entries. */
void zkt_encode_map(struct zkt_writer *, const struct zkt_type *, const void *);
/** Appends the value of a literal; the last argument is not looked at. */
void zkt_encode_literal(struct zkt_writer *, const struct zkt_type *,
                        const void *);
/**
 * Appends the value of an OPTIONAL or NULLABLE type, or null. The key of an
 * absent optional field is left out by the encoder of its struct, which then
 * does not call this.
 */
void zkt_encode_optional(struct zkt_writer *, const struct zkt_type *,
                         const void *);
/** Appends the value that a boxed type points to, or null. */
void zkt_encode_boxed(struct zkt_writer *, const struct zkt_type *,
                      const void *);

/* ---- values ---- */

/**
 * Returns a deep copy of *@value in a single block of malloc, which the caller
 * gives to free(); NULL if there is no memory. Generated `…_dup` functions are
 * made of it. From any thread.
 */
void *zkt_value_dup(const struct zkt_type *type, const void *value);

#ifdef __cplusplus
}
#endif
#endif
