/* See actor_answer.h. */
#include "server/actor_answer.h"

#include "protocol/envelope.h"
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

void zkt__actor_answer_json(struct zkt_connection *c,
                            const struct zkt_http_request *request, int status,
                            struct zkt_str body)
{
    static const char fields[] = "Content-Type: application/json\r\n"
                                 "Cache-Control: no-store\r\n"
                                 "X-Content-Type-Options: nosniff\r\n";
    static const char allow[] = "Content-Type: application/json\r\n"
                                "Cache-Control: no-store\r\n"
                                "X-Content-Type-Options: nosniff\r\n"
                                "Allow: GET, HEAD, POST\r\n";
    zkt__answer(
        c, request,
        (struct zkt_http_response){
            .status = status,
            .fields = status == 405 ? zkt_cstr(allow) : zkt_cstr(fields),
            .body = body,
            .has_fields = true,
        });
}

void zkt__actor_answer_error(struct zkt_connection *c,
                             const struct zkt_http_request *request, int http,
                             enum zkt_status status, const char *text)
{
    struct zkt_writer w;
    zkt__writer_init(
        &w, ((struct zkt_server *)(void *)c->endpoint.core)->allocator);
    zkt__write_failure(&w, &(const struct zkt_failure){
                               .status = status, .text = zkt_cstr(text) });
    ZKT_WRITE(&w, "}");
    if (w.failed) {
        zkt__actor_answer_json(c, request, http, ZKT_STR("{}"));
    } else {
        w.data[0] = '{'; /* in place of the first comma */
        zkt__actor_answer_json(c, request, http,
                               (struct zkt_str){ w.data, w.len });
    }
    zkt__writer_finish(&w);
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
