/*
 * The options of zkt_serve_main: limits, from the table of limits, and the
 * others, from options.def. Each says how it takes its value.
 */
#ifndef ZKT_NET_OPTIONS_H
#define ZKT_NET_OPTIONS_H

#include "net/listening.h"
#include "zocket/server.h"

/* The listeners that the environment or the arguments name. */
struct zkt_option_listeners {
    const char *all[ZKT_LISTENING_MAX + 1]; /* ended by NULL */
    size_t count;
    bool has_port; /* a host or a port is named, too */
};

struct zkt_settings {
    struct zkt_serve_options options;
    struct zkt_option_listeners environment, arguments;
    struct zkt_option_listeners *listeners; /* those that are being read */
    char *words;                            /* of ZOCKET_LISTEN, or NULL */
    char
        metrics[sizeof("127.0.0.1:65535")]; /* the listener of --metrics-port */
};

struct zkt_option {
    const char *name;     /* with '_' where the argument has '-' */
    const char *argument; /* the name of its value, for --help */
    const char *text;
    size_t offset; /* of its member, in struct zkt_serve_options */
    int64_t value; /* the default of a limit */
    /* Takes @value of the argument or variable @name, which outlives the
     * settings. Returns false after printing an error. */
    bool (*take)(struct zkt_settings *settings, const struct zkt_option *option,
                 const char *name, const char *value);
};

/** All options: the limits are behind the others. */
extern const struct zkt_option zkt__options[];
extern const size_t zkt__option_count;
/** The number of options that are no limits. */
extern const size_t zkt__option_first_limit;

#endif
