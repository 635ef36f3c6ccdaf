/*
 * Calls that have ended, for the program: options.on_call, and a line of the
 * level DEBUG in the log.
 */
#ifndef ZKT_SERVER_CALL_LOG_H
#define ZKT_SERVER_CALL_LOG_H

#include "call/report.h"

/** Returns true if the options ask for descriptions of calls. */
bool zkt__call_log_is_wanted(const struct zkt_serve_options *options);
/** Describes a call that has ended, or a timer; host->describe of a server. */
void zkt__call_log_take(struct zkt_host *host,
                        const struct zkt_ended_call *ended);

#endif
