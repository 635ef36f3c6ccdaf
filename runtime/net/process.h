/*
 * What the system says of this process, for metrics (server/metrics.h), and the
 * function of the program that writes them.
 */
#ifndef ZKT_NET_PROCESS_H
#define ZKT_NET_PROCESS_H

#include "server/metrics.h"

/** Reads a few files of /proc; on a system without it nothing is known. */
void zkt__process_read(struct zkt_process_stats *out);

#endif
