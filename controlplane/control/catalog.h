/* All that control knows, in memory: loaded from PostgreSQL when the lock is held, changed only after a commit.
 *
 *     tenant --> tables (sorted by name) --> partitions (sorted by range) --> replicas <-- node
 *
 * PostgreSQL is the truth for all of it but what nodes report (struct replica's and node's last fields), which is only
 * here. Ids are counters: what was given out once is never given out again. Pure; one loop. */
#pragma once

#include "base/buffer.h"
#include "base/hash.h"
#include "controlplane/control/node_life.h"
#include "controlplane/control/placement.h"
#include "controlplane/control/table_spec.h"
#include "dataplane/item/key.h"

enum {
    TENANT_ID_BYTES = 12,
    TABLE_UUID_BYTES = 36,
    ZONE_BYTES_MAX = 63,
    HOST_BYTES_MAX = 63,
    NAME_BYTES_MAX = 127,
    PARTITION_REPLICAS_MAX = 9 /* as MEMBERS_MAX in dataplane/replication */
};

/* The numbers are stored. GONE: the tenant does not see it any more; its replicas are being removed. */
enum table_status { TABLE_CREATING, TABLE_ACTIVE, TABLE_UPDATING, TABLE_DELETING, TABLE_GONE };
enum goal { GOAL_PRESENT, GOAL_ABSENT };
enum replica_role {
    ROLE_FOLLOWER,
    ROLE_CANDIDATE,
    ROLE_LEADER,
    ROLE_QUARANTINED,
    ROLE_REMOVED,
    ROLE_NOT_REPORTED
};

struct tenant {
    char id[TENANT_ID_BYTES + 1];
    char name[NAME_BYTES_MAX + 1];
    bool is_suspended;
    uint64_t created_us;
    struct table **tables; /* not GONE, sorted by name */
    size_t table_count;
    size_t table_capacity;
    UT_hash_handle hh; /* by id */
};

/* A replica id is unique in its group only: a split's children have the ids of their parent. */
struct replica_key {
    uint64_t group_id;
    uint64_t replica_id;
};

/* The numbers are stored. */
enum replica_kind { REPLICA_STORAGE, REPLICA_LOG };

/* In the membership that the group's leader reported. */
enum replica_membership { REPLICA_NO_MEMBER, REPLICA_LEARNER, REPLICA_VOTER };

struct replica {
    struct replica_key key;
    struct partition *partition;
    struct node *node;
    uint32_t kind; /* enum replica_kind */
    enum goal goal;
    bool is_leader_wanted;
    bool is_wanted;             /* as a member; final when false */
    bool is_newcomer;           /* not of the group's first membership */
    bool is_leaving;            /* to be built elsewhere first */
    uint64_t creation_id;       /* the one creation that may act; 0 = none was reported yet */
    uint64_t goal_version;      /* of the goals that last named it */
    struct replica *older_goal; /* the node's list, by goal_version */
    struct replica *newer_goal;
    UT_hash_handle hh; /* by key */
    /* As reported. */
    enum replica_role role;
    uint64_t term;
    uint64_t schema_version;
    uint64_t item_count;
    uint64_t item_bytes;
    bool is_settled;      /* a leader's word: nobody needs what its group was split from */
    uint64_t milli_per_s; /* consumed by requests that it served */
    enum replica_membership membership;
};

/* Groups that a split makes, and where its leader would like it (splits.c). */
struct partition_split {
    uint64_t left_group; /* 0: none was ordered */
    uint64_t right_group;
    bool is_wanted_for_units; /* for more throughput: wherever the leader finds best */
    uint32_t reason;          /* of its leader's wish, as in controlplane.proto; 0: it has none */
    struct buffer key;        /* likewise */
};

struct partition {
    uint64_t group_id;
    struct table *table;
    struct slice start; /* views of `bounds` */
    struct slice end;
    uint64_t range_epoch;
    bool is_split; /* two others have its range; it is here until its replicas are removed */
    struct partition_split split;
    struct replica *replicas[PARTITION_REPLICAS_MAX];
    size_t replica_count;    /* 0 = not placed yet */
    uint64_t wanted_version; /* counts the changes of who is wanted; 0 = the first membership is */
    UT_hash_handle hh;       /* by group id */
    /* As reported: the membership that its leader last said. */
    uint64_t membership_version; /* 0 = none since this control began */
    uint64_t replica_id_floor;   /* who is no member and has a lower id never will be one */
    uint32_t voter_count;
    uint8_t bounds[];
};

struct table {
    uint64_t space_id;
    struct tenant *tenant;
    struct table_spec spec;
    char table_id[TABLE_UUID_BYTES + 1];
    char *arn;
    uint64_t schema_version;
    enum table_status status;
    uint64_t created_us;
    struct partition **partitions; /* sorted by range; those that were split beside those that have it now */
    size_t partition_count;
    size_t partition_capacity;
    UT_hash_handle hh; /* by space id */
    /* Tables with something to settle: a circular list when is_unsettled. */
    struct table *next_unsettled;
    struct table *previous_unsettled;
    bool is_unsettled;
    uint64_t deleted_at_us;  /* boot clock: when DELETING was seen first; 0 = not */
    uint64_t updating_at_us; /* likewise UPDATING */
};

/* One data directory, whose id it has; the name goes over to another when that comes without an id. */
struct node {
    uint32_t node_id;
    char name[NAME_BYTES_MAX + 1];
    bool is_lost;     /* another has the name now, or nobody */
    bool is_draining; /* gets no replicas, and gives away those that it has */
    bool is_removed;  /* by an operator: lost, and its replicas are taken for gone */
    char zone[ZONE_BYTES_MAX + 1];
    char host[HOST_BYTES_MAX + 1];
    uint32_t port;          /* of its first loop; the others' follow */
    uint32_t loops;         /* never changes */
    uint32_t replica_count; /* goals PRESENT */
    uint32_t leader_count;
    struct replica *oldest_goal;
    struct replica *newest_goal;
    UT_hash_handle hh; /* by id */
    /* As heard. */
    uint64_t boot_epoch;     /* 0 = not heard since this control began */
    bool is_reported;        /* a full report of this boot is here */
    bool is_caught_up;       /* as it says */
    uint64_t report_version; /* the newest of this boot that was taken */
    uint64_t told_since;     /* the goals_version that was last answered with goals, and up to which */
    uint64_t told_version;
    uint64_t goals_taken; /* the newest goals that it has taken up */
    bool is_cut_off;      /* the connection of its last heartbeat is closed */
    enum node_life life;
    uint64_t life_at_us;     /* boot clock: when it became that */
    size_t view_index;       /* in the newest fleet_view */
    uint64_t heard_at_us;    /* boot clock */
    uint64_t heard_wall_us;  /* wall clock */
    uint64_t stored_wall_us; /* last_heartbeat_us in the database */
};

/* Its node has said so, or will never say anything again. */
static inline bool replica_is_gone(const struct replica *replica)
{
    return replica->role == ROLE_REMOVED || replica->node->is_removed;
}

struct catalog_counters {
    uint64_t tenant_id;
    uint64_t space_id;
    uint64_t group_id;
    uint64_t replica_id;
    uint64_t node_id;
    uint64_t bundle_version;
    uint64_t workflow_id;
};

struct catalog {
    struct tenant *tenants;
    struct table *tables;
    struct partition *partitions;
    struct replica *replicas;
    struct node *nodes;
    size_t split_count; /* partitions that were split */
    struct table *unsettled;
    struct catalog_counters counters;
    uint64_t goal_version; /* grows with each new goal and with the set of nodes */
    uint64_t node_version; /* the goal_version at which a node last joined or moved */
};

void catalog_init(struct catalog *c);
/* Forget everything but goal_version. */
void catalog_clear(struct catalog *c);

struct tenant *catalog_tenant(const struct catalog *c, const char *id);
struct tenant *catalog_tenant_by_name(const struct catalog *c, const char *name);
struct table *catalog_table(const struct catalog *c, uint64_t space_id);
struct partition *catalog_partition(const struct catalog *c, uint64_t group_id);
struct replica *catalog_replica(const struct catalog *c, uint64_t group_id, uint64_t replica_id);
struct node *catalog_node(const struct catalog *c, uint32_t node_id);
/* The one that has the name now, or NULL. */
struct node *catalog_node_by_name(const struct catalog *c, const char *name);
/* Partitions that have their range: all but those that were split. */
size_t table_live_count(const struct table *t);
/* Of the newest leader that was heard of; the others' figures are older. NULL: it has no replicas. */
const struct replica *partition_authority(const struct partition *p);
/* By name among the tenant's tables, or NULL. */
struct table *tenant_table(const struct tenant *t, const char *name);
/* The position of the first table whose name is greater. */
size_t tenant_table_after(const struct tenant *t, const char *name);

/* The adders return NULL when there is no memory (control then gives up and loads again) or the id exists.
 * catalog_add_table takes spec's tags. */
struct tenant *catalog_add_tenant(struct catalog *c, const char *id, const char *name, uint64_t created_us);
struct node *catalog_add_node(struct catalog *c, uint32_t node_id);
struct table *catalog_add_table(struct catalog *c, struct tenant *tenant, uint64_t space_id,
                                const char *table_id, const char *arn, struct table_spec *spec,
                                enum table_status status);
/* The bounds are copied. */
struct partition *catalog_add_partition(struct catalog *c, struct table *table, uint64_t group_id,
                                        struct slice start, struct slice end, uint64_t range_epoch);
/* NULL also when the partition has PARTITION_REPLICAS_MAX. */
struct replica *catalog_add_replica(struct catalog *c, struct partition *partition, struct node *node,
                                    uint64_t replica_id, uint32_t kind, enum goal goal,
                                    bool is_leader_wanted);

/* Change and keep lists and counts in step. */
void catalog_set_status(struct catalog *c, struct table *table, enum table_status status);
void catalog_set_absent(struct catalog *c, struct replica *replica);
/* For good: it is not wanted as a member any more. Those that stay are told. */
void catalog_set_unwanted(struct catalog *c, struct replica *replica);
/* Instead of whoever else should. */
void catalog_set_leader(struct catalog *c, struct replica *replica);
/* The partition's goals change: the nodes of all replicas that should be there will be told. */
void catalog_touch_partition(struct catalog *c, struct partition *partition);
/* The wanted members change, as a newcomer's creation is known or somebody is not wanted any more. */
void catalog_change_wanted(struct catalog *c, struct partition *partition);
/* Give the replica a new goal version: its node will be told. */
void catalog_touch_goal(struct catalog *c, struct replica *replica);
/* The node has the name; whichever had it is lost, and what it reported is void. */
void catalog_name_node(struct catalog *c, struct node *node, const char *name);
/* It was split: its replicas count no more. */
void catalog_set_split(struct catalog *c, struct partition *partition);
/* An operator's word: it will not be back, and its name is free. */
void catalog_give_up_node(struct catalog *c, struct node *node);
/* It must have no replicas. */
void catalog_remove_node(struct catalog *c, struct node *node);
void catalog_remove_replica(struct catalog *c, struct replica *replica);
/* It must have no replicas. */
void catalog_remove_partition(struct catalog *c, struct partition *partition);
/* The table must be GONE and have no replicas. */
void catalog_remove_table(struct catalog *c, struct table *table);
