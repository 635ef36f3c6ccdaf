/*
 * Text and sites, for both halves of the writer. See mutate.h.
 */
#ifndef MUTATE_PARTS_H
#define MUTATE_PARTS_H

#include <string.h>

#include "mutate.h"

static inline void put(struct mutation *m, const char *text)
{
    zkt_write_raw(m->w, text, strlen(text));
}

/* Returns true if this is the site to change. */
static inline bool is_target(struct mutation *m, const char *what)
{
    if (m->quiet > 0 || m->sites++ != m->target) {
        return false;
    }
    m->what = what;
    return true;
}

/* Returns true if this site is to be broken; the expected issue has @code and
 * this place. */
static inline bool breaks(struct mutation *m, const char *what,
                          enum zkt_issue_code code, bool by_rule)
{
    if (!is_target(m, what)) {
        return false;
    }
    m->by_rule = by_rule;
    m->expected.code = code;
    m->expected.depth = m->depth;
    memcpy(m->expected.path, m->path, m->depth * sizeof(*m->path));
    return true;
}

/* The same, at a key of this place. */
static inline bool breaks_key(struct mutation *m, const char *what,
                              enum zkt_issue_code code, bool by_rule,
                              struct zkt_str key)
{
    if (!breaks(m, what, code, by_rule)) {
        return false;
    }
    m->expected.path[m->expected.depth++] =
        (struct zkt_step){ key.data, (uint32_t)key.len, 0 };
    return true;
}

static inline bool means_the_same(struct mutation *m, const char *what)
{
    if (!is_target(m, what)) {
        return false;
    }
    m->harmless = true;
    return true;
}

/* Writes a value without parts; mutate_scalar.c. */
void mutation_scalar(struct mutation *m, const struct zkt_type *type,
                     const void *value);

#endif
