/* What the files of this directory share: the daemon's object, changes, and who does what.
 *
 *     request --> control_submit(change) --> prepare --> one SQL transaction --> apply --> done
 *
 * Changes run one at a time: `prepare` validates against the catalog and writes the batch, `apply` carries the same into
 * the catalog after the commit. So no change ever sees half of another, and the catalog never holds what PostgreSQL does
 * not. Reads (DescribeTable, ListTables, heartbeats) look at the catalog at any time. */
#pragma once

#include "base/address.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/wire_client.h"
#include "controlplane/bundle/store.h"
#include "controlplane/control/answer.h"
#include "controlplane/control/catalog.h"
#include "controlplane/control/control.h"
#include "controlplane/control/db.h"

enum { CONTROL_MEMDS_MAX = 8 };

struct change;
struct publisher;
struct table_update;
struct tag_request;
struct operator_http;
struct reconciliation;
struct splits;
struct fleet_restart;
struct repairs;

/* Embedded in what asks for it. */
struct change {
    /* Look at the catalog, write the batch, remember what `apply` needs. ERR_OK: commit it. ERR_STALE: there is nothing to
     * do, and done(ERR_OK) follows. Anything else: done(err) follows. */
    enum err (*prepare)(struct control *control, struct change *change, struct sql_batch *batch);
    /* After the commit. ERR_NO_MEMORY: the catalog is behind the database; control loads it again. */
    enum err (*apply)(struct control *control, struct change *change);
    /* The end, exactly once. err: ERR_OK; prepare's own; ERR_UNAVAILABLE (not done), ERR_UNKNOWN_OUTCOME, ERR_INTERNAL */
    void (*done)(struct control *control, struct change *change, enum err err);
    struct change *next; /* leave alone */
};

enum control_state {
    CONTROL_INACTIVE, /* no lock: another control, or no PostgreSQL */
    CONTROL_LOADING,
    CONTROL_ACTIVE,
};

struct poll_call;

struct control {
    struct loop *loop;
    struct control_options options;
    enum control_state state;
    struct db *db;
    struct wire_server *server;
    struct operator_http *operator_http;
    struct publisher *publishers[CONTROL_MEMDS_MAX];
    size_t publisher_count;
    struct catalog catalog;
    struct bundle_store *bundle; /* signed objects, as pushed to MemDS */
    struct sql_batch batch;
    struct change *changes; /* the first is under way when is_changing */
    struct change **changes_end;
    bool is_changing;
    struct loop_task pump;
    struct loop_timer ticker;
    struct poll_call *polls;     /* heartbeats held back until there is news */
    uint64_t goal_version_first; /* goals of earlier controls are below this */
    struct reconciliation *reconciliation;
    struct splits *splits;
    struct fleet_restart *fleet_restart;
    struct repairs *repairs;
    struct loop_timer look;   /* at the nodes' lives */
    uint64_t looked_at_us;    /* boot clock */
    uint64_t listening_at_us; /* since when every node could have been heard */
    struct arena scratch;     /* for one event at a time */
};

/* control.c */
void control_submit(struct control *control, struct change *change);

/* migrate.c, load.c: the way from a held lock to CONTROL_ACTIVE; `done` with ERR_OK or after logging. */
typedef void (*control_step_cb)(struct control *control, enum err err);
void control_migrate(struct control *control, control_step_cb done);
void control_load(struct control *control, control_step_cb done);

/* objects.c: the bundle's objects, written in the same batch as what they describe. Each takes the next version and
 * stages the object in the catalog's bundle store only through control_object_apply, after the commit. */
struct staged_object {
    struct bundle_object object; /* views into bytes */
    uint8_t *bytes;
};
/* is_deleted: table NULL bodies are empty. ERR_NO_MEMORY */
enum err control_stage_tenant(struct control *control, const struct tenant *tenant, struct sql_batch *batch,
                              struct staged_object *ret_object) MUST_CHECK;
enum err control_stage_table(struct control *control, const struct table *table, enum table_status status,
                             struct sql_batch *batch, struct staged_object *ret_object) MUST_CHECK;
enum err control_stage_key(struct control *control, const char *access_key_id, struct slice body,
                           struct sql_batch *batch, struct staged_object *ret_object) MUST_CHECK;
/* Sign, keep, and wake the publishers. Frees the staged bytes. */
enum err control_object_apply(struct control *control, struct staged_object *object) MUST_CHECK;
void staged_object_drop(struct staged_object *object);
/* Sign and put one object into the store (for loading). */
enum err control_bundle_put(struct control *control, struct bundle_object *object) MUST_CHECK;
/* The counters as they are now, into the batch. */
void control_save_counters(struct control *control, struct sql_batch *batch);

/* operations.c: requests of tenants. Answers now or later. */
void control_on_request(struct control *control, struct wire_call call, const struct frame *frame);
/* table_create.c, table_update.c, table_delete.c, table_tags.c: `done` gets the answer; it is the caller's from then on. */
typedef void (*answer_cb)(struct answer *answer, void *data);
void control_create_table(struct control *control, struct tenant *tenant, struct table_spec *spec,
                          struct answer *answer, answer_cb done, void *data);
void control_update_table(struct control *control, struct tenant *tenant, const struct table_update *update,
                          struct answer *answer, answer_cb done, void *data);
void control_change_tags(struct control *control, struct tenant *tenant, const struct tag_request *request,
                         struct answer *answer, answer_cb done, void *data);
void control_delete_table(struct control *control, struct tenant *tenant, const char *name,
                          struct answer *answer, answer_cb done, void *data);

/* Within the tenant's quota of provisioned throughput, with `spec` in the place of a table's (NULL: added).
 * ERR_LIMIT_EXCEEDED */
enum err control_check_units(const struct tenant *tenant, const struct table *instead_of,
                             const struct table_spec *spec, struct answer *answer) MUST_CHECK;

/* placing.c: replicas for partitions that have none. */
struct placed_replica {
    struct node *node;
    uint64_t replica_id;
    bool is_leader_wanted;
};
/* For `count` partitions of a table, three replicas each, into an array of 3 x count (memory_free).
 * ERR_UNAVAILABLE: fewer than three zones are alive. ERR_NO_MEMORY. Takes replica ids from the counters. */
enum err control_place(struct control *control, size_t count,
                       struct placed_replica **ret_replicas) MUST_CHECK;
void control_insert_replicas(const struct placed_replica *replicas, uint64_t group_id,
                             struct sql_batch *batch);

/* reconcile.c: moves tables on: places, CREATING -> ACTIVE, DELETING -> GONE -> removed. */
enum err control_reconcile_init(struct control *control) MUST_CHECK;
void control_reconcile_deinit(struct control *control);
/* Something changed that may let tables move on: look soon. */
void control_wake_reconcile(struct control *control);

/* splits.c: who is to be split, and when what was split may go. */
struct Sluice__Controlplane__ReplicaGoal;
struct Sluice__Controlplane__ReplicaReport;
enum err control_splits_init(struct control *control) MUST_CHECK;
void control_splits_deinit(struct control *control);
/* Something may be to be ordered, or to go: look soon. */
void control_wake_splits(struct control *control);
/* The partition's order, into a goal; views. */
void control_add_split_order(const struct partition *partition,
                             struct Sluice__Controlplane__ReplicaGoal *goal);
/* What a replica's report says of splits; the rest is taken. */
void control_take_split_report(struct control *control, struct replica *replica,
                               const struct Sluice__Controlplane__ReplicaReport *report);
/* UPDATING: it has as many partitions as its throughput wants, or they cannot be had. */
bool control_has_partitions(const struct control *control, const struct table *table);

/* births.c: a replica of a group that a split has made, reported first: both groups are stored with the replicas that they were
 * born with, and the one that was split is marked, in one transaction with what else the heartbeat brings. */
bool control_is_birth(const struct control *control, const struct node *node,
                      const struct Sluice__Controlplane__ReplicaReport *report);
void control_store_birth(const struct control *control,
                         const struct Sluice__Controlplane__ReplicaReport *report, struct sql_batch *batch);
enum err control_apply_birth(struct control *control,
                             const struct Sluice__Controlplane__ReplicaReport *report) MUST_CHECK;

/* join.c: store what must be stored of a heartbeat, then take it. */
struct Sluice__Controlplane__NodeHeartbeat;
struct Sluice__Controlplane__MemberGoal;
struct Sluice__Controlplane__ReplicaGoal;
struct Sluice__Controlplane__ReplicaReport;
void control_join(struct control *control, struct wire_call call,
                  const struct Sluice__Controlplane__NodeHeartbeat *heard, struct slice packed);

/* heartbeat.c */
/* Loops, as a heartbeat says: nodes that do not say have one. */
static inline uint32_t control_loops(uint32_t said)
{
    return said == 0 ? 1 : said;
}
void control_take_heartbeat(struct control *control, struct wire_call call, uint32_t node_id,
                            const struct Sluice__Controlplane__NodeHeartbeat *heard);
void control_on_heartbeat(struct control *control, struct wire_call call, const struct frame *frame);
/* Answer the held heartbeats of nodes with news. */
void control_tell_nodes(struct control *control);
/* Heartbeats are held for nodes whose connections are closed: note that, and drop them. */
void control_note_cut_off(struct control *control);
/* Refuse the held heartbeats: we are no longer the active one. */
void control_drop_polls(struct control *control, enum err err);

/* member_goals.c: who belongs to the goal's group, now and then. Without memory the arena has failed. */
void control_fill_members(struct Sluice__Controlplane__ReplicaGoal *goal, const struct replica *replica,
                          struct arena *arena);
struct Sluice__Controlplane__MemberGoal *control_make_member(const struct node *node, uint64_t replica_id,
                                                             uint32_t kind, struct arena *arena);

/* fleet_report.c: what a replica says beyond its own state: a leader's membership and load. */
void control_take_membership(struct control *control, struct replica *replica,
                             const struct Sluice__Controlplane__ReplicaReport *report);
/* fleet_life.c */
void control_fleet_start(struct control *control);
void control_fleet_stop(struct control *control);
void control_node_heard(struct control *control, struct node *node);
/* fleet_repair.c: something changed that replicas may have to follow: look soon. */
void control_wake_repair(struct control *control);
/* fleet_steps.c: the wanted members change with this batch. */
void control_store_wanted(const struct partition *partition, struct sql_batch *batch);
/* fleet_view.c: may be given replicas; what it has that is to stay. */
bool fleet_can_take(const struct node *node);
struct placement_node fleet_weigh_node(const struct node *node);

/* publish.c */
enum err publisher_open(struct control *control, const struct address *address,
                        struct publisher **ret_publisher, struct error *error) MUST_CHECK;
void publisher_close(struct publisher *p);
/* What is known of that MemDS. */
struct publisher_state {
    struct address address;
    bool is_connected;
    uint64_t version; /* of its bundle; 0 while it has not said */
};
struct publisher_state publisher_look(const struct publisher *p);
/* There are newer objects. */
void publisher_wake(struct publisher *p);
/* Ask it something beside the bundle. ERR_UNAVAILABLE, ERR_NO_MEMORY: nothing is called then. */
enum err publisher_ask(struct publisher *p, const struct wire_message *message, wire_response_cb on_response,
                       void *data);
/* Tell it that the table's groups are gone. */
void publisher_remove_groups(struct publisher *p, const struct table *table);

/* operator_fleet.c: the same for paths of nodes; false: it is none, and nothing was done. */
bool control_on_fleet_operator(struct control *control, const char *method, const char *path,
                               struct answer *answer, answer_cb done, void *data) MUST_CHECK;

/* operator_api.c: a request of the operator port, on the loop. `done` as above. */
void control_on_operator(struct control *control, const char *method, const char *path, struct slice body,
                         struct answer *answer, answer_cb done, void *data);
