/*
 * The checker's main line: what is declared, then what it is made of. Each
 * declaration is looked at whatever was wrong with others, so that one run
 * shows every mistake.
 */
#include "check.h"
#include "emit.h"

#include <string.h>

void *list_add(struct check *c, struct list *list, const void *item,
               size_t size)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity > 0 ? list->capacity * 2 : 8;
        char *grown = arena_alloc(c->arena, capacity * size);
        if (list->count > 0) {
            memcpy(grown, list->items, list->count * size);
        }
        list->items = grown;
        list->capacity = capacity;
    }
    char *to = (char *)list->items + list->count++ * size;
    return memcpy(to, item, size);
}

/* The snake_case of a name; one that has none is reported and kept going. */
static const char *snake_of(struct check *c, const struct ast_name *name)
{
    const char *snake = names_snake(c->arena, name->text);
    if (snake == NULL) {
        diag_report(c->diag, name->at, DIAG_BAD_NAME, name->text);
        return "bad_name";
    }
    return snake;
}

static const char *stem_of(struct check *c, const char *owner,
                           const struct ast_name *name)
{
    return arena_printf(c->arena, "%s_%s", owner, snake_of(c, name));
}

/* ---- what exists ---- */

/* Names of one scope, as written and as members of C. */
struct scope {
    struct names written, members;
};

/* Takes a name in a scope; false: it is a second one, as written or in C, and
 * was reported. */
static bool take(struct check *c, struct scope *scope,
                 const struct ast_name *name, const char *noun)
{
    const struct ast_name *first = table_find(&scope->written.taken,
                                              name->text);
    if (first != NULL) {
        diag_report(c->diag, name->at, DIAG_DUPLICATE_NAME, noun, name->text);
        diag_report(c->diag, first->at, DIAG_FIRST_HERE);
        return false;
    }
    struct ast_name *kept = ARENA_NEW(c->arena, struct ast_name);
    *kept = *name;
    table_put(&scope->written.taken, c->arena, name->text, kept);
    return names_take(&scope->members, c->arena, c->diag, snake_of(c, name),
                      *name);
}

static void check_app(struct check *c)
{
    const struct ast_decl *app = NULL;
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind != AST_DECL_APP) {
            continue;
        }
        if (app != NULL) {
            diag_report(c->diag, d->name.at, DIAG_DUPLICATE_APP);
            diag_report(c->diag, app->name.at, DIAG_FIRST_HERE);
            continue;
        }
        app = d;
    }
    c->model->app_name = "app";
    c->model->app = "app";
    if (app == NULL) {
        if (c->diag->errors == 0) {
            diag_report(c->diag, (struct source_range){ 0, 0 },
                        DIAG_MISSING_APP);
        }
    } else {
        c->model->app_name = app->name.text;
        c->model->app = snake_of(c, &app->name);
        c->model->doc = app->doc;
        c->model->at = app->name.at;
    }
    c->app = c->model->app;
    if (strcmp(c->app, "zkt") == 0) { /* the runtime's own prefix */
        diag_report(c->diag, app->name.at, DIAG_RESERVED_NAME, "an app",
                    app->name.text);
    }
}

static void declare(struct check *c, const struct ast_decl *decl)
{
    const struct symbol *first = check_find(c, decl->name.text);
    if (first != NULL) {
        diag_report(c->diag, decl->name.at, DIAG_DUPLICATE_NAME, "type",
                    decl->name.text);
        diag_report(c->diag, first->decl->name.at, DIAG_FIRST_HERE);
        return;
    }
    if (check_is_builtin(decl->name.text) ||
        strcmp(decl->name.text, "stream") == 0) {
        diag_report(c->diag, decl->name.at, DIAG_RESERVED_NAME, "a type",
                    decl->name.text);
    }
    struct symbol *symbol = ARENA_NEW(c->arena, struct symbol);
    symbol->decl = decl;
    if (c->last_symbol != NULL) {
        c->last_symbol->next = symbol;
    } else {
        c->symbols = symbol;
    }
    c->last_symbol = symbol;
    table_put(&c->symbol_table, c->arena, decl->name.text, symbol);
}

/* ---- enums ---- */

static const char *constant_of(struct check *c, const struct model_enum *e,
                               const struct ast_enum_value *v)
{
    return arena_printf(c->arena, "%s_%s", e->prefix,
                        names_upper(c->arena, snake_of(c, &v->name)));
}

static void lower_enum_value(struct check *c, const struct model_enum *e,
                             const struct ast_enum_value *v,
                             struct model_enum_value *out)
{
    out->name = v->name.text;
    out->at = v->name.at;
    out->doc = v->doc;
    out->c_name = constant_of(c, e, v);
    out->wire = (struct model_text){ v->name.text, strlen(v->name.text) };
    if (v->wire != NULL) {
        out->wire = (struct model_text){ v->wire->text, v->wire->len };
    }
}

/* Two values that are one on the wire could not be told apart. */
static void check_spelling(struct check *c, struct table *spellings,
                           const struct ast_enum_value *v,
                           struct model_text wire)
{
    /* A NUL inside is part of it: the length goes first. */
    struct emit text = { 0 };
    emit_unsigned(&text, wire.len);
    emit_json_string(&text, json_string_of(wire.text, wire.len));
    const char *key = arena_text(c->arena, text.text, text.len);
    emit_finish(&text);
    const struct ast_name *first = table_find(spellings, key);
    if (first == NULL) {
        table_put(spellings, c->arena, key, (void *)(uintptr_t)&v->name);
    } else if (strcmp(first->text, v->name.text) != 0) {
        diag_report(c->diag, v->name.at, DIAG_DUPLICATE_SPELLING, v->name.text,
                    first->text);
        diag_report(c->diag, first->at, DIAG_FIRST_HERE);
    }
}

/* An enum of @values, under a stem of its own. */
static struct model_enum *new_enum(struct check *c, const char *name,
                                   const char *stem, struct ast_name source,
                                   const struct ast_enum_value *given)
{
    struct model_enum *e = ARENA_NEW(c->arena, struct model_enum);
    struct scope scope = { 0 };
    struct table spellings = { 0 };
    e->name = name;
    e->at = source.at;
    e->stem = stem;
    e->prefix = names_upper(c->arena, e->stem);
    (void)names_take(&c->names, c->arena, c->diag, e->stem, source);
    for (const struct ast_enum_value *v = given; v != NULL; v = v->next) {
        if (take(c, &scope, &v->name, "value")) {
            (void)names_take(&c->names, c->arena, c->diag, constant_of(c, e, v),
                             v->name);
        }
        e->value_count++;
    }
    struct model_enum_value *values = arena_alloc(
        c->arena, (e->value_count + 1) * sizeof(*values));
    struct model_name *names = arena_alloc(c->arena, (e->value_count + 1) *
                                                         sizeof(*names));
    size_t i = 0;
    for (const struct ast_enum_value *v = given; v != NULL; v = v->next, i++) {
        lower_enum_value(c, e, v, &values[i]);
        check_spelling(c, &spellings, v, values[i].wire);
        names[i] = (struct model_name){ values[i].wire.text, i,
                                        values[i].wire.len };
    }
    e->values = values;
    e->names = model_lookup_make(c->arena, names, e->value_count);
    return e;
}

static void lower_enum(struct check *c, struct symbol *symbol)
{
    const struct ast_decl *decl = symbol->decl;
    struct model_enum *e = new_enum(c, decl->name.text,
                                    stem_of(c, c->app, &decl->name), decl->name,
                                    decl->values);
    if (e->value_count == 0) {
        diag_report(c->diag, decl->name.at, DIAG_EMPTY_ENUM, "enum", e->name);
    }
    e->doc = decl->doc;
    struct model_type *type = ARENA_NEW(c->arena, struct model_type);
    *type = (struct model_type){
        .kind = MODEL_ENUM,
        .c_kind = "ZKT_KIND_ENUM",
        .c_type = arena_printf(c->arena, "enum %s", e->stem),
        .c_param = arena_printf(c->arena, "enum %s ", e->stem),
        .c_item = arena_printf(c->arena, "const enum %s *", e->stem),
        .c_empty = "0",
        .stem = e->stem,
        .table = arena_printf(c->arena, "%s_type_", e->stem),
        .decoder = "zkt_decode_enum",
        .encoder = "zkt_encode_enum",
        .by_value = true,
        .max = UINT32_MAX,
        .c_max = "UINT32_MAX",
        .enumeration = e,
    };
    symbol->enumeration = e;
    symbol->type = type;
}

/* ---- structs ---- */

/* A struct by its name in C; its fields are lowered later, when all types are
 * known by name. */
static struct model_struct *new_struct(struct check *c, const char *name,
                                       const char *stem, struct ast_name source,
                                       const struct ast_field *fields)
{
    struct model_struct *s = ARENA_NEW(c->arena, struct model_struct);
    struct model_type *type = ARENA_NEW(c->arena, struct model_type);
    s->name = name;
    s->stem = stem;
    s->at = source.at;
    s->type = type;
    s->number = c->structs.count;
    (void)names_take(&c->names, c->arena, c->diag, stem, source);
    *type = (struct model_type){
        .kind = MODEL_STRUCT,
        .c_kind = "ZKT_KIND_STRUCT",
        .c_type = arena_printf(c->arena, "struct %s", stem),
        .c_param = arena_printf(c->arena, "const struct %s *", stem),
        .c_item = arena_printf(c->arena, "const struct %s *", stem),
        .c_empty = "{ 0 }",
        .stem = stem,
        .table = arena_printf(c->arena, "%s_type_", stem),
        .decoder = arena_printf(c->arena, "%s_type_.decode", stem),
        .encoder = arena_printf(c->arena, "%s_type_.encode", stem),
        .is_shared = true,
        .max = UINT32_MAX,
        .c_max = "UINT32_MAX",
        .structure = s,
    };
    const struct struct_source entry = {
        .structure = s,
        .fields = fields,
        .name = source,
    };
    list_add(c, &c->structs, &entry, sizeof(entry));
    return s;
}

static void lower_field(struct check *c, const struct struct_source *source,
                        const struct ast_field *ast, size_t index,
                        struct model_field *out)
{
    out->name = ast->name.text;
    out->stem = snake_of(c, &ast->name);
    out->member = names_member(c->arena, out->stem);
    out->doc = ast->doc;
    out->index = index;
    out->at = ast->name.at;
    out->value = ast->value;
    const struct type_use use = {
        .table = arena_printf(c->arena, "%s_%s", source->structure->stem,
                              out->stem),
        .field = true,
        .owner = source->structure->is_declared
                     ? check_find(c, source->structure->name)
                     : NULL,
    };
    out->type = check_type(c, ast->type, use);
    if (out->type == NULL) {
        return;
    }
    out->c_declaration = check_declaration(c, out->type, out->member);
    const struct model_struct *s = source->structure;
    const char *bound = s->is_state && !s->is_hidden
                            ? model_bound_name(c, source->structure, out)
                            : NULL;
    if (bound != NULL) {
        (void)names_take(&c->names, c->arena, c->diag, bound, ast->name);
    }
}

static void lower_fields(struct check *c, const struct struct_source *source)
{
    struct model_struct *s = source->structure;
    struct scope scope = { 0 };
    size_t count = 0, i = 0;
    for (const struct ast_field *f = source->fields; f != NULL; f = f->next) {
        (void)take(c, &scope, &f->name, "field");
        count++;
    }
    if (count > FIELDS_MAX) {
        diag_report(c->diag, source->name.at, DIAG_TOO_MANY_FIELDS, s->name,
                    FIELDS_MAX);
    }
    struct model_field *fields = arena_alloc(c->arena,
                                             (count + 1) * sizeof(*fields));
    struct model_name *names = arena_alloc(c->arena,
                                           (count + 1) * sizeof(*names));
    for (const struct ast_field *f = source->fields; f != NULL;
         f = f->next, i++) {
        lower_field(c, source, f, i, &fields[i]);
        names[i] = (struct model_name){ f->name.text, i, strlen(f->name.text) };
    }
    s->fields = fields;
    s->field_count = count;
    s->names = model_lookup_make(c->arena, names, count);
}

static void lower_defaults(struct check *c, struct struct_source *source)
{
    if (source->defaulted) {
        return;
    }
    source->defaulted = true;
    struct model_struct *s = source->structure;
    struct model_field *fields = (struct model_field *)(uintptr_t)s->fields;
    size_t i = 0;
    for (const struct ast_field *f = source->fields; f != NULL;
         f = f->next, i++) {
        const struct model_type *type = fields[i].type;
        if (type == NULL) {
            continue;
        }
        if (f->value != NULL) {
            fields[i].c_default = check_default(c, &f->name, f->value, type);
            s->has_defaults = s->has_defaults || fields[i].c_default != NULL;
        } else if (s->is_state && type->kind != MODEL_OPTIONAL &&
                   type->kind != MODEL_BOXED) {
            diag_report(c->diag, f->name.at, DIAG_MISSING_DEFAULT,
                        f->name.text);
        }
    }
}

void check_struct_defaults(struct check *c, const struct model_struct *s)
{
    lower_defaults(c, &((struct struct_source *)c->structs.items)[s->number]);
}

/* ---- unions ---- */

/* The kinds of a union are an enum made of its variants' names. */
static struct ast_enum_value *kinds_of(struct check *c,
                                       const struct ast_decl *decl)
{
    struct ast_enum_value *first = NULL, **end = &first;
    for (const struct ast_field *f = decl->fields; f != NULL; f = f->next) {
        *end = ARENA_NEW(c->arena, struct ast_enum_value);
        (*end)->name = f->name;
        (*end)->doc = f->doc;
        end = &(*end)->next;
    }
    return first;
}

/* A union by its name in C; its variants are lowered when all are known. */
static void declare_union(struct check *c, struct symbol *symbol)
{
    const struct ast_decl *decl = symbol->decl;
    struct model_union *u = ARENA_NEW(c->arena, struct model_union);
    struct model_type *type = ARENA_NEW(c->arena, struct model_type);
    u->name = decl->name.text;
    u->stem = stem_of(c, c->app, &decl->name);
    u->doc = decl->doc;
    u->discriminator = decl->by.text;
    u->type = type;
    (void)names_take(&c->names, c->arena, c->diag, u->stem, decl->name);
    struct model_enum *kinds = new_enum(
        c, u->name, arena_printf(c->arena, "%s_kind", u->stem), decl->name,
        kinds_of(c, decl));
    if (kinds->value_count == 0) {
        diag_report(c->diag, decl->name.at, DIAG_EMPTY_ENUM, "union", u->name);
    }
    kinds->of_union = true;
    u->at = decl->name.at;
    u->kinds = kinds;
    *type = (struct model_type){
        .kind = MODEL_UNION,
        .c_kind = "ZKT_KIND_UNION",
        .c_type = arena_printf(c->arena, "struct %s", u->stem),
        .c_param = arena_printf(c->arena, "const struct %s *", u->stem),
        .c_item = arena_printf(c->arena, "const struct %s *", u->stem),
        .c_empty = "{ 0 }",
        .stem = u->stem,
        .table = arena_printf(c->arena, "%s_type_", u->stem),
        .decoder = "zkt_decode_union",
        .encoder = "zkt_encode_union",
        .is_shared = true,
        .max = UINT32_MAX,
        .c_max = "UINT32_MAX",
        .alternatives = u,
    };
    symbol->alternatives = u;
    symbol->type = type;
}

static bool has_field(const struct ast_decl *decl, const char *name)
{
    for (const struct ast_field *f = decl->fields; f != NULL; f = f->next) {
        if (strcmp(f->name.text, name) == 0) {
            return true;
        }
    }
    return false;
}

static void lower_variant(struct check *c, const struct ast_decl *decl,
                          const struct ast_field *f, struct model_variant *out)
{
    const struct type_use use = { .table = "unused" };
    out->name = f->name.text;
    out->member = names_member(c->arena, snake_of(c, &f->name));
    out->doc = f->doc;
    out->at = f->name.at;
    out->type = check_type(c, f->type, use);
    if (strcmp(out->member, "kind") == 0) {
        diag_report(c->diag, f->name.at, DIAG_RESERVED_NAME, "a variant",
                    f->name.text);
    }
    if (out->type == NULL) {
        return;
    }
    if (out->type->kind != MODEL_STRUCT) {
        diag_report(c->diag, f->type->at, DIAG_BAD_VARIANT, f->name.text);
        out->type = NULL;
        return;
    }
    const struct symbol *s = check_find(c, out->type->structure->name);
    if (has_field(s->decl, decl->by.text)) {
        diag_report(c->diag, f->name.at, DIAG_DISCRIMINATOR_FIELD,
                    s->decl->name.text, decl->by.text);
    }
}

static void lower_union(struct check *c, const struct symbol *symbol)
{
    struct model_union *u = symbol->alternatives;
    const struct ast_decl *decl = symbol->decl;
    struct model_variant *variants = arena_alloc(
        c->arena, (u->kinds->value_count + 1) * sizeof(*variants));
    for (const struct ast_field *f = decl->fields; f != NULL; f = f->next) {
        lower_variant(c, decl, f, &variants[u->variant_count++]);
    }
    u->variants = variants;
}

/* ---- actors ---- */

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
        return new_struct(c, source.text, stem, source, payload->params)->type;
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
    out->stem = snake_of(c, &m->name);
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
    out->stem = snake_of(c, &m->name);
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

static const char *hook_at(const void *user, size_t i)
{
    (void)user;
    return hook_names[i];
}

static void lower_hook(struct check *c, const struct ast_name *name,
                       struct model_hook *out)
{
    enum {
        HOOKS = sizeof(hook_names) / sizeof(hook_names[0])
    };
    size_t i = 0;
    while (i < HOOKS && strcmp(hook_names[i], name->text) != 0) {
        i++;
    }
    if (i == HOOKS) {
        diag_report(c->diag, name->at, DIAG_UNKNOWN_HOOK, name->text);
        const char *near = diag_nearest(name->text, HOOKS, hook_at, NULL);
        if (near != NULL) {
            diag_report(c->diag, name->at, DIAG_DID_YOU_MEAN_WORD, near);
        }
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
    struct model_struct *s = new_struct(
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
    a->stem = stem_of(c, c->app, &decl->name);
    a->member = names_member(c->arena, snake_of(c, &decl->name));
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
            (void)take(c, &handlers, &m->name, "method");
            lower_method(c, a, m, &methods[a->method_count]);
            methods[a->method_count].index = a->method_count;
            names[a->method_count] = (struct model_name){
                m->name.text, a->method_count, strlen(m->name.text)
            };
            a->method_count++;
            break;
        case AST_MEMBER_EVENT:
            (void)take(c, &events, &m->name, "event");
            lower_event(c, a, m, &all_events[a->event_count]);
            all_events[a->event_count].index = a->event_count;
            a->event_count++;
            break;
        case AST_MEMBER_HOOKS:
            for (const struct ast_names *n = m->hooks; n != NULL; n = n->next) {
                lower_hook(c, &n->name, &hooks[a->hook_count]);
                const struct ast_name as_member = { hooks[a->hook_count].member,
                                                    n->name.at };
                (void)take(c, &handlers, &as_member, "handler");
                a->hook_count++;
            }
            break;
        }
    }
    a->methods = methods;
    a->events = all_events;
    a->hooks = hooks;
    a->method_names = model_lookup_make(c->arena, names, a->method_count);
    struct model_struct *s = new_struct(
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

/* ---- all of it ---- */

static void lower_actors(struct check *c)
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
            if (take(c, &scope, &d->name, "actor")) {
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

/* The hook of a struct with `check;`. */
static void add_check(struct check *c, struct model_struct *s,
                      const struct ast_decl *decl)
{
    const struct model_check check = {
        arena_printf(c->arena, "check_%s", snake_of(c, &decl->name)), s
    };
    list_add(c, &c->checks, &check, sizeof(check));
    s->check = c->checks.count;
    (void)names_take(&c->handlers, c->arena, c->diag, check.member, decl->name);
}

static void declare_struct(struct check *c, struct symbol *symbol)
{
    const struct ast_decl *decl = symbol->decl;
    struct model_struct *s = new_struct(c, decl->name.text,
                                        stem_of(c, c->app, &decl->name),
                                        decl->name, decl->fields);
    s->doc = decl->doc;
    s->is_declared = true;
    s->is_strict = decl->strict;
    symbol->structure = s;
    symbol->type = (struct model_type *)(uintptr_t)s->type;
    if (decl->check.end > 0) {
        add_check(c, s, decl);
    }
}

static void lower_types(struct check *c)
{
    for (struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->decl->kind == AST_DECL_ENUM) {
            lower_enum(c, s);
        } else if (s->decl->kind == AST_DECL_STRUCT) {
            declare_struct(c, s);
        } else if (s->decl->kind == AST_DECL_UNION) {
            declare_union(c, s);
        } else if (s->decl->type->kind == AST_TYPE_TUPLE) {
            (void)names_take(&c->names, c->arena, c->diag,
                             stem_of(c, c->app, &s->decl->name), s->decl->name);
        } else {
            (void)snake_of(c, &s->decl->name);
        }
    }
}

/* Whether a value of @type may hold memory, as far as is known now. */
static bool owns(const struct model_type *type)
{
    if (type == NULL || type->owns) {
        return type != NULL;
    }
    const struct model_struct *s = type->structure;
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        if (s->fields[i].type != NULL && s->fields[i].type->owns) {
            return true;
        }
    }
    const struct model_union *u = type->alternatives;
    for (size_t i = 0; u != NULL && i < u->variant_count; i++) {
        if (u->variants[i].type != NULL && u->variants[i].type->owns) {
            return true;
        }
    }
    return type->inner != NULL && type->inner->owns;
}

static bool find_owner(const struct model_type *type)
{
    const bool found = !type->owns && owns(type);
    if (found) {
        ((struct model_type *)(uintptr_t)type)->owns = true;
    }
    return found;
}

/* Until nothing changes: what holds an owner is one, too. */
static void find_owners(struct check *c)
{
    const struct struct_source *sources = c->structs.items;
    struct model_type **types = c->types.items;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < c->structs.count; i++) {
            changed = find_owner(sources[i].structure->type) || changed;
        }
        for (size_t i = 0; i < c->types.count; i++) {
            changed = find_owner(types[i]) || changed;
        }
        for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
            changed = (s->alternatives != NULL && find_owner(s->type)) ||
                      changed;
        }
    }
}

static void name_file(struct check *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    const size_t len = dot != NULL && dot != base ? (size_t)(dot - base)
                                                  : strlen(base);
    c->model->file_name = base;
    c->model->file_stem = arena_text(c->arena, base, len);
    char *guard = names_upper(c->arena, c->model->file_stem);
    for (char *g = guard; *g != '\0'; g++) {
        if (!((*g >= 'A' && *g <= 'Z') || (*g >= '0' && *g <= '9'))) {
            *g = '_';
        }
    }
    if (guard[0] >= '0' && guard[0] <= '9') {
        guard = arena_printf(c->arena, "ZKT_%s", guard);
    }
    c->model->guard = guard;
}

/* Private state comes last, so that what was made before is for all. */
static void lower_all_fields(struct check *c, bool hidden)
{
    const struct struct_source *sources = c->structs.items;
    for (size_t i = 0; i < c->structs.count; i++) {
        if (sources[i].structure->is_hidden == hidden) {
            lower_fields(c, &sources[i]);
        }
    }
}

/* Also those that nobody uses; they get no tables. */
static void check_aliases(struct check *c)
{
    const size_t used = c->types.count;
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->decl->kind == AST_DECL_TYPE && !s->used) {
            const struct ast_type use = {
                .kind = AST_TYPE_NAME,
                .at = s->decl->name.at,
                .name = s->decl->name,
            };
            (void)check_type(c, &use, (struct type_use){ .table = "unused" });
        }
    }
    c->types.count = used;
}

const struct model *check_file(struct arena *arena, struct diag *diag,
                               const struct ast_file *file, const char *path)
{
    struct check c = { .arena = arena, .diag = diag, .file = file };
    c.model = ARENA_NEW(arena, struct model);
    c.model->version = ZOCKETC_VERSION;
    name_file(&c, path);
    check_app(&c);
    (void)names_take(&c.handlers, arena, diag, "user",
                     (struct ast_name){ "user", { 0, 0 } });
    for (const struct ast_decl *d = file->decls; d != NULL; d = d->next) {
        if (d->kind != AST_DECL_APP && d->kind != AST_DECL_IMPORT &&
            d->kind != AST_DECL_ACTOR) {
            declare(&c, d);
        }
    }
    check_cycles(&c);
    lower_types(&c);
    lower_actors(&c);
    for (const struct symbol *s = c.symbols; s != NULL; s = s->next) {
        if (s->alternatives != NULL) {
            lower_union(&c, s);
        }
    }
    lower_all_fields(&c, false);
    c.public_types = c.types.count;
    lower_all_fields(&c, true);
    for (size_t i = 0; i < c.structs.count; i++) {
        lower_defaults(&c, &((struct struct_source *)c.structs.items)[i]);
    }
    check_aliases(&c);
    if (diag->errors > 0) {
        return NULL;
    }
    find_owners(&c);
    model_arrange(&c);
    check_identifiers(&c);
    check_warnings(&c);
    return diag->errors == 0 ? c.model : NULL;
}
