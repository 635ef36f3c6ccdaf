/* See connection_record.h. */
#include "shard/connection_record.h"

#include <stdalign.h>
#include <string.h>

#include "base/memory.h"
#include "json/json.h"

static size_t aligned(size_t size)
{
    const size_t alignment = alignof(max_align_t);
    return (size + alignment - 1) / alignment * alignment;
}

/* ---- topics ---- */

static int compare(struct zkt_str a, struct zkt_str b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    const int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

uint32_t zkt__topics_find(const struct zkt_str *topics, uint32_t count,
                          struct zkt_str topic, bool *found)
{
    uint32_t low = 0, high = count;
    *found = false;
    while (low < high && !*found) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = compare(topics[middle], topic);
        *found = order == 0;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return high;
}

void zkt__topics_insert(struct zkt_str *topics, uint32_t *count, uint32_t at,
                        struct zkt_str topic)
{
    memmove(topics + at + 1, topics + at, (*count - at) * sizeof(*topics));
    topics[at] = topic;
    (*count)++;
}

void zkt__topics_remove(struct zkt_str *topics, uint32_t *count, uint32_t at)
{
    (*count)--;
    memmove(topics + at, topics + at + 1, (*count - at) * sizeof(*topics));
}

/* ---- records ---- */

/* Makes a record of data and topics, which are copied. */
static struct zkt_connection_record *make(const struct zkt_allocator *allocator,
                                          const struct zkt_type *type,
                                          const void *data,
                                          const struct zkt_str *topics,
                                          uint32_t count)
{
    const size_t head = aligned(sizeof(struct zkt_connection_record));
    const size_t data_size = type != NULL
                                 ? aligned(zkt__value_measure(type, data))
                                 : 0;
    size_t size = head + data_size + count * sizeof(*topics);
    for (uint32_t i = 0; i < count; i++) {
        size += topics[i].len;
    }
    char *block = zkt__alloc(allocator, size);
    if (block == NULL) {
        return NULL;
    }
    struct zkt_connection_record *record = (void *)block;
    struct zkt_str *copies = (void *)(block + head + data_size);
    char *text = (char *)(copies + count);
    *record = (struct zkt_connection_record){
        .allocator = allocator,
        .data = type != NULL ? zkt__value_dup_into(type, data, block + head)
                             : NULL,
        .topic_count = count,
        .topics = copies,
    };
    atomic_init(&record->refs, 1);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(text, topics[i].data, topics[i].len);
        copies[i] = (struct zkt_str){ text, topics[i].len };
        text += topics[i].len;
    }
    return record;
}

struct zkt_connection_record *zkt__connection_record_new(
    const struct zkt_allocator *allocator, const struct zkt_type *type,
    const void *data)
{
    return make(allocator, type, data, NULL, 0);
}

void zkt__connection_record_free(struct zkt_connection_record *record)
{
    zkt__release(record->allocator, record);
}

/* ---- changes ---- */

/* Applies a change to data and topics that are borrowed from a record. */
static void apply(const struct zkt_type *type,
                  const struct zkt_connection_change *change, void *data,
                  struct zkt_str *topics, uint32_t *count, uint32_t topics_max)
{
    bool found;
    if (change->kind == ZKT_CONNECTION_SET) {
        const struct zkt_field *field =
            &type->of.structs->fields[change->field];
        memcpy((char *)data + field->offset, change->value, field->type->size);
        return;
    }
    const uint32_t at = zkt__topics_find(topics, *count, change->topic, &found);
    if (change->kind == ZKT_CONNECTION_LEAVE && found) {
        zkt__topics_remove(topics, count, at);
    } else if (change->kind == ZKT_CONNECTION_JOIN && !found &&
               *count < topics_max) {
        zkt__topics_insert(topics, count, at, change->topic);
    }
}

struct zkt_connection_record *zkt__connection_record_change(
    const struct zkt_allocator *allocator, const struct zkt_type *type,
    const struct zkt_connection_record *record,
    const struct zkt_connection_change *changes, uint32_t topics_max)
{
    const size_t data_size = type != NULL ? aligned(type->size) : 0;
    uint32_t count = record != NULL ? record->topic_count : 0;
    const size_t room = (topics_max > count ? topics_max : count) + 1;
    char *block = zkt__alloc(allocator,
                             data_size + room * sizeof(struct zkt_str));
    if (block == NULL) {
        return NULL;
    }
    struct zkt_str *topics = (void *)(block + data_size);
    if (type != NULL) {
        memcpy(block, record->data, type->size);
    }
    if (count > 0) {
        memcpy(topics, record->topics, count * sizeof(*topics));
    }
    for (; changes != NULL; changes = changes->next) {
        apply(type, changes, block, topics, &count, topics_max);
    }
    struct zkt_connection_record *changed = make(allocator, type, block, topics,
                                                 count);
    zkt__release(allocator, block);
    return changed;
}

/* ---- copies ---- */

static const struct zkt_type *type_of(const struct zkt_type *type,
                                      const struct zkt_connection_change *c)
{
    return type->of.structs->fields[c->field].type;
}

size_t zkt__connection_changes_measure(
    const struct zkt_type *type, const struct zkt_connection_change *changes)
{
    size_t size = 0;
    for (; changes != NULL; changes = changes->next) {
        size += aligned(sizeof(*changes)) + aligned(changes->topic.len);
        if (changes->kind == ZKT_CONNECTION_SET) {
            size += aligned(
                zkt__value_measure(type_of(type, changes), changes->value));
        }
    }
    return size;
}

const struct zkt_connection_change *zkt__connection_changes_copy(
    const struct zkt_type *type, const struct zkt_connection_change *changes,
    void *block)
{
    struct zkt_connection_change *first = NULL;
    struct zkt_connection_change **next = &first;
    char *at = block;
    for (; changes != NULL; changes = changes->next) {
        struct zkt_connection_change *copy = (void *)at;
        *copy = *changes;
        copy->next = NULL;
        at += aligned(sizeof(*copy));
        if (changes->kind == ZKT_CONNECTION_SET) {
            const struct zkt_type *field = type_of(type, changes);
            copy->value = zkt__value_dup_into(field, changes->value, at);
            at += aligned(zkt__value_measure(field, changes->value));
        } else {
            memcpy(at, changes->topic.data, changes->topic.len);
            copy->topic.data = at;
            at += aligned(changes->topic.len);
        }
        *next = copy;
        next = &copy->next;
    }
    return first;
}
