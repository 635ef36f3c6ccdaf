/* See tree.h. */
#include "base/tree.h"

struct zkt_tree_node **zkt__tree_find(struct zkt_tree_node **root,
                                      uint64_t hash, zkt_tree_equal *equal,
                                      const void *key)
{
    uint64_t path = hash;
    while (*root != NULL && ((*root)->hash != hash || !equal(*root, key))) {
        root = &(*root)->child[path & 1];
        path >>= 1;
    }
    return root;
}

struct zkt_tree_node **zkt__tree_place(struct zkt_tree_node **root,
                                       const struct zkt_tree_node *node)
{
    uint64_t path = node->hash;
    while (*root != node) {
        root = &(*root)->child[path & 1];
        path >>= 1;
    }
    return root;
}

/* Any leaf below the node may take its place: the paths of both begin alike. */
void zkt__tree_remove(struct zkt_tree_node **at)
{
    struct zkt_tree_node *node = *at;
    struct zkt_tree_node **end = at;
    while ((*end)->child[0] != NULL || (*end)->child[1] != NULL) {
        end = &(*end)->child[(*end)->child[0] == NULL];
    }
    struct zkt_tree_node *leaf = *end;
    *end = NULL;
    if (leaf != node) {
        leaf->child[0] = node->child[0];
        leaf->child[1] = node->child[1];
        *at = leaf;
    }
    node->child[0] = node->child[1] = NULL;
}
