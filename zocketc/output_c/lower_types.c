/*
 * Types in C: the runtime's own for scalars, and structs for containers and
 * tuples. Two uses that look alike and have the same rules share a descriptor.
 */
#include <string.h>

#include "output_c/lower.h"
#include "schema/text.h"

/* ---- scalars ---- */

struct scalar {
    const char *c_kind, *c_type, *c_param, *c_item, *c_empty, *container,
        *descriptor, *decoder, *encoder, *writer;
};

static const struct scalar scalars[SCHEMA_KIND_COUNT] = {
#define ZKT_SCALAR(symbol, word, class, noun, min, max, json, c, empty,        \
                   container, writer)                                          \
    [SCHEMA_##symbol] = { "ZKT_KIND_" #symbol,                                 \
                          #c,                                                  \
                          #c " ",                                              \
                          "const " #c " *",                                    \
                          empty,                                               \
                          #container,                                          \
                          "zkt_type_" #word,                                   \
                          "zkt_decode_" #word,                                 \
                          "zkt_encode_" #word,                                 \
                          writer },
#include "zocket/scalars.def"
#undef ZKT_SCALAR
};

static bool owns_memory(enum schema_kind kind)
{
    switch (schema_kinds[kind].class) {
    case SCHEMA_CLASS_TEXT:
    case SCHEMA_CLASS_BYTES:
    case SCHEMA_CLASS_ANY:
        return true;
    case SCHEMA_CLASS_TRUTH:
    case SCHEMA_CLASS_INTEGER:
    case SCHEMA_CLASS_TIME:
    case SCHEMA_CLASS_REAL:
    case SCHEMA_CLASS_NONE:
        break;
    }
    return false;
}

static struct model_type scalar_type(const struct schema_type *schema)
{
    const struct scalar *s = &scalars[schema->kind];
    return (struct model_type){
        .kind = schema->kind,
        .schema = schema,
        .c_kind = s->c_kind,
        .c_type = s->c_type,
        .c_param = s->c_param,
        .c_item = s->c_item,
        .c_empty = s->c_empty,
        .c_prefix = "",
        .descriptor = s->descriptor,
        .decoder = s->decoder,
        .encoder = s->encoder,
        .writer = s->writer,
        .by_value = true,
        .owns = owns_memory(schema->kind),
    };
}

bool lower_is_runtime(const char *name)
{
    return strncmp(name, "zkt_", 4) == 0;
}

void lower_share(struct model_type *type)
{
    if (type != NULL && !lower_is_runtime(type->descriptor)) {
        type->is_shared = true;
    }
}

const char *lower_declaration(struct lower *l, const struct model_type *type,
                              const char *c_field)
{
    const size_t len = strlen(type->c_type);
    const char *blank = type->c_type[len - 1] == '*' ? "" : " ";
    return arena_printf(l->arena, "%s%s%s", type->c_type, blank, c_field);
}

/* ---- names of containers and tuples ---- */

/* How a type is called in the name of a container of it. */
static const char *word_of(const struct lower *l, const struct model_type *type)
{
    if (schema_is_scalar(type->kind)) {
        return scalars[type->kind].container + strlen("zkt_");
    }
    const char *word = lower_is_runtime(type->c_prefix)
                           ? type->c_prefix + 4
                           : type->c_prefix + strlen(l->app) + 1;
    return type->is_boxed ? arena_printf(l->arena, "%s_box", word) : word;
}

static const char *container_prefix(struct lower *l,
                                    const struct model_type *inner,
                                    const char *suffix)
{
    return arena_printf(l->arena, "%s_%s_%s",
                        schema_is_scalar(inner->kind) ? "zkt" : l->app,
                        word_of(l, inner), suffix);
}

static void name_struct_type(struct lower *l, struct model_type *type)
{
    type->c_type = arena_printf(l->arena, "struct %s", type->c_prefix);
    type->c_param = arena_printf(l->arena, "const struct %s *", type->c_prefix);
    type->c_item = type->c_param;
    type->c_empty = "{ 0 }";
}

/*
 * The C struct of a container is named by its first use. Two with the
 * same name must look alike: string[][] and Str[][] of a struct Str do not.
 */
static bool take_container(struct lower *l, const struct model_type *type,
                           const char *shape)
{
    const struct source_range at = type->schema->at;
    const char *first = table_find(&l->containers, type->c_prefix);
    const struct ast_name source = { type->c_prefix, at };
    if (lower_is_runtime(type->c_prefix)) {
        return true;
    }
    if (first != NULL) {
        if (strcmp(first, shape) == 0) {
            return true;
        }
        diag_report(l->diag, at, DIAG_NAME_COLLISION, "this type",
                    type->c_prefix);
        return false;
    }
    table_put(&l->containers, l->arena, type->c_prefix,
              arena_text(l->arena, shape, strlen(shape)));
    return names_take(&l->names, l->arena, l->diag, type->c_prefix, source);
}

/* ---- lists and maps ---- */

static struct model_type *container(struct lower *l,
                                    const struct schema_type *schema,
                                    const char *descriptor)
{
    const bool list = schema->kind == SCHEMA_LIST;
    const struct model_type *inner = lower_type(
        l, schema->inner,
        arena_printf(l->arena, "%s_%s", descriptor, list ? "item" : "value"));
    if (inner == NULL) {
        return NULL;
    }
    struct model_type type = {
        .kind = schema->kind,
        .schema = schema,
        .c_kind = list ? "ZKT_KIND_LIST" : "ZKT_KIND_MAP",
        .c_prefix = container_prefix(l, inner, list ? "list" : "map"),
        .decoder = list ? "zkt_decode_list" : "zkt_decode_map",
        .encoder = list ? "zkt_encode_list" : "zkt_encode_map",
        .owns = true,
        .inner = inner,
    };
    if (!list) {
        type.entry = container_prefix(l, inner, "entry");
    }
    name_struct_type(l, &type);
    (void)take_container(l, &type, inner->c_type);
    return lower_intern(l, &type, descriptor);
}

/* ---- tuples ---- */

/* The member for an element: its name, or _0, _1 and so on. */
static const char *element_field(struct lower *l,
                                 const struct schema_type *schema, size_t i,
                                 struct names *scope)
{
    if (schema->labels == NULL) {
        return arena_printf(l->arena, "_%zu", i);
    }
    const struct ast_name *label = &schema->labels[i];
    if (names_snake(l->arena, label->text) == NULL) {
        diag_report(l->diag, label->at, DIAG_BAD_NAME, label->text);
    }
    lower_take_field(l, scope, label);
    return names_field(l->arena, label->text);
}

/* The elements of a tuple, as fields; NULL if an element is wrong. */
static struct model_struct *elements(struct lower *l,
                                     const struct schema_type *schema,
                                     const char *descriptor)
{
    struct model_struct *s = ARENA_NEW(l->arena, struct model_struct);
    struct model_field *fields = arena_alloc(
        l->arena, (schema->item_count + 1) * sizeof(*fields));
    struct names scope = { 0 };
    bool good = true;
    for (size_t i = 0; i < schema->item_count; i++) {
        struct model_field *f = &fields[i];
        f->c_field = element_field(l, schema, i, &scope);
        f->name = f->c_part = arena_printf(l->arena, "%zu", i);
        f->index = i;
        f->type = lower_type(l, schema->items[i],
                             arena_printf(l->arena, "%s_%zu", descriptor, i));
        good = good && f->type != NULL;
        if (f->type != NULL) {
            f->c_declaration = lower_declaration(l, f->type, f->c_field);
        }
    }
    s->fields = fields;
    s->field_count = schema->item_count;
    return good ? s : NULL;
}

static size_t count_parts(const char *word)
{
    size_t parts = 1;
    for (; *word != '\0'; word++) {
        parts += *word == '_';
    }
    return parts;
}

static const char *add_word(struct lower *l, const char *c_prefix,
                            const char *word)
{
    const size_t parts = count_parts(word);
    return parts > 1
               ? arena_printf(l->arena, "%s_%zu_%s", c_prefix, parts, word)
               : arena_printf(l->arena, "%s_%s", c_prefix, word);
}

/*
 * A tuple's name says how many elements it has, and of an element how many
 * parts its own name has, if several. So [T[]] is tuple1_2_t_list, and [T][]
 * is tuple1_t_list: nothing can be read in two ways. [a: T] is named1_a_t.
 */
static const char *tuple_prefix(struct lower *l,
                                const struct schema_type *schema,
                                const struct model_struct *s)
{
    const struct ast_name *labels = schema->labels;
    const char *c_prefix = arena_printf(l->arena, "%s_%s%zu", l->app,
                                        labels != NULL ? "named" : "tuple",
                                        s->field_count);
    for (size_t i = 0; i < s->field_count; i++) {
        if (labels != NULL) {
            c_prefix = add_word(l, c_prefix,
                                names_part(l->arena, labels[i].text));
        }
        c_prefix = add_word(l, c_prefix, word_of(l, s->fields[i].type));
    }
    return c_prefix;
}

static const char *tuple_shape(struct lower *l, const struct model_struct *s)
{
    const char *shape = "";
    for (size_t i = 0; i < s->field_count; i++) {
        shape = arena_printf(l->arena, "%s%s %s;", shape,
                             s->fields[i].type->c_type, s->fields[i].c_field);
    }
    return shape;
}

static struct model_type *tuple(struct lower *l,
                                const struct schema_type *schema,
                                const char *descriptor)
{
    struct model_struct *s = elements(l, schema, descriptor);
    if (s == NULL) {
        return NULL;
    }
    s->c_prefix = schema->alias != NULL
                      ? names_declared(l->arena, l->schema, schema->alias)
                      : tuple_prefix(l, schema, s);
    s->name = s->c_prefix;
    struct model_type type = {
        .kind = SCHEMA_TUPLE,
        .schema = schema,
        .c_kind = "ZKT_KIND_TUPLE",
        .c_prefix = s->c_prefix,
        .decoder = "zkt_decode_tuple",
        .encoder = "zkt_encode_tuple",
        .structure = s,
    };
    name_struct_type(l, &type);
    if (schema->alias == NULL && !take_container(l, &type, tuple_shape(l, s))) {
        return NULL;
    }
    struct model_type *made = lower_intern(l, &type, descriptor);
    s->type = made;
    return made;
}

/* ---- optional and nullable types ---- */

/* Makes an optional or nullable type a pointer, as a cycle needs it. */
static void box(struct lower *l, struct model_type *type)
{
    const struct model_type *inner = type->inner;
    type->is_boxed = true;
    type->c_kind = type->kind == SCHEMA_NULLABLE ? "ZKT_KIND_BOXED_NULLABLE"
                                                 : "ZKT_KIND_BOXED";
    type->c_prefix = inner->c_prefix;
    type->c_type = inner->c_param;
    type->c_param = inner->c_param;
    type->c_item = arena_printf(l->arena, "%sconst *", inner->c_param);
    type->c_empty = "NULL";
    type->decoder = "zkt_decode_boxed";
    type->encoder = "zkt_encode_boxed";
    type->by_value = true;
    type->owns = true;
}

static struct model_type *optional(struct lower *l,
                                   const struct schema_type *schema,
                                   const char *descriptor)
{
    const struct model_type *inner = lower_type(
        l, schema->inner, arena_printf(l->arena, "%s_value", descriptor));
    if (inner == NULL) {
        return NULL;
    }
    struct model_type type = {
        .kind = schema->kind,
        .schema = schema,
        .c_kind = schema->kind == SCHEMA_NULLABLE ? "ZKT_KIND_NULLABLE"
                                                  : "ZKT_KIND_OPTIONAL",
        .c_prefix = container_prefix(l, inner, "opt"),
        .decoder = "zkt_decode_optional",
        .encoder = "zkt_encode_optional",
        .owns = inner->owns,
        .inner = inner,
    };
    name_struct_type(l, &type);
    const bool is_struct = inner->kind == SCHEMA_STRUCT ||
                           inner->kind == SCHEMA_UNION ||
                           inner->kind == SCHEMA_TUPLE;
    if (is_struct && schema->closes_cycle) {
        box(l, &type);
    } else {
        (void)take_container(l, &type, inner->c_type);
    }
    return lower_intern(l, &type, descriptor);
}

/* ---- literals ---- */

static struct model_type *literal(struct lower *l,
                                  const struct schema_type *schema,
                                  const char *descriptor)
{
    const struct model_type type = {
        .kind = SCHEMA_LITERAL,
        .schema = schema,
        .c_kind = "ZKT_KIND_LITERAL",
        .c_type = "",
        .c_prefix = "",
        .decoder = "zkt_decode_literal",
        .encoder = "zkt_encode_literal",
        .json = schema_value_text(l->arena, schema->literal),
    };
    return lower_intern(l, &type, descriptor);
}

/* ---- any ---- */

static struct model_type *make(struct lower *l,
                               const struct schema_type *schema,
                               const char *descriptor)
{
    switch (schema->kind) {
    case SCHEMA_LIST:
    case SCHEMA_MAP:
        return container(l, schema, descriptor);
    case SCHEMA_OPTIONAL:
    case SCHEMA_NULLABLE:
        return optional(l, schema, descriptor);
    case SCHEMA_TUPLE:
        return tuple(l, schema, descriptor);
    case SCHEMA_LITERAL:
        return literal(l, schema, descriptor);
    case SCHEMA_ENUM:
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
    case SCHEMA_KIND_COUNT:
        return NULL; /* made with its declaration */
#define ZKT_SCALAR(symbol, ...) case SCHEMA_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
        break;
    }
    const struct model_type type = scalar_type(schema);
    return lower_intern(l, &type, descriptor);
}

struct model_type *lower_type(struct lower *l, const struct schema_type *schema,
                              const char *descriptor)
{
    if (schema == NULL) {
        return NULL;
    }
    struct model_type **known = &l->all[schema->number];
    if (*known == NULL) {
        *known = make(l, schema, descriptor);
    }
    return *known;
}
