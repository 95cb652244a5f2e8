#include "api/router/data_table.h"

#include "base/clock.h"

enum { NEWS_US = 100 * 1000 };

const struct catalog_table *data_table_find(const struct request *r, struct slice given)
{
    struct slice name = model_table_name(given);
    const struct catalog_table *table = catalog_find_table(r->router->catalog, r->tenant_id, name);
    bool is_arn = given.length != name.length;
    if (table == NULL || (is_arn && !slice_equal(given, table->arn)))
        return NULL;
    /* While it is being deleted its rows go: nobody would answer. */
    if (table->status == TABLE_CREATING || table->status == TABLE_DELETING)
        return NULL;
    return table;
}

enum err data_table_wait(struct request *r, void (*done)(enum err err, void *data))
{
    struct bundle_follower *follower = r->router->follower;
    metric_increment(&r->router->metrics.waited_for_bundle);
    return bundle_follower_wait(follower, bundle_follower_version(follower) + 1, clock_boot_us() + NEWS_US,
                                done, r);
}
