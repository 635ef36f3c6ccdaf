/* See unix_socket.h. */
#include "net/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "net/socket.h"

socklen_t zkt__socket_unix_address(const char *path, struct sockaddr_un *out)
{
    const size_t len = strlen(path);
    const size_t before = offsetof(struct sockaddr_un, sun_path);
    if (len == 0 || len > ZKT_SOCKET_PATH_MAX) {
        return 0;
    }
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(out->sun_path, path, len);
    if (path[0] != '@') {
        return (socklen_t)(before + len + 1);
    }
    out->sun_path[0] = '\0';
    return (socklen_t)(before + len); /* abstract: all bytes count */
}

/* Returns 0 if the file is a socket on which nobody listens, or an error. A
 * full backlog (EAGAIN) is one of a server. */
static int check_stale(const char *path, const struct sockaddr_un *address,
                       socklen_t len)
{
    struct stat found;
    if (lstat(path, &found) != 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(found.st_mode)) {
        return -EEXIST;
    }
    const int fd = zkt__socket_connect((const struct sockaddr *)address, len);
    if (fd >= 0) {
        zkt__socket_close(fd);
    }
    if (fd >= 0 || fd == -EAGAIN) {
        return -EADDRINUSE;
    }
    return fd == -ECONNREFUSED || fd == -ENOENT ? 0 : fd;
}

/* Binds @fd, in place of a stale socket. Returns 0 or an error. */
static int bind_path(int fd, const char *path)
{
    struct sockaddr_un address;
    const socklen_t len = zkt__socket_unix_address(path, &address);
    if (bind(fd, (const struct sockaddr *)&address, len) == 0) {
        return 0;
    }
    const int error = errno == EADDRINUSE ? check_stale(path, &address, len)
                                          : -errno;
    if (error != 0) {
        return error;
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return -errno;
    }
    return bind(fd, (const struct sockaddr *)&address, len) == 0 ? 0 : -errno;
}

/* Returns 0 or an error, after which the file has been removed. */
static int listen_bound(int fd, const char *path, mode_t mode,
                        struct zkt_socket_file *file)
{
    struct stat made;
    if (lstat(path, &made) != 0) {
        return -errno;
    }
    *file = (struct zkt_socket_file){ path, made.st_dev, made.st_ino };
    /* Nobody can connect before the socket listens. */
    const int error = fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) != 0
                          ? -errno
                          : zkt__socket_start_listening(fd);
    if (error != 0) {
        zkt__socket_remove_file(file);
    }
    return error;
}

int zkt__socket_listen_unix(const char *path, mode_t mode,
                            struct zkt_socket_file *file)
{
    if (strlen(path) > ZKT_SOCKET_PATH_MAX) {
        return -ENAMETOOLONG;
    }
    const int fd = zkt__socket_new(AF_UNIX);
    if (fd < 0) {
        return fd;
    }
    int error = bind_path(fd, path);
    if (error == 0) {
        error = listen_bound(fd, path, mode, file);
    }
    if (error != 0) {
        zkt__socket_close(fd);
        return error;
    }
    return fd;
}

void zkt__socket_remove_file(struct zkt_socket_file *file)
{
    struct stat found;
    if (file->path != NULL && lstat(file->path, &found) == 0 &&
        found.st_dev == file->device && found.st_ino == file->inode) {
        (void)unlink(file->path);
    }
    file->path = NULL;
}
