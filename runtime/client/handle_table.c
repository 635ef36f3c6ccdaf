/* See handle_table.h. Cells come in chunks, each twice as large as before. */
#include "client/handle_table.h"

enum {
    FIRST_CELLS = 4,
    MOST_CELLS = 256,
    REUSE_AFTER =
        256 /* closed cells that wait before the oldest is used again */
};

_Static_assert(sizeof(struct zkt_handle) <= ZKT_CELL_SIZE,
               "a handle fits into its cell");

struct chunk {
    struct chunk *next;
};

struct zkt_handle_table {
    struct zkt_client *client; /* NULL: it was freed */
    const struct zkt_allocator *allocator;
    struct chunk *chunks;
    char *unused; /* the next cell of the last chunk that was never used */
    uint32_t unused_count;  /* cells left there */
    uint32_t chunk_size;    /* of the last chunk */
    struct zkt_list closed; /* oldest first */
    uint32_t closed_count, open_count;
};

struct zkt_handle_table *zkt__handle_table_new(
    struct zkt_client *client, const struct zkt_allocator *allocator)
{
    struct zkt_handle_table *table = zkt__alloc_zero(allocator, 1,
                                                     sizeof(*table));
    if (table != NULL) {
        table->client = client;
        table->allocator = allocator;
        zkt__list_init(&table->closed);
    }
    return table;
}

static void release_if_empty(struct zkt_handle_table *table)
{
    if (table->client != NULL || table->open_count > 0) {
        return;
    }
    while (table->chunks != NULL) {
        struct chunk *chunk = table->chunks;
        table->chunks = chunk->next;
        zkt__release(table->allocator, chunk);
    }
    zkt__release(table->allocator, table);
}

void zkt__handle_table_detach(struct zkt_handle_table *table)
{
    if (table != NULL) {
        table->client = NULL;
        release_if_empty(table);
    }
}

static bool add_chunk(struct zkt_handle_table *table)
{
    uint32_t cells = table->chunk_size * 2;
    cells = cells == 0 ? FIRST_CELLS : cells > MOST_CELLS ? MOST_CELLS : cells;
    /* An additional cell: room for the head and the alignment. */
    struct chunk *chunk = zkt__alloc_zero(table->allocator, cells + 1,
                                          ZKT_CELL_SIZE);
    if (chunk == NULL) {
        return false;
    }
    chunk->next = table->chunks;
    table->chunks = chunk;
    const uintptr_t first = (uintptr_t)(chunk + 1) + ZKT_CELL_SIZE - 1;
    const size_t gap = (first & ~(uintptr_t)(ZKT_CELL_SIZE - 1)) -
                       (uintptr_t)chunk;
    table->unused = (char *)chunk + gap;
    table->unused_count = table->chunk_size = cells;
    return true;
}

/* Takes the oldest closed cell. Returns NULL if too few are closed, or if its
 * preallocated call is in progress. */
static struct zkt_handle *take_closed(struct zkt_handle_table *table)
{
    if (table->closed_count < REUSE_AFTER) {
        return NULL;
    }
    struct zkt_node *oldest = zkt__list_first(&table->closed);
    struct zkt_handle *cell = ZKT_CONTAINER(oldest, struct zkt_handle, closed);
    zkt__node_unlink(oldest);
    if (cell->preallocated_used) {
        zkt__list_append(&table->closed, oldest);
        return NULL;
    }
    table->closed_count--;
    return cell;
}

struct zkt_handle *zkt__handle_acquire(struct zkt_handle_table *table)
{
    struct zkt_handle *cell = take_closed(table);
    if (cell == NULL) {
        if (table->unused_count == 0 && !add_chunk(table)) {
            return NULL;
        }
        cell = (struct zkt_handle *)(void *)table->unused;
        table->unused += ZKT_CELL_SIZE;
        table->unused_count--;
        cell->table = table;
    }
    cell->open = true;
    zkt__list_init(&cell->listeners);
    table->open_count++;
    return cell;
}

void zkt__handle_release(struct zkt_handle *cell)
{
    struct zkt_handle_table *table = cell->table;
    cell->open = false;
    cell->instance = NULL;
    cell->generation++;
    zkt__list_append(&table->closed, &cell->closed);
    table->closed_count++;
    table->open_count--;
    release_if_empty(table);
}

struct zkt_handle *zkt__handle_public(struct zkt_handle *cell)
{
    return (struct zkt_handle *)((uintptr_t)cell + cell->generation);
}

static struct zkt_handle *cell_of(const struct zkt_handle *handle)
{
    return (struct zkt_handle *)((uintptr_t)handle &
                                 ~(uintptr_t)(ZKT_CELL_SIZE - 1));
}

struct zkt_handle *zkt__handle_find(const struct zkt_handle *handle)
{
    struct zkt_handle *cell = cell_of(handle);
    return cell != NULL && cell->open && zkt__handle_public(cell) == handle
               ? cell
               : NULL;
}

struct zkt_client *zkt__handle_client(const struct zkt_handle *handle)
{
    return handle != NULL ? cell_of(handle)->table->client : NULL;
}
