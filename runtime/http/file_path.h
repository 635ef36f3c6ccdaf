/*
 * The path of a request as the name of a file below a folder: the one place
 * that decodes it. The path is split first, then each name is percent-decoded
 * once (RFC 3986, section 7.3), so no name can hold a slash, leave the folder
 * or be cut short by a NUL.
 */
#ifndef ZKT_HTTP_FILE_PATH_H
#define ZKT_HTTP_FILE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "zocket/types.h"

/* More is not found: bytes of all names, with their NULs; their number; bytes
 * of a name. */
#define ZKT_HTTP_PATH_BYTES 4096
#define ZKT_HTTP_PATH_NAMES 64
#define ZKT_HTTP_NAME_MAX   255

struct zkt_http_file_path {
    char names[ZKT_HTTP_PATH_BYTES]; /* one behind the other, each with a NUL */
    const char *last;                /* of the names; NULL: there is none */
    size_t count;
    bool folder; /* the path ends with a slash */
};

/**
 * Decodes @path, which begins with a slash. Returns 0, or a status:
 * - 400 if it is malformed: a percent sign without two digits, or a name that
 *   is `.` or `..`, or holds a slash, a backslash or a NUL, all of them as sent
 *   or encoded
 * - 404 if no such file is served: an empty name, a name that begins with a
 *   dot, except `.well-known` at the begin (RFC 8615), or a long one
 */
int zkt__http_file_path(struct zkt_str path, struct zkt_http_file_path *out);

#endif
