/*
 * Timers: their periods, parameters and keys. A timer is the server's alone.
 * Its key is found when the types of all fields are known. Timeouts of methods
 * are written as periods are.
 */
#include <stdlib.h>
#include <string.h>

#include "schema/check.h"

enum {
    TIMERS_MAX = 1024,
    PERIOD_MAX = 24 * 60 * 60 * 1000
};

/* ---- periods ---- */

/* Milliseconds of a unit; 0: it is none. */
static uint32_t unit_of(const char *unit)
{
    static const struct {
        const char *unit;
        uint32_t ms;
    } units[] = {
        { "ms", 1 },
        { "s", 1000 },
        { "m", 60 * 1000 },
        { "h", 60 * 60 * 1000 },
    };
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            return units[i].ms;
        }
    }
    return 0;
}

uint32_t check_period(struct check *c, const struct ast_name *period,
                      const char *noun)
{
    if (period->text == NULL) {
        return 0;
    }
    char *unit;
    const unsigned long long count = strtoull(period->text, &unit, 10);
    const uint32_t ms = unit_of(unit);
    if (ms == 0) {
        diag_report(c->diag, period->at, DIAG_BAD_PERIOD_UNIT, unit, noun);
        return 0;
    }
    if (count == 0 || count > PERIOD_MAX / ms) {
        diag_report(c->diag, period->at, DIAG_BAD_PERIOD, noun, period->text);
        return 0;
    }
    return (uint32_t)count * ms;
}

/* ---- timers ---- */

/* The parameters. Their struct is the server's alone. */
static const struct schema_type *check_input(struct check *c, const char *actor,
                                             const struct ast_member *m)
{
    const size_t count = c->structs.count;
    const struct schema_type *input = check_payload(c, actor, &m->payload,
                                                    SCHEMA_TIMER, m->name);
    if (c->structs.count > count) {
        check_hide_struct(c, input->structure);
    }
    return input;
}

const struct schema_timer *check_timer(struct check *c, const char *actor,
                                       const struct ast_member *m)
{
    struct schema_timer *timer = ARENA_NEW(c->arena, struct schema_timer);
    const bool repeats = m->every.text != NULL;
    timer->name = m->name;
    timer->doc = m->doc;
    timer->input = check_input(c, actor, m);
    timer->every_ms = check_period(c, &m->every, "a period");
    const bool is_known = m->payload.type == NULL || timer->input != NULL;
    if (is_known && !repeats) {
        timer->by = m->by;
    }
    if (repeats && timer->input != NULL) {
        diag_report(c->diag, m->every.at, DIAG_PERIODIC_TIMER, "parameters");
    }
    if (repeats && m->by.text != NULL) {
        diag_report(c->diag, m->by.at, DIAG_PERIODIC_TIMER, "'by'");
    }
    if (c->timers.count == TIMERS_MAX) {
        diag_report(c->diag, m->name.at, DIAG_TOO_MANY, (size_t)TIMERS_MAX,
                    "timer");
        return NULL;
    }
    list_add(c->arena, &c->timers, &timer, sizeof(timer));
    return timer;
}

/* ---- keys ---- */

static const char *field_at(const void *user, size_t i)
{
    const struct schema_struct *s = user;
    return s->fields[i].name.text;
}

static void check_key(struct check *c, struct schema_timer *timer)
{
    const struct ast_name *by = &timer->by;
    const struct schema_struct *input = timer->input != NULL
                                            ? timer->input->structure
                                            : NULL;
    const size_t count = input != NULL ? input->field_count : 0;
    size_t i = 0;
    while (i < count && strcmp(input->fields[i].name.text, by->text) != 0) {
        i++;
    }
    if (i == count) {
        diag_report(c->diag, by->at, DIAG_UNKNOWN_KEY, timer->name.text,
                    by->text);
        diag_suggest(c->diag, by->at, by->text, count, field_at, input);
        return;
    }
    const struct schema_type *type = input->fields[i].type;
    timer->by_number = i;
    if (type != NULL && schema_kinds[type->kind].class != SCHEMA_CLASS_TEXT) {
        diag_report(c->diag, by->at, DIAG_BAD_KEY, by->text);
    }
}

void check_timer_keys(struct check *c)
{
    struct schema_timer *const *timers = c->timers.items;
    for (size_t i = 0; i < c->timers.count; i++) {
        if (timers[i]->by.text != NULL) {
            check_key(c, timers[i]);
        }
    }
}
