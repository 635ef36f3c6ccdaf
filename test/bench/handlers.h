/* The handlers of the measured servers; core.zkt describes them. */
#ifndef BENCH_HANDLERS_H
#define BENCH_HANDLERS_H

#include "core_server.h"

enum {
    BENCH_CAPPED = 100 /* items of a list of constant length */
};

extern const struct bench_handlers bench_all;
/* Replies to the asks of counters. */
extern int bench_replies;

#endif
