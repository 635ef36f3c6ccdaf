/*
 * Detects stale cursors. A change makes stale every cursor that leads through
 * the changed list or map, or through the field that was set. A few changes are
 * scanned; for many, an index holds the newest change of each target. The index
 * is updated on demand, so calls that hold no cursors pay nothing.
 */
#include "state/record.h"

enum {
    FEW = 16 /* changes that are scanned */
};

struct target {
    const void *at;
    const struct zkt_type *type;
    uint32_t field; /* of a struct */
};

static struct target target_at(const struct zkt_cursor *where, uint32_t field)
{
    const bool fields = where->type->kind == ZKT_KIND_STRUCT;
    return (struct target){ where->at, where->type, fields ? field : 0 };
}

static struct target target_of(const struct zkt_record *record)
{
    return target_at(record->where, record->index);
}

static bool same_target(const struct target *a, const struct target *b)
{
    return a->at == b->at && a->type == b->type && a->field == b->field;
}

static bool has_target(const void *owner, uint32_t position, const void *key,
                       size_t len)
{
    const struct zkt_journal *journal = owner;
    const struct target mine = target_of(&journal->records[position]);
    (void)len;
    return same_target(&mine, key);
}

static uint64_t hash_target(const struct zkt_journal *journal,
                            const struct target *t)
{
    const uint64_t key[2] = { (uintptr_t)t->at, t->field };
    return zkt__hash(&journal->store->key, key, sizeof(key));
}

/* Returns the newest indexed change of @t, or ZKT_INDEX_NONE. */
static uint32_t newest(const struct zkt_journal *journal,
                       const struct target *t, uint64_t hash)
{
    return zkt__index_find(&journal->targets, hash, has_target, journal, t,
                           sizeof(*t));
}

/* Adds the missing changes to the index. Returns false if there is no
 * memory. */
static bool update(struct zkt_journal *journal)
{
    const struct zkt_allocator memory = zkt__arena_allocator(journal->arena);
    if (!zkt__index_reserve(&journal->targets, &memory,
                            journal->count - journal->targets_count)) {
        return false;
    }
    for (; journal->targets_count < journal->count; journal->targets_count++) {
        const uint32_t number = journal->targets_count;
        const struct target t = target_of(&journal->records[number]);
        const uint64_t hash = hash_target(journal, &t);
        const uint32_t before = newest(journal, &t, hash);
        if (before == ZKT_INDEX_NONE) {
            zkt__index_add(&journal->targets, hash, number);
        } else {
            zkt__index_move(&journal->targets, hash, before, number);
        }
    }
    return true;
}

/* Returns true if a change from number @since on is of @t. */
static bool is_changed(const struct zkt_journal *journal,
                       const struct target *t, uint32_t since, bool indexed)
{
    if (indexed) {
        const uint32_t found = newest(journal, t, hash_target(journal, t));
        return found != ZKT_INDEX_NONE && found >= since;
    }
    for (uint32_t i = since; i < journal->count; i++) {
        const struct target other = target_of(&journal->records[i]);
        if (same_target(&other, t)) {
            return true;
        }
    }
    return false;
}

bool zkt__cursor_is_stale(const struct zkt_cursor *cursor, uint32_t since)
{
    struct zkt_journal *journal = cursor->journal;
    if (since >= journal->count) {
        return false;
    }
    const bool indexed = journal->count - since > FEW;
    if (indexed && !update(journal)) {
        zkt__journal_fail(journal, ZKT_NO_MEMORY,
                          "no memory to tell which places are stale");
        return true;
    }
    for (; cursor->parent != NULL; cursor = cursor->parent) {
        const struct target t = target_at(cursor->parent, cursor->index);
        if (is_changed(journal, &t, since, indexed)) {
            return true;
        }
    }
    return false;
}
