/* See date.h. */
#include "http/date.h"

#include <string.h>

enum {
    DAY = 24 * 60 * 60,
    EPOCH = 719468, /* days from March 1 of year 0 to 1970-01-01 */
    ERA = 146097    /* days in 400 years */
};

/* From the day of the epoch on. */
static const char days[][4] = {
    "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"
};
static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* ---- writing ---- */

struct date {
    int64_t year;
    unsigned month, day; /* from 1 */
};

/* Returns the date of a day since 1970-01-01, which is not before year 0. A
 * year that begins in March has its leap day at the end, so that the lengths of
 * its months are a linear function, rounded. */
static struct date date_of(int64_t day)
{
    const int64_t since = day + EPOCH;
    const int64_t era = since / ERA, in_era = since % ERA;
    const int64_t year =
        (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA - 1)) / 365;
    const int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * in_year + 2) / 153; /* 0 is March */
    return (struct date){
        .year = 400 * era + year + (month >= 10),
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(in_year - (153 * month + 2) / 5 + 1),
    };
}

/* Writes a text with its NUL, and returns its end. */
static char *put_text(char *at, const char *text)
{
    const size_t len = strlen(text);
    memcpy(at, text, len + 1);
    return at + len;
}

static char *put_number(char *at, unsigned number, int digits)
{
    for (int i = digits - 1; i >= 0; i--, number /= 10) {
        at[i] = (char)('0' + number % 10);
    }
    return at + digits;
}

void zkt__http_date(int64_t ms, char out[ZKT_HTTP_DATE_SIZE])
{
    enum {
        YEARS_END = 2932897 /* the day after 9999-12-31 */
    };
    const int64_t seconds = ms / 1000, day = seconds / DAY;
    const unsigned in_day = (unsigned)(seconds % DAY);
    out[0] = '\0';
    if (ms <= 0 || day >= YEARS_END) {
        return;
    }
    const struct date date = date_of(day);
    char *at = put_text(out, days[day % 7]);
    at = put_number(put_text(at, ", "), date.day, 2);
    at = put_text(put_text(at, " "), months[date.month - 1]);
    at = put_number(put_text(at, " "), (unsigned)date.year, 4);
    at = put_number(put_text(at, " "), in_day / 3600, 2);
    at = put_number(put_text(at, ":"), in_day / 60 % 60, 2);
    at = put_number(put_text(at, ":"), in_day % 60, 2);
    (void)put_text(at, " GMT");
}

/* ---- reading ---- */

struct reading {
    const char *at, *end;
    struct date date;
    unsigned hour, minute, second;
};

static bool take_text(struct reading *r, const char *text)
{
    const size_t len = strlen(text);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0) {
        return false;
    }
    r->at += len;
    return true;
}

/* Takes exactly @digits digits. */
static bool take_number(struct reading *r, int digits, unsigned *out)
{
    *out = 0;
    for (; digits > 0; digits--, r->at++) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9') {
            return false;
        }
        *out = *out * 10 + (unsigned)(*r->at - '0');
    }
    return true;
}

/* Takes one of @count names. */
static bool take_name(struct reading *r, const char (*names)[4], unsigned count,
                      unsigned *out)
{
    for (*out = 0; *out < count; ++*out) {
        if (take_text(r, names[*out])) {
            return true;
        }
    }
    return false;
}

/* Takes the rest of a day's name. */
static bool take_ending(struct reading *r, unsigned day)
{
    static const char *const endings[] = { "rsday", "day",  "urday", "day",
                                           "day",   "sday", "nesday" };
    return take_text(r, endings[day]);
}

static bool take_time(struct reading *r)
{
    return take_number(r, 2, &r->hour) && take_text(r, ":") &&
           take_number(r, 2, &r->minute) && take_text(r, ":") &&
           take_number(r, 2, &r->second);
}

static bool take_year(struct reading *r, int digits)
{
    unsigned year;
    if (!take_number(r, digits, &year)) {
        return false;
    }
    r->date.year = digits == 4 ? year : year < 70 ? 2000 + year : 1900 + year;
    return true;
}

/* Takes a part, with the letter of strftime. */
static bool take_part(struct reading *r, char letter)
{
    unsigned name;
    switch (letter) {
    case 'a':
        return take_name(r, days, 7, &name);
    case 'A':
        return take_name(r, days, 7, &name) && take_ending(r, name);
    case 'b':
        if (!take_name(r, months, 12, &name)) {
            return false;
        }
        r->date.month = name + 1;
        return true;
    case 'd':
        return take_number(r, 2, &r->date.day);
    case 'e':
        return take_number(r, take_text(r, " ") ? 1 : 2, &r->date.day);
    case 'T':
        return take_time(r);
    case 'Y':
        return take_year(r, 4);
    default: /* 'y' */
        return take_year(r, 2);
    }
}

static bool take_form(struct reading *r, const char *form)
{
    for (; *form != '\0'; form++) {
        const char literal[] = { *form, '\0' };
        if (*form == '%' ? !take_part(r, *++form) : !take_text(r, literal)) {
            return false;
        }
    }
    return r->at == r->end;
}

/* Returns the day since 1970-01-01; the inverse of date_of. */
static int64_t day_of(struct date date)
{
    const int64_t year = date.year - (date.month <= 2);
    const int64_t month = date.month <= 2 ? date.month + 9 : date.month - 3;
    return 365 * year + year / 4 - year / 100 + year / 400 +
           (153 * month + 2) / 5 + date.day - 1 - EPOCH;
}

/* Returns true if the month has the day, and the day the time; the last minute
 * of a day may have a second more. */
static bool exists(const struct reading *r)
{
    const struct date same = date_of(day_of(r->date));
    return r->date.day > 0 && same.day == r->date.day &&
           same.month == r->date.month && r->hour < 24 && r->minute < 60 &&
           r->second <= 60;
}

bool zkt__http_parse_date(struct zkt_str text, int64_t *seconds)
{
    static const char *const forms[] = {
        "%a, %d %b %Y %T GMT", /* as zkt__http_date writes it */
        "%A, %d-%b-%y %T GMT", /* RFC 850 */
        "%a %b %e %T %Y"       /* asctime */
    };
    if (text.len == 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct reading r = { .at = text.data, .end = text.data + text.len };
        if (!take_form(&r, forms[i])) {
            continue;
        }
        const int64_t day = day_of(r.date);
        if (day < 0 || !exists(&r)) {
            return false;
        }
        *seconds = day * DAY + r.hour * 3600 + r.minute * 60 + r.second;
        return true;
    }
    return false;
}
