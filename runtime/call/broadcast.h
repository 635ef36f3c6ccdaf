/*
 * Messages of a call to connections anywhere, sent with its commit: broadcasts,
 * and the ends of connections.
 */
#ifndef ZKT_CALL_BROADCAST_H
#define ZKT_CALL_BROADCAST_H

#include "call/call.h"
#include "shard/message.h"

/** Returns a new event or broadcast of the call, without its frame; or NULL,
 * with the call poisoned, if @payload breaks its rules, the call emits too
 * much, or there is no memory. @event is NULL for the end of a connection. */
struct zkt_emitted *zkt__emitted_begin(struct zkt_call *call,
                                       const struct zkt_event *event,
                                       const void *payload,
                                       const struct zkt_target *target);
/** Appends @emitted to a list of the call, or poisons the call if its frame is
 * NULL: there was no memory. */
void zkt__emitted_end(struct zkt_call *call, struct zkt_emitted_list *list,
                      struct zkt_emitted *emitted);
/** Releases the frames of a list, and empties it. */
void zkt__emitted_drop(struct zkt_emitted_list *list);

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
