/* The parameters of Query and Scan, in the same steps as those of single items (item_parameters.h). */
#pragma once

#include "api/expression/key_condition.h"
#include "api/router/query_range.h"
#include "api/router/reading_legacy.h"

enum range_select {
    SELECT_ALL, /* ALL_ATTRIBUTES, and without Select */
    SELECT_PROJECTED,
    SELECT_SPECIFIC,
    SELECT_COUNT,
};

/* A number that may be absent. */
struct range_integer {
    bool is_given;
    int64_t value;
};

struct range_parameters {
    bool is_query;
    struct slice table;      /* as given: name or ARN */
    struct slice index_name; /* data NULL: not given */
    bool is_consistent;
    bool is_forward;
    struct range_integer limit, segment, total_segments;
    bool has_start;
    struct slice start;                                            /* ExclusiveStartKey, encoded */
    struct slice key_condition_text, filter_text, projection_text; /* data NULL: not given */
    struct buffer key_condition, filter, projection;               /* programs */
    struct key_conditions conditions;                              /* views into key_condition or old_keys */
    struct expression_substitutions substitutions;
    struct slice select_text; /* as given */
    enum capacity_detail capacity;
    enum range_select select;
    /* Older than expressions. */
    struct legacy_names attributes_to_get;
    struct legacy_conditions old_filter; /* QueryFilter or ScanFilter */
    struct legacy_conditions old_keys;   /* KeyConditions */
    bool has_conditional_operator, is_or;
};

/* Steps 1 to 3. The programs are released by range_parameters_deinit, also after failure.
 * ERR_SERIALIZATION, ERR_VALIDATION  reading_words (api/router/reading.h) has the words
 * ERR_NO_MEMORY */
enum err range_parameters_read(struct request *r, bool is_query, struct range_parameters *ret_parameters,
                               struct error *error) MUST_CHECK;
void range_parameters_deinit(struct range_parameters *p);

/* Step 5: the keys to walk over, from ExclusiveStartKey on, and what the schema forbids in expressions.
 * ERR_VALIDATION with words; ERR_NO_MEMORY */
enum err range_parameters_range(const struct range_parameters *p, const struct key_schema *schema,
                                uint64_t space_id, struct query_range *to, struct error *error) MUST_CHECK;
