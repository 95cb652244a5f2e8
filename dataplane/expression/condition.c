#include "dataplane/expression/condition.h"

#include "dataplane/expression/path_table.h"
#include "dataplane/expression/program_internal.h"
#include "dataplane/item/number.h"

/* Reads checked code: no bounds are looked at again. */
struct condition_run {
    const struct program *program;
    struct path_table paths;
    int64_t
        *sizes; /* of what the paths lead to, then of the values: SIZE_UNKNOWN, SIZE_NONE. NULL: not kept */
    const uint8_t *next;
    bool is_corrupt;
};

enum { SIZE_UNKNOWN = -2, SIZE_NONE = -1, SMALL_WORK_BYTES = 64 * 1024 };

struct operand {
    bool exists;
    struct value_view value;
    struct number size; /* what `value` of a size() points to */
};

static uint16_t take_number(struct condition_run *run)
{
    uint16_t number = read_u16(run->next);
    run->next += 2;
    return number;
}

static bool find_path(struct condition_run *run, uint16_t path, struct value_view *ret_value)
{
    enum path_result result = path_table_find(&run->paths, path, ret_value);
    if (result == PATH_CORRUPT)
        run->is_corrupt = true;
    return result == PATH_FOUND;
}

/* DynamoDB, size(): "If the attribute is of type String, size returns the length of the string" - counted in
 * code units of UTF-16, as Java's strings have it. */
static int64_t string_length(struct slice text)
{
    int64_t units = 0;
    for (size_t i = 0; i < text.length; i++)
        units += ((text.data[i] & 0xc0) != 0x80) + (text.data[i] >= 0xf0);
    return units;
}

/* Numbers, booleans and nulls have no size: comparing with it is then as with an absent attribute. */
static int64_t measure(struct value_view value)
{
    switch (value.tag) {
    case VALUE_S:
        return string_length(value.body);
    case VALUE_B:
        return (int64_t)value.body.length;
    case VALUE_SS:
    case VALUE_NS:
    case VALUE_BS:
        return (int64_t)set_count(value.body);
    case VALUE_L:
        return (int64_t)list_count(value.body);
    case VALUE_M:
        return (int64_t)item_count(value.body);
    default:
        return SIZE_NONE;
    }
}

/* `number` counts paths, then values. */
static int64_t size_of(struct condition_run *run, uint32_t number, struct value_view value)
{
    if (run->sizes == NULL)
        return measure(value);
    if (run->sizes[number] == SIZE_UNKNOWN)
        run->sizes[number] = measure(value);
    return run->sizes[number];
}

static void take_operand(struct condition_run *run, struct operand *o)
{
    uint8_t kind = *run->next++;
    uint16_t number = take_number(run);
    if (kind == OPERAND_PATH || kind == OPERAND_SIZE_OF_PATH)
        o->exists = find_path(run, number, &o->value);
    else
        o->exists = value_decode(program_value(run->program, number), &o->value);
    if (!o->exists || kind == OPERAND_PATH || kind == OPERAND_VALUE)
        return;
    bool is_path = kind == OPERAND_SIZE_OF_PATH;
    int64_t size = size_of(run, is_path ? number : (uint32_t)run->program->path_count + number, o->value);
    o->exists = size != SIZE_NONE;
    if (o->exists) {
        o->size = number_from_int64(size);
        o->value = (struct value_view){VALUE_N, number_view(&o->size)};
    }
}

static bool operands_are_equal(const struct operand *a, const struct operand *b)
{
    return a->exists && b->exists && value_equal(a->value, b->value);
}

/* False when there is no order: one is absent, types differ or have none. */
static bool order_of(const struct operand *a, const struct operand *b, int *ret_order)
{
    return a->exists && b->exists && value_compare(a->value, b->value, ret_order);
}

static bool compare(struct condition_run *run, uint8_t op)
{
    struct operand a, b;
    int order;
    take_operand(run, &a);
    take_operand(run, &b);
    /* Absent attributes are equal to nothing, not even to each other; so `<>` is true for them. */
    if (op == CONDITION_EQUAL)
        return operands_are_equal(&a, &b);
    if (op == CONDITION_NOT_EQUAL)
        return !operands_are_equal(&a, &b);
    if (!order_of(&a, &b, &order))
        return false;
    if (op == CONDITION_LESS)
        return order < 0;
    if (op == CONDITION_LESS_EQUAL)
        return order <= 0;
    return op == CONDITION_GREATER ? order > 0 : order >= 0;
}

static bool between(struct condition_run *run)
{
    struct operand x, lower, upper;
    int to_lower, to_upper;
    take_operand(run, &x);
    take_operand(run, &lower);
    take_operand(run, &upper);
    return order_of(&x, &lower, &to_lower) && order_of(&x, &upper, &to_upper) && to_lower >= 0 &&
           to_upper <= 0;
}

static bool is_in(struct condition_run *run)
{
    struct operand x, candidate;
    bool is_found = false;
    take_operand(run, &x);
    for (uint8_t count = *run->next++; count > 0; count--) {
        if (is_found) {
            run->next += OPERAND_BYTES;
            continue;
        }
        take_operand(run, &candidate);
        is_found = operands_are_equal(&x, &candidate);
    }
    return is_found;
}

static bool has_type(struct condition_run *run)
{
    struct operand x;
    take_operand(run, &x);
    uint8_t tag = *run->next++;
    return x.exists && x.value.tag == tag;
}

static bool begins_with(struct condition_run *run)
{
    struct operand text, prefix;
    take_operand(run, &text);
    take_operand(run, &prefix);
    return text.exists && prefix.exists && text.value.tag == prefix.value.tag &&
           (text.value.tag == VALUE_S || text.value.tag == VALUE_B) &&
           slice_starts_with(text.value.body, prefix.value.body);
}

static bool has_element(struct slice body, struct value_view part)
{
    struct reader at;
    struct value_view element;
    reader_init(&at, body);
    while (list_next(&at, &element))
        if (value_equal(element, part))
            return true;
    return false;
}

static bool has_bytes(struct slice whole, struct slice part)
{
    return part.length == 0 ||
           (whole.length >= part.length && memmem(whole.data, whole.length, part.data, part.length) != NULL);
}

/* A part of a string or binary; a member of a set; an element, of any type, of a list. */
static bool contains(struct condition_run *run)
{
    struct operand whole, part;
    take_operand(run, &whole);
    take_operand(run, &part);
    if (!whole.exists || !part.exists)
        return false;
    if (whole.value.tag == VALUE_L)
        return has_element(whole.value.body, part.value);
    if (value_is_set(whole.value.tag))
        return value_set_member_tag(whole.value.tag) == part.value.tag &&
               set_contains(whole.value.body, part.value.body);
    return (whole.value.tag == VALUE_S || whole.value.tag == VALUE_B) && whole.value.tag == part.value.tag &&
           has_bytes(whole.value.body, part.value.body);
}

static bool exists(struct condition_run *run)
{
    struct value_view value;
    return find_path(run, take_number(run), &value);
}

/* Operators that look at the item. */
static bool test(struct condition_run *run, uint8_t op)
{
    switch (op) {
    case CONDITION_BETWEEN:
        return between(run);
    case CONDITION_IN:
        return is_in(run);
    case CONDITION_EXISTS:
        return exists(run);
    case CONDITION_NOT_EXISTS:
        return !exists(run);
    case CONDITION_TYPE:
        return has_type(run);
    case CONDITION_BEGINS_WITH:
        return begins_with(run);
    case CONDITION_CONTAINS:
        return contains(run);
    default:
        return compare(run, op);
    }
}

/* Sizes are kept where finding them again would take long: as with paths, for large items and values. */
static enum err open_run(struct condition_run *run, const struct program *program, struct slice item,
                         struct arena *arena)
{
    *run = (struct condition_run){.program = program, .next = program->code.data};
    TRY(path_table_open(&run->paths, program, item, arena));
    if (program_work_bytes(program, item.length) <= SMALL_WORK_BYTES)
        return ERR_OK;
    uint32_t count = (uint32_t)program->path_count + program->value_count;
    run->sizes = arena_alloc(arena, sizeof run->sizes[0] * count);
    if (run->sizes == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        run->sizes[i] = SIZE_UNKNOWN;
    return ERR_OK;
}

enum err condition_evaluate(const struct program *program, struct slice item, struct arena *arena,
                            bool *ret_is_true)
{
    struct condition_run run;
    TRY(open_run(&run, program, item, arena));
    const uint8_t *end = program->code.data + program->code.length;
    bool stack[PROGRAM_STACK_MAX];
    uint32_t depth = 0;
    while (run.next < end && !run.is_corrupt) {
        uint8_t op = *run.next++;
        if (op == CONDITION_AND || op == CONDITION_OR) {
            bool right = stack[--depth], left = stack[depth - 1];
            stack[depth - 1] = op == CONDITION_AND ? left && right : left || right;
        } else if (op == CONDITION_NOT) {
            stack[depth - 1] = !stack[depth - 1];
        } else {
            stack[depth++] = test(&run, op);
        }
    }
    if (run.is_corrupt)
        return ERR_CORRUPT;
    *ret_is_true = stack[0];
    return ERR_OK;
}
