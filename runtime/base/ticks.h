/*
 * A clock for durations: monotonic, alike on all threads, and as cheap as can
 * be, since every call reads it. Its unit, the tick, is its own. Where the
 * system trusts the counter of the CPU as its clock, the driver chooses this
 * (net/ticks.h), whose reading is an instruction; otherwise a tick is a
 * nanosecond. Nothing here reads another clock: a test has its own.
 */
#ifndef ZKT_BASE_TICKS_H
#define ZKT_BASE_TICKS_H

#include <stdbool.h>
#include <stdint.h>

struct zkt_core;

struct zkt_ticks {
    /* Of the counter of an x86 CPU: the nanoseconds of 2^32 ticks, at most
     * 2^32; 0: it is not used. */
    uint64_t cpu_scale;
    int64_t (*read)(const struct zkt_core *core); /* if it is not used */
};

#ifdef __x86_64__
static inline int64_t zkt__ticks_cpu(void)
{
    return (int64_t)__builtin_ia32_rdtsc();
}

static inline int64_t zkt__ticks_cpu_ns(uint64_t cpu_scale, uint64_t count)
{
    __extension__ typedef unsigned __int128 wide;
    return (int64_t)(uint64_t)((wide)count * cpu_scale >> 32);
}
#endif

static inline int64_t zkt__ticks_read(const struct zkt_ticks *ticks,
                                      const struct zkt_core *core)
{
#ifdef __x86_64__
    if (ticks->cpu_scale != 0) {
        return zkt__ticks_cpu();
    }
#endif
    return ticks->read(core);
}

/** Returns the nanoseconds of a number of ticks. */
static inline int64_t zkt__ticks_ns(const struct zkt_ticks *ticks,
                                    uint64_t count)
{
#ifdef __x86_64__
    if (ticks->cpu_scale != 0) {
        return zkt__ticks_cpu_ns(ticks->cpu_scale, count);
    }
#endif
    (void)ticks;
    return (int64_t)count;
}

#endif
