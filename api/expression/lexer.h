/* An expression's text as tokens. Anything the grammars do not know is a token of its own kind, so that the
 * parser refuses it where it stands. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* letter, then letters, digits, underscores */
    TOKEN_NAME,   /* #name */
    TOKEN_VALUE,  /* :value */
    TOKEN_NUMBER, /* digits */
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_AND, /* keywords of conditions, in any case of letters */
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_BETWEEN,
    TOKEN_IN,
    TOKEN_SET, /* keywords of updates */
    TOKEN_REMOVE,
    TOKEN_ADD,
    TOKEN_DELETE,
    TOKEN_UNKNOWN,
};

struct token {
    enum token_kind kind;
    uint32_t start; /* in the text */
    uint32_t length;
};

enum lexer_keywords { LEXER_KEYWORDS_NONE, LEXER_KEYWORDS_CONDITION, LEXER_KEYWORDS_UPDATE };

struct token_list {
    struct slice text;
    const struct token *tokens; /* the last is TOKEN_END */
    uint32_t count;             /* without it */
};

/* In `arena`. ERR_NO_MEMORY  it is spent. */
enum err lexer_run(struct slice text, enum lexer_keywords keywords, struct arena *arena,
                   struct token_list *ret_tokens) MUST_CHECK;

struct slice token_text(const struct token_list *list, uint32_t index);
/* What DynamoDB prints as `near` a token: from the one before to the one after; at the end, the last two. */
struct slice token_surroundings(const struct token_list *list, uint32_t index);
