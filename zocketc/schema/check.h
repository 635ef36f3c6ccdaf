/*
 * From AST to model: names are resolved, types lowered, rules made numbers and
 * defaults checked, and everything that is wrong is reported. The model is
 * complete only if nothing was.
 */
#ifndef CHECK_H
#define CHECK_H

#include "schema/model.h"
#include "schema/names.h"
#include "syntax/ast.h"
#include "syntax/diag.h"
#include "util/table.h"

/** NULL when an error was reported. @path: the schema's, for its base name. */
const struct model *check_file(struct arena *arena, struct diag *diag,
                               const struct ast_file *file, const char *path);

/* ---- for the files of the checker ---- */

#define FIELDS_MAX 256 /* of a struct, and elements of a tuple */

/* A struct, union, enum or alias of the schema. */
struct symbol {
    const struct ast_decl *decl;
    struct model_enum *enumeration;   /* of an enum; of a union: its kinds */
    struct model_struct *structure;   /* of a struct */
    struct model_union *alternatives; /* of a union */
    struct model_type *type;          /* of an alias, once it is known */
    bool resolving;                   /* an alias, on the way down */
    bool failed;                      /* an alias that was wrong */
    bool used;
    bool is_reached; /* from an actor */
    bool is_public;  /* for clients as well; see check_reach.c */
    bool is_stored;  /* in private state */
    size_t cycle;    /* symbols with the same number contain each other, through
                        '?' and '| null' as well */
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
    struct symbol *symbols, *last_symbol;
    struct table symbol_table; /* struct symbol, by name */
    struct names names;        /* C identifiers of the whole app */
    struct names functions;    /* the same for functions */
    struct names handlers;     /* members of the app's struct of handlers */
    struct list types;         /* struct model_type *: tables to emit */
    struct table known_types;  /* the same, by all that makes them differ */
    struct table containers;   /* struct model_type, by stem */
    struct table tables;       /* names of tables that are taken */
    size_t public_types;       /* of types; the others are of private state */
    struct list checks;        /* struct model_check */
    int default_depth;         /* structs that are in defaults in structs */
    struct list declarations;  /* struct model_declaration */
    struct list refs;          /* struct model_type * */
    struct list bounds;        /* struct model_bound */
    struct list structs;       /* struct struct_source */
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
    bool variant;      /* of a union: a struct */
    const struct symbol *owner;  /* what it is written in, or NULL */
    const struct symbol *holder; /* the same, if a value of that always has one
                                    of this */
    const char *stem;            /* for a tuple: that of its alias, or NULL */
    int depth;                   /* containers and aliases it is in */
};

/* Names of one scope, as written and as members of C. Zeroed: none. */
struct scope {
    struct names written, members;
};

/* check.c */
/** The snake_case of a name; one that has none is reported and kept going. */
const char *check_snake(struct check *c, const struct ast_name *name);
/** OWNER_NAME. */
const char *check_stem(struct check *c, const char *owner,
                       const struct ast_name *name);
/** Takes a name in a scope; false: it is a second one, as written or in C, and
 * was reported. */
bool check_take(struct check *c, struct scope *scope,
                const struct ast_name *name, const char *noun);

/* check_decls.c */
/** A struct by its name in C; its fields are lowered by check_members. */
struct model_struct *check_new_struct(struct check *c, const char *name,
                                      const char *stem, struct ast_name source,
                                      const struct ast_field *fields);
/** Every enum, struct and union, by name. */
void check_declarations(struct check *c);
/** What they and all other structs are made of, with defaults. */
void check_members(struct check *c);
/** Looks at the defaults of a struct's fields, once. */
void check_struct_defaults(struct check *c, const struct model_struct *s);

/* check_actors.c */
void check_actors(struct check *c);

void *list_add(struct check *c, struct list *list, const void *item,
               size_t size);

/* check_types.c */
/** Whether a type of the language itself is called @name. */
bool check_is_builtin(const char *name);
struct symbol *check_find(const struct check *c, const char *name);
/** NULL: reported. */
const struct model_type *check_type(struct check *c,
                                    const struct ast_type *type,
                                    struct type_use use);
/** A name for the table of a type, of which @stem tells as much as it can: the
 * names of two may meet there (field b_c of A, field c of AB), and a taken one
 * gets a number. */
const char *check_table(struct check *c, const char *stem);
/** A field or an element: what stands in a C declaration. */
const char *check_declaration(struct check *c, const struct model_type *type,
                              const char *member);

/* check_cycles.c */
/**
 * Finds out which types contain each other, and reports those that contain
 * themselves by value, are nested too deeply, or too large. False: so large
 * that nothing more can be looked at.
 */
bool check_cycles(struct check *c);
/** Whether a value of @type, written in @owner, would close a cycle. */
bool check_closes_cycle(const struct check *c, const struct ast_type *type,
                        const struct symbol *owner);

/** Whether a list always has an item. */
bool check_has_minimum(const struct ast_type *type);
/** Whether a value of @symbol always has one of @part in it. */
bool check_holds(struct check *c, const struct symbol *symbol,
                 const struct symbol *part);

/* check_reach.c */
/** Finds out what clients see of the types that are declared. */
void check_reach(struct check *c);

/* check_identifiers.c */
/** Reports identifiers of C that two things would share; of a whole model. */
void check_identifiers(struct check *c);

/* check_warnings.c */
/** Of a whole model. */
void check_warnings(struct check *c);

/* check_rules.c */
/** Puts the rules of @ast into @type; reports those that do not fit. */
void check_rules(struct check *c, const struct ast_rule *rules,
                 struct model_type *type);

/* check_values.c */
/** The C initialiser of a default, or NULL: reported. */
const char *check_default(struct check *c, const struct ast_name *name,
                          const struct ast_value *value,
                          const struct model_type *type);

/* pattern.c */
/**
 * The pattern /…/ as PCRE2 reads it, checked to mean the same in JavaScript;
 * NULL with *@error, a text, and *@at, bytes into @text, where it is wrong.
 * *@searches: it is not tied to the start, and repeats without a bound.
 */
const char *pattern_lower(struct arena *arena, const char *text,
                          const char **error, size_t *at, bool *searches);
/** Whether a lowered pattern is found in @text. */
bool pattern_matches(const char *source, const char *text, size_t len);

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
