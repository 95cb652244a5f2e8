/* Updates.
 *
 *     update  = (SET path = value, ... | REMOVE path, ... | ADD path :value, ... | DELETE path :value, ...)+
 *     value   = operand | operand + operand | operand - operand
 *     operand = path | :value | if_not_exists(path, operand) | list_append(operand, operand)
 *
 * Operands, and a whole value, may stand in parentheses. */
#include "api/expression/parser.h"

struct update_parser {
    struct parser *p;
    uint16_t *targets;
    uint32_t target_count;
    bool seen[4]; /* SET, REMOVE, ADD, DELETE */
};

static const char *section_name(enum token_kind section)
{
    static const char *const NAMES[] = {"SET", "REMOVE", "ADD", "DELETE"};
    return NAMES[section - TOKEN_SET];
}

static enum err parse_target(struct update_parser *u, uint16_t *ret_path)
{
    TRY(parser_path(u->p, ret_path));
    parser_check_overlap(u->p, u->targets, u->target_count, *ret_path);
    u->targets[u->target_count++] = *ret_path;
    return ERR_OK;
}

static void emit_target(struct parser *p, enum update_op op, uint16_t path)
{
    buffer_append_u8(&p->builder.code, (uint8_t)op);
    buffer_append_u16(&p->builder.code, path);
}

/* `*open` parentheses are open before the operand; those closed right after it are the operand's own. */
static enum err parse_operand(struct parser *p, struct parsed_operand *ret_operand, uint32_t *open)
{
    TRY(parser_operand(p, ret_operand));
    parser_emit_push(p, ret_operand);
    while (*open > 0 && parser_accept(p, TOKEN_RIGHT_PAREN))
        --*open;
    return ERR_OK;
}

static void check_number(struct parser *p, const char *operator_name, const struct parsed_operand *operand)
{
    if (operand->tag != 0 && operand->tag != VALUE_N)
        parser_type_problem(p, operator_name, value_tag_name(operand->tag));
}

static enum err parse_right_operand(struct parser *p, const struct parsed_operand *left)
{
    struct parsed_operand right;
    bool is_plus = parser_peek(p) == TOKEN_PLUS;
    p->at++;
    parser_count_operator(p);
    uint32_t open = parser_accept(p, TOKEN_LEFT_PAREN) ? 1 : 0, opened = open;
    TRY(parse_operand(p, &right, &open));
    if (opened > 0 && open > 0)
        return parser_syntax_error(p);
    check_number(p, is_plus ? "+" : "-", left);
    check_number(p, is_plus ? "+" : "-", &right);
    buffer_append_u8(&p->builder.code, is_plus ? UPDATE_PLUS : UPDATE_MINUS);
    return ERR_OK;
}

static enum err parse_set_value(struct parser *p)
{
    struct parsed_operand left;
    uint32_t open = 0;
    while (open < 2 && parser_accept(p, TOKEN_LEFT_PAREN))
        open++;
    TRY(parse_operand(p, &left, &open));
    if (parser_peek(p) == TOKEN_PLUS || parser_peek(p) == TOKEN_MINUS)
        TRY(parse_right_operand(p, &left));
    while (open-- > 0)
        TRY(parser_expect(p, TOKEN_RIGHT_PAREN));
    return ERR_OK;
}

static enum err parse_set(struct update_parser *u)
{
    uint16_t path;
    TRY(parse_target(u, &path));
    TRY(parser_expect(u->p, TOKEN_EQUAL));
    TRY(parse_set_value(u->p));
    emit_target(u->p, UPDATE_SET, path);
    return ERR_OK;
}

static enum err parse_remove(struct update_parser *u)
{
    uint16_t path;
    TRY(parse_target(u, &path));
    emit_target(u->p, UPDATE_REMOVE, path);
    return ERR_OK;
}

static const char *long_type_name(uint8_t tag)
{
    switch (tag) { /* sets are printed by no message: they are right */
    case VALUE_S:
        return "STRING";
    case VALUE_N:
        return "NUMBER";
    case VALUE_B:
        return "BINARY";
    case VALUE_NULL:
        return "NULL";
    case VALUE_BOOL:
        return "BOOLEAN";
    case VALUE_L:
        return "LIST";
    default:
        return "MAP";
    }
}

static enum err parse_add_or_delete(struct update_parser *u, enum token_kind section)
{
    struct parser *p = u->p;
    struct parsed_operand operand;
    uint16_t path;
    TRY(parse_target(u, &path));
    TRY(parser_value(p, &operand));
    bool fits = value_is_set(operand.tag) || (section == TOKEN_ADD && operand.tag == VALUE_N);
    if (operand.kind == PARSED_VALUE && !fits)
        problems_add(&p->problems, PROBLEM_SECTION_OPERAND,
                     "Incorrect operand type for operator or function; operator: %s, operand type: %s",
                     section_name(section), long_type_name(operand.tag));
    emit_target(p, section == TOKEN_ADD ? UPDATE_ADD : UPDATE_DELETE, path);
    buffer_append_u16(&p->builder.code, operand.number);
    return ERR_OK;
}

static enum err parse_clause(struct update_parser *u, enum token_kind section)
{
    if (section == TOKEN_SET)
        return parse_set(u);
    if (section == TOKEN_REMOVE)
        return parse_remove(u);
    return parse_add_or_delete(u, section);
}

static enum err parse_section(struct update_parser *u, enum token_kind section)
{
    bool *seen = &u->seen[section - TOKEN_SET];
    u->p->at++;
    do
        TRY(parse_clause(u, section));
    while (parser_accept(u->p, TOKEN_COMMA));
    if (*seen)
        problems_add(&u->p->problems, PROBLEM_SECTION,
                     "The \"%s\" section can only be used once in an update expression;",
                     section_name(section));
    *seen = true;
    return ERR_OK;
}

enum err parse_update(struct parser *p)
{
    struct update_parser u = {.p = p};
    u.targets = arena_alloc(p->context->arena, sizeof *u.targets * (p->tokens.count + 1));
    if (u.targets == NULL)
        return ERR_NO_MEMORY;
    do {
        enum token_kind section = parser_peek(p);
        if (section < TOKEN_SET || section > TOKEN_DELETE)
            return parser_syntax_error(p);
        TRY(parse_section(&u, section));
    } while (parser_peek(p) != TOKEN_END);
    return ERR_OK;
}
