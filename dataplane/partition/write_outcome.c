#include "dataplane/partition/write_outcome.h"

#include "dataplane/expression/condition.h"
#include "dataplane/expression/update.h"
#include "dataplane/item/size.h"

/* A program of lists of nothing takes 9 ns per byte to open. Beyond this size it is opened by who computes. */
enum { OPENED_BYTES_MAX = 128 * 1024 };

static const char TOO_LARGE_PUT[] = "Item size has exceeded the maximum allowed size";
static const char TOO_LARGE_UPDATE[] = "Item size to update has exceeded the maximum allowed size";

struct computation {
    const struct write_request *request;
    bool has_old;
    struct slice old_item;
    struct arena *arena;
};

static enum err is_condition_met(const struct computation *c, bool *ret_is_met)
{
    if (c->request->condition.length == 0) {
        *ret_is_met = true;
        return ERR_OK;
    }
    struct program condition;
    TRY(program_open(c->request->condition, PROGRAM_CONDITION, &condition));
    return condition_evaluate(&condition, c->has_old ? c->old_item : SLICE_EMPTY, c->arena, ret_is_met);
}

static enum err compute_update(const struct computation *c, struct write_outcome *o, struct error *error)
{
    struct program update;
    const struct program *program = NULL;
    if (c->request->update.length > 0) {
        TRY(program_open(c->request->update, PROGRAM_UPDATE, &update));
        program = &update;
    }
    o->has_new = c->has_old || update_creates_item(program);
    if (!o->has_new)
        return ERR_OK;
    const struct update_request request = {
        .program = program,
        .has_old = c->has_old,
        .old_item = c->old_item,
        .key_item = c->request->item,
    };
    return update_apply(&request, c->arena, &o->new_item, error);
}

static enum err compute_new(const struct computation *c, struct write_outcome *o, struct error *error)
{
    switch (c->request->kind) {
    case WRITE_PUT:
        o->has_new = true;
        o->new_item = c->request->item;
        break; /* its size is known */
    case WRITE_DELETE:
        o->has_new = false;
        break;
    case WRITE_UPDATE:
        TRY(compute_update(c, o, error));
        o->new_bytes = o->has_new ? item_size_bytes(o->new_item) : 0;
        break;
    }
    if (o->new_bytes > ITEM_BYTES_MAX)
        return error_set(error, ERR_VALIDATION, "%s",
                         c->request->kind == WRITE_PUT ? TOO_LARGE_PUT : TOO_LARGE_UPDATE);
    return ERR_OK;
}

enum err write_compute(const struct write_request *request, bool has_old, struct slice old_item,
                       struct arena *arena, struct write_outcome *ret_outcome)
{
    const struct computation c = {request, has_old, old_item, arena};
    struct write_outcome o = {
        .version = ret_outcome->version,
        .old_bytes = has_old ? item_size_bytes(old_item) : 0,
        .new_bytes = request->kind == WRITE_PUT ? item_size_bytes(request->item) : 0,
    };
    struct error error;
    TRY(is_condition_met(&c, &o.is_met));
    enum err err = o.is_met ? compute_new(&c, &o, &error) : ERR_OK;
    if (err == ERR_VALIDATION) {
        o.error_text = arena_string(arena, slice_from_string(error.text));
        if (o.error_text == NULL)
            return ERR_NO_MEMORY;
    } else {
        TRY(err);
    }
    *ret_outcome = o;
    return ERR_OK;
}

/* A program's operands take three bytes of code or more each, and its own values are in it too. */
static uint64_t program_bound(struct slice program, size_t item_bytes)
{
    return (program.length / 3 + 1) * (item_bytes > program.length ? item_bytes : program.length);
}

static uint64_t program_work(struct slice bytes, enum program_kind kind, size_t item_bytes)
{
    struct program program;
    if (bytes.length == 0)
        return 0;
    if (bytes.length > OPENED_BYTES_MAX)
        return program_bound(bytes, item_bytes);
    /* One that does not open is no work. */
    return program_open(bytes, kind, &program) == ERR_OK ? program_work_bytes(&program, item_bytes) : 0;
}

uint64_t write_work_bytes(const struct write_request *request, size_t old_bytes)
{
    uint64_t bound = program_bound(request->condition, old_bytes) + program_bound(request->update, old_bytes);
    if (bound <= request->work_bytes_max) /* usually: then nothing has to be opened for this */
        return bound;
    return program_work(request->condition, PROGRAM_CONDITION, old_bytes) +
           program_work(request->update, PROGRAM_UPDATE, old_bytes);
}
