/*
 * The lines of a head of HTTP/1.1 (RFC 9112), the words and the lists in them.
 * The functions that a handshake calls for every field are inline.
 */
#ifndef ZKT_HTTP_HEAD_H
#define ZKT_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "zocket/types.h"

/* The parser state of a head. */
struct zkt_head {
    const char *at, *end;
};

/** The characters of a field name (RFC 9110, section 5.6.2). */
extern const uint8_t zkt__head_token[256];

/** Returns true if two words are equal but for the case of ASCII letters. */
static inline bool zkt__head_same(struct zkt_str a, const char *b)
{
    /* Most peers spell names as the RFC does, which is cheaper to see. */
    return a.len == strlen(b) && (memcmp(a.data, b, a.len) == 0 ||
                                  strncasecmp(a.data, b, a.len) == 0);
}

/** Returns a text without the white space at its ends. */
static inline struct zkt_str zkt__head_strip(struct zkt_str s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 &&
           (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/** Returns true if a head contains a NUL; checked once, before its lines are.
 */
static inline bool zkt__head_has_nul(const struct zkt_head *h)
{
    return memchr(h->at, '\0', (size_t)(h->end - h->at)) != NULL;
}

/** Reads the next line without its end. Returns false if it contains a stray CR
 * or LF. */
static inline bool zkt__head_line(struct zkt_head *h, struct zkt_str *line)
{
    const char *end = memchr(h->at, '\n', (size_t)(h->end - h->at));
    if (end == NULL || end == h->at || end[-1] != '\r') {
        return false;
    }
    *line = (struct zkt_str){ h->at, (size_t)(end - h->at) - 1 };
    h->at = end + 1;
    return memchr(line->data, '\r', line->len) == NULL;
}

/** Splits `Name: value`. Returns false if the line is malformed or folded. */
static inline bool zkt__head_field(struct zkt_str line, struct zkt_str *name,
                                   struct zkt_str *value)
{
    size_t n = 0;
    while (n < line.len && zkt__head_token[(unsigned char)line.data[n]]) {
        n++;
    }
    if (n == 0 || n == line.len || line.data[n] != ':') {
        return false;
    }
    *name = (struct zkt_str){ line.data, n };
    *value = zkt__head_strip(
        (struct zkt_str){ line.data + n + 1, line.len - n - 1 });
    return true;
}

/** Takes the next field off @fields. Returns false at the end. */
bool zkt__http_next_field(struct zkt_str *fields, struct zkt_str *name,
                          struct zkt_str *value);
/** Returns the value of the first field called @name, in any case; data is NULL
 * if there is none. */
struct zkt_str zkt__http_find(struct zkt_str fields, const char *name);
/** Takes the next item that is not empty off a comma-separated @list (RFC 9110,
 * section 5.6.1). Returns false at the end. */
bool zkt__http_next_item(struct zkt_str *list, struct zkt_str *item);

/** Continues zkt__head_has for a list of several items. */
bool zkt__head_list_has(struct zkt_str list, const char *word);
/** Returns true if a comma-separated list contains @word, in any case. */
static inline bool zkt__head_has(struct zkt_str list, const char *word)
{
    return zkt__head_same(list, word) || zkt__head_list_has(list, word);
}

#endif
