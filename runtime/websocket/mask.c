/*
 * Masking, in lanes of sixteen bytes and four lanes per step, which compilers
 * vectorise.
 */
#include <string.h>

#include "websocket/frames.h"

struct lane {
    uint64_t a, b;
};

static inline struct lane load(const uint8_t *at)
{
    struct lane lane;
    memcpy(&lane, at, sizeof(lane));
    return lane;
}

static inline uint64_t mask_lane(uint8_t *to, const uint8_t *from, uint64_t key)
{
    struct lane lane = load(from);
    lane.a ^= key;
    lane.b ^= key;
    memcpy(to, &lane, sizeof(lane));
    return lane.a | lane.b;
}

/* The key rotated by @offset, twice; works in any byte order. */
static inline uint64_t turn_key(const uint8_t key[4], size_t offset)
{
    uint8_t twice[8];
    uint32_t turned;
    memcpy(twice, key, 4);
    memcpy(twice + 4, key, 4);
    memcpy(&turned, twice + (offset & 3), sizeof(turned));
    return (uint64_t)turned << 32 | turned;
}

bool zkt__ws_mask(uint8_t *to, const uint8_t *from, size_t len,
                  const uint8_t key[4], size_t offset)
{
    const uint64_t wide = turn_key(key, offset);
    uint64_t seen = 0;
    size_t i = 0;
    for (; i + 64 <= len; i += 64) {
        uint64_t a = mask_lane(to + i, from + i, wide);
        a |= mask_lane(to + i + 16, from + i + 16, wide);
        a |= mask_lane(to + i + 32, from + i + 32, wide);
        a |= mask_lane(to + i + 48, from + i + 48, wide);
        seen |= a;
    }
    for (; i + 16 <= len; i += 16) {
        seen |= mask_lane(to + i, from + i, wide);
    }
    if (i + 8 <= len) {
        uint64_t word;
        memcpy(&word, from + i, sizeof(word));
        word ^= wide;
        memcpy(to + i, &word, sizeof(word));
        seen |= word;
        i += 8;
    }
    if (i + 4 <= len) {
        uint32_t word;
        memcpy(&word, from + i, sizeof(word));
        word ^= (uint32_t)wide;
        memcpy(to + i, &word, sizeof(word));
        seen |= word;
        i += 4;
    }
    for (; i < len; i++) {
        to[i] = from[i] ^ key[(offset + i) & 3];
        seen |= to[i];
    }
    return (seen & 0x8080808080808080u) == 0;
}
