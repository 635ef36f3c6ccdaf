/* See group.h. */
#include "shard/group.h"

struct zkt_group *zkt__group_new(const struct zkt_allocator *allocator,
                                 uint32_t count, const struct zkt_hash_key *key)
{
    struct zkt_group *group = zkt__alloc_zero(allocator, 1, sizeof(*group));
    if (group == NULL) {
        return NULL;
    }
    group->allocator = allocator;
    group->count = count;
    group->hosts = zkt__alloc_zero(allocator, count, sizeof(*group->hosts));
    group->channels = zkt__alloc_zero(allocator, (size_t)count * count,
                                      sizeof(*group->channels));
    bool good = group->hosts != NULL && group->channels != NULL &&
                zkt__directory_init(&group->directory, allocator, key);
    while (good && group->channels_ready < count * count) {
        good = zkt__channel_init(&group->channels[group->channels_ready]);
        group->channels_ready += good;
    }
    if (!good) {
        zkt__group_free(group);
        return NULL;
    }
    return group;
}

void zkt__group_add(struct zkt_group *group, struct zkt_host *host)
{
    group->hosts[host->shard] = host;
    host->group = group;
}

void zkt__group_free(struct zkt_group *group)
{
    if (group == NULL) {
        return;
    }
    for (uint32_t i = 0; i < group->channels_ready; i++) {
        zkt__channel_finish(&group->channels[i], group->allocator);
    }
    zkt__directory_finish(&group->directory);
    zkt__release(group->allocator, group->channels);
    zkt__release(group->allocator, group->hosts);
    zkt__release(group->allocator, group);
}

/* ---- turns ---- */

bool zkt__group_has_credit(struct zkt_host *host, uint32_t to)
{
    return to == host->shard ||
           zkt__channel_has_credit(zkt__group_channel(host, to), host->limits,
                                   &host->stats.limit_hits);
}

static struct zkt_channel *from_shard(const struct zkt_host *host,
                                      uint32_t from)
{
    const struct zkt_group *group = host->group;
    return &group->channels[from * group->count + host->shard];
}

static void handle(struct zkt_host *host, struct zkt_msg *m)
{
    zkt__host_spend(host, ZKT_COST_MESSAGE);
    if (zkt__msg_goes_up(m)) {
        host->receivers->to_instance(host, m, m);
        zkt__arena_reset(host->arena);
        return;
    }
    /* `left` frees the contact, and with it the message, which is part of it.
     * Parts of answers belong to the session. */
    const bool taken = m->kind == ZKT_MSG_LEFT || m->kind == ZKT_MSG_CHUNK ||
                       m->kind == ZKT_MSG_PROGRESS;
    host->receivers->to_session(host, m);
    if (!taken) {
        zkt__msg_free(host->allocator, m);
    }
}

/* Handles some messages of a channel. Returns false if it is empty. */
static bool take_some(struct zkt_host *host, uint32_t from)
{
    enum {
        SHARE = 16
    };
    struct zkt_channel *channel = from_shard(host, from);
    bool wake = false;
    struct zkt_msg *m = NULL;
    for (int i = 0; i < SHARE && host->budget > 0; i++) {
        m = zkt__channel_take(channel, &wake);
        if (m == NULL) {
            break;
        }
        handle(host, m);
    }
    if (wake) {
        zkt__work_wake(host->group->hosts[from]->work);
    }
    return m != NULL;
}

void zkt__group_receive(struct zkt_host *host)
{
    const struct zkt_group *group = host->group;
    bool more = group != NULL;
    while (more && host->budget > 0) {
        more = false;
        for (uint32_t i = 0; i < group->count; i++) {
            more = (i != host->shard && take_some(host, i)) || more;
        }
    }
}

void zkt__group_flush(struct zkt_host *host)
{
    const struct zkt_group *group = host->group;
    for (uint32_t i = 0; group != NULL && i < group->count; i++) {
        if (i != host->shard &&
            zkt__channel_flush(zkt__group_channel(host, i))) {
            zkt__work_wake(group->hosts[i]->work);
        }
    }
}

bool zkt__group_has_messages(const struct zkt_host *host)
{
    const struct zkt_group *group = host->group;
    for (uint32_t i = 0; group != NULL && i < group->count; i++) {
        if (zkt__channel_has_messages(from_shard(host, i)) ||
            !zkt__list_empty(&zkt__group_channel(host, i)->outbox)) {
            return true;
        }
    }
    return false;
}

/* ---- names and instances ---- */

bool zkt__group_place(const struct zkt_host *host,
                      const struct zkt_actor *actor, struct zkt_str name,
                      uint32_t *home)
{
    return host->group == NULL ||
           zkt__directory_take(&host->group->directory, actor, name,
                               host->shard, home);
}

void zkt__group_forget(const struct zkt_host *host,
                       const struct zkt_actor *actor, struct zkt_str name)
{
    if (host->group != NULL) {
        zkt__directory_release(&host->group->directory, actor, name);
    }
}

enum zkt_status zkt__group_destroy(struct zkt_host *host,
                                   const struct zkt_actor *actor,
                                   struct zkt_str name)
{
    uint32_t home;
    if (host->group == NULL ||
        !zkt__directory_find(&host->group->directory, actor, name, &home)) {
        return ZKT_NOT_FOUND;
    }
    struct zkt_msg m = { .kind = ZKT_MSG_DESTROY,
                         .of.destroy = { actor, name } };
    return zkt__deliver(host, home, &m, NULL) ? ZKT_OK : ZKT_NO_MEMORY;
}

bool zkt__group_count_instance(const struct zkt_host *host, uint32_t alive)
{
    const uint64_t most = (uint64_t)host->limits->instances;
    if (host->group == NULL) {
        return alive < most;
    }
    if (atomic_fetch_add(&host->group->instances, 1) >= most) {
        zkt__group_uncount_instance(host);
        return false;
    }
    return true;
}

void zkt__group_uncount_instance(const struct zkt_host *host)
{
    if (host->group != NULL) {
        atomic_fetch_sub(&host->group->instances, 1);
    }
}
