/*
 * A module in TypeScript with every type that clients see, and the value that a
 * client is made from. templates/ts lays it out.
 */
#ifndef TS_H
#define TS_H

#include "schema/schema.h"
#include "util/text_buffer.h"

/** The module of a schema in which nothing is wrong. */
void ts_render(struct arena *arena, const struct schema *schema,
               struct text_buffer *out);

#endif
