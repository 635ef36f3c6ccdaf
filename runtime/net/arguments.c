/*
 * zkt_serve_main: reads options from the environment and the arguments
 * (options.h).
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/options.h"
#include "net/systemd.h"
#include "net/tls.h"
#include "zocket/server.h"

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

/* Prints a name with its value. Text behind it stands in a column. */
static void print_name(const struct zkt_option *option)
{
    enum {
        COLUMN = 26
    };
    int width = printf("  --");
    for (const char *name = option->name; *name != '\0'; name++) {
        width += printf("%c", *name == '_' ? '-' : *name);
    }
    width += printf(" %s", option->argument);
    printf("%*s", width < COLUMN ? COLUMN - width : 1, "");
}

static void print_help(const char *program)
{
    const struct zkt_option *option = zkt__options;
    printf("usage: %s [options]\n", program);
    for (; option < zkt__options + zkt__option_first_limit; option++) {
        print_name(option);
        printf("%s\n", option->text);
    }
    printf("  --help\n"
           "the same in the environment: ZOCKET_PORT, ZOCKET_MESSAGE_BYTES\n"
           "limits, with what happens when one is reached:\n");
    for (; option < zkt__options + zkt__option_count; option++) {
        print_name(option);
        printf("%s (%" PRId64 ")\n", option->text, option->value);
    }
}

/* Certificates of the environment replace those of the program, and those of
 * the arguments replace both. */
static void begin_tls(const struct zkt_serve_options *options)
{
    if (options->tls != NULL && zkt__tls_is_usable(options->tls)) {
        (void)options->tls->ops->configure(options->tls, NULL, NULL);
    }
}

/* Ends the environment or the arguments. Their listeners replace earlier ones,
 * and so do a host or a port. Returns false after printing an error. */
static bool take_listeners(struct zkt_settings *settings)
{
    const struct zkt_option_listeners *listeners = settings->listeners;
    if (listeners->count > 0 && listeners->has_port) {
        fprintf(stderr, "a listener excludes a host and a port beside it\n");
        return false;
    }
    if (listeners->count > 0) {
        settings->options.listen = listeners->all;
    } else if (listeners->has_port) {
        settings->options.listen = NULL;
    }
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
    const char *typed = argument + strspn(argument, "-");
    const char *nearest = NULL;
    size_t closest = strlen(typed) / 3 + 2;
    for (size_t i = 0; i <= zkt__option_count; i++) {
        const char *name = i < zkt__option_count ? zkt__options[i].name
                                                 : "help";
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

/* Returns the option of an argument, or NULL. */
static const struct zkt_option *find_option(const char *name)
{
    if (strncmp(name, "--", 2) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < zkt__option_count; i++) {
        if (same_name(name + 2, zkt__options[i].name)) {
            return &zkt__options[i];
        }
    }
    return NULL;
}

/* Takes an option, `--name=value` or `--name` and @next, which may be NULL.
 * Returns the number of its arguments, or 0 after printing an error. */
static int take_argument(struct zkt_settings *settings, const char *argument,
                         const char *next)
{
    char name[NAME_SIZE];
    const int len = (int)strcspn(argument, "=");
    const bool joined = argument[len] == '=';
    const char *value = joined ? argument + len + 1 : next;
    snprintf(name, sizeof(name), "%.*s", len, argument);
    const struct zkt_option *option = find_option(name);
    if (option == NULL) {
        print_unknown(name);
        return 0;
    }
    if (value == NULL) {
        fprintf(stderr, "%s: a value is missing\n", name);
        return 0;
    }
    return option->take(settings, option, name, value) ? 2 - joined : 0;
}

/* Returns false after printing an error. */
static bool take_arguments(struct zkt_settings *settings, int argc, char **argv)
{
    settings->listeners = &settings->arguments;
    begin_tls(&settings->options);
    for (int i = 1; i < argc;) {
        const int taken = take_argument(settings, argv[i],
                                        i + 1 < argc ? argv[i + 1] : NULL);
        if (taken == 0) {
            return false;
        }
        i += taken;
    }
    return take_listeners(settings);
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

/* Takes the listeners of a variable, with blanks between them. Returns false
 * after printing an error. */
static bool take_words(struct zkt_settings *settings,
                       const struct zkt_option *option, const char *name,
                       const char *value)
{
    char *rest;
    settings->words = strdup(value);
    if (settings->words == NULL) {
        fprintf(stderr, "%s: no memory\n", name);
        return false;
    }
    for (char *word = strtok_r(settings->words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        if (!option->take(settings, option, name, word)) {
            return false;
        }
    }
    return true;
}

/* Takes the variable of an option, if it is set. Returns false after printing
 * an error. */
static bool take_variable(struct zkt_settings *settings,
                          const struct zkt_option *option)
{
    char name[NAME_SIZE];
    const char *value = getenv(name_variable(option->name, name));
    if (value == NULL) {
        return true;
    }
    return strcmp(option->name, "listen") == 0
               ? take_words(settings, option, name, value)
               : option->take(settings, option, name, value);
}

/* Returns false after printing an error. */
static bool take_environment(struct zkt_settings *settings)
{
    settings->listeners = &settings->environment;
    begin_tls(&settings->options);
    for (size_t i = 0; i < zkt__option_count; i++) {
        if (!take_variable(settings, &zkt__options[i])) {
            return false;
        }
    }
    return take_listeners(settings);
}

/* Returns false after printing an error. */
static bool read_settings(struct zkt_settings *settings, int argc, char **argv)
{
    static const char *const passed[] = { "systemd", NULL };
    if (zkt__systemd_descriptors(ZKT_LISTENING_MAX) != 0) {
        settings->options.listen = passed;
    }
    return take_environment(settings) && take_arguments(settings, argc, argv);
}

int zkt_serve_main(struct zkt_app app, const struct zkt_serve_options *given,
                   int argc, char **argv)
{
    struct zkt_settings settings = { 0 };
    if (given != NULL) {
        settings.options = *given;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(argv[0]);
            return 0;
        }
    }
    const int status = read_settings(&settings, argc, argv)
                           ? zkt_serve(app, &settings.options)
                           : 2;
    free(settings.words);
    return status;
}
