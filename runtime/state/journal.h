/*
 * The journal of a call: its changes in order, each as a record that holds
 * enough to undo it; old values are moved into the record. A mutator
 * (zocket/state.h) changes the live state and appends a record. A failed call
 * is undone by walking the records backwards. A commit without subscribers only
 * frees the old values; with subscribers, the records are replayed into a delta
 * tree, and the net patch is written from the live state. The cost depends on
 * the size of the change, never on the size of the state.
 *
 * The client applies patches through the same journal: a mismatch is undone.
 */
#ifndef ZKT_STATE_JOURNAL_H
#define ZKT_STATE_JOURNAL_H

#include "base/index.h"
#include "state/value.h"
#include "zocket/state.h"
#include "json/json.h"

struct zkt_cursor;
struct zkt_record;
struct zkt_retired;

/* A list with more pieces than this is sent whole. */
#define ZKT_PIECES_DEFAULT 256

/* The patch dialect that a connection reads; see protocol.md, "Patches". */
enum zkt_dialect {
    ZKT_DIALECT_PLAIN,   /* `add` to an array only at its end */
    ZKT_DIALECT_RFC6902, /* true inserts */
    ZKT_DIALECT_COUNT
};

struct zkt_journal {
    const struct zkt_store *store;
    struct zkt_arena *arena; /* the call's: records, cursors, old values */
    struct zkt_cursor *root;
    struct zkt_record *records;
    uint32_t count, capacity;
    uint32_t limit;       /* on records; exceeding it poisons the call */
    uint32_t pieces_max;  /* per list of a patch; the caller may change it */
    uint32_t whole_lists; /* lists sent whole because they exceed pieces_max */
    int size_violations;  /* lists and maps that violate their bounds now */
    bool over;            /* a write would have exceeded the limit */
    bool checks;          /* check rules; clients do not */
    enum zkt_status failure;   /* ZKT_OK unless poisoned */
    struct zkt_issues *issues; /* violated rules, also those of the commit */
    const char *reason;        /* of a failure that is no issue; in the arena */
    struct zkt_retired *retired; /* outgrown blocks, until the call ends */
    struct zkt_index targets;    /* see stale.c */
    uint32_t targets_count;      /* records that are in targets */

    /* Fields and values of a patch that the schema does not know. */
    uint32_t unknown_fields, unknown_values;
};

/**
 * Begins on an owned @state of struct type @type. @issues and @arena must
 * outlive the journal. Returns false if there is no memory.
 */
bool zkt__journal_begin(struct zkt_journal *journal,
                        const struct zkt_store *store, struct zkt_arena *arena,
                        struct zkt_issues *issues, const struct zkt_type *type,
                        void *state, uint32_t limit);

/** Poisons the journal: later writes do nothing. Keeps only the first reason;
 * @reason is a printf format. */
void zkt__journal_fail(struct zkt_journal *journal, enum zkt_status status,
                       const char *reason, ...) ZKT_PRINTF(3, 4);

/** Checks the constraints that can only be checked at the commit: item counts,
 * `unique` and `check;`. Returns false if the journal is poisoned. */
bool zkt__journal_check(struct zkt_journal *journal);

/** Restores the state as it was at begin; allocates nothing. */
void zkt__journal_undo(struct zkt_journal *journal);

/** Makes the changes final: frees the old values. */
void zkt__journal_commit(struct zkt_journal *journal);

/** Begins again on the same state, after a commit; takes no memory. Cursors
 * that were made before are not valid any more. */
void zkt__journal_restart(struct zkt_journal *journal);

/**
 * Writes the net patch (`[{"op":…},…]`) in each dialect; to be called before
 * zkt__journal_commit. Writes nothing if there is no net change. If both
 * dialects give the same patch, writes only @plain and sets *@same. Returns
 * false if there is no memory (for the delta tree, or in a writer, which is
 * marked failed); the journal is intact and can be undone.
 */
bool zkt__journal_patch(struct zkt_journal *journal, struct zkt_writer *plain,
                        struct zkt_writer *rfc6902, bool *same);

/** Calls @fn once for each changed field of the root, in order. */
void zkt__journal_changed_fields(const struct zkt_journal *journal,
                                 void (*fn)(void *user, uint32_t field),
                                 void *user);

enum zkt_patch_result {
    ZKT_PATCH_APPLIED,
    ZKT_PATCH_MISMATCH, /* undone: the state is as before */
    ZKT_PATCH_NO_MEMORY
};

/**
 * Client: applies the patch array at @reader to the state of @journal, all
 * operations or none (RFC 6902, as @dialect reads it: plain overwrites on `add`
 * to an existing array index). Ignores operations below a field name that the
 * schema does not have. On success the journal still holds its records, for
 * zkt__journal_changed_fields and then zkt__journal_commit.
 */
enum zkt_patch_result zkt__patch_apply(struct zkt_journal *journal,
                                       struct zkt_reader *reader,
                                       enum zkt_dialect dialect);

#endif
