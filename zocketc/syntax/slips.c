/*
 * Messages about a word that begins no declaration and no member of an actor:
 * it has another meaning in another language, another case, or a typo.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "syntax/parse.h"

static const char *const declarations[] = {
    "app",   "import",     "struct",     "enum",  "union",     "type",
    "actor", "connection", "middleware", "error", "broadcast",
};
static const char *const members[] = {
    "state", "private",  "method",    "event",    "timer",
    "on",    "internal", "subscribe", "audience",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct words {
    const char *const *words;
    size_t count;
};

static const char *word_at(const void *user, size_t i)
{
    return ((const struct words *)user)->words[i];
}

/* Compares without regard to case. */
static bool is_among(const struct words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strcasecmp(word, words->words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *lower_case(struct arena *arena, const char *text)
{
    char *lower = arena_printf(arena, "%s", text);
    for (char *c = lower; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return lower;
}

/* Our word for a word of another language, in any case; or NULL. */
static const char *find_ours(const char *word, bool in_actor)
{
    static const struct {
        const char *theirs, *ours;
        bool in_actor;
    } slips[] = {
        { "message", "struct", false },
        { "interface", "struct", false },
        { "class", "struct", false },
        { "record", "struct", false },
        { "object", "struct", false },
        { "model", "struct", false },
        { "service", "actor", false },
        { "oneof", "union", false },
        { "alias", "type", false },
        { "typedef", "type", false },
        { "guard", "middleware", false },
        { "auth", "middleware", false },
        { "interceptor", "middleware", false },
        { "exception", "error", false },
        { "failure", "error", false },
        { "handshake", "connection", false },
        { "session", "connection", false },
        { "package", "app", false },
        { "namespace", "app", false },
        { "include", "import", false },
        { "rpc", "method", true },
        { "func", "method", true },
        { "function", "method", true },
        { "fn", "method", true },
        { "def", "method", true },
        { "async", "method", true },
        { "fields", "state", true },
        { "signal", "event", true },
        { "hook", "on", true },
        { "interval", "timer", true },
        { "schedule", "timer", true },
        { "tick", "timer", true },
        { "cron", "timer", true },
        { "viewers", "audience", true },
        { "readers", "audience", true },
        { "role", "audience", true },
    };
    for (size_t i = 0; i < COUNT(slips); i++) {
        if (slips[i].in_actor == in_actor &&
            strcasecmp(word, slips[i].theirs) == 0) {
            return slips[i].ours;
        }
    }
    return NULL;
}

/* Returns true for "onConnect" and "on_connect". */
static bool is_hook(const char *word)
{
    return strncmp(word, "on", 2) == 0 &&
           (isupper((unsigned char)word[2]) || word[2] == '_') &&
           word[3] != '\0';
}

bool parse_is_absence(const char *word)
{
    return strcasecmp(word, "optional") == 0 ||
           strcasecmp(word, "nullable") == 0;
}

const char *parse_modifier_slip(struct parse *p, const char *word,
                                const char **ours)
{
    static const struct {
        const char *theirs, *ours, *noun;
    } slips[] = {
        { "uses", "use", "middleware" },
        { "using", "use", "middleware" },
        { "requires", "use", "middleware" },
        { "guard", "use", "middleware" },
        { "auth", "use", "middleware" },
        { "with", "use", "middleware" },
        { "raises", "throws", "errors" },
        { "raise", "throws", "errors" },
        { "throw", "throws", "errors" },
        { "errors", "throws", "errors" },
        { "rate", "limit", "a rate" },
        { "limits", "limit", "a rate" },
        { "deadline", "timeout", "a time" },
        { "within", "timeout", "a time" },
        { "expires", "timeout", "a time" },
        { "reports", "progress", "a type" },
    };
    for (size_t i = 0; i < COUNT(slips); i++) {
        if (strcasecmp(word, slips[i].theirs) == 0) {
            *ours = slips[i].ours;
            return arena_printf(
                p->arena, "%s %s behind '%s', not '%s'", slips[i].noun,
                slips[i].noun[strlen(slips[i].noun) - 1] == 's' ? "stand"
                                                                : "stands",
                slips[i].ours, word);
        }
    }
    return NULL;
}

static const char *member_slip(struct parse *p, const char *word,
                               const char *ours)
{
    if (is_hook(word)) {
        return arena_printf(
            p->arena, "a hook is declared with 'on'; did you mean 'on %s'?",
            lower_case(p->arena, word + 2 + (word[2] == '_')));
    }
    if (ours != NULL && strcmp(ours, "method") != 0) {
        return arena_printf(
            p->arena, "'%s' begins no member of an actor; did you mean '%s'?",
            word, ours);
    }
    if (ours != NULL && strcasecmp(word, "method") == 0) {
        return arena_printf(p->arena, "a method begins with 'method', not '%s'",
                            word);
    }
    if (ours == NULL && parse_next_character(p) == ':') {
        return arena_printf(
            p->arena, "the field '%s' stands outside of 'state { }'", word);
    }
    return "a method begins with 'method', and its result stands behind '->'";
}

const char *parse_slip(struct parse *p, const char *word, bool in_actor)
{
    const struct words all[] = {
        { declarations, COUNT(declarations) },
        { members, COUNT(members) },
    };
    const struct words *here = &all[in_actor], *there = &all[!in_actor];
    if (is_among(there, word)) {
        return arena_printf(p->arena,
                            in_actor ? "'%s' stands outside of actors"
                                     : "'%s' stands in an actor",
                            word);
    }
    const char *ours = is_among(here, word) ? lower_case(p->arena, word)
                                            : find_ours(word, in_actor);
    if (ours == NULL) {
        ours = diag_nearest(word, here->count, word_at, here);
    }
    if (ours != NULL && strcmp(ours, word) == 0) {
        return NULL; /* it begins another thing than the expected */
    }
    if (in_actor) {
        return member_slip(p, word, ours);
    }
    return ours == NULL
               ? NULL
               : arena_printf(p->arena,
                              "'%s' begins no declaration; did you mean '%s'?",
                              word, ours);
}
