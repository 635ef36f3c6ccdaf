/* The writer: a growing buffer, and the text of scalars. */
#include "json/json.h"
#include "json/number.h"
#include "json/scan.h"

enum {
    FIRST_CAPACITY = 256
};

void zkt__writer_init(struct zkt_writer *writer,
                      const struct zkt_allocator *allocator)
{
    *writer = (struct zkt_writer){ .allocator = allocator };
}

void zkt__writer_finish(struct zkt_writer *writer)
{
    zkt__release(writer->allocator, writer->data);
    zkt__writer_init(writer, writer->allocator);
}

static bool fail(struct zkt_writer *writer)
{
    /* With no room left, later writes fail here, too. */
    writer->failed = true;
    writer->len = writer->capacity;
    return false;
}

bool zkt_write_reserve(struct zkt_writer *writer, size_t size)
{
    if (writer->failed || size > SIZE_MAX / 2 - writer->len) {
        return fail(writer);
    }
    const size_t wanted = writer->len + size;
    if (wanted <= writer->capacity) {
        return true;
    }
    if (writer->limit != 0 && wanted > writer->limit) {
        return fail(writer);
    }
    size_t capacity = writer->capacity > 0 ? writer->capacity * 2
                                           : FIRST_CAPACITY;
    capacity = capacity < wanted ? wanted : capacity;
    char *data = zkt__resize(writer->allocator, writer->data, capacity);
    if (data == NULL) {
        return fail(writer);
    }
    writer->data = data;
    writer->capacity = capacity;
    return true;
}

void zkt_write_bool(struct zkt_writer *writer, bool value)
{
    if (value) {
        ZKT_WRITE(writer, "true");
    } else {
        ZKT_WRITE(writer, "false");
    }
}

void zkt_write_int64(struct zkt_writer *writer, int64_t value)
{
    if (zkt_write_reserve(writer, ZKT_NUMBER_SIZE)) {
        writer->len += zkt__integer_write(writer->data + writer->len, value);
    }
}

void zkt_write_float64(struct zkt_writer *writer, double value)
{
    if (zkt_write_reserve(writer, ZKT_NUMBER_SIZE)) {
        writer->len += zkt__real_write(writer->data + writer->len, value);
    }
}

void zkt_write_float32(struct zkt_writer *writer, float value)
{
    if (zkt_write_reserve(writer, ZKT_NUMBER_SIZE)) {
        writer->len += zkt__single_write(writer->data + writer->len, value);
    }
}

/* Writes an escape (RFC 8259, section 7), the short form if it exists. */
static void write_escape(struct zkt_writer *writer, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char names[] = "btn\0fr"; /* from 8 on; 11 has no short form */
    char text[6] = { '\\' };
    size_t len = 2;
    if (c == '"' || c == '\\') {
        text[1] = (char)c;
    } else if (c >= 8 && c <= 13 && names[c - 8] != '\0') {
        text[1] = names[c - 8];
    } else {
        memcpy(text + 1, "u00", 3);
        text[4] = digits[c >> 4];
        text[5] = digits[c & 15];
        len = 6;
    }
    zkt_write_raw(writer, text, len);
}

/* Returns the number of leading bytes that need no escape; works on sixteen or
 * eight bytes at a time. */
static size_t plain_length(const char *text, size_t len)
{
    const uint64_t ones = 0x0101010101010101u, highs = ones * 0x80;
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= len; i += 16) {
        const unsigned stop = zkt__zero_bytes(zkt__mark_plain(text + i));
        if (stop != 0) {
            return i + (size_t)__builtin_ctz(stop);
        }
    }
#endif
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, sizeof(word));
        const uint64_t quote = word ^ ones * '"';
        const uint64_t slash = word ^ ones * '\\';
        /* The high bit of each byte that is 0 in quote or slash, or below 0x20
         * in word; false for bytes past 0x7f. */
        const uint64_t hit = ((quote - ones) | (slash - ones) |
                              (word - ones * 0x20)) &
                             ~word & highs;
        if (hit != 0) {
            break;
        }
    }
    while (i < len && zkt__is_plain((unsigned char)text[i])) {
        i++;
    }
    return i;
}

void zkt__write_escaped(struct zkt_writer *writer, const char *text, size_t len)
{
    while (len > 0) {
        const size_t plain = plain_length(text, len);
        if (plain > 0) {
            zkt_write_raw(writer, text, plain);
        }
        if (plain == len) {
            return;
        }
        write_escape(writer, (unsigned char)text[plain]);
        text += plain + 1;
        len -= plain + 1;
    }
}

#ifdef __SSE2__
/* Copies sixteen bytes; returns a bit for each that needs an escape. */
static inline unsigned copy_block(char *to, const char *text)
{
    memcpy(to, text, 16);
    return zkt__zero_bytes(zkt__mark_plain(text));
}
#endif

/*
 * Copies text to @to up to the first byte that needs an escape; returns the
 * length of that. May overwrite @to up to @len bytes, but not beyond.
 */
static size_t copy_plain(char *to, const char *text, size_t len)
{
#ifdef __SSE2__
    size_t i = 0;
    unsigned stop = 0;
    while (stop == 0 && i + 32 <= len) {
        stop = copy_block(to + i, text + i);
        stop |= copy_block(to + i + 16, text + i + 16) << 16;
        i += 32;
    }
    if (stop != 0) {
        return i - 32 + (size_t)__builtin_ctz(stop);
    }
    while (len >= 16 && i < len) {
        /* The final block overlaps the previous. */
        i = i + 16 <= len ? i : len - 16;
        stop = copy_block(to + i, text + i);
        if (stop != 0) {
            return i + (size_t)__builtin_ctz(stop);
        }
        i += 16;
    }
    if (len >= 16) {
        return len;
    }
#endif
    const size_t plain = plain_length(text, len);
    if (plain > 0) {
        memcpy(to, text, plain);
    }
    return plain;
}

void zkt_write_string(struct zkt_writer *writer, struct zkt_str value)
{
    if (value.len > SIZE_MAX - 2 || !zkt_write_reserve(writer, value.len + 2)) {
        return;
    }
    char *to = writer->data + writer->len;
    *to++ = '"';
    const size_t plain = copy_plain(to, value.data, value.len);
    writer->len += 1 + plain;
    if (plain < value.len) {
        zkt__write_escaped(writer, value.data + plain, value.len - plain);
    }
    ZKT_WRITE(writer, "\"");
}

void zkt_write_end(struct zkt_writer *writer, size_t begin)
{
    if (writer->len == begin) {
        ZKT_WRITE(writer, "{");
    } else if (!writer->failed) {
        writer->data[begin] = '{';
    }
    ZKT_WRITE(writer, "}");
}
