/*
 * The internal interface of the JSON layer, beside the public codec.h: setting
 * up readers and writers, reading envelopes and patches token by token, issues,
 * and checking C values against the rules of their types.
 */
#ifndef ZKT_JSON_JSON_H
#define ZKT_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "zocket/codec.h"
#include "json/scan.h"

/* ---- issues ---- */

/* A violated rule, or a malformed value. */
struct zkt_issue {
    enum zkt_issue_code code;
    uint32_t depth;              /* steps in path */
    const struct zkt_step *path; /* in the arena; keys may point to the text */
    struct zkt_str message;
};

#define ZKT_ISSUES_DEFAULT 32 /* issues listed by default */

/*
 * Resources of rules: compiled patterns, and the app with the `check;` hooks.
 * Belongs to the server or the client.
 */
struct zkt_rule_context {
    struct zkt_pattern_cache *patterns;
    const struct zkt_app *app; /* NULL: hooks are not called */
    uint32_t issues_max;       /* issues listed; 0: the default */
};

/*
 * The issues of an input. Empty if zeroed, with @arena set. Without @context,
 * patterns and hooks are not checked.
 */
struct zkt_issues {
    struct zkt_arena *arena;
    const struct zkt_rule_context *context;
    const struct zkt_step *base; /* path of the struct that a hook checks */
    uint32_t base_depth;
    uint32_t count, capacity; /* of items */
    uint32_t total;           /* found, including those over the limit */
    uint64_t pattern_steps;   /* spent on patterns */
    bool no_memory;
    struct zkt_issue *items; /* in the arena */
};

/** Same as zeroing the struct and setting both pointers, but cheaper. */
void zkt__issues_init(struct zkt_issues *issues, struct zkt_arena *arena,
                      const struct zkt_rule_context *context);

/** Adds an issue at @path (@depth steps, copied); @message is a printf
 * format. */
void zkt__issue_add(struct zkt_issues *issues, enum zkt_issue_code code,
                    const struct zkt_step *path, uint32_t depth,
                    const char *message, ...) ZKT_PRINTF(5, 6);

/**
 * Writes the issues in the form of the protocol: `[{"code":…,"path":[…],
 * "message":…},…]`; a last issue says how many more there are.
 */
void zkt__issues_write(const struct zkt_issues *issues,
                       struct zkt_writer *writer);

/** Removes the issues from @first on that have @order at step @at of their
 * path. */
void zkt__issues_drop(struct zkt_issues *issues, uint32_t first, uint32_t at,
                      uint32_t order);

/* ---- reading ---- */

/**
 * Begins to read @len bytes of valid UTF-8, which must be followed by
 * ZKT_PADDING readable zeros. @issues may be NULL if no values are decoded. A
 * lower depth limit may be set afterwards.
 */
static inline void zkt__reader_init(struct zkt_reader *reader, char *text,
                                    size_t len, struct zkt_arena *arena,
                                    struct zkt_issues *issues,
                                    const struct zkt_hash_key *hash_key)
{
    reader->at = text;
    reader->end = text + len;
    reader->arena = arena;
    reader->issues = issues;
    reader->hash_key = hash_key;
    reader->discriminator.data = NULL;
    reader->plain = (struct zkt_str){ NULL, 0 };
    reader->tolerant = false;
    reader->malformed = false;
    reader->no_memory = false;
    reader->unknown_fields = 0;
    reader->unknown_values = 0;
    reader->too_deep = false;
    reader->depth_max = ZKT_DEPTH_MAX;
    reader->depth = 0; /* path entries are written before they are read */
}

enum zkt_token {
    ZKT_TOKEN_NULL,
    ZKT_TOKEN_BOOL,
    ZKT_TOKEN_NUMBER,
    ZKT_TOKEN_STRING,
    ZKT_TOKEN_ARRAY,
    ZKT_TOKEN_OBJECT,
    ZKT_TOKEN_NONE /* the end, or no valid value */
};

/* The token that a byte begins, plus one; 0 if it begins none. */
extern const uint8_t zkt__token_begins[256];

/** Returns the kind of the next token; consumes white space only. */
static inline enum zkt_token zkt__reader_peek(struct zkt_reader *reader)
{
    if (reader->malformed || reader->no_memory) {
        return ZKT_TOKEN_NONE;
    }
    reader->at = zkt__skip_space(reader->at);
    const unsigned token = zkt__token_begins[(unsigned char)*reader->at];
    return token > 0 ? (enum zkt_token)(token - 1) : ZKT_TOKEN_NONE;
}

/**
 * Reads a string, unescaping in place, and terminates it with a NUL. Returns
 * false if the next token is no string, or malformed. A surrogate escape
 * without its other half becomes U+FFFD, and sets *@lone_surrogate.
 */
bool zkt__reader_text(struct zkt_reader *reader, struct zkt_str *out,
                      bool *lone_surrogate);
/** As zkt__reader_text, but returns false for a lone surrogate. */
bool zkt__reader_string(struct zkt_reader *reader, struct zkt_str *out);
/**
 * Skips a value of any kind and checks that it is well-formed, without changing
 * the text and without recursion. @out gets its text (not NUL-terminated). A
 * value deeper than the limit is an issue; if no issues are collected it is
 * skipped, and the decoder that reads it later reports it.
 */
bool zkt__reader_skip(struct zkt_reader *reader, struct zkt_str *out);
/**
 * Inside an object or array (@what), before a value: skips the rest of the
 * container, and leaves it.
 */
bool zkt__reader_skip_rest(struct zkt_reader *reader, enum zkt_token what);
/** Enters the next object or array. Returns false if the next token is
 * another. */
bool zkt__reader_enter(struct zkt_reader *reader, enum zkt_token what);
/**
 * Inside an object: reads the next key. Returns false at the end, or if the
 * text is malformed. A key without escapes is a view of the text, which is not
 * changed.
 */
bool zkt__reader_key(struct zkt_reader *reader, struct zkt_str *key);
/** Inside an object: returns true if a key follows; does not read it. */
bool zkt__reader_entry(struct zkt_reader *reader);
/**
 * Copies the string that the skipped @json consists of, without changing the
 * text; a lone surrogate becomes U+FFFD. Returns false if it is no string.
 */
bool zkt__text_copy(struct zkt_reader *reader, struct zkt_str json,
                    struct zkt_str *out);
/** Inside an array: returns true if another item follows. */
bool zkt__reader_item(struct zkt_reader *reader);
/** Returns true if only white space is left, and nothing was malformed. */
bool zkt__reader_done(struct zkt_reader *reader);

/** Skips a value of the wrong type and adds an issue; returns false. */
bool zkt__decode_mismatch(struct zkt_reader *reader, const char *expected);

/* The common layout of all list structs. */
struct zkt_any_list {
    const void *items;
    size_t len;
};

/* ---- writing ---- */

void zkt__writer_init(struct zkt_writer *writer,
                      const struct zkt_allocator *allocator);
void zkt__writer_finish(struct zkt_writer *writer);

/** Writes @text escaped as a JSON string, without quotes. */
void zkt__write_escaped(struct zkt_writer *writer, const char *text,
                        size_t len);

/* ---- values ---- */

/**
 * Checks a C value against the rules of its type, recursively; also that
 * strings are valid UTF-8, numbers finite and within the range of the wire, and
 * enum values known. The paths of issues begin with the @depth steps of @path.
 * Strings are checked as they are, without transforms. Returns true if there
 * are no issues.
 */
bool zkt__check_value(const struct zkt_type *type, const void *value,
                      const struct zkt_step *path, uint32_t depth,
                      struct zkt_issues *issues);

/** Checks a C value that is to be sent as an input, with its strings as
 * transforms will make them at the receiver. Changes nothing. */
bool zkt__check_input(const struct zkt_type *type, const void *value,
                      struct zkt_issues *issues);

/**
 * A fast check without issues: returns true if @value is a scalar or string,
 * and keeps rules that are cheap to check. On false, zkt__check_value decides.
 */
bool zkt__check_fast(const struct zkt_type *type, const void *value);

/**
 * Checks a key of the map at the @depth steps of @path, as zkt__check_value
 * does for keys.
 */
bool zkt__check_map_key(struct zkt_str key, const struct zkt_step *path,
                        uint32_t depth, struct zkt_issues *issues);

/**
 * Checks only the rules that a change inside a struct or list can violate:
 * `check;` and `unique`.
 */
bool zkt__check_constraints(const struct zkt_type *type, const void *value,
                            const struct zkt_step *path, uint32_t depth,
                            struct zkt_issues *issues);

/** Returns the size of the block for a deep copy of @value. */
size_t zkt__value_measure(const struct zkt_type *type, const void *value);
/** Makes the deep copy in @block, which is aligned as by malloc, and returns
 * it; the copy begins at @block. */
void *zkt__value_dup_into(const struct zkt_type *type, const void *value,
                          void *block);

#endif
