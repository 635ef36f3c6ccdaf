/*
 * A heap of times against the slow way to say it: after every step of many at
 * random, the first is the earliest, and among equal times the one that was
 * added first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/random.h"
#include "failing_alloc.h"

enum {
    NODES = 200,
    STEPS = 20000
};

struct world {
    struct failing_alloc alloc;
    struct zkt_heap heap;
    struct zkt_heap_node nodes[NODES];
};

static void reserve(struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        assert_true(zkt__heap_reserve(&w->heap, &w->alloc.allocator));
    }
}

static void release(struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        zkt__heap_release(&w->heap, &w->alloc.allocator);
    }
}

static const struct zkt_heap_node *find_first(const struct world *w)
{
    const struct zkt_heap_node *first = NULL;
    for (int i = 0; i < NODES; i++) {
        const struct zkt_heap_node *n = &w->nodes[i];
        if (n->place > 0 &&
            (first == NULL || n->due < first->due ||
             (n->due == first->due && n->order < first->order))) {
            first = n;
        }
    }
    return first;
}

static void test_against_search(void **state)
{
    static const uint8_t seed[32] = { 3 };
    struct zkt_random random;
    struct zkt_hash_key key;
    static struct world w;
    (void)state;
    w = (struct world){ .heap = { 0 } };
    failing_alloc_init(&w.alloc, 0);
    assert_true(zkt__random_init(&random, &key, seed));
    reserve(&w, NODES);
    for (int i = 0; i < STEPS; i++) {
        const uint64_t r = zkt__random_next(&random);
        struct zkt_heap_node *node = &w.nodes[r % NODES];
        zkt__heap_remove(&w.heap, node);
        assert_int_equal(node->place, 0);
        if (r >> 32 & 3) {
            node->due = (int64_t)(r >> 40 & 63);
            zkt__heap_add(&w.heap, node);
        }
        assert_ptr_equal(zkt__heap_first(&w.heap), find_first(&w));
    }
    for (int i = 0; i < NODES; i++) {
        zkt__heap_remove(&w.heap, &w.nodes[i]);
    }
    assert_null(zkt__heap_first(&w.heap));
    release(&w, NODES);
    assert_int_equal(w.alloc.live, 0);
}

/* The memory follows the seats in both directions. */
static void test_memory(void **state)
{
    struct world w = { .heap = { 0 } };
    (void)state;
    failing_alloc_init(&w.alloc, 0);
    reserve(&w, NODES);
    assert_in_range(w.heap.capacity, NODES, 2 * NODES);
    release(&w, NODES - 1);
    assert_in_range(w.heap.capacity, 1, 16);
    release(&w, 1);
    assert_int_equal(w.alloc.live, 0);
}

/* Without memory a seat is refused, and one that is given back is not. */
static void test_no_memory(void **state)
{
    struct world w = { .heap = { 0 } };
    (void)state;
    failing_alloc_init(&w.alloc, 1);
    w.alloc.fail_count = STEPS;
    assert_false(zkt__heap_reserve(&w.heap, &w.alloc.allocator));
    w.alloc.fail_at = 0;
    reserve(&w, NODES);
    w.alloc.fail_at = 1;
    release(&w, NODES);
    assert_int_equal(w.alloc.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_search),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
