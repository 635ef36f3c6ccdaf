/*
 * Matches patterns as the runtime does, for a program that compares. Reads
 * lines of hex and prints for each text 1, 0, or x where PCRE2 and the
 * automaton differ:
 *
 *   p HEX     the pattern from now on, as the compiler lowered it
 *   t HEX     a text
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "json/automaton.h"
#include "json/pattern.h"

enum {
    LINE_MAX_ = 1 << 16
};

/* Decodes the line after its letter, into the arena. */
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

/* Matches with the automaton, without PCRE2 before it. */
static bool finds(const struct zkt_pattern *pattern, struct zkt_str text)
{
    struct zkt_automaton *automaton = NULL;
    uint64_t steps = 0;
    if (zkt__automaton_new(&zkt__allocator_default, pattern->source,
                           &automaton) != ZKT_AUTOMATON_MADE) {
        fprintf(stderr, "no automaton for %.*s\n", ZKT_ARG(pattern->source));
        exit(EXIT_FAILURE);
    }
    const bool found = zkt__automaton_finds(automaton, text, &steps,
                                            UINT64_MAX);
    zkt__automaton_free(automaton);
    return found;
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
            const bool match = zkt__pattern_match(&cache, pattern, text,
                                                  &(uint64_t){ 0 }) ==
                               ZKT_MATCHES;
            puts(match != finds(pattern, text) ? "x" : match ? "1" : "0");
        }
    }
    zkt__patterns_finish(&cache);
    zkt__arena_finish(&arena);
    return 0;
}
