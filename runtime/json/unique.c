/*
 * `unique`: all items of a list differ. Long lists are sorted (a merge sort of
 * indexes), so that no list from a client takes quadratic time.
 */
#include <string.h>

#include "json/rules.h"
#include "json/scalar.h"

enum {
    FEW = 8 /* items compared pairwise */
};

struct sorting {
    const struct zkt_type *type;
    const char *items;
};

static int compare_ints(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_reals(double a, double b)
{
    return a < b ? -1 : a > b;
}

static int compare_strings(const struct zkt_str *a, const struct zkt_str *b)
{
    const size_t len = a->len < b->len ? a->len : b->len;
    const int order = len > 0 ? memcmp(a->data, b->data, len) : 0;
    return order != 0 ? order : compare_ints((int64_t)a->len, (int64_t)b->len);
}

/* Compares items by index; any total order that finds equal items suffices. */
static int compare(const struct sorting *s, uint32_t a, uint32_t b)
{
    const char *x = s->items + a * s->type->size;
    const char *y = s->items + b * s->type->size;
    switch (zkt__class_of(s->type)) {
    case ZKT_CLASS_REAL:
        return compare_reals(zkt__real_at(s->type, x),
                             zkt__real_at(s->type, y));
    case ZKT_CLASS_TEXT:
        return compare_strings((const struct zkt_str *)(const void *)x,
                               (const struct zkt_str *)(const void *)y);
    case ZKT_CLASS_NONE: /* an enum */
    case ZKT_CLASS_TRUTH:
    case ZKT_CLASS_INTEGER:
    case ZKT_CLASS_TIME:
    case ZKT_CLASS_BYTES: /* these two have no `unique` */
    case ZKT_CLASS_ANY:
        break;
    }
    return memcmp(x, y, s->type->size);
}

/* Sorts @count indexes at @order, stably; @spare has room for as many. */
static void sort(const struct sorting *s, uint32_t *order, uint32_t *spare,
                 size_t count)
{
    if (count < 2) {
        return;
    }
    const size_t half = count / 2;
    sort(s, order, spare, half);
    sort(s, order + half, spare, count - half);
    memcpy(spare, order, half * sizeof(*spare));
    size_t left = 0, right = half;
    for (size_t i = 0; left < half; i++) {
        const bool take_left = right == count ||
                               compare(s, spare[left], order[right]) <= 0;
        order[i] = take_left ? spare[left++] : order[right++];
    }
}

static bool report(const struct zkt_where *where, uint32_t first,
                   uint32_t second)
{
    zkt__issue_add(where->issues, ZKT_ISSUE_CUSTOM, where->path, where->depth,
                   "items %u and %u are equal", first, second);
    return false;
}

static bool check_few(const struct zkt_where *where, const struct sorting *s,
                      uint32_t count)
{
    for (uint32_t second = 1; second < count; second++) {
        for (uint32_t first = 0; first < second; first++) {
            if (compare(s, first, second) == 0) {
                return report(where, first, second);
            }
        }
    }
    return true;
}

/* Reports the equal pair that ends first in the list. */
static bool check_sorted(const struct zkt_where *where, const struct sorting *s,
                         const uint32_t *order, uint32_t count)
{
    uint32_t first = 0, second = UINT32_MAX;
    for (uint32_t i = 1; i < count; i++) {
        if (order[i] < second && compare(s, order[i - 1], order[i]) == 0) {
            first = order[i - 1];
            second = order[i];
        }
    }
    return second == UINT32_MAX || report(where, first, second);
}

bool zkt__rule_unique(const struct zkt_where *where,
                      const struct zkt_type *item,
                      const struct zkt_any_list *list)
{
    const struct sorting s = { item, list->items };
    const uint32_t count = (uint32_t)list->len;
    if (count <= FEW) {
        return check_few(where, &s, count);
    }
    uint32_t *order = zkt__arena_zero(where->issues->arena, 2 * (size_t)count,
                                      sizeof(*order));
    if (order == NULL) {
        where->issues->no_memory = true;
        where->issues->total++;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    sort(&s, order, order + count, count);
    const bool good = check_sorted(where, &s, order, count);
    zkt__arena_release(where->issues->arena, order,
                       2 * (size_t)count * sizeof(*order));
    return good;
}
