/*
 * Prints random doubles for doubles.test.js: the bits in hexadecimal, and the
 * writer's text. Some have few digits, some are subnormal, some are next to a
 * power of two. Each is read back, and a random decimal is read, as the C
 * library does.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/number.h"

enum {
    KINDS = 4
};

static uint64_t seed;

static unsigned random_below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 32) % n;
}

static double random_double(void)
{
    uint64_t bits = (uint64_t)random_below(0xffffffffu) << 32 |
                    random_below(0xffffffffu);
    double value;
    char text[40];
    switch (random_below(KINDS)) {
    case 0:
        bits = (bits & 0xfff0000000000000u) + random_below(3) - 1;
        break;
    case 1:
        bits &= 0x800fffffffffffffu;
        break;
    case 2:
        snprintf(text, sizeof(text), "%u%09ue%d", random_below(9999999),
                 random_below(1000000000), (int)random_below(600) - 310);
        return strtod(text, NULL);
    default:
        break;
    }
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Returns true if @text, with a NUL behind it, is read as strtod does. */
static bool reads_alike(const char *text)
{
    const struct zkt_number read = zkt__number_read(text, text + strlen(text));
    const double wanted = strtod(text, NULL);
    if (memcmp(&read.real, &wanted, sizeof(wanted)) != 0) {
        fprintf(stderr, "%s is read as %.17g\n", text, read.real);
        return false;
    }
    return true;
}

/* A decimal of up to 19 digits with any exponent, and some beyond the range. */
static bool reads_a_decimal(void)
{
    const uint64_t digits = (uint64_t)random_below(0xffffffffu) << 32 |
                            random_below(0xffffffffu);
    char text[64];
    snprintf(text, sizeof(text), "%llue%d",
             (unsigned long long)(digits >> random_below(60)),
             (int)random_below(660) - 340);
    return reads_alike(text);
}

int main(int argc, char **argv)
{
    const long rounds = argc > 1 ? atol(argv[1]) : 1000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (long i = 0; i < rounds; i++) {
        char text[ZKT_NUMBER_SIZE + 1];
        uint64_t bits;
        const double value = random_double();
        if (!isfinite(value)) {
            continue;
        }
        memcpy(&bits, &value, sizeof(bits));
        const size_t len = zkt__real_write(text, value);
        text[len] = '\0';
        if (!reads_alike(text) || !reads_a_decimal()) {
            return 1;
        }
        printf("%016llx %s\n", (unsigned long long)bits, text);
    }
    return 0;
}
