/*
 * See number.h. Reading: at most 19 digits with a small exponent are exact in
 * double arithmetic (Clinger's fast path); 128 bits of a power of ten decide
 * most other numbers; the C library, in the C locale, reads the rest. Writing:
 * whole numbers and short decimals are written directly; for others the same
 * powers of ten give the fewest digits that read back.
 */
#include "json/number.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "json/pow10.h"

enum {
    EXACT_POWER = 22,  /* of ten, the largest that a double holds */
    PLAIN_DIGITS = 18, /* of an integer that always fits */
    SHORT_DECIMALS = 6 /* maximum for write_short */
};

static const int64_t MAX_EXACT = (int64_t)1 << 53;

static const double powers[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* Larger doubles are whole, and need not be exact. */
static bool may_have_fraction(double value)
{
    return value >= -(double)MAX_EXACT && value <= (double)MAX_EXACT;
}

bool zkt__real_is_whole(double value)
{
    return !may_have_fraction(value) || value == (double)(int64_t)value;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char *skip_digits(char *at)
{
    while (is_digit(*at)) {
        at++;
    }
    return at;
}

char *zkt__number_end(char *at)
{
    at += *at == '-';
    if (!is_digit(*at)) {
        return NULL;
    }
    at = *at == '0' ? at + 1 : skip_digits(at);
    if (*at == '.') {
        if (!is_digit(at[1])) {
            return NULL;
        }
        at = skip_digits(at + 1);
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        if (!is_digit(*at)) {
            return NULL;
        }
        at = skip_digits(at);
    }
    return at;
}

char *zkt__integer_read(char *at, int64_t *out)
{
    const bool negative = *at == '-';
    const char *start = at + negative;
    int64_t value = 0;
    for (at += negative; is_digit(*at) && at - start < PLAIN_DIGITS; at++) {
        value = value * 10 + (*at - '0');
    }
    if (at == start || (*start == '0' && at > start + 1) || is_digit(*at) ||
        *at == '.' || *at == 'e' || *at == 'E') {
        return NULL;
    }
    *out = negative ? -value : value;
    return at;
}

/* The parts of a number: digits * 10^power. */
struct parts {
    bool negative, exact; /* exact: no digits were dropped */
    uint64_t digits;
    int power;
};

static void add_digit(struct parts *p, char c)
{
    if (p->digits > (UINT64_MAX - 9) / 10) {
        p->exact = false;
    } else {
        p->digits = p->digits * 10 + (uint64_t)(c - '0');
    }
}

static int read_power(const char *at, const char *end)
{
    const bool negative = *at == '-';
    int power = 0;
    for (at += *at == '-' || *at == '+'; at < end && power < 100000; at++) {
        power = power * 10 + (*at - '0');
    }
    return negative ? -power : power;
}

static struct parts take_apart(const char *at, const char *end)
{
    struct parts p = { .negative = *at == '-', .exact = true };
    at += p.negative;
    for (; at < end && is_digit(*at); at++) {
        add_digit(&p, *at);
    }
    if (at < end && *at == '.') {
        for (at++; at < end && is_digit(*at); at++) {
            add_digit(&p, *at);
            p.power--;
        }
    }
    if (at < end) {
        p.power += read_power(at + 1, end);
    }
    return p;
}

/* Reads with the C library, in the C locale. */
static double read_slowly(const char *at)
{
    const locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t before = c_locale != (locale_t)0 ? uselocale(c_locale)
                                                    : (locale_t)0;
    const double value = strtod(at, NULL);
    if (c_locale != (locale_t)0) {
        uselocale(before);
        freelocale(c_locale);
    }
    return value;
}

/* Returns 2^exponent, a normal double. */
static double power_of_two(int exponent)
{
    const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Rounds a binary number of 192 bits, the highest word first, to 53 bits;
 * *@shift is the number of its leading zeros, 0 or 1. */
static uint64_t round_to_double(const uint64_t words[3], unsigned *shift)
{
    const uint64_t half = 0x400;
    uint64_t top = words[0], rest = words[1] | words[2];
    *shift = top >> 63 == 0;
    if (*shift > 0) {
        top = top << 1 | words[1] >> 63;
        rest = words[1] << 1 | words[2];
    }
    const uint64_t digits = top >> 11, left = top & 0x7ff;
    const bool up = left > half ||
                    (left == half && (rest != 0 || (digits & 1) != 0));
    return digits + up;
}

/*
 * Computes the nearest double with a power of ten that may be slightly too
 * large: if the product and its lower bound round alike, the result is exact.
 * Returns false if they differ, or if the method does not apply.
 */
static bool read_product(const struct parts *p, double *out)
{
    enum {
        POWER_MAX = 280 /* with 19 digits neither overflows nor is subnormal */
    };
    if (!p->exact || p->digits == 0 || p->power < -POWER_MAX ||
        p->power > POWER_MAX) {
        return false;
    }
    const int zeros = __builtin_clzll(p->digits);
    const uint64_t digits = p->digits << zeros;
    const struct zkt_pow10 power10 = zkt__pow10(p->power);
    uint64_t words[3], middle;
    words[2] = zkt__multiply_128(digits, power10.low, &middle);
    words[1] = zkt__multiply_128(digits, power10.high, &words[0]) + middle;
    words[0] += words[1] < middle;
    const uint64_t error = power10.exact ? 0 : digits;
    uint64_t least[3] = { words[0], words[1], words[2] - error };
    least[1] -= words[2] < error;
    least[0] -= words[2] < error && words[1] == 0;
    unsigned shift, least_shift;
    const uint64_t rounded = round_to_double(words, &shift);
    if (rounded != round_to_double(least, &least_shift) ||
        shift != least_shift) {
        return false;
    }
    *out = (double)rounded * power_of_two(zkt__pow10_log2(p->power) + 64 - 52 -
                                          zeros - (int)shift);
    return true;
}

static double read_real(const struct parts *p, const char *at)
{
    double value;
    if (p->exact && p->digits <= (uint64_t)MAX_EXACT &&
        p->power >= -EXACT_POWER && p->power <= EXACT_POWER) {
        value = (double)p->digits;
        value = p->power < 0 ? value / powers[-p->power]
                             : value * powers[p->power];
        return p->negative ? -value : value;
    }
    if (read_product(p, &value)) {
        return p->negative ? -value : value;
    }
    return read_slowly(at);
}

struct zkt_number zkt__number_read(const char *at, const char *end)
{
    const struct parts p = take_apart(at, end);
    if (p.exact && p.power == 0 && p.digits <= INT64_MAX) {
        const int64_t value = (int64_t)p.digits;
        return (struct zkt_number){
            .whole = true,
            .integer = p.negative ? -value : value,
            .real = p.negative ? -(double)value : (double)value,
        };
    }
    struct zkt_number n = { .real = read_real(&p, at) };
    /* 1.0 and 1e3 are integers by value; past 2^53 no double is known to be
     * exact. */
    if (may_have_fraction(n.real) && zkt__real_is_whole(n.real)) {
        n.whole = true;
        n.integer = (int64_t)n.real;
    }
    return n;
}

/* ---- writing ---- */

/* 00 to 99 */
static const char pairs[] = "0001020304050607080910111213141516171819"
                            "2021222324252627282930313233343536373839"
                            "4041424344454647484950515253545556575859"
                            "6061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

static size_t write_unsigned(char *out, uint64_t value)
{
    size_t len = value < 10 ? 1 : 2;
    for (uint64_t rest = value / 100; rest > 0; rest /= 100) {
        len += rest < 10 ? 1 : 2;
    }
    char *at = out + len;
    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(at, &pairs[value % 100 * 2], 2);
    }
    *--at = pairs[value * 2 + 1];
    if (value >= 10) {
        *--at = pairs[value * 2];
    }
    return len;
}

size_t zkt__integer_write(char *out, int64_t value)
{
    if (value >= 0) {
        return write_unsigned(out, (uint64_t)value);
    }
    out[0] = '-';
    return 1 + write_unsigned(out + 1, 0 - (uint64_t)value);
}

/* Decimal digits without trailing zeros, and the position of the point: the
 * value is 0.DIGITS * 10^point. */
struct decimal {
    char digits[24];
    int count, point;
};

/* ECMA-262, Number::toString, steps 6 to 12 (n is point, k is count). */
static size_t spell(char *out, const struct decimal *d)
{
    const int k = d->count, n = d->point;
    char *at = out;
    if (n > 0 && n <= 21) {
        const int whole = k < n ? k : n;
        memcpy(at, d->digits, (size_t)whole);
        at += whole;
        memset(at, '0', (size_t)(n - whole));
        at += n - whole;
        if (k > n) {
            *at++ = '.';
            memcpy(at, d->digits + n, (size_t)(k - n));
            at += k - n;
        }
        return (size_t)(at - out);
    }
    if (n > -6 && n <= 0) {
        *at++ = '0';
        *at++ = '.';
        memset(at, '0', (size_t)-n);
        at += -n;
        memcpy(at, d->digits, (size_t)k);
        return (size_t)(at + k - out);
    }
    *at++ = d->digits[0];
    if (k > 1) {
        *at++ = '.';
        memcpy(at, d->digits + 1, (size_t)(k - 1));
        at += k - 1;
    }
    *at++ = 'e';
    *at++ = n > 0 ? '+' : '-';
    at += write_unsigned(at, (uint64_t)(n > 0 ? n - 1 : 1 - n));
    return (size_t)(at - out);
}

/* Makes a decimal of @digits, which is not 0, without its trailing zeros. */
static struct decimal make_decimal(uint64_t digits, int power)
{
    struct decimal d;
    d.count = (int)write_unsigned(d.digits, digits);
    d.point = d.count + power;
    while (d.count > 1 && d.digits[d.count - 1] == '0') {
        d.count--;
    }
    return d;
}

/* Tries few decimals: m / 10^k, both exact, so if the division gives @value,
 * reading the text does. */
static bool write_short(double value, struct decimal *out)
{
    for (int k = 0; k <= SHORT_DECIMALS; k++) {
        const double scaled = value * powers[k];
        if (scaled >= 1e15) {
            return false;
        }
        const uint64_t whole = (uint64_t)scaled;
        if (scaled == (double)whole && scaled / powers[k] == value) {
            *out = make_decimal(whole, -k);
            return true;
        }
    }
    return false;
}

/* Multiplies a power of ten by @quarters, a value in fourths of the unit,
 * rounding down. If bits were cut, the result is made odd (round to odd), so
 * that comparisons stay correct. */
static uint64_t scale(const struct zkt_pow10 *power10, uint64_t quarters)
{
    uint64_t middle, high;
    (void)zkt__multiply_128(power10->low, quarters, &middle);
    const uint64_t low = zkt__multiply_128(power10->high, quarters, &high) +
                         middle;
    return (high + (low < middle)) | (low > 1);
}

/* A positive number: digits * 2^power. */
struct binary {
    uint64_t digits;
    int power;
    bool closer; /* the neighbour below is half as far away */
};

/* Takes apart the @bits of a positive number with a fraction of @width bits. */
static struct binary take_bits(uint64_t bits, int width, int bias)
{
    const uint64_t first = (uint64_t)1 << width;
    const uint64_t fraction = bits & (first - 1);
    const int exponent = (int)(bits >> width);
    return (struct binary){
        .digits = exponent > 0 ? first | fraction : fraction,
        .power = (exponent > 0 ? exponent : 1) - bias - width,
        .closer = fraction == 0 && exponent > 1,
    };
}

static struct binary of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return take_bits(bits, 52, 1023);
}

static struct binary of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return take_bits(bits, 23, 127);
}

/*
 * Finds the decimal with the fewest digits among those that read back to @b,
 * and the nearest of these: Raffaello Giulietti, "The Schubfach way to render
 * doubles". At most a single multiple of 10^(power + 1) is between the
 * midpoints to both neighbours; if there is none, a multiple of 10^power is the
 * nearest.
 */
static struct decimal write_shortest(struct binary b)
{
    const uint64_t c = b.digits, closer = b.closer;
    const int q = b.power;
    /* Logarithms to base ten of 2 and of 4/3, times 2^22. */
    const int power = zkt__shift_floor(
        (int64_t)q * 1262611 - (b.closer ? 524031 : 0), 22);
    const int h = q + zkt__pow10_log2(-power) + 1;
    const struct zkt_pow10 power10 = zkt__pow10(-power);
    const uint64_t middle = scale(&power10, 4 * c << h);
    /* A tie reads as the even neighbour. */
    const uint64_t lower = scale(&power10, (4 * c - 2 + closer) << h) + (c & 1);
    const uint64_t upper = scale(&power10, (4 * c + 2) << h) - (c & 1);
    const uint64_t below = middle / 4, short_below = below / 10;
    const bool short_down = lower <= 40 * short_below;
    const bool short_up = 40 * short_below + 40 <= upper;
    if (below >= 10 && short_down != short_up) {
        return make_decimal(short_below + short_up, power + 1);
    }
    const bool down = lower <= 4 * below, up = 4 * below + 4 <= upper;
    const bool nearer_up = middle > 4 * below + 2 ||
                           (middle == 4 * below + 2 && (below & 1) != 0);
    return make_decimal(below + (down != up ? up : nearer_up), power);
}

static size_t write_binary(char *out, struct binary b)
{
    const struct decimal d = write_shortest(b);
    return spell(out, &d);
}

size_t zkt__real_write(char *out, double value)
{
    if (value == 0) {
        out[0] = '0';
        return 1;
    }
    if (value < 0) {
        out[0] = '-';
        return 1 + zkt__real_write(out + 1, -value);
    }
    struct decimal d;
    return write_short(value, &d) ? spell(out, &d)
                                  : write_binary(out, of_double(value));
}

size_t zkt__single_write(char *out, float value)
{
    if (value == 0) {
        out[0] = '0';
        return 1;
    }
    if (value < 0) {
        out[0] = '-';
        return 1 + zkt__single_write(out + 1, -value);
    }
    /* Of all floats the one with a shortest text, 7.038531e-26, that is half
     * way between two floats when it is read as a double. */
    if (value == 0x1.5c87fap-84f) {
        return zkt__real_write(out, (double)value);
    }
    return write_binary(out, of_float(value));
}

double zkt__single_round(double value)
{
    /* From here on it is nearer to what would be the next power of two. */
    const double limit = 0x1.ffffffp127;
    return value > -limit && value < limit ? (double)(float)value : value;
}
