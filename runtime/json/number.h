/*
 * Conversion of numbers between text and C (RFC 8259, section 6), independent
 * of the locale of the process.
 */
#ifndef ZKT_JSON_NUMBER_H
#define ZKT_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zkt_number {
    bool whole; /* integer is exact */
    int64_t integer;
    double real; /* the nearest double; infinite when out of range */
};

/** Returns the end of the number at @at, or NULL if it is malformed. */
char *zkt__number_end(char *at);

/** Reads the number at @at, which zkt__number_end has accepted. */
struct zkt_number zkt__number_read(const char *at, const char *end);

/**
 * Reads a plain integer, the most common number, in a single pass. Returns its
 * end; NULL for any other number, for malformed text, and for more than 18
 * digits.
 */
char *zkt__integer_read(char *at, int64_t *out);

/** Returns true if @value, no NaN, has no fraction. */
bool zkt__real_is_whole(double value);

#define ZKT_NUMBER_SIZE 32 /* suffices for any number */

/** Writes the digits without a NUL; returns their length. */
size_t zkt__integer_write(char *out, int64_t value);

/**
 * Writes the shortest text that reads back to @value, in the spelling of
 * ECMAScript (ECMA-262, Number::toString). @value must be finite.
 */
size_t zkt__real_write(char *out, double value);
/** The same of a float: the shortest that reads back to it. */
size_t zkt__single_write(char *out, float value);

/** The nearest float; @value itself if it is past the largest one. */
double zkt__single_round(double value);

#endif
