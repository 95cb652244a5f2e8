/* The parameters of BatchGetItem and BatchWriteItem: read from JSON, then checked in DynamoDB's order, as in
 * api/router/item_parameters.h. Everything is in the request's arena, but for the programs and keys. */
#pragma once

#include "api/router/consumed_capacity.h"
#include "api/router/item_parameters.h"

enum batch_operation { BATCH_GET, BATCH_WRITE };

enum { BATCH_GET_MAX = 100, BATCH_WRITE_MAX = 25 };

struct batch_table {
    struct slice given; /* name or ARN, as the request has it */
    size_t count;       /* of its entries, also of those beyond the maximum, which are not kept */
    uint64_t space_id;  /* this and the next: once the table is known */
    struct key_schema schema;
    /* Of BatchGetItem. */
    bool is_consistent;
    struct slice projection_text; /* data NULL: none */
    struct expression_substitutions substitutions;
    struct legacy_names attributes_to_get;
    struct buffer projection; /* program */
};

/* One key to read, one item to put, or one key to delete. */
struct batch_entry {
    struct batch_table *table;
    enum item_operation operation;
    bool is_item_given;
    unsigned action_count; /* of a write: PutRequest, DeleteRequest that were there */
    struct slice item;     /* item or key, encoded */
    struct slice given;    /* of a write: the same as it stands in the body */
    struct buffer key;     /* the row's */
    bool is_done;
    bool is_throttled;
    struct slice found; /* by BatchGetItem, as the node sent it; data NULL: nothing */
    int64_t write_units_milli;
    /* Its call. */
    struct request *request;
    struct item_call call;
    uint8_t request_id[REQUEST_ID_BYTES];
};

struct batch_parameters {
    enum batch_operation operation;
    struct batch_table *tables[BATCH_GET_MAX];
    size_t table_count; /* also of those beyond the maximum */
    struct batch_entry *entries[BATCH_GET_MAX];
    size_t entry_count; /* of those kept */
    enum capacity_detail capacity;
};

static inline size_t batch_maximum(enum batch_operation operation)
{
    return operation == BATCH_GET ? BATCH_GET_MAX : BATCH_WRITE_MAX;
}

/* Before the table is known. Release with batch_parameters_deinit, also after failure.
 * ERR_SERIALIZATION, ERR_VALIDATION  reading_words (api/router/reading.h) has the words
 * ERR_NO_MEMORY */
enum err batch_parameters_read(struct request *r, enum batch_operation operation,
                               struct batch_parameters *ret_batch, struct error *error) MUST_CHECK;
void batch_parameters_deinit(struct batch_parameters *batch);

/* Make the row's key of one entry, whose table knows its schema, and check the table's projection against the key's
 * attributes.
 * ERR_VALIDATION with words; ERR_NO_MEMORY */
enum err batch_entry_key(struct batch_entry *entry, struct error *error) MUST_CHECK;
/* Each row once; after the keys.
 * ERR_VALIDATION with words */
enum err batch_check_duplicates(const struct batch_parameters *batch, struct error *error) MUST_CHECK;
