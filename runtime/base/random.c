/* See random.h. */
#define _DEFAULT_SOURCE /* getentropy */
#include "base/random.h"

#include <string.h>
#include <unistd.h>

bool zkt__random_init(struct zkt_random *random, struct zkt_hash_key *hash_key,
                      const uint8_t *seed)
{
    uint8_t own[ZKT_SEED_SIZE];
    if (seed == NULL) {
        if (getentropy(own, sizeof(own)) != 0) {
            return false;
        }
        seed = own;
    }
    memcpy(&random->key, seed, sizeof(random->key));
    memcpy(hash_key, seed + sizeof(random->key), sizeof(*hash_key));
    random->counter = 0;
    return true;
}

uint64_t zkt__random_next(struct zkt_random *random)
{
    const uint64_t counter = random->counter++;
    return zkt__prf(&random->key, &counter, sizeof(counter));
}

/* Returns eight hex digits, a byte each, for the low halves of eight bytes. */
static inline uint64_t to_digits(uint64_t halves)
{
    const uint64_t ones = 0x0101010101010101;
    const uint64_t letters = (halves + 6 * ones) >> 4 & ones;
    return halves + '0' * ones + letters * ('a' - '0' - 10);
}

/* Writes 32 digits. */
static inline void put_digits(struct zkt_random *random, char *out)
{
    const uint64_t counter = random->counter++, low = 0x0f0f0f0f0f0f0f0f;
    uint64_t bits[2];
    zkt__prf_128(&random->key, &counter, sizeof(counter), bits);
    const uint64_t digits[4] = {
        to_digits(bits[0] & low),
        to_digits(bits[0] >> 4 & low),
        to_digits(bits[1] & low),
        to_digits(bits[1] >> 4 & low),
    };
    memcpy(out, digits, sizeof(digits));
}

void zkt__random_hex(struct zkt_random *random, char *out, size_t bytes)
{
    char rest[32];
    for (; bytes >= sizeof(rest) / 2; bytes -= sizeof(rest) / 2) {
        put_digits(random, out);
        out += sizeof(rest);
    }
    if (bytes > 0) {
        put_digits(random, rest);
        memcpy(out, rest, 2 * bytes);
        out += 2 * bytes;
    }
    *out = '\0';
}
