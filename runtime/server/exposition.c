/* See exposition.h. */
#include "server/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct zkt_str zkt__exposition_other = ZKT_STR_INIT("other");

/* ---- numbers ---- */

void zkt__exposition_count(struct zkt_writer *w, uint64_t value)
{
    zkt_write_int64(w, (int64_t)value);
}

void zkt__exposition_seconds(struct zkt_writer *w, uint64_t ns)
{
    char text[32];
    const int len = snprintf(text, sizeof(text), "%" PRIu64 ".%09u",
                             ns / 1000000000, (unsigned)(ns % 1000000000));
    zkt_write_raw(w, text, (size_t)len);
}

static void write_str(struct zkt_writer *w, struct zkt_str text)
{
    zkt_write_raw(w, text.data, text.len);
}

static void write_cstr(struct zkt_writer *w, const char *text)
{
    zkt_write_raw(w, text, strlen(text));
}

/* Ends a line with its value. */
static void end_line(struct zkt_writer *w, uint64_t value)
{
    ZKT_WRITE(w, "} ");
    zkt__exposition_count(w, value);
    ZKT_WRITE(w, "\n");
}

void zkt__exposition_head(struct zkt_writer *w, struct zkt_str name,
                          const char *type, const char *help)
{
    ZKT_WRITE(w, "# HELP ");
    write_str(w, name);
    ZKT_WRITE(w, " ");
    write_cstr(w, help);
    ZKT_WRITE(w, "\n# TYPE ");
    write_str(w, name);
    ZKT_WRITE(w, " ");
    write_cstr(w, type);
    ZKT_WRITE(w, "\n");
}

/* ---- labels ---- */

/* Writes the value of a label, escaped. */
static void write_value(struct zkt_writer *w, struct zkt_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        const char c = value.data[i];
        if (c == '\n') {
            ZKT_WRITE(w, "\\n");
            continue;
        }
        if (c == '\\' || c == '"') {
            ZKT_WRITE(w, "\\");
        }
        zkt_write_raw(w, &c, 1);
    }
}

static void write_name(struct zkt_writer *w, const struct zkt_labels *labels,
                       const struct zkt_str *name)
{
    write_value(w, *name);
    for (uint32_t i = 0;
         name == &zkt__exposition_other && i < labels->other_tail; i++) {
        ZKT_WRITE(w, "_");
    }
}

/* Writes `name suffix {actor="…",method="…"`; another label begins with a
 * comma. */
static void begin_line(struct zkt_writer *w, struct zkt_str name,
                       const char *suffix, const struct zkt_labels *labels)
{
    write_str(w, name);
    write_cstr(w, suffix);
    ZKT_WRITE(w, "{actor=\"");
    write_name(w, labels, labels->actor);
    if (labels->method != NULL) {
        ZKT_WRITE(w, "\",method=\"");
        write_name(w, labels, labels->method);
    }
    ZKT_WRITE(w, "\"");
}

/* ---- series ---- */

void zkt__exposition_series(struct zkt_writer *w, struct zkt_str name,
                            const char *label, struct zkt_str value,
                            uint64_t count)
{
    write_str(w, name);
    if (label != NULL) {
        ZKT_WRITE(w, "{");
        write_cstr(w, label);
        ZKT_WRITE(w, "=\"");
        write_value(w, value);
        ZKT_WRITE(w, "\"}");
    }
    ZKT_WRITE(w, " ");
    zkt__exposition_count(w, count);
    ZKT_WRITE(w, "\n");
}

void zkt__exposition_codes(struct zkt_writer *w, struct zkt_str name,
                           const struct zkt_labels *labels,
                           const uint64_t codes[ZKT_CODES], bool begins)
{
    for (size_t i = 0; i < ZKT_CODES; i++) {
        if (codes[i] > 0 || (i == ZKT_OK && begins)) {
            begin_line(w, name, "", labels);
            ZKT_WRITE(w, ",code=\"");
            write_cstr(w, zkt_status_name((enum zkt_status)i));
            ZKT_WRITE(w, "\"");
            end_line(w, codes[i]);
        }
    }
}

void zkt__exposition_histogram(struct zkt_writer *w, struct zkt_str name,
                               const struct zkt_labels *labels,
                               const struct zkt_duration_sums *durations)
{
    static const char *const bounds[] = {
#define X(ns, seconds) seconds,
        ZKT_DURATIONS_TABLE(X)
#undef X
            "+Inf"
    };
    uint64_t count = 0;
    for (size_t i = 0; i <= ZKT_DURATIONS; i++) {
        count += durations->buckets[i];
        begin_line(w, name, "_bucket", labels);
        ZKT_WRITE(w, ",le=\"");
        write_cstr(w, bounds[i]);
        ZKT_WRITE(w, "\"");
        end_line(w, count);
    }
    begin_line(w, name, "_sum", labels);
    ZKT_WRITE(w, "} ");
    zkt__exposition_seconds(w, durations->sum_ns);
    ZKT_WRITE(w, "\n");
    begin_line(w, name, "_count", labels);
    end_line(w, count);
}
