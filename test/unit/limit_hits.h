/*
 * How often a server has reached a limit, as the text of its metrics has it.
 * The server needs the option `metrics`.
 */
#ifndef LIMIT_HITS_H
#define LIMIT_HITS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zocket/server.h"

struct metrics_text {
    char *text;
    size_t len;
};

static inline void keep_metrics(void *user, const char *text, size_t len)
{
    struct metrics_text *all = (struct metrics_text *)user;
    all->text = (char *)realloc(all->text, all->len + len + 1);
    assert_non_null(all->text);
    memcpy(all->text + all->len, text, len);
    all->len += len;
    all->text[all->len] = '\0';
}

/* Returns the value of a series, or -1 if the text does not have it. */
static inline double metric_of(struct zkt_server *of, const char *series)
{
    struct metrics_text all = { 0 };
    char start[160];
    double value = -1;
    assert_int_equal(zkt_server_metrics(of, keep_metrics, &all), ZKT_OK);
    assert_non_null(all.text);
    snprintf(start, sizeof(start), "\n%s ", series);
    const char *found = strstr(all.text, start);
    if (found != NULL) {
        value = strtod(found + strlen(start), NULL);
    }
    free(all.text);
    return value;
}

/* Returns how often a limit was reached, or -1. */
static inline double limit_hits_of(struct zkt_server *of, const char *limit)
{
    char series[128];
    snprintf(series, sizeof(series), "zocket_limit_hits_total{reason=\"%s\"}",
             limit);
    return metric_of(of, series);
}

static inline void assert_limit_hits(struct zkt_server *of, const char *limit,
                                     double count)
{
    const double hits = limit_hits_of(of, limit);
    if (hits != count) {
        fail_msg("%s was reached %g times, not %g", limit, hits, count);
    }
}

#endif
