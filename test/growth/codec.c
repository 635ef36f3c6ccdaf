/* The codec: texts of n parts, and the operations on each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "growth.h"
#include "growth_server.h"
#include "growth_types.h"
#include "state/value.h"
#include "text.h"
#include "json/json.h"
#include "json/pattern.h"

#define LIST(name, field, item)                                                \
    {                                                                          \
        name, "{\"" field "\":[", item, ",", "", "", "]}", false, 0            \
    }
#define BAD_LIST(name, field, item)                                            \
    {                                                                          \
        name, "{\"" field "\":[", item, ",", "", "", "]}", true, 0             \
    }
#define MAP(name, field, item)                                                 \
    {                                                                          \
        name, "{\"" field "\":{", item, ",", "", "", "}}", false, 0            \
    }
#define STRING(name, field, item, end)                                         \
    {                                                                          \
        name, "{\"" field "\":\"", item, "", end, "", "\"}", false, 2048       \
    }
#define BAD_STRING(name, field, item, end)                                     \
    {                                                                          \
        name, "{\"" field "\":\"", item, "", end, "", "\"}", true, 2048        \
    }
static const struct growth_text texts[] = {
    LIST("bools", "bools", "true"),
    LIST("ints", "ints", "-123#"),
    LIST("uints", "uints", "123#"),
    LIST("longs", "longs", "-90071992547#"),
    LIST("ulongs", "ulongs", "90071992547#"),
    LIST("times", "times", "16000000000#"),
    LIST("whole reals", "reals", "#"),
    LIST("short reals", "reals", "#.25"),
    LIST("reals", "reals", "0.123456789012#"),
    LIST("singles", "singles", "0.12#"),
    LIST("reals with an exponent", "reals", "1234567890123#e-200"),
    LIST("reals of many digits", "reals",
         "0.12345678901234567890123456789012345678901234567890#"),
    LIST("texts", "texts", "\"text #\""),
    LIST("texts with escapes", "texts", "\"\\\"\\u00e9\\ud83d\\ude00 #\""),
    LIST("blobs", "blobs", "\"aGVsbG8=\""),
    LIST("anys", "anys", "{\"a\":[1,null]}"),
    LIST("suits", "suits", "\"hearts\""),
    LIST("points", "points", "{\"x\":#,\"y\":1,\"name\":\"p\"}"),
    LIST("points with less", "points", "{\"x\":#}"),
    LIST("points with unknown keys", "points", "{\"x\":#,\"z\":[{\"x\":1}]}"),
    LIST("points with equal keys", "points", "{\"x\":#,\"x\":1,\"x\":2}"),
    LIST("points with escaped keys", "points", "{\"\\u0078\":#,\"\\u007a\":1}"),
    LIST("exacts", "exacts", "{\"n\":#}"),
    LIST("checks", "checks", "{\"low\":#,\"high\":1000000}"),
    LIST("nulls", "nulls", "null"),
    LIST("pairs", "pairs", "[#,\"two\"]"),
    LIST("shapes", "shapes", "{\"kind\":\"circle\",\"radius\":#}"),
    LIST("shapes with the kind behind", "shapes",
         "{\"points\":[{\"x\":#}],\"kind\":\"outline\"}"),
    LIST("lists of ints", "grid", "[1,#]"),
    LIST("ranged", "ranged", "6"),
    LIST("shares", "shares", "0.5"),
    LIST("sized", "sized", "\"größe\""),
    LIST("trims", "trims", "\"  Trim\\u00a0\""),
    LIST("unique ints", "oneInt", "#"),
    LIST("unique reals", "oneReal", "#.5"),
    LIST("unique singles", "oneSingle", "#.5"),
    LIST("unique texts", "oneText", "\"text #\""),
    LIST("lists of unique ints", "manyOne", "[#,-1,-2,-3,-4,-5,-6,-7,-8,-9]"),
    LIST("emails", "emails", "\"a.b@c#.example\""),
    LIST("urls", "urls", "\"https://a.example:80/#?a=b\""),
    LIST("uuids", "uuids", "\"01234567-89ab-cdef-0123-456789abcdef\""),
    LIST("white space", "ints", " \n\t #\r"),

    MAP("a map", "map", "\"key #\":#"),
    MAP("a map of equal keys", "map", "\"key\":#"),
    MAP("a map of escaped keys", "map", "\"\\u006bey #\":#"),
    MAP("a map of texts", "names", "\"#\":\"text #\""),
    MAP("a map of structs", "mapped", "\"key #\":{\"x\":#}"),
    MAP("a map of maps", "maps", "\"key #\":{\"a\":1,\"b\":2}"),
    { "a map with each key twice", "{\"map\":{", "\"key #\":#", ",", ",\"\":0",
      ",\"key #\":1", "}}", false, 0 },
    { "a wide tree", "{\"tree\":{\"kids\":[", "{\"named\":{\"a\":{}}}", ",", "",
      "", "]}}", false, 0 },
    { "a wide tree of names", "{\"tree\":{\"named\":{", "\"#\":{\"next\":{}}",
      ",", "", "", "}}}", false, 0 },
    { "a long shape", "{\"shape\":{\"points\":[", "{\"x\":#}", ",",
      "],\"kind\":\"outline", "", "\"}}", false, 0 },
    { "unknown keys", "{", "\"u#\":{\"a\":[1]}", ",", "", "", "}", false, 0 },
    { "unknown deep values", "{\"u\":0", ",\"u\":[[[[#]]]]", "", "", "", "}",
      false, 0 },
    { "values that are too deep", "{\"u\":[", GROWTH_DEEP, ",", "", "", "]}",
      true, 64 },
    { "an unknown long text", "{\"u\":\"", "u#", "", "", "", "\"}", false, 0 },
    { "an unknown long key", "{\"", "u#", "", "", "", "\":0}", false, 0 },
    { "equal keys", "{", "\"ints\":[1,2,#]", ",", "", "", "}", false, 0 },
    { "equal keys, wrong but the last", "{", "\"ints\":[\"#\"]", ",",
      ",\"ints\":[1]", "", "}", false, 0 },

    STRING("a text", "text", "a", ""),
    STRING("a text of escapes", "text", "\\n", ""),
    STRING("a text of \\u", "text", "\\ud83d\\ude00", ""),
    STRING("a text of many scripts", "text", "é😀", ""),
    STRING("a blob", "blob", "AAAA", ""),
    STRING("a long text", "long", "ab", "ab"),
    STRING("a trimmed text", "trimmed", " ", "a"),
    STRING("a text that is not trimmed", "trimmed", "a ", "a"),
    STRING("a text in small letters", "lowered", "A", ""),
    STRING("a text in capitals", "uppered", "a", ""),
    { "any deep value", "{\"any\":[", "[", "", "", "]", "]}", true, 0 },
    { "any wide value", "{\"any\":[", "{\"a\":[#,\"\\n\"]}", ",", "", "", "]}",
      false, 0 },
    { "digits before the point", "{\"reals\":[1", "0", "", "", "", "]}", true,
      512 },
    { "digits behind the point", "{\"reals\":[0.1", "1", "", "", "", "]}",
      false, 0 },
    { "digits of an exponent", "{\"reals\":[1e", "0", "", "1", "", "]}", false,
      0 },

    BAD_LIST("ints that are none", "ints", "\"#\""),
    BAD_LIST("ints that are fractions", "ints", "#.5"),
    BAD_LIST("ints that are too big", "ints", "1#000000000000"),
    BAD_LIST("texts that are none", "texts", "[#]"),
    BAD_LIST("texts with half a pair", "texts", "\"\\ud800\""),
    BAD_LIST("blobs that are none", "blobs", "\"#?\""),
    BAD_LIST("suits that are none", "suits", "\"suit #\""),
    BAD_LIST("points without x", "points", "{}"),
    BAD_LIST("exacts with unknown keys", "exacts", "{\"u#\":1}"),
    BAD_LIST("checks that fail", "checks", "{\"low\":10}"),
    BAD_LIST("shapes of no kind", "shapes", "{\"kind\":\"none\"}"),
    BAD_LIST("shapes without a kind", "shapes", "{\"radius\":#}"),
    BAD_LIST("pairs of one", "pairs", "[#]"),
    BAD_LIST("pairs of many", "pairs", "[#,\"\",3,4]"),
    BAD_LIST("out of range", "ranged", "10"),
    BAD_LIST("no multiples", "ranged", "4"),
    BAD_LIST("no shares", "shares", "1"),
    BAD_LIST("not sized", "sized", "\"é\""),
    BAD_LIST("more items than fit", "fewItems", "#"),
    BAD_LIST("no emails", "emails", "\"a.b@c#\""),
    BAD_LIST("no urls", "urls", "\"ftp://a#\""),
    BAD_LIST("no uuids", "uuids", "\"#\""),
    BAD_LIST("equal ints", "oneInt", "7"),
    BAD_LIST("equal texts", "oneText", "\"text\""),
    { "more entries than fit", "{\"fewEntries\":{", "\"#\":#", ",", "", "",
      "}}", true, 0 },
    { "wrong entries", "{\"map\":{", "\"#\":\"\"", ",", "", "", "}}", true, 0 },
    { "wrong entries, again and again", "{\"map\":{", "\"a\":\"\"", ",", "", "",
      "}}", true, 0 },
    { "entries with keys that are too long", "{\"map\":{\"", "a", "", "", "",
      "\":1}}", true, 512 },
    STRING("a long email", "email", "a.", "a@b.example"),
    { "a long host of an email", "{\"email\":\"a@", "b.", "", "example", "",
      "\"}", false, 2048 },
    STRING("a long url", "url", "http://a/", ""),
    STRING("a pattern that is tied", "tied", "a", ""),
    STRING("a pattern that is not", "free", "a", ";"),
    STRING("a pattern of some parts", "late", "ab", "c"),
    STRING("a lazy pattern", "lazy", "ab", "x"),
    STRING("a pattern that looks ahead", "ahead", "a", "!"),
    STRING("a pattern of a word", "word", "a", "!"),
    STRING("several patterns", "several", "ab", "!a!"),
    BAD_STRING("no long email", "email", "a.", "@"),
    BAD_STRING("no long url", "url", "http://a", "/ "),
    BAD_STRING("no match of a pattern that is tied", "tied", "a", "X"),
    BAD_STRING("no match of a pattern that is not", "free", "a", " ;"),
    BAD_STRING("no match of a pattern of some parts", "late", "ab", "cd"),
    BAD_STRING("no match of a lazy pattern", "lazy", "ab", "xb"),
    BAD_STRING("no match of a pattern that looks ahead", "ahead", "a", ""),
    BAD_STRING("no match of a pattern of a word", "word", "a", ""),
    BAD_STRING("no match of several patterns", "several", "ab", ""),
    BAD_LIST("no matches of a pattern that is tied", "tieds",
             "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaX\""),
    BAD_LIST("no matches of a pattern that is not", "frees",
             "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ;\""),
    BAD_LIST("no matches of a pattern of some parts", "lates",
             "\"ababababababababababababababababcd\""),
    { "unknown keys, strict", "{\"exact\":{", "\"u#\":1", ",", "", "", "}}",
      true, 0 },
};

/* ---- preparation ---- */

/* The state of a row. */
struct work {
    const struct growth_text *of;
    char *text;
    size_t len, n;
    struct zkt_arena arena;
    struct zkt_issues issues;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context context;
    struct zkt_writer writer;
    void *block; /* of a copy in a single block */
    struct growth_values value, copy;
};

static const struct zkt_store store = { &growth_allocator, { 1, 2 } };

static void check(const struct growth_checked *checked,
                  struct zkt_issues *issues)
{
    if (checked->low > checked->high) {
        zkt_issue(issues, "low", "is more than high");
    }
}

static const struct growth_handlers handlers = { .check_checked = check };

static void begin(struct work *w, struct zkt_reader *reader)
{
    zkt__issues_init(&w->issues, &w->arena, &w->context);
    zkt__reader_init(reader, w->text, w->len, &w->arena, &w->issues,
                     &store.key);
}

static bool decode(void *work)
{
    struct work *w = work;
    struct zkt_reader reader;
    begin(w, &reader);
    const bool good = growth_values_type_.decode(&reader, &growth_values_type_,
                                                 &w->value) &&
                      zkt__reader_done(&reader);
    return good == !w->of->bad || w->n == 0;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt__value_release(&store, &growth_values_type_, &w->copy);
    free(w->block);
    zkt__writer_finish(&w->writer);
    zkt__patterns_finish(&w->patterns);
    zkt__arena_finish(&w->arena);
    free(w->text);
    free(w);
}

/* Prepares the text, with compiled patterns. */
static void *prepare(const void *with, size_t n)
{
    static struct zkt_app app;
    struct work *w = calloc(1, sizeof(*w));
    w->of = with;
    w->n = n;
    w->text = calloc(
        growth_text_write(NULL, w->of, n > 0 ? n : 1) + ZKT_PADDING, 1);
    app = growth_app(&handlers);
    zkt__arena_init(&w->arena, &growth_allocator);
    zkt__writer_init(&w->writer, &growth_allocator);
    w->patterns.allocator = &growth_allocator;
    w->context = (struct zkt_rule_context){ .patterns = &w->patterns,
                                            .app = &app };
    w->len = growth_text_write(w->text, w->of, 1);
    (void)decode(w);
    memset(w->text, 0, w->len);
    w->len = growth_text_write(w->text, w->of, n);
    zkt__arena_finish(&w->arena);
    return w;
}

/* Also prepares the value. */
static void *prepare_value(const void *with, size_t n)
{
    struct work *w = prepare(with, n);
    return decode(w) ? w : NULL;
}

/* Also prepares a copy of it. */
static void *prepare_copy(const void *with, size_t n)
{
    struct work *w = prepare_value(with, n);
    return w != NULL && zkt__value_copy(&store, &growth_values_type_, &w->copy,
                                        &w->value)
               ? w
               : NULL;
}

/* ---- operations ---- */

static bool decode_as_client(void *work)
{
    struct work *w = work;
    struct zkt_reader reader;
    begin(w, &reader);
    reader.tolerant = true;
    (void)growth_values_type_.decode(&reader, &growth_values_type_, &w->value);
    return !reader.no_memory;
}

static bool skip(void *work)
{
    struct work *w = work;
    struct zkt_reader reader;
    begin(w, &reader);
    reader.issues = NULL;
    return zkt__reader_skip(&reader, NULL) && zkt__reader_done(&reader);
}

static bool encode(void *work)
{
    struct work *w = work;
    growth_values_type_.encode(&w->writer, &growth_values_type_, &w->value);
    return !w->writer.failed;
}

static bool check_value(void *work)
{
    struct work *w = work;
    zkt__issues_init(&w->issues, &w->arena, &w->context);
    return zkt__check_value(&growth_values_type_, &w->value, NULL, 0,
                            &w->issues) ||
           w->n == 0;
}

static bool dup(void *work)
{
    struct work *w = work;
    w->block = zkt_value_dup(&growth_values_type_, &w->value);
    return w->block != NULL;
}

static bool copy(void *work)
{
    struct work *w = work;
    return zkt__value_copy(&store, &growth_values_type_, &w->copy, &w->value);
}

static bool release(void *work)
{
    struct work *w = work;
    zkt__value_release(&store, &growth_values_type_, &w->copy);
    return true;
}

static bool equal(void *work)
{
    struct work *w = work;
    return zkt__value_equal(&growth_values_type_, &w->value, &w->copy);
}

/* Finds every key of the map, and as many absent keys. */
static bool find(void *work)
{
    struct work *w = work;
    const struct zkt_int32_map *map = &w->value.map.value;
    for (size_t i = 0; i < map->len; i++) {
        const struct zkt_str key = map->items[i].key;
        const struct zkt_str other = { key.data, key.len + 1 };
        if (zkt_int32_map_find(map, key) != &map->items[i].value ||
            zkt_int32_map_find(map, other) != NULL) {
            return false;
        }
    }
    return true;
}

static const struct operation {
    const char *name;
    bool bad; /* also for refused texts */
    void *(*prepare)(const void *with, size_t n);
    bool (*run)(void *work);
} operations[] = {
    { "decode", true, prepare, decode },
    { "decode as a client", true, prepare, decode_as_client },
    { "skip", true, prepare, skip },
    { "encode", false, prepare_value, encode },
    { "check", false, prepare_value, check_value },
    { "dup", false, prepare_value, dup },
    { "copy", false, prepare_value, copy },
    { "release", false, prepare_copy, release },
    { "compare", false, prepare_copy, equal },
    { "find in", false, prepare_value, find },
};

static void measure(const struct operation *operation,
                    const struct growth_text *text)
{
    char name[160];
    const bool is_map = strncmp(text->name, "a map", 5) == 0;
    if ((text->bad && !operation->bad) || (operation->run == find && !is_map)) {
        return;
    }
    snprintf(name, sizeof(name), "codec: %s %s", operation->name, text->name);
    growth_measure(&(const struct growth_row){
        .name = name,
        .n = text->n,
        .with = text,
        .prepare = operation->prepare,
        .run = operation->run,
        .finish = finish,
    });
}

void growth_codec(void)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
            measure(&operations[i], &texts[j]);
        }
    }
}
