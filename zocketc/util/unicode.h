/*
 * Code points: reading them from UTF-8, and which of them a reader cannot see.
 */
#ifndef UNICODE_H
#define UNICODE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * The code point at @text, of which @len bytes are left; *@size is its number
 * of bytes. A byte that begins no character is a NUL.
 */
unsigned unicode_read(const char *text, size_t len, size_t *size);

/**
 * Whether a character has no width of its own, or changes how others are shown:
 * controls, and marks for the direction of text.
 */
bool unicode_is_unseen(unsigned code);

/**
 * A name for a character that is unseen, or that looks like a blank and is
 * none ("no-break space"). NULL: it can be seen.
 */
const char *unicode_name(unsigned code);

#endif
