/* See static_find.h. */
#include "net/static_find.h"

#include <errno.h>
#include <stdio.h>

#include "http/media_type.h"
#include "net/socket.h"
#include "net/static_open.h"

static const char index_name[] = "index.html";

/* Returns the status for an error, and stores it if it is not the client's. */
static int fail(int failure, int *error)
{
    *error = zkt__static_is_absent(failure) ? 0 : -failure;
    switch (-failure) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return 503;
    case EACCES:
    case EPERM:
        return 404;
    default:
        return *error == 0 ? 404 : 500;
    }
}

/* Returns 308 if the whole path is that of a folder with an index. */
static int find_index(const char *root, const struct zkt_http_file_path *path,
                      int *error)
{
    struct stat attributes;
    const int folder = zkt__static_open_folder(root, path, path->count);
    if (folder < 0) {
        return fail(folder, error);
    }
    const int fd = zkt__static_open_file(folder, index_name, &attributes);
    zkt__socket_close(folder);
    if (fd < 0) {
        return fail(fd, error);
    }
    zkt__socket_close(fd);
    return 308;
}

/* ---- encoded forms ---- */

static bool is_older(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec
               ? a->st_mtim.tv_sec < b->st_mtim.tv_sec
               : a->st_mtim.tv_nsec < b->st_mtim.tv_nsec;
}

/* Replaces the file by its form in @coding, if there is one. */
static bool take_form(int folder, const char *name, enum zkt_http_coding coding,
                      struct zkt_static_file *file)
{
    static const char *const endings[] = {
        [ZKT_HTTP_CODING_BR] = ".br", [ZKT_HTTP_CODING_GZIP] = ".gz"
    };
    char form[ZKT_HTTP_NAME_MAX + 4];
    struct stat attributes;
    if (coding == ZKT_HTTP_CODING_IDENTITY) {
        return true;
    }
    snprintf(form, sizeof(form), "%s%s", name, endings[coding]);
    const int fd = zkt__static_open_file(folder, form, &attributes);
    if (fd < 0) {
        return false;
    }
    if (is_older(&attributes, &file->attributes)) {
        zkt__socket_close(fd);
        return false;
    }
    zkt__socket_close(file->fd);
    file->fd = fd;
    file->attributes = attributes;
    file->coding = coding;
    return true;
}

/* Returns the acceptable coding with the highest weight; among equals the first
 * one. ZKT_HTTP_CODING_COUNT: there is none. */
static int find_best(const struct zkt_http_accepted *accepted)
{
    int best = ZKT_HTTP_CODING_COUNT;
    for (int i = ZKT_HTTP_CODING_COUNT - 1; i >= 0; i--) {
        if (accepted->weights[i] > 0 &&
            (best == ZKT_HTTP_CODING_COUNT ||
             accepted->weights[i] >= accepted->weights[best])) {
            best = i;
        }
    }
    return best;
}

/* Chooses among the forms of the file. Returns 200 or 406. */
static int choose_form(int folder, const char *name,
                       struct zkt_http_accepted accepted,
                       struct zkt_static_file *file)
{
    int best;
    while ((best = find_best(&accepted)) != ZKT_HTTP_CODING_COUNT) {
        if (take_form(folder, name, (enum zkt_http_coding)best, file)) {
            return 200;
        }
        accepted.weights[best] = 0;
    }
    zkt__socket_close(file->fd);
    return 406;
}

/* ---- all together ---- */

int zkt__static_find(const char *root, const struct zkt_http_file_path *path,
                     const struct zkt_http_accepted *accepted,
                     struct zkt_static_file *out, int *error)
{
    const char *name = path->folder ? index_name : path->last;
    struct zkt_static_file file = { .coding = ZKT_HTTP_CODING_IDENTITY };
    const int folder = zkt__static_open_folder(
        root, path, path->folder ? path->count : path->count - 1);
    *error = 0;
    if (folder < 0) {
        return fail(folder, error);
    }
    file.fd = zkt__static_open_file(folder, name, &file.attributes);
    const int status = file.fd >= 0
                           ? choose_form(folder, name, *accepted, &file)
                           : fail(file.fd, error);
    zkt__socket_close(folder);
    if (file.fd == -EISDIR && !path->folder) {
        return find_index(root, path, error);
    }
    file.type = zkt__http_media_type(zkt_cstr(name));
    *out = file;
    return status;
}
