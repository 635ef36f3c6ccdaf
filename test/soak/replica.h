/*
 * The state of an instance as a subscriber knows it, built from received
 * snapshots and patches with the runtime's own types and patch reader.
 */
#ifndef SOAK_REPLICA_H
#define SOAK_REPLICA_H

#include "soak.h"
#include "state/journal.h"

struct replica {
    int place;
    const char *client;    /* the id of the subscriber */
    bool known;            /* the value is valid */
    bool wanted;           /* subscribed, as far as was requested */
    bool quiet;            /* not subscribed: no message may come */
    bool events;           /* subscribed to events once */
    int awaited;           /* requested snapshots */
    unsigned long changes; /* while subscribed */
    void *value;
};

/** Initialises an empty replica. @client is the id of its subscriber, which may
 * become known later. */
void replica_init(struct replica *r, int place, const char *client);
void replica_forget(struct replica *r);
/** Releases everything. */
void replica_finish(struct replica *r);
/** Applies a received message; @json is text in it, with padding behind it. */
void replica_snapshot(struct replica *r, struct zkt_str json);
void replica_patch(struct replica *r, struct zkt_str json,
                   enum zkt_dialect dialect);
/** Returns the version of a known ledger, hose or studio. */
uint32_t replica_version(const struct replica *r);
/**
 * Compares with the result of a call: both must be the same or, if @newer, the
 * replica may have a later version.
 */
void replica_compare_book(const struct replica *r, struct zkt_str json,
                          bool newer);
/** Compares with a state that a client has. */
void replica_compare_state(const struct soak_ledger_state *mine,
                           const struct soak_book *theirs, bool newer);
/** Checks that a client sees of a studio its own parts, and no other. Returns
 * true if it sees the word. @client is NULL if its id is unknown. */
bool replica_check_studio(const struct soak_studio_state *state,
                          const char *client);
/** Compares the parts that all subscribers see. */
bool replica_equal(const struct replica *a, const struct replica *b);

#endif
