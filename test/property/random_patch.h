/*
 * Random changes of a state of any type, by its table, and their invariants:
 * the patch applied to the old state makes the new state, in both dialects and,
 * for the plain dialect, by both readings; undo restores the old state to the
 * last byte.
 */
#ifndef RANDOM_PATCH_H
#define RANDOM_PATCH_H

#include "random_value.h"
#include "state/journal.h"
#include "state/record.h"

/* ---- random changes ---- */

static void change_struct(struct zkt_arena *arena, struct zkt_cursor *at)
{
    const struct zkt_struct_info *info = at->type->of.structs;
    if (info->count == 0) {
        return;
    }
    const unsigned field = random_below(info->count);
    const struct zkt_type *t = info->fields[field].type;
    if (t->kind == ZKT_KIND_LITERAL) {
        return; /* no program can write it */
    }
    const bool optional = t->kind == ZKT_KIND_OPTIONAL ||
                          t->kind == ZKT_KIND_BOXED;
    if (optional && random_below(3) == 0) {
        zkt_state_unset(at, (int)field);
        return;
    }
    void *value = zkt__arena_zero(arena, 1, t->size);
    random_value(arena, t, value, 2);
    zkt_state_set(at, (int)field, value);
}

/* Appends some items at once, or the list to itself. */
static void append_items(struct zkt_arena *arena, struct zkt_cursor *at)
{
    const struct zkt_type *item = at->type->of.lists->item;
    const struct zkt_any_list *list = at->at;
    const size_t len = random_below(4);
    char *items = zkt__arena_zero(arena, len + 1, item->size);
    for (size_t i = 0; i < len; i++) {
        random_value(arena, item, items + i * item->size, 2);
    }
    const struct zkt_any_list made = { items, len };
    zkt_state_append_all(at, ZKT_ITSELF,
                         len == 0 && list->len < 4 ? list : &made);
}

static void change_list(struct zkt_arena *arena, struct zkt_cursor *at)
{
    const struct zkt_any_list *list = at->at;
    const struct zkt_type *item = at->type->of.lists->item;
    const size_t len = list->len;
    const unsigned what = random_below(12);
    const size_t index = random_below((unsigned)len + 1);
    if (what < 5) {
        void *value = zkt__arena_zero(arena, 1, item->size);
        random_value(arena, item, value, 2);
        if (what == 0 && len > 0) { /* the argument aliases the state */
            memcpy(value, zkt__list_at(list, item->size, len / 2), item->size);
        }
        zkt_state_insert(at, ZKT_ITSELF, what < 3 ? ZKT_LAST : index, value);
    } else if (what < 8 && index < len) {
        zkt_state_remove(at, ZKT_ITSELF, index,
                         1 + random_below((unsigned)(len - index)) % 2);
    } else if (what < 11 && index < len) {
        void *value = zkt__arena_zero(arena, 1, item->size);
        random_value(arena, item, value, 2);
        zkt_state_replace(at, ZKT_ITSELF, index, value);
    } else if (what == 11 && random_below(4) == 0) {
        zkt_state_clear(at, ZKT_ITSELF);
    } else if (what == 11) {
        append_items(arena, at);
    }
}

static struct zkt_str some_key(struct zkt_arena *arena,
                               const struct zkt_cursor *at)
{
    const struct zkt_any_map *map = at->at;
    if (map->len > 0 && random_below(3) > 0) {
        return zkt__arena_str(arena,
                              zkt__map_key(map, at->type->of.maps->entry_size,
                                           random_below((unsigned)map->len)));
    }
    return random_text(arena);
}

static void change_map(struct zkt_arena *arena, struct zkt_cursor *at)
{
    const struct zkt_type *t = at->type->of.maps->value;
    const unsigned what = random_below(12);
    const struct zkt_str key = some_key(arena, at);
    if (what < 7) {
        void *value = zkt__arena_zero(arena, 1, t->size);
        random_value(arena, t, value, 2);
        zkt_state_put(at, ZKT_ITSELF, key, value);
    } else if (what < 11) {
        zkt_state_delete(at, ZKT_ITSELF, key);
    } else if (random_below(4) == 0) {
        zkt_state_clear(at, ZKT_ITSELF);
    }
}

static bool is_place(const struct zkt_type *t)
{
    return t->kind == ZKT_KIND_STRUCT || t->kind == ZKT_KIND_LIST ||
           t->kind == ZKT_KIND_MAP;
}

/* Returns a cursor one step down, or NULL if there is no step. */
static struct zkt_cursor *go_down(struct zkt_cursor *at)
{
    const struct zkt_any_list *list = at->at;
    if (at->type->kind == ZKT_KIND_STRUCT) {
        const struct zkt_struct_info *info = at->type->of.structs;
        if (info->count == 0) {
            return NULL;
        }
        const unsigned field = random_below(info->count);
        const struct zkt_type *t = info->fields[field].type;
        const void *value = zkt__unwrap(&t, (char *)at->at +
                                                info->fields[field].offset);
        return value != NULL && is_place(t) ? zkt_state_edit(at, (int)field)
                                            : NULL;
    }
    if (list->len == 0) {
        return NULL;
    }
    const unsigned i = random_below((unsigned)list->len);
    if (at->type->kind == ZKT_KIND_LIST) {
        return is_place(at->type->of.lists->item)
                   ? zkt_state_edit_item(at, ZKT_ITSELF, i)
                   : NULL;
    }
    return is_place(at->type->of.maps->value)
               ? zkt_state_edit_entry(
                     at, ZKT_ITSELF,
                     zkt__map_key(at->at, at->type->of.maps->entry_size, i))
               : NULL;
}

static inline void change(struct zkt_arena *arena, struct zkt_cursor *root)
{
    struct zkt_cursor *at = root;
    while (random_below(4) > 0) {
        struct zkt_cursor *down = go_down(at);
        if (down == NULL) {
            break;
        }
        at = down;
    }
    switch (at->type->kind) {
    case ZKT_KIND_LIST:
        change_list(arena, at);
        break;
    case ZKT_KIND_MAP:
        change_map(arena, at);
        break;
    default:
        change_struct(arena, at);
        break;
    }
}

/* ---- invariants ---- */

struct patch_round {
    const struct zkt_store *store;
    const struct zkt_type *type;            /* a struct */
    const struct zkt_rule_context *context; /* or NULL */
    /* The outcome. */
    const char *wrong; /* the failed invariant, or NULL */
    bool refused;      /* a rule was broken, and the changes undone */
    bool differ;       /* the dialects differ */
    struct zkt_writer before, plain, rfc6902, after;
};

static inline void patch_encode(const struct patch_round *round,
                                struct zkt_writer *w, const void *state)
{
    w->len = 0;
    round->type->encode(w, round->type, state);
}

static inline bool same_text(const struct zkt_writer *a,
                             const struct zkt_writer *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Applies a patch to a copy of @old, as a client does, and compares. */
static inline void check_patch(struct patch_round *round,
                               const struct zkt_writer *patch,
                               enum zkt_dialect dialect, const void *old,
                               const void *now)
{
    const struct zkt_store *store = round->store;
    const struct zkt_type *type = round->type;
    struct zkt_arena arena;
    struct zkt_journal journal;
    struct zkt_reader reader;
    zkt__arena_init(&arena, store->allocator);
    struct zkt_issues issues = { .arena = &arena };
    void *copy = zkt__arena_zero(&arena, 1, type->size);
    zkt__value_copy(store, type, copy, old);
    if (patch->len > 0) {
        char *text = zkt__arena_zero(&arena, patch->len + ZKT_PADDING, 1);
        memcpy(text, patch->data, patch->len);
        zkt__reader_init(&reader, text, patch->len, &arena, &issues,
                         &store->key);
        reader.tolerant = true;
        zkt__journal_begin(&journal, store, &arena, &issues, type, copy,
                           UINT32_MAX);
        journal.checks = false;
        if (zkt__patch_apply(&journal, &reader, dialect) != ZKT_PATCH_APPLIED) {
            round->wrong = "a patch does not fit";
        }
        zkt__journal_commit(&journal);
    }
    if (!zkt__value_equal(type, copy, now)) {
        round->wrong = "a patch gives another state";
    }
    zkt__value_release(store, type, copy);
    zkt__arena_finish(&arena);
}

static inline void check_patches(struct patch_round *round,
                                 struct zkt_journal *journal, const void *old,
                                 const void *state)
{
    bool same;
    patch_encode(round, &round->after, state);
    if (!zkt__journal_patch(journal, &round->plain, &round->rfc6902, &same)) {
        round->wrong = "no patch";
        return;
    }
    round->differ = !same;
    if (same && round->plain.len > 0) {
        zkt_write_raw(&round->rfc6902, round->plain.data, round->plain.len);
    }
    check_patch(round, &round->plain, ZKT_DIALECT_PLAIN, old, state);
    check_patch(round, &round->plain, ZKT_DIALECT_RFC6902, old, state);
    check_patch(round, &round->rfc6902, ZKT_DIALECT_RFC6902, old, state);
}

static inline void check_undo(struct patch_round *round,
                              struct zkt_journal *journal, const void *state)
{
    struct zkt_writer undone;
    zkt__journal_undo(journal);
    zkt__writer_init(&undone, round->store->allocator);
    patch_encode(round, &undone, state);
    if (!same_text(&round->before, &undone)) {
        round->wrong = "undo gives another state";
    }
    zkt__writer_finish(&undone);
}

/* Makes a random state and up to twelve changes of it. */
static inline void patch_round_run(struct patch_round *round)
{
    const struct zkt_type *type = round->type;
    struct zkt_arena arena;
    struct zkt_journal journal;
    zkt__arena_init(&arena, round->store->allocator);
    struct zkt_issues issues = { .arena = &arena, .context = round->context };
    void *value = zkt__arena_zero(&arena, 1, type->size);
    void *state = zkt__arena_zero(&arena, 1, type->size);
    void *old = zkt__arena_zero(&arena, 1, type->size);
    random_value(&arena, type, value, 0);
    zkt__value_copy(round->store, type, state, value);
    zkt__value_copy(round->store, type, old, value);
    patch_encode(round, &round->before, state);
    zkt__journal_begin(&journal, round->store, &arena, &issues, type, state,
                       1000);
    for (unsigned n = 1 + random_below(12); n > 0; n--) {
        change(&arena, journal.root);
    }
    round->refused = !zkt__journal_check(&journal) || journal.failure != ZKT_OK;
    if (!round->refused) {
        check_patches(round, &journal, old, state);
    }
    if (!round->refused && random_below(4) == 0) {
        zkt__journal_commit(&journal);
    } else {
        check_undo(round, &journal, state);
    }
    zkt__value_release(round->store, type, state);
    zkt__value_release(round->store, type, old);
    zkt__arena_finish(&arena);
}

static inline void patch_round_init(struct patch_round *round,
                                    const struct zkt_store *store,
                                    const struct zkt_type *type)
{
    *round = (struct patch_round){ .store = store, .type = type };
    zkt__writer_init(&round->before, store->allocator);
    zkt__writer_init(&round->plain, store->allocator);
    zkt__writer_init(&round->rfc6902, store->allocator);
    zkt__writer_init(&round->after, store->allocator);
}

static inline void patch_round_finish(struct patch_round *round)
{
    zkt__writer_finish(&round->before);
    zkt__writer_finish(&round->plain);
    zkt__writer_finish(&round->rfc6902);
    zkt__writer_finish(&round->after);
}

#endif
