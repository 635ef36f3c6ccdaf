/*
 * Static files on connections without sockets: readers that take nothing, the
 * files that keep a descriptor, files that shrink, options, and memory that
 * fails.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/body.h"
#include "limit_hits.h"
#include "net/static_files.h"
#include "slow.h"
#include "zocket/embed.h"

enum {
    STEP = ZKT_HTTP_STEP,
    LONG = 5 * ZKT_HTTP_STEP + 3
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static char folder[64];

static void write_file(const char *name, size_t size)
{
    char path[128], *bytes = malloc(size + 1);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    memset(bytes, 'x', size);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void truncate_file(const char *name, off_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(truncate(path, size), 0);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/zocket-files-XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_file("index.html", 10);
    write_file("step", STEP);
    write_file("long", LONG);
    return 0;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* Returns the number of descriptors that are open. */
static int count_open(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

/* ---- a server ---- */

static struct zkt_server *new_server(struct zkt_serve_options options)
{
    static const uint8_t seed[32] = { 7 };
    struct zkt_server *server = NULL;
    options.random_seed = seed;
    options.metrics = true;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    return server;
}

static struct zkt_server *serve(int64_t files, struct zkt_static_files **out)
{
    struct zkt_server *server = new_server((struct zkt_serve_options){
        .static_dir = folder, .limits.static_files = files });
    assert_int_equal(zkt__static_files_open(server, out), 0);
    assert_non_null(*out);
    return server;
}

static struct wire connect_wire(struct zkt_server *server)
{
    struct wire w = { .e = zkt__server_accept(server, "test") };
    assert_non_null(w.e);
    return w;
}

/* Sends a request, and takes nothing of its answer. */
static void ask_slowly(struct wire *w, const char *text)
{
    feed(w, text, strlen(text), strlen(text), false);
}

/* Returns the bytes that wait to be sent. */
static size_t waiting(struct wire *w)
{
    struct zkt_slice slices[8];
    const size_t n = w->e->ops->pending(w->e, slices, 8);
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += slices[i].len;
    }
    return total;
}

/* Takes all of the answer, in as many turns as it needs. Returns the status. */
static int take_all(struct wire *w)
{
    w->len = 0;
    for (int i = 0; i < 100 && !w->e->aborted; i++) {
        drain(w);
        w->e->core->ops->tick(w->e->core);
    }
    return w->len > 12 ? atoi(w->text + 9) : 0;
}

static size_t body_of(const struct wire *w)
{
    const char *end = w->len > 0 ? strstr(w->text, "\r\n\r\n") : NULL;
    return end != NULL ? w->len - (size_t)(end + 4 - w->text) : 0;
}

/* ---- readers ---- */

/* No more of a file than a step is in memory. */
static void test_a_slow_reader(void **state)
{
    struct zkt_static_files *files;
    struct zkt_server *server = serve(0, &files);
    struct wire w = connect_wire(server);
    (void)state;
    ask_slowly(&w, GET("/long"));
    assert_in_range(waiting(&w), STEP, STEP + 1024);
    for (int i = 0; i < 10; i++) {
        w.e->core->ops->tick(w.e->core);
    }
    assert_in_range(waiting(&w), STEP, STEP + 1024);
    assert_int_equal(take_all(&w), 200);
    assert_int_equal(body_of(&w), LONG);
    close_wire(&w);
    zkt__static_files_close(files);
    zkt_server_free(server);
}

/* A file of a step is read at once; a longer one keeps its descriptor until it
 * is sent, or its reader has gone. */
static void test_descriptors(void **state)
{
    struct zkt_static_files *files;
    struct zkt_server *server = serve(2, &files);
    struct wire w[4];
    const int before = count_open();
    (void)state;
    for (int i = 0; i < 4; i++) {
        w[i] = connect_wire(server);
    }
    ask_slowly(&w[0], GET("/step"));
    assert_int_equal(count_open(), before);
    ask_slowly(&w[1], GET("/long"));
    ask_slowly(&w[2], GET("/long"));
    assert_int_equal(count_open(), before + 2);
    ask_slowly(&w[3], GET("/long"));
    assert_int_equal(take_all(&w[3]), 503);
    assert_non_null(strstr(w[3].text, "\r\nRetry-After: 1\r\n"));
    assert_limit_hits(server, "static_files", 1);
    assert_int_equal(count_open(), before + 2);
    assert_int_equal(take_all(&w[1]), 200);
    assert_int_equal(body_of(&w[1]), LONG);
    assert_int_equal(count_open(), before + 1);
    ask_slowly(&w[3], GET("/long"));
    close_wire(&w[2]);
    ask_slowly(&w[1], GET("/long"));
    assert_int_equal(take_all(&w[1]), 200);
    assert_int_equal(take_all(&w[3]), 200);
    assert_int_equal(take_all(&w[0]), 200);
    assert_int_equal(body_of(&w[0]), STEP);
    assert_int_equal(count_open(), before);
    close_wire(&w[0]);
    close_wire(&w[1]);
    close_wire(&w[3]);
    zkt__static_files_close(files);
    zkt_server_free(server);
}

static void test_a_file_that_shrinks(void **state)
{
    struct zkt_static_files *files;
    struct zkt_server *server = serve(1, &files);
    struct wire w = connect_wire(server);
    const int before = count_open();
    (void)state;
    write_file("shrinks", LONG);
    ask_slowly(&w, GET("/shrinks"));
    truncate_file("shrinks", STEP + 5);
    assert_int_equal(take_all(&w), 200);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
    assert_true(body_of(&w) <= STEP + 5);
    assert_int_equal(count_open(), before);
    close_wire(&w);
    w = connect_wire(server);
    ask_slowly(&w, GET("/long"));
    assert_int_equal(take_all(&w), 200);
    close_wire(&w);
    zkt__static_files_close(files);
    zkt_server_free(server);
}

/* ---- options ---- */

static void test_options(void **state)
{
    static const struct {
        const char *folder, *fallback, *immutable;
        bool good;
    } table[] = {
        { NULL, NULL, NULL, true },
        { folder, NULL, NULL, true },
        { folder, "index.html", "/assets", true },
        { folder, "/a/b.html", "a/b/", true },
        { folder, "none.html", "none", true },
        { folder, "", NULL, false },
        { folder, "/", NULL, false },
        { folder, "../x", NULL, false },
        { folder, ".hidden", NULL, false },
        { folder, "a//b", NULL, false },
        { folder, NULL, "", false },
        { folder, NULL, "/", false },
        { folder, NULL, "/%2e%2e", false },
        { NULL, "index.html", NULL, false },
        { NULL, NULL, "/assets", false },
        { "", NULL, NULL, false },
        { "/none/such", NULL, NULL, false },
        { "/dev/null", NULL, NULL, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_static_files *files;
        struct zkt_server *server = new_server((struct zkt_serve_options){
            .static_dir = table[i].folder,
            .static_fallback = table[i].fallback,
            .static_immutable = table[i].immutable,
        });
        const int error = zkt__static_files_open(server, &files);
        if ((error == 0) != table[i].good) {
            fail_msg("row %zu: %d", i, error);
        }
        assert_int_equal(files != NULL,
                         table[i].good && table[i].folder != NULL);
        zkt__static_files_close(files);
        zkt_server_free(server);
    }
}

/* ---- failing memory ---- */

/* Sends a request to a server whose allocation number @n from then on fails, if
 * @n is not 0. Returns the number of allocations. */
static long request_without_memory(const char *text, int status, long n)
{
    struct failing_alloc failing;
    struct zkt_static_files *files;
    failing_alloc_init(&failing, 0);
    struct zkt_server *server = new_server((struct zkt_serve_options){
        .static_dir = folder, .allocator = &failing.allocator });
    const int before = count_open();
    assert_int_equal(zkt__static_files_open(server, &files), 0);
    struct wire w = connect_wire(server);
    const long start = failing.calls;
    failing.fail_at = n > 0 ? start + n : 0;
    ask_slowly(&w, text);
    const int answered = take_all(&w);
    const long calls = failing.calls - start;
    if (answered != status && answered != 503) {
        assert_true(n > 0 && (w.e->aborted || w.e->closing));
    }
    assert_int_equal(count_open(), before);
    close_wire(&w);
    zkt__static_files_close(files);
    zkt_server_free(server);
    assert_int_equal(failing.live, 0);
    return calls;
}

static void test_failing_memory(void **state)
{
    static const struct {
        const char *text;
        int status;
    } table[] = {
        { GET("/"), 200 },
        { GET("/long"), 200 },
        { GET("/folder?query"), 308 },
        { GET("/none"), 404 },
    };
    char path[128];
    (void)state;
    snprintf(path, sizeof(path), "%s/folder", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    write_file("folder/index.html", 1);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const long calls = request_without_memory(table[i].text,
                                                  table[i].status, 0);
        assert_true(calls > 0);
        for (long n = 1; n <= calls; n++) {
            (void)request_without_memory(table[i].text, table[i].status, n);
        }
    }
}

static void test_failing_memory_at_the_start(void **state)
{
    struct failing_alloc failing;
    struct zkt_static_files *files;
    failing_alloc_init(&failing, 0);
    struct zkt_server *server = new_server((struct zkt_serve_options){
        .static_dir = folder, .allocator = &failing.allocator });
    (void)state;
    failing.fail_at = failing.calls + 1;
    assert_int_not_equal(zkt__static_files_open(server, &files), 0);
    assert_null(files);
    zkt_server_free(server);
    assert_int_equal(failing.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_reader),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_a_file_that_shrinks),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_failing_memory),
        cmocka_unit_test(test_failing_memory_at_the_start),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
