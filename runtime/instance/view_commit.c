/* See view_commit.h. */
#include "instance/view_commit.h"

#include "instance/patch_frame.h"
#include "instance/view_frames.h"

enum {
    COST_JUDGE = 50 /* of a subscriber, from the budget of the turn */
};

/* A private patch for subscribers that move from a set of audiences to another,
 * or stay, in a dialect. */
struct zkt_transition {
    struct zkt_transition *next;       /* of the same identity */
    struct zkt_transition *next_frame; /* of the commit */
    uint8_t before, after;
    enum zkt_dialect dialect : 8;
    bool shared; /* the patch of the set has all of it */
    struct zkt_buffer *frame;
};

struct zkt_view_commit {
    struct zkt_call *call;
    const struct zkt_delta *delta;     /* NULL: the state has not changed */
    const struct zkt_change **changes; /* by field; NULL: it has not changed */
    struct zkt_list changed;           /* views that may get a private patch */
    struct zkt_list touched;           /* identities with a changed entry */
    /* By set of audiences: the subscribers that stay in it; its patch, and the
     * bytes of its operations. */
    uint32_t staying[ZKT_AUDIENCE_SETS];
    bool written[ZKT_AUDIENCE_SETS];
    struct zkt_buffer *patches[ZKT_AUDIENCE_SETS][ZKT_DIALECT_COUNT];
    size_t operations[ZKT_AUDIENCE_SETS][ZKT_DIALECT_COUNT];
    struct zkt_transition *transitions; /* without entries */
    struct zkt_transition *frames;
};

static struct zkt_view *view_at(struct zkt_node *node)
{
    return ZKT_CONTAINER(node, struct zkt_view, changed);
}

static bool subscribes(const struct zkt_view *view)
{
    return view->attachment->subscribed[ZKT_TOPIC_STATE];
}

/* ---- changes ---- */

/* Replays the journal. Returns false if there is no memory. */
static bool find_changes(struct zkt_view_commit *c)
{
    struct zkt_call *call = c->call;
    const struct zkt_instance *instance = call->instance;
    if (call->journal.count == 0 ||
        (instance->subscribers == 0 && instance->views->map_count == 0)) {
        return true;
    }
    call->journal.pieces_max = zkt__bounded(call->host->limits->pieces);
    c->delta = zkt__delta_build(&call->journal);
    call->host->stats.limit_hits.pieces += call->journal.whole_lists;
    c->changes = zkt__arena_zero(call->arena,
                                 call->actor->state->of.structs->count,
                                 sizeof(struct zkt_change *));
    if (c->delta == NULL || c->changes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < c->delta->change_count; i++) {
        c->changes[c->delta->changes[i].field] = &c->delta->changes[i];
    }
    return true;
}

static void add_changed(struct zkt_view_commit *c, struct zkt_view *view,
                        uint8_t audiences)
{
    view->private = (struct zkt_private){
        .contact = zkt__contact_of(view->attachment),
        .audiences = audiences,
    };
    zkt__list_append(&c->changed, &view->changed);
}

/* Judges all subscribers. */
static void judge(struct zkt_view_commit *c)
{
    struct zkt_views *views = c->call->instance->views;
    for (struct zkt_node *n = zkt__list_first(&views->all);
         n != NULL && views->actor->audience_count > 0;
         n = zkt__list_after(&views->all, n)) {
        struct zkt_view *view = ZKT_CONTAINER(n, struct zkt_view, node);
        const uint8_t audiences = zkt__view_judge(c->call->host, view,
                                                  view->record);
        zkt__host_spend(c->call->host, COST_JUDGE);
        if (audiences != view->audiences) {
            c->staying[view->audiences] -= subscribes(view);
            add_changed(c, view, audiences);
        }
    }
}

/* ---- entries ---- */

/* @change is of the entry; NULL: the whole map has changed. */
static void touch(struct zkt_view_commit *c, struct zkt_identity *identity,
                  const struct zkt_change *change)
{
    const struct zkt_list *members = &identity->members;
    identity->change = change;
    identity->transitions = NULL;
    zkt__list_append(&c->touched, &identity->touched);
    for (struct zkt_node *n = zkt__list_first(members); n != NULL;
         n = zkt__list_after(members, n)) {
        struct zkt_view *view =
            ZKT_CONTAINER(n, struct zkt_view_identity, node)->view;
        if (subscribes(view) && !zkt__node_linked(&view->changed)) {
            add_changed(c, view, view->audiences);
        }
    }
}

/* Returns the entry of the map before the call, if it is known. */
static const void *original_entry(const struct zkt_map_info *info,
                                  const struct zkt_any_map *original,
                                  struct zkt_str key)
{
    const uint32_t at = original != NULL
                            ? zkt__map_position(original, info->entry_size, key)
                            : ZKT_INDEX_NONE;
    return at != ZKT_INDEX_NONE
               ? (const char *)original->items + (size_t)at * info->entry_size +
                     info->value_offset
               : NULL;
}

/* Touches the identities of a map that was set or cleared. */
static void touch_all(struct zkt_view_commit *c,
                      const struct zkt_identity_map *map, const void *original)
{
    const struct zkt_instance *instance = c->call->instance;
    const struct zkt_map_info *info =
        instance->actor->state->of.structs->fields[map->field].type->of.maps;
    for (uint32_t i = 0; i < map->identities.count; i++) {
        struct zkt_identity *identity = map->identities.objects[i];
        if (identity == NULL) {
            continue;
        }
        const struct zkt_str key = zkt__identity_key(identity);
        const void *now = zkt__identity_entry(instance, map, key);
        const void *before = original_entry(info, original, key);
        const bool equal = now != NULL && before != NULL &&
                           zkt__value_equal(info->value, before, now);
        if ((now != NULL || identity->present) && !equal) {
            touch(c, identity, NULL);
        }
    }
}

static void touch_entries(struct zkt_view_commit *c,
                          const struct zkt_identity_map *map)
{
    const struct zkt_change *change = c->changes[map->field];
    if (change == NULL) {
        return;
    }
    if (change->dirty || change->child == NULL || change->child->whole) {
        touch_all(c, map,
                  change->dirty || change->child == NULL
                      ? change->original
                      : change->child->original);
        return;
    }
    for (uint32_t i = 0; i < change->child->change_count; i++) {
        const struct zkt_change *entry = &change->child->changes[i];
        struct zkt_identity *identity = zkt__identity_find(c->call->host, map,
                                                           entry->key);
        if (identity != NULL) {
            touch(c, identity, entry);
        }
    }
}

static void touch_identities(struct zkt_view_commit *c)
{
    const struct zkt_views *views = c->call->instance->views;
    for (uint32_t i = 0; i < views->map_count && c->delta != NULL; i++) {
        touch_entries(c, &views->maps[i]);
    }
}

/* ---- patches by set of audiences ---- */

/* Writes the changes that a set of audiences sees. */
static bool write_changes(const struct zkt_view_commit *c, uint8_t audiences,
                          struct zkt_patch *p)
{
    const struct zkt_call *call = c->call;
    const struct zkt_struct_info *info = call->actor->state->of.structs;
    for (uint32_t i = 0; i < c->delta->change_count; i++) {
        const struct zkt_change *change = &c->delta->changes[i];
        const struct zkt_field *field = &info->fields[change->field];
        if (zkt__audiences_see(call->actor, audiences, change->field)) {
            zkt__patch_enter(p, field->name);
            zkt__patch_change(p, change, field->type,
                              (const char *)call->state + field->offset);
            zkt__patch_leave(p);
        }
    }
    return zkt__patch_end(p);
}

/* Makes the patch of a set in a dialect; *@differs says if the other dialect
 * needs another. */
static bool make_patch(struct zkt_view_commit *c, uint8_t audiences,
                       enum zkt_dialect dialect, bool *differs)
{
    struct zkt_call *call = c->call;
    struct zkt_writer *w = &call->host->plain;
    struct zkt_patch p = { .writer = w,
                           .arena = call->arena,
                           .plain = dialect == ZKT_DIALECT_PLAIN };
    struct zkt_buffer **frame = &c->patches[audiences][dialect];
    const size_t begin = zkt__patch_frame_begin(call->instance, w);
    if (!write_changes(c, audiences, &p)) {
        return false;
    }
    *differs = p.differs;
    if (p.operations == 0) {
        return true;
    }
    c->operations[audiences][dialect] = w->len - begin - 2;
    if (!zkt__call_fits(call, "the patch", zkt__frame_payload(w))) {
        return false;
    }
    *frame = zkt__patch_frame_end(call->host, w);
    return *frame != NULL;
}

/* Writes the patch of a set in both dialects, once. Returns false if there is
 * no memory, or it is too large. */
static bool write_set(struct zkt_view_commit *c, uint8_t audiences)
{
    struct zkt_buffer **patch = c->patches[audiences];
    size_t *operations = c->operations[audiences];
    bool differs;
    if (c->written[audiences] || c->delta == NULL) {
        return true;
    }
    c->written[audiences] = true;
    if (!make_patch(c, audiences, ZKT_DIALECT_PLAIN, &differs)) {
        return false;
    }
    if (differs) {
        return make_patch(c, audiences, ZKT_DIALECT_RFC6902, &differs);
    }
    if (patch[ZKT_DIALECT_PLAIN] != NULL) {
        patch[ZKT_DIALECT_RFC6902] = zkt__buffer_ref(patch[ZKT_DIALECT_PLAIN]);
        operations[ZKT_DIALECT_RFC6902] = operations[ZKT_DIALECT_PLAIN];
    }
    return true;
}

static bool write_sets(struct zkt_view_commit *c)
{
    bool good = true;
    for (uint32_t i = 0; i < ZKT_AUDIENCE_SETS && good; i++) {
        good = c->staying[i] == 0 || write_set(c, (uint8_t)i);
    }
    return good;
}

/* Returns true if subscribers that stay in their set see a change. */
static bool has_shared(const struct zkt_view_commit *c)
{
    bool any = false;
    for (uint32_t i = 0; i < ZKT_AUDIENCE_SETS; i++) {
        any = any || (c->staying[i] > 0 && c->patches[i][0] != NULL);
    }
    return any;
}

/* ---- private patches ---- */

static bool is_touched(const struct zkt_view_identity *membership)
{
    return membership->identity != NULL &&
           zkt__node_linked(&membership->identity->touched);
}

/* Writes the changes of the entries that a subscriber sees. */
static void write_entries(const struct zkt_view_commit *c,
                          const struct zkt_view *view, struct zkt_patch *p)
{
    const struct zkt_instance *instance = c->call->instance;
    const struct zkt_views *views = instance->views;
    for (uint32_t i = 0; i < views->map_count; i++) {
        const struct zkt_identity_map *map = &views->maps[i];
        const struct zkt_identity *identity = view->identities[i].identity;
        if (!is_touched(&view->identities[i])) {
            continue;
        }
        const struct zkt_str key = zkt__identity_key(identity);
        const void *now = zkt__identity_entry(instance, map, key);
        if (identity->change == NULL) {
            zkt__patch_entry(p, instance, map, key, identity->present, now);
            continue;
        }
        const struct zkt_field *field =
            &instance->actor->state->of.structs->fields[map->field];
        zkt__patch_enter(p, field->name);
        zkt__patch_enter(p, key);
        zkt__patch_change(p, identity->change, field->type->of.maps->value,
                          now);
        zkt__patch_leave(p);
        zkt__patch_leave(p);
    }
}

/* Begins with the operations that both sets of a transition see. */
static void copy_shared(const struct zkt_view_commit *c,
                        const struct zkt_transition *t, struct zkt_patch *p)
{
    const uint8_t both = t->before & t->after;
    const struct zkt_buffer *patch = c->patches[both][t->dialect];
    const size_t len = c->operations[both][t->dialect];
    if (patch != NULL) {
        /* The message ends with `]}`. */
        zkt__patch_copy(p, (const char *)patch->data + patch->len - 2 - len,
                        len);
    }
}

/* Makes the patch of a transition. Returns false if there is no memory, or it
 * is too large. */
static bool make_private(struct zkt_view_commit *c, struct zkt_transition *t,
                         const struct zkt_view *view)
{
    struct zkt_call *call = c->call;
    struct zkt_writer *w = &call->host->plain;
    struct zkt_patch p = { .writer = w,
                           .arena = call->arena,
                           .plain = t->dialect == ZKT_DIALECT_PLAIN };
    if (!write_set(c, t->before & t->after)) {
        return false;
    }
    (void)zkt__patch_frame_begin(call->instance, w);
    copy_shared(c, t, &p);
    const uint32_t shared = p.operations;
    zkt__patch_audiences(&p, call->instance, t->before, t->after, c->changes);
    write_entries(c, view, &p);
    t->shared = t->before == t->after && p.operations == shared;
    if (!zkt__patch_end(&p)) {
        return false;
    }
    if (t->shared || p.operations == 0) {
        return true;
    }
    if (!zkt__call_fits(call, "the patch", zkt__frame_payload(w))) {
        return false;
    }
    t->frame = zkt__patch_frame_end(call->host, w);
    return t->frame != NULL;
}

/* Returns the list of transitions for subscribers with the same changes as
 * @view. Returns NULL if several of its identities are touched. */
static struct zkt_transition **transitions_of(struct zkt_view_commit *c,
                                              const struct zkt_view *view)
{
    struct zkt_transition **found = &c->transitions;
    uint32_t touched = 0;
    for (uint32_t i = 0; i < c->call->instance->views->map_count; i++) {
        if (is_touched(&view->identities[i])) {
            found = &view->identities[i].identity->transitions;
            touched++;
        }
    }
    return touched > 1 ? NULL : found;
}

static const struct zkt_transition *find_transition(
    const struct zkt_transition *t, const struct zkt_transition *like)
{
    while (t != NULL && (t->before != like->before || t->after != like->after ||
                         t->dialect != like->dialect)) {
        t = t->next;
    }
    return t;
}

/* Returns the transition of a view, with its patch; NULL: there is no memory,
 * or it is too large. */
static const struct zkt_transition *get_transition(struct zkt_view_commit *c,
                                                   const struct zkt_view *view)
{
    const struct zkt_transition like = {
        .before = view->audiences,
        .after = view->private.audiences,
        .dialect = view->private.contact->peer->dialect,
    };
    struct zkt_transition **all = transitions_of(c, view);
    const struct zkt_transition *found = all != NULL
                                             ? find_transition(*all, &like)
                                             : NULL;
    if (found != NULL) {
        return found;
    }
    struct zkt_transition *t = zkt__arena_alloc(c->call->arena, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    *t = like;
    t->next_frame = c->frames;
    c->frames = t;
    if (all != NULL) {
        t->next = *all;
        *all = t;
    }
    return make_private(c, t, view) ? t : NULL;
}

/* Gives a view its private patch, for the message to its shard. */
static bool add_private(struct zkt_view_commit *c, struct zkt_view *view)
{
    struct zkt_contact_group *group = view->attachment->group;
    if (subscribes(view)) {
        const struct zkt_transition *t = get_transition(c, view);
        if (t == NULL) {
            return false;
        }
        if (t->shared) {
            return true;
        }
        view->private.patch = t->frame;
    }
    view->private.next = group->privates;
    group->privates = &view->private;
    return true;
}

static bool add_privates(struct zkt_view_commit *c)
{
    bool good = true;
    for (struct zkt_node *n = zkt__list_first(&c->changed); n != NULL && good;
         n = zkt__list_after(&c->changed, n)) {
        good = add_private(c, view_at(n));
    }
    return good;
}

/* ---- a commit ---- */

/* Returns NULL if there is no memory. */
static struct zkt_view_commit *begin(struct zkt_call *call)
{
    struct zkt_views *views = call->instance->views;
    struct zkt_view_commit *c = zkt__arena_zero(call->arena, 1, sizeof(*c));
    if (c != NULL) {
        c->call = call;
        zkt__list_init(&c->changed);
        zkt__list_init(&c->touched);
        memcpy(c->staying, views->watching, sizeof(c->staying));
        views->running = c;
    }
    return c;
}

bool zkt__view_commit_begin(struct zkt_call *call, struct zkt_commit *content)
{
    if (zkt__list_empty(&call->instance->views->all)) {
        return true;
    }
    struct zkt_view_commit *c = begin(call);
    if (c == NULL || !find_changes(c)) {
        return false;
    }
    judge(c);
    touch_identities(c);
    if (!write_sets(c) || !add_privates(c)) {
        return false;
    }
    content->patches = has_shared(c) ? c->patches : NULL;
    return true;
}

/* Returns true if a field of an audience in the set has changed. */
static bool changes_hidden(const struct zkt_view_commit *c, uint8_t audiences)
{
    const struct zkt_actor *actor = c->call->actor;
    bool any = false;
    for (uint32_t i = 0; i < c->delta->change_count; i++) {
        const uint32_t field = c->delta->changes[i].field;
        any = any || (actor->readers[field].kind == ZKT_READER_AUDIENCE &&
                      zkt__audiences_see(actor, audiences, field));
    }
    return any;
}

/* Returns true if the log of a set, with the patch, brings a new subscriber up
 * to date and shows it nothing else. A set for which no patch was written has
 * no subscriber that stays. The log of a set for which a hidden field has
 * changed would show values from before the subscriber belonged to the
 * audience. */
static bool may_keep(const struct zkt_view_commit *c, uint8_t audiences)
{
    return c != NULL && c->written[audiences] && !changes_hidden(c, audiences);
}

/* Adds the patches to the snapshot logs, or drops them. */
static void update_logs(const struct zkt_call *call)
{
    struct zkt_snapshot_cache *cache = &call->host->instances->snapshots;
    struct zkt_views *views = call->instance->views;
    const struct zkt_view_commit *c = views->running;
    for (uint8_t i = 0; i < ZKT_AUDIENCE_SETS && call->journal.count > 0; i++) {
        if (!may_keep(c, i)) {
            zkt__snapshot_log_drop(cache, views->logs[i]);
        } else if (c->patches[i][0] != NULL) {
            zkt__snapshot_log_add(cache, views->logs[i], c->patches[i]);
        }
    }
}

void zkt__view_commit_apply(const struct zkt_call *call)
{
    const struct zkt_instance *instance = call->instance;
    const struct zkt_views *views = instance->views;
    const struct zkt_view_commit *c = views->running;
    update_logs(call);
    if (c == NULL) {
        return;
    }
    for (struct zkt_node *n = zkt__list_first(&c->changed); n != NULL;
         n = zkt__list_after(&c->changed, n)) {
        zkt__view_move(view_at(n), view_at(n)->private.audiences);
    }
    for (struct zkt_node *n = zkt__list_first(&c->touched); n != NULL;
         n = zkt__list_after(&c->touched, n)) {
        struct zkt_identity *identity = ZKT_CONTAINER(n, struct zkt_identity,
                                                      touched);
        identity->present = zkt__identity_entry(instance, identity->map,
                                                zkt__identity_key(identity)) !=
                            NULL;
    }
}

void zkt__view_commit_end(const struct zkt_call *call)
{
    struct zkt_views *views = call->instance->views;
    struct zkt_view_commit *c = views->running;
    struct zkt_node *n;
    views->running = NULL;
    if (c == NULL) {
        return;
    }
    while ((n = zkt__list_first(&c->changed)) != NULL) {
        zkt__node_unlink(n);
        view_at(n)->attachment->group->privates = NULL;
    }
    while ((n = zkt__list_first(&c->touched)) != NULL) {
        zkt__node_unlink(n);
    }
    for (const struct zkt_transition *t = c->frames; t != NULL;
         t = t->next_frame) {
        zkt__buffer_unref(t->frame);
    }
    for (size_t i = 0; i < ZKT_AUDIENCE_SETS; i++) {
        for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
            zkt__buffer_unref(c->patches[i][d]);
        }
    }
}
