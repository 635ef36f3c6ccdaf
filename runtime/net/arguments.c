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

/* Takes an argument and its value. Returns false after printing an error. */
static bool take(struct zkt_serve_options *options, const char *argument,
                 const char *value)
{
    if (strcmp(argument, "--host") == 0) {
        options->host = value;
        return true;
    }
    if (strcmp(argument, "--port") == 0) {
        return take_port(options, argument, value);
    }
    if (strcmp(argument, "--threads") == 0) {
        return take_threads(options, argument, value);
    }
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        if (strncmp(argument, "--", 2) == 0 &&
            same_name(argument + 2, limits[i].name)) {
            return take_limit(options, &limits[i], argument, value);
        }
    }
    fprintf(stderr, "unknown argument '%s'; --help lists what there is\n",
            argument);
    return false;
}

/* ---- the environment ---- */

/* The longest name of a variable. */
#define VARIABLE_MAX 64

/* Returns ZOCKET_SOME_NAME for some_name. */
static const char *name_variable(const char *name, char out[VARIABLE_MAX])
{
    const int len = snprintf(out, VARIABLE_MAX, "ZOCKET_%s", name);
    for (int i = 0; i < len && i < VARIABLE_MAX; i++) {
        out[i] = (char)toupper((unsigned char)out[i]);
    }
    return out;
}

/* Returns false after printing an error. */
static bool take_environment(struct zkt_serve_options *options)
{
    const char *host = getenv("ZOCKET_HOST");
    const char *port = getenv("ZOCKET_PORT");
    const char *threads = getenv("ZOCKET_THREADS");
    if (host != NULL) {
        options->host = host;
    }
    if (port != NULL && !take_port(options, "ZOCKET_PORT", port)) {
        return false;
    }
    if (threads != NULL && !take_threads(options, "ZOCKET_THREADS", threads)) {
        return false;
    }
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        char name[VARIABLE_MAX];
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
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "%s: a value is missing\n", argv[i]);
            return 2;
        }
        if (!take(&options, argv[i], argv[i + 1])) {
            return 2;
        }
    }
    return zkt_serve(app, &options);
}
