/* See remote.h. */
#include "actor/remote.h"

#include <stdatomic.h>

/* ---- all shards ---- */

struct zkt_peers *zkt__peers_new(const struct zkt_allocator *allocator,
                                 uint32_t count, const struct zkt_hash_key *key)
{
    struct zkt_peers *peers = zkt__alloc_zero(allocator, 1, sizeof(*peers));
    if (peers == NULL) {
        return NULL;
    }
    peers->allocator = allocator;
    peers->count = count;
    peers->actors = zkt__alloc_zero(allocator, count, sizeof(*peers->actors));
    if (peers->actors == NULL ||
        !zkt__directory_init(&peers->directory, allocator, key)) {
        zkt__peers_free(peers);
        return NULL;
    }
    return peers;
}

void zkt__peers_free(struct zkt_peers *peers)
{
    if (peers != NULL) {
        zkt__directory_finish(&peers->directory);
        zkt__release(peers->allocator, peers->actors);
        zkt__release(peers->allocator, peers);
    }
}

bool zkt__remote_join(struct zkt_actors *actors, struct zkt_peers *peers,
                      uint32_t self)
{
    actors->remote = zkt__alloc_zero(
        actors->allocator, 1,
        sizeof(struct zkt_remote) + peers->count * sizeof(struct zkt_outbox));
    if (actors->remote == NULL) {
        return false;
    }
    actors->remote->peers = peers;
    actors->self = self;
    peers->actors[self] = actors;
    return true;
}

static void send(struct zkt_actors *actors, uint32_t shard,
                 struct zkt_posted *posted)
{
    struct zkt_outbox *outbox = &actors->remote->outboxes[shard];
    posted->next = NULL;
    if (outbox->last != NULL) {
        outbox->last->next = posted;
    } else {
        outbox->first = posted;
    }
    outbox->last = posted;
    actors->remote->unsent = true;
}

void zkt__remote_flush(struct zkt_actors *actors)
{
    if (!zkt__remote_is_due(actors)) {
        return;
    }
    const struct zkt_peers *peers = actors->remote->peers;
    actors->remote->unsent = false;
    for (uint32_t i = 0; i < peers->count; i++) {
        struct zkt_outbox *outbox = &actors->remote->outboxes[i];
        if (outbox->first != NULL) {
            zkt__post_all(peers->actors[i]->box, outbox->first, outbox->last);
            *outbox = (struct zkt_outbox){ NULL, NULL };
        }
    }
}

bool zkt__remote_take(struct zkt_actors *actors, const struct zkt_actor *actor,
                      struct zkt_str name, uint32_t *home)
{
    return actors->remote == NULL ||
           zkt__directory_take(&actors->remote->peers->directory, actor, name,
                               actors->self, home);
}

void zkt__remote_release(struct zkt_actors *actors,
                         const struct zkt_actor *actor, struct zkt_str name)
{
    if (actors->remote != NULL) {
        zkt__directory_release(&actors->remote->peers->directory, actor, name);
    }
}

bool zkt__remote_count(struct zkt_actors *actors)
{
    const uint64_t most = (uint64_t)actors->limits->instances;
    if (actors->remote == NULL) {
        return actors->instances.live < most;
    }
    if (atomic_fetch_add(&actors->remote->peers->instances, 1) >= most) {
        zkt__remote_uncount(actors);
        return false;
    }
    return true;
}

void zkt__remote_uncount(struct zkt_actors *actors)
{
    if (actors->remote != NULL) {
        atomic_fetch_sub(&actors->remote->peers->instances, 1);
    }
}

/* ---- down: at the edge ---- */

static void free_answer(struct zkt_actors *actors, struct zkt_answer *answer)
{
    zkt__buffer_unref(answer->frame);
    for (uint32_t i = 0; i < answer->patch_count; i++) {
        zkt__buffer_unref(answer->patches[i]);
    }
    zkt__release(actors->allocator, answer->patches);
    zkt__release(actors->allocator, answer->notice);
    zkt__release(actors->allocator, answer);
}

/* Patches are for the link again after its last subscription. */
static void wait_for_last(struct zkt_route *route)
{
    route->awaited = route->state_serial;
    route->link.waits = true;
}

static void queue_frame(struct zkt_actors *actors, struct zkt_port *port,
                        struct zkt_buffer *frame)
{
    if (frame != NULL) {
        zkt__frame_queue(actors, port, frame);
    } else {
        port->touched(port, true);
    }
}

/* @counts: patches were to be for the link from this answer on; now they are
 * from that of the next subscription. */
static void take_state_refusal(struct zkt_actors *actors,
                               struct zkt_route *route,
                               const struct zkt_answer *answer, bool counts)
{
    struct zkt_link *link = &route->link;
    if (answer->serial == route->state_serial) {
        zkt__edge_unsubscribe_state(link);
    } else if (counts) {
        wait_for_last(route);
    }
    queue_frame(actors, link->port, answer->frame);
}

/*
 * Every subscription of a client's is answered, also one that it has given up
 * meanwhile; but patches are for the link after the one that counts. What a
 * token has asked for is of no use when the token is gone.
 */
static void take_state_answer(struct zkt_actors *actors,
                              struct zkt_route *route,
                              const struct zkt_answer *answer)
{
    const struct zkt_recap recap = { answer->frame, answer->patches,
                                     answer->patch_count };
    struct zkt_link *link = &route->link;
    const bool counts = answer->serial == route->awaited && link->waits;
    if (counts) {
        link->waits = false;
    }
    if (answer->refused) {
        take_state_refusal(actors, route, answer, counts);
    } else if (!answer->token) {
        zkt__edge_take_snapshot(actors, link, &recap);
    } else if (counts) {
        zkt__edge_take_token(actors, link, &recap);
    }
}

static void take_events_answer(struct zkt_actors *actors,
                               struct zkt_route *route,
                               const struct zkt_answer *answer)
{
    if (answer->serial == route->event_serial) {
        zkt__edge_unsubscribe_events(&route->link);
    }
    queue_frame(actors, route->link.port, answer->frame);
}

static void on_answer(struct zkt_posted *posted, void *server)
{
    (void)server;
    struct zkt_answer *answer = ZKT_CONTAINER(posted, struct zkt_answer,
                                              posted);
    struct zkt_route *route = answer->route;
    struct zkt_actors *actors = route->edge;
    if (answer->of == ZKT_REQUEST_CALL) {
        route->link.port->waiting--;
        actors->remote->away--;
        queue_frame(actors, route->link.port, answer->frame);
    } else if (answer->of == ZKT_REQUEST_SUBSCRIBE_STATE) {
        take_state_answer(actors, route, answer);
    } else {
        take_events_answer(actors, route, answer);
    }
    free_answer(actors, answer);
}

static void on_notice(struct zkt_posted *posted, void *server)
{
    (void)server;
    struct zkt_notice *notice = ZKT_CONTAINER(posted, struct zkt_notice,
                                              posted);
    struct zkt_route *route = notice->route;
    struct zkt_actors *actors = route->edge;
    struct zkt_link *link = &route->link;
    const bool state = link->state &&
                       route->state_serial == notice->state_serial;
    const bool events = link->events &&
                        route->event_serial == notice->event_serial;
    const struct zkt_request request = {
        .kind = ZKT_REQUEST_SUBSCRIBE_STATE,
        .port = link->port,
        .link = link,
    };
    if (state) {
        zkt__edge_unsubscribe_state(link);
    } else if (link->state) {
        wait_for_last(route); /* it has asked anew, of another instance */
    }
    if (events) {
        zkt__edge_unsubscribe_events(link);
    }
    if (state || events) {
        zkt__edge_refuse(actors, &request, notice->status, notice->text);
    }
    zkt__release(actors->allocator, notice);
}

static void free_bulletin(const struct zkt_allocator *allocator,
                          struct zkt_bulletin *bulletin)
{
    struct zkt_commit *commit = &bulletin->commit;
    for (const struct zkt_emitted *e = commit->events; e != NULL; e = e->next) {
        zkt__buffer_unref(e->frame);
    }
    for (size_t i = 0; i < ZKT_DIALECT_COUNT; i++) {
        zkt__buffer_unref(commit->patch[i]);
    }
    zkt__release(allocator, bulletin);
}

static void on_bulletin(struct zkt_posted *posted, void *server)
{
    (void)server;
    struct zkt_bulletin *bulletin = ZKT_CONTAINER(posted, struct zkt_bulletin,
                                                  posted);
    zkt__edge_publish(bulletin->edge, &bulletin->commit);
    free_bulletin(bulletin->edge->allocator, bulletin);
}

/* The owner has nothing more to say about the route. */
static void on_left(struct zkt_posted *posted, void *server)
{
    (void)server;
    struct zkt_route *route = ZKT_CONTAINER(posted, struct zkt_route, passage);
    struct zkt_actors *actors = route->edge;
    struct zkt_port *port = route->link.port;
    struct zkt_instance *stub = route->link.instance;
    zkt__edge_part(actors, &route->link);
    zkt__release(actors->allocator, route->notice);
    zkt__release(actors->allocator, route);
    zkt__owner_settle(actors, stub);
    if (port->link_count == 0) {
        port->emptied(port);
    }
}

/* ---- up: at the owner ---- */

/* The guest's contact with the instance, which is made if there is none. */
static bool attach(struct zkt_actors *actors, struct zkt_route *route,
                   struct zkt_str *reason)
{
    const struct zkt_instance *stub = route->link.instance;
    if (route->guest.instance != NULL) {
        return true;
    }
    struct zkt_instance *instance = zkt__owner_find(actors, stub->actor,
                                                    stub->name);
    if (instance == NULL) {
        instance = zkt__owner_create(actors, stub->actor, stub->name, reason);
    }
    if (instance == NULL) {
        return false;
    }
    zkt__edge_join(actors, &route->guest, &route->port, instance);
    return true;
}

static bool is_unsubscription(const struct zkt_request *request)
{
    return request->kind == ZKT_REQUEST_UNSUBSCRIBE_STATE ||
           request->kind == ZKT_REQUEST_UNSUBSCRIBE_EVENTS;
}

/* Refuses a letter of a guest without an instance. */
static void refuse(struct zkt_actors *actors, struct zkt_letter *letter,
                   enum zkt_status status, struct zkt_str reason)
{
    zkt__edge_refuse(actors, &letter->request, status, reason);
    zkt__release(actors->allocator, letter);
}

static void on_letter(struct zkt_posted *posted, void *server)
{
    (void)server;
    struct zkt_letter *letter = ZKT_CONTAINER(posted, struct zkt_letter,
                                              posted);
    struct zkt_route *route = letter->route;
    struct zkt_actors *actors = route->owner;
    struct zkt_str reason;
    letter->request.port = &route->port;
    letter->request.link = &route->guest;
    if (route->guest.instance == NULL && is_unsubscription(&letter->request)) {
        zkt__release(actors->allocator, letter);
    } else if (actors->ended) {
        refuse(actors, letter, ZKT_UNAVAILABLE, ZKT_STR("the server stops"));
    } else if (!attach(actors, route, &reason)) {
        refuse(actors, letter, ZKT_RESOURCE_EXHAUSTED, reason);
    } else {
        letter->request.instance = route->guest.instance->id;
        zkt__owner_deliver_letter(actors, letter);
    }
    zkt__arena_reset(&actors->task->arena);
}

/* The guest's port: what it is sent goes by other ways. */
static void ignore_touch(struct zkt_port *port, bool lost)
{
    (void)port;
    (void)lost;
}

static void say_left(struct zkt_route *route)
{
    route->passage.run = on_left;
    send(route->owner, route->port.shard, &route->passage);
}

/* The contact is over: because the edge wants it, or for now. */
static void on_guest_gone(struct zkt_port *port)
{
    struct zkt_route *route = ZKT_CONTAINER(port, struct zkt_route, port);
    if (route->leaves) {
        say_left(route);
    }
}

static void on_leave(struct zkt_posted *posted, void *server)
{
    (void)server;
    struct zkt_route *route = ZKT_CONTAINER(posted, struct zkt_route, passage);
    struct zkt_actors *actors = route->owner;
    struct zkt_instance *instance = route->guest.instance;
    route->leaves = true;
    if (instance == NULL) {
        say_left(route);
    } else if (zkt__mailbox_is_free(actors, instance)) {
        zkt__edge_leave(actors, &route->guest);
        zkt__arena_reset(&actors->task->arena);
    } else {
        zkt__mailbox_put_own(actors, instance, &route->guest.departure, false);
    }
}

/* ---- up: from the edge ---- */

struct zkt_link *zkt__remote_link(struct zkt_actors *actors,
                                  struct zkt_port *port,
                                  struct zkt_instance *stub)
{
    struct zkt_route *route = zkt__alloc_zero(actors->allocator, 1,
                                              sizeof(*route));
    if (route == NULL) {
        return NULL;
    }
    route->edge = actors;
    route->owner = actors->remote->peers->actors[stub->home];
    route->port.client_id = port->client_id;
    route->port.client_id_len = port->client_id_len;
    route->port.dialect = port->dialect;
    route->port.shard = actors->self;
    route->port.open = true;
    route->port.touched = ignore_touch;
    route->port.emptied = on_guest_gone;
    zkt__list_init(&route->port.links);
    return &route->link;
}

static struct zkt_route *route_of(struct zkt_link *link)
{
    return ZKT_CONTAINER(link, struct zkt_route, link);
}

/* What a request's answer will go in, with a notice for a subscription. NULL:
 * no memory. */
static struct zkt_answer *new_answer(struct zkt_actors *actors,
                                     struct zkt_route *route,
                                     const struct zkt_request *request)
{
    struct zkt_answer *answer = zkt__alloc_zero(actors->allocator, 1,
                                                sizeof(*answer));
    if (answer == NULL) {
        return NULL;
    }
    answer->posted.run = on_answer;
    answer->route = route;
    answer->of = request->kind;
    answer->serial = request->serial;
    answer->token = request->token;
    if (request->kind != ZKT_REQUEST_CALL) {
        answer->notice = zkt__alloc_zero(actors->allocator, 1,
                                         sizeof(*answer->notice));
        if (answer->notice == NULL) {
            zkt__release(actors->allocator, answer);
            return NULL;
        }
        answer->notice->route = route;
    }
    return answer;
}

/* False: no memory. */
static bool send_letter(struct zkt_actors *actors,
                        const struct zkt_request *request)
{
    struct zkt_route *route = route_of(request->link);
    struct zkt_request copy = *request;
    if (!is_unsubscription(request)) {
        copy.answer = new_answer(actors, route, request);
        if (copy.answer == NULL) {
            return false;
        }
    }
    struct zkt_letter *letter = zkt__letter_new(actors->allocator, &copy,
                                                zkt__letter_measure(&copy));
    if (letter == NULL) {
        if (copy.answer != NULL) {
            free_answer(actors, copy.answer);
        }
        return false;
    }
    letter->posted.run = on_letter;
    letter->route = route;
    send(actors, request->link->instance->home, &letter->posted);
    return true;
}

static void send_call(struct zkt_actors *actors,
                      const struct zkt_request *request)
{
    if (!send_letter(actors, request)) {
        zkt__edge_refuse(actors, request, ZKT_RESOURCE_EXHAUSTED,
                         ZKT_STR("out of memory"));
        return;
    }
    request->port->waiting++;
    actors->remote->away++;
}

void zkt__remote_send(struct zkt_actors *actors,
                      const struct zkt_request *request)
{
    struct zkt_request numbered = *request;
    if (request->kind == ZKT_REQUEST_CALL) {
        send_call(actors, request);
        return;
    }
    if (request->kind == ZKT_REQUEST_SUBSCRIBE_EVENTS) {
        numbered.serial = ++route_of(request->link)->event_serial;
    }
    /* That nobody listens any more may go unsaid. */
    if (!send_letter(actors, &numbered) && !is_unsubscription(request)) {
        request->port->touched(request->port, true);
    }
}

void zkt__remote_fetch(struct zkt_actors *actors, struct zkt_link *link,
                       enum zkt_fetch why)
{
    struct zkt_route *route = route_of(link);
    const struct zkt_request request = {
        .kind = ZKT_REQUEST_SUBSCRIBE_STATE,
        .port = link->port,
        .link = link,
        .serial = ++route->state_serial,
        .token = why == ZKT_FETCH_TOKEN,
    };
    if (why != ZKT_FETCH_AGAIN) {
        route->awaited = request.serial;
        link->waits = true;
    }
    if (!send_letter(actors, &request)) {
        link->port->touched(link->port, true);
    }
}

void zkt__remote_leave(struct zkt_actors *actors, struct zkt_link *link)
{
    struct zkt_route *route = route_of(link);
    route->passage.run = on_leave;
    send(actors, link->instance->home, &route->passage);
}

/* ---- down: from the owner ---- */

void zkt__remote_answer(struct zkt_actors *actors,
                        const struct zkt_request *request,
                        struct zkt_buffer *frame, bool refused)
{
    struct zkt_answer *answer = request->answer;
    answer->frame = frame;
    answer->refused = refused;
    send(actors, answer->route->port.shard, &answer->posted);
}

/* Keeps what @recap borrows. False: no memory. */
static bool keep_patches(struct zkt_actors *actors, struct zkt_answer *answer,
                         const struct zkt_recap *recap)
{
    if (recap->patch_count == 0) {
        return true;
    }
    answer->patches = zkt__alloc_zero(actors->allocator, recap->patch_count,
                                      sizeof(*answer->patches));
    if (answer->patches == NULL) {
        return false;
    }
    answer->patch_count = recap->patch_count;
    for (uint32_t i = 0; i < recap->patch_count; i++) {
        answer->patches[i] = zkt__buffer_ref(recap->patches[i]);
    }
    return true;
}

void zkt__remote_recap(struct zkt_actors *actors,
                       const struct zkt_request *request)
{
    struct zkt_link *guest = request->link;
    struct zkt_recap recap = { 0 };
    if (zkt__owner_recap(actors, guest->instance, guest->port->dialect,
                         &recap) &&
        !keep_patches(actors, request->answer, &recap)) {
        zkt__buffer_unref(recap.snapshot);
        recap.snapshot = NULL;
    }
    zkt__remote_answer(actors, request, recap.snapshot, false);
}

void zkt__remote_drop_answer(struct zkt_actors *actors,
                             const struct zkt_request *request)
{
    if (request->answer != NULL) {
        free_answer(actors, request->answer);
    }
}

void zkt__remote_note(const struct zkt_request *request)
{
    struct zkt_route *route = zkt__route_of_guest(request->link);
    if (request->kind == ZKT_REQUEST_SUBSCRIBE_STATE) {
        route->state_taken = request->serial;
    } else {
        route->event_taken = request->serial;
    }
    if (route->notice == NULL) {
        route->notice = request->answer->notice;
        request->answer->notice = NULL;
    }
}

void zkt__remote_notify(struct zkt_actors *actors, struct zkt_link *guest,
                        enum zkt_status status, struct zkt_str text)
{
    struct zkt_route *route = zkt__route_of_guest(guest);
    struct zkt_notice *notice = route->notice;
    route->notice = NULL;
    notice->posted.run = on_notice;
    notice->state_serial = route->state_taken;
    notice->event_serial = route->event_taken;
    notice->status = status;
    notice->text = text;
    send(actors, route->port.shard, &notice->posted);
}

/* ---- commits ---- */

static size_t measure_events(const struct zkt_emitted *events)
{
    size_t size = 0;
    for (const struct zkt_emitted *e = events; e != NULL; e = e->next) {
        size += sizeof(*e) + e->target.len * sizeof(struct zkt_str);
        for (size_t i = 0; i < e->target.len; i++) {
            size += e->target.ids[i].len;
        }
    }
    return size;
}

/* A copy of @ids, whose texts go to *@text. */
static struct zkt_str *copy_ids(struct zkt_str *to, const struct zkt_str *ids,
                                size_t len, char **text)
{
    for (size_t i = 0; i < len; i++) {
        memcpy(*text, ids[i].data, ids[i].len);
        to[i] = (struct zkt_str){ *text, ids[i].len };
        *text += ids[i].len;
    }
    return to;
}

/* Copies events to @at, which has room: all structs, then all texts. */
static struct zkt_emitted *copy_events(const struct zkt_emitted *events,
                                       void *at)
{
    struct zkt_emitted *first = NULL;
    struct zkt_emitted **next = &first;
    struct zkt_emitted *copy = at;
    size_t ids = 0;
    size_t count = 0;
    for (const struct zkt_emitted *e = events; e != NULL; e = e->next) {
        ids += e->target.len;
        count++;
    }
    struct zkt_str *id = (struct zkt_str *)(void *)(copy + count);
    char *text = (char *)(id + ids);
    for (const struct zkt_emitted *e = events; e != NULL; e = e->next) {
        *copy = *e;
        copy->next = NULL;
        copy->frame = zkt__buffer_ref(e->frame);
        copy->target.ids = copy_ids(id, e->target.ids, e->target.len, &text);
        id += e->target.len;
        *next = copy;
        next = &copy->next;
        copy++;
    }
    return first;
}

static struct zkt_bulletin *new_bulletin(struct zkt_actors *actors,
                                         const struct zkt_route *route,
                                         const struct zkt_commit *commit)
{
    struct zkt_bulletin *bulletin = zkt__alloc(
        actors->allocator, sizeof(*bulletin) + measure_events(commit->events));
    if (bulletin == NULL) {
        return NULL;
    }
    *bulletin = (struct zkt_bulletin){
        .posted = { .run = on_bulletin },
        .edge = route->edge,
        .commit = { .instance = route->link.instance,
                    .epoch = commit->epoch,
                    .seq = commit->seq },
    };
    bulletin->commit.events = copy_events(commit->events, bulletin + 1);
    for (size_t i = 0; i < ZKT_DIALECT_COUNT; i++) {
        if (commit->patch[i] != NULL) {
            bulletin->commit.patch[i] = zkt__buffer_ref(commit->patch[i]);
        }
    }
    return bulletin;
}

void zkt__remote_drop(struct zkt_actors *actors, struct zkt_commit *commit)
{
    while (commit->bulletins != NULL) {
        struct zkt_bulletin *bulletin = commit->bulletins;
        commit->bulletins = bulletin->next;
        free_bulletin(actors->allocator, bulletin);
    }
}

static bool is_told(const struct zkt_commit *commit,
                    const struct zkt_link *link)
{
    return (link->state && commit->patch[ZKT_DIALECT_PLAIN] != NULL) ||
           (link->events && commit->events != NULL);
}

bool zkt__remote_prepare(struct zkt_actors *actors, struct zkt_commit *commit)
{
    const struct zkt_list *links = &commit->instance->links;
    uint64_t told = 0; /* shards, a bit each */
    _Static_assert(ZKT_THREADS_MAX <= 64, "a shard has a bit");
    if (commit->instance->guests == 0) {
        return true;
    }
    for (struct zkt_node *n = zkt__list_first(links); n != NULL;
         n = zkt__list_after(links, n)) {
        struct zkt_link *link = ZKT_CONTAINER(n, struct zkt_link, of_instance);
        const uint64_t bit = (uint64_t)1 << link->port->shard;
        if (!zkt__is_guest(actors, link->port) || (told & bit) != 0 ||
            !is_told(commit, link)) {
            continue;
        }
        struct zkt_bulletin *bulletin = new_bulletin(
            actors, zkt__route_of_guest(link), commit);
        if (bulletin == NULL) {
            zkt__remote_drop(actors, commit);
            return false;
        }
        bulletin->next = commit->bulletins;
        commit->bulletins = bulletin;
        told |= bit;
    }
    return true;
}

void zkt__remote_publish(struct zkt_actors *actors, struct zkt_commit *commit)
{
    while (commit->bulletins != NULL) {
        struct zkt_bulletin *bulletin = commit->bulletins;
        commit->bulletins = bulletin->next;
        bulletin->commit.epoch = commit->epoch;
        bulletin->commit.seq = commit->seq;
        send(actors, bulletin->edge->self, &bulletin->posted);
    }
}

/* ---- the end of an instance elsewhere ---- */

struct destruction {
    struct zkt_posted posted;
    struct zkt_actors *owner;
    const struct zkt_actor *actor;
    size_t len;
    char name[];
};

static void on_destruction(struct zkt_posted *posted, void *server)
{
    struct destruction *d = ZKT_CONTAINER(posted, struct destruction, posted);
    struct zkt_actors *actors = d->owner;
    (void)server;
    struct zkt_instance *instance = zkt__owner_find(
        actors, d->actor, (struct zkt_str){ d->name, d->len });
    if (instance != NULL && !zkt__is_stub(actors, instance)) {
        zkt__mailbox_put_own(actors, instance, &instance->end, false);
    }
    zkt__release(actors->allocator, d);
}

enum zkt_status zkt__remote_destroy(struct zkt_actors *actors,
                                    const struct zkt_actor *actor,
                                    struct zkt_str name)
{
    uint32_t home;
    if (actors->remote == NULL ||
        !zkt__directory_find(&actors->remote->peers->directory, actor, name,
                             &home)) {
        return ZKT_NOT_FOUND;
    }
    struct destruction *d = zkt__alloc(actors->allocator,
                                       sizeof(*d) + name.len);
    if (d == NULL) {
        return ZKT_NO_MEMORY;
    }
    *d = (struct destruction){ .posted = { .run = on_destruction },
                               .owner = actors->remote->peers->actors[home],
                               .actor = actor,
                               .len = name.len };
    memcpy(d->name, name.data, name.len);
    send(actors, home, &d->posted);
    return ZKT_OK;
}
