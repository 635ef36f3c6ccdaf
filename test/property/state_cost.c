/*
 * The work of changes in a state, for counting instructions.
 *
 *   state_cost change ITEMS ROUNDS   each round removes the first of ITEMS
 *                                    items, appends an item and writes the
 * patch state_cost late ITEMS ROUNDS     each round changes every item, in a
 * single call that checks a `unique` in each state_cost patch ITEMS ROUNDS each
 * round applies a client's patch that has an operation for every item
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/journal.h"
#include "table_types.h"
#include "zoo_types.h"

static const struct zkt_store store = { &zkt__allocator_default, { 1, 2 } };

/* The state of a round. */
struct work {
    const struct zkt_type *type;
    void *state;
    size_t items;
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_journal journal;
    struct zkt_writer plain, rfc6902;
};

enum {
    ROWS, /* the fields of table.zkt, in their order */
    BY_KEY
};

static void begin(struct work *w)
{
    zkt__journal_begin(&w->journal, &store, &w->arena, &w->issues, w->type,
                       w->state, UINT32_MAX);
}

static bool end(struct work *w)
{
    const bool good = zkt__journal_check(&w->journal);
    zkt__journal_commit(&w->journal);
    zkt__arena_reset(&w->arena);
    w->plain.len = 0;
    return good;
}

/* ---- change ---- */

static int leaves_of(const struct work *w)
{
    const struct zkt_struct_info *info = w->type->of.structs;
    int field = 0;
    while (!zkt_str_eq(info->fields[field].name, ZKT_STR("leaves"))) {
        field++;
    }
    return field;
}

static bool change(struct work *w)
{
    const int leaves = leaves_of(w);
    const struct zoo_leaf leaf = { .n = 7, .name = ZKT_STR("leaf") };
    bool same;
    begin(w);
    zkt_state_remove(w->journal.root, leaves, 0, 1);
    zkt_state_insert(w->journal.root, leaves, ZKT_LAST, &leaf);
    return zkt__journal_patch(&w->journal, &w->plain, &w->rfc6902, &same) &&
           end(w);
}

static bool change_items(struct work *w)
{
    const struct zoo_leaf leaf = { .n = 7, .name = ZKT_STR("leaf") };
    const int leaves = leaves_of(w);
    begin(w);
    for (size_t i = 0; i < w->items; i++) {
        zkt_state_insert(w->journal.root, leaves, ZKT_LAST, &leaf);
    }
    return end(w);
}

/* ---- late ---- */

static bool table_items(struct work *w)
{
    const int32_t one = 1;
    const struct table_row row = { .marks = { &one, 1 } };
    char key[32];
    begin(w);
    for (size_t i = 0; i < w->items; i++) {
        const int len = snprintf(key, sizeof(key), "row %zu", i);
        zkt_state_insert(w->journal.root, ROWS, ZKT_LAST, &row);
        zkt_state_put(w->journal.root, BY_KEY,
                      (struct zkt_str){ key, (size_t)len }, &row);
    }
    return end(w);
}

static bool late(struct work *w)
{
    begin(w);
    for (size_t i = 0; i < w->items; i++) {
        struct zkt_cursor *row = zkt_state_edit_item(w->journal.root, ROWS, i);
        const int32_t other = 2;
        zkt_state_replace(row, 0, 0, &other);
    }
    return end(w);
}

/* ---- patch ---- */

static bool patch(struct work *w)
{
    struct zkt_reader reader;
    bool comma = false;
    ZKT_WRITE(&w->plain, "[");
    for (size_t i = 0; i < w->items; i++) {
        char text[96];
        const int len = snprintf(text, sizeof(text),
                                 "%s{\"op\":\"replace\",\"path\":"
                                 "\"/byKey/row %zu/marks/0\",\"value\":3}",
                                 comma ? "," : "", i);
        zkt_write_raw(&w->plain, text, (size_t)len);
        comma = true;
    }
    ZKT_WRITE(&w->plain, "]");
    begin(w);
    w->journal.checks = false;
    zkt__reader_init(&reader, (char *)w->plain.data, w->plain.len, &w->arena,
                     &w->issues, &store.key);
    return zkt__patch_apply(&w->journal, &reader, ZKT_DIALECT_PLAIN) ==
               ZKT_PATCH_APPLIED &&
           end(w);
}

/* ---- the program ---- */

static bool run(struct work *w, bool (*fill)(struct work *w),
                bool (*round)(struct work *w), long rounds)
{
    bool good = zkt__value_default(&store, w->type, w->state) && fill(w);
    for (long i = 0; good && i < rounds; i++) {
        good = round(w);
    }
    zkt__value_release(&store, w->type, w->state);
    return good;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "change";
    const long rounds = argc > 3 ? atol(argv[3]) : 1000;
    const bool tree = strcmp(what, "change") == 0;
    struct zoo_tree_state state;
    struct table_all_state table;
    struct work w = {
        .type = tree ? &zoo_tree_state_type_ : &table_all_state_type_,
        .state = tree ? (void *)&state : (void *)&table,
        .items = argc > 2 ? (size_t)atol(argv[2]) : 100,
        .issues = { .arena = &w.arena },
    };
    zkt__arena_init(&w.arena, store.allocator);
    zkt__writer_init(&w.plain, store.allocator);
    zkt__writer_init(&w.rfc6902, store.allocator);
    const bool good = tree ? run(&w, change_items, change, rounds)
                           : run(&w, table_items,
                                 strcmp(what, "late") == 0 ? late : patch,
                                 rounds);
    zkt__writer_finish(&w.plain);
    zkt__writer_finish(&w.rfc6902);
    zkt__arena_finish(&w.arena);
    return good ? 0 : 1;
}
