/* Steps 1 and 2 of an operation's parameters: the body, read against the model (api/model/request.h). What is long is read
 * by hooks while that pass goes by; the rest is there afterwards.
 *
 * A ValidationException of a value waits until the whole body has been read, as what is not JSON goes first:
 * reading_finish tells of it when the steps before are done. */
#pragma once

#include "api/expression/expression.h"
#include "api/json/json.h"
#include "api/router/router_internal.h"

struct reading {
    struct request *r;
    void *parameters;             /* what the hooks fill */
    struct model_request members; /* after reading_body */
    /* In a hook. */
    struct json *json;
    struct error *error;
    struct error later; /* the first such refusal; code ERR_OK: none */
};

void reading_init(struct reading *at, struct request *r, void *parameters);

/* Read the whole body; the hooks' data is `at`.
 * ERR_SERIALIZATION, ERR_VALIDATION  reading_words has the words
 * ERR_NO_MEMORY, or what a hook returned */
enum err reading_body(struct reading *at, const struct model_hook *hooks, size_t hook_count) MUST_CHECK;
/* What was put off.
 * ERR_VALIDATION with words */
enum err reading_finish(const struct reading *at, struct error *error) MUST_CHECK;
/* What to say of a refusal: the model's words, which may be longer than an error's, or else the error's; NULL: none. */
const char *reading_words(const struct request *r, enum err err, const struct error *error);

/* For operations that take no member here: what the model allows. Errors as reading_body's. */
enum err reading_plain(struct request *r, struct error *error) MUST_CHECK;
/* Answer what could not be read: r->read, with its words. */
void reading_refuse(struct request *r);

void reading_scratch_init(struct reading_scratch *scratch); /* takes no memory yet */
void reading_scratch_deinit(struct reading_scratch *scratch);

/* ---- members ---- */

/* data NULL: absent. In body or arena. */
struct slice reading_string(struct reading *at, enum model_member_id id);
/* ReturnConsumedCapacity */
enum capacity_detail reading_capacity(const struct reading *at);

/* ---- in a hook; null counts as absent, and leaves what is there ---- */

/* First of all. */
struct reading *reading_hooked(void *data, struct json *j, struct error *error);

enum err reading_skip(struct reading *at) MUST_CHECK;
/* data NULL: absent. In body or arena. */
enum err reading_text(struct reading *at, struct slice *ret_text) MUST_CHECK;
enum err reading_bool(struct reading *at, bool *ret_value) MUST_CHECK;
/* An item or key, encoded, in the arena. prefix: of the words that refuse a value of it; may be "". */
enum err reading_item(struct reading *at, const char *prefix, bool *ret_is_present,
                      struct slice *ret_item) MUST_CHECK;
enum err reading_names(struct reading *at, struct expression_substitutions *to) MUST_CHECK;
/* ExpressionAttributeValues, which is not null. */
enum err reading_values(struct reading *at, struct expression_substitutions *to) MUST_CHECK;
/* One attribute value, encoded, in the arena; ret_value is untouched when something is wrong with it. */
enum err reading_value(struct reading *at, struct slice *ret_value) MUST_CHECK;
/* Room for one more entry behind `count` others, which may move. NULL: no memory. */
void *reading_grow(struct arena *arena, void *list, size_t count, size_t entry_bytes);

/* ---- parameters older than expressions (api/router/reading_legacy.h) ---- */

struct reading_parameter {
    const char *name;
    bool is_given;
};
/* Old ones do not go together with new ones.
 * ERR_VALIDATION with words */
enum err reading_check_mixed(const struct reading_parameter *old, size_t old_count,
                             const struct reading_parameter *new, size_t new_count,
                             struct error *error) MUST_CHECK;
