#include "api/expression/parser.h"

#include "api/expression/reserved_words.h"

const char *expression_kind_name(enum expression_kind kind)
{
    switch (kind) {
    case EXPRESSION_CONDITION:
        return "ConditionExpression";
    case EXPRESSION_FILTER:
        return "FilterExpression";
    case EXPRESSION_KEY_CONDITION:
        return "KeyConditionExpression";
    case EXPRESSION_UPDATE:
        return "UpdateExpression";
    case EXPRESSION_PROJECTION:
        break;
    }
    return "ProjectionExpression";
}

bool parser_accept(struct parser *p, enum token_kind kind)
{
    if (parser_peek(p) != kind)
        return false;
    if (kind != TOKEN_END)
        p->at++;
    return true;
}

enum err parser_syntax_error(struct parser *p)
{
    return error_set(p->error, ERR_VALIDATION, "Invalid %s: Syntax error; token: \"%.*s\", near: \"%.*s\"",
                     expression_kind_name(p->kind), SLICE_PRINTF(token_text(&p->tokens, p->at)),
                     SLICE_PRINTF(token_surroundings(&p->tokens, p->at)));
}

enum err parser_expect(struct parser *p, enum token_kind kind)
{
    return parser_accept(p, kind) ? ERR_OK : parser_syntax_error(p);
}

void parser_count_operator(struct parser *p)
{
    if (++p->operator_count == EXPRESSION_OPERATORS_MAX + 1)
        problems_add(&p->problems, PROBLEM_OPERATOR_COUNT,
                     "The expression contains too many operators; operator count: %u", p->operator_count);
}

uint32_t parser_run_length(const struct parser *p, uint32_t at, enum token_kind kind)
{
    uint32_t count = 0;
    while (p->tokens.tokens[at + count].kind == kind)
        count++;
    return count;
}

/* In an update names and values are two kinds of problem; elsewhere whichever comes first counts. */
static enum problem_kind undefined_value_kind(const struct parser *p)
{
    return p->kind == EXPRESSION_UPDATE ? PROBLEM_VALUE_UNDEFINED : PROBLEM_NAME_UNDEFINED;
}

static struct parsed_part *new_part(struct parser *p)
{
    struct parsed_part *part = &p->parts[p->part_count++];
    *part = (struct parsed_part){0};
    return part;
}

static void add_word(struct parser *p, struct slice word)
{
    if (word_is_reserved(word))
        problems_add(&p->problems, PROBLEM_RESERVED,
                     "Attribute name is a reserved keyword; reserved keyword: %.*s", SLICE_PRINTF(word));
    new_part(p)->name = word;
    program_builder_path_name(&p->builder, program_builder_name(&p->builder, word));
}

static void add_name(struct parser *p, struct slice token)
{
    struct parsed_part *part = new_part(p);
    struct expression_entry *entry = expression_table_find(p->context->names, token);
    if (entry == NULL) {
        problems_add(&p->problems, PROBLEM_NAME_UNDEFINED,
                     "An expression attribute name used in the document path is not defined; attribute name: "
                     "%.*s",
                     SLICE_PRINTF(token));
        return;
    }
    if (!entry->is_used || entry->parse != p->parse) {
        entry->parse = p->parse;
        entry->number = program_builder_name(&p->builder, entry->content);
    }
    entry->is_used = true;
    part->name = entry->content;
    program_builder_path_name(&p->builder, entry->number);
}

static enum err path_name(struct parser *p)
{
    struct slice token = token_text(&p->tokens, p->at);
    if (parser_accept(p, TOKEN_WORD))
        add_word(p, token);
    else if (parser_accept(p, TOKEN_NAME))
        add_name(p, token);
    else
        return parser_syntax_error(p);
    return ERR_OK;
}

static enum err path_index(struct parser *p)
{
    uint64_t index = 0;
    struct slice digits = token_text(&p->tokens, p->at);
    TRY(parser_expect(p, TOKEN_NUMBER));
    for (size_t i = 0; i < digits.length && index <= PROGRAM_INDEX_MAX; i++)
        index = index * 10 + (digits.data[i] - '0');
    if (index > PROGRAM_INDEX_MAX)
        problems_add(&p->problems, PROBLEM_LIST_INDEX,
                     "List index is not within the allowable range; index: [%.*s]", SLICE_PRINTF(digits));
    *new_part(p) = (struct parsed_part){true, (uint32_t)index, SLICE_EMPTY};
    program_builder_path_index(&p->builder, (uint32_t)index);
    return parser_expect(p, TOKEN_RIGHT_BRACKET);
}

enum err parser_path(struct parser *p, uint16_t *ret_number)
{
    uint32_t first = p->part_count;
    TRY(path_name(p));
    for (;;) {
        if (parser_accept(p, TOKEN_DOT))
            TRY(path_name(p));
        else if (parser_accept(p, TOKEN_LEFT_BRACKET))
            TRY(path_index(p));
        else
            break;
    }
    uint32_t count = p->part_count - first;
    if (count > PROGRAM_PATH_PARTS_MAX)
        problems_add(&p->problems, PROBLEM_PATH_DEPTH,
                     "The document path has too many nesting levels; nesting levels: %u", count);
    p->paths[p->path_count++] = (struct parsed_path){first, count};
    *ret_number = program_builder_path_end(&p->builder);
    return ERR_OK;
}

enum err parser_value(struct parser *p, struct parsed_operand *ret_operand)
{
    struct slice token = token_text(&p->tokens, p->at);
    TRY(parser_expect(p, TOKEN_VALUE));
    *ret_operand = (struct parsed_operand){.kind = PARSED_UNDEFINED, .code_kind = OPERAND_VALUE};
    struct expression_entry *entry = expression_table_find(p->context->values, token);
    if (entry == NULL) {
        problems_add(&p->problems, undefined_value_kind(p),
                     "An expression attribute value used in expression is not defined; attribute value: %.*s",
                     SLICE_PRINTF(token));
        return ERR_OK;
    }
    if (!entry->is_used || entry->parse != p->parse) {
        entry->parse = p->parse;
        entry->number = program_builder_value(&p->builder, entry->content);
    }
    entry->is_used = true;
    ret_operand->kind = PARSED_VALUE;
    ret_operand->value = entry->content;
    ret_operand->tag = entry->content.length > 0 ? entry->content.data[0] : 0;
    ret_operand->number = entry->number;
    return ERR_OK;
}

void parser_emit_push(struct parser *p, const struct parsed_operand *operand)
{
    if (operand->kind == PARSED_FUNCTION || operand->kind == PARSED_SIZE)
        return;
    bool is_path = operand->kind == PARSED_PATH;
    buffer_append_u8(&p->builder.code, is_path ? UPDATE_PUSH_PATH : UPDATE_PUSH_VALUE);
    buffer_append_u16(&p->builder.code, operand->number);
}

/* A path or value; not a function. */
static enum err simple_operand(struct parser *p, struct parsed_operand *ret_operand)
{
    if (parser_peek(p) == TOKEN_VALUE)
        return parser_value(p, ret_operand);
    *ret_operand = (struct parsed_operand){.kind = PARSED_PATH, .code_kind = OPERAND_PATH};
    return parser_path(p, &ret_operand->number);
}

static bool call_begins(const struct parser *p)
{
    return parser_peek(p) == TOKEN_WORD && p->tokens.tokens[p->at + 1].kind == TOKEN_LEFT_PAREN;
}

static void add_argument(struct parser *p, struct parsed_call *call, const struct parsed_operand *argument)
{
    bool is_tested_path = call->argument_count == 0 && argument->kind == PARSED_PATH &&
                          call_is(p, call->token, "if_not_exists");
    if (p->kind == EXPRESSION_UPDATE && !is_tested_path)
        parser_emit_push(p, argument);
    if (call->argument_count < 2)
        call->arguments[call->argument_count] = *argument;
    call->argument_count++;
}

enum err parser_operand(struct parser *p, struct parsed_operand *ret_operand)
{
    uint32_t depth = 0;
    for (;;) {
        if (call_begins(p)) {
            p->calls[depth++] = (struct parsed_call){.token = p->at};
            p->at += 2;
            continue;
        }
        TRY(simple_operand(p, ret_operand));
        while (depth > 0) {
            struct parsed_call *call = &p->calls[depth - 1];
            add_argument(p, call, ret_operand);
            if (parser_accept(p, TOKEN_COMMA))
                break;
            TRY(parser_expect(p, TOKEN_RIGHT_PAREN));
            parser_call(p, call, ret_operand);
            depth--;
        }
        if (depth == 0)
            return ERR_OK;
    }
}
