/*
 * What the files of this folder share: places and records. A place is a chain
 * of steps from the root of the state, as they were when it was made; records
 * point to the place of the struct or container that they changed, so that a
 * path never has to be copied.
 */
#ifndef ZKT_STATE_RECORD_H
#define ZKT_STATE_RECORD_H

#include <stdalign.h>

#include "state/container.h"
#include "state/journal.h"

enum zkt_step_kind {
    ZKT_STEP_ROOT,
    ZKT_STEP_FIELD, /* of a struct; through an OPTIONAL or BOXED as well */
    ZKT_STEP_ITEM,
    ZKT_STEP_ENTRY
};

struct zkt_place {
    struct zkt_journal *journal;
    struct zkt_place *parent;    /* NULL: the root */
    const struct zkt_type *type; /* a struct, list or map */
    void *at;                    /* while it is not stale */
    enum zkt_step_kind step;
    uint32_t index;     /* field or item */
    struct zkt_str key; /* of the entry; in the arena */
    uint32_t seen;      /* records that did not make it stale */
    uint32_t depth;     /* steps from the root */
};

enum zkt_operation {
    ZKT_SET,     /* field index; old: the field */
    ZKT_INSERT,  /* item index */
    ZKT_REPLACE, /* item index; old: the item */
    ZKT_REMOVE,  /* items index…; old: all of them */
    ZKT_PUT,     /* key; old: the value, or NULL: the entry is new */
    ZKT_DELETE,  /* entry index; old: the whole entry */
    ZKT_CLEAR    /* old: the container */
};

struct zkt_record {
    enum zkt_operation operation;
    uint32_t index, count;
    bool is_small; /* old stands in small */
    struct zkt_place *where;
    struct zkt_str key;
    void *old; /* moved out of the state; NULL: there was none */
    alignas(8) char small[16];
};

/** Where a place stands now, by walking its steps: for undo. */
void *zkt__cursor_resolve(const struct zkt_place *cursor);

/** A place one step below @at; NULL with the journal poisoned. */
struct zkt_place *zkt__cursor_new(struct zkt_place *at, enum zkt_step_kind step,
                                  const struct zkt_type *type, void *address);

/** Whether a list or map of @type may not have @len items. */
bool zkt__violates_size_limit(const struct zkt_type *type, size_t len);

/**
 * Whether a record from number @since on changed a list, map or field on the
 * way to @place. Also true, with the journal poisoned, if there is no memory.
 */
bool zkt__cursor_is_stale(const struct zkt_place *cursor, uint32_t since);

/** Whether it can still be written through; a stale one poisons. */
bool zkt__cursor_usable(struct zkt_place *cursor);

/**
 * The struct or container that a mutator means: @at itself for ZKT_ITSELF,
 * else a place for the container in field @field. NULL: poisoned.
 */
struct zkt_place *zkt__cursor_container(struct zkt_place *at, int field,
                                        enum zkt_kind kind);

/** The steps of @place, for an issue; returns how many. */
uint32_t zkt__cursor_path(const struct zkt_place *cursor,
                          struct zkt_step path[ZKT_DEPTH_MAX]);

/** Whether a field's value is no key in JSON: OPTIONAL or BOXED, and empty. */
bool zkt__is_absent(const struct zkt_type *type, const void *value);

/** The part of an OPTIONAL, NULLABLE or BOXED value that is inside, or NULL;
 * any other value is itself. *@type becomes its type. */
void *zkt__unwrap(const struct zkt_type **type, void *value);

#endif
