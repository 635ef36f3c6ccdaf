/* See tree.h. */
#include "util/tree.h"

#include <string.h>

struct tree *tree_new(struct arena *arena, enum tree_kind kind)
{
    struct tree *tree = ARENA_NEW(arena, struct tree);
    tree->kind = kind;
    tree->text = "";
    return tree;
}

struct tree *tree_string(struct arena *arena, const char *text, size_t len)
{
    struct tree *tree = tree_new(arena, TREE_STRING);
    tree->text = text;
    tree->len = len;
    return tree;
}

struct tree *tree_number(struct arena *arena, const char *text)
{
    struct tree *tree = tree_new(arena, TREE_NUMBER);
    tree->text = text;
    tree->len = strlen(text);
    return tree;
}

struct tree *tree_bool(struct arena *arena, bool truth)
{
    struct tree *tree = tree_new(arena, TREE_BOOL);
    tree->truth = truth;
    return tree;
}

struct tree *tree_add(struct tree *parent, const char *key, struct tree *child)
{
    child->key = key;
    if (parent->last != NULL) {
        parent->last->next = child;
    } else {
        parent->first = child;
    }
    parent->last = child;
    return child;
}

void tree_add_text(struct arena *arena, struct tree *parent, const char *key,
                   const char *text)
{
    if (text != NULL) {
        tree_add(parent, key, tree_string(arena, text, strlen(text)));
    }
}

const struct tree *tree_find(const struct tree *object, const char *key)
{
    const struct tree *t = object != NULL ? object->first : NULL;
    while (t != NULL && strcmp(t->key, key) != 0) {
        t = t->next;
    }
    return t;
}

const char *tree_text(const struct tree *object, const char *key)
{
    const struct tree *t = tree_find(object, key);
    return t != NULL ? t->text : "";
}

bool tree_truth(const struct tree *object, const char *key)
{
    const struct tree *t = tree_find(object, key);
    return t != NULL && t->truth;
}

static size_t count(const struct tree *tree)
{
    size_t n = 0;
    for (const struct tree *t = tree->first; t != NULL; t = t->next) {
        n++;
    }
    return n;
}

static bool equal_parts(const struct tree *a, const struct tree *b)
{
    if (count(a) != count(b)) {
        return false;
    }
    const struct tree *other = b->first;
    for (const struct tree *t = a->first; t != NULL; t = t->next) {
        const struct tree *same = a->kind == TREE_OBJECT ? tree_find(b, t->key)
                                                         : other;
        if (!tree_equal(t, same)) {
            return false;
        }
        other = other->next;
    }
    return true;
}

bool tree_equal(const struct tree *a, const struct tree *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a->kind == b->kind && a->truth == b->truth && a->len == b->len &&
           memcmp(a->text, b->text, a->len) == 0 && equal_parts(a, b);
}

/* ---- printing ---- */

static void print_string(struct text_buffer *out, const char *text, size_t len)
{
    emit_json_string(out, (struct emit_json_literal){ text, len });
}

static void print_lines(struct text_buffer *out, unsigned depth, bool lines)
{
    if (lines) {
        emit_text(out, "\n");
        for (unsigned i = 0; i < depth; i++) {
            emit_text(out, "  ");
        }
    }
}

static void print(struct text_buffer *out, const struct tree *tree,
                  unsigned depth, bool lines);

static void print_parts(struct text_buffer *out, const struct tree *tree,
                        unsigned depth, bool lines)
{
    emit_text(out, tree->kind == TREE_LIST ? "[" : "{");
    for (const struct tree *t = tree->first; t != NULL; t = t->next) {
        emit_text(out, t != tree->first ? "," : "");
        print_lines(out, depth + 1, lines);
        if (tree->kind == TREE_OBJECT) {
            print_string(out, t->key, strlen(t->key));
            emit_text(out, lines ? ": " : ":");
        }
        print(out, t, depth + 1, lines);
    }
    if (tree->first != NULL) {
        print_lines(out, depth, lines);
    }
    emit_text(out, tree->kind == TREE_LIST ? "]" : "}");
}

static void print(struct text_buffer *out, const struct tree *tree,
                  unsigned depth, bool lines)
{
    switch (tree->kind) {
    case TREE_NULL:
        emit_text(out, "null");
        break;
    case TREE_BOOL:
        emit_text(out, tree->truth ? "true" : "false");
        break;
    case TREE_NUMBER:
        emit_text(out, tree->text);
        break;
    case TREE_STRING:
        print_string(out, tree->text, tree->len);
        break;
    case TREE_LIST:
    case TREE_OBJECT:
        print_parts(out, tree, depth, lines);
        break;
    }
}

void tree_print(struct text_buffer *out, const struct tree *tree)
{
    print(out, tree, 0, true);
    emit_text(out, "\n");
}

void tree_print_line(struct text_buffer *out, const struct tree *tree)
{
    print(out, tree, 0, false);
}
