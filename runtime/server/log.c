/* See log.h. */
#include "server/log.h"

#include "server/core.h"

/* Gives a record to the program, as such or as a line of text. */
static void write_record(void *user, const struct zkt_log_record *record)
{
    const struct zkt_serve_options *options = user;
    char line[ZKT_LOG_LINE];
    if (options->log_record != NULL) {
        options->log_record(options->log_user, record);
        return;
    }
    zkt__log_print_line(record, line);
    options->log(options->log_user, record->level, line);
}

void zkt__server_log_init(struct zkt_log *log,
                          const struct zkt_serve_options *options,
                          int64_t per_second)
{
    const bool off = options->log == NULL && options->log_record == NULL;
    *log = (struct zkt_log){
        .write = off ? NULL : write_record,
        .user = (void *)(uintptr_t)options,
        .level = options->log_level,
        .per_second = per_second,
    };
}

/* Writes a line, on any thread. Returns false if it was left out. */
static bool log_line(struct zkt_shards *shards, int64_t now_ms,
                     const struct zkt_log_record *fields, const char *format,
                     va_list arguments)
{
    pthread_mutex_lock(&shards->log_lock);
    const bool written = zkt__log_line(&shards->log, now_ms, fields, format,
                                       arguments);
    pthread_mutex_unlock(&shards->log_lock);
    return written;
}

void zkt__server_log_own(struct zkt_server *server,
                         const struct zkt_log_record *fields,
                         const char *format, va_list arguments)
{
    struct zkt_log_record record = *fields;
    record.time_ms = server->core.wall_ms;
    zkt__server_begin_callback(server);
    const bool written = log_line(server->shards, server->core.now_ms, &record,
                                  format, arguments);
    zkt__server_end_callback(server);
    server->host.stats.limit_hits.log_per_second += !written;
}

void zkt__server_log(const struct zkt_server *server, enum zkt_log_level level,
                     const char *format, ...)
{
    const struct zkt_log_record fields = { .level = level };
    va_list arguments;
    va_start(arguments, format);
    zkt__server_log_own(zkt__server_writable(server), &fields, format,
                        arguments);
    va_end(arguments);
}

void zkt__server_log_address(const struct zkt_server *server,
                             enum zkt_log_level level, const char *address,
                             const char *format, ...)
{
    const struct zkt_log_record fields = { .level = level,
                                           .address = zkt_cstr(address) };
    va_list arguments;
    va_start(arguments, format);
    zkt__server_log_own(zkt__server_writable(server), &fields, format,
                        arguments);
    va_end(arguments);
}

static const struct zkt_log_record error_fields = { .level = ZKT_LOG_ERROR };

void zkt__server_log_elsewhere(const struct zkt_server *server,
                               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)log_line(server->shards, INT64_MIN, &error_fields, format, arguments);
    va_end(arguments);
}

void zkt__server_log_early(const struct zkt_serve_options *options,
                           const char *format, ...)
{
    struct zkt_log log;
    va_list arguments;
    zkt__server_log_init(&log, options, 0);
    va_start(arguments, format);
    (void)zkt__log_line(&log, 0, &error_fields, format, arguments);
    va_end(arguments);
}
