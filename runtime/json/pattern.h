/*
 * Patterns of string rules. PCRE2 compiles a pattern at its first use, and the
 * server or client keeps it. Matching takes linear time, so no text can stall a
 * server. A cache must only be used by the thread that owns it.
 */
#ifndef ZKT_JSON_PATTERN_H
#define ZKT_JSON_PATTERN_H

#include "base/memory.h"
#include "zocket/schema.h"

struct zkt_compiled_pattern;

/* Empty if zeroed, with @allocator set. */
struct zkt_pattern_cache {
    const struct zkt_allocator *allocator;
    void *memory, *limits, *match;      /* PCRE2's */
    struct zkt_compiled_pattern *slots; /* hashed by address of the pattern */
    uint32_t count, capacity;           /* a power of two, or 0 */
};

enum zkt_match {
    ZKT_MATCHES,
    ZKT_DIFFERS, /* also if the match is given up */
    ZKT_MATCH_NO_MEMORY
};

/* Limit of steps per input, beside the few steps that PCRE2 may take: some
 * tenths of a second. A step is a node of an automaton at a character. */
#define ZKT_PATTERN_STEPS_MAX ((uint64_t)1 << 27)

/**
 * Searches @pattern in @text, which is valid UTF-8. The time is linear in the
 * text; the steps are added to *@steps, which belongs to an input. A match that
 * exceeds their limit is given up.
 */
enum zkt_match zkt__pattern_match(struct zkt_pattern_cache *cache,
                                  const struct zkt_pattern *pattern,
                                  struct zkt_str text, uint64_t *steps);

void zkt__patterns_finish(struct zkt_pattern_cache *cache);

#endif
