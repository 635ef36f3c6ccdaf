/* See names.h. */
#include "schema/names.h"

#include <ctype.h>
#include <string.h>

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

char *names_snake(struct arena *arena, const char *name)
{
    const size_t len = strlen(name);
    char *snake = arena_alloc(arena, 2 * len + 2);
    char *to = snake;
    for (size_t i = 0; i < len; i++) {
        const char c = name[i];
        if (c == '_') {
            if (to > snake && to[-1] != '_') {
                *to++ = '_';
            }
            continue;
        }
        /* A capital begins a word behind a small letter, and before one when
         * it ends a run of capitals: HTTPNow is http_now. */
        const bool begins = is_upper(c) && i > 0 &&
                            (is_lower_or_digit(name[i - 1]) ||
                             (is_upper(name[i - 1]) && name[i + 1] >= 'a' &&
                              name[i + 1] <= 'z'));
        if (begins && to > snake && to[-1] != '_') {
            *to++ = '_';
        }
        *to++ = (char)tolower((unsigned char)c);
    }
    while (to > snake && to[-1] == '_') {
        to--;
    }
    *to = '\0';
    return to > snake && !isdigit((unsigned char)snake[0]) ? snake : NULL;
}

char *names_upper(struct arena *arena, const char *text)
{
    char *upper = arena_text(arena, text, strlen(text));
    for (char *c = upper; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return upper;
}

static const char *const reserved[] = {
#define R(word) word,
#include "schema/reserved.def"
#undef R
};

const char *names_member(struct arena *arena, const char *snake)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(snake, reserved[i]) == 0) {
            return arena_printf(arena, "%s_", snake);
        }
    }
    return snake;
}

bool names_take(struct names *names, struct arena *arena, struct diag *diag,
                const char *text, struct ast_name source)
{
    const struct ast_name *first = table_find(&names->taken, text);
    if (first != NULL) {
        diag_report(diag, source.at, DIAG_NAME_COLLISION, source.text, text);
        diag_report(diag, first->at, DIAG_FIRST_HERE);
        return false;
    }
    struct ast_name *entry = ARENA_NEW(arena, struct ast_name);
    *entry = source;
    table_put(&names->taken, arena, text, entry);
    return true;
}
