/* See response.h. */
#include "http/response.h"

#include <stdio.h>
#include <string.h>

#include "http/reader.h"

enum {
    LINES_MAX = 256,
    LENGTH_MAX = 40 /* of the field Content-Length, with its NUL */
};

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 417:
        return "Expectation Failed";
    case 421:
        return "Misdirected Request";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Refused";
    }
}

/* Returns the fields that belong to a status: RFC 9110, sections 15.5.6 and
 * 15.5.22; RFC 6455, section 4.4. */
static const char *fields_of(int status)
{
    switch (status) {
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
    if (response->status == 426) {
        return response->closes ? "Connection: Upgrade, close\r\n"
                                : "Connection: Upgrade\r\n";
    }
    return response->closes ? "Connection: close\r\n" : "";
}

/* What sends, and to whom. */
struct output {
    void (*send)(void *user, const void *data, size_t len);
    void *user;
};

static void put(const struct output *out, const char *text)
{
    out->send(out->user, text, strlen(text));
}

/* Sends the fields that tell a browser who may read the answer. */
static void put_cors(const struct output *out,
                     const struct zkt_http_reader *request)
{
    static const char allows[] = "Vary: Origin\r\n"
                                 "Access-Control-Allow-Origin: ";
    const struct zkt_http_part origin = request->known[ZKT_HTTP_FIELD_ORIGIN];
    switch ((enum zkt_http_cors)request->cors) {
    case ZKT_HTTP_CORS_ABSENT:
        break;
    case ZKT_HTTP_CORS_NONE:
        put(out, "Vary: Origin\r\n");
        break;
    case ZKT_HTTP_CORS_ORIGIN:
        put(out, allows);
        out->send(out->user, request->bytes + origin.at, origin.len);
        put(out, "\r\nAccess-Control-Allow-Credentials: true\r\n");
        break;
    case ZKT_HTTP_CORS_ALL:
        put(out, allows);
        put(out, "*\r\n");
        break;
    }
}

/* Writes the field Content-Length; an answer without content has none (RFC
 * 9110, section 8.6). */
static void write_length(const struct zkt_http_response *response,
                         char out[LENGTH_MAX])
{
    out[0] = '\0';
    if (response->status != 204) {
        snprintf(out, LENGTH_MAX, "Content-Length: %zu\r\n",
                 response->body.len);
    }
}

void zkt__http_respond(const struct zkt_http_response *response,
                       void (*send)(void *user, const void *data, size_t len),
                       void *user)
{
    const struct zkt_str fields = response->fields, body = response->body;
    char lines[LINES_MAX], length[LENGTH_MAX];
    int len = snprintf(lines, sizeof(lines), "HTTP/1.1 %d %s\r\n%s",
                       response->status, reason_of(response->status),
                       fields_of(response->status));
    send(user, lines, (size_t)len);
    if (fields.len > 0) {
        send(user, fields.data, fields.len);
    }
    if (response->to != NULL) {
        put_cors(&(const struct output){ send, user }, response->to);
    }
    write_length(response, length);
    len = snprintf(lines, sizeof(lines), "%s%s\r\n", connection_of(response),
                   length);
    send(user, lines, (size_t)len);
    if (body.len > 0 && !response->omits_body) {
        send(user, body.data, body.len);
    }
}
