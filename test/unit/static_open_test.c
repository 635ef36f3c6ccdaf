/*
 * Files below a folder that is made to be escaped from: links, folders in place
 * of files, FIFOs, sockets, devices, files that may not be read, and folders
 * that are replaced by links all the while. And the choice of a file: indexes,
 * encoded forms, and no descriptors.
 */
#define _GNU_SOURCE /* renameat2 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/static_find.h"
#include "net/static_open.h"

static char top[64];   /* a folder of the test, with all others */
static char root[128]; /* the folder that is served */

/* Makes the name of a file beside the root or, behind "root/", in it. */
static const char *at(const char *name)
{
    static char names[4][256];
    static int next;
    char *out = names[next++ % 4];
    snprintf(out, sizeof(names[0]), "%s/%s", top, name);
    return out;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void make_socket(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", at(name));
    assert_int_equal(
        bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(close(fd), 0);
}

static int make(void **state)
{
    static const char *const folders[] = { "root",     "root/a",    "root/a/b",
                                           "root/dir", "root/real", "outside" };
    (void)state;
    snprintf(top, sizeof(top), "/tmp/zocket-static-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(chmod(top, 0755), 0);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        assert_int_equal(mkdir(at(folders[i]), 0755), 0);
    }
    snprintf(root, sizeof(root), "%s", at("root"));
    write_file("root/index.html", "top");
    write_file("root/a/b/c.txt", "deep");
    write_file("root/real/file", "real");
    write_file("outside/file", "secret");
    assert_int_equal(symlink("../outside/file", at("root/link")), 0);
    assert_int_equal(symlink(at("outside/file"), at("root/absolute")), 0);
    assert_int_equal(symlink("../outside", at("root/folder")), 0);
    assert_int_equal(symlink("index.html", at("root/inner")), 0);
    assert_int_equal(symlink("a", at("root/inner-folder")), 0);
    assert_int_equal(symlink("loop", at("root/loop")), 0);
    assert_int_equal(symlink("/proc/self", at("root/proc")), 0);
    assert_int_equal(symlink("/dev/zero", at("root/zero")), 0);
    assert_int_equal(symlink("root", at("alias")), 0);
    assert_int_equal(mkfifo(at("root/fifo"), 0644), 0);
    make_socket("root/socket");
    return 0;
}

static int clean(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", top);
    return system(command);
}

/* Opens a path below @from. Returns a descriptor, an error, or the status of a
 * path that is refused. */
static int open_below(const char *from, const char *text, struct stat *file)
{
    struct zkt_http_file_path path;
    const int status = zkt__http_file_path(zkt_cstr(text), &path);
    if (status != 0) {
        return -status;
    }
    const int folder = zkt__static_open_folder(from, &path, path.count - 1);
    if (folder < 0) {
        return folder;
    }
    const int fd = zkt__static_open_file(folder, path.last, file);
    assert_int_equal(close(folder), 0);
    return fd;
}

static void test_files(void **state)
{
    static const struct {
        const char *path, *text;
    } table[] = {
        { "/index.html", "top" },
        { "/a/b/c.txt", "deep" },
        { "/%61/b/c%2Etxt", "deep" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[16] = "";
        struct stat file;
        const int fd = open_below(root, table[i].path, &file);
        assert_true(fd >= 0);
        assert_int_equal(file.st_size, strlen(table[i].text));
        assert_int_equal(read(fd, text, sizeof(text)), file.st_size);
        assert_string_equal(text, table[i].text);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *path;
        int error;
    } table[] = {
        { "/none", ENOENT },
        { "/none/none", ENOENT },
        { "/index.html/x", ENOTDIR },
        { "/a", EISDIR },
        { "/link", ENOENT },
        { "/absolute", ENOENT },
        { "/inner", ENOENT },
        { "/loop", ENOENT },
        { "/zero", ENOENT },
        { "/folder", ENOENT },
        { "/folder/file", ENOTDIR },
        { "/inner-folder/b/c.txt", ENOTDIR },
        { "/a/../../outside/file", 400 },
        { "/proc/environ", ENOTDIR },
        { "/proc/root/etc/passwd", ENOTDIR },
        { "/fifo", ENOENT },
        { "/fifo/x", ENOTDIR },
        { "/socket", ENOENT },
        { "/socket/x", ENOTDIR },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct stat file;
        const int error = open_below(root, table[i].path, &file);
        if (error != -table[i].error) {
            fail_msg("%s: %d", table[i].path, error);
        }
        assert_true(error == -400 || zkt__static_is_absent(error));
    }
}

static void test_the_root(void **state)
{
    struct zkt_http_file_path path = { .count = 0 };
    struct stat file;
    (void)state;
    /* it may be a link */
    const int fd = open_below(at("alias"), "/index.html", &file);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(zkt__static_open_folder(at("none"), &path, 0), -ENOENT);
    assert_int_equal(zkt__static_open_folder(at("root/index.html"), &path, 0),
                     -ENOTDIR);
    assert_int_equal(zkt__static_open_folder(at("root/fifo"), &path, 0),
                     -ENOTDIR);
}

/* A program that runs as root looks as somebody who is not. */
static void test_permissions(void **state)
{
    const bool is_root = geteuid() == 0;
    struct stat file;
    (void)state;
    write_file("root/mine", "mine");
    assert_int_equal(chmod(at("root/mine"), 0), 0);
    assert_int_equal(mkdir(at("root/closed"), 0), 0);
    write_file("root/real/listed", "listed");
    assert_int_equal(chmod(at("root/real"), 0711), 0);
    if (is_root) {
        assert_int_equal(seteuid(65534), 0);
    }
    assert_int_equal(open_below(root, "/mine", &file), -EACCES);
    assert_int_equal(open_below(root, "/closed/x", &file), -EACCES);
    assert_false(zkt__static_is_absent(-EACCES));
    /* a folder need not be readable to open a file in it */
    const int fd = open_below(root, "/real/listed", &file);
    assert_true(fd >= 0);
    close(fd);
    if (is_root) {
        assert_int_equal(seteuid(0), 0);
    }
}

/* A device, where the test may make one. */
static void test_devices(void **state)
{
    struct stat file;
    (void)state;
    if (mknod(at("root/device"), S_IFCHR | 0644, makedev(1, 5)) == 0) {
        assert_int_equal(open_below(root, "/device", &file), -ENOENT);
    }
}

/* No reader of a FIFO is made, not even for a moment: its writer finds none. */
static void test_a_fifo_is_left_alone(void **state)
{
    struct stat file;
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(open_below(root, "/fifo", &file), -ENOENT);
        assert_int_equal(open(at("root/fifo"), O_WRONLY | O_NONBLOCK), -1);
        assert_int_equal(errno, ENXIO);
    }
}

/* ---- races ---- */

struct race {
    const char *one, *other; /* are exchanged */
    atomic_bool over;
    atomic_uint swaps;
};

static void *swap(void *with)
{
    struct race *race = with;
    while (!atomic_load(&race->over)) {
        if (renameat2(AT_FDCWD, race->one, AT_FDCWD, race->other,
                      RENAME_EXCHANGE) == 0) {
            atomic_fetch_add(&race->swaps, 1);
        }
    }
    return NULL;
}

/* Opens @path while two names are exchanged, until that has happened often
 * enough. Fails if a file other than the served one is opened. */
static void race_for(const char *path, const char *one, const char *other,
                     const struct stat *served)
{
    enum {
        SWAPS = 2000,
        OPENS = 10000
    };
    struct race race = { .one = one, .other = other };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, swap, &race), 0);
    for (unsigned i = 0; i < OPENS || atomic_load(&race.swaps) < SWAPS; i++) {
        struct stat file;
        const int fd = open_below(root, path, &file);
        if (fd >= 0) {
            assert_true(file.st_ino == served->st_ino &&
                        file.st_dev == served->st_dev);
            close(fd);
        } else if (!zkt__static_is_absent(fd)) {
            fail_msg("%s: %s", path, strerror(-fd));
        }
    }
    atomic_store(&race.over, true);
    pthread_join(thread, NULL);
}

static void test_races(void **state)
{
    struct stat served;
    (void)state;
    assert_int_equal(chmod(at("root/real"), 0755), 0);
    assert_int_equal(stat(at("root/real/file"), &served), 0);
    /* a folder and a link to another one */
    race_for("/real/file", at("root/real"), at("root/folder"), &served);
    /* a file and a link to another one */
    write_file("root/dir/file", "real");
    assert_int_equal(symlink(at("outside/file"), at("root/dir/link")), 0);
    assert_int_equal(lstat(at("root/dir/file"), &served), 0);
    race_for("/dir/file", at("root/dir/file"), at("root/dir/link"), &served);
}

/* A file and a FIFO, which would be waited for. */
static void test_races_with_a_fifo(void **state)
{
    struct stat served;
    (void)state;
    write_file("root/a/file", "real");
    assert_int_equal(stat(at("root/a/file"), &served), 0);
    race_for("/a/file", at("root/a/file"), at("root/fifo"), &served);
}

/* ---- the choice of a file ---- */

/* Finds a file for a client that accepts all encodings. Returns the status, and
 * in 200 the length of the file in *@size. */
static int find(const char *text, off_t *size, int *error)
{
    static const struct zkt_http_accepted all = { { 1000, 1000, 1 } };
    struct zkt_http_file_path path;
    struct zkt_static_file file;
    assert_int_equal(zkt__http_file_path(zkt_cstr(text), &path), 0);
    const int status = zkt__static_find(root, &path, &all, &file, error);
    if (status == 200) {
        *size = file.attributes.st_size;
        assert_int_equal(close(file.fd), 0);
    }
    return status;
}

static void test_choices(void **state)
{
    static const struct {
        const char *path;
        int status;
        off_t size;
    } table[] = {
        { "/", 200, 3 },          { "/index.html", 200, 3 },
        { "/site", 308, 0 },      { "/site/", 200, 4 },
        { "/a", 404, 0 },         { "/a/", 404, 0 },
        { "/none/", 404, 0 },     { "/folder", 404, 0 },
        { "/fifo", 404, 0 },      { "/linked/", 404, 0 },
        { "/linked", 404, 0 },    { "/site/index.html/", 404, 0 },
        { "/site/x.js", 200, 2 }, { "/site/y.js", 200, 5 },
        { "/site/z.js", 200, 5 }, { "/site/old.js", 200, 5 },
    };
    const struct timespec old[] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
    (void)state;
    assert_int_equal(mkdir(at("root/site"), 0755), 0);
    write_file("root/site/index.html", "site");
    write_file("root/site/x.js", "plain");
    write_file("root/site/x.js.gz", "gzi");
    write_file("root/site/x.js.br", "br");
    write_file("root/site/y.js", "plain");
    write_file("root/site/old.js", "plain");
    write_file("root/site/old.js.br", "br");
    assert_int_equal(utimensat(AT_FDCWD, at("root/site/old.js.br"), old, 0), 0);
    /* a form is no link, and no folder */
    assert_int_equal(symlink("x.js.br", at("root/site/y.js.br")), 0);
    write_file("root/site/z.js", "plain");
    assert_int_equal(mkdir(at("root/site/z.js.gz"), 0755), 0);
    assert_int_equal(mkdir(at("root/linked"), 0755), 0);
    assert_int_equal(symlink("../index.html", at("root/linked/index.html")), 0);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        off_t size = 0;
        int error;
        const int status = find(table[i].path, &size, &error);
        if (status != table[i].status || size != table[i].size || error != 0) {
            fail_msg("%s: %d, %d bytes", table[i].path, status, (int)size);
        }
    }
}

/* Returns the lowest free descriptor. */
static int lowest_free(void)
{
    const int fd = open("/dev/null", O_RDONLY);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

/* With each number of descriptors that are left, a file is found or the client
 * is to try again; and none stays open. */
static void test_no_descriptors(void **state)
{
    static const char *const paths[] = { "/site/x.js", "/site/y.js", "/site",
                                         "/a/b/c.txt" };
    const int first = lowest_free();
    struct rlimit before;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        for (int left = 0; left < 5; left++) {
            struct rlimit few = before;
            off_t size;
            int error;
            few.rlim_cur = (rlim_t)(first + left);
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
            const int status = find(paths[i], &size, &error);
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
            assert_int_equal(error, status == 503 ? EMFILE : 0);
            assert_true(status == 503
                            ? left < 3
                            : left > 0 && (status == 200 || status == 308));
            assert_int_equal(lowest_free(), first);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_the_root),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_a_fifo_is_left_alone),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_races),
        cmocka_unit_test(test_races_with_a_fifo),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
