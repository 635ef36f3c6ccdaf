/* Unix sockets (unix(7)): their addresses. */
#ifndef ZKT_NET_UNIX_SOCKET_H
#define ZKT_NET_UNIX_SOCKET_H

#include <sys/socket.h>
#include <sys/un.h>

/* The longest path of a socket; a NUL follows it. */
#define ZKT_SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/** Writes the address of @path; `@name` is the abstract address `name`. Returns
 * its length, or 0 if the path is empty or too long. */
socklen_t zkt__socket_unix_address(const char *path, struct sockaddr_un *out);

#endif
