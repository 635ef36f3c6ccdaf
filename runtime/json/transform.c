/* Transforms: changes to a string before its rules are checked. */
#include "json/rules.h"

/* Returns the length of the white space or line terminator at @at, or 0
 * (ECMA-262, sections 12.2 and 12.3: as String.prototype.trim). */
static size_t space_at(const unsigned char *at, size_t len)
{
    if (len >= 1 && (at[0] == ' ' || (at[0] >= 0x09 && at[0] <= 0x0d))) {
        return 1;
    }
    if (len >= 2 && at[0] == 0xc2 && at[1] == 0xa0) {
        return 2;
    }
    if (len < 3) {
        return 0;
    }
    const unsigned c = (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 |
                       (at[2] & 0x3fu);
    const bool three = (at[0] & 0xf0) == 0xe0;
    const bool space = c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
                       c == 0x2028 || c == 0x2029 || c == 0x202f ||
                       c == 0x205f || c == 0x3000 || c == 0xfeff;
    return three && space ? 3 : 0;
}

/* Without the white space at both ends: moves *@text, and gives its length. */
static size_t trim(char **text, size_t len)
{
    const unsigned char *at = (const unsigned char *)*text;
    size_t n;
    while ((n = space_at(at, len)) > 0) {
        at += n;
        *text += n;
        len -= n;
    }
    while (len > 0) {
        /* Find the start of the last character. */
        size_t last = len - 1;
        while (last > 0 && (at[last] & 0xc0) == 0x80) {
            last--;
        }
        if (space_at(at + last, len - last) == 0) {
            break;
        }
        len = last;
    }
    return len;
}

/* Letters of ASCII from @first to @last change their case. */
static void change_case(char *text, size_t len, char first, char last)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] >= first && text[i] <= last) {
            text[i] = (char)(text[i] ^ 0x20);
        }
    }
}

struct zkt_str zkt__transform(const struct zkt_string_rules *rules, char *text,
                              size_t len)
{
    if (rules->trim) {
        len = trim(&text, len);
    }
    if (rules->lower) {
        change_case(text, len, 'A', 'Z');
    }
    if (rules->upper) {
        change_case(text, len, 'a', 'z');
    }
    return (struct zkt_str){ text, len };
}
