/* Types: from how they are written to what they are in C. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "parse.h"

#define WIRE_MAX 9007199254740991 /* 2^53 - 1 */

struct builtin {
    const char *name;
    struct model_type type;
};

static const struct builtin builtins[] = {
    { "bool",
      { .kind = MODEL_BOOL,
        .c_kind = "ZKT_KIND_BOOL",
        .c_type = "bool",
        .c_param = "bool ",
        .c_item = "const bool *",
        .c_empty = "false",
        .table = "zkt_type_bool",
        .decoder = "zkt_decode_bool",
        .encoder = "zkt_encode_bool",
        .by_value = true } },
    { "int32",
      { .kind = MODEL_INT32,
        .c_kind = "ZKT_KIND_INT32",
        .c_type = "int32_t",
        .c_param = "int32_t ",
        .c_item = "const int32_t *",
        .c_empty = "0",
        .table = "zkt_type_int32",
        .decoder = "zkt_decode_int32",
        .encoder = "zkt_encode_int32",
        .by_value = true,
        .int_min = INT32_MIN,
        .int_max = INT32_MAX } },
    { "int64",
      { .kind = MODEL_INT64,
        .c_kind = "ZKT_KIND_INT64",
        .c_type = "int64_t",
        .c_param = "int64_t ",
        .c_item = "const int64_t *",
        .c_empty = "0",
        .table = "zkt_type_int64",
        .decoder = "zkt_decode_int64",
        .encoder = "zkt_encode_int64",
        .by_value = true,
        .int_min = -WIRE_MAX,
        .int_max = WIRE_MAX } },
    { "float64",
      { .kind = MODEL_FLOAT64,
        .c_kind = "ZKT_KIND_FLOAT64",
        .c_type = "double",
        .c_param = "double ",
        .c_item = "const double *",
        .c_empty = "0",
        .table = "zkt_type_float64",
        .decoder = "zkt_decode_float64",
        .encoder = "zkt_encode_float64",
        .by_value = true,
        .float_min = -INFINITY,
        .float_max = INFINITY } },
    { "timestamp",
      { .kind = MODEL_TIMESTAMP,
        .c_kind = "ZKT_KIND_TIMESTAMP",
        .c_type = "int64_t",
        .c_param = "int64_t ",
        .c_item = "const int64_t *",
        .c_empty = "0",
        .table = "zkt_type_timestamp",
        .decoder = "zkt_decode_timestamp",
        .encoder = "zkt_encode_int64",
        .by_value = true,
        .int_min = -8640000000000000,
        .int_max = 8640000000000000 } },
    { "string",
      { .kind = MODEL_STRING,
        .c_kind = "ZKT_KIND_STRING",
        .c_type = "struct zkt_str",
        .c_param = "struct zkt_str ",
        .c_item = "const struct zkt_str *",
        .c_empty = "ZKT_STR_INIT(\"\")",
        .table = "zkt_type_string",
        .decoder = "zkt_decode_string",
        .encoder = "zkt_encode_string",
        .by_value = true,
        .owns = true } },
};

enum {
    BUILTIN_COUNT = sizeof(builtins) / sizeof(builtins[0])
};

static const char *const later[] = { "uint32", "uint64", "bytes", "json" };

struct symbol *check_find(const struct check *c, const char *name)
{
    for (struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (strcmp(s->decl->name.text, name) == 0) {
            return s;
        }
    }
    return NULL;
}

/* ---- interning ---- */

static bool same(const struct model_type *a, const struct model_type *b)
{
    return a->kind == b->kind && strcmp(a->c_type, b->c_type) == 0 &&
           a->int_min == b->int_min && a->int_max == b->int_max &&
           !(a->float_min < b->float_min || a->float_min > b->float_min) &&
           !(a->float_max < b->float_max || a->float_max > b->float_max) &&
           a->min == b->min && a->max == b->max && a->trim == b->trim &&
           a->inner == b->inner;
}

/* The one type that is like @type, made with a table of its own if it is new
 * and the runtime has none. */
static struct model_type *intern(struct check *c, struct model_type *type,
                                 const char *table)
{
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        struct model_type plain = builtins[i].type;
        plain.max = UINT32_MAX;
        if (same(&plain, type)) {
            plain.c_max = type->c_max;
            plain.stem = "";
            struct model_type *copy = ARENA_NEW(c->arena, struct model_type);
            *copy = plain;
            return copy;
        }
    }
    struct model_type **known = c->types.items;
    for (size_t i = 0; i < c->types.count; i++) {
        if (same(known[i], type)) {
            return known[i];
        }
    }
    struct model_type *made = ARENA_NEW(c->arena, struct model_type);
    *made = *type;
    if (made->table == NULL || strncmp(made->table, "zkt_", 4) == 0) {
        made->table = arena_printf(c->arena, "%s_type_", table);
    }
    list_add(c, &c->types, &made, sizeof(made));
    return made;
}

static void set_c_max(struct check *c, struct model_type *type)
{
    type->c_max = type->max == UINT32_MAX
                      ? "UINT32_MAX"
                      : arena_printf(c->arena, "%u", type->max);
}

/* ---- containers ---- */

/* How a type is called in the name of a container of it. */
static const char *word_of(const struct check *c, const struct model_type *type)
{
    switch (type->kind) {
    case MODEL_BOOL:
        return "bool";
    case MODEL_INT32:
        return "int32";
    case MODEL_INT64:
    case MODEL_TIMESTAMP:
        return "int64";
    case MODEL_FLOAT64:
        return "float64";
    case MODEL_STRING:
        return "str";
    default: {
        const char *prefix = c->app;
        const size_t len = strlen(prefix);
        if (strncmp(type->stem, "zkt_", 4) == 0) {
            return type->stem + 4;
        }
        return type->stem + len + 1;
    }
    }
}

static const char *container_stem(struct check *c,
                                  const struct model_type *inner,
                                  const char *suffix)
{
    const bool plain = inner->kind <= MODEL_STRING;
    return arena_printf(c->arena, "%s_%s_%s", plain ? "zkt" : c->app,
                        word_of(c, inner), suffix);
}

static void name_struct_type(struct check *c, struct model_type *type)
{
    type->c_type = arena_printf(c->arena, "struct %s", type->stem);
    type->c_param = arena_printf(c->arena, "const struct %s *", type->stem);
    type->c_item = type->c_param;
    type->c_empty = "{ 0 }";
}

/* The C identifier of a container is taken by the first use of it. */
static void take_container(struct check *c, const char *stem,
                           struct source_range at)
{
    const char *const *known = c->containers.items;
    if (strncmp(stem, "zkt_", 4) == 0) {
        return;
    }
    for (size_t i = 0; i < c->containers.count; i++) {
        if (strcmp(known[i], stem) == 0) {
            return;
        }
    }
    const struct ast_name source = { stem, at };
    (void)names_take(&c->names, c->arena, c->diag, stem, source);
    list_add(c, &c->containers, &stem, sizeof(stem));
}

static const struct model_type *container(struct check *c,
                                          const struct ast_type *ast,
                                          struct type_use use)
{
    const bool list = ast->kind == AST_TYPE_LIST;
    const struct type_use inner_use = {
        .table = arena_printf(c->arena, "%s_%s", use.table,
                              list ? "item" : "value"),
        .depth = use.depth + 1,
    };
    if (inner_use.depth > PARSE_DEPTH_MAX) {
        diag_report(c->diag, ast->at, DIAG_TOO_DEEP, PARSE_DEPTH_MAX);
        return NULL;
    }
    const struct model_type *inner = check_type(c, ast->inner, inner_use);
    if (inner == NULL) {
        return NULL;
    }
    struct model_type type = {
        .kind = list ? MODEL_LIST : MODEL_MAP,
        .c_kind = list ? "ZKT_KIND_LIST" : "ZKT_KIND_MAP",
        .stem = container_stem(c, inner, list ? "list" : "map"),
        .decoder = list ? "zkt_decode_list" : "zkt_decode_map",
        .encoder = list ? "zkt_encode_list" : "zkt_encode_map",
        .owns = true,
        .max = UINT32_MAX,
        .inner = inner,
    };
    if (!list) {
        type.entry = container_stem(c, inner, "entry");
    }
    name_struct_type(c, &type);
    check_rules(c, ast->rules, &type);
    set_c_max(c, &type);
    take_container(c, type.stem, ast->at);
    return intern(c, &type, use.table);
}

/* ---- what may be absent ---- */

static const struct model_type *optional(struct check *c,
                                         const struct ast_type *ast,
                                         struct type_use use)
{
    if (!use.field) {
        diag_report(c->diag, ast->at, DIAG_MISPLACED_OPTIONAL);
        return NULL;
    }
    const struct type_use inner_use = {
        .table = arena_printf(c->arena, "%s_value", use.table),
    };
    const struct model_type *inner = check_type(c, ast->inner, inner_use);
    if (inner == NULL) {
        return NULL;
    }
    struct model_type type = {
        .kind = MODEL_OPTIONAL,
        .c_kind = "ZKT_KIND_OPTIONAL",
        .stem = container_stem(c, inner, "opt"),
        .decoder = "zkt_decode_optional",
        .encoder = "zkt_encode_optional",
        .owns = inner->owns,
        .max = UINT32_MAX,
        .inner = inner,
    };
    name_struct_type(c, &type);
    set_c_max(c, &type);
    const struct symbol *symbol = inner->kind == MODEL_STRUCT
                                      ? check_find(c, inner->structure->name)
                                      : NULL;
    if (symbol != NULL && use.owner != NULL &&
        check_reaches(c, symbol->decl, use.owner)) {
        type.kind = MODEL_BOXED;
        type.c_kind = "ZKT_KIND_BOXED";
        type.stem = inner->stem;
        type.c_type = inner->c_param;
        type.c_param = inner->c_param;
        type.c_item = arena_printf(c->arena, "%sconst *", inner->c_param);
        type.c_empty = "NULL";
        type.decoder = "zkt_decode_boxed";
        type.encoder = "zkt_encode_boxed";
        type.by_value = true;
        type.owns = true;
    } else {
        take_container(c, type.stem, ast->at);
    }
    return intern(c, &type, use.table);
}

/* ---- names ---- */

static const char *type_name_at(const void *user, size_t i)
{
    const struct check *c = user;
    if (i < BUILTIN_COUNT) {
        return builtins[i].name;
    }
    const struct symbol *s = c->symbols;
    for (size_t n = BUILTIN_COUNT; n < i; n++) {
        s = s->next;
    }
    return s->decl->name.text;
}

static void unknown_type(struct check *c, const struct ast_name *name)
{
    size_t count = BUILTIN_COUNT;
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        count++;
    }
    diag_report(c->diag, name->at, DIAG_UNKNOWN_TYPE, name->text);
    const char *near = diag_nearest(name->text, count, type_name_at, c);
    const struct symbol *symbol = near != NULL ? check_find(c, near) : NULL;
    if (symbol != NULL) {
        diag_report(c->diag, symbol->decl->name.at, DIAG_DID_YOU_MEAN, near);
    } else if (near != NULL) {
        diag_report(c->diag, name->at, DIAG_DID_YOU_MEAN_WORD, near);
    }
}

/* An alias is what it stands for, with rules of its own on top. */
static const struct model_type *alias(struct check *c, struct symbol *symbol,
                                      const struct ast_type *ast,
                                      struct type_use use)
{
    if (symbol->resolving) {
        diag_report(c->diag, symbol->decl->name.at, DIAG_ALIAS_CYCLE,
                    symbol->decl->name.text);
        return NULL;
    }
    symbol->resolving = true;
    const struct model_type *type = check_type(c, symbol->decl->type, use);
    symbol->resolving = false;
    if (type != NULL && ast->rules != NULL) {
        struct model_type narrowed = *type;
        check_rules(c, ast->rules, &narrowed);
        set_c_max(c, &narrowed);
        narrowed.table = NULL;
        type = intern(c, &narrowed, use.table);
    }
    return type;
}

static const struct model_type *named(struct check *c,
                                      const struct ast_type *ast,
                                      struct type_use use)
{
    const char *name = ast->name.text;
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        if (strcmp(name, builtins[i].name) == 0) {
            struct model_type type = builtins[i].type;
            type.max = UINT32_MAX;
            type.stem = "";
            check_rules(c, ast->rules, &type);
            set_c_max(c, &type);
            return intern(c, &type, use.table);
        }
    }
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        if (strcmp(name, later[i]) == 0) {
            diag_report(c->diag, ast->at, DIAG_UNSUPPORTED,
                        arena_printf(c->arena, "'%s'", name));
            return NULL;
        }
    }
    struct symbol *symbol = check_find(c, name);
    if (symbol == NULL) {
        unknown_type(c, &ast->name);
        return NULL;
    }
    if (symbol->decl->kind == AST_DECL_TYPE) {
        return alias(c, symbol, ast, use);
    }
    struct model_type ruled = *symbol->type;
    check_rules(c, ast->rules, &ruled);
    return symbol->type;
}

const struct model_type *check_type(struct check *c,
                                    const struct ast_type *type,
                                    struct type_use use)
{
    switch (type->kind) {
    case AST_TYPE_LIST:
    case AST_TYPE_MAP:
        return container(c, type, use);
    case AST_TYPE_OPTIONAL:
        return optional(c, type, use);
    case AST_TYPE_NAME:
        return named(c, type, use);
    case AST_TYPE_OTHER:
        diag_report(c->diag, type->at, DIAG_UNSUPPORTED, type->name.text);
        return NULL;
    }
    return NULL;
}

/* ---- structs in structs ---- */

/* The struct that a field holds by value, through aliases and '?'; NULL: it
 * holds none. *@optional: there is a '?' on the way. */
static const struct ast_decl *held(const struct check *c,
                                   const struct ast_type *type, bool *optional)
{
    *optional = false;
    for (int steps = 0; type != NULL && steps < 64; steps++) {
        if (type->kind == AST_TYPE_OPTIONAL) {
            *optional = true;
            type = type->inner;
            continue;
        }
        if (type->kind != AST_TYPE_NAME) {
            return NULL;
        }
        const struct symbol *s = check_find(c, type->name.text);
        if (s == NULL || s->decl->kind == AST_DECL_ENUM) {
            return NULL;
        }
        if (s->decl->kind == AST_DECL_STRUCT) {
            return s->decl;
        }
        type = s->decl->type;
    }
    return NULL;
}

/* Whether a search from @from comes to @to; @seen: where it has been. */
static bool search(struct check *c, const struct ast_decl *from,
                   const struct ast_decl *to, bool through_optional,
                   struct list *seen)
{
    const struct ast_decl **known = seen->items;
    for (size_t i = 0; i < seen->count; i++) {
        if (known[i] == from) {
            return false;
        }
    }
    list_add(c, seen, &from, sizeof(from));
    for (const struct ast_field *f = from->fields; f != NULL; f = f->next) {
        bool optional;
        const struct ast_decl *next = held(c, f->type, &optional);
        if (next == NULL || (optional && !through_optional)) {
            continue;
        }
        if (next == to || search(c, next, to, through_optional, seen)) {
            return true;
        }
    }
    return false;
}

bool check_reaches(struct check *c, const struct ast_decl *from,
                   const struct ast_decl *to)
{
    struct list seen = { 0 };
    return from == to || search(c, from, to, true, &seen);
}

void check_infinite(struct check *c)
{
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        struct list seen = { 0 };
        if (s->decl->kind == AST_DECL_STRUCT &&
            search(c, s->decl, s->decl, false, &seen)) {
            diag_report(c->diag, s->decl->name.at, DIAG_INFINITE_TYPE,
                        s->decl->name.text);
        }
    }
}
