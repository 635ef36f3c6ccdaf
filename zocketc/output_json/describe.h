/*
 * A schema as JSON: for --model, for generators of other languages, and for
 * comparing two versions. docs/model.md describes it.
 */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "schema/schema.h"
#include "util/json_value.h"

#define DESCRIBE_VERSION                                                       \
    1 /* grows when a reader of the old version would fail */

/* Names in C, which another output knows. */
struct describe_names {
    const void *user;
    const char *(*app)(const void *user);
    /* An enum, a union or an actor. */
    const char *(*declared)(const void *user, const char *name);
    const char *(*constant)(const void *user, const char *owner,
                            const char *value);
    /* A field or a variant. */
    const char *(*field)(const void *user, const char *name);
    /* The constant for a literal field. */
    const char *(*literal)(const void *user, const struct schema_struct *s,
                           const char *name);
    /* A method or an event. */
    const char *(*part)(const void *user, const char *name);
    const char *(*structure)(const void *user, const struct schema_struct *s);
    const char *(*tuple)(const void *user, const struct schema_type *type);
};

/** The description of a schema in which nothing is wrong. */
struct json_value *describe_schema(struct arena *arena,
                                   const struct schema *schema,
                                   const struct describe_names *names);

/* ---- for the files of the description ---- */

/* describe_values.c */
/** A default, which fits its type. */
struct json_value *describe_value(struct arena *arena,
                                  const struct ast_value *value,
                                  const struct schema_type *type);
/** A number, with as many digits as it takes to read it back. */
struct json_value *describe_real(struct arena *arena,
                                 const struct schema_type *type, double value);

#endif
