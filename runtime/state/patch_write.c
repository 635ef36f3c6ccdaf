/*
 * Writes a JSON Patch (RFC 6902) from a delta tree and the live state, in
 * either dialect. Every operation carries final paths and values, in an order
 * that gives the new state with both readings of `add`.
 *
 * Lists, RFC 6902 dialect: within a hunk of removed and new items, new items
 * replace removed items pairwise. Surplus removals come first, from the back
 * and by old index; surplus additions follow, forward and by final index; then
 * the replacements. The plain dialect adds only at the end. There, a kept run
 * may stay if removals before it compensate its shift: the heaviest chain of
 * runs with non-decreasing shifts is kept, and all other items are replaced in
 * place.
 */
#include "state/patch.h"

static void write_delta(struct zkt_patch *p, const struct zkt_delta *d,
                        const void *now);

/* ---- operations ---- */

/* Writes a key of a path (RFC 6901, section 3), inside a JSON string. */
static void write_key(struct zkt_writer *w, const char *key, size_t len)
{
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        if (key[i] == '~' || key[i] == '/') {
            zkt__write_escaped(w, key + from, i - from);
            zkt_write_raw(w, key[i] == '~' ? "~0" : "~1", 2);
            from = i + 1;
        }
    }
    zkt__write_escaped(w, key + from, len - from);
}

static void write_path(const struct zkt_patch *p)
{
    for (uint32_t i = 0; i < p->depth; i++) {
        const struct zkt_step *step = &p->path[i];
        ZKT_WRITE(p->writer, "/");
        if (step->key != NULL) {
            write_key(p->writer, step->key, step->len);
        } else {
            zkt_write_int64(p->writer, step->order);
        }
    }
}

static void begin_operation(struct zkt_patch *p, const char *name)
{
    if (p->operations++ == 0) {
        ZKT_WRITE(p->writer, "[{\"op\":\"");
    } else {
        ZKT_WRITE(p->writer, ",{\"op\":\"");
    }
    zkt_write_raw(p->writer, name, strlen(name));
    ZKT_WRITE(p->writer, "\",\"path\":\"");
    write_path(p);
    ZKT_WRITE(p->writer, "\"");
}

static void put_remove(struct zkt_patch *p)
{
    begin_operation(p, "remove");
    ZKT_WRITE(p->writer, "}");
}

static inline void put_value(struct zkt_patch *p, const char *name,
                             const struct zkt_type *type, const void *value)
{
    begin_operation(p, name);
    ZKT_WRITE(p->writer, ",\"value\":");
    type->encode(p->writer, type, value);
    ZKT_WRITE(p->writer, "}");
}

/* Writes a replaced value, unless it equals the original. */
static void put_replaced(struct zkt_patch *p, const struct zkt_type *type,
                         const void *original, const void *now)
{
    if (original == NULL || !zkt__value_equal(type, original, now)) {
        put_value(p, "replace", type, now);
    }
}

/* ---- steps ---- */

static void step_index(struct zkt_patch *p, uint32_t index)
{
    p->path[p->depth - 1] = (struct zkt_step){ NULL, 0, index };
}

static const void *item_at(const struct zkt_delta *d, const void *now,
                           uint32_t index)
{
    return zkt__list_at(now, d->type->of.lists->item->size, index);
}

static void put_item(struct zkt_patch *p, const char *name,
                     const struct zkt_delta *d, const void *now, uint32_t index)
{
    step_index(p, index);
    put_value(p, name, d->type->of.lists->item, item_at(d, now, index));
}

static void put_item_replaced(struct zkt_patch *p, const struct zkt_delta *d,
                              const void *now, uint32_t index,
                              const void *original)
{
    step_index(p, index);
    put_replaced(p, d->type->of.lists->item, original, item_at(d, now, index));
}

/* Writes the changes in an old item, now at @index. */
static void write_kept(struct zkt_patch *p, const struct zkt_delta *d,
                       const struct zkt_piece *piece, const void *now,
                       uint32_t index)
{
    if (piece->kind == ZKT_PIECE_REPLACED) {
        put_item_replaced(p, d, now, index, piece->original);
    } else if (piece->kind == ZKT_PIECE_KEEP && piece->child != NULL) {
        const struct zkt_type *type = d->type->of.lists->item;
        void *item = zkt__list_at(now, type->size, index);
        step_index(p, index);
        write_delta(p, piece->child, zkt__unwrap(&type, item));
    }
}

/* ---- lists, true inserts ---- */

static bool is_kept(const struct zkt_piece *piece)
{
    return piece->kind == ZKT_PIECE_KEEP || piece->kind == ZKT_PIECE_REPLACED;
}

/* The pieces between two kept pieces: removed and new items. New items
 * replace removed items pairwise. */
struct hunk {
    uint32_t end; /* the first piece after it */
    uint32_t removed, added;
};

static struct hunk measure_hunk(const struct zkt_delta *d, uint32_t from)
{
    struct hunk s = { .end = from };
    for (; s.end < d->piece_count && !is_kept(&d->pieces[s.end]); s.end++) {
        if (d->pieces[s.end].kind == ZKT_PIECE_REMOVED) {
            s.removed++;
        } else {
            s.added += d->pieces[s.end].count;
        }
    }
    return s;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Removes from the back, by old index, so that no removal shifts another. */
static void remove_surplus(struct zkt_patch *p, const struct zkt_delta *d,
                           uint32_t old_len)
{
    uint32_t old = old_len;
    for (uint32_t i = d->piece_count; i > 0;) {
        if (is_kept(&d->pieces[i - 1])) {
            old -= d->pieces[--i].count;
            continue;
        }
        uint32_t first = i;
        while (first > 0 && !is_kept(&d->pieces[first - 1])) {
            first--;
        }
        const struct hunk s = measure_hunk(d, first);
        for (uint32_t x = 0; x < s.removed; x++) {
            old--;
            if (s.removed - x > s.added) {
                step_index(p, old);
                put_remove(p);
            }
        }
        i = first;
    }
}

static void add_surplus(struct zkt_patch *p, const struct zkt_delta *d,
                        const void *now)
{
    uint32_t final = 0;
    for (uint32_t i = 0; i < d->piece_count;) {
        if (is_kept(&d->pieces[i])) {
            final += d->pieces[i++].count;
            continue;
        }
        const struct hunk s = measure_hunk(d, i);
        for (uint32_t x = min_u32(s.removed, s.added); x < s.added; x++) {
            put_item(p, "add", d, now, final + x);
        }
        final += s.added;
        i = s.end;
    }
}

/* Writes pairwise replacements, and the changes in kept items. */
static void write_in_place(struct zkt_patch *p, const struct zkt_delta *d,
                           const void *now)
{
    uint32_t final = 0;
    for (uint32_t i = 0; i < d->piece_count;) {
        if (is_kept(&d->pieces[i])) {
            write_kept(p, d, &d->pieces[i], now, final);
            final += d->pieces[i++].count;
            continue;
        }
        const struct hunk s = measure_hunk(d, i);
        const uint32_t pairs = min_u32(s.removed, s.added);
        uint32_t seen = 0;
        for (uint32_t x = i; x < s.end && seen < pairs; x++) {
            if (d->pieces[x].kind == ZKT_PIECE_REMOVED) {
                put_item_replaced(p, d, now, final + seen,
                                  d->pieces[x].original);
                seen++;
            }
        }
        final += s.added;
        i = s.end;
    }
}

/* ---- lists, plain dialect ---- */

/* An old item outside the kept chain. */
struct unaligned_item {
    uint32_t old;  /* its old index */
    int64_t final; /* its slot in the new list; -1 if removed */
    const void *original;
};

struct alignment {
    int64_t *shift; /* per piece: removals minus inserts before it */
    bool *aligned;  /* per piece: stays, shifted by removals alone */
    int64_t end_shift;
};

/* Chooses the chain of kept runs that need not be sent. */
static bool choose_chain(struct zkt_patch *p, const struct zkt_delta *d,
                         struct alignment *a)
{
    const uint32_t n = d->piece_count;
    int64_t *best = zkt__arena_zero(p->arena, n, sizeof(*best));
    uint32_t *previous = zkt__arena_zero(p->arena, n, sizeof(*previous));
    a->shift = zkt__arena_zero(p->arena, n, sizeof(*a->shift));
    a->aligned = zkt__arena_zero(p->arena, n, sizeof(*a->aligned));
    if (best == NULL || previous == NULL || a->shift == NULL ||
        a->aligned == NULL) {
        p->no_memory = true;
        return false;
    }
    int64_t removed = 0, added = 0, kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct zkt_piece *piece = &d->pieces[i];
        a->shift[i] = removed - added;
        removed += piece->kind == ZKT_PIECE_REMOVED;
        added += piece->kind == ZKT_PIECE_NEW ? piece->count : 0;
        kept += is_kept(piece) ? piece->count : 0;
    }
    a->end_shift = removed - added;
    uint32_t last = n; /* end of the best chain; n if it is empty */
    int64_t least = kept + (a->end_shift > 0 ? 0 : -a->end_shift);
    for (uint32_t i = 0; i < n; i++) {
        best[i] = -1;
        if (!is_kept(&d->pieces[i]) || a->shift[i] < 0) {
            continue;
        }
        const int64_t weight = d->pieces[i].kind == ZKT_PIECE_KEEP
                                   ? d->pieces[i].count
                                   : 0;
        best[i] = weight;
        previous[i] = n;
        for (uint32_t j = 0; j < i; j++) {
            if (best[j] >= 0 && a->shift[j] <= a->shift[i] &&
                best[j] + weight > best[i]) {
                best[i] = best[j] + weight;
                previous[i] = j;
            }
        }
        const int64_t extra = a->shift[i] > a->end_shift
                                  ? a->shift[i] - a->end_shift
                                  : 0;
        if (kept - best[i] + extra < least) {
            least = kept - best[i] + extra;
            last = i;
        }
    }
    for (uint32_t i = last; i < n; i = previous[i]) {
        a->aligned[i] = true;
    }
    return true;
}

/* The old items outside the chain, and their slots in the new list. */
struct unaligned_items {
    struct unaligned_item *items;
    uint32_t count, capacity;
    int64_t removed; /* slots removed so far */
};

static bool add_unaligned(struct zkt_patch *p, struct unaligned_items *l,
                          struct unaligned_item item)
{
    if (l->count == l->capacity) {
        const uint32_t capacity = l->capacity > 0 ? l->capacity * 2 : 16;
        struct unaligned_item *grown = zkt__arena_alloc(
            p->arena, capacity * sizeof(*grown));
        if (grown == NULL) {
            p->no_memory = true;
            return false;
        }
        if (l->count > 0) {
            memcpy(grown, l->items, l->count * sizeof(*grown));
        }
        l->items = grown;
        l->capacity = capacity;
    }
    l->items[l->count++] = item;
    return true;
}

/*
 * Assigns slots to the unaligned items since @first, which precede a run that
 * must be shifted by @target: removes as many of the last ones as needed; the
 * others keep their slots. Returns false if there are too few, and the list is
 * better sent whole.
 */
static bool assign_slots(struct unaligned_items *l, uint32_t first,
                         int64_t target)
{
    int64_t need = target - l->removed;
    for (uint32_t k = l->count; k-- > first;) {
        l->items[k].final = need-- > 0 ? -1 : 0;
    }
    int64_t removed = l->removed;
    for (uint32_t k = first; k < l->count; k++) {
        if (l->items[k].final < 0) {
            removed++;
        } else {
            l->items[k].final = (int64_t)l->items[k].old - removed;
        }
    }
    l->removed = target;
    return need <= 0;
}

static bool collect_unaligned(struct zkt_patch *p, const struct zkt_delta *d,
                              const struct alignment *a,
                              struct unaligned_items *l)
{
    uint32_t old = 0, first = 0;
    for (uint32_t i = 0; i < d->piece_count; i++) {
        const struct zkt_piece *piece = &d->pieces[i];
        if (a->aligned[i]) {
            if (!assign_slots(l, first, a->shift[i])) {
                return false;
            }
            first = l->count;
            old += piece->count;
            continue;
        }
        const uint32_t items = piece->kind == ZKT_PIECE_NEW ? 0 : piece->count;
        for (uint32_t x = 0; x < items; x++, old++) {
            const struct unaligned_item item = {
                .old = old,
                .original = piece->kind != ZKT_PIECE_KEEP ? piece->original
                                                          : NULL,
            };
            if (!add_unaligned(p, l, item)) {
                return false;
            }
        }
    }
    const int64_t target = l->removed > a->end_shift ? l->removed
                                                     : a->end_shift;
    return assign_slots(l, first, target);
}

static void write_unaligned(struct zkt_patch *p, const struct zkt_delta *d,
                            const struct unaligned_items *l, const void *now,
                            uint32_t old_len)
{
    const struct zkt_any_list *list = now;
    for (uint32_t k = l->count; k-- > 0;) {
        if (l->items[k].final < 0) {
            step_index(p, l->items[k].old);
            put_remove(p);
        }
    }
    for (uint32_t k = 0; k < l->count; k++) {
        if (l->items[k].final >= 0) {
            put_item_replaced(p, d, now, (uint32_t)l->items[k].final,
                              l->items[k].original);
        }
    }
    for (uint32_t x = old_len - (uint32_t)l->removed; x < list->len; x++) {
        put_item(p, "add", d, now, x);
    }
}

static void write_aligned(struct zkt_patch *p, const struct zkt_delta *d,
                          const struct alignment *a, const void *now)
{
    uint32_t final = 0;
    for (uint32_t i = 0; i < d->piece_count; i++) {
        if (a->aligned[i]) {
            write_kept(p, d, &d->pieces[i], now, final);
        }
        final += zkt__piece_items(&d->pieces[i]);
    }
}

static void replace_list(struct zkt_patch *p, const struct zkt_delta *d,
                         const void *now)
{
    p->depth--;
    put_value(p, "replace", d->type, now);
    p->depth++;
}

static void write_plain(struct zkt_patch *p, const struct zkt_delta *d,
                        const void *now, uint32_t old_len)
{
    const struct zkt_any_list *list = now;
    struct alignment a;
    struct unaligned_items l = { .count = 0 };
    if (!choose_chain(p, d, &a)) {
        return;
    }
    const bool assigned = collect_unaligned(p, d, &a, &l);
    if (p->no_memory) {
        return;
    }
    const int64_t added = (int64_t)list->len - (old_len - l.removed);
    const int64_t sent = l.count - l.removed + added;
    if (!assigned || (list->len > 3 && sent >= (int64_t)list->len)) {
        replace_list(p, d, now);
        return;
    }
    write_unaligned(p, d, &l, now, old_len);
    write_aligned(p, d, &a, now);
}

/* ---- lists ---- */

/* Trims the endless run at the end to the current length. Idempotent. */
static void cut_to_size(struct zkt_delta *d, const struct zkt_any_list *now)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < d->piece_count; i++) {
        live += zkt__piece_items(&d->pieces[i]);
    }
    if (d->piece_count == 0 || live == now->len) {
        return;
    }
    struct zkt_piece *last = &d->pieces[d->piece_count - 1];
    last->count -= live - (uint32_t)now->len;
    if (last->count == 0) {
        d->piece_count--;
    }
}

/* Returns true if a kept item follows a hunk with more new than removed
 * items: only then do the dialects differ. */
static bool inserts_inside(const struct zkt_delta *d)
{
    for (uint32_t i = 0; i < d->piece_count; i++) {
        if (is_kept(&d->pieces[i])) {
            continue;
        }
        const struct hunk s = measure_hunk(d, i);
        if (s.added > s.removed && s.end < d->piece_count) {
            return true;
        }
        i = s.end - 1;
    }
    return false;
}

static void write_list(struct zkt_patch *p, struct zkt_delta *d,
                       const void *now)
{
    cut_to_size(d, now);
    uint32_t old_len = 0;
    for (uint32_t i = 0; i < d->piece_count; i++) {
        old_len += d->pieces[i].kind == ZKT_PIECE_NEW ? 0 : d->pieces[i].count;
    }
    const bool inside = inserts_inside(d);
    p->differs = p->differs || inside;
    p->depth++;
    if (p->plain && inside) {
        write_plain(p, d, now, old_len);
    } else {
        remove_surplus(p, d, old_len);
        add_surplus(p, d, now);
        write_in_place(p, d, now);
    }
    p->depth--;
}

/* ---- structs and maps ---- */

static void write_change(struct zkt_patch *p, const struct zkt_change *t,
                         const struct zkt_type *type, void *now)
{
    const bool absent = now == NULL || zkt__is_absent(type, now);
    if (!t->dirty) {
        if (t->child != NULL && !absent) {
            write_delta(p, t->child, zkt__unwrap(&type, now));
        }
    } else if (absent) {
        if (t->existed) {
            put_remove(p);
        }
    } else if (!t->existed) {
        put_value(p, "add", type, now);
    } else {
        put_replaced(p, type, t->original, now);
    }
}

static void write_struct(struct zkt_patch *p, const struct zkt_delta *d,
                         const void *now)
{
    p->depth++;
    for (uint32_t i = 0; i < d->change_count; i++) {
        const struct zkt_change *t = &d->changes[i];
        const struct zkt_field *field = &d->type->of.structs->fields[t->field];
        p->path[p->depth - 1] =
            (struct zkt_step){ field->name.data, (uint32_t)field->name.len, 0 };
        write_change(p, t, field->type, (char *)(uintptr_t)now + field->offset);
    }
    p->depth--;
}

static void write_map(struct zkt_patch *p, const struct zkt_delta *d,
                      const void *now)
{
    const struct zkt_map_info *info = d->type->of.maps;
    const struct zkt_any_map *map = now;
    p->depth++;
    for (uint32_t i = 0; i < d->change_count; i++) {
        const struct zkt_change *t = &d->changes[i];
        const uint32_t position = zkt__map_position(map, info->entry_size,
                                                    t->key);
        char *value = NULL;
        if (position != ZKT_INDEX_NONE) {
            value = (char *)(uintptr_t)map->items +
                    position * info->entry_size + info->value_offset;
        }
        p->path[p->depth - 1] = (struct zkt_step){ t->key.data,
                                                   (uint32_t)t->key.len, 0 };
        write_change(p, t, info->value, value);
    }
    p->depth--;
}

static void write_delta(struct zkt_patch *p, const struct zkt_delta *d,
                        const void *now)
{
    if (p->no_memory || p->writer->failed || now == NULL) {
        return;
    }
    if (d->whole) {
        put_replaced(p, d->type, d->original, now);
    } else if (d->type->kind == ZKT_KIND_LIST) {
        /* Only trims the last run, which is idempotent. */
        write_list(p, (struct zkt_delta *)(uintptr_t)d, now);
    } else if (d->type->kind == ZKT_KIND_MAP) {
        write_map(p, d, now);
    } else {
        write_struct(p, d, now);
    }
}

/* Writes a dialect. Returns false if there is no memory. */
static bool write_patch(struct zkt_patch *p, const struct zkt_journal *journal,
                        const struct zkt_delta *root)
{
    write_delta(p, root, journal->root->at);
    return zkt__patch_end(p);
}

bool zkt__journal_patch(struct zkt_journal *journal, struct zkt_writer *plain,
                        struct zkt_writer *rfc6902, bool *same)
{
    *same = true;
    if (journal->count == 0) {
        return true;
    }
    const struct zkt_delta *root = zkt__delta_build(journal);
    if (root == NULL) {
        return false;
    }
    struct zkt_patch p = {
        .writer = plain,
        .arena = journal->arena,
        .plain = true,
    };
    if (!write_patch(&p, journal, root)) {
        return false;
    }
    if (!p.differs) {
        return true;
    }
    *same = false;
    struct zkt_patch q = { .writer = rfc6902, .arena = journal->arena };
    return write_patch(&q, journal, root);
}

/* ---- parts of a patch ---- */

void zkt__patch_enter(struct zkt_patch *p, struct zkt_str key)
{
    p->path[p->depth++] = (struct zkt_step){ key.data, (uint32_t)key.len, 0 };
}

void zkt__patch_leave(struct zkt_patch *p)
{
    p->depth--;
}

void zkt__patch_change(struct zkt_patch *p, const struct zkt_change *change,
                       const struct zkt_type *type, const void *now)
{
    write_change(p, change, type, (void *)(uintptr_t)now);
}

void zkt__patch_value(struct zkt_patch *p, bool existed,
                      const struct zkt_type *type, const void *now)
{
    const struct zkt_change change = { .existed = existed, .dirty = true };
    zkt__patch_change(p, &change, type, now);
}

void zkt__patch_copy(struct zkt_patch *p, const char *operations, size_t len)
{
    ZKT_WRITE(p->writer, "[");
    zkt_write_raw(p->writer, operations, len);
    p->operations++;
}

bool zkt__patch_end(struct zkt_patch *p)
{
    if (p->operations > 0) {
        ZKT_WRITE(p->writer, "]");
    }
    return !p->no_memory && !p->writer->failed;
}
