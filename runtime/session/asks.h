/*
 * The asks of a shard, as a session without a connection: the calls of
 * instances that the program makes (on the first shard) and that instances make
 * (shard/ask.h), through the same contacts, channels and mailboxes as those of
 * clients. Its contacts are no clients to an instance: they run no `connect`
 * and `disconnect`, are in no zkt_clients, and are charged to nobody. A contact
 * ends in the turn in which no ask of it is under way any more.
 *
 * Asks to an instance are delivered in the order in which they were sent: they
 * wait in a list for each shard, as long as the turn has no budget or the
 * channel no credit. Replies are delivered at the end of the turn in which they
 * arrive. So nothing here runs a handler within a handler.
 *
 * An ask that is held has its contact, and cannot fail to be sent.
 */
#ifndef ZKT_SESSION_ASKS_H
#define ZKT_SESSION_ASKS_H

#include "session/session.h"
#include "shard/ask.h"

struct zkt_asks {
    struct zkt_session session; /* its contacts without asks come first */
    struct zkt_list waiting[ZKT_THREADS_MAX]; /* to be sent, by shard */
    uint64_t unsent;                          /* in these lists */
    bool untried;             /* some of them wait for nothing but a turn */
    struct zkt_list finished; /* asks with a reply to deliver */
    uint64_t under_way;       /* asks that are held and not finished */
};

void zkt__asks_init(struct zkt_asks *asks, uint32_t shard);

/* ---- for those who ask (struct zkt_receivers) ---- */

/** Finds or creates the contact of an ask. Returns false with *@reason if it
 * cannot be created. */
bool zkt__asks_hold(struct zkt_host *host, struct zkt_ask *ask,
                    struct zkt_str *reason);
/** Sends a held ask. It will be finished, once. */
void zkt__asks_send(struct zkt_host *host, struct zkt_ask *ask);
/** Finishes a held ask that is not sent, without a reply. */
void zkt__asks_drop(struct zkt_host *host, struct zkt_ask *ask);
/** Checks the input of an ask, holds and sends it. It will be finished, once,
 * in a later turn or at the end of this one. */
void zkt__asks_begin(struct zkt_host *host, struct zkt_ask *ask);
/** Finishes an ask that is not held, with a failure. */
void zkt__asks_refuse(struct zkt_host *host, struct zkt_ask *ask,
                      enum zkt_status status, struct zkt_str text);

/* ---- for the turns of the shard ---- */

/** Takes the reply of an ask that @contact has made. */
void zkt__asks_take(struct zkt_host *host, struct zkt_ask *ask,
                    struct zkt_contact *contact);
/** Returns true if asks are under way; only then are there contacts. */
static inline bool zkt__asks_are_busy(const struct zkt_asks *asks)
{
    return asks->under_way > 0;
}
/** Returns true if a turn has anything to do that does not wait for an instance
 * or for credit. */
bool zkt__asks_are_due(const struct zkt_asks *asks);
/** Delivers asks that wait, as far as budget and credit go. */
void zkt__asks_deliver(struct zkt_host *host);
/** At the end of a turn: delivers replies, and ends contacts without asks. */
void zkt__asks_settle(struct zkt_host *host);

#endif
