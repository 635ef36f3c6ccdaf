/*
 * A ranking against the slow way to say it: after every step of many at random,
 * the first is one of those that count the most, and among them the one that
 * came to its count first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/ranking.h"
#include "failing_alloc.h"

enum {
    ITEMS = 12,
    STEPS = 20000
};

struct world {
    struct failing_alloc alloc;
    struct zkt_ranking ranking;
    struct zkt_ranked items[ITEMS];
    int64_t counts[ITEMS];
    int since[ITEMS]; /* the step in which it came to its count */
};

static void begin(struct world *w)
{
    *w = (struct world){ .counts = { 0 } };
    failing_alloc_init(&w->alloc, 0);
    zkt__ranking_init(&w->ranking);
    for (int i = 0; i < ITEMS; i++) {
        assert_true(zkt__ranking_reserve(&w->ranking, &w->alloc.allocator));
    }
}

static void end(struct world *w)
{
    for (int i = 0; i < ITEMS; i++) {
        for (; w->counts[i] > 0; w->counts[i]--) {
            zkt__ranking_lower(&w->ranking, &w->items[i]);
        }
    }
    assert_null(zkt__ranking_first(&w->ranking));
    for (int i = 0; i < ITEMS; i++) {
        zkt__ranking_release(&w->ranking, &w->alloc.allocator);
    }
    assert_int_equal(w->alloc.live, 0);
}

static const struct zkt_ranked *find_first(const struct world *w)
{
    int first = 0;
    for (int i = 1; i < ITEMS; i++) {
        if (w->counts[i] > w->counts[first] ||
            (w->counts[i] == w->counts[first] &&
             w->since[i] < w->since[first])) {
            first = i;
        }
    }
    return w->counts[first] > 0 ? &w->items[first] : NULL;
}

static void step(struct world *w, size_t i, bool up, int number)
{
    if (!up && w->counts[i] == 0) {
        return;
    }
    if (up) {
        zkt__ranking_raise(&w->ranking, &w->items[i]);
    } else {
        zkt__ranking_lower(&w->ranking, &w->items[i]);
    }
    w->counts[i] += up ? 1 : -1;
    w->since[i] = number;
}

static void test_against_the_slow_way(void **state)
{
    static const uint8_t seed[ZKT_SEED_SIZE] = { 1 };
    struct zkt_hash_key key;
    struct zkt_random random;
    struct world w;
    (void)state;
    assert_true(zkt__random_init(&random, &key, seed));
    begin(&w);
    for (int i = 1; i <= STEPS; i++) {
        const uint64_t bits = zkt__random_next(&random);
        step(&w, bits % ITEMS, (bits >> 32 & 1) != 0, i);
        assert_ptr_equal(zkt__ranking_first(&w.ranking), find_first(&w));
    }
    end(&w);
}

/* Each on a level of its own: as many levels as there are. */
static void test_all_apart(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    for (int i = 0; i < ITEMS; i++) {
        for (int k = 0; k <= i; k++) {
            step(&w, (size_t)i, true, i * ITEMS + k);
        }
    }
    assert_ptr_equal(zkt__ranking_first(&w.ranking), &w.items[ITEMS - 1]);
    for (int i = 0; i < ITEMS; i++) { /* one overtakes them all */
        step(&w, 0, true, ITEMS * ITEMS + i);
    }
    assert_ptr_equal(zkt__ranking_first(&w.ranking), &w.items[0]);
    end(&w);
}

static void test_no_memory(void **state)
{
    struct failing_alloc alloc;
    struct zkt_ranking ranking;
    (void)state;
    failing_alloc_init(&alloc, 1);
    zkt__ranking_init(&ranking);
    assert_false(zkt__ranking_reserve(&ranking, &alloc.allocator));
    assert_null(zkt__ranking_first(&ranking));
    assert_int_equal(alloc.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_slow_way),
        cmocka_unit_test(test_all_apart),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
