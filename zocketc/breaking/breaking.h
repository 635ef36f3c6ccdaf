/*
 * Finds the breaking changes of a schema: two descriptions (see
 * output_json/describe.h) are compared, and each difference is judged by the
 * way its data goes. An addition hurts nobody on the wire, since an older side
 * does not use it; but the server needs a handler for it. Clients check types,
 * not rules, and overlook fields that they do not know.
 */
#ifndef BREAKING_H
#define BREAKING_H

#include "util/json_value.h"

enum breaking_id {
#define B(symbol, id) BREAKING_##symbol,
#include "breaking/breaking.def"
#undef B
    BREAKING_COUNT
};

/* Who does not survive; bits. */
enum breaking_who {
    BREAKS_CLIENT = 1, /* that is older than the server */
    BREAKS_SERVER = 2, /* that is older than the client */
    BREAKS_SOURCE = 4, /* C code that uses generated code */
    BREAKS_STATE = 8,  /* that was stored before */
    BREAKS_WIRE = BREAKS_CLIENT | BREAKS_SERVER
};

struct breaking_reason {
    enum breaking_who who;
    const char *why; /* "send it, and are refused" */
    struct breaking_reason *next;
};

struct breaking_finding {
    enum breaking_id id;
    unsigned breaks;              /* bits of all reasons */
    struct source_range old, new; /* or of the declaration around the place */
    const char *text;             /* "'x' is gone from struct 'Y'" */
    struct breaking_reason *first, *last;
    struct breaking_finding *next;
};

/** "field-removed" */
const char *breaking_id_text(enum breaking_id id);

/**
 * Finds everything that the change from @old to @new breaks, in the order of
 * the old schema; NULL: nothing. Findings without a reason are left out.
 */
struct breaking_finding *breaking_compare(struct arena *arena,
                                          const struct json_value *old,
                                          const struct json_value *new);

/* ---- for the files of the comparison ---- */

/* Which way values of a type go; bits. */
enum {
    USE_INPUT = 1,  /* from clients to servers */
    USE_OUTPUT = 2, /* from servers to clients */
    USE_STORED = 4  /* from a server to a later version */
};

/* A named type, before and after. */
struct breaking_pair {
    const struct json_value *old, *new;
    unsigned uses;
    struct breaking_pair *next;
};

struct breaking {
    struct arena *arena;
    const struct json_value *old, *new; /* the models */
    struct breaking_finding *first, *last;
    struct breaking_pair *pairs, *last_pair;
};

/* A place in both schemas, and the uses of its values. */
struct breaking_place {
    const char *label; /* "'text' of struct 'Message'" */
    struct source_range old, new;
    unsigned uses;
    bool is_state;   /* the state itself, not a part of it */
    bool has_bounds; /* its fields have macros for their upper bounds in C */
};

/** A new finding; it counts once it has a reason. */
struct breaking_finding *breaking_report(struct breaking *b,
                                         enum breaking_id id,
                                         const struct breaking_place *place,
                                         const char *text);
/** Adds a reason where @holds. */
void breaking_because(struct breaking *b, struct breaking_finding *finding,
                      bool holds, enum breaking_who who, const char *why);
/** A value for a message; NULL is "nothing". */
const char *breaking_print(struct breaking *b, const struct json_value *value);
/** The item of a list with this name, or NULL; @list may be NULL. */
const struct json_value *breaking_find(const struct json_value *list,
                                       const char *name);

/** "method 'say'" */
const char *breaking_quoted(struct breaking *b, const char *noun,
                            const struct json_value *item);
struct breaking_place breaking_at(const char *label,
                                  const struct json_value *old,
                                  const struct json_value *new, unsigned uses);
/** Compares inputs, results, payloads or details, each of which may be NULL. */
void breaking_payload(struct breaking *b, const struct json_value *old,
                      const struct json_value *new,
                      const struct breaking_place *place);
/** Says that the thing @label is gone, or its new name if it is @renamed. */
const char *breaking_lost_text(struct breaking *b, const char *label,
                               const struct json_value *renamed);
/** Reports an item that only the old list has: it is gone, or renamed. Returns
 * the renamed item or NULL. */
const struct json_value *breaking_lost(struct breaking *b,
                                       const struct json_value *item,
                                       const struct json_value *own,
                                       const struct json_value *other,
                                       const struct json_value *scope,
                                       const char *noun,
                                       const enum breaking_id ids[2]);
/** A server that lacks a handler compiles, and does not start. */
void breaking_handler_added(struct breaking *b, enum breaking_id id,
                            const struct breaking_place *place,
                            const char *text);
/** Reports @item of the new list if the old list lacks it: it needs a handler.
 */
void breaking_added(struct breaking *b, enum breaking_id id, const char *noun,
                    const struct json_value *own,
                    const struct json_value *other,
                    const struct json_value *item,
                    const struct json_value *scope);
/** The item of a list of texts, or NULL; @list may be NULL. */
const struct json_value *breaking_find_text(const struct json_value *list,
                                            const char *name);
/** Events or broadcasts: a member of @old and @new. */
void breaking_events(struct breaking *b, const struct json_value *old,
                     const struct json_value *new, const char *section,
                     const char *noun);
void breaking_hooks(struct breaking *b, const struct json_value *old,
                    const struct json_value *new, const char *owner);

/* breaking_access.c */
/** The connection, errors, middleware and broadcasts. */
void breaking_access(struct breaking *b);
/** The middleware that lets @label in: a list of names at @key. */
void breaking_guards(struct breaking *b, const struct json_value *old,
                     const struct json_value *new, const char *key,
                     const char *label);
/** The rates of two methods. */
void breaking_limit(struct breaking *b, const struct json_value *old,
                    const struct json_value *new, const char *label);
/** The parameter of a list that comes from the same place, or NULL. */
const struct json_value *breaking_same_source(const struct json_value *list,
                                              const struct json_value *field);

/* breaking_flow.c */
/** The deadlines of two methods. */
void breaking_timeout(struct breaking *b, const struct json_value *old,
                      const struct json_value *new, const char *label);
/** Streams, progress and interleaving of two methods, which clients may call
 * if they are @is_public. */
void breaking_flow(struct breaking *b, const struct json_value *old,
                   const struct json_value *new, const char *label,
                   bool is_public);

/* breaking_timers.c */
/** The timers of two actors. */
void breaking_timers(struct breaking *b, const struct json_value *old,
                     const struct json_value *new);

/* breaking_audiences.c */
/** The audiences of two actors, and the readers of their states. */
void breaking_audiences(struct breaking *b, const struct json_value *old,
                        const struct json_value *new);

/* breaking_uses.c */
enum {
    BREAKING_SECTIONS = 3
};
/** Kinds of named types, and the members of a model that declare them. */
extern const char *const breaking_sections[BREAKING_SECTIONS][2];
/** Fills the pairs. */
void breaking_follow(struct breaking *b);
/** The struct, enum or union that a type names, or NULL. */
const struct json_value *breaking_declared(const struct json_value *model,
                                           const struct json_value *type);
/** The parameters or the struct that a type is, or NULL. */
const struct json_value *breaking_members(const struct json_value *model,
                                          const struct json_value *type);

/* breaking_fields.c */
/** Compares the fields of two objects or structs. */
void breaking_fields(struct breaking *b, const struct json_value *old,
                     const struct json_value *new,
                     const struct breaking_place *place);
/** Compares a field with its new version. */
void breaking_field(struct breaking *b, const struct json_value *old,
                    const struct json_value *new,
                    const struct breaking_place *place);
/** Reports a field of an object that is gone, or called @renamed now. */
void breaking_field_lost(struct breaking *b, const struct json_value *field,
                         const struct json_value *renamed, bool is_strict,
                         const struct breaking_place *place);
void breaking_field_added(struct breaking *b, const struct json_value *field,
                          bool was_strict, const struct breaking_place *place);
/** Of two lists: whether @item, which only one has, is in the other under
 * another name; NULL: no, or not without doubt. */
const struct json_value *breaking_renamed(const struct json_value *item,
                                          const struct json_value *own,
                                          const struct json_value *other);

/* breaking_types.c */
void breaking_type(struct breaking *b, const struct json_value *old,
                   const struct json_value *new,
                   const struct breaking_place *place);
/** Compares the rules of two types, or of two structs. */
void breaking_rules(struct breaking *b, const struct json_value *old,
                    const struct json_value *new,
                    const struct breaking_place *place);

/* breaking_decls.c */
/** Reports a type of this kind ("struct") that is called otherwise in C; true:
 * it is. */
bool breaking_own_names(struct breaking *b, const struct json_value *old,
                        const struct json_value *new, const char *kind,
                        const struct breaking_place *place);
/** Compares an enum, a struct or a union with its new version. */
void breaking_declaration(struct breaking *b, const struct breaking_pair *pair);

#endif
