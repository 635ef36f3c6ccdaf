/* The app's own structs in C: of the connection, middleware, errors and
 * broadcasts. */
#include "output_c/lower.h"

static void lower_output(struct lower *l, const struct schema_struct *s)
{
    if (s != NULL) {
        (void)lower_new_struct(l, s);
    }
}

void lower_access(struct lower *l)
{
    const struct schema *schema = l->schema;
    if (schema->connection != NULL) {
        lower_output(l, schema->connection->input);
        lower_output(l, schema->connection->data);
    }
    for (size_t i = 0; i < schema->middleware_count; i++) {
        lower_output(l, schema->middleware[i].output);
    }
    for (size_t i = 0; i < schema->error_count; i++) {
        const struct schema_error *e = &schema->errors[i];
        const char *prefix = names_declared(l->arena, schema, e->name.text);
        (void)lower_payload(l, e->details,
                            arena_printf(l->arena, "%s_error", prefix));
    }
    for (size_t i = 0; i < schema->broadcast_count; i++) {
        const struct schema_event *e = &schema->broadcasts[i];
        const char *prefix = names_declared(l->arena, schema, e->name.text);
        (void)lower_payload(l, e->payload,
                            arena_printf(l->arena, "%s_broadcast", prefix));
    }
}
