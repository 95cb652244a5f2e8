/* Conditions: a shunting yard over AND, OR, NOT and parentheses, whose leaves are comparisons and functions.
 *
 *     condition = condition OR condition | condition AND condition | NOT condition | ( condition ) | leaf
 *     leaf      = operand (= | <> | < | <= | > | >=) operand | operand BETWEEN operand AND operand
 *               | operand IN ( operand, ... ) | function
 *
 * The stack holds operators that wait for their right side, and open parentheses; it is as long as the token
 * list, so nesting cannot overflow anything. */
#include "api/expression/parser.h"

struct waiting {
    enum token_kind kind; /* TOKEN_OR, TOKEN_AND, TOKEN_NOT, or TOKEN_LEFT_PAREN */
    uint32_t token;
};

struct condition_parser {
    struct parser *p;
    struct waiting *stack;
    uint32_t depth;
    /* The pair of parentheses closed last, to find those that are redundant. */
    uint32_t closed_left;
    uint32_t closed_right;
};

/* ---- parentheses around one operand ---- */

/* The token after the operand at `at`; `at` itself when there is none. */
static uint32_t skip_operand(const struct parser *p, uint32_t at)
{
    const struct token *tokens = p->tokens.tokens;
    if (tokens[at].kind == TOKEN_VALUE)
        return at + 1;
    if (tokens[at].kind != TOKEN_WORD && tokens[at].kind != TOKEN_NAME)
        return at;
    if (tokens[at].kind == TOKEN_WORD && tokens[at + 1].kind == TOKEN_LEFT_PAREN) {
        uint32_t depth = 0;
        for (at++; tokens[at].kind != TOKEN_END; at++) {
            depth += tokens[at].kind == TOKEN_LEFT_PAREN;
            if (tokens[at].kind == TOKEN_RIGHT_PAREN && --depth == 0)
                return at + 1;
        }
        return at;
    }
    for (at++;; at += 2) {
        if (tokens[at].kind == TOKEN_LEFT_BRACKET && tokens[at + 1].kind == TOKEN_NUMBER &&
            tokens[at + 2].kind == TOKEN_RIGHT_BRACKET)
            at++;
        else if (tokens[at].kind != TOKEN_DOT || tokens[at + 1].kind == TOKEN_END)
            return at;
    }
}

/* Of `count` parentheses opening at `at`, how many enclose just the operand of a comparison: `((a) = :b)` has
 * one such, the outer one encloses a condition. */
static uint32_t operand_parens(const struct parser *p, uint32_t at, uint32_t count)
{
    uint32_t after = skip_operand(p, at + count);
    uint32_t closing = after == at + count ? 0 : parser_run_length(p, after, TOKEN_RIGHT_PAREN);
    enum token_kind next = p->tokens.tokens[after + closing].kind;
    if (!token_is_comparator(next) && next != TOKEN_BETWEEN && next != TOKEN_IN)
        return 0;
    return closing < count ? closing : count;
}

/* ---- AND, OR, NOT, parentheses ---- */

static int binding(enum token_kind kind)
{
    if (kind == TOKEN_NOT)
        return 3;
    if (kind == TOKEN_AND)
        return 2;
    return kind == TOKEN_OR ? 1 : 0;
}

static void push(struct condition_parser *c, enum token_kind kind)
{
    c->stack[c->depth++] = (struct waiting){kind, c->p->at++};
}

static void pop_binding(struct condition_parser *c, int least)
{
    while (c->depth > 0 && binding(c->stack[c->depth - 1].kind) >= least) {
        enum token_kind kind = c->stack[--c->depth].kind;
        enum condition_op op = kind == TOKEN_NOT   ? CONDITION_NOT
                               : kind == TOKEN_AND ? CONDITION_AND
                                                   : CONDITION_OR;
        buffer_append_u8(&c->p->builder.code, (uint8_t)op);
    }
}

static enum err close_paren(struct condition_parser *c)
{
    pop_binding(c, 1);
    if (c->depth == 0)
        return parser_syntax_error(c->p);
    uint32_t left = c->stack[--c->depth].token, right = c->p->at++;
    if (c->closed_left == left + 1 && c->closed_right + 1 == right)
        parser_note_redundant(c->p);
    c->closed_left = left;
    c->closed_right = right;
    return ERR_OK;
}

/* NOTs and opening parentheses, then a leaf. */
static enum err parse_condition_start(struct condition_parser *c)
{
    struct parser *p = c->p;
    for (;;) {
        if (parser_peek(p) == TOKEN_NOT) {
            parser_count_operator(p);
            push(c, TOKEN_NOT);
            continue;
        }
        uint32_t parens = parser_run_length(p, p->at, TOKEN_LEFT_PAREN);
        uint32_t of_operand = parens == 0 ? 0 : operand_parens(p, p->at, parens);
        for (uint32_t i = of_operand; i < parens; i++)
            push(c, TOKEN_LEFT_PAREN);
        if (parser_peek(p) != TOKEN_NOT)
            return parse_condition_leaf(p);
    }
}

enum err parse_condition(struct parser *p)
{
    struct condition_parser c = {.p = p, .closed_left = UINT32_MAX};
    c.stack = arena_alloc(p->context->arena, sizeof *c.stack * (p->tokens.count + 1));
    if (c.stack == NULL)
        return ERR_NO_MEMORY;
    for (;;) {
        TRY(parse_condition_start(&c));
        while (parser_peek(p) == TOKEN_RIGHT_PAREN)
            TRY(close_paren(&c));
        enum token_kind kind = parser_peek(p);
        if (kind != TOKEN_AND && kind != TOKEN_OR)
            break;
        parser_count_operator(p);
        pop_binding(&c, binding(kind));
        push(&c, kind);
    }
    pop_binding(&c, 1);
    if (c.depth > 0 || parser_peek(p) != TOKEN_END)
        return parser_syntax_error(p);
    return ERR_OK;
}
