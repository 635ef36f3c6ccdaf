/*
 * The lines of a server's log. Lines of all shards go through one struct
 * zkt_log, under a lock of its own.
 */
#ifndef ZKT_SERVER_LOG_H
#define ZKT_SERVER_LOG_H

#include <stdarg.h>

#include "server/server.h"

/** Writes a line, on the thread of @server. */
void zkt__server_log_own(struct zkt_server *server, enum zkt_log_level level,
                         const char *format, va_list arguments);
/** Writes an error, on a thread that may read nothing else of the server. */
void zkt__server_log_elsewhere(const struct zkt_server *server,
                               const char *format, ...) ZKT_PRINTF(2, 3);
/** Writes an error before the server exists. */
void zkt__server_log_early(const struct zkt_serve_options *options,
                           const char *format, ...) ZKT_PRINTF(2, 3);

#endif
