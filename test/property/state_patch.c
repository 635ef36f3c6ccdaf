/*
 * Random states, random mutators. The patch applied to the old state gives the
 * new one, in both dialects and, for the plain one, by both readings; undo
 * gives the old state back to the last byte.
 *
 *   state_patch [ROUNDS [SEED]]
 *   state_patch --dump ROUNDS     a line of JSON for each round, for a program
 *                                 that reads patches in another way
 */
#include <stdlib.h>

#include "random_value.h"
#include "state/journal.h"
#include "state/record.h"
#include "zoo_types.h"

static const struct zkt_type *const type = &zoo_tree_state_type_;
static struct zkt_store used = { .key = { 1, 2 } };
static long failures;

/* ---- random changes ---- */

static void change_struct(struct zkt_arena *arena, struct zkt_place *at)
{
    const struct zkt_struct_info *info = at->type->of.structs;
    const unsigned field = random_below(info->count);
    const struct zkt_type *t = info->fields[field].type;
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

static void change_list(struct zkt_arena *arena, struct zkt_place *at)
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
    }
}

static struct zkt_str some_key(struct zkt_arena *arena,
                               const struct zkt_place *at)
{
    const struct zkt_any_map *map = at->at;
    if (map->len > 0 && random_below(3) > 0) {
        return zkt__arena_str(arena,
                              zkt__map_key(map, at->type->of.maps->entry_size,
                                           random_below((unsigned)map->len)));
    }
    return random_text(arena);
}

static void change_map(struct zkt_arena *arena, struct zkt_place *at)
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

/* A place one step down, or NULL where there is none to go to. */
static struct zkt_place *go_down(struct zkt_place *at)
{
    const struct zkt_any_list *list = at->at;
    if (at->type->kind == ZKT_KIND_STRUCT) {
        const struct zkt_struct_info *info = at->type->of.structs;
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

static void change(struct zkt_arena *arena, struct zkt_place *root)
{
    struct zkt_place *at = root;
    while (random_below(4) > 0) {
        struct zkt_place *down = go_down(at);
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

/* ---- checking ---- */

static void fail(long round, const char *what)
{
    if (failures++ < 5) {
        fprintf(stderr, "round %ld: %s\n", round, what);
    }
}

static void encode(struct zkt_writer *w, const void *state)
{
    zkt__writer_init(w, used.allocator);
    type->encode(w, type, state);
}

static bool same_text(const struct zkt_writer *a, const struct zkt_writer *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Applies a patch to a copy of @old and compares with @now. */
static void check_patch(long round, const struct zkt_writer *patch,
                        enum zkt_dialect dialect, const void *old,
                        const void *now)
{
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    struct zkt_journal journal;
    struct zkt_reader reader;
    struct zoo_tree_state copy;
    zkt__arena_init(&arena, used.allocator);
    zkt__value_copy(&used, type, &copy, old);
    if (patch->len > 0) {
        char *text = zkt__arena_zero(&arena, patch->len + ZKT_PADDING, 1);
        memcpy(text, patch->data, patch->len);
        zkt__reader_init(&reader, text, patch->len, &arena, &issues, &used.key);
        zkt__journal_begin(&journal, &used, &arena, &issues, type, &copy,
                           UINT32_MAX);
        journal.checks = false;
        if (zkt__patch_apply(&journal, &reader, dialect) != ZKT_PATCH_APPLIED) {
            fail(round, "a patch does not fit");
        }
        zkt__journal_settle(&journal);
    }
    if (!zkt__value_equal(type, &copy, now)) {
        fail(round, "a patch gives another state");
    }
    zkt__value_release(&used, type, &copy);
    zkt__arena_finish(&arena);
}

static void dump(const struct zkt_writer *old, const struct zkt_writer *plain,
                 const struct zkt_writer *rfc6902, const struct zkt_writer *now)
{
    const struct zkt_writer *parts[] = { old, plain, rfc6902, now };
    for (size_t i = 0; i < 4; i++) {
        printf("%s%.*s", i == 0 ? "[" : ",",
               parts[i]->len > 0 ? (int)parts[i]->len : 2,
               parts[i]->len > 0 ? parts[i]->data : "[]");
    }
    printf("]\n");
}

static void run_round(long round, bool dumps, bool *differ)
{
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    struct zkt_journal journal;
    struct zoo_tree_state value, state, old;
    struct zkt_writer before, after, plain, rfc6902, undone;
    bool same;
    zkt__arena_init(&arena, used.allocator);
    zkt__writer_init(&plain, used.allocator);
    zkt__writer_init(&rfc6902, used.allocator);
    random_value(&arena, type, &value, 0);
    zkt__value_copy(&used, type, &state, &value);
    zkt__value_copy(&used, type, &old, &value);
    encode(&before, &state);
    zkt__journal_begin(&journal, &used, &arena, &issues, type, &state, 1000);
    for (unsigned n = 1 + random_below(12); n > 0; n--) {
        change(&arena, journal.root);
    }
    if (journal.failure != ZKT_OK) {
        fail(round, journal.reason);
    }
    encode(&after, &state);
    if (!zkt__journal_patch(&journal, &plain, &rfc6902, &same)) {
        fail(round, "no patch");
    }
    *differ = !same;
    check_patch(round, &plain, ZKT_DIALECT_PLAIN, &old, &state);
    check_patch(round, &plain, ZKT_DIALECT_RFC6902, &old, &state);
    check_patch(round, same ? &plain : &rfc6902, ZKT_DIALECT_RFC6902, &old,
                &state);
    if (dumps) {
        dump(&before, &plain, same ? &plain : &rfc6902, &after);
    }
    if (random_below(4) == 0) {
        zkt__journal_settle(&journal);
    } else {
        zkt__journal_undo(&journal);
        encode(&undone, &state);
        if (!same_text(&before, &undone)) {
            fail(round, "undo gives another state");
        }
        zkt__writer_finish(&undone);
    }
    struct zkt_writer *writers[] = { &before, &after, &plain, &rfc6902 };
    for (size_t i = 0; i < 4; i++) {
        zkt__writer_finish(writers[i]);
    }
    zkt__value_release(&used, type, &state);
    zkt__value_release(&used, type, &old);
    zkt__arena_finish(&arena);
}

int main(int argc, char **argv)
{
    const bool dumps = argc > 1 && strcmp(argv[1], "--dump") == 0;
    const int first = dumps ? 2 : 1;
    const long rounds = argc > first ? atol(argv[first]) : 20000;
    long different = 0;
    used.allocator = &zkt__allocator_default;
    if (argc > first + 1) {
        random_seed = strtoull(argv[first + 1], NULL, 10);
    }
    for (long round = 0; round < rounds; round++) {
        bool differ;
        run_round(round, dumps, &differ);
        different += differ;
    }
    fprintf(stderr, "%ld rounds, %ld failures; the dialects differed in %ld\n",
            rounds, failures, different);
    return failures == 0 ? 0 : 1;
}
