/*
 * The end of a call. Undo reverts the changes from the last to the first, and
 * allocates nothing; commit frees the old values.
 */
#include "state/record.h"

/* Undoes a record of the list or map at @at. */
static void undo_container(const struct zkt_store *store,
                           const struct zkt_record *record, void *at)
{
    const struct zkt_type *type = record->where->type;
    const struct zkt_type *item = type->of.lists->item;
    const struct zkt_map_info *info = type->of.maps;
    void *slot;
    switch (record->operation) {
    case ZKT_INSERT:
        for (uint32_t i = 0; i < record->count; i++) {
            zkt__value_release(store, item,
                               zkt__list_at(at, item->size, record->index + i));
        }
        zkt__list_close(at, item->size, record->index, record->count);
        return;
    case ZKT_REPLACE:
        slot = zkt__list_at(at, item->size, record->index);
        zkt__value_release(store, item, slot);
        memcpy(slot, record->old, item->size);
        return;
    case ZKT_REMOVE:
        zkt__list_reopen(at, item->size, record->index, record->count);
        memcpy(zkt__list_at(at, item->size, record->index), record->old,
               record->count * item->size);
        return;
    case ZKT_DELETE:
        zkt__map_put_back(store, at, info, record->index, record->old);
        return;
    case ZKT_CLEAR:
        zkt__value_release(store, type, at);
        memcpy(at, record->old, type->size);
        return;
    case ZKT_PUT:
    case ZKT_SET:
        return;
    }
}

/* Undoes a put without memory for the removed entry. */
static void undo_put(const struct zkt_journal *journal,
                     const struct zkt_record *record, struct zkt_any_map *map)
{
    const struct zkt_map_info *info = record->where->type->of.maps;
    char *entry = (char *)(uintptr_t)map->items;
    if (record->old != NULL) {
        entry += record->index * info->entry_size;
        zkt__value_release(journal->store, info->value,
                           entry + info->value_offset);
        memcpy(entry + info->value_offset, record->old, info->value->size);
        return;
    }
    /* A new entry is the last: dropping it moves no other entry, so it may be
     * released in place. */
    entry += (map->len - 1) * info->entry_size;
    struct zkt_str key = zkt__map_key(map, info->entry_size, map->len - 1);
    zkt__map_drop_last(map, info);
    zkt__value_release(journal->store, info->value, entry + info->value_offset);
    zkt__value_release(journal->store, &zkt_type_string, &key);
}

static void undo_set(const struct zkt_journal *journal,
                     const struct zkt_record *record, void *at)
{
    const struct zkt_field *field =
        &record->where->type->of.structs->fields[record->index];
    char *member = (char *)at + field->offset;
    zkt__value_release(journal->store, field->type, member);
    memcpy(member, record->old, field->type->size);
}

void zkt__journal_undo(struct zkt_journal *journal)
{
    while (journal->count > 0) {
        const struct zkt_record *record = &journal->records[--journal->count];
        void *at = zkt__cursor_resolve(record->where);
        if (record->operation == ZKT_SET) {
            undo_set(journal, record, at);
        } else if (record->operation == ZKT_PUT) {
            undo_put(journal, record, at);
        } else {
            undo_container(journal->store, record, at);
        }
    }
    zkt__retired_free(journal->store, &journal->retired);
    journal->targets = (struct zkt_index){ 0 };
    journal->targets_count = 0;
}

/* Most old values own nothing. */
static void release_old(const struct zkt_store *store,
                        const struct zkt_type *type, void *old)
{
    if (type->owns) {
        zkt__value_release(store, type, old);
    }
}

static void release_record(const struct zkt_store *store,
                           const struct zkt_record *record)
{
    const struct zkt_type *type = record->where->type;
    char *old = record->old;
    switch (record->operation) {
    case ZKT_SET:
        release_old(store, type->of.structs->fields[record->index].type, old);
        return;
    case ZKT_REPLACE:
        release_old(store, type->of.lists->item, old);
        return;
    case ZKT_REMOVE:
        for (uint32_t i = 0; i < record->count; i++) {
            zkt__value_release(store, type->of.lists->item,
                               old + i * type->of.lists->item->size);
        }
        return;
    case ZKT_PUT:
        release_old(store, type->of.maps->value, old);
        return;
    case ZKT_DELETE:
        zkt__value_release(store, &zkt_type_string, old);
        zkt__value_release(store, type->of.maps->value,
                           old + type->of.maps->value_offset);
        return;
    case ZKT_CLEAR:
        zkt__value_release(store, type, old);
        return;
    case ZKT_INSERT:
        return;
    }
}

void zkt__journal_commit(struct zkt_journal *journal)
{
    for (uint32_t i = 0; i < journal->count; i++) {
        if (journal->records[i].old != NULL) {
            release_record(journal->store, &journal->records[i]);
        }
    }
    journal->count = 0;
    zkt__retired_free(journal->store, &journal->retired);
    journal->targets = (struct zkt_index){ 0 };
    journal->targets_count = 0;
}

void zkt__journal_changed_fields(const struct zkt_journal *journal,
                                 void (*fn)(void *user, uint32_t field),
                                 void *user)
{
    uint64_t seen[ZKT_FIELDS_MAX / 64] = { 0 };
    const uint32_t count = journal->root->type->of.structs->count;
    for (uint32_t i = 0; i < journal->count; i++) {
        const struct zkt_cursor *cursor = journal->records[i].where;
        uint32_t field = journal->records[i].index;
        for (; cursor->parent != NULL; cursor = cursor->parent) {
            field = cursor->index;
        }
        seen[field / 64] |= (uint64_t)1 << field % 64;
    }
    for (uint32_t i = 0; i < count; i++) {
        if ((seen[i / 64] >> i % 64 & 1) != 0) {
            fn(user, i);
        }
    }
}
