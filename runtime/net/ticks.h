/*
 * Finds the cheapest clock for durations (base/ticks.h): the counter of the CPU
 * if the system itself takes the time from it, which it does if the counter
 * runs evenly and alike on all CPUs; otherwise the system's monotonic clock.
 */
#ifndef ZKT_NET_TICKS_H
#define ZKT_NET_TICKS_H

#include "base/ticks.h"

/** Takes a millisecond, in which it measures the counter: then the durations
 * are exact to 0.1 percent. */
void zkt__ticks_find(struct zkt_ticks *ticks);

#endif
