/*
 * The connections of a server, for its program: zkt_server_connections. A list
 * is a work item that goes from shard to shard, from the first to the last and
 * back: each thread lists its own connections, no two at once, and no thread
 * waits for another.
 */
#include "server/connection.h"
#include "server/core.h"

struct listing {
    struct zkt_work work; /* of the shard that is next */
    struct zkt_shards *shards;
    uint32_t listed; /* shards that are done */
    void (*each)(const struct zkt_client_info *info, void *user);
    void (*done)(void *user);
    void *user;
};

static struct zkt_server *first_of(const struct listing *listing)
{
    return listing->shards->all[0];
}

static void list(const struct zkt_server *server, const struct listing *listing)
{
    const struct zkt_list *all = &server->connections;
    for (struct zkt_node *n = zkt__list_first(all); n != NULL;
         n = zkt__list_after(all, n)) {
        const struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection,
                                                       all);
        const struct zkt_session *session = &c->session;
        const struct zkt_client_info info = {
            .id = zkt__peer_client_id(&session->peer),
            .address = zkt_cstr(session->peer.remote),
            .data = session->record != NULL ? session->record->data : NULL,
            .contacts = session->contact_count,
            .subscriptions = session->subscriptions,
        };
        if (session->open) {
            listing->each(&info, listing->user);
        }
    }
}

static void finish(struct listing *listing)
{
    struct zkt_server *first = first_of(listing);
    if (listing->done != NULL) {
        listing->done(listing->user);
    }
    zkt__outside_release(first, sizeof(*listing));
    zkt__release(first->allocator, listing);
}

/* Lists the connections of the shard that runs this, unless that is done. */
static void visit(struct zkt_work *work, void *owner)
{
    struct listing *listing = ZKT_CONTAINER(work, struct listing, work);
    const struct zkt_server *server = owner;
    const struct zkt_shards *shards = listing->shards;
    const uint32_t running = shards->lives.running;
    zkt__server_begin_callback(server);
    if (listing->listed < running) {
        list(server, listing);
        listing->listed++;
    }
    const uint32_t next = listing->listed % running;
    if (next == server->self) {
        finish(listing);
    } else { /* a queue that is closed by now runs once more */
        zkt__work_post_all(shards->all[next]->host.work, work, work);
    }
    zkt__server_end_callback(server);
}

enum zkt_status zkt_server_connections(
    struct zkt_server *server,
    void (*each)(const struct zkt_client_info *info, void *user),
    void (*done)(void *user), void *user)
{
    struct listing *listing = zkt__alloc(server->allocator, sizeof(*listing));
    enum zkt_status status = ZKT_OK;
    if (listing == NULL) {
        return ZKT_NO_MEMORY;
    }
    *listing = (struct listing){
        .work = { .run = visit },
        .shards = server->shards,
        .each = each,
        .done = done,
        .user = user,
    };
    struct zkt_server *first = first_of(listing);
    if (!zkt__outside_reserve(first, sizeof(*listing))) {
        status = ZKT_RESOURCE_EXHAUSTED;
    } else if (!zkt__work_post(first->host.work, &listing->work)) {
        status = ZKT_CLOSED;
    }
    if (status != ZKT_OK) {
        zkt__outside_release(first, sizeof(*listing));
        zkt__release(server->allocator, listing);
    }
    return status;
}
