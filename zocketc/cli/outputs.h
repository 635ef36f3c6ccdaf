/* The files that the options ask for; outputs.def has the table. */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include "cli/commands.h"
#include "util/output.h"

/** Adds the files of all outputs without their content, for their names; files
 * in folders are named after @stem. */
void outputs_name(const struct cli *cli, const char *stem,
                  struct output *output);
/** Adds them with their content; an output to "-" is printed. */
void outputs_render(struct arena *arena, const struct cli *cli,
                    const struct checked *checked, struct output *output);

#endif
