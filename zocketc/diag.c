/* See diag.h. */
#include "diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum severity {
    ERROR,
    WARNING,
    NOTE,
    EXTRA /* a warning that is shown only if it is asked for */
};

struct message {
    const char *id, *text;
    enum severity severity;
};

static const struct message messages[] = {
#define D(symbol, id, severity, text) [DIAG_##symbol] = { id, text, severity },
#include "diag.def"
#undef D
};

/* The bytes of the character at @at, which is valid UTF-8. */
static size_t character(const char *at)
{
    const unsigned char c = (unsigned char)*at;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

enum {
    SHOWN_BEFORE = 200, /* bytes of a long line, in front of the place */
    SHOWN = 400
};

static void emit_byte(struct emit *out, char byte)
{
    emit_bytes(out, &byte, 1);
}

/* A blank or a sign for each character up to @end; a tab stays a tab, so that
 * both line up whatever a tab is worth. Where that ends. */
static size_t emit_signs(struct emit *out, const char *line, size_t at,
                         size_t end, char sign)
{
    for (; at < end; at += character(line + at)) {
        emit_byte(out, sign == ' ' && line[at] == '\t' ? '\t' : sign);
    }
    return at;
}

/* The line, or of a long one what is around the place, and carets under the
 * range. */
static void emit_line(struct emit *out, const struct source *source,
                      struct source_range range, unsigned number)
{
    size_t len;
    const char *line = source_line(source, range.start, &len);
    const size_t before = source->base + (size_t)(line - source->text);
    const size_t first = range.start - before;
    size_t last = range.end - before, from = 0;
    if (len > SHOWN && first > SHOWN_BEFORE) {
        from = first - SHOWN_BEFORE;
        while (from < len && ((unsigned char)line[from] & 0xc0) == 0x80) {
            from++;
        }
    }
    const size_t to = len - from > SHOWN ? from + SHOWN : len;
    last = last > to ? to : last;
    char head[24];
    snprintf(head, sizeof(head), "%5u | ", number);
    emit_text(out, head);
    for (size_t i = from; i < to; i++) {
        const unsigned char c = (unsigned char)line[i];
        emit_byte(out, (c < 0x20 && c != '\t') || c == 0x7f ? '?' : line[i]);
    }
    emit_text(out, "\n      | ");
    size_t at = emit_signs(out, line, from, first < to ? first : to, ' ');
    emit_byte(out, '^');
    at += at < to ? character(line + at) : 0;
    (void)emit_signs(out, line, at, last, '~');
    emit_byte(out, '\n');
}

/* In one piece: standard error has no buffer of its own. */
static void print_line(const struct diag *diag, const struct source *source,
                       struct source_range range, unsigned number)
{
    struct emit out = { 0 };
    emit_line(&out, source, range, number);
    (void)fwrite(out.text, 1, out.len, diag->out);
    emit_finish(&out);
}

static const char *const severity_names[] = { "error", "warning", "note" };

static void print_text(struct diag *diag, struct source_range range,
                       const struct message *message, enum severity severity,
                       const char *text)
{
    const struct source *source = sources_at(&diag->sources, range.start);
    const struct source_place place = source_find(source, range.start);
    fprintf(diag->out, "%s:%u:%u: %s: %s", source->path, place.line,
            place.column, severity_names[severity], text);
    if (severity == NOTE) {
        fputc('\n', diag->out);
        return;
    }
    fprintf(diag->out, " [%s]\n", message->id);
    print_line(diag, source, range, place.line);
}

/* ---- JSON ---- */

static void emit_place(struct emit *out, const struct source *source,
                       const char *key, uint32_t offset)
{
    const struct source_place place = source_find(source, offset);
    emit_text(out, ",\"");
    emit_text(out, key);
    emit_text(out, "\":{\"line\":");
    emit_unsigned(out, place.line);
    emit_text(out, ",\"column\":");
    emit_unsigned(out, place.column);
    emit_text(out, "}");
}

/* A message up to its notes, or one of them. */
static void emit_message(struct emit *out, const struct diag *diag,
                         struct source_range range,
                         const struct message *message, enum severity severity,
                         const char *text)
{
    emit_text(out, "{\"file\":");
    const struct source *source = sources_at(&diag->sources, range.start);
    emit_json_string(out, json_string(source->path));
    emit_place(out, source, "start", range.start);
    emit_place(out, source, "end", range.end);
    emit_text(out, ",\"severity\":\"");
    emit_text(out, severity_names[severity]);
    emit_text(out, "\",\"id\":\"");
    emit_text(out, message->id);
    emit_text(out, "\",\"message\":");
    emit_json_string(out, json_string(text));
}

void diag_finish(struct diag *diag)
{
    if (diag->pending.len > 0) {
        emit_text(&diag->pending, "]}\n");
        (void)fwrite(diag->pending.text, 1, diag->pending.len, diag->out);
    }
    emit_finish(&diag->pending);
    diag->notes = 0;
}

static void print_json(struct diag *diag, struct source_range range,
                       const struct message *message, enum severity severity,
                       const char *text)
{
    if (severity == NOTE) {
        emit_text(&diag->pending, diag->notes++ > 0 ? "," : "");
        emit_message(&diag->pending, diag, range, message, severity, text);
        emit_text(&diag->pending, "}");
        return;
    }
    diag_finish(diag);
    emit_message(&diag->pending, diag, range, message, severity, text);
    emit_text(&diag->pending, ",\"notes\":[");
}

/* ---- which messages ---- */

/* False: it is not to be shown. */
static bool find_severity(struct diag *diag, enum diag_id id,
                          enum severity *out)
{
    static const enum severity of_level[] = {
        [DIAG_LEVEL_WARNING] = WARNING,
        [DIAG_LEVEL_ERROR] = ERROR,
    };
    const enum severity usual = messages[id].severity;
    const unsigned char level = diag->levels[id];
    if (usual == NOTE) {
        *out = NOTE;
        return !diag->hides_notes;
    }
    *out = level == DIAG_LEVEL_USUAL ? usual : of_level[level];
    diag->hides_notes = level == DIAG_LEVEL_OFF || *out == EXTRA;
    return !diag->hides_notes;
}

static void print_too_many(struct diag *diag)
{
    if (!diag->json) {
        fprintf(diag->out,
                "zocketc: more than %d errors; the rest is not shown\n",
                DIAG_ERRORS_MAX);
    }
    diag->errors++;
}

void diag_report(struct diag *diag, struct source_range range, enum diag_id id,
                 ...)
{
    const struct message *message = &messages[id];
    enum severity severity;
    if (!find_severity(diag, id, &severity)) {
        return;
    }
    diag->errors += severity == ERROR;
    diag->warnings += severity == WARNING;
    if (diag->out == NULL || diag->errors > DIAG_ERRORS_MAX + 1) {
        return;
    }
    if (diag->errors > DIAG_ERRORS_MAX) {
        print_too_many(diag);
        return;
    }
    va_list arguments, again;
    va_start(arguments, id);
    va_copy(again, arguments);
    const int len = vsnprintf(NULL, 0, message->text, arguments);
    char *text = len >= 0 ? malloc((size_t)len + 1) : NULL;
    if (text != NULL) {
        (void)vsnprintf(text, (size_t)len + 1, message->text, again);
        (diag->json ? print_json : print_text)(diag, range, message, severity,
                                               text);
    }
    free(text);
    va_end(again);
    va_end(arguments);
}

/* ---- --warn ---- */

static bool is_warning(size_t id)
{
    return messages[id].severity == WARNING || messages[id].severity == EXTRA;
}

static const char *warning_at(const void *user, size_t i)
{
    (void)user;
    return is_warning(i) ? messages[i].id : "";
}

static bool set_one(struct diag *diag, const char *id, enum diag_level level)
{
    for (size_t i = 0; i < DIAG_COUNT; i++) {
        if (is_warning(i) && strcmp(messages[i].id, id) == 0) {
            diag->levels[i] = (unsigned char)level;
            return true;
        }
    }
    return false;
}

static void set_all(struct diag *diag, enum diag_level level)
{
    for (size_t i = 0; i < DIAG_COUNT; i++) {
        const bool shown = messages[i].severity == WARNING ||
                           diag->levels[i] == DIAG_LEVEL_WARNING;
        const bool off = diag->levels[i] == DIAG_LEVEL_OFF;
        if (is_warning(i) && (level != DIAG_LEVEL_ERROR || (shown && !off))) {
            diag->levels[i] = (unsigned char)level;
        }
    }
}

/* False: the word is none. */
static bool set_word(struct diag *diag, const char *word)
{
    if (strcmp(word, "all") == 0 || word[0] == '\0') {
        set_all(diag, DIAG_LEVEL_WARNING);
    } else if (strcmp(word, "none") == 0) {
        set_all(diag, DIAG_LEVEL_OFF);
    } else if (strcmp(word, "error") == 0) {
        set_all(diag, DIAG_LEVEL_ERROR);
    } else if (strncmp(word, "error=", 6) == 0) {
        return set_one(diag, word + 6, DIAG_LEVEL_ERROR);
    } else if (strncmp(word, "no-", 3) == 0) {
        return set_one(diag, word + 3, DIAG_LEVEL_OFF);
    } else {
        return set_one(diag, word, DIAG_LEVEL_WARNING);
    }
    return true;
}

const char *diag_set_warnings(struct arena *arena, struct diag *diag,
                              const char *words)
{
    for (;;) {
        const size_t len = strcspn(words, ",");
        const char *word = arena_text(arena, words, len);
        if (!set_word(diag, word)) {
            const char *id = strncmp(word, "error=", 6) == 0 ? word + 6 : word;
            id = strncmp(id, "no-", 3) == 0 ? id + 3 : id;
            const char *near = diag_nearest(id, DIAG_COUNT, warning_at, NULL);
            return near == NULL
                       ? arena_printf(arena, "unknown warning '%s'", id)
                       : arena_printf(
                             arena, "unknown warning '%s'; did you mean '%s'?",
                             id, near);
        }
        if (words[len] == '\0') {
            return NULL;
        }
        words += len + 1;
    }
}

/* ---- suggestions ---- */

enum {
    NAME_MAX_COMPARED = 64
};

/* Levenshtein's distance, with a swap of neighbours as one step. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_MAX_COMPARED + 1];
    const size_t n = strlen(a), m = strlen(b);
    if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED) {
        return NAME_MAX_COMPARED;
    }
    unsigned *two = rows[0], *one = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++) {
        one[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= n; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = one[j - 1] + (a[i - 1] != b[j - 1]);
            best = one[j] + 1 < best ? one[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && two[j - 2] + 1 < best) {
                best = two[j - 2] + 1;
            }
            now[j] = best;
        }
        unsigned *spare = two;
        two = one;
        one = now;
        now = spare;
    }
    return one[m];
}

const char *diag_nearest(const char *name, size_t count,
                         const char *(*names)(const void *user, size_t i),
                         const void *user)
{
    const char *best = NULL;
    unsigned least = (unsigned)strlen(name) / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        const unsigned d = distance(name, names(user, i));
        if (d <= least && d > 0) {
            best = d < least || best == NULL ? names(user, i) : best;
            least = d;
        }
    }
    return best;
}
