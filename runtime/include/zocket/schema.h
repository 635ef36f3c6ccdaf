/*
 * The tables that generated code consists of: types with their rules, actors,
 * methods and events. A user's program never touches them; a generated .c
 * file fills them in, and the runtime reads them.
 *
 * A rule stands in one place, the table of the type that has it: the decoder
 * checks it when a value arrives, and the runtime checks it when a handler
 * writes one.
 */
#ifndef ZOCKET_SCHEMA_H
#define ZOCKET_SCHEMA_H

#include "zocket/status.h"
#include "zocket/types.h"

/* What generated code was made for; another number stops the compiler. */
#define ZKT_GENERATED_ABI 2

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_reader;
struct zkt_writer;
struct zkt_call;
struct zkt_issues;

enum zkt_kind {
    ZKT_KIND_BOOL,
    ZKT_KIND_INT32,
    ZKT_KIND_UINT32,
    ZKT_KIND_INT64,
    ZKT_KIND_UINT64,
    ZKT_KIND_FLOAT64,
    ZKT_KIND_TIMESTAMP, /* int64_t, ms since the epoch */
    ZKT_KIND_STRING,
    ZKT_KIND_BYTES,
    ZKT_KIND_JSON,
    ZKT_KIND_ENUM,
    ZKT_KIND_STRUCT,
    ZKT_KIND_LIST,     /* { const T *items; size_t len; } */
    ZKT_KIND_MAP,      /* { const entry *items; size_t len; const void *; } */
    ZKT_KIND_OPTIONAL, /* { bool has; T value; }: the key may be absent */
    ZKT_KIND_NULLABLE, /* { bool has; T value; }: the value may be null */
    ZKT_KIND_BOXED,    /* const T *, NULL: absent; closes a cycle */
    ZKT_KIND_BOXED_NULLABLE, /* const T *, NULL: null; closes a cycle */
    ZKT_KIND_TUPLE,          /* { A _0; B _1; … }: an array of just these */
    ZKT_KIND_UNION           /* { enum kind; union { … }; } */
};

struct zkt_int_rules {
    int64_t min, max; /* inclusive */
    int64_t step;     /* it is a multiple of this; 0: of anything */
};

struct zkt_float_rules {
    double min, max;   /* inclusive; infinite where there is no bound */
    bool above, below; /* min, max itself is not allowed */
};

/*
 * A pattern that a string must match: already in the form that PCRE2 reads.
 * Each use is a constant of its own; its address is what it is known by.
 */
struct zkt_pattern {
    struct zkt_str source; /* for PCRE2, with PCRE2_UTF */
    struct zkt_str shown;  /* as in the schema, for messages; or a format's
                              name: "email" */
    bool is_format;
};

struct zkt_string_rules {
    uint32_t min, max; /* code points, inclusive; UINT32_MAX: no bound */
    bool trim, lower;
    uint32_t pattern_count;
    const struct zkt_pattern *patterns;
};

struct zkt_bytes_rules {
    uint32_t min, max; /* bytes, inclusive; UINT32_MAX: no bound */
};

/* The C enum counts from 0 in this order; unknown values are -1. */
struct zkt_enum_info {
    const char *name; /* as in the schema */
    const struct zkt_str *values;
    uint32_t count;
    int (*find)(struct zkt_str wire); /* -1: no such value */
};

struct zkt_list_info {
    const struct zkt_type *item;
    uint32_t min, max; /* items, inclusive; UINT32_MAX: no bound */
    bool unique;       /* no two of them are equal */
};

struct zkt_map_info {
    const struct zkt_type *value;
    uint32_t entry_size, value_offset; /* of { struct zkt_str key; T value; } */
    uint32_t min, max;                 /* entries, as in a list */
};

/* OPTIONAL, NULLABLE: where the value stands; boxed: offset 0, what it is. */
struct zkt_optional_info {
    const struct zkt_type *value;
    uint32_t value_offset;
};

struct zkt_field {
    struct zkt_str name; /* as on the wire */
    uint32_t offset;
    const struct zkt_type *type;
    /* A value of the field's type, or NULL: then the key must be there, unless
     * the type is OPTIONAL or BOXED. */
    const void *default_value;
};

#define ZKT_FIELDS_MAX 256

struct zkt_struct_info {
    const char *name; /* as in the schema, for messages */
    const struct zkt_field *fields;
    uint32_t count; /* <= ZKT_FIELDS_MAX */
    bool strict;    /* an unknown key is an issue */
    /* The struct has a `check;`: its number in zkt_app_info.checks, from 1 on;
     * 0: it has none. */
    uint32_t check;
};

/* The C value begins with its kind, an enum that counts from 0 in the order
 * of @variants and is -1 for one that is unknown. */
struct zkt_union_info {
    const char *name;             /* as in the schema */
    struct zkt_str discriminator; /* the key that says which it is */
    const struct zkt_enum_info *kinds;
    const struct zkt_type *const *variants; /* structs */
    uint32_t value_offset;                  /* of every variant */
};

/*
 * One C type with its rules. @decode reads a JSON value into @value (which
 * need not be initialised) and returns whether it added no issue; @encode
 * writes one. For structs both are generated, for all else the runtime's.
 */
struct zkt_type {
    enum zkt_kind kind;
    uint32_t size; /* sizeof the C type */
    bool owns;     /* a value of it may hold memory: strings, lists, … */
    union {
        const void *nothing; /* bool, json */
        const struct zkt_int_rules *ints;
        const struct zkt_float_rules *floats;
        const struct zkt_string_rules *strings;
        const struct zkt_bytes_rules *bytes;
        const struct zkt_enum_info *enums;
        const struct zkt_struct_info *structs; /* and tuples */
        const struct zkt_union_info *unions;
        const struct zkt_list_info *lists;
        const struct zkt_map_info *maps;
        const struct zkt_optional_info *optionals;
    } of;
    bool (*decode)(struct zkt_reader *reader, const struct zkt_type *type,
                   void *value);
    void (*encode)(struct zkt_writer *writer, const struct zkt_type *type,
                   const void *value);
};

/* Built-in types without rules of their own. */
extern const struct zkt_type zkt_type_bool, zkt_type_int32, zkt_type_uint32,
    zkt_type_int64, zkt_type_uint64, zkt_type_float64, zkt_type_timestamp,
    zkt_type_string, zkt_type_bytes, zkt_type_json;

enum zkt_hook {
    ZKT_HOOK_CONNECT,
    ZKT_HOOK_DISCONNECT,
    ZKT_HOOK_ACTIVATE,
    ZKT_HOOK_DEACTIVATE,
    ZKT_HOOK_COUNT
};

/* Server side of a method. @handlers is the actor's struct of handlers. */
struct zkt_method {
    struct zkt_str name;
    const struct zkt_type *input;  /* NULL: none */
    const struct zkt_type *result; /* NULL: none */
    uint32_t handler_offset;       /* in the struct of handlers */
    enum zkt_status (*invoke)(struct zkt_call *call, const void *handlers,
                              const void *input, void *result);
};

struct zkt_event {
    struct zkt_str name;
    const struct zkt_type *payload; /* NULL: none */
};

struct zkt_hook_entry {
    bool declared;
    uint32_t handler_offset;
    enum zkt_status (*invoke)(struct zkt_call *call, const void *handlers);
};

/* Server side of an actor. */
struct zkt_actor {
    struct zkt_str name;
    const struct zkt_type *state;  /* a struct; may have no fields */
    const struct zkt_type *hidden; /* private state; NULL: there is none */
    const struct zkt_method *methods;
    uint32_t method_count;
    const struct zkt_event *events;
    uint32_t event_count;
    struct zkt_hook_entry hooks[ZKT_HOOK_COUNT];
    uint32_t handlers_offset; /* of the pointer in the app's handlers */
    /* The index of a method by its name on the wire, or -1. */
    int (*find_method)(struct zkt_str name);
};

/* The hook of a struct with `check;`. */
struct zkt_check {
    const char *name;        /* of the handler, for messages */
    uint32_t handler_offset; /* in the app's struct of handlers */
    void (*invoke)(const void *handlers, const void *value,
                   struct zkt_issues *issues);
};

struct zkt_app_info {
    const char *name;
    const struct zkt_actor *const *actors;
    uint32_t actor_count;
    int (*find_actor)(struct zkt_str name); /* index, or -1 */
    const struct zkt_check *checks;
    uint32_t check_count;
};

/** An app with the handlers that implement it; made by `<app>_app()`. */
struct zkt_app {
    const struct zkt_app_info *info;
    const void *handlers; /* the app's struct of handlers; borrowed */
    void *user;           /* what zkt_user gives */
};

/* Client side of a method and of an actor: no server name appears here. */
struct zkt_remote_method {
    struct zkt_str name;
    const struct zkt_type *input;  /* NULL: none */
    const struct zkt_type *result; /* NULL: none */
};

struct zkt_remote_actor {
    struct zkt_str name;
    const struct zkt_type *state;
    const struct zkt_remote_method *methods;
    uint32_t method_count;
    const struct zkt_event *events;
    uint32_t event_count;
};

#ifdef __cplusplus
}
#endif
#endif
