/* See views.h. */
#include "instance/views.h"

#include <string.h>

#include "instance/mailbox.h"
#include "instance/task.h"
#include "instance/view_frames.h"
#include "state/container.h"

enum {
    KEY_MAX = 256 /* bytes of an identity, as of the keys of maps */
};

static struct zkt_contact *contact_of(const struct zkt_view *view)
{
    return zkt__contact_of(view->attachment);
}

/* ---- fields ---- */

static bool is_identity(const struct zkt_field_reader *reader)
{
    return reader->kind == ZKT_READER_DATA || reader->kind == ZKT_READER_CLIENT;
}

bool zkt__audiences_see(const struct zkt_actor *actor, uint8_t audiences,
                        uint32_t field)
{
    const struct zkt_field_reader *reader = &actor->readers[field];
    return reader->kind == ZKT_READER_ALL ||
           (reader->kind == ZKT_READER_AUDIENCE &&
            (audiences >> reader->number & 1) != 0);
}

/* ---- an instance ---- */

static uint32_t count_maps(const struct zkt_actor *actor)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < actor->state->of.structs->count; i++) {
        count += is_identity(&actor->readers[i]);
    }
    return count;
}

bool zkt__views_create(struct zkt_host *host, struct zkt_instance *instance)
{
    const struct zkt_actor *actor = instance->actor;
    if (actor->readers == NULL) {
        return true;
    }
    const uint32_t count = count_maps(actor);
    struct zkt_views *views = zkt__alloc_zero(
        host->allocator, 1, sizeof(*views) + count * sizeof(views->maps[0]));
    if (views == NULL) {
        return false;
    }
    views->actor = actor;
    zkt__list_init(&views->all);
    zkt__list_init(&views->due);
    for (uint32_t i = 0; views->map_count < count; i++) {
        if (is_identity(&actor->readers[i])) {
            struct zkt_identity_map *map = &views->maps[views->map_count++];
            map->field = i;
            zkt__slots_init(&map->identities, host->allocator);
        }
    }
    instance->views = views;
    return true;
}

void zkt__views_free(struct zkt_host *host, struct zkt_instance *instance)
{
    struct zkt_views *views = instance->views;
    if (views == NULL) {
        return;
    }
    for (size_t i = 0; i < ZKT_AUDIENCE_SETS; i++) {
        zkt__snapshot_log_free(&host->instances->snapshots, views->logs[i]);
    }
    for (uint32_t i = 0; i < views->map_count; i++) {
        zkt__index_finish(&views->maps[i].by_key, host->allocator);
        zkt__slots_finish(&views->maps[i].identities);
    }
    zkt__release(host->allocator, views);
    instance->views = NULL;
}

/* ---- identities ---- */

static bool same_identity(const void *owner, uint32_t slot, const void *key,
                          size_t len)
{
    const struct zkt_identity_map *map = owner;
    const struct zkt_identity *identity = map->identities.objects[slot];
    return identity->len == len && memcmp(identity->key, key, len) == 0;
}

static uint64_t hash_key(const struct zkt_host *host, struct zkt_str key)
{
    return zkt__hash(&host->store.key, key.data, key.len);
}

static struct zkt_identity *find(const struct zkt_identity_map *map,
                                 struct zkt_str key, uint64_t hash)
{
    const uint32_t slot = zkt__index_find(&map->by_key, hash, same_identity,
                                          map, key.data, key.len);
    return slot != ZKT_INDEX_NONE ? map->identities.objects[slot] : NULL;
}

struct zkt_identity *zkt__identity_find(const struct zkt_host *host,
                                        const struct zkt_identity_map *map,
                                        struct zkt_str key)
{
    return map->by_key.used > 0 ? find(map, key, hash_key(host, key)) : NULL;
}

const void *zkt__identity_entry(const struct zkt_instance *instance,
                                const struct zkt_identity_map *map,
                                struct zkt_str key)
{
    const struct zkt_field *field =
        &instance->actor->state->of.structs->fields[map->field];
    const struct zkt_map_info *info = field->type->of.maps;
    const struct zkt_any_map *entries =
        (const void *)((const char *)instance->state + field->offset);
    const uint32_t at = zkt__map_position(entries, info->entry_size, key);
    return at != ZKT_INDEX_NONE
               ? (const char *)entries->items + (size_t)at * info->entry_size +
                     info->value_offset
               : NULL;
}

/* Returns NULL if there is no memory. */
static struct zkt_identity *add_identity(const struct zkt_host *host,
                                         struct zkt_identity_map *map,
                                         struct zkt_str key, uint64_t hash)
{
    if (!zkt__index_reserve(&map->by_key, host->allocator, 1)) {
        return NULL;
    }
    struct zkt_identity *identity = zkt__alloc_zero(
        host->allocator, 1, sizeof(*identity) + key.len);
    if (identity == NULL) {
        return NULL;
    }
    identity->id = zkt__slots_add(&map->identities, identity);
    if (identity->id == 0) {
        zkt__release(host->allocator, identity);
        return NULL;
    }
    zkt__list_init(&identity->members);
    identity->map = map;
    identity->hash = hash;
    identity->len = key.len;
    memcpy(identity->key, key.data, key.len);
    zkt__index_add(&map->by_key, hash, (uint32_t)identity->id);
    return identity;
}

static void drop_if_empty(const struct zkt_host *host,
                          struct zkt_identity *identity)
{
    if (identity != NULL && zkt__list_empty(&identity->members)) {
        struct zkt_identity_map *map = identity->map;
        zkt__index_remove(&map->by_key, identity->hash, (uint32_t)identity->id);
        zkt__slots_remove(&map->identities, identity->id);
        zkt__release(host->allocator, identity);
    }
}

/* Returns a string of the data of a connection; data is NULL if it is absent.
 */
static struct zkt_str string_of(const struct zkt_host *host,
                                const struct zkt_connection_record *record,
                                uint32_t number)
{
    const struct zkt_connection_info *info = host->app.info->connection;
    if (info == NULL || info->data == NULL || record == NULL ||
        record->data == NULL) {
        return (struct zkt_str){ NULL, 0 };
    }
    const struct zkt_field *field = &info->data->of.structs->fields[number];
    const struct zkt_type *type = field->type;
    const struct zkt_str *text = zkt__unwrap(
        &type, (char *)(uintptr_t)record->data + field->offset);
    return text != NULL
               ? (struct zkt_str){ text->len > 0 ? text->data : "", text->len }
               : (struct zkt_str){ NULL, 0 };
}

/* Returns the key of a subscriber in a map; data is NULL if it has none. */
static struct zkt_str key_in(const struct zkt_host *host,
                             const struct zkt_views *views,
                             const struct zkt_identity_map *map,
                             const struct zkt_contact *contact)
{
    const struct zkt_field_reader *reader = &views->actor->readers[map->field];
    const struct zkt_str key = reader->kind == ZKT_READER_CLIENT
                                   ? zkt__peer_client_id(contact->peer)
                                   : string_of(host, contact->attachment.record,
                                               reader->number);
    return key.len <= KEY_MAX ? key : (struct zkt_str){ NULL, 0 };
}

/* Sets the next identity of a view in a map, which may have no member yet, or
 * NULL. Returns false if there is no memory. */
static bool prepare_identity(const struct zkt_host *host,
                             struct zkt_views *views,
                             struct zkt_identity_map *map,
                             struct zkt_view_identity *membership)
{
    const struct zkt_contact *contact = contact_of(membership->view);
    const struct zkt_str key = key_in(host, views, map, contact);
    membership->next = NULL;
    if (key.data == NULL) {
        return true;
    }
    const uint64_t hash = hash_key(host, key);
    membership->next = find(map, key, hash);
    if (membership->next == NULL) {
        membership->next = add_identity(host, map, key, hash);
        if (membership->next != NULL) {
            membership->next->present =
                zkt__identity_entry(contact->attachment.instance, map, key) !=
                NULL;
        }
    }
    return membership->next != NULL;
}

/* Finds the identities that the newest data of the connection give. Returns
 * false if there is no memory. drop_identities or enter_identities follows. */
static bool prepare_identities(const struct zkt_host *host,
                               struct zkt_views *views, struct zkt_view *view)
{
    bool good = true;
    for (uint32_t i = 0; i < views->map_count && good; i++) {
        good = prepare_identity(host, views, &views->maps[i],
                                &view->identities[i]);
    }
    return good;
}

static void drop_identities(const struct zkt_host *host,
                            struct zkt_views *views, struct zkt_view *view)
{
    for (uint32_t i = 0; i < views->map_count; i++) {
        drop_if_empty(host, view->identities[i].next);
        view->identities[i].next = NULL;
    }
}

/* Replaces the identity of a view in a map by its next. */
static void enter_identity(const struct zkt_host *host,
                           struct zkt_view_identity *membership)
{
    struct zkt_identity *before = membership->identity;
    struct zkt_identity *next = membership->next;
    membership->next = NULL;
    if (before == next) {
        return;
    }
    zkt__node_unlink(&membership->node);
    membership->identity = next;
    if (next != NULL) {
        zkt__list_append(&next->members, &membership->node);
    }
    drop_if_empty(host, before);
}

static void enter_identities(const struct zkt_host *host,
                             struct zkt_views *views, struct zkt_view *view)
{
    for (uint32_t i = 0; i < views->map_count; i++) {
        enter_identity(host, &view->identities[i]);
    }
}

/* ---- audiences ---- */

uint8_t zkt__view_judge(const struct zkt_host *host,
                        const struct zkt_view *view,
                        const struct zkt_connection_record *record)
{
    const struct zkt_instance *instance = view->attachment->instance;
    const struct zkt_actor *actor = instance->actor;
    const void *handlers;
    unsigned audiences = 0;
    memcpy(&handlers, (const char *)host->app.handlers + actor->handlers_offset,
           sizeof(handlers));
    for (uint32_t i = 0; i < actor->audience_count; i++) {
        audiences |= (unsigned)actor->audiences[i].judge(
                         handlers, instance->state, instance->private_state,
                         zkt__peer_client_id(contact_of(view)->peer),
                         record != NULL ? record->data : NULL)
                     << i;
    }
    return (uint8_t)audiences;
}

/* ---- a subscriber ---- */

/* Sets the record that the view has been judged by. */
static void keep_record(struct zkt_view *view)
{
    zkt__connection_record_unref(view->record);
    view->record = zkt__connection_record_ref(view->attachment->record);
}

static void free_view(const struct zkt_host *host, struct zkt_view *view)
{
    zkt__connection_record_unref(view->record);
    zkt__release(host->allocator, view);
}

/* Returns NULL if there is no memory. */
static struct zkt_view *new_view(const struct zkt_host *host,
                                 struct zkt_attachment *attachment)
{
    struct zkt_views *views = attachment->instance->views;
    struct zkt_view *view = zkt__alloc_zero(
        host->allocator, 1,
        sizeof(*view) + views->map_count * sizeof(view->identities[0]));
    if (view == NULL) {
        return NULL;
    }
    view->attachment = attachment;
    keep_record(view);
    for (uint32_t i = 0; i < views->map_count; i++) {
        view->identities[i].view = view;
    }
    return view;
}

bool zkt__view_open(struct zkt_host *host, struct zkt_attachment *attachment)
{
    struct zkt_views *views = attachment->instance->views;
    if (attachment->view != NULL) {
        return true;
    }
    struct zkt_view *view = new_view(host, attachment);
    if (view == NULL) {
        return false;
    }
    if (!prepare_identities(host, views, view)) {
        drop_identities(host, views, view);
        free_view(host, view);
        return false;
    }
    enter_identities(host, views, view);
    view->audiences = zkt__view_judge(host, view, view->record);
    zkt__list_append(&views->all, &view->node);
    attachment->view = view;
    return true;
}

static void unlink_due(struct zkt_views *views, struct zkt_view *view)
{
    zkt__node_unlink(&view->due);
    if (zkt__list_empty(&views->due)) {
        zkt__node_unlink(&views->in_round);
    }
}

void zkt__view_close(const struct zkt_host *host,
                     struct zkt_attachment *attachment)
{
    struct zkt_view *view = attachment->view;
    struct zkt_views *views = attachment->instance->views;
    for (uint32_t i = 0; i < views->map_count; i++) {
        view->identities[i].next = NULL;
        enter_identity(host, &view->identities[i]);
    }
    unlink_due(views, view);
    zkt__node_unlink(&view->node);
    attachment->view = NULL;
    free_view(host, view);
}

void zkt__view_count(struct zkt_view *view, int by)
{
    struct zkt_views *views = view->attachment->instance->views;
    views->watching[view->audiences] += (uint32_t)by;
}

void zkt__view_move(struct zkt_view *view, uint8_t audiences)
{
    struct zkt_views *views = view->attachment->instance->views;
    if (view->attachment->subscribed[ZKT_TOPIC_STATE]) {
        views->watching[view->audiences]--;
        views->watching[audiences]++;
    }
    view->audiences = audiences;
}

/* ---- changes of the connection's data ---- */

/* Makes the change final, and tells the session of it by @private; @carrier is
 * reserved. */
static void make_final(struct zkt_host *host, struct zkt_view *view,
                       struct zkt_msg *m, struct zkt_msg *carrier,
                       const struct zkt_private *private)
{
    const bool changes = private->patch != NULL ||
                         private->audiences != view->audiences;
    enter_identities(host, view->attachment->instance->views, view);
    zkt__view_move(view, private->audiences);
    keep_record(view);
    if (changes) {
        (void)zkt__deliver(host, contact_of(view)->peer->shard, m, carrier);
    } else {
        zkt__msg_free(host->allocator, carrier);
    }
}

/* Lets the newest data act. Returns false, with nothing changed, if there is no
 * memory. */
static bool update(struct zkt_host *host, struct zkt_view *view)
{
    const struct zkt_instance *instance = view->attachment->instance;
    struct zkt_private private = {
        .contact = contact_of(view),
        .audiences = zkt__view_judge(host, view, view->attachment->record),
    };
    const struct zkt_commit content = { .epoch = instance->epoch,
                                        .seq = instance->seq };
    struct zkt_msg *carrier = NULL;
    struct zkt_msg m;
    zkt__host_spend(host, ZKT_COST_CALL);
    zkt__msg_init(&m, ZKT_MSG_COMMIT, NULL);
    m.of.commit = (struct zkt_msg_commit){
        .location = view->attachment->group->location,
        .content = &content,
        .privates = &private,
    };
    const bool good =
        prepare_identities(host, instance->views, view) &&
        zkt__view_frame(host, view, private.audiences, &private.patch) &&
        zkt__deliver_reserve(host, private.contact->peer->shard, &m, &carrier);
    if (good) {
        make_final(host, view, &m, carrier, &private);
    } else {
        drop_identities(host, instance->views, view);
    }
    zkt__buffer_unref(private.patch);
    return good;
}

void zkt__view_update(struct zkt_host *host, struct zkt_view *view)
{
    struct zkt_contact *contact = contact_of(view);
    unlink_due(contact->attachment.instance->views, view);
    if (view->record != contact->attachment.record && !update(host, view)) {
        zkt__contact_close(
            host, contact,
            &(const struct zkt_failure){ .status = ZKT_RESOURCE_EXHAUSTED,
                                         .text = ZKT_STR("out of memory") });
    }
}

void zkt__view_record_changed(struct zkt_host *host, struct zkt_view *view)
{
    struct zkt_instance *instance = view->attachment->instance;
    struct zkt_views *views = instance->views;
    if (zkt__mailbox_is_free(host, instance)) {
        zkt__view_update(host, view);
        return;
    }
    if (!zkt__node_linked(&view->due)) {
        zkt__list_append(&views->due, &view->due);
    }
    if (!zkt__node_linked(&views->in_round)) {
        zkt__list_append(&instance->round, &views->in_round);
    }
    zkt__mailbox_make_ready(host, instance);
}

void zkt__views_serve(struct zkt_host *host, struct zkt_instance *instance)
{
    struct zkt_views *views = instance->views;
    struct zkt_node *first = zkt__list_first(&views->due);
    struct zkt_view *view = ZKT_CONTAINER(first, struct zkt_view, due);
    zkt__node_unlink(first);
    if (!zkt__list_empty(&views->due)) {
        zkt__list_append(&instance->round, &views->in_round);
    }
    zkt__view_update(host, view);
}
