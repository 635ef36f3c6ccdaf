/*
 * The net effect of a journal, as a tree that has only what was touched: for
 * a struct or map the keys, for a list a table of pieces (runs of old items
 * that were kept, items that are new, gone or replaced). All of it lives in
 * the call's memory.
 */
#ifndef ZKT_STATE_DELTA_H
#define ZKT_STATE_DELTA_H

#include "state/record.h"

enum zkt_piece_kind {
    ZKT_PIECE_KEEP, /* a run of old items, perhaps one changed inside */
    ZKT_PIECE_NEW,  /* a run of new items */
    ZKT_PIECE_GONE, /* one old item that is not there any more */
    ZKT_PIECE_SWAP  /* one old item replaced where it stands */
};

struct zkt_piece {
    enum zkt_piece_kind kind;
    uint32_t count;          /* items; 1 for GONE, which has none now */
    const void *original;    /* GONE, SWAP: the old item; NULL: not known */
    struct zkt_delta *child; /* KEEP of one item: what changed inside it */
};

/* A field or an entry that was touched. */
struct zkt_change {
    uint32_t field;     /* of a struct */
    struct zkt_str key; /* of a map */
    bool existed;       /* it was there before */
    bool dirty;         /* set or removed as a whole */
    const void
        *original; /* dirty and existed: the old value; NULL: not known */
    struct zkt_delta *child;
};

struct zkt_delta {
    const struct zkt_type *type;
    bool whole;           /* cleared, or changed too much: sent whole */
    const void *original; /* whole: the old container; NULL: not known */
    struct zkt_change *changes;
    uint32_t change_count, change_capacity;
    struct zkt_index index; /* of touched, where there are many */
    struct zkt_piece *pieces;
    uint32_t piece_count, piece_capacity;
    uint32_t edit_piece, edit_position; /* the piece last edited, and where its
                                         items begin now */
};

/** Replays a journal, and counts its lists that are cut. NULL: no memory. */
struct zkt_delta *zkt__delta_build(struct zkt_journal *journal);

/** The items that a piece has now. */
static inline uint32_t zkt__piece_items(const struct zkt_piece *piece)
{
    return piece->kind == ZKT_PIECE_GONE ? 0 : piece->count;
}

#endif
