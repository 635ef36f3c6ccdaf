#include "syntax/ast.h"

#include <string.h>

const struct ast_value *ast_find_member(const struct ast_value *object,
                                        const char *name)
{
    for (const struct ast_value *v = object->first; v != NULL; v = v->next) {
        if (strcmp(v->key.text, name) == 0) {
            return v;
        }
    }
    return NULL;
}
