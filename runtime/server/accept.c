/* The functions by which a driver adds connections: admission, refusal and
 * limits. */
#include "server/server.h"

#include "http/forwarded.h"
#include "server/connection.h"
#include "server/core.h"

bool zkt__server_is_open(struct zkt_server *server)
{
    return server->life == ZKT_LIFE_SERVING &&
           zkt__admission_is_open(&server->shards->admission, &server->limits,
                                  server->core.now_ms,
                                  &server->host.stats.limit_hits);
}

/* Evicts a handshake. Its shard drops the connection at the end of its next
 * turn. */
static void evict_handshake(struct zkt_server *server)
{
    struct zkt_shards *shards = server->shards;
    uint32_t shard;
    if (zkt__admission_evict(&shards->admission, &server->limits, &shard)) {
        server->host.stats.limit_hits.half_open++;
        zkt__work_wake(shards->all[shard]->host.work);
    }
}

/* The same for a surplus one. */
static void evict_surplus(struct zkt_server *server)
{
    struct zkt_shards *shards = server->shards;
    uint32_t shard;
    if (zkt__admission_evict_surplus(&shards->admission, &shard)) {
        server->host.stats.limit_hits.connections++;
        zkt__work_wake(shards->all[shard]->host.work);
    }
}

void zkt__server_pause_accepting(struct zkt_server *server)
{
    enum {
        PAUSE_MS = 100
    };
    zkt__admission_pause(&server->shards->admission,
                         server->core.now_ms + PAUSE_MS);
}

static bool admit_metrics(struct zkt_server *server)
{
    const bool fits = zkt__admission_add_metrics(&server->shards->admission);
    server->host.stats.limit_hits.connections += !fits;
    return fits;
}

bool zkt__server_admit(struct zkt_server *server, unsigned listener)
{
    struct zkt_admission *admission = &server->shards->admission;
    const int64_t most = server->limits.connections;
    bool full;
    if (server->life != ZKT_LIFE_SERVING) {
        return false;
    }
    if ((listener & ZKT_LISTENER_METRICS) != 0) {
        return admit_metrics(server);
    }
    const int64_t count = zkt__admission_add(
        admission, &server->limits, server->core.now_ms,
        &server->host.stats.limit_hits, &full);
    if (count == 0) {
        return false;
    }
    if (most > 0 && count > most + ZKT_REFUSED_MAX) {
        zkt__admission_end_handshake(admission, NULL, NULL);
        zkt__admission_remove(admission, NULL, false);
        server->host.stats.limit_hits.connections++;
        return false;
    }
    if (full) {
        evict_handshake(server);
    }
    return true;
}

bool zkt__server_is_full(const struct zkt_server *server)
{
    const struct zkt_admission *admission = &server->shards->admission;
    const int64_t most = server->limits.connections;
    return most > 0 && zkt__admission_count(admission) -
                               atomic_load(&admission->surplus_count) >
                           most;
}

/* Refuses a connection if its address has more than @count may be. */
static void limit_address(struct zkt_server *server, struct zkt_connection *c,
                          int64_t count)
{
    const int64_t most = server->limits.per_address;
    if (most > 0 && count > most) {
        server->host.stats.limit_hits.per_address++;
        zkt__connection_refuse(c, 503);
    }
}

/* Counts a connection for its address, and refuses it if that has too many. One
 * that is surplus is refused by its request. Returns false if there is no
 * memory. */
static bool count_address(struct zkt_server *server, struct zkt_connection *c,
                          const char *address)
{
    struct zkt_admission *admission = &server->shards->admission;
    struct zkt_address *counted;
    c->surplus = c->handshake.surplus = zkt__server_is_full(server);
    const int64_t count = zkt__admission_count_address(
        admission, address, &c->handshake, server->self, &counted);
    c->session.peer.address = counted;
    if (count == 0) {
        return false;
    }
    if (c->surplus) {
        evict_surplus(server);
    } else {
        limit_address(server, c, count);
    }
    return true;
}

bool zkt__connection_count_client(struct zkt_connection *c)
{
    struct zkt_server *server = (struct zkt_server *)(void *)c->endpoint.core;
    struct zkt_address *counted = c->session.peer.address;
    const int64_t count = zkt__admission_move(
        &server->shards->admission, c->session.peer.remote,
        c->stage == ZKT_STAGE_HANDSHAKE ? &c->handshake : NULL, &counted);
    c->session.peer.address = counted;
    if (count == 0) {
        zkt__connection_refuse(c, 503);
    } else {
        limit_address(server, c, count);
    }
    return !c->endpoint.closing;
}

void zkt__server_cancel_admission(struct zkt_server *server, unsigned listener)
{
    if ((listener & ZKT_LISTENER_METRICS) != 0) {
        zkt__admission_remove_metrics(&server->shards->admission);
        return;
    }
    zkt__admission_end_handshake(&server->shards->admission, NULL, NULL);
    zkt__admission_remove(&server->shards->admission, NULL, false);
    zkt__shards_reopen(server);
}

bool zkt__server_trusts(const struct zkt_server *server, const char *address,
                        unsigned listener)
{
    const struct zkt_proxies *proxies = server->proxies;
    struct zkt_ip ip;
    if (proxies == NULL) {
        return false;
    }
    return (listener & ZKT_LISTENER_UNIX) != 0
               ? proxies->unix_sockets
               : zkt__ip_parse(zkt_cstr(address), &ip) &&
                     zkt__proxies_trust(proxies, &ip);
}

/* Returns true if the requests of a connection name their clients. Those for
 * metrics are the peer's own: they count for no address. */
static bool has_proxy_of_requests(const struct zkt_server *server,
                                  const char *address, unsigned listener)
{
    return server->options.forwarded_by != ZKT_FORWARDED_BY_PROXY_PROTOCOL &&
           (listener & ZKT_LISTENER_METRICS) == 0 &&
           zkt__server_trusts(server, address, listener);
}

struct zkt_endpoint *zkt__server_add_connection(struct zkt_server *server,
                                                const char *address,
                                                unsigned listener)
{
    address = address != NULL ? address : "";
    const bool has_proxy = has_proxy_of_requests(server, address, listener);
    struct zkt_connection *c = zkt__connection_new(server, address, has_proxy);
    if (c == NULL) {
        zkt__server_cancel_admission(server, listener);
        return NULL;
    }
    c->listener = (uint8_t)listener;
    /* The limits of an address are for the clients of a proxy, once it has told
     * theirs. */
    if (zkt__connection_is_counted(c) &&
        !count_address(server, c, has_proxy ? "" : address)) {
        c->endpoint.ops->detach(&c->endpoint);
        return NULL;
    }
    return &c->endpoint;
}

struct zkt_endpoint *zkt__server_accept(struct zkt_server *server,
                                        const char *address)
{
    return zkt__server_admit(server, 0)
               ? zkt__server_add_connection(server, address, 0)
               : NULL;
}

void zkt__server_limit_connections(struct zkt_server *server, int64_t most)
{
    for (uint32_t i = 0; i < server->shards->count; i++) {
        struct zkt_limits *limits = &server->shards->all[i]->limits;
        limits->connections = limits->connections > 0 ? limits->connections
                                                      : most;
    }
}
