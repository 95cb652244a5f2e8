/* Parameters older than expressions, out of their JSON: each the body of a hook (reading.h) that the model has gone over
 * first. What is beyond LEGACY_ENTRIES_MAX is counted and not kept. */
#pragma once

#include "api/expression/legacy_condition.h"
#include "api/expression/legacy_projection.h"
#include "api/expression/legacy_update.h"
#include "api/router/reading.h"

/* Expected, QueryFilter, ScanFilter, KeyConditions: `parameter` says which. */
enum err reading_conditions(struct reading *at, const char *parameter,
                            struct legacy_conditions *ret_conditions) MUST_CHECK;
/* AttributeUpdates */
enum err reading_updates(struct reading *at, struct legacy_updates *ret_updates) MUST_CHECK;
/* AttributesToGet */
enum err reading_attributes(struct reading *at, struct legacy_names *ret_names) MUST_CHECK;
