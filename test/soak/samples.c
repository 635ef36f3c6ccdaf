/*
 * See samples.h. The first fifth of the rounds warms up: pools fill, pages are
 * touched. The median of the last fifth may exceed the maximum of the second
 * fifth by the margins below.
 */
#include "samples.h"

#include <dirent.h>
#include <stdlib.h>

enum {
    RESIDENT_MARGIN = 1048576, /* and a fiftieth */
    BYTES_MARGIN = 262144,     /* allocated: spare buffers */
    BLOCKS_MARGIN = 4
};

static struct sample *samples;
static size_t count, room;

static uint64_t read_resident(void)
{
    char path[64];
    unsigned long pages = 0;
    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)soak.server.pid);
    FILE *file = fopen(path, "r");
    SOAK_CHECK(file != NULL && fscanf(file, "%*u %lu", &pages) == 1,
               "the server is gone");
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_descriptors(void)
{
    char path[64];
    uint64_t n = 0;
    snprintf(path, sizeof(path), "/proc/%ld/fd", (long)soak.server.pid);
    DIR *folder = opendir(path);
    SOAK_CHECK(folder != NULL, "the server is gone");
    for (const struct dirent *e; (e = readdir(folder)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    closedir(folder);
    return n;
}

void samples_take(const struct soak_counts *counts)
{
    if (count == room) {
        room = room > 0 ? room * 2 : 64;
        samples = realloc(samples, room * sizeof(samples[0]));
        SOAK_CHECK(samples != NULL, "no memory");
    }
    samples[count++] = (struct sample){ .resident = read_resident(),
                                        .descriptors = count_descriptors(),
                                        .blocks = counts->blocks,
                                        .bytes = counts->bytes };
}

struct sample samples_last(void)
{
    return samples[count - 1];
}

/* ---- the comparison ---- */

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Returns @member of the samples from @from to before @to, sorted. */
static uint64_t *sorted(size_t member, size_t from, size_t to)
{
    uint64_t *values = malloc((to - from) * sizeof(*values));
    SOAK_CHECK(values != NULL, "no memory");
    for (size_t i = from; i < to; i++) {
        values[i - from] = *(const uint64_t *)((const char *)&samples[i] +
                                               member);
    }
    qsort(values, to - from, sizeof(*values), compare);
    return values;
}

static void judge(const char *what, size_t member, uint64_t share,
                  uint64_t margin)
{
    const size_t fifth = count / 5;
    uint64_t *early = sorted(member, fifth, 2 * fifth);
    uint64_t *late = sorted(member, count - fifth, count);
    const uint64_t before = early[fifth - 1], after = late[fifth / 2];
    const uint64_t most = before + (share > 0 ? before / share : 0) + margin;
    printf("soak: %-20s %10" PRIu64 " %10" PRIu64 "  at most %" PRIu64 "\n",
           what, before, after, most);
    fflush(stdout);
    SOAK_CHECK(after <= most, "%s grew from %" PRIu64 " to %" PRIu64, what,
               before, after);
    free(early);
    free(late);
}

void samples_judge(void)
{
    SOAK_CHECK(count >= 10, "%zu rounds are too few to see growth", count);
    /* Exact counts come first: they name the cause of what grows. */
    judge("descriptors", offsetof(struct sample, descriptors), 0, 0);
    judge("bytes asked for", offsetof(struct sample, bytes), 0, BYTES_MARGIN);
    judge("blocks", offsetof(struct sample, blocks), 0, BLOCKS_MARGIN);
    /* The memory that sanitizers keep for each thread does not count. */
    if (getenv("SOAK_NOT_RESIDENT") == NULL) {
        judge("resident bytes", offsetof(struct sample, resident), 50,
              RESIDENT_MARGIN);
    }
}

void samples_finish(void)
{
    free(samples);
}
