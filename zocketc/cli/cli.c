/* See cli.h. cli_print.c prints help, man page and completions from the table.
 */
#include "cli/cli.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "syntax/diag.h"

#define COMPILE  (1u << CLI_COMPILE)
#define FMT      (1u << CLI_FMT)
#define BREAKING (1u << CLI_BREAKING)
#define ALL      (COMPILE | FMT | BREAKING)

const struct cli_command_info cli_commands[CLI_COMMAND_COUNT] = {
    [CLI_COMPILE] = { NULL, "FILE.zkt", "turn a schema into code",
                      "Reads a schema, says what is wrong with it, and writes "
                      "what the "
                      "options ask for: all of it, or nothing when there is a "
                      "mistake. A "
                      "file whose content would not change is left alone. FILE "
                      "may be - for "
                      "standard input.",
                      1, 1 },
    [CLI_FMT] = { "fmt", "FILE...", "lay out schemas in the one style",
                  "Rewrites each file in place. Comments stay; of several "
                  "blank lines "
                  "one stays. A file with a syntax error is left alone. With - "
                  "for FILE "
                  "the schema is read from standard input and written to "
                  "standard "
                  "output.",
                  1, SIZE_MAX },
    [CLI_BREAKING] = { "breaking", "OLD NEW",
                       "say what a change of a schema breaks",
                       "Compares two versions of a schema and lists what older "
                       "clients, older "
                       "servers, stored state or C source would not survive. "
                       "Exit status 1 if "
                       "there is any of it.",
                       2, 2 },
};

#define FOLDER "DIR"
#define PATH   "FILE"

const struct cli_option cli_options[] = {
#define OUTPUT(symbol, option, argument, help, text)                           \
    { option,                                                                  \
      argument,                                                                \
      help,                                                                    \
      text,                                                                    \
      CLI_TEXT,                                                                \
      COMPILE,                                                                 \
      offsetof(struct cli, outputs[CLI_OUTPUT_##symbol]) },
#define C_FILE(...)
#define FOLDER_FILE(...)
#define PATH_FILE(...)
#include "cli/outputs.def"
#undef OUTPUT
#undef C_FILE
#undef FOLDER_FILE
#undef PATH_FILE
    { "--depfile", "FILE", "write what was read, in the syntax of make",
      "write a rule in the syntax of make: what is written depends on the "
      "schema and on everything that it imports",
      CLI_TEXT, COMPILE, offsetof(struct cli, depfile) },
    { "-I", "DIR", "look for imported files in DIR, too",
      "look for imported files in DIR, too, where they are not found beside "
      "the file that imports them; may be given several times",
      CLI_LIST, COMPILE | BREAKING, offsetof(struct cli, include) },
    { "--name", "FILE", "what a schema from standard input is called",
      "what a schema from standard input is called, in messages, in the names "
      "of what is written, and for its imports",
      CLI_TEXT, COMPILE | FMT, offsetof(struct cli, name) },
    { "--check", NULL, "write nothing: look for mistakes, or (fmt) list files",
      "write nothing: only look for mistakes; with fmt, list the files that "
      "would change, with exit status 1 if there are any",
      CLI_FLAG, COMPILE | FMT, offsetof(struct cli, check) },
    { "--print-outputs", NULL, "print the names of what would be written",
      "print the names of the files that would be written, one on each line, "
      "without reading the schema",
      CLI_FLAG, COMPILE, offsetof(struct cli, print_outputs) },
    { "--warn", "WORDS", "--warn is every warning, =none is none, =error: fail",
      "which warnings there are: words with commas between, of which later "
      "ones win. all (or no words), none, error (a warning is an error), ID "
      "and no-ID (this one), error=ID (this one, as an error)",
      CLI_OPTIONAL, COMPILE | BREAKING, offsetof(struct cli, warn) },
    { "--level", "wire|source|storage", "list only what breaks this",
      "list only what breaks older clients and servers (wire), C code that "
      "uses what is generated (source), or state that was stored (storage)",
      CLI_TEXT, BREAKING, offsetof(struct cli, level) },
    { "--who", "clients|servers|code|state", "list only what breaks these",
      "list only what breaks older clients, older servers (which do not "
      "matter where servers are deployed first), C code, or stored state",
      CLI_TEXT, BREAKING, offsetof(struct cli, who) },
    { "--ignore", "FILE", "leave out the findings that FILE lists",
      "leave out the findings that FILE lists, each as it is printed, from its "
      "text to its id in brackets; an id alone stands for all of its findings",
      CLI_TEXT, BREAKING, offsetof(struct cli, ignore) },
    { "--diagnostics", "text|json", "how messages are printed",
      "how messages are printed: for people, or each as one JSON object on a "
      "line of its own",
      CLI_TEXT, ALL, offsetof(struct cli, diagnostics) },
    { "--version", NULL, "print the version", NULL, CLI_FLAG, ALL,
      offsetof(struct cli, version) },
    { "--help", NULL, "print this", "print a short help", CLI_FLAG, ALL,
      offsetof(struct cli, help) },
    { "-h", NULL, NULL, NULL, CLI_FLAG, ALL, offsetof(struct cli, help) },
    /* For the build. */
    { "--print-man", NULL, NULL, NULL, CLI_FLAG, COMPILE,
      offsetof(struct cli, man) },
    { "--print-completion", "bash|zsh|fish", NULL, NULL, CLI_TEXT, COMPILE,
      offsetof(struct cli, completion) },
};

enum {
    OPTION_COUNT = sizeof(cli_options) / sizeof(cli_options[0])
};
const size_t cli_option_count = OPTION_COUNT;

#undef FOLDER
#undef PATH
#define FOLDER true
#define PATH   false

/* Whether the files of an output are named after the schema. */
static const bool is_in_folder[CLI_OUTPUT_COUNT] = {
#define OUTPUT(symbol, option, argument, ...) [CLI_OUTPUT_##symbol] = argument,
#define C_FILE(...)
#define FOLDER_FILE(...)
#define PATH_FILE(...)
#include "cli/outputs.def"
#undef OUTPUT
#undef C_FILE
#undef FOLDER_FILE
#undef PATH_FILE
};

/* ---- mistakes ---- */

static bool fail(const char *text, const char *what)
{
    fprintf(stderr, "zocketc: %s '%s'; see zocketc --help\n", text, what);
    return false;
}

static const char *option_name(const void *user, size_t i)
{
    const struct cli *cli = user;
    /* Behind no command yet, any may come. */
    const bool fits = (cli->command == CLI_COMPILE && cli->files.count == 0) ||
                      (cli_options[i].commands & 1u << cli->command) != 0;
    return fits && cli_options[i].help != NULL ? cli_options[i].name : NULL;
}

/* ---- an option ---- */

/* The option that @word is; *@value: the text that is joined to its name, or
 * NULL. */
static const struct cli_option *find(const char *word, const char **value)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct cli_option *option = &cli_options[i];
        const size_t len = strlen(option->name);
        if (strncmp(word, option->name, len) != 0) {
            continue;
        }
        *value = word[len] == '\0' ? NULL : word + len;
        if (*value == NULL) {
            return option;
        }
        if (word[len] == '=' && option->argument != NULL && len > 2) {
            (*value)++;
            return option;
        }
        if (len == 2 && option->argument != NULL) { /* -IDIR */
            return option;
        }
    }
    return NULL;
}

static bool unknown_option(struct arena *arena, const struct cli *cli,
                           const char *word)
{
    const char *name = arena_text(arena, word, strcspn(word, "=")), *value;
    if (find(name, &value) != NULL) {
        return fail("no value belongs behind", name);
    }
    const char *near = name[1] == '-'
                           ? diag_nearest(name, OPTION_COUNT, option_name, cli)
                           : NULL;
    if (near == NULL) {
        return fail("unknown option", name);
    }
    fprintf(stderr,
            "zocketc: unknown option '%s'; did you mean '%s'? See zocketc "
            "--help\n",
            name, near);
    return false;
}

/* Whether @value is among the words that an option takes. */
static bool is_choice(const char *words, const char *value)
{
    const size_t len = strlen(value);
    for (;;) {
        const size_t word = strcspn(words, "|");
        if (word == len && memcmp(words, value, len) == 0) {
            return true;
        }
        if (words[word] == '\0') {
            return false;
        }
        words += word + 1;
    }
}

static bool set(struct cli *cli, const struct cli_option *option,
                const char *value)
{
    void *to = (char *)cli + option->offset;
    if (option->argument != NULL && strchr(option->argument, '|') != NULL &&
        !is_choice(option->argument, value)) {
        fprintf(stderr, "zocketc: %s is one of %s, not '%s'\n", option->name,
                option->argument, value);
        return false;
    }
    if (option->kind == CLI_FLAG) {
        *(bool *)to = true;
    } else if (option->kind == CLI_LIST) {
        struct cli_words *words = to;
        words->items[words->count++] = value;
    } else {
        *(const char **)to = value;
    }
    return true;
}

/* ---- the line ---- */

static const struct cli_command_info *find_command(const char *word)
{
    for (size_t i = 1; i < CLI_COMMAND_COUNT; i++) {
        if (strcmp(cli_commands[i].name, word) == 0) {
            return &cli_commands[i];
        }
    }
    return NULL;
}

static bool add_file(struct cli *cli, const char *word)
{
    const struct cli_command_info *command = find_command(word);
    if (cli->command == CLI_COMPILE && cli->files.count == 0 &&
        command != NULL) {
        cli->command = (enum cli_command)(command - cli_commands);
        return true;
    }
    if (cli->files.count == cli_commands[cli->command].files_max) {
        return fail(cli->command == CLI_COMPILE ? "a second schema"
                                                : "a schema too many",
                    word);
    }
    cli->files.items[cli->files.count++] = word;
    return true;
}

/* Mistakes that only the whole line shows. */
static bool check_line(const struct cli *cli,
                       const struct cli_option *const *used, size_t count)
{
    const struct cli_command_info *command = &cli_commands[cli->command];
    for (size_t i = 0; i < count; i++) {
        if ((used[i]->commands & 1u << cli->command) == 0) {
            fprintf(stderr, "zocketc: %s does not belong to '%s'\n",
                    used[i]->name,
                    command->name != NULL ? command->name : "zocketc FILE");
            return false;
        }
    }
    if (cli->help || cli->version || cli->man || cli->completion != NULL) {
        return true;
    }
    if (cli->files.count < command->files_min) {
        fprintf(stderr, "zocketc: a schema is missing; see zocketc --help\n");
        return false;
    }
    const bool input = strcmp(cli->files.items[0], "-") == 0;
    if (cli->name != NULL && !input) {
        fprintf(stderr, "zocketc: --name is for a schema from standard "
                        "input\n");
        return false;
    }
    bool needs_name = false, writes = false;
    for (size_t i = 0; i < CLI_OUTPUT_COUNT; i++) {
        const char *place = cli->outputs[i];
        needs_name = needs_name || (place != NULL && is_in_folder[i]);
        writes = writes || (place != NULL && strcmp(place, "-") != 0);
    }
    if (input && cli->name == NULL && needs_name) {
        fprintf(stderr, "zocketc: a schema from standard input needs --name "
                        "FILE.zkt for the names of what is written\n");
        return false;
    }
    if (cli->depfile != NULL && !writes) {
        fprintf(stderr, "zocketc: --depfile needs something that is "
                        "written\n");
        return false;
    }
    return true;
}

bool cli_parse(struct arena *arena, struct cli *cli, int argc, char **argv)
{
    const size_t room = (size_t)argc + 1;
    const struct cli_option **used = arena_alloc(arena, room * sizeof(*used));
    size_t count = 0;
    bool options = true;
    *cli = (struct cli){ .command = CLI_COMPILE };
    cli->files.items = arena_alloc(arena, room * sizeof(*cli->files.items));
    cli->include.items = arena_alloc(arena, room * sizeof(*cli->files.items));
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = NULL;
        if (options && strcmp(word, "--") == 0) {
            options = false;
            continue;
        }
        if (!options || word[0] != '-' || word[1] == '\0') {
            if (!add_file(cli, word)) {
                return false;
            }
            continue;
        }
        const struct cli_option *option = find(word, &value);
        if (option == NULL) {
            return unknown_option(arena, cli, word);
        }
        used[count++] = option;
        if (option->kind == CLI_OPTIONAL && value == NULL) {
            value = "";
        }
        if (option->kind != CLI_FLAG && value == NULL) {
            if (i + 1 == argc) {
                return fail("a value is missing behind", word);
            }
            value = argv[++i];
        }
        if (!set(cli, option, value)) {
            return false;
        }
    }
    return check_line(cli, used, count);
}
