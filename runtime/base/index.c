/*
 * See index.h. Linear probing over a power of two of slots, at most three
 * quarters full. Removal shifts later entries back, so there are no tombstones,
 * and a table that has shrunk stays fast.
 */
#include "base/index.h"

enum {
    SLOTS_MIN = 16
};

static uint64_t make_slot(uint64_t hash, uint32_t position)
{
    return (hash & 0xffffffff00000000u) | (uint64_t)(position + 1);
}

static uint32_t slot_position(uint64_t slot)
{
    return (uint32_t)slot - 1;
}

/* Returns the preferred position of a slot. */
static uint32_t slot_home(const struct zkt_index *index, uint64_t slot)
{
    return (uint32_t)(slot >> 32) & index->mask;
}

uint32_t zkt__index_find(const struct zkt_index *index, uint64_t hash,
                         zkt_index_equal *equal, const void *owner,
                         const void *key, size_t len)
{
    if (index->slots == NULL) {
        return ZKT_INDEX_NONE;
    }
    const uint32_t high = (uint32_t)(hash >> 32);
    for (uint32_t at = high & index->mask;; at = (at + 1) & index->mask) {
        const uint64_t slot = index->slots[at];
        if (slot == 0) {
            return ZKT_INDEX_NONE;
        }
        if ((uint32_t)(slot >> 32) == high &&
            equal(owner, slot_position(slot), key, len)) {
            return slot_position(slot);
        }
    }
}

/* Inserts at the first free position from the preferred one. */
static void insert_slot(struct zkt_index *index, uint64_t slot)
{
    uint32_t at = slot_home(index, slot);
    while (index->slots[at] != 0) {
        at = (at + 1) & index->mask;
    }
    index->slots[at] = slot;
}

bool zkt__index_reserve(struct zkt_index *index, const struct zkt_allocator *a,
                        uint32_t count)
{
    const uint64_t needed = (uint64_t)index->used + count;
    uint64_t slots = index->slots != NULL ? (uint64_t)index->mask + 1 : 0;
    if (needed * 4 <= slots * 3) {
        return true;
    }
    slots = slots > 0 ? slots : SLOTS_MIN;
    while (needed * 4 > slots * 3) {
        slots *= 2;
    }
    if (slots > (uint64_t)1 << 31) {
        return false;
    }
    uint64_t *grown = zkt__alloc_zero(a, (size_t)slots, sizeof(uint64_t));
    if (grown == NULL) {
        return false;
    }
    struct zkt_index old = *index;
    index->slots = grown;
    index->mask = (uint32_t)(slots - 1);
    for (uint32_t i = 0; old.slots != NULL && i <= old.mask; i++) {
        if (old.slots[i] != 0) {
            insert_slot(index, old.slots[i]);
        }
    }
    zkt__release(a, old.slots);
    return true;
}

void zkt__index_add(struct zkt_index *index, uint64_t hash, uint32_t position)
{
    insert_slot(index, make_slot(hash, position));
    index->used++;
}

/* Finds the slot of exactly this entry. */
static uint32_t locate(const struct zkt_index *index, uint64_t hash,
                       uint32_t position)
{
    const uint64_t wanted = make_slot(hash, position);
    uint32_t at = slot_home(index, wanted);
    while (index->slots[at] != wanted) {
        at = (at + 1) & index->mask;
    }
    return at;
}

void zkt__index_remove(struct zkt_index *index, uint64_t hash,
                       uint32_t position)
{
    uint32_t gap = locate(index, hash, position);
    for (uint32_t at = (gap + 1) & index->mask; index->slots[at] != 0;
         at = (at + 1) & index->mask) {
        const uint32_t home = slot_home(index, index->slots[at]);
        /* Move back unless the preferred position is after the gap. */
        if (((at - home) & index->mask) >= ((at - gap) & index->mask)) {
            index->slots[gap] = index->slots[at];
            gap = at;
        }
    }
    index->slots[gap] = 0;
    index->used--;
}

void zkt__index_move(struct zkt_index *index, uint64_t hash, uint32_t from,
                     uint32_t to)
{
    index->slots[locate(index, hash, from)] = make_slot(hash, to);
}

void zkt__index_finish(struct zkt_index *index, const struct zkt_allocator *a)
{
    zkt__release(a, index->slots);
    *index = (struct zkt_index){ 0 };
}
