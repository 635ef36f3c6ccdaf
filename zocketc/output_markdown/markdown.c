/* See markdown.h. Code in a table is between backticks, of which there are more
 * than stand in the code itself (CommonMark 0.30, section 6.1). */
#include "output_markdown/markdown.h"

#include <string.h>

#include "schema/text.h"

/* @text without line ends, and with '|' escaped. */
static const char *escape_cell(struct arena *arena, const char *text)
{
    char *escaped = arena_alloc(arena, 2 * strlen(text) + 1), *to = escaped;
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            *to++ = '\\';
        }
        *to++ = *text == '\n' ? ' ' : *text;
    }
    return escaped;
}

static size_t longest_run(const char *text)
{
    size_t longest = 0;
    while (*text != '\0') {
        const size_t run = strspn(text, "`");
        longest = run > longest ? run : longest;
        text += run > 0 ? run : 1;
    }
    return longest;
}

static const char *code(struct arena *arena, const char *text)
{
    const size_t run = longest_run(text);
    char *fence = arena_alloc(arena, run + 2);
    memset(fence, '`', run + 1);
    const char *blank = run > 0 ? " " : "";
    return arena_printf(arena, "%s%s%s%s%s", fence, blank, text, blank, fence);
}

const char *markdown_type(const struct markdown *m,
                          const struct schema_type *type)
{
    return code(m->arena,
                escape_cell(m->arena, schema_type_text(m->arena, type)));
}

const char *markdown_name(const struct markdown *m, const char *name)
{
    return code(m->arena,
                escape_cell(m->arena, schema_name_text(m->arena, name)));
}

const char *markdown_default(const struct markdown *m,
                             const struct schema_field *field)
{
    if (field->value == NULL) {
        return "";
    }
    const char *text = schema_value_text(m->arena, field->value);
    return code(m->arena, escape_cell(m->arena, text));
}

const char *markdown_cell(const struct markdown *m, const char *doc)
{
    return doc != NULL ? escape_cell(m->arena, doc) : "";
}

const char *markdown_field(const struct markdown *m,
                           const struct schema_field *field)
{
    const char *doc = markdown_cell(m, field->doc);
    if (field->reader.kind == SCHEMA_READER_ALL) {
        return doc;
    }
    return arena_printf(m->arena,
                        field->reader.kind == SCHEMA_READER_AUDIENCE
                            ? "%s%sFor the audience %s."
                            : "%s%sEach sees the entry of its %s.",
                        doc, doc[0] != '\0' ? " " : "",
                        markdown_name(m, field->reader.name.text));
}

const char *markdown_wire(const struct markdown *m,
                          const struct schema_enum_value *value)
{
    struct text_buffer out = { 0 };
    emit_json_string(&out, json_string_of(value->wire.text, value->wire.len));
    const char *text = code(m->arena, escape_cell(m->arena, out.text));
    text_buffer_finish(&out);
    return text;
}

/* ---- signatures ---- */

static const char *params_text(const struct markdown *m,
                               const struct schema_struct *s)
{
    const char *text = "";
    for (size_t i = 0; i < s->field_count; i++) {
        const struct schema_field *f = &s->fields[i];
        text = arena_printf(m->arena, "%s%s%s: %s", text, i > 0 ? ", " : "",
                            schema_name_text(m->arena, f->name.text),
                            schema_type_text(m->arena, f->type));
        if (f->value != NULL) {
            text = arena_printf(m->arena, "%s = %s", text,
                                schema_value_text(m->arena, f->value));
        }
    }
    return arena_printf(m->arena, "(%s)", text);
}

static bool has_params(const struct schema_type *payload)
{
    return payload != NULL && schema_is_made(payload);
}

static const char *payload_text(const struct markdown *m,
                                const struct schema_type *payload,
                                const char *none)
{
    if (payload == NULL) {
        return none;
    }
    return has_params(payload)
               ? params_text(m, payload->structure)
               : arena_printf(m->arena, ": %s",
                              schema_type_text(m->arena, payload));
}

const char *markdown_method(const struct markdown *m,
                            const struct schema_method *method)
{
    const char *text = arena_printf(m->arena, "%s%s", method->name.text,
                                    payload_text(m, method->input, "()"));
    const struct schema_type *type = method->chunk != NULL ? method->chunk
                                                           : method->result;
    if (type != NULL) {
        text = arena_printf(m->arena, "%s -> %s%s", text,
                            method->chunk != NULL ? "stream " : "",
                            schema_type_text(m->arena, type));
    }
    return code(m->arena, text);
}

const char *markdown_progress(const struct markdown *m,
                              const struct schema_method *method)
{
    return method->progress != NULL ? markdown_type(m, method->progress) : NULL;
}

const char *markdown_timeout(const struct markdown *m,
                             const struct schema_method *method)
{
    static const struct {
        uint32_t ms;
        const char *unit;
    } units[] = { { 60 * 60 * 1000, "h" },
                  { 60 * 1000, "min" },
                  { 1000, "s" } };
    const uint32_t ms = method->timeout_ms;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ms > 0 && ms % units[i].ms == 0) {
            return arena_printf(m->arena, "%u %s", ms / units[i].ms,
                                units[i].unit);
        }
    }
    return ms > 0 ? arena_printf(m->arena, "%u ms", ms) : NULL;
}

const char *markdown_event(const struct markdown *m,
                           const struct schema_event *event)
{
    return code(m->arena, arena_printf(m->arena, "%s%s", event->name.text,
                                       payload_text(m, event->payload, "")));
}

const char *markdown_error(const struct markdown *m,
                           const struct schema_error *error)
{
    return code(m->arena, arena_printf(m->arena, "%s%s", error->name.text,
                                       payload_text(m, error->details, "")));
}

/* ---- access ---- */

const char *markdown_rate(const struct markdown *m,
                          const struct schema_rate *rate)
{
    if (rate == NULL) {
        return NULL;
    }
    const char *period = rate->period_ms == 1000    ? "a second"
                         : rate->period_ms == 60000 ? "a minute"
                                                    : "an hour";
    const char *calls = rate->tokens == 1 ? "call" : "calls";
    const char *burst = rate->burst != rate->tokens
                            ? arena_printf(m->arena, ", and %u at once",
                                           rate->burst)
                            : "";
    return arena_printf(
        m->arena, "At most %u %s %s%s, %s.", rate->tokens, calls, period, burst,
        rate->by != NULL ? arena_printf(m->arena, "for each %s",
                                        code(m->arena, rate->by->name.text))
                         : "for each connection");
}

static const char *joined(const struct markdown *m, const char *text,
                          const struct ast_name *name)
{
    return arena_printf(m->arena, "%s%s%s", text != NULL ? text : "",
                        text != NULL ? ", " : "", code(m->arena, name->text));
}

const char *markdown_middleware(const struct markdown *m,
                                const struct schema_numbers *numbers)
{
    const char *text = NULL;
    for (size_t i = 0; i < numbers->count; i++) {
        text = joined(m, text, &m->schema->middleware[numbers->items[i]].name);
    }
    return text;
}

const char *markdown_errors(const struct markdown *m,
                            const struct schema_numbers *numbers)
{
    const char *text = NULL;
    for (size_t i = 0; i < numbers->count; i++) {
        text = joined(m, text, &m->schema->errors[numbers->items[i]].name);
    }
    return text;
}

const char *markdown_source(const struct markdown *m,
                            const struct schema_parameter *parameter)
{
    static const char *const words[] = {
        [SCHEMA_FROM_QUERY] = "query",
        [SCHEMA_FROM_HEADER] = "header",
        [SCHEMA_FROM_COOKIE] = "cookie",
        [SCHEMA_FROM_BEARER] = "bearer",
        [SCHEMA_FROM_CERTIFICATE] = "certificate",
    };
    const char *word = words[parameter->source];
    if (parameter->source == SCHEMA_FROM_BEARER) {
        return code(m->arena, word);
    }
    if (parameter->source == SCHEMA_FROM_CERTIFICATE) {
        return code(m->arena, arena_printf(m->arena, "%s(%s)", word,
                                           parameter->name.text));
    }
    struct text_buffer out = { 0 };
    emit_json_string(&out,
                     json_string_of(parameter->name.text, parameter->name.len));
    const char *text = arena_printf(m->arena, "%s(%s)", word, out.text);
    text_buffer_finish(&out);
    return code(m->arena, escape_cell(m->arena, text));
}

const struct schema_struct *markdown_params(const struct schema_type *payload)
{
    const struct schema_struct *s = has_params(payload) ? payload->structure
                                                        : NULL;
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        if (s->fields[i].doc != NULL) {
            return s;
        }
    }
    return NULL;
}

void markdown_render(struct arena *arena, const struct schema *schema,
                     struct text_buffer *out)
{
    const struct markdown m = { arena, schema, ZOCKETC_VERSION };
    emit_reference(out, &m);
}
