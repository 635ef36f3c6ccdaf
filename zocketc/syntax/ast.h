/*
 * The result of parsing: the schema as it is written, with the place of
 * everything, and nothing resolved. Lists keep the order of the text.
 */
#ifndef AST_H
#define AST_H

#include <stdbool.h>

#include "syntax/source.h"
#include "util/arena.h"

struct ast_name {
    const char *text;
    struct source_range at;
};

struct ast_names {
    struct ast_name name;
    struct ast_names *next;
};

enum ast_rule_kind {
    AST_RULE_RANGE, /* low..high, either may be missing; a number alone: both */
    AST_RULE_ABOVE, /* >low */
    AST_RULE_BELOW, /* <high */
    AST_RULE_MULTIPLE, /* %low */
    AST_RULE_WORD,     /* trim; text */
    AST_RULE_PATTERN   /* /…/; text, with its slashes */
};

/* A number as written, or with a unit behind it (64KiB). */
struct ast_number {
    const char *text; /* NULL: missing */
    struct source_range at;
    bool whole; /* no point and no exponent */
};

struct ast_rule {
    enum ast_rule_kind kind;
    struct source_range at;
    struct ast_number low, high;
    const char *text;
    struct ast_rule *next;
};

struct ast_value;

enum ast_type_kind {
    AST_TYPE_NAME,
    AST_TYPE_LIST,
    AST_TYPE_MAP,
    AST_TYPE_OPTIONAL, /* inner? */
    AST_TYPE_NULLABLE, /* inner | null */
    AST_TYPE_TUPLE,    /* inner is the first element */
    AST_TYPE_LITERAL   /* literal; "true" and "false" are names */
};

struct ast_type {
    enum ast_type_kind kind;
    struct source_range at;
    struct ast_name name; /* "Message", "chat.state" */
    struct ast_rule *rules;
    struct ast_type *inner;
    struct ast_type *next; /* as an element of a tuple */
    struct ast_name label; /* of an element; no text: it has none */
    const struct ast_value *literal;
    int depth; /* types around the innermost type in it */
};

enum ast_value_kind {
    AST_VALUE_NUMBER,
    AST_VALUE_STRING,
    AST_VALUE_NAME,
    AST_VALUE_LIST,
    AST_VALUE_OBJECT
};

struct ast_value {
    enum ast_value_kind kind;
    struct source_range at;
    const char *text;        /* number, string (unescaped) or name */
    size_t len;              /* of a string, which may hold NULs */
    bool whole;              /* of a number */
    struct ast_value *first; /* items, or values of members */
    struct ast_name key;     /* as a member of an object */
    struct ast_value *next;
};

/** The value of the member @name of an object; NULL: it has none. */
const struct ast_value *ast_find_member(const struct ast_value *object,
                                        const char *name);

/* Where a parameter of a connection comes from: cookie("sid"),
 * certificate(cn). */
struct ast_source {
    struct source_range at;
    struct ast_name word;
    const struct ast_value *key; /* a string, or NULL */
    struct ast_name part;        /* a word in its place; text NULL: none */
    struct ast_source *next;
};

struct ast_field {
    struct ast_name name;
    const char *doc; /* NULL: none */
    struct ast_type *type;
    struct ast_value *value; /* the default, or NULL */
    struct ast_source *sources;
    struct ast_names *readers; /* behind each `to` */
    bool is_include; /* "...name": the fields of that struct; no type */
    struct ast_field *next;
};

struct ast_enum_value {
    struct ast_name name;
    const char *doc;
    struct ast_value *wire; /* another spelling, or NULL */
    struct ast_enum_value *next;
};

/* Of a method, an event or a timer: a list of parameters, a type, or nothing.
 */
enum ast_payload_kind {
    AST_PAYLOAD_NONE,
    AST_PAYLOAD_PARAMS,
    AST_PAYLOAD_TYPE
};

struct ast_payload {
    enum ast_payload_kind kind;
    struct ast_field *params;
    struct ast_type *type;
};

enum ast_member_kind {
    AST_MEMBER_STATE,
    AST_MEMBER_PRIVATE,
    AST_MEMBER_METHOD,
    AST_MEMBER_EVENT,
    AST_MEMBER_TIMER,
    AST_MEMBER_AUDIENCE,
    AST_MEMBER_HOOKS,
    AST_MEMBER_SUBSCRIBE /* uses: the middleware of subscriptions */
};

/* limit 60/s burst 120 by userId */
struct ast_limit {
    struct source_range at;
    struct ast_name rate;
    struct ast_number burst;
    struct ast_name by; /* no text: it has none */
    struct ast_limit *next;
};

struct ast_member {
    enum ast_member_kind kind;
    struct ast_name name; /* of a method, event, timer or audience; else its
                             keyword */
    const char *doc;
    struct ast_field *fields;
    struct ast_payload payload;
    struct ast_type *result, *chunk; /* of a method: either, or both NULL; with
                                        a chunk it is a stream */
    struct ast_names *hooks;
    struct ast_names *uses, *throws;
    struct ast_limit *limits;
    struct ast_name timeout;        /* of a method; no text: it has none */
    struct ast_type *progress;      /* of a method, or NULL */
    struct source_range interleave; /* of a method; end 0: it does not */
    bool is_internal;               /* a method */
    struct ast_name every; /* of a timer: its period; no text: it has none */
    struct ast_name by;    /* of a timer: a parameter; no text: it has none */
    struct ast_member *next;
};

enum ast_decl_kind {
    AST_DECL_APP,
    AST_DECL_IMPORT,
    AST_DECL_ENUM,
    AST_DECL_STRUCT,
    AST_DECL_UNION,
    AST_DECL_TYPE,
    AST_DECL_ACTOR,
    AST_DECL_CONNECTION,
    AST_DECL_MIDDLEWARE,
    AST_DECL_ERROR,
    AST_DECL_BROADCAST
};

/* The data of a connection: `-> { }`. */
struct ast_data {
    struct source_range at;
    struct ast_field *fields;
};

struct ast_decl {
    enum ast_decl_kind kind;
    struct ast_name name;
    const char *doc;
    struct ast_value *import; /* the path */
    struct ast_enum_value *values;
    struct ast_field *fields;  /* of a struct, a connection or a middleware;
                                  variants of a union */
    struct ast_name by;        /* of a union: the discriminator */
    bool strict;               /* a struct */
    struct source_range check; /* `check;` of a struct; end 0: none */
    struct ast_type *type;
    struct ast_member *members;
    struct ast_payload payload; /* of an error or a broadcast */
    struct ast_name code;       /* of an error */
    struct ast_names *uses;     /* of an actor */
    struct ast_names *after;    /* of a middleware */
    struct ast_names *throws;   /* of a middleware or a connection */
    struct ast_names *hooks;    /* of a connection */
    struct ast_data *data;      /* of a connection, or NULL */
    struct ast_decl *next;
};

/* Something that the language has and this compiler does not build yet. */
struct ast_unsupported {
    struct source_range at;
    const char *what;
    struct ast_unsupported *next;
};

struct ast_file {
    struct ast_decl *decls;
    struct ast_unsupported *unsupported;
};

/* A list on its way: the grammar appends in the order of the text. */
struct ast_list {
    void *first, *last;
    struct source_range check; /* of the members of a struct */
};

#endif
