/* See cli.h. Options, their help and their parsing come from one table. */
#include "cli.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_FOLDER, /* may stand several times */
    OPTION_LATER   /* known, and not supported yet */
};

struct option {
    const char *name, *argument, *help;
    enum option_kind kind;
    size_t offset;
};

static const struct option options[] = {
    { "--c-server", "DIR", "write the server and the types in C", OPTION_TEXT,
      offsetof(struct cli, c_server) },
    { "--c-client", "DIR", "write the client and the types in C", OPTION_TEXT,
      offsetof(struct cli, c_client) },
    { "--depfile", "FILE", "write a rule with all inputs, for make and ninja",
      OPTION_TEXT, offsetof(struct cli, depfile) },
    { "-I", "DIR", "look for imports in DIR, too", OPTION_FOLDER, 0 },
    { "--check", NULL, "only look for mistakes; write nothing", OPTION_FLAG,
      offsetof(struct cli, check) },
    { "--version", NULL, "print the version", OPTION_FLAG,
      offsetof(struct cli, version) },
    { "--help", NULL, "print this", OPTION_FLAG, offsetof(struct cli, help) },
    { "--ts", "DIR", NULL, OPTION_LATER, 0 },
    { "--model", "FILE", NULL, OPTION_LATER, 0 },
};

enum {
    OPTION_COUNT = sizeof(options) / sizeof(options[0])
};

void cli_print_help(void)
{
    printf("usage: zocketc [options] FILE.zkt\n"
           "Turns a schema into C.\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].kind != OPTION_LATER) {
            const int len = printf(
                "  %s %s", options[i].name,
                options[i].argument != NULL ? options[i].argument : "");
            printf("%*s%s\n", len < 20 ? 20 - len : 1, "", options[i].help);
        }
    }
    printf("\nExit status: 0, 1 (mistakes in the schema), 2 (usage, files).\n");
}

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool fail(const char *text, const char *what)
{
    fprintf(stderr, "zocketc: %s '%s'; see zocketc --help\n", text, what);
    return false;
}

bool cli_parse(struct cli *cli, int argc, char **argv)
{
    *cli = (struct cli){ .schema = NULL };
    int folders = 1;
    cli->folders = (const char *const *)argv + 1;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] != '-' || word[1] == '\0') {
            if (cli->schema != NULL) {
                return fail("a second schema", word);
            }
            cli->schema = word;
            continue;
        }
        const struct option *option = find(word);
        if (option == NULL) {
            return fail("unknown option", word);
        }
        if (option->kind == OPTION_LATER) {
            fprintf(stderr, "zocketc: %s is not supported yet\n", word);
            return false;
        }
        if (option->kind == OPTION_FLAG) {
            *(bool *)((char *)cli + option->offset) = true;
            continue;
        }
        if (i + 1 == argc) {
            return fail("a value is missing behind", word);
        }
        if (option->kind == OPTION_FOLDER) {
            /* The words of the command line have room for all of them: what
             * was read already is overwritten. */
            argv[folders++] = argv[++i];
            cli->folder_count++;
            continue;
        }
        memcpy((char *)cli + option->offset, &argv[++i], sizeof(argv[i]));
    }
    if (cli->schema == NULL && !cli->help && !cli->version) {
        fprintf(stderr, "zocketc: a schema is missing; see zocketc --help\n");
        return false;
    }
    return true;
}
