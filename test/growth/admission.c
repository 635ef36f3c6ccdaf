/*
 * Admission: n addresses that each have a handshake under way, one too many, so
 * that one of them makes room.
 */
#include <stdio.h>
#include <stdlib.h>

#include "growth.h"
#include "server/admission.h"

struct work {
    struct zkt_admission admission;
    struct zkt_limits limits;
    struct zkt_handshake *handshakes;
    struct zkt_address *first; /* the address of the oldest */
    size_t n;
};

static void finish(void *work)
{
    struct work *w = work;
    free(w->handshakes);
    free(w);
}

/* The handshake number @i, of an address of its own. */
static bool handshake(struct work *w, size_t i)
{
    char address[32];
    struct zkt_address *counted;
    snprintf(address, sizeof(address), "10.%zu.%zu.%zu", i >> 16 & 255,
             i >> 8 & 255, i & 255);
    const int64_t count = zkt__admission_count_address(
        &w->admission, address, &w->handshakes[i], 0, &counted);
    w->first = i == 0 ? counted : w->first;
    return count == 1;
}

static void *prepare(const void *with, size_t n)
{
    static const struct zkt_hash_key key = { 1, 2 };
    struct zkt_limit_counts reached = { 0 };
    struct work *w = calloc(1, sizeof(*w));
    bool full = false;
    (void)with;
    if (w == NULL) {
        return NULL;
    }
    w->n = n;
    w->handshakes = calloc(n + 1, sizeof(*w->handshakes));
    w->limits.half_open = (int64_t)n - 1;
    bool good = w->handshakes != NULL &&
                zkt__admission_init(&w->admission, &growth_allocator,
                                    &w->limits, &key);
    for (size_t i = 0; good && i < n; i++) {
        good = zkt__admission_add(&w->admission, &w->limits, 0, &reached,
                                  &full) > 0 &&
               handshake(w, i);
    }
    return good && full == (n > 0) ? w : NULL;
}

static bool make_room(void *work)
{
    struct work *w = work;
    uint32_t shard;
    if (w->n == 0) {
        return true;
    }
    if (!zkt__admission_evict(&w->admission, &w->limits, &shard)) {
        return false;
    }
    struct zkt_handshake *evicted = zkt__admission_take_evicted(&w->admission,
                                                                0);
    zkt__admission_end_handshake(&w->admission, evicted, w->first);
    return evicted == &w->handshakes[0];
}

void growth_admission(void)
{
    static const struct growth_row row = {
        "admission: a handshake that makes room, flat",
        0,
        NULL,
        prepare,
        make_room,
        finish
    };
    growth_measure(&row);
}
