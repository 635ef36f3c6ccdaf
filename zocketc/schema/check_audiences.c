/*
 * Audiences, and the readers of state fields: `to` names an audience of the
 * actor, or the identity that is the key of a map. An identity is a string of
 * the connection's data, or the id of the client. Names are found when the
 * types of all fields are known.
 */
#include <string.h>

#include "schema/check.h"

enum {
    AUDIENCES_MAX = 4,  /* ZKT_AUDIENCES_MAX */
    AUDIENCES_KEPT = 64 /* so that `to` finds a few that are too many */
};

static const char client_id[] = "clientId";

bool check_audience(struct check *c, const struct ast_name *actor,
                    const struct ast_member *m, size_t count)
{
    if (strcmp(m->name.text, client_id) == 0) {
        diag_report(c->diag, m->name.at, DIAG_RESERVED_NAME, "an audience",
                    client_id);
    }
    if (count == AUDIENCES_MAX) {
        diag_report(c->diag, m->name.at, DIAG_TOO_MANY_AUDIENCES, actor->text,
                    AUDIENCES_MAX);
    }
    return count < AUDIENCES_KEPT;
}

struct schema_reader check_reader(struct check *c,
                                  const struct schema_struct *s,
                                  const struct ast_field *field)
{
    const struct ast_names *to = field->readers;
    struct schema_reader reader = { .kind = SCHEMA_READER_ALL };
    if (to == NULL) {
        return reader;
    }
    if (s->role != SCHEMA_STATE) {
        diag_report(c->diag, to->name.at, DIAG_MISPLACED_READER);
        return reader;
    }
    if (to->next != NULL) {
        diag_report(c->diag, to->next->name.at, DIAG_TWO_READERS,
                    field->name.text);
        diag_report(c->diag, to->name.at, DIAG_FIRST_HERE);
    }
    reader.name = to->name;
    return reader;
}

/* ---- names ---- */

static const struct schema_struct *data_of(const struct check *c)
{
    return c->schema->connection != NULL ? c->schema->connection->data : NULL;
}

/* The number of a field of the data; @count: there is none. */
static size_t find_data(const struct schema_struct *data, const char *name)
{
    const size_t count = data != NULL ? data->field_count : 0;
    size_t i = 0;
    while (i < count && strcmp(data->fields[i].name.text, name) != 0) {
        i++;
    }
    return i;
}

static size_t find_audience(const struct schema_actor *a, const char *name)
{
    size_t i = 0;
    while (i < a->audience_count &&
           strcmp(a->audiences[i].name.text, name) != 0) {
        i++;
    }
    return i;
}

static bool is_identity(const struct schema_type *type)
{
    if (type->kind == SCHEMA_OPTIONAL) {
        type = type->inner;
    }
    return schema_kinds[type->kind].class == SCHEMA_CLASS_TEXT;
}

/* The names that may stand behind the `to` of a field. */
struct candidates {
    const struct schema_actor *actor;
    const struct schema_struct *data;
    size_t data_count;
    bool of_map; /* identities; else audiences */
};

static const char *name_at(const void *user, size_t i)
{
    const struct candidates *all = user;
    const size_t audiences = all->actor->audience_count;
    if (i < audiences) {
        return all->of_map ? NULL : all->actor->audiences[i].name.text;
    }
    if (!all->of_map) {
        return NULL;
    }
    if (i - audiences == all->data_count) {
        return client_id;
    }
    const struct schema_field *f = &all->data->fields[i - audiences];
    return f->type != NULL && is_identity(f->type) ? f->name.text : NULL;
}

static void report_unknown(struct check *c, const struct schema_actor *a,
                           const struct schema_field *f)
{
    const struct schema_struct *data = data_of(c);
    const struct ast_name *name = &f->reader.name;
    const struct candidates all = {
        .actor = a,
        .data = data,
        .data_count = data != NULL ? data->field_count : 0,
        .of_map = f->type != NULL && f->type->kind == SCHEMA_MAP,
    };
    diag_report(c->diag, name->at, DIAG_UNKNOWN_READER, name->text,
                a->name.text);
    diag_suggest(c->diag, name->at, name->text,
                 a->audience_count + all.data_count + 1, name_at, &all);
}

/* Finds the audience or the identity behind `to`, or reports that there is
 * none. */
static void resolve(struct check *c, const struct schema_actor *a,
                    struct schema_field *f)
{
    const struct schema_struct *data = data_of(c);
    struct schema_reader *reader = &f->reader;
    const char *name = reader->name.text;
    const size_t audience = find_audience(a, name);
    const size_t field = find_data(data, name);
    if (strcmp(name, client_id) == 0) {
        reader->kind = SCHEMA_READER_CLIENT;
    } else if (audience < a->audience_count) {
        reader->kind = SCHEMA_READER_AUDIENCE;
        reader->number = audience;
    } else if (data != NULL && field < data->field_count) {
        const struct schema_type *type = data->fields[field].type;
        reader->kind = SCHEMA_READER_DATA;
        reader->number = field;
        if (type != NULL && !is_identity(type)) {
            diag_report(c->diag, reader->name.at, DIAG_BAD_IDENTITY, name);
        }
    } else {
        report_unknown(c, a, f);
    }
}

/* ---- types ---- */

/* The field of a subscriber that does not belong is absent. */
static void check_hidden_field(struct check *c, const struct schema_field *f)
{
    if (f->type->kind != SCHEMA_OPTIONAL) {
        diag_report(c->diag, f->name.at, DIAG_HIDDEN_FIELD, f->name.text);
    }
}

/* The default is a part of the code of all clients. */
static void check_hidden_map(struct check *c, const struct schema_field *f)
{
    if (f->type->kind != SCHEMA_MAP) {
        diag_report(c->diag, f->name.at, DIAG_HIDDEN_MAP, f->name.text,
                    f->reader.name.text);
    } else if (f->value != NULL && f->value->first != NULL) {
        diag_report(c->diag, f->value->at, DIAG_HIDDEN_DEFAULT, f->name.text);
    }
}

static void check_state_field(struct check *c, const struct schema_actor *a,
                              struct schema_field *f)
{
    resolve(c, a, f);
    if (f->type == NULL || f->reader.kind == SCHEMA_READER_ALL) {
        return;
    }
    if (f->reader.kind == SCHEMA_READER_AUDIENCE) {
        check_hidden_field(c, f);
    } else {
        check_hidden_map(c, f);
    }
}

/* ---- all of it ---- */

/* An audience and a field of the data never have the same name: `to` could
 * mean either. */
static void check_audience_names(struct check *c, const struct schema_actor *a)
{
    const struct schema_struct *data = data_of(c);
    for (size_t i = 0; data != NULL && i < a->audience_count; i++) {
        const struct ast_name *name = &a->audiences[i].name;
        const size_t field = find_data(data, name->text);
        if (field < data->field_count) {
            diag_report(c->diag, name->at, DIAG_RESERVED_NAME, "an audience",
                        name->text);
            diag_report(c->diag, data->fields[field].name.at, DIAG_FIRST_HERE);
        }
    }
}

/* Nor is a field of the data called `clientId` where `to clientId` stands. */
static void check_client_id(struct check *c)
{
    const struct schema_struct *data = data_of(c);
    const size_t field = find_data(data, client_id);
    if (data != NULL && field < data->field_count) {
        diag_report(c->diag, data->fields[field].name.at, DIAG_RESERVED_NAME,
                    "a field of the data", client_id);
    }
}

void check_readers(struct check *c)
{
    const struct check_struct *structs = c->structs.items;
    bool has_client_id = false;
    for (size_t i = 0; i < c->schema->actor_count; i++) {
        const struct schema_actor *a = &c->schema->actors[i];
        struct schema_field *fields = structs[a->state->number].fields;
        check_audience_names(c, a);
        for (size_t k = 0; k < a->state->field_count; k++) {
            if (fields[k].reader.name.text != NULL) {
                check_state_field(c, a, &fields[k]);
            }
            has_client_id = has_client_id ||
                            fields[k].reader.kind == SCHEMA_READER_CLIENT;
        }
    }
    if (has_client_id) {
        check_client_id(c);
    }
}
