/* See actor_answer.h. */
#include "server/actor_answer.h"

#include <stdlib.h>

#include "protocol/envelope.h"
#include "server/actor_address.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/core.h"

static int status_of(enum zkt_status status)
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
    case ZKT_ALREADY_EXISTS:
    case ZKT_ABORTED:
        return 409;
    case ZKT_FAILED_PRECONDITION:
        return 412;
    case ZKT_RESOURCE_EXHAUSTED:
        return 429;
    case ZKT_CANCELLED:
        return 499;
    case ZKT_UNIMPLEMENTED:
        return 501;
    case ZKT_UNAVAILABLE:
        return 503;
    case ZKT_DEADLINE_EXCEEDED:
        return 504;
    default:
        return 500;
    }
}

/* ---- header fields ---- */

#define COMMON_FIELDS                                                          \
    "Content-Type: application/json\r\n"                                       \
    "Cache-Control: no-store\r\n"                                              \
    "X-Content-Type-Options: nosniff\r\n"

/* Returns the milliseconds that an error tells to wait, or 0. The details of an
 * error are deeper in the object, and a text has no quote without a
 * backslash. */
static int64_t find_retry_ms(struct zkt_str error)
{
    static const char key[] = "\"retryAfterMs\":";
    const size_t len = sizeof(key) - 1;
    bool in_string = false;
    int depth = 0;
    for (size_t i = 0; i + len < error.len; i++) {
        const char c = error.data[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
            continue;
        }
        if (depth == 1 && memcmp(error.data + i, key, len) == 0) {
            return strtoll(error.data + i + len, NULL, 10);
        }
        in_string = c == '"';
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    }
    return 0;
}

/* Returns the methods of the resource of a request that has another. */
static const char *methods_of(const struct zkt_http_request *request)
{
    struct zkt_actor_address address;
    const bool known = zkt__actor_address_parse(request->path, &address) == 0;
    return known && address.method.data != NULL ? "POST" : "GET, HEAD";
}

/* Writes the fields of an answer: @field, those that RFC 9110 demands with 401
 * and 405, and the time after which a client may try again, rounded up to
 * seconds. */
static void write_fields(struct zkt_writer *w,
                         const struct zkt_http_request *request, int status,
                         const char *field, struct zkt_str body)
{
    enum {
        SECOND_MS = 1000
    };
    const int64_t ms = status >= 400 ? find_retry_ms(body) : 0;
    ZKT_WRITE(w, COMMON_FIELDS);
    if (field[0] != '\0') {
        zkt_write_raw(w, field, strlen(field));
    }
    if (status == 401) {
        ZKT_WRITE(w, "WWW-Authenticate: Bearer\r\n");
    }
    if (status == 405) {
        const char *methods = methods_of(request);
        ZKT_WRITE(w, "Allow: ");
        zkt_write_raw(w, methods, strlen(methods));
        ZKT_WRITE(w, "\r\n");
    }
    if (ms > 0) {
        ZKT_WRITE(w, "Retry-After: ");
        zkt_write_int64(w, ms / SECOND_MS + (ms % SECOND_MS > 0));
        ZKT_WRITE(w, "\r\n");
    }
}

/* ---- answers ---- */

/* Answers with JSON, and with a field, if it is not "". */
static void answer(struct zkt_connection *c,
                   const struct zkt_http_request *request, int status,
                   const char *field, struct zkt_str body)
{
    struct zkt_writer w;
    zkt__writer_init(
        &w, ((struct zkt_server *)(void *)c->endpoint.core)->allocator);
    write_fields(&w, request, status, field, body);
    zkt__answer(c, request,
                (struct zkt_http_response){
                    .status = status,
                    .fields = w.failed ? ZKT_STR(COMMON_FIELDS)
                                       : (struct zkt_str){ w.data, w.len },
                    .body = body,
                    .has_fields = true,
                });
    zkt__writer_finish(&w);
}

void zkt__actor_answer_json(struct zkt_connection *c,
                            const struct zkt_http_request *request, int status,
                            struct zkt_str body)
{
    answer(c, request, status, "", body);
}

static void answer_error(struct zkt_connection *c,
                         const struct zkt_http_request *request, int http,
                         const char *field, enum zkt_status status,
                         const char *text)
{
    struct zkt_writer w;
    zkt__writer_init(
        &w, ((struct zkt_server *)(void *)c->endpoint.core)->allocator);
    zkt__write_failure(&w, &(const struct zkt_failure){
                               .status = status, .text = zkt_cstr(text) });
    ZKT_WRITE(&w, "}");
    if (w.failed) {
        answer(c, request, http, field, ZKT_STR("{}"));
    } else {
        w.data[0] = '{'; /* in place of the first comma */
        answer(c, request, http, field, (struct zkt_str){ w.data, w.len });
    }
    zkt__writer_finish(&w);
}

void zkt__actor_answer_error(struct zkt_connection *c,
                             const struct zkt_http_request *request, int http,
                             enum zkt_status status, const char *text)
{
    answer_error(c, request, http, "", status, text);
}

void zkt__actor_answer_refusal(struct zkt_connection *c,
                               const struct zkt_http_request *request,
                               const struct zkt_actor_refusal *refusal)
{
    answer_error(c, request, refusal->status, refusal->field,
                 refusal->status == 404 ? ZKT_NOT_FOUND : ZKT_INVALID_ARGUMENT,
                 refusal->text);
}

/* In front of the code is the text of the error, in which no quote is without a
 * backslash. */
int zkt__actor_status(struct zkt_str message)
{
    static const char key[] = "\",\"code\":\"";
    const size_t len = sizeof(key) - 1;
    for (size_t i = 0; i + len < message.len; i++) {
        if (memcmp(message.data + i, key, len) == 0) {
            const char *code = message.data + i + len;
            const char *end = memchr(code, '"', message.len - i - len);
            return end == NULL ? 500
                               : status_of(zkt__status_parse((struct zkt_str){
                                     code, (size_t)(end - code) }));
        }
    }
    return 500;
}
