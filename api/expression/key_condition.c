/* Source of the words: answers recorded from DynamoDB. */
#include "api/expression/key_condition.h"

#include "base/reader.h"

enum { OPERANDS_MAX = 3 };

struct operand {
    uint8_t kind;
    uint16_t number;
};

/* One instruction; of IN the operands after the first are skipped. */
struct instruction {
    uint8_t op;
    size_t operand_count;
    struct operand operands[OPERANDS_MAX];
};

static struct operand read_operand(struct reader *at)
{
    uint8_t kind = reader_u8(at);
    return (struct operand){kind, reader_u16(at)};
}

static size_t operands_of(uint8_t op)
{
    if (op == CONDITION_BETWEEN)
        return 3;
    if (op == CONDITION_IN || op == CONDITION_TYPE)
        return 1;
    return op <= CONDITION_GREATER_EQUAL || op == CONDITION_BEGINS_WITH || op == CONDITION_CONTAINS ? 2 : 0;
}

static bool next_instruction(struct reader *at, struct instruction *ret_instruction)
{
    if (reader_left(at) == 0)
        return false;
    struct instruction i = {.op = reader_u8(at)};
    i.operand_count = operands_of(i.op);
    for (size_t n = 0; n < i.operand_count; n++)
        i.operands[n] = read_operand(at);
    if (i.op == CONDITION_EXISTS || i.op == CONDITION_NOT_EXISTS)
        (void)reader_u16(at); /* the path */
    if (i.op == CONDITION_TYPE)
        (void)reader_u8(at); /* the type */
    if (i.op == CONDITION_IN)
        for (uint8_t left = reader_u8(at); left > 0; left--)
            (void)read_operand(at);
    *ret_instruction = i;
    return true;
}

static const char *forbidden_name(uint8_t op)
{
    switch (op) {
    case CONDITION_NOT_EQUAL:
        return "<>";
    case CONDITION_IN:
        return "IN";
    case CONDITION_EXISTS:
        return "attribute_exists";
    case CONDITION_NOT_EXISTS:
        return "attribute_not_exists";
    case CONDITION_TYPE:
        return "attribute_type";
    case CONDITION_CONTAINS:
        return "contains";
    case CONDITION_OR:
        return "OR";
    case CONDITION_NOT:
        return "NOT";
    default:
        return NULL;
    }
}

static enum err refuse_operator(const char *name, struct error *error)
{
    return error_set(error, ERR_VALIDATION, "Invalid operator used in KeyConditionExpression: %s", name);
}

/* OR and NOT hold the others: DynamoDB comes upon them first, the outermost before the rest. */
static enum err check_connectives(const struct program *program, struct error *error)
{
    struct reader at;
    struct instruction i;
    const char *last = NULL;
    reader_init(&at, program->code);
    while (next_instruction(&at, &i))
        if (i.op == CONDITION_OR || i.op == CONDITION_NOT)
            last = forbidden_name(i.op);
    return last == NULL ? ERR_OK : refuse_operator(last, error);
}

/* `:v < a` is `a > :v`. */
static enum condition_op turned(enum condition_op op)
{
    switch ((int)op) {
    case CONDITION_LESS:
        return CONDITION_GREATER;
    case CONDITION_LESS_EQUAL:
        return CONDITION_GREATER_EQUAL;
    case CONDITION_GREATER:
        return CONDITION_LESS;
    case CONDITION_GREATER_EQUAL:
        return CONDITION_LESS_EQUAL;
    default:
        return op;
    }
}

static enum err check_operands(const struct program *program, const struct instruction *i,
                               struct error *error)
{
    size_t paths = 0;
    for (size_t n = 0; n < i->operand_count; n++) {
        const struct operand *o = &i->operands[n];
        if (o->kind == OPERAND_SIZE_OF_PATH || o->kind == OPERAND_SIZE_OF_VALUE)
            return error_set(error, ERR_VALIDATION,
                             "KeyConditionExpressions cannot contain nested operations");
        if (o->kind == OPERAND_PATH && program_path_length(program, o->number) > 1)
            return error_set(error, ERR_VALIDATION,
                             "KeyConditionExpressions cannot have conditions on nested attributes");
        paths += o->kind == OPERAND_PATH;
    }
    if (paths > 1)
        return error_set(error, ERR_VALIDATION,
                         "Invalid condition in KeyConditionExpression: Multiple attribute names used in one "
                         "condition");
    if (paths == 0)
        return error_set(error, ERR_VALIDATION,
                         "Invalid condition in KeyConditionExpression: No key attribute specified");
    bool is_turned = i->operands[0].kind != OPERAND_PATH;
    if (is_turned && (i->op == CONDITION_BETWEEN || i->op == CONDITION_BEGINS_WITH))
        return error_set(
            error, ERR_VALIDATION,
            "Invalid condition in KeyConditionExpression: %s operator must have the key attribute "
            "as its first operand",
            i->op == CONDITION_BETWEEN ? "BETWEEN" : "begins_with");
    return ERR_OK;
}

static struct value_view value_of(const struct program *program, const struct operand *o)
{
    struct value_view value = {0};
    (void)value_decode(program_value(program, o->number), &value); /* an opened program's values are sound */
    return value;
}

static void take(const struct program *program, const struct instruction *i, struct key_condition *to)
{
    bool is_turned = i->operands[0].kind != OPERAND_PATH;
    const struct operand *path = &i->operands[is_turned ? 1 : 0];
    enum condition_op op = (enum condition_op)i->op;
    to->name = program_path_part(program, path->number, 0).name;
    to->op = is_turned ? turned(op) : op;
    to->value = value_of(program, &i->operands[is_turned ? 0 : 1]);
    if (op == CONDITION_BETWEEN)
        to->upper = value_of(program, &i->operands[2]);
}

enum err key_conditions_read(const struct program *program, struct key_conditions *ret_conditions,
                             struct error *error)
{
    struct key_conditions found = {.count = 0};
    struct reader at;
    struct instruction i;
    TRY(check_connectives(program, error));
    reader_init(&at, program->code);
    while (next_instruction(&at, &i)) {
        if (i.op == CONDITION_AND)
            continue;
        if (forbidden_name(i.op) != NULL)
            return refuse_operator(forbidden_name(i.op), error);
        struct key_condition condition = {.op = CONDITION_EQUAL};
        TRY(check_operands(program, &i, error));
        take(program, &i, &condition);
        if (key_conditions_find(&found, condition.name) != NULL)
            return error_set(error, ERR_VALIDATION,
                             "KeyConditionExpressions must only contain one condition per key");
        if (found.count == KEY_CONDITIONS_MAX)
            return error_set(error, ERR_VALIDATION, "Conditions can be of length 1 or 2 only");
        found.conditions[found.count++] = condition;
    }
    *ret_conditions = found;
    return ERR_OK;
}

const struct key_condition *key_conditions_find(const struct key_conditions *conditions, struct slice name)
{
    for (size_t i = 0; i < conditions->count; i++)
        if (slice_equal(conditions->conditions[i].name, name))
            return &conditions->conditions[i];
    return NULL;
}
