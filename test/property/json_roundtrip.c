/*
 * Random values: decode(encode(v)) is v, for every type of the zoo; random
 * doubles are read back exactly, from at most 17 digits. A rule that is broken
 * in one place is reported at its path.
 *
 *   json_roundtrip [ROUNDS [SEED]]
 */
#include <math.h>
#include <stdlib.h>

#include "random_value.h"
#include "state/value.h"
#include "zoo_types.h"
#include "json/number.h"

static long failures;
static const struct zkt_hash_key hash_key = { 3, 4 };

static void fail(const char *what, const char *text, size_t len)
{
    if (failures++ < 5) {
        fprintf(stderr, "%s: %.*s\n", what, (int)len, text);
    }
}

/* Decodes the writer's text into @out; the text lives in @arena. */
static bool decode(struct zkt_arena *arena, const struct zkt_type *type,
                   const struct zkt_writer *w, struct zkt_issues *issues,
                   void *out)
{
    struct zkt_reader reader;
    char *text = zkt__arena_zero(arena, w->len + ZKT_PADDING, 1);
    memcpy(text, w->data, w->len);
    zkt__reader_init(&reader, text, w->len, arena, issues, &hash_key);
    return type->decode(&reader, type, out) && zkt__reader_done(&reader);
}

static void round_trip(const struct zkt_type *type)
{
    struct zkt_arena arena;
    struct zkt_issues issues = { .arena = &arena };
    struct zkt_writer w;
    zkt__arena_init(&arena, &zkt__allocator_default);
    zkt__writer_init(&w, &zkt__allocator_default);
    void *value = zkt__arena_zero(&arena, 1, type->size);
    void *back = zkt__arena_zero(&arena, 1, type->size);
    random_value(&arena, type, value, 0);
    if (!zkt__check_value(type, value, NULL, 0, &issues)) {
        fail("a good value breaks a rule", issues.items[0].message.data,
             issues.items[0].message.len);
    }
    type->encode(&w, type, value);
    if (!decode(&arena, type, &w, &issues, back) ||
        !zkt__value_equal(type, value, back)) {
        fail("another value came back", w.data, w.len);
    }
    void *copy = zkt_value_dup(type, back);
    if (copy == NULL || !zkt__value_equal(type, value, copy)) {
        fail("a copy is another value", w.data, w.len);
    }
    free(copy);
    zkt__writer_finish(&w);
    zkt__arena_finish(&arena);
}

static void double_trip(void)
{
    char text[ZKT_NUMBER_SIZE + ZKT_PADDING] = "";
    uint64_t bits = (uint64_t)random_below(0xffffffffu) << 32 |
                    random_below(0xffffffffu);
    double value;
    if (random_below(3) == 0) { /* powers of two and their neighbours */
        bits = (bits & 0xfff0000000000000u) + random_below(3) - 1;
    }
    memcpy(&value, &bits, sizeof(value));
    if (!isfinite(value)) {
        return;
    }
    const size_t len = zkt__real_write(text, value);
    char *end = zkt__number_end(text);
    if (end != text + len) {
        fail("a double is no JSON number", text, len);
        return;
    }
    const struct zkt_number back = zkt__number_read(text, end);
    if (back.real < value || back.real > value) {
        fail("a double does not read back", text, len);
    }
    /* A decimal with fewer digits reads to another number. */
    char shorter[40];
    size_t digits = 0;
    for (size_t i = 0; i < len && text[i] != 'e'; i++) {
        digits += (text[i] >= '1' && text[i] <= '9') ||
                  (text[i] == '0' && digits > 0);
    }
    if (digits > 1 && digits <= 17 && strchr(text, 'e') != NULL) {
        snprintf(shorter, sizeof(shorter), "%.*e", (int)digits - 2, value);
        const double other = strtod(shorter, NULL);
        if (!(other < value) && !(other > value)) {
            fail("a double has a shorter text", text, len);
        }
    }
}

/* A value of the right shape with a single error: the issue names its place,
 * and is the only issue. */
static void broken_rule(void)
{
    static const struct {
        const char *text, *issue;
    } table[] = {
        { "{\"n\":1,\"name\":2}",
          "[{\"code\":\"invalid_type\",\"path\":[\"name\"],\"message\":"
          "\"expected string, got number\"}]" },
        { "{\"name\":\"x\"}",
          "[{\"code\":\"invalid_type\",\"path\":[\"n\"],\"message\":"
          "\"is required\"}]" },
        { "{\"n\":1.5,\"name\":\"\"}",
          "[{\"code\":\"invalid_type\",\"path\":[\"n\"],\"message\":"
          "\"expected integer, got a fraction\"}]" },
        { "{\"n\":\"1\",\"n\":7,\"name\":\"\"}", "[]" },
        { "{\"n\":7,\"name\":\"\",\"n\":null}",
          "[{\"code\":\"invalid_type\",\"path\":[\"n\"],\"message\":"
          "\"expected integer, got null\"}]" },
        { "{\"name\":\"\",\"color\":\"mauve\",\"n\":3000000000}",
          "[{\"code\":\"too_big\",\"path\":[\"n\"],\"message\":"
          "\"must be at most 2147483647\"},"
          "{\"code\":\"invalid_value\",\"path\":[\"color\"],\"message\":"
          "\"is no value of Color\"}]" },
        { "{\"n\":1e3,\"name\":\"\\ud83d\\ude00\",\"color\":\"sky blue\","
          "\"note\":null,\"unknown\":[{}]}",
          "[]" },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_arena arena;
        struct zkt_issues issues = { .arena = &arena };
        struct zkt_writer in, out;
        struct zoo_leaf leaf;
        zkt__arena_init(&arena, &zkt__allocator_default);
        zkt__writer_init(&in, &zkt__allocator_default);
        zkt__writer_init(&out, &zkt__allocator_default);
        zkt_write_raw(&in, table[i].text, strlen(table[i].text));
        (void)decode(&arena, &zoo_leaf_type_, &in, &issues, &leaf);
        zkt__issues_write(&issues, &out);
        if (out.len != strlen(table[i].issue) ||
            memcmp(out.data, table[i].issue, out.len) != 0) {
            fail("other issues", out.data, out.len);
        }
        zkt__writer_finish(&in);
        zkt__writer_finish(&out);
        zkt__arena_finish(&arena);
    }
}

int main(int argc, char **argv)
{
    const long rounds = argc > 1 ? atol(argv[1]) : 20000;
    if (argc > 2) {
        random_seed = strtoull(argv[2], NULL, 10);
    }
    broken_rule();
    for (long i = 0; i < rounds; i++) {
        static const struct zkt_type *const types[] = { &zoo_tree_state_type_,
                                                        &zoo_branch_type_,
                                                        &zoo_chain_type_ };
        round_trip(types[i % 3]);
        for (int k = 0; k < 10; k++) {
            double_trip();
        }
    }
    printf("%ld rounds, %ld failures\n", rounds, failures);
    return failures == 0 ? 0 : 1;
}
