/*
 * Builds an automaton in two passes over the pattern: the first counts, the
 * second writes into a block of that size. A counted repetition is read as many
 * times. The syntax is the subset that zocketc/schema/pattern.c writes.
 */
#include <string.h>

#include "json/automaton.h"

enum {
    NODES_MAX = 20480,         /* more than zocketc accepts */
    TERMS_MAX = 4 * NODES_MAX, /* includes terms without nodes */
    ASCII = 128
};

#define NONE UINT32_MAX

struct build {
    const char *at, *end;
    struct zkt_automaton *to; /* NULL in the counting pass */
    uint32_t nodes, ranges, regions, terms;
    bool loops, failed;
};

/* ---- writing ---- */

static uint32_t add_node(struct build *b, enum zkt_node_kind kind,
                         unsigned which)
{
    b->failed = b->failed || b->nodes == NODES_MAX;
    if (b->failed) {
        return 0;
    }
    if (b->to != NULL) {
        b->to->nodes[b->nodes] = (struct zkt_node){ .kind = kind,
                                                    .which = which };
    }
    return b->nodes++;
}

static void set_targets(const struct build *b, uint32_t node, uint32_t first,
                        uint32_t second)
{
    if (b->to != NULL && !b->failed) {
        b->to->nodes[node].a = first;
        b->to->nodes[node].b = second;
    }
}

/* Resolves a chain of splits with a common, so far unknown target: the chain is
 * linked by their second targets. */
static void set_chain(const struct build *b, uint32_t chain)
{
    while (b->to != NULL && !b->failed && chain != NONE) {
        struct zkt_node *node = &b->to->nodes[chain];
        chain = node->b;
        node->b = b->nodes;
        node->a = node->a != NONE ? node->a : b->nodes;
    }
}

static void add_range(struct build *b, uint32_t node, uint32_t first,
                      uint32_t last)
{
    struct zkt_automaton *to = b->to;
    if (to != NULL && !b->failed) {
        to->ranges[b->ranges] = (struct zkt_code_points){ first, last };
        to->nodes[node].b++;
    }
    b->ranges++;
}

/* Marks the ASCII characters that the node accepts in the rows. */
static void fill_rows(const struct build *b, uint32_t node)
{
    if (b->to == NULL || b->failed) {
        return;
    }
    for (uint32_t c = 0; c < ASCII; c++) {
        const uint64_t takes = zkt__node_takes(b->to, &b->to->nodes[node], c);
        b->to->rows[c * b->to->words + node / 64] |= takes << node % 64;
    }
}

/* Ends the region that began at node @from. */
static void end_region(struct build *b, uint32_t from)
{
    const uint32_t last = add_node(b, ZKT_NODE_MATCH, 0);
    if (b->to != NULL && !b->failed) {
        b->to->regions[b->regions] = (struct zkt_region){ from, last };
    }
    b->regions++;
}

/* ---- reading ---- */

static bool take(struct build *b, const char *text)
{
    const size_t len = strlen(text);
    if ((size_t)(b->end - b->at) < len || memcmp(b->at, text, len) != 0) {
        return false;
    }
    b->at += len;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads a character: plain, or `\x{…}`. */
static uint32_t take_character(struct build *b)
{
    uint32_t c = 0;
    if (!take(b, "\\x{")) {
        const unsigned char plain = (unsigned char)*b->at++;
        b->failed = b->failed || plain >= ASCII || plain == '\\' ||
                    plain == '.';
        return plain;
    }
    for (; b->at < b->end && *b->at != '}'; b->at++) {
        const int digit = hex_digit(*b->at);
        b->failed = b->failed || digit < 0 || c > 0x10ffff;
        c = c * 16 + (uint32_t)digit;
    }
    b->failed = b->failed || !take(b, "}");
    return c;
}

static void take_set(struct build *b)
{
    const unsigned negated = take(b, "^");
    const uint32_t node = add_node(b, ZKT_NODE_SET, negated);
    set_targets(b, node, b->ranges, 0);
    while (!b->failed && !take(b, "]")) {
        b->failed = b->at == b->end;
        const uint32_t first = b->failed ? 0 : take_character(b);
        const bool range = take(b, "-");
        b->failed = b->failed || b->at == b->end;
        add_range(b, node, first,
                  range && !b->failed ? take_character(b) : first);
    }
    fill_rows(b, node);
}

/* Returns the end of the set, group, escape or character at @at, if it is
 * well-formed. */
static const char *skip_item(const char *at, const char *end)
{
    int groups = 0;
    bool in_set = false;
    do {
        if (*at == '\\') {
            at += at + 1 < end;
        } else if (in_set) {
            in_set = *at != ']';
        } else if (*at == '[') {
            in_set = true;
        } else {
            groups += *at == '(';
            groups -= *at == ')';
        }
        at++;
    } while (at < end && (groups > 0 || in_set));
    return at;
}

/* As skip_item, but knows `\x{…}`. */
static const char *skip_atom(const char *at, const char *end)
{
    const bool code = end - at > 2 && at[0] == '\\' && at[1] == 'x';
    const char *past = code ? memchr(at, '}', (size_t)(end - at)) : NULL;
    return past != NULL ? past + 1 : skip_item(at, end);
}

/* Bounds of a repetition. */
struct count {
    uint32_t least, most; /* most NONE: unbounded */
};

static uint32_t take_number(struct build *b)
{
    uint32_t number = 0;
    for (; b->at < b->end && *b->at >= '0' && *b->at <= '9'; b->at++) {
        number = number * 10 + (uint32_t)(*b->at - '0');
        b->failed = b->failed || number > NODES_MAX;
    }
    return b->failed ? 0 : number;
}

static struct count take_count(struct build *b)
{
    struct count count = { 1, 1 };
    if (take(b, "*")) {
        count = (struct count){ 0, NONE };
    } else if (take(b, "+")) {
        count = (struct count){ 1, NONE };
    } else if (take(b, "?")) {
        count = (struct count){ 0, 1 };
    } else if (take(b, "{")) {
        count.least = count.most = take_number(b);
        if (take(b, ",")) {
            const bool bounded = b->at < b->end && *b->at != '}';
            count.most = bounded ? take_number(b) : NONE;
        }
        b->failed = b->failed || !take(b, "}");
    } else {
        return count;
    }
    (void)take(b, "?"); /* laziness does not change whether a match exists */
    return count;
}

static void take_alternatives(struct build *b);

static void take_group(struct build *b)
{
    const bool not = take(b, "?!"), lookahead = not || take(b, "?=");
    if (lookahead) {
        const uint32_t node = add_node(b, ZKT_NODE_LOOKAHEAD, not );
        const uint32_t from = b->nodes;
        take_alternatives(b);
        end_region(b, from);
        set_targets(b, node, from, b->nodes);
    } else {
        b->failed = b->failed || !take(b, "?:");
        take_alternatives(b);
    }
    b->failed = b->failed || !take(b, ")");
}

/* Returns false if the next term is no assertion. */
static bool take_assertion(struct build *b)
{
    static const struct {
        const char *text;
        enum zkt_assertion_kind kind;
    } assertions[] = {
        { "^", ZKT_ASSERT_BEGIN },
        { "$", ZKT_ASSERT_END },
        { "\\b", ZKT_ASSERT_WORD },
        { "\\B", ZKT_ASSERT_NO_WORD },
    };
    for (size_t i = 0; i < sizeof(assertions) / sizeof(assertions[0]); i++) {
        if (take(b, assertions[i].text)) {
            (void)add_node(b, ZKT_NODE_ASSERTION, assertions[i].kind);
            return true;
        }
    }
    return false;
}

static void take_atom(struct build *b)
{
    b->failed = b->failed || ++b->terms > TERMS_MAX;
    if (take_assertion(b)) {
        return;
    }
    if (take(b, "(")) {
        take_group(b);
    } else if (take(b, "[")) {
        take_set(b);
    } else {
        const uint32_t node = add_node(b, ZKT_NODE_SET, 0), range = b->ranges;
        const uint32_t c = take_character(b);
        set_targets(b, node, range, 0);
        add_range(b, node, c, c);
        fill_rows(b, node);
    }
}

/* Adds a split to the next node, or past the end: joins @chain. Returns the new
 * chain. */
static uint32_t add_option(struct build *b, uint32_t chain)
{
    const uint32_t split = add_node(b, ZKT_NODE_SPLIT, 0);
    set_targets(b, split, split + 1, chain);
    return split;
}

/* Reads the atom at @start as the body of a loop. */
static void take_loop(struct build *b, const char *start)
{
    const uint32_t first = b->nodes;
    b->at = start;
    take_atom(b);
    const uint32_t back = add_node(b, ZKT_NODE_SPLIT, 0);
    set_targets(b, back, first, back + 1);
    b->loops = true;
}

/* Reads the atom at @start as often as @count says. */
static void take_times(struct build *b, const char *start, struct count count)
{
    const bool endless = count.most == NONE;
    uint32_t chain = NONE;
    for (uint32_t i = endless ? 1 : 0; i < count.least && !b->failed; i++) {
        b->at = start;
        take_atom(b);
    }
    if (endless) {
        chain = count.least == 0 ? add_option(b, chain) : NONE;
        take_loop(b, start);
    }
    for (uint32_t i = count.least; !endless && i < count.most && !b->failed;
         i++) {
        chain = add_option(b, chain);
        b->at = start;
        take_atom(b);
    }
    set_chain(b, chain);
}

static void take_term(struct build *b)
{
    const char *start = b->at;
    b->at = skip_atom(start, b->end);
    const struct count count = take_count(b);
    const char *past = b->at;
    if (!b->failed) {
        take_times(b, start, count);
    }
    b->at = past;
}

/*
 * Returns true if `
 * ` follows in this group.
 */
static bool has_alternative(const struct build *b)
{
    const char *at = b->at;
    while (at < b->end && *at != '|' && *at != ')') {
        at = skip_atom(at, b->end);
    }
    return at < b->end && *at == '|';
}

static void take_sequence(struct build *b)
{
    while (b->at < b->end && *b->at != '|' && *b->at != ')' && !b->failed) {
        take_term(b);
    }
}

/* Each alternative but the last begins with a split to the next, and ends with
 * a split that jumps past the last; the latter form a chain. */
static void take_alternatives(struct build *b)
{
    uint32_t ends = NONE;
    while (has_alternative(b) && !b->failed) {
        const uint32_t split = add_node(b, ZKT_NODE_SPLIT, 0);
        take_sequence(b);
        const uint32_t end = add_node(b, ZKT_NODE_SPLIT, 0);
        set_targets(b, end, NONE, ends);
        set_targets(b, split, split + 1, b->nodes);
        ends = end;
        b->failed = b->failed || !take(b, "|");
    }
    take_sequence(b);
    set_chain(b, ends);
}

/* ---- making one ---- */

static void take_all(struct build *b)
{
    take_alternatives(b);
    end_region(b, 0);
    b->failed = b->failed || b->at < b->end;
}

/* Counts the epsilon predecessors of each node, or writes them with @fill. */
static void note_predecessor(struct zkt_automaton *a, uint32_t from,
                             uint32_t to, bool fill)
{
    if (fill) {
        a->predecessors[--a->nodes[to + 1].first_predecessor] = from;
    } else {
        a->nodes[to + 1].first_predecessor++;
    }
}

static void note_predecessors(struct zkt_automaton *a, bool fill)
{
    for (uint32_t i = 0; i < a->node_count; i++) {
        const struct zkt_node *node = &a->nodes[i];
        if (node->kind == ZKT_NODE_SPLIT) {
            note_predecessor(a, i, node->a, fill);
            if (node->b != node->a) {
                note_predecessor(a, i, node->b, fill);
            }
        } else if (node->kind == ZKT_NODE_ASSERTION) {
            note_predecessor(a, i, i + 1, fill);
        } else if (node->kind == ZKT_NODE_LOOKAHEAD) {
            note_predecessor(a, i, node->b, fill);
        }
    }
}

/* Groups the epsilon predecessors by their target with a counting sort. */
static void link_predecessors(struct zkt_automaton *a)
{
    note_predecessors(a, false);
    for (uint32_t i = 0; i < a->node_count; i++) {
        a->nodes[i + 1].first_predecessor += a->nodes[i].first_predecessor;
    }
    const uint32_t all = a->nodes[a->node_count].first_predecessor;
    /* Filling moves each end down to the begin of its node, so the begins are
     * now off by a node. */
    note_predecessors(a, true);
    for (uint32_t i = 0; i < a->node_count; i++) {
        a->nodes[i].first_predecessor = a->nodes[i + 1].first_predecessor;
    }
    a->nodes[a->node_count].first_predecessor = all;
}

/* Allocates the zeroed block for the counted sizes and sets the pointers into
 * it. */
static struct zkt_automaton *make_room(const struct zkt_allocator *allocator,
                                       const struct build *counted)
{
    const size_t words = (counted->nodes + 63) / 64;
    const size_t predecessors = 2 * (size_t)counted->nodes;
    const size_t size = sizeof(struct zkt_automaton) +
                        (ASCII + 1) * words * sizeof(uint64_t) +
                        (counted->nodes + 1) * sizeof(struct zkt_node) +
                        counted->ranges * sizeof(struct zkt_code_points) +
                        counted->regions * sizeof(struct zkt_region) +
                        (predecessors + counted->nodes) * sizeof(uint32_t);
    struct zkt_automaton *a = zkt__alloc_zero(allocator, 1, size);
    if (a == NULL) {
        return NULL;
    }
    a->allocator = allocator;
    a->words = (uint32_t)words;
    a->rows = (uint64_t *)(a + 1);
    a->active = a->rows + ASCII * words;
    a->nodes = (struct zkt_node *)(a->active + words);
    a->ranges = (struct zkt_code_points *)(a->nodes + counted->nodes + 1);
    a->regions = (struct zkt_region *)(a->ranges + counted->ranges);
    a->predecessors = (uint32_t *)(a->regions + counted->regions);
    a->queue = a->predecessors + predecessors;
    a->node_count = counted->nodes;
    a->region_count = counted->regions;
    a->loops = counted->loops;
    return a;
}

enum zkt_automaton_status zkt__automaton_new(
    const struct zkt_allocator *allocator, struct zkt_str source,
    struct zkt_automaton **out)
{
    const struct build empty = { .at = source.data,
                                 .end = source.data + source.len };
    struct build b = empty;
    take_all(&b);
    if (b.failed) {
        return ZKT_AUTOMATON_TOO_LARGE;
    }
    struct zkt_automaton *a = make_room(allocator, &b);
    if (a == NULL) {
        return ZKT_AUTOMATON_NO_MEMORY;
    }
    b = empty;
    b.to = a;
    take_all(&b);
    link_predecessors(a);
    *out = a;
    return ZKT_AUTOMATON_MADE;
}

void zkt__automaton_free(struct zkt_automaton *automaton)
{
    if (automaton != NULL) {
        zkt__release(automaton->allocator, automaton);
    }
}
