/*
 * zkt_serve_main: reads options from the environment and the arguments. The
 * options for limits come from the table of limits, so that none is forgotten.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zocket/server.h"

struct argument {
    const char *name; /* with '_' where the argument has '-' */
    size_t offset;    /* in struct zkt_limits */
    int64_t value;    /* the default */
    const char *text;
};

static const struct argument limits[] = {
#define X(name, value, text)                                                   \
    { #name, offsetof(struct zkt_limits, name), value, text },
    ZKT_LIMITS_TABLE(X)
#undef X
};

enum {
    LIMIT_COUNT = sizeof(limits) / sizeof(limits[0])
};

/* Returns true if @argument is `some-name` and @name is `some_name`. */
static bool same_name(const char *argument, const char *name)
{
    for (; *argument != '\0' && *name != '\0'; argument++, name++) {
        if (*argument != (*name == '_' ? '-' : *name)) {
            return false;
        }
    }
    return *argument == *name;
}

static void print_name(const char *name)
{
    int width = printf("  --");
    for (; *name != '\0'; name++) {
        width += printf("%c", *name == '_' ? '-' : *name);
    }
    width += printf(" N");
    printf("%*s", width < 26 ? 26 - width : 1, "");
}

static void print_help(const char *program)
{
    printf("usage: %s [options]\n"
           "  --port N                to listen on; 0: any free one\n"
           "  --host ADDRESS          numeric; 0.0.0.0 for all interfaces\n"
           "  --threads N             that share the work, at most %d (1)\n"
           "  --allow-origins LIST    of pages that may connect; "
           "*.example.org, *\n"
           "  --help\n"
           "the same in the environment: ZOCKET_PORT, ZOCKET_MESSAGE_BYTES\n"
           "limits, with what happens when one is reached:\n",
           program, ZKT_THREADS_MAX);
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        print_name(limits[i].name);
        printf("%s (%" PRId64 ")\n", limits[i].text, limits[i].value);
    }
}

static bool parse_number(const char *text, int64_t max, int64_t *out)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > max) {
        return false;
    }
    *out = value;
    return true;
}

/* Sets a limit; @name is the argument or variable of @value. Returns false
 * after printing an error. */
static bool take_limit(struct zkt_serve_options *options,
                       const struct argument *limit, const char *name,
                       const char *value)
{
    int64_t number;
    if (!parse_number(value, INT64_MAX, &number)) {
        fprintf(stderr, "%s: '%s' is no number\n", name, value);
        return false;
    }
    memcpy((char *)&options->limits + limit->offset, &number, sizeof(number));
    return true;
}

static bool take_port(struct zkt_serve_options *options, const char *name,
                      const char *value)
{
    int64_t number;
    if (!parse_number(value, UINT16_MAX, &number)) {
        fprintf(stderr, "%s: '%s' is no number from 0 to 65535\n", name, value);
        return false;
    }
    options->port = (uint16_t)number;
    return true;
}

static bool take_threads(struct zkt_serve_options *options, const char *name,
                         const char *value)
{
    int64_t number;
    if (!parse_number(value, ZKT_THREADS_MAX, &number) || number == 0) {
        fprintf(stderr, "%s: '%s' is no number from 1 to %d\n", name, value,
                ZKT_THREADS_MAX);
        return false;
    }
    options->threads = (uint32_t)number;
    return true;
}

/* ---- suggestions ---- */

enum {
    NAME_MAX_COMPARED = 64
};

static size_t least(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* The Levenshtein distance of @typed, with '-' for '_', and @name. */
static size_t distance(const char *typed, const char *name)
{
    size_t row[NAME_MAX_COMPARED + 1];
    const size_t len = strlen(name);
    for (size_t j = 0; j <= len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; typed[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            const char wanted = name[j - 1] == '_' ? '-' : name[j - 1];
            const size_t change = diagonal + (typed[i - 1] != wanted);
            diagonal = row[j];
            row[j] = least(change, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[len];
}

/* Returns the option that @argument resembles most, or NULL. */
static const char *find_nearest(const char *argument)
{
    static const char *const others[] = { "allow_origins", "help", "host",
                                          "port", "threads" };
    enum {
        OTHERS = sizeof(others) / sizeof(others[0])
    };
    const char *typed = argument + strspn(argument, "-");
    const char *nearest = NULL;
    size_t closest = strlen(typed) / 3 + 2;
    for (size_t i = 0; i < OTHERS + LIMIT_COUNT; i++) {
        const char *name = i < OTHERS ? others[i] : limits[i - OTHERS].name;
        const size_t d = distance(typed, name);
        if (d < closest) {
            nearest = name;
            closest = d;
        }
    }
    return nearest;
}

static void print_unknown(const char *argument)
{
    const char *nearest = find_nearest(argument);
    fprintf(stderr, "unknown option '%s'; ", argument);
    if (nearest == NULL) {
        fprintf(stderr, "--help lists all options\n");
        return;
    }
    fprintf(stderr, "did you mean '--");
    for (; *nearest != '\0'; nearest++) {
        fputc(*nearest == '_' ? '-' : *nearest, stderr);
    }
    fprintf(stderr, "'?\n");
}

/* ---- arguments ---- */

/* The longest name of an option or a variable, with its zero. */
#define NAME_SIZE 64

/* Takes the option @name, which is known, and its value. Returns false after
 * printing an error. */
static bool take(struct zkt_serve_options *options,
                 const struct argument *limit, const char *name,
                 const char *value)
{
    if (limit != NULL) {
        return take_limit(options, limit, name, value);
    }
    if (strcmp(name, "--port") == 0) {
        return take_port(options, name, value);
    }
    if (strcmp(name, "--threads") == 0) {
        return take_threads(options, name, value);
    }
    if (strcmp(name, "--allow-origins") == 0) {
        options->allow_origins = value;
    } else {
        options->host = value;
    }
    return true;
}

/* Finds an option: a limit in *@limit, or NULL for others. Returns false if
 * there is none of this name. */
static bool find_option(const char *name, const struct argument **limit)
{
    *limit = NULL;
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        if (strncmp(name, "--", 2) == 0 &&
            same_name(name + 2, limits[i].name)) {
            *limit = &limits[i];
            return true;
        }
    }
    return strcmp(name, "--host") == 0 || strcmp(name, "--port") == 0 ||
           strcmp(name, "--threads") == 0 ||
           strcmp(name, "--allow-origins") == 0;
}

/* Takes an option, `--name=value` or `--name` and @next, which may be NULL.
 * Returns the number of its arguments, or 0 after printing an error. */
static int take_arguments(struct zkt_serve_options *options,
                          const char *argument, const char *next)
{
    const struct argument *limit;
    char name[NAME_SIZE];
    const int len = (int)strcspn(argument, "=");
    const bool joined = argument[len] == '=';
    const char *value = joined ? argument + len + 1 : next;
    snprintf(name, sizeof(name), "%.*s", len, argument);
    if (!find_option(name, &limit)) {
        print_unknown(name);
        return 0;
    }
    if (value == NULL) {
        fprintf(stderr, "%s: a value is missing\n", name);
        return 0;
    }
    return take(options, limit, name, value) ? 2 - joined : 0;
}

/* ---- the environment ---- */

/* Returns ZOCKET_SOME_NAME for some_name. */
static const char *name_variable(const char *name, char out[NAME_SIZE])
{
    const int len = snprintf(out, NAME_SIZE, "ZOCKET_%s", name);
    for (int i = 0; i < len && i < NAME_SIZE; i++) {
        out[i] = (char)toupper((unsigned char)out[i]);
    }
    return out;
}

/* Returns false after printing an error. */
static bool take_environment(struct zkt_serve_options *options)
{
    const char *host = getenv("ZOCKET_HOST");
    const char *origins = getenv("ZOCKET_ALLOW_ORIGINS");
    const char *port = getenv("ZOCKET_PORT");
    const char *threads = getenv("ZOCKET_THREADS");
    if (host != NULL) {
        options->host = host;
    }
    if (origins != NULL) {
        options->allow_origins = origins;
    }
    if (port != NULL && !take_port(options, "ZOCKET_PORT", port)) {
        return false;
    }
    if (threads != NULL && !take_threads(options, "ZOCKET_THREADS", threads)) {
        return false;
    }
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        char name[NAME_SIZE];
        const char *value = getenv(name_variable(limits[i].name, name));
        if (value != NULL && !take_limit(options, &limits[i], name, value)) {
            return false;
        }
    }
    return true;
}

int zkt_serve_main(struct zkt_app app, const struct zkt_serve_options *given,
                   int argc, char **argv)
{
    struct zkt_serve_options options = { .port = 0 };
    if (given != NULL) {
        options = *given;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(argv[0]);
            return 0;
        }
    }
    if (!take_environment(&options)) {
        return 2;
    }
    for (int i = 1; i < argc;) {
        const int taken = take_arguments(&options, argv[i],
                                         i + 1 < argc ? argv[i + 1] : NULL);
        if (taken == 0) {
            return 2;
        }
        i += taken;
    }
    return zkt_serve(app, &options);
}
