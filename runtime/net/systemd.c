/* See systemd.h. */
#include "net/systemd.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/listen_address.h"

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
