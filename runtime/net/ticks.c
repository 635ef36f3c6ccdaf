/*
 * See ticks.h. The counter is measured against the system's clock for a
 * millisecond; a reading of both that was interrupted is thrown away. Processes
 * can be forbidden to read the counter (prctl(2), PR_SET_TSC), and a virtual
 * machine whose counter may change has another clock than "tsc".
 */
#include "net/ticks.h"

#include <time.h>

#include "base/endpoint.h"

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t read_system(const struct zkt_core *core)
{
    (void)core;
    return now_ns();
}

#ifdef __x86_64__

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static bool may_read_counter(void)
{
    int mode = 0;
    return prctl(PR_GET_TSC, &mode) == 0 && mode == PR_TSC_ENABLE;
}

/* Returns true if the system takes the time from the counter. */
static bool system_trusts_counter(void)
{
    static const char name[] = "/sys/devices/system/clocksource/clocksource0/"
                               "current_clocksource";
    char text[16] = "";
    FILE *file = fopen(name, "re");
    if (file == NULL) {
        return false;
    }
    const bool read = fgets(text, sizeof(text), file) != NULL;
    fclose(file);
    return read && strcmp(text, "tsc\n") == 0;
}

/* The counter, and the time in the middle of reading it. */
struct reading {
    int64_t ns, error_ns;
    uint64_t ticks;
};

/* Returns the best of some readings. */
static struct reading read_both(void)
{
    struct reading best = { .error_ns = INT64_MAX };
    for (int i = 0; i < 8; i++) {
        const int64_t before = now_ns();
        const uint64_t ticks = __builtin_ia32_rdtsc();
        const int64_t after = now_ns();
        if (after - before < best.error_ns) {
            best = (struct reading){ before + (after - before) / 2,
                                     after - before, ticks };
        }
    }
    return best;
}

/* Returns the scale of the counter, or 0 if it is of no use. */
static uint64_t measure_scale(void)
{
    enum {
        LONG_NS = 1000000,
        ERROR_NS = 500
    };
    const struct reading first = read_both();
    struct reading last = first;
    while (last.ns - first.ns < LONG_NS) {
        last = read_both();
    }
    if (first.error_ns > ERROR_NS || last.error_ns > ERROR_NS ||
        last.ticks <= first.ticks) {
        return 0;
    }
    const double ticks_per_ns = (double)(last.ticks - first.ticks) /
                                (double)(last.ns - first.ns);
    return ticks_per_ns >= 1 ? (uint64_t)(4294967296.0 / ticks_per_ns) : 0;
}

void zkt__ticks_find(struct zkt_ticks *ticks)
{
    *ticks = (struct zkt_ticks){ .read = read_system };
    if (may_read_counter() && system_trusts_counter()) {
        ticks->cpu_scale = measure_scale();
    }
}

#else

void zkt__ticks_find(struct zkt_ticks *ticks)
{
    *ticks = (struct zkt_ticks){ .read = read_system };
}

#endif
