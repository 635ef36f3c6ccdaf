/*
 * zkt_serve_main: options from a program's arguments. What there is comes from
 * the table of limits, so it cannot be forgotten here.
 */
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

/* Whether `--some-name` is what the table calls some_name. */
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
    printf("%*s", width < 24 ? 24 - width : 1, "");
}

static void print_help(const char *program)
{
    printf("usage: %s [options]\n"
           "  --port N              to listen on; 0: any free one\n"
           "  --host ADDRESS        numeric; 0.0.0.0 for all interfaces\n"
           "  --help\n"
           "limits, with what happens when one is reached:\n",
           program);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
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

/* Takes one argument and its value; false: said what is wrong. */
static bool take(struct zkt_serve_options *options, const char *argument,
                 const char *value)
{
    int64_t number;
    if (strcmp(argument, "--host") == 0) {
        options->host = value;
        return true;
    }
    if (strcmp(argument, "--port") == 0) {
        if (!parse_number(value, UINT16_MAX, &number)) {
            fprintf(stderr, "%s: '%s' is no number from 0 to 65535\n", argument,
                    value);
            return false;
        }
        options->port = (uint16_t)number;
        return true;
    }
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (strncmp(argument, "--", 2) != 0 ||
            !same_name(argument + 2, limits[i].name)) {
            continue;
        }
        if (!parse_number(value, INT64_MAX, &number)) {
            fprintf(stderr, "%s: '%s' is no number\n", argument, value);
            return false;
        }
        memcpy((char *)&options->limits + limits[i].offset, &number,
               sizeof(number));
        return true;
    }
    fprintf(stderr, "unknown argument '%s'; --help lists what there is\n",
            argument);
    return false;
}

int zkt_serve_main(struct zkt_app app, const struct zkt_serve_options *given,
                   int argc, char **argv)
{
    struct zkt_serve_options options = { .port = 0 };
    if (given != NULL) {
        options = *given;
    }
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(argv[0]);
            return 0;
        }
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
