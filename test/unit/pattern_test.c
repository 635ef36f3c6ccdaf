/*
 * Patterns: what is bounded, and what is not. Which strings match is tested
 * by test/property/patterns.test.js and test/vectors.
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
                               &(uint32_t){ 0 }) != ZKT_MATCHES) {
            fail_msg("pattern %zu does not match a long text", i);
        }
    }
    zkt__patterns_finish(&cache);
}

/* Steps that double with each character: given up, and taken for no match. */
static void test_steps_are_bounded(void **state)
{
    static const struct zkt_pattern pattern = PATTERN("^(?:a+)+$");
    struct zkt_pattern_cache cache = { .allocator = &zkt__allocator_default };
    (void)state;
    fill("a");
    text[100] = '!';
    assert_int_equal(zkt__pattern_match(&cache, &pattern,
                                        (struct zkt_str){ text, 101 },
                                        &(uint32_t){ 0 }),
                     ZKT_DIFFERS);
    assert_int_equal(zkt__pattern_match(&cache, &pattern,
                                        (struct zkt_str){ text, 100 },
                                        &(uint32_t){ 0 }),
                     ZKT_MATCHES);
    zkt__patterns_finish(&cache);
}

/* What takes more steps than most is tried, so often for one input. */
static void test_hard_matches_are_few(void **state)
{
    static const struct zkt_pattern pattern = PATTERN("^(?:a?){12}a{12}$");
    const struct zkt_str easy = ZKT_STR("aaaaaaaaaaaaaaaaaaaaaaaa");
    const struct zkt_str hard = ZKT_STR("aaaaaaaaaaaa");
    struct zkt_pattern_cache cache = { .allocator = &zkt__allocator_default };
    uint32_t tried = 0;
    (void)state;
    assert_int_equal(zkt__pattern_match(&cache, &pattern, easy, &tried),
                     ZKT_MATCHES);
    assert_int_equal(tried, 0);
    for (uint32_t i = 1; i <= ZKT_HARD_MATCHES_MAX; i++) {
        assert_int_equal(zkt__pattern_match(&cache, &pattern, hard, &tried),
                         ZKT_MATCHES);
        assert_int_equal(tried, i);
    }
    assert_int_equal(zkt__pattern_match(&cache, &pattern, hard, &tried),
                     ZKT_DIFFERS);
    assert_int_equal(zkt__pattern_match(&cache, &pattern, easy, &tried),
                     ZKT_MATCHES);
    assert_int_equal(tried, ZKT_HARD_MATCHES_MAX);
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
        match = zkt__pattern_match(&cache, &pattern, abc, &(uint32_t){ 0 });
        assert_int_not_equal(match, ZKT_DIFFERS);
        if (match == ZKT_MATCH_NO_MEMORY) { /* and the next time it works */
            assert_int_equal(
                zkt__pattern_match(&cache, &pattern, abc, &(uint32_t){ 0 }),
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
        cmocka_unit_test(test_steps_are_bounded),
        cmocka_unit_test(test_hard_matches_are_few),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
