/* What is answered from the catalog alone, at once. */
#pragma once

#include <jansson.h>

#include "controlplane/control/answer.h"
#include "controlplane/control/catalog.h"
#include "controlplane/control/table_request.h"

/* Who asks, and for what. */
struct describe_call {
    const struct tenant *tenant;
    struct table_scope scope;
    const char *principal_arn;
    const json_t *request;
};

void describe_table(const struct describe_call *call, struct answer *answer);
void describe_list_tables(const struct describe_call *call, struct answer *answer);
void describe_list_tags(const struct describe_call *call, struct answer *answer);
void describe_limits(const struct describe_call *call, struct answer *answer);
/* Of features that this version does not have: DISABLED, for tables that exist. */
void describe_time_to_live(const struct describe_call *call, struct answer *answer);
void describe_continuous_backups(const struct describe_call *call, struct answer *answer);
