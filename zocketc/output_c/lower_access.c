/* The app's own structs in C: of the connection, middleware, errors and
 * broadcasts. */
#include "output_c/lower.h"

static void lower_output(struct lower *l, const struct schema_struct *s)
{
    if (s != NULL) {
        (void)lower_new_struct(l, s);
    }
}

/* Names of errors and broadcasts, which functions end in. */
static void take_parts(struct lower *l)
{
    const struct schema *schema = l->schema;
    struct names errors = { 0 }, broadcasts = { 0 };
    for (size_t i = 0; i < schema->error_count; i++) {
        lower_take_field(l, &errors, &schema->errors[i].name);
    }
    for (size_t i = 0; i < schema->broadcast_count; i++) {
        lower_take_field(l, &broadcasts, &schema->broadcasts[i].name);
    }
}

/* A middleware has a name among types and actors, with an output or without,
 * and a member in the struct of handlers. */
static void lower_middleware(struct lower *l, const struct schema_middleware *m)
{
    lower_output(l, m->output);
    if (m->output == NULL) {
        (void)names_take(&l->names, l->arena, l->diag,
                         names_declared(l->arena, l->schema, m->name.text),
                         m->name);
    }
    (void)names_take(&l->handlers, l->arena, l->diag,
                     names_field(l->arena, m->name.text), m->name);
}

static void lower_connection(struct lower *l,
                             const struct schema_connection *connection)
{
    const struct ast_name open = { "on open", connection->at };
    const struct ast_name close = { "on close", connection->at };
    lower_output(l, connection->input);
    lower_output(l, connection->data);
    if (connection->has_open) {
        (void)names_take(&l->handlers, l->arena, l->diag, "on_open", open);
    }
    if (connection->has_close) {
        (void)names_take(&l->handlers, l->arena, l->diag, "on_close", close);
    }
}

void lower_access(struct lower *l)
{
    const struct schema *schema = l->schema;
    take_parts(l);
    if (schema->connection != NULL) {
        lower_connection(l, schema->connection);
    }
    for (size_t i = 0; i < schema->middleware_count; i++) {
        lower_middleware(l, &schema->middleware[i]);
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
