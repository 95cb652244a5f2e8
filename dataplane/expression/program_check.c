/* Checks code by running it without data: every number is within its table, the stack never underflows nor
 * exceeds its bound, and what the code leaves is what its kind promises. The evaluators rely on all of it. */
#include "base/reader.h"
#include "dataplane/expression/program_internal.h"
#include "dataplane/item/item.h"

struct code_check {
    const struct program *program;
    struct reader at;
    uint32_t depth;
};

static bool take_path(struct code_check *c)
{
    uint16_t number = reader_u16(&c->at);
    return !reader_has_failed(&c->at) && number < c->program->path_count;
}

static bool take_value(struct code_check *c, uint8_t *ret_tag)
{
    uint16_t number = reader_u16(&c->at);
    if (reader_has_failed(&c->at) || number >= c->program->value_count)
        return false;
    *ret_tag = program_value(c->program, number).data[0];
    return true;
}

static bool take_operands(struct code_check *c, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t kind = reader_u8(&c->at);
        uint8_t tag;
        bool is_path = kind == OPERAND_PATH || kind == OPERAND_SIZE_OF_PATH;
        bool is_value = kind == OPERAND_VALUE || kind == OPERAND_SIZE_OF_VALUE;
        if (!(is_path && take_path(c)) && !(is_value && take_value(c, &tag)))
            return false;
    }
    return true;
}

static bool take_tag(struct code_check *c)
{
    uint8_t tag = reader_u8(&c->at);
    return tag >= VALUE_S && tag <= VALUE_BOOL;
}

static bool take_in(struct code_check *c)
{
    if (!take_operands(c, 1))
        return false;
    uint8_t count = reader_u8(&c->at);
    return count >= 1 && count <= PROGRAM_IN_OPERANDS_MAX && take_operands(c, count);
}

/* Take `pops` and leave one. */
static bool leave_one(struct code_check *c, uint32_t pops)
{
    if (c->depth < pops)
        return false;
    c->depth = c->depth - pops + 1;
    return c->depth <= PROGRAM_STACK_MAX;
}

static bool check_condition_op(struct code_check *c, uint8_t op)
{
    switch (op) {
    case CONDITION_EQUAL:
    case CONDITION_NOT_EQUAL:
    case CONDITION_LESS:
    case CONDITION_LESS_EQUAL:
    case CONDITION_GREATER:
    case CONDITION_GREATER_EQUAL:
    case CONDITION_BEGINS_WITH:
    case CONDITION_CONTAINS:
        return take_operands(c, 2) && leave_one(c, 0);
    case CONDITION_BETWEEN:
        return take_operands(c, 3) && leave_one(c, 0);
    case CONDITION_IN:
        return take_in(c) && leave_one(c, 0);
    case CONDITION_EXISTS:
    case CONDITION_NOT_EXISTS:
        return take_path(c) && leave_one(c, 0);
    case CONDITION_TYPE:
        return take_operands(c, 1) && take_tag(c) && leave_one(c, 0);
    case CONDITION_AND:
    case CONDITION_OR:
        return leave_one(c, 2);
    case CONDITION_NOT:
        return leave_one(c, 1);
    default:
        return false;
    }
}

static bool check_update_op(struct code_check *c, uint8_t op)
{
    uint8_t tag;
    switch (op) {
    case UPDATE_PUSH_PATH:
        return take_path(c) && leave_one(c, 0);
    case UPDATE_PUSH_VALUE:
        return take_value(c, &tag) && leave_one(c, 0);
    case UPDATE_IF_NOT_EXISTS:
        return take_path(c) && leave_one(c, 1);
    case UPDATE_LIST_APPEND:
    case UPDATE_PLUS:
    case UPDATE_MINUS:
        return leave_one(c, 2);
    case UPDATE_SET:
        return take_path(c) && c->depth == 1 && (c->depth = 0, true);
    case UPDATE_REMOVE:
        return take_path(c) && c->depth == 0;
    case UPDATE_ADD:
        return take_path(c) && take_value(c, &tag) && c->depth == 0 && (tag == VALUE_N || value_is_set(tag));
    case UPDATE_DELETE:
        return take_path(c) && take_value(c, &tag) && c->depth == 0 && value_is_set(tag);
    default:
        return false;
    }
}

bool program_code_is_valid(const struct program *p)
{
    struct code_check c = {.program = p};
    reader_init(&c.at, p->code);
    while (reader_left(&c.at) > 0) {
        bool is_valid;
        if (p->kind == PROGRAM_PROJECTION)
            is_valid = take_path(&c);
        else if (p->kind == PROGRAM_UPDATE)
            is_valid = check_update_op(&c, reader_u8(&c.at));
        else
            is_valid = check_condition_op(&c, reader_u8(&c.at));
        if (!is_valid || reader_has_failed(&c.at))
            return false;
    }
    return c.depth == (p->kind == PROGRAM_CONDITION ? 1 : 0);
}

uint32_t program_target_paths(const struct program *p, uint16_t *ret_paths)
{
    uint32_t count = 0;
    struct reader at;
    reader_init(&at, p->code);
    while (reader_left(&at) > 0 && count < p->path_count) {
        uint8_t op = p->kind == PROGRAM_PROJECTION ? UPDATE_REMOVE : reader_u8(&at);
        bool is_bare = op == UPDATE_LIST_APPEND || op == UPDATE_PLUS || op == UPDATE_MINUS;
        uint16_t number = is_bare ? 0 : reader_u16(&at);
        if (op >= UPDATE_SET)
            ret_paths[count++] = number;
        if (op == UPDATE_ADD || op == UPDATE_DELETE)
            reader_u16(&at);
    }
    return count;
}
