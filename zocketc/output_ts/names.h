/* Names, keys and literals in TypeScript. */
#ifndef OUTPUT_TS_NAMES_H
#define OUTPUT_TS_NAMES_H

#include "schema/schema.h"
#include "util/table.h"

/** A string literal with its quotes. Invisible characters are escaped. */
const char *ts_string(struct arena *arena, const char *text, size_t len);
/** The key of a property in a type: `text`, `"user-name"`. */
const char *ts_key(struct arena *arena, const char *name);
/** The same in an object: `__proto__` is computed, so that it is a property. */
const char *ts_literal_key(struct arena *arena, const char *name);
/** The name of an element of a tuple. */
const char *ts_label(struct arena *arena, const char *name);
/** `sayLoud` and `say_loud` become `SayLoud`. */
const char *ts_pascal(struct arena *arena, const char *name);

/* Names of types that are taken. */
struct ts_names {
    struct table taken;
};

/** Takes the reserved words. */
void ts_names_begin(struct ts_names *names, struct arena *arena);
/** Takes @name, behind which a `_` is put until nothing else is called so. */
const char *ts_take(struct ts_names *names, struct arena *arena,
                    const char *name);

#endif
