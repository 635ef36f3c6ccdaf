/* See head.h. */
#include "http/head.h"

const uint8_t zkt__head_token[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1,  ['%'] = 1, ['&'] = 1, ['*'] = 1,
    ['+'] = 1, ['-'] = 1, ['.'] = 1,  ['^'] = 1, ['_'] = 1, ['`'] = 1,
    ['|'] = 1, ['~'] = 1, ['\''] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1,
    ['3'] = 1, ['4'] = 1, ['5'] = 1,  ['6'] = 1, ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1,  ['C'] = 1, ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['G'] = 1, ['H'] = 1,  ['I'] = 1, ['J'] = 1, ['K'] = 1,
    ['L'] = 1, ['M'] = 1, ['N'] = 1,  ['O'] = 1, ['P'] = 1, ['Q'] = 1,
    ['R'] = 1, ['S'] = 1, ['T'] = 1,  ['U'] = 1, ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1,  ['a'] = 1, ['b'] = 1, ['c'] = 1,
    ['d'] = 1, ['e'] = 1, ['f'] = 1,  ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1,  ['m'] = 1, ['n'] = 1, ['o'] = 1,
    ['p'] = 1, ['q'] = 1, ['r'] = 1,  ['s'] = 1, ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1,  ['y'] = 1, ['z'] = 1
};

struct zkt_str zkt__http_find(struct zkt_str fields, const char *name)
{
    struct zkt_str found, value;
    while (zkt__http_next_field(&fields, &found, &value)) {
        if (zkt__head_same(found, name)) {
            return value;
        }
    }
    return (struct zkt_str){ NULL, 0 };
}

bool zkt__http_next_item(struct zkt_str *list, struct zkt_str *item)
{
    while (list->len > 0) {
        const char *comma = memchr(list->data, ',', list->len);
        const size_t n = comma != NULL ? (size_t)(comma - list->data)
                                       : list->len;
        *item = zkt__head_strip((struct zkt_str){ list->data, n });
        list->data += comma != NULL ? n + 1 : n;
        list->len -= comma != NULL ? n + 1 : n;
        if (item->len > 0) {
            return true;
        }
    }
    return false;
}

bool zkt__head_list_has(struct zkt_str list, const char *word)
{
    struct zkt_str item;
    while (zkt__http_next_item(&list, &item)) {
        if (zkt__head_same(item, word)) {
            return true;
        }
    }
    return false;
}

bool zkt__http_next_field(struct zkt_str *fields, struct zkt_str *name,
                          struct zkt_str *value)
{
    struct zkt_head h = { fields->data, fields->data + fields->len };
    struct zkt_str line;
    const bool found = zkt__head_line(&h, &line) &&
                       zkt__head_field(line, name, value);
    *fields = (struct zkt_str){ h.at, (size_t)(h.end - h.at) };
    return found;
}
