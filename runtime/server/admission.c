/* See admission.h. A second is counted from the first that comes in it. */
#include "server/admission.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    SECOND_MS = 1000
};

struct zkt_address {
    zkt_handle_id id;
    uint64_t hash;
    int64_t count;
    size_t len;
    char text[];
};

void zkt__admission_init(struct zkt_admission *admission,
                         const struct zkt_allocator *allocator,
                         const struct zkt_hash_key *key)
{
    zkt__slots_init(&admission->slots, allocator);
    admission->second_ends = INT64_MIN;
    admission->key = *key;
}

void zkt__admission_finish(struct zkt_admission *admission)
{
    zkt__index_finish(&admission->index, admission->slots.allocator);
    zkt__slots_finish(&admission->slots);
}

/* ---- waiting ---- */

static bool is_too_fast(const struct zkt_admission *admission,
                        const struct zkt_limits *limits, int64_t now_ms)
{
    return limits->accepts_per_second > 0 && now_ms < admission->second_ends &&
           admission->in_second >= limits->accepts_per_second;
}

bool zkt__admission_is_open(struct zkt_admission *admission,
                            const struct zkt_limits *limits, int64_t now_ms,
                            struct zkt_limit_counts *reached)
{
    const bool full = admission->half_open >= limits->half_open;
    const bool fast = is_too_fast(admission, limits, now_ms);
    if (!full && !fast) {
        admission->held = false;
        return true;
    }
    if (!admission->held) {
        admission->held = true;
        reached->half_open += full;
        reached->accepts_per_second += fast;
    }
    return false;
}

int64_t zkt__admission_due(const struct zkt_admission *admission,
                           const struct zkt_limits *limits)
{
    const bool waits = admission->held &&
                       admission->half_open < limits->half_open;
    return waits ? admission->second_ends : INT64_MAX;
}

void zkt__admission_count(struct zkt_admission *admission,
                          const struct zkt_limits *limits, int64_t now_ms)
{
    if (limits->accepts_per_second == 0) {
        return;
    }
    if (now_ms >= admission->second_ends) {
        admission->second_ends = now_ms + SECOND_MS;
        admission->in_second = 0;
    }
    admission->in_second++;
}

/* ---- addresses ---- */

static bool same_address(const void *owner, uint32_t slot, const void *key,
                         size_t len)
{
    const struct zkt_admission *admission = owner;
    const struct zkt_address *address = admission->slots.objects[slot];
    return address->len == len && memcmp(address->text, key, len) == 0;
}

static struct zkt_address *new_address(struct zkt_admission *admission,
                                       const struct zkt_allocator *allocator,
                                       const char *text, size_t len,
                                       uint64_t hash)
{
    if (!zkt__index_reserve(&admission->index, allocator, 1)) {
        return NULL;
    }
    struct zkt_address *address = zkt__alloc(allocator, sizeof(*address) + len);
    if (address == NULL) {
        return NULL;
    }
    *address = (struct zkt_address){ .hash = hash, .len = len };
    memcpy(address->text, text, len);
    address->id = zkt__slots_add(&admission->slots, address);
    if (address->id == 0) {
        zkt__release(allocator, address);
        return NULL;
    }
    zkt__index_add(&admission->index, hash, (uint32_t)address->id);
    return address;
}

/*
 * What an address is counted as: one of IPv6 as its network of 64 bits, since
 * whoever has one of these has all of it; of IPv4 in the form of IPv6 as IPv4;
 * other texts as they are.
 */
static const char *name_network(const char *text, char out[INET6_ADDRSTRLEN])
{
    struct in6_addr address;
    if (inet_pton(AF_INET6, text, &address) != 1) {
        return text;
    }
    const bool v4 = IN6_IS_ADDR_V4MAPPED(&address);
    if (!v4) {
        memset(address.s6_addr + 8, 0, 8);
    }
    return inet_ntop(v4 ? AF_INET : AF_INET6, address.s6_addr + (v4 ? 12 : 0),
                     out, INET6_ADDRSTRLEN);
}

bool zkt__address_take(struct zkt_admission *admission,
                       const struct zkt_allocator *allocator, const char *given,
                       struct zkt_address **out)
{
    char network[INET6_ADDRSTRLEN];
    const char *text = name_network(given, network);
    const size_t len = strlen(text);
    const uint64_t hash = zkt__hash(&admission->key, text, len);
    const uint32_t slot = zkt__index_find(&admission->index, hash, same_address,
                                          admission, text, len);
    struct zkt_address *address = slot != ZKT_INDEX_NONE
                                      ? admission->slots.objects[slot]
                                      : new_address(admission, allocator, text,
                                                    len, hash);
    if (address == NULL) {
        return false;
    }
    address->count++;
    *out = address;
    return true;
}

int64_t zkt__address_count(const struct zkt_address *address)
{
    return address->count;
}

void zkt__address_leave(struct zkt_admission *admission,
                        const struct zkt_allocator *allocator,
                        struct zkt_address *address)
{
    if (address == NULL || --address->count > 0) {
        return;
    }
    zkt__index_remove(&admission->index, address->hash, (uint32_t)address->id);
    zkt__slots_remove(&admission->slots, address->id);
    zkt__release(allocator, address);
}
