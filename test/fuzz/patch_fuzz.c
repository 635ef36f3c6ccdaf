/*
 * Any bytes as a patch for a client's state: applied whole or not at all, and
 * undone to the last byte when it does not fit.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "state/journal.h"
#include "zoo_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct zkt_store store = { &zkt__allocator_default, { 1, 2 } };
    const struct zkt_type *type = &zoo_tree_state_type_;
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    struct zkt_journal journal;
    struct zkt_reader reader;
    struct zoo_tree_state state, before;
    if (!zkt__utf8_valid(data, size)) {
        return 0;
    }
    zkt__arena_init(&arena, store.allocator);
    char *text = zkt__arena_zero(&arena, size + ZKT_PADDING, 1);
    if (size > 0) {
        memcpy(text, data, size);
    }
    if (!zkt__value_default(&store, type, &state) ||
        !zkt__value_copy(&store, type, &before, &state) ||
        !zkt__journal_begin(&journal, &store, &arena, &issues, type, &state,
                            UINT32_MAX)) {
        abort();
    }
    journal.checks = false;
    zkt__reader_init(&reader, text, size, &arena, &issues, &store.key);
    if (zkt__patch_apply(&journal, &reader, ZKT_DIALECT_RFC6902) ==
        ZKT_PATCH_APPLIED) {
        zkt__journal_settle(&journal);
    } else if (!zkt__value_equal(type, &state, &before)) {
        abort();
    }
    zkt__value_release(&store, type, &state);
    zkt__value_release(&store, type, &before);
    zkt__arena_finish(&arena);
    return 0;
}
