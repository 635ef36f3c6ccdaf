/* See response.h. */
#include "http/response.h"

#include <stdio.h>

enum {
    LINES_MAX = 256
};

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
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

void zkt__http_respond(const struct zkt_http_response *response,
                       void (*send)(void *user, const void *data, size_t len),
                       void *user)
{
    const struct zkt_str fields = response->fields, body = response->body;
    char lines[LINES_MAX];
    int len = snprintf(lines, sizeof(lines), "HTTP/1.1 %d %s\r\n%s",
                       response->status, reason_of(response->status),
                       fields_of(response->status));
    send(user, lines, (size_t)len);
    if (fields.len > 0) {
        send(user, fields.data, fields.len);
    }
    len = snprintf(lines, sizeof(lines), "%sContent-Length: %zu\r\n\r\n",
                   connection_of(response), body.len);
    send(user, lines, (size_t)len);
    if (body.len > 0 && !response->omits_body) {
        send(user, body.data, body.len);
    }
}
