/*
 * The command line of zocketc. Everything that is said about options, in
 * --help, in the man page and in completions, comes from the table here.
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"

/* In the order of cli_commands. */
enum cli_command {
    CLI_COMPILE,
    CLI_FMT,
    CLI_BREAKING,
    CLI_COMMAND_COUNT
};

struct cli_command_info {
    const char *name;      /* NULL: the command without a word */
    const char *arguments; /* "OLD NEW" */
    const char *help;
    const char *text; /* for the man page */
    size_t files_min, files_max;
};

enum cli_kind {
    CLI_FLAG,     /* bool */
    CLI_TEXT,     /* const char *; the last counts */
    CLI_OPTIONAL, /* like it; the value only behind '=' */
    CLI_LIST      /* struct cli_words */
};

struct cli_option {
    const char *name;
    const char
        *argument;    /* "DIR", "FILE", or words with '|' between; or NULL */
    const char *help; /* NULL: not listed */
    const char *text; /* for the man page; NULL: the help */
    enum cli_kind kind;
    unsigned commands; /* bits: 1 << enum cli_command */
    size_t offset;     /* in struct cli */
};

/* The outputs; see outputs.def. */
enum cli_output {
#define OUTPUT(symbol, ...) CLI_OUTPUT_##symbol,
#define C_FILE(...)
#define FOLDER_FILE(...)
#define PATH_FILE(...)
#include "cli/outputs.def"
#undef OUTPUT
#undef C_FILE
#undef FOLDER_FILE
#undef PATH_FILE
    CLI_OUTPUT_COUNT
};

struct cli_words {
    const char **items;
    size_t count;
};

struct cli {
    enum cli_command command;
    struct cli_words files;                /* "-": standard input */
    struct cli_words include;              /* folders of -I, in their order */
    const char *outputs[CLI_OUTPUT_COUNT]; /* folder or path, or NULL */
    const char *depfile;                   /* or NULL */
    const char *name;        /* of a schema from standard input, or NULL */
    const char *warn;        /* words, or NULL */
    const char *diagnostics; /* "text", "json" or NULL */
    const char *level;       /* of breaking, or NULL */
    const char *who;         /* of breaking, or NULL */
    const char *ignore;      /* path of a file for breaking, or NULL */
    const char *completion;  /* the shell that it is printed for, or NULL */
    bool check, print_outputs, help, version, man;
};

extern const struct cli_command_info cli_commands[CLI_COMMAND_COUNT];
extern const struct cli_option cli_options[];
extern const size_t cli_option_count;

/** False: a mistake, which was said on standard error. */
bool cli_parse(struct arena *arena, struct cli *cli, int argc, char **argv);

/* cli_print.c */
void cli_print_help(void);
void cli_print_man(void);
/** False: @shell is none of bash, zsh and fish. */
bool cli_print_completion(const char *shell);

#endif
