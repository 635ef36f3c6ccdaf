/*
 * Enums, structs and unions in C: names first, then fields and variants, when
 * all names are known.
 */
#include <string.h>

#include "output_c/lower.h"
#include "util/text_buffer.h"

/* ---- enums ---- */

/* An enum of C under a c_prefix of its own; its constants are named after
 * @owner. */
static struct model_enum *new_enum(struct lower *l, const char *owner,
                                   const char *c_prefix,
                                   const struct ast_name *source,
                                   const struct schema_enum_value *from,
                                   size_t count)
{
    struct model_enum *e = ARENA_NEW(l->arena, struct model_enum);
    struct model_enum_value *values = arena_alloc(
        l->arena, (count + 1) * sizeof(*values));
    struct model_name *names = arena_alloc(l->arena,
                                           (count + 1) * sizeof(*names));
    struct names members = { 0 };
    e->name = owner;
    e->at = source->at;
    e->c_prefix = c_prefix;
    e->prefix = names_upper(l->arena, c_prefix);
    (void)names_take(&l->names, l->arena, l->diag, c_prefix, *source);
    for (size_t i = 0; i < count; i++) {
        const struct schema_enum_value *v = &from[i];
        lower_take_field(l, &members, &v->name);
        values[i] = (struct model_enum_value){
            .name = v->name.text,
            .at = v->name.at,
            .wire = v->wire,
            .c_name = arena_printf(
                l->arena, "%s_%s", e->prefix,
                names_upper(l->arena, names_part(l->arena, v->name.text))),
            .doc = v->doc,
        };
        (void)names_take(&l->names, l->arena, l->diag, values[i].c_name,
                         v->name);
        names[i] = (struct model_name){ v->wire.text, i, v->wire.len };
    }
    e->values = values;
    e->value_count = count;
    e->names = lower_lookup(l->arena, names, count);
    return e;
}

static void declare_enum(struct lower *l, const struct schema_decl *decl,
                         struct lower_decl *to)
{
    const struct schema_enum *from = decl->enumeration;
    struct model_enum *e = new_enum(
        l, from->name.text,
        names_declared(l->arena, l->schema, from->name.text), &from->name,
        from->values, from->value_count);
    e->doc = from->doc;
    e->is_private = from->is_private;
    struct model_type *type = ARENA_NEW(l->arena, struct model_type);
    *type = (struct model_type){
        .kind = SCHEMA_ENUM,
        .schema = decl->type,
        .c_kind = "ZKT_KIND_ENUM",
        .c_type = arena_printf(l->arena, "enum %s", e->c_prefix),
        .c_param = arena_printf(l->arena, "enum %s ", e->c_prefix),
        .c_item = arena_printf(l->arena, "const enum %s *", e->c_prefix),
        .c_empty = "0",
        .c_prefix = e->c_prefix,
        .descriptor = lower_descriptor(l, e->c_prefix),
        .decoder = "zkt_decode_enum",
        .encoder = "zkt_encode_enum",
        .by_value = true,
        .is_shared = !from->is_private, /* also an unused field */
        .has_json = true,
        .enumeration = e,
    };
    to->enumeration = e;
    to->type = type;
    l->all[decl->type->number] = type;
}

/* ---- structs ---- */

static struct model_type *new_struct_type(struct lower *l, const char *c_prefix,
                                          const struct schema_type *schema)
{
    struct model_type *type = ARENA_NEW(l->arena, struct model_type);
    const char *descriptor = lower_descriptor(l, c_prefix);
    *type = (struct model_type){
        .kind = schema->kind,
        .schema = schema,
        .c_type = arena_printf(l->arena, "struct %s", c_prefix),
        .c_param = arena_printf(l->arena, "const struct %s *", c_prefix),
        .c_item = arena_printf(l->arena, "const struct %s *", c_prefix),
        .c_empty = "{ 0 }",
        .c_prefix = c_prefix,
        .descriptor = descriptor,
    };
    l->all[schema->number] = type;
    return type;
}

void lower_make_struct(struct lower *l, const struct schema_struct *s)
{
    if (l->structs[s->number].to != NULL) {
        return;
    }
    struct model_struct *to = ARENA_NEW(l->arena, struct model_struct);
    struct lower_struct *entry = &l->structs[s->number];
    const char *c_prefix = names_struct(l->arena, l->schema, s);
    struct model_type *type = new_struct_type(l, c_prefix, s->type);
    const bool is_state = s->role == SCHEMA_STATE || s->role == SCHEMA_PRIVATE;
    const bool is_value = is_state || s->role == SCHEMA_DECLARED;
    *to = (struct model_struct){
        .name = s->name.text,
        .c_prefix = c_prefix,
        .at = s->name.at,
        .doc = s->doc,
        .is_value = is_value,
        .is_state = is_state,
        .is_private = s->is_private,
        .is_strict = s->is_strict,
        .type = type,
    };
    type->c_kind = "ZKT_KIND_STRUCT";
    type->decoder = arena_printf(l->arena, "%s.decode", type->descriptor);
    type->encoder = arena_printf(l->arena, "%s.encode", type->descriptor);
    type->is_shared = !s->is_private;
    type->has_json = is_value;
    type->structure = to;
    entry->to = to;
    entry->type = type;
    (void)names_take(&l->names, l->arena, l->diag, c_prefix, s->name);
}

struct model_struct *lower_new_struct(struct lower *l,
                                      const struct schema_struct *s)
{
    lower_make_struct(l, s);
    list_add(l->arena, &l->made, &s->number, sizeof(s->number));
    return l->structs[s->number].to;
}

/* The name of a field as JSON, behind a comma and before its value. */
static const char *key_of(struct lower *l, const char *name)
{
    struct text_buffer out = { 0 };
    emit_text(&out, ",");
    emit_json_string(&out, json_string(name));
    emit_text(&out, ":");
    const char *key = arena_text(l->arena, out.text, out.len);
    text_buffer_finish(&out);
    return key;
}

/* The constant for a literal field, which is no member. */
static void add_constant(struct lower *l, const struct schema_struct *s,
                         const struct schema_field *field)
{
    const struct model_constant constant = {
        names_literal(l->arena, l->schema, s, field->name.text),
        lower_constant(l, field->type->literal), field->doc, s->is_private
    };
    list_add(l->arena, &l->constants, &constant, sizeof(constant));
    (void)names_take(&l->names, l->arena, l->diag, constant.name, field->name);
}

/* The macro for the upper bound of a field, if it has one: of items, entries,
 * code points or bytes, also where the value may be absent or null. */
static void add_bound(struct lower *l, const struct model_struct *s,
                      const struct model_field *field,
                      const struct ast_name *name)
{
    const struct model_type *type = schema_may_lack(field->type->kind)
                                        ? field->type->inner
                                        : field->type;
    const enum schema_class class = schema_kinds[type->kind].class;
    const bool counted = type->kind == SCHEMA_LIST ||
                         type->kind == SCHEMA_MAP ||
                         class == SCHEMA_CLASS_TEXT ||
                         class == SCHEMA_CLASS_BYTES;
    const size_t prefix = strlen(s->c_prefix) -
                          (s->is_state ? strlen("_state") : 0);
    if (!counted || type->schema->max == UINT32_MAX) {
        return;
    }
    const struct model_bound bound = {
        names_upper(l->arena, arena_printf(l->arena, "%.*s_%s_max", (int)prefix,
                                           s->c_prefix, field->c_part)),
        type->schema->max
    };
    list_add(l->arena, &l->bounds, &bound, sizeof(bound));
    (void)names_take(&l->names, l->arena, l->diag, bound.name, *name);
}

static void lower_field(struct lower *l, const struct model_struct *s,
                        const struct schema_field *from, size_t index,
                        struct model_field *to)
{
    static const char *const readers[] = {
        [SCHEMA_READER_ALL] = "ZKT_READER_ALL",
        [SCHEMA_READER_AUDIENCE] = "ZKT_READER_AUDIENCE",
        [SCHEMA_READER_DATA] = "ZKT_READER_DATA",
        [SCHEMA_READER_CLIENT] = "ZKT_READER_CLIENT",
    };
    to->reader = readers[from->reader.kind];
    to->reader_number = from->reader.number;
    to->name = from->name.text;
    to->key = key_of(l, from->name.text);
    to->c_part = names_part(l->arena, from->name.text);
    to->c_field = names_member(l->arena, to->c_part);
    to->doc = from->doc;
    to->index = index;
    to->at = from->name.at;
    to->type = lower_type(
        l, from->type,
        arena_printf(l->arena, "%s_%s", s->c_prefix, to->c_part));
    if (to->type == NULL || to->type->kind == SCHEMA_LITERAL) {
        return;
    }
    to->c_declaration = lower_declaration(l, to->type, to->c_field);
    if (s->is_value && !s->is_private) {
        add_bound(l, s, to, &from->name);
    }
}

static void lower_fields(struct lower *l, size_t number)
{
    const struct schema_struct *from = l->schema->structs[number];
    struct model_struct *to = l->structs[number].to;
    struct names members = { 0 };
    const size_t count = from->field_count;
    struct model_field *fields = arena_alloc(l->arena,
                                             (count + 1) * sizeof(*fields));
    struct model_name *names = arena_alloc(l->arena,
                                           (count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        const struct ast_name *name = &from->fields[i].name;
        lower_take_field(l, &members, name);
        lower_field(l, to, &from->fields[i], i, &fields[i]);
        if (fields[i].type != NULL && fields[i].type->kind == SCHEMA_LITERAL) {
            add_constant(l, from, &from->fields[i]);
        } else {
            to->member_count++;
        }
        names[i] = (struct model_name){ name->text, i, strlen(name->text) };
    }
    l->structs[number].fields = fields;
    to->fields = fields;
    to->field_count = count;
    to->names = lower_lookup(l->arena, names, count);
}

/* The hook of a struct with `check;`. */
static void add_check(struct lower *l, struct model_struct *s,
                      const struct ast_name *name)
{
    const struct model_check check = {
        arena_printf(l->arena, "check_%s", names_part(l->arena, name->text)), s
    };
    list_add(l->arena, &l->checks, &check, sizeof(check));
    s->check = l->checks.count;
    (void)names_take(&l->handlers, l->arena, l->diag, check.c_field, *name);
}

static void declare_struct(struct lower *l, const struct schema_decl *decl,
                           struct lower_decl *to)
{
    struct model_struct *s = lower_new_struct(l, decl->structure);
    to->type = l->structs[decl->structure->number].type;
    if (decl->structure->has_check) {
        add_check(l, s, &decl->name);
    }
}

/* ---- unions ---- */

/* The kinds of a union are an enum made of its variants' names. */
static struct model_enum *kinds_of(struct lower *l,
                                   const struct schema_union *u,
                                   const char *c_prefix)
{
    struct schema_enum_value *values = arena_alloc(
        l->arena, (u->variant_count + 1) * sizeof(*values));
    for (size_t i = 0; i < u->variant_count; i++) {
        const struct ast_name *name = &u->variants[i].name;
        values[i].name = *name;
        values[i].doc = u->variants[i].doc;
        values[i].wire = (struct schema_text){ name->text, strlen(name->text) };
    }
    struct model_enum *kinds = new_enum(
        l, u->name.text, arena_printf(l->arena, "%s_kind", c_prefix), &u->name,
        values, u->variant_count);
    kinds->is_private = u->is_private;
    return kinds;
}

static void declare_union(struct lower *l, const struct schema_decl *decl,
                          struct lower_decl *to)
{
    const struct schema_union *from = decl->alternatives;
    struct model_union *u = ARENA_NEW(l->arena, struct model_union);
    const char *c_prefix = names_declared(l->arena, l->schema, from->name.text);
    struct model_type *type = new_struct_type(l, c_prefix, decl->type);
    (void)names_take(&l->names, l->arena, l->diag, c_prefix, from->name);
    u->at = from->name.at;
    u->name = from->name.text;
    u->c_prefix = c_prefix;
    u->doc = from->doc;
    u->discriminator = from->discriminator;
    u->kinds = kinds_of(l, from, c_prefix);
    u->type = type;
    type->c_kind = "ZKT_KIND_UNION";
    type->decoder = "zkt_decode_union";
    type->encoder = "zkt_encode_union";
    type->is_shared = !from->is_private;
    type->has_json = true;
    type->alternatives = u;
    to->alternatives = u;
    to->type = type;
}

static void lower_variants(struct lower *l, const struct schema_union *from,
                           struct model_union *u)
{
    struct model_variant *variants = arena_alloc(
        l->arena, (from->variant_count + 1) * sizeof(*variants));
    for (size_t i = 0; i < from->variant_count; i++) {
        const struct schema_variant *v = &from->variants[i];
        variants[i] = (struct model_variant){
            .at = v->name.at,
            .name = v->name.text,
            .c_field = names_field(l->arena, v->name.text),
            .doc = v->doc,
            .type = lower_type(l, v->type, "unused"),
        };
        if (strcmp(variants[i].c_field, "kind") == 0) {
            diag_report(l->diag, v->name.at, DIAG_RESERVED_NAME, "a variant",
                        v->name.text);
        }
    }
    u->variants = variants;
    u->variant_count = from->variant_count;
}

/* ---- all of them ---- */

void lower_declarations(struct lower *l)
{
    for (size_t i = 0; i < l->schema->decl_count; i++) {
        const struct schema_decl *decl = &l->schema->decls[i];
        if (decl->enumeration != NULL) {
            declare_enum(l, decl, &l->decls[i]);
        } else if (decl->structure != NULL) {
            declare_struct(l, decl, &l->decls[i]);
        } else if (decl->alternatives != NULL) {
            declare_union(l, decl, &l->decls[i]);
        } else if (decl->is_tuple) {
            (void)names_take(
                &l->names, l->arena, l->diag,
                names_declared(l->arena, l->schema, decl->name.text),
                decl->name);
        }
    }
}

/* Private structs come last: descriptors that were made before them are for all
 * files. */
static void lower_all_fields(struct lower *l, bool of_private)
{
    const size_t *made = l->made.items;
    for (size_t i = 0; i < l->made.count; i++) {
        if (l->schema->structs[made[i]]->is_private == of_private) {
            lower_fields(l, made[i]);
        }
    }
}

void lower_members(struct lower *l)
{
    for (size_t i = 0; i < l->schema->decl_count; i++) {
        if (l->decls[i].alternatives != NULL) {
            lower_variants(l, l->schema->decls[i].alternatives,
                           l->decls[i].alternatives);
        }
    }
    lower_all_fields(l, false);
    l->public_types = l->types.count;
    lower_internal(l);
    lower_all_fields(l, true);
}

const char *lower_default(struct lower *l, const struct schema_struct *s,
                          size_t i)
{
    struct model_field *f = &l->structs[s->number].fields[i];
    if (f->c_default == NULL && s->fields[i].value != NULL) {
        f->c_default = lower_initialiser(l, s->fields[i].value, f->type);
    }
    return f->c_default;
}

void lower_defaults(struct lower *l)
{
    const size_t *made = l->made.items;
    for (size_t i = 0; i < l->made.count; i++) {
        const struct schema_struct *s = l->schema->structs[made[i]];
        for (size_t k = 0; k < s->field_count; k++) {
            if (lower_default(l, s, k) != NULL) {
                l->structs[made[i]].to->has_defaults = true;
            }
        }
    }
}
