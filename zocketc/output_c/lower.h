/*
 * From schema to C: names, types, type descriptors, initialisers, and the
 * order in which C wants them. That two things would be called alike is
 * reported here, also of a schema in which something else is wrong.
 */
#ifndef LOWER_H
#define LOWER_H

#include "output_c/model.h"
#include "output_c/names.h"
#include "syntax/diag.h"
#include "util/list.h"
#include "util/table.h"

/** NULL when an error was reported, here or before. */
const struct model *lower_schema(struct arena *arena, struct diag *diag,
                                 const struct schema *schema);

/* ---- for the files of the output ---- */

/* A struct on its way. */
struct lower_struct {
    struct model_struct *to; /* NULL: nothing leads to it */
    struct model_type *type; /* the struct's */
    struct model_field *fields;
};

/* A declaration that is being lowered. */
struct lower_decl {
    struct model_enum *enumeration; /* of a union: its kinds */
    struct model_union *alternatives;
    struct model_type *type; /* NULL: an alias */
};

struct lower {
    struct arena *arena;
    struct diag *diag;
    const struct schema *schema;
    struct model *model;
    const char *app;
    struct lower_decl *decls;     /* by the schema's order */
    struct lower_struct *structs; /* by the schema's number */
    struct model_type **all;      /* by the schema's number, likewise */
    struct model_actor *actors;
    struct model_middleware *middleware;
    struct model_connection *connection; /* or NULL */
    struct names names;                  /* C identifiers of the whole app */
    struct names functions;              /* the same for functions */
    struct names handlers; /* members of the app's struct of handlers */
    struct list made;      /* size_t: structs, as they were made */
    struct list internal;  /* struct internal_payload, see lower_actors.c */
    struct list types;     /* struct model_type *: descriptors to emit */
    struct table alike;    /* struct model_type, by a hash */
    struct table
        containers; /* const char: C types of their parts, by c_prefix */
    struct table descriptors; /* names that are taken */
    size_t public_types;      /* of types; the others are of private state */
    struct list checks;       /* struct model_check */
    struct list declarations; /* struct model_declaration */
    struct list refs;         /* struct model_type * */
    struct list bounds;       /* struct model_bound */
    struct list constants;    /* struct model_constant */
};

/* lower.c */
/** Takes the name of a field of C in a scope. */
void lower_take_field(struct lower *l, struct names *scope,
                      const struct ast_name *name);
/** Makes a lookup of names with their index. */
struct model_lookup lower_lookup(struct arena *arena,
                                 const struct model_name *names, size_t count);

/* lower_decls.c */
/** Every enum, struct and union, by name. */
void lower_declarations(struct lower *l);
/** Makes the struct of a schema's struct, without its fields; once. */
void lower_make_struct(struct lower *l, const struct schema_struct *s);
/** The same, and puts it behind those that were made before. */
struct model_struct *lower_new_struct(struct lower *l,
                                      const struct schema_struct *s);
/** Fills all structs and unions. */
void lower_members(struct lower *l);
/** Gives fields their initialisers; of a schema in which nothing is wrong. */
void lower_defaults(struct lower *l);
/** The initialiser of a field by itself, or NULL. Fields take from those of
 * structs in them, which may come later. */
const char *lower_default(struct lower *l, const struct schema_struct *s,
                          size_t i);

/* lower_access.c */
void lower_access(struct lower *l);

/* lower_handlers.c */
/** Fills the handlers of the model; of a schema in which nothing is wrong. */
void lower_handlers(struct lower *l);

/* lower_actors.c */
/** The type of a payload: a struct made of parameters, a type, or NULL. A new
 * descriptor is named after @c_prefix. */
struct model_type *lower_payload(struct lower *l,
                                 const struct schema_type *type,
                                 const char *c_prefix);
void lower_actors(struct lower *l);
/** Payloads of internal methods and timers: their types may be the server's
 * alone. */
void lower_internal(struct lower *l);

/* intern.c */
/** A name for the descriptor of a type, of which @c_prefix tells as much as it
 * can: the names of two may meet there (field b_c of A, field c of AB), and a
 * taken name gets a number. */
const char *lower_descriptor(struct lower *l, const char *c_prefix);
/** The type that is like @type, made with a descriptor that is named after
 * @descriptor if it is new; a scalar without rules has the runtime's. */
struct model_type *lower_intern(struct lower *l, const struct model_type *type,
                                const char *descriptor);

/* lower_types.c */
/** Lowers a type. A new descriptor is named after @descriptor. Returns NULL if
 * the type or a part of it is NULL. */
struct model_type *lower_type(struct lower *l, const struct schema_type *type,
                              const char *descriptor);
/** A C declaration of a field or an element. */
const char *lower_declaration(struct lower *l, const struct model_type *type,
                              const char *c_field);
/** Whether the name is the runtime's. */
bool lower_is_runtime(const char *name);
/** A descriptor that is named in other emitted files. */
void lower_share(struct model_type *type);

/* initialiser.c */
/** A literal as a constant of C. */
const char *lower_constant(struct lower *l, const struct ast_value *value);
/** The C initialiser of a default, which fits its type. */
const char *lower_initialiser(struct lower *l, const struct ast_value *value,
                              const struct model_type *type);

/* order.c */
/** Orders the declarations, and sets all that depends on the whole model. */
void lower_order(struct lower *l);

/* descriptors.c */
/** The i-th struct that was made. */
struct lower_struct *lower_made(const struct lower *l, size_t i);
/** The same type, to be written to. */
struct model_type *lower_to_write(const struct lower *l,
                                  const struct model_type *type);
/** Whether only private state uses a declaration. */
bool lower_is_private(const struct lower_decl *d);
/** Puts the descriptors that are emitted into the model. */
void lower_collect_descriptors(struct lower *l);

/* identifiers.c */
/** Reports identifiers of C that two things would share; of a whole model. */
void lower_identifiers(struct lower *l);

#endif
