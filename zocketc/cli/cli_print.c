/*
 * Texts that are made from the table of options: help, the man page (man(7)),
 * and completions. The build installs the last two.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* ---- help ---- */

static void print_usage(void)
{
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        const struct cli_command_info *command = &cli_commands[i];
        printf("%s zocketc %s%s[options] %s\n", i == 0 ? "usage:" : "      ",
               command->name != NULL ? command->name : "",
               command->name != NULL ? " " : "", command->arguments);
    }
}

/* How an option is written: "--name FILE", "--warn[=WORDS]". */
static int print_form(const struct cli_option *option)
{
    if (option->argument == NULL) {
        return printf("%s", option->name);
    }
    return printf(option->kind == CLI_OPTIONAL ? "%s[=%s]" : "%s %s",
                  option->name, option->argument);
}

/* The options of a command, but for those that all have. */
static void print_taken(size_t command)
{
    printf("\n%s takes", cli_commands[command].name);
    for (size_t i = 0; i < cli_option_count; i++) {
        const struct cli_option *option = &cli_options[i];
        const unsigned all = (1u << CLI_COMMAND_COUNT) - 1;
        if (option->help != NULL && (option->commands & 1u << command) != 0 &&
            option->commands != all) {
            printf(" %s", option->name);
        }
    }
}

void cli_print_help(void)
{
    enum {
        HELP_COLUMN = 29
    };
    print_usage();
    printf("\nTurns a schema into C, lays schemas out (fmt), or says what a "
           "change of one\nbreaks (breaking). FILE may be - for standard "
           "input. A schema with nothing\nto write is looked through for "
           "mistakes.\n\n");
    for (size_t i = 0; i < cli_option_count; i++) {
        if (cli_options[i].help != NULL) {
            printf("  ");
            const int len = print_form(&cli_options[i]);
            printf("%*s%s\n", len < HELP_COLUMN ? HELP_COLUMN - len : 1, "",
                   cli_options[i].help);
        }
    }
    for (size_t c = 1; c < CLI_COMMAND_COUNT; c++) {
        print_taken(c);
    }
    printf("\n\nExit status: 0, 1 (mistakes in the schema; what --check or "
           "breaking found),\n2 (usage, files).\n");
}

/* ---- the man page ---- */

/* Text for troff: no line begins with a request, no '-' becomes a hyphen. */
static void print_roff(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\\') {
            fputs("\\e", stdout);
        } else if (*c == '-') {
            fputs("\\-", stdout);
        } else if ((*c == '.' || *c == '\'') && (c == text || c[-1] == '\n')) {
            printf("\\&%c", *c);
        } else {
            fputc(*c, stdout);
        }
    }
}

static void print_paragraph(const char *text)
{
    fputs(".PP\n", stdout);
    print_roff(text);
    fputc('\n', stdout);
}

static void print_man_options(void)
{
    fputs(".SH OPTIONS\n", stdout);
    for (size_t i = 0; i < cli_option_count; i++) {
        const struct cli_option *option = &cli_options[i];
        if (option->help == NULL) {
            continue;
        }
        fputs(".TP\n\\fB", stdout);
        print_roff(option->name);
        fputs("\\fR", stdout);
        if (option->argument != NULL) {
            const bool optional = option->kind == CLI_OPTIONAL;
            fputs(optional ? "[=\\fI" : " \\fI", stdout);
            print_roff(option->argument);
            fputs(optional ? "\\fR]" : "\\fR", stdout);
        }
        fputc('\n', stdout);
        print_roff(option->text != NULL ? option->text : option->help);
        fputs(".\n", stdout);
    }
}

void cli_print_man(void)
{
    printf(".TH ZOCKETC 1 \"\" \"zocketc %s\" \"User Commands\"\n",
           ZOCKETC_VERSION);
    fputs(".SH NAME\nzocketc \\- compile schemas of realtime actors to C\n"
          ".SH SYNOPSIS\n",
          stdout);
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        const char *name = cli_commands[i].name;
        printf("%s.B zocketc%s%s\n[\\fIoptions\\fR] \\fI%s\\fR\n",
               i > 0 ? ".br\n" : "", name != NULL ? " " : "",
               name != NULL ? name : "", cli_commands[i].arguments);
    }
    fputs(".SH DESCRIPTION\n", stdout);
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        if (cli_commands[i].name != NULL) {
            printf(".SS zocketc %s\n", cli_commands[i].name);
        }
        print_paragraph(cli_commands[i].text);
    }
    print_man_options();
    fputs(".SH EXIT STATUS\n.TP\n0\nEverything is as it should be.\n"
          ".TP\n1\nThe schema has mistakes; or \\fBfmt \\-\\-check\\fR or "
          "\\fBbreaking\\fR found something.\n"
          ".TP\n2\nThe command line is wrong, or a file cannot be read or "
          "written.\n",
          stdout);
    fputs(".SH EXAMPLES\n.nf\n"
          "zocketc \\-\\-c\\-server gen \\-\\-c\\-client gen chat.zkt\n"
          "zocketc fmt \\-\\-check *.zkt\n"
          "git show main:chat.zkt > old.zkt && zocketc breaking "
          "\\-\\-level wire old.zkt chat.zkt\n.fi\n",
          stdout);
}

/* ---- completions ---- */

static bool is_listed(const struct cli_option *option, size_t command)
{
    return option->help != NULL && (option->commands & 1u << command) != 0;
}

/* The words of "a|b", with blanks between. */
static void print_words(const char *words)
{
    for (const char *c = words; *c != '\0'; c++) {
        fputc(*c == '|' ? ' ' : *c, stdout);
    }
}

static bool has_choice(const struct cli_option *option)
{
    return option->argument != NULL && strchr(option->argument, '|') != NULL;
}

static void print_bash(void)
{
    fputs("# bash completion for zocketc\n"
          "_zocketc()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} "
          "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local options words=\n    COMPREPLY=()\n"
          "    case $prev in\n",
          stdout);
    for (size_t i = 0; i < cli_option_count; i++) {
        const struct cli_option *option = &cli_options[i];
        if (option->help == NULL || option->argument == NULL ||
            option->kind == CLI_OPTIONAL) {
            continue;
        }
        printf("    %s)\n", option->name);
        if (has_choice(option)) {
            fputs("        mapfile -t COMPREPLY < <(compgen -W '", stdout);
            print_words(option->argument);
            fputs("' -- \"$cur\")\n", stdout);
        } else {
            printf("        mapfile -t COMPREPLY < <(compgen -%c -- "
                   "\"$cur\")\n",
                   strcmp(option->argument, "DIR") == 0 ? 'd' : 'f');
        }
        fputs("        return ;;\n", stdout);
    }
    fputs("    esac\n    case ${COMP_WORDS[1]} in\n", stdout);
    for (size_t c = CLI_COMMAND_COUNT; c-- > 0;) {
        printf("    %s) options='",
               cli_commands[c].name != NULL ? cli_commands[c].name : "*");
        for (size_t i = 0; i < cli_option_count; i++) {
            if (is_listed(&cli_options[i], c)) {
                printf("%s ", cli_options[i].name);
            }
        }
        fputs("' ;;\n", stdout);
    }
    fputs("    esac\n    [ \"$COMP_CWORD\" = 1 ] && words='", stdout);
    for (size_t c = 1; c < CLI_COMMAND_COUNT; c++) {
        printf("%s%s", c > 1 ? " " : "", cli_commands[c].name);
    }
    fputs("'\n"
          "    case $cur in\n"
          "    -*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- "
          "\"$cur\") ;;\n"
          "    *) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"; "
          "compgen -d -- \"$cur\";\n"
          "        compgen -f -X '!*.zkt' -- \"$cur\") ;;\n"
          "    esac\n}\n"
          "complete -o filenames -F _zocketc zocketc\n",
          stdout);
}

/* Text between single quotes, for zsh's specifications and fish. */
static void print_quoted(const char *text, const char *escaped)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            fputs("'\\''", stdout);
        } else {
            printf(strchr(escaped, *c) != NULL ? "\\%c" : "%c", *c);
        }
    }
}

static void print_zsh_option(const struct cli_option *option)
{
    printf("        '%s%s%s[", option->kind == CLI_LIST ? "*" : "",
           option->name, option->kind == CLI_OPTIONAL ? "=-" : "");
    print_quoted(option->help, "[]:");
    fputs("]", stdout);
    if (has_choice(option)) {
        fputs(":value:(", stdout);
        print_words(option->argument);
        fputs(")", stdout);
    } else if (option->kind == CLI_OPTIONAL) {
        printf("::%s: ", option->argument);
    } else if (option->argument != NULL) {
        printf(":%s:_files%s", option->argument,
               strcmp(option->argument, "DIR") == 0 ? " -/" : "");
    }
    fputs("' \\\n", stdout);
}

static void print_zsh(void)
{
    fputs("#compdef zocketc\n\n_zocketc()\n{\n    case $words[2] in\n", stdout);
    for (size_t c = CLI_COMMAND_COUNT; c-- > 0;) {
        const char *name = cli_commands[c].name;
        printf("    %s)\n        _arguments \\\n", name != NULL ? name : "*");
        for (size_t i = 0; i < cli_option_count; i++) {
            if (is_listed(&cli_options[i], c)) {
                print_zsh_option(&cli_options[i]);
            }
        }
        if (name != NULL) {
            printf("        ':command:(%s)' '*:schema:_files -g \"*.zkt\"'\n",
                   name);
        } else {
            fputs("        '*:schema or command:_zocketc_first'\n", stdout);
        }
        fputs("        ;;\n", stdout);
    }
    fputs("    esac\n}\n\n_zocketc_first()\n{\n"
          "    [[ $CURRENT == 2 ]] && compadd",
          stdout);
    for (size_t c = 1; c < CLI_COMMAND_COUNT; c++) {
        printf(" %s", cli_commands[c].name);
    }
    fputs("\n    _files -g '*.zkt'\n}\n\n_zocketc \"$@\"\n", stdout);
}

static void print_fish_option(const struct cli_option *option)
{
    const bool is_long = option->name[1] == '-';
    fputs("complete -c zocketc -n '", stdout);
    for (size_t c = 1, any = 0; c < CLI_COMMAND_COUNT; c++) {
        const bool has = (option->commands & 1u << c) != 0;
        const bool everywhere = (option->commands & 1u << CLI_COMPILE) != 0;
        if (everywhere ? !has : has) {
            printf("%s%s__fish_seen_subcommand_from %s",
                   any++ > 0 ? "; and " : "", everywhere ? "not " : "",
                   cli_commands[c].name);
        }
    }
    printf("' -%c %s -d '", is_long ? 'l' : 's',
           option->name + (is_long ? 2 : 1));
    print_quoted(option->help, "");
    fputs("'", stdout);
    if (has_choice(option)) {
        fputs(" -x -a '", stdout);
        print_words(option->argument);
        fputs("'", stdout);
    } else if (option->argument != NULL && option->kind != CLI_OPTIONAL) {
        fputs(strcmp(option->argument, "DIR") == 0
                  ? " -x -a '(__fish_complete_directories)'"
                  : " -r -F",
              stdout);
    }
    fputs("\n", stdout);
}

static void print_fish(void)
{
    fputs("# fish completion for zocketc\ncomplete -c zocketc -f -k -a "
          "'(__fish_complete_suffix .zkt)'\n",
          stdout);
    for (size_t c = 1; c < CLI_COMMAND_COUNT; c++) {
        printf("complete -c zocketc -n __fish_use_subcommand -a %s -d '",
               cli_commands[c].name);
        print_quoted(cli_commands[c].help, "");
        fputs("'\n", stdout);
    }
    for (size_t i = 0; i < cli_option_count; i++) {
        if (cli_options[i].help != NULL) {
            print_fish_option(&cli_options[i]);
        }
    }
}

bool cli_print_completion(const char *shell)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {
        { "bash", print_bash },
        { "zsh", print_zsh },
        { "fish", print_fish },
    };
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].print();
            return true;
        }
    }
    return false;
}
