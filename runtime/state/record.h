/*
 * Cursors and records, shared by the files of this folder. A cursor is a chain
 * of steps from the root of the state, as of the time it was made. A record
 * points to the cursor of the struct or container that it changed, so paths are
 * never copied.
 */
#ifndef ZKT_STATE_RECORD_H
#define ZKT_STATE_RECORD_H

#include <stdalign.h>

#include "state/container.h"
#include "state/journal.h"

enum zkt_step_kind {
    ZKT_STEP_ROOT,
    ZKT_STEP_FIELD, /* of a struct, also through OPTIONAL or BOXED */
    ZKT_STEP_ITEM,
    ZKT_STEP_ENTRY
};

struct zkt_cursor {
    struct zkt_journal *journal;
    struct zkt_cursor *parent;   /* NULL for the root */
    const struct zkt_type *type; /* a struct, list or map */
    void *at;                    /* valid while the cursor is not stale */
    enum zkt_step_kind step;
    uint32_t index;     /* field or item */
    struct zkt_str key; /* of the entry; in the arena */
    uint32_t seen;      /* records before this number did not make it stale */
    uint32_t depth;     /* steps from the root */
};

enum zkt_operation {
    ZKT_SET,     /* index: field; old: its value */
    ZKT_INSERT,  /* index, count: items */
    ZKT_REPLACE, /* index: item; old: the item */
    ZKT_REMOVE,  /* index, count: items; old: all of them */
    ZKT_PUT,     /* key; old: the value, NULL if the entry is new */
    ZKT_DELETE,  /* index: entry; old: key and value */
    ZKT_CLEAR    /* old: the container */
};

struct zkt_record {
    enum zkt_operation operation;
    uint32_t index, count;
    bool is_small; /* old points to small */
    struct zkt_cursor *where;
    struct zkt_str key;
    void *old; /* value moved out of the state; NULL if there was none */
    alignas(8) char small[16];
};

/** Returns the current address of the cursor's value by walking its steps; used
 * by undo. */
void *zkt__cursor_resolve(const struct zkt_cursor *cursor);

/** Makes a cursor a step below @at. Returns NULL, and poisons the journal, if
 * the state is too deep or there is no memory. */
struct zkt_cursor *zkt__cursor_new(struct zkt_cursor *at,
                                   enum zkt_step_kind step,
                                   const struct zkt_type *type, void *address);

/** Returns true if a list or map of @type must not have @len items. */
static inline bool zkt__violates_size_limit(const struct zkt_type *type,
                                            size_t len)
{
    const bool list = type->kind == ZKT_KIND_LIST;
    const uint32_t min = list ? type->of.lists->min : type->of.maps->min;
    const uint32_t max = list ? type->of.lists->max : type->of.maps->max;
    return len < min || (max != UINT32_MAX && len > max);
}

/**
 * Returns true if a record from number @since on changed a list, map or field
 * that leads to the cursor; also, with the journal poisoned, if there is no
 * memory.
 */
bool zkt__cursor_is_stale(const struct zkt_cursor *cursor, uint32_t since);

/** Continues zkt__cursor_usable for a cursor that was not seen since the last
 * change. */
bool zkt__cursor_recheck(struct zkt_cursor *cursor);
/** Returns true if the cursor may be written through; a stale cursor poisons
 * the journal. */
static inline bool zkt__cursor_usable(struct zkt_cursor *cursor)
{
    const struct zkt_journal *journal = cursor->journal;
    return (journal->failure == ZKT_OK && cursor->seen >= journal->count) ||
           zkt__cursor_recheck(cursor);
}

/**
 * Returns the struct or container that a mutator changes: @at itself for
 * ZKT_ITSELF, else a cursor to the container in @field. Returns NULL if the
 * journal is poisoned.
 */
struct zkt_cursor *zkt__cursor_container(struct zkt_cursor *at, int field,
                                         enum zkt_kind kind);

/** Writes the steps of the cursor for an issue; returns their number. */
uint32_t zkt__cursor_path(const struct zkt_cursor *cursor,
                          struct zkt_step path[ZKT_DEPTH_MAX]);

/** Returns true if JSON omits the field: OPTIONAL or BOXED, and empty. */
bool zkt__is_absent(const struct zkt_type *type, const void *value);

/** Returns the inner value of an OPTIONAL, NULLABLE or BOXED, or NULL if it
 * is empty; returns any other value itself. *@type becomes the type of the
 * result. */
void *zkt__unwrap(const struct zkt_type **type, void *value);

#endif
