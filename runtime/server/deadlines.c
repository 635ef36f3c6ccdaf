/* See deadlines.h. */
#include "server/deadlines.h"

#include "session/opening.h"

static struct zkt_server *server_of(const struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

void zkt__deadlines_init(struct zkt_server *server)
{
    for (int row = 0; row < ZKT_DEADLINE_COUNT; row++) {
        zkt__list_init(&server->deadlines[row]);
    }
    zkt__list_init(&server->gathering);
    server->next_deadline = ZKT_NEVER;
}

int64_t zkt__deadlines_next(const struct zkt_server *server)
{
    int64_t next = ZKT_NEVER;
    for (int row = 0; row < ZKT_DEADLINE_COUNT; row++) {
        const int64_t due = zkt__timeouts_next(&server->deadlines[row]);
        next = due < next ? due : next;
    }
    return next;
}

/* ---- progress ---- */

/* The bytes that are progress in the time of @row. */
static size_t progress_of(const struct zkt_server *server,
                          enum zkt_deadline row)
{
    enum {
        SECOND_MS = 1000
    };
    const int64_t rate = server->limits.progress_rate;
    const int64_t ms = zkt__deadline_ms(server, row);
    const int64_t bytes = ms > INT64_MAX / rate ? INT64_MAX
                                                : ms * rate / SECOND_MS;
    return bytes > 0 ? (size_t)bytes : 1;
}

/* Returns true if @done bytes are as much as a peer must send or take in the
 * time of @row. */
static bool is_progress(const struct zkt_server *server, enum zkt_deadline row,
                        size_t done)
{
    return done >= progress_of(server, row);
}

static bool is_armed(const struct zkt_timeout *timeout)
{
    return zkt__node_linked(&timeout->node);
}

/* ---- incomplete messages ---- */

/* Nothing of a message is incomplete any more. */
static void end_arrival(struct zkt_connection *c)
{
    struct zkt_server *server = server_of(c);
    struct zkt_arrival *arrival = c->deadlines.arrival;
    if (arrival != NULL) {
        c->deadlines.arrival = NULL;
        server->host.stats.gathered -= arrival->memory;
        zkt__node_unlink(&arrival->node);
        zkt__timeout_cancel(&arrival->timeout);
        zkt__release(server->allocator, arrival);
    }
}

/* Returns the arrival of a connection with an incomplete message, or NULL if
 * there is no memory. */
static struct zkt_arrival *get_arrival(struct zkt_connection *c)
{
    struct zkt_server *server = server_of(c);
    struct zkt_arrival **arrival = &c->deadlines.arrival;
    if (*arrival == NULL) {
        *arrival = zkt__alloc_zero(server->allocator, 1, sizeof(**arrival));
        if (*arrival != NULL) {
            (*arrival)->connection = c;
            zkt__list_append(&server->gathering, &(*arrival)->node);
        }
    }
    return *arrival;
}

/* An incomplete message takes that much memory. Returns false, with the
 * connection about to end, if there is no memory to note it. */
static bool set_gathered(struct zkt_connection *c, size_t memory)
{
    struct zkt_arrival *arrival = get_arrival(c);
    if (arrival == NULL) {
        zkt__connection_close(c, 1011, "out of memory");
        return false;
    }
    server_of(c)->host.stats.gathered += memory - arrival->memory;
    arrival->memory = memory;
    return true;
}

static struct zkt_connection *find_largest(const struct zkt_server *server)
{
    const struct zkt_arrival *largest = NULL;
    for (struct zkt_node *n = zkt__list_first(&server->gathering); n != NULL;
         n = zkt__list_after(&server->gathering, n)) {
        const struct zkt_arrival *arrival = ZKT_CONTAINER(n, struct zkt_arrival,
                                                          node);
        if (largest == NULL || arrival->memory > largest->memory) {
            largest = arrival;
        }
    }
    return largest->connection;
}

/* Closes the connections that have gathered most while all are over the share
 * of this shard. */
static void enforce_gathered_bytes(struct zkt_server *server)
{
    const size_t most = zkt__host_share(&server->host,
                                        server->limits.gathered_bytes);
    while (server->host.stats.gathered > most) {
        struct zkt_connection *c = find_largest(server);
        end_arrival(c);
        server->host.stats.limit_hits.gathered_bytes++;
        if (c->stage < ZKT_STAGE_OPEN) {
            zkt__connection_drop(c);
        } else {
            zkt__connection_close(c, 1013, "too much is under way");
        }
    }
}

/*
 * Received bytes end a silence, except bytes of a message that had begun
 * before: for these the silence goes on, so that a ping is sent. While the pong
 * is awaited, such bytes count: a peer can send the pong only after its frame.
 */
static void break_silence(struct zkt_connection *c, bool dribbles)
{
    if (!dribbles) {
        zkt__deadline_begin(c, ZKT_DEADLINE_SILENCE);
    } else if (c->deadlines.row == ZKT_DEADLINE_PONG) {
        zkt__deadline_begin(c, ZKT_DEADLINE_PONG);
    }
}

/* Begins a period of a message with @before received bytes. */
static void begin_message(struct zkt_connection *c, size_t before)
{
    struct zkt_arrival *arrival = c->deadlines.arrival;
    zkt__deadline_arm(server_of(c), ZKT_DEADLINE_MESSAGE, &arrival->timeout);
    arrival->before = before;
    c->deadlines.paused = !c->endpoint.reading;
}

/* @partial bytes of a message have arrived; 0: none is incomplete. */
static void follow_message(struct zkt_connection *c, size_t partial)
{
    const struct zkt_arrival *arrival = c->deadlines.arrival;
    const bool completed = c->ws.completed != c->deadlines.completed;
    const bool goes_on = partial > 0 && !completed &&
                         is_armed(&arrival->timeout);
    c->deadlines.completed = c->ws.completed;
    break_silence(c, goes_on);
    if (partial > 0 &&
        (!goes_on || is_progress(server_of(c), ZKT_DEADLINE_MESSAGE,
                                 partial - arrival->before))) {
        begin_message(c, partial);
    }
}

/* ---- requests ---- */

static void begin_body(struct zkt_connection *c, size_t received)
{
    c->deadlines.arrival->before = received;
    zkt__deadline_begin(c, ZKT_DEADLINE_BODY);
}

/* Follows the requests before a WebSocket is open. Bytes of a head extend
 * nothing; an answer ends the time of its request. */
static void follow_request(struct zkt_connection *c, size_t received)
{
    struct zkt_deadlines *d = &c->deadlines;
    const bool answered = c->ws.completed != d->completed;
    const enum zkt_deadline before = d->row;
    d->completed = c->ws.completed;
    if (zkt__connection_exchange(c) != NULL) {
        return; /* the time of the exchange runs */
    }
    if (zkt__ws_reads_body(&c->ws)) {
        if (before != ZKT_DEADLINE_BODY || answered ||
            is_progress(server_of(c), ZKT_DEADLINE_BODY,
                        received - d->arrival->before)) {
            begin_body(c, received);
        }
    } else if (received == 0 && c->stage == ZKT_STAGE_HTTP) {
        if (before != ZKT_DEADLINE_HTTP_IDLE || answered) {
            zkt__deadline_begin(c, ZKT_DEADLINE_HTTP_IDLE);
        }
    } else if (before != ZKT_DEADLINE_HANDSHAKE || answered) {
        zkt__deadline_begin(c, ZKT_DEADLINE_HANDSHAKE);
    }
}

void zkt__deadline_heard(struct zkt_connection *c)
{
    size_t memory;
    const size_t partial = zkt__ws_partial(&c->ws, &memory);
    if (partial + memory == 0 || c->stage >= ZKT_STAGE_OVER) {
        end_arrival(c);
    } else if (!set_gathered(c, memory)) {
        return;
    }
    if (c->stage == ZKT_STAGE_OPEN) {
        follow_message(c, partial);
    } else if (c->stage < ZKT_STAGE_OPEN) {
        follow_request(c, partial);
    }
    enforce_gathered_bytes(server_of(c));
}

/* The period of a message is over. If reading had stopped, another begins. */
static void message_timed_out(struct zkt_connection *c)
{
    struct zkt_limit_counts *hits = &server_of(c)->host.stats.limit_hits;
    size_t memory;
    const size_t partial = zkt__ws_partial(&c->ws, &memory);
    if (c->deadlines.paused) {
        begin_message(c, partial);
        return;
    }
    hits->message_ms++;
    hits->progress_rate += partial > 1;
    zkt__connection_close(c, 1013, "too slow");
}

/* ---- output ---- */

/* Starts or stops the time of the excess: more than output_hard is queued
 * behind the current message. */
static void follow_excess(struct zkt_connection *c)
{
    struct zkt_server *server = server_of(c);
    if (zkt__queue_behind(&c->session.queue) <=
        (size_t)server->limits.output_hard) {
        zkt__deadline_excess_over(c);
    } else if (!c->deadlines.exceeds && c->stage > ZKT_STAGE_HANDSHAKE &&
               c->stage < ZKT_STAGE_OVER) {
        c->deadlines.exceeds = true;
        c->excess = (struct zkt_timeout){ .due = 0 };
        zkt__deadline_arm(server, ZKT_DEADLINE_EXCESS, &c->excess);
    }
}

void zkt__deadline_output(struct zkt_connection *c, size_t taken)
{
    struct zkt_window *output = &c->deadlines.output;
    if (c->session.queue.count == 0) {
        zkt__deadline_output_over(c);
        return;
    }
    output->done = zkt__deadline_bytes(output->done + taken);
    if (!is_armed(&output->timeout) || output->done >= output->most ||
        is_progress(server_of(c), ZKT_DEADLINE_OUTPUT, output->done)) {
        zkt__deadline_output_begin(c);
    }
    c->deadlines.paused = c->deadlines.paused || !c->endpoint.reading;
    follow_excess(c);
    if (taken > 0 && c->stage == ZKT_STAGE_OPEN) {
        /* The peer takes output; a ping would wait behind it. */
        zkt__deadline_begin(c, ZKT_DEADLINE_SILENCE);
    }
}

static void output_timed_out(struct zkt_connection *c)
{
    struct zkt_limit_counts *hits = &server_of(c)->host.stats.limit_hits;
    /* The queue waits for a snapshot. */
    if (zkt__session_awaits_snapshot(&c->session)) {
        zkt__deadline_output_begin(c);
        return;
    }
    hits->output_stuck_ms++;
    hits->progress_rate += c->deadlines.output.done > 0;
    zkt__connection_close(c, 1013, "too slow");
}

/* ---- the end ---- */

static void drop(struct zkt_connection *c, uint64_t *hits)
{
    (*hits)++;
    zkt__connection_drop(c);
}

/* If `open` runs, the request is refused; else nothing is answered. */
static void handshake_timed_out(struct zkt_connection *c)
{
    struct zkt_server *server = server_of(c);
    if (c->session.task != NULL) {
        server->host.stats.limit_hits.handshake_ms++;
        zkt__session_expire_open(&server->host, &c->session);
    } else {
        drop(c, &server->host.stats.limit_hits.handshake_ms);
    }
}

/* If reading had stopped, another period of the body begins. */
static void body_timed_out(struct zkt_connection *c)
{
    struct zkt_limit_counts *hits = &server_of(c)->host.stats.limit_hits;
    size_t memory;
    const size_t received = zkt__ws_partial(&c->ws, &memory);
    if (!c->endpoint.reading) {
        begin_body(c, received);
        return;
    }
    hits->body_ms++;
    hits->progress_rate += received > c->deadlines.arrival->before;
    zkt__connection_refuse(c, 408);
}

/* The pong of a connection that is not read from cannot be received. */
static void pong_timed_out(struct zkt_connection *c)
{
    if (c->endpoint.reading) {
        drop(c, &server_of(c)->host.stats.limit_hits.pong_within_ms);
    } else {
        zkt__deadline_begin(c, ZKT_DEADLINE_PONG);
    }
}

static void expire(struct zkt_connection *c, enum zkt_deadline row)
{
    struct zkt_limit_counts *hits = &server_of(c)->host.stats.limit_hits;
    switch (row) {
    case ZKT_DEADLINE_HANDSHAKE:
        handshake_timed_out(c);
        break;
    case ZKT_DEADLINE_BODY:
        body_timed_out(c);
        break;
    case ZKT_DEADLINE_REQUEST:
        hits->http_ms++;
        zkt__connection_exchange(c)->ops->refuse(
            zkt__connection_exchange(c), 504,
            ZKT_STR("the answer takes too long\n"));
        break;
    case ZKT_DEADLINE_HTTP_IDLE:
        hits->http_idle_ms++;
        zkt__connection_close(c, 1001, "no request for long");
        break;
    case ZKT_DEADLINE_MESSAGE:
        message_timed_out(c);
        break;
    case ZKT_DEADLINE_OUTPUT:
        output_timed_out(c);
        break;
    case ZKT_DEADLINE_EXCESS:
        c->deadlines.exceeds = false;
        hits->output_hard++;
        hits->output_hard_ms++;
        zkt__connection_close(c, 1013, "too slow");
        break;
    case ZKT_DEADLINE_SILENCE:
        hits->ping_after_ms++;
        zkt__ws_ping(&c->ws);
        zkt__deadline_begin(c, ZKT_DEADLINE_PONG);
        break;
    case ZKT_DEADLINE_PONG:
        pong_timed_out(c);
        break;
    case ZKT_DEADLINE_CLOSING:
        drop(c, &hits->close_ms);
        break;
    case ZKT_DEADLINE_COUNT:
        break;
    }
}

static struct zkt_connection *connection_of(struct zkt_timeout *due,
                                            enum zkt_deadline row)
{
    return row == ZKT_DEADLINE_MESSAGE
               ? ZKT_CONTAINER(due, struct zkt_arrival, timeout)->connection
           : row == ZKT_DEADLINE_OUTPUT
               ? ZKT_CONTAINER(due, struct zkt_connection,
                               deadlines.output.timeout)
           : row == ZKT_DEADLINE_EXCESS
               ? ZKT_CONTAINER(due, struct zkt_connection, excess)
               : ZKT_CONTAINER(due, struct zkt_connection, deadlines.phase);
}

/* The time that a row is compared with. Before a peer is closed for silence,
 * bytes in its socket are read; a needless ping does no harm. */
static int64_t now_for(const struct zkt_server *server, enum zkt_deadline row)
{
    return row == ZKT_DEADLINE_SILENCE ? server->core.now_ms
                                       : zkt__core_idle_clock(&server->core);
}

void zkt__deadlines_expire(struct zkt_server *server)
{
    /* SILENCE is last: the PONG that it begins is not due in the same turn. */
    static const enum zkt_deadline order[] = {
        ZKT_DEADLINE_HANDSHAKE, ZKT_DEADLINE_BODY,   ZKT_DEADLINE_REQUEST,
        ZKT_DEADLINE_HTTP_IDLE, ZKT_DEADLINE_PONG,   ZKT_DEADLINE_CLOSING,
        ZKT_DEADLINE_MESSAGE,   ZKT_DEADLINE_OUTPUT, ZKT_DEADLINE_EXCESS,
        ZKT_DEADLINE_SILENCE,
    };
    _Static_assert(sizeof(order) / sizeof(order[0]) == ZKT_DEADLINE_COUNT,
                   "every row expires");
    for (size_t i = 0; i < ZKT_DEADLINE_COUNT; i++) {
        struct zkt_list *list = &server->deadlines[order[i]];
        struct zkt_timeout *due;
        while ((due = zkt__timeouts_take(list, now_for(server, order[i]))) !=
               NULL) {
            expire(connection_of(due, order[i]), order[i]);
        }
    }
    server->next_deadline = zkt__deadlines_next(server);
}

void zkt__deadlines_cancel(struct zkt_connection *c)
{
    zkt__timeout_cancel(&c->deadlines.phase);
    zkt__deadline_output_over(c);
    end_arrival(c);
}
