/* See names.h. */
#include "output_c/names.h"

#include <ctype.h>
#include <string.h>

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* Whether a name in C may have the character, or a substitute. */
static bool is_plain(char c)
{
    return isalnum((unsigned char)c) && (unsigned char)c < 0x80;
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
        if (!is_plain(c)) {
            if (to > snake && to[-1] != '_') {
                *to++ = '_';
            }
            continue;
        }
        /* A capital begins a word behind a small letter, and before a small
         * letter when it ends a run of capitals: HTTPNow is http_now. */
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
#include "output_c/reserved.def"
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

/* ---- things ---- */

const char *names_part(struct arena *arena, const char *name)
{
    const char *snake = names_snake(arena, name);
    return snake != NULL
               ? snake
               : arena_printf(arena, "bad_%016llx", /* it is reported */
                              (unsigned long long)table_hash(name));
}

const char *names_field(struct arena *arena, const char *name)
{
    return names_member(arena, names_part(arena, name));
}

const char *names_app(struct arena *arena, const struct schema *schema)
{
    return names_part(arena, schema->app.text);
}

const char *names_declared(struct arena *arena, const struct schema *schema,
                           const char *name)
{
    return arena_printf(arena, "%s_%s", names_app(arena, schema),
                        names_part(arena, name));
}

const char *names_struct(struct arena *arena, const struct schema *schema,
                         const struct schema_struct *structure)
{
    const char *owner = names_declared(
        arena, schema,
        structure->actor != NULL ? structure->actor : structure->name.text);
    switch (structure->role) {
    case SCHEMA_INPUT:
        return arena_printf(arena, "%s_%s_input", owner,
                            names_part(arena, structure->name.text));
    case SCHEMA_EVENT:
        return arena_printf(arena, "%s_%s_event", owner,
                            names_part(arena, structure->name.text));
    case SCHEMA_TIMER:
        return arena_printf(arena, "%s_%s_timer", owner,
                            names_part(arena, structure->name.text));
    case SCHEMA_PRIVATE:
        return arena_printf(arena, "%s_private", owner);
    case SCHEMA_STATE:
        return arena_printf(arena, "%s_state", owner);
    case SCHEMA_CONNECTION_INPUT:
        return arena_printf(arena, "%s_input", owner);
    case SCHEMA_ERROR:
        return arena_printf(arena, "%s_error", owner);
    case SCHEMA_BROADCAST:
        return arena_printf(arena, "%s_broadcast", owner);
    case SCHEMA_DECLARED:
    case SCHEMA_CONNECTION:
    case SCHEMA_MIDDLEWARE:
        break;
    }
    return owner;
}

const char *names_constant(struct arena *arena, const struct schema *schema,
                           const char *owner, const char *value)
{
    return names_upper(arena, arena_printf(arena, "%s_%s",
                                           names_declared(arena, schema, owner),
                                           names_part(arena, value)));
}

const char *names_literal(struct arena *arena, const struct schema *schema,
                          const struct schema_struct *structure,
                          const char *name)
{
    return names_upper(arena,
                       arena_printf(arena, "%s_%s",
                                    names_struct(arena, schema, structure),
                                    names_part(arena, name)));
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
