/*
 * From text to AST. The grammar's actions call the functions here, which make
 * nodes and keep track of things that belong to no node: documentation
 * comments, and constructs that are not supported yet.
 */
#ifndef PARSE_H
#define PARSE_H

#include "syntax/ast.h"
#include "syntax/diag.h"

#define PARSE_DEPTH_MAX 64
#define PARSE_NAME_MAX  256 /* bytes of a field's name */

/* A comment, which documents the token behind it. */
struct parse_doc {
    char *text;
    size_t len, capacity; /* of the text; it grows by the line */
    struct source_range at;
    uint32_t token; /* its offset */
    bool used;
};

struct parse {
    struct arena *arena;
    struct diag *diag;
    const struct source *source;
    struct ast_file *file;
    struct parse_doc *docs; /* in the order of the text */
    size_t doc_count, doc_capacity;
    struct ast_unsupported *last_unsupported;
    uint32_t offset;             /* of the lexer */
    struct source_range comment; /* where the open comment began */
    int depth;                   /* nesting of types and values */
    void *last_decl;
    int parens;          /* that are open in the declaration */
    bool is_recovering;  /* from a mistake: braces are skipped as a whole */
    bool block_is_open;  /* the token with the mistake is a '{' */
    bool has_stray_word; /* between the type of a field and its ';' */
};

/** Parses and reports. The file has everything that was understood. @source is
 * among the diag's. */
struct ast_file *parse_file(struct arena *arena, struct diag *diag,
                            const struct source *source);

/* ---- for the lexer and the grammar ---- */

void *parse_append(struct parse *p, struct ast_list *list, void *node,
                   void **link_of_last);
void parse_add_doc(struct parse *p, const char *text, size_t len);
/** The comment in front of the token at @at, or NULL. */
const char *parse_doc(struct parse *p, struct source_range at);
void parse_unsupported(struct parse *p, struct source_range at,
                       const char *what);
/** A string literal's value; @text with its quotes. */
struct ast_value *parse_string(struct parse *p, struct source_range at,
                               const char *text, size_t len);
/** The range that `low-high` was meant to be; @high has the dash in front. */
const char *parse_range(struct parse *p, const char *low, const char *high);
/** Says which character at @at begins no token; @found is the text in quotes.
 */
const char *parse_stray(struct parse *p, struct source_range at,
                        const char *found);
/** The first character of the next token; 0 at the end. */
char parse_next_character(const struct parse *p);
/**
 * A message about @word, which begins no declaration (or, with @in_actor, no
 * member of an actor), with the word that was meant; NULL if that is unknown.
 */
const char *parse_slip(struct parse *p, const char *word, bool in_actor);
/** A message about @word, which is no modifier of a method or an actor, with
 * *@ours, the modifier that was meant; NULL if that is unknown. */
const char *parse_modifier_slip(struct parse *p, const char *word,
                                const char **ours);
/** Returns true for "optional" and words of its meaning. */
bool parse_is_absence(const char *word);
/** Reports a word that stands alone in front of a ';' among fields. */
void parse_stray_word(struct parse *p, struct source_range at,
                      const char *word);
struct ast_value *parse_number(struct parse *p, struct source_range at,
                               const struct ast_number *number);
/** A field's name that is written as a string; a wrong name is reported. */
struct ast_name parse_field_name(struct parse *p, struct source_range at,
                                 const char *text, size_t len);
/** Reports a string that cannot be a key of a literal. */
void parse_key(struct parse *p, const struct ast_value *key);
/**
 * Makes a type around @inner, which is the first element of a tuple. A type
 * that is nested too deeply is reported once; then @inner is returned.
 */
struct ast_type *parse_type(struct parse *p, struct source_range at,
                            enum ast_type_kind kind, struct ast_type *inner,
                            struct ast_rule *rules);
/** Goes a level down. Returns false if that is too deep, and reports it. */
bool parse_enter(struct parse *p, struct source_range at);

#endif
