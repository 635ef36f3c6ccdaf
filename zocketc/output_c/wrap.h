/*
 * The last touch to emitted C: long lines are broken and blank lines come
 * singly, so that templates can write any declaration on a line, and need not
 * know the text before and after a part.
 */
#ifndef WRAP_H
#define WRAP_H

#include "util/text_buffer.h"

/**
 * @text with every line of more than 80 columns broken between arguments, as
 * clang-format would do it (lines of comments and directives stay), with no
 * two blank lines in a row and none at the end, and with a blank line in front
 * of each documentation comment that is not the first thing in its braces.
 */
struct text_buffer wrap_code(const struct text_buffer *text);

#endif
