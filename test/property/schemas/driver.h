/*
 * The driver of the program for a random schema: see driver.c. The program
 * knows the schema's names; the driver only uses its tables.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdbool.h>

#include "zocket/schema.h"

/* A text and its properties: `matches` holds a '1' for every pattern of the
 * schema that JavaScript finds in it, otherwise a '0'. */
struct sample {
    struct zkt_str text;
    bool trimmed, lowered, uppered; /* trim, lower, upper do not change it */
    const char *matches;
};

struct samples {
    const struct sample *items;
    size_t count;
    const struct zkt_str *patterns; /* as shown, or the name of a format */
    size_t pattern_count;
};

/**
 * Tests @app's types with random values; fills in the checks of its struct of
 * handlers, @handlers. Returns the exit status of main.
 *
 *   PROGRAM [ROUNDS [SEED]]
 */
int drive(const struct zkt_app *app, void *handlers,
          const struct samples *samples, int argc, char **argv);

#endif
