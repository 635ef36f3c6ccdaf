/* See replica.h. */
#include "replica.h"

#include <string.h>

#include "soak_types.h"

static const struct zkt_store store = { .allocator = &zkt__allocator_default,
                                        .key = { 1, 2 } };

static const struct zkt_type *type_of(int place)
{
    return place_is_ledger(place)   ? &soak_ledger_state_type_
           : place_is_room(place)   ? &soak_room_state_type_
           : place_is_studio(place) ? &soak_studio_state_type_
           : place == PASSING       ? &soak_plain_state_type_
                                    : &soak_hose_state_type_;
}

void replica_init(struct replica *r, int place, const char *client)
{
    *r = (struct replica){ .place = place, .client = client, .quiet = true };
    r->value = calloc(1, type_of(place)->size);
    SOAK_CHECK(r->value != NULL, "no memory");
}

void replica_forget(struct replica *r)
{
    zkt__value_release(&store, type_of(r->place), r->value);
    r->known = false;
}

void replica_finish(struct replica *r)
{
    if (r->value != NULL) {
        replica_forget(r);
        free(r->value);
        r->value = NULL;
    }
}

/* ---- invariants of every state ---- */

static void check_ledger(const struct soak_ledger_state *state)
{
    int32_t sum = 0;
    for (size_t i = 0; i < state->entries.len; i++) {
        sum += state->entries.items[i].value;
    }
    SOAK_CHECK(sum == state->sum, "the entries are %d, the sum is %d", sum,
               state->sum);
}

static void check_hose(const struct soak_hose_state *state)
{
    const char letter = (char)('a' + state->version % 26);
    for (size_t i = 0; i < state->text.len; i++) {
        SOAK_CHECK(state->text.data[i] == letter,
                   "the text is not of version %" PRIu32, state->version);
    }
}

/* The word of a studio is the id of its holder, and everybody's hand is among
 * the counts of the board. */
bool replica_check_studio(const struct soak_studio_state *state,
                          const char *client)
{
    const struct zkt_str holder = state->board.holder;
    SOAK_CHECK(!state->word.has || zkt_str_eq(state->word.value, holder),
               "the word of somebody else");
    SOAK_CHECK(state->hands.len <= 1, "%zu hands of one", state->hands.len);
    for (size_t i = 0; i < state->hands.len; i++) {
        const struct zkt_str key = state->hands.items[i].key;
        const uint32_t *count = zkt_uint32_map_find(&state->board.counts, key);
        SOAK_CHECK(client == NULL || zkt_str_eq(key, zkt_cstr(client)),
                   "the hand of somebody else");
        SOAK_CHECK(count != NULL && *count == state->hands.items[i].value,
                   "a hand that differs from the board");
    }
    if (client != NULL) {
        const struct zkt_str own = zkt_cstr(client);
        SOAK_CHECK(state->word.has == zkt_str_eq(holder, own),
                   "the word and the holder do not agree");
        SOAK_CHECK((state->hands.len == 1) ==
                       (zkt_uint32_map_find(&state->board.counts, own) != NULL),
                   "a hand is missing");
    }
    return state->word.has;
}

static void check_value(const struct replica *r)
{
    if (place_is_studio(r->place)) {
        soak.words += replica_check_studio(r->value, r->client);
        return;
    }
    if (place_is_ledger(r->place)) {
        check_ledger(r->value);
    } else if (!place_is_room(r->place)) {
        check_hose(r->value);
    }
}

uint32_t replica_version(const struct replica *r)
{
    return place_is_ledger(r->place)
               ? ((const struct soak_ledger_state *)r->value)->version
           : place_is_studio(r->place)
               ? ((const struct soak_studio_state *)r->value)->board.version
               : ((const struct soak_hose_state *)r->value)->version;
}

/* ---- received messages ---- */

/* Decodes into memory of @arena. */
static void *decode(struct zkt_arena *arena, const struct zkt_type *type,
                    struct zkt_str json)
{
    struct zkt_issues issues;
    struct zkt_reader reader;
    void *decoded = zkt__arena_zero(arena, 1, type->size);
    zkt__issues_init(&issues, arena, NULL);
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len, arena,
                     &issues, &store.key);
    SOAK_CHECK(decoded != NULL && type->decode(&reader, type, decoded),
               "not a value of its type: %.200s", json.data);
    return decoded;
}

void replica_snapshot(struct replica *r, struct zkt_str json)
{
    const struct zkt_type *type = type_of(r->place);
    const bool counts = r->known && !place_is_room(r->place);
    const uint32_t before = counts ? replica_version(r) : 0;
    struct zkt_arena arena;
    zkt__arena_init(&arena, &zkt__allocator_default);
    void *decoded = decode(&arena, type, json);
    zkt__value_release(&store, type, r->value);
    SOAK_CHECK(zkt__value_copy(&store, type, r->value, decoded), "no memory");
    zkt__arena_finish(&arena);
    r->known = true;
    SOAK_CHECK(!counts || replica_version(r) >= before,
               "a snapshot of version %" PRIu32 " after %" PRIu32,
               replica_version(r), before);
    check_value(r);
}

void replica_patch(struct replica *r, struct zkt_str json,
                   enum zkt_dialect dialect)
{
    const bool counts = !place_is_room(r->place);
    const uint32_t before = counts ? replica_version(r) : 0;
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_reader reader;
    struct zkt_journal journal;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__issues_init(&issues, &arena, NULL);
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len, &arena,
                     &issues, &store.key);
    SOAK_CHECK(zkt__journal_begin(&journal, &store, &arena, &issues,
                                  type_of(r->place), r->value, UINT32_MAX),
               "no memory");
    SOAK_CHECK(zkt__patch_apply(&journal, &reader, dialect) ==
                   ZKT_PATCH_APPLIED,
               "a patch does not fit: %.200s", json.data);
    zkt__journal_commit(&journal);
    zkt__arena_finish(&arena);
    SOAK_CHECK(!counts || replica_version(r) == before + 1,
               "a patch from version %" PRIu32 " to %" PRIu32, before,
               replica_version(r));
    check_value(r);
}

/* ---- comparing ---- */

static bool same_book(const struct soak_ledger_state *mine,
                      const struct soak_ledger_state *theirs)
{
    return zkt__value_equal(&soak_ledger_state_type_, mine, theirs);
}

static void compare(const struct soak_ledger_state *mine,
                    const struct soak_ledger_state *theirs, bool newer)
{
    soak.compared++;
    if (newer && mine->version > theirs->version) {
        return;
    }
    SOAK_CHECK(mine->version == theirs->version,
               "the replica has version %" PRIu32 ", the server %" PRIu32,
               mine->version, theirs->version);
    SOAK_CHECK(same_book(mine, theirs),
               "a replica differs from the server at version %" PRIu32,
               mine->version);
}

void replica_compare_book(const struct replica *r, struct zkt_str json,
                          bool newer)
{
    struct zkt_arena arena;
    zkt__arena_init(&arena, &zkt__allocator_default);
    compare(r->value, decode(&arena, &soak_ledger_state_type_, json), newer);
    zkt__arena_finish(&arena);
}

void replica_compare_state(const struct soak_ledger_state *mine,
                           const struct soak_book *theirs, bool newer)
{
    const struct soak_ledger_state state = {
        .version = theirs->version,
        .total = theirs->total,
        .sum = theirs->sum,
        .entries = theirs->entries,
        .scores = theirs->scores,
        .note = theirs->note,
    };
    compare(mine, &state, newer);
}

bool replica_equal(const struct replica *a, const struct replica *b)
{
    if (place_is_studio(a->place)) {
        const struct soak_studio_state *x = a->value, *y = b->value;
        return zkt__value_equal(&soak_board_type_, &x->board, &y->board);
    }
    return zkt__value_equal(type_of(a->place), a->value, b->value);
}
