/*
 * Patterns of string rules: compiled by PCRE2 the first time one is needed,
 * kept by the server or client that needed it, and matched in linear time, so
 * that no text can hold a server up. For the thread that owns the cache.
 */
#ifndef ZKT_JSON_PATTERN_H
#define ZKT_JSON_PATTERN_H

#include "base/memory.h"
#include "zocket/schema.h"

struct zkt_compiled_pattern;

/* Zeroed but for @allocator: empty. */
struct zkt_pattern_cache {
    const struct zkt_allocator *allocator;
    void *memory, *limits, *match;      /* PCRE2's */
    struct zkt_compiled_pattern *slots; /* by the address of a pattern */
    uint32_t count, capacity;           /* a power of two, or 0 */
};

enum zkt_match {
    ZKT_MATCHES,
    ZKT_DIFFERS, /* also when it is given up */
    ZKT_MATCH_NO_MEMORY
};

/* What one input may cost, beside what PCRE2 does in a few steps: some
 * tenths of a second. A step is a node of an automaton at one character. */
#define ZKT_PATTERN_STEPS_MAX ((uint64_t)1 << 27)

/**
 * Whether @pattern is found in @text, which is valid UTF-8. It costs in
 * proportion to the text; what needs steps is added to *@steps, which belongs
 * to one input. A match that goes over their limit is given up.
 */
enum zkt_match zkt__pattern_match(struct zkt_pattern_cache *cache,
                                  const struct zkt_pattern *pattern,
                                  struct zkt_str text, uint64_t *steps);

void zkt__patterns_finish(struct zkt_pattern_cache *cache);

#endif
