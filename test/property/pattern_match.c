/*
 * Matches as the runtime does, for a program that knows better. Reads lines of
 * hex and says for each text 1, 0, or ? where only the limits said no:
 *
 *   p HEX     the pattern from now on, as the compiler lowered it
 *   t HEX     a text
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "json/pattern.h"

enum {
    LINE_MAX_ = 1 << 16
};

/* What the line holds behind its letter, in the arena. */
static struct zkt_str read_hex(struct zkt_arena *arena, const char *line)
{
    char *text = zkt__arena_zero(arena, strlen(line) / 2 + 1, 1);
    size_t len = 0;
    for (const char *at = line + 2; at[0] > ' ' && at[1] > ' '; at += 2) {
        const char digits[] = { at[0], at[1], '\0' };
        text[len++] = (char)strtoul(digits, NULL, 16);
    }
    return (struct zkt_str){ text, len };
}

/* Whether PCRE2 would give up within limits that are a tenth of ours. */
static bool is_limited(struct zkt_str source, struct zkt_str text)
{
    int error;
    size_t at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)source.data, source.len,
                                     PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error,
                                     &at, NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(limits, 10000);
    const int result = pcre2_match(code, (PCRE2_SPTR)text.data, text.len, 0, 0,
                                   data, limits);
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return result == PCRE2_ERROR_MATCHLIMIT;
}

int main(void)
{
    static char line[LINE_MAX_];
    struct zkt_arena arena;
    struct zkt_pattern_cache cache = { .allocator = &zkt__allocator_default };
    struct zkt_pattern *pattern = NULL;
    zkt__arena_init(&arena, &zkt__allocator_default);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        const struct zkt_str text = read_hex(&arena, line);
        if (line[0] == 'p') {
            pattern = zkt__arena_zero(&arena, 1, sizeof(*pattern));
            pattern->source = text;
        } else if (pattern != NULL) {
            const enum zkt_match match = zkt__pattern_match(
                &cache, pattern, text, &(uint32_t){ 0 });
            puts(match == ZKT_MATCHES                ? "1"
                 : is_limited(pattern->source, text) ? "?"
                                                     : "0");
        }
    }
    zkt__patterns_finish(&cache);
    zkt__arena_finish(&arena);
    return 0;
}
