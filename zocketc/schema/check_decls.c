/*
 * Enums, structs and unions: names first, then fields and variants, when all
 * names are known; defaults last, when all types are.
 */
#include <string.h>

#include "schema/check.h"
#include "util/text_buffer.h"

/* ---- enums ---- */

/* Two values that are equal on the wire could not be told apart. */
static void check_spelling(struct check *c, struct table *spellings,
                           struct schema_enum_value *v)
{
    /* As JSON, since a NUL may be inside. */
    struct text_buffer text = { 0 };
    emit_json_string(&text, json_string_of(v->wire.text, v->wire.len));
    const char *key = arena_text(c->arena, text.text, text.len);
    text_buffer_finish(&text);
    const struct schema_enum_value *first = table_find(spellings, key);
    if (first == NULL) {
        table_put(spellings, c->arena, key, v);
    } else if (strcmp(first->name.text, v->name.text) != 0) {
        diag_report(c->diag, v->name.at, DIAG_DUPLICATE_SPELLING, v->name.text,
                    first->name.text);
        diag_report(c->diag, first->name.at, DIAG_FIRST_HERE);
    }
}

static void fill_value(const struct ast_enum_value *from,
                       struct schema_enum_value *to)
{
    const char *name = from->name.text;
    to->name = from->name;
    to->doc = from->doc;
    to->wire = (struct schema_text){ name, strlen(name) };
    if (from->wire != NULL) {
        to->wire = (struct schema_text){ from->wire->text, from->wire->len };
    }
}

static void declare_enum(struct check *c, struct symbol *symbol)
{
    const struct ast_decl *decl = symbol->decl;
    struct schema_enum *e = ARENA_NEW(c->arena, struct schema_enum);
    struct table names = { 0 }, spellings = { 0 };
    size_t room = 0;
    for (const struct ast_enum_value *v = decl->values; v != NULL;
         v = v->next) {
        room++;
    }
    struct schema_enum_value *values = arena_alloc(
        c->arena, (room + 1) * sizeof(*values));
    for (const struct ast_enum_value *v = decl->values; v != NULL;
         v = v->next) {
        if (check_take(c, &names, &v->name, "value")) {
            fill_value(v, &values[e->value_count]);
            check_spelling(c, &spellings, &values[e->value_count++]);
        }
    }
    if (room == 0) {
        diag_report(c->diag, decl->name.at, DIAG_EMPTY_ENUM, "enum",
                    decl->name.text);
    }
    e->name = decl->name;
    e->doc = decl->doc;
    e->values = values;
    e->is_private = !symbol->is_public;
    struct schema_type *type = check_new_type(c, SCHEMA_ENUM, decl->name.at);
    type->enumeration = e;
    symbol->enumeration = e;
    symbol->type = type;
}

/* ---- structs ---- */

struct schema_struct *check_new_struct(struct check *c, enum schema_role role,
                                       struct ast_name name,
                                       const struct ast_field *fields)
{
    struct schema_struct *s = ARENA_NEW(c->arena, struct schema_struct);
    struct schema_type *type = check_new_type(c, SCHEMA_STRUCT, name.at);
    type->structure = s;
    s->role = role;
    s->name = name;
    s->type = type;
    s->number = c->structs.count;
    const struct check_struct entry = { .structure = s, .source = fields };
    list_add(c->arena, &c->structs, &entry, sizeof(entry));
    return s;
}

static struct check_struct *struct_at(const struct check *c, size_t number)
{
    return &((struct check_struct *)c->structs.items)[number];
}

void check_hide_struct(struct check *c, const struct schema_struct *s)
{
    struct_at(c, s->number)->structure->is_private = true;
}

static void check_field(struct check *c, const struct schema_struct *s,
                        const struct ast_field *ast, struct schema_field *out)
{
    const bool has_name = s->role == SCHEMA_DECLARED || s->role == SCHEMA_STATE;
    const struct symbol *owner = has_name ? check_find(c, s->name.text) : NULL;
    if (ast->sources != NULL && s->role != SCHEMA_CONNECTION_INPUT) {
        diag_report(c->diag, ast->sources->at, DIAG_MISPLACED_SOURCE);
    }
    const struct type_use use = {
        .field = true,
        .literal = true,
        .owner = owner,
        .holder = owner,
    };
    out->name = ast->name;
    out->doc = ast->doc;
    out->value = ast->value;
    out->reader = check_reader(c, s, ast);
    out->type = check_type(c, ast->type, use);
}

static void check_fields(struct check *c, struct check_struct *source)
{
    struct schema_struct *s = source->structure;
    struct table names = { 0 };
    size_t room = 0;
    for (const struct ast_field *f = source->source; f != NULL; f = f->next) {
        room++;
    }
    if (room > FIELDS_MAX) {
        diag_report(c->diag, s->name.at, DIAG_TOO_MANY_FIELDS, s->name.text,
                    FIELDS_MAX);
    }
    struct schema_field *fields = arena_alloc(c->arena,
                                              (room + 1) * sizeof(*fields));
    for (const struct ast_field *f = source->source; f != NULL; f = f->next) {
        struct schema_field *out = &fields[s->field_count];
        check_field(c, s, f, out);
        s->field_count += check_take(c, &names, &f->name, "field");
    }
    source->fields = fields;
    s->fields = fields;
}

static void check_defaults(struct check *c, struct check_struct *source)
{
    const struct schema_struct *s = source->structure;
    if (source->defaulted) {
        return;
    }
    source->defaulted = true;
    const bool is_state = s->role == SCHEMA_STATE || s->role == SCHEMA_PRIVATE;
    for (size_t i = 0; i < s->field_count; i++) {
        struct schema_field *f = &source->fields[i];
        if (f->type == NULL) {
            continue;
        }
        if (f->value == NULL) {
            if (is_state && !schema_is_given(f->type)) {
                diag_report(c->diag, f->name.at, DIAG_MISSING_DEFAULT,
                            f->name.text);
            }
            if (s->role == SCHEMA_CONNECTION && !schema_is_given(f->type) &&
                !c->schema->connection->has_open) {
                diag_report(c->diag, f->name.at, DIAG_DATA_DEFAULT,
                            f->name.text);
            }
        } else if (!check_default(c, &f->name, f->value, f->type, &f->size)) {
            f->value = NULL;
        }
    }
}

void check_struct_defaults(struct check *c, const struct schema_struct *s)
{
    check_defaults(c, struct_at(c, s->number));
}

static void declare_struct(struct check *c, struct symbol *symbol)
{
    const struct ast_decl *decl = symbol->decl;
    struct schema_struct *s = check_new_struct(
        c, symbol->actor != NULL ? SCHEMA_STATE : SCHEMA_DECLARED, decl->name,
        symbol->fields);
    s->actor = symbol->actor;
    s->doc = decl->doc;
    s->is_strict = decl->strict;
    s->is_private = !symbol->is_public;
    s->has_check = decl->check.end > 0;
    symbol->structure = s;
    symbol->type = s->type;
}

/* ---- unions ---- */

/* A union by its name; its variants are looked at when all are known. */
static void declare_union(struct check *c, struct symbol *symbol)
{
    const struct ast_decl *decl = symbol->decl;
    struct schema_union *u = ARENA_NEW(c->arena, struct schema_union);
    struct schema_type *type = check_new_type(c, SCHEMA_UNION, decl->name.at);
    type->alternatives = u;
    u->name = decl->name;
    u->doc = decl->doc;
    u->discriminator = decl->by.text;
    u->is_private = !symbol->is_public;
    u->type = type;
    symbol->alternatives = u;
    symbol->type = type;
}

static bool has_field(const struct symbol *symbol, const char *name)
{
    for (const struct ast_field *f = symbol->fields; f != NULL; f = f->next) {
        if (strcmp(f->name.text, name) == 0) {
            return true;
        }
    }
    return false;
}

static void check_variant(struct check *c, const struct ast_decl *decl,
                          const struct ast_field *f, struct schema_variant *out)
{
    const struct type_use use = {
        .holder = check_find(c, decl->name.text),
        .variant = true,
    };
    out->name = f->name;
    out->doc = f->doc;
    out->type = check_type(c, f->type, use);
    if (out->type == NULL) {
        return;
    }
    if (out->type->kind != SCHEMA_STRUCT) {
        diag_report(c->diag, f->type->at, DIAG_BAD_VARIANT, f->name.text);
        out->type = NULL;
        return;
    }
    const struct symbol *s = check_find(c, out->type->structure->name.text);
    if (has_field(s, decl->by.text)) {
        diag_report(c->diag, f->name.at, DIAG_DISCRIMINATOR_FIELD,
                    s->decl->name.text, decl->by.text);
    }
}

static void check_variants(struct check *c, const struct symbol *symbol)
{
    struct schema_union *u = symbol->alternatives;
    const struct ast_decl *decl = symbol->decl;
    struct table names = { 0 };
    size_t room = 0;
    for (const struct ast_field *f = decl->fields; f != NULL; f = f->next) {
        room++;
    }
    struct schema_variant *variants = arena_alloc(
        c->arena, (room + 1) * sizeof(*variants));
    for (const struct ast_field *f = decl->fields; f != NULL; f = f->next) {
        check_variant(c, decl, f, &variants[u->variant_count]);
        u->variant_count += check_take(c, &names, &f->name, "value");
    }
    if (room == 0) {
        diag_report(c->diag, decl->name.at, DIAG_EMPTY_ENUM, "union",
                    decl->name.text);
    }
    u->variants = variants;
}

/* ---- all of them ---- */

void check_declarations(struct check *c)
{
    for (struct symbol *s = c->symbols; s != NULL; s = s->next) {
        switch (s->decl->kind) {
        case AST_DECL_ENUM:
            declare_enum(c, s);
            break;
        case AST_DECL_STRUCT:
            declare_struct(c, s);
            break;
        case AST_DECL_UNION:
            declare_union(c, s);
            break;
        case AST_DECL_TYPE:
        case AST_DECL_APP:
        case AST_DECL_IMPORT:
        case AST_DECL_ACTOR:
        case AST_DECL_CONNECTION:
        case AST_DECL_MIDDLEWARE:
        case AST_DECL_ERROR:
        case AST_DECL_BROADCAST:
            break;
        }
    }
}

void check_members(struct check *c)
{
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->alternatives != NULL) {
            check_variants(c, s);
        }
    }
    for (size_t i = 0; i < c->structs.count; i++) {
        check_fields(c, struct_at(c, i));
    }
    for (size_t i = 0; i < c->structs.count; i++) {
        check_defaults(c, struct_at(c, i));
    }
}

void check_finish_declarations(struct check *c)
{
    struct list decls = { 0 }, structs = { 0 };
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->actor != NULL) {
            continue; /* a state is its actor's */
        }
        const struct schema_decl decl = {
            .enumeration = s->enumeration,
            .structure = s->structure,
            .alternatives = s->alternatives,
            .name = s->decl->name,
            .is_tuple = s->decl->kind == AST_DECL_TYPE &&
                        s->decl->type->kind == AST_TYPE_TUPLE,
            .type = s->decl->kind == AST_DECL_TYPE ? NULL : s->type,
        };
        list_add(c->arena, &decls, &decl, sizeof(decl));
    }
    for (size_t i = 0; i < c->structs.count; i++) {
        const struct schema_struct *s = struct_at(c, i)->structure;
        list_add(c->arena, &structs, &s, sizeof(s));
    }
    c->schema->decls = decls.items;
    c->schema->decl_count = decls.count;
    c->schema->structs = structs.items;
    c->schema->struct_count = structs.count;
}
