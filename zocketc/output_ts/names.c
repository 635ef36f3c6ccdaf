/* See names.h. */
#include "output_ts/names.h"

#include <stdio.h>
#include <string.h>

#include "util/text_buffer.h"
#include "util/unicode.h"

static const char letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char digits[] = "0123456789";

static bool is_among(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* ---- literals ---- */

/* As UTF-16, which has two units for a character of another plane. */
static void emit_escape(struct text_buffer *out, unsigned code)
{
    char text[16];
    if (code > 0xffff) {
        snprintf(text, sizeof(text), "\\u%04x\\u%04x",
                 0xd800 + ((code - 0x10000) >> 10), 0xdc00 + (code & 0x3ff));
    } else {
        snprintf(text, sizeof(text), "\\u%04x", code);
    }
    emit_text(out, text);
}

const char *ts_string(struct arena *arena, const char *text, size_t len)
{
    struct text_buffer out = { 0 };
    emit_text(&out, "\"");
    for (size_t at = 0, size; at < len; at += size) {
        const unsigned code = unicode_read(text + at, len - at, &size);
        if (code == '\n') {
            emit_text(&out, "\\n");
        } else if (unicode_is_unseen(code)) {
            emit_escape(&out, code);
        } else {
            emit_text(&out, code == '"' || code == '\\' ? "\\" : "");
            emit_bytes(&out, text + at, size);
        }
    }
    emit_text(&out, "\"");
    const char *literal = arena_text(arena, out.text, out.len);
    text_buffer_finish(&out);
    return literal;
}

/* ---- keys ---- */

/* An identifier of ASCII; reserved words are keys, too. */
static bool is_identifier(const char *name)
{
    const size_t len = strlen(name);
    size_t i = 0;
    while (i < len &&
           (is_among(letters, name[i]) || name[i] == '_' || name[i] == '$' ||
            (i > 0 && is_among(digits, name[i])))) {
        i++;
    }
    return len > 0 && i == len;
}

const char *ts_key(struct arena *arena, const char *name)
{
    return is_identifier(name) ? name : ts_string(arena, name, strlen(name));
}

const char *ts_literal_key(struct arena *arena, const char *name)
{
    return strcmp(name, "__proto__") == 0 ? "[\"__proto__\"]"
                                          : ts_key(arena, name);
}

/* ---- names of types ---- */

const char *ts_pascal(struct arena *arena, const char *name)
{
    char *pascal = arena_alloc(arena, strlen(name) + 1), *to = pascal;
    bool begins = true;
    for (; *name != '\0'; name++) {
        const bool small = is_among(letters, *name) && *name >= 'a';
        if (!is_among(letters, *name) && !is_among(digits, *name)) {
            begins = true;
            continue;
        }
        *to++ = begins && small ? (char)(*name - 'a' + 'A') : *name;
        begins = false;
    }
    return pascal;
}

static const struct {
    const char *word;
    bool is_reserved; /* everywhere */
} reserved[] = {
#define WORD(word) { word, true },
#define TYPE(word) { word, false },
#include "output_ts/reserved.def"
#undef WORD
#undef TYPE
};

enum {
    RESERVED = sizeof(reserved) / sizeof(reserved[0])
};

const char *ts_label(struct arena *arena, const char *name)
{
    for (size_t i = 0; i < RESERVED; i++) {
        if (reserved[i].is_reserved && strcmp(name, reserved[i].word) == 0) {
            return arena_printf(arena, "%s_", name);
        }
    }
    return name;
}

/* A value for tables that only know names. */
static char known;

void ts_names_begin(struct ts_names *names, struct arena *arena)
{
    for (size_t i = 0; i < RESERVED; i++) {
        table_put(&names->taken, arena, reserved[i].word, &known);
    }
}

const char *ts_take(struct ts_names *names, struct arena *arena,
                    const char *name)
{
    while (table_find(&names->taken, name) != NULL) {
        name = arena_printf(arena, "%s_", name);
    }
    table_put(&names->taken, arena, name, &known);
    return name;
}
