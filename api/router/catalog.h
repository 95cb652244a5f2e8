/* What this router knows of tenants, access keys and tables: the bundle's objects, decoded once as they arrive.
 * One loop owns it. */
#pragma once

#include "controlplane/bundle/object.h"
#include "dataplane/item/key.h"

struct catalog;

enum { TENANT_ID_BYTES = 16, ACCESS_KEY_ID_BYTES = 129 };

struct catalog_key {
    struct slice access_key_id;
    char tenant_id[TENANT_ID_BYTES]; /* 12 digits and a NUL */
    struct slice sealed_secret;
    struct slice user_name;
};

enum catalog_table_status { TABLE_CREATING, TABLE_ACTIVE, TABLE_UPDATING, TABLE_DELETING };

struct catalog_table {
    struct slice name;
    struct slice arn;
    uint64_t space_id;
    enum catalog_table_status status;
    bool is_on_demand;
    struct key_schema schema; /* names view the catalog's copy */
};

/* NULL without memory. */
struct catalog *catalog_create(void);
void catalog_destroy(struct catalog *c);

/* Take a new, changed or deleted object. What does not decode is logged and ignored.
 * ERR_NO_MEMORY  the object is not known here: ask for all again later. */
enum err catalog_take(struct catalog *c, const struct bundle_object *object) MUST_CHECK;

/* Views are valid until the next catalog_take. NULL: not there, revoked, or its tenant is suspended. */
const struct catalog_key *catalog_find_key(const struct catalog *c, struct slice access_key_id);
/* NULL: the tenant has no such table. */
const struct catalog_table *catalog_find_table(const struct catalog *c, const char *tenant_id,
                                               struct slice name);
