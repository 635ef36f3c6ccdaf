/*
 * See parameters.h. A pass over the query string and another over the header
 * fields find the text of each parameter. A text becomes a token of JSON, which
 * the decoder of the parameter's type reads: so rules and their issues are
 * those of any other input.
 */
#include "session/parameters.h"

#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "http/head.h"
#include "session/request.h"
#include "session/session.h"
#include "json/number.h"

/* The faults that a parameter has in the request, before its type counts. */
enum fault {
    FAULT_NONE,
    FAULT_TWICE,
    FAULT_DIFFERS,
    FAULT_ESCAPE,
    FAULT_BASE64URL,
    FAULT_BEARER
};

/* The text of a parameter; data NULL: absent. */
struct found {
    struct zkt_str text;
    enum fault fault;
};

struct search {
    const struct zkt_connection_info *info;
    struct zkt_arena *arena;
    struct found *found; /* of each parameter */
    struct found authorization, offer;
    bool no_memory;
};

static void note(struct found *found, struct zkt_str text, enum fault fault)
{
    found->fault = found->text.data != NULL ? FAULT_TWICE : fault;
    found->text = text;
}

/* Returns the first part of *@rest up to @mark, and leaves the part behind it;
 * its data is NULL if there is no mark. */
static struct zkt_str split(struct zkt_str *rest, char mark)
{
    const char *at = memchr(rest->data, mark, rest->len);
    const struct zkt_str first = { rest->data, at != NULL
                                                   ? (size_t)(at - rest->data)
                                                   : rest->len };
    *rest = at != NULL ? (struct zkt_str){ at + 1, rest->len - first.len - 1 }
                       : (struct zkt_str){ NULL, 0 };
    return first;
}

/* ---- the query string ---- */

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Takes a byte off @text, which is not empty: decodes `+` and an escape (URL
 * Standard, section 5.1). Returns -1 for a bad escape. */
static int take_byte(struct zkt_str *text)
{
    const char c = text->data[0];
    const bool escape = c == '%';
    const size_t len = escape ? 3 : 1;
    if (text->len < len) {
        return -1;
    }
    const int high = escape ? hex_of(text->data[1]) : 0;
    const int low = escape ? hex_of(text->data[2]) : 0;
    text->data += len;
    text->len -= len;
    if (!escape) {
        return c == '+' ? ' ' : (unsigned char)c;
    }
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Returns true if @text is the encoded form of @name. */
static bool decodes_to(struct zkt_str text, struct zkt_str name)
{
    size_t i = 0;
    while (text.len > 0) {
        if (i == name.len ||
            take_byte(&text) != (unsigned char)name.data[i++]) {
            return false;
        }
    }
    return i == name.len;
}

/* Decodes a value of the query string; sets *@fault for a bad escape. */
static struct zkt_str decode_value(struct search *s, struct zkt_str text,
                                   enum fault *fault)
{
    char *to = zkt__arena_alloc(s->arena, text.len + 1);
    size_t len = 0;
    if (to == NULL) {
        s->no_memory = true;
        return ZKT_STR("");
    }
    while (text.len > 0) {
        const int byte = take_byte(&text);
        if (byte < 0) {
            *fault = FAULT_ESCAPE;
            break;
        }
        to[len++] = (char)byte;
    }
    return (struct zkt_str){ to, len };
}

static void take_pair(struct search *s, struct zkt_str key,
                      struct zkt_str value)
{
    for (uint32_t i = 0; i < s->info->input->of.structs->count; i++) {
        const struct zkt_parameter *parameter = &s->info->parameters[i];
        if (parameter->source == ZKT_FROM_QUERY &&
            decodes_to(key, parameter->name)) {
            enum fault fault = FAULT_NONE;
            const struct zkt_str text = decode_value(s, value, &fault);
            note(&s->found[i], text, fault);
        }
    }
}

static void search_query(struct search *s, struct zkt_str query)
{
    while (query.data != NULL) {
        struct zkt_str value = split(&query, '&');
        const struct zkt_str key = split(&value, '=');
        if (key.len > 0) {
            take_pair(s, key, value.data != NULL ? value : ZKT_STR(""));
        }
    }
}

/* ---- header fields and cookies ---- */

static void take_header(struct search *s, struct zkt_str name,
                        struct zkt_str value)
{
    for (uint32_t i = 0; i < s->info->input->of.structs->count; i++) {
        const struct zkt_parameter *parameter = &s->info->parameters[i];
        if (parameter->source == ZKT_FROM_HEADER &&
            zkt__request_same(name, parameter->name)) {
            note(&s->found[i], value, FAULT_NONE);
        }
    }
}

/* Takes off the quotes of a cookie's value (RFC 6265, section 4.1.1). */
static struct zkt_str unquote(struct zkt_str text)
{
    return text.len >= 2 && text.data[0] == '"' &&
                   text.data[text.len - 1] == '"'
               ? (struct zkt_str){ text.data + 1, text.len - 2 }
               : text;
}

static void take_cookie(struct search *s, struct zkt_str name,
                        struct zkt_str value)
{
    for (uint32_t i = 0; i < s->info->input->of.structs->count; i++) {
        const struct zkt_parameter *parameter = &s->info->parameters[i];
        if (parameter->source == ZKT_FROM_COOKIE &&
            zkt_str_eq(name, parameter->name)) {
            note(&s->found[i], unquote(value), FAULT_NONE);
        }
    }
}

/* Takes the pairs `name=value` of a Cookie field (RFC 6265, section 4.2.1). */
static void take_cookies(struct search *s, struct zkt_str cookies)
{
    while (cookies.data != NULL) {
        struct zkt_str value = split(&cookies, ';');
        const struct zkt_str name = zkt__head_strip(split(&value, '='));
        if (value.data != NULL) {
            take_cookie(s, name, zkt__head_strip(value));
        }
    }
}

/* ---- bearer tokens ---- */

/* Takes an Authorization field; other schemes than Bearer are ignored (RFC
 * 6750, section 2.1). */
static void take_authorization(struct search *s, struct zkt_str value)
{
    struct zkt_str token = value;
    if (!zkt__request_same(split(&token, ' '), ZKT_STR("Bearer"))) {
        return;
    }
    token = token.data != NULL ? zkt__head_strip(token) : ZKT_STR("");
    const bool good = token.len > 0 &&
                      memchr(token.data, ' ', token.len) == NULL &&
                      memchr(token.data, '\t', token.len) == NULL;
    note(&s->authorization, token, good ? FAULT_NONE : FAULT_BEARER);
}

/* Turns base64url (RFC 4648, section 5), with or without padding, into base64
 * with padding; @to has room for three bytes more. */
static size_t to_base64(struct zkt_str text, char *to)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        /* The digits of base64 are none of base64url. */
        to[len++] = (char)(c == '-'               ? '+'
                           : c == '_'             ? '/'
                           : c == '+' || c == '/' ? '.'
                                                  : c);
    }
    while (len % 4 != 0) {
        to[len++] = '=';
    }
    return len;
}

/* Reads base64url. Returns false if it is malformed. */
static bool read_base64url(struct search *s, struct zkt_str text,
                           struct zkt_str *out)
{
    char *to = zkt__arena_alloc(s->arena, text.len + 4);
    *out = ZKT_STR("");
    if (to == NULL) {
        s->no_memory = true;
        return true;
    }
    const size_t len = to_base64(text, to);
    out->data = to;
    return zkt__base64_read(to, len, (uint8_t *)to, &out->len);
}

/* Takes an offered subprotocol: bearer.TOKEN or bearer64.BASE64URL. */
static void take_offer(struct search *s, struct zkt_str offer)
{
    static const struct zkt_str plain = ZKT_STR_INIT("bearer.");
    static const struct zkt_str encoded = ZKT_STR_INIT("bearer64.");
    if (zkt__request_begins(offer, plain)) {
        note(&s->offer,
             (struct zkt_str){ offer.data + plain.len, offer.len - plain.len },
             FAULT_NONE);
    } else if (zkt__request_begins(offer, encoded)) {
        struct zkt_str token;
        const bool good = read_base64url(
            s,
            (struct zkt_str){ offer.data + encoded.len,
                              offer.len - encoded.len },
            &token);
        note(&s->offer, token, good ? FAULT_NONE : FAULT_BASE64URL);
    }
}

static bool has_bearer(const struct zkt_connection_info *info)
{
    for (uint32_t i = 0; i < info->input->of.structs->count; i++) {
        if (info->parameters[i].source == ZKT_FROM_BEARER) {
            return true;
        }
    }
    return false;
}

/* Returns the token of the field or of the subprotocol. Both may be there if
 * they are equal. */
static struct found choose_bearer(const struct search *s)
{
    struct found chosen = s->authorization;
    if (s->offer.text.data == NULL) {
        return chosen;
    }
    if (chosen.text.data == NULL) {
        return s->offer;
    }
    if (chosen.fault == FAULT_NONE) {
        chosen.fault = s->offer.fault;
    }
    if (chosen.fault == FAULT_NONE && !zkt_str_eq(chosen.text, s->offer.text)) {
        chosen.fault = FAULT_DIFFERS;
    }
    return chosen;
}

static void assign_bearer(struct search *s)
{
    for (uint32_t i = 0; i < s->info->input->of.structs->count; i++) {
        if (s->info->parameters[i].source == ZKT_FROM_BEARER) {
            s->found[i] = choose_bearer(s);
        }
    }
}

static void search_fields(struct search *s, struct zkt_str fields)
{
    const bool bearer = has_bearer(s->info);
    struct zkt_str name, value, offer;
    while (zkt__http_next_field(&fields, &name, &value)) {
        take_header(s, name, value);
        if (zkt__request_same(name, ZKT_STR("Cookie"))) {
            take_cookies(s, value);
        } else if (bearer &&
                   zkt__request_same(name, ZKT_STR("Authorization"))) {
            take_authorization(s, value);
        }
        while (bearer && zkt__request_is_offer(name) &&
               zkt__http_next_item(&value, &offer)) {
            take_offer(s, offer);
        }
    }
    assign_bearer(s);
}

/* ---- text as JSON ---- */

/* Returns true for -?(0|[1-9][0-9]*). */
static bool is_decimal(struct zkt_str text)
{
    const size_t first = text.len > 0 && text.data[0] == '-' ? 1 : 0;
    for (size_t i = first; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.len > first &&
           (text.data[first] != '0' || text.len == first + 1);
}

/* Returns true if @text, with zeros behind it, is a number of JSON. */
static bool is_number(struct zkt_str text)
{
    return text.len > 0 &&
           (text.data[0] == '-' ||
            (text.data[0] >= '0' && text.data[0] <= '9')) &&
           zkt__number_end((char *)(uintptr_t)text.data) ==
               text.data + text.len;
}

/* Returns NULL if @text is a token of the kind, or the issue's message. */
static const char *find_mismatch(enum zkt_kind kind, struct zkt_str text)
{
    switch (kind) {
    case ZKT_KIND_BOOL:
        return zkt_str_eq(text, ZKT_STR("true")) ||
                       zkt_str_eq(text, ZKT_STR("false"))
                   ? NULL
                   : "expected true or false";
    case ZKT_KIND_INT32:
    case ZKT_KIND_UINT32:
    case ZKT_KIND_INT64:
    case ZKT_KIND_UINT64:
    case ZKT_KIND_TIMESTAMP:
        return is_decimal(text) ? NULL : "expected a decimal integer";
    case ZKT_KIND_FLOAT64:
    case ZKT_KIND_FLOAT32:
        return is_number(text) ? NULL : "expected a number";
    default:
        return NULL;
    }
}

static bool is_quoted(enum zkt_kind kind)
{
    return kind == ZKT_KIND_STRING || kind == ZKT_KIND_BYTES ||
           kind == ZKT_KIND_ENUM;
}

static const char *fault_text(enum fault fault)
{
    static const char *const texts[] = {
        [FAULT_NONE] = "",
        [FAULT_TWICE] = "is given twice",
        [FAULT_DIFFERS] = "differs in Authorization and the subprotocol",
        [FAULT_ESCAPE] = "has a bad escape",
        [FAULT_BASE64URL] = "is not base64url",
        [FAULT_BEARER] = "is no bearer token",
    };
    return texts[fault];
}

/* ---- the certificate ---- */

static enum zkt_certificate_part part_of(struct zkt_str name)
{
    return zkt_str_eq(name, ZKT_STR("cn"))    ? ZKT_CERTIFICATE_CN
           : zkt_str_eq(name, ZKT_STR("san")) ? ZKT_CERTIFICATE_SAN
                                              : ZKT_CERTIFICATE_SHA256;
}

static void search_certificate(struct search *s, struct zkt_host *host,
                               struct zkt_session *session)
{
    for (uint32_t i = 0; i < s->info->input->of.structs->count; i++) {
        const struct zkt_parameter *parameter = &s->info->parameters[i];
        if (parameter->source != ZKT_FROM_CERTIFICATE || session == NULL) {
            continue;
        }
        const struct zkt_str text = host->sessions->events.certificate(
            session, part_of(parameter->name));
        if (text.data != NULL) {
            s->found[i].text = zkt__arena_str(s->arena, text);
            s->no_memory = s->no_memory || s->found[i].text.data == NULL;
        }
    }
}

/* ---- values ---- */

struct decoding {
    struct zkt_host *host;
    struct zkt_issues *issues;
    struct zkt_step step; /* the path of the current parameter */
};

static bool report(struct decoding *d, enum zkt_issue_code code,
                   const char *text)
{
    zkt__issue_add(d->issues, code, &d->step, 1, "%s", text);
    return false;
}

/* Returns a copy of what the writer holds with zeros behind it. Its data is
 * NULL if there is no memory. */
static struct zkt_str keep_token(struct decoding *d, const struct zkt_writer *w)
{
    char *to = w->failed
                   ? NULL
                   : zkt__arena_alloc(d->issues->arena, w->len + ZKT_PADDING);
    if (to == NULL) {
        d->issues->no_memory = true;
        return (struct zkt_str){ NULL, 0 };
    }
    if (w->len > 0) {
        memcpy(to, w->data, w->len);
    }
    memset(to + w->len, 0, ZKT_PADDING);
    return (struct zkt_str){ to, w->len };
}

/* Returns @text as a token of JSON for a value of @kind. */
static struct zkt_str make_token(struct decoding *d, enum zkt_kind kind,
                                 struct zkt_str text)
{
    struct zkt_writer *w = &d->host->plain;
    w->len = 0;
    w->failed = false;
    if (is_quoted(kind)) {
        zkt_write_string(w, text);
    } else {
        zkt_write_raw(w, text.data, text.len);
    }
    return keep_token(d, w);
}

/* Decodes a text by the type of its field. */
static bool decode(struct decoding *d, const struct zkt_type *type,
                   struct zkt_str text, void *member)
{
    const enum zkt_kind kind = type->kind == ZKT_KIND_OPTIONAL
                                   ? type->of.optionals->value->kind
                                   : type->kind;
    struct zkt_reader reader;
    if (!zkt__utf8_valid(text.data, text.len)) {
        return report(d, ZKT_ISSUE_INVALID_FORMAT, "is not UTF-8");
    }
    const struct zkt_str token = make_token(d, kind, text);
    if (token.data == NULL) {
        return false;
    }
    const char *mismatch = find_mismatch(kind, token);
    if (mismatch != NULL) {
        return report(d, ZKT_ISSUE_INVALID_TYPE, mismatch);
    }
    zkt__reader_init(&reader, (char *)(uintptr_t)token.data, token.len,
                     d->issues->arena, d->issues, &d->host->store.key);
    reader.path[0] = d->step;
    reader.depth = 1;
    const bool good = type->decode(&reader, type, member);
    d->issues->no_memory = d->issues->no_memory || reader.no_memory;
    return good;
}

/* Returns bytes in base64url as base64, or the text of any other type. */
static struct zkt_str text_of(struct search *s, const struct zkt_type *type,
                              struct zkt_str text)
{
    const struct zkt_type *value = type->kind == ZKT_KIND_OPTIONAL
                                       ? type->of.optionals->value
                                       : type;
    if (value->kind != ZKT_KIND_BYTES) {
        return text;
    }
    char *to = zkt__arena_alloc(s->arena, text.len + 4);
    s->no_memory = s->no_memory || to == NULL;
    return to != NULL ? (struct zkt_str){ to, to_base64(text, to) }
                      : ZKT_STR("");
}

static bool read_field(struct decoding *d, struct search *s, uint32_t i,
                       void *input)
{
    const struct zkt_field *field = &s->info->input->of.structs->fields[i];
    const struct found *found = &s->found[i];
    void *member = (char *)input + field->offset;
    d->step = (struct zkt_step){ field->name.data, (uint32_t)field->name.len,
                                 i };
    if (found->fault != FAULT_NONE) {
        return report(d,
                      found->fault == FAULT_TWICE ||
                              found->fault == FAULT_DIFFERS
                          ? ZKT_ISSUE_INVALID_VALUE
                          : ZKT_ISSUE_INVALID_FORMAT,
                      fault_text(found->fault));
    }
    if (found->text.data != NULL) {
        return decode(d, field->type, text_of(s, field->type, found->text),
                      member);
    }
    if (field->default_value != NULL) {
        memcpy(member, field->default_value, field->type->size);
        return true;
    }
    return field->type->kind == ZKT_KIND_OPTIONAL ||
           report(d, ZKT_ISSUE_INVALID_TYPE, "is required");
}

bool zkt__parameters_read(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_connection_info *info,
                          const struct zkt_ws_request *request,
                          struct zkt_issues *issues, void *input)
{
    const uint32_t count = info->input->of.structs->count;
    struct search s = { .info = info, .arena = issues->arena };
    struct decoding d = { .host = host, .issues = issues };
    bool good = true;
    memset(input, 0, info->input->size);
    s.found = zkt__arena_zero(s.arena, count > 0 ? count : 1, sizeof(*s.found));
    if (s.found == NULL) {
        issues->no_memory = true;
        return false;
    }
    search_query(&s, request->query);
    search_fields(&s, request->fields);
    search_certificate(&s, host, session);
    for (uint32_t i = 0; i < count; i++) {
        good = read_field(&d, &s, i, input) && good;
    }
    issues->no_memory = issues->no_memory || s.no_memory;
    return good && !issues->no_memory;
}
