#include "base/dependency.h"

static const struct metric_row metric_rows[] = {
#define METRIC(name, kind, unit, sentence) METRIC_ROW(struct dependency_metrics, name, kind, unit, sentence)
#include "base/dependency_metrics.def"
#undef METRIC
};
const struct metric_table dependency_metric_table = METRIC_TABLE("dependency", metric_rows);
