/*
 * Random states, random mutators: see random_patch.h.
 *
 *   state_patch [ROUNDS [SEED]]
 *   state_patch --dump ROUNDS     a line of JSON for each round, for a program
 *                                 with another reader of patches
 */
#include <stdlib.h>

#include "random_patch.h"
#include "zoo_types.h"

static struct zkt_store used = { .key = { 1, 2 } };
static long failures;

static void fail(long round, const char *what)
{
    if (failures++ < 5) {
        fprintf(stderr, "round %ld: %s\n", round, what);
    }
}

static void dump(const struct patch_round *r)
{
    const struct zkt_writer *parts[] = { &r->before, &r->plain, &r->rfc6902,
                                         &r->after };
    for (size_t i = 0; i < 4; i++) {
        printf("%s%.*s", i == 0 ? "[" : ",",
               parts[i]->len > 0 ? (int)parts[i]->len : 2,
               parts[i]->len > 0 ? parts[i]->data : "[]");
    }
    printf("]\n");
}

static bool run_round(long round, bool dumps)
{
    struct patch_round r;
    patch_round_init(&r, &used, &zoo_tree_state_type_);
    patch_round_run(&r);
    if (r.wrong != NULL || r.refused) {
        fail(round, r.refused ? "a good change is refused" : r.wrong);
    }
    if (dumps) {
        dump(&r);
    }
    patch_round_finish(&r);
    return r.differ;
}

int main(int argc, char **argv)
{
    const bool dumps = argc > 1 && strcmp(argv[1], "--dump") == 0;
    const int first = dumps ? 2 : 1;
    const long rounds = argc > first ? atol(argv[first]) : 20000;
    long different = 0;
    used.allocator = &zkt__allocator_default;
    if (argc > first + 1) {
        random_seed = strtoull(argv[first + 1], NULL, 10);
    }
    for (long round = 0; round < rounds; round++) {
        different += run_round(round, dumps);
    }
    fprintf(stderr, "%ld rounds, %ld failures; the dialects differed in %ld\n",
            rounds, failures, different);
    return failures == 0 ? 0 : 1;
}
