/* See output.h. */
#include "server/output.h"

#include "server/deadlines.h"
#include "server/receive.h"

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

/* While a task is parked, reading finds the end of the stream, and the message
 * that cancels its call. During an exchange it finds the end of the stream. */
static bool may_look_ahead(const struct zkt_connection *c)
{
    const struct zkt_unhandled *unhandled = c->unhandled;
    if (zkt__connection_exchange(c) != NULL) {
        return !c->input_ended && unhandled == NULL;
    }
    return c->session.task != NULL && !c->input_ended &&
           (unhandled == NULL ||
            unhandled->len - unhandled->at < ZKT_LOOK_AHEAD);
}

void zkt__output_follow_reading(struct zkt_connection *c)
{
    struct zkt_server *server = server_of(c);
    const bool may = zkt__connection_may_receive(c);
    const bool high = zkt__queue_backlog(&c->session.queue) >
                      (size_t)server->limits.output_high;
    server->host.stats.limit_hits.output_high += high && c->endpoint.reading;
    c->endpoint.reading = may ? c->unhandled == NULL : may_look_ahead(c);
    if (may && c->unhandled != NULL && !zkt__node_linked(&c->unhandled->node)) {
        zkt__list_append(&server->backlog, &c->unhandled->node);
    }
}

static void set_oversized(struct zkt_connection *c, bool oversized)
{
    struct zkt_server *server = server_of(c);
    if (oversized == c->oversized) {
        return;
    }
    c->oversized = oversized;
    c->overdue = false;
    server->oversized += oversized ? 1 : (uint32_t)-1;
}

/* Counts the connection if it has far too much output. */
static void follow_oversize(struct zkt_connection *c)
{
    const size_t limit = (size_t)server_of(c)->limits.output_hard;
    set_oversized(
        c, zkt__queue_behind(&c->session.queue) / ZKT_OVERSIZE_FACTOR > limit);
}

/* Counts @bytes of the connection, in place of its former count. Each shard has
 * a share of the server's limit. */
static void count(struct zkt_connection *c, size_t bytes)
{
    struct zkt_server *server = server_of(c);
    uint64_t *unsent = &server->host.stats.unsent;
    *unsent += bytes - c->unsent;
    c->unsent = bytes;
    if (*unsent <=
        zkt__host_share(&server->host, server->limits.unsent_bytes)) {
        server->unsent_over_limit = false;
    } else if (!server->unsent_over_limit) {
        server->unsent_over_limit = true;
        server->unsent_over_since = server->turn;
    }
}

void zkt__output_follow(struct zkt_connection *c)
{
    const size_t bytes = zkt__queue_backlog(&c->session.queue) +
                         zkt__session_waiting_bytes(&c->session);
    zkt__output_follow_reading(c);
    follow_oversize(c);
    count(c, bytes > server_of(c)->output_little ? bytes : 0);
}

void zkt__output_forget(struct zkt_connection *c)
{
    set_oversized(c, false);
    count(c, 0);
}

/* Closes the connections that have had far too much output since an earlier
 * turn, so that some could be sent. Every connection with output has a period
 * for it. */
static void close_oversized(struct zkt_server *server)
{
    const struct zkt_list *waiting = &server->deadlines[ZKT_DEADLINE_OUTPUT];
    struct zkt_node *n = server->oversized > 0 ? zkt__list_first(waiting)
                                               : NULL;
    while (n != NULL) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection,
                                                 deadlines.output.timeout.node);
        n = zkt__list_after(waiting, n);
        if (c->overdue) {
            set_oversized(c, false);
            server->host.stats.limit_hits.output_hard++;
            zkt__connection_close(c, 1013, "too slow");
        }
        c->overdue = c->oversized;
    }
}

/* The open connection with most output, or NULL. */
static struct zkt_connection *find_largest(const struct zkt_server *server)
{
    const struct zkt_list *waiting = &server->deadlines[ZKT_DEADLINE_OUTPUT];
    struct zkt_connection *largest = NULL;
    for (struct zkt_node *n = zkt__list_first(waiting); n != NULL;
         n = zkt__list_after(waiting, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection,
                                                 deadlines.output.timeout.node);
        if (c->stage < ZKT_STAGE_OVER && c->unsent > 0 &&
            (largest == NULL || c->unsent > largest->unsent)) {
            largest = c;
        }
    }
    return largest;
}

static void close_largest(struct zkt_server *server)
{
    struct zkt_connection *largest;
    while (server->unsent_over_limit &&
           (largest = find_largest(server)) != NULL) {
        server->host.stats.limit_hits.unsent_bytes++;
        zkt__connection_close(largest, 1013, "too much waits");
    }
    server->unsent_over_limit =
        false; /* the other output belongs to closing connections */
}

void zkt__output_enforce_limits(struct zkt_server *server)
{
    close_oversized(server);
    if (server->unsent_over_limit &&
        server->unsent_over_since != server->turn) {
        close_largest(server);
    }
}
