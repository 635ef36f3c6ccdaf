/*
 * zocketc breaking OLD NEW: prints the findings. Findings go to standard
 * output; mistakes in a schema, as always, to standard error.
 */
#include <stdio.h>
#include <string.h>

#include "breaking/breaking.h"
#include "cli/commands.h"
#include "cli/ignore.h"

static const struct {
    unsigned who;
    const char *name, *level, *word; /* word: of the option --who */
} groups[] = {
    { BREAKS_CLIENT, "older clients", "wire", "clients" },
    { BREAKS_SERVER, "older servers", "wire", "servers" },
    { BREAKS_SOURCE, "C source", "source", "code" },
    { BREAKS_STATE, "stored state", "storage", "state" },
};

enum {
    GROUPS = sizeof(groups) / sizeof(groups[0])
};

/* The old schema or the new. */
struct side {
    struct diag diag;
    const struct json_value *model;
};

/* Gives an exit status. */
static int read_side(struct arena *arena, const struct cli *cli,
                     const char *path, struct side *side)
{
    const struct ast_file *file = command_begin(arena, cli, &side->diag)
                                      ? command_load(arena, cli, path,
                                                     &side->diag)
                                      : NULL;
    if (file == NULL) {
        return STATUS_USAGE;
    }
    struct checked checked;
    if (!command_check(arena, &side->diag, file, &checked)) {
        return STATUS_SCHEMA;
    }
    side->model = command_describe(arena, &checked);
    return STATUS_OK;
}

static size_t group_of(enum breaking_who who)
{
    size_t i = 0;
    while (groups[i].who != who) {
        i++;
    }
    return i;
}

/* Whether a level is among those of @breaks; each is said once. */
static bool begins_level(size_t group, unsigned breaks)
{
    const bool again = group > 0 && (groups[group - 1].who & breaks) != 0 &&
                       strcmp(groups[group - 1].level, groups[group].level) ==
                           0;
    return (groups[group].who & breaks) != 0 && !again;
}

/* ---- for people ---- */

static void print_place(const struct side *side, struct source_range range)
{
    const struct source *source = sources_at(&side->diag.sources, range.start);
    const struct source_place at = source_find(source, range.start);
    printf("%s:%u:%u: ", source->path, at.line, at.column);
}

/* Text of a schema, of which all can be seen. */
static void print_visible(const char *text)
{
    struct text_buffer out = { 0 };
    emit_visible(&out, text);
    (void)fwrite(out.text, 1, out.len, stdout);
    text_buffer_finish(&out);
}

static void print_finding(const struct side *old, const struct side *new,
                          const struct breaking_finding *f, unsigned shown)
{
    print_place(new, f->new);
    printf("breaks ");
    bool first = true;
    for (size_t i = 0; i < GROUPS; i++) {
        if (begins_level(i, f->breaks & shown)) {
            printf("%s%s", first ? "" : ", ", groups[i].level);
            first = false;
        }
    }
    printf(": ");
    print_visible(f->text);
    printf(" [%s]\n", breaking_id_text(f->id));
    for (const struct breaking_reason *r = f->first; r != NULL; r = r->next) {
        if ((r->who & shown) != 0) {
            printf("    %s: ", groups[group_of(r->who)].name);
            print_visible(r->why);
            printf("\n");
        }
    }
    print_place(old, f->old);
    printf("note: before\n");
}

/* ---- for programs ---- */

static void emit_place(struct text_buffer *out, const char *key,
                       const struct side *side, struct source_range range)
{
    const struct source *source = sources_at(&side->diag.sources, range.start);
    const struct source_place at = source_find(source, range.start);
    emit_text(out, ",\"");
    emit_text(out, key);
    emit_text(out, "\":{\"file\":");
    emit_json_string(out, json_string(source->path));
    emit_text(out, ",\"line\":");
    emit_unsigned(out, at.line);
    emit_text(out, ",\"column\":");
    emit_unsigned(out, at.column);
    emit_text(out, "}");
}

static void emit_reasons(struct text_buffer *out,
                         const struct breaking_finding *f, unsigned shown)
{
    bool first = true;
    emit_text(out, ",\"breaks\":[");
    for (const struct breaking_reason *r = f->first; r != NULL; r = r->next) {
        if ((r->who & shown) == 0) {
            continue;
        }
        const size_t group = group_of(r->who);
        emit_text(out, first ? "{\"who\":" : ",{\"who\":");
        emit_json_string(out, json_string(groups[group].name));
        emit_text(out, ",\"level\":");
        emit_json_string(out, json_string(groups[group].level));
        emit_text(out, ",\"why\":");
        emit_json_string(out, json_string(r->why));
        emit_text(out, "}");
        first = false;
    }
    emit_text(out, "]}\n");
}

static void print_json(const struct side *old, const struct side *new,
                       const struct breaking_finding *f, unsigned shown)
{
    struct text_buffer out = { 0 };
    emit_text(&out, "{\"id\":");
    emit_json_string(&out, json_string(breaking_id_text(f->id)));
    emit_text(&out, ",\"message\":");
    emit_json_string(&out, json_string(f->text));
    emit_place(&out, "old", old, f->old);
    emit_place(&out, "new", new, f->new);
    emit_reasons(&out, f, shown);
    (void)fwrite(out.text, 1, out.len, stdout);
    text_buffer_finish(&out);
}

/* ---- */

/* Returns the groups of a level and a word of --who; NULL means any. */
static unsigned shown_groups(const char *level, const char *who)
{
    unsigned shown = 0;
    for (size_t i = 0; i < GROUPS; i++) {
        const bool wanted = (level == NULL ||
                             strcmp(level, groups[i].level) == 0) &&
                            (who == NULL || strcmp(who, groups[i].word) == 0);
        shown |= wanted ? groups[i].who : 0;
    }
    return shown;
}

int command_breaking(struct arena *arena, const struct cli *cli)
{
    struct side old, new;
    struct ignore ignore;
    if (!ignore_read(&ignore, arena, cli->ignore)) {
        return STATUS_USAGE;
    }
    int status = read_side(arena, cli, cli->files.items[0], &old);
    const int second = read_side(arena, cli, cli->files.items[1], &new);
    status = second > status ? second : status;
    if (status != STATUS_OK) {
        return status;
    }
    const unsigned shown = shown_groups(cli->level, cli->who);
    const struct breaking_finding *f = breaking_compare(arena, old.model,
                                                        new.model);
    for (; f != NULL; f = f->next) {
        if ((f->breaks & shown) != 0 &&
            !ignore_has(&ignore, f->text, breaking_id_text(f->id))) {
            (new.diag.json ? print_json : print_finding)(&old, &new, f, shown);
            status = STATUS_SCHEMA;
        }
    }
    return status;
}
