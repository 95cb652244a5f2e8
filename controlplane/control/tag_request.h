/* TagResource, UntagResource and ListTagsOfResource as tenants send them, and what they make of a table's tags. Pure. */
#pragma once

#include "controlplane/control/table_request.h"

enum { TAGGED_ARN_BYTES_MAX = 1283 };

enum tag_operation { TAG_LIST, TAG_ADD, TAG_REMOVE };

struct tag_request {
    enum tag_operation operation;
    char name[TABLE_NAME_BYTES_MAX + 1]; /* the table's */
    char arn[TAGGED_ARN_BYTES_MAX + 1];
    const json_t *list; /* Tags or TagKeys, borrowed from the request; NULL for TAG_LIST */
};

/* Decode and validate. principal_arn: who asks, for the words.
 * ERR_VALIDATION
 * ERR_ACCESS_DENIED  the ARN is another tenant's or region's */
enum err tag_request_read(enum tag_operation operation, const json_t *request,
                          const struct table_scope *scope, const char *principal_arn,
                          struct tag_request *ret_request, struct answer *answer) MUST_CHECK;

/* The table's tags afterwards: JSON for memory_free.
 * tags  JSON as in struct table_spec, or NULL
 * ERR_VALIDATION  too many; ERR_INTERNAL  no memory */
enum err tag_request_apply(const struct tag_request *request, const char *tags, char **ret_tags,
                           struct answer *answer) MUST_CHECK;

/* A new reference to the list of tags; NULL when there is no memory. */
json_t *tags_load(const char *tags);
