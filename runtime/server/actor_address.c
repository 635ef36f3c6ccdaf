/* See actor_address.h. */
#include "server/actor_address.h"

#include <string.h>

#include "base/utf8.h"

static bool take_segment(struct zkt_str *path, struct zkt_str *out)
{
    if (path->len == 0 || path->data[0] != '/') {
        return false;
    }
    const char *begin = path->data + 1, *end = path->data + path->len;
    const char *slash = memchr(begin, '/', (size_t)(end - begin));
    const char *at = slash != NULL ? slash : end;
    *out = (struct zkt_str){ begin, (size_t)(at - begin) };
    *path = (struct zkt_str){ at, (size_t)(end - at) };
    return out->len > 0;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes a percent sign and its digits. Returns false if they are none. */
static bool decode_octet(struct zkt_str text, size_t at, char *out)
{
    const int high = at + 2 < text.len ? digit_of(text.data[at + 1]) : -1;
    const int low = at + 2 < text.len ? digit_of(text.data[at + 2]) : -1;
    *out = (char)(high * 16 + low);
    return high >= 0 && low >= 0;
}

/* Decodes the id, once. Returns false if it is malformed, too long, or no
 * UTF-8. */
static bool decode_id(struct zkt_str text, struct zkt_actor_address *address)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++, len++) {
        if (len == sizeof(address->decoded)) {
            return false;
        }
        address->decoded[len] = text.data[i];
        if (text.data[i] == '%') {
            if (!decode_octet(text, i, &address->decoded[len])) {
                return false;
            }
            i += 2;
        }
    }
    address->id = (struct zkt_str){ address->decoded, len };
    return zkt__utf8_valid(address->decoded, len);
}

int zkt__actor_address_parse(struct zkt_str path,
                             struct zkt_actor_address *address)
{
    struct zkt_str id;
    *address = (struct zkt_actor_address){ .method = { NULL, 0 } };
    path.data += sizeof("/actors") - 1;
    path.len -= sizeof("/actors") - 1;
    if (!take_segment(&path, &address->actor) || !take_segment(&path, &id)) {
        return 404;
    }
    if (path.len > 0 &&
        (!take_segment(&path, &address->method) || path.len > 0)) {
        return 404;
    }
    return decode_id(id, address) ? 0 : 400;
}
