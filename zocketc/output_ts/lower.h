/*
 * From schema to the model in TypeScript. A value is received by clients (it
 * comes in), or sent by them (it goes out), and may have another shape for
 * that: a field with a default is always there in what comes in, and may be
 * missing in what goes out.
 */
#ifndef OUTPUT_TS_LOWER_H
#define OUTPUT_TS_LOWER_H

#include "output_ts/model.h"
#include "output_ts/names.h"
#include "schema/schema.h"
#include "util/list.h"
#include "util/text_buffer.h"

enum ts_way {
    TS_IN,
    TS_OUT
};

/* A type with a name: a struct, a union, an enum, the alias of a tuple. */
struct ts_node {
    const struct schema_type *type; /* ENUM, STRUCT, UNION or TUPLE */
    bool goes[2];                   /* by enum ts_way */
    bool has_default;     /* somewhere in it, so both shapes are not the same */
    struct list users;    /* struct ts_node *: of those that have it in them */
    const char *names[2]; /* by enum ts_way; the same if the shape is */
};

struct ts_lower {
    struct arena *arena;
    const struct schema *schema;
    struct ts_names names;
    struct ts_node **structs; /* by number; NULL: no client sees it */
    struct table declared;    /* struct ts_node: the others, by name */
    struct list nodes;        /* struct ts_node *: all */
    struct list decls;        /* struct ts_decl: the part that is under way */
};

/* reach.c */
/** Makes a node of every type that clients see. */
void ts_reach(struct ts_lower *l);
/** The node of a type; NULL: it is no named type, or no client sees it. */
struct ts_node *ts_find_node(const struct ts_lower *l,
                             const struct schema_type *type);

/* types.c */
/** A type as it is written at a place that goes one way. */
const char *ts_type(const struct ts_lower *l, const struct schema_type *type,
                    enum ts_way way);
/** The same of a tuple, without the name that it may have. */
const char *ts_tuple(const struct ts_lower *l, const struct schema_type *type,
                     enum ts_way way);
/** The alternatives of a type with `|` between them. */
const char *ts_union(struct arena *arena, const char *const *alternatives,
                     size_t count);

/* rules.c */
/** The rules of a type as words: "1 to 2000 characters"; "": there are none. */
const char *ts_rules(struct arena *arena, const struct schema_type *type);
/** The same of a parameter of a connection, which stands in a URL. */
const char *ts_parameter_rules(struct arena *arena,
                               const struct schema_type *type);
/** Those of the elements of a tuple: "`x` 0 to 1, `y` 0 to 1". */
const char *ts_tuple_rules(struct arena *arena, const struct schema_type *type);

/* values.c */
/** A default as a client would write it: `{ kind: "circle", radius: 2 }`. */
const char *ts_value(struct arena *arena, const struct ast_value *value,
                     const struct schema_type *type);

/* comments.c */
/** A comment from text of a schema; NULL: none. */
struct ts_comment ts_comment(struct arena *arena, const char *doc);
/** The comment of a field. */
struct ts_comment ts_field_comment(struct arena *arena,
                                   const struct schema_struct *s,
                                   const struct schema_field *field,
                                   enum ts_way way);
/** The comment of an enum or a union, which may grow. */
struct ts_comment ts_enum_comment(struct arena *arena,
                                  const struct schema_enum *e, bool comes_in);
struct ts_comment ts_union_comment(struct arena *arena,
                                   const struct schema_union *u, bool comes_in);
/** The comment of the alias of a tuple. */
struct ts_comment ts_tuple_comment(struct arena *arena,
                                   const struct schema_type *type);
/** The comment of a method. */
struct ts_comment ts_method_comment(struct arena *arena,
                                    const struct schema *schema,
                                    const struct schema_method *method);

/* lower.c */
/** Chooses the names of declared types and of states. */
void ts_name_nodes(struct ts_lower *l);
/** Adds what the schema declares: structs, enums, unions and tuples. */
void ts_lower_decls(struct ts_lower *l);
/** Adds the interface of a struct that clients see, one way. */
void ts_lower_struct(struct ts_lower *l, const struct schema_struct *s,
                     enum ts_way way);
/** Adds the interface of a state, and another where it goes out. */
void ts_lower_state(struct ts_lower *l, const struct schema_struct *s);
/** The type of a payload; NULL: @none. If it is made of parameters, it is
 * called @name, and its interface is added. */
const char *ts_lower_payload(struct ts_lower *l,
                             const struct schema_type *payload,
                             const char *name, enum ts_way way,
                             const char *none);
/** Adds a copy of an interface or an alias; its lists are borrowed. */
void ts_add_interface(struct ts_lower *l, const struct ts_interface *interface);
void ts_add_alias(struct ts_lower *l, const struct ts_alias *alias);

/* lower_app.c */
/** Everything in a file. */
const struct ts_file *ts_lower(struct arena *arena,
                               const struct schema *schema);

/* templates/ts/gen.ts.ct */
void emit_ts_file(struct text_buffer *out, const struct ts_file *file);

#endif
