/* Names of a schema in C, and tables of those that are taken. */
#ifndef NAMES_H
#define NAMES_H

#include "schema/schema.h"
#include "syntax/diag.h"
#include "util/table.h"

/** `sendHTTPNow` becomes `send_http_now`, `user-name` `user_name`; NULL:
 * nothing would be left, or it would begin with a digit. */
char *names_snake(struct arena *arena, const char *name);
/** In capitals. */
char *names_upper(struct arena *arena, const char *text);
/** As a member: keywords and macros of C and C++ get a `_`. */
const char *names_member(struct arena *arena, const char *snake);

/** The C name prefix of an app: that of everything in it. */
const char *names_app(struct arena *arena, const struct schema *schema);
/** Of a declaration: "demo_message". */
const char *names_declared(struct arena *arena, const struct schema *schema,
                           const char *name);
/** Of any struct: "demo_chat_say_input", "demo_chat_state". */
const char *names_struct(struct arena *arena, const struct schema *schema,
                         const struct schema_struct *structure);
/** A constant of an enum: "DEMO_ROLE_MEMBER". */
const char *names_constant(struct arena *arena, const struct schema *schema,
                           const char *owner, const char *value);
/** A field or a variant: "reply_to", "delete_". */
const char *names_field(struct arena *arena, const char *name);
/** The constant for a literal field: "DEMO_CIRCLE_KIND". */
const char *names_literal(struct arena *arena, const struct schema *schema,
                          const struct schema_struct *structure,
                          const char *name);
/** A method or an event, in names of functions: "set_topic". */
const char *names_part(struct arena *arena, const char *name);

/* Identifiers that are taken, with who took them first. Zeroed: none. */
struct names {
    struct table taken; /* struct ast_name */
};

/** Takes @text for @source; false: it is taken, and that was reported. */
bool names_take(struct names *names, struct arena *arena, struct diag *diag,
                const char *text, struct ast_name source);

#endif
