/*
 * How cost grows: each row is work of a size, run at 0, n, 2 n and 4 n. The
 * instructions of run() and the bytes that it allocates are counted;
 * test/growth/run has the limits. A row with a name that ends in `, flat` may
 * not grow at all. A file of rows has a function that calls growth_measure for
 * each of its rows, and is listed in the table of growth.c.
 */
#ifndef GROWTH_H
#define GROWTH_H

#include <stdbool.h>
#include <stddef.h>

#include "zocket/allocator.h"

struct growth_row {
    const char *name; /* without a `|`; begins with the file's subject */
    size_t n;         /* the smallest size; 0 means 256 */
    const void *with; /* an argument for prepare */
    /* Prepares the work of size @n, uncounted. Returns NULL on failure. */
    void *(*prepare)(const void *with, size_t n);
    /* The work itself. Returns false if its result is wrong. */
    bool (*run)(void *work);
    void (*finish)(void *work);
};

/* The allocator of the counted work: malloc's cost has steps of its own. It
 * takes from a single block, reuses nothing, and is empty before each
 * prepare. */
extern const struct zkt_allocator growth_allocator;

/** Runs @row at each size, if its name was selected. */
void growth_measure(const struct growth_row *row);

/* The files of rows. */
void growth_admission(void);
void growth_asking(void);
void growth_audience(void);
void growth_client(void);
void growth_codec(void);
void growth_deflate(void);
void growth_envelope(void);
void growth_files(void);
void growth_forwarded(void);
void growth_frames(void);
void growth_http(void);
void growth_metrics(void);
void growth_request(void);
void growth_server(void);
void growth_state(void);
void growth_streams(void);
void growth_timers(void);
void growth_tls(void); /* where there is zocket-tls */

#endif
