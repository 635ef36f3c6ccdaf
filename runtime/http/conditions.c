/*
 * See conditions.h. The lists of entity tags are compared line by line, as they
 * are found; of the other fields the value is kept. A second line of these
 * makes a value that is none (RFC 9110, section 5.3).
 */
#include "http/conditions.h"

#include "http/date.h"
#include "http/head.h"

/* A list of entity tags. */
struct tags {
    bool present, matches;
};

struct conditions {
    struct tags match, none_match;
    /* data NULL: absent; "": malformed */
    struct zkt_str modified, unmodified, range, if_range;
};

/* ---- entity tags ---- */

/* Takes an entity tag off @text. Returns it without W/, or "" if it is
 * malformed. */
static struct zkt_str take_tag(struct zkt_str *text, bool *weak)
{
    const char *at = text->data, *end = text->data + text->len;
    *weak = text->len > 2 && memcmp(at, "W/", 2) == 0;
    at += *weak ? 2 : 0;
    const char *close = at < end && *at == '"'
                            ? memchr(at + 1, '"', (size_t)(end - at) - 1)
                            : NULL;
    if (close == NULL) {
        return ZKT_STR("");
    }
    *text = (struct zkt_str){ close + 1, (size_t)(end - close) - 1 };
    return (struct zkt_str){ at, (size_t)(close - at) + 1 };
}

/* Takes commas and white space. */
static struct zkt_str skip_commas(struct zkt_str text)
{
    while (text.len > 0 && (text.data[0] == ',' || text.data[0] == ' ' ||
                            text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    return text;
}

/* Returns true if a list has the tag, up to an item that is malformed. A weak
 * tag matches only if @weakly (RFC 9110, section 8.8.3.2). */
static bool has_tag(struct zkt_str list, struct zkt_str etag, bool weakly)
{
    if (zkt_str_eq(list, ZKT_STR("*"))) {
        return true;
    }
    while ((list = skip_commas(list)).len > 0) {
        bool weak;
        const struct zkt_str tag = take_tag(&list, &weak);
        if (tag.len == 0) {
            return false;
        }
        if (zkt_str_eq(tag, etag) && (weakly || !weak)) {
            return true;
        }
    }
    return false;
}

static void take_tags(struct tags *tags, struct zkt_str list,
                      struct zkt_str etag, bool weakly)
{
    tags->present = true;
    tags->matches = tags->matches || has_tag(list, etag, weakly);
}

/* ---- fields ---- */

static void take_single(struct zkt_str *kept, struct zkt_str value)
{
    *kept = kept->data == NULL ? value : ZKT_STR("");
}

static void read_conditions(struct conditions *c, struct zkt_str fields,
                            struct zkt_str etag)
{
    struct zkt_str name, value;
    while (zkt__http_next_field(&fields, &name, &value)) {
        if (zkt__head_same(name, "If-None-Match")) {
            take_tags(&c->none_match, value, etag, true);
        } else if (zkt__head_same(name, "If-Match")) {
            take_tags(&c->match, value, etag, false);
        } else if (zkt__head_same(name, "If-Modified-Since")) {
            take_single(&c->modified, value);
        } else if (zkt__head_same(name, "If-Unmodified-Since")) {
            take_single(&c->unmodified, value);
        } else if (zkt__head_same(name, "Range")) {
            take_single(&c->range, value);
        } else if (zkt__head_same(name, "If-Range")) {
            take_single(&c->if_range, value);
        }
    }
}

/* Returns true if @date is one, and the representation has changed since, or
 * has not, as @changed says. */
static bool is_since(const struct zkt_http_validators *current,
                     struct zkt_str date, bool changed)
{
    int64_t seconds;
    return current->modified_s != ZKT_HTTP_NO_DATE &&
           zkt__http_parse_date(date, &seconds) &&
           (current->modified_s > seconds) == changed;
}

/* Returns true if the client has the representation that a range is of. A date
 * says that only if the second is over in which it has changed (RFC 9110,
 * section 8.8.2.2). */
static bool range_holds(const struct conditions *c,
                        const struct zkt_http_validators *current)
{
    int64_t seconds;
    if (c->if_range.data == NULL || zkt_str_eq(c->if_range, current->etag)) {
        return true;
    }
    return zkt__http_parse_date(c->if_range, &seconds) &&
           seconds == current->modified_s && seconds < current->now_s;
}

/* ---- ranges ---- */

/* Takes digits off @text; a number that is too large is the largest. Returns
 * false if there are none. */
static bool take_number(struct zkt_str *text, uint64_t *out)
{
    const size_t before = text->len;
    *out = 0;
    for (; text->len > 0 && text->data[0] >= '0' && text->data[0] <= '9';
         text->data++, text->len--) {
        const uint64_t digit = (uint64_t)(text->data[0] - '0');
        *out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX
                                                : *out * 10 + digit;
    }
    return text->len < before;
}

static bool take_dash(struct zkt_str *text)
{
    const bool found = text->len > 0 && text->data[0] == '-';
    text->data += found;
    text->len -= found;
    return found;
}

/* Reads `first-last`, `first-` or `-length`. Returns 206, 416, or 200 if it is
 * malformed. */
static int read_range(struct zkt_str text, uint64_t size,
                      struct zkt_http_range *range)
{
    uint64_t first, last = UINT64_MAX;
    const bool has_first = take_number(&text, &first);
    const bool has_dash = take_dash(&text);
    const bool has_last = take_number(&text, &last);
    if (!has_dash || text.len > 0 || (!has_first && !has_last) ||
        (has_first && has_last && last < first)) {
        return 200;
    }
    if (!has_first) { /* the last bytes */
        first = last < size ? size - last : 0;
        first = last == 0 ? size : first;
        last = UINT64_MAX;
    }
    if (first >= size) {
        return 416;
    }
    last = has_last && last < size ? last : size - 1;
    *range = (struct zkt_http_range){ first, last - first + 1 };
    return 206;
}

/* Returns 206, 416, or 200 for anything but a single range of bytes. */
static int judge_range(struct zkt_str text, uint64_t size,
                       struct zkt_http_range *range)
{
    static const char unit[] = "bytes=";
    const size_t len = sizeof(unit) - 1;
    struct zkt_str item, other;
    if (text.len < len ||
        !zkt__head_same((struct zkt_str){ text.data, len }, unit)) {
        return 200;
    }
    text = (struct zkt_str){ text.data + len, text.len - len };
    return zkt__http_next_item(&text, &item) &&
                   !zkt__http_next_item(&text, &other)
               ? read_range(item, size, range)
               : 200;
}

/* ---- all together ---- */

/* The order of RFC 9110, section 13.2.2. */
int zkt__http_judge_conditions(struct zkt_str fields,
                               const struct zkt_http_validators *current,
                               bool ranges, struct zkt_http_range *range)
{
    struct conditions c = { .range = { NULL, 0 } };
    read_conditions(&c, fields, current->etag);
    *range = (struct zkt_http_range){ 0, current->size };
    if (c.match.present ? !c.match.matches
                        : is_since(current, c.unmodified, true)) {
        return 412;
    }
    if (c.none_match.present ? c.none_match.matches
                             : is_since(current, c.modified, false)) {
        return 304;
    }
    /* A client that wants the first bytes of whatever there is gets none of an
     * empty file. */
    return ranges && current->size > 0 && range_holds(&c, current)
               ? judge_range(c.range, current->size, range)
               : 200;
}
