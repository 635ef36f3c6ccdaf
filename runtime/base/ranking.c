/* See ranking.h. A level that would be left empty goes up or down itself. */
#include "base/ranking.h"

struct zkt_rank_level {
    struct zkt_node node; /* in the ranking, in one list or the other */
    struct zkt_list items;
    int64_t count;
};

static struct zkt_rank_level *level_of(struct zkt_node *node)
{
    return ZKT_CONTAINER(node, struct zkt_rank_level, node);
}

void zkt__ranking_init(struct zkt_ranking *ranking)
{
    zkt__list_init(&ranking->levels);
    zkt__list_init(&ranking->spare);
}

bool zkt__ranking_reserve(struct zkt_ranking *ranking,
                          const struct zkt_allocator *allocator)
{
    struct zkt_rank_level *level = zkt__alloc_zero(allocator, 1,
                                                   sizeof(*level));
    if (level == NULL) {
        return false;
    }
    zkt__list_init(&level->items);
    zkt__list_append(&ranking->spare, &level->node);
    return true;
}

void zkt__ranking_release(struct zkt_ranking *ranking,
                          const struct zkt_allocator *allocator)
{
    struct zkt_node *spare = zkt__list_first(&ranking->spare);
    zkt__node_unlink(spare);
    zkt__release(allocator, level_of(spare));
}

/* The level of @count, which is at @node if there is one, or else is made in
 * front of it. */
static struct zkt_rank_level *get_level(struct zkt_ranking *ranking,
                                        struct zkt_node *node, int64_t count)
{
    if (node != &ranking->levels.head && level_of(node)->count == count) {
        return level_of(node);
    }
    struct zkt_node *spare = zkt__list_first(&ranking->spare);
    zkt__node_unlink(spare);
    zkt__node_insert(node, spare);
    level_of(spare)->count = count;
    return level_of(spare);
}

static bool is_alone(const struct zkt_ranked *item)
{
    const struct zkt_list *items = &item->level->items;
    return zkt__list_after(items, zkt__list_first(items)) == NULL;
}

/* Goes from its level, if it has one, to @to, or to none. */
static void move(struct zkt_ranking *ranking, struct zkt_ranked *item,
                 struct zkt_rank_level *to)
{
    struct zkt_rank_level *from = item->level;
    zkt__node_unlink(&item->node);
    if (to != NULL) {
        zkt__list_append(&to->items, &item->node);
    }
    if (from != NULL && zkt__list_empty(&from->items)) {
        zkt__node_unlink(&from->node);
        zkt__list_append(&ranking->spare, &from->node);
    }
    item->level = to;
}

void zkt__ranking_raise(struct zkt_ranking *ranking, struct zkt_ranked *item)
{
    const int64_t count = item->level != NULL ? item->level->count + 1 : 1;
    struct zkt_node *at = item->level != NULL ? &item->level->node
                                              : &ranking->levels.head;
    const bool meets = at->prev != &ranking->levels.head &&
                       level_of(at->prev)->count == count;
    if (item->level != NULL && is_alone(item) && !meets) {
        item->level->count = count;
    } else {
        move(ranking, item, get_level(ranking, meets ? at->prev : at, count));
    }
}

void zkt__ranking_lower(struct zkt_ranking *ranking, struct zkt_ranked *item)
{
    const int64_t count = item->level->count - 1;
    struct zkt_node *at = item->level->node.next;
    const bool meets = at != &ranking->levels.head &&
                       level_of(at)->count == count;
    if (count == 0) {
        move(ranking, item, NULL);
    } else if (is_alone(item) && !meets) {
        item->level->count = count;
    } else {
        move(ranking, item, get_level(ranking, at, count));
    }
}

struct zkt_ranked *zkt__ranking_first(const struct zkt_ranking *ranking)
{
    struct zkt_node *first = zkt__list_first(&ranking->levels);
    return first != NULL
               ? ZKT_CONTAINER(zkt__list_first(&level_of(first)->items),
                               struct zkt_ranked, node)
               : NULL;
}
