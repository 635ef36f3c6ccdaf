/* Judges complete heads; see request.h. */
#include "http/request.h"

#include <string.h>

#include "http/head.h"
#include "http/reader.h"

static struct zkt_str text_of(const struct zkt_http_reader *r,
                              struct zkt_http_part part)
{
    return part.at > 0
               ? (struct zkt_str){ (const char *)r->bytes + part.at, part.len }
               : (struct zkt_str){ NULL, 0 };
}

struct zkt_str zkt__http_value(const struct zkt_http_request *request,
                               enum zkt_http_field field)
{
    return text_of(request->reader, request->reader->known[field]);
}

void zkt__http_set_cors(struct zkt_http_reader *reader, enum zkt_http_cors cors)
{
    reader->cors = (uint8_t)cors;
}

/* ---- lists ---- */

static bool is_repeated(const struct zkt_http_reader *r,
                        enum zkt_http_field field)
{
    return (r->repeated >> field & 1) != 0;
}

void zkt__http_each_line(const struct zkt_http_request *request,
                         enum zkt_http_field field,
                         bool (*take)(void *to, struct zkt_str line), void *to)
{
    static const char *const names[] = {
#define X(name, text, kind) text,
        ZKT_HTTP_FIELDS(X)
#undef X
    };
    struct zkt_str fields = request->fields;
    struct zkt_str name, value;
    if (!is_repeated(request->reader, field)) {
        value = zkt__http_value(request, field);
        if (value.data != NULL) {
            (void)take(to, value);
        }
        return;
    }
    while (zkt__http_next_field(&fields, &name, &value)) {
        if (zkt__head_same(name, names[field]) && !take(to, value)) {
            return;
        }
    }
}

struct sought {
    const char *word;
    bool found;
};

static bool seek(void *to, struct zkt_str line)
{
    struct sought *sought = to;
    sought->found = zkt__head_has(line, sought->word);
    return !sought->found;
}

bool zkt__http_has(const struct zkt_http_request *request,
                   enum zkt_http_field field, const char *word)
{
    struct sought sought = { word, false };
    zkt__http_each_line(request, field, seek, &sought);
    return sought.found;
}

struct expectations {
    bool proceed, other;
};

/* Only a single expectation is defined (RFC 9110, section 10.1.1). */
static bool take_expectations(void *to, struct zkt_str line)
{
    struct expectations *expectations = to;
    struct zkt_str item;
    while (zkt__http_next_item(&line, &item)) {
        const bool proceed = zkt__head_same(item, "100-continue");
        expectations->proceed = expectations->proceed || proceed;
        expectations->other = expectations->other || !proceed;
    }
    return true;
}

/* ---- the target ---- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

/* Returns the length of the name or address at the begin of @text: of the
 * characters of RFC 3986, section 3.2.2, but for the comma, by which two hosts
 * could be joined. */
static size_t measure_name(struct zkt_str text)
{
    static const char others[] = "-._~%!$&'()*+;=";
    size_t n = 0;
    while (n < text.len &&
           (is_alphanumeric(text.data[n]) ||
            memchr(others, text.data[n], sizeof(others) - 1) != NULL)) {
        n++;
    }
    return n;
}

/* Returns the length of an address of IPv6 in brackets, or 0. */
static size_t measure_address(struct zkt_str text)
{
    static const char digits[] = "0123456789abcdefABCDEF:.";
    size_t n = 1;
    while (n < text.len &&
           memchr(digits, text.data[n], sizeof(digits) - 1) != NULL) {
        n++;
    }
    return n > 1 && n < text.len && text.data[n] == ']' ? n + 1 : 0;
}

/* Returns true if a text is a host, perhaps empty, with an optional port: RFC
 * 3986, section 3.2. */
static bool is_authority(struct zkt_str text)
{
    const bool bracket = text.len > 0 && text.data[0] == '[';
    size_t n = bracket ? measure_address(text) : measure_name(text);
    if ((bracket && n == 0) || (n < text.len && text.data[n] != ':')) {
        return false;
    }
    n += n < text.len;
    while (n < text.len && text.data[n] >= '0' && text.data[n] <= '9') {
        n++;
    }
    return n == text.len;
}

/* Returns true if a target has only characters that may be there; others must
 * be percent-encoded, and a fragment is not sent (RFC 9110, section 7.1). */
static bool has_target_characters(struct zkt_str target)
{
    for (size_t i = 0; i < target.len; i++) {
        const unsigned char c = (unsigned char)target.data[i];
        if (c <= ' ' || c >= 0x7f || c == '#') {
            return false;
        }
    }
    return true;
}

/* Returns the length of `http://` or `https://` at the begin of @target, or
 * 0. */
static size_t scheme_of(struct zkt_str target)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < 2; i++) {
        const size_t len = strlen(schemes[i]);
        if (target.len > len &&
            zkt__head_same((struct zkt_str){ target.data, len }, schemes[i])) {
            return len;
        }
    }
    return 0;
}

/* Splits a target of the absolute form, which some proxies and clients send:
 * its host replaces the field (RFC 9112, section 3.2.2). An empty path is left
 * empty. Returns false if it is malformed. */
static bool split_absolute(struct zkt_http_reader *r, struct zkt_str target)
{
    const size_t scheme = scheme_of(target);
    const char *host = target.data + scheme;
    const size_t left = target.len - scheme;
    const char *slash = memchr(host, '/', left);
    const size_t len = slash != NULL ? (size_t)(slash - host) : left;
    if (scheme == 0 || len == 0 ||
        !is_authority((struct zkt_str){ host, len })) {
        return false;
    }
    r->host = (struct zkt_http_part){ r->target.at + (uint32_t)scheme,
                                      (uint32_t)len };
    r->resource = (struct zkt_http_part){ r->host.at + r->host.len,
                                          (uint32_t)(left - len) };
    return true;
}

/* Checks the target of a request: RFC 9112, section 3.2. */
static bool split_target(struct zkt_http_reader *r)
{
    const struct zkt_str target = text_of(r, r->target);
    if (!has_target_characters(target)) {
        return false;
    }
    r->host = r->known[ZKT_HTTP_FIELD_HOST];
    r->resource = r->target;
    return target.data[0] == '/' ||
           (r->method == HTTP_OPTIONS && zkt_str_eq(target, ZKT_STR("*"))) ||
           split_absolute(r, target);
}

/* ---- the head ---- */

/* Checks the method. Returns 0, or the status of the refusal. */
static int judge_method(const struct zkt_http_reader *r)
{
    switch (r->method) {
    case HTTP_GET:
    case HTTP_HEAD:
    case HTTP_POST:
    case HTTP_PUT:
    case HTTP_PATCH:
    case HTTP_DELETE:
    case HTTP_OPTIONS:
    case HTTP_TRACE:
        return 0;
    case HTTP_CONNECT:
        return 405;
    default:
        return 501;
    }
}

/* Checks Host: a request of HTTP/1.1 has it once, of HTTP/1.0 at most once (RFC
 * 9112, section 3.2). A second one was refused before. */
static bool has_good_host(const struct zkt_http_reader *r)
{
    const struct zkt_str host = text_of(r, r->known[ZKT_HTTP_FIELD_HOST]);
    return host.data != NULL ? is_authority(host) : r->minor == 0;
}

/* Checks the fields that tell the length of the body (RFC 9112, section 6).
 * llhttp refuses Content-Length beside Transfer-Encoding, twice, or without a
 * number. Returns 0, or the status of the refusal. */
static int judge_length(const struct zkt_http_reader *r)
{
    const struct zkt_str coding = text_of(
        r, r->known[ZKT_HTTP_FIELD_TRANSFER_ENCODING]);
    if (coding.data == NULL) {
        return r->parser.content_length > r->limits.body ? 413 : 0;
    }
    if (r->minor == 0 || (r->parser.flags & F_CHUNKED) == 0 ||
        (r->parser.flags & F_CONTENT_LENGTH) != 0) {
        return 400;
    }
    return zkt__head_same(coding, "chunked") ? 0 : 501;
}

static bool has_in_lines(const struct zkt_http_reader *r,
                         enum zkt_http_field field, const char *word)
{
    struct zkt_http_request request;
    zkt__http_get(r, &request);
    return zkt__http_has(&request, field, word);
}

/* As zkt__http_has; a field of a single line needs no request. */
static inline bool has(const struct zkt_http_reader *r,
                       enum zkt_http_field field, const char *word)
{
    return is_repeated(r, field)
               ? has_in_lines(r, field, word)
               : r->known[field].at > 0 &&
                     zkt__head_has(text_of(r, r->known[field]), word);
}

static void read_expectations(const struct zkt_http_reader *r,
                              struct expectations *expectations)
{
    struct zkt_http_request request;
    if (r->known[ZKT_HTTP_FIELD_EXPECT].at > 0) {
        zkt__http_get(r, &request);
        zkt__http_each_line(&request, ZKT_HTTP_FIELD_EXPECT, take_expectations,
                            expectations);
    }
}

int zkt__http_judge(struct zkt_http_reader *r)
{
    struct expectations expectations = { .proceed = false };
    int status = judge_method(r);
    if (status != 0) {
        return status;
    }
    if (!split_target(r) || !has_good_host(r)) {
        return 400;
    }
    /* A server ignores Upgrade in HTTP/1.0 (RFC 9110, section 7.8). */
    r->asks_websocket = r->minor > 0 &&
                        has(r, ZKT_HTTP_FIELD_UPGRADE, "websocket") &&
                        has(r, ZKT_HTTP_FIELD_CONNECTION, "Upgrade");
    if (r->asks_websocket &&
        (r->parser.content_length > 0 ||
         r->known[ZKT_HTTP_FIELD_TRANSFER_ENCODING].at > 0)) {
        return 400;
    }
    status = judge_length(r);
    if (status != 0) {
        return status;
    }
    read_expectations(r, &expectations);
    r->expects_continue = expectations.proceed && r->minor > 0;
    r->keeps_alive = !r->asks_websocket && r->minor > 0 &&
                     !has(r, ZKT_HTTP_FIELD_CONNECTION, "close");
    return expectations.other ? 417 : 0;
}

/* ---- the request ---- */

static enum zkt_http_method method_of(const struct zkt_http_reader *r)
{
    switch (r->method) {
    case HTTP_HEAD:
        return ZKT_HTTP_HEAD;
    case HTTP_POST:
        return ZKT_HTTP_POST;
    case HTTP_PUT:
        return ZKT_HTTP_PUT;
    case HTTP_PATCH:
        return ZKT_HTTP_PATCH;
    case HTTP_DELETE:
        return ZKT_HTTP_DELETE;
    case HTTP_OPTIONS:
        return ZKT_HTTP_OPTIONS;
    case HTTP_TRACE:
        return ZKT_HTTP_TRACE;
    default:
        return ZKT_HTTP_GET;
    }
}

/* Splits the resource into path and query. An empty one, of the absolute form,
 * is "/". */
static void get_resource(const struct zkt_http_reader *r,
                         struct zkt_http_request *out)
{
    const struct zkt_str resource = r->resource.len > 0
                                        ? text_of(r, r->resource)
                                        : ZKT_STR("/");
    const char *mark = memchr(resource.data, '?', resource.len);
    out->target = out->path = resource;
    out->query = ZKT_STR("");
    if (mark != NULL) {
        out->path.len = (size_t)(mark - resource.data);
        out->query = (struct zkt_str){ mark + 1,
                                       resource.len - out->path.len - 1 };
    }
}

void zkt__http_get(const struct zkt_http_reader *r,
                   struct zkt_http_request *out)
{
    /* Behind the version and its line end. */
    const size_t fields = r->target.at + r->target.len + 11;
    const char *body = (const char *)r->bytes + r->head;
    out->method = method_of(r);
    get_resource(r, out);
    out->host = text_of(r, r->host);
    out->fields = (struct zkt_str){ (const char *)r->bytes + fields,
                                    r->head - fields };
    out->body = (struct zkt_str){ body, r->have - r->head };
    out->expects_continue = r->expects_continue;
    out->asks_websocket = r->asks_websocket;
    out->keeps_alive = r->keeps_alive;
    out->minor = r->minor;
    out->reader = r;
}
