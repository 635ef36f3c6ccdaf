/*
 * The rule that tells make and ninja the dependencies of the written files.
 */
#ifndef DEPFILE_H
#define DEPFILE_H

#include "util/output.h"
#include "util/text_buffer.h"

/** "OUTPUT OUTPUT: SOURCE SOURCE", with every name escaped. */
void depfile_emit(struct text_buffer *out, const struct output *output,
                  const char *const *sources, size_t source_count);

#endif
