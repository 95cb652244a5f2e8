/* The leaves of a condition: comparisons, BETWEEN, IN and functions. */
#include <stdio.h>

#include "api/expression/parser.h"
#include "dataplane/item/number.h"

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

void parser_note_redundant(struct parser *p)
{
    problems_add(&p->problems, PROBLEM_PARENTHESES, "The expression has redundant parentheses;");
}

/* An operand in any number of parentheses, of which more than one are redundant. */
static enum err parse_operand(struct parser *p, struct parsed_operand *ret_operand, uint32_t *ret_parens)
{
    uint32_t parens = parser_run_length(p, p->at, TOKEN_LEFT_PAREN);
    p->at += parens;
    TRY(parser_operand(p, ret_operand));
    for (uint32_t i = 0; i < parens; i++)
        TRY(parser_expect(p, TOKEN_RIGHT_PAREN));
    if (parens > 1)
        parser_note_redundant(p);
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

enum err parse_condition_leaf(struct parser *p)
{
    struct parsed_operand left;
    uint32_t parens;
    TRY(parse_operand(p, &left, &parens));
    enum token_kind next = parser_peek(p);
    bool is_compared = token_is_comparator(next) || next == TOKEN_BETWEEN || next == TOKEN_IN;
    if (is_compared)
        parser_check_misuse(p, &left);
    if (token_is_comparator(next)) {
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
