/*
 * A schema as its tokens and comments, in the order of the text, for the
 * formatter. Tokens are the lexer's own, so that both always agree on them;
 * comments are found in the gaps between.
 */
#ifndef TOKENS_H
#define TOKENS_H

#include <string.h>

#include "syntax/source.h"

enum token_kind {
    TOKEN_WORD,
    TOKEN_LITERAL, /* a number of any kind, a string, a pattern */
    TOKEN_SIGN,
    TOKEN_LINE,  /* a comment that begins with // */
    TOKEN_DOC,   /* a comment that begins with /// */
    TOKEN_BLOCK, /* a comment between slashes and stars */
    TOKEN_END
};

struct token {
    const char *text; /* in the source, without blanks behind comments */
    size_t len;
    enum token_kind kind;
    unsigned newlines; /* line ends since the token before */
};

/* The last token is TOKEN_END. */
struct tokens {
    struct token *items;
    size_t count;
};

/** Reads all of @source, which is valid UTF-8; the texts are the source's. */
struct tokens tokens_read(struct arena *arena, const struct source *source);

/** Its first character decides most of the time. */
static inline bool token_is(const struct token *token, const char *text)
{
    return token->text[0] == text[0] && token->len == strlen(text) &&
           memcmp(token->text, text, token->len) == 0;
}

bool token_is_comment(const struct token *token);

#endif
