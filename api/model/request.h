/* A request's body read against the model: types and constraints checked, and where each member lies.
 *
 * One pass over the JSON, no tree. Like DynamoDB it goes in layers, each of which is told only when the one before has
 * nothing to say:
 *   1. JSON and types       the first fault, in the body's order: ERR_SERIALIZATION
 *   2. what must be given   "The parameter 'TableName' is required but was not present in the request": ERR_VALIDATION
 *   3. constraints          all that are violated, in the model's order, the first ten in words: ERR_VALIDATION
 * JSON null is the same as absent; names that the model does not have are skipped, as DynamoDB does; of a name that
 * occurs twice the last value counts. The words of layer 3 cost another walk, which only a refused request takes. */
#pragma once

#include "api/json/json.h"
#include "api/model/model.h"
#include "base/error.h"

enum {
    MODEL_VIOLATIONS_MAX = 10,
    MODEL_VALUE_BYTES_MAX = 1024, /* of a value that is repeated in them */
};

/* A member that the operation reads itself while the pass goes by: large ones are not to be scanned twice. Its types and
 * constraints are the hook's business then, but for being there. */
struct model_hook {
    enum model_member_id id;
    bool
        is_checked; /* the model's pass goes over it first: its types and constraints are the model's after all */
    /* Consumes exactly one value, which is not null. A failure ends the reading; `error` has the words. */
    enum err (*read)(void *data, struct json *j, struct error *error);
};

struct model_value {
    /* Leave alone. */
    struct slice text; /* a string: between its quotes; else the JSON text; data NULL: absent */
    bool has_escapes;
    uint8_t choice; /* an enum's: which */
};

struct model_request {
    /* Leave alone. */
    const struct model_operation *operation;
    const struct model_value *values; /* by place in the input, in the arena */
};

struct model_options {
    const struct model_hook *hooks; /* may be NULL */
    size_t hook_count;
    void *data; /* of the hooks */
};

/* The request's views live as long as body and arena. `ret_words`: the exception's words, in the arena, for
 * ERR_SERIALIZATION and ERR_VALIDATION; otherwise NULL.
 * ERR_SERIALIZATION, ERR_VALIDATION  see above
 * ERR_NO_MEMORY                      the arena is spent
 * or what a hook returned */
enum err model_read(const struct model_operation *operation, struct slice body,
                    const struct model_options *options, struct arena *arena,
                    struct model_request *ret_request, const char **ret_words) MUST_CHECK;

/* ---- afterwards ---- */

bool model_has(const struct model_request *request, enum model_member_id id);
/* The JSON text of a value that is neither a string nor read by a hook; data NULL: absent. */
struct slice model_json(const struct model_request *request, enum model_member_id id);
/* data NULL: absent, or no memory for what has escapes (the arena remembers). */
struct slice model_string(const struct model_request *request, enum model_member_id id, struct arena *arena);
/* Absent counts as false. */
bool model_boolean(const struct model_request *request, enum model_member_id id);
int64_t model_integer(const struct model_request *request, enum model_member_id id, int64_t absent);
/* The place of an enum's value in DynamoDB's order, such as MODEL_RETURN_VALUE_ALL_OLD. */
size_t model_choice(const struct model_request *request, enum model_member_id id, size_t absent);
