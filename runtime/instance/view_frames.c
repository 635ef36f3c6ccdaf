/* See view_frames.h. */
#include "instance/view_frames.h"

#include "instance/patch_frame.h"

static const struct zkt_field *field_of(const struct zkt_instance *instance,
                                        uint32_t number)
{
    return &instance->actor->state->of.structs->fields[number];
}

/* Returns the value of a field of the state. */
static const void *value_of(const struct zkt_instance *instance,
                            const struct zkt_field *field)
{
    return (const char *)instance->state + field->offset;
}

/* ---- patches ---- */

/* Returns true if the field had a value before the commit. */
static bool was_present(const struct zkt_instance *instance,
                        const struct zkt_field *field,
                        const struct zkt_change *change)
{
    return change != NULL
               ? change->existed
               : !zkt__is_absent(field->type, value_of(instance, field));
}

static void write_field(struct zkt_patch *p,
                        const struct zkt_instance *instance,
                        const struct zkt_field *field, bool appears,
                        const struct zkt_change *change)
{
    const void *value = value_of(instance, field);
    const bool existed = !appears && was_present(instance, field, change);
    zkt__patch_enter(p, field->name);
    zkt__patch_value(p, existed, field->type, appears ? value : NULL);
    zkt__patch_leave(p);
}

void zkt__patch_audiences(struct zkt_patch *p,
                          const struct zkt_instance *instance, uint8_t before,
                          uint8_t after,
                          const struct zkt_change *const *changes)
{
    const struct zkt_actor *actor = instance->actor;
    const uint32_t count = actor->state->of.structs->count;
    for (uint32_t i = 0; i < count && before != after; i++) {
        const bool sees = zkt__audiences_see(actor, after, i);
        if (sees != zkt__audiences_see(actor, before, i)) {
            write_field(p, instance, field_of(instance, i), sees,
                        changes != NULL ? changes[i] : NULL);
        }
    }
}

void zkt__patch_entry(struct zkt_patch *p, const struct zkt_instance *instance,
                      const struct zkt_identity_map *map, struct zkt_str key,
                      bool existed, const void *now)
{
    const struct zkt_field *field = field_of(instance, map->field);
    zkt__patch_enter(p, field->name);
    zkt__patch_enter(p, key);
    zkt__patch_value(p, existed, field->type->of.maps->value, now);
    zkt__patch_leave(p);
    zkt__patch_leave(p);
}

/* Writes that the entry of the previous identity disappears, and that of the
 * next appears. */
static void write_replaced(struct zkt_patch *p,
                           const struct zkt_instance *instance,
                           const struct zkt_identity_map *map,
                           const struct zkt_view_identity *membership)
{
    const struct zkt_identity *before = membership->identity;
    const struct zkt_identity *next = membership->next;
    if (before == next) {
        return;
    }
    if (before != NULL) {
        zkt__patch_entry(p, instance, map, zkt__identity_key(before),
                         before->present, NULL);
    }
    if (next != NULL) {
        const struct zkt_str key = zkt__identity_key(next);
        zkt__patch_entry(p, instance, map, key, false,
                         zkt__identity_entry(instance, map, key));
    }
}

bool zkt__view_frame(struct zkt_host *host, const struct zkt_view *view,
                     uint8_t audiences, struct zkt_buffer **frame)
{
    const struct zkt_instance *instance = view->attachment->instance;
    const struct zkt_views *views = instance->views;
    struct zkt_patch p = { .writer = &host->plain };
    *frame = NULL;
    if (!view->attachment->subscribed[ZKT_TOPIC_STATE]) {
        return true;
    }
    (void)zkt__patch_frame_begin(instance, p.writer);
    zkt__patch_audiences(&p, instance, view->audiences, audiences, NULL);
    for (uint32_t i = 0; i < views->map_count; i++) {
        write_replaced(&p, instance, &views->maps[i], &view->identities[i]);
    }
    if (!zkt__patch_end(&p)) {
        return false;
    }
    *frame = p.operations > 0 ? zkt__patch_frame_end(host, p.writer) : NULL;
    return *frame != NULL || p.operations == 0;
}

/* ---- snapshots ---- */

static void write_key(struct zkt_writer *w, struct zkt_str name)
{
    ZKT_WRITE(w, ",");
    zkt_write_string(w, name);
    ZKT_WRITE(w, ":");
}

/* Writes a map with the entry of its subscriber alone, or (@view is NULL) with
 * none. */
static void write_map(const struct zkt_instance *instance,
                      const struct zkt_view *view, uint32_t number,
                      struct zkt_writer *w)
{
    const struct zkt_identity_map *map = &instance->views->maps[number];
    const struct zkt_field *field = field_of(instance, map->field);
    const struct zkt_identity *identity =
        view != NULL ? view->identities[number].identity : NULL;
    const void *entry = identity != NULL
                            ? zkt__identity_entry(instance, map,
                                                  zkt__identity_key(identity))
                            : NULL;
    write_key(w, field->name);
    const size_t begin = zkt_write_begin(w);
    if (entry != NULL) {
        const struct zkt_type *type = field->type->of.maps->value;
        write_key(w, zkt__identity_key(identity));
        type->encode(w, type, entry);
    }
    zkt_write_end(w, begin);
}

static void write_maps(const struct zkt_instance *instance,
                       const struct zkt_view *view, struct zkt_writer *w)
{
    for (uint32_t i = 0; i < instance->views->map_count; i++) {
        write_map(instance, view, i, w);
    }
}

void zkt__view_write_state(const struct zkt_instance *instance,
                           const struct zkt_view *view, struct zkt_writer *w)
{
    const struct zkt_struct_info *info = instance->actor->state->of.structs;
    const size_t begin = zkt_write_begin(w);
    for (uint32_t i = 0; i < info->count; i++) {
        const struct zkt_field *field = &info->fields[i];
        const void *value = value_of(instance, field);
        if (zkt__audiences_see(instance->actor, view->audiences, i) &&
            !zkt__is_absent(field->type, value)) {
            write_key(w, field->name);
            field->type->encode(w, field->type, value);
        }
    }
    write_maps(instance, NULL, w);
    zkt_write_end(w, begin);
}

static bool has_entries(const struct zkt_instance *instance,
                        const struct zkt_view *view)
{
    for (uint32_t i = 0; i < instance->views->map_count; i++) {
        const struct zkt_identity *identity = view->identities[i].identity;
        if (identity != NULL && identity->present) {
            return true;
        }
    }
    return false;
}

/* Returns the length of the empty maps at the end of a state. */
static size_t measure_maps(const struct zkt_instance *instance,
                           struct zkt_writer *w)
{
    zkt__frame_begin(w);
    write_maps(instance, NULL, w);
    return zkt__frame_payload(w);
}

struct zkt_buffer *zkt__view_complete(struct zkt_host *host,
                                      const struct zkt_view *view,
                                      struct zkt_buffer *snapshot)
{
    const struct zkt_instance *instance = view->attachment->instance;
    struct zkt_writer *w = &host->plain;
    if (!has_entries(instance, view)) {
        return zkt__buffer_ref(snapshot);
    }
    const size_t maps = measure_maps(instance, w);
    if (w->failed) {
        return NULL;
    }
    const struct zkt_str text = zkt__frame_text(snapshot);
    zkt__frame_begin(w);
    zkt_write_raw(w, text.data, text.len - maps - 2); /* but the `}}` */
    /* The first map may be the first field. */
    const bool first = text.data[text.len - maps - 2] == '{';
    const size_t begin = zkt_write_begin(w);
    write_maps(instance, view, w);
    if (first && !w->failed) {
        w->data[begin] = '{';
    }
    ZKT_WRITE(w, "}}");
    zkt__host_spend(host, zkt__frame_payload(w));
    return zkt__frame_share(w);
}
