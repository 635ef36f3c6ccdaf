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

#include "base/log_text.h"
#include "net/listen_address.h"
#include "net/listening.h"
#include "net/systemd.h"
#include "net/tls.h"
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

/* The listeners that the environment or the arguments name. */
struct listeners {
    const char *all[ZKT_LISTENING_MAX + 1]; /* ended by NULL */
    size_t count;
    bool has_port; /* a host or a port is named, too */
};

struct settings {
    struct zkt_serve_options options;
    struct listeners environment, arguments;
    struct listeners *listeners; /* those that are being read */
    char *words;                 /* of ZOCKET_LISTEN, or NULL */
};

/* Options with a value that are no limits, after the one without. */
static const char *const others[] = {
    "help",
    "allow_origins",
    "client_js",
    "deflate",
    "forwarded_by",
    "healthz",
    "host",
    "hsts_seconds",
    "listen",
    "log_format",
    "log_level",
    "port",
    "readyz",
    "server_names",
    "socket_mode",
    "static",
    "static_fallback",
    "static_immutable",
    "threads",
    "tls_cert",
    "tls_client_ca",
    "tls_client_cert",
    "tls_key",
    "trusted_proxies",
};

enum {
    OTHERS = sizeof(others) / sizeof(others[0])
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
           "  --listen WHERE          in place of both; HOST:PORT, unix:PATH, "
           "fd:N, systemd, proxy:WHERE\n"
           "  --socket-mode MODE      of Unix sockets, octal (600)\n"
           "  --threads N             that share the work, at most %d (1)\n"
           "  --allow-origins LIST    of pages that may send requests; "
           "*.example.org, *\n"
           "  --server-names LIST     that requests may name as their host\n"
           "  --trusted-proxies LIST  addresses, networks, unix\n"
           "  --forwarded-by WORD     how they tell their clients: "
           "x-forwarded-for, forwarded, proxy-protocol\n"
           "  --deflate on|off        compresses messages from 1 KiB on (off)\n"
           "  --healthz on|off        the route GET /healthz (on)\n"
           "  --readyz on|off         the route GET /readyz (on)\n"
           "  --client-js on|off      the route GET /_zocket/client.js (on)\n"
           "  --log-format FORMAT     text, logfmt or json (text)\n"
           "  --log-level LEVEL       debug, info, warning or error (info)\n"
           "  --static DIR            a folder of files to serve\n"
           "  --static-fallback FILE  of it, for pages that do not exist\n"
           "  --static-immutable PATH below which files never change\n"
           "  --tls-cert FILE         certificate and chain (PEM): TLS on all "
           "listeners\n"
           "  --tls-key FILE          its key; else in the same file\n"
           "  --tls-client-ca FILE    clients need a certificate of these CAs\n"
           "  --tls-client-cert HOW   required or optional (required)\n"
           "  --hsts-seconds N        Strict-Transport-Security, 0: none (0)\n"
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

/* Returns false after printing an error. */
static bool take_hsts(struct zkt_serve_options *options, const char *name,
                      const char *value)
{
    int64_t number;
    if (!parse_number(value, UINT32_MAX, &number)) {
        fprintf(stderr, "%s: '%s' is no number of seconds\n", name, value);
        return false;
    }
    options->hsts_seconds = (uint32_t)number;
    return true;
}

/* Gives an option to the TLS of the program. Returns false after printing an
 * error. */
static bool take_tls(const struct zkt_serve_options *options,
                     const char *option, const char *name, const char *value)
{
    const char *wrong = options->tls == NULL
                            ? "this program is made without TLS (zocket/tls.h)"
                        : !zkt__tls_is_usable(options->tls)
                            ? ZKT_TLS_UNUSABLE
                            : options->tls->ops->configure(options->tls, option,
                                                           value);
    if (wrong != NULL) {
        fprintf(stderr, "%s: '%s': %s\n", name, value, wrong);
    }
    return wrong == NULL;
}

/* Certificates of the environment replace those of the program, and those of
 * the arguments replace both. */
static void begin_tls(const struct zkt_serve_options *options)
{
    if (options->tls != NULL && zkt__tls_is_usable(options->tls)) {
        (void)options->tls->ops->configure(options->tls, NULL, NULL);
    }
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

/* Sets *@on by on or off. Returns false after printing an error. */
static bool take_switch(bool *on, const char *name, const char *value)
{
    *on = strcmp(value, "on") == 0;
    if (!*on && strcmp(value, "off") != 0) {
        fprintf(stderr, "%s: '%s' is neither on nor off\n", name, value);
        return false;
    }
    return true;
}

/* The same for a route that is there unless it is left out. */
static bool take_route(bool *left_out, const char *name, const char *value)
{
    bool on;
    const bool good = take_switch(&on, name, value);
    *left_out = !on;
    return good;
}

/* Returns false after printing an error. */
static bool take_listener(struct listeners *listeners, const char *name,
                          const char *value)
{
    struct zkt_listen_address address;
    const char *wrong = zkt__listen_address_parse(value, &address);
    if (wrong != NULL) {
        fprintf(stderr, "%s: '%s': %s\n", name, value, wrong);
        return false;
    }
    if (listeners->count == ZKT_LISTENING_MAX) {
        fprintf(stderr, "%s: there are more than %d listeners\n", name,
                ZKT_LISTENING_MAX);
        return false;
    }
    listeners->all[listeners->count++] = value;
    return true;
}

static bool take_socket_mode(struct zkt_serve_options *options,
                             const char *name, const char *value)
{
    char *end;
    const unsigned long mode = strtoul(value, &end, 8);
    if (value[0] < '0' || value[0] > '7' || *end != '\0' || mode == 0 ||
        mode > 0777) {
        fprintf(stderr, "%s: '%s' is no octal number from 1 to 777\n", name,
                value);
        return false;
    }
    options->socket_mode = (uint32_t)mode;
    return true;
}

/* Logs to standard error in a format. Returns false after printing an error. */
static bool take_log_format(struct zkt_serve_options *options, const char *name,
                            const char *value)
{
    options->log = NULL;
    options->log_record = NULL;
    if (strcmp(value, "text") == 0) {
        options->log = zkt_log_to_stderr;
    } else if (strcmp(value, "logfmt") == 0) {
        options->log_record = zkt_log_logfmt;
    } else if (strcmp(value, "json") == 0) {
        options->log_record = zkt_log_json;
    } else {
        fprintf(stderr, "%s: '%s' is not text, logfmt or json\n", name, value);
        return false;
    }
    return true;
}

/* Returns false after printing an error. */
static bool take_log_level(struct zkt_serve_options *options, const char *name,
                           const char *value)
{
    for (enum zkt_log_level level = ZKT_LOG_DEBUG; level <= ZKT_LOG_ERROR;
         level++) {
        if (strcmp(value, zkt__log_level_name(level)) == 0) {
            options->log_level = level;
            return true;
        }
    }
    fprintf(stderr, "%s: '%s' is not debug, info, warning or error\n", name,
            value);
    return false;
}

static bool take_forwarded_by(struct zkt_serve_options *options,
                              const char *name, const char *value)
{
    static const char *const words[] = {
        [ZKT_FORWARDED_BY_X_FORWARDED_FOR] = "x-forwarded-for",
        [ZKT_FORWARDED_BY_FORWARDED] = "forwarded",
        [ZKT_FORWARDED_BY_PROXY_PROTOCOL] = "proxy-protocol",
    };
    for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            options->forwarded_by = (enum zkt_forwarded_by)i;
            return true;
        }
    }
    fprintf(stderr,
            "%s: '%s' is none of x-forwarded-for, forwarded, proxy-protocol\n",
            name, value);
    return false;
}

/* Ends the environment or the arguments. Their listeners replace earlier ones,
 * and so do a host or a port. Returns false after printing an error. */
static bool take_listeners(struct settings *settings)
{
    const struct listeners *listeners = settings->listeners;
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

/* Returns the member of an option that is a text, or NULL. */
static const char **text_of(struct zkt_serve_options *options,
                            const char *option)
{
    const struct {
        const char *name, **member;
    } texts[] = {
        { "allow_origins", &options->allow_origins },
        { "host", &options->host },
        { "server_names", &options->server_names },
        { "static", &options->static_dir },
        { "static_fallback", &options->static_fallback },
        { "static_immutable", &options->static_immutable },
        { "trusted_proxies", &options->trusted_proxies },
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(option, texts[i].name) == 0) {
            return texts[i].member;
        }
    }
    return NULL;
}

/* Takes a limit, or @option if @limit is NULL; @name is the argument or
 * variable of @value. Returns false after printing an error. */
static bool take(struct settings *settings, const struct argument *limit,
                 const char *option, const char *name, const char *value)
{
    struct zkt_serve_options *options = &settings->options;
    if (limit != NULL) {
        return take_limit(options, limit, name, value);
    }
    if (strcmp(option, "listen") == 0) {
        return take_listener(settings->listeners, name, value);
    }
    if (strcmp(option, "socket_mode") == 0) {
        return take_socket_mode(options, name, value);
    }
    if (strcmp(option, "threads") == 0) {
        return take_threads(options, name, value);
    }
    if (strcmp(option, "deflate") == 0) {
        return take_switch(&options->deflate, name, value);
    }
    if (strcmp(option, "healthz") == 0) {
        return take_route(&options->no_healthz, name, value);
    }
    if (strcmp(option, "readyz") == 0) {
        return take_route(&options->no_readyz, name, value);
    }
    if (strcmp(option, "client_js") == 0) {
        return take_route(&options->no_client_js, name, value);
    }
    if (strcmp(option, "log_format") == 0) {
        return take_log_format(options, name, value);
    }
    if (strcmp(option, "log_level") == 0) {
        return take_log_level(options, name, value);
    }
    if (strcmp(option, "forwarded_by") == 0) {
        return take_forwarded_by(options, name, value);
    }
    if (strcmp(option, "hsts_seconds") == 0) {
        return take_hsts(options, name, value);
    }
    if (strncmp(option, "tls_", 4) == 0) {
        return take_tls(options, option, name, value);
    }
    const char **text = text_of(options, option);
    settings->listeners->has_port = settings->listeners->has_port ||
                                    text == NULL || text == &options->host;
    if (text == NULL) {
        return take_port(options, name, value);
    }
    *text = value;
    return true;
}

/* Finds an option: a limit in *@limit, or NULL for others. Returns its name
 * with
 * '_', or NULL if there is none of this name. */
static const char *find_option(const char *name, const struct argument **limit)
{
    *limit = NULL;
    if (strncmp(name, "--", 2) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        if (same_name(name + 2, limits[i].name)) {
            *limit = &limits[i];
            return limits[i].name;
        }
    }
    for (size_t i = 1; i < OTHERS; i++) {
        if (same_name(name + 2, others[i])) {
            return others[i];
        }
    }
    return NULL;
}

/* Takes an option, `--name=value` or `--name` and @next, which may be NULL.
 * Returns the number of its arguments, or 0 after printing an error. */
static int take_argument(struct settings *settings, const char *argument,
                         const char *next)
{
    const struct argument *limit;
    char name[NAME_SIZE];
    const int len = (int)strcspn(argument, "=");
    const bool joined = argument[len] == '=';
    const char *value = joined ? argument + len + 1 : next;
    snprintf(name, sizeof(name), "%.*s", len, argument);
    const char *option = find_option(name, &limit);
    if (option == NULL) {
        print_unknown(name);
        return 0;
    }
    if (value == NULL) {
        fprintf(stderr, "%s: a value is missing\n", name);
        return 0;
    }
    return take(settings, limit, option, name, value) ? 2 - joined : 0;
}

/* Returns false after printing an error. */
static bool take_arguments(struct settings *settings, int argc, char **argv)
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
static bool take_words(struct settings *settings, const char *name,
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
        if (!take_listener(settings->listeners, name, word)) {
            return false;
        }
    }
    return true;
}

/* Takes the variable of an option, if it is set. Returns false after printing
 * an error. */
static bool take_variable(struct settings *settings,
                          const struct argument *limit, const char *option)
{
    char name[NAME_SIZE];
    const char *value = getenv(name_variable(option, name));
    if (value == NULL) {
        return true;
    }
    return strcmp(option, "listen") == 0
               ? take_words(settings, name, value)
               : take(settings, limit, option, name, value);
}

/* Returns false after printing an error. */
static bool take_environment(struct settings *settings)
{
    settings->listeners = &settings->environment;
    begin_tls(&settings->options);
    for (size_t i = 1; i < OTHERS; i++) {
        if (!take_variable(settings, NULL, others[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        if (!take_variable(settings, &limits[i], limits[i].name)) {
            return false;
        }
    }
    return take_listeners(settings);
}

/* Returns false after printing an error. */
static bool read_settings(struct settings *settings, int argc, char **argv)
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
    struct settings settings = { 0 };
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
