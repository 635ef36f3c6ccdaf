/*
 * The rule that tells make and ninja what the written files depend on.
 */
#ifndef DEPFILE_H
#define DEPFILE_H

#include "util/emit.h"
#include "util/output.h"

/** "OUTPUT OUTPUT: SOURCE SOURCE", with every name escaped. */
void depfile_emit(struct emit *out, const struct output *output,
                  const char *const *sources, size_t source_count);

#endif
