/* The handlers of a program in C: their parameters, the structs
 * of their calls, and the names of the functions that defer them. */
#include <string.h>

#include "output_c/lower.h"

/* The outputs of middleware that are parameters: of those that have one. */
static void set_outputs(const struct lower *l, struct model_handler *h,
                        const struct schema_numbers *numbers)
{
    const struct model_middleware **outputs = arena_alloc(
        l->arena, (numbers->count + 1) * sizeof(*outputs));
    size_t count = 0;
    for (size_t i = 0; i < numbers->count; i++) {
        const struct model_middleware *m = &l->middleware[numbers->items[i]];
        if (m->output != NULL) {
            outputs[count++] = m;
        }
    }
    h->outputs = outputs;
    h->output_count = count;
}

/* The initialiser of the member `connection` of a call, or "". */
static const char *connection_init(const struct lower *l)
{
    return l->connection != NULL && l->connection->data != NULL
               ? ", zkt_call_connection(zkt)"
               : "";
}

static void name_numbers(const struct lower *l, struct model_numbers *numbers,
                         const char *c_prefix, const char *c_part,
                         const char *noun)
{
    numbers->name = arena_printf(l->arena, "%s__%s_%s_", c_prefix, c_part,
                                 noun);
}

/* ---- actors ---- */

static const char *actor_init(const struct lower *l,
                              const struct model_actor *a)
{
    return arena_printf(
        l->arena, "zkt, zkt_call_state(zkt)%s%s",
        a->private_state != NULL ? ", zkt_call_private_state(zkt)" : "",
        connection_init(l));
}

static struct model_handler of_actor(const struct lower *l,
                                     const struct model_actor *a,
                                     const char *c_part, const char *c_field)
{
    return (struct model_handler){
        .c_prefix = a->c_prefix,
        .c_part = c_part,
        .c_call = arena_printf(l->arena, "%s_call", a->c_prefix),
        .c_init = actor_init(l, a),
        .c_handlers = arena_printf(l->arena, "%s_handlers", a->c_prefix),
        .c_field = c_field,
    };
}

static void set_method(const struct lower *l, const struct model_actor *a,
                       struct model_method *m)
{
    struct model_handler *h = &m->handler;
    *h = of_actor(l, a, m->c_part, m->c_field);
    h->c_member = arena_printf(l->arena, "ZKT_MEMBER_METHOD, %zu", m->index);
    h->input = m->input;
    h->result = m->result;
    h->chunk = m->chunk;
    h->progress = m->progress;
    set_outputs(l, h, m->middleware.numbers);
    name_numbers(l, &m->middleware, a->c_prefix, m->c_part, "middleware");
    name_numbers(l, &m->errors, a->c_prefix, m->c_part, "errors");
}

static void set_timer(const struct lower *l, const struct model_actor *a,
                      struct model_timer *timer)
{
    timer->handler = of_actor(l, a, timer->c_field, timer->c_field);
    timer->handler.input = timer->input;
}

static void set_hook(const struct lower *l, const struct model_actor *a,
                     struct model_hook *hook)
{
    struct model_handler *h = &hook->handler;
    *h = of_actor(l, a, hook->c_field, hook->c_field);
    h->c_member = arena_printf(l->arena, "ZKT_MEMBER_HOOK, %s", hook->constant);
    h->has_subscription = strcmp(hook->name, "subscribe") == 0;
}

static void set_actor(const struct lower *l, struct model_actor *a)
{
    /* The lists were made in lower_actors.c, and are written to here alone. */
    struct model_method *methods = (struct model_method *)(uintptr_t)a->methods;
    struct model_timer *timers = (struct model_timer *)(uintptr_t)a->timers;
    struct model_hook *hooks = (struct model_hook *)(uintptr_t)a->hooks;
    for (size_t i = 0; i < a->method_count; i++) {
        set_method(l, a, &methods[i]);
        methods[i].remote_index = a->remote_count;
        a->remote_count += !methods[i].is_internal;
    }
    for (size_t i = 0; i < a->timer_count; i++) {
        set_timer(l, a, &timers[i]);
    }
    for (size_t i = 0; i < a->hook_count; i++) {
        set_hook(l, a, &hooks[i]);
    }
    name_numbers(l, &a->subscribe_middleware, a->c_prefix, "subscribe",
                 "middleware");
}

/* ---- the app ---- */

static struct model_handler of_app(const struct lower *l, const char *stem,
                                   const char *c_part, const char *c_field,
                                   const char *init)
{
    const char *c_prefix = arena_printf(l->arena, "%s_%s", l->app, stem);
    return (struct model_handler){
        .c_prefix = c_prefix,
        .c_part = c_part,
        .c_call = arena_printf(l->arena, "%s_call", c_prefix),
        .c_init = arena_printf(l->arena, "zkt%s", init),
        .c_handlers = arena_printf(l->arena, "%s_handlers", l->app),
        .c_field = c_field,
    };
}

static void set_connection(const struct lower *l, struct model_connection *c)
{
    const bool has_data = c->data != NULL;
    c->open = of_app(l, "connection", "on_open", "on_open",
                     has_data ? ", NULL" : "");
    c->open.c_member = "ZKT_MEMBER_OPEN, 0";
    c->open.input = c->input->field_count > 0 ? c->input->type : NULL;
    c->open.result = has_data ? c->data->type : NULL;
    c->close = of_app(l, "connection", "on_close", "on_close",
                      connection_init(l));
    name_numbers(l, &c->errors, c->c_prefix, "open", "errors");
}

static void set_middleware(const struct lower *l, struct model_middleware *m)
{
    const struct schema_middleware *from = &l->schema->middleware[m->index];
    m->handler = of_app(l, "middleware", m->c_part, m->c_field,
                        connection_init(l));
    m->handler.c_member = arena_printf(l->arena, "ZKT_MEMBER_MIDDLEWARE, %zu",
                                       m->index);
    m->handler.result = m->output != NULL ? m->output->type : NULL;
    set_outputs(l, &m->handler, &from->after);
    name_numbers(l, &m->errors, m->handler.c_prefix, m->c_part, "errors");
}

void lower_handlers(struct lower *l)
{
    if (l->connection != NULL) {
        set_connection(l, l->connection);
    }
    for (size_t i = 0; i < l->schema->middleware_count; i++) {
        set_middleware(l, &l->middleware[i]);
    }
    for (size_t i = 0; i < l->schema->actor_count; i++) {
        set_actor(l, &l->actors[i]);
    }
}
