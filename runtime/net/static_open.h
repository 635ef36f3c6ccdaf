/*
 * Opens files below a folder, whatever the names in it are linked to or
 * replaced by meanwhile: names are opened one by one, each relative to the
 * folder before, and no symbolic link is followed. So a request reads nothing
 * outside of the folder, and never waits for a FIFO or wakes a device.
 *
 * Errors are negative errno values.
 */
#ifndef ZKT_NET_STATIC_OPEN_H
#define ZKT_NET_STATIC_OPEN_H

#include <sys/stat.h>

#include "http/file_path.h"

/**
 * Opens the folder that the first @count names of @path lead to, from @root, to
 * open files in it. @root itself may be a symbolic link, and lead through some.
 * Returns a descriptor or an error.
 */
int zkt__static_open_folder(const char *root,
                            const struct zkt_http_file_path *path,
                            size_t count);

/**
 * Opens a regular file in a folder and stores its attributes in *@out. Returns
 * a descriptor or an error: -EISDIR for a folder, -ENOENT for anything else
 * that is no regular file.
 */
int zkt__static_open_file(int folder, const char *name, struct stat *out);

/** Returns true if an error says that there is no such file, rather than that
 * it could not be opened. */
bool zkt__static_is_absent(int error);

#endif
