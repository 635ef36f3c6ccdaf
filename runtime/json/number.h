/*
 * Numbers between text and C (RFC 8259, section 6). Whatever the process's
 * locale is, the decimal point is a point.
 */
#ifndef ZKT_JSON_NUMBER_H
#define ZKT_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zkt_number {
    bool whole; /* integer holds it exactly */
    int64_t integer;
    double real; /* the nearest double; infinite when out of range */
};

/** The end of the number at @at, or NULL when none stands there. */
char *zkt__number_end(char *at);

/** Reads the number at @at, which zkt__number_end found good. */
struct zkt_number zkt__number_read(const char *at, const char *end);

/**
 * Reads a plain integer, as most numbers are, in one go: its end, or NULL when
 * another number stands at @at, or none, or one of more than 18 digits.
 */
char *zkt__integer_read(char *at, int64_t *out);

#define ZKT_NUMBER_SIZE 32 /* enough for any */

/** Writes without a NUL; the length. */
size_t zkt__integer_write(char *out, int64_t value);

/**
 * The shortest text that reads back to @value, spelled as ECMAScript does
 * (ECMA-262, Number::toString). @value is finite.
 */
size_t zkt__real_write(char *out, double value);

#endif
