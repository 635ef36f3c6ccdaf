/*
 * Time and flow of methods: deadlines, progress, streams, and letting other
 * calls in. Progress and chunks go to the client that calls, so that an
 * internal method has neither.
 */
#include "schema/check.h"

static const struct schema_type *check_part(struct check *c,
                                            const struct ast_type *type)
{
    return type != NULL
               ? check_type(c, type, (struct type_use){ .field = false })
               : NULL;
}

static void check_stream(struct check *c, const struct ast_member *m)
{
    if (m->progress != NULL) {
        diag_report(c->diag, m->progress->at, DIAG_STREAM_PROGRESS);
    }
    if (m->interleave.end > 0) {
        diag_report(c->diag, m->interleave, DIAG_NEEDLESS_INTERLEAVE);
    }
}

static void check_internal(struct check *c, const struct ast_member *m)
{
    const struct ast_type *type = m->chunk != NULL ? m->chunk : m->progress;
    if (type != NULL) {
        diag_report(c->diag, type->at, DIAG_INTERNAL_METHOD,
                    m->chunk != NULL ? "stream" : "progress");
    }
}

void check_flow(struct check *c, const struct ast_member *m,
                struct schema_method *method)
{
    method->timeout_ms = check_period(c, &m->timeout, "a timeout");
    method->interleaves = m->interleave.end > 0 || m->chunk != NULL;
    method->chunk = check_part(c, m->chunk);
    method->progress = check_part(c, m->progress);
    if (m->chunk != NULL) {
        check_stream(c, m);
    }
    if (m->is_internal) {
        check_internal(c, m);
    }
}
