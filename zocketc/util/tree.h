/*
 * A JSON value whose parts know where they stand in a schema. The model is
 * described as one, which --model prints and breaking compares.
 */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"
#include "util/source_range.h"
#include "util/text_buffer.h"

enum tree_kind {
    TREE_NULL,
    TREE_BOOL,
    TREE_NUMBER,
    TREE_STRING,
    TREE_LIST,
    TREE_OBJECT
};

struct tree {
    enum tree_kind kind;
    struct source_range at; /* of what is described; its start is 0 if that is
                               nowhere in particular */
    const char *key;        /* as a member of an object */
    const char *text;       /* of a string or a number; NUL behind it */
    size_t len;             /* of a string, which may hold NULs */
    bool truth;
    struct tree *first, *last, *next;
};

struct tree *tree_new(struct arena *arena, enum tree_kind kind);
struct tree *tree_string(struct arena *arena, const char *text, size_t len);
/** @text is a number as JSON writes it. */
struct tree *tree_number(struct arena *arena, const char *text);
struct tree *tree_bool(struct arena *arena, bool truth);

/** Adds @child to a list, where @key is NULL, or to an object; gives it. */
struct tree *tree_add(struct tree *parent, const char *key, struct tree *child);
/** Adds a string; nothing when @text is NULL. */
void tree_add_text(struct arena *arena, struct tree *parent, const char *key,
                   const char *text);

/** A member, or NULL; @object may be NULL. */
const struct tree *tree_find(const struct tree *object, const char *key);
/** The string that a member is; "" when there is none. */
const char *tree_text(const struct tree *object, const char *key);
/** Whether a member is there and true. */
bool tree_truth(const struct tree *object, const char *key);
/** Whether two are the same value; members come in any order. NULL equals
 * only itself. */
bool tree_equal(const struct tree *a, const struct tree *b);

/** As JSON (RFC 8259) with two blanks for each level, and a line end behind. */
void tree_print(struct text_buffer *out, const struct tree *tree);
/** As JSON on one line. */
void tree_print_line(struct text_buffer *out, const struct tree *tree);

#endif
