/*
 * Patterns of string rules: compiled by PCRE2 the first time one is needed,
 * kept by the server or client that needed it, and matched within limits, so
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
    void *memory, *limits, *match, *stack; /* PCRE2's */
    struct zkt_compiled_pattern *slots;    /* by the address of a pattern */
    uint32_t count, capacity;              /* a power of two, or 0 */
};

enum zkt_match {
    ZKT_MATCHES,
    ZKT_DIFFERS, /* also when a limit is hit */
    ZKT_MATCH_NO_MEMORY
};

/* So many hard matches of one input are tried. */
#define ZKT_HARD_MATCHES_MAX 64

/**
 * Whether @pattern is found in @text, which is valid UTF-8. What takes more
 * than a few steps for each byte is tried harder, and counted in *@hard; not
 * any more when there were too many. So what one input costs is in proportion
 * to its size, however many texts are in it.
 */
enum zkt_match zkt__pattern_match(struct zkt_pattern_cache *cache,
                                  const struct zkt_pattern *pattern,
                                  struct zkt_str text, uint32_t *hard);

void zkt__patterns_finish(struct zkt_pattern_cache *cache);

#endif
