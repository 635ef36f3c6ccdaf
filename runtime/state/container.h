/*
 * The storage of lists and maps that a state owns, independent of item types.
 * The items of a list, or the entries of a map, are in a single block, preceded
 * by a header that holds the capacity. Removal from the front only advances the
 * start of the items, so a capped list ("remove the first, append") costs the
 * same at any size.
 */
#ifndef ZKT_STATE_CONTAINER_H
#define ZKT_STATE_CONTAINER_H

#include "base/map.h"
#include "state/value.h"
#include "json/json.h"

/* Blocks that a container has outgrown. They remain readable until the call
 * ends, so that pointers which the handler still holds are stale but valid
 * memory. */
struct zkt_retired {
    struct zkt_retired *next;
    void *block;
    size_t size;
};

/*
 * Opens a gap of @count items before @index; the bytes of the gap are
 * undefined. An outgrown block is kept in *@retired (nodes come from @arena),
 * or freed if @retired is NULL. Returns false, with nothing changed, if there
 * is no memory.
 */
bool zkt__list_open(const struct zkt_store *store, struct zkt_any_list *list,
                    size_t item_size, size_t index, size_t count,
                    struct zkt_arena *arena, struct zkt_retired **retired);
/**
 * Opens a gap to undo zkt__list_close. Cannot fail: the block has held as many
 * items before, and blocks do not shrink.
 */
void zkt__list_reopen(struct zkt_any_list *list, size_t item_size, size_t index,
                      size_t count);
/** Closes a gap; the items in it have been moved out. Cannot fail. */
void zkt__list_close(struct zkt_any_list *list, size_t item_size, size_t index,
                     size_t count);
/** Frees the block; the items have been released. */
void zkt__list_free(const struct zkt_store *store, struct zkt_any_list *list);
/** Frees all blocks of *@retired. */
void zkt__retired_free(const struct zkt_store *store,
                       struct zkt_retired **retired);

/** Returns the address of item @index, writable because the state owns it. */
void *zkt__list_at(const struct zkt_any_list *list, size_t item_size,
                   size_t index);

/**
 * Appends an entry, moving @key and the bytes of @value in; a NULL @value
 * leaves the value zeroed. The map must not contain @key. Returns false, with
 * nothing changed, if there is no memory.
 */
bool zkt__map_add(const struct zkt_store *store, struct zkt_any_map *map,
                  const struct zkt_map_info *info, struct zkt_str key,
                  const void *value, struct zkt_arena *arena,
                  struct zkt_retired **retired);
/** Moves entry @position out into @entry; the last entry fills the hole. */
void zkt__map_take(struct zkt_any_map *map, const struct zkt_map_info *info,
                   uint32_t position, void *entry);
/** Removes the last entry; its bytes remain behind the end. */
void zkt__map_drop_last(struct zkt_any_map *map,
                        const struct zkt_map_info *info);
/** Undoes zkt__map_take. Cannot fail: blocks do not shrink. */
void zkt__map_put_back(const struct zkt_store *store, struct zkt_any_map *map,
                       const struct zkt_map_info *info, uint32_t position,
                       const void *entry);
/** Frees block and index; the entries have been released. */
void zkt__map_free(const struct zkt_store *store, struct zkt_any_map *map);

#endif
