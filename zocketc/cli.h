/* The command line of zocketc. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>

struct cli {
    const char *c_server, *c_client; /* folders, or NULL */
    const char *depfile;             /* to write, or NULL */
    const char *schema;
    const char *const *folders; /* of imports */
    size_t folder_count;
    bool check, help, version;
};

/** False: a mistake, which was said on standard error. */
bool cli_parse(struct cli *cli, int argc, char **argv);
void cli_print_help(void);

#endif
