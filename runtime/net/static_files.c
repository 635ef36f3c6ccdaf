/*
 * See static_files.h. The folder is looked up anew for each request, so that a
 * deployment may replace the link that leads to it. Only a file that is longer
 * than a step of its body keeps a descriptor while it is sent; these are
 * counted.
 */
#include "net/static_files.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "http/conditions.h"
#include "http/date.h"
#include "http/navigation.h"
#include "net/socket.h"
#include "net/static_body.h"
#include "net/static_find.h"
#include "net/static_open.h"
#include "server/answer.h"
#include "server/routes.h"

struct zkt_static_files {
    struct zkt_route route;
    struct zkt_server *server;
    const char *folder;
    struct zkt_http_file_path fallback, immutable; /* count 0: none */
    atomic_uint held; /* files that keep a descriptor */
};

/* A request, and the file that was found for it. */
struct request {
    struct zkt_static_files *files;
    struct zkt_connection *connection;
    const struct zkt_http_request *http;
    struct zkt_server *server; /* the connection's shard */
    struct zkt_static_file file;
    bool is_fallback, is_immutable;
};

/* ---- fields ---- */

/* Lines of fields; their values are bounded by their formats. */
struct fields {
    char text[768];
    size_t len;
};

static void add(struct fields *fields, const char *format, ...)
    ZKT_PRINTF(2, 3);

static void add(struct fields *fields, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fields->len += (size_t)vsnprintf(fields->text + fields->len,
                                     sizeof(fields->text) - fields->len, format,
                                     args);
    va_end(args);
}

static void respond(const struct request *r, int status,
                    const struct fields *fields, struct zkt_str body)
{
    zkt__answer(r->connection, r->http,
                (struct zkt_http_response){
                    .status = status,
                    .fields = { fields->text, fields->len },
                    .body = body,
                });
}

/* Answers with a line of text. */
static void refuse(const struct request *r, int status, struct fields *fields,
                   const char *text)
{
    add(fields, "Content-Type: text/plain\r\nCache-Control: no-store\r\n"
                "X-Content-Type-Options: nosniff\r\n");
    respond(r, status, fields, zkt_cstr(text));
}

/* ---- a file ---- */

/* The length of an entity tag, with its NUL. */
#define ETAG_SIZE 64

static int64_t nanoseconds(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* Writes an entity tag for a form of the file. The time of its last change of
 * any kind tells files apart that a build gives the same time of modification,
 * and often the same length. */
static struct zkt_str write_etag(const struct zkt_static_file *file,
                                 char out[ETAG_SIZE])
{
    static const char *const forms[] = { [ZKT_HTTP_CODING_BR] = "-br",
                                         [ZKT_HTTP_CODING_GZIP] = "-gz",
                                         [ZKT_HTTP_CODING_IDENTITY] = "" };
    const int len = snprintf(
        out, ETAG_SIZE, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "%s\"",
        (uint64_t)file->attributes.st_size,
        (uint64_t)nanoseconds(&file->attributes.st_mtim),
        (uint64_t)nanoseconds(&file->attributes.st_ctim), forms[file->coding]);
    return (struct zkt_str){ out, (size_t)len };
}

static struct zkt_http_validators validators_of(const struct request *r,
                                                char etag[ETAG_SIZE])
{
    return (struct zkt_http_validators){
        .etag = write_etag(&r->file, etag),
        .modified_s = r->file.attributes.st_mtim.tv_sec,
        .now_s = zkt__server_core(r->server)->wall_ms / 1000,
        .size = (uint64_t)r->file.attributes.st_size,
    };
}

/* The fields of 200, 206 and 304. No file is modified in the future (RFC 9110,
 * section 8.8.2.1). */
static void add_validators(const struct request *r, struct fields *fields,
                           const struct zkt_http_validators *current)
{
    char date[ZKT_HTTP_DATE_SIZE] = "";
    if (current->modified_s <= current->now_s) {
        zkt__http_date(current->modified_s * 1000, date);
    }
    add(fields, "ETag: %.*s\r\n", ZKT_ARG(current->etag));
    if (date[0] != '\0') {
        add(fields, "Last-Modified: %s\r\n", date);
    }
    add(fields,
        "Cache-Control: %s\r\nVary: Accept-Encoding%s\r\n"
        "X-Content-Type-Options: nosniff\r\n",
        r->is_immutable ? "public, max-age=31536000, immutable" : "no-cache",
        r->is_fallback ? ", Accept, Sec-Fetch-Mode" : "");
}

/* The fields of 200 and 206. */
static void add_content(const struct request *r, struct fields *fields,
                        int status, struct zkt_http_range range)
{
    static const char *const codings[] = {
        [ZKT_HTTP_CODING_BR] = "br", [ZKT_HTTP_CODING_GZIP] = "gzip"
    };
    add(fields, "Content-Type: %s\r\nAccept-Ranges: bytes\r\n", r->file.type);
    if (r->file.coding != ZKT_HTTP_CODING_IDENTITY) {
        add(fields, "Content-Encoding: %s\r\n", codings[r->file.coding]);
    }
    if (status == 206) {
        add(fields,
            "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
            range.first, range.first + range.len - 1,
            (uint64_t)r->file.attributes.st_size);
    }
}

static void release(void *user)
{
    struct zkt_static_files *files = user;
    atomic_fetch_sub_explicit(&files->held, 1, memory_order_relaxed);
}

/* Counts a file that keeps its descriptor. Returns false if there are too
 * many. */
static bool hold(const struct request *r)
{
    const unsigned held = atomic_fetch_add_explicit(&r->files->held, 1,
                                                    memory_order_relaxed);
    if (held < (uint64_t)zkt__server_limits(r->server)->static_files) {
        return true;
    }
    release(r->files);
    zkt__server_limit_hits(r->server)->static_files++;
    return false;
}

static void refuse_for_now(const struct request *r)
{
    struct fields fields = { .len = 0 };
    add(&fields, "Retry-After: 1\r\n");
    refuse(r, 503, &fields, "try again later\n");
}

/* Sends the bytes of @range, and closes the file. */
static void send_file(const struct request *r, int status,
                      struct fields *fields, struct zkt_http_range range)
{
    const bool holds = range.len > ZKT_HTTP_STEP &&
                       r->http->method == ZKT_HTTP_GET;
    if (holds && !hold(r)) {
        zkt__socket_close(r->file.fd);
        refuse_for_now(r);
        return;
    }
    struct zkt_http_source *source = zkt__static_body_new(
        zkt__server_allocator(r->server), r->file.fd, range,
        holds ? release : NULL, r->files);
    if (source == NULL) {
        if (holds) {
            release(r->files);
        }
        refuse_for_now(r);
        return;
    }
    add_content(r, fields, status, range);
    zkt__answer_stream(r->connection, r->http,
                       (struct zkt_http_response){
                           .status = status,
                           .fields = { fields->text, fields->len },
                           .body = ZKT_STR(""),
                       },
                       range.len, source);
}

/* Answers with the file that was found, as far as the client wants it. */
static void answer_file(const struct request *r)
{
    char etag[ETAG_SIZE];
    const struct zkt_http_validators current = validators_of(r, etag);
    struct fields fields = { .len = 0 };
    struct zkt_http_range range;
    const int status = zkt__http_judge_conditions(
        r->http->fields, &current, r->http->method == ZKT_HTTP_GET, &range);
    if (status == 200 || status == 206) {
        add_validators(r, &fields, &current);
        send_file(r, status, &fields, range);
        return;
    }
    zkt__socket_close(r->file.fd);
    if (status == 304) {
        add_validators(r, &fields, &current);
        respond(r, status, &fields, ZKT_STR(""));
    } else if (status == 412) {
        refuse(r, status, &fields, "the file is another one\n");
    } else {
        add(&fields, "Content-Range: bytes */%" PRIu64 "\r\n", current.size);
        refuse(r, status, &fields, "the file is shorter\n");
    }
}

/* ---- other answers ---- */

/* Sends the client to the path with a slash at its end. It begins with a single
 * slash, so it stays on this host. */
static void redirect(const struct request *r)
{
    const struct zkt_allocator *allocator = zkt__server_allocator(r->server);
    const struct zkt_str path = r->http->path, query = r->http->query;
    const size_t size = path.len + query.len + 64;
    char *lines = zkt__alloc(allocator, size);
    if (lines == NULL) {
        refuse_for_now(r);
        return;
    }
    const int len = snprintf(lines, size,
                             "Location: %.*s/%s%.*s\r\n"
                             "Cache-Control: no-cache\r\n",
                             ZKT_ARG(path), query.len > 0 ? "?" : "",
                             ZKT_ARG(query));
    zkt__answer(r->connection, r->http,
                (struct zkt_http_response){
                    .status = 308,
                    .fields = { lines, (size_t)len },
                    .body = ZKT_STR(""),
                });
    zkt__release(allocator, lines);
}

static void answer_other(const struct request *r, int status)
{
    struct fields fields = { .len = 0 };
    switch (status) {
    case 308:
        redirect(r);
        break;
    case 400:
        refuse(r, status, &fields, "the path is malformed\n");
        break;
    case 404:
        refuse(r, status, &fields, "there is no such file\n");
        break;
    case 406:
        add(&fields, "Vary: Accept-Encoding\r\n");
        refuse(r, status, &fields, "the file has no accepted encoding\n");
        break;
    case 503:
        refuse_for_now(r);
        break;
    default:
        refuse(r, status, &fields, "the file cannot be read\n");
        break;
    }
}

/* ---- the route ---- */

/* Returns true if the path leads to a file in @folder, or further below. */
static bool is_below(const struct zkt_http_file_path *path,
                     const struct zkt_http_file_path *folder)
{
    const char *a = path->names, *b = folder->names;
    for (size_t i = 0; i < folder->count; i++) {
        if (i >= path->count || strcmp(a, b) != 0) {
            return false;
        }
        a += strlen(a) + 1;
        b += strlen(b) + 1;
    }
    return folder->count > 0 && (path->count > folder->count || path->folder);
}

/* Finds the file of @path. Returns a status of zkt__static_find. */
static int find(struct request *r, const struct zkt_http_file_path *path)
{
    enum {
        OPENING_NS = 2000 /* and closing, of a name */
    };
    const struct zkt_http_accepted accepted = zkt__http_accepted(
        r->http->fields);
    int error;
    zkt__answer_spend(r->connection, (path->count + 3) * OPENING_NS);
    const int status = zkt__static_find(r->files->folder, path, &accepted,
                                        &r->file, &error);
    if (error != 0) {
        zkt__server_log(r->server, ZKT_LOG_WARNING,
                        "a static file cannot be opened: %s: %.*s",
                        uv_strerror(-error), ZKT_ARG(r->http->path));
    }
    return status;
}

/* Finds the file of the request, or the one that stands for pages that there
 * are none of. Returns its status. */
static int find_any(struct request *r)
{
    const struct zkt_http_file_path *fallback = &r->files->fallback;
    struct zkt_http_file_path path;
    int status = zkt__http_file_path(r->http->path, &path);
    if (status != 0) {
        return status;
    }
    status = find(r, &path);
    r->is_immutable = is_below(&path, &r->files->immutable);
    if (status == 404 && fallback->count > 0 &&
        zkt__http_is_navigation(r->http->fields)) {
        r->is_fallback = true;
        r->is_immutable = false;
        status = find(r, fallback);
    }
    return status;
}

static int judge(const struct zkt_route *route, struct zkt_connection *c,
                 const struct zkt_http_request *request)
{
    (void)route;
    (void)c;
    return request->method == ZKT_HTTP_GET || request->method == ZKT_HTTP_HEAD
               ? 0
               : 405;
}

static void answer(const struct zkt_route *route, struct zkt_connection *c,
                   const struct zkt_http_request *request)
{
    struct request r = {
        .files = ZKT_CONTAINER(route, struct zkt_static_files, route),
        .connection = c,
        .http = request,
        .server = zkt__answer_server(c),
    };
    const int status = find_any(&r);
    if (status == 200) {
        answer_file(&r);
    } else {
        answer_other(&r, status);
    }
}

/* ---- options ---- */

/* Reads the path of an option, which may lack its first slash; NULL: none.
 * Returns false after logging that it is malformed. */
static bool read_path(struct zkt_server *server, const char *option,
                      const char *value, struct zkt_http_file_path *out)
{
    char path[ZKT_HTTP_PATH_BYTES];
    if (value == NULL) {
        return true;
    }
    const int len = snprintf(path, sizeof(path), "%s%s",
                             value[0] == '/' ? "" : "/", value);
    if ((size_t)len < sizeof(path) &&
        zkt__http_file_path((struct zkt_str){ path, (size_t)len }, out) == 0 &&
        out->count > 0) {
        return true;
    }
    zkt__server_log(server, ZKT_LOG_ERROR,
                    "the option %s is no path in the folder of static files: "
                    "%s",
                    option, value);
    return false;
}

/* Returns 0 or an error, which is logged. */
static int check_folder(struct zkt_server *server, const char *folder)
{
    static const struct zkt_http_file_path top = { .count = 0 };
    const int fd = zkt__static_open_folder(folder, &top, 0);
    if (fd < 0) {
        zkt__server_log(server, ZKT_LOG_ERROR,
                        "cannot open the folder of static files %s: %s", folder,
                        uv_strerror(fd));
        return fd;
    }
    zkt__socket_close(fd);
    return 0;
}

/* Returns 0 or an error, which is logged. */
static int read_options(struct zkt_static_files *files,
                        const struct zkt_serve_options *options)
{
    struct zkt_server *server = files->server;
    if (options->static_dir == NULL) {
        zkt__server_log(server, ZKT_LOG_ERROR,
                        "static_fallback and static_immutable need static_dir");
        return UV_EINVAL;
    }
    if (!read_path(server, "static_fallback", options->static_fallback,
                   &files->fallback) ||
        !read_path(server, "static_immutable", options->static_immutable,
                   &files->immutable)) {
        return UV_EINVAL;
    }
    files->folder = options->static_dir;
    return check_folder(server, files->folder);
}

int zkt__static_files_open(struct zkt_server *server,
                           struct zkt_static_files **out)
{
    const struct zkt_allocator *allocator = zkt__server_allocator(server);
    const struct zkt_serve_options *options = zkt__server_options(server);
    *out = NULL;
    if (options->static_dir == NULL && options->static_fallback == NULL &&
        options->static_immutable == NULL) {
        return 0;
    }
    struct zkt_static_files *files = zkt__alloc_zero(allocator, 1,
                                                     sizeof(*files));
    if (files == NULL) {
        zkt__server_log(server, ZKT_LOG_ERROR,
                        "no memory for the folder of static files");
        return UV_ENOMEM;
    }
    files->route = (struct zkt_route){ .order = ZKT_ROUTE_FILES,
                                       .judge = judge,
                                       .answer = answer };
    files->server = server;
    const int error = read_options(files, options);
    if (error != 0) {
        zkt__release(allocator, files);
        return error;
    }
    zkt__routes_add(server, &files->route);
    *out = files;
    return 0;
}

void zkt__static_files_close(struct zkt_static_files *files)
{
    if (files != NULL) {
        zkt__routes_remove(files->server, &files->route);
        zkt__release(zkt__server_allocator(files->server), files);
    }
}
