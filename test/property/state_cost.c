/*
 * The work of one change in a state of some size, for counting instructions:
 * each round removes the first item, appends one, writes the patch for a
 * subscriber and settles.
 *
 *   state_cost ITEMS ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/journal.h"
#include "zoo_types.h"

static const struct zkt_store store = { &zkt__allocator_default, { 1, 2 } };

int main(int argc, char **argv)
{
    const long items = argc > 1 ? atol(argv[1]) : 100;
    const long rounds = argc > 2 ? atol(argv[2]) : 1000;
    const struct zkt_type *type = &zoo_tree_state_type_;
    const int leaves = (int)type->of.structs->count - 3; /* see zoo.zkt */
    const struct zoo_leaf leaf = { .n = 7, .name = ZKT_STR("leaf") };
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    struct zkt_journal journal;
    struct zkt_writer plain, rfc6902;
    struct zoo_tree_state state;
    bool same;
    zkt__arena_init(&arena, store.allocator);
    zkt__writer_init(&plain, store.allocator);
    zkt__writer_init(&rfc6902, store.allocator);
    if (!zkt__value_default(&store, type, &state)) {
        return 1;
    }
    for (long i = 0; i < items + rounds; i++) {
        const bool counted = i >= items;
        zkt__journal_begin(&journal, &store, &arena, &issues, type, &state,
                           100);
        if (counted) {
            zkt_state_remove(journal.root, leaves, 0, 1);
        }
        zkt_state_insert(journal.root, leaves, ZKT_LAST, &leaf);
        if (counted && !zkt__journal_patch(&journal, &plain, &rfc6902, &same)) {
            return 1;
        }
        zkt__journal_settle(&journal);
        zkt__arena_reset(&arena);
        plain.len = 0;
    }
    if (state.leaves.len != (size_t)items) {
        return 1;
    }
    zkt__value_release(&store, type, &state);
    zkt__writer_finish(&plain);
    zkt__writer_finish(&rfc6902);
    zkt__arena_finish(&arena);
    return 0;
}
