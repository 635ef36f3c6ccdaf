/*
 * From the model to files: renders the templates into memory and adds them to
 * the output. What is named after the schema file is decided here.
 */
#ifndef GENERATE_H
#define GENERATE_H

#include "output_c/model.h"
#include "util/output.h"

/** X_types.[ch] and X_server.[ch], to be written in @directory. */
void generate_server(const struct model *model, const char *directory,
                     struct output *output);
/** X_types.[ch] and X_client.[ch], to be written in @directory. */
void generate_client(const struct model *model, const char *directory,
                     struct output *output);

/** Adds the same files without their content, for their names; @stem is what
 * they are named after, a folder that is NULL is left out. */
void generate_names(const char *stem, const char *c_server,
                    const char *c_client, struct output *output);

#endif
