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

/* The context of all functions. */
struct describe {
    struct arena *arena;
    const struct schema *schema;
    const struct describe_names *names;
};

/* describe.c */
struct json_value *describe_add_list(const struct describe *d,
                                     struct json_value *to, const char *key);
/** Adds a name to a list of names. */
void describe_add_name(const struct describe *d, struct json_value *list,
                       const struct ast_name *name);
void describe_add_integer(const struct describe *d, struct json_value *to,
                          const char *key, long long value);
/** Adds a member that is true, or nothing. */
void describe_add_flag(const struct describe *d, struct json_value *to,
                       const char *key, bool flag);
struct json_value *describe_type(const struct describe *d,
                                 const struct schema_type *type);
/** A thing with a name, and with its name in C if there is such. */
struct json_value *describe_named(const struct describe *d,
                                  const struct ast_name *name, const char *c,
                                  const char *doc);
/** The same of an enum, a union, an actor or another part of the app. */
struct json_value *describe_declared(const struct describe *d,
                                     const struct ast_name *name,
                                     const char *doc);
/** A struct that is not declared: parameters, data, or a state. */
struct json_value *describe_object(const struct describe *d,
                                   const struct schema_struct *s);

/* describe_actors.c */
/** Adds the actors, the connection, middleware, errors and broadcasts. */
void describe_app(const struct describe *d, struct json_value *to);

/* describe_values.c */
/** A default, which fits its type. */
struct json_value *describe_value(struct arena *arena,
                                  const struct ast_value *value,
                                  const struct schema_type *type);
/** A number, with as many digits as it takes to read it back. */
struct json_value *describe_real(struct arena *arena,
                                 const struct schema_type *type, double value);

#endif
