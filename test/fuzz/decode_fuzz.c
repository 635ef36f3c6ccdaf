/*
 * Any bytes as JSON, through every decoder of three schemas; the first byte
 * selects the type. A value that decodes strictly passes zkt__check_value, is
 * accepted by a tolerant reader, and is encoded and decoded to the same value.
 * A value that only a tolerant reader accepts is checked, and encoded if it
 * passes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "every_server.h"
#include "odd_server.h"
#include "state/value.h"
#include "zoo_types.h"
#include "json/json.h"
#include "json/pattern.h"

enum {
    TYPES_MAX = 128
};

static const struct zkt_hash_key hash_key = { 5, 6 };
static struct zkt_pattern_cache patterns;
static struct zkt_rule_context context = { .patterns = &patterns };
/* The zoo's state comes first, so that a corpus can begin with '0'. */
static const struct zkt_type *types[TYPES_MAX] = {
    &zoo_tree_state_type_,
    &zoo_branch_type_,
    &zoo_chain_type_,
    &zoo_shape_type_,
};
static size_t type_count = 4;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the types ---- */

static void add_type(const struct zkt_type *type)
{
    for (size_t i = 0; i < type_count; i++) {
        if (types[i] == type) {
            return;
        }
    }
    if (type != NULL && type_count < TYPES_MAX) {
        types[type_count++] = type;
    }
}

static void add_actor(const struct zkt_actor *actor)
{
    add_type(actor->state);
    add_type(actor->private_state);
    for (uint32_t i = 0; i < actor->method_count; i++) {
        add_type(actor->methods[i].input);
        add_type(actor->methods[i].result);
    }
    for (uint32_t i = 0; i < actor->event_count; i++) {
        add_type(actor->events[i].payload);
    }
}

static void add_app(const struct zkt_app *app)
{
    for (uint32_t i = 0; i < app->info->actor_count; i++) {
        add_actor(app->info->actors[i]);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct every_handlers every;
    static const struct odd_handlers odd;
    const struct zkt_app apps[] = { every_app(&every), odd_app(&odd) };
    (void)argc;
    (void)argv;
    patterns.allocator = &zkt__allocator_default;
    add_app(&apps[0]);
    add_app(&apps[1]);
    return 0;
}

/* ---- a text ---- */

struct run {
    struct zkt_arena arena;
    struct zkt_issues issues;
    const struct zkt_type *type;
    const void *text;
    size_t len;
};

/* Decodes the value into the arena; returns NULL if it is refused. */
static void *decode(struct run *r, const void *text, size_t len, bool tolerant)
{
    struct zkt_reader reader;
    char *copy = zkt__arena_zero(&r->arena, len + ZKT_PADDING, 1);
    void *value = zkt__arena_zero(&r->arena, 1, r->type->size);
    if (len > 0) {
        memcpy(copy, text, len);
    }
    zkt__issues_init(&r->issues, &r->arena, &context);
    zkt__reader_init(&reader, copy, len, &r->arena, &r->issues, &hash_key);
    reader.tolerant = tolerant;
    const bool good = r->type->decode(&reader, r->type, value) &&
                      zkt__reader_done(&reader);
    if (!good && !reader.malformed && r->issues.total == 0 &&
        zkt__reader_done(&reader)) {
        abort(); /* refused without an issue */
    }
    return good ? value : NULL;
}

static bool check(struct run *r, const void *value)
{
    zkt__issues_init(&r->issues, &r->arena, &context);
    return zkt__check_value(r->type, value, NULL, 0, &r->issues);
}

static void write_issues(const struct run *r)
{
    struct zkt_writer w;
    zkt__writer_init(&w, &zkt__allocator_default);
    zkt__issues_write(&r->issues, &w);
    zkt__writer_finish(&w);
}

static void there_and_back(struct run *r, const void *value, bool tolerant)
{
    struct zkt_writer w;
    zkt__writer_init(&w, &zkt__allocator_default);
    r->type->encode(&w, r->type, value);
    const void *back = decode(r, w.data, w.len, tolerant);
    if (back == NULL || !zkt__value_equal(r->type, value, back)) {
        abort();
    }
    zkt__writer_finish(&w);
}

static void run_strictly(struct run *r)
{
    const void *value = decode(r, r->text, r->len, false);
    if (value == NULL) {
        write_issues(r);
        return;
    }
    if (!check(r, value) || decode(r, r->text, r->len, true) == NULL) {
        abort();
    }
    there_and_back(r, value, false);
}

static void run_tolerantly(struct run *r)
{
    const void *value = decode(r, r->text, r->len, true);
    if (value == NULL) {
        write_issues(r);
    } else if (check(r, value)) {
        there_and_back(r, value, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || !zkt__utf8_valid(data + 1, size - 1)) {
        return 0; /* the WebSocket layer checks that */
    }
    struct run r = {
        .type = types[(uint8_t)(data[0] - '0') % type_count],
        .text = data + 1,
        .len = size - 1,
    };
    zkt__arena_init(&r.arena, &zkt__allocator_default);
    run_strictly(&r);
    run_tolerantly(&r);
    zkt__arena_finish(&r.arena);
    return 0;
}
