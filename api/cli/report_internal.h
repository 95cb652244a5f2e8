/* What the files report*.c share: reading an answer's fields, and the parts about nodes. */
#pragma once

#include "api/cli/columns.h"
#include "api/cli/command.h"
#include "api/cli/report.h"

enum { REPORT_TIME_BYTES = 32 };

/* NULL and 0 when there is no such field. */
const char *report_text(const struct json_t *object, const char *field);
long long report_number(const struct json_t *object, const char *field);
bool report_truth(const struct json_t *object, const char *field);
/* 2026-11-21T05:47:14Z; "never" for 0. */
const char *report_time(long long us, char to[REPORT_TIME_BYTES]);
/* Write the columns and deinit them. ERR_NO_MEMORY */
enum err report_finish(struct columns *columns, struct buffer *to) MUST_CHECK;

/* report_nodes.c. ERR_INVALID: not what control answers; ERR_NO_MEMORY */
enum err report_nodes(const struct json_t *answer, struct buffer *to) MUST_CHECK;
enum err report_node(const struct json_t *answer, struct buffer *to) MUST_CHECK;
enum err report_node_order(enum cli_verb verb, const struct json_t *answer, struct buffer *to) MUST_CHECK;
/* How many groups are short of replicas, and what is done about it; nothing where a control of before does not say. */
void report_care(const struct json_t *answer, struct buffer *to);
