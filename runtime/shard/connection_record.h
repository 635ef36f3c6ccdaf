/*
 * The record of a connection: its data, and the topics that it has joined. A
 * record never changes and is counted by reference, so that any thread may read
 * it. A change makes another, for which the session's thread applies the fields
 * and topics that a call has changed, in order of arrival.
 */
#ifndef ZKT_SHARD_CONNECTION_RECORD_H
#define ZKT_SHARD_CONNECTION_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zocket/allocator.h"
#include "zocket/schema.h"

/* A block of memory with all that it points to. */
struct zkt_connection_record {
    atomic_uint refs;
    const struct zkt_allocator *allocator;
    const void *data; /* NULL: the app has none */
    uint32_t topic_count;
    const struct zkt_str *topics; /* sorted */
};

enum zkt_connection_change_kind {
    ZKT_CONNECTION_SET,
    ZKT_CONNECTION_JOIN,
    ZKT_CONNECTION_LEAVE
};

/* A change of a record; a list of them is in the order in which they were
 * made. */
struct zkt_connection_change {
    struct zkt_connection_change *next;
    enum zkt_connection_change_kind kind;
    uint32_t field;       /* set */
    const void *value;    /* set: of the field's type */
    struct zkt_str topic; /* join, leave */
};

/** Copies data of @type, which is NULL if there are none. Returns NULL if there
 * is no memory. */
struct zkt_connection_record *zkt__connection_record_new(
    const struct zkt_allocator *allocator, const struct zkt_type *type,
    const void *data);
/** Returns @record with @changes; NULL if there is no memory. @record may be
 * NULL if @type is. Joins that would exceed @topics_max are left out. */
struct zkt_connection_record *zkt__connection_record_change(
    const struct zkt_allocator *allocator, const struct zkt_type *type,
    const struct zkt_connection_record *record,
    const struct zkt_connection_change *changes, uint32_t topics_max);

/** Takes NULL. */
static inline struct zkt_connection_record *zkt__connection_record_ref(
    struct zkt_connection_record *record)
{
    if (record != NULL) {
        atomic_fetch_add_explicit(&record->refs, 1, memory_order_relaxed);
    }
    return record;
}
void zkt__connection_record_free(struct zkt_connection_record *record);
/** Takes NULL. */
static inline void zkt__connection_record_unref(
    struct zkt_connection_record *record)
{
    if (record != NULL && atomic_fetch_sub(&record->refs, 1) == 1) {
        zkt__connection_record_free(record);
    }
}

/* ---- topics ---- */

/** Returns the position of @topic among @count sorted topics, or the position
 * where it belongs; *@found says which. */
uint32_t zkt__topics_find(const struct zkt_str *topics, uint32_t count,
                          struct zkt_str topic, bool *found);
/** Inserts a topic at @at, for which there is room. */
void zkt__topics_insert(struct zkt_str *topics, uint32_t *count, uint32_t at,
                        struct zkt_str topic);
void zkt__topics_remove(struct zkt_str *topics, uint32_t *count, uint32_t at);

/* ---- copies of changes ---- */

/** Returns the size of a block for a copy of @changes of data of @type. */
size_t zkt__connection_changes_measure(
    const struct zkt_type *type, const struct zkt_connection_change *changes);
/** Copies @changes into @block, aligned as by malloc, and returns the copy. */
const struct zkt_connection_change *zkt__connection_changes_copy(
    const struct zkt_type *type, const struct zkt_connection_change *changes,
    void *block);

#endif
