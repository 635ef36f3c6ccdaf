/*
 * Random values of every type of a schema, through its tables:
 *
 * - decode(encode(v)) is v, with the same text; the other writer (mutate.c)
 * makes that text, too; a copy is equal;
 * - an error in one place is an issue with its code, at its path, and
 *   zkt__check_value agrees about a value that a client would accept;
 * - a value in another form (a repeated key, an omitted default, white space to
 *   trim, a union's kind last) decodes to the value that it means;
 * - keys of timers are strings;
 * - fields to audiences may be absent, identities are strings, and their fields
 *   are maps;
 * - streams interleave, and have neither a result nor progress;
 * - initial states keep their own rules;
 * - random changes of states arrive as patches, or are refused and undone.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "../random_patch.h"
#include "mutate.h"
#include "zocket/call.h"
#include "json/pattern.h"

enum {
    MUTATIONS = 30, /* of a value */
    KINDS_MAX = 64  /* of mutations */
};

static const struct zkt_hash_key hash_key = { 5, 6 };
static struct zkt_pattern_cache patterns;
static struct zkt_rule_context context = { .patterns = &patterns };
static const struct samples *all_samples;
static long failures;
static uint32_t hook_calls, failing_hook;

static struct {
    const char *what;
    long count;
} done[KINDS_MAX];

static void fail(const char *what, const char *text, size_t len)
{
    if (failures++ < 5) {
        fprintf(stderr, "%s: %.*s\n", what, (int)len, text);
    }
}

static void count(const char *what)
{
    size_t i = 0;
    while (i + 1 < KINDS_MAX && done[i].what != NULL &&
           strcmp(done[i].what, what) != 0) {
        i++;
    }
    done[i].what = what;
    done[i].count++;
}

/* Every `check;`: the selected call reports an issue. */
static void check_hook(const void *value, struct zkt_issues *issues)
{
    (void)value;
    if (++hook_calls == failing_hook) {
        zkt_issue(issues, NULL, "broken on purpose");
    }
}

static struct zkt_str ruled_text(struct zkt_arena *arena,
                                 const struct zkt_string_rules *rules)
{
    const unsigned start = random_below((unsigned)all_samples->count);
    const bool free = rules->pattern_count == 0 && rules->min == 0 &&
                      rules->max > 12 && !rules->trim && !rules->lower &&
                      !rules->upper;
    enum zkt_issue_code code;
    if (free && random_below(2) == 0) {
        return random_text(arena);
    }
    for (size_t i = 0; i < all_samples->count; i++) {
        const struct sample *s =
            &all_samples->items[(start + i) % all_samples->count];
        if ((s->trimmed || !rules->trim) && (s->lowered || !rules->lower) &&
            (s->uppered || !rules->upper) &&
            sample_faults(all_samples, rules, s, &code) == 0) {
            return zkt__arena_str(arena, s->text);
        }
    }
    fail("no sample for a string", "", 0);
    return ZKT_STR("");
}

/* ---- texts ---- */

static bool decode(struct zkt_arena *arena, const struct zkt_type *type,
                   const struct zkt_writer *w, struct zkt_issues *issues,
                   bool tolerant, void *out)
{
    struct zkt_reader reader;
    char *text = zkt__arena_zero(arena, w->len + ZKT_PADDING, 1);
    memcpy(text, w->data, w->len);
    zkt__reader_init(&reader, text, w->len, arena, issues, &hash_key);
    reader.tolerant = tolerant;
    const bool good = type->decode(&reader, type, out);
    return good && zkt__reader_done(&reader);
}

static void reset(struct zkt_issues *issues, struct zkt_arena *arena)
{
    zkt__issues_init(issues, arena, &context);
    hook_calls = 0;
}

static bool same_steps(const struct zkt_step *a, const struct zkt_step *b,
                       uint32_t depth)
{
    for (uint32_t i = 0; i < depth; i++) {
        const bool index = a[i].key == NULL && b[i].key == NULL;
        if (index ? a[i].order != b[i].order
                  : a[i].key == NULL || b[i].key == NULL ||
                        a[i].len != b[i].len ||
                        memcmp(a[i].key, b[i].key, a[i].len) != 0) {
            return false;
        }
    }
    return true;
}

static bool is_expected(const struct zkt_issues *issues,
                        const struct place *expected)
{
    const struct zkt_issue *issue = &issues->items[0];
    return issues->total == 1 && issue->code == expected->code &&
           issue->depth == expected->depth &&
           same_steps(issue->path, expected->path, expected->depth);
}

static void fail_at(const struct mutation *m, const char *what,
                    const struct zkt_issues *issues)
{
    struct zkt_writer text;
    if (failures++ >= 5) {
        return;
    }
    zkt__writer_init(&text, &zkt__allocator_default);
    zkt__issues_write(issues, &text);
    fprintf(stderr, "%s (%s)\n  issues: %.*s\n  text: %.*s\n", what, m->what,
            (int)text.len, text.data, (int)m->w->len, m->w->data);
    zkt__writer_finish(&text);
}

/* ---- values ---- */

struct trial {
    struct zkt_arena arena;
    const struct zkt_type *type;
    void *value, *back;
    struct zkt_issues issues;
};

/* Checks the C value of a bad text that a client accepts. */
static void check_tolerant(struct trial *t, const struct mutation *m)
{
    reset(&t->issues, &t->arena);
    if (!decode(&t->arena, t->type, m->w, &t->issues, true, t->back)) {
        return;
    }
    reset(&t->issues, &t->arena);
    if (zkt__check_value(t->type, t->back, NULL, 0, &t->issues) ||
        !is_expected(&t->issues, &m->expected)) {
        fail_at(m, "the value has other issues than its text", &t->issues);
    }
}

/* Checks a text that means the value, except for a member. */
static void check_harmless(struct trial *t, const struct mutation *m, bool good)
{
    char saved[512];
    if (!good) {
        fail_at(m, "a good text is refused", &t->issues);
        return;
    }
    if (m->member_size > sizeof(saved)) {
        return;
    }
    if (m->member != NULL) {
        memcpy(saved, m->member, m->member_size);
        if (m->becomes != NULL) {
            memcpy(m->member, m->becomes, m->member_size);
        } else {
            memset(m->member, 0, m->member_size);
        }
    }
    if (!zkt__value_equal(t->type, t->value, t->back)) {
        fail_at(m, "another value came back", &t->issues);
    }
    if (m->member != NULL) {
        memcpy(m->member, saved, m->member_size);
    }
}

static void mutate(struct trial *t, uint32_t target)
{
    struct zkt_writer w;
    struct mutation m = { .w = &w, .samples = all_samples, .target = target };
    zkt__writer_init(&w, &zkt__allocator_default);
    mutation_write(&m, t->type, t->value);
    count(m.what);
    reset(&t->issues, &t->arena);
    failing_hook = m.failing_check;
    const bool good = decode(&t->arena, t->type, &w, &t->issues, false,
                             t->back);
    if (m.harmless) {
        check_harmless(t, &m, good);
    } else if (good || !is_expected(&t->issues, &m.expected)) {
        fail_at(&m, "another issue, or none", &t->issues);
    } else if (m.by_rule) {
        check_tolerant(t, &m);
    }
    failing_hook = 0;
    zkt__writer_finish(&w);
}

static void check_copy(const struct trial *t, const struct zkt_writer *w)
{
    void *copy = zkt_value_dup(t->type, t->value);
    if (copy == NULL || !zkt__value_equal(t->type, t->value, copy)) {
        fail("a copy is another value", w->data, w->len);
    }
    free(copy);
}

/* Decodes the text, as a server and as a client, which checks less. */
static void check_round(struct trial *t, const struct zkt_writer *w)
{
    struct zkt_writer again;
    reset(&t->issues, &t->arena);
    if (!decode(&t->arena, t->type, w, &t->issues, true, t->back) ||
        !zkt__value_equal(t->type, t->value, t->back)) {
        fail("a client reads another value", w->data, w->len);
    }
    reset(&t->issues, &t->arena);
    if (!decode(&t->arena, t->type, w, &t->issues, false, t->back) ||
        !zkt__value_equal(t->type, t->value, t->back)) {
        fail("another value came back", w->data, w->len);
    }
    zkt__writer_init(&again, &zkt__allocator_default);
    t->type->encode(&again, t->type, t->back);
    if (again.len != w->len || memcmp(again.data, w->data, w->len) != 0) {
        fail("the second text is another", again.data, again.len);
    }
    zkt__writer_finish(&again);
}

/* Returns the number of sites; the other writer must make the same text. */
static uint32_t check_text(const struct trial *t, const struct zkt_writer *w)
{
    struct zkt_writer other;
    struct mutation m = { .w = &other,
                          .samples = all_samples,
                          .target = NO_SITE };
    zkt__writer_init(&other, &zkt__allocator_default);
    mutation_write(&m, t->type, t->value);
    if (other.len != w->len || memcmp(other.data, w->data, w->len) != 0) {
        fail("the other writer differs", w->data, w->len);
        fail("expected", other.data, other.len);
    }
    zkt__writer_finish(&other);
    return m.sites;
}

static void try_value(const struct zkt_type *type)
{
    struct trial t = { .type = type };
    struct zkt_writer w;
    zkt__arena_init(&t.arena, &zkt__allocator_default);
    zkt__writer_init(&w, &zkt__allocator_default);
    t.value = zkt__arena_zero(&t.arena, 1, type->size);
    t.back = zkt__arena_zero(&t.arena, 1, type->size);
    random_value(&t.arena, type, t.value, 0);
    type->encode(&w, type, t.value);
    reset(&t.issues, &t.arena);
    if (!zkt__check_value(type, t.value, NULL, 0, &t.issues)) {
        fail("a good value breaks a rule", w.data, w.len);
    }
    check_round(&t, &w);
    check_copy(&t, &w);
    const uint32_t sites = check_text(&t, &w);
    for (int i = 0; i < MUTATIONS && sites > 0; i++) {
        mutate(&t, random_below(sites));
    }
    zkt__writer_finish(&w);
    zkt__arena_finish(&t.arena);
}

/* ---- schemas ---- */

static void try_first_state(const struct zkt_type *type)
{
    const struct zkt_store store = { &zkt__allocator_default, hash_key };
    struct zkt_arena arena;
    struct zkt_issues issues;
    zkt__arena_init(&arena, &zkt__allocator_default);
    reset(&issues, &arena);
    void *value = zkt__arena_zero(&arena, 1, type->size);
    if (!zkt__value_default(&store, type, value) ||
        !zkt__check_value(type, value, NULL, 0, &issues)) {
        fail("an initial state breaks a rule", issues.items[0].message.data,
             issues.items[0].message.len);
    }
    zkt__value_release(&store, type, value);
    zkt__arena_finish(&arena);
}

static void try_changes(const struct zkt_type *type, long rounds)
{
    const struct zkt_store store = { &zkt__allocator_default, hash_key };
    for (long i = 0; i < rounds; i++) {
        struct patch_round round;
        patch_round_init(&round, &store, type);
        round.context = &context;
        patch_round_run(&round);
        if (round.wrong != NULL) {
            fail(round.wrong, round.before.data, round.before.len);
        }
        count(round.refused ? "changes refused" : "changes");
        patch_round_finish(&round);
    }
}

static void try_type(const struct zkt_type *type, long rounds)
{
    for (long i = 0; type != NULL && i < rounds; i++) {
        try_value(type);
    }
}

static void check_key(const struct zkt_timer *timer)
{
    const struct zkt_type *input = timer->input;
    if (timer->by >= 0 &&
        (input == NULL || input->kind != ZKT_KIND_STRUCT ||
         (size_t)timer->by >= input->of.structs->count ||
         input->of.structs->fields[timer->by].type->kind != ZKT_KIND_STRING)) {
        fail("the key of a timer is no string", timer->name.data,
             timer->name.len);
    }
    count(timer->by >= 0 ? "timers with a key" : "timers without a key");
}

static bool may_be_absent(const struct zkt_type *type)
{
    return type->kind == ZKT_KIND_OPTIONAL || type->kind == ZKT_KIND_BOXED;
}

static bool is_identity(const struct zkt_connection_info *connection,
                        uint32_t number)
{
    const struct zkt_type *data = connection != NULL ? connection->data : NULL;
    if (data == NULL || number >= data->of.structs->count) {
        return false;
    }
    const struct zkt_type *type = data->of.structs->fields[number].type;
    return type->kind == ZKT_KIND_STRING ||
           (type->kind == ZKT_KIND_OPTIONAL &&
            type->of.optionals->value->kind == ZKT_KIND_STRING);
}

static bool fits_readers(const struct zkt_app_info *info,
                         const struct zkt_actor *actor,
                         const struct zkt_field_reader *reader,
                         const struct zkt_type *type)
{
    switch (reader->kind) {
    case ZKT_READER_ALL:
        count("fields for all");
        return reader->number == 0;
    case ZKT_READER_AUDIENCE:
        count("fields to audiences");
        return may_be_absent(type) && reader->number < actor->audience_count;
    case ZKT_READER_DATA:
        count("maps to data");
        return type->kind == ZKT_KIND_MAP &&
               is_identity(info->connection, reader->number);
    case ZKT_READER_CLIENT:
        count("maps to clients");
        return type->kind == ZKT_KIND_MAP && reader->number == 0;
    }
    return false;
}

static void check_readers(const struct zkt_app_info *info,
                          const struct zkt_actor *actor)
{
    const struct zkt_struct_info *state = actor->state->of.structs;
    for (uint32_t i = 0; actor->readers != NULL && i < state->count; i++) {
        const struct zkt_field *f = &state->fields[i];
        if (!fits_readers(info, actor, &actor->readers[i], f->type)) {
            fail("a field does not fit its readers", f->name.data, f->name.len);
        }
    }
}

static void check_flow(const struct zkt_method *method)
{
    if (method->chunk != NULL &&
        (!method->interleaves || method->result != NULL ||
         method->progress != NULL)) {
        fail("a stream is more than that", method->name.data, method->name.len);
    }
    count(method->chunk != NULL      ? "streams"
          : method->progress != NULL ? "methods with progress"
          : method->interleaves      ? "methods that interleave"
                                     : "other methods");
}

static void try_actor(const struct zkt_actor *actor, long rounds)
{
    try_first_state(actor->state);
    try_changes(actor->state, rounds);
    try_type(actor->state, rounds);
    if (actor->private_state != NULL) {
        try_first_state(actor->private_state);
        try_changes(actor->private_state, rounds);
        try_type(actor->private_state, rounds);
    }
    for (uint32_t i = 0; i < actor->method_count; i++) {
        try_type(actor->methods[i].input, rounds);
        try_type(actor->methods[i].result, rounds);
        try_type(actor->methods[i].chunk, rounds);
        try_type(actor->methods[i].progress, rounds);
        check_flow(&actor->methods[i]);
    }
    for (uint32_t i = 0; i < actor->event_count; i++) {
        try_type(actor->events[i].payload, rounds);
    }
    for (uint32_t i = 0; i < actor->timer_count; i++) {
        try_type(actor->timers[i].input, rounds);
        check_key(&actor->timers[i]);
    }
}

static void set_checks(const struct zkt_app_info *info, char *handlers)
{
    void (*hook)(const void *, struct zkt_issues *) = check_hook;
    for (uint32_t i = 0; i < info->check_count; i++) {
        memcpy(handlers + info->checks[i].handler_offset, &hook, sizeof(hook));
    }
}

int drive(const struct zkt_app *app, void *handlers,
          const struct samples *samples, int argc, char **argv)
{
    const long rounds = argc > 1 ? atol(argv[1]) : 20;
    if (argc > 2) {
        random_seed = strtoull(argv[2], NULL, 10);
    }
    random_ruled_text = ruled_text;
    all_samples = samples;
    patterns.allocator = &zkt__allocator_default;
    context.app = app;
    set_checks(app->info, handlers);
    for (uint32_t i = 0; i < app->info->actor_count; i++) {
        try_actor(app->info->actors[i], rounds);
        check_readers(app->info, app->info->actors[i]);
    }
    for (size_t i = 0; i < KINDS_MAX && done[i].what != NULL; i++) {
        printf("%s: %ld\n", done[i].what, done[i].count);
    }
    zkt__patterns_finish(&patterns);
    return failures == 0 ? 0 : 1;
}
