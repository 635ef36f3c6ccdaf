/*
 * Runs an automaton backwards, from the end of the text to its beginning. At
 * each position, a bit per node says whether the end of the pattern can be
 * reached from the node with the rest of the text. So a character costs a shift
 * and a mask, the results of lookaheads are known already, and no start
 * position is tried separately.
 */
#include "json/automaton.h"

#include <string.h>

/* The position of the run in the text. */
struct position {
    const char *begin, *at, *end;
};

bool zkt__node_takes(const struct zkt_automaton *automaton,
                     const struct zkt_node *node, uint32_t c)
{
    const struct zkt_code_points *ranges = &automaton->ranges[node->a];
    for (uint32_t i = 0; i < node->b; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last) {
            return node->which == 0;
        }
    }
    return node->which == 1;
}

static bool reaches(const struct zkt_automaton *a, uint32_t node)
{
    return (a->active[node / 64] >> node % 64 & 1) != 0;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') || c == '_';
}

static bool assertion_holds(enum zkt_assertion_kind kind,
                            const struct position *m)
{
    if (kind == ZKT_ASSERT_BEGIN) {
        return m->at == m->begin;
    }
    if (kind == ZKT_ASSERT_END) {
        return m->at == m->end;
    }
    const bool before = m->at > m->begin && is_word(m->at[-1]);
    const bool behind = m->at < m->end && is_word(*m->at);
    return (before != behind) == (kind == ZKT_ASSERT_WORD);
}

/* Returns true if the node leads, without consuming a character, to a node that
 * reaches the end; a successor does. */
static bool epsilon_holds(const struct zkt_automaton *a, uint32_t number,
                          const struct position *m)
{
    const struct zkt_node *node = &a->nodes[number];
    switch (node->kind) {
    case ZKT_NODE_ASSERTION:
        return assertion_holds((enum zkt_assertion_kind)node->which, m);
    case ZKT_NODE_LOOKAHEAD:
        return reaches(a, node->a) != (node->which == 1);
    case ZKT_NODE_SPLIT:
    case ZKT_NODE_SET:
    case ZKT_NODE_MATCH:
        break;
    }
    return true;
}

static void mark(const struct zkt_automaton *a, uint32_t node)
{
    a->active[node / 64] |= (uint64_t)1 << node % 64;
}

/* Puts the marked nodes of the region into the queue; returns their number. */
static uint32_t fill_queue(const struct zkt_automaton *a,
                           const struct zkt_region *region)
{
    uint32_t count = 0;
    for (uint32_t i = region->first / 64; i <= region->last / 64; i++) {
        for (uint64_t left = a->active[i]; left != 0; left &= left - 1) {
            const uint32_t node = i * 64 + (uint32_t)__builtin_ctzll(left);
            if (node >= region->first && node <= region->last) {
                a->queue[count++] = node;
            }
        }
    }
    return count;
}

/* Marks all epsilon predecessors of the marked nodes; the regions of their
 * lookaheads have been processed. Returns the number of visited nodes. */
static uint32_t close_region(const struct zkt_automaton *a,
                             const struct zkt_region *region,
                             const struct position *m)
{
    mark(a, region->last);
    uint32_t count = fill_queue(a, region);
    for (uint32_t i = 0; i < count; i++) {
        const struct zkt_node *node = &a->nodes[a->queue[i]];
        for (uint32_t j = node->first_predecessor;
             j < node[1].first_predecessor; j++) {
            const uint32_t from = a->predecessors[j];
            if (!reaches(a, from) && epsilon_holds(a, from, m)) {
                mark(a, from);
                a->queue[count++] = from;
            }
        }
    }
    return count;
}

static uint32_t close_all(const struct zkt_automaton *a,
                          const struct position *m)
{
    uint32_t count = a->words;
    for (uint32_t i = 0; i < a->region_count; i++) {
        count += close_region(a, &a->regions[i], m);
    }
    return count;
}

/* Keeps the nodes that accept the character and continue at a marked node. */
static void take_ascii(const struct zkt_automaton *a, unsigned char c)
{
    const uint64_t *row = a->rows + (size_t)c * a->words;
    for (uint32_t i = 0; i < a->words; i++) {
        const uint64_t next = i + 1 < a->words ? a->active[i + 1] << 63 : 0;
        a->active[i] = (a->active[i] >> 1 | next) & row[i];
    }
}

static void take_non_ascii(const struct zkt_automaton *a, uint32_t c)
{
    for (uint32_t i = 0; i < a->node_count; i++) {
        const struct zkt_node *node = &a->nodes[i];
        const uint64_t bit = (uint64_t)1 << i % 64;
        const bool taken = node->kind == ZKT_NODE_SET && reaches(a, i + 1) &&
                           zkt__node_takes(a, node, c);
        a->active[i / 64] = taken ? a->active[i / 64] | bit
                                  : a->active[i / 64] & ~bit;
    }
}

/* Moves back over a character; returns the cost. */
static uint32_t step_back(const struct zkt_automaton *a, struct position *m)
{
    uint32_t c = (unsigned char)*--m->at;
    if (c < 0x80) {
        take_ascii(a, (unsigned char)c);
        return 0;
    }
    int shift = 0;
    for (c &= 0x3f; ((unsigned char)*m->at & 0xc0) == 0x80;) {
        m->at--;
        shift += 6;
        const uint32_t byte = (unsigned char)*m->at;
        const uint32_t bits = (byte & 0xc0) == 0x80 ? byte & 0x3f
                              : byte < 0xe0         ? byte & 0x1f
                              : byte < 0xf0         ? byte & 0x0f
                                                    : byte & 0x07;
        c |= bits << shift;
    }
    take_non_ascii(a, c);
    return a->node_count;
}

bool zkt__automaton_finds(struct zkt_automaton *automaton, struct zkt_str text,
                          uint64_t *steps, uint64_t steps_max)
{
    const char *begin = text.len > 0 ? text.data : "";
    struct position m = { begin, begin + text.len, begin + text.len };
    memset(automaton->active, 0, automaton->words * sizeof(*automaton->active));
    *steps += close_all(automaton, &m);
    while (!reaches(automaton, 0) && m.at > m.begin && *steps <= steps_max) {
        *steps += step_back(automaton, &m);
        *steps += close_all(automaton, &m);
    }
    return reaches(automaton, 0);
}
