/*
 * The model as JSON: what --model writes and breaking compares. docs/model.md
 * says what stands where; MODEL_JSON_VERSION grows when a reader of an older
 * version would go wrong, not when something is added.
 */
#ifndef MODEL_JSON_H
#define MODEL_JSON_H

#include "schema/model.h"
#include "util/json_value.h"

#define MODEL_JSON_VERSION "1"

/** Describes @model; every part knows its place in the schema. */
struct json_value *model_describe(struct arena *arena,
                                  const struct model *model);

#endif
