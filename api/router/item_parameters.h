/* The parameters of the four single-item operations: read from JSON, then checked in DynamoDB's order.
 *
 *   1. JSON and types            SerializationException
 *   2. the model's constraints   all that are violated, in one ValidationException (api/model/request.h does 1 and 2)
 *   3. values                    attribute values, expressions, what goes with what
 *   4. the table                 ResourceNotFoundException
 *   5. keys against the schema
 * facts: the order was observed on DynamoDB (docs/compat.md). */
#pragma once

#include "api/router/reading_legacy.h"

enum item_operation { ITEM_GET, ITEM_PUT, ITEM_UPDATE, ITEM_DELETE };

struct item_parameters {
    enum item_operation operation;
    struct slice table; /* as given: name or ARN */
    struct slice item;  /* Item or Key, encoded */
    bool is_consistent;
    struct slice condition_text, update_text, projection_text; /* data NULL: not given */
    struct buffer condition, update, projection;               /* programs */
    struct expression_substitutions substitutions;
    int values; /* as dataplane.proto numbers them */
    enum capacity_detail capacity;
    bool returns_old_on_failure;
    /* Older than expressions. */
    struct legacy_names attributes_to_get;
    struct legacy_updates attribute_updates;
    struct legacy_conditions expected;
    bool has_conditional_operator, is_or;
};

/* Steps 1 to 3. The programs are released by item_parameters_deinit, also after failure.
 * ERR_SERIALIZATION, ERR_VALIDATION  reading_words (api/router/reading.h) has the words
 * ERR_NO_MEMORY */
enum err item_parameters_read(struct request *r, enum item_operation operation,
                              struct item_parameters *ret_parameters, struct error *error) MUST_CHECK;
void item_parameters_deinit(struct item_parameters *p);

/* What is wrong with a key, in DynamoDB's words. is_put: it is that of a whole item.
 * ERR_VALIDATION, always */
enum err item_key_fault(bool is_put, enum key_status status, const struct key_fault *fault,
                        struct error *error) MUST_CHECK;

/* Step 5: append the row's key, and check the programs against the key's attributes.
 * ERR_VALIDATION with words; ERR_NO_MEMORY */
enum err item_parameters_key(const struct item_parameters *p, const struct catalog_table *table,
                             struct buffer *to, struct error *error) MUST_CHECK;
