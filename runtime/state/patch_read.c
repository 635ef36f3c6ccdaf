/*
 * Applies a JSON Patch to a typed state. Each operation follows its path by the
 * schema and uses the mutators of handlers, so a patch that does not match is
 * undone like a failed call.
 */
#include <string.h>

#include "state/record.h"

enum verb {
    VERB_ADD,
    VERB_REPLACE,
    VERB_REMOVE,
    VERB_OTHER
};

struct operation {
    enum verb verb;
    struct zkt_str path;
    struct zkt_str value; /* JSON; data is NULL if absent */
};

struct apply {
    struct zkt_journal *journal;
    struct zkt_reader *reader; /* of the patch */
    uint32_t depth_max;        /* limit for a value in it */
    enum zkt_dialect dialect;
};

enum outcome {
    APPLIED,
    IGNORED, /* below a field name that the schema does not have */
    MISMATCH
};

/* ---- reading an operation ---- */

static enum verb parse_verb(struct zkt_str name)
{
    if (zkt_str_eq(name, ZKT_STR("add"))) {
        return VERB_ADD;
    }
    if (zkt_str_eq(name, ZKT_STR("replace"))) {
        return VERB_REPLACE;
    }
    return zkt_str_eq(name, ZKT_STR("remove")) ? VERB_REMOVE : VERB_OTHER;
}

static bool read_operation(struct zkt_reader *reader, struct operation *out)
{
    struct zkt_str key, verb = { NULL, 0 };
    *out = (struct operation){ .verb = VERB_OTHER };
    if (!zkt__reader_enter(reader, ZKT_TOKEN_OBJECT)) {
        return false;
    }
    while (zkt__reader_key(reader, &key)) {
        bool good;
        if (zkt_str_eq(key, ZKT_STR("op"))) {
            good = zkt__reader_string(reader, &verb);
        } else if (zkt_str_eq(key, ZKT_STR("path"))) {
            good = zkt__reader_string(reader, &out->path);
        } else if (zkt_str_eq(key, ZKT_STR("value"))) {
            good = zkt__reader_skip(reader, &out->value);
        } else {
            good = zkt__reader_skip(reader, NULL);
        }
        if (!good) {
            return false;
        }
    }
    out->verb = parse_verb(verb);
    return !reader->malformed && !reader->no_memory && out->path.data != NULL &&
           out->verb != VERB_OTHER &&
           (out->verb == VERB_REMOVE || out->value.data != NULL);
}

/* Reads the next token of a path (RFC 6901, section 3), unescaping in place.
 * @rest begins behind the token's slash. Returns false if an escape is
 * invalid. */
static bool next_token(struct zkt_str *rest, struct zkt_str *token)
{
    char *from = (char *)(uintptr_t)rest->data;
    char *end = from + rest->len, *to = from;
    token->data = from;
    while (from < end && *from != '/') {
        if (*from == '~') {
            from++;
            if (from == end || (*from != '0' && *from != '1')) {
                return false;
            }
            *to++ = *from++ == '0' ? '~' : '/';
        } else {
            *to++ = *from++;
        }
    }
    token->len = (size_t)(to - token->data);
    rest->data = from;
    rest->len = (size_t)(end - from);
    return true;
}

/* Parses an array index: no sign, no leading zero (RFC 6901, section 4); `-` is
 * the length. Returns false if it is invalid. */
static bool parse_index(struct zkt_str token, size_t len, size_t *out)
{
    size_t index = 0;
    if (zkt_str_eq(token, ZKT_STR("-"))) {
        *out = len;
        return true;
    }
    if (token.len == 0 || token.len > 9 ||
        (token.len > 1 && token.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < token.len; i++) {
        if (token.data[i] < '0' || token.data[i] > '9') {
            return false;
        }
        index = index * 10 + (size_t)(token.data[i] - '0');
    }
    *out = index;
    return true;
}

static int find_field(const struct zkt_type *type, struct zkt_str name)
{
    for (uint32_t i = 0; i < type->of.structs->count; i++) {
        if (zkt_str_eq(type->of.structs->fields[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

/* ---- applying one ---- */

/* Decodes the operation's value as @type. Returns NULL on failure. */
static void *decode(const struct apply *a, const struct zkt_type *type,
                    const struct operation *op)
{
    struct zkt_journal *journal = a->journal;
    struct zkt_reader reader;
    void *value = zkt__arena_zero(journal->arena, 1, type->size);
    if (value == NULL) {
        zkt__journal_fail(journal, ZKT_NO_MEMORY, "no memory for a value");
        return NULL;
    }
    zkt__reader_init(&reader, (char *)(uintptr_t)op->value.data, op->value.len,
                     journal->arena, journal->issues, a->reader->hash_key);
    reader.tolerant = true;
    reader.depth_max = a->depth_max;
    const bool good = type->decode(&reader, type, value);
    journal->unknown_fields += reader.unknown_fields;
    journal->unknown_values += reader.unknown_values;
    a->reader->too_deep = a->reader->too_deep || reader.too_deep;
    if (good) {
        return value;
    }
    if (reader.no_memory) {
        zkt__journal_fail(journal, ZKT_NO_MEMORY, "no memory for a value");
    }
    return NULL;
}

static enum outcome outcome_of(const struct apply *a)
{
    return a->journal->failure == ZKT_OK ? APPLIED : MISMATCH;
}

static enum outcome apply_to_field(const struct apply *a, struct zkt_cursor *at,
                                   const struct operation *op,
                                   struct zkt_str token)
{
    const int index = find_field(at->type, token);
    if (index < 0) {
        return IGNORED;
    }
    const struct zkt_field *field = &at->type->of.structs->fields[index];
    const bool absent = zkt__is_absent(field->type,
                                       (char *)at->at + field->offset);
    if (op->verb != VERB_ADD && absent) {
        return MISMATCH;
    }
    if (op->verb == VERB_REMOVE) {
        if (field->type->kind != ZKT_KIND_OPTIONAL &&
            field->type->kind != ZKT_KIND_BOXED) {
            return MISMATCH;
        }
        zkt_state_unset(at, index);
        return outcome_of(a);
    }
    const void *value = decode(a, field->type, op);
    if (value == NULL) {
        return MISMATCH;
    }
    zkt_state_set(at, index, value);
    return outcome_of(a);
}

static enum outcome apply_to_list(const struct apply *a, struct zkt_cursor *at,
                                  const struct operation *op,
                                  struct zkt_str token)
{
    const struct zkt_any_list *list = at->at;
    size_t index;
    if (!parse_index(token, list->len, &index) || index > list->len ||
        (op->verb != VERB_ADD && index == list->len)) {
        return MISMATCH;
    }
    if (op->verb == VERB_REMOVE) {
        zkt_state_remove(at, ZKT_ITSELF, index, 1);
        return outcome_of(a);
    }
    const void *value = decode(a, at->type->of.lists->item, op);
    if (value == NULL) {
        return MISMATCH;
    }
    /* The plain dialect's reading of `add`; see protocol.md, "Patches". */
    const bool overwrite = a->dialect == ZKT_DIALECT_PLAIN && index < list->len;
    if (op->verb == VERB_REPLACE || overwrite) {
        zkt_state_replace(at, ZKT_ITSELF, index, value);
    } else {
        zkt_state_insert(at, ZKT_ITSELF, index, value);
    }
    return outcome_of(a);
}

static enum outcome apply_to_map(const struct apply *a, struct zkt_cursor *at,
                                 const struct operation *op,
                                 struct zkt_str token)
{
    const struct zkt_map_info *info = at->type->of.maps;
    if (op->verb != VERB_ADD &&
        zkt__map_position(at->at, info->entry_size, token) == ZKT_INDEX_NONE) {
        return MISMATCH;
    }
    if (op->verb == VERB_REMOVE) {
        zkt_state_delete(at, ZKT_ITSELF, token);
        return outcome_of(a);
    }
    const void *value = decode(a, info->value, op);
    if (value == NULL) {
        return MISMATCH;
    }
    zkt_state_put(at, ZKT_ITSELF, token, value);
    return outcome_of(a);
}

/* ---- on the way ---- */

/* A token of the path, resolved in a struct, list or map. */
struct step {
    enum zkt_step_kind kind;
    size_t index; /* field or item */
    struct zkt_str key;
    const struct zkt_type *type;
    char *value;
};

static enum outcome find_member(const struct zkt_cursor *at, struct step *step)
{
    const int index = find_field(at->type, step->key);
    if (index < 0) {
        return IGNORED;
    }
    const struct zkt_field *field = &at->type->of.structs->fields[index];
    step->kind = ZKT_STEP_FIELD;
    step->index = (size_t)index;
    step->type = field->type;
    step->value = (char *)at->at + field->offset;
    return APPLIED;
}

static enum outcome find_item(const struct zkt_cursor *at, struct step *step)
{
    const struct zkt_any_list *list = at->at;
    if (!parse_index(step->key, SIZE_MAX, &step->index) ||
        step->index >= list->len) {
        return MISMATCH;
    }
    step->kind = ZKT_STEP_ITEM;
    step->type = at->type->of.lists->item;
    step->value = zkt__list_at(list, step->type->size, step->index);
    return APPLIED;
}

static enum outcome find_entry(const struct zkt_cursor *at, struct step *step)
{
    const struct zkt_map_info *info = at->type->of.maps;
    const struct zkt_any_map *map = at->at;
    const uint32_t position = zkt__map_position(map, info->entry_size,
                                                step->key);
    if (position == ZKT_INDEX_NONE) {
        return MISMATCH;
    }
    step->kind = ZKT_STEP_ENTRY;
    step->type = info->value;
    step->value = (char *)(uintptr_t)map->items + position * info->entry_size +
                  info->value_offset;
    return APPLIED;
}

static enum outcome find_step(const struct zkt_cursor *at, struct zkt_str token,
                              struct step *step)
{
    *step = (struct step){ .key = token };
    switch (at->type->kind) {
    case ZKT_KIND_STRUCT:
        return find_member(at, step);
    case ZKT_KIND_LIST:
        return find_item(at, step);
    case ZKT_KIND_MAP:
        return find_entry(at, step);
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
    return MISMATCH; /* the path continues below a scalar */
}

/* ---- inside of tuples and unions, which are set whole ---- */

/* Goes a step down inside a copied value, without a cursor. Returns NULL, and
 * sets *@outcome, if the token leads nowhere. */
static char *step_inside(const struct zkt_type **type, char *value,
                         struct zkt_str token, enum outcome *outcome)
{
    size_t index;
    *outcome = MISMATCH;
    if ((*type)->kind == ZKT_KIND_UNION) {
        const struct zkt_union_info *info = (*type)->of.unions;
        const int kind = *(const int *)(const void *)value;
        if (kind < 0 || (uint32_t)kind >= info->kinds->count ||
            zkt_str_eq(token, info->discriminator)) {
            return NULL;
        }
        value += info->value_offset;
        *type = info->variants[kind];
    }
    if ((*type)->kind == ZKT_KIND_TUPLE) {
        if (!parse_index(token, SIZE_MAX, &index) ||
            index >= (*type)->of.structs->count) {
            return NULL;
        }
    } else if ((*type)->kind == ZKT_KIND_STRUCT) {
        const int field = find_field(*type, token);
        if (field < 0) {
            *outcome = IGNORED;
            return NULL;
        }
        index = (size_t)field;
    } else {
        return NULL;
    }
    const struct zkt_field *field = &(*type)->of.structs->fields[index];
    *type = field->type;
    return value + field->offset;
}

/* Applies the operation at path @rest inside a copy of a value. */
static enum outcome change_inside(const struct apply *a,
                                  const struct zkt_type *type, char *value,
                                  struct zkt_str rest,
                                  const struct operation *op)
{
    struct zkt_str token;
    enum outcome outcome;
    while (rest.len > 0) {
        rest.data++;
        rest.len--;
        value = zkt__unwrap(&type, value);
        if (value == NULL || !next_token(&rest, &token)) {
            return MISMATCH;
        }
        value = step_inside(&type, value, token, &outcome);
        if (value == NULL) {
            return outcome;
        }
    }
    const bool absent = zkt__is_absent(type, value);
    if (op->verb == VERB_REMOVE) {
        if (absent ||
            (type->kind != ZKT_KIND_OPTIONAL && type->kind != ZKT_KIND_BOXED)) {
            return MISMATCH;
        }
        memset(value, 0, type->size);
        return APPLIED;
    }
    const void *decoded = op->verb == VERB_REPLACE && absent
                              ? NULL
                              : decode(a, type, op);
    if (decoded == NULL) {
        return MISMATCH;
    }
    memcpy(value, decoded, type->size);
    return APPLIED;
}

/* Sets the value that @step found in @at to @value. */
static enum outcome set_whole(const struct apply *a, struct zkt_cursor *at,
                              const struct step *step, const void *value)
{
    if (step->kind == ZKT_STEP_FIELD) {
        zkt_state_set(at, (int)step->index, value);
    } else if (step->kind == ZKT_STEP_ITEM) {
        zkt_state_replace(at, ZKT_ITSELF, step->index, value);
    } else {
        zkt_state_put(at, ZKT_ITSELF, step->key, value);
    }
    return outcome_of(a);
}

/* Applies the rest of a path inside a tuple or union: changes a copy and sets
 * it. Boxed values inside are not supported and count as a mismatch, so the
 * client asks for a snapshot. */
static enum outcome apply_inside(const struct apply *a, struct zkt_cursor *at,
                                 const struct operation *op,
                                 const struct step *step, struct zkt_str rest)
{
    const struct zkt_type *type = step->type;
    char *copy = zkt__arena_alloc(a->journal->arena, type->size);
    if (copy == NULL) {
        zkt__journal_fail(a->journal, ZKT_NO_MEMORY, "no memory for a value");
        return MISMATCH;
    }
    memcpy(copy, step->value, type->size);
    const bool boxed = type->kind == ZKT_KIND_BOXED ||
                       type->kind == ZKT_KIND_BOXED_NULLABLE;
    const enum outcome outcome = boxed ? MISMATCH
                                       : change_inside(a, type, copy, rest, op);
    return outcome == APPLIED ? set_whole(a, at, step, copy) : outcome;
}

/* Applies an operation with the path "": sets every field of the state. */
static enum outcome apply_to_all(const struct apply *a,
                                 const struct operation *op)
{
    struct zkt_cursor *root = a->journal->root;
    const struct zkt_struct_info *info = root->type->of.structs;
    const char *value = op->verb != VERB_REMOVE ? decode(a, root->type, op)
                                                : NULL;
    if (value == NULL) {
        return MISMATCH;
    }
    for (uint32_t i = 0; i < info->count; i++) {
        zkt_state_set(root, (int)i, value + info->fields[i].offset);
    }
    return outcome_of(a);
}

/* Makes the cursor for the value that @step found. Returns NULL if there is no
 * memory. */
static struct zkt_cursor *descend(struct zkt_cursor *at,
                                  const struct step *step,
                                  const struct zkt_type *type, void *value)
{
    struct zkt_cursor *cursor = zkt__cursor_new(at, step->kind, type, value);
    if (cursor == NULL) {
        return NULL;
    }
    cursor->index = (uint32_t)step->index;
    if (step->kind == ZKT_STEP_ENTRY) {
        cursor->key = zkt__arena_str(at->journal->arena, step->key);
        if (cursor->key.data == NULL) {
            zkt__journal_fail(at->journal, ZKT_NO_MEMORY,
                              "no memory for a cursor");
            return NULL;
        }
    }
    return cursor;
}

static enum outcome apply_last(const struct apply *a, struct zkt_cursor *at,
                               const struct operation *op, struct zkt_str token)
{
    switch (at->type->kind) {
    case ZKT_KIND_STRUCT:
        return apply_to_field(a, at, op, token);
    case ZKT_KIND_LIST:
        return apply_to_list(a, at, op, token);
    case ZKT_KIND_MAP:
        return apply_to_map(a, at, op, token);
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
    return MISMATCH;
}

/* Looks up each token once: its kind decides whether the path continues from a
 * cursor, or inside a value that is set whole. */
static enum outcome apply_one(const struct apply *a, const struct operation *op)
{
    struct zkt_str rest = op->path, token;
    struct zkt_cursor *at = a->journal->root;
    struct step step;
    if (rest.len == 0) {
        return apply_to_all(a, op);
    }
    while (at != NULL && rest.data[0] == '/') {
        rest.data++;
        rest.len--;
        if (!next_token(&rest, &token)) {
            return MISMATCH;
        }
        if (rest.len == 0) {
            return apply_last(a, at, op, token);
        }
        const enum outcome found = find_step(at, token, &step);
        if (found != APPLIED) {
            return found;
        }
        const struct zkt_type *type = step.type;
        void *value = zkt__unwrap(&type, step.value);
        if (value == NULL) {
            return MISMATCH;
        }
        if (type->kind == ZKT_KIND_TUPLE || type->kind == ZKT_KIND_UNION) {
            return apply_inside(a, at, op, &step, rest);
        }
        at = descend(at, &step, type, value);
    }
    return MISMATCH;
}

static bool apply_all(const struct apply *a, struct zkt_reader *reader)
{
    struct operation op;
    if (!zkt__reader_enter(reader, ZKT_TOKEN_ARRAY)) {
        return false;
    }
    while (zkt__reader_item(reader)) {
        const enum outcome outcome = read_operation(reader, &op)
                                         ? apply_one(a, &op)
                                         : MISMATCH;
        if (outcome == MISMATCH) {
            return false;
        }
        a->journal->unknown_fields += outcome == IGNORED;
    }
    return !reader->malformed && !reader->no_memory;
}

enum zkt_patch_result zkt__patch_apply(struct zkt_journal *journal,
                                       struct zkt_reader *reader,
                                       enum zkt_dialect dialect)
{
    const struct apply a = {
        .journal = journal,
        .reader = reader,
        .depth_max = reader->depth_max,
        .dialect = dialect,
    };
    reader->depth_max = ZKT_DEPTH_MAX; /* the limit applies to values only */
    if (apply_all(&a, reader)) {
        return ZKT_PATCH_APPLIED;
    }
    const bool no_memory = journal->failure == ZKT_NO_MEMORY ||
                           reader->no_memory;
    zkt__journal_undo(journal);
    return no_memory ? ZKT_PATCH_NO_MEMORY : ZKT_PATCH_MISMATCH;
}
