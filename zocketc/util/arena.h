/*
 * The compiler's memory: everything that a run makes lives in an arena until
 * its end. Out of memory ends the program, as in most compilers.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

/* Zeroed: empty. */
struct arena {
    struct arena_block *blocks;
    char *at;
    size_t left;
};

/** Zeroed memory, aligned for anything. */
void *arena_alloc(struct arena *arena, size_t size);
#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
/** A copy of @len bytes with a NUL behind it. */
char *arena_text(struct arena *arena, const char *text, size_t len);
/** printf into the arena. */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
void arena_finish(struct arena *arena);

#endif
