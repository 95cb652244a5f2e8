/* What is counted of a dependency - a service that this process asks and must be able to do without for a while - the same
 * for all of them, so that a dashboard shows each with the same panels. */
#pragma once

#include "base/metrics.h"

struct dependency_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "base/dependency_metrics.def"
#undef METRIC
};
extern const struct metric_table dependency_metric_table;
