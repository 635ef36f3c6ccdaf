/*
 * See pattern.h. PCRE2's machine code matches first if a few steps bound its
 * work: it backtracks, and may scan the whole text between two of the steps
 * that it counts. So it is used for anchored patterns, and for short patterns
 * without loops, which no text can make slow. All other patterns, and matches
 * that exceed the steps, go to the automaton, which is linear.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "json/pattern.h"

#include <pcre2.h>

#include "json/automaton.h"

enum {
    FIRST_CAPACITY = 16,
    STEPS = 128,       /* of backtracking, for a single start */
    STEPS_EACH = 16,   /* for each start */
    SHORT_PATTERN = 64 /* nodes */
};

struct zkt_compiled_pattern {
    const struct zkt_pattern *pattern; /* NULL if the slot is free */
    pcre2_code *code;
    struct zkt_automaton *automaton; /* NULL if zocketc rejects the pattern */
    uint32_t steps;                  /* limit for PCRE2; 0: not used */
};

static void *allocate(size_t size, void *user)
{
    return zkt__alloc(user, size);
}

static void release(void *block, void *user)
{
    if (block != NULL) {
        zkt__release(user, block);
    }
}

static bool make_contexts(struct zkt_pattern_cache *cache)
{
    if (cache->match != NULL) {
        return true;
    }
    if (cache->memory == NULL) {
        cache->memory = pcre2_general_context_create(
            allocate, release, (void *)(uintptr_t)cache->allocator);
    }
    if (cache->memory != NULL && cache->limits == NULL) {
        cache->limits = pcre2_match_context_create(cache->memory);
    }
    if (cache->limits == NULL) {
        return false;
    }
    cache->match = pcre2_match_data_create(1, cache->memory);
    return cache->match != NULL;
}

/* Returns the slot of @pattern, or the free slot for it. */
static struct zkt_compiled_pattern *find(const struct zkt_pattern_cache *cache,
                                         const struct zkt_pattern *pattern)
{
    const uint32_t mask = cache->capacity - 1;
    uint32_t at = (uint32_t)((uintptr_t)pattern / sizeof(*pattern)) & mask;
    while (cache->slots[at].pattern != NULL &&
           cache->slots[at].pattern != pattern) {
        at = (at + 1) & mask;
    }
    return &cache->slots[at];
}

/* Keeps the table at most half full. */
static bool reserve(struct zkt_pattern_cache *cache)
{
    if (2 * (cache->count + 1) <= cache->capacity) {
        return true;
    }
    struct zkt_pattern_cache larger = *cache;
    larger.capacity = cache->capacity > 0 ? cache->capacity * 2
                                          : FIRST_CAPACITY;
    larger.slots = zkt__alloc_zero(cache->allocator, larger.capacity,
                                   sizeof(*larger.slots));
    if (larger.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < cache->capacity; i++) {
        if (cache->slots[i].pattern != NULL) {
            *find(&larger, cache->slots[i].pattern) = cache->slots[i];
        }
    }
    zkt__release(cache->allocator, cache->slots);
    *cache = larger;
    return true;
}

/* Returns the number of steps that keeps PCRE2 linear in the text. */
static uint32_t safe_steps(const struct zkt_compiled_pattern *slot)
{
    uint32_t options = 0;
    (void)pcre2_pattern_info(slot->code, PCRE2_INFO_ALLOPTIONS, &options);
    if (slot->automaton == NULL) {
        return 0;
    }
    if ((options & PCRE2_ANCHORED) != 0) {
        return STEPS;
    }
    const bool is_short = slot->automaton->node_count <= SHORT_PATTERN;
    return is_short && !slot->automaton->loops ? STEPS_EACH : 0;
}

/* zocketc has compiled the pattern before, so a failure means no memory. */
static bool compile(const struct zkt_pattern_cache *cache,
                    const struct zkt_pattern *pattern,
                    struct zkt_compiled_pattern *slot)
{
    int error;
    size_t offset;
    pcre2_compile_context *context = pcre2_compile_context_create(
        cache->memory);
    if (context == NULL) {
        return false;
    }
    slot->code = pcre2_compile(
        (PCRE2_SPTR)pattern->source.data, pattern->source.len,
        PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &offset, context);
    pcre2_compile_context_free(context);
    if (slot->code == NULL) {
        return false;
    }
    if (zkt__automaton_new(cache->allocator, pattern->source,
                           &slot->automaton) == ZKT_AUTOMATON_NO_MEMORY) {
        pcre2_code_free(slot->code);
        slot->code = NULL;
        return false;
    }
    slot->steps = safe_steps(slot);
    /* Without JIT, the interpreter is used. */
    (void)pcre2_jit_compile(slot->code, PCRE2_JIT_COMPLETE);
    return true;
}

/* Returns the compiled pattern, or NULL if there is no memory. */
static const struct zkt_compiled_pattern *compiled(
    struct zkt_pattern_cache *cache, const struct zkt_pattern *pattern)
{
    if (!make_contexts(cache) || !reserve(cache)) {
        return NULL;
    }
    struct zkt_compiled_pattern *slot = find(cache, pattern);
    if (slot->pattern == NULL) {
        if (!compile(cache, pattern, slot)) {
            return NULL;
        }
        slot->pattern = pattern;
        cache->count++;
    }
    return slot;
}

/* Matches with PCRE2, within its step limit. */
static int try_match(const struct zkt_pattern_cache *cache,
                     const struct zkt_compiled_pattern *slot,
                     struct zkt_str text)
{
    pcre2_set_match_limit(cache->limits, slot->steps);
    pcre2_set_depth_limit(cache->limits, slot->steps);
    return pcre2_match(slot->code, (PCRE2_SPTR)text.data, text.len, 0,
                       PCRE2_NO_UTF_CHECK, cache->match, cache->limits);
}

/* Matches with the automaton, if the input has steps left. */
static enum zkt_match match_automaton(const struct zkt_compiled_pattern *slot,
                                      struct zkt_str text, uint64_t *steps)
{
    const bool found = slot->automaton != NULL &&
                       *steps < ZKT_PATTERN_STEPS_MAX &&
                       zkt__automaton_finds(slot->automaton, text, steps,
                                            ZKT_PATTERN_STEPS_MAX);
    return found ? ZKT_MATCHES : ZKT_DIFFERS;
}

enum zkt_match zkt__pattern_match(struct zkt_pattern_cache *cache,
                                  const struct zkt_pattern *pattern,
                                  struct zkt_str text, uint64_t *steps)
{
    const struct zkt_compiled_pattern *slot = compiled(cache, pattern);
    if (slot == NULL) {
        return ZKT_MATCH_NO_MEMORY;
    }
    const int result = slot->steps > 0 ? try_match(cache, slot, text)
                                       : PCRE2_ERROR_MATCHLIMIT;
    if (result >= 0) {
        return ZKT_MATCHES;
    }
    switch (result) {
    case PCRE2_ERROR_NOMATCH:
        return ZKT_DIFFERS;
    case PCRE2_ERROR_NOMEMORY:
        return ZKT_MATCH_NO_MEMORY;
    default: /* a limit was exceeded */
        return match_automaton(slot, text, steps);
    }
}

void zkt__patterns_finish(struct zkt_pattern_cache *cache)
{
    for (uint32_t i = 0; i < cache->capacity; i++) {
        pcre2_code_free(cache->slots[i].code);
        zkt__automaton_free(cache->slots[i].automaton);
    }
    zkt__release(cache->allocator, cache->slots);
    pcre2_match_data_free(cache->match);
    pcre2_match_context_free(cache->limits);
    pcre2_general_context_free(cache->memory);
    *cache = (struct zkt_pattern_cache){ .allocator = cache->allocator };
}
