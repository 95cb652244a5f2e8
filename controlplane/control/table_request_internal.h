/* What the files that check requests about tables share. Each check puts its words into the answer. */
#pragma once

#include <jansson.h>

#include "controlplane/control/answer.h"
#include "controlplane/control/table_request.h"

#define POPV "One or more parameter values were invalid: "

/* ---- members ---- */

/* NULL when absent or null, which is the same to DynamoDB. */
json_t *request_member(const json_t *object, const char *name);
/* "" when there is no such string. */
const char *request_text(const json_t *object, const char *member);
bool request_is_text(const json_t *object, const char *member, const char *wanted);
/* 0 when absent, or not what request_check_throughput allows. */
uint64_t request_units(const json_t *object, const char *member);

/* ---- checks ---- */

/* ProvisionedThroughput within DynamoDB's bounds, then within a table's quota. NULL is good. */
enum err request_check_throughput(const json_t *throughput, struct answer *answer) MUST_CHECK;
enum err request_check_table_quota(const json_t *throughput, struct answer *answer) MUST_CHECK;
/* OnDemandThroughput: at least 1, or -1 for none. NULL is good. */
enum err request_check_maximum(const json_t *maximum, struct answer *answer) MUST_CHECK;
/* A member of it, 0 for none; `absent` when it is not given. */
uint64_t request_take_maximum(const json_t *maximum, const char *member, uint64_t absent);

/* The table's name in arn:aws:dynamodb:REGION:TENANT:table/NAME, a view; NULL when it is none. */
const char *request_name_in_arn(const char *arn, const struct table_scope *scope, bool *ret_is_foreign);

/* The first of `names` (NULL-terminated) that is given, refused by name as a feature of later versions. */
enum err request_refuse_given(const json_t *request, const char *const *names,
                              struct answer *answer) MUST_CHECK;
enum err request_refuse_feature(struct answer *answer, const char *name) MUST_CHECK;

/* No two tags of one key, none of the system's keys, not too many. */
enum err request_check_tags(const json_t *tags, struct answer *answer) MUST_CHECK;
