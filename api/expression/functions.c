/* The functions of conditions and updates: their arguments' numbers and types, as far as the text tells.
 *
 * The sentences are DynamoDB's, from its recorded answers (2013-2020) and from those of DynamoDB Local. */
#include "api/expression/parser.h"

struct function {
    const char *name;
    uint32_t argument_count;
    bool is_update;
    void (*check)(struct parser *p, const struct function *f, const struct parsed_call *call);
    uint8_t result_tag; /* 0: not known from the text */
};

static const char *tag_text(const struct parsed_operand *operand)
{
    return value_tag_name(operand->tag);
}

void parser_type_problem(struct parser *p, const char *name, const char *type)
{
    problems_add(
        &p->problems, PROBLEM_OPERAND_TYPE,
        "Incorrect operand type for operator or function; operator or function: %s, operand type: %s", name,
        type);
}

static void check_path(struct parser *p, const struct function *f, const struct parsed_call *call)
{
    const struct parsed_operand *first = &call->arguments[0];
    if (first->kind != PARSED_PATH && first->kind != PARSED_UNDEFINED)
        problems_add(&p->problems, PROBLEM_OPERAND_TYPE,
                     "Operator or function requires a document path; operator or function: %s", f->name);
}

static void check_type_name(struct parser *p, const struct function *f, const struct parsed_call *call)
{
    const struct parsed_operand *type = &call->arguments[1];
    struct value_view value;
    if (type->kind == PARSED_UNDEFINED)
        return;
    if (type->kind != PARSED_VALUE)
        parser_type_problem(p, f->name, "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}");
    else if (type->tag != VALUE_S || !value_decode(type->value, &value))
        parser_type_problem(p, f->name, tag_text(type));
    else if (value_tag_from_name(value.body) == 0)
        problems_add(&p->problems, PROBLEM_OPERAND_TYPE,
                     "Invalid attribute type name found; type: %.*s, valid types: "
                     "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
                     SLICE_PRINTF(value.body));
}

static void check_begins_with(struct parser *p, const struct function *f, const struct parsed_call *call)
{
    for (uint32_t i = 0; i < 2; i++) {
        const struct parsed_operand *operand = &call->arguments[i];
        if (operand->tag != 0 && operand->tag != VALUE_S && operand->tag != VALUE_B)
            parser_type_problem(p, f->name, tag_text(operand));
    }
}

static void check_contains(struct parser *p, const struct function *f, const struct parsed_call *call)
{
}

static void check_size(struct parser *p, const struct function *f, const struct parsed_call *call)
{
    uint8_t tag = call->arguments[0].tag;
    if (tag == VALUE_N || tag == VALUE_BOOL || tag == VALUE_NULL)
        parser_type_problem(p, f->name, tag_text(&call->arguments[0]));
}

static void check_list_append(struct parser *p, const struct function *f, const struct parsed_call *call)
{
    for (uint32_t i = 0; i < 2; i++) {
        const struct parsed_operand *operand = &call->arguments[i];
        if (operand->tag != 0 && operand->tag != VALUE_L)
            parser_type_problem(p, f->name, tag_text(operand));
    }
}

static const struct function FUNCTIONS[] = {
    {"attribute_exists", 1, false, check_path, VALUE_BOOL},
    {"attribute_not_exists", 1, false, check_path, VALUE_BOOL},
    {"attribute_type", 2, false, check_type_name, VALUE_BOOL},
    {"begins_with", 2, false, check_begins_with, VALUE_BOOL},
    {"contains", 2, false, check_contains, VALUE_BOOL},
    {"size", 1, false, check_size, VALUE_N},
    {"if_not_exists", 2, true, check_path, 0},
    {"list_append", 2, true, check_list_append, VALUE_L},
};

static const struct function *find_function(struct slice name)
{
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
        if (slice_equal_string(name, FUNCTIONS[i].name))
            return &FUNCTIONS[i];
    return NULL;
}

bool call_is(const struct parser *p, uint32_t token, const char *name)
{
    return slice_equal_string(token_text(&p->tokens, token), name);
}

static void misuse_problem(struct parser *p, uint32_t token)
{
    problems_add(&p->problems, PROBLEM_MISUSED_FUNCTION,
                 "The function is not allowed to be used this way in an expression; function: %.*s",
                 SLICE_PRINTF(token_text(&p->tokens, token)));
}

void parser_check_misuse(struct parser *p, const struct parsed_operand *operand)
{
    if (operand->kind == PARSED_FUNCTION)
        misuse_problem(p, operand->token);
}

void parser_check_distinct(struct parser *p, const char *name, const struct parsed_operand *a,
                           const struct parsed_operand *b)
{
    char text[ERROR_TEXT_BYTES];
    if (a->kind == PARSED_PATH && b->kind == PARSED_PATH && parser_paths_are_equal(p, a->number, b->number))
        problems_add(&p->problems, PROBLEM_DISTINCT,
                     "The first operand must be distinct from the remaining operands for this operator or "
                     "function; operator: %s, first operand: %s",
                     name, parser_path_text(p, a->number, text, sizeof text));
}

/* In a condition only size() may be an argument. In an update, list_append may not (DynamoDB refuses it
 * there, though nothing documents that); if_not_exists may. */
static void check_arguments_misuse(struct parser *p, const struct parsed_call *call)
{
    for (uint32_t i = 0; i < call->argument_count && i < 2; i++) {
        const struct parsed_operand *argument = &call->arguments[i];
        if (expression_is_condition(p->kind) ||
            (argument->kind == PARSED_FUNCTION && call_is(p, argument->token, "list_append")))
            parser_check_misuse(p, argument);
    }
}

static void check_call(struct parser *p, const struct function *f, const struct parsed_call *call)
{
    struct slice name = token_text(&p->tokens, call->token);
    check_arguments_misuse(p, call);
    if (f == NULL) {
        problems_add(&p->problems, PROBLEM_FUNCTION_NAME, "Invalid function name; function: %.*s",
                     SLICE_PRINTF(name));
    } else if (f->is_update != (p->kind == EXPRESSION_UPDATE)) {
        problems_add(&p->problems, PROBLEM_FUNCTION_NAME,
                     "The function is not allowed in %s expression; function: %s",
                     f->is_update ? "a condition" : "an update", f->name);
    } else if (call->argument_count != f->argument_count) {
        problems_add(
            &p->problems, PROBLEM_OPERAND_COUNT,
            "Incorrect number of operands for operator or function; operator or function: %s, number "
            "of operands: %u",
            f->name, call->argument_count);
    } else {
        if (f->argument_count == 2 && !f->is_update)
            parser_check_distinct(p, f->name, &call->arguments[0], &call->arguments[1]);
        f->check(p, f, call);
    }
}

static void emit_update_call(struct parser *p, const struct parsed_call *call)
{
    bool is_append = call_is(p, call->token, "list_append");
    buffer_append_u8(&p->builder.code, is_append ? UPDATE_LIST_APPEND : UPDATE_IF_NOT_EXISTS);
    if (!is_append)
        buffer_append_u16(&p->builder.code, call->arguments[0].number);
}

void parser_call(struct parser *p, const struct parsed_call *call, struct parsed_operand *ret_operand)
{
    const struct function *f = find_function(token_text(&p->tokens, call->token));
    const struct parsed_operand *first = &call->arguments[0];
    check_call(p, f, call);
    bool is_size = f != NULL && f->check == check_size;
    *ret_operand = (struct parsed_operand){
        .kind = is_size ? PARSED_SIZE : PARSED_FUNCTION,
        .code_kind = first->kind == PARSED_PATH ? OPERAND_SIZE_OF_PATH : OPERAND_SIZE_OF_VALUE,
        .number = first->number,
        .token = call->token,
        .tag = f == NULL ? 0 : f->result_tag,
        .argument_count = call->argument_count,
    };
    for (uint32_t i = 0; i < 2 && i < call->argument_count; i++) {
        const struct parsed_operand *a = &call->arguments[i];
        ret_operand->arguments[i] = (struct parsed_argument){a->code_kind, a->number, a->value};
    }
    if (p->kind == EXPRESSION_UPDATE)
        emit_update_call(p, call);
}
