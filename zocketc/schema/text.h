/* Types and defaults as a schema writes them, for people to read. */
#ifndef SCHEMA_TEXT_H
#define SCHEMA_TEXT_H

#include "schema/schema.h"
#include "util/text_buffer.h"

/** "string(trim, 1..2000)", "Message[..200]"; an alias is replaced by its type.
 */
const char *schema_type_text(struct arena *arena,
                             const struct schema_type *type);
/** A field's name: "userName", "\"user-name\"". */
const char *schema_name_text(struct arena *arena, const char *name);
/** "[1, 2]", "{ x: 1 }" */
const char *schema_value_text(struct arena *arena,
                              const struct ast_value *value);

#endif
