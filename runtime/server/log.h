/*
 * The lines of a server's log. Lines of all shards go through one struct
 * zkt_log, under a lock of its own.
 */
#ifndef ZKT_SERVER_LOG_H
#define ZKT_SERVER_LOG_H

#include <stdarg.h>

#include "base/log.h"
#include "server/server.h"

/** Initialises the log of a server. @options are borrowed. */
void zkt__server_log_init(struct zkt_log *log,
                          const struct zkt_serve_options *options,
                          int64_t per_second);
/** Writes a line, on the thread of @server. Its time is the server's. */
void zkt__server_log_own(struct zkt_server *server,
                         const struct zkt_log_record *fields,
                         const char *format, va_list arguments);
/** Writes an error, on a thread that may read nothing else of the server. */
void zkt__server_log_elsewhere(const struct zkt_server *server,
                               const char *format, ...) ZKT_PRINTF(2, 3);
/** Writes an error before the server exists. */
void zkt__server_log_early(const struct zkt_serve_options *options,
                           const char *format, ...) ZKT_PRINTF(2, 3);

#endif
