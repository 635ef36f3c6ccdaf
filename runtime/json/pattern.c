/*
 * See pattern.h. The limits of a match grow with the text, a few steps and
 * bytes for each of its bytes: so what takes a number of steps in proportion
 * to the text always ends, and what takes a power of it is given up. Most
 * matches end early, so the first limit is low; a higher one is tried only so
 * often for one input.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "json/pattern.h"

#include <pcre2.h>

enum {
    FIRST_CAPACITY = 16,
    STEPS = 1000, /* of backtracking, at least */
    STEPS_HARD = 100000,
    STEPS_PER_BYTE = 16,
    STACK = 256 * 1024, /* bytes, of which backtracking takes some */
    STACK_PER_BYTE = 128,
    STACK_FIRST = 32 * 1024,
    SHORT_TEXT = 8 * 1024 /* bytes; the stack for it is kept */
};

struct zkt_compiled_pattern {
    const struct zkt_pattern *pattern; /* NULL: the slot is free */
    pcre2_code *code;
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

/* Memory that machine code backtracks in, enough for @len bytes; or NULL,
 * where there is none or no machine code, which does with less. */
static pcre2_jit_stack *new_stack(const struct zkt_pattern_cache *cache,
                                  size_t len)
{
    return pcre2_jit_stack_create(STACK_FIRST, STACK + len * STACK_PER_BYTE,
                                  cache->memory);
}

/* Sets the limits for a text of @len bytes; what is returned is to be freed
 * after the match. */
static pcre2_jit_stack *set_limits(struct zkt_pattern_cache *cache, size_t len,
                                   size_t least)
{
    const size_t steps = least + len * STEPS_PER_BYTE;
    const size_t kib = (STACK + len * STACK_PER_BYTE) / 1024;
    const uint32_t limit = steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX;
    pcre2_set_match_limit(cache->limits, limit);
    pcre2_set_depth_limit(cache->limits, limit);
    pcre2_set_heap_limit(cache->limits,
                         kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX);
    if (len <= SHORT_TEXT) {
        if (cache->stack == NULL) {
            cache->stack = new_stack(cache, SHORT_TEXT);
        }
        pcre2_jit_stack_assign(cache->limits, NULL, cache->stack);
        return NULL;
    }
    pcre2_jit_stack *own = new_stack(cache, len);
    pcre2_jit_stack_assign(cache->limits, NULL, own);
    return own;
}

/* The slot of @pattern, or the free one where it belongs. */
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

/* Keeps the slots at most half full. */
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

/* The compiler of schemas tried the source before, so what fails is memory. */
static pcre2_code *compile(const struct zkt_pattern_cache *cache,
                           const struct zkt_pattern *pattern)
{
    int error;
    size_t offset;
    pcre2_compile_context *context = pcre2_compile_context_create(
        cache->memory);
    if (context == NULL) {
        return NULL;
    }
    pcre2_code *code = pcre2_compile(
        (PCRE2_SPTR)pattern->source.data, pattern->source.len,
        PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &offset, context);
    pcre2_compile_context_free(context);
    if (code != NULL) {
        /* Where there is no JIT, the interpreter does. */
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    }
    return code;
}

static const pcre2_code *code_of(struct zkt_pattern_cache *cache,
                                 const struct zkt_pattern *pattern)
{
    if (!make_contexts(cache) || !reserve(cache)) {
        return NULL;
    }
    struct zkt_compiled_pattern *slot = find(cache, pattern);
    if (slot->pattern == NULL) {
        slot->code = compile(cache, pattern);
        if (slot->code == NULL) {
            return NULL;
        }
        slot->pattern = pattern;
        cache->count++;
    }
    return slot->code;
}

/* One try with at least so many steps; PCRE2's result. */
static int try_match(struct zkt_pattern_cache *cache, const pcre2_code *code,
                     struct zkt_str text, size_t least)
{
    pcre2_jit_stack *stack = set_limits(cache, text.len, least);
    const int result = pcre2_match(code, (PCRE2_SPTR)text.data, text.len, 0,
                                   PCRE2_NO_UTF_CHECK, cache->match,
                                   cache->limits);
    pcre2_jit_stack_assign(cache->limits, NULL, NULL);
    pcre2_jit_stack_free(stack);
    const bool no_stack = text.len <= SHORT_TEXT ? cache->stack == NULL
                                                 : stack == NULL;
    return result == PCRE2_ERROR_JIT_STACKLIMIT && no_stack
               ? PCRE2_ERROR_NOMEMORY
               : result;
}

enum zkt_match zkt__pattern_match(struct zkt_pattern_cache *cache,
                                  const struct zkt_pattern *pattern,
                                  struct zkt_str text, uint32_t *hard)
{
    const pcre2_code *code = code_of(cache, pattern);
    if (code == NULL) {
        return ZKT_MATCH_NO_MEMORY;
    }
    int result = try_match(cache, code, text, STEPS);
    if ((result == PCRE2_ERROR_MATCHLIMIT ||
         result == PCRE2_ERROR_DEPTHLIMIT) &&
        *hard < ZKT_HARD_MATCHES_MAX) {
        (*hard)++;
        result = try_match(cache, code, text, STEPS_HARD);
    }
    if (result == PCRE2_ERROR_NOMEMORY) {
        return ZKT_MATCH_NO_MEMORY;
    }
    return result >= 0 ? ZKT_MATCHES : ZKT_DIFFERS;
}

void zkt__patterns_finish(struct zkt_pattern_cache *cache)
{
    for (uint32_t i = 0; i < cache->capacity; i++) {
        pcre2_code_free(cache->slots[i].code);
    }
    zkt__release(cache->allocator, cache->slots);
    pcre2_match_data_free(cache->match);
    pcre2_jit_stack_free(cache->stack);
    pcre2_match_context_free(cache->limits);
    pcre2_general_context_free(cache->memory);
    *cache = (struct zkt_pattern_cache){ .allocator = cache->allocator };
}
