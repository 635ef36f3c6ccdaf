/*
 * The parts of answers that precede results: chunks and progress. Their values
 * are checked by the rules of their types and written as frames here, on the
 * thread of the instance; then they are messages to the session.
 */
#ifndef ZKT_INSTANCE_PARTS_H
#define ZKT_INSTANCE_PARTS_H

#include "call/stream.h"

/** Sends the chunks and the report that the program has given to the handle of
 * a call. A chunk that cannot be sent ends the call. The @last report, which
 * the result follows, does not wait for the one before. */
void zkt__task_send_parts(struct zkt_call *call, bool last);

#endif
