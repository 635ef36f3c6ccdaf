/*
 * Breaks the long lines of emitted C, so that templates can write a
 * declaration on one line whatever its names are.
 */
#ifndef WRAP_H
#define WRAP_H

#include "emit.h"

/**
 * @text with every line of more than 80 columns broken between arguments, as
 * clang-format would do it. Lines of comments and directives stay.
 */
struct emit wrap_lines(const struct emit *text);

#endif
