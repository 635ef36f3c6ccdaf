/* See source.h. Lines are counted only when a message needs them. */
#include "syntax/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Copies a file with line ends of a single kind; gives the length. */
static size_t copy_lines(struct source *out, char *to, const char *bytes,
                         size_t len)
{
    size_t count = 0, ends[3] = { 0 }; /* \n, \r\n, \r */
    for (size_t i = 0; i < len; i++) {
        const bool cr = bytes[i] == '\r';
        const bool crlf = cr && i + 1 < len && bytes[i + 1] == '\n';
        to[count++] = cr ? '\n' : bytes[i];
        i += crlf;
        if (!cr && bytes[i] != '\n') {
            continue;
        }
        out->has_crlf = out->has_crlf ||
                        (crlf && ends[0] + ends[1] + ends[2] == 0);
        ends[crlf ? 1 : cr ? 2 : 0]++;
    }
    out->is_mixed = ends[2] > 0 || ends[out->has_crlf ? 0 : 1] > 0;
    return count;
}

void source_set(struct source *out, struct arena *arena, const char *path,
                const char *bytes, size_t len)
{
    static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF */
    const size_t skip = len >= 3 && memcmp(bytes, mark, 3) == 0 ? 3 : 0;
    char *text = arena_alloc(arena, len + 1);
    *out = (struct source){ .path = path, .text = text };
    out->len = copy_lines(out, text, bytes + skip, len - skip);
    out->is_mixed = out->is_mixed || skip > 0;
}

bool source_read(struct arena *arena, const char *path, struct source *out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t len = 0, capacity = 16 * 1024;
    char *text = arena_alloc(arena, capacity + 1);
    if (file == NULL) {
        return false;
    }
    for (;;) {
        const size_t got = fread(text + len, 1, capacity - len, file);
        len += got;
        if (got == 0) {
            break;
        }
        if (len > SOURCE_SIZE_MAX) {
            errno = EFBIG;
            (void)fclose(file);
            return false;
        }
        if (len == capacity) {
            char *larger = arena_alloc(arena, capacity * 2 + 1);
            memcpy(larger, text, len);
            text = larger;
            capacity *= 2;
        }
    }
    const bool good = !ferror(file);
    (void)fclose(file);
    source_set(out, arena, path, text, len);
    return good;
}

bool sources_add(struct sources *sources, struct source *source)
{
    const struct source *last = sources->last;
    /* An offset more than bytes, so that the end of a file is its own. */
    source->base = last != NULL ? last->base + (uint32_t)last->len + 1 : 0;
    if (source->base + source->len > SOURCES_SIZE_MAX) {
        return false;
    }
    if (last != NULL) {
        sources->last->next = source;
    } else {
        sources->first = source;
    }
    sources->last = source;
    return true;
}

const struct source *sources_at(const struct sources *sources, uint32_t offset)
{
    const struct source *found = sources->first;
    while (found->next != NULL && found->next->base <= offset) {
        found = found->next;
    }
    return found;
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

struct source_place source_find_from(const struct source *source,
                                     struct source_place known, uint32_t offset)
{
    const uint32_t end = source->base + (uint32_t)source->len;
    struct source_place place = known;
    for (; place.offset < offset && place.offset < end; place.offset++) {
        const char c = source->text[place.offset - source->base];
        if (c == '\n') {
            place.line++;
            place.column = 1;
            place.start = place.offset + 1;
        } else if (starts_character(c)) {
            place.column++;
        }
    }
    return place;
}

struct source_place source_find(const struct source *source, uint32_t offset)
{
    const struct source_place first = { 1, 1, source->base, source->base };
    return source_find_from(source, first, offset);
}

/* The length of the valid character at @at, or 0 (RFC 3629, section 4). */
static size_t character(const unsigned char *at, size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] < 0xc2 || at[0] > 0xf4) {
        return 0;
    }
    const size_t len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : low;
    high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : high;
    for (size_t i = 1; i < len; i++) {
        if (i >= left || at[i] < low || at[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return len;
}

size_t source_find_invalid(const struct source *source)
{
    size_t at = 0;
    while (at < source->len) {
        const size_t len = character((const unsigned char *)source->text + at,
                                     source->len - at);
        if (len == 0 || source->text[at] == '\0') {
            return at;
        }
        at += len;
    }
    return at;
}
