/*
 * Printing messages, for people and for editors, in the order of the source.
 * Each place is found from the place before it, so a run through the files is
 * enough for all of them. Messages hold text of the schema: an invisible
 * character is named there, and is a '?' in the line that is shown.
 */
#include <stdlib.h>
#include <string.h>

#include "syntax/diag.h"
#include "util/unicode.h"

enum {
    SHOWN_BEFORE = 200, /* bytes of a long line, in front of the place */
    SHOWN = 400
};

static const char *const severity_names[] = { "error", "warning", "note" };

/* Where the message stands that is being printed. */
struct printer {
    const struct diag *diag;
    const struct source *source;
    struct source_place place;
    struct text_buffer out;
};

/* ---- lines ---- */

static void emit_byte(struct text_buffer *out, char byte)
{
    emit_bytes(out, &byte, 1);
}

/* A blank or a sign for each character up to @end; a tab stays a tab, so that
 * both line up for any width of a tab. */
static void emit_signs(struct text_buffer *out, const char *line, size_t at,
                       size_t end, char sign)
{
    while (at < end) {
        size_t size;
        const bool tab = line[at] == '\t' && sign == ' ';
        (void)unicode_read(line + at, end - at, &size);
        emit_byte(out, tab ? '\t' : sign);
        at += size;
    }
}

static void emit_line(struct text_buffer *out, const char *line, size_t from,
                      size_t to)
{
    for (size_t at = from, size; at < to; at += size) {
        const unsigned code = unicode_read(line + at, to - at, &size);
        if (unicode_is_unseen(code) && code != '\t') {
            emit_byte(out, '?');
        } else {
            emit_bytes(out, line + at, size);
        }
    }
}

/* Where the shown part of a line begins: @first is in it. */
static size_t find_window(const char *line, size_t first)
{
    size_t from = first > SHOWN_BEFORE ? first - SHOWN_BEFORE : 0;
    while (from < first && ((unsigned char)line[from] & 0xc0) == 0x80) {
        from++;
    }
    return from;
}

/* The bytes of a line from @from on that are shown. */
static size_t shown_len(const char *line, size_t from)
{
    size_t len = 0;
    while (len < SHOWN && line[from + len] != '\0' &&
           line[from + len] != '\n') {
        len++;
    }
    while (len > 0 && ((unsigned char)line[from + len] & 0xc0) == 0x80) {
        len--; /* not within a character */
    }
    return len;
}

/* Whether the line up to its end would be shown as a whole. */
static bool is_short(const char *line, size_t first)
{
    size_t len = 0;
    while (len <= SHOWN && line[len] != '\0' && line[len] != '\n') {
        len++;
    }
    return len <= SHOWN || first <= SHOWN_BEFORE;
}

/* The line, or the part of a long line around the place, and carets under the
 * range. */
static void print_line(struct printer *p, struct source_range range)
{
    const uint32_t start = p->place.start;
    const char *line = p->source->text + (start - p->source->base);
    const size_t first = range.start - start;
    const size_t from = is_short(line, first) ? 0 : find_window(line, first);
    const size_t to = from + shown_len(line, from);
    const size_t end = range.end - start < to ? range.end - start : to;
    char head[24];
    snprintf(head, sizeof(head), "%5u | ", p->place.line);
    emit_text(&p->out, head);
    emit_line(&p->out, line, from, to);
    emit_text(&p->out, "\n      | ");
    emit_signs(&p->out, line, from, first < to ? first : to, ' ');
    emit_byte(&p->out, '^');
    if (first < to) {
        size_t size;
        (void)unicode_read(line + first, to - first, &size);
        emit_signs(&p->out, line, first + size, end, '~');
    }
    emit_byte(&p->out, '\n');
}

/* ---- text ---- */

static void print_head(struct printer *p, const struct source *source,
                       struct source_place place,
                       const struct diag_message *message)
{
    char head[64];
    emit_visible(&p->out, source->path);
    snprintf(head, sizeof(head), ":%u:%u: %s: ", place.line, place.column,
             severity_names[message->severity]);
    emit_text(&p->out, head);
    emit_visible(&p->out, message->text);
}

static void print_text(struct printer *p, const struct diag_message *message)
{
    const struct diag *diag = p->diag;
    print_head(p, p->source, p->place, message);
    emit_text(&p->out, " [");
    emit_text(&p->out, diag_id_text(message->id));
    emit_text(&p->out, "]\n");
    print_line(p, message->at);
    for (const struct diag_message *n = message->notes; n != NULL;
         n = n->next) {
        const struct source *source = sources_at(&diag->sources, n->at.start);
        print_head(p, source, source_find(source, n->at.start), n);
        emit_byte(&p->out, '\n');
    }
}

/* ---- JSON ---- */

static void emit_place(struct text_buffer *out, const char *key,
                       struct source_place place)
{
    emit_text(out, ",\"");
    emit_text(out, key);
    emit_text(out, "\":{\"line\":");
    emit_unsigned(out, place.line);
    emit_text(out, ",\"column\":");
    emit_unsigned(out, place.column);
    emit_text(out, "}");
}

/* A message up to its notes, or a note. */
static void emit_message(struct text_buffer *out, const struct source *source,
                         struct source_place start,
                         const struct diag_message *message)
{
    emit_text(out, "{\"file\":");
    emit_json_string(out, json_string(source->path));
    emit_place(out, "start", start);
    emit_place(out, "end", source_find_from(source, start, message->at.end));
    emit_text(out, ",\"severity\":\"");
    emit_text(out, severity_names[message->severity]);
    emit_text(out, "\",\"id\":\"");
    emit_text(out, diag_id_text(message->id));
    emit_text(out, "\",\"message\":");
    emit_json_string(out, json_string(message->text));
}

static void print_json(struct printer *p, const struct diag_message *message)
{
    const struct diag *diag = p->diag;
    emit_message(&p->out, p->source, p->place, message);
    emit_text(&p->out, ",\"notes\":[");
    for (const struct diag_message *n = message->notes; n != NULL;
         n = n->next) {
        const struct source *source = sources_at(&diag->sources, n->at.start);
        emit_text(&p->out, n != message->notes ? "," : "");
        emit_message(&p->out, source, source_find(source, n->at.start), n);
        emit_text(&p->out, "}");
    }
    emit_text(&p->out, "]}\n");
}

/* ---- all of them ---- */

struct ordered {
    const struct diag_message *message;
    size_t index; /* in which it was reported */
};

static int compare(const void *left, const void *right)
{
    const struct ordered *a = left, *b = right;
    const uint32_t x = a->message->at.start, y = b->message->at.start;
    if (x != y) {
        return x < y ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

static struct ordered *sort(struct diag *diag, size_t *count)
{
    *count = 0;
    for (const struct diag_message *m = diag->first; m != NULL; m = m->next) {
        ++*count;
    }
    struct ordered *all = arena_alloc(&diag->arena,
                                      (*count + 1) * sizeof(*all));
    size_t i = 0;
    for (const struct diag_message *m = diag->first; m != NULL; m = m->next) {
        all[i] = (struct ordered){ m, i };
        i++;
    }
    qsort(all, *count, sizeof(*all), compare);
    return all;
}

/* Whether the same was said before: an included field is looked at again. */
static bool is_repeated(const struct ordered *all, size_t i)
{
    const struct diag_message *m = all[i].message;
    for (size_t k = i; k > 0 && all[k - 1].message->at.start == m->at.start;
         k--) {
        const struct diag_message *before = all[k - 1].message;
        if (before->id == m->id && before->at.end == m->at.end &&
            strcmp(before->text, m->text) == 0) {
            return true;
        }
    }
    return false;
}

static void go_to(struct printer *p, uint32_t offset)
{
    const struct source *source = sources_at(&p->diag->sources, offset);
    p->place = source == p->source ? source_find_from(source, p->place, offset)
                                   : source_find(source, offset);
    p->source = source;
}

void diag_finish(struct diag *diag)
{
    size_t count;
    const struct ordered *all = sort(diag, &count);
    struct printer p = { .diag = diag };
    for (size_t i = 0; i < count; i++) {
        if (is_repeated(all, i)) {
            continue;
        }
        go_to(&p, all[i].message->at.start);
        (diag->json ? print_json : print_text)(&p, all[i].message);
        /* In a single write: standard error has no buffer of its own. */
        (void)fwrite(p.out.text, 1, p.out.len, diag->out);
        text_buffer_finish(&p.out);
    }
    if (diag->errors > DIAG_ERRORS_MAX && diag->out != NULL && !diag->json) {
        fprintf(diag->out,
                "zocketc: more than %d errors; the rest is not shown\n",
                DIAG_ERRORS_MAX);
    }
    arena_finish(&diag->arena);
    diag->first = diag->last = NULL;
}
