#include "api/expression/expression.h"

#include "api/expression/parser.h"
#include "base/assert.h"

/* DynamoDB's order of reporting, as its recorded answers show it. */
static const enum problem_kind CONDITION_ORDER[] = {
    PROBLEM_OPERATOR_COUNT, PROBLEM_PARENTHESES, PROBLEM_FUNCTION_NAME, PROBLEM_MISUSED_FUNCTION,
    PROBLEM_RESERVED,       PROBLEM_LIST_INDEX,  PROBLEM_PATH_DEPTH,    PROBLEM_CONDITION,
};

static const enum problem_kind UPDATE_ORDER[] = {
    PROBLEM_OPERATOR_COUNT, PROBLEM_RESERVED,       PROBLEM_FUNCTION_NAME,   PROBLEM_SECTION,
    PROBLEM_LIST_INDEX,     PROBLEM_NAME_UNDEFINED, PROBLEM_VALUE_UNDEFINED, PROBLEM_PATH_DEPTH,
    PROBLEM_OVERLAP,        PROBLEM_CONFLICT,       PROBLEM_SECTION_OPERAND, PROBLEM_MISUSED_FUNCTION,
    PROBLEM_OPERAND_COUNT,  PROBLEM_OPERAND_TYPE,
};

static const enum problem_kind PROJECTION_ORDER[] = {
    PROBLEM_RESERVED,   PROBLEM_NAME_UNDEFINED, PROBLEM_LIST_INDEX,
    PROBLEM_PATH_DEPTH, PROBLEM_OVERLAP,        PROBLEM_CONFLICT,
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const struct error *first_problem(const struct parser *p)
{
    if (p->kind == EXPRESSION_UPDATE)
        return problems_first(&p->problems, UPDATE_ORDER, COUNT_OF(UPDATE_ORDER));
    if (p->kind == EXPRESSION_PROJECTION)
        return problems_first(&p->problems, PROJECTION_ORDER, COUNT_OF(PROJECTION_ORDER));
    return problems_first(&p->problems, CONDITION_ORDER, COUNT_OF(CONDITION_ORDER));
}

static enum lexer_keywords keywords_of(enum expression_kind kind)
{
    if (kind == EXPRESSION_PROJECTION)
        return LEXER_KEYWORDS_NONE;
    return kind == EXPRESSION_UPDATE ? LEXER_KEYWORDS_UPDATE : LEXER_KEYWORDS_CONDITION;
}

static enum program_kind program_kind_of(enum expression_kind kind)
{
    if (kind == EXPRESSION_PROJECTION)
        return PROGRAM_PROJECTION;
    return kind == EXPRESSION_UPDATE ? PROGRAM_UPDATE : PROGRAM_CONDITION;
}

static enum err check_text(enum expression_kind kind, struct slice text, struct error *error)
{
    if (text.length == 0)
        return error_set(error, ERR_VALIDATION, "Invalid %s: The expression can not be empty;",
                         expression_kind_name(kind));
    if (text.length > EXPRESSION_BYTES_MAX)
        return error_set(
            error, ERR_VALIDATION,
            "Invalid %s: Expression size has exceeded the maximum allowed size; expression size: "
            "%zu",
            expression_kind_name(kind), text.length);
    return ERR_OK;
}

/* Everything is sized by the number of tokens: a part, a path and a call take at least one each. */
static enum err prepare(struct parser *p)
{
    struct arena *arena = p->context->arena;
    size_t count = p->tokens.count + 1, calls = 1;
    for (uint32_t i = 0; i < p->tokens.count; i++)
        calls += p->tokens.tokens[i].kind == TOKEN_LEFT_PAREN;
    p->parts = arena_alloc(arena, sizeof *p->parts * count);
    p->paths = arena_alloc(arena, sizeof *p->paths * count);
    p->calls = arena_alloc(arena, sizeof *p->calls * calls);
    return arena_has_failed(arena) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err parse(struct parser *p)
{
    if (p->kind == EXPRESSION_UPDATE)
        return parse_update(p);
    return p->kind == EXPRESSION_PROJECTION ? parse_projection(p) : parse_condition(p);
}

static enum err finish(struct parser *p, struct buffer *ret_program)
{
    const struct error *problem = first_problem(p);
    if (problem != NULL)
        return error_set(p->error, problem->code, "Invalid %s: %s", expression_kind_name(p->kind),
                         problem->text);
    size_t before = ret_program->length;
    TRY(program_builder_finish(&p->builder, ret_program));
    struct program program;
    ASSERT_SLOW(program_open(slice_from(buffer_view(ret_program), before), program_kind_of(p->kind),
                             &program) == ERR_OK);
    (void)before;
    (void)program;
    return ERR_OK;
}

enum err expression_parse(struct expression_context *context, enum expression_kind kind, struct slice text,
                          struct buffer *ret_program, struct error *error)
{
    TRY(check_text(kind, text, error));
    struct parser p = {.context = context, .kind = kind, .error = error, .parse = ++context->parse};
    TRY(lexer_run(text, keywords_of(kind), context->arena, &p.tokens));
    TRY(prepare(&p));
    program_builder_init(&p.builder, program_kind_of(kind));
    enum err err = parse(&p);
    if (err == ERR_OK)
        err = finish(&p, ret_program);
    program_builder_deinit(&p.builder);
    return err;
}
