/*
 * The mutators. Each first does everything that can fail: checks, copies the
 * argument (which may alias the state) and reserves a record. Then it changes
 * the state and writes the record, which cannot fail.
 */
#include "state/journal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "state/record.h"
#include "json/rules.h"

enum {
    FIRST_RECORDS = 4,
    REASON_MAX = 200
};

bool zkt__journal_begin(struct zkt_journal *journal,
                        const struct zkt_store *store, struct zkt_arena *arena,
                        struct zkt_issues *issues, const struct zkt_type *type,
                        void *state, uint32_t limit)
{
    *journal = (struct zkt_journal){
        .store = store,
        .arena = arena,
        .limit = limit,
        .pieces_max = ZKT_PIECES_DEFAULT,
        .checks = true,
        .issues = issues,
        .reason = "",
    };
    struct zkt_cursor *root = zkt__arena_alloc(arena, sizeof(*root));
    if (root == NULL) {
        return false;
    }
    *root = (struct zkt_cursor){
        .journal = journal,
        .type = type,
        .at = state,
        .step = ZKT_STEP_ROOT,
    };
    journal->root = root;
    return true;
}

void zkt__journal_restart(struct zkt_journal *journal)
{
    *journal = (struct zkt_journal){
        .store = journal->store,
        .arena = journal->arena,
        .root = journal->root,
        .records = journal->records,
        .capacity = journal->capacity,
        .limit = journal->limit,
        .pieces_max = ZKT_PIECES_DEFAULT,
        .checks = true,
        .issues = journal->issues,
        .reason = "",
    };
    journal->root->seen = 0;
}

void zkt__journal_fail(struct zkt_journal *journal, enum zkt_status status,
                       const char *reason, ...)
{
    if (journal->failure != ZKT_OK) {
        return;
    }
    char text[REASON_MAX];
    va_list arguments;
    va_start(arguments, reason);
    (void)vsnprintf(text, sizeof(text), reason, arguments);
    va_end(arguments);
    const struct zkt_str kept = zkt__arena_str(journal->arena, zkt_cstr(text));
    journal->failure = status;
    journal->reason = kept.data != NULL ? kept.data : "out of memory";
}

static void fail_memory(struct zkt_journal *journal)
{
    zkt__journal_fail(journal, ZKT_NO_MEMORY, "no memory to change the state");
}

/* ---- records ---- */

/* Inline values move with their records. */
static bool grow_records(struct zkt_journal *journal, uint32_t capacity)
{
    struct zkt_record *grown = zkt__arena_resize(
        journal->arena, journal->records, journal->capacity * sizeof(*grown),
        capacity * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < journal->count && grown != journal->records; i++) {
        grown[i].old = grown[i].is_small ? grown[i].small : grown[i].old;
    }
    journal->records = grown;
    journal->capacity = capacity;
    return true;
}

/* Returns the next record, or NULL with the journal poisoned. The record takes
 * effect with journal->count++. */
static struct zkt_record *reserve(struct zkt_journal *journal)
{
    if (journal->count == journal->limit) {
        journal->over = true;
        zkt__journal_fail(journal, ZKT_INTERNAL,
                          "more than %u changes in one call", journal->limit);
        return NULL;
    }
    if (journal->count == journal->capacity) {
        const uint32_t capacity = journal->capacity > 0 ? journal->capacity * 2
                                                        : FIRST_RECORDS;
        if (!grow_records(journal, capacity)) {
            fail_memory(journal);
            return NULL;
        }
    }
    struct zkt_record *record = &journal->records[journal->count];
    memset(record, 0, sizeof(*record));
    return record;
}

/* Returns memory for an old value of @size: in the record if it fits, else in
 * the arena. */
static void *reserve_old(struct zkt_journal *journal, struct zkt_record *record,
                         size_t size)
{
    if (size <= sizeof(record->small)) {
        record->is_small = true;
        return record->small;
    }
    void *old = zkt__arena_alloc(journal->arena, size);
    if (old == NULL) {
        fail_memory(journal);
    }
    return old;
}

/* Begins a record for a change of @where, with memory for an old value of
 * @size. */
static struct zkt_record *begin_record(struct zkt_cursor *where,
                                       enum zkt_operation operation,
                                       size_t size)
{
    struct zkt_journal *journal = where->journal;
    struct zkt_record *record = reserve(journal);
    if (record == NULL) {
        return NULL;
    }
    record->operation = operation;
    record->where = where;
    if (size > 0) {
        record->old = reserve_old(journal, record, size);
        if (record->old == NULL) {
            return NULL;
        }
    }
    return record;
}

/* Commits the begun record of a list or map that had @before items. */
static void commit_counted(struct zkt_cursor *where, size_t before)
{
    const struct zkt_any_list *now = where->at;
    where->journal->count++;
    where->journal->size_violations += zkt__violates_size_limit(where->type,
                                                                now->len);
    where->journal->size_violations -= zkt__violates_size_limit(where->type,
                                                                before);
}

/* ---- values on their way in ---- */

/* Returns true if @value keeps its rules @step below @where. */
static bool passes(struct zkt_cursor *where, struct zkt_step step,
                   const struct zkt_type *type, const void *value)
{
    struct zkt_journal *journal = where->journal;
    struct zkt_step path[ZKT_DEPTH_MAX];
    if (!journal->checks || zkt__check_fast(type, value)) {
        return true;
    }
    const uint32_t depth = zkt__cursor_path(where, path);
    path[depth] = step;
    if (zkt__check_value(type, value, path, depth + 1, journal->issues)) {
        return true;
    }
    zkt__journal_fail(journal, ZKT_INTERNAL, "a value breaks its rules");
    return false;
}

/* Returns true if @key is a valid key of the map at @where. */
static bool key_passes(struct zkt_cursor *where, struct zkt_str key)
{
    struct zkt_journal *journal = where->journal;
    struct zkt_step path[ZKT_DEPTH_MAX];
    const bool good = key.data != NULL && key.len <= ZKT_MAP_KEY_MAX &&
                      zkt__utf8_valid(key.data, key.len);
    if (good || !journal->checks ||
        zkt__check_map_key(key, path, zkt__cursor_path(where, path),
                           journal->issues)) {
        return true;
    }
    zkt__journal_fail(journal, ZKT_INTERNAL, "a value breaks its rules");
    return false;
}

/* Makes an owned copy. Returns false, with the journal poisoned, if there is no
 * memory. */
static bool copy_in(struct zkt_journal *journal, const struct zkt_type *type,
                    void *to, const void *from)
{
    if (zkt__value_copy(journal->store, type, to, from)) {
        return true;
    }
    fail_memory(journal);
    return false;
}

static void swap_bytes(char *a, char *b, size_t size)
{
    char chunk[64];
    while (size > 0) {
        const size_t n = size < sizeof(chunk) ? size : sizeof(chunk);
        memcpy(chunk, a, n);
        memcpy(a, b, n);
        memcpy(b, chunk, n);
        a += n;
        b += n;
        size -= n;
    }
}

/*
 * Replaces @member by a copy of @value, which may be part of the state, and
 * moves the old bytes into a record. An owning value is first copied into the
 * record, where failure is harmless, and then swapped with @member.
 */
static void exchange(struct zkt_cursor *where, enum zkt_operation operation,
                     uint32_t index, struct zkt_str key,
                     const struct zkt_type *type, void *member,
                     const void *value)
{
    struct zkt_journal *journal = where->journal;
    struct zkt_record *record = begin_record(where, operation, type->size);
    if (record == NULL) {
        return;
    }
    if (!type->owns) {
        memcpy(record->old, member, type->size);
        memmove(member, value, type->size);
    } else if (copy_in(journal, type, record->old, value)) {
        swap_bytes(record->old, member, type->size);
    } else {
        return;
    }
    record->index = index;
    record->key = key;
    journal->count++;
}

/* ---- structs ---- */

static const struct zkt_field *field_of(struct zkt_cursor *at, int field)
{
    const struct zkt_struct_info *info = at->type->of.structs;
    if (at->type->kind != ZKT_KIND_STRUCT || field < 0 ||
        (uint32_t)field >= info->count) {
        zkt__journal_fail(at->journal, ZKT_INTERNAL,
                          "a cursor is no struct with such a field");
        return NULL;
    }
    return &info->fields[field];
}

void zkt_state_set(struct zkt_cursor *at, int field, const void *value)
{
    if (at == NULL || !zkt__cursor_usable(at)) {
        return;
    }
    const struct zkt_field *f = field_of(at, field);
    if (f == NULL ||
        !passes(at, (struct zkt_step){ f->name.data, (uint32_t)f->name.len, 0 },
                f->type, value)) {
        return;
    }
    exchange(at, ZKT_SET, (uint32_t)field, (struct zkt_str){ NULL, 0 }, f->type,
             (char *)at->at + f->offset, value);
}

void zkt_state_unset(struct zkt_cursor *at, int field)
{
    if (at == NULL || !zkt__cursor_usable(at)) {
        return;
    }
    const struct zkt_field *f = field_of(at, field);
    if (f == NULL) {
        return;
    }
    struct zkt_record *record = begin_record(at, ZKT_SET, f->type->size);
    if (record == NULL) {
        return;
    }
    char *member = (char *)at->at + f->offset;
    record->index = (uint32_t)field;
    memcpy(record->old, member, f->type->size);
    memset(member, 0, f->type->size); /* absent or null */
    at->journal->count++;
}

/* ---- lists ---- */

static bool index_is_good(struct zkt_cursor *list, size_t index, size_t limit)
{
    if (index < limit) {
        return true;
    }
    zkt__journal_fail(list->journal, ZKT_INTERNAL,
                      "index %zu is past the end of %zu items", index,
                      ((const struct zkt_any_list *)list->at)->len);
    return false;
}

/* Copies @count items, which may be part of the state, into the arena. Returns
 * NULL, with the journal poisoned, if there is no memory. */
static char *copy_items(struct zkt_journal *journal,
                        const struct zkt_type *type, const char *items,
                        size_t count)
{
    char *copies = count <= SIZE_MAX / type->size
                       ? zkt__arena_alloc(journal->arena, count * type->size)
                       : NULL;
    if (copies == NULL) {
        fail_memory(journal);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!copy_in(journal, type, copies + i * type->size,
                     items + i * type->size)) {
            while (i-- > 0) {
                zkt__value_release(journal->store, type,
                                   copies + i * type->size);
            }
            return NULL;
        }
    }
    return copies;
}

/* Inserts @count items, which keep their rules, before @index. */
static void insert_items(struct zkt_cursor *where, size_t index,
                         const void *items, size_t count)
{
    struct zkt_journal *journal = where->journal;
    struct zkt_any_list *list = where->at;
    const struct zkt_type *type = where->type->of.lists->item;
    struct zkt_record *record = begin_record(where, ZKT_INSERT, 0);
    char *copies = record != NULL ? copy_items(journal, type, items, count)
                                  : NULL;
    if (copies == NULL) {
        return;
    }
    if (!zkt__list_open(journal->store, list, type->size, index, count,
                        journal->arena, &journal->retired)) {
        for (size_t i = 0; i < count; i++) {
            zkt__value_release(journal->store, type, copies + i * type->size);
        }
        fail_memory(journal);
        return;
    }
    memcpy(zkt__list_at(list, type->size, index), copies, count * type->size);
    record->index = (uint32_t)index;
    record->count = (uint32_t)count;
    commit_counted(where, list->len - count);
}

void zkt_state_insert(struct zkt_cursor *at, int field, size_t index,
                      const void *item)
{
    struct zkt_cursor *where = zkt__cursor_container(at, field, ZKT_KIND_LIST);
    if (where == NULL) {
        return;
    }
    const struct zkt_any_list *list = where->at;
    index = index == ZKT_LAST ? list->len : index;
    if (index_is_good(where, index, list->len + 1) &&
        passes(where, (struct zkt_step){ NULL, 0, (uint32_t)index },
               where->type->of.lists->item, item)) {
        insert_items(where, index, item, 1);
    }
}

void zkt_state_append_all(struct zkt_cursor *at, int field, const void *items)
{
    struct zkt_cursor *where = zkt__cursor_container(at, field, ZKT_KIND_LIST);
    const struct zkt_any_list *from = items;
    if (where == NULL || from->len == 0) {
        return;
    }
    const size_t len = ((const struct zkt_any_list *)where->at)->len;
    const struct zkt_type *type = where->type->of.lists->item;
    for (size_t i = 0; i < from->len; i++) {
        if (!passes(where, (struct zkt_step){ NULL, 0, (uint32_t)(len + i) },
                    type, (const char *)from->items + i * type->size)) {
            return;
        }
    }
    insert_items(where, len, from->items, from->len);
}

void zkt_state_replace(struct zkt_cursor *at, int field, size_t index,
                       const void *item)
{
    struct zkt_cursor *where = zkt__cursor_container(at, field, ZKT_KIND_LIST);
    if (where == NULL) {
        return;
    }
    const struct zkt_any_list *list = where->at;
    const struct zkt_type *type = where->type->of.lists->item;
    if (!index_is_good(where, index, list->len) ||
        !passes(where, (struct zkt_step){ NULL, 0, (uint32_t)index }, type,
                item)) {
        return;
    }
    exchange(where, ZKT_REPLACE, (uint32_t)index, (struct zkt_str){ NULL, 0 },
             type, zkt__list_at(list, type->size, index), item);
}

void zkt_state_remove(struct zkt_cursor *at, int field, size_t index,
                      size_t count)
{
    struct zkt_cursor *where = zkt__cursor_container(at, field, ZKT_KIND_LIST);
    if (where == NULL || count == 0) {
        return;
    }
    struct zkt_any_list *list = where->at;
    const size_t size = where->type->of.lists->item->size;
    if (!index_is_good(where, index, list->len) ||
        !index_is_good(
            where, count > list->len - index ? list->len : index + count - 1,
            list->len)) {
        return;
    }
    struct zkt_record *record = begin_record(where, ZKT_REMOVE, count * size);
    if (record == NULL) {
        return;
    }
    record->index = (uint32_t)index;
    record->count = (uint32_t)count;
    memcpy(record->old, zkt__list_at(list, size, index), count * size);
    zkt__list_close(list, size, index, count);
    commit_counted(where, list->len + count);
}

/* ---- maps ---- */

static void put_new(struct zkt_cursor *where, struct zkt_str key,
                    const void *value)
{
    struct zkt_journal *journal = where->journal;
    const struct zkt_map_info *info = where->type->of.maps;
    struct zkt_record *record = begin_record(where, ZKT_PUT, 0);
    void *copy = zkt__arena_alloc(journal->arena, info->value->size);
    struct zkt_str own_key;
    if (copy == NULL) {
        fail_memory(journal);
    }
    if (record == NULL || copy == NULL ||
        !copy_in(journal, &zkt_type_string, &own_key, &key)) {
        return;
    }
    if (!copy_in(journal, info->value, copy, value)) {
        zkt__value_release(journal->store, &zkt_type_string, &own_key);
        return;
    }
    if (!zkt__map_add(journal->store, where->at, info, own_key, copy,
                      journal->arena, &journal->retired)) {
        zkt__value_release(journal->store, &zkt_type_string, &own_key);
        zkt__value_release(journal->store, info->value, copy);
        fail_memory(journal);
        return;
    }
    /* The arena's: the state's may be freed before the patch is written. */
    record->key = key;
    const struct zkt_any_map *map = where->at;
    commit_counted(where, map->len - 1);
}

void zkt_state_put(struct zkt_cursor *at, int field, struct zkt_str key,
                   const void *value)
{
    struct zkt_cursor *where = zkt__cursor_container(at, field, ZKT_KIND_MAP);
    if (where == NULL) {
        return;
    }
    struct zkt_journal *journal = where->journal;
    const struct zkt_map_info *info = where->type->of.maps;
    const struct zkt_any_map *map = where->at;
    if (!key_passes(where, key) ||
        !passes(where, (struct zkt_step){ key.data, (uint32_t)key.len, 0 },
                info->value, value)) {
        return;
    }
    key = zkt__arena_str(journal->arena, key);
    if (key.data == NULL) {
        fail_memory(journal);
        return;
    }
    const uint32_t position = zkt__map_position(map, info->entry_size, key);
    if (position == ZKT_INDEX_NONE) {
        put_new(where, key, value);
        return;
    }
    exchange(where, ZKT_PUT, position, key, info->value,
             (char *)(uintptr_t)map->items + position * info->entry_size +
                 info->value_offset,
             value);
}

void zkt_state_delete(struct zkt_cursor *at, int field, struct zkt_str key)
{
    struct zkt_cursor *where = zkt__cursor_container(at, field, ZKT_KIND_MAP);
    if (where == NULL) {
        return;
    }
    struct zkt_journal *journal = where->journal;
    const struct zkt_map_info *info = where->type->of.maps;
    const uint32_t position = zkt__map_position(where->at, info->entry_size,
                                                key);
    if (position == ZKT_INDEX_NONE) {
        return;
    }
    key = zkt__arena_str(journal->arena, key);
    if (key.data == NULL) {
        fail_memory(journal);
        return;
    }
    struct zkt_record *record = begin_record(where, ZKT_DELETE,
                                             info->entry_size);
    if (record == NULL) {
        return;
    }
    record->index = position;
    record->key = key;
    zkt__map_take(where->at, info, position, record->old);
    const struct zkt_any_map *map = where->at;
    commit_counted(where, map->len + 1);
}

void zkt_state_clear(struct zkt_cursor *at, int field)
{
    if (at == NULL) {
        return;
    }
    struct zkt_cursor *where = field != ZKT_ITSELF ? zkt_state_edit(at, field)
                                                   : at;
    if (where == NULL || !zkt__cursor_usable(where)) {
        return;
    }
    if (where->type->kind != ZKT_KIND_LIST &&
        where->type->kind != ZKT_KIND_MAP) {
        zkt__journal_fail(where->journal, ZKT_INTERNAL,
                          "a cursor is no list or map");
        return;
    }
    struct zkt_record *record = begin_record(where, ZKT_CLEAR,
                                             where->type->size);
    if (record == NULL) {
        return;
    }
    memcpy(record->old, where->at, where->type->size);
    memset(where->at, 0, where->type->size);
    const struct zkt_any_list *before = record->old;
    commit_counted(where, before->len);
}
