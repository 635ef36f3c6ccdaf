/* Issues: collecting them, and writing them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "zocket/call.h"
#include "json/json.h"

enum {
    MESSAGE_MAX = 200,
    FIRST_CAPACITY = 4,
    LISTED_MAX = 64 * 1024, /* bytes of all listed issues, approximately */
    FIELD_NAME_MAX = 1024   /* of a field named by a hook */
};

/* Fills in an issue. Returns false if there is no memory. */
static bool fill(struct zkt_issues *issues, struct zkt_issue *issue,
                 const struct zkt_step *path, uint32_t depth, const char *text,
                 size_t len)
{
    struct zkt_step *steps = zkt__arena_zero(issues->arena, depth,
                                             sizeof(struct zkt_step));
    issue->message = zkt__arena_str(issues->arena,
                                    (struct zkt_str){ text, len });
    if (steps == NULL || issue->message.data == NULL) {
        return false;
    }
    if (depth > 0) {
        memcpy(steps, path, depth * sizeof(struct zkt_step));
    }
    issue->path = steps;
    issue->depth = depth;
    return true;
}

/* Makes room for another issue. Returns false if there is no memory. */
static bool reserve(struct zkt_issues *issues)
{
    if (issues->count < issues->capacity) {
        return true;
    }
    const uint32_t capacity = issues->capacity > 0 ? issues->capacity * 2
                                                   : FIRST_CAPACITY;
    struct zkt_issue *items = zkt__arena_resize(
        issues->arena, issues->items, issues->capacity * sizeof(*items),
        capacity * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    issues->items = items;
    issues->capacity = capacity;
    return true;
}

/* Returns the maximum number of listed issues. */
static uint32_t listed_max(const struct zkt_issues *issues)
{
    return issues->context != NULL && issues->context->issues_max > 0
               ? issues->context->issues_max
               : ZKT_ISSUES_DEFAULT;
}

/* Formats a message; a truncated message ends with a complete character. */
static size_t print(char *text, size_t size, const char *format,
                    va_list arguments)
{
    const int wanted = vsnprintf(text, size, format, arguments);
    if (wanted < 0) {
        return 0;
    }
    size_t len = (size_t)wanted;
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)text[len - 1] & 0xc0) == 0x80) {
            len--;
        }
        if (len > 0 && (unsigned char)text[len - 1] >= 0xc0) {
            len--;
        }
    }
    return len;
}

static void add(struct zkt_issues *issues, enum zkt_issue_code code,
                const struct zkt_step *path, uint32_t depth,
                const char *message, va_list arguments)
{
    issues->total++;
    if (issues->count >= listed_max(issues)) {
        return;
    }
    if (!reserve(issues)) {
        issues->no_memory = true;
        return;
    }
    char text[MESSAGE_MAX];
    const size_t len = print(text, sizeof(text), message, arguments);
    if (!zkt__utf8_valid(text, len)) { /* only from a hook */
        for (size_t i = 0; i < len; i++) {
            text[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
        }
    }
    struct zkt_issue *issue = &issues->items[issues->count];
    issue->code = code;
    if (fill(issues, issue, path, depth, text, len)) {
        issues->count++;
    } else {
        issues->no_memory = true;
    }
}

void zkt__issues_init(struct zkt_issues *issues, struct zkt_arena *arena,
                      const struct zkt_rule_context *context)
{
    issues->arena = arena;
    issues->context = context;
    issues->base_depth = 0;
    issues->count = issues->capacity = issues->total = 0;
    issues->items = NULL;
    issues->pattern_steps = 0;
    issues->no_memory = false;
}

void zkt__issue_add(struct zkt_issues *issues, enum zkt_issue_code code,
                    const struct zkt_step *path, uint32_t depth,
                    const char *message, ...)
{
    va_list arguments;
    va_start(arguments, message);
    add(issues, code, path, depth, message, arguments);
    va_end(arguments);
}

/* Copies a field name that a hook gives, as the path keeps it until the call
 * ends. Returns NULL data for an issue that will not be listed, for text that
 * is not UTF-8, and if there is no memory. */
static struct zkt_str copy_field(struct zkt_issues *issues, const char *field)
{
    const struct zkt_str name = { field, strnlen(field, FIELD_NAME_MAX) };
    if (issues->count >= listed_max(issues) ||
        !zkt__utf8_valid(name.data, name.len)) {
        return (struct zkt_str){ NULL, 0 };
    }
    const struct zkt_str copy = zkt__arena_str(issues->arena, name);
    issues->no_memory = issues->no_memory || copy.data == NULL;
    return copy;
}

void zkt_issue(struct zkt_issues *issues, const char *field, const char *format,
               ...)
{
    struct zkt_step path[ZKT_DEPTH_MAX + 1];
    uint32_t depth = issues->base_depth;
    va_list arguments;
    if (depth > 0) {
        memcpy(path, issues->base, depth * sizeof(*path));
    }
    const struct zkt_str name = field != NULL ? copy_field(issues, field)
                                              : (struct zkt_str){ NULL, 0 };
    if (name.data != NULL) {
        path[depth++] = (struct zkt_step){ name.data, (uint32_t)name.len,
                                           UINT32_MAX };
    }
    va_start(arguments, format);
    add(issues, ZKT_ISSUE_CUSTOM, path, depth, format, arguments);
    va_end(arguments);
}

void zkt__issues_drop(struct zkt_issues *issues, uint32_t first, uint32_t at,
                      uint32_t order)
{
    uint32_t kept = first;
    for (uint32_t i = first; i < issues->count; i++) {
        const struct zkt_issue *issue = &issues->items[i];
        if (issue->depth <= at || issue->path[at].order != order) {
            issues->items[kept++] = *issue;
        }
    }
    issues->total -= issues->count - kept;
    issues->count = kept;
}

static const char *code_text(enum zkt_issue_code code)
{
    static const char *const texts[] = {
#define X(name, text) [ZKT_ISSUE_##name] = text,
        ZKT_ISSUE_TABLE(X)
#undef X
    };
    return texts[code];
}

static void write_path(const struct zkt_issue *issue, struct zkt_writer *w)
{
    ZKT_WRITE(w, "[");
    for (uint32_t i = 0; i < issue->depth; i++) {
        const struct zkt_step *step = &issue->path[i];
        if (i > 0) {
            ZKT_WRITE(w, ",");
        }
        if (step->key != NULL) {
            zkt_write_string(w, (struct zkt_str){ step->key, step->len });
        } else {
            zkt_write_int64(w, step->order);
        }
    }
    ZKT_WRITE(w, "]");
}

static void write_issue(const struct zkt_issue *issue, struct zkt_writer *w)
{
    ZKT_WRITE(w, "{\"code\":");
    zkt_write_string(w, zkt_cstr(code_text(issue->code)));
    ZKT_WRITE(w, ",\"path\":");
    write_path(issue, w);
    ZKT_WRITE(w, ",\"message\":");
    zkt_write_string(w, issue->message);
    ZKT_WRITE(w, "}");
}

/* Returns the length of an issue's text, not counting escapes. */
static size_t measure(const struct zkt_issue *issue)
{
    size_t size = issue->message.len;
    for (uint32_t i = 0; i < issue->depth; i++) {
        size += issue->path[i].key != NULL ? issue->path[i].len : 0;
    }
    return size;
}

/* A client's long key is in the path of every issue below it: without
 * LISTED_MAX the list could be many times as long as the input. */
void zkt__issues_write(const struct zkt_issues *issues, struct zkt_writer *w)
{
    uint32_t listed = 0;
    size_t size = 0;
    ZKT_WRITE(w, "[");
    while (listed < issues->count) {
        const struct zkt_issue *issue = &issues->items[listed];
        size += measure(issue);
        if (size > LISTED_MAX) {
            break;
        }
        if (listed++ > 0) {
            ZKT_WRITE(w, ",");
        }
        write_issue(issue, w);
    }
    if (issues->total > listed) {
        if (listed > 0) {
            ZKT_WRITE(w, ",");
        }
        ZKT_WRITE(w, "{\"code\":\"custom\",\"path\":[],\"message\":\"and ");
        zkt_write_int64(w, issues->total - listed);
        ZKT_WRITE(w, " more\"}");
    }
    ZKT_WRITE(w, "]");
}
