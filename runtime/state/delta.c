/*
 * Replays the journal into a delta tree. An edit searches its piece from the
 * last edited one, so neighbouring edits cost the same at any list size. The
 * old length of a list is unknown while replaying: the final run of kept items
 * is treated as endless, and trimmed when the patch is written.
 */
#include "state/delta.h"

#define ENDLESS (UINT32_MAX / 2)

enum {
    LINEAR_MAX = 8 /* searched without an index */
};

struct replay {
    struct zkt_arena *arena;
    struct zkt_hash_key key;
    uint32_t pieces_max, whole_lists;
    bool no_memory;
};

static struct zkt_delta *new_delta(struct replay *r,
                                   const struct zkt_type *type)
{
    struct zkt_delta *d = zkt__arena_zero(r->arena, 1, sizeof(*d));
    if (d == NULL) {
        r->no_memory = true;
    } else {
        d->type = type;
    }
    return d;
}

/* Returns the array with room for another element, in the arena. */
static void *grown(struct replay *r, void *items, uint32_t count,
                   uint32_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    const uint32_t wanted = *capacity > 0 ? *capacity * 2 : 4;
    void *larger = zkt__arena_resize(r->arena, items, *capacity * size,
                                     wanted * size);
    if (larger == NULL) {
        r->no_memory = true;
        return NULL;
    }
    *capacity = wanted;
    return larger;
}

/* ---- structs and maps ---- */

/* Returns true if the change at @position is of this field or key. */
static bool is_change_of(const struct zkt_delta *d, uint32_t position,
                         uint32_t field, struct zkt_str key)
{
    const struct zkt_change *t = &d->changes[position];
    return d->type->kind == ZKT_KIND_STRUCT ? t->field == field
                                            : zkt_str_eq(t->key, key);
}

static bool same_key(const void *owner, uint32_t position, const void *key,
                     size_t len)
{
    const struct zkt_change *wanted = key;
    (void)len;
    return is_change_of(owner, position, wanted->field, wanted->key);
}

static uint64_t hash_key(const struct replay *r, const struct zkt_delta *d,
                         uint32_t field, struct zkt_str key)
{
    return d->type->kind == ZKT_KIND_STRUCT
               ? zkt__hash(&r->key, &field, sizeof(field))
               : zkt__hash(&r->key, key.data, key.len);
}

/* Searches short lists from the newest change, so a call that changes the same
 * key repeatedly finds it at once. Returns ZKT_INDEX_NONE if there is no change
 * yet. */
static uint32_t find_change(const struct zkt_delta *d, uint32_t field,
                            struct zkt_str key, uint64_t hash)
{
    if (d->index.used > 0) {
        const struct zkt_change wanted = { .field = field, .key = key };
        return zkt__index_find(&d->index, hash, same_key, d, &wanted,
                               sizeof(wanted));
    }
    for (uint32_t i = d->change_count; i-- > 0;) {
        if (is_change_of(d, i, field, key)) {
            return i;
        }
    }
    return ZKT_INDEX_NONE;
}

/* Adds the newest change, with hash @hash, to the index; makes the index once
 * there are many. */
static void index_change(struct replay *r, struct zkt_delta *d, uint64_t hash)
{
    const struct zkt_allocator memory = zkt__arena_allocator(r->arena);
    if (d->change_count <= LINEAR_MAX) {
        return;
    }
    if (!zkt__index_reserve(&d->index, &memory,
                            d->change_count - d->index.used)) {
        r->no_memory = true;
        return;
    }
    if (d->index.used > 0) {
        zkt__index_add(&d->index, hash, d->index.used);
        return;
    }
    for (uint32_t i = 0; i < d->change_count; i++) {
        const struct zkt_change *t = &d->changes[i];
        zkt__index_add(&d->index, hash_key(r, d, t->field, t->key), i);
    }
}

/* Returns the change of a field or key; adds it with @existed if it is new. */
static struct zkt_change *get_change(struct replay *r, struct zkt_delta *d,
                                     uint32_t field, struct zkt_str key,
                                     bool existed)
{
    const uint64_t hash = d->index.used > 0 ? hash_key(r, d, field, key) : 0;
    const uint32_t found = find_change(d, field, key, hash);
    if (found != ZKT_INDEX_NONE) {
        return &d->changes[found];
    }
    struct zkt_change *all = grown(r, d->changes, d->change_count,
                                   &d->change_capacity, sizeof(*all));
    if (all == NULL) {
        return NULL;
    }
    d->changes = all;
    all[d->change_count] =
        (struct zkt_change){ .field = field, .key = key, .existed = existed };
    d->change_count++;
    index_change(r, d, hash);
    return r->no_memory ? NULL : &all[d->change_count - 1];
}

static void replay_key(struct replay *r, struct zkt_delta *d,
                       const struct zkt_record *record)
{
    const void *old = record->old;
    bool existed = old != NULL;
    if (record->operation == ZKT_SET) {
        existed = !zkt__is_absent(
            d->type->of.structs->fields[record->index].type, old);
    } else if (record->operation == ZKT_DELETE) {
        old = (const char *)old + d->type->of.maps->value_offset;
    }
    struct zkt_change *t = get_change(r, d, record->index, record->key,
                                      existed);
    if (t == NULL || t->dirty) {
        return;
    }
    t->dirty = true;
    /* Changes inside the value are lost with it, and then the original value of
     * the call's start is not known any more. */
    t->original = t->child == NULL && t->existed ? old : NULL;
    t->child = NULL;
}

/* ---- lists ---- */

static bool insert_piece(struct replay *r, struct zkt_delta *d, uint32_t at,
                         struct zkt_piece piece)
{
    struct zkt_piece *all = grown(r, d->pieces, d->piece_count,
                                  &d->piece_capacity, sizeof(*all));
    if (all == NULL) {
        return false;
    }
    d->pieces = all;
    memmove(all + at + 1, all + at, (d->piece_count - at) * sizeof(*all));
    all[at] = piece;
    d->piece_count++;
    return true;
}

/* Splits piece @at after @first items. */
static bool split_piece(struct replay *r, struct zkt_delta *d, uint32_t at,
                        uint32_t first)
{
    struct zkt_piece rest = d->pieces[at];
    rest.count -= first;
    if (!insert_piece(r, d, at + 1, rest)) {
        return false;
    }
    d->pieces[at].count = first;
    return true;
}

/*
 * Returns the piece that begins with the item at @position, splitting before it
 * and, with @alone, after it. Returns piece_count if the position is the end.
 */
static uint32_t isolate(struct replay *r, struct zkt_delta *d,
                        uint32_t position, bool alone)
{
    if (d->piece_count == 0 &&
        !insert_piece(
            r, d, 0,
            (struct zkt_piece){ .kind = ZKT_PIECE_KEEP, .count = ENDLESS })) {
        return 0;
    }
    uint32_t i = d->edit_piece, at = d->edit_position;
    if (i >= d->piece_count || at > position) {
        i = at = 0;
    }
    while (i < d->piece_count &&
           at + zkt__piece_items(&d->pieces[i]) <= position) {
        at += zkt__piece_items(&d->pieces[i]);
        i++;
    }
    if (i < d->piece_count && position > at) {
        if (!split_piece(r, d, i, position - at)) {
            return 0;
        }
        at = position;
        i++;
    }
    d->edit_piece = i;
    d->edit_position = at;
    if (alone && i < d->piece_count && d->pieces[i].count > 1 &&
        !split_piece(r, d, i, 1)) {
        return 0;
    }
    return i;
}

static void replay_insert(struct replay *r, struct zkt_delta *d,
                          uint32_t position, uint32_t count)
{
    const uint32_t at = isolate(r, d, position, false);
    if (r->no_memory) {
        return;
    }
    if (at > 0 && d->pieces[at - 1].kind == ZKT_PIECE_NEW) {
        d->edit_piece = at - 1;
        d->edit_position = position - d->pieces[at - 1].count;
        d->pieces[at - 1].count += count;
        return;
    }
    insert_piece(r, d, at,
                 (struct zkt_piece){ .kind = ZKT_PIECE_NEW, .count = count });
}

static void replay_remove_one(struct replay *r, struct zkt_delta *d,
                              uint32_t position, const void *old)
{
    const uint32_t at = isolate(r, d, position, true);
    if (r->no_memory) {
        return;
    }
    struct zkt_piece *piece = &d->pieces[at];
    if (piece->kind == ZKT_PIECE_NEW) {
        d->piece_count--;
        memmove(piece, piece + 1, (d->piece_count - at) * sizeof(*piece));
        return;
    }
    if (piece->kind == ZKT_PIECE_KEEP) {
        piece->original = piece->child == NULL ? old : NULL;
    }
    piece->kind = ZKT_PIECE_REMOVED;
    piece->child = NULL;
}

static void replay_replace(struct replay *r, struct zkt_delta *d,
                           const struct zkt_record *record)
{
    const uint32_t at = isolate(r, d, record->index, true);
    if (r->no_memory || d->pieces[at].kind != ZKT_PIECE_KEEP) {
        return;
    }
    struct zkt_piece *piece = &d->pieces[at];
    piece->kind = ZKT_PIECE_REPLACED;
    piece->original = piece->child == NULL ? record->old : NULL;
    piece->child = NULL;
}

static void send_whole(struct zkt_delta *d, const void *original)
{
    d->whole = true;
    d->original = original;
}

static void replay_list(struct replay *r, struct zkt_delta *d,
                        const struct zkt_record *record)
{
    const size_t size = d->type->of.lists->item->size;
    switch (record->operation) {
    case ZKT_INSERT:
        replay_insert(r, d, record->index, record->count);
        break;
    case ZKT_REPLACE:
        replay_replace(r, d, record);
        break;
    default:
        for (uint32_t i = 0; i < record->count && !r->no_memory; i++) {
            replay_remove_one(r, d, record->index,
                              (const char *)record->old + i * size);
            if (d->piece_count > r->pieces_max) {
                break;
            }
        }
        break;
    }
    if (d->piece_count > r->pieces_max) {
        r->whole_lists++;
        send_whole(d, NULL);
    }
}

/* ---- the walk ---- */

/* Returns the delta a step below, or NULL if it is irrelevant because an
 * enclosing value is sent whole. */
static struct zkt_delta *descend(struct replay *r, struct zkt_delta *d,
                                 const struct zkt_cursor *step)
{
    struct zkt_delta **child;
    if (d->whole) {
        return NULL;
    }
    if (step->step == ZKT_STEP_ITEM) {
        const uint32_t at = isolate(r, d, step->index, true);
        if (r->no_memory || d->pieces[at].kind != ZKT_PIECE_KEEP) {
            return NULL;
        }
        child = &d->pieces[at].child;
    } else {
        struct zkt_change *t = get_change(r, d, step->index, step->key, true);
        if (t == NULL || t->dirty) {
            return NULL;
        }
        child = &t->child;
    }
    if (*child == NULL) {
        *child = new_delta(r, step->type);
    }
    return *child;
}

static void replay_record(struct replay *r, struct zkt_delta *root,
                          const struct zkt_record *record)
{
    const struct zkt_cursor *steps[ZKT_DEPTH_MAX];
    const uint32_t depth = record->where->depth;
    const struct zkt_cursor *cursor = record->where;
    for (uint32_t i = depth; i-- > 0; cursor = cursor->parent) {
        steps[i] = cursor;
    }
    struct zkt_delta *d = root;
    for (uint32_t i = 0; i < depth && d != NULL; i++) {
        d = descend(r, d, steps[i]);
    }
    if (d == NULL || d->whole) {
        return;
    }
    if (record->operation == ZKT_CLEAR) {
        const bool unchanged = d->piece_count == 0 && d->change_count == 0;
        send_whole(d, unchanged ? record->old : NULL);
    } else if (d->type->kind == ZKT_KIND_LIST) {
        replay_list(r, d, record);
    } else {
        replay_key(r, d, record);
    }
}

struct zkt_delta *zkt__delta_build(struct zkt_journal *journal)
{
    struct replay r = { .arena = journal->arena,
                        .key = journal->store->key,
                        .pieces_max = journal->pieces_max };
    struct zkt_delta *root = new_delta(&r, journal->root->type);
    for (uint32_t i = 0; i < journal->count && !r.no_memory; i++) {
        replay_record(&r, root, &journal->records[i]);
    }
    journal->whole_lists = r.whole_lists;
    return r.no_memory ? NULL : root;
}
