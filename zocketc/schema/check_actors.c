/*
 * Actors: states, methods, events, timers, audiences and hooks. The payload of
 * a method, an event or a timer is a struct made of its parameters, or a named
 * type.
 */
#include <string.h>

#include "schema/check.h"

static const char *const reserved_methods[] = { "on", "state", "meta", "then",
                                                NULL };
static const char *const reserved_handlers[] = { "connection", "middleware",
                                                 "clientId",   "on",
                                                 "then",       NULL };
static const char *const reserved_broadcasts[] = { "status", NULL };
static const char *const reserved_everywhere[] = { "toJSON", "constructor",
                                                   "__proto__", "prototype",
                                                   NULL };

static void check_reserved(struct check *c, const struct ast_name *name,
                           const char *const *words, const char *noun)
{
    const char *const *lists[] = { words, reserved_everywhere };
    for (size_t l = 0; l < 2; l++) {
        for (const char *const *w = lists[l]; *w != NULL; w++) {
            if (strcmp(*w, name->text) == 0) {
                diag_report(c->diag, name->at, DIAG_RESERVED_NAME, noun,
                            name->text);
            }
        }
    }
}

void check_handler_name(struct check *c, const struct ast_name *name,
                        const char *noun)
{
    check_reserved(c, name, reserved_handlers, noun);
}

void check_broadcast_name(struct check *c, const struct ast_name *name)
{
    check_reserved(c, name, reserved_broadcasts, "a broadcast");
}

/* An actor on its way. */
struct actor {
    struct schema_actor *to;
    struct list methods, events, timers, audiences, hooks, members;
    struct table handlers, emitted, timed, judged; /* names of methods, of
                                                      events, of timers, of
                                                      audiences */
    const struct ast_member *state, *private_state, *subscribe;
};

static void add_member(struct check *c, struct actor *a,
                       enum schema_member_kind kind, size_t index)
{
    const struct schema_member member = { kind, index };
    list_add(c->arena, &a->members, &member, sizeof(member));
}

const struct schema_type *check_payload(struct check *c, const char *actor,
                                        const struct ast_payload *payload,
                                        enum schema_role role,
                                        struct ast_name name)
{
    if (payload->kind == AST_PAYLOAD_PARAMS && payload->params != NULL) {
        struct schema_struct *s = check_new_struct(c, role, name,
                                                   payload->params);
        s->actor = actor;
        return s->type;
    }
    if (payload->kind == AST_PAYLOAD_TYPE) {
        return check_type(c, payload->type,
                          (struct type_use){ .field = false });
    }
    return NULL;
}

/* The input of a method. Its struct is the server's alone where no client can
 * call the method. */
static const struct schema_type *check_input(struct check *c,
                                             const struct actor *a,
                                             const struct ast_member *m)
{
    const size_t count = c->structs.count;
    const struct schema_type *input = check_payload(
        c, a->to->name.text, &m->payload, SCHEMA_INPUT, m->name);
    if (m->is_internal && c->structs.count > count) {
        check_hide_struct(c, input->structure);
    }
    return input;
}

/* Middleware, errors and the rate of a method. */
static void check_access_of(struct check *c, const struct actor *a,
                            const struct ast_member *m,
                            struct schema_method *method)
{
    const struct schema_numbers none = { .items = NULL };
    method->is_internal = m->is_internal;
    if (m->is_internal && (m->uses != NULL || m->limits != NULL)) {
        diag_report(c->diag, m->uses != NULL ? m->uses->name.at : m->limits->at,
                    DIAG_INTERNAL_METHOD,
                    m->uses != NULL ? "middleware" : "limit");
    }
    method->middleware = m->is_internal
                             ? none
                             : check_chain(c, a->to->middleware, m->uses);
    method->errors = check_throws(c, m->throws, method->middleware);
    method->rate = m->is_internal ? NULL : check_rate(c, m->limits);
}

static void check_method(struct check *c, struct actor *a,
                         const struct ast_member *m)
{
    struct schema_method method = { .name = m->name, .doc = m->doc };
    const bool first = check_take(c, &a->handlers, &m->name, "method");
    check_reserved(c, &m->name, reserved_methods, "a method");
    method.input = check_input(c, a, m);
    check_access_of(c, a, m, &method);
    check_flow(c, m, &method);
    if (m->result != NULL) {
        method.result = check_type(c, m->result,
                                   (struct type_use){ .field = false });
    }
    if (first) {
        add_member(c, a, SCHEMA_METHOD_MEMBER, a->methods.count);
        list_add(c->arena, &a->methods, &method, sizeof(method));
    }
}

static void check_event(struct check *c, struct actor *a,
                        const struct ast_member *m)
{
    struct schema_event event = { .name = m->name, .doc = m->doc };
    const bool first = check_take(c, &a->emitted, &m->name, "event");
    event.payload = check_payload(c, a->to->name.text, &m->payload,
                                  SCHEMA_EVENT, m->name);
    if (first) {
        add_member(c, a, SCHEMA_EVENT_MEMBER, a->events.count);
        list_add(c->arena, &a->events, &event, sizeof(event));
    }
}

static void check_member_timer(struct check *c, struct actor *a,
                               const struct ast_member *m)
{
    const bool first = check_take(c, &a->timed, &m->name, "timer");
    const struct schema_timer *timer = check_timer(c, a->to->name.text, m);
    if (first && timer != NULL) {
        add_member(c, a, SCHEMA_TIMER_MEMBER, a->timers.count);
        list_add(c->arena, &a->timers, &timer, sizeof(timer));
    }
}

static void check_member_audience(struct check *c, struct actor *a,
                                  const struct ast_member *m)
{
    const struct schema_audience audience = { m->name, m->doc };
    if (!check_take(c, &a->judged, &m->name, "audience") ||
        !check_audience(c, &a->to->name, m, a->audiences.count)) {
        return;
    }
    add_member(c, a, SCHEMA_AUDIENCE_MEMBER, a->audiences.count);
    list_add(c->arena, &a->audiences, &audience, sizeof(audience));
}

/* ---- hooks ---- */

static const char *const hook_names[] = { "connect", "disconnect", "activate",
                                          "deactivate", "subscribe" };

enum {
    HOOKS = sizeof(hook_names) / sizeof(hook_names[0])
};

/* A hook that the actor lacks. */
static const char *hook_at(const void *user, size_t i)
{
    const struct ast_decl *decl = user;
    for (const struct ast_member *m = decl->members; m != NULL; m = m->next) {
        for (const struct ast_names *n = m->hooks; n != NULL; n = n->next) {
            if (strcmp(n->name.text, hook_names[i]) == 0) {
                return NULL;
            }
        }
    }
    return hook_names[i];
}

static void check_hook(struct check *c, struct actor *a,
                       const struct ast_decl *decl, const struct ast_name *name)
{
    const struct ast_name as_member = {
        arena_printf(c->arena, "on_%s", name->text), name->at
    };
    size_t i = 0;
    while (i < HOOKS && strcmp(hook_names[i], name->text) != 0) {
        i++;
    }
    if (i == HOOKS) {
        diag_report(c->diag, name->at, DIAG_UNKNOWN_HOOK, name->text);
        diag_suggest(c->diag, name->at, name->text, HOOKS, hook_at, decl);
    }
    if (check_take(c, &a->handlers, &as_member, "handler")) {
        add_member(c, a, SCHEMA_HOOK_MEMBER, a->hooks.count);
        list_add(c->arena, &a->hooks, name, sizeof(*name));
    }
}

/* ---- states ---- */

static void first_of_kind(struct check *c, const struct actor *a,
                          const struct ast_member *m,
                          const struct ast_member **first)
{
    if (*first != NULL) {
        diag_report(c->diag, m->name.at, DIAG_DUPLICATE_STATE, a->to->name.text,
                    m->kind == AST_MEMBER_STATE ? "states" : "private states");
        diag_report(c->diag, (*first)->name.at, DIAG_FIRST_HERE);
        return;
    }
    *first = m;
}

/* Both states are written through functions of the actor, so their fields
 * share a scope. */
static void check_shared_names(struct check *c, const struct actor *a)
{
    struct table names = { 0 };
    const struct ast_field *f = a->state != NULL ? a->state->fields : NULL;
    for (; f != NULL; f = f->next) {
        if (table_find(&names, f->name.text) == NULL) {
            (void)check_take(c, &names, &f->name, "field");
        }
    }
    for (f = a->private_state->fields; f != NULL; f = f->next) {
        const struct ast_name *first = table_find(&names, f->name.text);
        if (first != NULL) {
            diag_report(c->diag, f->name.at, DIAG_DUPLICATE_NAME, "field",
                        f->name.text);
            diag_report(c->diag, first->at, DIAG_FIRST_HERE);
        }
    }
}

static const struct schema_struct *new_state(struct check *c,
                                             const struct actor *a,
                                             enum schema_role role,
                                             const struct ast_member *m)
{
    const struct ast_name name = {
        arena_printf(c->arena, "%s.%s", a->to->name.text,
                     role == SCHEMA_STATE ? "state" : "private"),
        m != NULL ? m->name.at : a->to->name.at
    };
    const struct symbol *known = role == SCHEMA_STATE ? check_find(c, name.text)
                                                      : NULL;
    if (known != NULL) {
        return known->structure;
    }
    struct schema_struct *s = check_new_struct(c, role, name,
                                               m != NULL ? m->fields : NULL);
    s->actor = a->to->name.text;
    s->is_private = role == SCHEMA_PRIVATE;
    return s;
}

/* ---- actors ---- */

static void check_subscribe(struct check *c, struct actor *a,
                            const struct ast_member *m)
{
    if (a->subscribe != NULL) {
        diag_report(c->diag, m->name.at, DIAG_DUPLICATE_SUBSCRIBE,
                    a->to->name.text);
        diag_report(c->diag, a->subscribe->name.at, DIAG_FIRST_HERE);
        return;
    }
    a->subscribe = m;
    a->to->subscribe_middleware = check_chain(c, a->to->middleware, m->uses);
}

static void check_member(struct check *c, struct actor *a,
                         const struct ast_decl *decl,
                         const struct ast_member *m)
{
    switch (m->kind) {
    case AST_MEMBER_STATE:
        first_of_kind(c, a, m, &a->state);
        break;
    case AST_MEMBER_PRIVATE:
        first_of_kind(c, a, m, &a->private_state);
        break;
    case AST_MEMBER_METHOD:
        check_method(c, a, m);
        break;
    case AST_MEMBER_EVENT:
        check_event(c, a, m);
        break;
    case AST_MEMBER_TIMER:
        check_member_timer(c, a, m);
        break;
    case AST_MEMBER_AUDIENCE:
        check_member_audience(c, a, m);
        break;
    case AST_MEMBER_HOOKS:
        for (const struct ast_names *n = m->hooks; n != NULL; n = n->next) {
            check_hook(c, a, decl, &n->name);
        }
        break;
    case AST_MEMBER_SUBSCRIBE:
        check_subscribe(c, a, m);
        break;
    }
}

static void check_actor(struct check *c, const struct ast_decl *decl,
                        struct schema_actor *to)
{
    struct actor a = { .to = to };
    to->name = decl->name;
    to->doc = decl->doc;
    check_handler_name(c, &decl->name, "an actor");
    to->middleware = check_chain(c, (struct schema_numbers){ .items = NULL },
                                 decl->uses);
    to->subscribe_middleware = to->middleware;
    for (const struct ast_member *m = decl->members; m != NULL; m = m->next) {
        check_member(c, &a, decl, m);
    }
    to->state = new_state(c, &a, SCHEMA_STATE, a.state);
    if (a.private_state != NULL) {
        check_shared_names(c, &a);
        to->private_state = new_state(c, &a, SCHEMA_PRIVATE, a.private_state);
    }
    to->methods = a.methods.items;
    to->method_count = a.methods.count;
    to->events = a.events.items;
    to->event_count = a.events.count;
    to->timers = a.timers.items;
    to->timer_count = a.timers.count;
    to->audiences = a.audiences.items;
    to->audience_count = a.audiences.count;
    to->hooks = a.hooks.items;
    to->hook_count = a.hooks.count;
    to->members = a.members.items;
    to->member_count = a.members.count;
}

void check_actors(struct check *c)
{
    struct table names = { 0 };
    struct list actors = { 0 };
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind == AST_DECL_ACTOR &&
            check_take(c, &names, &d->name, "actor")) {
            struct schema_actor actor = { .doc = NULL };
            check_actor(c, d, &actor);
            list_add(c->arena, &actors, &actor, sizeof(actor));
        }
    }
    c->schema->actors = actors.items;
    c->schema->actor_count = actors.count;
}
