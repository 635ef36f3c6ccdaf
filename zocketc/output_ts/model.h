/*
 * A schema as TypeScript, ready for the templates: names are chosen, types and
 * keys are text, comments are lines.
 */
#ifndef OUTPUT_TS_MODEL_H
#define OUTPUT_TS_MODEL_H

#include <stdbool.h>
#include <stddef.h>

/* A comment; it cannot end early, nor hold a tag of its own. */
struct ts_comment {
    const char *const *lines;
    size_t count; /* 0: there is none */
};

/* A property of an interface. */
struct ts_property {
    struct ts_comment comment;
    const char *key; /* `text`, `"user-name"`, `readonly input` */
    bool is_optional;
    const char *type;
};

struct ts_interface {
    struct ts_comment comment;
    const char *name;
    const char *base; /* the interface that it extends, or NULL */
    const struct ts_property *properties;
    size_t property_count;
};

/* `type Color = "red" | "green"`, or a tuple: one alternative. */
struct ts_alias {
    struct ts_comment comment;
    const char *name;
    const char *const *alternatives;
    size_t alternative_count;
    bool is_long; /* each alternative has a line */
};

/* A declaration: just one of the pointers. */
struct ts_decl {
    const struct ts_interface *interface;
    const struct ts_alias *alias;
};

/* A method, an event, a broadcast or an error among others of its kind. */
struct ts_member {
    struct ts_comment comment;
    const char *key;         /* in a type */
    const char *literal_key; /* in an object */
    const char *type;        /* `ChatSayMethod`, `Message`, `undefined` */
    const char *value;       /* of a method: what is in its braces; of a
                                parameter: its key, a literal */
};

struct ts_members {
    const struct ts_member *items;
    size_t count;
};

struct ts_actor {
    struct ts_comment comment;
    const char *key;
    const char *name;            /* `ChatActor` */
    const char *state;           /* `ChatState` */
    const struct ts_decl *decls; /* of its own */
    size_t decl_count;
    struct ts_members methods, events;
};

/* The parts of a connection that a client takes part in. */
struct ts_connection {
    const char *params;      /* `ConnectionParams`; NULL: there are none */
    struct ts_members query; /* the keys of the parameters */
    const char *token;       /* "required", "optional"; NULL: it takes none */
    const char *errors;      /* a union; NULL: there are none */
};

struct ts_file {
    const char *version; /* of the compiler */
    const char *source;  /* "chat.zkt" */
    struct ts_comment comment;
    const struct ts_decl *decls;
    size_t decl_count;
    const struct ts_actor *actors;
    size_t actor_count;
    const struct ts_connection *connection; /* NULL: nothing is in it */
    struct ts_members broadcasts;
    const char *errors; /* all of the schema; NULL: there are none */
    bool has_schemas, has_methods;
};

#endif
