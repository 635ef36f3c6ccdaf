/*
 * Commit-time constraints: item counts, `unique` and `check;`, which can only
 * be checked when a call ends. Stale cursors are skipped, and each struct or
 * list is checked once: an index of addresses, which lives as long as the
 * check, finds duplicates. So the cost depends on the number of changes.
 */
#include "state/record.h"

struct constraint_check {
    struct zkt_journal *journal;
    struct zkt_allocator memory; /* the call's arena */
    struct zkt_index checked;    /* of cursors */
    const struct zkt_cursor **cursors;
    uint32_t count, capacity;
};

/* Returns true if a later change has removed or replaced the target of record
 * @i. */
static bool is_gone(const struct zkt_journal *journal, uint32_t i)
{
    return zkt__cursor_is_stale(journal->records[i].where, i + 1);
}

/* ---- item counts ---- */

static void report_count(struct zkt_journal *journal,
                         const struct zkt_cursor *where, size_t len)
{
    struct zkt_step path[ZKT_DEPTH_MAX];
    const bool list = where->type->kind == ZKT_KIND_LIST;
    const uint32_t min = list ? where->type->of.lists->min
                              : where->type->of.maps->min;
    const uint32_t max = list ? where->type->of.lists->max
                              : where->type->of.maps->max;
    const uint32_t depth = zkt__cursor_path(where, path);
    zkt__issue_add(
        journal->issues, len < min ? ZKT_ISSUE_TOO_SMALL : ZKT_ISSUE_TOO_BIG,
        path, depth, "must have %s %u %s", len < min ? "at least" : "at most",
        len < min ? min : max, list ? "items" : "entries");
    zkt__journal_fail(journal, ZKT_INTERNAL,
                      "a list or map breaks its rules at the commit");
}

/* Searches only if a count is out of bounds now; its container may have been
 * removed meanwhile. */
static bool check_counts(struct zkt_journal *journal)
{
    for (uint32_t i = 0; journal->size_violations > 0 && i < journal->count;
         i++) {
        const struct zkt_cursor *where = journal->records[i].where;
        const bool counted = where->type->kind == ZKT_KIND_LIST ||
                             where->type->kind == ZKT_KIND_MAP;
        if (!counted || is_gone(journal, i)) {
            continue;
        }
        const struct zkt_any_list *now = zkt__cursor_resolve(where);
        if (zkt__violates_size_limit(where->type, now->len)) {
            report_count(journal, where, now->len);
            return false;
        }
    }
    return journal->failure == ZKT_OK;
}

/* ---- `check;` and `unique` ---- */

/* Returns true if a change inside a value of @type can violate a rule of the
 * whole. */
static bool has_constraints(const struct zkt_type *type)
{
    return (type->kind == ZKT_KIND_STRUCT && type->of.structs->check != 0) ||
           (type->kind == ZKT_KIND_LIST && type->of.lists->unique);
}

static bool any_constraints(const struct zkt_journal *journal)
{
    for (uint32_t i = 0; journal->checks && i < journal->count; i++) {
        const struct zkt_cursor *cursor = journal->records[i].where;
        for (; cursor != NULL; cursor = cursor->parent) {
            if (has_constraints(cursor->type)) {
                return true;
            }
        }
    }
    return false;
}

static bool same_cursor(const void *owner, uint32_t position, const void *key,
                        size_t len)
{
    const struct zkt_cursor *mine =
        ((const struct constraint_check *)owner)->cursors[position];
    const struct zkt_cursor *wanted = key;
    (void)len;
    return mine->at == wanted->at && mine->type == wanted->type;
}

static bool grow_checked(struct constraint_check *l)
{
    if (l->count < l->capacity) {
        return true;
    }
    const uint32_t capacity = l->capacity > 0 ? l->capacity * 2 : 4;
    const struct zkt_cursor **grown = zkt__arena_resize(
        l->journal->arena, l->cursors, l->capacity * sizeof(*grown),
        capacity * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    l->cursors = grown;
    l->capacity = capacity;
    return zkt__index_reserve(&l->checked, &l->memory, capacity - l->count);
}

/* Returns true if @cursor has been checked; marks it as checked. */
static bool already_checked(struct constraint_check *l,
                            const struct zkt_cursor *cursor)
{
    const uint64_t key = (uintptr_t)cursor->at;
    const uint64_t hash = zkt__hash(&l->journal->store->key, &key, sizeof(key));
    if (zkt__index_find(&l->checked, hash, same_cursor, l, cursor,
                        sizeof(*cursor)) != ZKT_INDEX_NONE) {
        return true;
    }
    if (!grow_checked(l)) {
        zkt__journal_fail(l->journal, ZKT_NO_MEMORY,
                          "no memory to check rules");
        return false;
    }
    l->cursors[l->count] = cursor;
    zkt__index_add(&l->checked, hash, l->count++);
    return false;
}

static void check_one(struct zkt_journal *journal,
                      const struct zkt_cursor *cursor)
{
    struct zkt_step path[ZKT_DEPTH_MAX];
    const uint32_t depth = zkt__cursor_path(cursor, path);
    if (!zkt__check_constraints(cursor->type, zkt__cursor_resolve(cursor), path,
                                depth, journal->issues)) {
        zkt__journal_fail(journal, ZKT_INTERNAL,
                          "a value breaks its rules at the commit");
    }
}

/* Checks every value that contains a change, starting with the newest
 * change. */
static void check_rules(struct constraint_check *l)
{
    struct zkt_journal *journal = l->journal;
    for (uint32_t i = journal->count; i-- > 0;) {
        const struct zkt_cursor *cursor = is_gone(journal, i)
                                              ? NULL
                                              : journal->records[i].where;
        for (; cursor != NULL && journal->failure == ZKT_OK;
             cursor = cursor->parent) {
            if (has_constraints(cursor->type) && !already_checked(l, cursor)) {
                check_one(journal, cursor);
            }
        }
    }
}

bool zkt__journal_check(struct zkt_journal *journal)
{
    struct constraint_check l = {
        .journal = journal,
        .memory = zkt__arena_allocator(journal->arena),
    };
    const bool rules = any_constraints(journal);
    if (journal->failure != ZKT_OK ||
        (!rules && journal->size_violations == 0)) {
        return journal->failure == ZKT_OK;
    }
    if (check_counts(journal) && rules) {
        check_rules(&l);
    }
    return journal->failure == ZKT_OK;
}
