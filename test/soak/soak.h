/*
 * What the parts of the soak share: the server that is soaked and what is
 * known of it, chance, and giving up. Everything runs on one thread and one
 * loop; whatever is not as it must be ends the program at once.
 */
#ifndef SOAK_H
#define SOAK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "../e2e/program.h"
#include "soak_client.h"

enum {
    LEDGERS = 6,
    ROOMS = 6,
    HOSES = 2,
    PASSING = LEDGERS + ROOMS + HOSES, /* an instance for one call */
    PLACES,
    IN_FLIGHT_MAX = 48, /* so that nobody lags who reads */
    PATIENCE_MS = 120000
};

struct soak {
    uv_loop_t loop;
    uv_timer_t patience;
    struct program server;
    uint64_t random;
    long round, step;
    int in_flight;   /* calls of peers that read, and of clients */
    bool stopping;   /* the server ends, and may refuse */
    char about[160]; /* whose state was compared last, for a failure */
    /* What was added to each ledger in this round: for certain, and perhaps,
     * because the answer never came. */
    int64_t added[LEDGERS], doubtful[LEDGERS];
    /* What has been checked, to be seen at the end. */
    uint64_t calls, compared, patches, snapshots, events, collapses, pings,
        bad_messages, closes[5000], resets, drops, ended, sub_errors;
};

extern struct soak soak;

/** Says what is wrong and where, ends the server, and exits with 1. */
_Noreturn void soak_fail(const char *format, ...) ZKT_PRINTF(1, 2);
#define SOAK_CHECK(good, ...)                                                  \
    do {                                                                       \
        if (!(good)) {                                                         \
            soak_fail(__VA_ARGS__);                                            \
        }                                                                      \
    } while (0)

/** A random number below @n. */
uint32_t below(uint32_t n);
/** Whether something that happens once in @n times does. */
static inline bool once_in(uint32_t n)
{
    return below(n) == 0;
}

/** Runs the loop until @done(@user); fails when that takes too long. */
void soak_await(bool (*done)(void *user), void *user, const char *what);
/** Until few enough calls are under way for another one. */
void soak_make_room(void);

/** The actor of a place, and the id of its instance in this round; for what
 * is passing, another one each time. */
const char *place_actor(int place);
void place_id(int place, char id[32]);
/** The place that is called @id; -1: it is of another round, or none. */
int place_find(struct zkt_str id);
static inline bool place_is_ledger(int place)
{
    return place < LEDGERS;
}
static inline bool place_is_room(int place)
{
    return place >= LEDGERS && place < LEDGERS + ROOMS;
}

#endif
