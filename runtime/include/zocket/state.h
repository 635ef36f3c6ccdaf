/*
 * Writing state, for generated code. Every mutator of a generated header is a
 * line over a function below. They return nothing: an error (a broken rule, a
 * bad index, a stale cursor, no memory) poisons the call, which then fails as a
 * whole and is rolled back (call.h).
 *
 * A *cursor* is a struct or a container somewhere in the state of the running
 * call; zkt_call_cursor is the whole state. It lives in the call's memory and
 * needs no release. It is good until the field, list or map that it is in is
 * changed through another cursor; the use of a stale cursor poisons the call.
 *
 * The generated code of a state with a list of messages as its first field, and
 * a text as the third field of a message:
 *
 *     #include "zocket/call.h"
 *     #include "zocket/state.h"
 *
 *     struct message {
 *         struct zkt_str id, author, text;
 *     };
 *
 *     void append(struct zkt_call *call, const struct message *message)
 *     {
 *         zkt_state_insert(zkt_call_cursor(call), 0, ZKT_LAST, message);
 *     }
 *
 *     void set_text(struct zkt_call *call, size_t index, struct zkt_str text)
 *     {
 *         struct zkt_cursor *all = zkt_call_cursor(call);
 *         zkt_state_set(zkt_state_edit_item(all, 0, index), 2, &text);
 *     }
 *
 * Every value is checked against the rules of its type at once. Rules of a
 * whole are checked when the call ends: the size of a list or map, `unique` and
 * `check;`. So a full list can have an item appended before another is removed.
 * Values are copied and may point into the state.
 *
 * A call may make as many changes as the limit mutations (limits.h). When it is
 * committed, subscribers receive their net effect as a JSON Patch (RFC 6902): a
 * value that is as it was before is not sent.
 *
 * Threads: as all of a call, only for the thread that runs the handler.
 */
#ifndef ZOCKET_STATE_H
#define ZOCKET_STATE_H

#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_cursor;

/* As @field: the cursor itself is the list or map. */
#define ZKT_ITSELF (-1)
/*
 * As @index of zkt_state_insert: behind the last item.
 */
#define ZKT_LAST SIZE_MAX

/*
 * The arguments of all functions below. @at is the cursor of a struct, and
 * @field the number of a field in it, in the order of the schema; or @at is a
 * list or a map, and @field is ZKT_ITSELF. A field that is optional and holds a
 * container has to be there. A NULL @at does nothing: it comes from a cursor
 * that could not be made, and the call is poisoned already. In a poisoned or
 * cancelled call every function does nothing.
 */

/**
 * Sets a field as a whole. *@value is of the field's type: for an optional
 * field its struct with `has`, for a boxed field a pointer to the pointer.
 */
void zkt_state_set(struct zkt_cursor *at, int field, const void *value);

/**
 * Makes an OPTIONAL or BOXED field absent, a NULLABLE or BOXED_NULLABLE field
 * null. For fields of these types only, which is not checked.
 */
void zkt_state_unset(struct zkt_cursor *at, int field);

/**
 * Inserts *@item into a list before @index, which may be the length or
 * ZKT_LAST. A larger index poisons the call. Behind the last item it takes
 * constant time, taken over many; elsewhere the items behind it are moved.
 */
void zkt_state_insert(struct zkt_cursor *at, int field, size_t index,
                      const void *item);

/**
 * Inserts all items of *@items, a list of the same type, behind the last item
 * of a list, as one change: with one move of the list, if it has to grow.
 * @items may be a list of the state, also this one.
 */
void zkt_state_append_all(struct zkt_cursor *at, int field, const void *items);

/**
 * Replaces the item at @index of a list. Poisons the call if there is no such
 * item.
 */
void zkt_state_replace(struct zkt_cursor *at, int field, size_t index,
                       const void *item);

/**
 * Removes @count items of a list from @index on. Poisons the call if there are
 * not so many; a count of 0 does nothing. At the front of a list it takes no
 * longer than at the end, so a list serves as a queue.
 */
void zkt_state_remove(struct zkt_cursor *at, int field, size_t index,
                      size_t count);

/**
 * Adds an entry to a map, or replaces the value of the entry with the same
 * @key. Poisons the call if the key is not UTF-8 or has more than 256 bytes. In
 * constant time, taken over many.
 */
void zkt_state_put(struct zkt_cursor *at, int field, struct zkt_str key,
                   const void *value);

/**
 * Removes an entry of a map; does nothing if there is no such key. The last
 * entry takes its place, in constant time.
 */
void zkt_state_delete(struct zkt_cursor *at, int field, struct zkt_str key);

/** Removes all items of a list, or all entries of a map. */
void zkt_state_clear(struct zkt_cursor *at, int field);

/*
 * Places further down, to be written through: a struct or container that is a
 * field, an item or an entry. If that is optional, nullable or boxed, the
 * cursor is that of the value inside.
 *
 * Each returns NULL, with the call poisoned, if there is no such value, the
 * value is absent or null, the cursor would be more than 62 steps below the
 * state, or there is no memory.
 */

/**
 * Returns the cursor of field number @field of the struct @at, which is a
 * struct, a list or a map.
 */
struct zkt_cursor *zkt_state_edit(struct zkt_cursor *at, int field);

/**
 * Returns the cursor of the item at @index of a list: of structs, or of other
 * containers. Any insertion or removal in the list makes it stale.
 */
struct zkt_cursor *zkt_state_edit_item(struct zkt_cursor *at, int field,
                                       size_t index);

/**
 * Returns the cursor of the value under @key of a map. @key is copied.
 */
struct zkt_cursor *zkt_state_edit_entry(struct zkt_cursor *at, int field,
                                        struct zkt_str key);

/*
 * Lists and maps of built-in types that stand inside of other lists and maps: a
 * typed reference to their cursor for each scalar (scalars.def), and the
 * verbs of a generated header on it. The value types are those of types.h.
 *
 *   zkt_int32_list_append(demo_doc_edit_series(call, key), 3);
 *
 * A reference is given by a generated `…_edit_…` function; it is a cursor by
 * value, good as long as that.
 */
#define X(name, type)                                                          \
    /**                                                                        \
     * A list in the state of the running call, to be written; it is read in   \
     * call->state. With a NULL cursor it does nothing: it comes from a value  \
     * that is not there, and the call is poisoned already.                    \
     */                                                                        \
    struct name##_list_ref {                                                   \
        struct zkt_cursor *at;                                                 \
    };                                                                         \
    /**                                                                        \
     * A map in the state of the running call, as a list.                      \
     */                                                                        \
    struct name##_map_ref {                                                    \
        struct zkt_cursor *at;                                                 \
    };                                                                         \
    /**                                                                        \
     * Inserts @item behind the last item: zkt_state_insert.                   \
     */                                                                        \
    static inline void name##_list_append(struct name##_list_ref ref,          \
                                          type item)                           \
    {                                                                          \
        zkt_state_insert(ref.at, ZKT_ITSELF, ZKT_LAST, &item);                 \
    }                                                                          \
    /**                                                                        \
     * Inserts all of @items behind the last item: zkt_state_append_all.       \
     */                                                                        \
    static inline void name##_list_append_all(struct name##_list_ref ref,      \
                                              const struct name##_list *items) \
    {                                                                          \
        zkt_state_append_all(ref.at, ZKT_ITSELF, items);                       \
    }                                                                          \
    /**                                                                        \
     * Inserts @item before @index, which may be the length:                   \
     * zkt_state_insert.                                                       \
     */                                                                        \
    static inline void name##_list_insert(struct name##_list_ref ref,          \
                                          size_t index, type item)             \
    {                                                                          \
        zkt_state_insert(ref.at, ZKT_ITSELF, index, &item);                    \
    }                                                                          \
    /**                                                                        \
     * Replaces the item at @index: zkt_state_replace.                         \
     */                                                                        \
    static inline void name##_list_replace(struct name##_list_ref ref,         \
                                           size_t index, type item)            \
    {                                                                          \
        zkt_state_replace(ref.at, ZKT_ITSELF, index, &item);                   \
    }                                                                          \
    /**                                                                        \
     * Removes @count items from @index on: zkt_state_remove.                  \
     */                                                                        \
    static inline void name##_list_remove(struct name##_list_ref ref,          \
                                          size_t index, size_t count)          \
    {                                                                          \
        zkt_state_remove(ref.at, ZKT_ITSELF, index, count);                    \
    }                                                                          \
    /**                                                                        \
     * Removes all items: zkt_state_clear.                                     \
     */                                                                        \
    static inline void name##_list_clear(struct name##_list_ref ref)           \
    {                                                                          \
        zkt_state_clear(ref.at, ZKT_ITSELF);                                   \
    }                                                                          \
    /**                                                                        \
     * Adds an entry, or replaces the value under @key: zkt_state_put.         \
     */                                                                        \
    static inline void name##_map_put(struct name##_map_ref ref,               \
                                      struct zkt_str key, type value)          \
    {                                                                          \
        zkt_state_put(ref.at, ZKT_ITSELF, key, &value);                        \
    }                                                                          \
    /**                                                                        \
     * Removes the entry with @key, if it is there: zkt_state_delete.          \
     */                                                                        \
    static inline void name##_map_remove(struct name##_map_ref ref,            \
                                         struct zkt_str key)                   \
    {                                                                          \
        zkt_state_delete(ref.at, ZKT_ITSELF, key);                             \
    }                                                                          \
    /**                                                                        \
     * Removes all entries: zkt_state_clear.                                   \
     */                                                                        \
    static inline void name##_map_clear(struct name##_map_ref ref)             \
    {                                                                          \
        zkt_state_clear(ref.at, ZKT_ITSELF);                                   \
    }
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, type, empty,     \
                   name, ...)                                                  \
    ZKT_CONTAINERS_OF_##class(X, name, type)
#include "zocket/scalars.def"
#undef ZKT_SCALAR
#undef X

#ifdef __cplusplus
}
#endif
#endif
