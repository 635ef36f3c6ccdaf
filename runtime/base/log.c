/* See log.h. Lines are formatted on the stack: logging never allocates. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum {
    WINDOW_MS = 1000
};

static const char ellipsis[] = "\xe2\x80\xa6";
#define ELLIPSIS_LEN (sizeof(ellipsis) - 1)

/* ---- escaping ---- */

/* Returns the length of the character at @text, or 0 if it is invalid in @len
 * bytes. */
static size_t character_length(const char *text, size_t len)
{
    const unsigned char first = (unsigned char)text[0];
    const size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    return n <= len && zkt__utf8_valid(text, n) ? n : 0;
}

static uint32_t code_point(const char *text, size_t n)
{
    static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t code = (unsigned char)text[0] & lead[n];
    for (size_t i = 1; i < n; i++) {
        code = code << 6 | ((unsigned char)text[i] & 0x3fu);
    }
    return code;
}

static bool is_within(uint32_t code, uint32_t first, uint32_t last)
{
    return code >= first && code <= last;
}

/* Returns true if a terminal or editor displays the character as itself: no
 * control (Unicode, category Cc), no line end (Zl, Zp), no mark, embedding or
 * isolate of the bidirectional algorithm (UAX #9, section 2). */
static bool is_printable(uint32_t code)
{
    return code >= ' ' && !is_within(code, 0x7f, 0x9f) && code != 0x061c &&
           !is_within(code, 0x200e, 0x200f) &&
           !is_within(code, 0x2028, 0x202e) &&
           !is_within(code, 0x2066, 0x2069) && code != 0xfeff;
}

/* Escapes the next character or byte into @out; returns the bytes consumed. */
static size_t escape_one(const char *text, size_t len, char out[5],
                         size_t *out_len)
{
    static const char digits[] = "0123456789abcdef";
    const size_t n = character_length(text, len);
    if (n > 0 && is_printable(code_point(text, n))) {
        memcpy(out, text, n);
        *out_len = n;
        return n;
    }
    const unsigned char byte = (unsigned char)text[0];
    const char escaped[] = { '\\', 'x', digits[byte >> 4], digits[byte & 15] };
    memcpy(out, escaped, sizeof(escaped));
    *out_len = sizeof(escaped);
    return 1;
}

size_t zkt__log_escape(char *out, size_t size, const char *text, size_t len)
{
    size_t written = 0, fits = 0, at = 0;
    char one[5];
    size_t n;
    while (at < len) {
        at += escape_one(text + at, len - at, one, &n);
        if (written + n >= size) {
            memcpy(out + fits, ellipsis, ELLIPSIS_LEN);
            written = fits + ELLIPSIS_LEN;
            break;
        }
        memcpy(out + written, one, n);
        written += n;
        if (written + ELLIPSIS_LEN < size) {
            fits = written;
        }
    }
    out[written] = '\0';
    return written;
}

/* ---- lines ---- */

void zkt__log_write(void (*write)(void *user, enum zkt_log_level level,
                                  const char *text),
                    void *user, enum zkt_log_level level, const char *format,
                    va_list arguments)
{
    char text[ZKT_LOG_LINE], line[ZKT_LOG_LINE];
    const int wanted = vsnprintf(text, sizeof(text), format, arguments);
    size_t len = wanted < 0 ? 0 : strlen(text);
    if (wanted >= (int)sizeof(text)) {
        text[len++] = '.'; /* so that escaping truncates, too */
    }
    (void)zkt__log_escape(line, sizeof(line), text, len);
    write(user, level, line);
}

static void note_suppressed(struct zkt_log_kind *kind, const char *format,
                            va_list arguments)
{
    char text[sizeof(kind->sample)];
    (void)vsnprintf(text, sizeof(text), format, arguments);
    (void)zkt__log_escape(kind->sample, sizeof(kind->sample), text,
                          strlen(text));
    kind->suppressed++;
}

/* Returns the kind of a format; adds it if there is room. */
static struct zkt_log_kind *find_kind(struct zkt_log *log, const char *format)
{
    struct zkt_log_kind *kind = log->kinds;
    const struct zkt_log_kind *last = &log->kinds[ZKT_LOG_KINDS - 1];
    while (kind < last && kind->format != NULL && kind->format != format) {
        kind++;
    }
    if (kind->format == NULL) {
        kind->format = format;
        kind->since_ms = log->now_ms;
    }
    return kind;
}

static void warn(const struct zkt_log *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    zkt__log_write(log->write, log->user, ZKT_LOG_WARNING, format, arguments);
    va_end(arguments);
}

static void report_suppressed(const struct zkt_log *log,
                              struct zkt_log_kind *kind)
{
    const uint64_t count = kind->suppressed;
    kind->suppressed = 0; /* first: the callback may log */
    if (count > 0) {
        warn(log, "%llu more lines were left out, such as: %s",
             (unsigned long long)count, kind->sample);
    }
}

/* Begins a new second for every kind with an expired window. */
static void begin_seconds(struct zkt_log *log)
{
    for (size_t i = 0; i < ZKT_LOG_KINDS; i++) {
        struct zkt_log_kind *kind = &log->kinds[i];
        if (log->now_ms - kind->since_ms >= WINDOW_MS) {
            kind->since_ms = log->now_ms;
            kind->written = 0;
            report_suppressed(log, kind);
        }
    }
}

bool zkt__log_line(struct zkt_log *log, int64_t now_ms,
                   enum zkt_log_level level, const char *format,
                   va_list arguments)
{
    if (log->write == NULL) {
        return true;
    }
    log->now_ms = now_ms > log->now_ms ? now_ms : log->now_ms;
    begin_seconds(log);
    struct zkt_log_kind *kind = find_kind(log, format);
    if (log->per_second > 0 && kind->written >= log->per_second) {
        note_suppressed(kind, format, arguments);
        return false;
    }
    kind->written++;
    zkt__log_write(log->write, log->user, level, format, arguments);
    return true;
}

void zkt__log_flush(struct zkt_log *log)
{
    for (size_t i = 0; i < ZKT_LOG_KINDS && log->write != NULL; i++) {
        report_suppressed(log, &log->kinds[i]);
    }
}
