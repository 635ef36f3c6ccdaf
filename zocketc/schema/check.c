/*
 * The checker's main line: what is declared, then what it is made of. Each
 * declaration is looked at whatever was wrong with others, so that one run
 * shows every mistake.
 */
#include "schema/check.h"

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

const char *check_snake(struct check *c, const struct ast_name *name)
{
    const char *snake = names_snake(c->arena, name->text);
    if (snake == NULL) {
        diag_report(c->diag, name->at, DIAG_BAD_NAME, name->text);
        return "bad_name";
    }
    return snake;
}

const char *check_stem(struct check *c, const char *owner,
                       const struct ast_name *name)
{
    return arena_printf(c->arena, "%s_%s", owner, check_snake(c, name));
}

/* ---- what exists ---- */

bool check_take(struct check *c, struct scope *scope,
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
    return names_take(&scope->members, c->arena, c->diag, check_snake(c, name),
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
        c->model->app = check_snake(c, &app->name);
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

/* ---- all of it ---- */

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
}

/*
 * What the include guards of all files begin with: the app, since two schemas
 * may have files of one name, and the file, since two may have one app. Where
 * not all of a file's name can stand in a macro, a hash of it tells it apart.
 */
static const char *guard_of(struct check *c)
{
    const char *app = names_upper(c->arena, c->model->app);
    const char *stem = c->model->file_stem;
    const char *plain = "abcdefghijklmnopqrstuvwxyz0123456789_";
    if (stem[strspn(stem, plain)] == '\0' && stem[0] != '_' &&
        strstr(stem, "__") == NULL && stem[strlen(stem) - 1] != '_') {
        return arena_printf(c->arena, "%s_%s", app,
                            names_upper(c->arena, stem));
    }
    const char *snake = names_snake(c->arena, stem);
    const size_t len = snake != NULL ? strspn(snake, plain) : 0;
    return arena_printf(
        c->arena, "%s_%s%sX%016llX", app,
        len > 0 ? names_upper(c->arena, arena_text(c->arena, snake, len)) : "",
        len > 0 ? "_" : "", (unsigned long long)table_hash(stem));
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
    c.model->guard = guard_of(&c);
    (void)names_take(&c.handlers, arena, diag, "user",
                     (struct ast_name){ "user", { 0, 0 } });
    for (const struct ast_decl *d = file->decls; d != NULL; d = d->next) {
        if (d->kind != AST_DECL_APP && d->kind != AST_DECL_IMPORT &&
            d->kind != AST_DECL_ACTOR) {
            declare(&c, d);
        }
    }
    if (!check_cycles(&c)) {
        return NULL;
    }
    check_reach(&c);
    check_declarations(&c);
    check_actors(&c);
    check_members(&c);
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
