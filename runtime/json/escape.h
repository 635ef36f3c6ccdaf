/*
 * Shared by reader.c and skip.c: escapes (RFC 8259, section 7), and reader
 * failures.
 */
#ifndef ZKT_JSON_ESCAPE_H
#define ZKT_JSON_ESCAPE_H

#include "json/json.h"

static inline int zkt__hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the value of four hex digits, or -1. */
static inline int zkt__read_hex(const char *at)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = zkt__hex_digit(at[i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* Returns the character of the escape \c, or NUL if the escape is invalid. */
static inline char zkt__short_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case '"':
    case '\\':
    case '/':
        return c;
    default:
        return '\0';
    }
}

static inline bool zkt__reader_fail(struct zkt_reader *reader)
{
    reader->malformed = true;
    return false;
}

/** Fails because of the depth limit; returns false. */
bool zkt__reader_fail_deep(struct zkt_reader *reader);

/** Returns the end of the string that begins at @at, or NULL if it is
 * malformed. */
char *zkt__skip_string(struct zkt_reader *reader, char *at);

#endif
