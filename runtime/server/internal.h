/* What the files of this folder share, beside connections. */
#ifndef ZKT_SERVER_INTERNAL_H
#define ZKT_SERVER_INTERNAL_H

#include "server/connection.h"

/* ---- turns ---- */

/** What a driver calls of every shard. */
extern const struct zkt_core_ops zkt__server_core_ops;

/* ---- handlers ---- */

/** Names every handler that is missing in the log of @options. */
enum zkt_status zkt__server_check_app(const struct zkt_app *app,
                                      const struct zkt_serve_options *options);

/* ---- the log ---- */

/** A server is never const: what only looks at it may have it so. */
static inline struct zkt_server *zkt__server_writable(
    const struct zkt_server *server)
{
    return (struct zkt_server *)(uintptr_t)server;
}

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
