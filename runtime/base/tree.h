/*
 * A hash tree: finds the one of many with a key. It is a binary tree in which
 * the path to a node is the hash of its key, bit by bit. With a secret key of
 * the hash no keys make it deep. The nodes are embedded in the objects that are
 * found, so adding takes no memory and cannot fail.
 */
#ifndef ZKT_BASE_TREE_H
#define ZKT_BASE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: not in a tree. */
struct zkt_tree_node {
    struct zkt_tree_node *child[2];
    uint64_t hash;
};

/* Returns true if a node with the hash of @key has the key itself. */
typedef bool zkt_tree_equal(const struct zkt_tree_node *node, const void *key);

/**
 * Returns the place of a key in the tree @root: it has the node with that key,
 * or NULL, and there a node with that key and without children may be put.
 */
struct zkt_tree_node **zkt__tree_find(struct zkt_tree_node **root,
                                      uint64_t hash, zkt_tree_equal *equal,
                                      const void *key);
/** Returns the place of a node that is in the tree. */
struct zkt_tree_node **zkt__tree_place(struct zkt_tree_node **root,
                                       const struct zkt_tree_node *node);
/** Removes the node at a place. */
void zkt__tree_remove(struct zkt_tree_node **at);

#endif
