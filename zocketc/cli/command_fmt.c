/*
 * zocketc fmt: files in the style of schemas, in place. A file is parsed first,
 * and left alone if that shows a mistake; constructs that the compiler does not
 * build yet are laid out all the same. A file keeps its mode, and a link stays
 * a link: its target is written. Line ends stay \r\n if the first line has
 * that.
 */
#define _XOPEN_SOURCE 700 /* realpath */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "format/format.h"
#include "syntax/parse.h"
#include "util/output.h"

static int fail(const char *what, const char *path)
{
    fprintf(stderr, "zocketc: cannot %s %s: %s\n", what, path, strerror(errno));
    return STATUS_USAGE;
}

/* Takes @text. */
static int write_back(const char *path, struct text_buffer *text)
{
    struct output output = { 0 };
    const char *failed = path;
    char *target = realpath(path, NULL);
    int status = STATUS_OK;
    if (target == NULL) {
        text_buffer_finish(text);
        return fail("write", path);
    }
    output_add_path(&output, target, text);
    output.keep_mode = true;
    if (!output_write(&output, &failed)) {
        status = fail("write", failed);
    }
    output_finish(&output);
    free(target);
    return status;
}

/* A file, without its imports. */
static bool read_one(struct arena *arena, const struct cli *cli,
                     const char *path, struct source *source, struct diag *diag)
{
    if (!command_begin(arena, cli, diag)) {
        return false;
    }
    if (!source_read(arena, path, source)) {
        (void)fail("read", path);
        return false;
    }
    if (strcmp(path, "-") == 0) {
        source->path = cli->name != NULL ? cli->name : "<stdin>";
    }
    return sources_add(&diag->sources, source);
}

static bool is_changed(const struct source *source,
                       const struct text_buffer *text)
{
    return source->is_mixed || source->len != text->len ||
           (text->len > 0 && memcmp(source->text, text->text, text->len) != 0);
}

/* Gives @text the line ends of the file. */
static void restore_line_ends(const struct source *source,
                              struct text_buffer *text)
{
    struct text_buffer out = { 0 };
    if (!source->has_crlf) {
        return;
    }
    for (const char *line = text->text; line != NULL && *line != '\0';) {
        const size_t len = strcspn(line, "\n");
        emit_bytes(&out, line, len);
        emit_text(&out, "\r\n");
        line += len + 1;
    }
    text_buffer_finish(text);
    *text = out;
}

/* Takes @text. */
static int finish(const struct cli *cli, const char *path,
                  const struct source *source, struct text_buffer *text)
{
    const bool input = strcmp(path, "-") == 0;
    const bool changed = is_changed(source, text);
    int status = STATUS_OK;
    restore_line_ends(source, text);
    if (cli->check) {
        if (changed) {
            printf("%s\n", source->path);
            status = STATUS_SCHEMA;
        }
    } else if (input) {
        (void)fwrite(text->text, 1, text->len, stdout);
    } else if (changed) {
        return write_back(path, text);
    }
    text_buffer_finish(text);
    return status;
}

static int format_file(const struct cli *cli, const char *path)
{
    struct arena arena = { 0 };
    struct source source;
    struct diag diag;
    int status = STATUS_USAGE;
    if (read_one(&arena, cli, path, &source, &diag)) {
        diag.levels[DIAG_UNSUPPORTED] = DIAG_LEVEL_OFF;
        diag.levels[DIAG_UNUSED_DOC] = DIAG_LEVEL_OFF;
        (void)parse_file(&arena, &diag, &source);
        diag_finish(&diag);
        status = STATUS_SCHEMA;
        if (diag.errors == 0) {
            struct text_buffer text = format_source(&arena, &source);
            status = finish(cli, path, &source, &text);
        }
    }
    arena_finish(&arena);
    return status;
}

int command_fmt(struct arena *arena, const struct cli *cli)
{
    int worst = STATUS_OK;
    (void)arena;
    for (size_t i = 0; i < cli->files.count; i++) {
        const int status = format_file(cli, cli->files.items[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}
