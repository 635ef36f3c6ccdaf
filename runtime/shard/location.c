/* See location.h. */
#include "shard/location.h"

#include <string.h>

#include "shard/group.h"

uint64_t zkt__location_hash(const struct zkt_host *host,
                            const struct zkt_actor *actor, struct zkt_str name)
{
    struct zkt_hash_key key = host->store.key;
    key.k0 ^= (uint64_t)(uintptr_t)actor;
    return zkt__hash(&key, name.data, name.len);
}

struct name_key {
    const struct zkt_actor *actor;
    struct zkt_str name;
};

static bool same_name(const void *owner, uint32_t slot, const void *key,
                      size_t len)
{
    const struct zkt_host *host = owner;
    const struct zkt_location *location = host->locations.objects[slot];
    const struct name_key *wanted = key;
    (void)len;
    return location->actor == wanted->actor &&
           zkt_str_eq(location->name, wanted->name);
}

static struct zkt_location *find(const struct zkt_host *host,
                                 const struct name_key *key, uint64_t hash)
{
    const uint32_t slot = zkt__index_find(&host->by_name, hash, same_name, host,
                                          key, sizeof(*key));
    return slot != ZKT_INDEX_NONE ? host->locations.objects[slot] : NULL;
}

struct zkt_location *zkt__location_find(const struct zkt_host *host,
                                        const struct zkt_actor *actor,
                                        struct zkt_str name)
{
    const struct name_key key = { actor, name };
    return find(host, &key, zkt__location_hash(host, actor, name));
}

static struct zkt_location *new_location(const struct zkt_host *host,
                                         const struct name_key *key,
                                         uint64_t hash, uint32_t home)
{
    struct zkt_location *location = zkt__alloc(
        host->allocator, sizeof(*location) + key->name.len + 1);
    if (location == NULL) {
        return NULL;
    }
    char *text = (char *)(location + 1);
    memcpy(text, key->name.data, key->name.len);
    text[key->name.len] = '\0';
    *location = (struct zkt_location){ .actor = key->actor,
                                       .name = { text, key->name.len },
                                       .hash = hash,
                                       .home = home,
                                       .refs = 1 };
    return location;
}

static struct zkt_location *add(struct zkt_host *host,
                                const struct name_key *key, uint64_t hash,
                                uint32_t home)
{
    if (!zkt__index_reserve(&host->by_name, host->allocator, 1)) {
        return NULL;
    }
    struct zkt_location *location = new_location(host, key, hash, home);
    if (location == NULL) {
        return NULL;
    }
    location->id = zkt__slots_add(&host->locations, location);
    if (location->id == 0) {
        zkt__release(host->allocator, location);
        return NULL;
    }
    zkt__index_add(&host->by_name, hash, (uint32_t)location->id);
    return location;
}

struct zkt_location *zkt__location_take(struct zkt_host *host,
                                        const struct zkt_actor *actor,
                                        struct zkt_str name, uint64_t hash)
{
    const struct name_key key = { actor, name };
    struct zkt_location *location = find(host, &key, hash);
    uint32_t home = host->shard;
    if (location != NULL) {
        location->refs++;
        return location;
    }
    if (!zkt__group_place(host, actor, name, &home)) {
        return NULL;
    }
    location = add(host, &key, hash, home);
    if (location == NULL) {
        zkt__group_forget(host, actor, name);
    }
    return location;
}

void zkt__location_release(struct zkt_host *host, struct zkt_location *location)
{
    if (--location->refs > 0) {
        return;
    }
    zkt__group_forget(host, location->actor, location->name);
    zkt__index_remove(&host->by_name, location->hash, (uint32_t)location->id);
    zkt__slots_remove(&host->locations, location->id);
    zkt__release(host->allocator, location);
}
