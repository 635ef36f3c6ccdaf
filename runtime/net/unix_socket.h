/*
 * Unix sockets (unix(7)): their addresses, and the file of a listening socket.
 * Errors are negative errno values, as in socket.h.
 */
#ifndef ZKT_NET_UNIX_SOCKET_H
#define ZKT_NET_UNIX_SOCKET_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* The longest path of a socket; a NUL follows it. */
#define ZKT_SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/* The file of a listening socket that this process has bound. */
struct zkt_socket_file {
    const char *path; /* borrowed; NULL: there is no file */
    dev_t device;
    ino_t inode;
};

/** Writes the address of @path; `@name` is the abstract address `name`. Returns
 * its length, or 0 if the path is empty or too long. */
socklen_t zkt__socket_unix_address(const char *path, struct sockaddr_un *out);

/**
 * Listens on @path. The file is accessible by @mode, whatever the umask is,
 * before the first client can connect. A stale socket, on which nobody listens,
 * is replaced. Returns the socket and stores its file, or returns an error:
 * -EADDRINUSE if a server listens there, -EEXIST if the file is no socket,
 * -ENAMETOOLONG.
 */
int zkt__socket_listen_unix(const char *path, mode_t mode,
                            struct zkt_socket_file *file);

/** Removes the file unless another file has its path by now, and forgets it. */
void zkt__socket_remove_file(struct zkt_socket_file *file);

#endif
