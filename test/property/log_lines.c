/*
 * Prints random records for log_lines.test.js: a line with the bytes of the
 * fields in hexadecimal, one of JSON, one of logfmt, and one of text. The
 * fields are text of hostile peers: controls, marks that change the direction
 * of text, quotes, bytes that are no UTF-8, and plain words.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log_text.h"

enum {
    FIELDS = 8,
    BYTES_MAX = 1024
};

static uint64_t seed;

static unsigned random_below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static size_t append(char *out, size_t len, const char *text)
{
    const size_t n = strlen(text);
    if (len + n > BYTES_MAX) {
        return len;
    }
    memcpy(out + len, text, n);
    return len + n;
}

/* Fills @out with at most @max bytes, or a little more. */
static size_t fill(char *out, size_t max)
{
    static const char *const texts[] = {
        "plain",
        "\"",
        "\\",
        "=",
        " ",
        "\n",
        "\r\n",
        "\t",
        "\x1b[31m",
        "\x7f",
        "\xc2\x85",
        "\xc2\x9b",
        "\xc2\xa0",
        "\xd8\x9c",
        "\xe2\x80\xa8",
        "\xe2\x80\xa9",
        "\xe2\x80\xae",
        "\xe2\x81\xa6",
        "\xef\xbb\xbf",
        "\xf0\x9f\x98\x80",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xc0\x8a",
        "\xf4\x90\x80\x80",
        "level=error",
        "\\u0000",
        "{}",
        "\xc3\xa9",
        "\xef\xbf\xbd.",
        "\\x0a",
        "\xff",
        "\xe2\x80\xa6",
    };
    size_t len = 0;
    while (len < max) {
        if (random_below(4) == 0) {
            out[len++] = (char)random_below(256);
        } else {
            len = append(out, len,
                         texts[random_below(sizeof(texts) / sizeof(texts[0]))]);
        }
    }
    return len;
}

static struct zkt_str random_field(char *out)
{
    static const unsigned most[] = { 1, 8, 40, 255, 700 };
    const size_t len = random_below(3) == 0
                           ? 0
                           : fill(out, random_below(most[random_below(5)]));
    return (struct zkt_str){ out, len };
}

static void print_hex(struct zkt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        printf("%02x", (unsigned char)text.data[i]);
    }
    putchar(' ');
}

static void print_record(const struct zkt_log_record *record)
{
    char line[ZKT_LOG_LINE_MAX], text[ZKT_LOG_LINE];
    const struct zkt_str fields[FIELDS] = {
        record->text, record->request, record->connection, record->actor,
        record->id,   record->method,  record->code,       record->address,
    };
    for (size_t i = 0; i < FIELDS; i++) {
        print_hex(fields[i]);
    }
    printf("%d %lld %lld\n", (int)record->level, (long long)record->time_ms,
           record->has_ms ? (long long)record->ms : -1);
    zkt_log_print_json(record, line);
    puts(line);
    zkt_log_print_logfmt(record, line);
    puts(line);
    zkt__log_print_line(record, text);
    puts(text);
}

int main(int argc, char **argv)
{
    static char bytes[FIELDS][BYTES_MAX];
    const long rounds = argc > 1 ? atol(argv[1]) : 1000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (long i = 0; i < rounds; i++) {
        print_record(&(const struct zkt_log_record){
            .level = (enum zkt_log_level)((int)random_below(4) - 1),
            .time_ms = random_below(5) * INT64_C(1796000000123),
            .text = random_field(bytes[0]),
            .request = random_field(bytes[1]),
            .connection = random_field(bytes[2]),
            .actor = random_field(bytes[3]),
            .id = random_field(bytes[4]),
            .method = random_field(bytes[5]),
            .code = random_field(bytes[6]),
            .address = random_field(bytes[7]),
            .ms = random_below(1000),
            .has_ms = random_below(2) == 0,
        });
    }
    return 0;
}
