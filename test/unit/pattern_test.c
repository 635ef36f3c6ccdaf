/*
 * Patterns: bounded and unbounded cost. test/property/patterns.test.js and
 * test/vectors test which strings match.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "json/pattern.h"

#define PATTERN(text)                                                          \
    {                                                                          \
        ZKT_STR_INIT(text), ZKT_STR_INIT("/" text "/"), false                  \
    }

enum {
    LONG = 1024 * 1024
};

static char text[LONG + 1];

static void fill(const char *piece)
{
    const size_t len = strlen(piece);
    for (size_t i = 0; i < LONG; i++) {
        text[i] = piece[i % len];
    }
    text[LONG] = '\0';
}

static void test_long_texts_match(void **state)
{
    static const struct zkt_pattern patterns[] = {
        PATTERN("^(?:a|b)*$"), PATTERN("^[a-z]+$"),  PATTERN("^(?:[ab]{2})+$"),
        PATTERN("^(?:ab)+?$"), PATTERN("ba(?=b|$)"),
    };
    struct zkt_pattern_cache cache = { .allocator = &zkt__allocator_default };
    (void)state;
    fill("ab");
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (zkt__pattern_match(&cache, &patterns[i],
                               (struct zkt_str){ text, LONG },
                               &(uint64_t){ 0 }) != ZKT_MATCHES) {
            fail_msg("pattern %zu does not match a long text", i);
        }
    }
    zkt__patterns_finish(&cache);
}

/* Backtracking would take exponential time, or the product of starts and ends:
 * the number of steps is linear in both cases. */
static void test_steps_are_linear(void **state)
{
    static const struct {
        struct zkt_pattern pattern;
        const char *piece, *end;
        bool matches;
    } table[] = {
        { PATTERN("^(?:a+)+$"), "a", "!", false },
        { PATTERN("^(?:a+)+$"), "a", "", true },
        { PATTERN("(?:[a-z]-?)+;"), "a", " ;", false },
        { PATTERN("(?:[a-z]-?)+;"), "a", "-;", true },
        { PATTERN("(?:a|b)*?x$"), "ab", "xb", false },
        { PATTERN("[^cd]*[cd]$"), "ab", "c", true },
        { PATTERN("^(?:a|b)*b[^cd]*[cd]"), "b", "", false },
        { PATTERN("(?=a*!)a"), "a", "", false },
        { PATTERN("(?!(?:a+)+b)ax"), "a", "b", false },
        { PATTERN("(?:(?=b)b|a)*!$"), "ab", "!", true },
        { PATTERN("(?:(?:a?){20}){20}b"), "a", "", false },
        { PATTERN("\\b(?:a+)+\\B[^a]"), "a", "", false },
    };
    struct zkt_pattern_cache cache = { .allocator = &zkt__allocator_default };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint64_t steps[2] = { 0 };
        fill(table[i].piece);
        for (size_t k = 0; k < 2; k++) {
            const size_t len = k == 0 ? 4096 : 8192;
            char kept[4];
            memcpy(kept, text + len, sizeof(kept));
            memcpy(text + len, table[i].end, strlen(table[i].end));
            const enum zkt_match match = zkt__pattern_match(
                &cache, &table[i].pattern,
                (struct zkt_str){ text, len + strlen(table[i].end) },
                &steps[k]);
            memcpy(text + len, kept, sizeof(kept));
            assert_int_equal(match,
                             table[i].matches ? ZKT_MATCHES : ZKT_DIFFERS);
        }
        if (steps[1] > steps[0] * 21 / 10 || steps[1] > 500 * 8192) {
            fail_msg("pattern %zu takes %llu and %llu steps", i,
                     (unsigned long long)steps[0],
                     (unsigned long long)steps[1]);
        }
    }
    zkt__patterns_finish(&cache);
}

/* A match that needs few steps is decided, even if the input has used up its
 * steps. */
static void test_steps_of_one_input_are_bounded(void **state)
{
    static const struct zkt_pattern pattern = PATTERN("^(?:a?)+b$");
    const struct zkt_str easy = ZKT_STR("aab");
    struct zkt_pattern_cache cache = { .allocator = &zkt__allocator_default };
    struct zkt_str hard = { text, 1000 };
    uint64_t steps = 0;
    (void)state;
    fill("a");
    text[999] = 'b';
    assert_int_equal(zkt__pattern_match(&cache, &pattern, easy, &steps),
                     ZKT_MATCHES);
    assert_int_equal(steps, 0);
    assert_int_equal(zkt__pattern_match(&cache, &pattern, hard, &steps),
                     ZKT_MATCHES);
    assert_true(steps >= 1000);
    steps = ZKT_PATTERN_STEPS_MAX - 500;
    assert_int_equal(zkt__pattern_match(&cache, &pattern, hard, &steps),
                     ZKT_DIFFERS);
    assert_true(steps < ZKT_PATTERN_STEPS_MAX + 100);
    steps = ZKT_PATTERN_STEPS_MAX;
    assert_int_equal(zkt__pattern_match(&cache, &pattern, hard, &steps),
                     ZKT_DIFFERS);
    assert_int_equal(zkt__pattern_match(&cache, &pattern, easy, &steps),
                     ZKT_MATCHES);
    zkt__patterns_finish(&cache);
}

/* The compiler accepts only small valid patterns; a handwritten table may hold
 * others. */
static void test_patterns_that_no_schema_has(void **state)
{
    static const struct zkt_pattern patterns[] = {
        PATTERN("(?:[a-z]{1,300}-){1,100}"),
        PATTERN("(?:(?:(?:){1000}){1000}){900}"),
        PATTERN("a.b"),
        PATTERN("\\d"),
    };
    struct zkt_pattern_cache cache = { .allocator = &zkt__allocator_default };
    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        uint64_t steps = 0;
        const enum zkt_match match = zkt__pattern_match(&cache, &patterns[i],
                                                        ZKT_STR("a-1"), &steps);
        assert_true(match != ZKT_MATCHES);
        assert_int_equal(steps, 0);
    }
    zkt__patterns_finish(&cache);
}

static void test_every_allocation_may_fail(void **state)
{
    static const struct zkt_pattern pattern = PATTERN("^a(?:b|c)+$");
    const struct zkt_str abc = ZKT_STR("abcbc");
    enum zkt_match match = ZKT_MATCH_NO_MEMORY;
    (void)state;
    for (long fails = 1; match != ZKT_MATCHES; fails++) {
        struct failing_alloc failing;
        failing_alloc_init(&failing, fails);
        struct zkt_pattern_cache cache = { .allocator = &failing.allocator };
        match = zkt__pattern_match(&cache, &pattern, abc, &(uint64_t){ 0 });
        assert_int_not_equal(match, ZKT_DIFFERS);
        if (match == ZKT_MATCH_NO_MEMORY) { /* the next match works */
            assert_int_equal(
                zkt__pattern_match(&cache, &pattern, abc, &(uint64_t){ 0 }),
                ZKT_MATCHES);
        }
        zkt__patterns_finish(&cache);
        assert_int_equal(failing.live, 0);
        assert_true(fails < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_texts_match),
        cmocka_unit_test(test_steps_are_linear),
        cmocka_unit_test(test_steps_of_one_input_are_bounded),
        cmocka_unit_test(test_patterns_that_no_schema_has),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
