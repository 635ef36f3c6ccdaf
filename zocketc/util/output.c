/*
 * Writing files, all or none: every file that would change is first written
 * beside its place under another name; only when all of that has worked are
 * they renamed, which replaces a file in a single step. Known obstacles to a
 * rename (a folder with the file's name) are checked before, so that in
 * practice no rename fails after another has been made.
 */
#include "util/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("zocketc: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

static char *join(const char *a, const char *between, const char *b)
{
    const size_t size = strlen(a) + strlen(between) + strlen(b) + 1;
    char *text = checked(malloc(size));
    snprintf(text, size, "%s%s%s", a, between, b);
    return text;
}

static bool has_path(const struct output *output, const char *path)
{
    for (size_t i = 0; i < output->count; i++) {
        if (strcmp(output->files[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

bool output_has(const struct output *output, const char *directory,
                const char *name)
{
    char *path = join(directory, "/", name);
    const bool has = has_path(output, path);
    free(path);
    return has;
}

/* Takes @path and @text. */
static void add(struct output *output, char *path, struct text_buffer *text)
{
    if (has_path(output, path)) {
        free(path);
        text_buffer_finish(text);
        return;
    }
    if (output->count == output->capacity) {
        output->capacity = output->capacity > 0 ? output->capacity * 2 : 8;
        output->files = checked(
            realloc(output->files, output->capacity * sizeof(*output->files)));
    }
    output->files[output->count++] = (struct output_file){ .path = path,
                                                           .text = *text };
    *text = (struct text_buffer){ 0 };
}

void output_add(struct output *output, const char *directory, const char *name,
                struct text_buffer *text)
{
    add(output, join(directory, "/", name), text);
}

void output_add_path(struct output *output, const char *path,
                     struct text_buffer *text)
{
    add(output, join(path, "", ""), text);
}

/* Whether the file is there with just this content. */
static bool is_equal(const struct output_file *file)
{
    char block[8192];
    size_t at = 0, n;
    FILE *stream = fopen(file->path, "rb");
    if (stream == NULL) {
        return false;
    }
    bool equal = true;
    while (equal && (n = fread(block, 1, sizeof(block), stream)) > 0) {
        equal = n <= file->text.len - at &&
                memcmp(block, file->text.text + at, n) == 0;
        at += n;
    }
    equal = equal && !ferror(stream) && at == file->text.len;
    fclose(stream);
    return equal;
}

/* Makes the folder of @path if it is missing, and remembers that. */
static bool make_folder(struct output *output, const char *path)
{
    char *folder = join(path, "", "");
    char *slash = strrchr(folder, '/');
    *(slash != NULL ? slash : folder) = '\0';
    if (folder[0] == '\0' || mkdir(folder, 0777) != 0) {
        const bool there = folder[0] == '\0' || errno == EEXIST;
        free(folder);
        return there;
    }
    output->made = checked(realloc(output->made, (output->made_count + 1) *
                                                     sizeof(*output->made)));
    output->made[output->made_count++] = folder;
    return true;
}

static bool write_all(int descriptor, const char *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(descriptor, bytes, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* Writes the content beside its place. */
static bool write_temporary(struct output_file *file, bool keep_mode)
{
    struct stat status;
    char suffix[32];
    const bool there = stat(file->path, &status) == 0;
    if (there && !S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EEXIST;
        return false;
    }
    snprintf(suffix, sizeof(suffix), ".%ld.tmp", (long)getpid());
    char *temporary = join(file->path, "", suffix);
    const int descriptor = open(temporary,
                                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        free(temporary);
        return false;
    }
    file->temporary = temporary;
    const bool written = (!there || !keep_mode ||
                          fchmod(descriptor, status.st_mode & 07777) == 0) &&
                         write_all(descriptor, file->text.text, file->text.len);
    const int error = errno;
    if (close(descriptor) != 0) {
        return false;
    }
    errno = error;
    return written;
}

/* Removes temporary files, and folders that were made for them. */
static void take_back(struct output *output)
{
    const int error = errno;
    for (size_t i = 0; i < output->count; i++) {
        struct output_file *file = &output->files[i];
        if (file->temporary != NULL) {
            unlink(file->temporary);
            free(file->temporary);
            file->temporary = NULL;
        }
    }
    while (output->made_count > 0) {
        char *folder = output->made[--output->made_count];
        rmdir(folder);
        free(folder);
    }
    errno = error;
}

static bool prepare(struct output *output, struct output_file *file)
{
    return is_equal(file) || (make_folder(output, file->path) &&
                              write_temporary(file, output->keep_mode));
}

bool output_write(struct output *output, const char **path)
{
    for (size_t i = 0; i < output->count; i++) {
        if (!prepare(output, &output->files[i])) {
            *path = output->files[i].path;
            take_back(output);
            return false;
        }
    }
    for (size_t i = 0; i < output->count; i++) {
        struct output_file *file = &output->files[i];
        if (file->temporary == NULL) {
            continue;
        }
        if (rename(file->temporary, file->path) != 0) {
            *path = file->path;
            take_back(output);
            return false;
        }
        free(file->temporary);
        file->temporary = NULL;
    }
    return true;
}

void output_finish(struct output *output)
{
    for (size_t i = 0; i < output->count; i++) {
        free(output->files[i].path);
        free(output->files[i].temporary);
        text_buffer_finish(&output->files[i].text);
    }
    for (size_t i = 0; i < output->made_count; i++) {
        free(output->made[i]);
    }
    free(output->files);
    free(output->made);
    *output = (struct output){ 0 };
}
