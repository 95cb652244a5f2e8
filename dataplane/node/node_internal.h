/* What the files of the node daemon share. One loop owns everything here, except what a comment says. */
#pragma once

#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/random.h"
#include "base/wire.h"
#include "dataplane/log/wal.h"
#include "dataplane/node/entry_cache.h"
#include "dataplane/node/goals.h"
#include "dataplane/node/node.h"
#include "dataplane/node/peers.h"
#include "dataplane/node/publisher.h"
#include "dataplane/partition/partition.h"
#include "dataplane/proto/dataplane.pb-c.h"
#include "dataplane/replication/group.h"
#include "dataplane/store/store.h"

/* A request that waits for an entry to be applied, or for its term to be lost. */
struct write_wait {
    struct write_wait *next;
    uint64_t index;
    struct wire_call call;
    uint64_t arrived_us;
    bool is_proposed; /* its own entry: lost terms leave it UNKNOWN; else it may be sent again */
    bool is_repeat;   /* look the id up when `index` is applied */
    uint8_t request_id[REQUEST_ID_BYTES];
    struct write_answer answer; /* attributes in `bytes` */
    uint8_t bytes[];
};

enum replica_state {
    REPLICA_CREATING,    /* its range or first hard state is not durable yet */
    REPLICA_CREATED,     /* durable, and never acted: waits for control to store that it exists */
    REPLICA_ACTIVE,      /* steps */
    REPLICA_QUARANTINED, /* data of it may be lost: acts no more, waits for its removal */
    REPLICA_REMOVING,    /* tombstone and drop are under way */
};

struct replica {
    struct node *node;
    uint64_t group_id;
    uint64_t replica_id;
    enum member_kind kind;
    enum replica_state state;
    uint64_t creation_id; /* which creation of replica_id this is; 0: of one that was lost */
    bool is_leading;      /* evaluates: the term's no-op is applied */
    bool wants_lead;      /* elected; leads when the no-op is applied */

    struct slice range_start; /* owned, one allocation with range_end */
    struct slice range_end;
    uint64_t range_epoch;
    struct buffer goal_schema; /* what control wants the schema to be */
    uint64_t goal_schema_version;
    bool has_proposed_schema;
    uint64_t leader_preference;
    uint64_t preferred_epoch; /* in which the preferred one's node supports us; 0 = it does not */
    uint64_t preferred_since_us;

    struct group *group;
    struct partition *partition;
    struct wal_group *log;
    struct entry_cache entries;
    uint64_t commit_index;
    uint64_t applied_term;     /* of the last applied entry */
    uint64_t checkpoint_index; /* of the checkpoint beside the last flush */

    struct store_batch *batch; /* made on first use; has_batch: applied to the core, not yet to the store */
    bool has_batch;
    struct write_wait *waits; /* by index, oldest first */
    struct write_wait **waits_end;

    struct loop_timer wake;
    struct loop_task work; /* flush what was proposed, apply what is committed */
    struct loop_timer apply_retry;
    bool has_unflushed_proposals;
    uint32_t log_reads_in_flight;
    uint32_t pool_reads_in_flight;

    uint64_t report_version; /* node.report_version when its report last changed */
    uint64_t published_term;
    UT_hash_handle hh;
};

/* A replica that is gone: reported until control has heard it. */
struct removed_replica {
    struct removed_replica *next;
    uint64_t group_id;
    uint64_t replica_id;
    uint64_t report_version;
};

struct node {
    struct node_options options;
    struct loop *loop;
    struct node_metrics metrics;
    struct wire_metrics wire_metrics;
    struct wal_metrics log_metrics;
    uint32_t node_id; /* 0 until control gave one */
    uint32_t
        incarnation; /* of this start: one more than the last one's, durable before the first heartbeat */

    struct wal *wal;
    struct wal_port *port;
    struct store *store;
    struct support *support;
    struct peers *peers;
    struct wire_server *server;
    struct publisher *publisher;
    struct goals *goals;
    struct replica *replicas; /* by group_id */
    struct removed_replica *removed;
    uint64_t report_version;

    struct loop_timer heartbeat;
    struct loop_timer flush;
    struct loop_timer leader_check;
    struct loop_timer ready;
    struct random random;      /* of the flushes' times */
    struct flushing *flushing; /* NULL: none is under way */
    void (*on_drained)(void *data);
    void *on_drained_data;
    uint64_t drain_until_us;
    uint64_t appends_in_flight;
    uint64_t append_progress_us; /* boot clock: the last time that the log moved, or began to be waited for */
    struct arena arena;          /* for decoding one message */
    struct buffer scratch;       /* for encoding one message */
    struct buffer fields;
    struct buffer kept_peers; /* as last written to the store */
    bool is_closing;
    bool has_failed; /* the log or the store has: the process goes down */
};

/* ---- replica.c: life ---- */
struct replica *replica_find(struct node *n, uint64_t group_id);
/* NULL without memory; in the node's table, state CREATING. */
struct replica *replica_create(struct node *n, uint64_t group_id, uint64_t replica_id, enum member_kind kind);
/* Out of the table and freed; everything asynchronous must have ended. */
void replica_destroy(struct replica *r);
enum err replica_set_range(struct replica *r, struct slice start, struct slice end,
                           uint64_t epoch) MUST_CHECK;
/* Its report to control has changed. */
void replica_report(struct replica *r);
/* It acts no more: whoever waits is turned away, timers stop. */
void replica_stop(struct replica *r, enum replica_state state);
/* Set it aside because of damage. */
void replica_quarantine(struct replica *r, const char *reason);

/* ---- replica_step.c: events in, actions out ---- */
/* now_us and support of the event are filled in. Returns update.err. */
enum err replica_step(struct replica *r, struct group_event *event, struct group_update *ret_update);
void replica_tick(struct replica *r);
/* Write what an update wants on disk (group_bootstrap's, outside of a step). */
enum err replica_persist(struct replica *r, const struct group_persist *persist) MUST_CHECK;
void replica_on_frame(struct node *n, struct wire_call call, const struct frame *frame);
/* The route that this leader publishes and hints at; in the arena. NULL without memory. */
Sluice__Dataplane__Route *replica_route(struct replica *r, struct arena *arena);

/* ---- replica_apply.c ---- */
/* Apply what is committed; called by the work task. */
void replica_apply(struct replica *r);
/* The state beside the rows into the store, in a batch of its own. False: not now. */
bool replica_checkpoint(struct replica *r);
/* Answer or turn away whoever waits, because the term is lost. */
void replica_lose_term(struct replica *r);
/* After a restart: replay into the partition what the store has and the checkpoint has not. */
enum err replica_replay(struct replica *r, uint64_t stored_index) MUST_CHECK;

/* ---- request_read.c, request_write.c ---- */
void request_on_read(struct node *n, struct wire_call call, const struct frame *frame);
void request_on_write(struct node *n, struct wire_call call, const struct frame *frame);
void request_reply_read(struct wire_call call, Sluice__Dataplane__Status status,
                        Sluice__Dataplane__Route *route, struct slice item);
void request_reply_write(struct wire_call call, Sluice__Dataplane__Status status,
                         const struct write_answer *answer, Sluice__Dataplane__Route *route, uint64_t index);
/* The row of a write whose id was applied meanwhile. */
void request_answer_repeat(struct replica *r, struct write_wait *wait);

/* ---- node_create.c ---- */
/* The replicas that one answer of control creates; they share a flush of the store. NULL without memory. */
struct creation *node_create_begin(struct node *n, size_t goal_count);
/* Create the goal's replica, or set it aside as lost when it was created before. false: not now, the goal comes again. */
bool node_create_replica(struct node *n, const Sluice__Controlplane__ReplicaGoal *goal,
                         struct creation *creation);
void node_create_end(struct creation *creation);
/* Its first hard state is durable. */
void replica_created(struct replica *r);
/* Control says which creation may act (0: it has not heard of any). */
void replica_confirm(struct replica *r, uint64_t creation_id);

/* ---- node_goals.c ---- */
bool node_on_goals(const Sluice__Controlplane__NodeGoals *goals, void *data);
void node_fill_report(uint64_t since_version, Sluice__Controlplane__NodeHeartbeat *heartbeat,
                      struct arena *arena, void *data);
/* Become who we are: support, server, first ticks. */
enum err node_begin_serving(struct node *n, struct error *error) MUST_CHECK;

/* ---- node_recover.c, and the rows that it reads (docs/formats/replica.md) ---- */
#define NODE_META_REPLICA "replica"       /* of a group: who we are in it, and its range */
#define NODE_META_CHECKPOINT "checkpoint" /* of a group: docs/formats/entry.md */
#define NODE_META_IDS "ids/"              /* of a group, then the chunk's name, big-endian: request ids */
#define NODE_META_NODES "nodes"           /* of group 0: the other nodes' addresses */
enum { NODE_META_IDS_BYTES = sizeof NODE_META_IDS - 1 + 8 };
void node_meta_ids_name(uint64_t name, uint8_t ret_key[NODE_META_IDS_BYTES]);
/* Blocking, before the loop runs: store, log, replicas as they were. */
enum err node_recover(struct node *n, struct error *error) MUST_CHECK;
/* Let the recovered replicas act; when the node's id and support are there. */
enum err node_restart_replicas(struct node *n, struct error *error) MUST_CHECK;
void replica_row_encode(const struct replica *r, struct buffer *to);
/* Put the addresses of all nodes into the store; durable with its next flush. */
void node_keep_peers(struct node *n);

/* ---- node_flush.c ---- */
void node_flush_start(struct node *n);
void node_flush_stop(struct node *n);

/* ---- node_heartbeat.c ---- */
void node_heartbeat_start(struct node *n);
void node_on_heartbeat(struct node *n, struct wire_call call, const struct frame *frame);

/* ---- identity.c: small files that must survive ---- */
/* ERR_NOT_FOUND: first start. ERR_CORRUPT, ERR_IO */
enum err identity_read(const char *directory, uint32_t *ret_node_id, uint32_t *ret_incarnation) MUST_CHECK;
/* Durable when it returns. */
enum err identity_write(const char *directory, uint32_t node_id, uint32_t incarnation) MUST_CHECK;

/* The node cannot go on (log or store failed): say so and go down; the process is started again. */
void node_fail(struct node *n, const char *what, enum err err);
