/*
 * The emitted files, as functions of the model; and, for the templates, what
 * they share. Each function is written as a template in a .ct file beside
 * this header, from which zocketc/tmplc.l makes it.
 *
 * A name that emitted C has for itself ends with '_', which no name of a schema
 * does; the word in front of that says its kind, and '__' stands between two
 * names of a schema. So they are unique in all files of a schema, and builds
 that make one source of several have no collisions.
 */
#ifndef TEMPLATES_H
#define TEMPLATES_H

#include "output_c/model.h"
#include "util/text_buffer.h"

void emit_types_h(struct text_buffer *out, const struct model *m);
void emit_types_c(struct text_buffer *out, const struct model *m);
void emit_server_h(struct text_buffer *out, const struct model *m);
void emit_server_c(struct text_buffer *out, const struct model *m);
void emit_client_h(struct text_buffer *out, const struct model *m);
void emit_client_c(struct text_buffer *out, const struct model *m);

/* ---- common.ct ---- */

void emit_banner(struct text_buffer *out, const struct model *m);
void emit_extern_c_begin(struct text_buffer *out);
void emit_extern_c_end(struct text_buffer *out);
void emit_find(struct text_buffer *out, const char *c_prefix,
               const struct model_lookup *names);
/* @side: "" for the server, "remote_" for the client. */
void emit_events(struct text_buffer *out, const struct model_actor *a,
                 const char *side);

/* @noun: "events", or the app's "broadcasts". */
void emit_event_table(struct text_buffer *out, const char *c_prefix,
                      const char *noun, const char *side,
                      const struct model_event *events, size_t count);

void emit_params(struct text_buffer *out, const struct model_method *m);
void emit_input_param(struct text_buffer *out, const struct model_method *m);
void emit_result_param(struct text_buffer *out, const struct model_method *m);
void emit_result_argument(struct text_buffer *out,
                          const struct model_method *m);
void emit_payload_argument(struct text_buffer *out,
                           const struct model_event *e);

void emit_handler_params(struct text_buffer *out,
                         const struct model_handler *h);
void emit_handler_arguments(struct text_buffer *out,
                            const struct model_handler *h);
void emit_input_value(struct text_buffer *out, const struct model_handler *h);
void emit_handler_values(struct text_buffer *out,
                         const struct model_handler *h);

/* ---- write.ct ---- */

void emit_state_writers(struct text_buffer *out, const struct model_actor *a,
                        const struct model_struct *state, bool body);
void emit_ref_writers(struct text_buffer *out, const struct model_type *t,
                      bool body);
void emit_event_emitter(struct text_buffer *out, const struct model_actor *a,
                        const struct model_event *e, bool body);

/* ---- types.h.ct and types.c.ct, for what the server alone has ---- */

void emit_constants(struct text_buffer *out, const struct model *m,
                    bool of_private);
void emit_enum_declarations(struct text_buffer *out, const struct model *m,
                            bool of_private);
void emit_enum_codes(struct text_buffer *out, const struct model *m,
                     bool of_private);
void emit_declaration(struct text_buffer *out,
                      const struct model_declaration *d);
/* @storage: "static inline ", or "". */
void emit_json_functions(struct text_buffer *out,
                         const struct model_type *const *types, size_t count,
                         const char *storage, bool body);
void emit_type_code(struct text_buffer *out, const struct model_type *t);
void emit_map_find(struct text_buffer *out, const struct model_declaration *d);

/* ---- deferred.ct ---- */

void emit_deferral(struct text_buffer *out, const struct model_handler *h,
                   bool body);
void emit_method_flow(struct text_buffer *out, const struct model_method *m);

/* ---- server.h.ct and server.c.ct ---- */

void emit_handler(struct text_buffer *out, const struct model_handler *h);
void emit_actor_deferrals(struct text_buffer *out, const struct model_actor *a,
                          bool body);
void emit_invoke_method(struct text_buffer *out, const struct model_handler *h);

/* ---- access.ct ---- */

void emit_app_calls(struct text_buffer *out, const struct model *m);
void emit_app_handlers(struct text_buffer *out, const struct model *m);
void emit_app_functions(struct text_buffer *out, const struct model *m);
void emit_app_deferrals(struct text_buffer *out, const struct model *m,
                        bool body);
void emit_app_code(struct text_buffer *out, const struct model *m);
void emit_app_access(struct text_buffer *out, const struct model *m);
void emit_error_table(struct text_buffer *out, const struct model *m,
                      const char *side);
void emit_numbers(struct text_buffer *out, const struct model_numbers *n);
void emit_method_tables(struct text_buffer *out, const struct model_method *m);
void emit_method_access(struct text_buffer *out, const struct model_method *m);

/* ---- invoke.ct ---- */

void emit_outside(struct text_buffer *out, const struct model *m);
void emit_actor_outside(struct text_buffer *out, const struct model *m,
                        const struct model_actor *a, bool body);
void emit_messages(struct text_buffer *out, const struct model *m);
void emit_actor_messages(struct text_buffer *out, const struct model *m,
                         const struct model_actor *a, bool body);

/* ---- timers.ct ---- */

void emit_actor_timers(struct text_buffer *out, const struct model_actor *a,
                       bool body);
void emit_timer_table(struct text_buffer *out, const struct model_actor *a);

/* ---- audiences.ct ---- */

void emit_audience_handlers(struct text_buffer *out, const struct model *m,
                            const struct model_actor *a);
void emit_actor_audiences(struct text_buffer *out, const struct model_actor *a,
                          bool body);
void emit_audience_tables(struct text_buffer *out, const struct model *m,
                          const struct model_actor *a);

/* ---- client.c.ct ---- */

void emit_finish_with_result(struct text_buffer *out,
                             const struct model_type *result);

/* ---- client.h.ct ---- */

void emit_client_error(struct text_buffer *out, const struct model *m,
                       const struct model_error *e, bool body);
void emit_client_broadcast(struct text_buffer *out, const struct model *m,
                           const struct model_event *e, bool body);
void emit_client_call(struct text_buffer *out, const struct model_actor *a,
                      const struct model_method *m, bool body);
void emit_client_begin(struct text_buffer *out, const struct model_actor *a,
                       const struct model_method *m, bool body);
void emit_client_on(struct text_buffer *out, const struct model_actor *a,
                    const struct model_event *e, bool body);
void emit_client_observe(struct text_buffer *out, const struct model_actor *a,
                         const struct model_field *f, bool body);
void emit_client_watch(struct text_buffer *out, const struct model_actor *a,
                       const struct model_field *f, bool body);

/* ---- words that several templates choose ---- */

/** What follows the head of a function: its body, or the end. */
static inline const char *end(bool body)
{
    return body ? "" : ";";
}

/** Returns true if the connection has data. */
static inline bool has_data(const struct model *m)
{
    return m->connection != NULL && m->connection->data != NULL;
}

/** What a call holds beside the state, in its initialiser. */
static inline const char *private_argument(const struct model_actor *a)
{
    return a->private_state != NULL ? ", zkt_call_private_state(zkt)" : "";
}

/** What makes a pointer to the value from a parameter of type @t. */
static inline const char *address(const struct model_type *t)
{
    return t->by_value ? "&" : "";
}

#endif
