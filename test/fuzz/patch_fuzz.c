/*
 * Any bytes as a patch for a client's state, in both dialects: applied as a
 * whole or not at all, and undone to the last byte if it does not fit.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "state/journal.h"
#include "zoo_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct zkt_store store = { &zkt__allocator_default, { 1, 2 } };
static const struct zkt_type *const type = &zoo_tree_state_type_;

/* Checks that the patched state can be encoded and decoded. */
static void check_whole(struct zkt_arena *arena, struct zkt_issues *issues,
                        const struct zoo_tree_state *state)
{
    struct zkt_writer w;
    struct zkt_reader reader;
    struct zoo_tree_state back;
    zkt__writer_init(&w, store.allocator);
    type->encode(&w, type, state);
    char *text = zkt__arena_zero(arena, w.len + ZKT_PADDING, 1);
    memcpy(text, w.data, w.len);
    zkt__reader_init(&reader, text, w.len, arena, issues, &store.key);
    reader.tolerant = true;
    if (zkt__check_value(type, state, NULL, 0, issues) &&
        (!type->decode(&reader, type, &back) || !zkt__reader_done(&reader) ||
         !zkt__value_equal(type, state, &back))) {
        abort();
    }
    zkt__writer_finish(&w);
}

static void run(const uint8_t *data, size_t size, enum zkt_dialect dialect)
{
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena }, none = issues;
    struct zkt_journal journal;
    struct zkt_reader reader;
    struct zoo_tree_state state, before;
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
    if (zkt__patch_apply(&journal, &reader, dialect) == ZKT_PATCH_APPLIED) {
        check_whole(&arena, &none, &state);
        zkt__journal_commit(&journal);
    } else if (!zkt__value_equal(type, &state, &before)) {
        abort();
    }
    zkt__value_release(&store, type, &state);
    zkt__value_release(&store, type, &before);
    zkt__arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (zkt__utf8_valid(data, size)) {
        run(data, size, ZKT_DIALECT_RFC6902);
        run(data, size, ZKT_DIALECT_PLAIN);
    }
    return 0;
}
