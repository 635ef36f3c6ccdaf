/*
 * The main line of lowering: names of all declarations first, then types and
 * their parts. Names are taken also where something is wrong, so that a run
 * shows every mistake; the rest needs a schema that is right.
 */
#include "output_c/lower.h"

#include <stdlib.h>
#include <string.h>

void lower_take_field(struct lower *l, struct names *scope,
                      const struct ast_name *name)
{
    (void)names_take(scope, l->arena, l->diag, names_part(l->arena, name->text),
                     *name);
}

/* ---- lookups ---- */

static int compare_names(const void *left, const void *right)
{
    const struct model_name *a = left, *b = right;
    if (a->len != b->len) {
        return a->len < b->len ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

struct model_lookup lower_lookup(struct arena *arena,
                                 const struct model_name *names, size_t count)
{
    struct model_name *sorted = arena_alloc(arena,
                                            (count + 1) * sizeof(*sorted));
    struct model_group *groups = arena_alloc(arena,
                                             (count + 1) * sizeof(*groups));
    struct model_lookup lookup = { groups, 0 };
    for (size_t i = 0; i < count; i++) {
        sorted[i] = names[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || sorted[i].len != sorted[i - 1].len) {
            groups[lookup.group_count++] =
                (struct model_group){ sorted[i].len, &sorted[i], 0 };
        }
        groups[lookup.group_count - 1].count++;
    }
    return lookup;
}

/* ---- the app and the file ---- */

/* A name that gives none in C is reported, and replaced. */
static void check_name(struct lower *l, const struct ast_name *name)
{
    if (names_snake(l->arena, name->text) == NULL) {
        diag_report(l->diag, name->at, DIAG_BAD_NAME, name->text);
    }
}

/*
 * The beginning of the include guards of all files: the app, since two schemas
 * may have files of the same name, and the file, since two may have the same
 * app. A file's name that cannot stand in a macro as a whole has a hash.
 */
static const char *guard_of(struct lower *l)
{
    const char *app = names_upper(l->arena, l->app);
    const char *stem = l->schema->file_stem;
    const char *plain = "abcdefghijklmnopqrstuvwxyz0123456789_";
    if (stem[strspn(stem, plain)] == '\0' && stem[0] != '_' &&
        strstr(stem, "__") == NULL && stem[strlen(stem) - 1] != '_') {
        return arena_printf(l->arena, "%s_%s", app,
                            names_upper(l->arena, stem));
    }
    const char *snake = names_snake(l->arena, stem);
    const size_t len = snake != NULL ? strspn(snake, plain) : 0;
    return arena_printf(
        l->arena, "%s_%s%sX%016llX", app,
        len > 0 ? names_upper(l->arena, arena_text(l->arena, snake, len)) : "",
        len > 0 ? "_" : "", (unsigned long long)table_hash(stem));
}

static void lower_app(struct lower *l)
{
    const struct ast_name *app = &l->schema->app;
    struct model *m = l->model;
    check_name(l, app);
    l->app = names_app(l->arena, l->schema);
    if (strcmp(l->app, "zkt") == 0) { /* the runtime's own prefix */
        diag_report(l->diag, app->at, DIAG_RESERVED_NAME, "an app", app->text);
    }
    m->version = ZOCKETC_VERSION;
    m->abi = ZOCKETC_ABI;
    m->file_name = l->schema->file_name;
    m->file_stem = l->schema->file_stem;
    m->guard = guard_of(l);
    m->app = l->app;
    m->app_name = app->text;
    m->at = app->at;
    m->doc = l->schema->doc;
}

/* ---- names that give none ---- */

static void check_struct_names(struct lower *l, const struct schema_struct *s)
{
    for (size_t i = 0; i < s->field_count; i++) {
        check_name(l, &s->fields[i].name);
    }
}

static void check_decl_names(struct lower *l, const struct schema_decl *decl)
{
    const struct schema_enum *e = decl->enumeration;
    const struct schema_union *u = decl->alternatives;
    check_name(l, &decl->name);
    for (size_t i = 0; e != NULL && i < e->value_count; i++) {
        check_name(l, &e->values[i].name);
    }
    for (size_t i = 0; u != NULL && i < u->variant_count; i++) {
        check_name(l, &u->variants[i].name);
    }
}

static void check_actor_names(struct lower *l, const struct schema_actor *a)
{
    check_name(l, &a->name);
    for (size_t i = 0; i < a->method_count; i++) {
        check_name(l, &a->methods[i].name);
    }
    for (size_t i = 0; i < a->event_count; i++) {
        check_name(l, &a->events[i].name);
    }
    for (size_t i = 0; i < a->timer_count; i++) {
        check_name(l, &a->timers[i]->name);
    }
    for (size_t i = 0; i < a->audience_count; i++) {
        check_name(l, &a->audiences[i].name);
    }
}

/* The app's handlers have a member for each actor and middleware, and one that
 * the program sets. */
static void check_handler_name(struct lower *l, const struct ast_name *name,
                               const char *noun)
{
    const char *part = names_part(l->arena, name->text);
    const bool is_app = strcmp(part, "connection") == 0 ||
                        strcmp(part, "middleware") == 0;
    if (strcmp(part, "user") == 0) {
        diag_report(l->diag, name->at, DIAG_USER_NAME, name->text);
    } else if (is_app && strcmp(part, name->text) != 0) {
        diag_report(l->diag, name->at, DIAG_RESERVED_NAME, noun, name->text);
    }
}

static void check_names(struct lower *l)
{
    const struct schema *s = l->schema;
    for (size_t i = 0; i < s->decl_count; i++) {
        check_decl_names(l, &s->decls[i]);
    }
    for (size_t i = 0; i < s->struct_count; i++) {
        check_struct_names(l, s->structs[i]);
    }
    for (size_t i = 0; i < s->actor_count; i++) {
        check_actor_names(l, &s->actors[i]);
        check_handler_name(l, &s->actors[i].name, "an actor");
    }
    for (size_t i = 0; i < s->middleware_count; i++) {
        check_name(l, &s->middleware[i].name);
        check_handler_name(l, &s->middleware[i].name, "a middleware");
    }
    for (size_t i = 0; i < s->error_count; i++) {
        check_name(l, &s->errors[i].name);
    }
    for (size_t i = 0; i < s->broadcast_count; i++) {
        check_name(l, &s->broadcasts[i].name);
    }
}

/* ---- all of it ---- */

static void make_room(struct lower *l)
{
    const struct schema *s = l->schema;
    struct arena *arena = l->arena;
    l->model = ARENA_NEW(arena, struct model);
    l->decls = arena_alloc(arena, (s->decl_count + 1) * sizeof(*l->decls));
    l->structs = arena_alloc(arena,
                             (s->struct_count + 1) * sizeof(*l->structs));
    l->all = arena_alloc(arena,
                         (s->type_count + 1) * sizeof(struct model_type *));
}

const struct model *lower_schema(struct arena *arena, struct diag *diag,
                                 const struct schema *schema)
{
    struct lower l = { .arena = arena, .diag = diag, .schema = schema };
    make_room(&l);
    lower_app(&l);          /* model: the app and the file */
    check_names(&l);        /* nothing: names that give none in C */
    lower_declarations(&l); /* decls: enums, unions; structs: declared ones */
    lower_access(&l);       /* structs: those of the app */
    lower_actors(&l);       /* actors; structs: those of their parts */
    lower_members(&l);      /* structs and unions: their parts */
    if (diag->errors > 0) {
        return NULL;
    }
    lower_defaults(&l);    /* structs: their initialisers */
    lower_order(&l);       /* model: everything, in the order of C */
    lower_handlers(&l);    /* model: the types of handlers */
    lower_identifiers(&l); /* nothing: names that are put together */
    return diag->errors == 0 ? l.model : NULL;
}
