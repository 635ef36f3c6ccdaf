/*
 * The state of an instance as a subscriber knows it, made of the snapshots and
 * patches that came, with the runtime's own types and patch reader.
 */
#ifndef SOAK_REPLICA_H
#define SOAK_REPLICA_H

#include "soak.h"
#include "state/journal.h"

struct replica {
    int place;
    bool known;            /* the value is one */
    bool wanted;           /* subscribed, as far as was asked */
    bool quiet;            /* not subscribed: nothing may come */
    bool events;           /* subscribed to events once */
    int awaited;           /* snapshots that were asked for */
    unsigned long changes; /* of what is wanted */
    void *value;
};

/** Makes an empty one. */
void replica_init(struct replica *r, int place);
void replica_forget(struct replica *r);
/** Releases everything. */
void replica_finish(struct replica *r);
/** What came; @json is the text in a message, with padding behind it. */
void replica_snapshot(struct replica *r, struct zkt_str json);
void replica_patch(struct replica *r, struct zkt_str json,
                   enum zkt_dialect dialect);
/** The version of a known ledger or hose. */
uint32_t replica_version(const struct replica *r);
/**
 * Compares with what a call has read: they must be the same, or, where @newer
 * is allowed, the replica is of a later version.
 */
void replica_compare_book(const struct replica *r, struct zkt_str json,
                          bool newer);
/** The same with a state that a client has. */
void replica_compare_state(const struct soak_ledger_state *mine,
                           const struct soak_book *theirs, bool newer);
bool replica_equal(const struct replica *a, const struct replica *b);

#endif
