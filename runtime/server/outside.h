/*
 * Calls of instances by the program: zkt_server_run and zkt_server_invoke.
 */
#ifndef ZKT_SERVER_OUTSIDE_H
#define ZKT_SERVER_OUTSIDE_H

#include "session/program.h"

/* Memory for running a function of the program with a call that is cancelled,
 * which must not fail. */
struct zkt_cancelled_state {
    void *zeros; /* a state of any actor */
    struct zkt_arena arena;
};

struct zkt_outside {
    struct zkt_program program;
    struct zkt_cancelled_state cancelled;
};

/** Returns false if there is no memory; call finish in both cases. */
bool zkt__outside_init(struct zkt_outside *outside, struct zkt_host *host);
void zkt__outside_finish(struct zkt_outside *outside,
                         const struct zkt_allocator *allocator);
/** Adds the limits that were reached to @hits. */
void zkt__outside_count(const struct zkt_outside *outside,
                        struct zkt_limit_counts *hits);

#endif
