/* See systemd.h. */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "net/systemd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/listen_address.h"
#include "net/socket.h"
#include "net/unix_socket.h"

int zkt__systemd_descriptors(int most)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    if (pid == NULL || count == NULL) {
        return 0;
    }
    const int process = zkt__listen_parse_number(pid, INT_MAX);
    if (process < 0) {
        return -1;
    }
    return process == getpid() ? zkt__listen_parse_number(count, most) : 0;
}

/* A manager that does not read delays the service no longer than this. */
static const struct timeval send_timeout = { .tv_sec = 5 };

int zkt__systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    if (path == NULL) {
        return 0;
    }
    const socklen_t len = zkt__socket_unix_address(path, &address);
    if (len == 0 || (path[0] != '/' && path[0] != '@') || path[1] == '\0') {
        return -EINVAL;
    }
    const int fd = zkt__socket_above_stdio(
        socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd < 0) {
        return fd;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send_timeout,
                     sizeof(send_timeout));
    const ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                                (const struct sockaddr *)&address, len);
    const int error = sent < 0 ? -errno : 0;
    zkt__socket_close(fd);
    return error;
}
