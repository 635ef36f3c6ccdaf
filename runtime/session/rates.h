/*
 * The rates of methods: token buckets. A bucket belongs to a connection, and
 * goes with it, or to a value of a field of the connections' data: then it is
 * in a table that all shards of the server share. So is that of requests of
 * HTTP, each of which is a session: it belongs to their address.
 *
 * A bucket counts by integers, in parts of a token: a token has `period_ms`
 * parts, and a millisecond adds `tokens` of them. So it gives exactly the
 * tokens that its rate allows, however often it is asked.
 */
#ifndef ZKT_SESSION_RATES_H
#define ZKT_SESSION_RATES_H

#include "protocol/envelope.h"
#include "session/session.h"

/* A token bucket. Zeroed: full. */
struct zkt_bucket {
    uint64_t missing; /* parts to a full bucket */
    int64_t at_ms;    /* when that was so */
};

/** Takes a token. Returns 0, or the milliseconds to the next token. A time
 * before that of the last token counts as that. */
int64_t zkt__bucket_take(struct zkt_bucket *bucket, const struct zkt_rate *rate,
                         int64_t now_ms);

/* ---- buckets of values ---- */

struct zkt_rates;

/* A bucket of the table has one of these, and a rate. The two kinds never
 * share a bucket, although their bytes may be the same. */
struct zkt_rate_key {
    enum {
        ZKT_RATE_BY_VALUE,  /* of the field `by` */
        ZKT_RATE_BY_ADDRESS /* of a request */
    } kind;
    struct zkt_str bytes;
};

/** Makes the table for at most @most buckets; @key hashes theirs. Returns NULL
 * if there is no memory or the system has no lock. */
struct zkt_rates *zkt__rates_new(const struct zkt_allocator *allocator,
                                 int64_t most, const struct zkt_hash_key *key);
/** Takes NULL. */
void zkt__rates_free(struct zkt_rates *rates);
/**
 * Takes a token of the bucket of a rate and a key, on any thread. Returns as
 * zkt__bucket_take, or -1 if there is no memory. A table without room gives up
 * the bucket that is full first; *@dropped: it was not full yet.
 */
int64_t zkt__rates_take(struct zkt_rates *rates, const struct zkt_rate *rate,
                        const struct zkt_rate_key *of, int64_t now_ms,
                        bool *dropped);

/** Gets the bytes of a field of @data, of the struct @type: the text of a
 * string, or an integer as in memory. Returns false if the field is absent. */
bool zkt__rate_value(const struct zkt_type *type, const void *data,
                     uint32_t field, struct zkt_str *value);

/* ---- sessions ---- */

/** Takes a token for a call of @method, which has a rate. Returns false if the
 * call was refused. */
bool zkt__session_take_token(struct zkt_host *host, struct zkt_session *session,
                             const struct zkt_envelope *message,
                             const struct zkt_method *method);

#endif
