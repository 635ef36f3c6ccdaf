/*
 * Cursors (record.h): making them, detecting that they are stale, and resolving
 * them to addresses and paths.
 */
#include "state/record.h"

bool zkt__is_absent(const struct zkt_type *type, const void *value)
{
    const void *box;
    switch (type->kind) {
    case ZKT_KIND_OPTIONAL:
        return !*(const bool *)value;
    case ZKT_KIND_BOXED:
        memcpy(&box, value, sizeof(box));
        return box == NULL;
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_LIST:
    case ZKT_KIND_MAP:
    case ZKT_KIND_NULLABLE:
    case ZKT_KIND_BOXED_NULLABLE:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
    return false;
}

void *zkt__unwrap(const struct zkt_type **type, void *value)
{
    const struct zkt_optional_info *info = (*type)->of.optionals;
    void *box;
    switch ((*type)->kind) {
    case ZKT_KIND_OPTIONAL:
    case ZKT_KIND_NULLABLE:
        *type = info->value;
        return *(bool *)value ? (char *)value + info->value_offset : NULL;
    case ZKT_KIND_BOXED:
    case ZKT_KIND_BOXED_NULLABLE:
        memcpy(&box, value, sizeof(box));
        *type = info->value;
        return box;
#define ZKT_SCALAR(symbol, ...) case ZKT_KIND_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case ZKT_KIND_ENUM:
    case ZKT_KIND_STRUCT:
    case ZKT_KIND_LIST:
    case ZKT_KIND_MAP:
    case ZKT_KIND_TUPLE:
    case ZKT_KIND_UNION:
    case ZKT_KIND_LITERAL:
        break;
    }
    return value;
}

/* Returns the value a step below @value, which has @parent's type; NULL if
 * there is none. */
static void *step_down(const struct zkt_cursor *cursor,
                       const struct zkt_cursor *parent, void *value)
{
    const struct zkt_any_list *list = value;
    const struct zkt_map_info *info = parent->type->of.maps;
    const struct zkt_type *type;
    uint32_t position;
    char *found;
    switch (cursor->step) {
    case ZKT_STEP_FIELD: {
        const struct zkt_field *field =
            &parent->type->of.structs->fields[cursor->index];
        type = field->type;
        return zkt__unwrap(&type, (char *)value + field->offset);
    }
    case ZKT_STEP_ITEM:
        type = parent->type->of.lists->item;
        found = zkt__list_at(list, type->size, cursor->index);
        return zkt__unwrap(&type, found);
    case ZKT_STEP_ENTRY:
        type = info->value;
        position = zkt__map_position(value, info->entry_size, cursor->key);
        found = (char *)(uintptr_t)((const struct zkt_any_map *)value)->items +
                position * info->entry_size + info->value_offset;
        return zkt__unwrap(&type, found);
    case ZKT_STEP_ROOT:
        break;
    }
    return value;
}

void *zkt__cursor_resolve(const struct zkt_cursor *cursor)
{
    if (cursor->parent == NULL) {
        return cursor->at;
    }
    return step_down(cursor, cursor->parent,
                     zkt__cursor_resolve(cursor->parent));
}

struct zkt_cursor *zkt__cursor_new(struct zkt_cursor *at,
                                   enum zkt_step_kind step,
                                   const struct zkt_type *type, void *address)
{
    struct zkt_journal *journal = at->journal;
    if (at->depth + 2 >= ZKT_DEPTH_MAX) {
        zkt__journal_fail(journal, ZKT_INTERNAL,
                          "the state is nested too deeply");
        return NULL;
    }
    struct zkt_cursor *cursor = zkt__arena_alloc(journal->arena,
                                                 sizeof(*cursor));
    if (cursor == NULL) {
        zkt__journal_fail(journal, ZKT_NO_MEMORY, "no memory for a cursor");
        return NULL;
    }
    *cursor = (struct zkt_cursor){
        .journal = journal,
        .parent = at,
        .type = type,
        .at = address,
        .step = step,
        .seen = journal->count,
        .depth = at->depth + 1,
    };
    return cursor;
}

bool zkt__cursor_recheck(struct zkt_cursor *cursor)
{
    struct zkt_journal *journal = cursor->journal;
    if (journal->failure != ZKT_OK) {
        return false;
    }
    if (cursor->seen < journal->count &&
        zkt__cursor_is_stale(cursor, cursor->seen)) {
        zkt__journal_fail(journal, ZKT_INTERNAL,
                          "a cursor was used after the list, map or field "
                          "that it is in was changed");
        return false;
    }
    cursor->seen = journal->count;
    return true;
}

static const char *kind_name(enum zkt_kind kind)
{
    return kind == ZKT_KIND_LIST ? "list" : "map";
}

/* Returns the value in @field of the struct at @at; poisons the journal and
 * returns NULL if it does not exist. */
static void *find_field(struct zkt_cursor *at, int field,
                        const struct zkt_type **type)
{
    const struct zkt_struct_info *info = at->type->of.structs;
    if (at->type->kind != ZKT_KIND_STRUCT || field < 0 ||
        (uint32_t)field >= info->count) {
        zkt__journal_fail(at->journal, ZKT_INTERNAL,
                          "a cursor is no struct with such a field");
        return NULL;
    }
    const struct zkt_field *f = &info->fields[field];
    *type = f->type;
    void *value = zkt__unwrap(type, (char *)at->at + f->offset);
    if (value == NULL) {
        zkt__journal_fail(at->journal, ZKT_INTERNAL, "%.*s is not there",
                          ZKT_ARG(f->name));
    }
    return value;
}

struct zkt_cursor *zkt_state_edit(struct zkt_cursor *at, int field)
{
    const struct zkt_type *type;
    if (at == NULL || !zkt__cursor_usable(at)) {
        return NULL;
    }
    void *value = find_field(at, field, &type);
    struct zkt_cursor *cursor =
        value != NULL ? zkt__cursor_new(at, ZKT_STEP_FIELD, type, value) : NULL;
    if (cursor != NULL) {
        cursor->index = (uint32_t)field;
    }
    return cursor;
}

struct zkt_cursor *zkt__cursor_container(struct zkt_cursor *at, int field,
                                         enum zkt_kind kind)
{
    if (at == NULL) {
        return NULL;
    }
    if (field != ZKT_ITSELF) {
        at = zkt_state_edit(at, field);
    } else if (!zkt__cursor_usable(at)) {
        return NULL;
    }
    if (at != NULL && at->type->kind != kind) {
        zkt__journal_fail(at->journal, ZKT_INTERNAL, "a cursor is no %s",
                          kind_name(kind));
        return NULL;
    }
    return at;
}

/* Makes a cursor for a value in a container, unwrapping OPTIONAL and BOXED. */
static struct zkt_cursor *edit_inside(struct zkt_cursor *container,
                                      enum zkt_step_kind step,
                                      const struct zkt_type *type, void *value)
{
    value = zkt__unwrap(&type, value);
    if (value == NULL) {
        zkt__journal_fail(container->journal, ZKT_INTERNAL,
                          "the value to be edited is null");
        return NULL;
    }
    return zkt__cursor_new(container, step, type, value);
}

struct zkt_cursor *zkt_state_edit_item(struct zkt_cursor *at, int field,
                                       size_t index)
{
    struct zkt_cursor *container = zkt__cursor_container(at, field,
                                                         ZKT_KIND_LIST);
    if (container == NULL) {
        return NULL;
    }
    const struct zkt_any_list *list = container->at;
    const struct zkt_type *item = container->type->of.lists->item;
    if (index >= list->len) {
        zkt__journal_fail(container->journal, ZKT_INTERNAL,
                          "index %zu is past the end of %zu items", index,
                          list->len);
        return NULL;
    }
    struct zkt_cursor *cursor = edit_inside(
        container, ZKT_STEP_ITEM, item, zkt__list_at(list, item->size, index));
    if (cursor != NULL) {
        cursor->index = (uint32_t)index;
    }
    return cursor;
}

struct zkt_cursor *zkt_state_edit_entry(struct zkt_cursor *at, int field,
                                        struct zkt_str key)
{
    struct zkt_cursor *container = zkt__cursor_container(at, field,
                                                         ZKT_KIND_MAP);
    if (container == NULL) {
        return NULL;
    }
    const struct zkt_map_info *info = container->type->of.maps;
    const struct zkt_any_map *map = container->at;
    const uint32_t position = zkt__map_position(map, info->entry_size, key);
    if (position == ZKT_INDEX_NONE) {
        zkt__journal_fail(container->journal, ZKT_INTERNAL,
                          "there is no entry with the key \"%.*s\"",
                          ZKT_ARG(key));
        return NULL;
    }
    struct zkt_cursor *cursor = edit_inside(
        container, ZKT_STEP_ENTRY, info->value,
        (char *)(uintptr_t)map->items + position * info->entry_size +
            info->value_offset);
    const struct zkt_str copy = zkt__arena_str(container->journal->arena, key);
    if (cursor == NULL || copy.data == NULL) {
        zkt__journal_fail(container->journal, ZKT_NO_MEMORY,
                          "no memory for a cursor");
        return NULL;
    }
    cursor->key = copy;
    return cursor;
}

uint32_t zkt__cursor_path(const struct zkt_cursor *cursor,
                          struct zkt_step path[ZKT_DEPTH_MAX])
{
    const uint32_t depth = cursor->depth;
    for (; cursor->parent != NULL; cursor = cursor->parent) {
        struct zkt_step *step = &path[cursor->depth - 1];
        if (cursor->step == ZKT_STEP_FIELD) {
            const struct zkt_str name =
                cursor->parent->type->of.structs->fields[cursor->index].name;
            *step = (struct zkt_step){ name.data, (uint32_t)name.len, 0 };
        } else if (cursor->step == ZKT_STEP_ENTRY) {
            *step = (struct zkt_step){ cursor->key.data,
                                       (uint32_t)cursor->key.len, 0 };
        } else {
            *step = (struct zkt_step){ NULL, 0, cursor->index };
        }
    }
    return depth;
}
