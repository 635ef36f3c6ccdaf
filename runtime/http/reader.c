/*
 * See request.h. llhttp reads the head from the gathered bytes, so that its
 * spans are parts of them, and a body from the input.
 *
 * llhttp tolerates folded fields, bare line feeds and superfluous blanks, which
 * other parsers on the way read differently. So a head must be exactly the
 * concatenation of its parts, byte for byte: method, blank, target, blank,
 * version, CR LF; name, colon, blanks, value, blanks, CR LF; CR LF. The bytes
 * around the content of chunks must have a CR before each LF, and be few.
 */
#include "http/reader.h"

#include <string.h>
#include <strings.h>

#include "http/head.h"

enum {
    BLOCK_MIN = 1024, /* a size that allocators have at hand */
    CHUNK_MIN = 20,   /* bytes around a chunk: 16 digits, two line ends */
    VERSION_LEN = 9   /* " HTTP/1.1" */
};

static struct zkt_http_reader *reader_of(llhttp_t *parser)
{
    return (struct zkt_http_reader *)(void *)parser;
}

/* Returns the offset of a span of llhttp in the gathered head. */
static uint32_t offset_of(const struct zkt_http_reader *r, const char *at)
{
    return (uint32_t)(at - (const char *)r->bytes);
}

/* Refuses the request; the first reason counts. Returns -1 for llhttp. */
static int refuse(struct zkt_http_reader *r, int status)
{
    if (r->stage != ZKT_HTTP_REFUSED) {
        r->stage = ZKT_HTTP_REFUSED;
        r->status = (uint16_t)status;
    }
    return -1;
}

/* ---- the head ---- */

/* Adds a span to a part, which arrives in pieces. Returns false if they are
 * apart, as those of a folded field are. */
static bool extend(struct zkt_http_part *part, uint32_t at, size_t len)
{
    if (part->at == 0) {
        part->at = at;
    }
    const bool good = part->at + part->len == at;
    part->len += (uint32_t)len;
    return good;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct zkt_http_reader *r = reader_of(parser);
    return extend(&r->target, offset_of(r, at), len) ? 0 : refuse(r, 400);
}

/* Returns true if @text begins with a version, `HTTP/1.1`. */
static bool is_version(const uint8_t *text)
{
    return memcmp(text, " HTTP/", 6) == 0 && text[6] >= '0' && text[6] <= '9' &&
           text[7] == '.' && text[8] >= '0' && text[8] <= '9';
}

static bool is_known_version(const uint8_t *text)
{
    return text[6] == '1' && (text[8] == '0' || text[8] == '1');
}

/* Returns true if a single blank stands between method and target. */
static bool has_single_blank(const struct zkt_http_reader *r)
{
    const uint8_t *target = r->bytes + r->target.at;
    return r->target.at >= 2 && target[-1] == ' ' && target[-2] != ' ';
}

/* Checks the request line, which is complete: RFC 9112, section 3. Returns 0 or
 * -1. */
static int finish_request_line(struct zkt_http_reader *r)
{
    const uint32_t version = r->target.at + r->target.len;
    const uint8_t *text = r->bytes + version;
    if (!has_single_blank(r) || version + VERSION_LEN + 2 > r->have ||
        !is_version(text) || memcmp(text + VERSION_LEN, "\r\n", 2) != 0) {
        return refuse(r, 400);
    }
    r->method = r->parser.method;
    r->minor = text[8] - '0';
    r->line = version + VERSION_LEN + 2;
    return is_known_version(text) ? 0 : refuse(r, 505);
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct zkt_http_reader *r = reader_of(parser);
    if (r->stage != ZKT_HTTP_READING_HEAD) {
        return 0; /* a trailer */
    }
    return extend(&r->value, offset_of(r, at), len) ? 0 : refuse(r, 400);
}

/* Returns the field that the server reads under a name, or
 * ZKT_HTTP_FIELD_COUNT. Lengths and names are constants to the compiler. */
static enum zkt_http_field find_field(const char *name, size_t len)
{
#define X(id, text, kind)                                                      \
    if (len == sizeof(text) - 1 &&                                             \
        (memcmp(name, text, sizeof(text) - 1) == 0 ||                          \
         strncasecmp(name, text, sizeof(text) - 1) == 0)) {                    \
        return ZKT_HTTP_FIELD_##id;                                            \
    }
    ZKT_HTTP_FIELDS(X)
#undef X
    return ZKT_HTTP_FIELD_COUNT;
}

/* Notes a field if the server reads it. Returns false if it may not be
 * there. */
static bool note_field(struct zkt_http_reader *r, const char *name, size_t len,
                       struct zkt_http_part value)
{
#define ONE               0u
#define LIST              1u
#define X(id, text, kind) | kind << ZKT_HTTP_FIELD_##id
    static const uint32_t lists = 0 ZKT_HTTP_FIELDS(X);
#undef X
#undef LIST
#undef ONE
    const enum zkt_http_field field = find_field(name, len);
    if (field == ZKT_HTTP_FIELD_COUNT) {
        return true;
    }
    if (r->known[field].at == 0) {
        r->known[field] = value;
        return true;
    }
    r->repeated |= 1u << field;
    return (lists >> field & 1) != 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* The places of a field's line. */
struct line {
    uint32_t colon, end; /* the end is that of the value and its blanks */
    struct zkt_http_part value;
};

/* Finds the places of the current field's line, with blanks around its value or
 * no value. The colon is found back from the value, or from the begin of the
 * line, since llhttp does not say where an empty value is. */
static struct line measure_line(const struct zkt_http_reader *r)
{
    const uint8_t *bytes = r->bytes;
    uint32_t at = r->line;
    if (r->value.len > 0) {
        at = r->value.at - 1;
        while (at > r->line && is_blank(bytes[at])) {
            at--;
        }
    } else {
        while (at + 1 < r->have && bytes[at] != ':') {
            at++;
        }
    }
    struct line line = { .colon = at };
    uint32_t end = r->value.len > 0 ? r->value.at + r->value.len : at + 1;
    while (is_blank(bytes[end - 1])) {
        end--; /* llhttp leaves blanks at the end of a value */
    }
    line.value = r->value.len > 0
                     ? (struct zkt_http_part){ r->value.at, end - r->value.at }
                     : (struct zkt_http_part){ end, 0 };
    while (end < r->have && is_blank(bytes[end])) {
        end++;
    }
    line.end = end;
    return line;
}

/* As measure_line; most lines are `Name: value`. */
static inline struct line find_line(const struct zkt_http_reader *r)
{
    const struct zkt_http_part value = r->value;
    const uint8_t *end = r->bytes + value.at + value.len;
    const uint8_t *begin = r->bytes + value.at;
    return value.len > 0 && memcmp(begin - 2, ": ", 2) == 0 &&
                   !is_blank(end[-1])
               ? (struct line){ value.at - 2, value.at + value.len, value }
               : measure_line(r);
}

/* Checks the line of a field, which is complete. */
static int on_value_complete(llhttp_t *parser)
{
    struct zkt_http_reader *r = reader_of(parser);
    const uint8_t *bytes = r->bytes;
    if (r->stage != ZKT_HTTP_READING_HEAD) {
        return 0;
    }
    if (r->line == 0 && finish_request_line(r) != 0) {
        return -1;
    }
    const struct line line = find_line(r);
    if (line.colon <= r->line || bytes[line.colon] != ':' ||
        !zkt__head_token[bytes[r->line]] || line.end + 2 > r->have ||
        memcmp(bytes + line.end, "\r\n", 2) != 0 ||
        !note_field(r, (const char *)bytes + r->line, line.colon - r->line,
                    line.value)) {
        return refuse(r, 400);
    }
    r->line = line.end + 2;
    r->value = (struct zkt_http_part){ 0, 0 };
    return ++r->count > ZKT_HTTP_FIELDS_MAX ? refuse(r, 431) : 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct zkt_http_reader *r = reader_of(parser);
    if (r->line == 0 && finish_request_line(r) != 0) {
        return -1;
    }
    return HPE_PAUSED;
}

/* The head ends at @end. */
static void finish_head(struct zkt_http_reader *r, size_t end)
{
    if (end != r->line + 2 || memcmp(r->bytes + r->line, "\r\n", 2) != 0) {
        refuse(r, 400);
        return;
    }
    r->head = (uint32_t)end;
    r->have = end;
    const int status = zkt__http_judge(r);
    if (status != 0) {
        refuse(r, status);
        return;
    }
    const bool chunked = r->known[ZKT_HTTP_FIELD_TRANSFER_ENCODING].at > 0;
    if (chunked || r->parser.content_length > 0) {
        r->stage = ZKT_HTTP_READING_BODY;
        r->last = '\n';
        r->parser.upgrade = 0;
        llhttp_resume(&r->parser);
    } else {
        r->stage = ZKT_HTTP_COMPLETE;
    }
}

/* Returns true if the gathered bytes begin as a method does. Names of methods
 * are upper case by convention (RFC 9110, section 9.1). */
static bool begins_as_method(const struct zkt_http_reader *r, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char c = (char)r->bytes[i];
        if ((c < 'A' || c > 'Z') && c != '-' && c != '_') {
            return false;
        }
    }
    return true;
}

/* Returns the status for an error of llhttp in a head. It depends on no byte
 * behind the wrong one. */
static int status_of_error(const struct zkt_http_reader *r,
                           llhttp_errno_t error)
{
    const char *at = llhttp_get_error_pos(&r->parser);
    const size_t version = r->target.at + r->target.len;
    if (error == HPE_PAUSED_H2_UPGRADE) {
        return 505;
    }
    if (error == HPE_INVALID_METHOD && at != NULL) {
        return begins_as_method(r, offset_of(r, at) + 1) ? 501 : 400;
    }
    return error == HPE_INVALID_VERSION && version + VERSION_LEN <= r->have &&
                   is_version(r->bytes + version) &&
                   !is_known_version(r->bytes + version)
               ? 505
               : 400;
}

/* Returns the number of bytes for which there is room, at least one: the block
 * doubles when it is full. No more of the input is taken, since it may be the
 * next request. Returns 0 if there is no memory. */
static size_t make_room(const struct zkt_allocator *allocator,
                        struct zkt_http_reader **reader)
{
    struct zkt_http_reader *r = *reader;
    const size_t used = r->have + ZKT_PADDING;
    if (used < r->capacity) {
        return r->capacity - used;
    }
    r = zkt__resize(allocator, r, sizeof(*r) + 2 * r->capacity);
    if (r == NULL) {
        return 0;
    }
    r->capacity *= 2;
    *reader = r;
    return r->capacity - used;
}

/* Skips empty lines before a request, which a server should ignore (RFC 9112,
 * section 2.2). Returns the number of bytes; another CR or LF is refused. */
static size_t skip_empty_lines(struct zkt_http_reader *r, const uint8_t *bytes,
                               size_t len)
{
    size_t n = 0;
    while (n < len && (r->begins_with_cr || bytes[n] == '\r')) {
        if (r->begins_with_cr && bytes[n] != '\n') {
            refuse(r, 400);
            return n;
        }
        r->begins_with_cr = !r->begins_with_cr;
        n++;
    }
    if (n < len && bytes[n] == '\n') {
        refuse(r, 400);
    }
    return n;
}

/* Reads more of the head. Returns the number of consumed bytes; there is room
 * for @len more. */
static size_t read_head(struct zkt_http_reader *r, const uint8_t *bytes,
                        size_t len)
{
    const size_t before = r->have;
    memcpy(r->bytes + before, bytes, len);
    r->have += len;
    const llhttp_errno_t error = llhttp_execute(
        &r->parser, (const char *)r->bytes + before, len);
    if (r->stage == ZKT_HTTP_REFUSED) {
        return len;
    }
    if (error == HPE_PAUSED) {
        finish_head(r, offset_of(r, llhttp_get_error_pos(&r->parser)));
        return r->have - before;
    }
    if (error != HPE_OK) {
        refuse(r, status_of_error(r, error));
    } else if (r->have == r->limits.head) {
        refuse(r, 431);
    }
    return len;
}

/* ---- the body ---- */

/* Checks input up to @end, which stands around the content of chunks. Returns
 * false if it is refused. */
static bool check_framing(struct zkt_http_reader *r, const char *end)
{
    for (; r->unread < end; r->unread++) {
        const char c = *r->unread;
        const bool folded = r->last == '\n' && (c == ' ' || c == '\t');
        if ((c == '\n' && r->last != '\r') || folded ||
            ++r->extra > ZKT_HTTP_EXTRA_MAX) {
            refuse(r, 400);
            return false;
        }
        r->last = c;
    }
    return true;
}

/* Content begins, behind input that was checked: the digits and the line ends
 * of its chunk are no extra. */
static void begin_content(struct zkt_http_reader *r)
{
    if (r->last != 0) {
        r->extra = r->extra > CHUNK_MIN ? r->extra - CHUNK_MIN : 0;
        r->last = 0;
    }
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct zkt_http_reader *r = reader_of(parser);
    if (r->known[ZKT_HTTP_FIELD_TRANSFER_ENCODING].at > 0 &&
        !check_framing(r, at)) {
        return -1;
    }
    if (r->have - r->head + len > r->limits.body) {
        return refuse(r, 413);
    }
    memcpy(r->bytes + r->have, at, len);
    r->have += len;
    r->unread = at + len;
    begin_content(r);
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

/* Reads more of the body. Returns the number of consumed bytes; there is room
 * for @len more. */
static size_t read_body(struct zkt_http_reader *r, const uint8_t *bytes,
                        size_t len)
{
    const char *begin = (const char *)bytes;
    r->unread = begin;
    const llhttp_errno_t error = llhttp_execute(&r->parser, begin, len);
    const char *end = error == HPE_PAUSED ? llhttp_get_error_pos(&r->parser)
                                          : begin + len;
    if (r->stage == ZKT_HTTP_REFUSED || !check_framing(r, end)) {
        return len;
    }
    if (error == HPE_PAUSED) {
        r->stage = ZKT_HTTP_COMPLETE;
    } else if (error != HPE_OK) {
        refuse(r, 400);
    }
    return (size_t)(end - begin);
}

/* ---- readers ---- */

struct zkt_http_reader *zkt__http_reader_new(
    const struct zkt_allocator *allocator, struct zkt_http_limits limits)
{
    static const llhttp_settings_t settings = {
        .on_url = on_url,
        .on_header_value = on_value,
        .on_header_value_complete = on_value_complete,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_complete,
    };
    struct zkt_http_reader *r = zkt__alloc(allocator, BLOCK_MIN);
    if (r != NULL) {
        *r = (struct zkt_http_reader){ .limits = limits,
                                       .capacity = BLOCK_MIN - sizeof(*r) };
        if (limits.head > UINT32_MAX / 2) {
            r->limits.head = UINT32_MAX / 2;
        }
        llhttp_init(&r->parser, HTTP_REQUEST, &settings);
    }
    return r;
}

void zkt__http_reader_free(const struct zkt_allocator *allocator,
                           struct zkt_http_reader *reader)
{
    zkt__release(allocator, reader);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

bool zkt__http_read(const struct zkt_allocator *allocator,
                    struct zkt_http_reader **reader, const uint8_t *bytes,
                    size_t len, size_t *used)
{
    struct zkt_http_reader *r = *reader;
    size_t skipped = 0;
    if (r->stage == ZKT_HTTP_READING_HEAD && r->have == 0) {
        skipped = skip_empty_lines(r, bytes, len);
    }
    *used = skipped;
    if (skipped == len || r->stage >= ZKT_HTTP_COMPLETE) {
        return true;
    }
    size_t taken = make_room(allocator, reader);
    if (taken == 0) {
        return false;
    }
    r = *reader;
    taken = least(taken, len - skipped);
    if (r->stage == ZKT_HTTP_READING_HEAD) {
        taken = least(taken, r->limits.head - r->have);
        *used += read_head(r, bytes + skipped, taken);
    } else {
        *used += read_body(r, bytes, taken);
    }
    return true;
}

enum zkt_http_stage zkt__http_stage(const struct zkt_http_reader *reader)
{
    return reader->stage;
}

int zkt__http_refusal(const struct zkt_http_reader *reader)
{
    return reader->status;
}

size_t zkt__http_received(const struct zkt_http_reader *reader, size_t *memory)
{
    *memory = sizeof(*reader) + reader->capacity;
    return reader->have;
}
