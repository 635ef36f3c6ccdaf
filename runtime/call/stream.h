/*
 * Chunks and progress as the program sends them, by the handle of a deferred
 * call, and the end of its stream. See shard/stream.h.
 */
#ifndef ZKT_CALL_STREAM_H
#define ZKT_CALL_STREAM_H

#include "call/deferred.h"
#include "shard/stream.h"

/** Makes the stream of a call of @method, with its session on @shard, unless
 * its handle has one. Returns false if there is no memory. */
bool zkt__deferred_open_stream(struct zkt_host *host,
                               struct zkt_deferred *deferred,
                               const struct zkt_method *method, uint32_t shard);
/** Sends the parts that were given to the handle, the @last if it is resumed,
 * or drops them if the call has ended. */
void zkt__deferred_send_parts(struct zkt_deferred *deferred, bool last);
/** Cuts the stream of a call that has ended off from its handle, on the thread
 * of the instance. */
void zkt__deferred_end_stream(struct zkt_deferred *deferred);
/** Releases the stream of a handle that nobody uses any more. */
void zkt__deferred_release_stream(struct zkt_deferred *deferred);

#endif
