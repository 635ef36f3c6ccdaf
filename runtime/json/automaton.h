/*
 * Patterns as automata (Thompson's construction), which say whether a pattern
 * is found in a text in time that is linear in the text: no backtracking, and
 * no start that is tried for itself. PCRE2 is faster where it is fast.
 */
#ifndef ZKT_JSON_AUTOMATON_H
#define ZKT_JSON_AUTOMATON_H

#include "base/memory.h"

enum zkt_node_kind {
    ZKT_NODE_SET,       /* a character; on to the next node */
    ZKT_NODE_SPLIT,     /* on to either of two nodes */
    ZKT_NODE_ASSERTION, /* `^`, `$`, `\b` or `\B`; on to the next node */
    ZKT_NODE_LOOKAHEAD, /* `(?=…)`, `(?!…)` */
    ZKT_NODE_MATCH      /* the end of the pattern, or of what is looked for */
};

enum zkt_assertion_kind {
    ZKT_ASSERT_BEGIN,
    ZKT_ASSERT_END,
    ZKT_ASSERT_WORD,
    ZKT_ASSERT_NO_WORD
};

struct zkt_node {
    enum zkt_node_kind kind;
    unsigned which; /* a place's kind; 1: the set, the look is negated */
    uint32_t a, b;  /* SPLIT: both nodes; LOOK: what is looked for, and the
                       next node; SET: its first range, and how many */
    uint32_t back;  /* the first node in backs that leads here; those of the
                       next node are behind */
};

struct zkt_code_points {
    uint32_t first, last;
};

/* The nodes of the pattern itself, or of what a LOOK looks for: from first on,
 * and last is its MATCH. */
struct zkt_region {
    uint32_t first, last;
};

/* One block of memory: what the pointers point to is behind it. */
struct zkt_automaton {
    const struct zkt_allocator *allocator;
    struct zkt_node *nodes; /* and one more, for its back */
    struct zkt_code_points *ranges;
    struct zkt_region *regions; /* those that others look for come first */
    uint32_t *backs; /* nodes without a character, by where they lead */
    uint32_t *queue; /* room for each node */
    uint64_t *rows;  /* for each ASCII character: the nodes that take it */
    uint64_t *now;   /* the nodes from which the end is reached */
    uint32_t node_count, region_count;
    uint32_t words; /* of a row */
    bool loops;     /* something may be repeated without a bound */
};

enum zkt_automaton_status {
    ZKT_AUTOMATON_MADE,
    ZKT_AUTOMATON_TOO_LARGE, /* or not what the compiler of schemas makes */
    ZKT_AUTOMATON_NO_MEMORY
};

/** Makes the automaton of a pattern in the form that PCRE2 reads. */
enum zkt_automaton_status zkt__automaton_new(
    const struct zkt_allocator *allocator, struct zkt_str source,
    struct zkt_automaton **out);

/**
 * Returns true if the pattern is found in @text, which is valid UTF-8. What it
 * takes is added to *@steps: for each character at most its nodes, mostly few.
 * It gives up when that is more than @steps_max.
 */
bool zkt__automaton_finds(struct zkt_automaton *automaton, struct zkt_str text,
                          uint64_t *steps, uint64_t steps_max);

/** Returns true if the SET @node takes the character @c. */
bool zkt__node_takes(const struct zkt_automaton *automaton,
                     const struct zkt_node *node, uint32_t c);

/** Takes NULL. */
void zkt__automaton_free(struct zkt_automaton *automaton);

#endif
