/*
 * Rights: errors, broadcasts and middleware. Middleware is put in
 * order here, once: a chain has everything that it comes after, depth first,
 * so that nothing behind the checker has to know of `after`.
 */
#include <string.h>
#include <strings.h>

#include "schema/check.h"

enum {
    MIDDLEWARE_MAX = 64,
    ERRORS_MAX = 1024,
    WORDS = ERRORS_MAX / 64
};

/* Errors, as bits: a method has those of a whole chain. */
struct error_set {
    uint64_t words[WORDS];
};

/* A declaration with its number among those of its kind. */
struct numbered {
    const struct ast_decl *decl;
    uint16_t number;
    bool is_open;   /* its chain is being made */
    bool is_closed; /* it is made */
    bool is_used;
    struct error_set errors; /* of a middleware */
};

struct access {
    struct list errors, middleware; /* struct numbered * */
    struct table errors_by_name, middleware_by_name;
    struct schema_middleware *made; /* middleware, by number */
};

static struct numbered *entry_at(const struct list *list, size_t i)
{
    return ((struct numbered *const *)list->items)[i];
}

/* ---- names ---- */

static const char *name_at(const void *user, size_t i)
{
    return entry_at(user, i)->decl->name.text;
}

static struct numbered *find(struct check *c, const struct ast_name *name,
                             const struct table *table, const struct list *list,
                             enum diag_id unknown)
{
    struct numbered *found = table_find(table, name->text);
    if (found == NULL) {
        diag_report(c->diag, name->at, unknown, name->text);
        diag_suggest(c->diag, name->at, name->text, list->count, name_at, list);
        return NULL;
    }
    found->is_used = true;
    return found;
}

static struct numbered *find_middleware(struct check *c,
                                        const struct ast_name *name)
{
    return find(c, name, &c->access->middleware_by_name, &c->access->middleware,
                DIAG_UNKNOWN_MIDDLEWARE);
}

/* Reports a name that stands in a list twice. */
static void check_list(struct check *c, const struct ast_names *names)
{
    struct table seen = { 0 };
    for (const struct ast_names *n = names; n != NULL; n = n->next) {
        const struct ast_name *first = table_find(&seen, n->name.text);
        if (first != NULL) {
            diag_report(c->diag, n->name.at, DIAG_DUPLICATE_USE, n->name.text);
            diag_report(c->diag, first->at, DIAG_FIRST_HERE);
        } else {
            table_put(&seen, c->arena, n->name.text, (void *)&n->name);
        }
    }
}

/* ---- chains ---- */

/* Numbers on their way, each once. */
struct numbers {
    struct arena *arena;
    struct list items; /* uint16_t */
    bool has[ERRORS_MAX];
};

static void add_number(struct numbers *to, uint16_t number)
{
    if (!to->has[number]) {
        to->has[number] = true;
        list_add(to->arena, &to->items, &number, sizeof(number));
    }
}

static void add_numbers(struct numbers *to, const struct schema_numbers *from)
{
    for (size_t i = 0; i < from->count; i++) {
        add_number(to, from->items[i]);
    }
}

static struct schema_numbers finish_numbers(const struct numbers *numbers)
{
    return (struct schema_numbers){
        .items = numbers->items.items,
        .count = numbers->items.count,
    };
}

static void close_middleware(struct check *c, struct numbered *m);

struct schema_numbers check_chain(struct check *c, struct schema_numbers first,
                                  const struct ast_names *names)
{
    struct numbers chain = { .arena = c->arena };
    if (names == NULL) {
        return first;
    }
    check_list(c, names);
    add_numbers(&chain, &first);
    for (const struct ast_names *n = names; n != NULL; n = n->next) {
        struct numbered *m = find_middleware(c, &n->name);
        if (m == NULL) {
            continue;
        }
        if (m->is_open) {
            diag_report(c->diag, n->name.at, DIAG_MIDDLEWARE_CYCLE,
                        n->name.text);
            continue;
        }
        close_middleware(c, m);
        add_numbers(&chain, &c->access->made[m->number].after);
        add_number(&chain, m->number);
    }
    return finish_numbers(&chain);
}

/* Makes the chain of a middleware. Recursion ends with the number of
 * middleware, which has a limit. */
static void close_middleware(struct check *c, struct numbered *m)
{
    if (m->is_closed) {
        return;
    }
    const struct schema_numbers none = { .items = NULL };
    m->is_open = true;
    c->access->made[m->number].after = check_chain(c, none, m->decl->after);
    m->is_open = false;
    m->is_closed = true;
}

/* The errors of all middleware of a chain, by number. */
static void add_errors_of(const struct check *c, struct numbers *to,
                          const struct schema_numbers *chain)
{
    struct error_set all = { { 0 } };
    for (size_t i = 0; i < chain->count; i++) {
        const struct numbered *m = entry_at(&c->access->middleware,
                                            chain->items[i]);
        for (size_t w = 0; w < WORDS; w++) {
            all.words[w] |= m->errors.words[w];
        }
    }
    for (size_t i = 0; i < c->access->errors.count; i++) {
        if ((all.words[i / 64] >> i % 64 & 1) != 0) {
            add_number(to, (uint16_t)i);
        }
    }
}

struct schema_numbers check_throws(struct check *c,
                                   const struct ast_names *names,
                                   struct schema_numbers chain)
{
    struct numbers errors = { .arena = c->arena };
    check_list(c, names);
    for (const struct ast_names *n = names; n != NULL; n = n->next) {
        const struct numbered *error = find(
            c, &n->name, &c->access->errors_by_name, &c->access->errors,
            DIAG_UNKNOWN_ERROR);
        if (error != NULL) {
            add_number(&errors, error->number);
        }
    }
    const size_t own_count = errors.items.count;
    add_errors_of(c, &errors, &chain);
    struct schema_numbers numbers = finish_numbers(&errors);
    numbers.own_count = own_count;
    return numbers;
}

/* ---- errors ---- */

/* The codes that an error may be a case of. */
#define CODES(X)                                                               \
    X(INVALID_ARGUMENT)                                                        \
    X(UNAUTHENTICATED)                                                         \
    X(PERMISSION_DENIED)                                                       \
    X(NOT_FOUND)                                                               \
    X(ALREADY_EXISTS)                                                          \
    X(FAILED_PRECONDITION)                                                     \
    X(RESOURCE_EXHAUSTED)                                                      \
    X(ABORTED)                                                                 \
    X(UNAVAILABLE)                                                             \
    X(DEADLINE_EXCEEDED)                                                       \
    X(UNIMPLEMENTED)

static const char *const codes[] = {
#define X(code) #code,
    CODES(X)
#undef X
};

/* Why no error has the code; NULL: it is no code at all. */
static const char *refusal_of(const char *code)
{
    static const struct {
        const char *code, *text;
    } refusals[] = {
        { "OK", "it is no failure" },
        { "PENDING", "it is no failure" },
        { "CANCELLED", "only the caller can cancel a call" },
        { "INTERNAL", "it says that the program is wrong, and nothing else" },
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(code, refusals[i].code) == 0) {
            return refusals[i].text;
        }
    }
    return NULL;
}

static void check_code(struct check *c, const struct ast_name *code)
{
    const char *near = NULL;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(code->text, codes[i]) == 0) {
            return;
        }
        near = strcasecmp(code->text, codes[i]) == 0 ? codes[i] : near;
    }
    const char *refusal = refusal_of(code->text);
    if (refusal != NULL) {
        diag_report(c->diag, code->at, DIAG_BAD_CODE, code->text, refusal);
        return;
    }
    diag_report(c->diag, code->at, DIAG_UNKNOWN_CODE, code->text);
    if (near != NULL) {
        diag_report(c->diag, code->at, DIAG_DID_YOU_MEAN_WORD, near);
        return;
    }
#define X(code) ", " #code
    diag_report(c->diag, code->at, DIAG_CODES, &(CODES(X))[2]);
#undef X
}

static void check_error(struct check *c, const struct ast_decl *decl,
                        struct schema_error *to)
{
    to->name = decl->name;
    to->doc = decl->doc;
    to->code = decl->code.text;
    to->details = check_payload(c, NULL, &decl->payload, SCHEMA_ERROR,
                                decl->name);
    check_code(c, &decl->code);
    if (to->details != NULL && to->details->kind != SCHEMA_STRUCT) {
        diag_report(c->diag, decl->payload.type->at, DIAG_ERROR_DETAILS,
                    decl->name.text);
    }
}

static void check_errors(struct check *c)
{
    const struct list *all = &c->access->errors;
    struct schema_error *errors = arena_alloc(c->arena, (all->count + 1) *
                                                            sizeof(*errors));
    for (size_t i = 0; i < all->count; i++) {
        check_error(c, entry_at(all, i)->decl, &errors[i]);
    }
    c->schema->errors = errors;
    c->schema->error_count = all->count;
}

/* ---- middleware ---- */

static void check_middleware(struct check *c, struct numbered *m)
{
    const struct schema_numbers none = { .items = NULL };
    struct schema_middleware *to = &c->access->made[m->number];
    check_handler_name(c, &m->decl->name, "a middleware");
    to->name = m->decl->name;
    to->doc = m->decl->doc;
    to->errors = check_throws(c, m->decl->throws, none);
    for (size_t i = 0; i < to->errors.count; i++) {
        const uint16_t number = to->errors.items[i];
        m->errors.words[number / 64] |= UINT64_C(1) << number % 64;
    }
    close_middleware(c, m);
    if (m->decl->fields != NULL) {
        struct schema_struct *output = check_new_struct(
            c, SCHEMA_MIDDLEWARE, m->decl->name, m->decl->fields);
        output->is_private = true;
        to->output = output;
    }
}

static void check_all_middleware(struct check *c)
{
    const struct list *all = &c->access->middleware;
    c->access->made = arena_alloc(c->arena,
                                  (all->count + 1) * sizeof(*c->access->made));
    for (size_t i = 0; i < all->count; i++) {
        check_middleware(c, entry_at(all, i));
    }
    c->schema->middleware = c->access->made;
    c->schema->middleware_count = all->count;
}

/* ---- all of it ---- */

static void add(struct check *c, const struct ast_decl *decl, struct list *to,
                struct table *names, const char *noun, size_t max)
{
    if (table_find(names, decl->name.text) != NULL) {
        const struct numbered *first = table_find(names, decl->name.text);
        diag_report(c->diag, decl->name.at, DIAG_DUPLICATE_NAME, noun,
                    decl->name.text);
        diag_report(c->diag, first->decl->name.at, DIAG_FIRST_HERE);
        return;
    }
    if (to->count == max) {
        diag_report(c->diag, decl->name.at, DIAG_TOO_MANY, max, noun);
        return;
    }
    struct numbered *entry = ARENA_NEW(c->arena, struct numbered);
    entry->decl = decl;
    entry->number = (uint16_t)to->count;
    table_put(names, c->arena, decl->name.text, entry);
    list_add(c->arena, to, &entry, sizeof(entry));
}

static void check_broadcasts(struct check *c)
{
    struct list broadcasts = { 0 };
    struct table names = { 0 };
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind != AST_DECL_BROADCAST ||
            !check_take(c, &names, &d->name, "broadcast")) {
            continue;
        }
        check_broadcast_name(c, &d->name);
        const struct schema_event event = {
            .name = d->name,
            .doc = d->doc,
            .payload = check_payload(c, NULL, &d->payload, SCHEMA_BROADCAST,
                                     d->name),
        };
        list_add(c->arena, &broadcasts, &event, sizeof(event));
    }
    c->schema->broadcasts = broadcasts.items;
    c->schema->broadcast_count = broadcasts.count;
}

static void warn_unused(struct check *c, const struct list *all,
                        enum diag_id id)
{
    const struct source *root = c->diag->sources.first;
    for (size_t i = 0; i < all->count; i++) {
        const struct numbered *entry = entry_at(all, i);
        const struct ast_name *name = &entry->decl->name;
        if (!entry->is_used && name->at.start < root->base + root->len) {
            diag_report(c->diag, name->at, id, name->text);
        }
    }
}

/* Hooks may fail with any error, and name none. */
static bool has_hooks(const struct schema *schema)
{
    for (size_t i = 0; i < schema->actor_count; i++) {
        if (schema->actors[i].hook_count > 0) {
            return true;
        }
    }
    return false;
}

void check_unused_access(struct check *c)
{
    if (!has_hooks(c->schema)) {
        warn_unused(c, &c->access->errors, DIAG_UNUSED_ERROR);
    }
    warn_unused(c, &c->access->middleware, DIAG_UNUSED_MIDDLEWARE);
}

void check_access(struct check *c)
{
    struct access *a = c->access = ARENA_NEW(c->arena, struct access);
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind == AST_DECL_ERROR) {
            add(c, d, &a->errors, &a->errors_by_name, "error", ERRORS_MAX);
        } else if (d->kind == AST_DECL_MIDDLEWARE) {
            add(c, d, &a->middleware, &a->middleware_by_name, "middleware",
                MIDDLEWARE_MAX);
        }
    }
    check_errors(c);
    check_all_middleware(c);
    check_broadcasts(c);
    check_connection(c);
}
