/*
 * See observer.h. The changes come from the delta of the patch, which has each
 * entry and each item once, so a change is told with the value that the state
 * has after the patch. Changes of a list are told by rising index: an index
 * holds for a list to which all changes before were applied.
 */
#include "client/observer.h"

#include "client/core.h"
#include "client/instance.h"
#include "client/listener.h"
#include "state/delta.h"

/* The changes of a field on their way to an observer. */
struct telling {
    const struct zkt_client *client;
    struct zkt_listener *listener;
    const struct zkt_type *type;
    const void *value; /* of the field */
};

/* Returns false if the observer is to get no more. */
static bool tell(const struct telling *t, struct zkt_observed change)
{
    struct zkt_listener *l = t->listener;
    if (l->removed || t->client->close_wanted) {
        return false;
    }
    l->observe(l->observer, &change, l->user);
    return true;
}

static void tell_reset(const struct telling *t)
{
    (void)tell(t, (struct zkt_observed){ .kind = ZKT_OBSERVED_RESET,
                                         .value = t->value });
}

/* ---- maps ---- */

static bool tell_entry(const struct telling *t, const struct zkt_change *change)
{
    const struct zkt_map_info *info = t->type->of.maps;
    const struct zkt_any_map *map = t->value;
    const uint32_t position = zkt__map_position(map, info->entry_size,
                                                change->key);
    struct zkt_observed told = { .kind = ZKT_OBSERVED_REMOVED,
                                 .key = change->key };
    if (position != ZKT_INDEX_NONE) {
        told.kind = ZKT_OBSERVED_PUT;
        told.key = zkt__map_key(map, info->entry_size, position);
        told.value = (const char *)map->items + position * info->entry_size +
                     info->value_offset;
    } else if (!change->existed) {
        return true; /* added and removed */
    }
    return tell(t, told);
}

static void tell_map(const struct telling *t, const struct zkt_delta *delta)
{
    bool wanted = true;
    for (uint32_t i = 0; i < delta->change_count && wanted; i++) {
        wanted = tell_entry(t, &delta->changes[i]);
    }
}

/* ---- lists ---- */

/* Tells of the items from @index on, which are in the list. */
static bool tell_items(const struct telling *t, enum zkt_observed_kind kind,
                       size_t index, size_t count)
{
    const struct zkt_any_list *list = t->value;
    const size_t size = t->type->of.lists->item->size;
    bool wanted = true;
    for (size_t i = index; i < index + count && wanted; i++) {
        wanted = tell(t, (struct zkt_observed){
                             .kind = kind,
                             .index = i,
                             .value = (const char *)list->items + i * size,
                         });
    }
    return wanted;
}

static bool tell_piece(const struct telling *t, const struct zkt_piece *piece,
                       size_t index)
{
    switch (piece->kind) {
    case ZKT_PIECE_KEEP:
        return piece->child == NULL ||
               tell_items(t, ZKT_OBSERVED_CHANGED, index, 1);
    case ZKT_PIECE_NEW:
        return tell_items(t, ZKT_OBSERVED_INSERTED, index, piece->count);
    case ZKT_PIECE_REPLACED:
        return tell_items(t, ZKT_OBSERVED_CHANGED, index, 1);
    case ZKT_PIECE_REMOVED:
        return tell(t, (struct zkt_observed){ .kind = ZKT_OBSERVED_REMOVED,
                                              .index = index });
    }
    return true;
}

/* The last piece is kept items without end. */
static void tell_list(const struct telling *t, const struct zkt_delta *delta)
{
    size_t index = 0;
    bool wanted = true;
    for (uint32_t i = 0; i < delta->piece_count && wanted; i++) {
        wanted = tell_piece(t, &delta->pieces[i], index);
        index += zkt__piece_items(&delta->pieces[i]);
    }
}

/* ---- a field ---- */

static const struct zkt_change *find_change(const struct zkt_delta *patch,
                                            uint32_t field)
{
    for (uint32_t i = 0; patch != NULL && i < patch->change_count; i++) {
        if (patch->changes[i].field == field) {
            return &patch->changes[i];
        }
    }
    return NULL;
}

void zkt__observer_notify(const struct zkt_client *client,
                          const struct zkt_client_instance *instance,
                          struct zkt_listener *l, const struct zkt_delta *patch)
{
    const struct zkt_field *field =
        &instance->actor->state->of.structs->fields[l->index];
    const struct telling t = {
        .client = client,
        .listener = l,
        .type = field->type,
        .value = (const char *)instance->state + field->offset,
    };
    const struct zkt_change *change = find_change(patch, l->index);
    if (change == NULL || change->child == NULL || change->child->whole) {
        tell_reset(&t);
    } else if (field->type->kind == ZKT_KIND_MAP) {
        tell_map(&t, change->child);
    } else {
        tell_list(&t, change->child);
    }
}
