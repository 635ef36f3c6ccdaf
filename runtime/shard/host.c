/* See host.h. */
#include "shard/host.h"

bool zkt__host_init(struct zkt_host *host, struct zkt_app app,
                    const struct zkt_allocator *allocator,
                    const struct zkt_limits *limits, struct zkt_core *clock)
{
    host->app = app;
    host->sharing = 1;
    host->allocator = allocator;
    host->limits = limits;
    host->clock = clock;
    host->store.allocator = allocator;
    host->patterns.allocator = allocator;
    host->rules = (struct zkt_rule_context){
        .patterns = &host->patterns,
        .app = &host->app,
        .issues_max = (uint32_t)limits->issues,
    };
    host->budget = limits->turn_work;
    zkt__slots_init(&host->locations, allocator);
    zkt__writer_init(&host->result, allocator);
    zkt__writer_init(&host->plain, allocator);
    zkt__writer_init(&host->rfc6902, allocator);
    host->work = zkt__work_queue_new(allocator);
    return host->work != NULL;
}

void zkt__host_finish(struct zkt_host *host)
{
    zkt__index_finish(&host->by_name, host->allocator);
    zkt__slots_finish(&host->locations);
    zkt__patterns_finish(&host->patterns);
    zkt__work_queue_unref(host->work);
    zkt__writer_finish(&host->result);
    zkt__writer_finish(&host->plain);
    zkt__writer_finish(&host->rfc6902);
}

void zkt__host_log(const struct zkt_host *host,
                   const struct zkt_log_record *fields, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    host->log(host->server, fields, format, arguments);
    va_end(arguments);
}
