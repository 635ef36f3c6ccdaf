/*
 * Patterns as automata (Thompson's construction). Matching takes time linear in
 * the text: there is no backtracking, and no separate attempt for each start.
 * PCRE2 is faster on patterns that suit it; pattern.c decides.
 */
#ifndef ZKT_JSON_AUTOMATON_H
#define ZKT_JSON_AUTOMATON_H

#include "base/memory.h"

enum zkt_node_kind {
    ZKT_NODE_SET,       /* consumes a character, continues at the next node */
    ZKT_NODE_SPLIT,     /* continues at either of two nodes */
    ZKT_NODE_ASSERTION, /* `^`, `$`, `\b` or `\B`; continues at the next node */
    ZKT_NODE_LOOKAHEAD, /* `(?=…)`, `(?!…)` */
    ZKT_NODE_MATCH      /* the end of the pattern, or of a lookahead */
};

enum zkt_assertion_kind {
    ZKT_ASSERT_BEGIN,
    ZKT_ASSERT_END,
    ZKT_ASSERT_WORD,
    ZKT_ASSERT_NO_WORD
};

struct zkt_node {
    enum zkt_node_kind kind;
    unsigned which; /* ASSERTION: its kind; SET, LOOKAHEAD: 1 if negated */
    uint32_t a, b;  /* SPLIT: both targets; LOOKAHEAD: its first node, and the
                       next node; SET: its first range, and their number */
    uint32_t first_predecessor; /* index; the last precedes the next node's */
};

struct zkt_code_points {
    uint32_t first, last;
};

/* The nodes of the pattern itself, or of a lookahead: first to last, which is
 * its MATCH. */
struct zkt_region {
    uint32_t first, last;
};

/* A single block of memory that also holds all arrays. */
struct zkt_automaton {
    const struct zkt_allocator *allocator;
    struct zkt_node *nodes; /* and a sentinel, for first_predecessor */
    struct zkt_code_points *ranges;
    struct zkt_region *regions; /* lookaheads precede their users */
    uint32_t *predecessors; /* epsilon predecessors, grouped by their target */
    uint32_t *queue;        /* capacity: all nodes */
    uint64_t *rows;         /* per ASCII character: the nodes that accept it */
    uint64_t *active;       /* bit set of the nodes that reach the end */
    uint32_t node_count, region_count;
    uint32_t words; /* per row */
    bool loops;     /* contains an unbounded repetition */
};

enum zkt_automaton_status {
    ZKT_AUTOMATON_MADE,
    ZKT_AUTOMATON_TOO_LARGE, /* or in no form that zocketc writes */
    ZKT_AUTOMATON_NO_MEMORY
};

/** Makes the automaton of a pattern in PCRE2 syntax. */
enum zkt_automaton_status zkt__automaton_new(
    const struct zkt_allocator *allocator, struct zkt_str source,
    struct zkt_automaton **out);

/**
 * Returns true if the pattern is found in @text, which is valid UTF-8. Adds the
 * cost to *@steps: per character at most the number of nodes, mostly few. Gives
 * up once *@steps exceeds @steps_max.
 */
bool zkt__automaton_finds(struct zkt_automaton *automaton, struct zkt_str text,
                          uint64_t *steps, uint64_t steps_max);

/** Returns true if @node, a SET, accepts the character @c. */
bool zkt__node_takes(const struct zkt_automaton *automaton,
                     const struct zkt_node *node, uint32_t c);

/** Takes NULL. */
void zkt__automaton_free(struct zkt_automaton *automaton);

#endif
