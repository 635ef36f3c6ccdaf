/*
 * The program of the suite: runs every row at each of its sizes, and tells
 * callgrind to write the cost of each run under "NAME|SIZE". It prints the
 * bytes that each run has allocated as "NAME|SIZE|BYTES". Without callgrind it
 * helps in a debugger.
 *
 *   growth [PART-OF-A-NAME]
 */
#include "growth.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

enum {
    USUAL_N = 256,
    NAME_LEN = 200,
    MEMORY = 1 << 28
};

static const char *wanted = "";
static bool failed;

/* ---- the allocator ---- */

/* The header of each block. */
struct head {
    alignas(16) size_t size;
};

static char *memory;
static size_t used;

static void *allocate(void *user, size_t size)
{
    const size_t whole = (sizeof(struct head) + size + 15) / 16 * 16;
    (void)user;
    if (size > MEMORY || MEMORY - used < whole) {
        return NULL;
    }
    struct head *head = (struct head *)(void *)(memory + used);
    head->size = size;
    used += whole;
    return head + 1;
}

static void *resize(void *user, void *block, size_t size)
{
    void *larger = allocate(user, size);
    if (larger != NULL && block != NULL) {
        const size_t before = ((struct head *)block - 1)->size;
        memcpy(larger, block, before < size ? before : size);
    }
    return larger;
}

static void release(void *user, void *block)
{
    (void)user;
    (void)block;
}

const struct zkt_allocator growth_allocator = { allocate, resize, release,
                                                NULL };

/* ---- rows ---- */

static bool measure_one(const struct growth_row *row, size_t n)
{
    char name[NAME_LEN];
    snprintf(name, sizeof(name), "%s|%zu", row->name, n);
    used = 0;
    void *work = row->prepare(row->with, n);
    if (work == NULL) {
        return false;
    }
    const size_t before = used;
    CALLGRIND_ZERO_STATS;
    const bool good = row->run(work);
    CALLGRIND_DUMP_STATS_AT(name);
    printf("%s|%zu\n", name, used - before);
    row->finish(work);
    return good;
}

void growth_measure(const struct growth_row *row)
{
    const size_t n = row->n > 0 ? row->n : USUAL_N;
    const size_t sizes[] = { 0, n, 2 * n, 4 * n };
    if (strstr(row->name, wanted) == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (!measure_one(row, sizes[i])) {
            fprintf(stderr, "%s fails at %zu\n", row->name, sizes[i]);
            failed = true;
        }
    }
}

int main(int argc, char **argv)
{
    static void (*const files[])(void) = {
        growth_admission, growth_asking,  growth_audience, growth_client,
        growth_codec,     growth_deflate, growth_envelope, growth_files,
        growth_forwarded, growth_frames,  growth_http,     growth_metrics,
        growth_request,   growth_server,  growth_state,    growth_streams,
        growth_timers,
#ifdef HAS_TLS
        growth_tls,
#endif
    };
    wanted = argc > 1 ? argv[1] : wanted;
    memory = malloc(MEMORY);
    if (memory == NULL) {
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        files[i]();
    }
    free(memory);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
