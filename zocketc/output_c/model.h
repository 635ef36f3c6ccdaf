/*
 * A schema in C, all that templates see: names, types, initialisers
 * and the order of declarations are made before. Templates hold layout only.
 *
 * A c_prefix is the snake_case name that a thing's C identifiers are made of,
 * with the app in front ("demo_chat", "demo_message_list"); a c_part is that of
 * a thing inside another ("set_topic"); a c_field is the name of a field in C
 * ("reply_to", "delete_"); a name is as in the schema, which is as on the wire.
 * Nothing is NULL unless it says so.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/schema.h"

struct model_enum;
struct model_struct;
struct model_union;

/*
 * Names on the wire, grouped by length, for a switch: groups by rising length,
 * the names of a group in order of their index.
 */
struct model_name {
    const char *text;
    size_t index;
    size_t len; /* text may hold a NUL */
};
struct model_group {
    size_t len;
    const struct model_name *names;
    size_t count;
};
struct model_lookup {
    const struct model_group *groups;
    size_t group_count;
};

/*
 * A C type with its rules: a struct zkt_type. Two uses with the same C type
 * and the same rules may share it.
 */
struct model_type {
    enum schema_kind kind;
    bool is_boxed; /* OPTIONAL, NULLABLE: a pointer, since it closes a cycle */
    const struct schema_type *schema; /* its rules */
    const char *c_kind;               /* "ZKT_KIND_INT32" */
    const char *c_type;               /* "int32_t", "struct demo_message",
                                         "const struct demo_node *" (boxed) */
    const char *c_param;  /* as a parameter, before its name: "int32_t ",
                             "const struct demo_message *" */
    const char *c_item;   /* a pointer to it: "const int32_t *",
                             "const struct demo_message *" */
    const char *c_empty;  /* initialiser of an empty value: "0", "{ 0 }",
                             "ZKT_STR_INIT(\"\")" */
    const char *c_prefix; /* of its struct: "demo_message_list", "zkt_str_map",
                         "zkt_int32_opt", or of its enum; else "" */
    const char *descriptor; /* "zkt_type_int32", "demo_message_type_",
                          "demo_message_text_type_" */
    const char *decoder;    /* "zkt_decode_int32"; for a struct
                               "demo_message_type_.decode" */
    const char *encoder;    /* likewise */
    const char *writer; /* "zkt_write_int64", which takes a value; or NULL */
    bool by_value;      /* as a parameter */
    bool owns;          /* see zkt_type */
    bool is_shared;     /* its descriptor is named in other emitted files */
    bool has_json;      /* a declared type, or a state: encode and decode */
    bool has_ref;       /* STRUCT, LIST, MAP: a cursor into a state may
                           point to it, so there is a struct PREFIX_ref */
    const char *json;   /* LITERAL: the value */
    const char *c_max;  /* the upper bound as C: "200", "UINT32_MAX" */
    const struct model_type *inner; /* LIST MAP OPTIONAL NULLABLE */
    const char *entry;              /* MAP: c_prefix of the entry struct */
    const struct model_enum *enumeration;   /* ENUM */
    const struct model_struct *structure;   /* STRUCT; TUPLE: its elements */
    const struct model_union *alternatives; /* UNION */
    struct model_type *next_alike;          /* of the same hash */
};

struct model_enum_value {
    const char *name;        /* "member" */
    struct source_range at;  /* here and below: the name, in the schema */
    struct schema_text wire; /* the spelling */
    const char *c_name;      /* "DEMO_ROLE_MEMBER" */
    const char *doc;         /* NULL: none; lines end in \n but for the last */
};

struct model_enum {
    const char *name, *c_prefix; /* "Role", "demo_role" */
    struct source_range at;
    const char *prefix; /* "DEMO_ROLE" */
    const char *doc;    /* or NULL */
    const struct model_enum_value *values;
    size_t value_count;
    struct model_lookup names;
    bool is_private; /* only private state has it: for the server alone */
};

struct model_field {
    const char *name;          /* "replyTo", "user-name" */
    const char *key;           /* as the encoder writes it: ",\"replyTo\":" */
    const char *c_part;        /* "reply_to": in names of functions */
    const char *c_field;       /* "reply_to", "delete_" */
    const char *doc;           /* or NULL */
    const char *c_declaration; /* "struct zkt_int32_opt reply_to"; NULL: a
                                  literal, which is no member */
    const char *c_default;     /* constant initialiser, or NULL: none. May use
                                  ZKT_STR_INIT and file-scope compound literals */
    const struct model_type *type;
    size_t index;
    struct source_range at;
    const char *reader;   /* of a state: "ZKT_READER_AUDIENCE"; */
    size_t reader_number; /* see struct zkt_field_reader */
};

/* A struct of the schema, or of a state, an input, a payload. */
struct model_struct {
    const char *name, *c_prefix; /* "Message", "demo_message" */
    struct source_range at;
    const char *doc; /* or NULL */
    const struct model_field *fields;
    size_t field_count;
    size_t member_count; /* fields that are members in C: all but literals */
    struct model_lookup names;
    bool has_defaults; /* of at least one field */
    bool is_value;     /* of the schema, or a state: has dup and free */
    bool is_state;     /* of an actor, also its private state */
    bool is_private;   /* a private state, or only used there: the server's */
    bool is_strict;    /* an unknown key is an error */
    size_t check;  /* its number among the model's checks, from 1; 0: none */
    size_t number; /* among all structs */
    const struct model_type *type;
};

/* A variant of a union: a struct under a name. */
struct model_variant {
    struct source_range at;
    const char *name;    /* "circle", also on the wire */
    const char *c_field; /* of the C union: "circle", "delete_" */
    const char *doc;     /* or NULL */
    const struct model_type *type;
};

struct model_union {
    struct source_range at;
    const char *name, *c_prefix; /* "Shape", "demo_shape" */
    const char *doc;             /* or NULL */
    const char *discriminator;
    const struct model_enum *kinds; /* enum demo_shape_kind */
    const struct model_variant *variants;
    size_t variant_count;
    const struct model_type *type;
};

/* A hook for a struct with `check;`. */
struct model_check {
    const char *c_field; /* of the app's handlers: "check_message" */
    const struct model_struct *structure;
};

struct model_middleware;

/*
 * A handler that is given a call: of a method, a hook, the connection or a
 * middleware. Its parameters stand behind the call in this order: the outputs
 * of middleware, a subscription, the input, the result.
 */
struct model_handler {
    const char *c_prefix, *c_part; /* of its functions: "demo_chat", "say" */
    const char *c_call; /* the struct of its call: "demo_chat_call" */
    const char *c_init; /* initialisers of that: "zkt, zkt_call_state(zkt)" */
    const char *c_handlers; /* the struct that has it: "demo_chat_handlers" */
    const char *c_field;    /* in that: "say", "on_connect" */
    const char *c_member;   /* for deferring: "ZKT_MEMBER_METHOD, 0" */
    const struct model_middleware *const *outputs; /* that have one, in order */
    size_t output_count;
    bool has_subscription;
    const struct model_type *input;    /* or NULL */
    const struct model_type *result;   /* or NULL */
    const struct model_type *chunk;    /* of a stream, or NULL */
    const struct model_type *progress; /* or NULL */
};

/* Of middleware or errors, in the lists of the model. */
struct model_numbers {
    const char *name; /* of the emitted array */
    const struct schema_numbers *numbers;
};

struct model_method {
    const char *name, *c_part; /* "setTopic", "set_topic" */
    struct source_range at;
    const char *c_field; /* of the handlers: "set_topic", "delete_" */
    const char *doc;     /* or NULL */
    size_t index;
    const struct model_type *input;    /* or NULL */
    const struct model_type *result;   /* or NULL */
    const struct model_type *chunk;    /* of a stream; NULL: it is none */
    const struct model_type *progress; /* or NULL */
    const struct model_type *part;     /* the progress or the chunk, or NULL */
    uint32_t timeout_ms;               /* 0: the server's limit */
    bool interleaves;
    bool is_internal;    /* no client has it */
    size_t remote_index; /* among those that clients have */
    struct model_handler handler;
    const struct schema_rate *rate; /* or NULL */
    struct model_numbers middleware, errors;
};

struct model_event {
    const char *name, *c_part;
    struct source_range at;
    const char *doc; /* or NULL */
    size_t index;
    const struct model_type *payload; /* or NULL */
};

struct model_timer {
    const char *name, *c_part; /* "roundOver", "round_over" */
    struct source_range at;
    const char *c_field; /* of the handlers: "timer_round_over" */
    const char *doc;     /* or NULL */
    size_t index;
    const struct model_type *input; /* or NULL */
    uint32_t every_ms;              /* 0: it fires once */
    bool has_key;                   /* a field of its input, a string: */
    size_t by_number;
    struct model_handler handler;
};

struct model_audience {
    const char *name, *c_part; /* "drawer" */
    struct source_range at;
    const char *c_field; /* of the handlers: "audience_drawer" */
    const char *doc;     /* or NULL */
    size_t index;
};

struct model_hook {
    const char *name;     /* "connect" */
    const char *c_field;  /* "on_connect" */
    const char *constant; /* "ZKT_HOOK_CONNECT" */
    struct model_handler handler;
};

/* ---- the app's own ---- */

struct model_error {
    const char *name, *c_part; /* "roomFull", "room_full" */
    const char *doc;           /* or NULL */
    const char *text;          /* its first line, or "" */
    const char *constant;      /* "ZKT_RESOURCE_EXHAUSTED" */
    size_t index;
    const struct model_type *details; /* or NULL */
};

struct model_parameter {
    const char *constant; /* "ZKT_FROM_QUERY" */
    struct schema_text name;
};

struct model_connection {
    const char *doc;      /* or NULL */
    const char *c_prefix; /* "demo_connection" */
    const struct model_struct *input;
    const struct model_parameter *parameters; /* by field */
    const struct model_struct *data;          /* or NULL */
    bool has_open, has_close;
    struct model_handler open, close;
    struct model_numbers errors;
};

struct model_middleware {
    const char *name, *c_part, *c_field; /* "authed" */
    const char *c_param; /* its output as a parameter: "authed", "call_" */
    const char *doc;     /* or NULL */
    size_t index;
    const struct model_struct *output; /* or NULL */
    struct model_handler handler;
    struct model_numbers errors;
};

struct model_actor {
    const char *name, *c_prefix; /* "chat", "demo_chat" */
    struct source_range at;
    const char *c_field; /* of the app's handlers: "chat", "delete_" */
    const char *doc;     /* or NULL */
    const struct model_struct *state; /* without fields where there is none */
    const struct model_struct *private_state; /* NULL: there is none */
    const struct model_method *methods;
    size_t method_count;
    struct model_lookup method_names;
    const struct model_event *events;
    size_t event_count;
    const struct model_timer *timers;
    size_t timer_count;
    const struct model_audience *audiences;
    size_t audience_count;
    bool has_readers; /* some field of the state is not for all subscribers */
    const struct model_hook *hooks;
    size_t hook_count;
    struct model_numbers subscribe_middleware;
    size_t remote_count; /* of methods that clients have */
};

/* A definition of a C type, in an order that C accepts: a map comes before
 * the struct that holds it, its entry after the struct that is its value. */
enum model_declaration_kind {
    MODEL_DECLARE_STRUCT,
    MODEL_DECLARE_UNION,
    MODEL_DECLARE_TUPLE,
    MODEL_DECLARE_LIST,
    MODEL_DECLARE_MAP,
    MODEL_DECLARE_ENTRY,
    MODEL_DECLARE_OPTIONAL
};
struct model_declaration {
    enum model_declaration_kind kind;
    const struct model_type *type;
};

/* "#define DEMO_CHAT_TOPIC_MAX 120" */
struct model_bound {
    const char *name;
    uint32_t max;
};

/* "#define DEMO_CIRCLE_KIND \"circle\"" */
struct model_constant {
    const char *name, *value;
    const char *doc; /* or NULL */
    bool is_private;
};

struct model {
    const char *version;            /* of the compiler: "0.1.0" */
    int abi;                        /* of the runtime's headers */
    const char *file_name;          /* "chat.zkt", no folder */
    const char *file_stem;          /* "chat" */
    const char *guard;              /* "DEMO_CHAT" */
    const char *app;                /* c_prefix: "demo" */
    const char *app_name;           /* as in the schema */
    struct source_range at;         /* of the app's name */
    const char *doc;                /* or NULL */
    const struct model_enum *enums; /* in the order of the schema */
    size_t enum_count;
    const struct model_struct *const *structs; /* by the schema's number */
    const struct model_type *const
        *all_types; /* likewise; NULL: it is not used */
    const struct model_declaration *declarations;
    size_t declaration_count;
    /* Declarations that only private state needs: not for clients. */
    const struct model_declaration *private_declarations;
    size_t private_declaration_count;
    /* Types with an emitted descriptor, in an order that C accepts: parts come
     * before the type, except for structs, which are declared. */
    const struct model_type *const *types;
    size_t type_count;
    const struct model_type *const *private_types;
    size_t private_type_count;
    /* Of these, the structs and unions that are declared. */
    const struct model_type *const *forward_types;
    size_t forward_count;
    /* Types with has_ref that are not the runtime's own (zkt_int32_list). */
    const struct model_type *const *refs;
    size_t ref_count;
    const struct model_bound *bounds;
    size_t bound_count;
    /* Of literal fields. */
    const struct model_constant *constants;
    size_t constant_count;
    const struct model_actor *actors;
    size_t actor_count;
    struct model_lookup actor_names;
    const struct model_check *checks;
    size_t check_count;
    const struct model_connection *connection; /* or NULL */
    const struct model_middleware *middleware;
    size_t middleware_count;
    const struct model_error *errors;
    size_t error_count;
    const struct model_event *broadcasts;
    size_t broadcast_count;
    size_t rate_count;
    bool has_infinity;     /* in the rules of a float64 */
    bool private_infinity; /* in those of private state */
    bool has_copies;       /* some struct is_value */
    bool private_copies;   /* of a private state */
};

#endif
