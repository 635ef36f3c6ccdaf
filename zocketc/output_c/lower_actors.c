/* Actors in C: names and types of methods, events, timers, audiences and hooks.
 */
#include <string.h>

#include "output_c/lower.h"

/* A payload that is lowered when all public types are. */
struct internal_payload {
    const struct schema_type *from;
    const char *c_prefix;
    const struct model_type **to;
};

static void make_params(struct lower *l, const struct schema_type *type)
{
    if (type != NULL && schema_is_made(type)) {
        (void)lower_new_struct(l, type->structure);
    }
}

static struct model_type *share(struct lower *l, const struct schema_type *type,
                                const char *c_prefix)
{
    struct model_type *made = lower_type(l, type, c_prefix);
    lower_share(made);
    return made;
}

struct model_type *lower_payload(struct lower *l,
                                 const struct schema_type *type,
                                 const char *c_prefix)
{
    make_params(l, type);
    return share(l, type, c_prefix);
}

/* Lowers a payload that no client sees, behind all public types. */
static void lower_later(struct lower *l, const struct schema_type *type,
                        const char *c_prefix, const struct model_type **to)
{
    const struct internal_payload later = { type, c_prefix, to };
    make_params(l, type);
    list_add(l->arena, &l->internal, &later, sizeof(later));
}

/* The name of the descriptor of a type of a method, if it is new. */
static const char *type_name(const struct lower *l, const struct model_actor *a,
                             const struct model_method *m, const char *noun)
{
    return arena_printf(l->arena, "%s_%s_%s", a->c_prefix, m->c_part, noun);
}

static void lower_payloads(struct lower *l, const struct model_actor *a,
                           const struct schema_method *from,
                           struct model_method *to)
{
    const char *input = type_name(l, a, to, "input");
    const char *result = type_name(l, a, to, "result");
    if (from->is_internal) {
        lower_later(l, from->input, input, &to->input);
        lower_later(l, from->result, result, &to->result);
        return;
    }
    to->input = lower_payload(l, from->input, input);
    to->result = share(l, from->result, result);
    to->chunk = share(l, from->chunk, type_name(l, a, to, "chunk"));
    to->progress = share(l, from->progress, type_name(l, a, to, "progress"));
    to->part = to->chunk != NULL ? to->chunk : to->progress;
}

static void lower_method(struct lower *l, const struct model_actor *a,
                         const struct schema_method *from,
                         struct model_method *to)
{
    to->name = from->name.text;
    to->c_part = names_part(l->arena, from->name.text);
    to->c_field = names_member(l->arena, to->c_part);
    to->doc = from->doc;
    to->at = from->name.at;
    to->is_internal = from->is_internal;
    to->timeout_ms = from->timeout_ms;
    to->interleaves = from->interleaves;
    to->rate = from->rate;
    to->middleware.numbers = &from->middleware;
    to->errors.numbers = &from->errors;
    lower_payloads(l, a, from, to);
}

static void lower_event(struct lower *l, const struct model_actor *a,
                        const struct schema_event *from, struct model_event *to)
{
    to->name = from->name.text;
    to->c_part = names_part(l->arena, from->name.text);
    to->doc = from->doc;
    to->at = from->name.at;
    to->payload = lower_payload(
        l, from->payload,
        arena_printf(l->arena, "%s_%s_event", a->c_prefix, to->c_part));
}

static void lower_timer(struct lower *l, const struct model_actor *a,
                        const struct schema_timer *from, struct model_timer *to)
{
    to->name = from->name.text;
    to->c_part = names_part(l->arena, from->name.text);
    to->c_field = arena_printf(l->arena, "timer_%s", to->c_part);
    to->doc = from->doc;
    to->at = from->name.at;
    to->every_ms = from->every_ms;
    to->has_key = from->by.text != NULL;
    to->by_number = from->by_number;
    lower_later(l, from->input,
                arena_printf(l->arena, "%s_%s_timer", a->c_prefix, to->c_part),
                &to->input);
}

static void lower_audience(struct lower *l, const struct schema_audience *from,
                           struct model_audience *to)
{
    to->name = from->name.text;
    to->c_part = names_part(l->arena, from->name.text);
    to->c_field = arena_printf(l->arena, "audience_%s", to->c_part);
    to->doc = from->doc;
    to->at = from->name.at;
}

static void lower_hook(struct lower *l, const struct ast_name *from,
                       struct model_hook *to)
{
    to->name = from->text;
    to->c_field = arena_printf(l->arena, "on_%s", from->text);
    to->constant = arena_printf(l->arena, "ZKT_HOOK_%s",
                                names_upper(l->arena, from->text));
}

/* Room for the parts of an actor, and the scopes of their names. */
struct parts {
    struct model_method *methods;
    struct model_event *events;
    struct model_timer *timers;
    struct model_audience *audiences;
    struct model_hook *hooks;
    struct model_name *names; /* of methods that clients call */
    size_t name_count;
    struct names handlers, emitted;
};

static void lower_member(struct lower *l, const struct schema_actor *from,
                         const struct model_actor *a, struct parts *parts,
                         const struct schema_member *member)
{
    const size_t i = member->index;
    switch (member->kind) {
    case SCHEMA_METHOD_MEMBER: {
        const struct ast_name *name = &from->methods[i].name;
        lower_take_field(l, &parts->handlers, name);
        lower_method(l, a, &from->methods[i], &parts->methods[i]);
        parts->methods[i].index = i;
        if (!from->methods[i].is_internal) {
            parts->names[parts->name_count++] =
                (struct model_name){ name->text, i, strlen(name->text) };
        }
        break;
    }
    case SCHEMA_EVENT_MEMBER:
        lower_take_field(l, &parts->emitted, &from->events[i].name);
        lower_event(l, a, &from->events[i], &parts->events[i]);
        parts->events[i].index = i;
        break;
    case SCHEMA_TIMER_MEMBER:
        lower_timer(l, a, from->timers[i], &parts->timers[i]);
        parts->timers[i].index = i;
        (void)names_take(&parts->handlers, l->arena, l->diag,
                         parts->timers[i].c_field, from->timers[i]->name);
        break;
    case SCHEMA_AUDIENCE_MEMBER:
        lower_audience(l, &from->audiences[i], &parts->audiences[i]);
        parts->audiences[i].index = i;
        (void)names_take(&parts->handlers, l->arena, l->diag,
                         parts->audiences[i].c_field, from->audiences[i].name);
        break;
    case SCHEMA_HOOK_MEMBER: {
        lower_hook(l, &from->hooks[i], &parts->hooks[i]);
        const struct ast_name as_member = { parts->hooks[i].c_field,
                                            from->hooks[i].at };
        lower_take_field(l, &parts->handlers, &as_member);
        break;
    }
    }
}

static void lower_actor(struct lower *l, const struct schema_actor *from,
                        struct model_actor *to)
{
    struct arena *arena = l->arena;
    struct parts parts = {
        .methods = arena_alloc(arena, (from->method_count + 1) *
                                          sizeof(*parts.methods)),
        .events = arena_alloc(arena,
                              (from->event_count + 1) * sizeof(*parts.events)),
        .timers = arena_alloc(arena,
                              (from->timer_count + 1) * sizeof(*parts.timers)),
        .audiences = arena_alloc(arena, (from->audience_count + 1) *
                                            sizeof(*parts.audiences)),
        .hooks = arena_alloc(arena,
                             (from->hook_count + 1) * sizeof(*parts.hooks)),
        .names = arena_alloc(arena,
                             (from->method_count + 1) * sizeof(*parts.names)),
    };
    to->name = from->name.text;
    to->c_prefix = names_declared(arena, l->schema, from->name.text);
    to->c_field = names_field(arena, from->name.text);
    to->doc = from->doc;
    to->at = from->name.at;
    if (names_take(&l->names, arena, l->diag, to->c_prefix, from->name)) {
        (void)names_take(&l->handlers, arena, l->diag, to->c_field, from->name);
    }
    for (size_t i = 0; i < from->member_count; i++) {
        lower_member(l, from, to, &parts, &from->members[i]);
    }
    to->methods = parts.methods;
    to->method_count = from->method_count;
    to->events = parts.events;
    to->event_count = from->event_count;
    to->timers = parts.timers;
    to->timer_count = from->timer_count;
    to->audiences = parts.audiences;
    to->audience_count = from->audience_count;
    to->has_readers = schema_has_readers(from->state);
    to->hooks = parts.hooks;
    to->hook_count = from->hook_count;
    to->method_names = lower_lookup(arena, parts.names, parts.name_count);
    to->subscribe_middleware.numbers = &from->subscribe_middleware;
    to->state = lower_new_struct(l, from->state);
    if (from->private_state != NULL) {
        to->private_state = lower_new_struct(l, from->private_state);
    }
}

void lower_actors(struct lower *l)
{
    const struct schema *s = l->schema;
    const size_t count = s->actor_count;
    struct names members = { 0 };
    struct model_name *names = arena_alloc(l->arena,
                                           (count + 1) * sizeof(*names));
    l->actors = arena_alloc(l->arena, (count + 1) * sizeof(*l->actors));
    for (size_t i = 0; i < count; i++) {
        lower_make_struct(l, s->actors[i].state); /* any part may name it */
    }
    for (size_t i = 0; i < count; i++) {
        const struct ast_name *name = &s->actors[i].name;
        lower_take_field(l, &members, name);
        lower_actor(l, &s->actors[i], &l->actors[i]);
        names[i] = (struct model_name){ name->text, i, strlen(name->text) };
    }
    l->model->actors = l->actors;
    l->model->actor_count = count;
    l->model->actor_names = lower_lookup(l->arena, names, count);
}

void lower_internal(struct lower *l)
{
    const struct internal_payload *all = l->internal.items;
    for (size_t i = 0; i < l->internal.count; i++) {
        *all[i].to = share(l, all[i].from, all[i].c_prefix);
    }
}
