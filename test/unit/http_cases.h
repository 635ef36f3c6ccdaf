/* The table of http_cases.def, for tests that go through it. */
#ifndef HTTP_CASES_H
#define HTTP_CASES_H

#include <stddef.h>

static const struct http_case {
    const char *bytes;
    size_t len;
    const char *outcome;
} http_cases[] = {
#define CASE(bytes, outcome) { bytes, sizeof(bytes) - 1, outcome },
#include "http_cases.def"
#undef CASE
};

enum {
    HTTP_CASES = sizeof(http_cases) / sizeof(http_cases[0])
};

#endif
