/*
 * Enums, structs and unions: what is declared by name first, then what it is
 * made of, when all names are known; defaults last, when all types are.
 */
#include <string.h>

#include "schema/check.h"
#include "util/text_buffer.h"

/* ---- enums ---- */

static const char *constant_of(struct check *c, const struct model_enum *e,
                               const struct ast_enum_value *v)
{
    return arena_printf(c->arena, "%s_%s", e->prefix,
                        names_upper(c->arena, check_snake(c, &v->name)));
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
    /* As JSON, since a NUL may be inside. */
    struct text_buffer text = { 0 };
    emit_json_string(&text, json_string_of(wire.text, wire.len));
    const char *key = arena_text(c->arena, text.text, text.len);
    text_buffer_finish(&text);
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
        if (check_take(c, &scope, &v->name, "value")) {
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
                                    check_stem(c, c->app, &decl->name),
                                    decl->name, decl->values);
    if (e->value_count == 0) {
        diag_report(c->diag, decl->name.at, DIAG_EMPTY_ENUM, "enum", e->name);
    }
    e->doc = decl->doc;
    e->is_hidden = !symbol->is_public;
    struct model_type *type = ARENA_NEW(c->arena, struct model_type);
    *type = (struct model_type){
        .kind = MODEL_ENUM,
        .c_kind = "ZKT_KIND_ENUM",
        .c_type = arena_printf(c->arena, "enum %s", e->stem),
        .c_param = arena_printf(c->arena, "enum %s ", e->stem),
        .c_item = arena_printf(c->arena, "const enum %s *", e->stem),
        .c_empty = "0",
        .stem = e->stem,
        .table = check_table(c, e->stem),
        .decoder = "zkt_decode_enum",
        .encoder = "zkt_encode_enum",
        .by_value = true,
        .is_shared = symbol->is_public, /* also one that nothing uses */
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
struct model_struct *check_new_struct(struct check *c, const char *name,
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
    const char *table = check_table(c, stem);
    (void)names_take(&c->names, c->arena, c->diag, stem, source);
    *type = (struct model_type){
        .kind = MODEL_STRUCT,
        .c_kind = "ZKT_KIND_STRUCT",
        .c_type = arena_printf(c->arena, "struct %s", stem),
        .c_param = arena_printf(c->arena, "const struct %s *", stem),
        .c_item = arena_printf(c->arena, "const struct %s *", stem),
        .c_empty = "{ 0 }",
        .stem = stem,
        .table = table,
        .decoder = arena_printf(c->arena, "%s.decode", table),
        .encoder = arena_printf(c->arena, "%s.encode", table),
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
    out->stem = check_snake(c, &ast->name);
    out->member = names_member(c->arena, out->stem);
    out->doc = ast->doc;
    out->index = index;
    out->at = ast->name.at;
    out->value = ast->value;
    const struct symbol *owner = source->structure->is_declared
                                     ? check_find(c, source->structure->name)
                                     : NULL;
    const struct type_use use = {
        .table = arena_printf(c->arena, "%s_%s", source->structure->stem,
                              out->stem),
        .field = true,
        .owner = owner,
        .holder = owner,
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
        (void)check_take(c, &scope, &f->name, "field");
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
    u->stem = check_stem(c, c->app, &decl->name);
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
    kinds->is_hidden = !symbol->is_public;
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
        .table = check_table(c, u->stem),
        .decoder = "zkt_decode_union",
        .encoder = "zkt_encode_union",
        .is_shared = symbol->is_public,
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
    const struct type_use use = {
        .table = "unused",
        .holder = check_find(c, decl->name.text),
        .variant = true,
    };
    out->name = f->name.text;
    out->member = names_member(c->arena, check_snake(c, &f->name));
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

/* ---- all of them ---- */

/* The hook of a struct with `check;`. */
static void add_check(struct check *c, struct model_struct *s,
                      const struct ast_decl *decl)
{
    const struct model_check check = {
        arena_printf(c->arena, "check_%s", check_snake(c, &decl->name)), s
    };
    list_add(c, &c->checks, &check, sizeof(check));
    s->check = c->checks.count;
    (void)names_take(&c->handlers, c->arena, c->diag, check.member, decl->name);
}

static void declare_struct(struct check *c, struct symbol *symbol)
{
    const struct ast_decl *decl = symbol->decl;
    struct model_struct *s = check_new_struct(
        c, decl->name.text, check_stem(c, c->app, &decl->name), decl->name,
        decl->fields);
    s->doc = decl->doc;
    s->is_declared = true;
    s->is_strict = decl->strict;
    s->is_hidden = !symbol->is_public;
    symbol->structure = s;
    symbol->type = (struct model_type *)(uintptr_t)s->type;
    symbol->type->is_shared = symbol->is_public;
    if (decl->check.end > 0) {
        add_check(c, s, decl);
    }
}

void check_declarations(struct check *c)
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
                             check_stem(c, c->app, &s->decl->name),
                             s->decl->name);
        } else {
            (void)check_snake(c, &s->decl->name);
        }
    }
}

/* What is private comes last, so that what was made before is for all. */
static void lower_all_fields(struct check *c, bool hidden)
{
    const struct struct_source *sources = c->structs.items;
    for (size_t i = 0; i < c->structs.count; i++) {
        if (sources[i].structure->is_hidden == hidden) {
            lower_fields(c, &sources[i]);
        }
    }
}

void check_members(struct check *c)
{
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->alternatives != NULL) {
            lower_union(c, s);
        }
    }
    lower_all_fields(c, false);
    c->public_types = c->types.count;
    lower_all_fields(c, true);
    for (size_t i = 0; i < c->structs.count; i++) {
        lower_defaults(c, &((struct struct_source *)c->structs.items)[i]);
    }
}
