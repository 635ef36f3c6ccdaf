/*
 * What the server has of memory and descriptors, sampled when nothing is left
 * of a round, and whether that has grown. Samples are compared with samples,
 * never with a clock.
 */
#ifndef SOAK_SAMPLES_H
#define SOAK_SAMPLES_H

#include "soak.h"

struct sample {
    uint64_t resident, descriptors, blocks, bytes;
};

/** One more. */
void samples_take(const struct soak_counts *counts);
/** The newest. */
struct sample samples_last(void);
/** Fails when the last fifth is over the second one and what it may grow. */
void samples_judge(void);
void samples_finish(void);

#endif
