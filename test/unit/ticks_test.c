/*
 * The clock for durations goes as the system's monotonic clock does, whichever
 * it is, and the nanoseconds of ticks are right up to the largest numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/endpoint.h"
#include "net/ticks.h"

#define MS INT64_C(1000000)

static int64_t system_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Whatever holds this process up makes the time around longer, not shorter. */
static void check(const struct zkt_ticks *ticks)
{
    const struct zkt_core core = { .ticks = *ticks };
    const int64_t outer = system_ns();
    const int64_t first = zkt__ticks_read(ticks, &core);
    const int64_t inner = system_ns();
    while (system_ns() - inner < 20 * MS) {
    }
    const int64_t least = system_ns() - inner;
    const int64_t last = zkt__ticks_read(ticks, &core);
    const int64_t most = system_ns() - outer;
    const int64_t ns = zkt__ticks_ns(ticks, (uint64_t)(last - first));
    assert_true(last > first);
    assert_true(ns >= least - least / 100);
    assert_true(ns <= most + most / 100);
}

static void test_the_clock_that_is_found(void **state)
{
    struct zkt_ticks ticks = { 0 };
    (void)state;
    zkt__ticks_find(&ticks);
    assert_non_null(ticks.read);
    check(&ticks);
}

static void test_the_clock_of_the_system(void **state)
{
    struct zkt_ticks ticks = { 0 };
    (void)state;
    zkt__ticks_find(&ticks);
    ticks.cpu_scale = 0;
    check(&ticks);
    assert_int_equal(zkt__ticks_ns(&ticks, 123), 123);
}

static void test_nanoseconds_of_ticks(void **state)
{
#ifdef __x86_64__
    const uint64_t third = (UINT64_C(1) << 32) / 3;
    (void)state;
    assert_int_equal(zkt__ticks_cpu_ns(UINT64_C(1) << 32, 77), 77);
    assert_int_equal(zkt__ticks_cpu_ns(UINT64_C(1) << 31, 78), 39);
    assert_int_equal(zkt__ticks_cpu_ns(third, 0), 0);
    /* A year at 3 GHz. */
    const uint64_t year = UINT64_C(31536000) * 3000000000;
    const int64_t ns = zkt__ticks_cpu_ns(third, year);
    assert_true(ns > INT64_C(31535999) * 1000000000);
    assert_true(ns <= INT64_C(31536000) * 1000000000);
#else
    (void)state;
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_clock_that_is_found),
        cmocka_unit_test(test_the_clock_of_the_system),
        cmocka_unit_test(test_nanoseconds_of_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
