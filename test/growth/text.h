/*
 * Texts of n parts, from a pattern: what comes before, n times an item, what is
 * between, n times another item, what comes behind. An item holds a `#` where
 * its number goes.
 */
#ifndef GROWTH_TEXT_H
#define GROWTH_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct growth_text {
    const char *name;
    const char *before, *item, *comma, *middle, *item2, *behind;
    bool bad; /* it is refused, if n is not 0; but for a client */
    size_t n; /* of the row */
};

/* A value with more levels than are decoded, to be skipped. */
#define GROWTH_TEN      "[[[[[[[[[["
#define GROWTH_TEN_ENDS "]]]]]]]]]]"
#define GROWTH_DEEP                                                            \
    GROWTH_TEN GROWTH_TEN GROWTH_TEN GROWTH_TEN GROWTH_TEN GROWTH_TEN          \
        GROWTH_TEN GROWTH_TEN_ENDS GROWTH_TEN_ENDS GROWTH_TEN_ENDS             \
            GROWTH_TEN_ENDS GROWTH_TEN_ENDS GROWTH_TEN_ENDS GROWTH_TEN_ENDS

/** Writes the text of @n parts to @to, unless that is NULL; how long it is. */
size_t growth_text_write(char *to, const struct growth_text *text, size_t n);

#endif
