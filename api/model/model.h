/* The model: what requests may look like, as data. The table comes from dynamodb.model (README.md) and is written by
 * the build; requests are read against it by request.h. */
#pragma once

#include "api/model/dynamodb.model.h"
#include "base/slice.h"

enum model_kind {
    MODEL_VALUE, /* an AttributeValue: api/json/attribute_reader.h knows more */
    MODEL_ANY,   /* any JSON */
    MODEL_STRING,
    MODEL_INTEGER,
    MODEL_LONG,
    MODEL_DOUBLE,
    MODEL_TIMESTAMP,
    MODEL_BOOLEAN,
    MODEL_STRUCTURE,
    MODEL_LIST,
    MODEL_MAP,
};

/* A regular expression that is one set of characters, so many times. */
struct model_pattern {
    const char *text;
    uint64_t bytes[4]; /* a bit for each that may occur; what is beyond ASCII stands and falls together */
    size_t least;
    size_t most;
};

struct model_member;

struct model_shape {
    const char *name; /* also the class that DynamoDB prints */
    enum model_kind kind;
    bool has_minimum, has_maximum;
    int64_t minimum, maximum; /* of a number, or of the length of a string, list or map */
    const struct model_pattern *pattern;
    bool demands_inside;        /* something inside a value may violate a constraint */
    bool is_table;              /* STRING: a table's name or its ARN */
    bool has_new_maximum;       /* LIST: its maximum is told in new words: "Value at 'Keys'" */
    bool is_folded;             /* LIST: printed as [...] */
    const char *const *choices; /* STRING: an enum's values, in DynamoDB's order */
    size_t choice_count;
    const struct model_member *members; /* STRUCTURE, in the order in which violations are told */
    size_t member_count;
    const struct model_shape *element; /* LIST; MAP: the value */
    const struct model_shape *key;     /* MAP */
};

enum { MODEL_MEMBERS_MAX = 64 }; /* of a structure */

struct model_member {
    const char *name;
    uint8_t name_bytes;
    bool is_required;
    bool is_given_first; /* "The parameter 'TableName' is required but was not present in the request" */
    bool
        has_plain_length; /* "TableName must be at least 3 characters long and at most 255 characters long" */
    bool has_new_words;   /* "Value at 'Limit'" */
    bool is_arn;          /* absent it is told like is_given_first, but as "Invalid TableArn" */
    enum model_member_id id; /* MEMBER_OTHER below the top */
    const struct model_shape *shape;
};

struct model_operation {
    const char *name;
    const struct model_shape *input;
    uint8_t slots[MEMBER_COUNT]; /* of a member's id: its place in the input + 1, 0 when it has none such */
};

extern const struct model_operation model_operations[]; /* by name */
extern const size_t model_operation_count;

/* NULL: DynamoDB has no such operation. */
const struct model_operation *model_operation_find(struct slice name);

/* The table's name in what may be its ARN. */
struct slice model_table_name(struct slice name_or_arn);
