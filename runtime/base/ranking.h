/*
 * Items in the order of their counts, which go up and down by one. Each step,
 * and finding the first, costs the same however many there are. The items of
 * one count stand in a level, in the order in which they came to it; the
 * levels stand in a list, the greatest first.
 *
 * A level is memory of the ranking's, and there are as many as items that were
 * reserved: so counting never fails.
 */
#ifndef ZKT_BASE_RANKING_H
#define ZKT_BASE_RANKING_H

#include <stdint.h>

#include "base/list.h"
#include "base/memory.h"

struct zkt_rank_level;

/* Embedded in an item; zeroed: its count is 0. */
struct zkt_ranked {
    struct zkt_node node; /* in its level */
    struct zkt_rank_level *level;
};

struct zkt_ranking {
    struct zkt_list levels; /* those with items */
    struct zkt_list spare;  /* those without */
};

void zkt__ranking_init(struct zkt_ranking *ranking);
/** One item more may count. Returns false if there is no memory. */
bool zkt__ranking_reserve(struct zkt_ranking *ranking,
                          const struct zkt_allocator *allocator);
/** One item, which counts nothing, is gone. */
void zkt__ranking_release(struct zkt_ranking *ranking,
                          const struct zkt_allocator *allocator);

void zkt__ranking_raise(struct zkt_ranking *ranking, struct zkt_ranked *item);
/** @item counts something. */
void zkt__ranking_lower(struct zkt_ranking *ranking, struct zkt_ranked *item);
/** The first of those with the greatest count; NULL: all count nothing. */
struct zkt_ranked *zkt__ranking_first(const struct zkt_ranking *ranking);

#endif
