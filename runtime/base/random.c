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
    static const char digits[] =
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
        "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
        "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
        "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    for (size_t i = 0; i < bytes; i++, bits >>= 8, out += 2) {
        memcpy(out, digits + 2 * (bits & 255), 2);
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
