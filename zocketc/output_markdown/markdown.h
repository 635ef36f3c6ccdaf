/*
 * A reference of the app for people, in Markdown: the actors and types that
 * clients see, with documentation and rules. templates/markdown lays it out.
 */
#ifndef MARKDOWN_H
#define MARKDOWN_H

#include "schema/schema.h"
#include "util/text_buffer.h"

/** The reference of a schema in which nothing is wrong. */
void markdown_render(struct arena *arena, const struct schema *schema,
                     struct text_buffer *out);

/* ---- for the templates ---- */

struct markdown {
    struct arena *arena;
    const struct schema *schema;
    const char *version; /* of the compiler */
};

/** A type as code; a '|' in it would end a cell of a table. */
const char *markdown_type(const struct markdown *m,
                          const struct schema_type *type);
/** The name of a field as code. */
const char *markdown_name(const struct markdown *m, const char *name);
/** A default as code; "" if there is none. */
const char *markdown_default(const struct markdown *m,
                             const struct schema_field *field);
/** Documentation in a cell of a table; "" if there is none. */
const char *markdown_cell(const struct markdown *m, const char *doc);
/** The documentation of a field, and its readers if it is not for all, in a
 * cell of a table. */
const char *markdown_field(const struct markdown *m,
                           const struct schema_field *field);
/** The spelling of a value of an enum, as code. */
const char *markdown_wire(const struct markdown *m,
                          const struct schema_enum_value *value);
/** "say(text: string) -> Message" */
const char *markdown_method(const struct markdown *m,
                            const struct schema_method *method);
/** The type of its progress as code; NULL: it reports none. */
const char *markdown_progress(const struct markdown *m,
                              const struct schema_method *method);
/** "30 s"; NULL: it has no timeout. */
const char *markdown_timeout(const struct markdown *m,
                             const struct schema_method *method);
/** "At most 60 calls a second, and 120 at once."; NULL: no rate. */
const char *markdown_rate(const struct markdown *m,
                          const struct schema_rate *rate);
/** Names of middleware or errors as code with commas between; NULL: none. */
const char *markdown_middleware(const struct markdown *m,
                                const struct schema_numbers *numbers);
const char *markdown_errors(const struct markdown *m,
                            const struct schema_numbers *numbers);
/** The source of a parameter of the connection: `cookie("sid")`. */
const char *markdown_source(const struct markdown *m,
                            const struct schema_parameter *parameter);
/** "roomFull(capacity: int32)" */
const char *markdown_error(const struct markdown *m,
                           const struct schema_error *error);
/** "said: Message" */
const char *markdown_event(const struct markdown *m,
                           const struct schema_event *event);
/** The parameters of a payload, if any is documented; or NULL. */
const struct schema_struct *markdown_params(const struct schema_type *payload);

/* templates/markdown/reference.ct */
void emit_reference(struct text_buffer *out, const struct markdown *m);

#endif
