/* See log.h. */
#include "server/log.h"

#include <stdarg.h>

#include "server/core.h"

/* Writes a line, on any thread. Returns false if it was left out. */
static bool log_line(struct zkt_shards *shards, int64_t now_ms,
                     enum zkt_log_level level, const char *format,
                     va_list arguments)
{
    pthread_mutex_lock(&shards->log_lock);
    const bool written = zkt__log_line(&shards->log, now_ms, level, format,
                                       arguments);
    pthread_mutex_unlock(&shards->log_lock);
    return written;
}

void zkt__server_log_own(struct zkt_server *server, enum zkt_log_level level,
                         const char *format, va_list arguments)
{
    zkt__server_begin_callback(server);
    const bool written = log_line(server->shards, server->core.now_ms, level,
                                  format, arguments);
    zkt__server_end_callback(server);
    server->host.stats.limit_hits.log_per_second += !written;
}

void zkt__server_log(const struct zkt_server *server, enum zkt_log_level level,
                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    zkt__server_log_own(zkt__server_writable(server), level, format, arguments);
    va_end(arguments);
}

void zkt__server_log_elsewhere(const struct zkt_server *server,
                               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)log_line(server->shards, INT64_MIN, ZKT_LOG_ERROR, format, arguments);
    va_end(arguments);
}

void zkt__server_log_early(const struct zkt_serve_options *options,
                           const char *format, ...)
{
    struct zkt_log log = { .write = options->log, .user = options->log_user };
    va_list arguments;
    va_start(arguments, format);
    (void)zkt__log_line(&log, 0, ZKT_LOG_ERROR, format, arguments);
    va_end(arguments);
}
