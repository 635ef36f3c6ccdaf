/*
 * Actors: states, methods, events and hooks. What a method or an event takes
 * is a struct made of its parameters, or the type that it names.
 */
#include <string.h>

#include "schema/check.h"

static const char *const reserved_methods[] = { "on", "state", "meta", "then",
                                                NULL };
static const char *const reserved_actors[] = { "connection", "clientId", "on",
                                               "then", NULL };
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

/* The type of a payload: a struct made of parameters, a type, or NULL. */
static const struct model_type *lower_payload(struct check *c,
                                              const struct ast_payload *payload,
                                              const char *stem,
                                              struct ast_name source)
{
    if (payload->kind == AST_PAYLOAD_PARAMS && payload->params != NULL) {
        return check_new_struct(c, source.text, stem, source, payload->params)
            ->type;
    }
    if (payload->kind == AST_PAYLOAD_TYPE) {
        const struct type_use use = { .table = stem };
        return check_type(c, payload->type, use);
    }
    return NULL;
}

static void share(const struct model_type *type)
{
    if (type != NULL && strncmp(type->table, "zkt_", 4) != 0) {
        ((struct model_type *)(uintptr_t)type)->is_shared = true;
    }
}

static void lower_method(struct check *c, struct model_actor *a,
                         const struct ast_member *m, struct model_method *out)
{
    out->name = m->name.text;
    out->stem = check_snake(c, &m->name);
    out->member = names_member(c->arena, out->stem);
    out->doc = m->doc;
    out->at = m->name.at;
    check_reserved(c, &m->name, reserved_methods, "a method");
    out->input = lower_payload(
        c, &m->payload,
        arena_printf(c->arena, "%s_%s_input", a->stem, out->stem), m->name);
    if (m->result != NULL) {
        const struct type_use use = {
            .table = arena_printf(c->arena, "%s_%s_result", a->stem, out->stem),
        };
        out->result = check_type(c, m->result, use);
    }
    share(out->input);
    share(out->result);
    out->c_in = out->c_out = out->c_result = "";
    if (out->input != NULL) {
        out->c_in = arena_printf(c->arena, ", %sin", out->input->c_param);
    }
    if (out->result != NULL) {
        out->c_out = arena_printf(
            c->arena, ", %s",
            check_declaration(c,
                              &(struct model_type){
                                  .c_type = arena_printf(c->arena, "%s *",
                                                         out->result->c_type) },
                              "out"));
        out->c_result = arena_printf(c->arena, ", %sresult",
                                     out->result->c_param);
    }
}

static void lower_event(struct check *c, struct model_actor *a,
                        const struct ast_member *m, struct model_event *out)
{
    out->name = m->name.text;
    out->stem = check_snake(c, &m->name);
    out->doc = m->doc;
    out->at = m->name.at;
    out->payload = lower_payload(
        c, &m->payload,
        arena_printf(c->arena, "%s_%s_event", a->stem, out->stem), m->name);
    share(out->payload);
    out->c_payload = out->payload != NULL
                         ? arena_printf(c->arena, "%spayload, ",
                                        out->payload->c_param)
                         : "";
}

static const char *const hook_names[] = { "connect", "disconnect", "activate",
                                          "deactivate" };

enum {
    HOOKS = sizeof(hook_names) / sizeof(hook_names[0])
};

/* One that the actor has not. */
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

static void lower_hook(struct check *c, const struct ast_decl *decl,
                       const struct ast_name *name, struct model_hook *out)
{
    size_t i = 0;
    while (i < HOOKS && strcmp(hook_names[i], name->text) != 0) {
        i++;
    }
    if (i == HOOKS) {
        diag_report(c->diag, name->at, DIAG_UNKNOWN_HOOK, name->text);
        diag_suggest(c->diag, name->at, name->text, HOOKS, hook_at, decl);
    }
    out->member = arena_printf(c->arena, "on_%s", name->text);
    out->constant = arena_printf(c->arena, "ZKT_HOOK_%s",
                                 names_upper(c->arena, name->text));
}

/* Room for everything of one kind that an actor has. */
static void *room(struct check *c, const struct ast_decl *decl,
                  enum ast_member_kind kind, size_t size)
{
    size_t count = 1;
    for (const struct ast_member *m = decl->members; m != NULL; m = m->next) {
        count += m->kind == kind;
        for (const struct ast_names *n = m->hooks; n != NULL; n = n->next) {
            count++;
        }
    }
    return arena_alloc(c->arena, count * size);
}

static void first_of_kind(struct check *c, const struct model_actor *a,
                          const struct ast_member *m,
                          const struct ast_member **first)
{
    if (*first != NULL) {
        diag_report(c->diag, m->name.at, DIAG_DUPLICATE_STATE, a->name,
                    m->kind == AST_MEMBER_STATE ? "states" : "private states");
        diag_report(c->diag, (*first)->name.at, DIAG_FIRST_HERE);
        return;
    }
    *first = m;
}

/* Both states are written through functions of the actor, so their fields
 * share one scope. */
static void lower_hidden(struct check *c, struct model_actor *a,
                         const struct ast_member *state,
                         const struct ast_member *hidden)
{
    struct scope scope = { 0 };
    const struct ast_field *f = state != NULL ? state->fields : NULL;
    for (; f != NULL; f = f->next) {
        if (table_find(&scope.written.taken, f->name.text) == NULL) {
            table_put(&scope.written.taken, c->arena, f->name.text,
                      (void *)(uintptr_t)&f->name);
        }
    }
    for (f = hidden->fields; f != NULL; f = f->next) {
        const struct ast_name *first = table_find(&scope.written.taken,
                                                  f->name.text);
        if (first != NULL) {
            diag_report(c->diag, f->name.at, DIAG_DUPLICATE_NAME, "field",
                        f->name.text);
            diag_report(c->diag, first->at, DIAG_FIRST_HERE);
        }
    }
    struct model_struct *s = check_new_struct(
        c, arena_printf(c->arena, "%s.private", a->name),
        arena_printf(c->arena, "%s_hidden", a->stem), hidden->name,
        hidden->fields);
    s->is_state = true;
    s->is_hidden = true;
    ((struct model_type *)(uintptr_t)s->type)->is_shared = false;
    a->hidden = s;
}

static void lower_actor(struct check *c, const struct ast_decl *decl,
                        struct model_actor *a)
{
    const struct ast_member *state = NULL, *hidden = NULL;
    struct scope handlers = { 0 }, events = { 0 };
    struct model_method *methods = room(c, decl, AST_MEMBER_METHOD,
                                        sizeof(*methods));
    struct model_event *all_events = room(c, decl, AST_MEMBER_EVENT,
                                          sizeof(*all_events));
    struct model_hook *hooks = room(c, decl, AST_MEMBER_HOOKS, sizeof(*hooks));
    struct model_name *names = room(c, decl, AST_MEMBER_METHOD, sizeof(*names));
    a->name = decl->name.text;
    a->stem = check_stem(c, c->app, &decl->name);
    a->member = names_member(c->arena, check_snake(c, &decl->name));
    a->doc = decl->doc;
    a->at = decl->name.at;
    check_reserved(c, &decl->name, reserved_actors, "an actor");
    (void)names_take(&c->names, c->arena, c->diag, a->stem, decl->name);
    (void)names_take(&c->handlers, c->arena, c->diag, a->member, decl->name);
    for (const struct ast_member *m = decl->members; m != NULL; m = m->next) {
        switch (m->kind) {
        case AST_MEMBER_STATE:
            first_of_kind(c, a, m, &state);
            break;
        case AST_MEMBER_PRIVATE:
            first_of_kind(c, a, m, &hidden);
            break;
        case AST_MEMBER_METHOD:
            (void)check_take(c, &handlers, &m->name, "method");
            lower_method(c, a, m, &methods[a->method_count]);
            methods[a->method_count].index = a->method_count;
            names[a->method_count] = (struct model_name){
                m->name.text, a->method_count, strlen(m->name.text)
            };
            a->method_count++;
            break;
        case AST_MEMBER_EVENT:
            (void)check_take(c, &events, &m->name, "event");
            lower_event(c, a, m, &all_events[a->event_count]);
            all_events[a->event_count].index = a->event_count;
            a->event_count++;
            break;
        case AST_MEMBER_HOOKS:
            for (const struct ast_names *n = m->hooks; n != NULL; n = n->next) {
                lower_hook(c, decl, &n->name, &hooks[a->hook_count]);
                const struct ast_name as_member = { hooks[a->hook_count].member,
                                                    n->name.at };
                (void)check_take(c, &handlers, &as_member, "handler");
                a->hook_count++;
            }
            break;
        }
    }
    a->methods = methods;
    a->events = all_events;
    a->hooks = hooks;
    a->method_names = model_lookup_make(c->arena, names, a->method_count);
    struct model_struct *s = check_new_struct(
        c, arena_printf(c->arena, "%s.state", a->name),
        arena_printf(c->arena, "%s_state", a->stem),
        state != NULL ? state->name : decl->name,
        state != NULL ? state->fields : NULL);
    s->is_state = true;
    a->state = s;
    if (hidden != NULL) {
        lower_hidden(c, a, state, hidden);
    }
}

void check_actors(struct check *c)
{
    struct scope scope = { 0 };
    size_t count = 0;
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        count += d->kind == AST_DECL_ACTOR;
    }
    struct model_actor *actors = arena_alloc(c->arena,
                                             (count + 1) * sizeof(*actors));
    struct model_name *names = arena_alloc(c->arena,
                                           (count + 1) * sizeof(*names));
    size_t i = 0;
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind == AST_DECL_ACTOR) {
            if (check_take(c, &scope, &d->name, "actor")) {
                lower_actor(c, d, &actors[i]);
            }
            names[i] = (struct model_name){ d->name.text, i,
                                            strlen(d->name.text) };
            i++;
        }
    }
    c->model->actors = actors;
    c->model->actor_count = count;
    c->model->actor_names = model_lookup_make(c->arena, names, count);
}
