/* A growing array in an arena. */
#ifndef LIST_H
#define LIST_H

#include "util/arena.h"

/* Zeroed: empty. */
struct list {
    void *items;
    size_t count, capacity;
};

/** Adds a copy of @item, which has @size bytes, and returns it; it moves when
 * the next item is added. All items of a list have the same size. */
void *list_add(struct arena *arena, struct list *list, const void *item,
               size_t size);

#endif
