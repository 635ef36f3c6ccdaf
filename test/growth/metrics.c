/*
 * Metrics of a schema with n methods, of which each was called: counting a call
 * and a piece of the text take as much as with few, and the text as a whole
 * grows with its lines.
 */
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "server/core.h"
#include "server/metrics.h"
#include "shard/metrics.h"
#include "json/json.h"

struct work {
    struct zkt_shards shards;
    struct zkt_server server;
    struct zkt_server *all[1];
    struct zkt_server_stats stats[1];
    struct zkt_app_info info;
    struct zkt_actor actor;
    const struct zkt_actor *actors[1];
    struct zkt_method *methods;
    struct zkt_metrics_text text;
    struct zkt_writer writer;
};

static void *prepare(const void *with, size_t n)
{
    struct work *w = calloc(1, sizeof(*w));
    struct zkt_host *host = &w->server.host;
    (void)with;
    w->methods = calloc(n + 1, sizeof(*w->methods));
    for (size_t i = 0; i <= n; i++) {
        w->methods[i].name = ZKT_STR("method");
    }
    w->actor = (struct zkt_actor){ .name = ZKT_STR("actor"),
                                   .methods = w->methods,
                                   .method_count = (uint32_t)n + 1 };
    w->actors[0] = &w->actor;
    w->info.actors = w->actors;
    w->info.actor_count = 1;
    w->all[0] = &w->server;
    w->shards.count = 1;
    w->shards.all = w->all;
    w->shards.stats = w->stats;
    pthread_mutex_init(&w->shards.lock, NULL);
    w->server.shards = &w->shards;
    host->app.info = &w->info;
    host->metrics = zkt__metrics_new(&zkt__allocator_default, &w->info);
    for (size_t i = 0; i <= n; i++) {
        zkt__metrics_count_success(host->metrics, &w->actor, &w->methods[i],
                                   12345, 1234);
    }
    zkt__metrics_begin(&w->text, &w->server,
                       &(const struct zkt_process_stats){ .is_known = false });
    zkt__writer_init(&w->writer, &growth_allocator);
    return w;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt__writer_finish(&w->writer);
    zkt__metrics_free(w->server.host.metrics, &zkt__allocator_default);
    pthread_mutex_destroy(&w->shards.lock);
    free(w->methods);
    free(w);
}

static bool count(void *work)
{
    struct work *w = work;
    for (uint32_t i = 0; i < 64; i++) {
        zkt__metrics_count_success(w->server.host.metrics, &w->actor,
                                   &w->methods[i % w->actor.method_count],
                                   20000, 20000);
    }
    return true;
}

static bool write_piece(void *work)
{
    struct work *w = work;
    return zkt__metrics_next(&w->text, &w->writer) && w->writer.len > 0;
}

static bool write_all(void *work)
{
    struct work *w = work;
    size_t lines = 0;
    while (zkt__metrics_next(&w->text, &w->writer)) {
        lines++;
        w->writer.len = 0;
    }
    return lines > w->actor.method_count && !w->writer.failed;
}

void growth_metrics(void)
{
    static const struct growth_row rows[] = {
        { "metrics: counting among methods, flat", 64, NULL, prepare, count,
          finish },
        { "metrics: a piece of the text, flat", 64, NULL, prepare, write_piece,
          finish },
        { "metrics: the text", 64, NULL, prepare, write_all, finish },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
