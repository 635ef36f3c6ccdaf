/* Names of a schema in their C form, and the one table of what is taken. */
#ifndef NAMES_H
#define NAMES_H

#include "syntax/ast.h"
#include "syntax/diag.h"
#include "util/table.h"

/** `sendHTTPNow` becomes `send_http_now`; NULL: nothing would be left. */
char *names_snake(struct arena *arena, const char *name);
/** In capitals. */
char *names_upper(struct arena *arena, const char *text);
/** As a member: keywords and macros of C and C++ get a `_`. */
const char *names_member(struct arena *arena, const char *snake);

/* Identifiers that are taken, with who took them first. Zeroed: none. */
struct names {
    struct table taken; /* struct ast_name */
};

/** Takes @text for @source; false: it is taken, and that was reported. */
bool names_take(struct names *names, struct arena *arena, struct diag *diag,
                const char *text, struct ast_name source);

#endif
