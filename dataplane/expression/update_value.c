#include "dataplane/expression/update_value.h"

#include "base/reader.h"
#include "dataplane/expression/document_writer.h"
#include "dataplane/expression/path_table.h"
#include "dataplane/item/number.h"

/* A part of a list that list_append makes; it is put together only when it is used, so that a chain of appends does
 * not copy the list for each link. */
struct piece {
    struct slice elements;
    struct piece *next;
};

/* A value under computation. What is wrong with it counts only when it is used: if_not_exists may drop it. */
struct result {
    enum problem {
        PROBLEM_NONE,
        PROBLEM_ABSENT,
        PROBLEM_TYPE,
        PROBLEM_SIZE,
        PROBLEM_NUMBER,
    } problem;
    enum number_status number_status;
    struct value_view value;
    struct piece *first, **last; /* of a list in pieces: value.body has its length, and no bytes yet */
};

struct update_run {
    const struct program *program;
    struct path_table paths;
    struct arena *arena;
    size_t put_bytes; /* of the values that targets get, at least */
    struct reader at;
    struct result *stack;
    uint32_t depth;
    struct target *targets;
    uint32_t count;
    struct error *error;
};

enum err update_error_size(struct error *error)
{
    return error_set(error, ERR_VALIDATION, "Item size to update has exceeded the maximum allowed size");
}

/* DynamoDB's words for operands that do not fit the item. */
static enum err report(const struct result *r, struct error *error)
{
    switch (r->problem) {
    case PROBLEM_ABSENT:
        return error_set(error, ERR_VALIDATION,
                         "The provided expression refers to an attribute that does not exist in the item");
    case PROBLEM_TYPE:
        return error_set(error, ERR_VALIDATION,
                         "An operand in the update expression has an incorrect data type");
    case PROBLEM_SIZE:
        return update_error_size(error);
    case PROBLEM_NUMBER:
        return number_arithmetic_error(r->number_status, error);
    case PROBLEM_NONE:
        break;
    }
    return ERR_OK;
}

static enum err find(struct update_run *run, uint16_t path, struct result *ret_result)
{
    *ret_result = (struct result){.problem = PROBLEM_NONE};
    switch (path_table_find(&run->paths, path, &ret_result->value)) {
    case PATH_FOUND:
        return ERR_OK;
    case PATH_ABSENT:
        ret_result->problem = PROBLEM_ABSENT;
        return ERR_OK;
    case PATH_CORRUPT:
        break;
    }
    return ERR_CORRUPT;
}

static struct result literal(struct update_run *run, uint16_t number)
{
    struct result r = {.problem = PROBLEM_NONE};
    if (!value_decode(program_value(run->program, number), &r.value))
        r.problem = PROBLEM_TYPE; /* program_open has excluded it */
    return r;
}

/* The first problem of two operands that must both be of type `tag`. */
static struct result operands_problem(const struct result *a, const struct result *b, uint8_t tag)
{
    if (a->problem != PROBLEM_NONE)
        return *a;
    if (b->problem != PROBLEM_NONE)
        return *b;
    bool fits = a->value.tag == tag && b->value.tag == tag;
    return (struct result){.problem = fits ? PROBLEM_NONE : PROBLEM_TYPE};
}

static enum err store_number(struct update_run *run, const struct number *number, struct result *r)
{
    r->value = (struct value_view){VALUE_N, arena_copy(run->arena, number_view(number))};
    return r->value.body.data == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err calculate(struct update_run *run, uint8_t op, struct result a, struct result b,
                          struct result *r)
{
    struct number number;
    *r = operands_problem(&a, &b, VALUE_N);
    if (r->problem != PROBLEM_NONE)
        return ERR_OK;
    if (op == UPDATE_MINUS)
        r->number_status = number_subtract(a.value.body, b.value.body, &number);
    else
        r->number_status = number_add(a.value.body, b.value.body, &number);
    if (r->number_status != NUMBER_OK) {
        r->problem = PROBLEM_NUMBER;
        return ERR_OK;
    }
    return store_number(run, &number, r);
}

/* Its last piece's `next` is where more go. False: no memory. */
static bool cut_into_pieces(struct update_run *run, struct result *r)
{
    if (r->last != NULL)
        return true;
    r->first = arena_alloc(run->arena, sizeof *r->first);
    if (r->first == NULL)
        return false;
    *r->first = (struct piece){.elements = r->value.body};
    r->last = &r->first->next;
    return true;
}

static enum err append_lists(struct update_run *run, struct result a, struct result b, struct result *r)
{
    *r = operands_problem(&a, &b, VALUE_L);
    if (r->problem != PROBLEM_NONE)
        return ERR_OK;
    size_t bytes = a.value.body.length + b.value.body.length;
    if (bytes > ITEM_ENCODED_BYTES_MAX) {
        r->problem = PROBLEM_SIZE;
        return ERR_OK;
    }
    if (!cut_into_pieces(run, &a) || !cut_into_pieces(run, &b))
        return ERR_NO_MEMORY;
    *a.last = b.first;
    r->first = a.first;
    r->last = b.last;
    r->value = (struct value_view){VALUE_L, slice_make(NULL, bytes)};
    return ERR_OK;
}

static enum err join_pieces(struct update_run *run, struct result *r)
{
    size_t bytes = r->value.body.length;
    uint8_t *body = arena_alloc(run->arena, bytes);
    if (body == NULL)
        return ERR_NO_MEMORY;
    struct document_writer w;
    writer_init(&w, body, bytes);
    for (const struct piece *p = r->first; p != NULL; p = p->next)
        writer_put(&w, p->elements);
    r->value.body.data = body;
    return ERR_OK;
}

/* More than any item may have is refused before there is memory for it. */
static enum err count_put(struct update_run *run, size_t bytes)
{
    run->put_bytes += bytes;
    return run->put_bytes > ITEM_ENCODED_BYTES_MAX ? update_error_size(run->error) : ERR_OK;
}

/* The union (ADD) or difference (DELETE) of two sorted sets; `is_union` false keeps what `b` lacks. */
static enum err merge_sets(struct update_run *run, struct slice a, struct slice b, bool is_union,
                           struct slice *ret_body)
{
    size_t bytes = is_union ? a.length + b.length : a.length;
    uint8_t *body = arena_alloc(run->arena, bytes);
    if (body == NULL)
        return ERR_NO_MEMORY;
    struct document_writer w;
    struct reader at_a, at_b;
    struct slice x, y;
    writer_init(&w, body, bytes);
    reader_init(&at_a, a);
    reader_init(&at_b, b);
    bool has_x = set_next(&at_a, &x), has_y = set_next(&at_b, &y);
    while (has_x || (has_y && is_union)) {
        int order = !has_x ? 1 : !has_y ? -1 : slice_compare(x, y);
        if (order < 0 || (order == 0 && is_union))
            writer_put_name(&w, x);
        else if (order > 0 && is_union)
            writer_put_name(&w, y);
        if (order <= 0)
            has_x = set_next(&at_a, &x);
        if (order >= 0)
            has_y = set_next(&at_b, &y);
    }
    *ret_body = slice_make(body, (size_t)(w.next - body));
    return reader_has_failed(&at_a) ? ERR_CORRUPT : ERR_OK;
}

static enum err pop_into(struct update_run *run, uint16_t path)
{
    struct result r = run->stack[--run->depth];
    if (r.problem != PROBLEM_NONE)
        return report(&r, run->error);
    TRY(count_put(run, r.value.body.length));
    if (r.last != NULL)
        TRY(join_pieces(run, &r));
    run->targets[run->count++] = (struct target){path, false, r.value};
    return ERR_OK;
}

static enum err add(struct update_run *run, uint16_t path, struct result value)
{
    struct result old, sum;
    struct target *t = &run->targets[run->count++];
    TRY(find(run, path, &old));
    *t = (struct target){path, false, value.value};
    TRY(count_put(run, value.value.body.length));
    if (old.problem == PROBLEM_ABSENT)
        return ERR_OK;
    if (old.value.tag != value.value.tag)
        return report(&(struct result){.problem = PROBLEM_TYPE}, run->error);
    if (value_is_set(old.value.tag))
        return merge_sets(run, old.value.body, value.value.body, true, &t->value.body);
    TRY(calculate(run, UPDATE_PLUS, old, value, &sum));
    t->value = sum.value;
    return report(&sum, run->error);
}

/* A set may not be empty: with its last member the attribute goes. */
static enum err subtract(struct update_run *run, uint16_t path, struct result value)
{
    struct result old;
    struct target *t = &run->targets[run->count++];
    TRY(find(run, path, &old));
    *t = (struct target){path, true, value.value};
    if (old.problem == PROBLEM_ABSENT)
        return ERR_OK;
    if (old.value.tag != value.value.tag)
        return report(&(struct result){.problem = PROBLEM_TYPE}, run->error);
    TRY(merge_sets(run, old.value.body, value.value.body, false, &t->value.body));
    t->is_removal = t->value.body.length == 0;
    return ERR_OK;
}

static enum err if_not_exists(struct update_run *run, uint16_t path)
{
    struct result found;
    TRY(find(run, path, &found));
    if (found.problem == PROBLEM_NONE)
        run->stack[run->depth - 1] = found;
    return ERR_OK;
}

/* Replace the two uppermost by what `op` makes of them. */
static enum err combine(struct update_run *run, uint8_t op)
{
    struct result b = run->stack[--run->depth], a = run->stack[run->depth - 1];
    struct result *r = &run->stack[run->depth - 1];
    return op == UPDATE_LIST_APPEND ? append_lists(run, a, b, r) : calculate(run, op, a, b, r);
}

static enum err step(struct update_run *run, uint8_t op)
{
    if (op == UPDATE_LIST_APPEND || op == UPDATE_PLUS || op == UPDATE_MINUS)
        return combine(run, op);
    uint16_t number = reader_u16(&run->at);
    switch (op) {
    case UPDATE_PUSH_PATH:
        return find(run, number, &run->stack[run->depth++]);
    case UPDATE_PUSH_VALUE:
        run->stack[run->depth++] = literal(run, number);
        return ERR_OK;
    case UPDATE_IF_NOT_EXISTS:
        return if_not_exists(run, number);
    case UPDATE_SET:
        return pop_into(run, number);
    case UPDATE_ADD:
        return add(run, number, literal(run, reader_u16(&run->at)));
    case UPDATE_DELETE:
        return subtract(run, number, literal(run, reader_u16(&run->at)));
    default:
        run->targets[run->count++] = (struct target){.path = number, .is_removal = true};
        return ERR_OK;
    }
}

enum err update_run(const struct program *program, struct slice item, struct arena *arena,
                    struct target *ret_targets, uint32_t *ret_count, struct error *error)
{
    struct result stack[PROGRAM_STACK_MAX];
    struct update_run run = {
        .program = program, .arena = arena, .stack = stack, .targets = ret_targets, .error = error};
    TRY(path_table_open(&run.paths, program, item, arena));
    reader_init(&run.at, program->code);
    while (reader_left(&run.at) > 0) {
        if (run.count == program->path_count)
            return ERR_INVALID; /* more clauses than paths: they overlap */
        TRY(step(&run, reader_u8(&run.at)));
    }
    *ret_count = run.count;
    return ERR_OK;
}
