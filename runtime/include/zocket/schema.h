/*
 * The tables that generated code consists of: types with their rules, actors,
 * methods and events. A program never touches them; a generated .c file fills
 * them in, and the runtime reads them.
 *
 * A rule stands only in the table of the type that has it. The decoder checks
 * it when a value arrives, and the runtime checks it when a handler writes or
 * returns a value.
 *
 * The tables of `int32(1..10)[unique, ..100]`:
 *
 *     #include "zocket/codec.h"
 *     #include "zocket/schema.h"
 *
 *     static const struct zkt_type number_type = {
 *         .kind = ZKT_KIND_INT32,
 *         .size = sizeof(int32_t),
 *         .of.ints = &(const struct zkt_int_rules){ 1, 10, 0 },
 *         .decode = zkt_decode_int32,
 *         .encode = zkt_encode_int32,
 *     };
 *
 *     const struct zkt_type numbers_type = {
 *         .kind = ZKT_KIND_LIST,
 *         .size = sizeof(struct zkt_int32_list),
 *         .owns = true,
 *         .of.lists = &(const struct zkt_list_info){
 *             .item = &number_type,
 *             .max = 100,
 *             .unique = true,
 *         },
 *         .decode = zkt_decode_list,
 *         .encode = zkt_encode_list,
 *     };
 *
 * Lifetime: tables are constants of the program, and every pointer in them is
 * borrowed for as long as a server or client uses the app. Threads: nothing
 * writes to them, so that any number of servers and clients can share them.
 *
 * Strings in the tables are UTF-8 with a NUL behind them (ZKT_STR_INIT).
 */
#ifndef ZOCKET_SCHEMA_H
#define ZOCKET_SCHEMA_H

#include "zocket/status.h"
#include "zocket/types.h"

/*
 * The version of the shapes of the tables below and of codec.h and state.h, as
 * far as generated code depends on them. A generated header that was made for
 * another number stops the C compiler: "regenerate with zocketc".
 */
#define ZKT_GENERATED_ABI 6

#ifdef __cplusplus
extern "C" {
#endif

/* JSON text that is read, and bytes that are written: codec.h. */
struct zkt_reader;
struct zkt_writer;
/* A running call, and the issues of an input: call.h. */
struct zkt_call;
struct zkt_issues;

/*
 * ---- types ----
 *
 * A value that breaks a rule has an *issue*: a code, as Zod names it, the path
 * of the value, and a text. The comments below name the codes. An input with
 * issues fails its call with INVALID_ARGUMENT before the handler runs, and the
 * caller reads all of them, up to the limit issues. A value with issues that a
 * handler writes, returns or emits fails its call with INTERNAL, and the log
 * has them. A client checks its inputs by the same rules before it sends them;
 * of the values that it receives it checks the types alone, so that a server
 * with a newer schema may have other rules.
 */

/**
 * The kinds of types. Each names its word in the schema language, its C value
 * and its JSON (RFC 8259). JSON of another kind has the issue invalid_type.
 */
enum zkt_kind {
/*
 * The scalars, in the order of scalars.def:
 *
 *   bool       bool; true or false.
 *   int32, uint32, int64, uint64
 *              an integer of that size; a number. Its value counts, not its
 *              spelling: 1.0 and 1e3 are whole, 0.5 has the issue
 *              invalid_type. Those of 64 bits end at 2^53 - 1, as far as
 *              every reader of JSON is exact (RFC 8259, section 6).
 *   float64    double, always finite; a number. -0 is read as 0.
 *   timestamp  int64_t, milliseconds since the epoch, as far as a Date goes
 *              (ECMA-262, section 21.4.1.1); a number.
 *   string     struct zkt_str; a string. Half of a surrogate pair has the
 *              issue invalid_format.
 *   bytes      struct zkt_bytes; a string of base64 with padding (RFC 4648,
 *              section 4). Other text has the issue invalid_format.
 *   json       struct zkt_json; any value.
 */
#define ZKT_SCALAR(symbol, ...) ZKT_KIND_##symbol,
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    /* `enum`: an enum of C; a string. */
    ZKT_KIND_ENUM,
    /* `struct`, states, inputs: a struct; an object. */
    ZKT_KIND_STRUCT,
    /* `T[]`: { const T *items; size_t len; }; an array. */
    ZKT_KIND_LIST,
    /* `map<T>`: { const entry *items; size_t len; const void *index_; }; an
     * object with any keys. */
    ZKT_KIND_MAP,
    /* `T?`: { bool has; T value; }; the key of the field may be absent, and
     * null is read as absent. */
    ZKT_KIND_OPTIONAL,
    /* `T | null`: { bool has; T value; }; null stands for an absent value. */
    ZKT_KIND_NULLABLE,
    /* `T?` in a T: const T *, NULL where it is absent. A struct that contains
     * itself needs the pointer. */
    ZKT_KIND_BOXED,
    /* `T | null` in a T: const T *, NULL where it is null. */
    ZKT_KIND_BOXED_NULLABLE,
    /* `[A, B]`: { A _0; B _1; }; an array of exactly these. Another length has
     * the issue too_small or too_big. */
    ZKT_KIND_TUPLE,
    /* `union`: { enum kind; union { ... }; }; an object. */
    ZKT_KIND_UNION,
    /* `"circle"`, `2`, `true`: nothing in C, as the type has the value; that
     * string, number or boolean. */
    ZKT_KIND_LITERAL
};

/**
 * Rules of an integer type, as in `int32(0..150, %2)`. A value outside of the
 * range has the issue too_small or too_big, another not_multiple_of.
 */
struct zkt_int_rules {
    /* The smallest and the largest value, both allowed. */
    int64_t min, max;
    /* Values are multiples of this; 0: all of them. */
    int64_t step;
};

/**
 * Rules of a float64, as in `float64(>0, ..1)`. A value outside has the issue
 * too_small or too_big; NaN and infinities, which only a handler can make, have
 * invalid_type.
 */
struct zkt_float_rules {
    /* The bounds; -INFINITY and INFINITY where there is none. */
    double min, max;
    /* True: min, or max, itself is not allowed. */
    bool above, below;
};

/**
 * A pattern that has to be found in a string, as in `string(/^[a-z]+$/)`, or a
 * format, as in `string(email)`. Another string has the issue invalid_format.
 * Each use in a schema is a constant of its own: its address is the key under
 * which the runtime keeps the compiled form. Matching takes time that is linear
 * in the string, for every pattern.
 */
struct zkt_pattern {
    /* The pattern for PCRE2, with the option PCRE2_UTF. */
    struct zkt_str source;
    /* The same as in the schema, for messages; or the name of a format:
     * "email". */
    struct zkt_str display_text;
    /* True: shown is the name of a format. */
    bool is_format;
};

/**
 * Rules of a string, as in `string(trim, 1..64)`. A length outside of the
 * bounds has the issue too_small or too_big. trim, lower and upper are no
 * conditions: they change a value that arrives at a server, before the others
 * are checked; text that a handler writes is not changed.
 */
struct zkt_string_rules {
    /* Code points, both allowed; UINT32_MAX: no upper bound. */
    uint32_t min, max;
    /* White space at both ends is removed (ECMA-262, String.prototype.trim);
     * the letters A to Z become lower case, or a to z upper case. For values
     * that arrive. */
    bool trim, lower, upper;
    /* The number of patterns. */
    uint32_t pattern_count;
    /* Patterns and formats; all of them have to match. */
    const struct zkt_pattern *patterns;
};

/**
 * Rules of bytes, as in `bytes(..64KiB)`. Another size has the issue too_small
 * or too_big.
 */
struct zkt_bytes_rules {
    /* Bytes, after decoding, both allowed; UINT32_MAX: no upper bound. */
    uint32_t min, max;
};

/**
 * An enum. Its C enum counts from 0 in the order of values. -1 stands for a
 * value that the schema does not know: a client reads it from a newer server,
 * while a server refuses it with the issue invalid_value, and nobody may write
 * it.
 */
struct zkt_enum_info {
    /* As in the schema, for messages. */
    const char *name;
    /* The values as on the wire. */
    const struct zkt_str *values;
    /* Values. */
    uint32_t count;
    /* Returns the index of a value, or -1 if there is none. */
    int (*find)(struct zkt_str wire);
};

/**
 * A list, as in `string[1..5, unique]`. Another number of items has the issue
 * too_small or too_big; the items past the upper bound are not read. Equal
 * items of a unique list have the issue custom.
 */
struct zkt_list_info {
    /* The type of the items. */
    const struct zkt_type *item;
    /* Items, both allowed; UINT32_MAX: no upper bound. */
    uint32_t min, max;
    /* True: no two items are equal. Items are scalars, strings or enums. */
    bool unique;
};

/**
 * A map, as in `map<string>(..100)`. Another number of entries has the issue
 * too_small or too_big, and so has a key of more than 256 bytes. Of entries
 * with the same key the last counts.
 */
struct zkt_map_info {
    /* The type of the values. */
    const struct zkt_type *value;
    /* The size of an entry { struct zkt_str key; T value; }, and the offset of
     * its value; bytes. */
    uint32_t entry_size, value_offset;
    /* Entries, as in a list. */
    uint32_t min, max;
};

/**
 * The value of an OPTIONAL, NULLABLE or boxed type. Rules of the value hold
 * where it is there.
 */
struct zkt_optional_info {
    /* The type of the value; of a boxed type, of the pointer's target. */
    const struct zkt_type *value;
    /* The offset of the value behind `has`, in bytes; 0 if it is boxed. */
    uint32_t value_offset;
};

/**
 * A field of a struct, as in `by: int32(1..10) = 1`. A key that must be there
 * and is not has the issue invalid_type, "is required". Of several values for
 * the same key the last counts. The table of that field:
 *
 *   {
 *       .name = ZKT_STR_INIT("by"),
 *       .offset = offsetof(struct demo_counter_inc_input, by),
 *       .type = &by_type,
 *       .default_value = &defaults.by,
 *   },
 */
struct zkt_field {
    /* As on the wire. */
    struct zkt_str name;
    /* Of the member in the C struct, in bytes. */
    uint32_t offset;
    /* The type of the member, with the rules of this field. */
    const struct zkt_type *type;
    /* A value of the field's type, for an object that lacks the key. NULL: the
     * key must be there, unless the type is OPTIONAL or BOXED. */
    const void *default_value;
};

/** The largest number of fields of a struct; zocketc refuses more. */
#define ZKT_FIELDS_MAX 256

/**
 * A struct, or the elements of a tuple. The generated decoder of a struct knows
 * the keys itself; the runtime uses this table for defaults, for checks, and to
 * copy and compare values.
 */
struct zkt_struct_info {
    /* As in the schema, for messages. */
    const char *name;
    /* In the order of the schema; those of a tuple have no names. */
    const struct zkt_field *fields;
    /* At most ZKT_FIELDS_MAX. */
    uint32_t count;
    /* True: unknown keys have the issue unrecognized_keys; otherwise, and on a
     * client, they are ignored. */
    bool strict;
    /* The number of its `check;` in zkt_app_info.checks, from 1 on; 0: none. */
    uint32_t check;
};

/**
 * A union of structs. Its C value begins with its kind, an enum that counts
 * from 0 in the order of variants. In JSON the variant's object also has the
 * discriminator, anywhere in it. An object without that key, or with a kind
 * that the schema does not have, has the issue invalid_union; on a client such
 * a kind is -1, and the value is ignored.
 */
struct zkt_union_info {
    /* As in the schema, for messages. */
    const char *name;
    /* The key that says which variant an object is. */
    struct zkt_str discriminator;
    /* The values of that key. */
    const struct zkt_enum_info *kinds;
    /* The variants, which are structs. */
    const struct zkt_type *const *variants;
    /* Of every variant in the C struct, in bytes. */
    uint32_t value_offset;
};

/**
 * The value of a literal type, as in `kind: "circle";`. It takes no place in a
 * C struct. Any other value that arrives has the issue invalid_value, also on a
 * client.
 */
struct zkt_literal_info {
    /* The value as JSON. */
    struct zkt_str json;
    /* The text of a string; data is NULL for other values. */
    struct zkt_str text;
    /* True: integer is a number; false: 1 for true, 0 for false. */
    bool is_number;
    int64_t integer;
};

/**
 * A C type with its rules: the root of the tables above. Two uses of a type
 * with different rules are two of these.
 */
struct zkt_type {
    /* Says which member of `of` is used. */
    enum zkt_kind kind;
    /* sizeof the C type. */
    uint32_t size;
    /* True: a value may point to memory (strings, lists, …), so that copying it
     * takes more than memcpy. */
    bool owns;
    /* The rules and parts, by kind. */
    union {
        /* BOOL, JSON */
        const void *nothing;
        /* INT32, UINT32, INT64, UINT64, TIMESTAMP */
        const struct zkt_int_rules *ints;
        /* FLOAT64 */
        const struct zkt_float_rules *floats;
        /* STRING */
        const struct zkt_string_rules *strings;
        /* BYTES */
        const struct zkt_bytes_rules *bytes;
        /* ENUM */
        const struct zkt_enum_info *enums;
        /* STRUCT, TUPLE */
        const struct zkt_struct_info *structs;
        /* UNION */
        const struct zkt_union_info *unions;
        /* LIST */
        const struct zkt_list_info *lists;
        /* MAP */
        const struct zkt_map_info *maps;
        /* OPTIONAL, NULLABLE, BOXED, BOXED_NULLABLE */
        const struct zkt_optional_info *optionals;
        /* LITERAL */
        const struct zkt_literal_info *literals;
    } of;
    /*
     * Reads the next JSON value of @reader into *@value, which need not be
     * initialised. Returns true if the value fits; otherwise it has added an
     * issue, or the reader has failed. Generated for structs, the runtime's for
     * all else (codec.h).
     */
    bool (*decode)(struct zkt_reader *reader, const struct zkt_type *type,
                   void *value);
    /* Appends *@value, which fits, as JSON to @writer. Generated for structs,
     * the runtime's for all else. */
    void (*encode)(struct zkt_writer *writer, const struct zkt_type *type,
                   const void *value);
};

/**
 * The built-in types, for uses without rules: zkt_type_int32, zkt_type_string
 * and so on. They have the ranges of their kinds (scalars.def). A client
 * decodes every number by these ranges.
 */
#define ZKT_SCALAR(symbol, word, ...)                                          \
    extern const struct zkt_type zkt_type_##word;
#include "zocket/scalars.def"
#undef ZKT_SCALAR

/**
 * An error that the schema declares, on both sides: `error roomFull(capacity:
 * int32) = RESOURCE_EXHAUSTED;`. A reply names it in its key `reason`.
 */
struct zkt_error {
    /* As on the wire. */
    struct zkt_str name;
    /* The code that it is a case of. */
    enum zkt_status status;
    /* The type of the details, a struct; NULL: it has none. */
    const struct zkt_type *details;
    /* The text of a failure that brings none; "": that of the code. */
    struct zkt_str text;
};

/*
 * ---- the server's side of an app ----
 *
 * Generated code has a struct of handlers for each actor, and a struct for the
 * app that points to these. The tables say where in them a handler stands, as
 * an offset, so that the runtime can find missing handlers when a server is
 * made, and how it is called by its real type.
 */

/** Where the text of a parameter of a connection comes from. */
enum zkt_parameter_source {
    /* A key of the query string of the request (RFC 3986, section 3.4). */
    ZKT_FROM_QUERY,
    /* A header of the request (RFC 9110, section 5). */
    ZKT_FROM_HEADER,
    /* A cookie of the request (RFC 6265, section 4.2). */
    ZKT_FROM_COOKIE,
    /* A bearer token (RFC 6750, section 2.1), or a subprotocol that has it. */
    ZKT_FROM_BEARER,
    /* A part of the client's certificate of TLS. */
    ZKT_FROM_CERTIFICATE
};

/** The source of a field of the connection's parameters. */
struct zkt_parameter {
    enum zkt_parameter_source source;
    /* The key, the cookie, or the header, in lower case; "" of a bearer; "cn",
     * "san" or "sha256" of a certificate. */
    struct zkt_str name;
};

/**
 * The block `connection` of a schema. The fields of input are scalars, strings
 * and enums, perhaps OPTIONAL, which are read from the request of the
 * handshake. data is what lives as long as the connection.
 */
struct zkt_connection_info {
    /* The type of the parameters, a struct, which may have no fields. */
    const struct zkt_type *input;
    /* The source of each field of input, in their order. */
    const struct zkt_parameter *parameters;
    /* The type of the data, a struct; NULL: there are none. */
    const struct zkt_type *data;
    /* Calls `open` by its real type, and returns its status; NULL: it is not
     * declared. @handlers is the app's struct; *@data has the defaults. */
    enum zkt_status (*open)(struct zkt_call *call, const void *handlers,
                            const void *input, void *data);
    /* Calls `close`; NULL: it is not declared. */
    void (*close)(struct zkt_call *call, const void *handlers);
    /* Of both in the app's struct of handlers, in bytes. */
    uint32_t open_offset, close_offset;
    /* Indexes of the errors that `open` may fail with. */
    const uint16_t *errors;
    uint32_t error_count;
};

/**
 * A middleware. It runs on the connection's thread before a message touches an
 * instance, after the middleware that it comes `after`, whose outputs it reads
 * by zkt_call_middleware.
 */
struct zkt_middleware {
    /* As in the schema. */
    struct zkt_str name;
    /* The type of the output, a struct; NULL: it has none. */
    const struct zkt_type *output;
    /* Of the handler in the app's struct of handlers, in bytes. */
    uint32_t handler_offset;
    /* Calls the handler by its real type, and returns its status. @handlers is
     * the app's struct; *@output is zeroed. */
    enum zkt_status (*invoke)(struct zkt_call *call, const void *handlers,
                              void *output);
    /* Indexes of the errors that it may fail with. */
    const uint16_t *errors;
    uint32_t error_count;
};

/**
 * The rate of a method, as in `limit 60/s burst 120`: a token bucket, of a
 * connection, or of all connections with the same value of a field of their
 * data. Over it a call fails with RESOURCE_EXHAUSTED.
 */
struct zkt_rate {
    /* Tokens that a period adds, and the milliseconds of a period. */
    uint32_t tokens, period_ms;
    /* The most tokens of a bucket, with which it begins. */
    uint32_t burst;
    /* The field of the connection's data; -1: a bucket for each connection. */
    int32_t by;
    /* The number of this rate among those of the app, from 0 on. */
    uint32_t number;
};

/** The largest number of middleware of an app; zocketc refuses more. */
#define ZKT_MIDDLEWARE_MAX 64

/** Middleware to run, as indexes of zkt_app_info.middleware, in order. */
struct zkt_middleware_chain {
    const uint16_t *numbers;
    uint32_t count;
};

/**
 * The hooks of an actor, as indexes of zkt_actor.hooks. They run one at a time
 * with the calls of the instance, may write and emit. If a hook fails, its
 * changes are undone.
 */
enum zkt_hook {
    /* A connection comes into contact with an instance, by its first call or
     * subscription. */
    ZKT_HOOK_CONNECT,
    /* A connection in contact subscribes to the state or to the events. */
    ZKT_HOOK_SUBSCRIBE,
    /* The contact ends with the connection; nothing can be sent to it. */
    ZKT_HOOK_DISCONNECT,
    /* An instance was made: before anything else runs in it. The place to load
     * a state. */
    ZKT_HOOK_ACTIVATE,
    /* An instance ends: after everything else. The place to save a state. */
    ZKT_HOOK_DEACTIVATE,
    /* The number of hooks. */
    ZKT_HOOK_COUNT
};

/**
 * A method, on the server's side. The runtime decodes the input, calls invoke,
 * checks the result by its type, and encodes it. The table of the counter's
 * method inc, in examples/counter:
 *
 *   {
 *       .name = ZKT_STR_INIT("inc"),
 *       .input = &inc_input_type,
 *       .result = &zkt_type_int32,
 *       .handler_offset = offsetof(struct demo_counter_handlers, inc),
 *       .invoke = invoke_inc,
 *   },
 */
struct zkt_method {
    /* As on the wire. */
    struct zkt_str name;
    /* The type of the input, a struct; NULL: it has none. */
    const struct zkt_type *input;
    /* The type of the result; NULL: it has none. */
    const struct zkt_type *result;
    /* Of the handler in the actor's struct of handlers, in bytes. */
    uint32_t handler_offset;
    /* Calls the handler by its real type. @handlers is the actor's struct of
     * handlers; *@result is zeroed. Returns the handler's status. */
    enum zkt_status (*invoke)(struct zkt_call *call, const void *handlers,
                              const void *input, void *result);
    /* The rate; NULL: there is no limit. */
    const struct zkt_rate *rate;
    /* The middleware of the actor and of the method. */
    struct zkt_middleware_chain middleware;
    /* Indexes of the errors that the method may fail with. */
    const uint16_t *errors;
    uint32_t error_count;
    /* The most milliseconds of a call, from its arrival; 0: the limit
     * handler_ms bounds a deferred call. */
    uint32_t timeout_ms;
    /* True: the first half commits by itself at ZKT_PENDING, and other calls
     * run until the second half (call.h, "Letting others in"). */
    bool interleaves;
    /* The type of its progress; NULL: it reports none. */
    const struct zkt_type *progress;
    /* The type of the chunks of a stream, which interleaves and has no result;
     * NULL: it is none. */
    const struct zkt_type *chunk;
};

/**
 * An event. Server and client use the same shape: the server encodes the
 * payload, the client decodes it.
 */
struct zkt_event {
    /* As on the wire. */
    struct zkt_str name;
    /* The type of the payload; NULL: it has none. */
    const struct zkt_type *payload;
};

/** A hook of an actor, as handlers implement it. */
struct zkt_hook_entry {
    /* False: the actor does not declare it, and the rest is unused. */
    bool declared;
    /* Of the handler in the actor's struct of handlers, in bytes. */
    uint32_t handler_offset;
    /* Calls the handler by its real type, and returns its status. @handlers is
     * the actor's struct of handlers. */
    enum zkt_status (*invoke)(struct zkt_call *call, const void *handlers);
};

/** A timer of an actor. */
struct zkt_timer {
    /* As in the schema. */
    struct zkt_str name;
    /* The type of its payload; NULL: it has none. */
    const struct zkt_type *input;
    /* The number of the field of @input that keys it, a string: each key has a
     * timer of its own. -1: there is one timer. */
    int32_t by;
    /* The period of a repeating timer; 0: it fires once. */
    uint32_t every_ms;
    /* Of the handler in the actor's struct of handlers, in bytes. */
    uint32_t handler_offset;
    /* Calls the handler by its real type. @input is NULL if there is none. */
    enum zkt_status (*invoke)(struct zkt_call *call, const void *handlers,
                              const void *input);
};

/**
 * An audience of an actor, as in `audience drawer;`: the subscribers that see
 * the fields of the state `to` it. The handler judges each of them after each
 * commit.
 */
struct zkt_audience {
    /* As in the schema. */
    struct zkt_str name;
    /* Of the handler in the actor's struct of handlers, in bytes. */
    uint32_t handler_offset;
    /* Calls the handler by its real type: returns true if the client belongs.
     * @hidden is the private state, or NULL; @connection is the data of the
     * client's connection, or NULL. All are borrowed. */
    bool (*judge)(const void *handlers, const void *state, const void *hidden,
                  struct zkt_str client_id, const void *connection);
};

/** The largest number of audiences of an actor; zocketc refuses more. */
#define ZKT_AUDIENCES_MAX 4

/** The subscribers that see a field of a state. */
enum zkt_reader_kind {
    /* All of them. */
    ZKT_READER_ALL,
    /* Those of an audience. The field is OPTIONAL or BOXED, and absent for
     * others. */
    ZKT_READER_AUDIENCE,
    /* Each sees one entry of a map: its key is a string of the data of the
     * subscriber's connection. */
    ZKT_READER_DATA,
    /* Likewise; the key is the id of the subscriber's client. */
    ZKT_READER_CLIENT
};

/** The readers of a field of a state. */
struct zkt_field_reader {
    enum zkt_reader_kind kind;
    /* The number of the audience, or of the field of the connection's data,
     * which is a STRING, perhaps OPTIONAL; else 0. */
    uint32_t number;
};

/**
 * An actor, on the server's side. States begin with the defaults of their
 * fields, zero where a field has none.
 */
struct zkt_actor {
    /* As on the wire. */
    struct zkt_str name;
    /* The type of the state, a struct, which may have no fields. */
    const struct zkt_type *state;
    /* The type of the private state, a struct; NULL: there is none. */
    const struct zkt_type *private_state;
    /* Methods; a method's number, as in zkt_call_defer, is its index. */
    const struct zkt_method *methods;
    /* The number of methods. */
    uint32_t method_count;
    /* Events; an event's number, as in zkt_call_emit, is its index. */
    const struct zkt_event *events;
    /* The number of events. */
    uint32_t event_count;
    /* The hooks, by enum zkt_hook. */
    struct zkt_hook_entry hooks[ZKT_HOOK_COUNT];
    /* Of the pointer to the actor's handlers in the app's, in bytes. */
    uint32_t handlers_offset;
    /* Returns the number of a method by its name on the wire; -1: clients call
     * no method of that name. */
    int (*find_method)(struct zkt_str name);
    /* The middleware of subscriptions: of the actor and of `subscribe`. */
    struct zkt_middleware_chain subscribe_middleware;
    /* Timers; a timer's number, as in zkt_call_timer_start, is its index. */
    const struct zkt_timer *timers;
    /* The number of timers. */
    uint32_t timer_count;
    /* The readers of each field of the state, in their order; NULL: all
     * subscribers see all of it. */
    const struct zkt_field_reader *readers;
    /* Audiences; an audience's number, as in a target, is its index. */
    const struct zkt_audience *audiences;
    /* The number of audiences. */
    uint32_t audience_count;
};

/**
 * The `check;` of a struct: a handler that looks at a value as a whole, after
 * its rules hold. It runs for inputs, for values that a handler writes, returns
 * or emits, and at the end of a call for structs that were changed in part; on
 * a server only. Its issues have the code custom.
 */
struct zkt_check {
    /* The name of the handler, for messages. */
    const char *name;
    /* Of the handler in the app's struct of handlers, in bytes. */
    uint32_t handler_offset;
    /* Calls the handler by its real type. @handlers is the app's struct, and
     * @value is borrowed. The handler reports by zkt_issue (call.h). */
    void (*invoke)(const void *handlers, const void *value,
                   struct zkt_issues *issues);
};

/** An app, on the server's side. */
struct zkt_app_info {
    /* As in the schema, for messages. */
    const char *name;
    /* The actors, in the order of the schema. */
    const struct zkt_actor *const *actors;
    /* The number of actors. */
    uint32_t actor_count;
    /* Returns the index of an actor by its name on the wire, or -1. */
    int (*find_actor)(struct zkt_str name);
    /* The checks of all structs; zkt_struct_info.check counts from 1. */
    const struct zkt_check *checks;
    /* The number of checks. */
    uint32_t check_count;
    /* The connection; NULL: the schema has none. */
    const struct zkt_connection_info *connection;
    /* The middleware, and its number. */
    const struct zkt_middleware *middleware;
    uint32_t middleware_count;
    /* The errors, and their number. */
    const struct zkt_error *errors;
    uint32_t error_count;
    /* The broadcasts, and their number. */
    const struct zkt_event *broadcasts;
    uint32_t broadcast_count;
    /* The number of rates of all methods. */
    uint32_t rate_count;
};

/** An app with the handlers that implement it; made by `<app>_app()`. */
struct zkt_app {
    /* The tables; constants of the program. */
    const struct zkt_app_info *info;
    /* The app's struct of handlers; borrowed as long as a server uses it. */
    const void *handlers;
    /* Its member user, which zkt_user returns. */
    void *user;
};

/*
 * ---- the client's side of an app ----
 *
 * No handler, hook or private state appears here, so that the code of a server
 * is not linked into its clients.
 */

/** A method, on the client's side. */
struct zkt_remote_method {
    /* As on the wire. */
    struct zkt_str name;
    /* The type of the input, a struct; NULL: it has none. */
    const struct zkt_type *input;
    /* The type of the result; NULL: it has none. */
    const struct zkt_type *result;
    /* The type of its progress; NULL: it reports none. */
    const struct zkt_type *progress;
    /* The type of the chunks of a stream; NULL: it is none. */
    const struct zkt_type *chunk;
};

/** An actor, on the client's side. */
struct zkt_remote_actor {
    /* As on the wire. */
    struct zkt_str name;
    /* The type of the state, a struct. */
    const struct zkt_type *state;
    /* Methods; a method's number, as in zkt_handle_call, is its index. */
    const struct zkt_remote_method *methods;
    /* The number of methods. */
    uint32_t method_count;
    /* Events; an event's number, as in zkt_handle_on, is its index. */
    const struct zkt_event *events;
    /* The number of events. */
    uint32_t event_count;
};

#ifdef __cplusplus
}
#endif
#endif
