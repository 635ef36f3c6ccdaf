/*
 * Containers that a state owns, by the bytes. The items of a list, and the
 * entries of a map, stand in one block; in front of the items is a head that
 * knows how many fit. Removing from the front only moves the items' start, so
 * that a capped list ("remove the first, append") costs the same at any size.
 */
#ifndef ZKT_STATE_CONTAINER_H
#define ZKT_STATE_CONTAINER_H

#include "base/map.h"
#include "state/value.h"
#include "json/json.h"

/* Blocks that were outgrown; they stay readable until the call ends, so that
 * what a user still points to is stale but not gone. */
struct zkt_retired {
    struct zkt_retired *next;
    void *block;
    size_t size;
};

/*
 * Opens a gap of @count items before @index, whose bytes are undefined. When
 * the block is outgrown it is kept in *@retired (whose nodes come from
 * @arena), or freed when @retired is NULL. False: no memory, nothing changed.
 */
bool zkt__list_open(const struct zkt_store *store, struct zkt_any_list *list,
                    size_t item_size, size_t index, size_t count,
                    struct zkt_arena *arena, struct zkt_retired **retired);
/**
 * The same to undo a close: the block once held as many and has not shrunk,
 * so it cannot fail.
 */
void zkt__list_reopen(struct zkt_any_list *list, size_t item_size, size_t index,
                      size_t count);
/** Closes such a gap: the items in it have been moved out. Cannot fail. */
void zkt__list_close(struct zkt_any_list *list, size_t item_size, size_t index,
                     size_t count);
/** Frees the block; the items have been released. */
void zkt__list_free(const struct zkt_store *store, struct zkt_any_list *list);
/** Frees all of *@retired. */
void zkt__retired_free(const struct zkt_store *store,
                       struct zkt_retired **retired);

/** Address of item @index, for writing: the state owns it. */
void *zkt__list_at(const struct zkt_any_list *list, size_t item_size,
                   size_t index);

/**
 * Adds an entry, of which key and value are moved in, behind the others; the
 * key is not there yet, and a NULL @value leaves it zeroed. False: no memory,
 * nothing changed.
 */
bool zkt__map_add(const struct zkt_store *store, struct zkt_any_map *map,
                  const struct zkt_map_info *info, struct zkt_str key,
                  const void *value, struct zkt_arena *arena,
                  struct zkt_retired **retired);
/** Takes entry @position out, into @entry; the last one fills its place. */
void zkt__map_take(struct zkt_any_map *map, const struct zkt_map_info *info,
                   uint32_t position, void *entry);
/** Takes the last entry out; its bytes stay behind the end. */
void zkt__map_drop_last(struct zkt_any_map *map,
                        const struct zkt_map_info *info);
/** Undoes zkt__map_take; there is room, since nothing shrinks. */
void zkt__map_put_back(const struct zkt_store *store, struct zkt_any_map *map,
                       const struct zkt_map_info *info, uint32_t position,
                       const void *entry);
/** Frees block and index; the entries have been released. */
void zkt__map_free(const struct zkt_store *store, struct zkt_any_map *map);

#endif
