/* See load.h. Files are told apart by their real paths (realpath(3)), and
 * imports that lead back are found on the way, depth first. */
#define _XOPEN_SOURCE 700
#include "syntax/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "syntax/parse.h"
#include "util/table.h"

enum {
    IMPORT_DEPTH_MAX = 64,
    FILES_MAX = 1000
};

/* A file that is being loaded, or has been. */
struct file {
    struct source source;
    struct ast_file *ast;
    bool loading;
};

struct load {
    struct arena *arena;
    struct diag *diag;
    const struct load_options *options;
    struct table files; /* struct file, by real path */
    size_t file_count;
    struct ast_decl *first, *last;
    int depth;
};

static void load_imports(struct load *l, struct file *file);

/* ---- finding ---- */

/* The real path of @path, or NULL: there is no such file. */
static const char *real_path(struct load *l, const char *path)
{
    char *real = realpath(path, NULL);
    if (real == NULL) {
        return NULL;
    }
    const char *kept = arena_text(l->arena, real, strlen(real));
    free(real);
    return kept;
}

/* The folder of a file, with its slash; "" for the current folder. */
static const char *folder_of(struct load *l, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL
               ? arena_text(l->arena, path, (size_t)(slash + 1 - path))
               : "";
}

/* The path by which an import is read, and *@real for it; NULL: reported,
 * with all folders. */
static const char *find_import(struct load *l, const struct file *from,
                               const struct ast_name *name, const char **real)
{
    const char *folder = folder_of(l, from->source.path);
    const char *path = arena_printf(l->arena, "%s%s", folder, name->text);
    if (name->text[0] == '/') {
        path = name->text;
    }
    *real = real_path(l, path);
    if (*real != NULL) {
        return path;
    }
    for (size_t i = 0; i < l->options->folder_count; i++) {
        path = arena_printf(l->arena, "%s/%s", l->options->folders[i],
                            name->text);
        *real = real_path(l, path);
        if (*real != NULL) {
            return path;
        }
    }
    diag_report(l->diag, name->at, DIAG_IMPORT_MISSING, name->text);
    diag_report(l->diag, name->at, DIAG_SEARCHED,
                folder[0] != '\0' ? folder : "./");
    for (size_t i = 0; i < l->options->folder_count; i++) {
        diag_report(l->diag, name->at, DIAG_SEARCHED, l->options->folders[i]);
    }
    return NULL;
}

/* ---- reading ---- */

static void append(struct load *l, struct ast_decl *decls)
{
    while (decls != NULL) {
        struct ast_decl *next = decls->next;
        decls->next = NULL;
        if (decls->kind != AST_DECL_IMPORT) {
            if (l->last != NULL) {
                l->last->next = decls;
            } else {
                l->first = decls;
            }
            l->last = decls;
        }
        decls = next;
    }
}

static bool is_root_only(const struct ast_decl *decl)
{
    return decl->kind == AST_DECL_APP || decl->kind == AST_DECL_ACTOR ||
           decl->kind == AST_DECL_CONNECTION;
}

/* "actor 'chat'" */
static const char *display(struct load *l, const struct ast_decl *decl)
{
    return decl->kind == AST_DECL_CONNECTION
               ? "a connection"
               : arena_printf(l->arena, "%s '%s'",
                              decl->kind == AST_DECL_APP ? "app" : "actor",
                              decl->name.text);
}

/* Declarations that only the root may have. */
static void check_imported(struct load *l, const struct file *file)
{
    for (const struct ast_decl *d = file->ast->decls; d != NULL; d = d->next) {
        if (is_root_only(d)) {
            diag_report(l->diag, d->name.at, DIAG_ROOT_ONLY, display(l, d));
        }
    }
}

/* Drops the declarations that check_imported has reported. */
static struct ast_decl *without_root_only(struct ast_decl *decls)
{
    struct ast_decl **link = &decls;
    while (*link != NULL) {
        if (is_root_only(*link)) {
            *link = (*link)->next;
        } else {
            link = &(*link)->next;
        }
    }
    return decls;
}

static struct file *read_file(struct load *l, const char *path)
{
    struct file *file = ARENA_NEW(l->arena, struct file);
    if (!source_read(l->arena, path, &file->source)) {
        return NULL;
    }
    if (++l->file_count > FILES_MAX ||
        !sources_add(&l->diag->sources, &file->source)) {
        errno = EFBIG;
        return NULL;
    }
    return file;
}

static void parse(struct load *l, struct file *file)
{
    file->loading = true;
    file->ast = parse_file(l->arena, l->diag, &file->source);
    load_imports(l, file);
    file->loading = false;
}

static void load_import(struct load *l, const struct file *from,
                        const struct ast_name *name)
{
    const char *real;
    const char *path = find_import(l, from, name, &real);
    if (path == NULL) {
        return;
    }
    struct file *file = table_find(&l->files, real);
    if (file != NULL && file->loading) {
        diag_report(l->diag, name->at, DIAG_IMPORT_CYCLE, name->text);
        return;
    }
    if (file != NULL) {
        return;
    }
    file = l->depth < IMPORT_DEPTH_MAX ? read_file(l, path) : NULL;
    if (file == NULL) {
        diag_report(l->diag, name->at, DIAG_IMPORT_UNREADABLE, name->text,
                    l->depth < IMPORT_DEPTH_MAX ? strerror(errno)
                                                : "imports are too deep");
        return;
    }
    table_put(&l->files, l->arena, real, file);
    l->depth++;
    parse(l, file);
    l->depth--;
    check_imported(l, file);
    append(l, without_root_only(file->ast->decls));
}

static void load_imports(struct load *l, struct file *file)
{
    for (const struct ast_decl *d = file->ast->decls; d != NULL; d = d->next) {
        if (d->kind == AST_DECL_IMPORT) {
            load_import(l, file, &d->name);
        }
    }
}

const struct ast_file *load_schema(struct arena *arena, struct diag *diag,
                                   const char *path,
                                   const struct load_options *options)
{
    struct load l = { .arena = arena, .diag = diag, .options = options };
    struct file *root = read_file(&l, path);
    if (root == NULL) {
        return NULL;
    }
    if (strcmp(path, "-") == 0) {
        root->source.path = options->name;
    }
    const char *real = real_path(&l, root->source.path);
    if (real != NULL) {
        table_put(&l.files, arena, real, root);
    }
    parse(&l, root);
    append(&l, root->ast->decls);
    root->ast->decls = l.first;
    return root->ast;
}
