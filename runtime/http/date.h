/* Dates in fields (RFC 9110, section 5.6.7). */
#ifndef ZKT_HTTP_DATE_H
#define ZKT_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "zocket/types.h"

/** The length of a date, with its NUL. */
#define ZKT_HTTP_DATE_SIZE 30

/** Writes a time in ms since the epoch as a date (RFC 9110, section 5.6.7); ""
 * for 0, the time of a program without a clock, and outside of the years from
 * 1970 to 9999. */
void zkt__http_date(int64_t ms, char out[ZKT_HTTP_DATE_SIZE]);

/**
 * Reads a date of any of the three forms. Stores the seconds since the epoch in
 * *@seconds; a year of two digits is from 1970 to 2069. Returns false if @text
 * is no date, or one before 1970.
 */
bool zkt__http_parse_date(struct zkt_str text, int64_t *seconds);

#endif
