/* See text.h. */
#include "text.h"

#include <stdio.h>
#include <string.h>

/* Writes an item with its number; returns its length, also if @to is NULL. */
static size_t put_item(char *to, const char *item, size_t number)
{
    size_t len = 0;
    for (; *item != '\0'; item++) {
        char digits[24];
        const bool place = *item == '#';
        const int more = place ? snprintf(digits, sizeof(digits), "%zu", number)
                               : 1;
        if (to != NULL) {
            memcpy(to + len, place ? digits : item, (size_t)more);
        }
        len += (size_t)more;
    }
    return len;
}

size_t growth_text_write(char *to, const struct growth_text *text, size_t n)
{
    size_t len = put_item(to, text->before, 0);
#define AT (to != NULL ? to + len : NULL)
    for (size_t i = 0; i < n; i++) {
        len += put_item(AT, i > 0 ? text->comma : "", 0);
        len += put_item(AT, text->item, i);
    }
    /* The text between the items is written only if there are items. */
    const char *middle = text->middle;
    if (n == 0 && middle[0] == ',') {
        middle++;
    }
    len += put_item(AT, middle, 0);
    for (size_t i = 0; i < n; i++) {
        len += put_item(AT, text->item2, i);
    }
    return len + put_item(AT, text->behind, 0);
#undef AT
}
