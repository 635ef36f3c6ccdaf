/* See options.h. */
#include "net/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log_text.h"
#include "net/listen_address.h"
#include "net/tls.h"

/* ---- values ---- */

/* Returns the member of an option. */
static void *member_of(struct zkt_settings *settings,
                       const struct zkt_option *option)
{
    return (char *)&settings->options + option->offset;
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

/* Parses a number from @least to @most; @expected names it. Returns false after
 * printing an error. */
static bool take_number(const char *name, const char *value, int64_t least,
                        int64_t most, const char *expected, int64_t *out)
{
    const bool good = parse_number(value, most, out) && *out >= least;
    if (!good) {
        fprintf(stderr, "%s: '%s' is no %s\n", name, value, expected);
    }
    return good;
}

static bool take_limit(struct zkt_settings *settings,
                       const struct zkt_option *option, const char *name,
                       const char *value)
{
    int64_t number;
    if (!take_number(name, value, 0, INT64_MAX, "number", &number)) {
        return false;
    }
    memcpy(member_of(settings, option), &number, sizeof(number));
    return true;
}

static bool take_text(struct zkt_settings *settings,
                      const struct zkt_option *option, const char *name,
                      const char *value)
{
    (void)name;
    memcpy(member_of(settings, option), &value, sizeof(const char *));
    return true;
}

static bool take_switch(struct zkt_settings *settings,
                        const struct zkt_option *option, const char *name,
                        const char *value)
{
    bool *on = member_of(settings, option);
    *on = strcmp(value, "on") == 0;
    if (!*on && strcmp(value, "off") != 0) {
        fprintf(stderr, "%s: '%s' is neither on nor off\n", name, value);
        return false;
    }
    return true;
}

/* The member leaves the route out. */
static bool take_route(struct zkt_settings *settings,
                       const struct zkt_option *option, const char *name,
                       const char *value)
{
    bool *left_out = member_of(settings, option);
    const bool good = take_switch(settings, option, name, value);
    *left_out = !*left_out;
    return good;
}

/* ---- where to listen ---- */

static bool take_port(struct zkt_settings *settings,
                      const struct zkt_option *option, const char *name,
                      const char *value)
{
    int64_t number;
    (void)option;
    if (!take_number(name, value, 0, UINT16_MAX, "number from 0 to 65535",
                     &number)) {
        return false;
    }
    settings->options.port = (uint16_t)number;
    settings->listeners->has_port = true;
    return true;
}

static bool take_host(struct zkt_settings *settings,
                      const struct zkt_option *option, const char *name,
                      const char *value)
{
    settings->listeners->has_port = true;
    return take_text(settings, option, name, value);
}

static bool take_listener(struct zkt_settings *settings,
                          const struct zkt_option *option, const char *name,
                          const char *value)
{
    struct zkt_option_listeners *listeners = settings->listeners;
    struct zkt_listen_address address;
    const char *wrong = zkt__listen_address_parse(value, &address);
    (void)option;
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

static bool take_metrics_listener(struct zkt_settings *settings,
                                  const struct zkt_option *option,
                                  const char *name, const char *value)
{
    struct zkt_listen_address address;
    const char *wrong = zkt__listen_address_parse(value, &address);
    if (wrong != NULL) {
        fprintf(stderr, "%s: '%s': %s\n", name, value, wrong);
        return false;
    }
    return take_text(settings, option, name, value);
}

static bool take_metrics_port(struct zkt_settings *settings,
                              const struct zkt_option *option, const char *name,
                              const char *value)
{
    int64_t number;
    (void)option;
    if (!take_number(name, value, 0, UINT16_MAX, "number from 0 to 65535",
                     &number)) {
        return false;
    }
    snprintf(settings->metrics, sizeof(settings->metrics), "127.0.0.1:%u",
             (unsigned)number);
    settings->options.metrics_listen = settings->metrics;
    return true;
}

static bool take_socket_mode(struct zkt_settings *settings,
                             const struct zkt_option *option, const char *name,
                             const char *value)
{
    char *end;
    const unsigned long mode = strtoul(value, &end, 8);
    (void)option;
    if (value[0] < '0' || value[0] > '7' || *end != '\0' || mode == 0 ||
        mode > 0777) {
        fprintf(stderr, "%s: '%s' is no octal number from 1 to 777\n", name,
                value);
        return false;
    }
    settings->options.socket_mode = (uint32_t)mode;
    return true;
}

static bool take_threads(struct zkt_settings *settings,
                         const struct zkt_option *option, const char *name,
                         const char *value)
{
    int64_t number;
    (void)option;
    _Static_assert(ZKT_THREADS_MAX == 64, "the message says 64");
    if (!take_number(name, value, 1, ZKT_THREADS_MAX, "number from 1 to 64",
                     &number)) {
        return false;
    }
    settings->options.threads = (uint32_t)number;
    return true;
}

/* ---- proxies and TLS ---- */

static bool take_forwarded_by(struct zkt_settings *settings,
                              const struct zkt_option *option, const char *name,
                              const char *value)
{
    static const char *const words[] = {
        [ZKT_FORWARDED_BY_X_FORWARDED_FOR] = "x-forwarded-for",
        [ZKT_FORWARDED_BY_FORWARDED] = "forwarded",
        [ZKT_FORWARDED_BY_PROXY_PROTOCOL] = "proxy-protocol",
    };
    (void)option;
    for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(value, words[i]) == 0) {
            settings->options.forwarded_by = (enum zkt_forwarded_by)i;
            return true;
        }
    }
    fprintf(stderr,
            "%s: '%s' is none of x-forwarded-for, forwarded, proxy-protocol\n",
            name, value);
    return false;
}

/* Gives an option to the TLS of the program. */
static bool take_tls(struct zkt_settings *settings,
                     const struct zkt_option *option, const char *name,
                     const char *value)
{
    const struct zkt_serve_options *options = &settings->options;
    const char *wrong = options->tls == NULL
                            ? "this program is made without TLS (zocket/tls.h)"
                        : !zkt__tls_is_usable(options->tls)
                            ? ZKT_TLS_UNUSABLE
                            : options->tls->ops->configure(options->tls,
                                                           option->name, value);
    if (wrong != NULL) {
        fprintf(stderr, "%s: '%s': %s\n", name, value, wrong);
    }
    return wrong == NULL;
}

static bool take_hsts(struct zkt_settings *settings,
                      const struct zkt_option *option, const char *name,
                      const char *value)
{
    int64_t number;
    (void)option;
    if (!take_number(name, value, 0, UINT32_MAX, "number of seconds",
                     &number)) {
        return false;
    }
    settings->options.hsts_seconds = (uint32_t)number;
    return true;
}

/* ---- the log ---- */

static bool take_log_format(struct zkt_settings *settings,
                            const struct zkt_option *option, const char *name,
                            const char *value)
{
    struct zkt_serve_options *options = &settings->options;
    (void)option;
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

static bool take_log_level(struct zkt_settings *settings,
                           const struct zkt_option *option, const char *name,
                           const char *value)
{
    (void)option;
    for (enum zkt_log_level level = ZKT_LOG_DEBUG; level <= ZKT_LOG_ERROR;
         level++) {
        if (strcmp(value, zkt__log_level_name(level)) == 0) {
            settings->options.log_level = level;
            return true;
        }
    }
    fprintf(stderr, "%s: '%s' is not debug, info, warning or error\n", name,
            value);
    return false;
}

/* ---- the table ---- */

const struct zkt_option zkt__options[] = {
#define OPTION(name, argument, text, take, member)                             \
    {                                                                          \
        #name, argument, text, offsetof(struct zkt_serve_options, member),     \
        0,     take                                                            \
    },
#include "net/options.def"
#define X(name, value, text)                                                   \
    { #name, "N",       text, offsetof(struct zkt_serve_options, limits.name), \
      value, take_limit },
    ZKT_LIMITS_TABLE(X)
#undef X
};

enum {
    COUNT = sizeof(zkt__options) / sizeof(zkt__options[0]),
#define X(name, value, text) +1
    LIMITS = 0 ZKT_LIMITS_TABLE(X)
#undef X
};

const size_t zkt__option_count = COUNT;
const size_t zkt__option_first_limit = COUNT - LIMITS;
