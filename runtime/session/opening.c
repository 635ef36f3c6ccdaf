/* See opening.h. */
#include "session/opening.h"

#include <string.h>

#include "base/utf8.h"
#include "protocol/envelope.h"
#include "protocol/failure.h"
#include "session/data.h"
#include "session/parameters.h"
#include "session/request.h"
#include "session/task.h"

/* ---- refusals ---- */

static int http_status(enum zkt_status status)
{
    switch (status) {
    case ZKT_INVALID_ARGUMENT:
        return 400;
    case ZKT_UNAUTHENTICATED:
        return 401;
    case ZKT_PERMISSION_DENIED:
        return 403;
    case ZKT_NOT_FOUND:
        return 404;
    case ZKT_RESOURCE_EXHAUSTED:
        return 429;
    case ZKT_UNAVAILABLE:
        return 503;
    default:
        return 500;
    }
}

/* Returns a time in seconds, rounded up. */
static int64_t seconds_of(int64_t ms)
{
    return ms / 1000 + (ms % 1000 > 0);
}

void zkt__session_refuse_request(struct zkt_host *host,
                                 struct zkt_session *session, int status,
                                 const struct zkt_failure *failure)
{
    struct zkt_writer *w = &host->plain;
    w->len = 0;
    w->failed = false;
    ZKT_WRITE(w, "Content-Type: application/json\r\n"
                 "Cache-Control: no-store\r\n"
                 "X-Content-Type-Options: nosniff\r\n");
    if (status == 401) {
        ZKT_WRITE(w, "WWW-Authenticate: Bearer\r\n");
    }
    if (failure->retry_after_ms > 0) {
        ZKT_WRITE(w, "Retry-After: ");
        zkt_write_int64(w, seconds_of(failure->retry_after_ms));
        ZKT_WRITE(w, "\r\n");
    }
    const size_t head = w->len;
    zkt__write_failure(w, failure);
    ZKT_WRITE(w, "}");
    if (w->failed) {
        host->sessions->events.failed(session);
        return;
    }
    w->data[head] = '{'; /* in place of the first comma */
    host->sessions->events.refuse(
        session, status, (struct zkt_str){ w->data, head },
        (struct zkt_str){ w->data + head, w->len - head });
}

/* Copies a text as the reason of a close frame. */
static void cut_reason(struct zkt_str text, char out[ZKT_WS_REASON_MAX + 1])
{
    const size_t len = zkt__utf8_cut(text.data, text.len, ZKT_WS_REASON_MAX);
    if (len > 0) {
        memcpy(out, text.data, len);
    }
    out[len] = '\0';
}

static void refuse_in_band(struct zkt_host *host, struct zkt_session *session,
                           const struct zkt_ws_request *request,
                           const struct zkt_failure *failure)
{
    char reason[ZKT_WS_REASON_MAX + 1];
    struct zkt_writer *w = &host->result;
    host->sessions->events.accept(session, request,
                                  ZKT_STR(ZKT_WS_PROTOCOL_RFC6902));
    zkt__frame_begin(w);
    ZKT_WRITE(w, "{\"type\":\"error\"");
    zkt__write_failure(w, failure);
    ZKT_WRITE(w, "}");
    zkt__session_send(host, session, w);
    cut_reason(failure->text, reason);
    host->sessions->events.close(
        session, 4000 + (unsigned)http_status(failure->status), reason);
}

static void refuse(struct zkt_host *host, struct zkt_session *session,
                   const struct zkt_ws_request *request,
                   const struct zkt_failure *failure)
{
    if (session->peer.dialect == ZKT_DIALECT_RFC6902) {
        refuse_in_band(host, session, request, failure);
    } else {
        zkt__session_refuse_request(host, session, http_status(failure->status),
                                    failure);
    }
}

/* ---- open ---- */

/* The part of a task that is its opening. */
struct opening {
    struct zkt_ws_request request;
    struct zkt_str protocol;
};

static const struct zkt_connection_info *info_of(const struct zkt_host *host)
{
    return host->app.info->connection;
}

static void admit(struct zkt_host *host, struct zkt_session *session,
                  const struct zkt_ws_request *request, struct zkt_str protocol)
{
    struct zkt_writer *w = &host->result;
    const struct zkt_connection_info *info = info_of(host);
    session->closes = info != NULL && info->close != NULL;
    host->sessions->events.accept(session, request, protocol);
    zkt__frame_begin(w);
    zkt__write_welcome(w, zkt__peer_client_id(&session->peer));
    zkt__session_send(host, session, w);
}

static void refuse_for_memory(struct zkt_host *host,
                              struct zkt_session *session,
                              const struct zkt_ws_request *request)
{
    refuse(host, session, request,
           &(const struct zkt_failure){ .status = ZKT_UNAVAILABLE,
                                        .text = ZKT_STR("out of memory") });
}

/* Refuses with the failure of the handler. */
static void refuse_call(struct zkt_host *host, struct zkt_session *session,
                        const struct zkt_ws_request *request,
                        const struct zkt_call *call, enum zkt_status status)
{
    struct zkt_failure failure = zkt__call_failure(call, status);
    host->stats.refused_opens++;
    if (http_status(status) == 500) {
        failure = (struct zkt_failure){ .status = status,
                                        .text = ZKT_STR("internal error") };
    }
    refuse(host, session, request, &failure);
}

static enum zkt_status invoke_open(struct zkt_session_task *task)
{
    const struct zkt_host *host = task->call.host;
    const struct zkt_connection_info *info = info_of(host);
    return info->open != NULL ? info->open(&task->call, host->app.handlers,
                                           task->input, task->result)
                              : ZKT_OK;
}

/* Returns true if the data are within connection_bytes. */
static bool data_fits(struct zkt_session_task *task)
{
    struct zkt_host *host = task->call.host;
    if (task->result == NULL ||
        zkt__value_measure(task->result_type, task->result) <=
            (size_t)host->limits->connection_bytes) {
        return true;
    }
    host->stats.limit_hits.connection_bytes++;
    zkt__call_log_failure(&task->call,
                          "the connection's data exceed connection_bytes");
    return false;
}

static bool finish_open(struct zkt_session_task *task, enum zkt_status status)
{
    struct zkt_host *host = task->call.host;
    struct zkt_session *session = task->session;
    const struct opening *opening = task->of;
    if (status == ZKT_OK && !data_fits(task)) {
        status = ZKT_INTERNAL;
    }
    if (status != ZKT_OK) {
        refuse_call(host, session, &opening->request, &task->call, status);
    } else if (!zkt__session_begin_record(
                   host, session, task->result,
                   zkt__call_connection_changes(&task->call))) {
        refuse_for_memory(host, session, &opening->request);
    } else {
        admit(host, session, &opening->request, opening->protocol);
    }
    return false;
}

static const struct zkt_session_task_ops open_ops = {
    .invoke = invoke_open,
    .finish = finish_open,
};

/* Fills data with the defaults of their fields. */
static void fill_defaults(const struct zkt_type *type, void *data)
{
    const struct zkt_struct_info *info = type->of.structs;
    memset(data, 0, type->size);
    for (uint32_t i = 0; i < info->count; i++) {
        const struct zkt_field *field = &info->fields[i];
        if (field->default_value != NULL) {
            memcpy((char *)data + field->offset, field->default_value,
                   field->type->size);
        }
    }
}

/* Allocates the memory of the handler. Returns false if there is none. */
static bool prepare(struct zkt_session_task *task,
                    const struct zkt_connection_info *info,
                    const struct zkt_ws_request *request,
                    struct zkt_str protocol)
{
    struct opening *opening = zkt__arena_alloc(&task->arena, sizeof(*opening));
    task->input = zkt__arena_alloc(&task->arena, info->input->size);
    task->result_type = info->data;
    if (info->data != NULL) {
        task->result = zkt__arena_alloc(&task->arena, info->data->size);
    }
    if (opening == NULL || task->input == NULL ||
        (info->data != NULL && task->result == NULL)) {
        return false;
    }
    *opening = (struct opening){ *request, protocol };
    task->of = opening;
    if (info->data != NULL) {
        fill_defaults(info->data, task->result);
    }
    return true;
}

static void refuse_parameters(struct zkt_host *host,
                              struct zkt_session *session,
                              const struct zkt_ws_request *request,
                              const struct zkt_issues *issues)
{
    struct zkt_writer w;
    zkt__writer_init(&w, host->allocator);
    zkt__issues_write(issues, &w);
    if (w.failed) {
        refuse_for_memory(host, session, request);
    } else {
        host->stats.refused_parameters++;
        refuse(host, session, request,
               &(const struct zkt_failure){
                   .status = ZKT_INVALID_ARGUMENT,
                   .text = ZKT_STR("Invalid connection parameters"),
                   .issues = { w.data, w.len },
               });
    }
    zkt__writer_finish(&w);
}

/* Reads the parameters. Returns false if the request was refused. */
static bool read_parameters(struct zkt_host *host,
                            struct zkt_session_task *task)
{
    struct zkt_issues *issues = &task->call.issues;
    const struct opening *opening = task->of;
    if (zkt__parameters_read(host, task->session, info_of(host),
                             &opening->request, issues,
                             (void *)(uintptr_t)task->input)) {
        return true;
    }
    host->stats.limit_hits.issues += issues->total > issues->count;
    if (issues->no_memory) {
        refuse_for_memory(host, task->session, &opening->request);
    } else {
        refuse_parameters(host, task->session, &opening->request, issues);
    }
    return false;
}

/* The call is of the request of HTTP that the session lasts for, if there is
 * one. */
static void take_request(struct zkt_session_task *task)
{
    const struct zkt_request of = zkt__peer_request(&task->session->peer);
    task->call.request = (struct zkt_request){
        of.number, zkt__trace_keep(&task->arena, of.trace)
    };
}

/* Takes the id of the request, of a WebSocket from a trusted proxy. */
static void take_request_id(struct zkt_session_task *task,
                            const struct zkt_ws_request *request)
{
    const struct zkt_peer *peer = &task->session->peer;
    if (peer->is_request) {
        take_request(task);
        return;
    }
    const struct zkt_str id = zkt__request_id(peer, request->fields);
    if (id.len > 0) {
        task->call.request.trace = zkt__arena_str(&task->arena, id).data;
    }
}

/* Runs `open` of an app with a connection. */
static void open_session(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_ws_request *request,
                         struct zkt_str protocol)
{
    const struct zkt_connection_info *info = info_of(host);
    struct zkt_session_task *task = zkt__session_task_new(host, session,
                                                          &open_ops);
    if (task == NULL) {
        refuse_for_memory(host, session, request);
        return;
    }
    task->member = ZKT_MEMBER_OPEN;
    task->number = 0;
    task->may_defer = true;
    task->errors = info->errors;
    task->error_count = info->error_count;
    zkt__session_task_begin(host, task, "open");
    take_request_id(task, request);
    if (!prepare(task, info, request, protocol)) {
        refuse_for_memory(host, session, request);
        zkt__session_task_free(host, task);
    } else if (!read_parameters(host, task)) {
        zkt__session_task_free(host, task);
    } else {
        const struct opening *opening = task->of;
        task->request = &opening->request;
        zkt__session_task_run(host, task);
    }
}

void zkt__session_begin(struct zkt_host *host, struct zkt_session *session,
                        const struct zkt_ws_request *request)
{
    const struct zkt_str protocol = zkt__request_protocol(request);
    session->peer.dialect = zkt_str_eq(protocol,
                                       ZKT_STR(ZKT_WS_PROTOCOL_RFC6902))
                                ? ZKT_DIALECT_RFC6902
                                : ZKT_DIALECT_PLAIN;
    zkt__random_hex(&host->random, session->peer.client_id,
                    ZKT_CLIENT_ID_LEN / 2);
    if (info_of(host) == NULL) {
        admit(host, session, request, protocol);
    } else {
        open_session(host, session, request, protocol);
    }
}

void zkt__session_expire_open(struct zkt_host *host,
                              struct zkt_session *session)
{
    zkt__call_log(&session->task->call, ZKT_LOG_WARNING,
                  "it did not finish in time");
    zkt__session_fail_task(host, session, ZKT_UNAVAILABLE,
                           ZKT_STR("the handshake did not finish in time"));
}

/* ---- close ---- */

static enum zkt_status invoke_close(struct zkt_session_task *task)
{
    const struct zkt_host *host = task->call.host;
    const struct zkt_peer *peer = &task->session->peer;
    task->call.close_code = peer->close_code != 0 ? peer->close_code
                                                  : ZKT_CLOSE_LOST;
    task->call.close_reason = zkt_cstr(peer->close_reason);
    info_of(host)->close(&task->call, host->app.handlers);
    return ZKT_OK;
}

static bool finish_close(struct zkt_session_task *task, enum zkt_status status)
{
    (void)task;
    (void)status; /* a failure is logged */
    return false;
}

static const struct zkt_session_task_ops close_ops = {
    .invoke = invoke_close,
    .finish = finish_close,
};

/* Logs that there was no memory for `close`. */
static void log_no_close(struct zkt_host *host,
                         const struct zkt_session *session)
{
    char text[ZKT_REQUEST_SIZE];
    const struct zkt_request of = zkt__peer_request(&session->peer);
    zkt__host_log(host,
                  &(const struct zkt_log_record){
                      .level = ZKT_LOG_ERROR,
                      .request = zkt__request_print(&host->requests, &of, text),
                      .connection = zkt__peer_client_id(&session->peer),
                      .address = zkt_cstr(session->peer.remote),
                      .method = ZKT_STR("close"),
                  },
                  "it was not run: out of memory");
}

void zkt__session_run_close(struct zkt_host *host, struct zkt_session *session)
{
    if (session->closes) {
        struct zkt_session_task *task = zkt__session_task_new(host, session,
                                                              &close_ops);
        if (task != NULL) {
            zkt__session_task_begin(host, task, "close");
            take_request(task);
            zkt__session_task_run(host, task);
        } else {
            log_no_close(host, session);
        }
    }
    session->closes = false;
    zkt__session_drop_record(host, session);
}
