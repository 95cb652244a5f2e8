/* Step 1 of a data operation's parameters: the body, read field by field into its struct.
 *
 * A ValidationException of a value waits until the whole body has been read, as what is not JSON goes first:
 * reading_finish tells of it when the steps before are done. */
#pragma once

#include "api/expression/expression.h"
#include "api/json/json.h"
#include "api/router/router_internal.h"

struct reading {
    struct request *r;
    struct json json;
    struct error *error;
    struct error later; /* the first such refusal; code ERR_OK: none */
};

void reading_init(struct reading *at, struct request *r, struct error *error);

/* Call `field` for each; it consumes the value.
 * ERR_SERIALIZATION  what it returned, or a body that is no JSON object. */
enum err reading_body(struct reading *at, enum err (*field)(struct reading *, struct json_string, void *),
                      void *data) MUST_CHECK;
/* What was put off.
 * ERR_VALIDATION with words */
enum err reading_finish(const struct reading *at) MUST_CHECK;

/* ---- fields: null counts as absent, and leaves what is there ---- */

enum err reading_skip(struct reading *at) MUST_CHECK;
/* data NULL: absent. In body or arena. */
enum err reading_text(struct reading *at, struct slice *ret_text) MUST_CHECK;
enum err reading_bool(struct reading *at, bool *ret_value) MUST_CHECK;
enum err reading_integer(struct reading *at, bool *ret_is_present, int64_t *ret_value) MUST_CHECK;
/* An item or key, encoded, in the arena. prefix: of the words that refuse a value of it; may be "". */
enum err reading_item(struct reading *at, const char *prefix, bool *ret_is_present,
                      struct slice *ret_item) MUST_CHECK;
/* ExpressionAttributeNames, ExpressionAttributeValues */
enum err reading_names(struct reading *at, struct expression_substitutions *to) MUST_CHECK;
enum err reading_values(struct reading *at, struct expression_substitutions *to) MUST_CHECK;

/* ---- parameters older than expressions ---- */

struct reading_parameter {
    const char *name;
    bool is_given;
};
/* Old ones are not served, nor together with new ones.
 * ERR_VALIDATION with words */
enum err reading_check_legacy(const struct reading_parameter *old, size_t old_count,
                              const struct reading_parameter *new, size_t new_count,
                              struct error *error) MUST_CHECK;
