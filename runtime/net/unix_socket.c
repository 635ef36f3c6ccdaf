/* See unix_socket.h. */
#include "net/unix_socket.h"

#include <stddef.h>
#include <string.h>

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
