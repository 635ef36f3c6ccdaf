/*
 * The ids of calls whose patches were conflated: the snapshot in their place
 * names them. They are kept for a subscription, at most 64 in at most 1 KiB;
 * the guess of another call ends with its result, right behind the snapshot.
 */
#ifndef ZKT_SESSION_CONFLATED_CALLS_H
#define ZKT_SESSION_CONFLATED_CALLS_H

#include "shard/host.h"
#include "zocket/slice.h"

struct zkt_conflated_calls;

/** Keeps an id, a JSON token; *@calls is NULL before the first. */
void zkt__conflated_calls_keep(struct zkt_host *host,
                               struct zkt_conflated_calls **calls,
                               struct zkt_str id);
/** Returns a copy of a snapshot that names the calls; NULL: there is no memory.
 */
struct zkt_buffer *zkt__conflated_calls_name(
    const struct zkt_host *host, const struct zkt_conflated_calls *calls,
    const struct zkt_buffer *snapshot);
/** Takes NULL. */
void zkt__conflated_calls_free(const struct zkt_host *host,
                               struct zkt_conflated_calls *calls);

#endif
