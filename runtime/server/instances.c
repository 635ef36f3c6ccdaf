/* Posted functions, and the functions of a program for instances. */
#include "server/server.h"

#include "server/core.h"

#include "shard/group.h"

/* ---- posting ---- */

struct posted_function {
    struct zkt_work posted;
    const struct zkt_allocator *allocator;
    void (*fn)(struct zkt_server *server, void *user);
    void *user;
};

static void run_function(struct zkt_work *posted, void *owner)
{
    struct posted_function *work = (struct posted_function *)(void *)posted;
    struct zkt_server *server = owner;
    atomic_fetch_sub(&server->posted, 1);
    zkt__server_begin_callback(server);
    work->fn(server, work->user);
    zkt__server_end_callback(server);
    zkt__release(work->allocator, work);
}

/* Counts a post. Returns false if the limit is reached. */
static bool reserve_post(struct zkt_server *server)
{
    if (atomic_fetch_add(&server->posted, 1) < server->limits.posted) {
        return true;
    }
    atomic_fetch_sub(&server->posted, 1);
    atomic_fetch_add(&server->posts_refused, 1);
    return false;
}

static enum zkt_status post(struct zkt_server *server,
                            struct posted_function *work)
{
    if (!zkt__work_post(server->host.work, &work->posted)) {
        zkt__release(work->allocator, work);
        atomic_fetch_sub(&server->posted, 1);
        return ZKT_CLOSED;
    }
    return ZKT_OK;
}

enum zkt_status zkt_server_post(struct zkt_server *server,
                                void (*fn)(struct zkt_server *server,
                                           void *user),
                                void *user)
{
    const struct zkt_allocator *allocator = server->allocator;
    if (!reserve_post(server)) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    struct posted_function *work = zkt__alloc(allocator, sizeof(*work));
    if (work == NULL) {
        atomic_fetch_sub(&server->posted, 1);
        return ZKT_NO_MEMORY;
    }
    *work = (struct posted_function){
        .posted = { .run = run_function },
        .allocator = allocator,
        .fn = fn,
        .user = user,
    };
    return post(server, work);
}

/* ---- instances ---- */

void zkt_server_instances(const struct zkt_server *server,
                          void (*each)(const struct zkt_instance_info *info,
                                       void *user),
                          void *user)
{
    const struct zkt_slots *slots = &server->instances.all;
    if (!zkt__server_may_call(server, "zkt_server_instances")) {
        return;
    }
    for (uint32_t i = 0; i < slots->count; i++) {
        const struct zkt_instance *instance = slots->objects[i];
        if (instance == NULL || instance->failed) {
            continue;
        }
        const struct zkt_instance_info info = {
            .actor = instance->actor->name,
            .id = instance->location->name,
            .clients = instance->contact_count,
            .subscribers = instance->subscribers,
            .queued = instance->queued_count,
            .deferred = instance->parked != NULL,
            .calls = instance->calls,
        };
        zkt__server_begin_callback(server);
        each(&info, user);
        zkt__server_end_callback(server);
    }
}

enum zkt_status zkt_server_destroy(struct zkt_server *server,
                                   struct zkt_str actor, struct zkt_str id)
{
    struct zkt_host *host = &server->host;
    if (!zkt__server_may_call(server, "zkt_server_destroy")) {
        return ZKT_FAILED_PRECONDITION;
    }
    const int index = host->app.info->find_actor(actor);
    if (index < 0) {
        return ZKT_NOT_FOUND;
    }
    const struct zkt_actor *of = host->app.info->actors[index];
    const struct zkt_location *location = zkt__location_find(host, of, id);
    enum zkt_status status = ZKT_OK;
    if (location != NULL && location->instance != NULL) {
        zkt__instance_destroy(host, location->instance);
    } else {
        status = zkt__group_destroy(host, of, id);
    }
    zkt__server_wake(server);
    return status;
}
