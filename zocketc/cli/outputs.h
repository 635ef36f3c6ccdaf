/* The files that the options ask for; outputs.def has the table. */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include "cli/commands.h"
#include "util/output.h"

/** Adds the files of all outputs without their content, for their names;
 * @stem is what those in folders are named after. */
void outputs_name(const struct cli *cli, const char *stem,
                  struct output *output);
/** Adds them with their content; what goes to standard output is printed. */
void outputs_render(struct arena *arena, const struct cli *cli,
                    const struct checked *checked, struct output *output);

#endif
