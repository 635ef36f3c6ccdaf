/*
 * The handles of a client, by cell and generation. To the program a handle is
 * an opaque address: the address of a cell, which is aligned to its size, with
 * the generation of the cell in the low bits. A handle that was closed has an
 * old generation, so it is not found even if its cell is in use again; and the
 * client of a handle is found without a process-wide table.
 *
 * The table outlives its client while handles are open.
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

/* A cell, which has one handle at a time. */
struct zkt_handle {
    struct zkt_handle_table *table;
    struct zkt_client_instance *instance; /* NULL: no handle is open */
    struct zkt_list listeners;
    struct zkt_node closed;          /* in the table's closed cells */
    struct zkt_pending preallocated; /* for a call without memory */
    bool preallocated_used, open;
    uint8_t generation; /* of the open handle, or of the next */
};

/** Returns NULL if there is no memory. */
struct zkt_handle_table *zkt__handle_table_new(
    struct zkt_client *client, const struct zkt_allocator *allocator);
/** The client is freed: the table is freed with its last open handle. */
void zkt__handle_table_detach(struct zkt_handle_table *table);

/** Opens a handle. Returns its cell, or NULL if there is no memory. */
struct zkt_handle *zkt__handle_acquire(struct zkt_handle_table *table);
/** Closes the handle. Other closed cells are used again first. */
void zkt__handle_release(struct zkt_handle *cell);

/** The handle that the program gets. */
struct zkt_handle *zkt__handle_public(struct zkt_handle *cell);
/** The cell of an open handle. Returns NULL for NULL and for closed handles. */
struct zkt_handle *zkt__handle_find(const struct zkt_handle *handle);
/** The client of a handle, open or closed. Returns NULL for NULL and after the
 * client was freed. */
struct zkt_client *zkt__handle_client(const struct zkt_handle *handle);

#endif
