/* See container.h. */
#include "state/container.h"

#include "base/poison.h"

enum {
    FIRST_CAPACITY = 4
};

/* Precedes the items immediately. Copied in and out with memcpy, since items of
 * odd sizes leave it unaligned. */
struct head {
    size_t room; /* capacity, counted from the first item */
    size_t gap;  /* bytes between the start of the block and this header */
};

static struct head get_head(const struct zkt_any_list *list)
{
    struct head head = { 0, 0 };
    if (list->items != NULL) {
        memcpy(&head, (const char *)list->items - sizeof(head), sizeof(head));
    }
    return head;
}

static void set_items(struct zkt_any_list *list, char *items, struct head head)
{
    memcpy(items - sizeof(head), &head, sizeof(head));
    list->items = items;
}

static char *block_of(const struct zkt_any_list *list, struct head head)
{
    return (char *)(uintptr_t)list->items - sizeof(head) - head.gap;
}

void *zkt__list_at(const struct zkt_any_list *list, size_t item_size,
                   size_t index)
{
    return (char *)(uintptr_t)list->items + index * item_size;
}

void zkt__list_free(const struct zkt_store *store, struct zkt_any_list *list)
{
    if (list->items != NULL) {
        zkt__release(store->allocator, block_of(list, get_head(list)));
    }
    *list = (struct zkt_any_list){ NULL, 0 };
}

/* Keeps the outgrown block until the call ends; frees it if @retired is
 * NULL. */
static bool retire(const struct zkt_store *store,
                   const struct zkt_any_list *list, size_t item_size,
                   struct zkt_arena *arena, struct zkt_retired **retired)
{
    const struct head head = get_head(list);
    char *block = block_of(list, head);
    if (retired == NULL) {
        zkt__release(store->allocator, block);
        return true;
    }
    struct zkt_retired *kept = zkt__arena_alloc(arena, sizeof(*kept));
    if (kept == NULL) {
        return false;
    }
    *kept = (struct zkt_retired){
        .next = *retired,
        .block = block,
        .size = sizeof(head) + head.gap + head.room * item_size,
    };
    *retired = kept;
    ZKT_POISON(block, kept->size);
    return true;
}

void zkt__retired_free(const struct zkt_store *store,
                       struct zkt_retired **retired)
{
    while (*retired != NULL) {
        struct zkt_retired *kept = *retired;
        *retired = kept->next;
        ZKT_UNPOISON(kept->block, kept->size);
        zkt__release(store->allocator, kept->block);
    }
}

static bool grow(const struct zkt_store *store, struct zkt_any_list *list,
                 size_t item_size, size_t wanted, struct zkt_arena *arena,
                 struct zkt_retired **retired)
{
    size_t room = list->len < FIRST_CAPACITY ? FIRST_CAPACITY : list->len * 2;
    room = room < wanted ? wanted : room;
    if (room > (SIZE_MAX / 2) / item_size || room >= UINT32_MAX) {
        return false;
    }
    char *block = zkt__alloc(store->allocator,
                             sizeof(struct head) + room * item_size);
    if (block == NULL) {
        return false;
    }
    char *items = block + sizeof(struct head);
    if (list->len > 0) {
        memcpy(items, list->items, list->len * item_size);
    }
    if (list->items != NULL &&
        !retire(store, list, item_size, arena, retired)) {
        zkt__release(store->allocator, block);
        return false;
    }
    set_items(list, items, (struct head){ .room = room, .gap = 0 });
    return true;
}

/* Moves the items back to the start of their block, over the gap. */
static void slide(struct zkt_any_list *list, size_t item_size)
{
    const struct head head = get_head(list);
    char *items = block_of(list, head) + sizeof(head);
    memmove(items, list->items, list->len * item_size);
    set_items(list, items,
              (struct head){ .room = head.room + head.gap / item_size });
}

/* Makes room for @count more items: slides over the front gap once it is at
 * least as large as the items, which bounds the moves per item by a constant;
 * else grows. */
static bool make_room(const struct zkt_store *store, struct zkt_any_list *list,
                      size_t item_size, size_t count, struct zkt_arena *arena,
                      struct zkt_retired **retired)
{
    const struct head head = get_head(list);
    const size_t wanted = list->len + count;
    if (wanted < count) {
        return false;
    }
    if (wanted <= head.room) {
        return true;
    }
    if (head.gap >= list->len * item_size &&
        wanted <= head.room + head.gap / item_size) {
        slide(list, item_size);
        return true;
    }
    return grow(store, list, item_size, wanted, arena, retired);
}

/* Opens the gap by moving the start of the items, if the front gap is large
 * enough. */
static bool open_front(struct zkt_any_list *list, size_t item_size,
                       size_t count)
{
    struct head head = get_head(list);
    if (head.gap < count * item_size) {
        return false;
    }
    char *items = (char *)(uintptr_t)list->items - count * item_size;
    head.gap -= count * item_size;
    head.room += count;
    set_items(list, items, head);
    list->len += count;
    return true;
}

/* Moves the items from @index on back by @count; the capacity suffices. */
static void shift(struct zkt_any_list *list, size_t item_size, size_t index,
                  size_t count)
{
    char *at = zkt__list_at(list, item_size, index);
    memmove(at + count * item_size, at, (list->len - index) * item_size);
    list->len += count;
}

bool zkt__list_open(const struct zkt_store *store, struct zkt_any_list *list,
                    size_t item_size, size_t index, size_t count,
                    struct zkt_arena *arena, struct zkt_retired **retired)
{
    if (count == 0 || (index == 0 && open_front(list, item_size, count))) {
        return true;
    }
    if (!make_room(store, list, item_size, count, arena, retired)) {
        return false;
    }
    shift(list, item_size, index, count);
    return true;
}

void zkt__list_reopen(struct zkt_any_list *list, size_t item_size, size_t index,
                      size_t count)
{
    if (index == 0 && open_front(list, item_size, count)) {
        return;
    }
    if (list->len + count > get_head(list).room) {
        slide(list, item_size);
    }
    shift(list, item_size, index, count);
}

void zkt__list_close(struct zkt_any_list *list, size_t item_size, size_t index,
                     size_t count)
{
    list->len -= count;
    if (index == 0 && list->items != NULL) {
        struct head head = get_head(list);
        head.gap += count * item_size;
        head.room -= count;
        set_items(list, zkt__list_at(list, item_size, count), head);
        return;
    }
    char *at = zkt__list_at(list, item_size, index);
    memmove(at, at + count * item_size, (list->len - index) * item_size);
}

/* ---- maps ---- */

static uint64_t hash_key(const struct zkt_map_index *index, struct zkt_str key)
{
    return zkt__hash(&index->key, key.data, key.len);
}

static struct zkt_map_index *index_of(const struct zkt_any_map *map)
{
    return (struct zkt_map_index *)(uintptr_t)map->index_;
}

/* Makes an index of the existing entries, with room for another. */
static bool make_index(const struct zkt_store *store, struct zkt_any_map *map,
                       size_t entry_size)
{
    struct zkt_map_index *index = zkt__alloc_zero(store->allocator, 1,
                                                  sizeof(*index));
    if (index == NULL) {
        return false;
    }
    index->key = store->key;
    if (!zkt__index_reserve(&index->index, store->allocator,
                            (uint32_t)map->len + 1)) {
        zkt__release(store->allocator, index);
        return false;
    }
    for (uint32_t i = 0; i < map->len; i++) {
        zkt__index_add(&index->index,
                       hash_key(index, zkt__map_key(map, entry_size, i)), i);
    }
    map->index_ = index;
    return true;
}

static bool reserve_entry(const struct zkt_store *store,
                          struct zkt_any_map *map, size_t entry_size)
{
    struct zkt_map_index *index = index_of(map);
    if (index != NULL) {
        return zkt__index_reserve(&index->index, store->allocator, 1);
    }
    return map->len < ZKT_MAP_LINEAR || make_index(store, map, entry_size);
}

/* Makes room for an entry at the end of a map's items. */
static bool open_last(const struct zkt_store *store, struct zkt_any_map *map,
                      size_t entry_size, struct zkt_arena *arena,
                      struct zkt_retired **retired)
{
    struct zkt_any_list list = { map->items, map->len };
    const bool good = zkt__list_open(store, &list, entry_size, list.len, 1,
                                     arena, retired);
    map->items = list.items;
    map->len = list.len;
    if (map->index_ != NULL) {
        index_of(map)->items = list.items;
    }
    return good;
}

static char *entry_at(const struct zkt_any_map *map, size_t entry_size,
                      size_t position)
{
    return (char *)(uintptr_t)map->items + position * entry_size;
}

bool zkt__map_add(const struct zkt_store *store, struct zkt_any_map *map,
                  const struct zkt_map_info *info, struct zkt_str key,
                  const void *value, struct zkt_arena *arena,
                  struct zkt_retired **retired)
{
    if (!reserve_entry(store, map, info->entry_size) ||
        !open_last(store, map, info->entry_size, arena, retired)) {
        return false;
    }
    const uint32_t position = (uint32_t)map->len - 1;
    char *entry = entry_at(map, info->entry_size, position);
    memset(entry, 0, info->entry_size);
    memcpy(entry, &key, sizeof(key));
    if (value != NULL) {
        memcpy(entry + info->value_offset, value, info->value->size);
    }
    if (map->index_ != NULL) {
        zkt__index_add(&index_of(map)->index, hash_key(index_of(map), key),
                       position);
    }
    return true;
}

void zkt__map_take(struct zkt_any_map *map, const struct zkt_map_info *info,
                   uint32_t position, void *entry)
{
    const size_t size = info->entry_size;
    const uint32_t last = (uint32_t)map->len - 1;
    struct zkt_map_index *index = index_of(map);
    if (index != NULL) {
        zkt__index_remove(&index->index,
                          hash_key(index, zkt__map_key(map, size, position)),
                          position);
        if (position != last) {
            zkt__index_move(&index->index,
                            hash_key(index, zkt__map_key(map, size, last)),
                            last, position);
        }
    }
    memcpy(entry, entry_at(map, size, position), size);
    if (position != last) {
        memcpy(entry_at(map, size, position), entry_at(map, size, last), size);
    }
    map->len = last;
}

void zkt__map_drop_last(struct zkt_any_map *map,
                        const struct zkt_map_info *info)
{
    const uint32_t last = (uint32_t)map->len - 1;
    struct zkt_map_index *index = index_of(map);
    if (index != NULL) {
        zkt__index_remove(
            &index->index,
            hash_key(index, zkt__map_key(map, info->entry_size, last)), last);
    }
    map->len = last;
}

void zkt__map_put_back(const struct zkt_store *store, struct zkt_any_map *map,
                       const struct zkt_map_info *info, uint32_t position,
                       const void *entry)
{
    const size_t size = info->entry_size;
    const uint32_t last = (uint32_t)map->len;
    struct zkt_map_index *index = index_of(map);
    (void)open_last(store, map, size, NULL, NULL); /* cannot fail */
    if (position != last) {
        if (index != NULL) {
            zkt__index_move(&index->index,
                            hash_key(index, zkt__map_key(map, size, position)),
                            position, last);
        }
        memcpy(entry_at(map, size, last), entry_at(map, size, position), size);
    }
    memcpy(entry_at(map, size, position), entry, size);
    if (index != NULL) {
        zkt__index_add(&index->index,
                       hash_key(index, zkt__map_key(map, size, position)),
                       position);
    }
}

void zkt__map_free(const struct zkt_store *store, struct zkt_any_map *map)
{
    struct zkt_any_list list = { map->items, map->len };
    struct zkt_map_index *index = index_of(map);
    zkt__list_free(store, &list);
    if (index != NULL) {
        zkt__index_finish(&index->index, store->allocator);
        zkt__release(store->allocator, index);
    }
    *map = (struct zkt_any_map){ NULL, 0, NULL };
}
