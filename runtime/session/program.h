/*
 * The program as a session: it makes calls of instances (shard/ask.h), through
 * the same contacts, channels and mailboxes as clients. Its contacts are no
 * clients to an instance: they run no `connect` and `disconnect`, are in no
 * zkt_clients, and are charged to nobody. A contact of the program ends in the
 * turn in which no call of it is under way any more.
 *
 * The program belongs to the first shard, where its asks are delivered in order
 * of posting, and their replies in the turn in which they arrive. So asks of
 * one thread to one instance keep their order. Without credit of a channel all
 * asks wait.
 */
#ifndef ZKT_SESSION_PROGRAM_H
#define ZKT_SESSION_PROGRAM_H

#include "session/session.h"
#include "shard/ask.h"

struct zkt_program {
    struct zkt_session session; /* its contacts without calls come first */
    struct zkt_host *host;      /* of the first shard */
    struct zkt_list waiting;    /* asks, for credit of a channel */
    struct zkt_list finished;   /* asks with a reply to deliver */
    uint64_t under_way; /* asks that have arrived and are not finished */
    /* Of all threads: asks that are not finished; refused because of that. */
    _Atomic(int64_t) messages, bytes;
    _Atomic(uint64_t) over_messages, over_bytes;
};

void zkt__program_init(struct zkt_program *program, struct zkt_host *host);

/** Begins an ask, on any thread. Returns ZKT_OK: it will be finished, once.
 * Otherwise it is freed: ZKT_RESOURCE_EXHAUSTED or ZKT_CLOSED. */
enum zkt_status zkt__program_begin(struct zkt_program *program,
                                   struct zkt_ask *ask);
/** Counts a message of @bytes from outside, on any thread. Returns false if
 * there are too many; zkt__program_release follows in both cases. */
bool zkt__program_reserve(struct zkt_program *program, size_t bytes);
void zkt__program_release(struct zkt_program *program, size_t bytes);
/** Takes the reply of an ask; its call was made by @contact. */
void zkt__program_take(struct zkt_ask *ask, struct zkt_contact *contact);

/** Returns true if asks are under way. */
static inline bool zkt__program_is_busy(const struct zkt_program *program)
{
    return program->under_way > 0;
}
/** Returns true if zkt__program_settle has anything to do that does not wait
 * for an instance or for credit. */
bool zkt__program_is_due(const struct zkt_program *program);
/** At the end of a turn: sends asks that have waited, delivers replies, and
 * ends contacts without calls. */
void zkt__program_settle(struct zkt_program *program);

#endif
