/* See chain.h. */
#include "shard/chain.h"

#include <string.h>

struct zkt_chain *zkt__chain_new(struct zkt_host *host,
                                 struct zkt_chain *parent,
                                 const struct zkt_actor *actor,
                                 struct zkt_str name)
{
    struct zkt_chain *chain = zkt__alloc(host->allocator,
                                         sizeof(*chain) + name.len);
    if (chain == NULL) {
        return NULL;
    }
    memcpy(chain + 1, name.data, name.len);
    *chain = (struct zkt_chain){
        .allocator = host->allocator,
        .refs = 1,
        .length = parent != NULL ? parent->length + 1 : 1,
        .parent = zkt__chain_ref(parent),
        .id = zkt__random_next(&host->random),
        .actor = actor,
        .name = { (const char *)(chain + 1), name.len },
    };
    return chain;
}

struct zkt_chain *zkt__chain_ref(struct zkt_chain *chain)
{
    if (chain != NULL) {
        atomic_fetch_add_explicit(&chain->refs, 1, memory_order_relaxed);
    }
    return chain;
}

void zkt__chain_unref(struct zkt_chain *chain)
{
    while (chain != NULL && atomic_fetch_sub(&chain->refs, 1) == 1) {
        struct zkt_chain *parent = chain->parent;
        zkt__release(chain->allocator, chain);
        chain = parent;
    }
}

bool zkt__chain_has(const struct zkt_chain *chain, uint64_t id)
{
    while (chain != NULL && chain->id != id) {
        chain = chain->parent;
    }
    return chain != NULL;
}

void zkt__chain_write(const struct zkt_chain *chain, struct zkt_writer *w)
{
    const struct zkt_chain *links[ZKT_CHAIN_MAX];
    size_t count = 0;
    while (chain != NULL && count < ZKT_CHAIN_MAX) {
        links[count++] = chain;
        chain = chain->parent;
    }
    while (count > 0) {
        const struct zkt_chain *link = links[--count];
        zkt_write_raw(w, link->actor->name.data, link->actor->name.len);
        ZKT_WRITE(w, " \"");
        zkt_write_raw(w, link->name.data, link->name.len);
        ZKT_WRITE(w, "\" > ");
    }
}
