/* Finds the file that a path stands for: the index of a folder, and the
 * encoding that a client prefers. */
#ifndef ZKT_NET_STATIC_FIND_H
#define ZKT_NET_STATIC_FIND_H

#include <sys/stat.h>

#include "http/coding.h"
#include "http/file_path.h"

struct zkt_static_file {
    int fd; /* the caller's to close */
    struct stat attributes;
    enum zkt_http_coding coding;
    const char *type; /* of its contents when they are decoded */
};

/**
 * Finds the file of @path below the folder @root, and opens it. Beside it may
 * lie encoded forms, `.br` and `.gz`; one that is older than the file itself is
 * not used. Returns a status:
 * - 200: the file is *@out
 * - 308: the path is that of a folder with an index, and lacks its last slash
 * - 404: no such file, or it may not be read
 * - 406: the client accepts none of its forms
 * - 503: out of descriptors or memory
 * - 500: another error
 * *@error is an errno value that an operator wants to know, or 0.
 */
int zkt__static_find(const char *root, const struct zkt_http_file_path *path,
                     const struct zkt_http_accepted *accepted,
                     struct zkt_static_file *out, int *error);

#endif
