/* See handlers.h. */
#include "server/handlers.h"

#include <string.h>

#include "server/log.h"

static bool has_handler(const void *handlers, uint32_t offset)
{
    void (*handler)(void);
    memcpy(&handler, (const char *)handlers + offset, sizeof(handler));
    return handler != NULL;
}

/* Writes the name of every timer of @actor without a handler to the log.
 * Returns their number. */
static int find_missing_timers(const struct zkt_app *app,
                               const struct zkt_actor *actor,
                               const void *handlers,
                               const struct zkt_serve_options *options)
{
    int missing = 0;
    for (uint32_t i = 0; i < actor->timer_count; i++) {
        if (!has_handler(handlers, actor->timers[i].handler_offset)) {
            zkt__server_log_early(options,
                                  "app %s: actor %s: the handler of timer %s "
                                  "is missing",
                                  app->info->name, actor->name.data,
                                  actor->timers[i].name.data);
            missing++;
        }
    }
    return missing;
}

/* The same for audiences. */
static int find_missing_audiences(const struct zkt_app *app,
                                  const struct zkt_actor *actor,
                                  const void *handlers,
                                  const struct zkt_serve_options *options)
{
    int missing = 0;
    for (uint32_t i = 0; i < actor->audience_count; i++) {
        if (!has_handler(handlers, actor->audiences[i].handler_offset)) {
            zkt__server_log_early(options,
                                  "app %s: actor %s: the handler of audience "
                                  "%s is missing",
                                  app->info->name, actor->name.data,
                                  actor->audiences[i].name.data);
            missing++;
        }
    }
    return missing;
}

/* Writes the name of every missing handler of @actor to the log. Returns their
 * number. */
static int find_missing(const struct zkt_app *app,
                        const struct zkt_actor *actor,
                        const struct zkt_serve_options *options)
{
    static const char *const hooks[] = {
        [ZKT_HOOK_CONNECT] = "on_connect",
        [ZKT_HOOK_SUBSCRIBE] = "on_subscribe",
        [ZKT_HOOK_DISCONNECT] = "on_disconnect",
        [ZKT_HOOK_ACTIVATE] = "on_activate",
        [ZKT_HOOK_DEACTIVATE] = "on_deactivate",
    };
    const void *handlers;
    int missing = 0;
    memcpy(&handlers, (const char *)app->handlers + actor->handlers_offset,
           sizeof(handlers));
    if (handlers == NULL) {
        zkt__server_log_early(options,
                              "app %s: the handlers of actor %s are missing",
                              app->info->name, actor->name.data);
        return 1;
    }
    for (uint32_t i = 0; i < actor->method_count; i++) {
        if (!has_handler(handlers, actor->methods[i].handler_offset)) {
            zkt__server_log_early(options,
                                  "app %s: actor %s: the handler of method %s "
                                  "is missing",
                                  app->info->name, actor->name.data,
                                  actor->methods[i].name.data);
            missing++;
        }
    }
    for (size_t i = 0; i < ZKT_HOOK_COUNT; i++) {
        if (actor->hooks[i].declared &&
            !has_handler(handlers, actor->hooks[i].handler_offset)) {
            zkt__server_log_early(options,
                                  "app %s: actor %s: the handler %s is missing",
                                  app->info->name, actor->name.data, hooks[i]);
            missing++;
        }
    }
    missing += find_missing_timers(app, actor, handlers, options);
    return missing + find_missing_audiences(app, actor, handlers, options);
}

/* Reports a missing handler of the app. Returns 1 if it is missing, else 0. */
static int check_handler(const struct zkt_app *app, uint32_t offset,
                         const char *prefix, const char *name,
                         const struct zkt_serve_options *options)
{
    if (has_handler(app->handlers, offset)) {
        return 0;
    }
    zkt__server_log_early(options, "app %s: the handler %s%s is missing",
                          app->info->name, prefix, name);
    return 1;
}

/* Returns the number of missing handlers of the connection and of middleware.
 */
static int find_missing_of_connections(const struct zkt_app *app,
                                       const struct zkt_serve_options *options)
{
    const struct zkt_connection_info *info = app->info->connection;
    int missing = 0;
    if (info != NULL && info->open != NULL) {
        missing += check_handler(app, info->open_offset, "", "on_open",
                                 options);
    }
    if (info != NULL && info->close != NULL) {
        missing += check_handler(app, info->close_offset, "", "on_close",
                                 options);
    }
    for (uint32_t i = 0; i < app->info->middleware_count; i++) {
        const struct zkt_middleware *m = &app->info->middleware[i];
        missing += check_handler(app, m->handler_offset, "middleware ",
                                 m->name.data, options);
    }
    return missing;
}

enum zkt_status zkt__server_check_app(const struct zkt_app *app,
                                      const struct zkt_serve_options *options)
{
    int missing = 0;
    if (app->info == NULL || app->handlers == NULL) {
        zkt__server_log_early(options, "the app has no handlers");
        return ZKT_MISSING_HANDLER;
    }
    for (uint32_t i = 0; i < app->info->check_count; i++) {
        const struct zkt_check *check = &app->info->checks[i];
        if (!has_handler(app->handlers, check->handler_offset)) {
            zkt__server_log_early(options, "app %s: the handler %s is missing",
                                  app->info->name, check->name);
            missing++;
        }
    }
    for (uint32_t i = 0; i < app->info->actor_count; i++) {
        missing += find_missing(app, app->info->actors[i], options);
    }
    missing += find_missing_of_connections(app, options);
    return missing > 0 ? ZKT_MISSING_HANDLER : ZKT_OK;
}
