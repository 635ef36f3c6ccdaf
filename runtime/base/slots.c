/* See slots.h. Free slots form a list, last freed first. */
#include "base/slots.h"

enum {
    FIRST_CAPACITY = 16
};

#define NO_SLOT UINT32_MAX

void zkt__slots_init(struct zkt_slots *slots, const struct zkt_allocator *a)
{
    *slots = (struct zkt_slots){ .allocator = a, .free_head = NO_SLOT };
}

/* The arrays grow separately; on failure those already grown stay larger. */
static bool grow(struct zkt_slots *slots)
{
    if (slots->capacity > UINT32_MAX / 4) {
        return false;
    }
    const uint32_t capacity = slots->capacity > 0 ? slots->capacity * 2
                                                  : FIRST_CAPACITY;
    void **objects = zkt__resize(slots->allocator, slots->objects,
                                 capacity * sizeof(void *));
    if (objects == NULL) {
        return false;
    }
    slots->objects = objects;
    uint32_t *generations = zkt__resize(slots->allocator, slots->generations,
                                        capacity * sizeof(uint32_t));
    if (generations == NULL) {
        return false;
    }
    slots->generations = generations;
    uint32_t *next = zkt__resize(slots->allocator, slots->next_free,
                                 capacity * sizeof(uint32_t));
    if (next == NULL) {
        return false;
    }
    slots->next_free = next;
    slots->capacity = capacity;
    return true;
}

zkt_handle_id zkt__slots_add(struct zkt_slots *slots, void *object)
{
    uint32_t slot = slots->free_head;
    if (slot != NO_SLOT) {
        slots->free_head = slots->next_free[slot];
    } else {
        if (slots->count == slots->capacity && !grow(slots)) {
            return 0;
        }
        slot = slots->count++;
        slots->generations[slot] = 1;
    }
    slots->objects[slot] = object;
    slots->live++;
    return (zkt_handle_id)slots->generations[slot] << 32 | slot;
}

void *zkt__slots_find(const struct zkt_slots *slots, zkt_handle_id id)
{
    const uint32_t slot = (uint32_t)id;
    if (slot >= slots->count ||
        slots->generations[slot] != (uint32_t)(id >> 32)) {
        return NULL;
    }
    return slots->objects[slot];
}

void zkt__slots_remove(struct zkt_slots *slots, zkt_handle_id id)
{
    if (zkt__slots_find(slots, id) == NULL) {
        return;
    }
    const uint32_t slot = (uint32_t)id;
    slots->objects[slot] = NULL;
    slots->generations[slot]++;
    if (slots->generations[slot] == 0) {
        slots->generations[slot] = 1;
    }
    slots->next_free[slot] = slots->free_head;
    slots->free_head = slot;
    slots->live--;
}

void zkt__slots_finish(struct zkt_slots *slots)
{
    zkt__release(slots->allocator, slots->objects);
    zkt__release(slots->allocator, slots->generations);
    zkt__release(slots->allocator, slots->next_free);
    zkt__slots_init(slots, slots->allocator);
}
