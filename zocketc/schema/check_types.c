/* Types: from how they are written to what they are in C. */
#include <math.h>
#include <string.h>

#include "schema/check.h"
#include "syntax/parse.h"

#define WIRE_MAX 9007199254740991 /* 2^53 - 1 */
#define TIME_MAX 8640000000000000 /* ECMA-262, section 21.4.1.1 */

struct builtin {
    const char *name;
    struct model_type type;
};

#define BUILTIN(kind_, word, c, empty)                                         \
    .kind = MODEL_##kind_, .c_kind = "ZKT_KIND_" #kind_, .c_type = c,          \
    .c_param = c " ", .c_item = "const " c " *", .c_empty = empty,             \
    .table = "zkt_type_" word, .decoder = "zkt_decode_" word, .by_value = true

static const struct builtin builtins[] = {
    { "bool",
      { BUILTIN(BOOL, "bool", "bool", "false"),
        .encoder = "zkt_encode_bool" } },
    { "int32",
      { BUILTIN(INT32, "int32", "int32_t", "0"), .encoder = "zkt_encode_int32",
        .int_min = INT32_MIN, .int_max = INT32_MAX } },
    { "uint32",
      { BUILTIN(UINT32, "uint32", "uint32_t", "0"),
        .encoder = "zkt_encode_uint32", .int_max = UINT32_MAX } },
    { "int64",
      { BUILTIN(INT64, "int64", "int64_t", "0"), .encoder = "zkt_encode_int64",
        .int_min = -WIRE_MAX, .int_max = WIRE_MAX } },
    { "uint64",
      { BUILTIN(UINT64, "uint64", "uint64_t", "0"),
        .encoder = "zkt_encode_int64", .int_max = WIRE_MAX } },
    { "float64",
      { BUILTIN(FLOAT64, "float64", "double", "0"),
        .encoder = "zkt_encode_float64", .float_min = -INFINITY,
        .float_max = INFINITY } },
    { "timestamp",
      { BUILTIN(TIMESTAMP, "timestamp", "int64_t", "0"),
        .encoder = "zkt_encode_int64", .int_min = -TIME_MAX,
        .int_max = TIME_MAX } },
    { "string",
      { BUILTIN(STRING, "string", "struct zkt_str", "ZKT_STR_INIT(\"\")"),
        .encoder = "zkt_encode_string", .owns = true } },
    { "bytes",
      { BUILTIN(BYTES, "bytes", "struct zkt_bytes", "{ 0 }"),
        .encoder = "zkt_encode_bytes", .owns = true } },
    { "json",
      { BUILTIN(JSON, "json", "struct zkt_json", "{ 0 }"),
        .encoder = "zkt_encode_json", .owns = true } },
};

enum {
    BUILTIN_COUNT = sizeof(builtins) / sizeof(builtins[0])
};

bool check_is_builtin(const char *name)
{
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        if (strcmp(name, builtins[i].name) == 0) {
            return true;
        }
    }
    return false;
}

struct symbol *check_find(const struct check *c, const char *name)
{
    return table_find(&c->symbol_table, name);
}

const char *check_declaration(struct check *c, const struct model_type *type,
                              const char *member)
{
    const size_t len = strlen(type->c_type);
    const char *blank = type->c_type[len - 1] == '*' ? "" : " ";
    return arena_printf(c->arena, "%s%s%s", type->c_type, blank, member);
}

/* ---- interning ---- */

static const char *patterns_text(struct check *c, const struct model_type *t)
{
    const char *text = "";
    for (size_t i = 0; i < t->pattern_count; i++) {
        text = arena_printf(c->arena, "%s%zu:%s", text,
                            strlen(t->patterns[i].shown), t->patterns[i].shown);
    }
    return text;
}

static const char *elements_text(struct check *c, const struct model_type *t)
{
    const char *text = "";
    for (size_t i = 0; t->kind == MODEL_TUPLE && i < t->structure->field_count;
         i++) {
        text = arena_printf(c->arena, "%s %p", text,
                            (const void *)t->structure->fields[i].type);
    }
    return text;
}

/* All that makes one type differ from another. */
static const char *key_of(struct check *c, const struct model_type *t)
{
    return arena_printf(
        c->arena, "%d %s %lld %lld %lld %a %a %d %d %u %u %d %d %d %p %s %s",
        (int)t->kind, t->c_type, (long long)t->int_min, (long long)t->int_max,
        (long long)t->int_step, t->float_min, t->float_max, t->above, t->below,
        t->min, t->max, t->trim, t->lower, t->unique, (const void *)t->inner,
        patterns_text(c, t), elements_text(c, t));
}

/* The runtime's own types are known from the start. */
static void know_builtins(struct check *c)
{
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        struct model_type *type = ARENA_NEW(c->arena, struct model_type);
        *type = builtins[i].type;
        type->max = UINT32_MAX;
        type->c_max = "UINT32_MAX";
        type->stem = "";
        table_put(&c->known_types, c->arena, key_of(c, type), type);
    }
}

const char *check_table(struct check *c, const char *stem)
{
    const char *name = arena_printf(c->arena, "%s_type_", stem);
    for (unsigned n = 2; table_find(&c->tables, name) != NULL; n++) {
        name = arena_printf(c->arena, "%s_type_%u_", stem, n);
    }
    table_put(&c->tables, c->arena, name, c);
    return name;
}

/* The one type that is like @type, made with a table of its own if it is new.
 */
static struct model_type *intern(struct check *c, const struct model_type *type,
                                 const char *table)
{
    if (c->known_types.count == 0) {
        know_builtins(c);
    }
    const char *key = key_of(c, type);
    struct model_type *known = table_find(&c->known_types, key);
    if (known != NULL) {
        return known;
    }
    struct model_type *made = ARENA_NEW(c->arena, struct model_type);
    *made = *type;
    made->table = check_table(c, table);
    list_add(c, &c->types, &made, sizeof(made));
    table_put(&c->known_types, c->arena, key, made);
    return made;
}

static void set_c_max(struct check *c, struct model_type *type)
{
    type->c_max = type->max == UINT32_MAX
                      ? "UINT32_MAX"
                      : arena_printf(c->arena, "%u", type->max);
}

/* ---- names of what is made of other types ---- */

/* How a type is called in the name of a container of it. */
static const char *word_of(const struct check *c, const struct model_type *type)
{
    static const char *const words[] = {
        [MODEL_BOOL] = "bool",       [MODEL_INT32] = "int32",
        [MODEL_UINT32] = "uint32",   [MODEL_INT64] = "int64",
        [MODEL_UINT64] = "uint64",   [MODEL_FLOAT64] = "float64",
        [MODEL_TIMESTAMP] = "int64", [MODEL_STRING] = "str",
        [MODEL_BYTES] = "bytes",     [MODEL_JSON] = "json",
    };
    if (type->kind <= MODEL_JSON) {
        return words[type->kind];
    }
    const bool boxed = type->kind == MODEL_BOXED ||
                       type->kind == MODEL_BOXED_NULLABLE;
    const char *word = strncmp(type->stem, "zkt_", 4) == 0
                           ? type->stem + 4
                           : type->stem + strlen(c->app) + 1;
    return boxed ? arena_printf(c->arena, "%s_box", word) : word;
}

static const char *container_stem(struct check *c,
                                  const struct model_type *inner,
                                  const char *suffix)
{
    return arena_printf(c->arena, "%s_%s_%s",
                        inner->kind <= MODEL_JSON ? "zkt" : c->app,
                        word_of(c, inner), suffix);
}

static void name_struct_type(struct check *c, struct model_type *type)
{
    type->c_type = arena_printf(c->arena, "struct %s", type->stem);
    type->c_param = arena_printf(c->arena, "const struct %s *", type->stem);
    type->c_item = type->c_param;
    type->c_empty = "{ 0 }";
}

/*
 * The C struct of a container is named by the first use of it. Two that have
 * one name must look alike: string[][] and Str[][] of a struct Str do not.
 */
static bool take_container(struct check *c, const struct model_type *type,
                           const char *shape, struct source_range at)
{
    const char *first = table_find(&c->containers, type->stem);
    const struct ast_name source = { type->stem, at };
    if (strncmp(type->stem, "zkt_", 4) == 0) {
        return true;
    }
    if (first != NULL) {
        if (strcmp(first, shape) == 0) {
            return true;
        }
        diag_report(c->diag, at, DIAG_NAME_COLLISION, "this type", type->stem);
        return false;
    }
    table_put(&c->containers, c->arena, type->stem, (void *)(uintptr_t)shape);
    return names_take(&c->names, c->arena, c->diag, type->stem, source);
}

/* ---- lists and maps ---- */

/* A type is as deep through aliases as without them; and a chain of aliases is
 * followed only so far. */
static bool too_deep(struct check *c, const struct ast_type *ast, int depth)
{
    if (depth <= PARSE_DEPTH_MAX) {
        return false;
    }
    diag_report(c->diag, ast->at, DIAG_TOO_DEEP, PARSE_DEPTH_MAX);
    return true;
}

static const struct model_type *container(struct check *c,
                                          const struct ast_type *ast,
                                          struct type_use use)
{
    const bool list = ast->kind == AST_TYPE_LIST;
    const struct type_use inner_use = {
        .table = arena_printf(c->arena, "%s_%s", use.table,
                              list ? "item" : "value"),
        .holder = list && check_has_minimum(ast) ? use.holder : NULL,
        .depth = use.depth + 1,
    };
    const struct model_type *inner = check_type(c, ast->inner, inner_use);
    if (inner == NULL || too_deep(c, ast, inner->depth + 1)) {
        return NULL;
    }
    struct model_type type = {
        .kind = list ? MODEL_LIST : MODEL_MAP,
        .c_kind = list ? "ZKT_KIND_LIST" : "ZKT_KIND_MAP",
        .stem = container_stem(c, inner, list ? "list" : "map"),
        .decoder = list ? "zkt_decode_list" : "zkt_decode_map",
        .encoder = list ? "zkt_encode_list" : "zkt_encode_map",
        .owns = true,
        .depth = inner->depth + 1,
        .max = UINT32_MAX,
        .inner = inner,
    };
    if (!list) {
        type.entry = container_stem(c, inner, "entry");
    }
    name_struct_type(c, &type);
    check_rules(c, ast->rules, &type);
    set_c_max(c, &type);
    (void)take_container(c, &type, inner->c_type, ast->at);
    return intern(c, &type, use.table);
}

/* ---- tuples ---- */

/* The elements of a tuple, as fields; NULL: one was wrong, and reported. */
static struct model_struct *elements(struct check *c,
                                     const struct ast_type *ast,
                                     struct type_use use)
{
    struct model_struct *s = ARENA_NEW(c->arena, struct model_struct);
    bool good = true;
    for (const struct ast_type *e = ast->inner; e != NULL; e = e->next) {
        s->field_count++;
    }
    if (s->field_count > FIELDS_MAX) {
        diag_report(c->diag, ast->at, DIAG_TOO_MANY_FIELDS, "a tuple",
                    FIELDS_MAX);
        return NULL;
    }
    struct model_field *fields = arena_alloc(c->arena,
                                             s->field_count * sizeof(*fields));
    size_t i = 0;
    for (const struct ast_type *e = ast->inner; e != NULL; e = e->next, i++) {
        const struct type_use inner = {
            .table = arena_printf(c->arena, "%s_%zu", use.table, i),
            .owner = use.owner,
            .holder = use.holder,
            .depth = use.depth + 1,
        };
        struct model_field *f = &fields[i];
        f->member = arena_printf(c->arena, "_%zu", i);
        f->name = f->stem = f->member + 1;
        f->index = i;
        f->type = check_type(c, e, inner);
        if (f->type != NULL) {
            f->c_declaration = check_declaration(c, f->type, f->member);
        }
        good = good && f->type != NULL;
    }
    s->fields = fields;
    return good ? s : NULL;
}

/* The depth of the deepest element. */
static int depth_of(const struct model_struct *s)
{
    int depth = 0;
    for (size_t i = 0; i < s->field_count; i++) {
        const int own = s->fields[i].type->depth;
        depth = own > depth ? own : depth;
    }
    return depth;
}

static size_t count_parts(const char *word)
{
    size_t parts = 1;
    for (; *word != '\0'; word++) {
        parts += *word == '_';
    }
    return parts;
}

/*
 * A tuple's name says how many elements it has, and of an element how many
 * parts its own name has, if several. So [T[]] is tuple1_2_t_list, and [T][]
 * is tuple1_t_list: nothing can be read in two ways.
 */
static const char *tuple_stem(struct check *c, const struct model_struct *s)
{
    const char *stem = arena_printf(c->arena, "%s_tuple%zu", c->app,
                                    s->field_count);
    for (size_t i = 0; i < s->field_count; i++) {
        const char *word = word_of(c, s->fields[i].type);
        const size_t parts = count_parts(word);
        stem = parts > 1
                   ? arena_printf(c->arena, "%s_%zu_%s", stem, parts, word)
                   : arena_printf(c->arena, "%s_%s", stem, word);
    }
    return stem;
}

static const char *tuple_shape(struct check *c, const struct model_struct *s)
{
    const char *shape = "";
    for (size_t i = 0; i < s->field_count; i++) {
        shape = arena_printf(c->arena, "%s%s;", shape,
                             s->fields[i].type->c_type);
    }
    return shape;
}

static const struct model_type *tuple(struct check *c,
                                      const struct ast_type *ast,
                                      struct type_use use)
{
    struct model_struct *s = elements(c, ast, use);
    const int depth = s != NULL ? depth_of(s) + 1 : 0;
    if (s == NULL || too_deep(c, ast, depth)) {
        return NULL;
    }
    s->stem = use.stem != NULL ? use.stem : tuple_stem(c, s);
    s->name = s->stem;
    struct model_type type = {
        .kind = MODEL_TUPLE,
        .c_kind = "ZKT_KIND_TUPLE",
        .stem = s->stem,
        .decoder = "zkt_decode_tuple",
        .encoder = "zkt_encode_tuple",
        .depth = depth,
        .max = UINT32_MAX,
        .c_max = "UINT32_MAX",
        .structure = s,
    };
    name_struct_type(c, &type);
    if (use.stem == NULL &&
        !take_container(c, &type, tuple_shape(c, s), ast->at)) {
        return NULL;
    }
    struct model_type *made = intern(c, &type, use.table);
    s->type = made;
    return made;
}

/* ---- what may be absent or null ---- */

/* Makes the pointer that a cycle needs of what may be absent. */
static void box(struct check *c, struct model_type *type)
{
    const bool nullable = type->kind == MODEL_NULLABLE;
    const struct model_type *inner = type->inner;
    type->kind = nullable ? MODEL_BOXED_NULLABLE : MODEL_BOXED;
    type->c_kind = nullable ? "ZKT_KIND_BOXED_NULLABLE" : "ZKT_KIND_BOXED";
    type->stem = inner->stem;
    type->c_type = inner->c_param;
    type->c_param = inner->c_param;
    type->c_item = arena_printf(c->arena, "%sconst *", inner->c_param);
    type->c_empty = "NULL";
    type->decoder = "zkt_decode_boxed";
    type->encoder = "zkt_encode_boxed";
    type->by_value = true;
    type->owns = true;
}

static bool may_be_absent(const struct model_type *type)
{
    return type->kind == MODEL_OPTIONAL || type->kind == MODEL_BOXED ||
           type->kind == MODEL_NULLABLE || type->kind == MODEL_BOXED_NULLABLE;
}

static const struct model_type *optional(struct check *c,
                                         const struct ast_type *ast,
                                         struct type_use use)
{
    const bool nullable = ast->kind == AST_TYPE_NULLABLE;
    const struct type_use inner_use = {
        .table = arena_printf(c->arena, "%s_value", use.table),
        .owner = use.owner,
        .depth = use.depth,
    };
    if (!nullable && !use.field) {
        diag_report(c->diag, ast->at, DIAG_MISPLACED_OPTIONAL);
        return NULL;
    }
    const struct model_type *inner = check_type(c, ast->inner, inner_use);
    if (inner == NULL) {
        return NULL;
    }
    if (may_be_absent(inner)) {
        diag_report(c->diag, ast->at, DIAG_DOUBLE_NULL);
        return NULL;
    }
    struct model_type type = {
        .kind = nullable ? MODEL_NULLABLE : MODEL_OPTIONAL,
        .c_kind = nullable ? "ZKT_KIND_NULLABLE" : "ZKT_KIND_OPTIONAL",
        .stem = container_stem(c, inner, "opt"),
        .decoder = "zkt_decode_optional",
        .encoder = "zkt_encode_optional",
        .owns = inner->owns,
        .depth = inner->depth,
        .max = UINT32_MAX,
        .inner = inner,
    };
    name_struct_type(c, &type);
    set_c_max(c, &type);
    const bool is_struct = inner->kind == MODEL_STRUCT ||
                           inner->kind == MODEL_UNION ||
                           inner->kind == MODEL_TUPLE;
    if (is_struct && check_closes_cycle(c, ast->inner, use.owner)) {
        box(c, &type);
    } else {
        (void)take_container(c, &type, inner->c_type, ast->at);
    }
    return intern(c, &type, use.table);
}

/* ---- names ---- */

/* What other languages call some of them. */
static const char *foreign(const char *name)
{
    static const struct {
        const char *foreign, *ours;
    } words[] = {
        { "number", "float64" }, { "float", "float64" },
        { "double", "float64" }, { "integer", "int32" },
        { "long", "int64" },     { "boolean", "bool" },
        { "text", "string" },    { "date", "timestamp" },
        { "Date", "timestamp" }, { "time", "timestamp" },
        { "any", "json" },       { "object", "json" },
        { "unknown", "json" },   { "buffer", "bytes" },
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(name, words[i].foreign) == 0) {
            return words[i].ours;
        }
    }
    return NULL;
}

/* What may be meant by a name: the schema's types, then those of the language.
 */
struct candidates {
    const struct symbol **symbols;
    size_t count;
    const struct type_use *use;
};

/* One that would not be refused. */
static const char *candidate_at(const void *user, size_t i)
{
    const struct candidates *all = user;
    const struct type_use *use = all->use;
    if (i >= all->count) {
        return use->variant ? NULL : builtins[i - all->count].name;
    }
    const struct symbol *s = all->symbols[i];
    const bool fits = !use->variant || s->decl->kind == AST_DECL_STRUCT;
    return fits && !s->resolving && !s->failed ? s->decl->name.text : NULL;
}

static struct candidates find_candidates(struct check *c,
                                         const struct type_use *use)
{
    struct candidates all = { .use = use };
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        all.count++;
    }
    all.symbols = arena_alloc(c->arena, (all.count + 1) * sizeof(*all.symbols));
    all.count = 0;
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        all.symbols[all.count++] = s;
    }
    return all;
}

static void unknown_type(struct check *c, const struct ast_name *name,
                         const struct type_use *use)
{
    diag_report(c->diag, name->at, DIAG_UNKNOWN_TYPE, name->text);
    if (c->diag->errors > DIAG_ERRORS_MAX) {
        return; /* nobody will see it */
    }
    const struct candidates all = find_candidates(c, use);
    const char *near = diag_nearest(name->text, all.count + BUILTIN_COUNT,
                                    candidate_at, &all);
    const struct symbol *s = near != NULL ? check_find(c, near) : NULL;
    const char *ours = use->variant || s != NULL ? NULL : foreign(name->text);
    if (s == NULL) {
        near = ours != NULL ? ours : near;
    } else if (use->holder == NULL || !check_holds(c, s, use->holder)) {
        diag_report(c->diag, s->decl->name.at, DIAG_DID_YOU_MEAN, near);
        return;
    }
    if (s == NULL && near != NULL) {
        diag_report(c->diag, name->at, DIAG_DID_YOU_MEAN_WORD, near);
    }
}

/* An alias is what it stands for, with rules of its own on top. */
static const struct model_type *alias(struct check *c, struct symbol *symbol,
                                      const struct ast_type *ast,
                                      struct type_use use)
{
    const struct ast_decl *decl = symbol->decl;
    if (symbol->type != NULL && ast->rules == NULL) {
        return symbol->type; /* it was looked at before */
    }
    if (symbol->failed) {
        return NULL; /* reported before */
    }
    if (symbol->resolving) {
        diag_report(c->diag, decl->name.at, DIAG_ALIAS_CYCLE, decl->name.text);
        return NULL;
    }
    use.owner = symbol;
    use.holder = symbol;
    use.depth++;
    const char *snake = names_snake(c->arena, decl->name.text);
    use.stem = decl->type->kind == AST_TYPE_TUPLE && snake != NULL
                   ? arena_printf(c->arena, "%s_%s", c->app, snake)
                   : NULL;
    if (too_deep(c, ast, use.depth)) {
        return NULL;
    }
    symbol->resolving = true;
    const struct model_type *type = check_type(c, decl->type, use);
    symbol->resolving = false;
    symbol->failed = type == NULL;
    if (type != NULL && decl->type->kind != AST_TYPE_OPTIONAL) {
        symbol->type = (struct model_type *)(uintptr_t)type;
    }
    if (type != NULL && ast->rules != NULL) {
        struct model_type narrowed = *type;
        check_rules(c, ast->rules, &narrowed);
        set_c_max(c, &narrowed);
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
    struct symbol *symbol = check_find(c, name);
    if (symbol == NULL) {
        unknown_type(c, &ast->name, &use);
        return NULL;
    }
    symbol->used = true;
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
    case AST_TYPE_NULLABLE:
        return optional(c, type, use);
    case AST_TYPE_TUPLE:
        return tuple(c, type, use);
    case AST_TYPE_NAME:
        return named(c, type, use);
    }
    return NULL;
}
