/*
 * What a program made for one random schema calls: see driver.c. The program
 * knows the schema's names; everything here goes by its tables.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdbool.h>

#include "zocket/schema.h"

/* A text, and what is known of it: `matches` holds a '1' for every pattern of
 * the schema that JavaScript finds in it, else a '0'. */
struct sample {
    struct zkt_str text;
    bool trimmed, lowered; /* trim, lower leave it as it is */
    const char *matches;
};

struct samples {
    const struct sample *items;
    size_t count;
    const struct zkt_str *patterns; /* as shown, or the name of a format */
    size_t pattern_count;
};

/**
 * Tries @app's types with random values; @handlers is its struct of handlers,
 * of which the checks are filled in. What main returns.
 *
 *   PROGRAM [ROUNDS [SEED]]
 */
int drive(const struct zkt_app *app, void *handlers,
          const struct samples *samples, int argc, char **argv);

#endif
