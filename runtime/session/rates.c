/* See rates.h. */
#include "session/rates.h"

#include <pthread.h>
#include <string.h>

#include "base/ip.h"
#include "session/receive.h"

/* ---- a bucket ---- */

static uint64_t round_up(uint64_t parts, const struct zkt_rate *rate)
{
    return parts / rate->tokens + (parts % rate->tokens > 0);
}

/* Adds the parts of the time that has passed. */
static void refill(struct zkt_bucket *bucket, const struct zkt_rate *rate,
                   int64_t now_ms)
{
    if (now_ms <= bucket->at_ms) {
        return;
    }
    const uint64_t passed = (uint64_t)(now_ms - bucket->at_ms);
    bucket->at_ms = now_ms;
    bucket->missing = passed > bucket->missing / rate->tokens
                          ? 0
                          : bucket->missing - passed * rate->tokens;
}

int64_t zkt__bucket_take(struct zkt_bucket *bucket, const struct zkt_rate *rate,
                         int64_t now_ms)
{
    const uint64_t size = (uint64_t)rate->burst * rate->period_ms;
    refill(bucket, rate, now_ms);
    const uint64_t missing = bucket->missing + rate->period_ms;
    if (missing > size) {
        return (int64_t)round_up(missing - size, rate);
    }
    bucket->missing = missing;
    return 0;
}

/* ---- buckets of values ---- */

enum {
    PARTS = 64,
    FIRST = 16 /* buckets for which a part first has memory */
};

/*
 * A value may be long, so a bucket holds a hash of 64 bits of it, of its kind,
 * and of the number of its rate. The hash is keyed: nobody can make two values
 * share a bucket, and by chance that happens to one of 10^14 new values in a
 * table with 100 000.
 */
struct value_bucket {
    uint64_t hash;
    struct zkt_bucket bucket;
    int64_t full_ms; /* when it is full */
    uint32_t heap_at;
};

/* A part of the table, under a lock of its own. The heap has the numbers of all
 * buckets; the first is that of the bucket that is full first. */
struct part {
    pthread_mutex_t lock;
    struct zkt_index index;
    struct value_bucket *buckets;
    uint32_t *heap;
    uint32_t count, capacity;
};

struct zkt_rates {
    const struct zkt_allocator *allocator;
    struct zkt_hash_key key;
    uint32_t most;  /* buckets of a part */
    uint32_t ready; /* parts that are initialised */
    struct part parts[PARTS];
};

struct zkt_rates *zkt__rates_new(const struct zkt_allocator *allocator,
                                 int64_t most, const struct zkt_hash_key *key)
{
    struct zkt_rates *rates = zkt__alloc_zero(allocator, 1, sizeof(*rates));
    if (rates == NULL) {
        return NULL;
    }
    const int64_t share = most / PARTS + (most % PARTS > 0);
    rates->allocator = allocator;
    rates->key = *key;
    rates->most = share < UINT32_MAX / 2 ? (uint32_t)share : UINT32_MAX / 2;
    while (rates->ready < PARTS) {
        if (pthread_mutex_init(&rates->parts[rates->ready].lock, NULL) != 0) {
            zkt__rates_free(rates);
            return NULL;
        }
        rates->ready++;
    }
    return rates;
}

void zkt__rates_free(struct zkt_rates *rates)
{
    if (rates == NULL) {
        return;
    }
    for (uint32_t i = 0; i < rates->ready; i++) {
        struct part *part = &rates->parts[i];
        zkt__index_finish(&part->index, rates->allocator);
        zkt__release(rates->allocator, part->buckets);
        zkt__release(rates->allocator, part->heap);
        pthread_mutex_destroy(&part->lock);
    }
    zkt__release(rates->allocator, rates);
}

static void place(struct part *part, uint32_t at, uint32_t number)
{
    part->heap[at] = number;
    part->buckets[number].heap_at = at;
}

/* Moves a bucket, which is full later than before or is new at @at, down to its
 * place in the heap. */
static void sift_down(struct part *part, uint32_t at)
{
    const uint32_t number = part->heap[at];
    const int64_t full_ms = part->buckets[number].full_ms;
    for (uint32_t child; (child = 2 * at + 1) < part->count; at = child) {
        if (child + 1 < part->count &&
            part->buckets[part->heap[child + 1]].full_ms <
                part->buckets[part->heap[child]].full_ms) {
            child++;
        }
        if (part->buckets[part->heap[child]].full_ms >= full_ms) {
            break;
        }
        place(part, at, part->heap[child]);
    }
    place(part, at, number);
}

/* Moves a new bucket, the last of the heap, up to its place. */
static void sift_up(struct part *part, uint32_t at)
{
    const uint32_t number = part->heap[at];
    const int64_t full_ms = part->buckets[number].full_ms;
    while (at > 0) {
        const uint32_t parent = (at - 1) / 2;
        if (part->buckets[part->heap[parent]].full_ms <= full_ms) {
            break;
        }
        place(part, at, part->heap[parent]);
        at = parent;
    }
    place(part, at, number);
}

/* Returns false if there is no memory for another bucket. */
static bool grow(const struct zkt_rates *rates, struct part *part)
{
    const uint32_t capacity = part->capacity == 0 ? FIRST : 2 * part->capacity;
    struct value_bucket *buckets = zkt__resize(rates->allocator, part->buckets,
                                               capacity * sizeof(*buckets));
    if (buckets == NULL) {
        return false;
    }
    part->buckets = buckets;
    uint32_t *heap = zkt__resize(rates->allocator, part->heap,
                                 capacity * sizeof(*heap));
    if (heap == NULL) {
        return false;
    }
    part->heap = heap;
    part->capacity = capacity;
    return true;
}

static bool same_hash(const void *owner, uint32_t position, const void *key,
                      size_t len)
{
    const struct part *part = owner;
    return memcmp(&part->buckets[position].hash, key, len) == 0;
}

/* Returns the number of a full bucket for @hash in the place of the first of
 * the heap. */
static uint32_t replace_first(struct part *part, uint64_t hash)
{
    const uint32_t number = part->heap[0];
    zkt__index_remove(&part->index, part->buckets[number].hash, number);
    zkt__index_add(&part->index, hash, number);
    part->buckets[number] = (struct value_bucket){ .hash = hash };
    return number;
}

/* Returns the number of a full bucket for @hash, which has none, or
 * ZKT_INDEX_NONE if there is no memory. */
static uint32_t add(const struct zkt_rates *rates, struct part *part,
                    uint64_t hash, int64_t now_ms, bool *dropped)
{
    const bool has_full = part->count > 0 &&
                          part->buckets[part->heap[0]].full_ms <= now_ms;
    if (has_full || part->count == rates->most) {
        *dropped = !has_full;
        return replace_first(part, hash);
    }
    if ((part->count == part->capacity && !grow(rates, part)) ||
        !zkt__index_reserve(&part->index, rates->allocator, 1)) {
        return ZKT_INDEX_NONE;
    }
    const uint32_t number = part->count++;
    zkt__index_add(&part->index, hash, number);
    /* It is full since ever, so it is the first of the heap. */
    part->buckets[number] = (struct value_bucket){ .hash = hash,
                                                   .full_ms = INT64_MIN };
    place(part, number, number);
    sift_up(part, number);
    return number;
}

/* Takes a token in a part that is locked. */
static int64_t take(const struct zkt_rates *rates, struct part *part,
                    const struct zkt_rate *rate, uint64_t hash, int64_t now_ms,
                    bool *dropped)
{
    uint32_t number = zkt__index_find(&part->index, hash, same_hash, part,
                                      &hash, sizeof(hash));
    if (number == ZKT_INDEX_NONE) {
        number = add(rates, part, hash, now_ms, dropped);
    }
    if (number == ZKT_INDEX_NONE) {
        return -1;
    }
    struct value_bucket *found = &part->buckets[number];
    const int64_t wait = zkt__bucket_take(&found->bucket, rate, now_ms);
    found->full_ms = found->bucket.at_ms +
                     (int64_t)round_up(found->bucket.missing, rate);
    sift_down(part, found->heap_at);
    return wait;
}

int64_t zkt__rates_take(struct zkt_rates *rates, const struct zkt_rate *rate,
                        const struct zkt_rate_key *of, int64_t now_ms,
                        bool *dropped)
{
    uint64_t key[3] = { of->kind,
                        zkt__prf(&rates->key, of->bytes.data, of->bytes.len),
                        rate->number };
    const uint64_t hash = zkt__prf(&rates->key, key, sizeof(key));
    struct part *part = &rates->parts[hash % PARTS];
    *dropped = false;
    pthread_mutex_lock(&part->lock);
    const int64_t wait = take(rates, part, rate, hash, now_ms, dropped);
    pthread_mutex_unlock(&part->lock);
    return wait;
}

bool zkt__rate_value(const struct zkt_type *type, const void *data,
                     uint32_t field, struct zkt_str *value)
{
    const struct zkt_field *of = &type->of.structs->fields[field];
    const char *at = (const char *)data + of->offset;
    type = of->type;
    if (type->kind == ZKT_KIND_OPTIONAL || type->kind == ZKT_KIND_NULLABLE) {
        if (!*(const bool *)at) {
            return false;
        }
        at += type->of.optionals->value_offset;
        type = type->of.optionals->value;
    }
    *value = type->kind == ZKT_KIND_STRING
                 ? *(const struct zkt_str *)(const void *)at
                 : (struct zkt_str){ at, type->size };
    return true;
}

/* ---- sessions ---- */

/* Returns the bucket of a connection, or NULL if there is no memory. */
static struct zkt_bucket *find_own(struct zkt_host *host,
                                   struct zkt_session *session,
                                   const struct zkt_rate *rate)
{
    struct zkt_session_extras *extras = zkt__session_extras(host, session);
    if (extras != NULL && extras->buckets == NULL) {
        extras->buckets = zkt__alloc_zero(host->allocator,
                                          host->app.info->rate_count,
                                          sizeof(*extras->buckets));
    }
    return extras != NULL && extras->buckets != NULL
               ? &extras->buckets[rate->number]
               : NULL;
}

/* Returns the data of a connection, or NULL. */
static const void *find_data(const struct zkt_session *session)
{
    return session->record != NULL ? session->record->data : NULL;
}

/* Finds the key by which calls of a session are counted. Returns false if they
 * are counted by the session. One that lasts for a single request would count
 * nothing: it has its address, written to @network, in place of itself. */
static bool find_key(const struct zkt_host *host,
                     const struct zkt_session *session,
                     const struct zkt_rate *rate, char network[ZKT_IP_TEXT],
                     struct zkt_rate_key *key)
{
    const struct zkt_peer *peer = &session->peer;
    const void *data = find_data(session);
    if (rate->by >= 0 && data != NULL &&
        zkt__rate_value(host->app.info->connection->data, data,
                        (uint32_t)rate->by, &key->bytes)) {
        key->kind = ZKT_RATE_BY_VALUE;
        return true;
    }
    if (peer->is_request) {
        key->kind = ZKT_RATE_BY_ADDRESS;
        key->bytes = zkt_cstr(zkt__ip_network(peer->remote, network));
    }
    return peer->is_request;
}

/* Returns 0, the milliseconds to the next token, or -1 if there is no
 * memory. */
static int64_t take_token(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_rate *rate)
{
    const int64_t now_ms = host->clock->now_ms;
    char network[ZKT_IP_TEXT];
    struct zkt_rate_key key;
    if (find_key(host, session, rate, network, &key)) {
        bool dropped;
        const int64_t wait = zkt__rates_take(host->rates, rate, &key, now_ms,
                                             &dropped);
        host->stats.limit_hits.buckets += dropped;
        return wait;
    }
    struct zkt_bucket *bucket = find_own(host, session, rate);
    return bucket != NULL ? zkt__bucket_take(bucket, rate, now_ms) : -1;
}

bool zkt__session_take_token(struct zkt_host *host, struct zkt_session *session,
                             const struct zkt_envelope *message,
                             const struct zkt_method *method)
{
    const int64_t wait = take_token(host, session, method->rate);
    if (wait == 0) {
        return true;
    }
    zkt__session_fail(host, session, message,
                      &(const struct zkt_failure){
                          .status = ZKT_RESOURCE_EXHAUSTED,
                          .text = wait > 0 ? ZKT_STR("Rate limit exceeded")
                                           : ZKT_STR("out of memory"),
                          .retry_after_ms = wait > 0 ? wait : 0,
                      });
    return false;
}
