/*
 * Masking, sixteen bytes at a time and four of those abreast, which the
 * compiler turns into vector instructions on its own terms.
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

bool zkt__ws_mask(uint8_t *to, const uint8_t *from, size_t len,
                  const uint8_t key[4], size_t offset)
{
    uint8_t turned[8];
    for (size_t i = 0; i < sizeof(turned); i++) {
        turned[i] = key[(offset + i) & 3];
    }
    uint64_t wide, seen = 0;
    memcpy(&wide, turned, sizeof(wide));
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
    uint8_t rest = 0;
    for (; i < len; i++) {
        to[i] = from[i] ^ turned[i & 3];
        rest |= to[i];
    }
    return ((seen & 0x8080808080808080u) | (rest & 0x80)) == 0;
}
