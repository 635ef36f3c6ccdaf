/*
 * Texts of n parts, from a pattern: a beginning, n items, a middle, n other
 * items, and an end. A `#` in an item stands for its number.
 */
#ifndef GROWTH_TEXT_H
#define GROWTH_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct growth_text {
    const char *name;
    const char *before, *item, *comma, *middle, *item2, *behind;
    bool bad; /* refused, if n is not 0; a client accepts it */
    size_t n; /* of the row */
};

/* A value deeper than decoders accept, to be skipped. */
#define GROWTH_TEN      "[[[[[[[[[["
#define GROWTH_TEN_ENDS "]]]]]]]]]]"
#define GROWTH_DEEP                                                            \
    GROWTH_TEN GROWTH_TEN GROWTH_TEN GROWTH_TEN GROWTH_TEN GROWTH_TEN          \
        GROWTH_TEN GROWTH_TEN_ENDS GROWTH_TEN_ENDS GROWTH_TEN_ENDS             \
            GROWTH_TEN_ENDS GROWTH_TEN_ENDS GROWTH_TEN_ENDS GROWTH_TEN_ENDS

/** Writes the text of @n parts to @to, unless that is NULL; returns its
 * length. */
size_t growth_text_write(char *to, const struct growth_text *text, size_t n);

#endif
