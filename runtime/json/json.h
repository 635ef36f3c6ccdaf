/*
 * What the layers above need of the JSON layer beside the public codec.h:
 * setting up readers and writers, reading envelopes and patches token by
 * token, issues, and checking C values against their type's rules.
 */
#ifndef ZKT_JSON_JSON_H
#define ZKT_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "zocket/codec.h"
#include "json/scan.h"

/* ---- issues ---- */

/* One thing that is wrong with one value. */
struct zkt_issue {
    enum zkt_issue_code code;
    uint32_t depth;              /* steps in path */
    const struct zkt_step *path; /* in the arena; keys may point to the text */
    struct zkt_str message;
};

#define ZKT_ISSUES_DEFAULT 32 /* that are listed */

/*
 * What rules need beside the value: compiled patterns, and the app whose
 * `check;` hooks are called. It belongs to the server or the client.
 */
struct zkt_rule_context {
    struct zkt_pattern_cache *patterns;
    const struct zkt_app *app; /* NULL: no hooks are called */
    uint32_t issues_max;       /* that are listed; 0: the default */
};

/*
 * Zeroed, with @arena set: none yet. Without @context patterns and hooks are
 * not looked at.
 */
struct zkt_issues {
    struct zkt_arena *arena;
    const struct zkt_rule_context *context;
    const struct zkt_step *base; /* where the struct of a running hook is */
    uint32_t base_depth;
    uint32_t count, capacity; /* kept in items */
    uint32_t total;           /* found, also those over the limit */
    uint64_t pattern_steps;   /* that matching has taken */
    bool no_memory;
    struct zkt_issue *items; /* in the arena */
};

/** As zeroing all of it, but cheaper. */
void zkt__issues_init(struct zkt_issues *issues, struct zkt_arena *arena,
                      const struct zkt_rule_context *context);

/** Adds an issue at @path (@depth steps, copied); @message is printf's. */
void zkt__issue_add(struct zkt_issues *issues, enum zkt_issue_code code,
                    const struct zkt_step *path, uint32_t depth,
                    const char *message, ...) ZKT_PRINTF(5, 6);

/**
 * Writes them as the protocol wants them: `[{"code":…,"path":[…],
 * "message":…},…]`, the last one saying how many were left out.
 */
void zkt__issues_write(const struct zkt_issues *issues,
                       struct zkt_writer *writer);

/** Drops the issues from @first on whose step @at says @order. */
void zkt__issues_drop(struct zkt_issues *issues, uint32_t first, uint32_t at,
                      uint32_t order);

/* ---- reading ---- */

/**
 * Begins to read @len bytes of valid UTF-8 with ZKT_PADDING readable zeros
 * behind them. @issues may be NULL where only tokens are read. A lower limit
 * of depth may be set afterwards.
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
    reader->depth = 0; /* the path is written before it is read */
}

enum zkt_token {
    ZKT_TOKEN_NULL,
    ZKT_TOKEN_BOOL,
    ZKT_TOKEN_NUMBER,
    ZKT_TOKEN_STRING,
    ZKT_TOKEN_ARRAY,
    ZKT_TOKEN_OBJECT,
    ZKT_TOKEN_NONE /* the end, or nothing that begins a value */
};

/* What begins with a byte, plus one, so that all others are zero: nothing. */
extern const uint8_t zkt__token_begins[256];

/** What stands next; consumes white space only. */
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
 * Reads the string that stands next, ending it with a NUL in place. False: it
 * is none, or malformed. A surrogate escape without its other half is noted,
 * and stands as U+FFFD.
 */
bool zkt__reader_text(struct zkt_reader *reader, struct zkt_str *out,
                      bool *lone_surrogate);
/** The same; a lone surrogate is as good as no string. */
bool zkt__reader_string(struct zkt_reader *reader, struct zkt_str *out);
/**
 * Skips one value of any kind, checking that it is well-formed, without
 * changing the text and without recursion. @out gets its text (not
 * NUL-terminated). What is deeper than the limit is an issue; where none are
 * collected it is skipped all the same, for who reads it later to refuse.
 */
bool zkt__reader_skip(struct zkt_reader *reader, struct zkt_str *out);
/**
 * Inside an object or array (@what), before a value: skips it and the rest of
 * the container, and leaves that.
 */
bool zkt__reader_skip_rest(struct zkt_reader *reader, enum zkt_token what);
/** Enters the object or array that stands next; false: it is none. */
bool zkt__reader_enter(struct zkt_reader *reader, enum zkt_token what);
/**
 * Inside an object: the next key, or false at its end (or malformed). A key
 * without escapes is a view of the text, which is not changed.
 */
bool zkt__reader_key(struct zkt_reader *reader, struct zkt_str *key);
/** Inside an object: whether another key stands next, which is not read. */
bool zkt__reader_entry(struct zkt_reader *reader);
/**
 * The string that @json, which was skipped, consists of, without a change to
 * the text; a lone surrogate becomes U+FFFD. False: it is no string.
 */
bool zkt__text_copy(struct zkt_reader *reader, struct zkt_str json,
                    struct zkt_str *out);
/** Inside an array: whether another item stands next. */
bool zkt__reader_item(struct zkt_reader *reader);
/** Nothing but white space is left, and nothing was malformed. */
bool zkt__reader_done(struct zkt_reader *reader);

/** Skips a value of the wrong type and says so; false. */
bool zkt__decode_mismatch(struct zkt_reader *reader, const char *expected);

/* A list as every list struct is laid out. */
struct zkt_any_list {
    const void *items;
    size_t len;
};

/* ---- writing ---- */

void zkt__writer_init(struct zkt_writer *writer,
                      const struct zkt_allocator *allocator);
void zkt__writer_finish(struct zkt_writer *writer);

/** @text as a JSON string's inside: escaped, without quotes. */
void zkt__write_escaped(struct zkt_writer *writer, const char *text,
                        size_t len);

/* ---- values ---- */

/**
 * Checks a C value against the rules of its type, all the way down.
 * Also that its strings are
 * valid UTF-8, its numbers finite and within the wire's range, its enums
 * known. Issues begin with the @depth steps of @path. True: nothing wrong.
 */
bool zkt__check_value(const struct zkt_type *type, const void *value,
                      const struct zkt_step *path, uint32_t depth,
                      struct zkt_issues *issues);

/**
 * Whether one look shows that @value is right: it holds no others, keeps its
 * rules and has none that take longer. False: zkt__check_value knows.
 */
bool zkt__check_fast(const struct zkt_type *type, const void *value);

/**
 * Checks the key of an entry of the map at the @depth steps of @path, as
 * zkt__check_value does for those of a map.
 */
bool zkt__check_map_key(struct zkt_str key, const struct zkt_step *path,
                        uint32_t depth, struct zkt_issues *issues);

/**
 * Only what a change deep inside of a struct or list can break: its `check;`,
 * or `unique`.
 */
bool zkt__check_constraints(const struct zkt_type *type, const void *value,
                            const struct zkt_step *path, uint32_t depth,
                            struct zkt_issues *issues);

/** The bytes that a deep copy of @value takes, in one block. */
size_t zkt__value_measure(const struct zkt_type *type, const void *value);
/** Makes that copy in @block, aligned as for malloc; it begins there. */
void *zkt__value_dup_into(const struct zkt_type *type, const void *value,
                          void *block);

#endif
