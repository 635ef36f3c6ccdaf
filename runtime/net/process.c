/*
 * See process.h. Descriptors are counted by the size of /proc/self/fd, which
 * Linux tells from version 6.2 on; before, they are listed, and if there are
 * very many the count is left out, for listing them takes milliseconds.
 */
#include "net/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LISTED_MAX = 4096
};

/* Reads the head of a file. Returns false if there is none. */
static bool read_file(const char *name, char *text, size_t size)
{
    FILE *file = fopen(name, "re");
    if (file == NULL) {
        return false;
    }
    const size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return len > 0;
}

/* Returns the time of the boot in seconds since the epoch, or 0. */
static double read_boot(void)
{
    struct timespec wall, boot;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (double)(wall.tv_sec - boot.tv_sec) +
           (double)(wall.tv_nsec - boot.tv_nsec) / 1e9;
}

/* Reads the fields of /proc/self/stat behind the name of the program, which may
 * have any characters: those that proc(5) numbers 22 to 24. */
static bool read_stat(struct zkt_process_stats *out)
{
    char text[2048];
    if (!read_file("/proc/self/stat", text, sizeof(text))) {
        return false;
    }
    const char *at = strrchr(text, ')');
    uint64_t start, size;
    int64_t pages;
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL || sscanf(at, " %" SCNu64 " %" SCNu64 " %" SCNd64, &start,
                             &size, &pages) != 3) {
        return false;
    }
    out->start_seconds = read_boot() +
                         (double)start / (double)sysconf(_SC_CLK_TCK);
    out->virtual_bytes = size;
    out->resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

/* Returns the number of descriptors, or 0 if there are too many to count. */
static uint64_t count_descriptors(void)
{
    static const char name[] = "/proc/self/fd";
    struct stat folder;
    uint64_t count = 0;
    if (stat(name, &folder) == 0 && folder.st_size > 0) {
        return (uint64_t)folder.st_size;
    }
    DIR *listed = opendir(name);
    if (listed == NULL) {
        return 0;
    }
    for (const struct dirent *e = readdir(listed);
         e != NULL && count < LISTED_MAX; e = readdir(listed)) {
        count += e->d_name[0] != '.';
    }
    closedir(listed);
    return count < LISTED_MAX ? count - 1 : 0; /* without the folder's own */
}

static uint64_t read_cpu_ns(void)
{
    struct timespec time;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0
               ? (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec
               : 0;
}

void zkt__process_read(struct zkt_process_stats *out)
{
    struct rlimit files;
    *out = (struct zkt_process_stats){ .is_known = false };
    if (!read_stat(out)) {
        return;
    }
    out->is_known = true;
    out->cpu_ns = read_cpu_ns();
    out->open_fds = count_descriptors();
    out->max_fds = getrlimit(RLIMIT_NOFILE, &files) == 0
                       ? (uint64_t)files.rlim_cur
                       : 0;
}

/* ---- for the program ---- */

enum zkt_status zkt_server_metrics(struct zkt_server *server,
                                   void (*write)(void *user, const char *text,
                                                 size_t len),
                                   void *user)
{
    struct zkt_process_stats process;
    if (!zkt__server_may_call(server, "zkt_server_metrics")) {
        return ZKT_FAILED_PRECONDITION;
    }
    zkt__process_read(&process);
    return zkt__metrics_write(server, &process, write, user);
}
