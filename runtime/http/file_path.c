/* See file_path.h. */
#include "http/file_path.h"

#include <string.h>

/* Returns the value of a hexadecimal digit, or -1. */
static int value_of(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    const char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes the next character of a name into *@out. Returns the number of bytes
 * that it has in @text, or 0 if it is malformed. */
static size_t decode(struct zkt_str text, char *out)
{
    if (text.data[0] != '%') {
        *out = text.data[0];
        return 1;
    }
    const int high = text.len > 2 ? value_of(text.data[1]) : -1;
    const int low = text.len > 2 ? value_of(text.data[2]) : -1;
    *out = (char)(high * 16 + low);
    return high >= 0 && low >= 0 ? 3 : 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Decodes a name to @out, where @room bytes are left, and stores its length in
 * *@len. Returns 0 or a status. */
static int decode_name(struct zkt_str text, char *out, size_t room, size_t *len)
{
    size_t n = 0;
    for (size_t at = 0, used; at < text.len; at += used) {
        char c;
        used = decode((struct zkt_str){ text.data + at, text.len - at }, &c);
        if (used == 0 || c == '/' || c == '\\' || c == '\0') {
            return 400;
        }
        if (n < room) {
            out[n] = c;
        }
        n++;
    }
    if (n > ZKT_HTTP_NAME_MAX || n >= room) {
        return 404;
    }
    out[n] = '\0';
    *len = n;
    return is_dots(out) ? 400 : 0;
}

static bool is_served(const char *name, bool first)
{
    return name[0] != '\0' &&
           (name[0] != '.' || (first && strcmp(name, ".well-known") == 0));
}

/* Returns the first of two statuses that says more: a malformed path is so
 * whatever else is wrong with it. */
static int worse(int a, int b)
{
    return a == 400 || b == 0 ? a : b;
}

int zkt__http_file_path(struct zkt_str path, struct zkt_http_file_path *out)
{
    size_t used = 0, at = 1;
    int status = 0;
    out->last = NULL;
    out->count = 0;
    out->folder = path.len > 0 && path.data[path.len - 1] == '/';
    if (path.len == 0 || path.data[0] != '/') {
        return 400;
    }
    while (at < path.len) {
        const char *name = path.data + at;
        const char *slash = memchr(name, '/', path.len - at);
        const size_t len = slash != NULL ? (size_t)(slash - name)
                                         : path.len - at;
        char *to = out->names + used;
        size_t decoded = 0;
        int next = decode_name((struct zkt_str){ name, len }, to,
                               sizeof(out->names) - used, &decoded);
        if (next == 0 && (!is_served(to, out->count == 0) ||
                          out->count == ZKT_HTTP_PATH_NAMES)) {
            next = 404;
        }
        status = worse(status, next);
        if (status == 0) {
            out->last = to;
            out->count++;
            used += decoded + 1;
        }
        at += len + 1;
    }
    return status;
}
