/* See list.h. */
#include "util/list.h"

#include <string.h>

void *list_add(struct arena *arena, struct list *list, const void *item,
               size_t size)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity > 0 ? list->capacity * 2 : 8;
        char *grown = arena_alloc(arena, capacity * size);
        if (list->count > 0) {
            memcpy(grown, list->items, list->count * size);
        }
        list->items = grown;
        list->capacity = capacity;
    }
    char *to = (char *)list->items + list->count++ * size;
    return memcpy(to, item, size);
}
