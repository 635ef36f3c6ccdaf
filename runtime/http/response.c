/* See response.h. */
#include "http/response.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/date.h"
#include "http/head.h"
#include "http/reader.h"

enum {
    LINES_MAX = 256
};

/* RFC 9110, section 15; RFC 6585. */
static const struct {
    int status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 206, "Partial Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 426, "Upgrade Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
};

/* Returns the reason of a status, or "", which RFC 9112, section 4, allows. */
static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

/* Returns the fields that belong to a status: RFC 9110, sections 15.5.6 and
 * 15.5.22; RFC 6455, section 4.4. */
static const char *fields_of(const struct zkt_http_response *response)
{
    switch (response->has_fields ? 0 : response->status) {
    case 405:
        return "Allow: GET, HEAD\r\n";
    case 426:
        return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    default:
        return "";
    }
}

/* Returns the field Connection: an Upgrade is named there (RFC 9110, section
 * 7.8). */
static const char *connection_of(const struct zkt_http_response *response)
{
    if (response->status == 426 && !response->has_fields) {
        return response->closes ? "Connection: Upgrade, close\r\n"
                                : "Connection: Upgrade\r\n";
    }
    return response->closes ? "Connection: close\r\n" : "";
}

/* The function that sends, and its argument. */
struct output {
    void (*send)(void *user, const void *data, size_t len);
    void *user;
};

static void put(const struct output *out, const char *text)
{
    out->send(out->user, text, strlen(text));
}

/* Sends the fields that tell a browser who may read the answer. @request may be
 * NULL. */
static void put_cors(const struct output *out,
                     const struct zkt_http_reader *request)
{
    static const char allows[] = "Vary: Origin\r\n"
                                 "Access-Control-Allow-Origin: ";
    const struct zkt_http_part *origin;
    switch (request != NULL ? (enum zkt_http_cors)request->cors
                            : ZKT_HTTP_CORS_NONE) {
    case ZKT_HTTP_CORS_ABSENT:
        break;
    case ZKT_HTTP_CORS_NONE:
        put(out, "Vary: Origin\r\n");
        break;
    case ZKT_HTTP_CORS_ORIGIN:
        origin = &request->known[ZKT_HTTP_FIELD_ORIGIN];
        put(out, allows);
        out->send(out->user, request->bytes + origin->at, origin->len);
        put(out, "\r\nAccess-Control-Allow-Credentials: true\r\n");
        break;
    case ZKT_HTTP_CORS_ALL:
        put(out, allows);
        put(out, "*\r\n");
        break;
    }
}

/* Writes the field that says where the body ends, or "". */
static void write_framing(char out[LINES_MAX], int status,
                          enum zkt_http_framing framing, uint64_t length)
{
    out[0] = '\0';
    if (!zkt__http_has_body(status) || framing == ZKT_HTTP_UNTIL_CLOSE) {
        return;
    }
    if (framing == ZKT_HTTP_CHUNKED) {
        snprintf(out, LINES_MAX, "Transfer-Encoding: chunked\r\n");
    } else {
        snprintf(out, LINES_MAX, "Content-Length: %" PRIu64 "\r\n", length);
    }
}

void zkt__http_respond_head(const struct zkt_http_response *response,
                            enum zkt_http_framing framing, uint64_t length,
                            void (*send)(void *user, const void *data,
                                         size_t len),
                            void *user)
{
    const struct zkt_str fields = response->fields;
    const struct zkt_str common = response->common;
    char lines[LINES_MAX], end[LINES_MAX], date[ZKT_HTTP_DATE_SIZE];
    zkt__http_date(response->wall_ms, date);
    int len = snprintf(lines, sizeof(lines), "HTTP/1.1 %d %s\r\n%s%s%s%s",
                       response->status, reason_of(response->status),
                       date[0] != '\0' ? "Date: " : "", date,
                       date[0] != '\0' ? "\r\n" : "", fields_of(response));
    send(user, lines, (size_t)len);
    if (fields.len > 0) {
        send(user, fields.data, fields.len);
    }
    if (common.len > 0) {
        send(user, common.data, common.len);
    }
    put_cors(&(const struct output){ send, user }, response->to);
    write_framing(end, response->status, framing, length);
    len = snprintf(lines, sizeof(lines), "%s%s\r\n", connection_of(response),
                   end);
    send(user, lines, (size_t)len);
}

/* Returns true if an answer has no body, though perhaps its length. */
static bool omits_body(const struct zkt_http_response *response)
{
    return (response->to != NULL && response->to->method == HTTP_HEAD) ||
           !zkt__http_has_body(response->status);
}

void zkt__http_respond(const struct zkt_http_response *response,
                       void (*send)(void *user, const void *data, size_t len),
                       void *user)
{
    const struct zkt_str body = response->body;
    zkt__http_respond_head(response, ZKT_HTTP_LENGTH, body.len, send, user);
    if (body.len > 0 && !omits_body(response)) {
        send(user, body.data, body.len);
    }
}

/* ---- fields ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool zkt__http_field_is_good(struct zkt_str name, struct zkt_str value)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!zkt__head_token[(unsigned char)name.data[i]]) {
            return false;
        }
    }
    for (size_t i = 0; i < value.len; i++) {
        const char c = value.data[i];
        if (c == '\r' || c == '\n' || c == '\0') {
            return false;
        }
    }
    return name.len > 0 &&
           (value.len == 0 ||
            (!is_blank(value.data[0]) && !is_blank(value.data[value.len - 1])));
}
