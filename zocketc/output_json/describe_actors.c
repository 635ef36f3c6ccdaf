/*
 * The parts of a description that are no types: actors, and rights.
 * Lists of names are complete and in order: a reader need not sort them.
 * Members that are not in every schema are left out where they would be empty.
 */
#include "output_json/describe.h"

#include <string.h>

static void add_payload(const struct describe *d, struct json_value *to,
                        const char *key, const struct schema_type *type)
{
    if (type == NULL) {
        return;
    }
    json_value_add(to, key,
                   schema_is_made(type) ? describe_object(d, type->structure)
                                        : describe_type(d, type));
}

static void add_middleware(const struct describe *d, struct json_value *to,
                           const char *key,
                           const struct schema_numbers *numbers)
{
    struct json_value *list = numbers->count > 0 ? describe_add_list(d, to, key)
                                                 : NULL;
    for (size_t i = 0; i < numbers->count; i++) {
        describe_add_name(d, list,
                          &d->schema->middleware[numbers->items[i]].name);
    }
}

static void add_errors(const struct describe *d, struct json_value *to,
                       const struct schema_numbers *numbers)
{
    struct json_value *list = numbers->count > 0
                                  ? describe_add_list(d, to, "throws")
                                  : NULL;
    for (size_t i = 0; i < numbers->count; i++) {
        describe_add_name(d, list, &d->schema->errors[numbers->items[i]].name);
    }
}

/* ---- actors ---- */

static struct json_value *describe_part(const struct describe *d,
                                        const struct ast_name *name,
                                        const char *doc)
{
    return describe_named(d, name, d->names->part(d->names->user, name->text),
                          doc);
}

static void add_rate(const struct describe *d, struct json_value *to,
                     const struct schema_rate *rate)
{
    if (rate == NULL) {
        return;
    }
    struct json_value *limit = json_value_add(
        to, "limit", json_value_new(d->arena, JSON_OBJECT));
    describe_add_integer(d, limit, "tokens", rate->tokens);
    describe_add_integer(d, limit, "periodMs", rate->period_ms);
    describe_add_integer(d, limit, "burst", rate->burst);
    json_value_add_text(d->arena, limit, "by",
                        rate->by != NULL ? rate->by->name.text : NULL);
}

static void add_flow(const struct describe *d, struct json_value *to,
                     const struct schema_method *m)
{
    if (m->timeout_ms > 0) {
        describe_add_integer(d, to, "timeoutMs", m->timeout_ms);
    }
    describe_add_flag(d, to, "interleave", m->interleaves);
}

static struct json_value *describe_method(const struct describe *d,
                                          const struct schema_method *m)
{
    struct json_value *method = describe_part(d, &m->name, m->doc);
    add_payload(d, method, "input", m->input);
    add_payload(d, method, "result", m->result);
    add_payload(d, method, "stream", m->chunk);
    add_payload(d, method, "progress", m->progress);
    add_flow(d, method, m);
    add_middleware(d, method, "use", &m->middleware);
    add_errors(d, method, &m->errors);
    add_rate(d, method, m->rate);
    return method;
}

/* Internal methods have a list of their own: a reader that does not know of
 * them makes no function for clients. */
static void add_methods(const struct describe *d, struct json_value *to,
                        const struct schema_actor *actor)
{
    struct json_value *methods = describe_add_list(d, to, "methods");
    struct json_value *internal = NULL;
    for (size_t i = 0; i < actor->method_count; i++) {
        const struct schema_method *m = &actor->methods[i];
        if (m->is_internal && internal == NULL) {
            internal = describe_add_list(d, to, "internalMethods");
        }
        json_value_add(m->is_internal ? internal : methods, NULL,
                       describe_method(d, m));
    }
}

static void add_events(const struct describe *d, struct json_value *to,
                       const struct schema_actor *actor)
{
    struct json_value *events = describe_add_list(d, to, "events");
    for (size_t i = 0; i < actor->event_count; i++) {
        const struct schema_event *e = &actor->events[i];
        struct json_value *event = describe_part(d, &e->name, e->doc);
        add_payload(d, event, "payload", e->payload);
        json_value_add(events, NULL, event);
    }
}

static void add_timers(const struct describe *d, struct json_value *to,
                       const struct schema_actor *actor)
{
    struct json_value *timers = actor->timer_count > 0
                                    ? describe_add_list(d, to, "timers")
                                    : NULL;
    for (size_t i = 0; i < actor->timer_count; i++) {
        const struct schema_timer *t = actor->timers[i];
        struct json_value *timer = describe_part(d, &t->name, t->doc);
        add_payload(d, timer, "input", t->input);
        if (t->every_ms > 0) {
            describe_add_integer(d, timer, "everyMs", t->every_ms);
        }
        json_value_add_text(d->arena, timer, "by", t->by.text);
        json_value_add(timers, NULL, timer);
    }
}

static void add_audiences(const struct describe *d, struct json_value *to,
                          const struct schema_actor *actor)
{
    struct json_value *audiences = actor->audience_count > 0
                                       ? describe_add_list(d, to, "audiences")
                                       : NULL;
    for (size_t i = 0; i < actor->audience_count; i++) {
        const struct schema_audience *a = &actor->audiences[i];
        json_value_add(audiences, NULL, describe_part(d, &a->name, a->doc));
    }
}

static struct json_value *describe_actor(const struct describe *d,
                                         const struct schema_actor *actor)
{
    struct json_value *to = describe_declared(d, &actor->name, actor->doc);
    if (actor->state->field_count > 0) {
        json_value_add(to, "state", describe_object(d, actor->state));
    }
    if (actor->private_state != NULL) {
        json_value_add(to, "private", describe_object(d, actor->private_state));
    }
    add_middleware(d, to, "subscribeUse", &actor->subscribe_middleware);
    add_methods(d, to, actor);
    add_events(d, to, actor);
    add_timers(d, to, actor);
    add_audiences(d, to, actor);
    struct json_value *hooks = describe_add_list(d, to, "hooks");
    for (size_t i = 0; i < actor->hook_count; i++) {
        const struct ast_name hook = { actor->hooks[i].text, actor->name.at };
        describe_add_name(d, hooks, &hook);
    }
    return to;
}

/* ---- the connection ---- */

static void add_parameters(const struct describe *d, struct json_value *to,
                           const struct schema_connection *connection)
{
    static const char *const sources[] = {
        [SCHEMA_FROM_QUERY] = "query",
        [SCHEMA_FROM_HEADER] = "header",
        [SCHEMA_FROM_COOKIE] = "cookie",
        [SCHEMA_FROM_BEARER] = "bearer",
        [SCHEMA_FROM_CERTIFICATE] = "certificate",
    };
    struct json_value *input = json_value_add(
        to, "input", describe_object(d, connection->input));
    struct json_value *field = json_value_find(input, "fields")->first;
    for (size_t i = 0; field != NULL; field = field->next, i++) {
        const struct schema_parameter *p = &connection->parameters[i];
        json_value_add_text(d->arena, field, "from", sources[p->source]);
        if (p->source != SCHEMA_FROM_BEARER) {
            json_value_add(
                field, "key",
                json_value_string(d->arena, p->name.text, p->name.len));
        }
    }
}

static struct json_value *describe_connection(
    const struct describe *d, const struct schema_connection *connection)
{
    struct json_value *to = json_value_new(d->arena, JSON_OBJECT);
    to->at = connection->at;
    json_value_add_text(d->arena, to, "doc", connection->doc);
    add_parameters(d, to, connection);
    if (connection->data != NULL) {
        json_value_add(to, "data", describe_object(d, connection->data));
    }
    add_errors(d, to, &connection->errors);
    struct json_value *hooks = describe_add_list(d, to, "hooks");
    const struct ast_name open = { "open", connection->at };
    const struct ast_name close = { "close", connection->at };
    if (connection->has_open) {
        describe_add_name(d, hooks, &open);
    }
    if (connection->has_close) {
        describe_add_name(d, hooks, &close);
    }
    return to;
}

/* ---- middleware, errors, broadcasts ---- */

static void add_all_middleware(const struct describe *d, struct json_value *to)
{
    const struct schema *s = d->schema;
    struct json_value *list = s->middleware_count > 0
                                  ? describe_add_list(d, to, "middleware")
                                  : NULL;
    for (size_t i = 0; i < s->middleware_count; i++) {
        const struct schema_middleware *m = &s->middleware[i];
        struct json_value *item = describe_part(d, &m->name, m->doc);
        if (m->output != NULL) {
            json_value_add(item, "output", describe_object(d, m->output));
        }
        add_middleware(d, item, "after", &m->after);
        add_errors(d, item, &m->errors);
        json_value_add(list, NULL, item);
    }
}

static void add_all_errors(const struct describe *d, struct json_value *to)
{
    const struct schema *s = d->schema;
    struct json_value *list = s->error_count > 0
                                  ? describe_add_list(d, to, "errors")
                                  : NULL;
    for (size_t i = 0; i < s->error_count; i++) {
        const struct schema_error *e = &s->errors[i];
        struct json_value *item = describe_part(d, &e->name, e->doc);
        json_value_add_text(d->arena, item, "code", e->code);
        add_payload(d, item, "details", e->details);
        json_value_add(list, NULL, item);
    }
}

static void add_broadcasts(const struct describe *d, struct json_value *to)
{
    const struct schema *s = d->schema;
    struct json_value *list = s->broadcast_count > 0
                                  ? describe_add_list(d, to, "broadcasts")
                                  : NULL;
    for (size_t i = 0; i < s->broadcast_count; i++) {
        const struct schema_event *e = &s->broadcasts[i];
        struct json_value *item = describe_part(d, &e->name, e->doc);
        add_payload(d, item, "payload", e->payload);
        json_value_add(list, NULL, item);
    }
}

void describe_app(const struct describe *d, struct json_value *to)
{
    const struct schema *s = d->schema;
    if (s->connection != NULL) {
        json_value_add(to, "connection", describe_connection(d, s->connection));
    }
    add_all_errors(d, to);
    add_all_middleware(d, to);
    add_broadcasts(d, to);
    struct json_value *actors = describe_add_list(d, to, "actors");
    for (size_t i = 0; i < s->actor_count; i++) {
        json_value_add(actors, NULL, describe_actor(d, &s->actors[i]));
    }
}
