/* See diag.h. */
#include "diag.h"

#include <stdarg.h>
#include <string.h>

enum severity {
    ERROR,
    WARNING,
    NOTE
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

/* The line, and carets under the range: a tab stays a tab, so that both line
 * up whatever a tab is worth. */
static void print_line(const struct diag *diag, const struct source *source,
                       struct source_range range, unsigned number)
{
    size_t len;
    const char *line = source_line(source, range.start, &len);
    const size_t before = source->base + (size_t)(line - source->text);
    const size_t first = range.start - before;
    size_t last = range.end - before;
    fprintf(diag->out, "%5u | ", number);
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)line[i];
        fputc((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c, diag->out);
    }
    fputs("\n      | ", diag->out);
    last = last > len ? len : last;
    size_t i = 0;
    for (; i < first && i < len; i += character(line + i)) {
        fputc(line[i] == '\t' ? '\t' : ' ', diag->out);
    }
    fputc('^', diag->out);
    if (i < len) {
        i += character(line + i);
    }
    for (; i < last; i += character(line + i)) {
        fputc('~', diag->out);
    }
    fputc('\n', diag->out);
}

static void print(const struct diag *diag, struct source_range range,
                  const struct message *message, va_list arguments)
{
    static const char *const names[] = { "error", "warning", "note" };
    const struct source *source = sources_at(&diag->sources, range.start);
    const struct source_place place = source_find(source, range.start);
    fprintf(diag->out, "%s:%u:%u: %s: ", source->path, place.line, place.column,
            names[message->severity]);
    (void)vfprintf(diag->out, message->text, arguments);
    if (message->severity == NOTE) {
        fputc('\n', diag->out);
        return;
    }
    fprintf(diag->out, " [%s]\n", message->id);
    print_line(diag, source, range, place.line);
}

void diag_report(struct diag *diag, struct source_range range, enum diag_id id,
                 ...)
{
    const struct message *message = &messages[id];
    if (message->severity == ERROR) {
        diag->errors++;
    } else if (message->severity == WARNING) {
        diag->warnings++;
    }
    if (diag->out == NULL || diag->errors > DIAG_ERRORS_MAX + 1) {
        return;
    }
    if (diag->errors > DIAG_ERRORS_MAX) {
        fprintf(diag->out,
                "zocketc: more than %d errors; the rest is not "
                "shown\n",
                DIAG_ERRORS_MAX);
        diag->errors++;
        return;
    }
    va_list arguments;
    va_start(arguments, id);
    print(diag, range, message, arguments);
    va_end(arguments);
}

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
