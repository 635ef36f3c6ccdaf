/* See output.h. */
#include "server/output.h"

#include "server/deadlines.h"

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

void zkt__output_follow_reading(struct zkt_connection *c)
{
    struct zkt_server *server = server_of(c);
    const bool may = zkt__connection_may_receive(c);
    const bool high = zkt__queue_backlog(&c->session.queue) >
                      (size_t)server->limits.output_high;
    server->host.stats.limit_hits.output_high += high && c->endpoint.reading;
    c->endpoint.reading = may && c->held == NULL;
    if (may && c->held != NULL && !zkt__node_linked(&c->backlog)) {
        zkt__list_append(&server->backlog, &c->backlog);
    }
}

/* Far too much waits, or does not any more. */
static void follow_bloat(struct zkt_connection *c)
{
    struct zkt_server *server = server_of(c);
    const size_t most = (size_t)server->limits.output_hard;
    if (zkt__queue_behind(&c->session.queue) / ZKT_BLOATED <= most) {
        zkt__node_unlink(&c->bloated);
    } else if (!zkt__node_linked(&c->bloated)) {
        c->bloated_in = server->turn;
        zkt__list_append(&server->bloated, &c->bloated);
    }
}

/* Counts @bytes of the connection, in place of what was counted before. Each
 * shard has its share of what the server may hold. */
static void count(struct zkt_connection *c, size_t bytes)
{
    struct zkt_server *server = server_of(c);
    uint64_t *unsent = &server->host.stats.unsent;
    *unsent += bytes - c->unsent;
    c->unsent = bytes;
    if (*unsent <=
        zkt__host_share(&server->host, server->limits.unsent_bytes)) {
        server->crowded = false;
    } else if (!server->crowded) {
        server->crowded = true;
        server->crowded_in = server->turn;
    }
}

void zkt__output_follow(struct zkt_connection *c)
{
    const size_t bytes = zkt__queue_backlog(&c->session.queue);
    zkt__output_follow_reading(c);
    follow_bloat(c);
    count(c, bytes > server_of(c)->output_little ? bytes : 0);
}

void zkt__output_forget(struct zkt_connection *c)
{
    zkt__node_unlink(&c->bloated);
    count(c, 0);
}

static void close_bloated(struct zkt_server *server)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&server->bloated)) != NULL) {
        struct zkt_connection *c = ZKT_CONTAINER(node, struct zkt_connection,
                                                 bloated);
        if (c->bloated_in == server->turn) {
            return; /* nothing could be sent so far */
        }
        zkt__node_unlink(node);
        server->host.stats.limit_hits.output_hard++;
        zkt__connection_close(c, 1013, "too slow");
    }
}

/* The connection that has most, of those that do not close; or NULL. Time runs
 * for all that have any. */
static struct zkt_connection *find_most(const struct zkt_server *server)
{
    const struct zkt_list *waiting = &server->deadlines[ZKT_DEADLINE_OUTPUT];
    struct zkt_connection *most = NULL;
    for (struct zkt_node *n = zkt__list_first(waiting); n != NULL;
         n = zkt__list_after(waiting, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection,
                                                 deadlines.output.timeout.node);
        if (c->stage < ZKT_STAGE_OVER && c->unsent > 0 &&
            (most == NULL || c->unsent > most->unsent)) {
            most = c;
        }
    }
    return most;
}

static void close_most(struct zkt_server *server)
{
    struct zkt_connection *most;
    while (server->crowded && (most = find_most(server)) != NULL) {
        server->host.stats.limit_hits.unsent_bytes++;
        zkt__connection_close(most, 1013, "too much waits");
    }
    server->crowded = false; /* what is left is of those that close */
}

void zkt__output_relieve(struct zkt_server *server)
{
    close_bloated(server);
    if (server->crowded && server->crowded_in != server->turn) {
        close_most(server);
    }
}
