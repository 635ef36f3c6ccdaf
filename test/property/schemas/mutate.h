/*
 * A value as JSON, with one thing wrong in one place, or with one thing done
 * in another way that means the same. The writer walks the value by its type;
 * each place where something can be done is a site with a number.
 */
#ifndef MUTATE_H
#define MUTATE_H

#include "driver.h"
#include "json/json.h"

#define NO_SITE UINT32_MAX

/* What an issue says beside its message. */
struct place {
    enum zkt_issue_code code;
    uint32_t depth;
    struct zkt_step path[ZKT_DEPTH_MAX + 1];
};

struct mutation {
    struct zkt_writer *w;
    const struct samples *samples;
    uint32_t target; /* the site to change, or NO_SITE */
    /* What came of it. */
    uint32_t sites;
    const char *what; /* of the site; NULL: none was changed */
    bool harmless;    /* no issue; else @expected */
    bool by_rule;     /* a C value can be as wrong */
    struct place expected;
    void *member;        /* harmless: this part of the value becomes */
    const void *becomes; /* … this; NULL: zeros */
    size_t member_size;
    uint32_t failing_check; /* of the checks, in order, from 1; 0: none */
    /* On the way. */
    uint32_t checks, quiet, depth;
    bool nullable; /* null may stand here */
    struct zkt_step path[ZKT_DEPTH_MAX];
};

/** Writes @value; @m has its writer, samples and target, and is else zero. */
void mutation_write(struct mutation *m, const struct zkt_type *type,
                    const void *value);

/** The issues that @text has by @rules, with the code of the last one. */
unsigned sample_faults(const struct samples *samples,
                       const struct zkt_string_rules *rules,
                       const struct sample *sample, enum zkt_issue_code *code);

#endif
