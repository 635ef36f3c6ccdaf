/*
 * See on_request.h. A request has two sides, that of its connection and that of
 * the program, which end in any order. It belongs to the shard of the
 * connection but for the time from its arrival to its answer, when the program
 * may read it: so the memory of the request, which the connection has, is taken
 * over if the connection ends before.
 *
 * Two things have to happen before an answer is sent: on_request returns, and
 * the answer is given. The second of them sends the request back to its shard.
 */
#include "server/on_request.h"

#include "http/head.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/deadlines.h"
#include "zocket/http.h"

enum {
    KEPT_MAX = 64 /* answered requests of a shard */
};

/* What has happened to a request; a set. */
enum {
    KEPT = 1 << 0,
    RETURNED = 1 << 1, /* on_request has */
    CLAIMED = 1 << 2,  /* a thread answers */
    ANSWERED = 1 << 3,
    AGAIN = 1 << 4 /* it was answered once more */
};

/* A reason for 500 in place of the reply. */
enum fault {
    FAULT_NONE,
    FAULT_FIELD,
    FAULT_STATUS,
    FAULT_NO_ANSWER,
    FAULT_NO_MEMORY
};

/* A text that grows, in memory of the allocator. */
struct text {
    char *data; /* or NULL */
    size_t len, capacity;
};

struct zkt_http {
    struct zkt_exchange exchange;
    struct zkt_http_request request;
    struct zkt_http_reader
        *reader; /* taken over from the connection, or NULL */
    const struct zkt_allocator *allocator;
    struct zkt_server *server;    /* of the connection */
    struct zkt_work_queue *queue; /* of that server; owns a reference */
    struct zkt_work work;         /* to the first shard, and back */
    struct zkt_work again;        /* reports AGAIN */
    struct zkt_node node;         /* among the answered requests */
    size_t bytes;                 /* that are counted */
    atomic_uint events;
    /* The answer, which the program makes. */
    int status; /* 0: the next route's */
    enum fault fault;
    struct text fields, body;
    char address[]; /* of the peer */
};

static struct zkt_http *of_work(struct zkt_work *work)
{
    return ZKT_CONTAINER(work, struct zkt_http, work);
}

static struct zkt_http *of_exchange(struct zkt_exchange *exchange)
{
    return ZKT_CONTAINER(exchange, struct zkt_http, exchange);
}

static struct zkt_server *first_of(const struct zkt_server *server)
{
    return server->shards->all[0];
}

/* ---- the end ---- */

/* Frees everything that an answered request needs no more. */
static void empty(struct zkt_http *http)
{
    zkt__http_reader_free(http->allocator, http->reader);
    zkt__release(http->allocator, http->fields.data);
    zkt__release(http->allocator, http->body.data);
    http->reader = NULL;
    http->fields = http->body = (struct text){ 0 };
    http->request = (struct zkt_http_request){ .method = ZKT_HTTP_GET };
}

static void free_request(struct zkt_http *http)
{
    empty(http);
    zkt__work_queue_unref(http->queue);
    zkt__release(http->allocator, http);
}

/* Keeps an answered request, and frees the oldest, unless a report about it is
 * under way. */
static void retire(struct zkt_server *server, struct zkt_http *http)
{
    struct zkt_answered_requests *answered = &server->answered;
    bool waits = false;
    empty(http);
    zkt__list_append(&answered->list, &http->node);
    answered->count++;
    while (answered->count > KEPT_MAX && !waits) {
        struct zkt_node *node = zkt__list_first(&answered->list);
        struct zkt_http *oldest = ZKT_CONTAINER(node, struct zkt_http, node);
        zkt__node_unlink(node);
        waits = (atomic_load(&oldest->events) & AGAIN) != 0;
        if (waits) {
            zkt__list_append(&answered->list, node);
        } else {
            answered->count--;
            free_request(oldest);
        }
    }
}

void zkt__on_request_finish(struct zkt_server *server)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&server->answered.list)) != NULL) {
        zkt__node_unlink(node);
        free_request(ZKT_CONTAINER(node, struct zkt_http, node));
    }
}

/* ---- the answer, on the shard of the connection ---- */

static const char *text_of(enum fault fault)
{
    switch (fault) {
    case FAULT_FIELD:
        return "a header field is malformed, or the server's own";
    case FAULT_STATUS:
        return "the status is not from 200 to 599";
    case FAULT_NO_ANSWER:
        return "on_request has neither answered nor kept it";
    case FAULT_NO_MEMORY:
        return "there is no memory for the reply";
    case FAULT_NONE:
        break;
    }
    return "";
}

/* Answers with 500, if the reply of the program cannot be sent. */
static void answer_fault(struct zkt_http *http, struct zkt_connection *c)
{
    zkt__server_log(http->server, ZKT_LOG_ERROR,
                    "a request for '%.*s' was answered with 500: %s",
                    ZKT_ARG(http->request.path), text_of(http->fault));
    zkt__answer_text(c, &http->request, 500, ZKT_STR("internal error\n"));
}

static void answer_reply(struct zkt_http *http, struct zkt_connection *c)
{
    zkt__answer(c, &http->request,
                (struct zkt_http_response){
                    .status = http->status,
                    .fields = { http->fields.data, http->fields.len },
                    .body = { http->body.data, http->body.len },
                    .has_fields = true,
                });
}

/* The connection, whose memory the request is in until it is answered. */
static void answer(struct zkt_http *http)
{
    struct zkt_connection *c = http->exchange.connection;
    zkt__exchange_leave(&http->exchange);
    if (http->fault != FAULT_NONE) {
        answer_fault(http, c);
    } else if (http->status != 0) {
        answer_reply(http, c);
    } else {
        zkt__routes_answer(&http->server->shards->held.route, c,
                           &http->request);
    }
    zkt__connection_answered(c);
}

/* The request is answered, and on_request has returned. */
static void finish(struct zkt_http *http)
{
    struct zkt_held_requests *held = &http->server->shards->held;
    atomic_fetch_sub(&held->count, 1);
    atomic_fetch_sub(&held->bytes, (int64_t)http->bytes);
    if (http->exchange.connection != NULL) {
        answer(http);
    }
    retire(http->server, http);
}

static void finish_posted(struct zkt_work *work, void *owner)
{
    (void)owner;
    finish(of_work(work));
}

/* Sends the request back to its shard, or frees it if there is none. */
static void send_back(struct zkt_http *http)
{
    http->work.run = finish_posted;
    if (!zkt__work_post(http->queue, &http->work)) {
        free_request(http);
    }
}

static void report_again(struct zkt_work *work, void *owner)
{
    struct zkt_http *http = ZKT_CONTAINER(work, struct zkt_http, again);
    zkt__server_log(owner, ZKT_LOG_ERROR, "a request was answered twice");
    atomic_fetch_and(&http->events, ~(unsigned)AGAIN);
}

/* ---- handing it over, on the first shard ---- */

/* Returns true for the first who answers. */
static bool claim(struct zkt_http *http)
{
    return (atomic_fetch_or(&http->events, CLAIMED) & CLAIMED) == 0;
}

/* Returns true if the request is answered by now. */
static bool hand_over(struct zkt_server *first, struct zkt_http *http)
{
    if (first->life < ZKT_LIFE_FREED) {
        zkt__server_begin_callback(first);
        first->options.on_request(http, first->options.user);
        zkt__server_end_callback(first);
    }
    const unsigned before = atomic_fetch_or(&http->events, RETURNED);
    if ((before & (CLAIMED | KEPT)) == 0 && claim(http)) {
        http->fault = FAULT_NO_ANSWER;
        return true;
    }
    return (before & ANSWERED) != 0;
}

static void take_posted(struct zkt_work *work, void *owner)
{
    struct zkt_http *http = of_work(work);
    if (hand_over(owner, http)) {
        send_back(http);
    }
}

/* ---- the exchange ---- */

/* The program may still read the request. */
static void take_over(struct zkt_http *http, struct zkt_connection *c)
{
    http->reader = zkt__ws_take_request(&c->ws);
}

static void drop(struct zkt_exchange *exchange, struct zkt_connection *c)
{
    take_over(of_exchange(exchange), c);
}

static void refuse(struct zkt_exchange *exchange, int status,
                   struct zkt_str text)
{
    struct zkt_http *http = of_exchange(exchange);
    struct zkt_connection *c = exchange->connection;
    take_over(http, c);
    zkt__exchange_leave(exchange);
    zkt__answer_text(c, &http->request, status, text);
    zkt__connection_answered(c);
}

static const struct zkt_exchange_ops exchange_ops = {
    .drop = drop,
    .refuse = refuse,
};

/* ---- the route ---- */

static int judge(const struct zkt_route *route, struct zkt_connection *c,
                 const struct zkt_http_request *request)
{
    (void)route;
    (void)c;
    (void)request;
    return 0;
}

/* Counts a request of @bytes. Returns false if the program has too many; it is
 * counted nevertheless. */
static bool count(struct zkt_server *server, int64_t bytes)
{
    struct zkt_held_requests *held = &server->shards->held;
    struct zkt_limit_counts *hits = &server->host.stats.limit_hits;
    const bool many = atomic_fetch_add(&held->count, 1) >=
                      server->limits.held_requests;
    const bool much = atomic_fetch_add(&held->bytes, bytes) + bytes >
                      server->limits.held_bytes;
    hits->held_requests += many;
    hits->held_bytes += much && !many;
    return !many && !much;
}

static void uncount(struct zkt_server *server, int64_t bytes)
{
    atomic_fetch_sub(&server->shards->held.count, 1);
    atomic_fetch_sub(&server->shards->held.bytes, bytes);
}

/* Returns NULL if there is no memory. */
static struct zkt_http *new_request(struct zkt_server *server,
                                    struct zkt_connection *c,
                                    const struct zkt_http_request *request,
                                    size_t bytes)
{
    const char *address = c->session.peer.remote;
    const size_t len = strlen(address) + 1;
    struct zkt_http *http = zkt__alloc_zero(server->allocator, 1,
                                            sizeof(*http) + len);
    if (http == NULL) {
        return NULL;
    }
    http->exchange.ops = &exchange_ops;
    http->request = *request;
    http->allocator = server->allocator;
    http->server = server;
    http->queue = server->host.work;
    http->bytes = bytes;
    http->work.run = take_posted;
    http->again.run = report_again;
    atomic_init(&http->events, 0);
    memcpy(http->address, address, len);
    zkt__work_queue_ref(http->queue);
    return http;
}

/* On the thread of the program nothing waits. */
static void hand_to_program(struct zkt_connection *c, struct zkt_http *http)
{
    struct zkt_server *first = first_of(http->server);
    zkt__exchange_begin(c, &http->exchange);
    if (first != http->server) {
        zkt__deadline_begin(c, ZKT_DEADLINE_REQUEST);
        zkt__work_post_all(first->host.work, &http->work, &http->work);
    } else if (hand_over(first, http)) {
        finish(http);
    } else {
        zkt__deadline_begin(c, ZKT_DEADLINE_REQUEST);
    }
}

static void take_request(const struct zkt_route *route,
                         struct zkt_connection *c,
                         const struct zkt_http_request *request)
{
    struct zkt_server *server = (struct zkt_server *)(void *)c->endpoint.core;
    size_t bytes;
    (void)route;
    (void)zkt__http_received(request->reader, &bytes);
    struct zkt_http *http = count(server, (int64_t)bytes)
                                ? new_request(server, c, request, bytes)
                                : NULL;
    if (http == NULL) {
        uncount(server, (int64_t)bytes);
        zkt__answer_text(c, request, 503, ZKT_STR("too many requests wait\n"));
    } else {
        hand_to_program(c, http);
    }
}

void zkt__on_request_init(struct zkt_server *first)
{
    struct zkt_route *route = &first->shards->held.route;
    *route = (struct zkt_route){ .order = ZKT_ROUTE_PROGRAM,
                                 .judge = judge,
                                 .answer = take_request };
    if (first->options.on_request != NULL) {
        zkt__routes_add(first, route);
    }
}

/* ---- for the program: the request ---- */

struct zkt_str zkt_http_method(const struct zkt_http *http)
{
    static const struct zkt_str names[] = {
        [ZKT_HTTP_GET] = ZKT_STR_INIT("GET"),
        [ZKT_HTTP_HEAD] = ZKT_STR_INIT("HEAD"),
        [ZKT_HTTP_POST] = ZKT_STR_INIT("POST"),
        [ZKT_HTTP_PUT] = ZKT_STR_INIT("PUT"),
        [ZKT_HTTP_PATCH] = ZKT_STR_INIT("PATCH"),
        [ZKT_HTTP_DELETE] = ZKT_STR_INIT("DELETE"),
        [ZKT_HTTP_OPTIONS] = ZKT_STR_INIT("OPTIONS"),
        [ZKT_HTTP_TRACE] = ZKT_STR_INIT("TRACE"),
    };
    return names[http->request.method];
}

struct zkt_str zkt_http_path(const struct zkt_http *http)
{
    return http->request.path;
}

struct zkt_str zkt_http_query(const struct zkt_http *http)
{
    return http->request.query;
}

struct zkt_str zkt_http_field(const struct zkt_http *http, const char *name)
{
    return zkt__http_find(http->request.fields, name);
}

struct zkt_str zkt_http_body(const struct zkt_http *http)
{
    return http->request.body;
}

struct zkt_str zkt_http_remote_address(const struct zkt_http *http)
{
    return zkt_cstr(http->address);
}

/* ---- for the program: the answer ---- */

/* Appends to a text. Returns false if there is no memory. */
static bool append(const struct zkt_allocator *a, struct text *text,
                   const void *data, size_t len)
{
    enum {
        CAPACITY_MIN = 128
    };
    if (len > text->capacity - text->len) {
        size_t capacity = 2 * text->capacity > CAPACITY_MIN ? 2 * text->capacity
                                                            : CAPACITY_MIN;
        capacity = capacity - text->len < len ? text->len + len : capacity;
        char *grown = capacity >= len ? zkt__resize(a, text->data, capacity)
                                      : NULL;
        if (grown == NULL) {
            return false;
        }
        text->data = grown;
        text->capacity = capacity;
    }
    if (len > 0) {
        memcpy(text->data + text->len, data, len);
        text->len += len;
    }
    return true;
}

/* Returns true for a field that the server sends itself. */
static bool is_own(struct zkt_str name)
{
    static const char *const own[] = { "Connection", "Content-Length",
                                       "Date",       "Keep-Alive",
                                       "Trailer",    "Transfer-Encoding",
                                       "Upgrade" };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (zkt__head_same(name, own[i])) {
            return true;
        }
    }
    return false;
}

/* The first fault counts. */
static void set_fault(struct zkt_http *http, enum fault fault)
{
    http->fault = http->fault == FAULT_NONE ? fault : http->fault;
}

/* The request was answered before. */
static void note_again(struct zkt_http *http)
{
    if ((atomic_fetch_or(&http->events, AGAIN) & AGAIN) == 0) {
        (void)zkt__work_post(http->queue, &http->again);
    }
}

/* Returns true if the caller is the first who answers, and reports others. */
static bool begin_answer(struct zkt_http *http)
{
    const bool first = http != NULL && claim(http);
    if (http != NULL && !first) {
        note_again(http);
    }
    return first;
}

static void add_field(struct zkt_http *http, struct zkt_str name,
                      struct zkt_str value)
{
    struct text *fields = &http->fields;
    if (!zkt__http_field_is_good(name, value) || is_own(name)) {
        set_fault(http, FAULT_FIELD);
    } else if (!append(http->allocator, fields, name.data, name.len) ||
               !append(http->allocator, fields, ": ", 2) ||
               !append(http->allocator, fields, value.data, value.len) ||
               !append(http->allocator, fields, "\r\n", 2)) {
        set_fault(http, FAULT_NO_MEMORY);
    }
}

void zkt_http_header(struct zkt_http *http, const char *name, const char *value)
{
    if (http != NULL && (atomic_load(&http->events) & CLAIMED) != 0) {
        note_again(http);
    } else if (http != NULL) {
        add_field(http, zkt_cstr(name), zkt_cstr(value));
    }
}

/* The answer is complete. */
static void settle(struct zkt_http *http)
{
    const unsigned before = atomic_fetch_or(&http->events, ANSWERED);
    if ((before & RETURNED) != 0) {
        send_back(http);
    }
}

void zkt_http_reply(struct zkt_http *http, int status, const char *type,
                    const void *body, size_t len)
{
    if (!begin_answer(http)) {
        return;
    }
    if (type != NULL) {
        add_field(http, ZKT_STR("Content-Type"), zkt_cstr(type));
    }
    if (status < 200 || status > 599) {
        set_fault(http, FAULT_STATUS);
    } else if (!append(http->allocator, &http->body, body, len)) {
        set_fault(http, FAULT_NO_MEMORY);
    }
    http->status = status;
    settle(http);
}

void zkt_http_next(struct zkt_http *http)
{
    if (begin_answer(http)) {
        http->status = 0;
        settle(http);
    }
}

void zkt_http_keep(struct zkt_http *http)
{
    if (http != NULL) {
        atomic_fetch_or(&http->events, KEPT);
    }
}
