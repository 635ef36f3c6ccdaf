/*
 * Any bytes as JSON: skipping and decoding into the zoo's state never crash,
 * and what decodes is written and read back as the same value.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "state/value.h"
#include "zoo_types.h"
#include "json/json.h"

static const struct zkt_hash_key hash_key = { 5, 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool decode(struct zkt_arena *arena, struct zkt_issues *issues,
                   const void *text, size_t len, bool lenient,
                   struct zoo_tree_state *out)
{
    struct zkt_reader reader;
    char *copy = zkt__arena_zero(arena, len + ZKT_PADDING, 1);
    if (len > 0) {
        memcpy(copy, text, len);
    }
    zkt__reader_init(&reader, copy, len, arena, issues, &hash_key);
    reader.lenient = lenient;
    const struct zkt_type *type = &zoo_tree_state_type_;
    return type->decode(&reader, type, out) && zkt__reader_done(&reader);
}

static void check(const uint8_t *data, size_t size, bool lenient)
{
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena }, none = issues;
    struct zoo_tree_state value, back;
    struct zkt_writer w;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__writer_init(&w, &zkt__allocator_default);
    if (decode(&arena, &issues, data, size, lenient, &value) && !lenient) {
        zoo_tree_state_type_.encode(&w, &zoo_tree_state_type_, &value);
        if (!decode(&arena, &none, w.data, w.len, false, &back) ||
            !zkt__value_equal(&zoo_tree_state_type_, &value, &back)) {
            abort();
        }
    }
    zkt__issues_write(&issues, &w);
    zkt__writer_finish(&w);
    zkt__arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (zkt__utf8_valid(data, size)) { /* the WebSocket has seen to it */
        check(data, size, false);
        check(data, size, true);
    }
    return 0;
}
