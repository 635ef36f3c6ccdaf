/*
 * The net effect of a journal, as a tree of the changed parts only. A struct or
 * map lists its changed keys. A list is a table of pieces: runs of kept items,
 * new items, removed and replaced items. The tree lives in the call's arena.
 */
#ifndef ZKT_STATE_DELTA_H
#define ZKT_STATE_DELTA_H

#include "state/record.h"

enum zkt_piece_kind {
    ZKT_PIECE_KEEP,    /* old items; a single one may have changes */
    ZKT_PIECE_NEW,     /* a run of new items */
    ZKT_PIECE_REMOVED, /* a removed old item */
    ZKT_PIECE_REPLACED /* an old item, replaced at its position */
};

struct zkt_piece {
    enum zkt_piece_kind kind;
    uint32_t count;       /* items of the run; 1 for REMOVED */
    const void *original; /* REMOVED, REPLACED: the old item; NULL if unknown */
    struct zkt_delta *child; /* KEEP of one item: the changes inside it */
};

/* A changed field of a struct, or a changed entry of a map. */
struct zkt_change {
    uint32_t field;       /* structs only */
    struct zkt_str key;   /* maps only */
    bool existed;         /* before the call */
    bool dirty;           /* set or removed as a whole */
    const void *original; /* dirty, existed: old value; NULL: unknown */
    struct zkt_delta *child;
};

struct zkt_delta {
    const struct zkt_type *type;
    bool whole;           /* cleared, or changed too much: sent whole */
    const void *original; /* whole: the old container; NULL if unknown */
    struct zkt_change *changes;
    uint32_t change_count, change_capacity;
    struct zkt_index index; /* of changes, once there are many */
    struct zkt_piece *pieces;
    uint32_t piece_count, piece_capacity;
    uint32_t edit_piece, edit_position; /* the piece last edited, and the
                                           current index of its first item */
};

/** Replays a journal, and counts the lists that have too many pieces. Returns
 * NULL if there is no memory. */
struct zkt_delta *zkt__delta_build(struct zkt_journal *journal);

/** Returns how many items a piece has now. */
static inline uint32_t zkt__piece_items(const struct zkt_piece *piece)
{
    return piece->kind == ZKT_PIECE_REMOVED ? 0 : piece->count;
}

#endif
