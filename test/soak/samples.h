/*
 * The server's memory and descriptors, sampled when it is empty after a round,
 * and a check that they have not grown. Samples are compared with samples,
 * never with a clock.
 */
#ifndef SOAK_SAMPLES_H
#define SOAK_SAMPLES_H

#include "soak.h"

struct sample {
    uint64_t resident, descriptors, blocks, bytes;
};

/** Takes a sample. */
void samples_take(const struct soak_counts *counts);
/** Returns the latest sample. */
struct sample samples_last(void);
/** Fails if the last fifth exceeds the second by more than the margins. */
void samples_judge(void);
void samples_finish(void);

#endif
