/*
 * A schema that was checked, in the words of the language: every name is
 * resolved, every rule is a number, every default fits its type. It knows no
 * other language: names in C belong to the output.
 *
 * A schema in which something was wrong is kept as far as it was understood,
 * so that an output can report its own mistakes in the same run: a type may
 * then be NULL.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "syntax/ast.h"

enum schema_kind {
#define ZKT_SCALAR(symbol, ...) SCHEMA_##symbol,
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    SCHEMA_ENUM,
    SCHEMA_STRUCT,
    SCHEMA_UNION,
    SCHEMA_TUPLE,
    SCHEMA_LIST,
    SCHEMA_MAP,
    SCHEMA_OPTIONAL, /* T? */
    SCHEMA_NULLABLE, /* T | null */
    SCHEMA_LITERAL,  /* of a literal field */
    SCHEMA_KIND_COUNT
};

/* Classes of scalars, which have the same rules. */
enum schema_class {
    SCHEMA_CLASS_NONE, /* no scalar */
    SCHEMA_CLASS_TRUTH,
    SCHEMA_CLASS_INTEGER,
    SCHEMA_CLASS_TIME, /* an integer without rules */
    SCHEMA_CLASS_REAL,
    SCHEMA_CLASS_TEXT,
    SCHEMA_CLASS_BYTES,
    SCHEMA_CLASS_ANY
};

/* Facts about a kind; see scalars.def. */
struct schema_kind_info {
    const char *word; /* "int32", "list" */
    const char *noun; /* "an integer", "a list" */
    enum schema_class class;
    double min, max; /* of an INTEGER, a TIME or a REAL */
};

extern const struct schema_kind_info schema_kinds[SCHEMA_KIND_COUNT];

/** The scalar that is called so; SCHEMA_KIND_COUNT: none is. */
enum schema_kind schema_find_scalar(const char *word);

static inline bool schema_is_scalar(enum schema_kind kind)
{
    return schema_kinds[kind].class != SCHEMA_CLASS_NONE;
}

static inline bool schema_is_integral(enum schema_kind kind)
{
    return schema_kinds[kind].class == SCHEMA_CLASS_INTEGER ||
           schema_kinds[kind].class == SCHEMA_CLASS_TIME;
}

static inline bool schema_is_real(enum schema_kind kind)
{
    return schema_kinds[kind].class == SCHEMA_CLASS_REAL;
}

/** Whether a kind is a float of C: a REAL that has a largest value. */
bool schema_is_single(enum schema_kind kind);
/** The nearest value of a REAL; @value itself if it is past the largest. */
double schema_round(enum schema_kind kind, double value);

/** Whether values of the kind may be absent, or null. */
static inline bool schema_may_lack(enum schema_kind kind)
{
    return kind == SCHEMA_OPTIONAL || kind == SCHEMA_NULLABLE;
}

/* ---- rules ---- */

/* Modifiers are bits: 1 << SCHEMA_TRIM. */
enum schema_modifier {
#define MODIFIER(symbol, ...) SCHEMA_##symbol,
#include "schema/modifiers.def"
#undef MODIFIER
    SCHEMA_MODIFIER_COUNT
};

struct schema_modifier_info {
    const char *word;
    bool of_items;        /* of a list; otherwise of a string */
    bool is_transform;    /* it changes values; otherwise it refuses some */
    unsigned contradicts; /* bits of those that cannot stand beside it */
};

extern const struct schema_modifier_info
    schema_modifiers[SCHEMA_MODIFIER_COUNT];

/* A pattern, or a format, which has a name. */
struct schema_pattern {
    const char *source;  /* for PCRE2 */
    const char *display; /* "/^[a-z]+$/", "email" */
    bool is_format;
    bool searches;   /* not tied to the start, and repeats without a bound */
    bool is_bounded; /* fits no text of more than 20000 characters */
};

/* ---- types ---- */

struct schema_enum;
struct schema_struct;
struct schema_union;

struct schema_type {
    enum schema_kind kind;
    size_t number;          /* among all types, from 0 */
    struct source_range at; /* as it is written */
    const char *alias;      /* TUPLE: the alias that is just this, or NULL */
    int depth; /* lists, maps and tuples around the innermost type in it */
    /* The rules of its class. No bound is UINT32_MAX, infinite for reals. */
    int64_t int_min, int_max; /* within the kind's own bounds */
    int64_t int_step;         /* a multiple of this; 0: of anything */
    double float_min, float_max;
    bool above, below; /* float_min, float_max itself is not allowed */
    uint32_t min, max; /* STRING, BYTES, LIST, MAP */
    unsigned modifiers;
    const struct schema_pattern *patterns;
    size_t pattern_count;
    bool closes_cycle; /* OPTIONAL, NULLABLE: it is in its own value */
    const struct schema_type *inner;        /* LIST MAP OPTIONAL NULLABLE */
    const struct schema_type *const *items; /* TUPLE */
    const struct ast_name *labels; /* of the items of a TUPLE; NULL: none */
    size_t item_count;
    const struct ast_value *literal;         /* LITERAL: string, number, word */
    const struct schema_enum *enumeration;   /* ENUM */
    const struct schema_struct *structure;   /* STRUCT */
    const struct schema_union *alternatives; /* UNION */
};

/** Whether a field of the type needs neither a value nor a default. */
static inline bool schema_is_given(const struct schema_type *type)
{
    return type->kind == SCHEMA_OPTIONAL || type->kind == SCHEMA_LITERAL;
}

static inline bool schema_has(const struct schema_type *type,
                              enum schema_modifier modifier)
{
    return (type->modifiers & 1u << modifier) != 0;
}

/* ---- declarations ---- */

/* Text that may hold any character, NUL too. */
struct schema_text {
    const char *text;
    size_t len;
};

struct schema_enum_value {
    struct ast_name name;
    struct schema_text wire; /* the spelling */
    const char *doc; /* here and below NULL: none; lines end in \n but for the
                        last */
};

struct schema_enum {
    struct ast_name name;
    const char *doc;
    const struct schema_enum_value *values;
    size_t value_count;
    bool is_private; /* here and below: no client has it; only private state,
                        the connection, middleware or an internal method */
};

/* The subscribers that see a field of a state; see enum zkt_reader_kind. */
enum schema_reader_kind {
    SCHEMA_READER_ALL,
    SCHEMA_READER_AUDIENCE,
    SCHEMA_READER_DATA,
    SCHEMA_READER_CLIENT
};
struct schema_reader {
    enum schema_reader_kind kind;
    struct ast_name name; /* behind `to`; no text: all see the field */
    size_t number;        /* of the audience, or of the field of the data */
};

struct schema_field {
    struct ast_name name;
    const char *doc;
    const struct schema_type *type;
    const struct ast_value *value; /* the default, which fits; or NULL */
    size_t size; /* of the default, written out with all that it takes from
                    others; a measure, no number of bytes */
    struct schema_reader reader;
};

/* Where a struct comes from. */
enum schema_role {
    SCHEMA_DECLARED,
    SCHEMA_INPUT, /* the parameters of a method */
    SCHEMA_EVENT, /* those of an event */
    SCHEMA_STATE,
    SCHEMA_PRIVATE,          /* an actor's private state */
    SCHEMA_CONNECTION_INPUT, /* the parameters of a connection */
    SCHEMA_CONNECTION,       /* the data of a connection */
    SCHEMA_MIDDLEWARE,       /* the output of a middleware */
    SCHEMA_ERROR,            /* the details of an error */
    SCHEMA_BROADCAST,        /* the parameters of a broadcast */
    SCHEMA_TIMER             /* those of a timer */
};

struct schema_struct {
    enum schema_role role;
    struct ast_name name; /* of the struct, the method, the event, the timer,
                             the middleware, the error or the broadcast; of a
                             state "chat.state"; else "connection" */
    const char *actor;    /* the owner, an actor; NULL: it is the app's */
    const char *doc;
    const struct schema_field *fields;
    size_t field_count;
    bool is_private, is_strict, has_check;
    size_t number; /* among all structs, from 0 */
    const struct schema_type *type;
};

/** Returns true if some field is not for all subscribers. */
static inline bool schema_has_readers(const struct schema_struct *s)
{
    size_t i = 0;
    while (i < s->field_count &&
           s->fields[i].reader.kind == SCHEMA_READER_ALL) {
        i++;
    }
    return i < s->field_count;
}

/* A variant of a union: a struct under a name, which is on the wire as well. */
struct schema_variant {
    struct ast_name name;
    const char *doc;
    const struct schema_type *type;
};

struct schema_union {
    struct ast_name name;
    const char *doc;
    const char *discriminator;
    const struct schema_variant *variants;
    size_t variant_count;
    bool is_private;
    const struct schema_type *type;
};

/* A declaration: just one of the pointers, or an alias. */
struct schema_decl {
    const struct schema_enum *enumeration;
    const struct schema_struct *structure;
    const struct schema_union *alternatives;
    struct ast_name name;
    bool is_tuple;                  /* an alias of a tuple */
    const struct schema_type *type; /* NULL: an alias */
};

/** Whether a type is a struct that was made for it, of parameters. */
static inline bool schema_is_made(const struct schema_type *type)
{
    return type->kind == SCHEMA_STRUCT &&
           (type->structure->role == SCHEMA_INPUT ||
            type->structure->role == SCHEMA_EVENT ||
            type->structure->role == SCHEMA_ERROR ||
            type->structure->role == SCHEMA_BROADCAST ||
            type->structure->role == SCHEMA_TIMER);
}

/* ---- access ---- */

struct schema_event {
    struct ast_name name;
    const char *doc;
    const struct schema_type *payload; /* or NULL */
};

/* Of middleware or errors, in the lists of the schema. */
struct schema_numbers {
    const uint16_t *items;
    size_t count;
    size_t own_count; /* of errors: the first ones, which stand there; the
                         others are those of middleware */
};

struct schema_error {
    struct ast_name name;
    const char *doc;                   /* its first line is the text */
    const char *code;                  /* "RESOURCE_EXHAUSTED" */
    const struct schema_type *details; /* a struct, or NULL */
};

enum schema_source {
    SCHEMA_FROM_QUERY,
    SCHEMA_FROM_HEADER,
    SCHEMA_FROM_COOKIE,
    SCHEMA_FROM_BEARER,
    SCHEMA_FROM_CERTIFICATE
};

/* Where a parameter of a connection comes from. */
struct schema_parameter {
    enum schema_source source;
    struct schema_text name; /* the key, the cookie, the part of a certificate,
                                or the header in lower case; "" of a bearer
                                token */
};

struct schema_connection {
    struct source_range at;
    const char *doc;
    const struct schema_struct *input; /* without fields if there are none */
    const struct schema_parameter *parameters; /* by field */
    const struct schema_struct *data;          /* or NULL */
    bool has_open, has_close;
    struct schema_numbers errors;
};

struct schema_middleware {
    struct ast_name name;
    const char *doc;
    const struct schema_struct *output; /* NULL: it has no fields */
    struct schema_numbers after;  /* all that run before it, in this order */
    struct schema_numbers errors; /* own ones only */
};

struct schema_rate {
    uint32_t tokens, period_ms, burst;
    const struct schema_field *by; /* of the connection's data; NULL: a bucket
                                      for each connection */
    size_t by_number;              /* of that field */
    size_t number;                 /* among all rates, from 0 */
};

/* ---- actors ---- */

struct schema_method {
    struct ast_name name;
    const char *doc;
    const struct schema_type *input;  /* or NULL */
    const struct schema_type *result; /* or NULL */
    const struct schema_type *chunk;  /* of a stream, which has no result; NULL:
                                         it is none */
    const struct schema_type *progress; /* or NULL */
    uint32_t timeout_ms;                /* 0: the server's limit */
    bool interleaves;                   /* as every stream */
    const struct schema_rate *rate;     /* or NULL */
    struct schema_numbers middleware; /* all that run before it, in this order:
                                         the actor's, then its own */
    struct schema_numbers errors;     /* with those of the middleware */
    bool is_internal;                 /* clients cannot call it */
};

struct schema_timer {
    struct ast_name name;
    const char *doc;
    const struct schema_type *input; /* or NULL */
    uint32_t every_ms;               /* its period; 0: it fires once */
    struct ast_name by; /* a string of its input: each value has a timer of its
                           own; no text: there is just one */
    size_t by_number;   /* of that field */
};

struct schema_audience {
    struct ast_name name;
    const char *doc;
};

/* A method, an event, a timer, an audience or a hook: a number in the list of
 * its kind. */
enum schema_member_kind {
    SCHEMA_METHOD_MEMBER,
    SCHEMA_EVENT_MEMBER,
    SCHEMA_TIMER_MEMBER,
    SCHEMA_AUDIENCE_MEMBER,
    SCHEMA_HOOK_MEMBER
};
struct schema_member {
    enum schema_member_kind kind;
    size_t index;
};

struct schema_actor {
    struct ast_name name;
    const char *doc;
    const struct schema_struct *state; /* without fields if there is none */
    const struct schema_struct *private_state; /* NULL: there is none */
    const struct schema_method *methods;
    size_t method_count;
    const struct schema_event *events;
    size_t event_count;
    const struct schema_timer *const *timers;
    size_t timer_count;
    const struct schema_audience *audiences;
    size_t audience_count;
    const struct ast_name *hooks;
    size_t hook_count;
    struct schema_numbers middleware; /* of all methods and subscriptions */
    struct schema_numbers subscribe_middleware; /* with those */
    const struct schema_member *members;        /* as they are written */
    size_t member_count;
};

struct schema {
    const char *file_name; /* "chat.zkt", no folder */
    const char *file_stem; /* "chat" */
    struct ast_name app;   /* "app" if there is none */
    const char *doc;
    const struct schema_decl *decls; /* in the order of the schema */
    size_t decl_count;
    /* All of them: declared ones, then those of actors. */
    const struct schema_struct *const *structs;
    size_t struct_count;
    const struct schema_actor *actors;
    size_t actor_count;
    const struct schema_connection *connection; /* or NULL */
    const struct schema_middleware *middleware;
    size_t middleware_count;
    const struct schema_error *errors;
    size_t error_count;
    const struct schema_event *broadcasts;
    size_t broadcast_count;
    size_t rate_count; /* of all methods */
    size_t type_count;
};

#endif
