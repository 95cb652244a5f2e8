#include "api/expression/lexer.h"

struct keyword {
    const char *word;
    enum token_kind kind;
};

static const struct keyword CONDITION_KEYWORDS[] = {
    {"and", TOKEN_AND},         {"or", TOKEN_OR}, {"not", TOKEN_NOT},
    {"between", TOKEN_BETWEEN}, {"in", TOKEN_IN}, {0},
};

static const struct keyword UPDATE_KEYWORDS[] = {
    {"set", TOKEN_SET}, {"remove", TOKEN_REMOVE}, {"add", TOKEN_ADD}, {"delete", TOKEN_DELETE}, {0},
};

static const struct keyword NO_KEYWORDS[] = {{0}};

static const struct keyword *keywords_of(enum lexer_keywords keywords)
{
    if (keywords == LEXER_KEYWORDS_CONDITION)
        return CONDITION_KEYWORDS;
    return keywords == LEXER_KEYWORDS_UPDATE ? UPDATE_KEYWORDS : NO_KEYWORDS;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word_part(uint8_t c)
{
    return is_letter(c) || is_digit(c) || c == '_';
}

static uint8_t byte_at(struct slice text, size_t at)
{
    return at < text.length ? text.data[at] : 0;
}

static size_t run_end(struct slice text, size_t at, bool (*belongs)(uint8_t))
{
    while (at < text.length && belongs(text.data[at]))
        at++;
    return at;
}

/* `word` is in lower case. */
static bool equals_in_any_case(struct slice text, const char *word)
{
    if (text.length != strlen(word))
        return false;
    for (size_t i = 0; i < text.length; i++)
        if ((text.data[i] | 0x20) != (uint8_t)word[i])
            return false;
    return true;
}

static enum token_kind word_kind(struct slice word, const struct keyword *keywords)
{
    for (; keywords->word != NULL; keywords++)
        if (equals_in_any_case(word, keywords->word))
            return keywords->kind;
    return TOKEN_WORD;
}

static enum token_kind sign_kind(struct slice text, size_t at, size_t *ret_end)
{
    uint8_t next = byte_at(text, at + 1);
    *ret_end = at + 1;
    switch (text.data[at]) {
    case '(':
        return TOKEN_LEFT_PAREN;
    case ')':
        return TOKEN_RIGHT_PAREN;
    case '[':
        return TOKEN_LEFT_BRACKET;
    case ']':
        return TOKEN_RIGHT_BRACKET;
    case ',':
        return TOKEN_COMMA;
    case '.':
        return TOKEN_DOT;
    case '+':
        return TOKEN_PLUS;
    case '-':
        return TOKEN_MINUS;
    case '=':
        return TOKEN_EQUAL;
    case '<':
        *ret_end += next == '=' || next == '>';
        return next == '=' ? TOKEN_LESS_EQUAL : next == '>' ? TOKEN_NOT_EQUAL : TOKEN_LESS;
    case '>':
        *ret_end += next == '=';
        return next == '=' ? TOKEN_GREATER_EQUAL : TOKEN_GREATER;
    default:
        break;
    }
    /* A character, not a byte of one: it is printed in the message. */
    while ((byte_at(text, *ret_end) & 0xc0) == 0x80)
        ++*ret_end;
    return TOKEN_UNKNOWN;
}

static struct token next_token(struct slice text, size_t at, const struct keyword *keywords)
{
    enum token_kind kind;
    size_t end;
    uint8_t first = text.data[at];
    if (is_letter(first)) {
        end = run_end(text, at, is_word_part);
        kind = word_kind(slice_make(text.data + at, end - at), keywords);
    } else if (is_digit(first)) {
        end = run_end(text, at, is_digit);
        kind = TOKEN_NUMBER;
    } else if ((first == '#' || first == ':') && is_word_part(byte_at(text, at + 1))) {
        end = run_end(text, at + 1, is_word_part);
        kind = first == '#' ? TOKEN_NAME : TOKEN_VALUE;
    } else {
        kind = sign_kind(text, at, &end);
    }
    return (struct token){kind, (uint32_t)at, (uint32_t)(end - at)};
}

enum err lexer_run(struct slice text, enum lexer_keywords keywords, struct arena *arena,
                   struct token_list *ret_tokens)
{
    struct token *tokens = arena_alloc(arena, sizeof *tokens * (text.length + 1));
    if (tokens == NULL)
        return ERR_NO_MEMORY;
    uint32_t count = 0;
    for (size_t at = run_end(text, 0, is_blank); at < text.length; at = run_end(text, at, is_blank)) {
        tokens[count] = next_token(text, at, keywords_of(keywords));
        at = (size_t)tokens[count].start + tokens[count].length;
        count++;
    }
    tokens[count] = (struct token){TOKEN_END, (uint32_t)text.length, 0};
    *ret_tokens = (struct token_list){text, tokens, count};
    return ERR_OK;
}

struct slice token_text(const struct token_list *list, uint32_t index)
{
    if (index >= list->count)
        return SLICE_LITERAL("<EOF>");
    return slice_make(list->text.data + list->tokens[index].start, list->tokens[index].length);
}

struct slice token_surroundings(const struct token_list *list, uint32_t index)
{
    if (list->count == 0)
        return SLICE_EMPTY;
    uint32_t last = index + 1 < list->count ? index + 1 : list->count - 1;
    uint32_t before = index < list->count ? 1 : 2;
    uint32_t first = index > before ? index - before : 0;
    uint32_t start = list->tokens[first].start;
    return slice_make(list->text.data + start, list->tokens[last].start + list->tokens[last].length - start);
}
