/*
 * The shared parts of the soak: the tested server and the state that is known
 * of it, random numbers, and failing. Everything runs on one thread and one
 * loop; any error ends the program at once.
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
    STUDIOS = 3,
    STUDIO = LEDGERS + ROOMS + HOSES, /* the first of them */
    PASSING = STUDIO + STUDIOS,       /* an instance for a single call */
    PLACES,
    IN_FLIGHT_MAX = 48, /* few enough for a reader not to fall behind */
    PATIENCE_MS = 120000
};

struct soak {
    uv_loop_t loop;
    uv_timer_t patience;
    struct program server;
    struct zkt_tls *tls; /* of clients and peers, or NULL */
    uint64_t random;
    long round, step;
    int in_flight;   /* calls of peers that read, and of clients */
    bool stopping;   /* the server is stopping, and may refuse */
    char about[160]; /* the state compared last, for the message of a failure */
    /* The sums added to each ledger in this round: confirmed, and unconfirmed
     * because the reply never came. */
    int64_t added[LEDGERS], doubtful[LEDGERS];
    /* Counters of checks, reported at the end. */
    uint64_t calls, compared, patches, snapshots, events, collapses, pings,
        bad_messages, closes[5000], resets, drops, ended, sub_errors, chunks,
        progress, cancelled, late, words, broken_tls;
};

extern struct soak soak;

/** Reports the error, ends the server, and exits with 1. */
_Noreturn void soak_fail(const char *format, ...) ZKT_PRINTF(1, 2);
#define SOAK_CHECK(good, ...)                                                  \
    do {                                                                       \
        if (!(good)) {                                                         \
            soak_fail(__VA_ARGS__);                                            \
        }                                                                      \
    } while (0)

/** Returns a random number below @n. */
uint32_t below(uint32_t n);
/** Returns true in one of @n calls, at random. */
static inline bool once_in(uint32_t n)
{
    return below(n) == 0;
}

/** Runs the loop until @done(@user); fails after a timeout. */
void soak_await(bool (*done)(void *user), void *user, const char *what);
/** Runs the loop until another call may be made. */
void soak_make_room(void);

/** The actor of a place, and the id of its instance in this round. A passing
 * place has another id each time. */
const char *place_actor(int place);
void place_id(int place, char id[32]);
/** Returns the place with the id @id, or -1 if it is unknown or of another
 * round. */
int place_find(struct zkt_str id);
static inline bool place_is_ledger(int place)
{
    return place < LEDGERS;
}
static inline bool place_is_studio(int place)
{
    return place >= STUDIO && place < STUDIO + STUDIOS;
}
static inline bool place_is_room(int place)
{
    return place >= LEDGERS && place < LEDGERS + ROOMS;
}

#endif
