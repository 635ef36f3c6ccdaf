/* Timers of instances: see timers.h. */
#include "instance/timers.h"

#include <string.h>

#include "instance/deferred.h"
#include "instance/mailbox.h"
#include "instance/task.h"

/* ---- the tree ---- */

static uint64_t hash_of(const struct zkt_host *host,
                        const struct zkt_timer *type, struct zkt_str key)
{
    /* The timer is the second key: a table is a constant of the program. */
    const struct zkt_hash_key own = {
        host->store.key.k0, host->store.key.k1 ^ (uint64_t)(uintptr_t)type
    };
    return zkt__hash(&own, key.data, key.len);
}

struct timer_key {
    const struct zkt_timer *type;
    struct zkt_str key;
};

/* Returns the timer at a place, or NULL. */
static struct zkt_running_timer *timer_at(struct zkt_tree_node *const *at)
{
    return *at != NULL ? ZKT_CONTAINER(*at, struct zkt_running_timer, by_key)
                       : NULL;
}

static bool has_key(const struct zkt_tree_node *node, const void *key)
{
    const struct timer_key *wanted = key;
    const struct zkt_running_timer *timer = ZKT_CONTAINER(
        node, const struct zkt_running_timer, by_key);
    return timer->type == wanted->type && zkt_str_eq(timer->key, wanted->key);
}

/* Returns the place of a timer in a tree; it has NULL if there is none. */
static struct zkt_tree_node **find(struct zkt_tree_node **root, uint64_t hash,
                                   const struct zkt_timer *type,
                                   struct zkt_str key)
{
    const struct timer_key wanted = { type, key };
    return zkt__tree_find(root, hash, has_key, &wanted);
}

static struct zkt_tree_node **place_of(struct zkt_tree_node **root,
                                       const struct zkt_running_timer *of)
{
    return find(root, of->by_key.hash, of->type, of->key);
}

/* Removes a timer from a tree. */
static struct zkt_running_timer *take(struct zkt_tree_node **at)
{
    struct zkt_running_timer *timer = timer_at(at);
    zkt__tree_remove(at);
    return timer;
}

/* ---- memory ---- */

/* Returns the timers of an instance, created if it has none, or NULL. */
static struct zkt_timers *timers_of(const struct zkt_host *host,
                                    struct zkt_instance *instance)
{
    if (instance->timers == NULL) {
        struct zkt_timers *timers = zkt__alloc_zero(host->allocator, 1,
                                                    sizeof(*timers));
        if (timers != NULL) {
            zkt__list_init(&timers->waiting);
            zkt__list_init(&timers->changes.all);
        }
        instance->timers = timers;
    }
    return instance->timers;
}

static void release_if_empty(const struct zkt_host *host,
                             struct zkt_instance *instance)
{
    if (instance->timers != NULL && instance->timers->blocks == 0) {
        zkt__release(host->allocator, instance->timers);
        instance->timers = NULL;
    }
}

/* Allocates a timer with @size bytes behind it, and its seat in the heap. */
static struct zkt_running_timer *allocate(struct zkt_host *host,
                                          struct zkt_instance *instance,
                                          size_t size)
{
    struct zkt_heap *heap = &host->instances->timers.heap;
    struct zkt_running_timer *timer = NULL;
    if (timers_of(host, instance) != NULL &&
        zkt__heap_reserve(heap, host->allocator)) {
        timer = zkt__alloc(host->allocator, sizeof(*timer) + size);
        if (timer == NULL) {
            zkt__heap_release(heap, host->allocator);
        }
    }
    if (timer == NULL) {
        release_if_empty(host, instance);
        return NULL;
    }
    *timer = (struct zkt_running_timer){ .instance = instance };
    instance->timers->blocks++;
    return timer;
}

void zkt__timer_free(struct zkt_host *host, struct zkt_running_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    struct zkt_instance *instance = timer->instance;
    zkt__heap_release(&host->instances->timers.heap, host->allocator);
    zkt__release(host->allocator, timer);
    instance->timers->blocks--;
    release_if_empty(host, instance);
}

/* Returns the key in an input of the timer. */
static struct zkt_str key_of(const struct zkt_timer *type, const void *input)
{
    struct zkt_str key = ZKT_STR("");
    if (type->by >= 0) {
        const struct zkt_field *field =
            &type->input->of.structs->fields[type->by];
        memcpy(&key, (const char *)input + field->offset, sizeof(key));
    }
    return key;
}

/* @request is that of the call, or zero. */
static struct zkt_running_timer *make(struct zkt_host *host,
                                      struct zkt_instance *instance,
                                      const struct zkt_timer *type,
                                      const void *input,
                                      struct zkt_request request)
{
    const size_t size = type->input != NULL
                            ? zkt__value_measure(type->input, input)
                            : 0;
    const size_t trace = request.trace != NULL ? strlen(request.trace) + 1 : 0;
    struct zkt_running_timer *timer = allocate(host, instance, size + trace);
    if (timer != NULL) {
        timer->request = request;
        if (trace > 0) {
            timer->request.trace = memcpy(timer->memory + size, request.trace,
                                          trace);
        }
        timer->type = type;
        timer->input = type->input != NULL
                           ? zkt__value_dup_into(type->input, input,
                                                 timer->memory)
                           : NULL;
        timer->key = key_of(type, timer->input);
        timer->by_key.hash = hash_of(host, type, timer->key);
    }
    return timer;
}

/* Makes the change that stops a timer. */
static struct zkt_running_timer *make_stop(struct zkt_host *host,
                                           struct zkt_instance *instance,
                                           const struct zkt_timer *type,
                                           struct zkt_str key)
{
    struct zkt_running_timer *timer = allocate(host, instance, key.len + 1);
    if (timer != NULL) {
        memcpy(timer->memory, key.len > 0 ? key.data : "", key.len);
        timer->type = type;
        timer->key = (struct zkt_str){ timer->memory, key.len };
        timer->by_key.hash = hash_of(host, type, timer->key);
        timer->stops = true;
    }
    return timer;
}

/* ---- running ---- */

static void enter_heap(const struct zkt_host *host,
                       struct zkt_running_timer *timer)
{
    struct zkt_instances *instances = host->instances;
    zkt__heap_add(&instances->timers.heap, &timer->heaped);
    zkt__instances_expect(instances, timer->heaped.due);
}

/* Adds a timer that runs. No other has its key. */
static void begin(struct zkt_host *host, struct zkt_running_timer *timer)
{
    struct zkt_timers *timers = timer->instance->timers;
    *place_of(&timers->tree, timer) = &timer->by_key;
    timers->running++;
    timers->started += timer->started;
    host->stats.timers++;
    enter_heap(host, timer);
}

/* Takes a timer out of everything; the caller frees it. */
static struct zkt_running_timer *halt(struct zkt_host *host,
                                      struct zkt_tree_node **at)
{
    struct zkt_running_timer *timer = take(at);
    struct zkt_timers *timers = timer->instance->timers;
    timers->running--;
    timers->started -= timer->started;
    host->stats.timers--;
    zkt__heap_remove(&host->instances->timers.heap, &timer->heaped);
    zkt__node_unlink(&timer->node);
    if (zkt__list_empty(&timers->waiting)) {
        zkt__node_unlink(&timers->in_round);
    }
    return timer;
}

/* Queues the message of a timer. That of an instance that ends is dropped: the
 * timer ends with it. */
static void queue(struct zkt_host *host, struct zkt_running_timer *timer)
{
    struct zkt_instance *instance = timer->instance;
    struct zkt_timers *timers = instance->timers;
    if (instance->ending) {
        return;
    }
    zkt__list_append(&timers->waiting, &timer->node);
    if (!zkt__node_linked(&timers->in_round)) {
        zkt__list_append(&instance->round, &timers->in_round);
    }
    zkt__mailbox_make_ready(host, instance);
}

void zkt__timers_fire(struct zkt_host *host)
{
    struct zkt_timer_heap *timers = &host->instances->timers;
    struct zkt_heap_node *first;
    while (zkt__timers_next(timers) <= host->clock->now_ms &&
           (first = zkt__heap_first(&timers->heap)) != NULL) {
        zkt__heap_remove(&timers->heap, first);
        queue(host, ZKT_CONTAINER(first, struct zkt_running_timer, heaped));
    }
}

/* Returns @at + @ms, at most INT64_MAX - 1; @at is not negative. */
static int64_t later(int64_t at, int64_t ms)
{
    return ms < INT64_MAX - 1 - at ? at + ms : INT64_MAX - 1;
}

/* Sets the next time of the phase of a repeating timer. */
static void repeat(const struct zkt_host *host, struct zkt_running_timer *timer)
{
    const int64_t period = timer->period_ms;
    const int64_t late = host->clock->now_ms - timer->heaped.due;
    timer->heaped.due = later(timer->heaped.due + late / period * period,
                              period);
    enter_heap(host, timer);
}

/* The server stops: no message of a timer is handled any more. */
static void drop_waiting(struct zkt_timers *timers)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&timers->waiting)) != NULL) {
        zkt__node_unlink(node);
    }
}

void zkt__timers_serve(struct zkt_host *host, struct zkt_instance *instance)
{
    struct zkt_timers *timers = instance->timers;
    if (host->instances->timers.stopped) {
        drop_waiting(timers);
        return;
    }
    struct zkt_running_timer *timer = ZKT_CONTAINER(
        zkt__list_first(&timers->waiting), struct zkt_running_timer, node);
    const struct zkt_timer *type = timer->type;
    zkt__node_unlink(&timer->node);
    if (!zkt__list_empty(&timers->waiting)) {
        zkt__list_append(&instance->round, &timers->in_round);
    }
    if (timer->period_ms > 0) {
        repeat(host, timer);
        timer = NULL; /* its handler may stop it */
    } else {
        (void)halt(host, place_of(&timers->tree, timer));
    }
    zkt__host_spend(host, ZKT_COST_CALL);
    const struct zkt_timer_run run = {
        .type = type,
        .input = timer != NULL ? timer->input : NULL,
        .request = timer != NULL ? timer->request
                                 : (struct zkt_request){ 0, NULL },
    };
    zkt__task_timer(host, instance, &run);
    zkt__timer_free(host, timer);
    zkt__instance_release_if_unused(host, instance);
}

/* ---- contact ---- */

bool zkt__timers_resume(struct zkt_host *host, struct zkt_instance *instance)
{
    const struct zkt_actor *actor = instance->actor;
    for (uint32_t i = 0; i < actor->timer_count; i++) {
        const struct zkt_timer *type = &actor->timers[i];
        const uint64_t hash = hash_of(host, type, ZKT_STR(""));
        if (type->every_ms == 0 ||
            (instance->timers != NULL &&
             *find(&instance->timers->tree, hash, type, ZKT_STR("")) != NULL)) {
            continue;
        }
        struct zkt_running_timer *timer = make(host, instance, type, NULL,
                                               (struct zkt_request){ 0, NULL });
        if (timer == NULL) {
            zkt__timers_pause(host, instance);
            return false;
        }
        timer->period_ms = type->every_ms;
        timer->heaped.due = later(host->clock->now_ms, timer->period_ms);
        begin(host, timer);
    }
    return true;
}

void zkt__timers_pause(struct zkt_host *host, struct zkt_instance *instance)
{
    const struct zkt_actor *actor = instance->actor;
    for (uint32_t i = 0; i < actor->timer_count && instance->timers != NULL;
         i++) {
        const struct zkt_timer *type = &actor->timers[i];
        struct zkt_tree_node **at = find(&instance->timers->tree,
                                         hash_of(host, type, ZKT_STR("")), type,
                                         ZKT_STR(""));
        if (*at != NULL && !timer_at(at)->started) {
            zkt__timer_free(host, halt(host, at));
        }
    }
}

void zkt__timers_end(struct zkt_host *host, struct zkt_instance *instance)
{
    while (instance->timers != NULL && instance->timers->tree != NULL) {
        zkt__timer_free(host, halt(host, &instance->timers->tree));
    }
}

/* ---- changes of a call ---- */

/* Returns the timer as the call sees it, or NULL. */
static const struct zkt_running_timer *seen_by(const struct zkt_call *call,
                                               uint64_t hash,
                                               const struct zkt_timer *type,
                                               struct zkt_str key)
{
    struct zkt_timers *timers = call->instance->timers;
    if (timers == NULL) {
        return NULL;
    }
    const struct zkt_running_timer *change = timer_at(
        find(&timers->changes.tree, hash, type, key));
    if (change != NULL) {
        return change->stops ? NULL : change;
    }
    return timer_at(find(&timers->tree, hash, type, key));
}

/* Adds a change, in place of an earlier one of the same timer; NULL: there is
 * no memory. */
static void add_change(struct zkt_call *call, struct zkt_running_timer *change)
{
    if (change == NULL) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory for a timer");
        return;
    }
    struct zkt_timers *timers = call->instance->timers;
    const bool runs = seen_by(call, change->by_key.hash, change->type,
                              change->key) != NULL;
    struct zkt_tree_node **at = place_of(&timers->changes.tree, change);
    if (*at != NULL) {
        struct zkt_running_timer *earlier = take(at);
        zkt__node_unlink(&earlier->node);
        zkt__timer_free(call->host, earlier);
        at = place_of(&timers->changes.tree, change);
    }
    *at = &change->by_key;
    zkt__list_append(&timers->changes.all, &change->node);
    timers->changes.added += (int)!change->stops - (int)runs;
    call->changes_timers = call->has_effects = true;
}

static bool may_change(const struct zkt_call *call)
{
    return call->host != NULL && zkt__call_runs(call) &&
           call->instance != NULL && call->journal.failure == ZKT_OK;
}

/* Returns true if one more timer may run. */
static bool has_room(const struct zkt_call *call)
{
    const struct zkt_timers *timers = call->instance->timers;
    const int64_t running = timers != NULL
                                ? timers->running + timers->changes.added
                                : 0;
    return running < call->host->limits->timers;
}

/* Returns true if the timer may be started, or poisons the call. */
static bool may_start(struct zkt_call *call, const struct zkt_timer *type,
                      const void *input)
{
    struct zkt_host *host = call->host;
    if (type->input != NULL &&
        !zkt__check_value(type->input, input, NULL, 0, &call->issues)) {
        zkt__call_poison(call, ZKT_INTERNAL, "the timer %s breaks a rule",
                         type->name.data);
        return false;
    }
    const struct zkt_str key = key_of(type, input);
    if (seen_by(call, hash_of(host, type, key), type, key) == NULL &&
        !has_room(call)) {
        host->stats.limit_hits.timers++;
        zkt__call_poison(call, ZKT_INTERNAL, "too many timers of one instance");
        return false;
    }
    return true;
}

void zkt_call_timer_start(struct zkt_call *call, uint32_t timer, int64_t ms,
                          const void *input)
{
    if (!may_change(call)) {
        return;
    }
    struct zkt_host *host = call->host;
    const struct zkt_timer *type = &call->actor->timers[timer];
    if (!may_start(call, type, input)) {
        return;
    }
    struct zkt_running_timer *started = make(host, call->instance, type, input,
                                             zkt__call_request(call));
    if (started != NULL) {
        const int64_t delay = ms > 0 ? ms : 1;
        started->started = true;
        started->period_ms = type->every_ms > 0 ? delay : 0;
        started->heaped.due = later(host->clock->now_ms, delay);
    }
    add_change(call, started);
}

void zkt_call_timer_stop(struct zkt_call *call, uint32_t timer,
                         struct zkt_str key)
{
    if (!may_change(call)) {
        return;
    }
    struct zkt_host *host = call->host;
    const struct zkt_timer *type = &call->actor->timers[timer];
    if (seen_by(call, hash_of(host, type, key), type, key) != NULL) {
        add_change(call, make_stop(host, call->instance, type, key));
    }
}

int64_t zkt_call_timer_due(const struct zkt_call *call, uint32_t timer,
                           struct zkt_str key)
{
    if (call->host == NULL || call->instance == NULL || !zkt__call_runs(call)) {
        return -1;
    }
    const struct zkt_timer *type = &call->actor->timers[timer];
    const struct zkt_running_timer *seen = seen_by(
        call, hash_of(call->host, type, key), type, key);
    if (seen == NULL) {
        return -1;
    }
    return later(call->now_ms, seen->heaped.due - call->host->clock->now_ms);
}

/* Begins to apply or to release the changes of a call: moves them to @all. */
static void take_changes(struct zkt_call *call, struct zkt_list *all)
{
    struct zkt_timers *timers = call->instance->timers;
    zkt__list_init(all);
    zkt__list_move(all, &timers->changes.all);
    timers->changes.tree = NULL;
    timers->changes.added = 0;
    call->changes_timers = false;
}

/* Removes and returns the first change, or returns NULL. */
static struct zkt_running_timer *take_change(const struct zkt_list *all)
{
    struct zkt_node *first = zkt__list_first(all);
    if (first == NULL) {
        return NULL;
    }
    struct zkt_running_timer *change = ZKT_CONTAINER(
        first, struct zkt_running_timer, node);
    zkt__node_unlink(first);
    memset(change->by_key.child, 0, sizeof(change->by_key.child));
    return change;
}

void zkt__timers_apply(struct zkt_call *call)
{
    struct zkt_host *host = call->host;
    struct zkt_running_timer *change;
    struct zkt_list all;
    take_changes(call, &all);
    while ((change = take_change(&all)) != NULL) {
        struct zkt_tree_node **at = place_of(&change->instance->timers->tree,
                                             change);
        if (*at != NULL) {
            zkt__timer_free(host, halt(host, at));
        }
        if (change->stops) {
            zkt__timer_free(host, change);
        } else {
            begin(host, change);
        }
    }
}

void zkt__timers_drop(struct zkt_call *call)
{
    struct zkt_running_timer *change;
    struct zkt_list all;
    take_changes(call, &all);
    while ((change = take_change(&all)) != NULL) {
        zkt__timer_free(call->host, change);
    }
}
