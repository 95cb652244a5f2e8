/* What catalog.c and catalog_list.c share: the lists, kept in order. The inserters return false when there is no memory;
 * who is forgotten must be there. */
#pragma once

#include "controlplane/control/catalog.h"

/* Of tables with something to settle; both may be repeated. */
void catalog_unsettle(struct catalog *c, struct table *table);
void catalog_settle(struct catalog *c, struct table *table);

bool tenant_insert(struct tenant *t, struct table *table);
void tenant_forget(struct tenant *t, const struct table *table);

bool table_insert(struct table *t, struct partition *partition);
void table_forget(struct table *t, const struct partition *partition);

/* Out of its node's list, where it may be. */
void catalog_unlink_goal(struct replica *replica);

/* Another has its name, or nobody: what it reported is void. */
void catalog_lose_node(struct node *node);
