/*
 * Skips values: checks that they are well-formed and changes nothing, so that
 * they can be read later. Not recursive.
 */
#include "json/escape.h"
#include "json/number.h"

enum {
    FIRST_WORDS = 4 /* of levels, once the stack does not suffice */
};

/* Returns the end of a string that has escapes, or NULL if it is malformed. */
static char *skip_escaped(char *at)
{
    for (;; at = zkt__scan_plain(at)) {
        if (*at == '"') {
            return at + 1;
        }
        if (*at != '\\') {
            return NULL;
        }
        if (at[1] == 'u') {
            if (zkt__read_hex(at + 2) < 0) {
                return NULL;
            }
            at += 6;
        } else if (zkt__short_escape(at[1]) != '\0') {
            at += 2;
        } else {
            return NULL;
        }
    }
}

/* Returns the end of the string that begins at @at, or NULL if it is
 * malformed. */
static inline char *skip_string(struct zkt_reader *reader, char *at)
{
    char *start = at + 1, *end = zkt__scan_plain(start);
    if ((size_t)(end - start) > reader->plain.len) {
        reader->plain = (struct zkt_str){ start, (size_t)(end - start) };
    }
    return *end == '"' ? end + 1 : skip_escaped(end);
}

char *zkt__skip_string(struct zkt_reader *reader, char *at)
{
    return skip_string(reader, at);
}

/* Returns the end of @word, or NULL if it does not match; may read its length
 * beyond the text. */
static inline char *skip_word(char *at, const char *word, size_t len)
{
    return memcmp(at, word, len) == 0 ? at + len : NULL;
}

/* Returns the end of a value that is no container, or NULL if it is
 * malformed. */
static inline char *skip_scalar(struct zkt_reader *reader, char *at)
{
    switch (*at) {
    case '"':
        return skip_string(reader, at);
    case 't':
        return skip_word(at, "true", 4);
    case 'f':
        return skip_word(at, "false", 5);
    case 'n':
        return skip_word(at, "null", 4);
    default:
        return zkt__number_end(at);
    }
}

/* Skips a key, its colon and the space around them; returns NULL if
 * malformed. */
static inline char *skip_key(struct zkt_reader *reader, char *at)
{
    at = zkt__skip_space(at);
    if (*at != '"') {
        return NULL;
    }
    at = skip_string(reader, at);
    if (at == NULL) {
        return NULL;
    }
    at = zkt__skip_space(at);
    return *at == ':' ? zkt__skip_space(at + 1) : NULL;
}

/*
 * The containers around the current value, a bit each, 1 for an object. The
 * first word suffices for the usual depth; deeper text takes memory in
 * proportion to its depth, which is released afterwards.
 */
struct nesting {
    struct zkt_reader *reader;
    uint64_t first, *words;
    size_t depth, capacity;
    bool in_object; /* the innermost container */
    bool deeper;    /* the limit was exceeded */
};

/* Returns the number of words from the arena; first is not among them. */
static size_t words_of(const struct nesting *in)
{
    return in->words != &in->first ? in->capacity / 64 : 0;
}

/* Doubles the number of levels. */
static bool reserve_levels(struct nesting *in)
{
    struct zkt_reader *reader = in->reader;
    const size_t before = words_of(in);
    const size_t words = before > 0 ? 2 * before : FIRST_WORDS;
    uint64_t *larger = zkt__arena_resize(
        reader->arena, before > 0 ? in->words : NULL, before * sizeof(*larger),
        words * sizeof(*larger));
    if (larger == NULL) {
        reader->no_memory = true;
        return false;
    }
    if (before == 0) {
        larger[0] = in->first;
    }
    in->words = larger;
    in->capacity = words * 64;
    return true;
}

/* Enters the container at @at and returns its first value; if it is empty,
 * returns its end. Returns NULL if malformed. */
static inline char *skip_open(struct nesting *in, char *at, bool *empty)
{
    const bool object = *at == '{';
    const uint64_t bit = (uint64_t)1 << in->depth % 64;
    const struct zkt_reader *reader = in->reader;
    in->deeper = in->deeper || reader->depth + in->depth >= reader->depth_max;
    if (in->depth == in->capacity && !reserve_levels(in)) {
        return NULL;
    }
    at = zkt__skip_space(at + 1);
    *empty = *at == (object ? '}' : ']');
    if (*empty) {
        return at + 1;
    }
    uint64_t *word = &in->words[in->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    in->depth++;
    in->in_object = object;
    return object ? skip_key(in->reader, at) : at;
}

/* Leaves the innermost container. */
static inline void skip_close(struct nesting *in)
{
    if (--in->depth > 0) {
        const size_t level = in->depth - 1;
        in->in_object = (in->words[level / 64] >> level % 64 & 1) != 0;
    }
}

/* Moves on after a value: leaves the containers that end here, and returns the
 * next value, or the end with depth 0. Returns NULL if malformed. */
static inline char *skip_on(struct nesting *in, char *at)
{
    while (in->depth > 0) {
        at = zkt__skip_space(at);
        if (*at == ',') {
            return in->in_object ? skip_key(in->reader, at + 1)
                                 : zkt__skip_space(at + 1);
        }
        if (*at != (in->in_object ? '}' : ']')) {
            return NULL;
        }
        at++;
        skip_close(in);
    }
    return at;
}

/* Skips values until no container is left. Returns NULL if malformed. */
static inline char *skip_values(struct nesting *in, char *at)
{
    do {
        bool whole = true;
        if (*at == '{' || *at == '[') {
            at = skip_open(in, at, &whole);
        } else {
            at = skip_scalar(in->reader, at);
        }
        if (at != NULL && whole) {
            at = skip_on(in, at);
        }
    } while (at != NULL && in->depth > 0);
    return at;
}

/* Skips from the next value to the end of the @depth containers around it;
 * @in_object describes the innermost. Sets *@out, unless NULL, to the skipped
 * text. */
static bool skip(struct zkt_reader *reader, size_t depth, bool in_object,
                 struct zkt_str *out)
{
    struct nesting in;
    if (zkt__reader_peek(reader) == ZKT_TOKEN_NONE) {
        return zkt__reader_fail(reader);
    }
    in.reader = reader;
    in.words = &in.first;
    in.first = in_object;
    in.depth = depth;
    in.capacity = ZKT_DEPTH_MAX - reader->depth;
    in.in_object = in_object;
    in.deeper = false;
    char *start = reader->at;
    char *at = skip_values(&in, start);
    if (in.words != &in.first) {
        zkt__arena_release(reader->arena, in.words,
                           words_of(&in) * sizeof(*in.words));
    }
    if (at == NULL) {
        return zkt__reader_fail(reader);
    }
    reader->at = at;
    if (in.deeper && reader->issues != NULL) {
        return zkt__reader_fail_deep(reader);
    }
    if (out != NULL) {
        *out = (struct zkt_str){ start, (size_t)(at - start) };
    }
    return true;
}

bool zkt__reader_skip(struct zkt_reader *reader, struct zkt_str *out)
{
    return skip(reader, 0, false, out);
}

bool zkt__reader_skip_rest(struct zkt_reader *reader, enum zkt_token what)
{
    reader->depth--;
    return skip(reader, 1, what == ZKT_TOKEN_OBJECT, NULL);
}
