/*
 * Steps that several commands share: checking a schema and lowering it to C,
 * and describing it as JSON with its names in C.
 */
#include "cli/commands.h"
#include "output_c/lower.h"
#include "output_json/describe.h"
#include "schema/check.h"

bool command_check(struct arena *arena, struct diag *diag,
                   const struct ast_file *file, struct checked *out)
{
    out->schema = check_file(arena, diag, file, diag->sources.first->path);
    out->model = lower_schema(arena, diag, out->schema);
    diag_finish(diag);
    return out->model != NULL && diag->errors == 0;
}

/* ---- names in C ---- */

struct names_of {
    struct arena *arena;
    const struct checked *checked;
};

static const char *app(const void *user)
{
    const struct names_of *n = user;
    return n->checked->model->app;
}

static const char *declared(const void *user, const char *name)
{
    const struct names_of *n = user;
    return names_declared(n->arena, n->checked->schema, name);
}

static const char *constant(const void *user, const char *owner,
                            const char *value)
{
    const struct names_of *n = user;
    return names_constant(n->arena, n->checked->schema, owner, value);
}

static const char *field(const void *user, const char *name)
{
    const struct names_of *n = user;
    return names_field(n->arena, name);
}

static const char *literal(const void *user, const struct schema_struct *s,
                           const char *name)
{
    const struct names_of *n = user;
    return names_literal(n->arena, n->checked->schema, s, name);
}

static const char *part(const void *user, const char *name)
{
    const struct names_of *n = user;
    return names_part(n->arena, name);
}

static const char *structure(const void *user, const struct schema_struct *s)
{
    const struct names_of *n = user;
    return names_struct(n->arena, n->checked->schema, s);
}

static const char *tuple(const void *user, const struct schema_type *type)
{
    const struct names_of *n = user;
    return n->checked->model->all_types[type->number]->c_prefix;
}

struct json_value *command_describe(struct arena *arena,
                                    const struct checked *checked)
{
    const struct names_of user = { arena, checked };
    const struct describe_names names = {
        .user = &user,
        .app = app,
        .declared = declared,
        .constant = constant,
        .field = field,
        .literal = literal,
        .part = part,
        .structure = structure,
        .tuple = tuple,
    };
    return describe_schema(arena, checked->schema, &names);
}
