/*
 * How cost grows: each row is work of a size, and is run at 0, n, 2 n and 4 n.
 * Counted are the instructions of run(), and the bytes that it allocates;
 * test/growth/run says what is allowed. A row whose name ends in `, flat` may
 * not grow at all. A file of rows has one function that
 * calls growth_measure for each of its rows, and stands in the table of
 * growth.c.
 */
#ifndef GROWTH_H
#define GROWTH_H

#include <stdbool.h>
#include <stddef.h>

#include "zocket/allocator.h"

struct growth_row {
    const char *name; /* without a `|`; it begins with the file's subject */
    size_t n;         /* the smallest size; 0: 256 */
    const void *with; /* the row's own, for prepare */
    /* Makes the work of size @n; it is not counted. NULL: it failed. */
    void *(*prepare)(const void *with, size_t n);
    /* The work itself. False: it did not do what it should. */
    bool (*run)(void *work);
    void (*finish)(void *work);
};

/* For what is counted: malloc's own cost has steps of its own. It takes from
 * one block, takes nothing back, and is empty before each prepare. */
extern const struct zkt_allocator growth_allocator;

/** Runs @row at each size, if its name was asked for. */
void growth_measure(const struct growth_row *row);

/* The files of rows. */
void growth_client(void);
void growth_codec(void);
void growth_envelope(void);
void growth_server(void);
void growth_state(void);

#endif
