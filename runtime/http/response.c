/* See response.h. */
#include "http/response.h"

#include <stdio.h>
#include <string.h>

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

/* ---- dates ---- */

struct date {
    int64_t year;
    unsigned month, day; /* from 1 */
};

/* Returns the date of a day since 1970-01-01, which is not before year 0. A
 * year that begins in March has its leap day at the end, so that the lengths of
 * its months are a linear function, rounded. */
static struct date date_of(int64_t day)
{
    enum {
        ERA = 146097,  /* days in 400 years */
        EPOCH = 719468 /* days from March 1 of year 0 */
    };
    const int64_t since = day + EPOCH;
    const int64_t era = since / ERA, in_era = since % ERA;
    const int64_t year =
        (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA - 1)) / 365;
    const int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * in_year + 2) / 153; /* 0 is March */
    return (struct date){
        .year = 400 * era + year + (month >= 10),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(in_year - (153 * month + 2) / 5 + 1),
    };
}

/* Writes a text with its NUL, and returns its end. */
static char *put_text(char *at, const char *text)
{
    const size_t len = strlen(text);
    memcpy(at, text, len + 1);
    return at + len;
}

static char *put_number(char *at, unsigned number, int digits)
{
    for (int i = digits - 1; i >= 0; i--, number /= 10) {
        at[i] = (char)('0' + number % 10);
    }
    return at + digits;
}

void zkt__http_date(int64_t ms, char out[ZKT_HTTP_DATE_SIZE])
{
    static const char days[][4] = { "Thu", "Fri", "Sat", "Sun",
                                    "Mon", "Tue", "Wed" };
    static const char months[][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun",
        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
    };
    enum {
        DAY = 24 * 60 * 60,
        YEARS_END = 2932897 /* the day after 9999-12-31 */
    };
    const int64_t seconds = ms / 1000, day = seconds / DAY;
    const unsigned in_day = (unsigned)(seconds % DAY);
    out[0] = '\0';
    if (ms <= 0 || day >= YEARS_END) {
        return;
    }
    const struct date date = date_of(day);
    char *at = put_text(out, days[day % 7]);
    at = put_number(put_text(at, ", "), date.day, 2);
    at = put_text(put_text(at, " "), months[date.month - 1]);
    at = put_number(put_text(at, " "), (unsigned)date.year, 4);
    at = put_number(put_text(at, " "), in_day / 3600, 2);
    at = put_number(put_text(at, ":"), in_day / 60 % 60, 2);
    at = put_number(put_text(at, ":"), in_day % 60, 2);
    (void)put_text(at, " GMT");
}
