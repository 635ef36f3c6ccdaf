/*
 * A value as JSON, with an error in one place, or with a change of form that
 * means the same. The writer walks the value by its type; each place where it
 * can change something is a site with a number.
 */
#ifndef MUTATE_H
#define MUTATE_H

#include "driver.h"
#include "json/json.h"

#define NO_SITE UINT32_MAX

/* An expected issue, without its message. */
struct place {
    enum zkt_issue_code code;
    uint32_t depth;
    struct zkt_step path[ZKT_DEPTH_MAX + 1];
};

struct mutation {
    struct zkt_writer *w;
    const struct samples *samples;
    uint32_t target; /* the site to change, or NO_SITE */
    /* The outcome. */
    uint32_t sites;
    const char *what; /* the kind of change; NULL if nothing was changed */
    bool harmless;    /* no issue; otherwise @expected */
    bool by_rule;     /* a C value can have the same error */
    struct place expected;
    void *member;        /* if harmless, this part of the value becomes */
    const void *becomes; /* this; NULL for zeros */
    size_t member_size;
    /* the number of the failing check, from 1; 0 for none */
    uint32_t failing_check;
    /* State of the writer. */
    uint32_t checks, quiet, depth;
    bool nullable; /* null is allowed here */
    struct zkt_step path[ZKT_DEPTH_MAX];
};

/** Writes @value. @m has its writer, samples and target, and is otherwise
 * zero. */
void mutation_write(struct mutation *m, const struct zkt_type *type,
                    const void *value);

/** Returns the number of issues of @sample under @rules, and the code of the
 * last. */
unsigned sample_faults(const struct samples *samples,
                       const struct zkt_string_rules *rules,
                       const struct sample *sample, enum zkt_issue_code *code);

#endif
