/*
 * Writing files in a folder made for the test: an unchanged file keeps its
 * time, and if a file cannot be written, no file is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/output.h"

static char folder[64]; /* of the running test */

/* Returns FOLDER/@name in one of two static buffers, alternately. */
static const char *in_folder(const char *name)
{
    static char paths[2][256];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", folder, name);
    return paths[turn];
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/output_test.XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static void add(struct output *output, const char *directory, const char *name,
                const char *content)
{
    struct text_buffer text = { 0 };
    emit_text(&text, content);
    output_add(output, directory, name, &text);
    assert_null(text.text);
}

static void assert_content(const char *path, const char *expected)
{
    char text[256];
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    const size_t n = fread(text, 1, sizeof(text) - 1, stream);
    text[n] = '\0';
    fclose(stream);
    assert_string_equal(text, expected);
}

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int count = 0;
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count - 2; /* without . and .. */
}

/* Sets the time of @path to long ago. */
static void set_old(const char *path)
{
    const struct timespec times[2] = { { 1000, 5 }, { 1000, 5 } };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static struct timespec time_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mtim;
}

static void writes_files_in_a_new_folder(void **state)
{
    (void)state;
    struct output output = { 0 };
    const char *failed = NULL;
    add(&output, in_folder("new"), "a.h", "one\n");
    assert_true(output_has(&output, in_folder("new"), "a.h"));
    assert_false(output_has(&output, in_folder("new"), "a.c"));
    assert_false(output_has(&output, folder, "a.h"));
    add(&output, in_folder("new"), "a.c", "two\n");
    assert_true(output_write(&output, &failed));
    output_finish(&output);
    assert_content(in_folder("new/a.h"), "one\n");
    assert_content(in_folder("new/a.c"), "two\n");
    assert_int_equal(count_entries(in_folder("new")), 2);
}

static void an_equal_file_keeps_its_time(void **state)
{
    (void)state;
    struct output output = { 0 };
    const char *failed = NULL;
    add(&output, folder, "same", "same\n");
    add(&output, folder, "longer", "text");
    add(&output, folder, "shorter", "text");
    assert_true(output_write(&output, &failed));
    output_finish(&output);
    set_old(in_folder("same"));
    set_old(in_folder("longer"));
    set_old(in_folder("shorter"));

    add(&output, folder, "same", "same\n");
    add(&output, folder, "longer", "text+");
    add(&output, folder, "shorter", "tex");
    assert_true(output_write(&output, &failed));
    output_finish(&output);
    assert_int_equal(time_of(in_folder("same")).tv_sec, 1000);
    assert_int_equal(time_of(in_folder("same")).tv_nsec, 5);
    assert_true(time_of(in_folder("longer")).tv_sec > 1000);
    assert_true(time_of(in_folder("shorter")).tv_sec > 1000);
    assert_content(in_folder("longer"), "text+");
    assert_content(in_folder("shorter"), "tex");
    assert_int_equal(count_entries(folder), 3);
}

static void one_failure_leaves_all_as_it_was(void **state)
{
    (void)state;
    struct output output = { 0 };
    const char *failed = NULL;
    add(&output, folder, "old", "old\n");
    assert_true(output_write(&output, &failed));
    output_finish(&output);
    assert_int_equal(mkdir(in_folder("taken"), 0777), 0);

    add(&output, folder, "old", "changed\n");
    add(&output, in_folder("new"), "fresh", "fresh\n");
    add(&output, folder, "taken", "a folder has this name\n");
    assert_false(output_write(&output, &failed));
    assert_int_equal(errno, EISDIR);
    assert_string_equal(failed, in_folder("taken"));
    output_finish(&output);
    assert_content(in_folder("old"), "old\n");
    assert_int_equal(access(in_folder("new"), F_OK), -1);
    assert_int_equal(count_entries(folder), 2);
}

static void a_missing_parent_is_an_error(void **state)
{
    (void)state;
    struct output output = { 0 };
    const char *failed = NULL;
    add(&output, in_folder("no/such"), "a", "a\n");
    assert_false(output_write(&output, &failed));
    assert_int_equal(errno, ENOENT);
    assert_string_equal(failed, in_folder("no/such/a"));
    output_finish(&output);
    assert_int_equal(count_entries(folder), 0);
}

static void a_path_is_written_once(void **state)
{
    (void)state;
    struct output output = { 0 };
    const char *failed = NULL;
    add(&output, folder, "a", "a\n");
    add(&output, folder, "a", "a\n");
    assert_int_equal(output.count, 1);
    assert_true(output_write(&output, &failed));
    output_finish(&output);
    assert_content(in_folder("a"), "a\n");
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_files_in_a_new_folder),
        TEST(an_equal_file_keeps_its_time),
        TEST(one_failure_leaves_all_as_it_was),
        TEST(a_missing_parent_is_an_error),
        TEST(a_path_is_written_once),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
