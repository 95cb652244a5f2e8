#include "controlplane/control/node_claim.h"

static bool is_as_stored(const struct node *node, const struct node_claimant *claimant)
{
    return !node->is_lost && node->port == claimant->port && node->loops == claimant->loops &&
           strcmp(node->name, claimant->name) == 0 && strcmp(node->zone, claimant->zone) == 0 &&
           strcmp(node->host, claimant->host) == 0;
}

static bool is_alive(const struct node *node, uint64_t alive_from_us)
{
    return node->boot_epoch != 0 && node->heard_at_us >= alive_from_us;
}

static enum node_claim claim_without_id(const struct catalog *c, const struct node_claimant *claimant,
                                        uint64_t alive_from_us, struct node **ret_node)
{
    struct node *owner = catalog_node_by_name(c, claimant->name);
    if (owner != NULL && owner->boot_epoch == claimant->boot_epoch) {
        *ret_node = owner;
        return is_as_stored(owner, claimant) ? NODE_KNOWN : NODE_CHANGED;
    }
    return owner != NULL && is_alive(owner, alive_from_us) ? NODE_NAME_IN_USE : NODE_NEW;
}

enum node_claim node_claim(const struct catalog *c, const struct node_claimant *claimant,
                           uint64_t alive_from_us, struct node **ret_node)
{
    *ret_node = NULL;
    if (claimant->node_id == 0)
        return claim_without_id(c, claimant, alive_from_us, ret_node);
    struct node *node = catalog_node(c, claimant->node_id);
    if (node == NULL || node->is_removed)
        return NODE_UNKNOWN;
    const struct node *owner = catalog_node_by_name(c, claimant->name);
    if (owner != NULL && owner != node && is_alive(owner, alive_from_us))
        return NODE_NAME_IN_USE;
    *ret_node = node;
    return is_as_stored(node, claimant) ? NODE_KNOWN : NODE_CHANGED;
}
