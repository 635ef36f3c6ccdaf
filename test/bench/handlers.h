/* What the measured servers do; core.zkt says what for. */
#ifndef BENCH_HANDLERS_H
#define BENCH_HANDLERS_H

#include "core_server.h"

enum {
    BENCH_CAPPED = 100 /* items of a list that is kept short */
};

extern const struct bench_handlers bench_all;

#endif
