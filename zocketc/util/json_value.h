/*
 * A JSON value with the place of each part in a schema. A schema is
 * described as a JSON value, which --model prints and breaking compares.
 */
#ifndef JSON_VALUE_H
#define JSON_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"
#include "util/source_range.h"
#include "util/text_buffer.h"

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_LIST,
    JSON_OBJECT
};

struct json_value {
    enum json_kind kind;
    struct source_range at; /* of the described thing; start 0: no place */
    const char *key;        /* as a member of an object */
    const char *text;       /* of a string or a number; NUL behind it */
    size_t len;             /* of a string, which may hold NULs */
    bool truth;
    struct json_value *first, *last, *next;
};

struct json_value *json_value_new(struct arena *arena, enum json_kind kind);
struct json_value *json_value_string(struct arena *arena, const char *text,
                                     size_t len);
/** @text is a number as JSON writes it. */
struct json_value *json_value_number(struct arena *arena, const char *text);
struct json_value *json_value_bool(struct arena *arena, bool truth);

/** Adds @child to a list, where @key is NULL, or to an object; gives it. */
struct json_value *json_value_add(struct json_value *parent, const char *key,
                                  struct json_value *child);
/** Adds a string; nothing when @text is NULL. */
void json_value_add_text(struct arena *arena, struct json_value *parent,
                         const char *key, const char *text);

/** A member, or NULL; @object may be NULL. */
const struct json_value *json_value_find(const struct json_value *object,
                                         const char *key);
/** The string that a member is; "" when there is none. */
const char *json_value_text(const struct json_value *object, const char *key);
/** Whether a member is there and true. */
bool json_value_truth(const struct json_value *object, const char *key);
/** Whether two are the same value; members come in any order. NULL equals
 * only itself. */
bool json_value_equal(const struct json_value *a, const struct json_value *b);

/** As JSON (RFC 8259) with two blanks for each level, and a line end behind. */
void json_value_print(struct text_buffer *out, const struct json_value *value);
/** As JSON on a line. */
void json_value_print_line(struct text_buffer *out,
                           const struct json_value *value);

#endif
