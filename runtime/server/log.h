/*
 * The lines of a server's log. Lines of all shards go through one struct
 * zkt_log, under a lock of its own.
 */
#ifndef ZKT_SERVER_LOG_H
#define ZKT_SERVER_LOG_H

#include <stdarg.h>

#include "server/server.h"

/** A line of @server's own thread. */
void zkt__server_log_own(struct zkt_server *server, enum zkt_log_level level,
                         const char *format, va_list arguments);
/** A mistake, on a thread that may look at nothing else of the server. */
void zkt__server_log_elsewhere(const struct zkt_server *server,
                               const char *format, ...) ZKT_PRINTF(2, 3);
/** A line before there is a server. */
void zkt__server_log_early(const struct zkt_serve_options *options,
                           const char *format, ...) ZKT_PRINTF(2, 3);

#endif
