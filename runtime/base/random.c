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

static inline char *put_hex(char *out, uint64_t bits, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++, bits >>= 8) {
        *out++ = digits[bits >> 4 & 15];
        *out++ = digits[bits & 15];
    }
    return out;
}

void zkt__random_hex(struct zkt_random *random, char *out, size_t bytes)
{
    for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t)) {
        out = put_hex(out, zkt__random_next(random), sizeof(uint64_t));
    }
    if (bytes > 0) {
        out = put_hex(out, zkt__random_next(random), bytes);
    }
    *out = '\0';
}
