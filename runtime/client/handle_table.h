/*
 * The handles of a client, by slot and generation. A handle as the program has
 * it is an address that nobody reads: a cell, which is aligned to its size, and
 * in the low bits the generation that the cell had when it was opened. So a
 * handle that was closed finds nothing, though its cell is used again; and the
 * client of a handle is found without a table for all of the process.
 *
 * The table outlives its client by the handles that are still open.
 */
#ifndef ZKT_CLIENT_HANDLE_TABLE_H
#define ZKT_CLIENT_HANDLE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/memory.h"
#include "client/calls.h"

struct zkt_client;
struct zkt_client_instance;
struct zkt_handle_table;

#define ZKT_CELL_SIZE 256 /* and so many generations */

/* A cell of the handle table. */
struct zkt_handle {
    struct zkt_handle_table *table;
    struct zkt_client_instance *instance; /* NULL: it is closed */
    struct zkt_list listeners;
    struct zkt_node closed;          /* among those closed, in the table */
    struct zkt_pending preallocated; /* for a call that finds no memory */
    bool preallocated_used, open;
    uint8_t generation; /* of the handle that is open, or opened next */
};

/** Returns NULL if there is no memory. */
struct zkt_handle_table *zkt__handle_table_new(
    struct zkt_client *client, const struct zkt_allocator *allocator);
/** The client is gone: the table goes with its last open handle. */
void zkt__handle_table_detach(struct zkt_handle_table *table);

/** A cell whose handle is open. Returns NULL if there is no memory. */
struct zkt_handle *zkt__handle_acquire(struct zkt_handle_table *table);
/** Closes the handle. The cell is used again when others have been. */
void zkt__handle_release(struct zkt_handle *cell);

/** The handle of a cell for the program. */
struct zkt_handle *zkt__handle_public(struct zkt_handle *cell);
/** The cell of a handle; NULL: the handle is NULL or was closed. */
struct zkt_handle *zkt__handle_find(const struct zkt_handle *handle);
/** The client of a handle, open or not; NULL: it is gone, or there is none. */
struct zkt_client *zkt__handle_client(const struct zkt_handle *handle);

#endif
