/*
 * The journal of one call: what was changed, in order, each record holding
 * what undo needs, with old values moved in. A mutator (zocket/state.h)
 * applies its change to the live state and appends one record. Failure walks
 * them backwards. A commit that nobody watches frees the old values and does
 * nothing else; otherwise the records are replayed into a delta tree and the
 * net patch is written from the live state. The cost is that of the change,
 * never of the state.
 *
 * The client uses the same journal to apply a patch: a misfit is undone.
 */
#ifndef ZKT_STATE_JOURNAL_H
#define ZKT_STATE_JOURNAL_H

#include "base/index.h"
#include "state/value.h"
#include "zocket/state.h"
#include "json/json.h"

struct zkt_place;
struct zkt_record;
struct zkt_retired;

/* More pieces in one list than this, and the list is sent whole. */
#define ZKT_PIECES_DEFAULT 256

/* Which patch a connection reads; see protocol.md, "Patches". */
enum zkt_dialect {
    ZKT_DIALECT_PLAIN,   /* `add` to an array only at its end */
    ZKT_DIALECT_RFC6902, /* true inserts */
    ZKT_DIALECT_COUNT
};

struct zkt_journal {
    const struct zkt_store *store;
    struct zkt_arena *arena; /* the call's: records, places, old values */
    struct zkt_place *root;
    struct zkt_record *records;
    uint32_t count, capacity;
    uint32_t limit;              /* of records; over it the call is poisoned */
    uint32_t pieces_max;         /* of a list in a patch; may be set */
    uint32_t whole_lists;        /* lists that were sent whole for that */
    int size_violations;         /* item counts that are out of bounds now */
    bool over;                   /* a write would have gone over it */
    bool checks;                 /* rules are checked; a client's are not */
    enum zkt_status failure;     /* ZKT_OK until it is poisoned */
    struct zkt_issues *issues;   /* why; also rules broken at commit */
    const char *reason;          /* for what is no issue; lives as the arena */
    struct zkt_retired *retired; /* outgrown blocks, until the call ends */
    struct zkt_index targets;    /* see stale.c */
    uint32_t targets_count;      /* records that are in it */

    /* What a patch has that the schema has not. */
    uint32_t unknown_fields, unknown_values;
};

/**
 * Begins on an owned @state of struct type @type. @issues and @arena outlive
 * the journal. False: no memory.
 */
bool zkt__journal_begin(struct zkt_journal *journal,
                        const struct zkt_store *store, struct zkt_arena *arena,
                        struct zkt_issues *issues, const struct zkt_type *type,
                        void *state, uint32_t limit);

/** Poisons: later writes do nothing. Only the first reason, which is
 * printf's, is kept. */
void zkt__journal_fail(struct zkt_journal *journal, enum zkt_status status,
                       const char *reason, ...) ZKT_PRINTF(3, 4);

/** The item counts of what was touched, at the commit. False: poisoned. */
bool zkt__journal_check(struct zkt_journal *journal);

/** Gives the state back as it was at begin; allocates nothing. */
void zkt__journal_undo(struct zkt_journal *journal);

/** Makes the changes final: frees the old values. */
void zkt__journal_commit(struct zkt_journal *journal);

/**
 * Writes the net patch (`[{"op":…},…]`) for each dialect, before settle. With
 * no net change nothing is written to either. When both are the same, only
 * the first is written and *@same is set. False: no memory (in the writers'
 * failed, or for the delta tree); the journal is unharmed and can be undone.
 */
bool zkt__journal_patch(struct zkt_journal *journal, struct zkt_writer *plain,
                        struct zkt_writer *rfc6902, bool *same);

/** Which fields of the root were touched: calls @fn once for each, in order. */
void zkt__journal_changed_fields(const struct zkt_journal *journal,
                                 void (*fn)(void *user, uint32_t field),
                                 void *user);

enum zkt_patch_result {
    ZKT_PATCH_APPLIED,
    ZKT_PATCH_MISMATCH, /* undone: the state is as before */
    ZKT_PATCH_NO_MEMORY
};

/**
 * Client: applies the patch array that stands next in @reader to the state of
 * @journal, all operations or none (RFC 6902, in the reading of @dialect:
 * plain overwrites on `add` to an array index that exists). Operations below
 * a field name that the schema does not have are ignored. On success the
 * journal still holds its records: ask zkt__journal_changed_fields, then
 * settle.
 */
enum zkt_patch_result zkt__patch_apply(struct zkt_journal *journal,
                                       struct zkt_reader *reader,
                                       enum zkt_dialect dialect);

#endif
