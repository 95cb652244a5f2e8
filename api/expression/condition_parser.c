/* Conditions: a shunting yard over AND, OR, NOT and parentheses, whose leaves are comparisons and functions.
 *
 *     condition = condition OR condition | condition AND condition | NOT condition | ( condition ) | leaf
 *     leaf      = operand (= | <> | < | <= | > | >=) operand | operand BETWEEN operand AND operand
 *               | operand IN ( operand, ... ) | function
 *
 * The stack holds operators that wait for their right side, and open parentheses; it is as long as the token
 * list, so nesting cannot overflow anything. */
#include <stdio.h>

#include "api/expression/parser.h"
#include "dataplane/item/number.h"

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

static const enum problem_kind LEAF_ORDER[] = {
    PROBLEM_NAME_UNDEFINED,
    PROBLEM_OPERAND_COUNT,
    PROBLEM_DISTINCT,
    PROBLEM_OPERAND_TYPE,
};

/* Of these kinds DynamoDB reports what the first faulty leaf has. */
static void note_leaf_problem(struct parser *p)
{
    const struct error *first =
        problems_first(&p->problems, LEAF_ORDER, sizeof LEAF_ORDER / sizeof *LEAF_ORDER);
    if (first != NULL)
        problems_add(&p->problems, PROBLEM_CONDITION, "%s", first->text);
}

static void note_redundant(struct parser *p)
{
    problems_add(&p->problems, PROBLEM_PARENTHESES, "The expression has redundant parentheses;");
}

static uint32_t run_length(const struct parser *p, uint32_t at, enum token_kind kind)
{
    uint32_t count = 0;
    while (p->tokens.tokens[at + count].kind == kind)
        count++;
    return count;
}

static bool is_comparator(enum token_kind kind)
{
    return kind >= TOKEN_EQUAL && kind <= TOKEN_GREATER_EQUAL;
}

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
    uint32_t closing = after == at + count ? 0 : run_length(p, after, TOKEN_RIGHT_PAREN);
    enum token_kind next = p->tokens.tokens[after + closing].kind;
    if (!is_comparator(next) && next != TOKEN_BETWEEN && next != TOKEN_IN)
        return 0;
    return closing < count ? closing : count;
}

/* An operand in any number of parentheses, of which more than one are redundant. */
static enum err parse_operand(struct parser *p, struct parsed_operand *ret_operand, uint32_t *ret_parens)
{
    uint32_t parens = run_length(p, p->at, TOKEN_LEFT_PAREN);
    p->at += parens;
    TRY(parser_operand(p, ret_operand));
    for (uint32_t i = 0; i < parens; i++)
        TRY(parser_expect(p, TOKEN_RIGHT_PAREN));
    if (parens > 1)
        note_redundant(p);
    *ret_parens = parens;
    return ERR_OK;
}

static enum err parse_right(struct parser *p, struct parsed_operand *ret_operand)
{
    uint32_t parens;
    TRY(parse_operand(p, ret_operand, &parens));
    parser_check_misuse(p, ret_operand);
    return ERR_OK;
}

/* ---- leaves ---- */

static void emit_operand(struct parser *p, const struct parsed_operand *operand)
{
    program_builder_operand(&p->builder, (enum operand_kind)operand->code_kind, operand->number);
}

static void emit_op(struct parser *p, enum condition_op op)
{
    buffer_append_u8(&p->builder.code, (uint8_t)op);
}

static const struct comparator {
    enum token_kind token;
    enum condition_op op;
    const char *name;
    bool needs_order;
} COMPARATORS[] = {
    {TOKEN_EQUAL, CONDITION_EQUAL, "=", false},    {TOKEN_NOT_EQUAL, CONDITION_NOT_EQUAL, "<>", false},
    {TOKEN_LESS, CONDITION_LESS, "<", true},       {TOKEN_LESS_EQUAL, CONDITION_LESS_EQUAL, "<=", true},
    {TOKEN_GREATER, CONDITION_GREATER, ">", true}, {TOKEN_GREATER_EQUAL, CONDITION_GREATER_EQUAL, ">=", true},
};

/* DynamoDB refuses a literal that has no order; one from the item just makes the comparison false. */
static void check_order(struct parser *p, const char *name, const struct parsed_operand *operand)
{
    if (operand->kind == PARSED_VALUE && !value_is_scalar_key(operand->tag))
        parser_type_problem(p, name, value_tag_name(operand->tag));
}

static enum err parse_comparison(struct parser *p, const struct parsed_operand *left)
{
    const struct comparator *c = &COMPARATORS[parser_peek(p) - TOKEN_EQUAL];
    struct parsed_operand right;
    parser_count_operator(p);
    p->at++;
    TRY(parse_right(p, &right));
    parser_check_distinct(p, c->name, left, &right);
    if (c->needs_order) {
        check_order(p, c->name, left);
        check_order(p, c->name, &right);
    }
    emit_op(p, c->op);
    emit_operand(p, left);
    emit_operand(p, &right);
    return ERR_OK;
}

/* As DynamoDB prints it: {N:5}. Bytes of a binary are not printed. */
static const char *bound_text(const struct parsed_operand *bound, char *text, size_t bytes)
{
    struct value_view value;
    char digits[NUMBER_TEXT_BYTES_MAX];
    struct slice body = SLICE_EMPTY;
    if (value_decode(bound->value, &value) && value.tag == VALUE_S)
        body = value.body;
    else if (bound->tag == VALUE_N)
        body = slice_make(digits, number_print(value.body, digits));
    (void)snprintf(text, bytes, "{%s:%.*s}", value_tag_name(bound->tag),
                   SLICE_PRINTF(body)); /* cut if long */
    return text;
}

static void bounds_problem(struct parser *p, const char *rule, const struct parsed_operand *lower,
                           const struct parsed_operand *upper)
{
    char low[64], high[64];
    problems_add(&p->problems, PROBLEM_OPERAND_TYPE,
                 "The BETWEEN operator requires %s; lower bound operand: AttributeValue: %s, upper bound "
                 "operand: AttributeValue: %s",
                 rule, bound_text(lower, low, sizeof low), bound_text(upper, high, sizeof high));
}

static void check_bounds(struct parser *p, const struct parsed_operand *lower,
                         const struct parsed_operand *upper)
{
    struct value_view low, high;
    int order;
    if (lower->kind != PARSED_VALUE || upper->kind != PARSED_VALUE || !value_decode(lower->value, &low) ||
        !value_decode(upper->value, &high))
        return;
    if (low.tag != high.tag)
        bounds_problem(p, "same data type for lower and upper bounds", lower, upper);
    else if (value_compare(low, high, &order) && order > 0)
        bounds_problem(p, "upper bound to be greater than or equal to lower bound", lower, upper);
}

static enum err parse_between(struct parser *p, const struct parsed_operand *value)
{
    struct parsed_operand lower, upper;
    parser_count_operator(p);
    p->at++;
    TRY(parse_right(p, &lower));
    TRY(parser_expect(p, TOKEN_AND));
    TRY(parse_right(p, &upper));
    check_order(p, "BETWEEN", value);
    check_order(p, "BETWEEN", &lower);
    check_order(p, "BETWEEN", &upper);
    check_bounds(p, &lower, &upper);
    emit_op(p, CONDITION_BETWEEN);
    emit_operand(p, value);
    emit_operand(p, &lower);
    emit_operand(p, &upper);
    return ERR_OK;
}

static enum err parse_in(struct parser *p, const struct parsed_operand *value)
{
    uint32_t count = 0;
    struct parsed_operand candidate;
    parser_count_operator(p);
    p->at++;
    emit_op(p, CONDITION_IN);
    emit_operand(p, value);
    size_t count_at = p->builder.code.length;
    buffer_append_u8(&p->builder.code, 0);
    TRY(parser_expect(p, TOKEN_LEFT_PAREN));
    do {
        TRY(parse_right(p, &candidate));
        emit_operand(p, &candidate);
        count++;
    } while (parser_accept(p, TOKEN_COMMA));
    TRY(parser_expect(p, TOKEN_RIGHT_PAREN));
    if (count > PROGRAM_IN_OPERANDS_MAX)
        problems_add(&p->problems, PROBLEM_OPERAND_COUNT,
                     "The IN operator is provided with too many operands; number of operands: %u", count);
    if (!buffer_has_failed(&p->builder.code))
        p->builder.code.data[count_at] = (uint8_t)count;
    return ERR_OK;
}

/* A function that is a condition by itself: all but size. Only a call without problems is emitted rightly. */
static void emit_function(struct parser *p, const struct parsed_operand *f)
{
    const struct parsed_argument *first = &f->arguments[0], *second = &f->arguments[1];
    struct value_view type = {0};
    bool is_exists = call_is(p, f->token, "attribute_exists");
    if (is_exists || call_is(p, f->token, "attribute_not_exists")) {
        emit_op(p, is_exists ? CONDITION_EXISTS : CONDITION_NOT_EXISTS);
        buffer_append_u16(&p->builder.code, first->number);
        return;
    }
    bool is_type = call_is(p, f->token, "attribute_type");
    emit_op(p, is_type                               ? CONDITION_TYPE
               : call_is(p, f->token, "begins_with") ? CONDITION_BEGINS_WITH
                                                     : CONDITION_CONTAINS);
    program_builder_operand(&p->builder, (enum operand_kind)first->code_kind, first->number);
    if (!is_type)
        program_builder_operand(&p->builder, (enum operand_kind)second->code_kind, second->number);
    else if (value_decode(second->value, &type))
        buffer_append_u8(&p->builder.code, value_tag_from_name(type.body));
}

static enum err parse_leaf(struct parser *p)
{
    struct parsed_operand left;
    uint32_t parens;
    TRY(parse_operand(p, &left, &parens));
    enum token_kind next = parser_peek(p);
    bool is_compared = is_comparator(next) || next == TOKEN_BETWEEN || next == TOKEN_IN;
    if (is_compared)
        parser_check_misuse(p, &left);
    if (is_comparator(next)) {
        TRY(parse_comparison(p, &left));
    } else if (next == TOKEN_BETWEEN) {
        TRY(parse_between(p, &left));
    } else if (next == TOKEN_IN) {
        TRY(parse_in(p, &left));
    } else if (left.kind == PARSED_FUNCTION && parens == 0) {
        emit_function(p, &left);
    } else if (left.kind == PARSED_SIZE && parens == 0) {
        problems_add(&p->problems, PROBLEM_MISUSED_FUNCTION,
                     "The function is not allowed to be used this way in an expression; function: size");
    } else {
        return parser_syntax_error(p);
    }
    note_leaf_problem(p);
    return ERR_OK;
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
        emit_op(c->p, kind == TOKEN_NOT ? CONDITION_NOT : kind == TOKEN_AND ? CONDITION_AND : CONDITION_OR);
    }
}

static enum err close_paren(struct condition_parser *c)
{
    pop_binding(c, 1);
    if (c->depth == 0)
        return parser_syntax_error(c->p);
    uint32_t left = c->stack[--c->depth].token, right = c->p->at++;
    if (c->closed_left == left + 1 && c->closed_right + 1 == right)
        note_redundant(c->p);
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
        uint32_t parens = run_length(p, p->at, TOKEN_LEFT_PAREN);
        uint32_t of_operand = parens == 0 ? 0 : operand_parens(p, p->at, parens);
        for (uint32_t i = of_operand; i < parens; i++)
            push(c, TOKEN_LEFT_PAREN);
        if (parser_peek(p) != TOKEN_NOT)
            return parse_leaf(p);
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
