/*
 * The connection: where its parameters come from, its data and hooks; and
 * rates, which may go by a field of the data. Structs are made first; sources
 * and rates are checked when the types of fields are known.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "schema/check.h"

struct connection {
    const struct ast_decl *decl;
    struct schema_connection made;
    struct list rates; /* struct pending_rate */
};

/* A rate by a field that is not known yet. */
struct pending_rate {
    struct schema_rate *rate;
    const struct ast_name *by;
};

/* ---- hooks ---- */

static const char *const hook_names[] = { "open", "close" };

static const char *hook_at(const void *user, size_t i)
{
    (void)user;
    return hook_names[i];
}

static void check_hook(struct check *c, struct connection *n,
                       struct table *taken, const struct ast_name *name)
{
    static const struct {
        const char *theirs, *ours;
    } slips[] = {
        { "connect", "open" },
        { "disconnect", "close" },
    };
    const bool is_open = strcmp(name->text, "open") == 0;
    if (is_open || strcmp(name->text, "close") == 0) {
        bool *has = is_open ? &n->made.has_open : &n->made.has_close;
        *has = check_take(c, taken, name, "handler") || *has;
        return;
    }
    diag_report(c->diag, name->at, DIAG_UNKNOWN_HOOK, name->text);
    for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
        if (strcasecmp(name->text, slips[i].theirs) == 0) {
            diag_report(c->diag, name->at, DIAG_DID_YOU_MEAN_WORD,
                        slips[i].ours);
            return;
        }
    }
    diag_suggest(c->diag, name->at, name->text, 2, hook_at, NULL);
}

/* ---- the structs ---- */

static const struct schema_struct *new_struct(struct check *c,
                                              enum schema_role role,
                                              const struct ast_decl *decl,
                                              const struct ast_field *fields)
{
    struct schema_struct *s = check_new_struct(c, role, decl->name, fields);
    s->is_private = true;
    return s;
}

static const struct ast_decl *find_connection(struct check *c)
{
    const struct ast_decl *found = NULL;
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind != AST_DECL_CONNECTION) {
            continue;
        }
        if (found != NULL) {
            diag_report(c->diag, d->name.at, DIAG_DUPLICATE_CONNECTION);
            diag_report(c->diag, found->name.at, DIAG_FIRST_HERE);
            continue;
        }
        found = d;
    }
    return found;
}

void check_connection(struct check *c)
{
    const struct schema_numbers none = { .items = NULL };
    struct connection *n = c->connection = ARENA_NEW(c->arena,
                                                     struct connection);
    const struct ast_decl *decl = n->decl = find_connection(c);
    if (decl == NULL) {
        return;
    }
    struct table hooks = { 0 };
    n->made.at = decl->name.at;
    n->made.doc = decl->doc;
    n->made.errors = check_throws(c, decl->throws, none);
    for (const struct ast_names *h = decl->hooks; h != NULL; h = h->next) {
        check_hook(c, n, &hooks, &h->name);
    }
    n->made.input = new_struct(c, SCHEMA_CONNECTION_INPUT, decl, decl->fields);
    if (decl->data != NULL && decl->data->fields != NULL) {
        n->made.data = new_struct(c, SCHEMA_CONNECTION, decl,
                                  decl->data->fields);
    }
    c->schema->connection = &n->made;
}

/* ---- sources ---- */

static const char *const source_words[] = {
    [SCHEMA_FROM_QUERY] = "query",
    [SCHEMA_FROM_HEADER] = "header",
    [SCHEMA_FROM_COOKIE] = "cookie",
    [SCHEMA_FROM_BEARER] = "bearer",
    [SCHEMA_FROM_CERTIFICATE] = "certificate",
};

enum {
    SOURCES = sizeof(source_words) / sizeof(source_words[0])
};

static const char *source_at(const void *user, size_t i)
{
    (void)user;
    return source_words[i];
}

/* The source of a word; SOURCES: reported. */
static size_t find_source(struct check *c, const struct ast_name *word)
{
    size_t i = 0;
    while (i < SOURCES && strcmp(word->text, source_words[i]) != 0) {
        i++;
    }
    if (i == SOURCES) {
        diag_report(c->diag, word->at, DIAG_UNKNOWN_SOURCE, word->text);
        diag_suggest(c->diag, word->at, word->text, SOURCES, source_at, NULL);
    }
    return i;
}

/* Why no certificate has a part of this name; NULL: it has. */
static const char *fault_of_part(const struct schema_text *name)
{
    static const char *const parts[] = { "cn", "san", "sha256" };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strcmp(name->text, parts[i]) == 0) {
            return NULL;
        }
    }
    return "it has cn, san and sha256, without quotes";
}

static const char *lower_case(struct arena *arena, const char *text)
{
    char *lower = arena_text(arena, text, strlen(text));
    for (char *c = lower; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
    }
    return lower;
}

/* Why no request has a header or a cookie of this name; NULL: it may. Both are
 * tokens (RFC 9110, section 5.6.2; RFC 6265, section 4.1.1). */
static const char *fault_of(enum schema_source source,
                            const struct schema_text *name)
{
    static const struct {
        const char *header, *text;
    } refused[] = {
        { "cookie", "a cookie is read by 'from cookie(\"NAME\")'" },
        { "authorization", "a token is read by 'from bearer'" },
        { "sec-websocket-protocol",
          "a token among the subprotocols is read by 'from bearer'" },
    };
    if (name->len == 0) {
        return "it is empty";
    }
    if (source == SCHEMA_FROM_QUERY) {
        return NULL;
    }
    for (size_t i = 0; i < name->len; i++) {
        const char ch = name->text[i];
        if (ch <= ' ' || ch == 0x7f || (ch & 0x80) != 0 ||
            strchr("\"(),/:;<=>?@[\\]{}", ch) != NULL) {
            return "it takes letters, digits and !#$%&'*+-.^_`|~";
        }
    }
    for (size_t i = 0; source == SCHEMA_FROM_HEADER && i < 3; i++) {
        if (strcmp(name->text, refused[i].header) == 0) {
            return refused[i].text;
        }
    }
    return NULL;
}

static const struct schema_text no_part = { "", 0 };

/* The name under which a source has the parameter. */
static void check_source_name(struct check *c, const struct ast_field *f,
                              const struct ast_source *s,
                              struct schema_parameter *to)
{
    const char *word = source_words[to->source];
    to->name = (struct schema_text){ f->name.text, strlen(f->name.text) };
    const bool is_word = s != NULL && s->part.text != NULL;
    if (is_word) {
        to->name = (struct schema_text){ s->part.text, strlen(s->part.text) };
    } else if (s != NULL && s->key != NULL) {
        to->name = (struct schema_text){ s->key->text, s->key->len };
    }
    if (to->source == SCHEMA_FROM_BEARER) {
        if (is_word || s->key != NULL) {
            diag_report(c->diag, is_word ? s->part.at : s->key->at,
                        DIAG_BEARER_NAME);
        }
        to->name = (struct schema_text){ "", 0 };
        return;
    }
    if (to->source == SCHEMA_FROM_HEADER &&
        strlen(to->name.text) == to->name.len) {
        to->name.text = lower_case(c->arena, to->name.text);
    }
    const bool certificate = to->source == SCHEMA_FROM_CERTIFICATE;
    const bool quoted = s != NULL && s->key != NULL;
    const char *fault = certificate
                            ? fault_of_part(quoted ? &no_part : &to->name)
                        : is_word ? "it stands in quotes"
                                  : fault_of(to->source, &to->name);
    if (fault != NULL) {
        diag_report(c->diag, s == NULL ? f->name.at : s->at,
                    DIAG_BAD_SOURCE_NAME, to->name.text, word, fault);
    }
}

/* Whether text becomes a value of the type: a scalar, or an enum. */
static bool is_textual(const struct schema_type *type)
{
    if (type->kind == SCHEMA_OPTIONAL) {
        return is_textual(type->inner);
    }
    return type->kind == SCHEMA_ENUM ||
           (schema_is_scalar(type->kind) &&
            schema_kinds[type->kind].class != SCHEMA_CLASS_ANY);
}

static void check_parameter(struct check *c, const struct ast_field *f,
                            const struct schema_type *type,
                            struct schema_parameter *to)
{
    const struct ast_source *s = f->sources;
    to->source = SCHEMA_FROM_QUERY;
    if (s != NULL) {
        const size_t source = find_source(c, &s->word);
        if (source == SOURCES) {
            return;
        }
        to->source = (enum schema_source)source;
    }
    if (s != NULL && s->next != NULL) {
        diag_report(c->diag, s->next->at, DIAG_TWO_SOURCES, f->name.text);
        diag_report(c->diag, s->at, DIAG_FIRST_HERE);
    }
    check_source_name(c, f, s, to);
    if (type != NULL && !is_textual(type)) {
        diag_report(c->diag, f->type->at, DIAG_BAD_PARAMETER, f->name.text);
    }
}

/* Two parameters never have the same source. */
static void check_same_source(struct check *c, struct table *seen,
                              const struct ast_field *f,
                              const struct schema_parameter *p)
{
    const char *key = arena_printf(c->arena, "%d%s", (int)p->source,
                                   p->name.text);
    const struct ast_field *first = table_find(seen, key);
    if (first == NULL) {
        table_put(seen, c->arena, key, (void *)f);
        return;
    }
    diag_report(c->diag, f->name.at, DIAG_DUPLICATE_SOURCE, f->name.text,
                first->name.text);
    diag_report(c->diag, first->name.at, DIAG_FIRST_HERE);
}

/* The fields of the struct are those of the declaration, without duplicates. */
static void check_parameters(struct check *c, struct connection *n)
{
    const struct schema_struct *input = n->made.input;
    struct schema_parameter *all = arena_alloc(
        c->arena, (input->field_count + 1) * sizeof(*all));
    struct table seen = { 0 };
    size_t i = 0;
    for (const struct ast_field *f = n->decl->fields;
         f != NULL && i < input->field_count; f = f->next) {
        if (strcmp(f->name.text, input->fields[i].name.text) == 0) {
            check_parameter(c, f, input->fields[i].type, &all[i]);
            if (all[i].name.text != NULL) {
                check_same_source(c, &seen, f, &all[i]);
            }
            i++;
        }
    }
    n->made.parameters = all;
}

/* ---- rates ---- */

/* Milliseconds of a unit; 0: it is none. */
static uint32_t period_of(const char *unit)
{
    return strcmp(unit, "s") == 0   ? 1000
           : strcmp(unit, "m") == 0 ? 60 * 1000
           : strcmp(unit, "h") == 0 ? 3600 * 1000
                                    : 0;
}

/* A number of tokens; 0: it is none. */
static uint32_t tokens_of(const char *text, char **end)
{
    const long long value = strtoll(text, end, 10);
    return value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

const struct schema_rate *check_rate(struct check *c,
                                     const struct ast_limit *limits)
{
    if (limits == NULL) {
        return NULL;
    }
    struct schema_rate *rate = ARENA_NEW(c->arena, struct schema_rate);
    char *unit;
    rate->tokens = rate->burst = tokens_of(limits->rate.text, &unit);
    rate->period_ms = period_of(unit + 1);
    if (rate->tokens == 0) {
        diag_report(c->diag, limits->rate.at, DIAG_BAD_RATE, limits->rate.text);
    } else if (rate->period_ms == 0) {
        diag_report(c->diag, limits->rate.at, DIAG_BAD_RATE_UNIT, unit + 1);
    }
    if (limits->burst.text != NULL) {
        rate->burst = tokens_of(limits->burst.text, &unit);
    }
    if (rate->burst == 0 && limits->burst.text != NULL) {
        diag_report(c->diag, limits->burst.at, DIAG_BAD_RATE,
                    limits->burst.text);
    }
    if (limits->next != NULL) {
        diag_report(c->diag, limits->next->at, DIAG_DUPLICATE_LIMIT);
        diag_report(c->diag, limits->at, DIAG_FIRST_HERE);
    }
    rate->number = c->schema->rate_count++;
    if (limits->by.text != NULL) {
        const struct pending_rate pending = { rate, &limits->by };
        list_add(c->arena, &c->connection->rates, &pending, sizeof(pending));
    }
    return rate;
}

static const char *field_at(const void *user, size_t i)
{
    const struct schema_struct *s = user;
    return s->fields[i].name.text;
}

static bool is_key(const struct schema_type *type)
{
    const enum schema_class class = schema_kinds[type->kind].class;
    return type->kind == SCHEMA_OPTIONAL
               ? is_key(type->inner)
               : class == SCHEMA_CLASS_TEXT || class == SCHEMA_CLASS_INTEGER;
}

static void check_by(struct check *c, const struct pending_rate *pending)
{
    const struct schema_struct *data = c->connection->made.data;
    const struct ast_name *by = pending->by;
    const size_t count = data != NULL ? data->field_count : 0;
    size_t i = 0;
    while (i < count && strcmp(data->fields[i].name.text, by->text) != 0) {
        i++;
    }
    if (i == count) {
        diag_report(c->diag, by->at, DIAG_UNKNOWN_LIMIT_FIELD, by->text);
        diag_suggest(c->diag, by->at, by->text, count, field_at, data);
        return;
    }
    pending->rate->by = &data->fields[i];
    pending->rate->by_number = i;
    if (data->fields[i].type != NULL && !is_key(data->fields[i].type)) {
        diag_report(c->diag, by->at, DIAG_BAD_LIMIT_FIELD, by->text);
    }
}

/* ---- all of it ---- */

void check_connection_fields(struct check *c)
{
    struct connection *n = c->connection;
    if (n->decl != NULL) {
        check_parameters(c, n);
    }
    for (size_t i = 0; i < n->rates.count; i++) {
        check_by(c, &((const struct pending_rate *)n->rates.items)[i]);
    }
}
