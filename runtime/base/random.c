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

void zkt__random_hex(struct zkt_random *random, char *out, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t bits = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (i % 8 == 0) {
            bits = zkt__random_next(random);
        }
        out[2 * i] = digits[bits >> 4 & 15];
        out[2 * i + 1] = digits[bits & 15];
        bits >>= 8;
    }
    out[2 * bytes] = '\0';
}
