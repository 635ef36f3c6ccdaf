/* See diag.h. How messages are printed is in diag_print.c. */
#include "syntax/diag.h"

#include <stdarg.h>
#include <string.h>

static const struct {
    const char *id, *text;
    enum diag_severity severity;
} messages[] = {
#define D(symbol, id, severity, text)                                          \
    [DIAG_##symbol] = { id, text, DIAG_##severity },
#include "syntax/diag.def"
#undef D
};

const char *diag_id_text(enum diag_id id)
{
    return messages[id].id;
}

/* ---- which messages ---- */

/* Returns false if it is disabled. */
static bool find_severity(struct diag *diag, enum diag_id id,
                          enum diag_severity *out)
{
    static const enum diag_severity of_level[] = {
        [DIAG_LEVEL_WARNING] = DIAG_WARNING,
        [DIAG_LEVEL_ERROR] = DIAG_ERROR,
    };
    const enum diag_severity usual = messages[id].severity;
    const unsigned char level = diag->levels[id];
    if (usual == DIAG_NOTE) {
        *out = DIAG_NOTE;
        return !diag->hides_notes;
    }
    *out = level == DIAG_LEVEL_USUAL ? usual : of_level[level];
    diag->hides_notes = level == DIAG_LEVEL_OFF || *out == DIAG_EXTRA;
    return !diag->hides_notes;
}

/* Keeps a message; a note goes to the last message. */
static void keep(struct diag *diag, struct diag_message *message)
{
    struct diag_message **first = &diag->first, **last = &diag->last;
    if (message->severity == DIAG_NOTE && diag->last != NULL) {
        first = &diag->last->notes;
        last = &diag->last->last_note;
    }
    if (*last != NULL) {
        (*last)->next = message;
    } else {
        *first = message;
    }
    *last = message;
}

void diag_report(struct diag *diag, struct source_range range, enum diag_id id,
                 ...)
{
    enum diag_severity severity;
    if (!find_severity(diag, id, &severity)) {
        return;
    }
    diag->errors += severity == DIAG_ERROR;
    diag->warnings += severity == DIAG_WARNING;
    if (diag->out == NULL || diag->errors > DIAG_ERRORS_MAX) {
        return;
    }
    struct diag_message *message = ARENA_NEW(&diag->arena, struct diag_message);
    va_list arguments;
    va_start(arguments, id);
    *message = (struct diag_message){
        .at = range,
        .id = id,
        .severity = severity,
        .text = arena_vprintf(&diag->arena, messages[id].text, arguments),
    };
    va_end(arguments);
    keep(diag, message);
}

/* ---- --warn ---- */

static bool is_warning(size_t id)
{
    return messages[id].severity == DIAG_WARNING ||
           messages[id].severity == DIAG_EXTRA;
}

static const char *warning_at(const void *user, size_t i)
{
    (void)user;
    return is_warning(i) ? messages[i].id : NULL;
}

static bool set_one(struct diag *diag, const char *id, enum diag_level level)
{
    for (size_t i = 0; i < DIAG_COUNT; i++) {
        if (is_warning(i) && strcmp(messages[i].id, id) == 0) {
            diag->levels[i] = (unsigned char)level;
            return true;
        }
    }
    return false;
}

static void set_all(struct diag *diag, enum diag_level level)
{
    for (size_t i = 0; i < DIAG_COUNT; i++) {
        const bool shown = messages[i].severity == DIAG_WARNING ||
                           diag->levels[i] == DIAG_LEVEL_WARNING;
        const bool off = diag->levels[i] == DIAG_LEVEL_OFF;
        if (is_warning(i) && (level != DIAG_LEVEL_ERROR || (shown && !off))) {
            diag->levels[i] = (unsigned char)level;
        }
    }
}

/* False: the word is none. */
static bool set_word(struct diag *diag, const char *word)
{
    if (strcmp(word, "all") == 0 || word[0] == '\0') {
        set_all(diag, DIAG_LEVEL_WARNING);
    } else if (strcmp(word, "none") == 0) {
        set_all(diag, DIAG_LEVEL_OFF);
    } else if (strcmp(word, "error") == 0) {
        set_all(diag, DIAG_LEVEL_ERROR);
    } else if (strncmp(word, "error=", 6) == 0) {
        return set_one(diag, word + 6, DIAG_LEVEL_ERROR);
    } else if (strncmp(word, "no-", 3) == 0) {
        return set_one(diag, word + 3, DIAG_LEVEL_OFF);
    } else {
        return set_one(diag, word, DIAG_LEVEL_WARNING);
    }
    return true;
}

const char *diag_set_warnings(struct arena *arena, struct diag *diag,
                              const char *words)
{
    for (;;) {
        const size_t len = strcspn(words, ",");
        const char *word = arena_text(arena, words, len);
        if (!set_word(diag, word)) {
            const char *id = strncmp(word, "error=", 6) == 0 ? word + 6 : word;
            id = strncmp(id, "no-", 3) == 0 ? id + 3 : id;
            const char *near = diag_nearest(id, DIAG_COUNT, warning_at, NULL);
            return near == NULL
                       ? arena_printf(arena, "unknown warning '%s'", id)
                       : arena_printf(
                             arena, "unknown warning '%s'; did you mean '%s'?",
                             id, near);
        }
        if (words[len] == '\0') {
            return NULL;
        }
        words += len + 1;
    }
}

/* ---- suggestions ---- */

enum {
    NAME_MAX_COMPARED = 64
};

/* Levenshtein's distance, with a swap of neighbours as a single step. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_MAX_COMPARED + 1];
    const size_t n = strlen(a), m = strlen(b);
    if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED) {
        return NAME_MAX_COMPARED;
    }
    unsigned *two = rows[0], *one = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++) {
        one[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= n; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = one[j - 1] + (a[i - 1] != b[j - 1]);
            best = one[j] + 1 < best ? one[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && two[j - 2] + 1 < best) {
                best = two[j - 2] + 1;
            }
            now[j] = best;
        }
        unsigned *spare = two;
        two = one;
        one = now;
        now = spare;
    }
    return one[m];
}

const char *diag_nearest(const char *name, size_t count,
                         const char *(*names)(const void *user, size_t i),
                         const void *user)
{
    const char *best = NULL;
    /* A third of the letters may differ, but not all of a short name. */
    const unsigned len = (unsigned)strlen(name);
    unsigned least = len > 1 ? (len + 2) / 3 : 0;
    for (size_t i = 0; i < count; i++) {
        const char *candidate = names(user, i);
        const unsigned d = candidate != NULL ? distance(name, candidate) : 0;
        if (d <= least && d > 0) {
            best = d < least || best == NULL ? candidate : best;
            least = d;
        }
    }
    return best;
}

void diag_suggest(struct diag *diag, struct source_range range,
                  const char *name, size_t count,
                  const char *(*names)(const void *user, size_t i),
                  const void *user)
{
    const char *near = diag_nearest(name, count, names, user);
    if (near != NULL) {
        diag_report(diag, range, DIAG_DID_YOU_MEAN_WORD, near);
    }
}
