/* The app's own structs in C: of the connection, middleware, errors and
 * broadcasts. */
#include <string.h>

#include "output_c/lower.h"

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

/* ---- middleware ---- */

/* The name of a parameter that stands beside those of a handler or of the
 * functions around it. */
static const char *parameter_name(struct lower *l, const char *c_field)
{
    static const char *const taken[] = {
        "call",   "deferred", "done",         "id",   "in",   "input", "out",
        "result", "server",   "subscription", "then", "user", "zkt"
    };
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        if (strcmp(c_field, taken[i]) == 0) {
            return arena_printf(l->arena, "%s_", c_field);
        }
    }
    return c_field;
}

/* A middleware has a name among types and actors, with an output or without,
 * and a member in the struct of handlers. */
static void lower_middleware(struct lower *l,
                             const struct schema_middleware *from,
                             struct model_middleware *to)
{
    to->name = from->name.text;
    to->c_part = names_part(l->arena, from->name.text);
    to->c_field = names_field(l->arena, from->name.text);
    to->c_param = parameter_name(l, to->c_field);
    to->doc = from->doc;
    to->errors.numbers = &from->errors;
    if (from->output != NULL) {
        to->output = lower_new_struct(l, from->output);
    } else {
        (void)names_take(&l->names, l->arena, l->diag,
                         names_declared(l->arena, l->schema, from->name.text),
                         from->name);
    }
    (void)names_take(&l->handlers, l->arena, l->diag, to->c_field, from->name);
}

/* ---- the connection ---- */

static const char *source_constant(enum schema_source source)
{
    static const char *const constants[] = {
        [SCHEMA_FROM_QUERY] = "ZKT_FROM_QUERY",
        [SCHEMA_FROM_HEADER] = "ZKT_FROM_HEADER",
        [SCHEMA_FROM_COOKIE] = "ZKT_FROM_COOKIE",
        [SCHEMA_FROM_BEARER] = "ZKT_FROM_BEARER",
        [SCHEMA_FROM_CERTIFICATE] = "ZKT_FROM_CERTIFICATE",
    };
    return constants[source];
}

static const struct model_parameter *lower_parameters(
    struct lower *l, const struct schema_connection *from)
{
    const size_t count = from->input->field_count;
    struct model_parameter *all = arena_alloc(l->arena,
                                              (count + 1) * sizeof(*all));
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct model_parameter){
            .constant = source_constant(from->parameters[i].source),
            .name = from->parameters[i].name,
        };
    }
    return all;
}

static void lower_connection(struct lower *l,
                             const struct schema_connection *from)
{
    const struct ast_name open = { "on open", from->at };
    const struct ast_name close = { "on close", from->at };
    struct model_connection *to = ARENA_NEW(l->arena, struct model_connection);
    to->doc = from->doc;
    to->c_prefix = arena_printf(l->arena, "%s_connection", l->app);
    to->input = lower_new_struct(l, from->input);
    to->parameters = lower_parameters(l, from);
    if (from->data != NULL) {
        to->data = lower_new_struct(l, from->data);
    }
    to->has_open = from->has_open;
    to->has_close = from->has_close;
    to->errors.numbers = &from->errors;
    if (to->has_open) {
        (void)names_take(&l->handlers, l->arena, l->diag, "on_open", open);
    }
    if (to->has_close) {
        (void)names_take(&l->handlers, l->arena, l->diag, "on_close", close);
    }
    l->connection = to;
}

/* ---- errors and broadcasts ---- */

static void lower_error(struct lower *l, const struct schema_error *from,
                        struct model_error *to)
{
    const char *prefix = names_declared(l->arena, l->schema, from->name.text);
    to->name = from->name.text;
    to->c_part = names_part(l->arena, from->name.text);
    to->doc = from->doc;
    to->text = from->doc != NULL
                   ? arena_text(l->arena, from->doc, strcspn(from->doc, "\n"))
                   : "";
    to->constant = arena_printf(l->arena, "ZKT_%s", from->code);
    to->details = lower_payload(l, from->details,
                                arena_printf(l->arena, "%s_error", prefix));
}

static void lower_broadcast(struct lower *l, const struct schema_event *from,
                            struct model_event *to)
{
    const char *prefix = names_declared(l->arena, l->schema, from->name.text);
    to->name = from->name.text;
    to->c_part = names_part(l->arena, from->name.text);
    to->doc = from->doc;
    to->at = from->name.at;
    to->payload = lower_payload(l, from->payload,
                                arena_printf(l->arena, "%s_broadcast", prefix));
}

/* ---- all of it ---- */

#define ROOM(l, count, type)                                                   \
    arena_alloc((l)->arena, ((count) + 1) * sizeof(type))

void lower_access(struct lower *l)
{
    const struct schema *s = l->schema;
    struct model *m = l->model;
    struct model_error *errors = ROOM(l, s->error_count, *errors);
    struct model_event *broadcasts = ROOM(l, s->broadcast_count, *broadcasts);
    l->middleware = ROOM(l, s->middleware_count, *l->middleware);
    take_parts(l);
    if (s->connection != NULL) {
        lower_connection(l, s->connection);
    }
    for (size_t i = 0; i < s->middleware_count; i++) {
        lower_middleware(l, &s->middleware[i], &l->middleware[i]);
        l->middleware[i].index = i;
    }
    for (size_t i = 0; i < s->error_count; i++) {
        lower_error(l, &s->errors[i], &errors[i]);
        errors[i].index = i;
    }
    for (size_t i = 0; i < s->broadcast_count; i++) {
        lower_broadcast(l, &s->broadcasts[i], &broadcasts[i]);
        broadcasts[i].index = i;
    }
    m->connection = l->connection;
    m->middleware = l->middleware;
    m->middleware_count = s->middleware_count;
    m->errors = errors;
    m->error_count = s->error_count;
    m->broadcasts = broadcasts;
    m->broadcast_count = s->broadcast_count;
    m->rate_count = s->rate_count;
}
