/*
 * From AST to model: names are resolved, types lowered, rules made numbers and
 * defaults checked, and everything that is wrong is reported. The model is
 * complete only if nothing was.
 */
#ifndef CHECK_H
#define CHECK_H

#include "ast.h"
#include "diag.h"
#include "model.h"
#include "names.h"

/** NULL when an error was reported. @path: the schema's, for its base name. */
const struct model *check_file(struct arena *arena, struct diag *diag,
                               const struct ast_file *file, const char *path);

/* ---- for the files of the checker ---- */

/* A struct, enum or alias of the schema. */
struct symbol {
    const struct ast_decl *decl;
    struct model_enum *enumeration;
    struct model_struct *structure;
    struct model_type *type; /* of a struct or enum; of an alias once used */
    bool resolving;
    struct symbol *next;
};

/* A growing array of the arena. */
struct list {
    void *items;
    size_t count, capacity;
};

struct check {
    struct arena *arena;
    struct diag *diag;
    const struct ast_file *file;
    struct model *model;
    const char *app;
    struct symbol *symbols;
    struct names names;       /* C identifiers of the whole app */
    struct list types;        /* struct model_type *: tables to emit */
    struct list containers;   /* const char *: stems of containers */
    struct list declarations; /* struct model_declaration */
    struct list refs;         /* struct model_type * */
    struct list bounds;       /* struct model_bound */
    struct list structs;      /* struct struct_source */
};

/* A struct of the model, with the fields that it is made from. */
struct struct_source {
    struct model_struct *structure;
    const struct ast_field *fields;
    struct ast_name name;
    bool defaulted; /* its defaults have been looked at */
};

/* Where a type stands, for the name of its table and what is allowed. */
struct type_use {
    const char *table; /* without "_type_" */
    bool field;        /* directly a field or a parameter: '?' is allowed */
    const struct ast_decl *owner; /* the struct it is in, or NULL */
    int depth;                    /* containers it is in */
};

/** Looks at the defaults of a struct's fields, once. */
void check_struct_defaults(struct check *c, const struct model_struct *s);

void *list_add(struct check *c, struct list *list, const void *item,
               size_t size);

/* check_types.c */
struct symbol *check_find(const struct check *c, const char *name);
/** NULL: reported. */
const struct model_type *check_type(struct check *c,
                                    const struct ast_type *type,
                                    struct type_use use);
/** Reports structs that contain themselves by value. */
void check_infinite(struct check *c);
/** Whether a struct can be reached from another by value. */
bool check_reaches(struct check *c, const struct ast_decl *from,
                   const struct ast_decl *to);

/* check_rules.c */
/** Puts the rules of @ast into @type; reports those that do not fit. */
void check_rules(struct check *c, const struct ast_rule *rules,
                 struct model_type *type);

/* check_values.c */
/** The C initialiser of a default, or NULL: reported. */
const char *check_default(struct check *c, const struct ast_name *name,
                          const struct ast_value *value,
                          const struct model_type *type);

/* model.c */
/** Makes a lookup of names with their index. */
struct model_lookup model_lookup_make(struct arena *arena,
                                      const struct model_name *names,
                                      size_t count);
/** The macro for the upper bound of a state's field; NULL: it has none. */
const char *model_bound_name(struct check *c, const struct model_struct *state,
                             const struct model_field *field);
/** Orders what is declared, and sets what only the whole shows. */
void model_arrange(struct check *c);

#endif
