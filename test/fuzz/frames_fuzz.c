/*
 * Any bytes as frames, cut anywhere: our decoder, with its fast path and its
 * changes to and from wslay, does the same as wslay that is fed byte by byte.
 * The first byte selects the role and the cuts.
 */
#include "../property/websocket_outcome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_ours(const uint8_t *data, size_t size, enum zkt_ws_role role,
                     unsigned cuts, struct outcome *o)
{
    static const uint8_t seed[ZKT_SEED_SIZE] = { 3 };
    static const unsigned sizes[] = { 0, 1, 2, 7, 30, 130, 1000, 5000 };
    struct zkt_random random;
    struct zkt_ws_client client = { .random = &random };
    struct zkt_hash_key key;
    struct zkt_ws ws;
    if (!zkt__random_init(&random, &key, seed)) {
        abort();
    }
    our_begin(&ws, o, role, &client);
    const unsigned most = sizes[cuts & 7];
    o->pauses = cuts >> 6;
    unsigned state = cuts;
    for (size_t at = 0; at < size;) {
        state = state * 1103515245u + 12345u;
        size_t n = most == 0 ? size : 1 + (state >> 16) % most;
        n = n < size - at ? n : size - at;
        our_feed(&ws, data + at, n);
        at += n;
    }
    zkt__ws_finish(&ws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome ours, reference;
    if (size == 0) {
        return 0;
    }
    const enum zkt_ws_role role = (data[0] & 1) != 0 ? ZKT_WS_CLIENT
                                                     : ZKT_WS_SERVER;
    outcome_begin(&ours);
    outcome_begin(&reference);
    run_reference(data + 1, size - 1, role, &reference);
    run_ours(data + 1, size - 1, role, data[0] >> 1, &ours);
    if (!same_outcome(&ours, &reference, role)) {
        fprintf(stderr, "messages %zu %zu, replies %zu %zu, close %u %u\n",
                ours.messages_len, reference.messages_len, ours.replies_len,
                reference.replies_len, ours.code, reference.code);
        abort();
    }
    outcome_end(&ours);
    outcome_end(&reference);
    return 0;
}
