/*
 * What a call sends to connections anywhere, with its commit: broadcasts, and
 * the ends of connections.
 */
#ifndef ZKT_CALL_BROADCAST_H
#define ZKT_CALL_BROADCAST_H

#include "call/call.h"
#include "shard/message.h"

/** Copies the ids of a target into the call's memory. Returns false if there is
 * no memory. */
bool zkt__call_copy_target(struct zkt_call *call, struct zkt_target *target);

/** Writes the message of a broadcast into @w, as a frame. */
void zkt__write_broadcast(struct zkt_writer *w, const struct zkt_event *event,
                          const void *payload);
/** Returns true if a program may close a connection with @code. */
static inline bool zkt__may_close_with(unsigned code)
{
    return code == 1008 || (code >= 4000 && code <= 4999);
}
/** Returns the reason of a close frame as a buffer with a terminating NUL: as
 * much of @reason as fits, "" for NULL and for a text that is not UTF-8.
 * Returns NULL if there is no memory. */
struct zkt_buffer *zkt__close_reason(const struct zkt_allocator *allocator,
                                     const char *reason);

#endif
