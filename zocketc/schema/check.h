/*
 * From AST to schema: names are resolved, rules made numbers and defaults
 * checked, and everything that is wrong is reported. The schema is complete
 * only if nothing was.
 */
#ifndef CHECK_H
#define CHECK_H

#include "schema/schema.h"
#include "syntax/diag.h"
#include "util/list.h"
#include "util/table.h"

/** Never NULL. @path: the schema's, for its base name. */
const struct schema *check_file(struct arena *arena, struct diag *diag,
                                const struct ast_file *file, const char *path);

/* ---- for the files of the checker ---- */

#define FIELDS_MAX 256 /* of a struct, and elements of a tuple */

/* A struct, union, enum or alias on its way to the schema. */
struct symbol {
    const struct ast_decl *decl; /* of a state: made for it */
    const char *actor; /* of a state, which is called "chat.state"; or NULL */
    const struct ast_field *fields; /* of a struct, with those it includes; of
                                       a union: its variants */
    struct schema_enum *enumeration;
    struct schema_struct *structure;
    struct schema_union *alternatives;
    const struct schema_type *type; /* of an alias, once it is known */
    bool resolving;                 /* an alias, on the way down */
    bool failed;                    /* an alias that was wrong */
    bool used;
    bool expanding, expanded; /* see check_includes.c */
    bool is_included;         /* in another struct */
    bool is_reached;          /* from an actor */
    bool is_public;           /* for clients as well; see check_reach.c */
    bool is_stored;           /* in private state */
    size_t cycle; /* symbols with the same number contain each other, through
                     '?' and '| null' as well */
    struct symbol *next;
};

/* A struct on its way: the fields that it is made from. */
struct check_struct {
    struct schema_struct *structure;
    struct schema_field *fields; /* the structure's */
    const struct ast_field *source;
    bool defaulted; /* its defaults have been looked at */
};

struct check {
    struct arena *arena;
    struct diag *diag;
    const struct ast_file *file;
    struct schema *schema;
    struct symbol *symbols, *last_symbol;
    struct table symbol_table;     /* struct symbol, by name */
    struct list structs;           /* struct check_struct, by number */
    int default_depth;             /* structs that are in defaults in structs */
    struct access *access;         /* see check_access.c */
    struct connection *connection; /* see check_connection.c */
    struct list timers;            /* struct schema_timer *: of all actors */
};

/* The place of a type, and the types that are allowed there. */
struct type_use {
    bool field;   /* directly a field or a parameter: '?' is allowed */
    bool literal; /* the same, and nothing around it */
    bool variant; /* of a union: a struct */
    const struct symbol *owner;  /* the declaration around it, or NULL */
    const struct symbol *holder; /* the same, if a value of that always has one
                                    of this */
    int depth;                   /* containers and aliases it is in */
};

/* check.c */
/** Takes a name in a scope, a table of struct ast_name. Returns false if it
 * is taken, which is reported. */
bool check_take(struct check *c, struct table *scope,
                const struct ast_name *name, const char *noun);

/** Returns true for the names in C of the app's own parts. */
bool check_is_app_name(const char *name);

/* check_decls.c */
/** Makes a struct of a role; check_members checks its fields. */
struct schema_struct *check_new_struct(struct check *c, enum schema_role role,
                                       struct ast_name name,
                                       const struct ast_field *fields);
/** Makes a struct the server's alone. */
void check_hide_struct(struct check *c, const struct schema_struct *s);
/** Every enum, struct and union, by name. */
void check_declarations(struct check *c);
/** Fields and variants of all structs and unions, with defaults. */
void check_members(struct check *c);
/** Puts the declarations into the schema. */
void check_finish_declarations(struct check *c);
/** Looks at the defaults of a struct's fields, once. */
void check_struct_defaults(struct check *c, const struct schema_struct *s);

/* check_actors.c */
void check_actors(struct check *c);
/** Reports a name that no actor and no middleware may have. */
void check_handler_name(struct check *c, const struct ast_name *name,
                        const char *noun);
/** Reports a name that no broadcast may have. */
void check_broadcast_name(struct check *c, const struct ast_name *name);
/** The type of a payload: a struct made of parameters, a type, or NULL.
 * @actor: the owner, or NULL. */
const struct schema_type *check_payload(struct check *c, const char *actor,
                                        const struct ast_payload *payload,
                                        enum schema_role role,
                                        struct ast_name name);

/* check_flow.c */
/** The deadline, progress and chunks of a method. */
void check_flow(struct check *c, const struct ast_member *m,
                struct schema_method *method);

/* check_timers.c */
/** Milliseconds of a time in the schema; 0: there is none, or it is reported.
 * @noun: "a period". */
uint32_t check_period(struct check *c, const struct ast_name *period,
                      const char *noun);
/** The timer of a member of @actor. NULL: the schema has too many, which is
 * reported. */
const struct schema_timer *check_timer(struct check *c, const char *actor,
                                       const struct ast_member *m);
/** Keys of timers, when the types of the fields are known. */
void check_timer_keys(struct check *c);

/* check_audiences.c */
/** Reports a name that no audience may have, and the first audience of an actor
 * with too many; @count: those before it. Returns false if there are far too
 * many to look at. */
bool check_audience(struct check *c, const struct ast_name *actor,
                    const struct ast_member *m, size_t count);
/** The name behind `to` of a field in @s, to be resolved when the audiences and
 * the types of the fields are known. */
struct schema_reader check_reader(struct check *c,
                                  const struct schema_struct *s,
                                  const struct ast_field *field);
/** Finds the readers of all fields, and checks the types of the fields. */
void check_readers(struct check *c);

/* check_access.c */
/** Errors, broadcasts and middleware, and the struct of the connection. */
void check_access(struct check *c);
/** Warns of errors and middleware that nothing names. */
void check_unused_access(struct check *c);
/** The middleware that runs for a list of names behind the @first ones: each
 * after those that it comes after, and once. */
struct schema_numbers check_chain(struct check *c, struct schema_numbers first,
                                  const struct ast_names *names);
/** The errors of a list of names, and those of @chain. */
struct schema_numbers check_throws(struct check *c,
                                   const struct ast_names *names,
                                   struct schema_numbers chain);

/* check_connection.c */
void check_connection(struct check *c);
/** Sources and hooks, when the types of the fields are known. */
void check_connection_fields(struct check *c);
/** The rate of a method, or NULL. The field that it goes by is found later. */
const struct schema_rate *check_rate(struct check *c,
                                     const struct ast_limit *limits);

/* check_types.c */
struct symbol *check_find(const struct check *c, const char *name);
/** A new type without rules. */
struct schema_type *check_new_type(struct check *c, enum schema_kind kind,
                                   struct source_range at);
/** NULL: reported. */
const struct schema_type *check_type(struct check *c,
                                     const struct ast_type *type,
                                     struct type_use use);
/** Looks at the aliases that nobody uses. */
void check_aliases(struct check *c);

/** Reports a name that no type has, with a suggestion. */
void check_unknown_type(struct check *c, const struct ast_name *name,
                        const struct type_use *use);

/* check_includes.c */
/** Puts the fields of included structs in their places. */
void check_includes(struct check *c);

/* check_cycles.c */
/**
 * Finds out which types contain each other, and reports those that contain
 * themselves by value, are nested too deeply, or too large. Returns false if
 * one is so large that nothing more can be looked at.
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
/** Finds the declarations that clients can see. */
void check_reach(struct check *c);

/* check_warnings.c */
/** Of a schema in which nothing is wrong. */
void check_warnings(struct check *c);

/* check_rules.c */
/** Puts the rules of @ast into @type; reports those that do not fit. */
void check_rules(struct check *c, const struct ast_rule *rules,
                 struct schema_type *type);

/* check_values.c */
/**
 * Returns true if a default fits its type; reports every mistake otherwise.
 * *@size is a measure of the default, written out.
 */
bool check_default(struct check *c, const struct ast_name *name,
                   const struct ast_value *value,
                   const struct schema_type *type, size_t *size);

/* check_scalars.c */
/* The default that is being looked at, for messages. */
struct check_site {
    struct check *c;
    const struct ast_name *name;
};
/** Reports that a default is no @noun; returns false. */
bool check_mismatch(const struct check_site *at, const struct ast_value *value,
                    const char *noun);
/** Reports that a default breaks a rule; returns false. */
bool check_broken(const struct check_site *at, const struct ast_value *value,
                  const char *rule);
/** Whether a literal is the name @word. */
bool check_is_word(const struct ast_value *value, const char *word);
/** A length or a count against its rule. */
bool check_count(const struct check_site *at, const struct ast_value *value,
                 const struct schema_type *type, size_t count,
                 const char *what);
/** A default of a scalar. */
bool check_scalar(const struct check_site *at, const struct ast_value *value,
                  const struct schema_type *type);

/* pattern.c */
/**
 * Fills @out from the pattern /…/ @text, which is checked to mean the same to
 * PCRE2 and in JavaScript. Returns false with *@error, a text, and *@at, bytes
 * into @text, if it is wrong.
 */
bool pattern_lower(struct arena *arena, const char *text,
                   struct schema_pattern *out, const char **error, size_t *at);
/** Whether a lowered pattern is found in @text. */
bool pattern_matches(const char *source, const char *text, size_t len);

#endif
