/*
 * A JSON Patch that is written in parts: the changes of chosen fields, and
 * single operations. zkt__journal_patch writes a whole patch; this is for
 * subscribers that see a part of the state.
 *
 *     struct zkt_patch p = { .writer = w, .arena = arena, .plain = true };
 *     zkt__patch_enter(&p, field->name);
 *     zkt__patch_change(&p, change, field->type, value);
 *     zkt__patch_leave(&p);
 *     if (!zkt__patch_end(&p)) …
 */
#ifndef ZKT_STATE_PATCH_H
#define ZKT_STATE_PATCH_H

#include "state/delta.h"

struct zkt_patch {
    struct zkt_writer *writer;
    struct zkt_arena *arena;
    uint32_t operations;
    bool plain;   /* dialect */
    bool differs; /* the dialects give different patches */
    bool no_memory;
    uint32_t depth;
    struct zkt_step path[ZKT_DEPTH_MAX + 2];
};

/** Adds a field or a key to the path of the operations that follow. */
void zkt__patch_enter(struct zkt_patch *p, struct zkt_str key);
/** Removes the last step of the path. */
void zkt__patch_leave(struct zkt_patch *p);
/** Writes the change of the value at the path; @now is NULL if it is gone. */
void zkt__patch_change(struct zkt_patch *p, const struct zkt_change *change,
                       const struct zkt_type *type, const void *now);
/** Writes that the value at the path appears (@existed is false), is replaced,
 * or disappears (@now is NULL or absent). */
void zkt__patch_value(struct zkt_patch *p, bool existed,
                      const struct zkt_type *type, const void *now);
/** Begins with operations of another patch, without its brackets. */
void zkt__patch_copy(struct zkt_patch *p, const char *operations, size_t len);
/** Ends the patch, which is empty without operations. Returns false if there is
 * no memory. */
bool zkt__patch_end(struct zkt_patch *p);

#endif
