/*
 * See static_open.h. The kind of a file is looked at before it is opened, since
 * opening a FIFO or a device is seen by others; and again afterwards, since it
 * may have been replaced.
 */
#define _GNU_SOURCE /* O_PATH */
#include "net/static_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"

/* A descriptor to open files in a folder needs no permission to list it. */
#if defined(O_PATH)
#define SEARCH O_PATH
#elif defined(O_SEARCH)
#define SEARCH O_SEARCH
#else
#define SEARCH O_RDONLY
#endif

static int open_at(int folder, const char *name, int flags)
{
    int fd;
    do {
        fd = openat(folder, name, flags | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int zkt__static_open_folder(const char *root,
                            const struct zkt_http_file_path *path, size_t count)
{
    const char *name = path->names;
    int folder = open_at(AT_FDCWD, root, SEARCH | O_DIRECTORY);
    for (size_t i = 0; i < count && folder >= 0; i++) {
        const int next = open_at(folder, name,
                                 SEARCH | O_DIRECTORY | O_NOFOLLOW);
        zkt__socket_close(folder);
        folder = next;
        name += strlen(name) + 1;
    }
    return folder;
}

/* Returns 0 for a regular file, or an error. */
static int judge(const struct stat *file)
{
    return S_ISREG(file->st_mode)   ? 0
           : S_ISDIR(file->st_mode) ? -EISDIR
                                    : -ENOENT;
}

int zkt__static_open_file(int folder, const char *name, struct stat *out)
{
    struct stat before, opened;
    if (fstatat(folder, name, &before, AT_SYMLINK_NOFOLLOW) != 0) {
        return -errno;
    }
    int error = judge(&before);
    if (error != 0) {
        return error;
    }
    const int fd = open_at(folder, name,
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return fd;
    }
    error = fstat(fd, &opened) != 0 ? -errno : judge(&opened);
    if (error != 0) {
        zkt__socket_close(fd);
        return error;
    }
    *out = opened;
    return fd;
}

bool zkt__static_is_absent(int error)
{
    switch (-error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP: /* a symbolic link; EMLINK on FreeBSD */
    case EMLINK:
    case ENAMETOOLONG:
    case ENXIO:  /* a socket */
    case EINVAL: /* a name that this file system cannot have */
        return true;
    default:
        return false;
    }
}
