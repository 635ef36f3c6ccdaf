/* The functions of zocket/call.h that concern calls of every kind. */
#include "call/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/envelope.h"

struct zkt_log_record zkt__call_fields(const struct zkt_call *call,
                                       enum zkt_log_level level,
                                       char request[ZKT_REQUEST_SIZE])
{
    /* That it gets a number changes nothing of a call that its users see. */
    const struct zkt_request of = zkt__call_request((void *)(uintptr_t)call);
    return (struct zkt_log_record){
        .level = level,
        .request = zkt__request_print(&call->host->requests, &of, request),
        .connection = call->client_id,
        .address = zkt_cstr(call->peer != NULL ? call->peer->remote : NULL),
        .actor = call->actor != NULL ? call->actor->name : ZKT_STR(""),
        .id = call->instance_id,
        .method = zkt_cstr(call->name),
    };
}

void zkt__call_log(const struct zkt_call *call, enum zkt_log_level level,
                   const char *text)
{
    char request[ZKT_REQUEST_SIZE];
    const struct zkt_log_record fields = zkt__call_fields(call, level, request);
    zkt__host_log(call->host, &fields, "%s", text);
}

void zkt_log(const struct zkt_call *call, enum zkt_log_level level,
             const char *format, ...)
{
    char request[ZKT_REQUEST_SIZE];
    va_list arguments;
    if (call->host == NULL || !zkt__call_runs(call)) {
        return;
    }
    const struct zkt_log_record fields = zkt__call_fields(call, level, request);
    va_start(arguments, format);
    call->host->log(call->host->server, &fields, format, arguments);
    va_end(arguments);
}

/* Prints the id into the call's memory. */
static void print_request_id(struct zkt_call *call)
{
    char text[ZKT_REQUEST_SIZE];
    const struct zkt_request of = zkt__call_request(call);
    call->request_id = zkt__arena_str(
                           call->arena,
                           zkt__request_print(&call->host->requests, &of, text))
                           .data;
    call->has_request_id = call->request_id != NULL;
}

struct zkt_str zkt_request_id(struct zkt_call *call)
{
    if (!call->has_request_id && call->host != NULL && zkt__call_runs(call)) {
        print_request_id(call);
    }
    return zkt_cstr(call->has_request_id ? call->request_id
                                         : call->request.trace);
}

void zkt__call_log_failure(const struct zkt_call *call, const char *reason)
{
    struct zkt_writer w;
    zkt__writer_init(&w, call->host->allocator);
    zkt_write_raw(&w, reason, strlen(reason));
    if (call->issues.total > 0) {
        ZKT_WRITE(&w, ": ");
        zkt__issues_write(&call->issues, &w);
    }
    zkt_write_raw(&w, "", 1);
    zkt__call_log(call, ZKT_LOG_ERROR, w.failed ? reason : w.data);
    zkt__writer_finish(&w);
}

/* Formats a text in the call's memory. Data is NULL if there is no memory. */
static struct zkt_str format_text(struct zkt_call *call, const char *format,
                                  va_list arguments)
{
    va_list copy;
    va_copy(copy, arguments);
    const int len = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    if (len < 0) {
        return (struct zkt_str){ NULL, 0 };
    }
    char *text = zkt__arena_alloc(call->arena, (size_t)len + 1);
    if (text == NULL) {
        return (struct zkt_str){ NULL, 0 };
    }
    (void)vsnprintf(text, (size_t)len + 1, format, arguments);
    return (struct zkt_str){ text, (size_t)len };
}

void zkt__call_exceeds(struct zkt_call *call, const char *name, size_t size)
{
    struct zkt_host *host = call->host;
    host->stats.limit_hits.output_bytes++;
    zkt__journal_fail(&call->journal, ZKT_RESOURCE_EXHAUSTED,
                      "%s of %zu bytes is over the limit output_bytes, %lld",
                      name, size, (long long)host->limits->output_bytes);
}

static bool is_protocol_code(enum zkt_status status)
{
    return status > 0 && status != ZKT_PENDING &&
           (status == ZKT_INTERNAL ||
            zkt__status_parse(zkt_cstr(zkt_status_name(status))) == status);
}

static struct zkt_str print(struct zkt_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const struct zkt_str text = format_text(call, format, arguments);
    va_end(arguments);
    return text;
}

/* Sets the failure of a call. A status that is not for callers becomes
 * ZKT_INTERNAL, with a text for the log that names it. */
static void set_failure(struct zkt_call *call, enum zkt_status status,
                        struct zkt_str text)
{
    if (is_protocol_code(status)) {
        zkt__call_set_failure(call, status, text);
        return;
    }
    const char *name = zkt_status_name(status);
    const bool has_name = strcmp(name, "INTERNAL") != 0;
    zkt__call_set_failure(
        call, ZKT_INTERNAL,
        has_name
            ? print(call, "%s is no status for callers: %.*s", name,
                    ZKT_ARG(text))
            : print(call, "%d is no status: %.*s", (int)status, ZKT_ARG(text)));
}

enum zkt_status zkt_fail(struct zkt_call *call, enum zkt_status status,
                         const char *format, ...)
{
    va_list arguments;
    if (!zkt__call_runs(call)) {
        return ZKT_INTERNAL;
    }
    va_start(arguments, format);
    set_failure(call, status, format_text(call, format, arguments));
    va_end(arguments);
    return call->failure.status;
}

enum zkt_status zkt__call_fail_with(struct zkt_call *call,
                                    enum zkt_status status)
{
    if (status == ZKT_PENDING) {
        set_failure(call, status, ZKT_STR("it has not deferred"));
    } else if (status != call->failure.status) { /* without zkt_fail */
        set_failure(call, status, zkt_cstr(zkt_status_text(status)));
    }
    if (call->failure.status == ZKT_INTERNAL) {
        zkt__call_log_failure(call, call->failure.text.len > 0
                                        ? call->failure.text.data
                                        : "the handler failed");
    }
    return call->failure.status;
}

bool zkt__call_report_over(const struct zkt_call *call)
{
    const struct zkt_log_record fields = {
        .level = ZKT_LOG_ERROR,
        .method = zkt_cstr(call->name),
    };
    zkt__host_log(call->host, &fields,
                  "the call is used after its handler has returned");
    return false;
}

void zkt_retry_after(struct zkt_call *call, int64_t ms)
{
    if (zkt__call_runs(call)) {
        call->retry_after_ms = ms > 0 ? ms : 0;
    }
}

/* Encodes the details of an error into the call's memory. Returns "" with the
 * call poisoned if they break their rules or there is no memory. */
static struct zkt_str encode_details(struct zkt_call *call,
                                     const struct zkt_error *error,
                                     const void *details)
{
    struct zkt_writer *w = &call->host->plain;
    if (!zkt__check_value(error->details, details, NULL, 0, &call->issues)) {
        zkt__call_poison(call, ZKT_INTERNAL, "the details of %s break a rule",
                         error->name.data);
        return ZKT_STR("");
    }
    w->len = 0;
    w->failed = false;
    error->details->encode(w, error->details, details);
    const struct zkt_str text = {
        w->failed
            ? NULL
            : zkt__arena_str(call->arena, (struct zkt_str){ w->data, w->len })
                  .data,
        w->len
    };
    if (text.data == NULL) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory for an error");
        return ZKT_STR("");
    }
    return text;
}

/* Reports an error that the failing handler does not declare. */
static enum zkt_status fail_undeclared(struct zkt_call *call,
                                       const struct zkt_error *error)
{
    return zkt_fail(call, ZKT_INTERNAL,
                    "it failed with %s, which it does not declare",
                    error->name.data);
}

enum zkt_status zkt_call_fail(struct zkt_call *call, uint32_t number,
                              const void *details, const char *format,
                              va_list arguments)
{
    if (call->host == NULL || !zkt__call_runs(call)) {
        return ZKT_CANCELLED;
    }
    const struct zkt_error *error = &call->host->app.info->errors[number];
    if (!call->ops->declares(call, number)) {
        return fail_undeclared(call, error);
    }
    struct zkt_failure failure = { .status = error->status,
                                   .text = error->text,
                                   .reason = error->name };
    if (format != NULL) {
        failure.text = format_text(call, format, arguments);
    }
    if (error->details != NULL) {
        failure.details = encode_details(call, error, details);
    }
    call->failure = failure;
    return failure.status;
}

struct zkt_failure zkt__call_failure(const struct zkt_call *call,
                                     enum zkt_status status)
{
    struct zkt_failure failure = call->failure;
    if (failure.status != status) {
        failure = (struct zkt_failure){ .status = status };
    }
    if (status == ZKT_INTERNAL && failure.reason.len == 0) {
        failure.text = ZKT_STR("internal error");
    }
    failure.retry_after_ms = call->retry_after_ms;
    return failure;
}

struct zkt_str zkt_format(struct zkt_call *call, const char *format, ...)
{
    va_list arguments;
    if (!zkt__call_runs(call)) {
        return ZKT_STR("");
    }
    va_start(arguments, format);
    const struct zkt_str text = format_text(call, format, arguments);
    va_end(arguments);
    if (text.data == NULL) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory for a text");
        return ZKT_STR("");
    }
    call->has_allocated = true;
    return text;
}

void *zkt_alloc(struct zkt_call *call, size_t count, size_t size)
{
    if (!zkt__call_runs(call)) {
        return NULL;
    }
    void *memory = zkt__arena_zero(call->arena, count, size);
    call->has_allocated = true;
    if (memory == NULL) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory for the handler");
    }
    return memory;
}

struct zkt_str zkt_random_id(struct zkt_call *call, size_t bytes)
{
    enum {
        BYTES_MAX = 64
    };
    bytes = bytes < 1 ? 1 : bytes > BYTES_MAX ? BYTES_MAX : bytes;
    char *text = call->host != NULL ? zkt_alloc(call, 2 * bytes + 1, 1) : NULL;
    if (text == NULL) {
        return ZKT_STR("");
    }
    zkt__random_hex(&call->host->random, text, bytes);
    return (struct zkt_str){ text, 2 * bytes };
}

uint32_t zkt_random(struct zkt_call *call, uint32_t below)
{
    if (below == 0 || call->host == NULL) {
        return 0;
    }
    /* Values past the last whole multiple would favour small results. */
    const uint64_t last = UINT64_MAX - UINT64_MAX % below;
    uint64_t value;
    do {
        value = zkt__random_next(&call->host->random);
    } while (value >= last);
    return (uint32_t)(value % below);
}

bool zkt_cancelled(const struct zkt_call *call)
{
    return call->host == NULL;
}

int64_t zkt_now_ms(const struct zkt_call *call)
{
    return call->now_ms;
}

int64_t zkt_time_left(const struct zkt_call *call)
{
    if (call->host == NULL) {
        return 0;
    }
    const int64_t due = call->ops->find_due(call);
    const int64_t left = due - call->host->clock->now_ms;
    return due == INT64_MAX ? INT64_MAX : left > 0 ? left : 0;
}

struct zkt_str zkt_client_id(const struct zkt_call *call)
{
    return call->client_id;
}

struct zkt_str zkt_instance_id(const struct zkt_call *call)
{
    return call->instance_id;
}

void *zkt_user(const struct zkt_call *call)
{
    return call->user;
}

struct zkt_server *zkt_call_server(const struct zkt_call *call)
{
    return call->host != NULL ? call->host->server : NULL;
}

unsigned zkt_close_code(const struct zkt_call *call)
{
    return call->close_code;
}

struct zkt_str zkt_close_reason(const struct zkt_call *call)
{
    return call->close_code != 0 && call->close_reason.data != NULL
               ? call->close_reason
               : ZKT_STR("");
}

enum zkt_subscription zkt_call_subscription(const struct zkt_call *call)
{
    return call->topic == ZKT_TOPIC_STATE ? ZKT_SUBSCRIPTION_STATE
                                          : ZKT_SUBSCRIPTION_EVENTS;
}

/* ---- targets ---- */

struct zkt_target zkt_to_all(void)
{
    return (struct zkt_target){ .kind = ZKT_TARGET_ALL };
}

struct zkt_target zkt_to(struct zkt_str id)
{
    return (struct zkt_target){ .kind = ZKT_TARGET_ONLY, .len = 1, .one = id };
}

struct zkt_target zkt_to_each(const struct zkt_str *ids, size_t len)
{
    return (
        struct zkt_target){ .kind = ZKT_TARGET_ONLY, .ids = ids, .len = len };
}

struct zkt_target zkt_to_topic(struct zkt_str name)
{
    return (
        struct zkt_target){ .kind = ZKT_TARGET_TOPICS, .len = 1, .one = name };
}

struct zkt_target zkt_to_topics(const struct zkt_str *names, size_t len)
{
    return (struct zkt_target){ .kind = ZKT_TARGET_TOPICS,
                                .ids = names,
                                .len = len };
}

struct zkt_target zkt_except(struct zkt_str id)
{
    return (
        struct zkt_target){ .kind = ZKT_TARGET_EXCEPT, .len = 1, .one = id };
}

struct zkt_target zkt_except_each(const struct zkt_str *ids, size_t len)
{
    return (
        struct zkt_target){ .kind = ZKT_TARGET_EXCEPT, .ids = ids, .len = len };
}
