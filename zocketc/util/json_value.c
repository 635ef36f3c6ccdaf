/* See json_value.h. */
#include "util/json_value.h"

#include <string.h>

struct json_value *json_value_new(struct arena *arena, enum json_kind kind)
{
    struct json_value *value = ARENA_NEW(arena, struct json_value);
    value->kind = kind;
    value->text = "";
    return value;
}

struct json_value *json_value_string(struct arena *arena, const char *text,
                                     size_t len)
{
    struct json_value *value = json_value_new(arena, JSON_STRING);
    value->text = text;
    value->len = len;
    return value;
}

struct json_value *json_value_number(struct arena *arena, const char *text)
{
    struct json_value *value = json_value_new(arena, JSON_NUMBER);
    value->text = text;
    value->len = strlen(text);
    return value;
}

struct json_value *json_value_bool(struct arena *arena, bool truth)
{
    struct json_value *value = json_value_new(arena, JSON_BOOL);
    value->truth = truth;
    return value;
}

struct json_value *json_value_add(struct json_value *parent, const char *key,
                                  struct json_value *child)
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

void json_value_add_text(struct arena *arena, struct json_value *parent,
                         const char *key, const char *text)
{
    if (text != NULL) {
        json_value_add(parent, key,
                       json_value_string(arena, text, strlen(text)));
    }
}

const struct json_value *json_value_find(const struct json_value *object,
                                         const char *key)
{
    const struct json_value *t = object != NULL ? object->first : NULL;
    while (t != NULL && strcmp(t->key, key) != 0) {
        t = t->next;
    }
    return t;
}

const char *json_value_text(const struct json_value *object, const char *key)
{
    const struct json_value *t = json_value_find(object, key);
    return t != NULL ? t->text : "";
}

bool json_value_truth(const struct json_value *object, const char *key)
{
    const struct json_value *t = json_value_find(object, key);
    return t != NULL && t->truth;
}

static size_t count(const struct json_value *value)
{
    size_t n = 0;
    for (const struct json_value *t = value->first; t != NULL; t = t->next) {
        n++;
    }
    return n;
}

static bool equal_parts(const struct json_value *a, const struct json_value *b)
{
    if (count(a) != count(b)) {
        return false;
    }
    const struct json_value *other = b->first;
    for (const struct json_value *t = a->first; t != NULL; t = t->next) {
        const struct json_value *same = a->kind == JSON_OBJECT
                                            ? json_value_find(b, t->key)
                                            : other;
        if (!json_value_equal(t, same)) {
            return false;
        }
        other = other->next;
    }
    return true;
}

bool json_value_equal(const struct json_value *a, const struct json_value *b)
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

static void print(struct text_buffer *out, const struct json_value *value,
                  unsigned depth, bool lines);

static void print_parts(struct text_buffer *out, const struct json_value *value,
                        unsigned depth, bool lines)
{
    emit_text(out, value->kind == JSON_LIST ? "[" : "{");
    for (const struct json_value *t = value->first; t != NULL; t = t->next) {
        emit_text(out, t != value->first ? "," : "");
        print_lines(out, depth + 1, lines);
        if (value->kind == JSON_OBJECT) {
            print_string(out, t->key, strlen(t->key));
            emit_text(out, lines ? ": " : ":");
        }
        print(out, t, depth + 1, lines);
    }
    if (value->first != NULL) {
        print_lines(out, depth, lines);
    }
    emit_text(out, value->kind == JSON_LIST ? "]" : "}");
}

static void print(struct text_buffer *out, const struct json_value *value,
                  unsigned depth, bool lines)
{
    switch (value->kind) {
    case JSON_NULL:
        emit_text(out, "null");
        break;
    case JSON_BOOL:
        emit_text(out, value->truth ? "true" : "false");
        break;
    case JSON_NUMBER:
        emit_text(out, value->text);
        break;
    case JSON_STRING:
        print_string(out, value->text, value->len);
        break;
    case JSON_LIST:
    case JSON_OBJECT:
        print_parts(out, value, depth, lines);
        break;
    }
}

void json_value_print(struct text_buffer *out, const struct json_value *value)
{
    print(out, value, 0, true);
    emit_text(out, "\n");
}

void json_value_print_line(struct text_buffer *out,
                           const struct json_value *value)
{
    print(out, value, 0, false);
}
