/* See ignore.h. */
#include "cli/ignore.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool ignore_read(struct ignore *ignore, struct arena *arena, const char *path)
{
    *ignore = (struct ignore){ .source.text = "" };
    if (path != NULL && !source_read(arena, path, &ignore->source)) {
        fprintf(stderr, "zocketc: cannot read %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

/* Returns the line without blanks at its ends; *@len is its length. */
static const char *trim(const char *line, size_t *len)
{
    while (*len > 0 && strchr(" \t\r", line[*len - 1]) != NULL) {
        --*len;
    }
    while (*len > 0 && strchr(" \t", line[0]) != NULL) {
        line++;
        --*len;
    }
    return line;
}

/* Returns true if @line is "[id]", or "text [id]". */
static bool is_finding(const char *line, size_t len, const char *text,
                       const char *id)
{
    const size_t id_len = strlen(id), text_len = strlen(text);
    if (len < id_len + 2 || line[len - 1] != ']' ||
        line[len - id_len - 2] != '[' ||
        memcmp(line + len - id_len - 1, id, id_len) != 0) {
        return false;
    }
    const size_t rest = len - id_len - 2;
    return rest == 0 || (rest == text_len + 1 && line[text_len] == ' ' &&
                         memcmp(line, text, text_len) == 0);
}

bool ignore_has(const struct ignore *ignore, const char *text, const char *id)
{
    const char *at = ignore->source.text;
    while (*at != '\0') {
        const size_t whole = strcspn(at, "\n");
        size_t len = whole;
        const char *line = trim(at, &len);
        if (len > 0 && line[0] != '#' && is_finding(line, len, text, id)) {
            return true;
        }
        at += whole + (at[whole] == '\n');
    }
    return false;
}
