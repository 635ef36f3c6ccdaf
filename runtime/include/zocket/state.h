/*
 * Writing state, for generated code. Every mutator of a generated header is
 * one line over one of these. They return nothing: an error (a broken rule, a
 * bad index, a stale place, no memory) poisons the call, which then fails as a
 * whole and is rolled back.
 *
 * A *place* is a struct or a container somewhere in the state of the running
 * call. It lives in the call's memory and needs no release. It is good until
 * a list or map on the way to it changes; one that is not poisons the call.
 */
#ifndef ZOCKET_STATE_H
#define ZOCKET_STATE_H

#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_place;

/* As @field: the place itself is the container that is meant. */
#define ZKT_ITSELF (-1)
/* As @index: behind the last item. */
#define ZKT_LAST SIZE_MAX

/*
 * @at is a place whose type is a struct, and @field the number of one of its
 * fields; or @at is a list or a map, and @field is ZKT_ITSELF. Values are
 * copied and may alias the state. A NULL @at does nothing: it comes from a
 * place that could not be made, and the call is poisoned already.
 */

/** A field as a whole; @value is of the field's type. */
void zkt_state_set(struct zkt_place *at, int field, const void *value);
/** An OPTIONAL, NULLABLE or BOXED field: absent, null. */
void zkt_state_unset(struct zkt_place *at, int field);
/** A list: @item before @index, which may be the length or ZKT_LAST. */
void zkt_state_insert(struct zkt_place *at, int field, size_t index,
                      const void *item);
void zkt_state_replace(struct zkt_place *at, int field, size_t index,
                       const void *item);
/** A list: @count items from @index on; all of them must be there. */
void zkt_state_remove(struct zkt_place *at, int field, size_t index,
                      size_t count);
/** A map: adds or replaces. */
void zkt_state_put(struct zkt_place *at, int field, struct zkt_str key,
                   const void *value);
/** A map: does nothing when there is no such key. */
void zkt_state_delete(struct zkt_place *at, int field, struct zkt_str key);
/** A list or a map. */
void zkt_state_clear(struct zkt_place *at, int field);

/*
 * Places further down: a struct or container that is a field (or the value of
 * an OPTIONAL or BOXED one, which must be there), an item, an entry. NULL,
 * with the call poisoned, when there is no such thing.
 */
struct zkt_place *zkt_state_edit(struct zkt_place *at, int field);
struct zkt_place *zkt_state_edit_item(struct zkt_place *at, int field,
                                      size_t index);
struct zkt_place *zkt_state_edit_entry(struct zkt_place *at, int field,
                                       struct zkt_str key);

/*
 * Lists and maps of built-in types that stand inside of lists and maps: the
 * verbs of a generated header, on a place that one of its functions gave.
 *   zkt_int32_list_append(demo_doc_edit_series(call, key), 3);
 */
#define X(name, type)                                                          \
    struct zkt_##name##_list_ref {                                             \
        struct zkt_place *at;                                                  \
    };                                                                         \
    struct zkt_##name##_map_ref {                                              \
        struct zkt_place *at;                                                  \
    };                                                                         \
    static inline void zkt_##name##_list_append(                               \
        struct zkt_##name##_list_ref ref, type item)                           \
    {                                                                          \
        zkt_state_insert(ref.at, ZKT_ITSELF, ZKT_LAST, &item);                 \
    }                                                                          \
    static inline void zkt_##name##_list_insert(                               \
        struct zkt_##name##_list_ref ref, size_t index, type item)             \
    {                                                                          \
        zkt_state_insert(ref.at, ZKT_ITSELF, index, &item);                    \
    }                                                                          \
    static inline void zkt_##name##_list_replace(                              \
        struct zkt_##name##_list_ref ref, size_t index, type item)             \
    {                                                                          \
        zkt_state_replace(ref.at, ZKT_ITSELF, index, &item);                   \
    }                                                                          \
    static inline void zkt_##name##_list_remove(                               \
        struct zkt_##name##_list_ref ref, size_t index, size_t count)          \
    {                                                                          \
        zkt_state_remove(ref.at, ZKT_ITSELF, index, count);                    \
    }                                                                          \
    static inline void zkt_##name##_list_clear(                                \
        struct zkt_##name##_list_ref ref)                                      \
    {                                                                          \
        zkt_state_clear(ref.at, ZKT_ITSELF);                                   \
    }                                                                          \
    static inline void zkt_##name##_map_put(struct zkt_##name##_map_ref ref,   \
                                            struct zkt_str key, type value)    \
    {                                                                          \
        zkt_state_put(ref.at, ZKT_ITSELF, key, &value);                        \
    }                                                                          \
    static inline void zkt_##name##_map_remove(                                \
        struct zkt_##name##_map_ref ref, struct zkt_str key)                   \
    {                                                                          \
        zkt_state_delete(ref.at, ZKT_ITSELF, key);                             \
    }                                                                          \
    static inline void zkt_##name##_map_clear(struct zkt_##name##_map_ref ref) \
    {                                                                          \
        zkt_state_clear(ref.at, ZKT_ITSELF);                                   \
    }
ZKT_BUILTIN_TYPES(X)
#undef X

#ifdef __cplusplus
}
#endif
#endif
