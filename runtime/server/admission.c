/* See admission.h. A second begins with the first connection in it. */
#include "server/admission.h"

#include <string.h>

#include "base/ip.h"

enum {
    SECOND_MS = 1000,
    SHARE = 16 /* an address may have this part of all instances */
};

struct zkt_address {
    zkt_handle_id id;
    uint64_t hash;
    int64_t connections, instances;
    int64_t refs; /* connections, and removed ones with messages in flight */
    struct zkt_list handshakes; /* its handshakes, oldest first */
    struct zkt_ranked busy;     /* in admission->busy, by their count */
    size_t len;
    char text[];
};

bool zkt__admission_init(struct zkt_admission *admission,
                         const struct zkt_allocator *allocator,
                         const struct zkt_limits *limits,
                         const struct zkt_hash_key *key)
{
    const int64_t share = (limits->instances + SHARE - 1) / SHARE;
    zkt__slots_init(&admission->slots, allocator);
    zkt__ranking_init(&admission->busy);
    zkt__list_init(&admission->surplus);
    for (uint32_t shard = 0; shard < ZKT_THREADS_MAX; shard++) {
        zkt__list_init(&admission->evicted[shard]);
    }
    admission->instances_most = limits->instances_per_address > 0
                                    ? limits->instances_per_address
                                    : share;
    admission->second_ends = INT64_MIN;
    admission->key = *key;
    return pthread_mutex_init(&admission->lock, NULL) == 0;
}

void zkt__admission_finish(struct zkt_admission *admission)
{
    zkt__index_finish(&admission->index, admission->slots.allocator);
    zkt__slots_finish(&admission->slots);
    pthread_mutex_destroy(&admission->lock);
}

/* ---- the lock ---- */

static void lock(struct zkt_admission *admission)
{
    if (!admission->is_alone) {
        pthread_mutex_lock(&admission->lock);
    }
}

static void unlock(struct zkt_admission *admission)
{
    if (!admission->is_alone) {
        pthread_mutex_unlock(&admission->lock);
    }
}

/* ---- waiting ---- */

static bool is_too_fast(const struct zkt_admission *admission,
                        const struct zkt_limits *limits, int64_t now_ms)
{
    return limits->accepts_per_second > 0 && now_ms < admission->second_ends &&
           admission->in_second >= limits->accepts_per_second;
}

/* Under the lock. */
static bool update_open(struct zkt_admission *admission,
                        const struct zkt_limits *limits, int64_t now_ms,
                        struct zkt_limit_counts *hits)
{
    const bool full = admission->half_open >= limits->half_open &&
                      zkt__ranking_first(&admission->busy) == NULL;
    const bool fast = is_too_fast(admission, limits, now_ms);
    const bool paused = now_ms < admission->paused_until;
    const bool closed = full || fast || paused;
    const bool was_closed = atomic_exchange(&admission->closed, closed);
    if (closed && !was_closed) {
        hits->half_open += full;
        hits->accepts_per_second += fast;
    }
    return !closed;
}

bool zkt__admission_is_open(struct zkt_admission *admission,
                            const struct zkt_limits *limits, int64_t now_ms,
                            struct zkt_limit_counts *hits)
{
    lock(admission);
    const bool open = update_open(admission, limits, now_ms, hits);
    unlock(admission);
    return open;
}

void zkt__admission_pause(struct zkt_admission *admission, int64_t until_ms)
{
    lock(admission);
    admission->paused_until = until_ms;
    atomic_store(&admission->closed, true);
    unlock(admission);
}

int64_t zkt__admission_due(struct zkt_admission *admission,
                           const struct zkt_limits *limits)
{
    int64_t due = INT64_MAX;
    if (!atomic_load(&admission->closed)) {
        return due;
    }
    lock(admission);
    if (admission->half_open < limits->half_open ||
        zkt__ranking_first(&admission->busy) != NULL) {
        due = admission->second_ends > admission->paused_until
                  ? admission->second_ends
                  : admission->paused_until;
    }
    unlock(admission);
    return due;
}

/* Under the lock. */
static int64_t add(struct zkt_admission *admission,
                   const struct zkt_limits *limits, int64_t now_ms)
{
    admission->half_open++;
    if (limits->accepts_per_second > 0 && now_ms >= admission->second_ends) {
        admission->second_ends = now_ms + SECOND_MS;
        admission->in_second = 0;
    }
    admission->in_second++;
    return atomic_fetch_add(&admission->connections, 1) + 1;
}

int64_t zkt__admission_add(struct zkt_admission *admission,
                           const struct zkt_limits *limits, int64_t now_ms,
                           struct zkt_limit_counts *hits, bool *full)
{
    lock(admission);
    const int64_t count = update_open(admission, limits, now_ms, hits)
                              ? add(admission, limits, now_ms)
                              : 0;
    *full = admission->half_open > limits->half_open;
    unlock(admission);
    return count;
}

bool zkt__admission_add_metrics(struct zkt_admission *admission)
{
    lock(admission);
    const bool fits = admission->metrics < ZKT_METRICS_ROOM;
    admission->metrics += fits;
    unlock(admission);
    return fits;
}

void zkt__admission_remove_metrics(struct zkt_admission *admission)
{
    lock(admission);
    admission->metrics--;
    unlock(admission);
}

/* ---- handshakes ---- */

/* Removes a handshake, if there is one, from its address and from the count. */
static void uncount(struct zkt_admission *admission,
                    struct zkt_handshake *handshake,
                    struct zkt_address *address)
{
    const bool surplus = handshake != NULL && handshake->surplus;
    admission->half_open -= !surplus;
    admission->surplus_count -= surplus;
    if (handshake != NULL) {
        zkt__node_unlink(&handshake->node);
    }
    if (address != NULL && !surplus) {
        zkt__ranking_lower(&admission->busy, &address->busy);
    }
}

void zkt__admission_end_handshake(struct zkt_admission *admission,
                                  struct zkt_handshake *handshake,
                                  struct zkt_address *address)
{
    lock(admission);
    if (handshake == NULL || !handshake->evicted) {
        uncount(admission, handshake, address);
    } else {
        zkt__node_unlink(&handshake->node); /* unless it was taken */
    }
    unlock(admission);
}

/* The address with most handshakes; of several, the one that has had its count
 * for longest. Returns NULL if there is none. */
static struct zkt_address *find_busiest(const struct zkt_admission *admission)
{
    struct zkt_ranked *most = zkt__ranking_first(&admission->busy);
    return most != NULL ? ZKT_CONTAINER(most, struct zkt_address, busy) : NULL;
}

static uint64_t bit_of(uint32_t shard)
{
    return (uint64_t)1 << shard;
}

/* Evicts the first handshake of a list, that of @address or of the surplus.
 * Returns its shard. */
static uint32_t evict(struct zkt_admission *admission,
                      const struct zkt_list *handshakes,
                      struct zkt_address *address)
{
    struct zkt_handshake *first = ZKT_CONTAINER(zkt__list_first(handshakes),
                                                struct zkt_handshake, node);
    uncount(admission, first, address);
    first->evicted = true;
    zkt__list_append(&admission->evicted[first->shard], &first->node);
    atomic_fetch_or(&admission->waiting, bit_of(first->shard));
    return first->shard;
}

bool zkt__admission_evict(struct zkt_admission *admission,
                          const struct zkt_limits *limits, uint32_t *shard)
{
    struct zkt_address *busiest = NULL;
    lock(admission);
    if (admission->half_open > limits->half_open) {
        busiest = find_busiest(admission);
    }
    if (busiest != NULL) {
        *shard = evict(admission, &busiest->handshakes, busiest);
    }
    unlock(admission);
    return busiest != NULL;
}

bool zkt__admission_evict_surplus(struct zkt_admission *admission,
                                  uint32_t *shard)
{
    lock(admission);
    const bool full = admission->surplus_count > ZKT_SURPLUS_MAX;
    if (full) {
        *shard = evict(admission, &admission->surplus, NULL);
    }
    unlock(admission);
    return full;
}

struct zkt_handshake *zkt__admission_take_evicted(
    struct zkt_admission *admission, uint32_t shard)
{
    if (!zkt__admission_has_evicted(admission, shard)) {
        return NULL;
    }
    lock(admission);
    struct zkt_node *node = zkt__list_first(&admission->evicted[shard]);
    if (node != NULL) {
        zkt__node_unlink(node);
    } else {
        atomic_fetch_and(&admission->waiting, ~bit_of(shard));
    }
    unlock(admission);
    return node != NULL ? ZKT_CONTAINER(node, struct zkt_handshake, node)
                        : NULL;
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
                                       const char *text, size_t len,
                                       uint64_t hash)
{
    const struct zkt_allocator *allocator = admission->slots.allocator;
    if (!zkt__index_reserve(&admission->index, allocator, 1)) {
        return NULL;
    }
    struct zkt_address *address = zkt__alloc(allocator, sizeof(*address) + len);
    if (address == NULL) {
        return NULL;
    }
    if (!zkt__ranking_reserve(&admission->busy, allocator)) {
        zkt__release(allocator, address);
        return NULL;
    }
    *address = (struct zkt_address){ .hash = hash, .len = len };
    zkt__list_init(&address->handshakes);
    memcpy(address->text, text, len);
    address->id = zkt__slots_add(&admission->slots, address);
    if (address->id == 0) {
        zkt__ranking_release(&admission->busy, allocator);
        zkt__release(allocator, address);
        return NULL;
    }
    zkt__index_add(&admission->index, hash, (uint32_t)address->id);
    return address;
}

/* Finds or makes the record of a network. Returns NULL if there is no
 * memory. */
static struct zkt_address *find_address(struct zkt_admission *admission,
                                        const char *text)
{
    const size_t len = strlen(text);
    const uint64_t hash = zkt__hash(&admission->key, text, len);
    const uint32_t slot = zkt__index_find(&admission->index, hash, same_address,
                                          admission, text, len);
    return slot != ZKT_INDEX_NONE ? admission->slots.objects[slot]
                                  : new_address(admission, text, len, hash);
}

/* Under the lock. */
static int64_t add_handshake(struct zkt_admission *admission,
                             struct zkt_address *address,
                             struct zkt_handshake *handshake)
{
    if (address == NULL) {
        handshake->surplus = false; /* it is counted in half_open */
        return 0;
    }
    if (handshake->surplus) {
        admission->half_open--;
        admission->surplus_count++;
        zkt__list_append(&admission->surplus, &handshake->node);
    } else {
        zkt__list_append(&address->handshakes, &handshake->node);
        zkt__ranking_raise(&admission->busy, &address->busy);
    }
    address->refs++;
    address->connections++;
    return address->len > 0 ? address->connections : 1;
}

int64_t zkt__admission_count_address(struct zkt_admission *admission,
                                     const char *address,
                                     struct zkt_handshake *handshake,
                                     uint32_t shard,
                                     struct zkt_address **counted)
{
    char network[ZKT_IP_TEXT];
    const char *text = zkt__ip_network(address, network);
    handshake->shard = shard;
    lock(admission);
    *counted = find_address(admission, text);
    const int64_t count = add_handshake(admission, *counted, handshake);
    unlock(admission);
    return count;
}

/* Frees the record of an address without connections and instances. */
static void release_if_unused(struct zkt_admission *admission,
                              struct zkt_address *address)
{
    if (address->refs == 0 && address->instances == 0) {
        zkt__index_remove(&admission->index, address->hash,
                          (uint32_t)address->id);
        zkt__slots_remove(&admission->slots, address->id);
        zkt__ranking_release(&admission->busy, admission->slots.allocator);
        zkt__release(admission->slots.allocator, address);
    }
}

/* An evicted handshake is counted no more, and stays where its shard finds it;
 * a surplus one is in no list of an address. */
static void move_handshake(struct zkt_admission *admission,
                           struct zkt_handshake *handshake,
                           struct zkt_address *from, struct zkt_address *to)
{
    if (!handshake->evicted && !handshake->surplus) {
        zkt__node_unlink(&handshake->node);
        zkt__ranking_lower(&admission->busy, &from->busy);
        zkt__list_append(&to->handshakes, &handshake->node);
        zkt__ranking_raise(&admission->busy, &to->busy);
    }
}

/* Under the lock. */
static int64_t move(struct zkt_admission *admission,
                    struct zkt_handshake *handshake, struct zkt_address *from,
                    struct zkt_address *to)
{
    if (handshake != NULL && from != to) {
        move_handshake(admission, handshake, from, to);
    }
    to->refs++;
    to->connections++;
    from->refs--;
    from->connections--;
    release_if_unused(admission, from);
    return to->len > 0 ? to->connections : 1;
}

int64_t zkt__admission_move(struct zkt_admission *admission,
                            const char *address,
                            struct zkt_handshake *handshake,
                            struct zkt_address **counted)
{
    char network[ZKT_IP_TEXT];
    const char *text = zkt__ip_network(address, network);
    int64_t count = 0;
    lock(admission);
    struct zkt_address *to = find_address(admission, text);
    if (to != NULL) {
        count = move(admission, handshake, *counted, to);
        *counted = to;
    }
    unlock(admission);
    return count;
}

void zkt__admission_remove(struct zkt_admission *admission,
                           struct zkt_address *address, bool stays)
{
    lock(admission);
    atomic_fetch_sub(&admission->connections, 1);
    if (address != NULL) {
        address->connections--;
        address->refs -= !stays;
        release_if_unused(admission, address);
    }
    unlock(admission);
}

/* Returns true if another session of a request may begin: a peer that ends them
 * faster than they are reaped must wait. Under the lock. */
static bool may_begin_request(const struct zkt_admission *admission,
                              const struct zkt_limits *limits)
{
    const int64_t connections = zkt__admission_count(admission);
    return admission->requests < 2 * connections + limits->leaves_per_turn;
}

int64_t zkt__admission_add_request(struct zkt_admission *admission,
                                   const struct zkt_limits *limits,
                                   const char *address, bool counts,
                                   struct zkt_address **out)
{
    char network[ZKT_IP_TEXT];
    const char *text = zkt__ip_network(address, network);
    int64_t count = 0;
    lock(admission);
    struct zkt_address *of = may_begin_request(admission, limits)
                                 ? find_address(admission, text)
                                 : NULL;
    if (of != NULL) {
        admission->requests++;
        of->refs++;
        of->connections += counts;
        count = counts && of->len > 0 ? of->connections : 1;
        *out = of;
    }
    unlock(admission);
    return count;
}

void zkt__admission_remove_request(struct zkt_admission *admission,
                                   struct zkt_address *address, bool counts,
                                   bool stays)
{
    lock(admission);
    admission->requests--;
    address->connections -= counts;
    address->refs -= !stays;
    release_if_unused(admission, address);
    unlock(admission);
}

void zkt__admission_release(struct zkt_admission *admission,
                            struct zkt_address *address)
{
    if (address != NULL) {
        lock(admission);
        address->refs--;
        release_if_unused(admission, address);
        unlock(admission);
    }
}

bool zkt__admission_charge_instance(struct zkt_admission *admission,
                                    struct zkt_address *address)
{
    if (address == NULL) {
        return true;
    }
    lock(admission);
    const bool fits = address->len == 0 ||
                      address->instances < admission->instances_most;
    address->instances += fits;
    unlock(admission);
    return fits;
}

void zkt__admission_refund_instance(struct zkt_admission *admission,
                                    struct zkt_address *address)
{
    if (address == NULL) {
        return;
    }
    lock(admission);
    address->instances--;
    release_if_unused(admission, address);
    unlock(admission);
}
