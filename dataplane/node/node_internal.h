/* What the files of the node daemon share. A node has one or several shards, each with a loop and a thread of its own that
 * owns all of it, except what a comment says; the first shard's thread owns the node. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/background.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/wire.h"
#include "dataplane/log/wal.h"
#include "dataplane/node/cap.h"
#include "dataplane/node/early_frames.h"
#include "dataplane/node/entry_cache.h"
#include "dataplane/node/goals.h"
#include "dataplane/node/hottest.h"
#include "dataplane/node/log_pace.h"
#include "dataplane/node/node.h"
#include "dataplane/node/peers.h"
#include "dataplane/node/publisher.h"
#include "dataplane/node/replica_split.h"
#include "dataplane/node/snapshot_stream.h"
#include "dataplane/partition/partition.h"
#include "dataplane/proto/dataplane.pb-c.h"
#include "dataplane/replication/group.h"
#include "dataplane/replication/membership_plan.h"
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

/* Where a log replica's log begins, as it told its leader. */
struct log_start {
    uint64_t replica_id;
    uint64_t first_index;
};
enum { LOG_STARTS_MAX = 4 };

struct replica {
    struct shard *shard;
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

    struct member wanted[MEMBERS_MAX]; /* what control wants the membership to become; none: as it is */
    uint32_t wanted_count;
    uint64_t wanted_version;
    struct log_start log_starts[LOG_STARTS_MAX]; /* leader */
    uint32_t next_log_start;
    uint64_t led_since_us; /* boot clock */
    uint64_t log_begun_us; /* when a log replica was last told where to begin */
    uint64_t kept_index;   /* log replica: all living storage voters have what is up to here */

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

    struct loop_timer wake;      /* not started while it rests */
    struct rest_list *rest_list; /* shard_rest.c; NULL: it does not rest */
    struct replica *rest_next;
    struct replica **rest_link; /* what points at it */
    uint64_t rested_us;         /* since when; a leader had its lease then */
    struct loop_task work;      /* flush what was proposed, apply what is committed */
    struct loop_task apply;     /* goes on in a turn that has room */
    struct loop_timer apply_retry;
    struct loop_timer membership_check;
    bool is_installing; /* a snapshot takes the place of store and log: nothing is applied */
    bool has_unflushed_proposals;
    uint32_t log_reads_in_flight;
    uint32_t pool_reads_in_flight;

    struct replica_split split;
    struct cap reads; /* of all reads that this replica answers */
    struct cap writes;
    struct slice
        hot_split_key; /* where it should be split because of its heat, by the last check; empty: not */
    struct capacity reported_reads; /* per second */
    struct capacity reported_writes;

    struct partition_size reported_size;
    uint64_t reported_membership; /* its version */
    bool is_reported_settled;
    bool is_unreported; /* its report has changed: it is in the shard's list */
    struct replica *next_unreported;
    uint64_t published_term;
    UT_hash_handle hh;
};

/* Reads of ranges that are too long for the loop, each with a snapshot. */
struct range_line {
    struct range_read *first;
    struct range_read *last;
    uint32_t waiting;
    uint32_t in_background;
};

/* Writes that are too much work for the loop, likewise (request_compute.c). */
struct computation_line {
    struct computing *first;
    struct computing *last;
    uint32_t waiting;
    uint32_t in_background;
};

/* Each kind has a thread of its own, so that neither waits for the other; each loop has a core, so more at once would only
 * stand in the loops' way. */
enum {
    RANGES_IN_BACKGROUND = 1,
    COMPUTATIONS_IN_BACKGROUND = 1,
    SPLITS_IN_BACKGROUND = 1, /* walks over a partition's rows (split_lead.c) */
    BACKGROUND_THREADS = RANGES_IN_BACKGROUND + COMPUTATIONS_IN_BACKGROUND + SPLITS_IN_BACKGROUND,
};

/* What a turn of the loop has given to ranges and expressions (shard_turn_spent_us). */
struct turn_time {
    uint64_t turn;
    uint64_t spent_us; /* in that one */
};

/* A replica that is gone, on its way to the reports. */
struct removed_replica {
    struct removed_replica *next;
    uint64_t group_id;
    uint64_t replica_id;
};

/* A replica id is unique in its group only (docs/decisions/0014). */
struct report_key {
    uint64_t group_id;
    uint64_t replica_id;
};

/* What control is to hear of a replica; role 4: it is gone (controlplane.proto). */
struct report {
    struct report_key key;
    uint32_t role;
    uint64_t term;
    uint64_t membership_version;
    struct member members[MEMBERS_MAX]; /* of a leader */
    uint32_t member_count;
    uint64_t replica_id_floor; /* of a leader's membership */
    uint64_t applied_index;
    uint64_t schema_version;
    struct partition_size size;
    struct capacity reads_per_s;
    struct capacity writes_per_s;
    uint64_t range_epoch;
    uint64_t creation_id;
    bool is_settled;
    struct report_split *split; /* memory_free; NULL: nothing to say of one */
    uint64_t version;           /* node.report_version when it last changed */
    UT_hash_handle hh;
};

/* Since when another node has supported us in the epoch in which it does now; epoch 0: it does not. */
struct steady_peer {
    uint32_t node_id;
    uint64_t epoch;
    uint64_t since_us;
};
enum { STEADY_PEERS_MAX = 64 };

/* Replicas that need no tick while what is known of a node's support stays as it is. */
struct rest_list {
    struct shard *shard;
    uint32_t node_id; /* whose promise followers wait for; 0: leaders */
    uint64_t epoch;   /* as it was when last looked at */
    uint64_t held_us; /* leaders: when all support was last there, as before */
    struct replica *first;
    struct loop_timer timer;
};
enum { REST_LISTS_MAX = 65, REST_LEAST_US = 20 * 1000 };

/* A word from one shard to another that needs no memory: under way at most once at a time. */
struct shard_signal {
    struct mailbox_message message;
    struct shard *shard; /* whom it is about */
};

/* What one loop of the node holds: the replicas of the groups whose id, divided by the number of loops, leaves its index. */
struct shard {
    struct node *node;
    uint32_t index;
    struct loop *loop;
    struct mailbox *mailbox; /* into the loop, from any thread */
    struct loop own_loop;    /* the first shard has the daemon's */
    struct mailbox own_mailbox;
    pthread_t thread;
    atomic_bool is_running; /* its thread was started, and not yet joined */
    atomic_bool has_ended;  /* the last that its thread says */

    struct node_metrics metrics;
    struct wire_metrics wire_metrics;
    struct wal_port *port;
    struct store *store;
    struct peers *peers;
    struct wire_server *server;
    struct publisher *publisher;
    struct replica *replicas; /* by group_id */

    struct replica *unreported;
    struct removed_replica *removed;
    struct loop_task report;
    struct loop_timer report_retry;

    struct loop_timer proof;
    struct loop_timer flush;
    struct loop_timer leader_check;
    atomic_bool has_caught_up; /* each replica here has, once since the start */
    struct steady_peer steady_peers[STEADY_PEERS_MAX];
    uint32_t steady_peer_count;
    struct rest_list rest_lists[REST_LISTS_MAX];
    uint32_t rest_list_count;
    struct random random;      /* of the flushes' times */
    struct flushing *flushing; /* NULL: none is under way */
    uint64_t drain_until_us;
    struct turn_time turn_time;
    struct hottest hottest;
    struct range_line ranges;
    struct computation_line computations;
    uint32_t splits_in_background;
    struct background background; /* for all three */
    uint32_t births;              /* of replicas that splits make, under way */
    struct early_frames early;    /* for them */
    struct snapshot_out *snapshots_out;
    struct snapshot_in *snapshots_in;
    struct snapshot_pace snapshot_pace;
    struct background bulk; /* one thread for snapshots, so that they stand in nobody's line */
    struct shard_signal drain, drained, close, tick;
    atomic_bool is_tick_under_way;

    uint64_t appends_in_flight;
    /* Proofs of progress, boot clock, for the node's heartbeats: when the loop last turned, and since when the log has
     * not moved although an append waits for it (0: none waits). */
    atomic_uint_fast64_t turned_us;
    atomic_uint_fast64_t log_waits_since_us;

    struct arena arena;    /* for decoding one message */
    struct buffer scratch; /* for encoding one message */
    struct buffer fields;
    bool is_closing;
};

/* What a node says of its log's disk; written by the first loop, read by all. */
struct peer_pace {
    atomic_uint_fast32_t node_id; /* 0: free; the last that is written of a new one */
    atomic_uint_fast64_t sync_us;
    atomic_uint_fast64_t heard_us;
    atomic_uint_fast64_t alive_since_us;
    uint64_t incarnation; /* the first loop's alone */
};

enum { NODE_PACE_PEERS_MAX = 64 };

struct node_pace {
    struct log_pace own; /* the first loop's alone */
    atomic_uint_fast64_t own_us;
    atomic_bool is_slow;
    struct peer_pace peers[NODE_PACE_PEERS_MAX];
};

/* Read by all shards: what was set before their threads started, and what says so. */
struct node {
    struct node_options options;
    struct loop *loop; /* the first shard's */
    uint32_t node_id;  /* 0 until control gave one; the other shards' threads start after that */
    uint32_t
        incarnation; /* of this start: one more than the last one's, durable before the first heartbeat */
    uint32_t shard_count;
    struct shard *shards[NODE_LOOPS_MAX];

    struct wal_metrics log_metrics;
    struct wal *wal;              /* all shards; each has its port */
    pthread_mutex_t support_lock; /* guards what follows, never across I/O or a callback: node_support_lock */
    struct support *support;
    struct node_pace pace;

    struct goals *goals;
    struct report *reports; /* by key, as the shards told them */
    uint64_t report_version;
    uint64_t forgotten_version; /* reports of removals up to here are forgotten */
    struct buffer kept_peers;   /* as last written to the store */

    struct loop_timer heartbeat;
    struct loop_timer ready;
    uv_async_t news; /* from the other shards: one has failed, one has ended */
    void (*on_drained)(void *data);
    void *on_drained_data;
    uint32_t draining; /* shards that have not handed all over yet */
    bool is_failure_told;
    atomic_bool is_closing; /* all shards: it goes down anyway */
    atomic_bool has_failed; /* all shards: the log or a store has; the process goes down */
};

static inline struct shard *node_shard_of(const struct node *n, uint64_t group_id)
{
    return n->shards[loop_of_group(group_id, n->shard_count)];
}

/* ---- replica.c: life ---- */
struct replica *replica_find(struct shard *s, uint64_t group_id);
/* NULL without memory; in the shard's table, state CREATING. */
struct replica *replica_create(struct shard *s, uint64_t group_id, uint64_t replica_id,
                               enum member_kind kind);
/* Out of the table and freed; everything asynchronous must have ended. */
void replica_destroy(struct replica *r);
enum err replica_set_range(struct replica *r, struct slice start, struct slice end,
                           uint64_t epoch) MUST_CHECK;
/* It acts no more: whoever waits is turned away, timers stop. */
void replica_stop(struct replica *r, enum replica_state state);
/* Set it aside because of damage. */
void replica_quarantine(struct replica *r, const char *reason);

/* ---- replica_step.c: events in, actions out ---- */
/* now_us and support of the event are filled in. Returns update.err. */
enum err replica_step(struct replica *r, struct group_event *event, struct group_update *ret_update);
void replica_tick(struct replica *r);
/* held_us: as of struct group_event. */
void replica_tick_held(struct replica *r, uint64_t held_us);
/* Write what an update wants on disk (group_bootstrap's, outside of a step). */
enum err replica_persist(struct replica *r, const struct group_persist *persist) MUST_CHECK;
void replica_on_frame(struct shard *s, struct wire_call call, const struct frame *frame);
/* The same from a node whose word it is; 0: it is nobody's. */
void replica_take_frame(struct shard *s, uint32_t from_node, const struct frame *frame);
/* The gates of the core, with the node's support as it is now. */
bool replica_can_serve_strong(struct replica *r);
bool replica_can_serve_eventual(struct replica *r);
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
enum err replica_replay(struct replica *r, const struct store_applied *stored) MUST_CHECK;

/* ---- replica_membership.c ---- */
/* What its goal says of the membership. */
void replica_take_wanted(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal);
/* Leader: the next step towards it, if one can be taken now. */
void replica_drive_membership(struct replica *r);
/* What came beside a message (dataplane.proto): where the sender's log begins, how far all have the log; 0: not said. */
void replica_note_log_bounds(struct replica *r, uint64_t from_replica, uint64_t first_index,
                             uint64_t kept_index);
/* Leader: up to here all living storage voters have the log. */
uint64_t replica_kept_index(struct replica *r);
/* Entries up to here are needed by nobody who cannot have them elsewhere. */
uint64_t replica_spare_index(const struct replica *r);

/* ---- request_read.c, request_scan.c, request_write.c ---- */
/* Whether reads may be answered from this replica now. */
bool request_may_serve(struct replica *r, bool is_strong);
void request_on_range(struct shard *s, struct wire_call call, const struct frame *frame);
void request_on_read(struct shard *s, struct wire_call call, const struct frame *frame);
void request_on_write(struct shard *s, struct wire_call call, const struct frame *frame);
void request_reply_read(struct wire_call call, Sluice__Dataplane__Status status,
                        Sluice__Dataplane__Route *route, struct slice item);
void request_reply_write(struct wire_call call, Sluice__Dataplane__Status status,
                         const struct write_answer *answer, Sluice__Dataplane__Route *route, uint64_t index);
/* The row of a write whose id was applied meanwhile. */
void request_answer_repeat(struct replica *r, struct write_wait *wait);

/* ---- snapshot_line.c, snapshot_receive.c, snapshot_install.c ---- */
/* Leader: bring this member up to date, unless that is under way or too much is. Begins at the end of the turn. */
void snapshot_send(struct replica *r, const struct member *to);
/* Entries behind this one will be asked for when a snapshot is installed; UINT64_MAX: none is under way. */
uint64_t snapshot_needs_log_from(const struct replica *r);
void snapshot_on_frame(struct shard *s, struct wire_call call, const struct frame *frame);
/* The replica acts no more: what it sends and takes ends. */
void snapshot_stop(struct replica *r);
/* The shard closes; its replicas are stopped. */
void snapshot_close_all(struct shard *s);
/* Restart: the store has taken over a snapshot and the log does not say so yet. Before the core starts. */
enum err snapshot_recover(struct replica *r) MUST_CHECK;
/* Restart: the log says that one was installed. ERR_CORRUPT */
enum err snapshot_restore(struct replica *r, const struct segment_record *record) MUST_CHECK;
/* Before anything runs: files of snapshots that never were complete. */
void snapshot_forget_files(const char *data_dir);

/* ---- shard_heat.c: what partitions may give, what they give, and which are too hot ---- */
/* The node's caps, full. */
void replica_caps_init(struct replica *r);
/* The goal's caps, else the node's. */
void replica_caps_take(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal);
/* A lead begins, or is over: who leads decides about splits. */
void replica_heat_watch(struct replica *r);
void replica_heat_unwatch(struct replica *r);
void replica_caps_deinit(struct replica *r);
/* What a request has cost; see cap_charge. */
void replica_charge_read(struct replica *r, struct slice key, struct capacity cost, uint64_t now_us);
void replica_charge_write(struct replica *r, struct slice key, struct capacity cost);
/* Each second: which partitions should be split, what control and metrics are told. */
void shard_heat_check(struct shard *s);

/* ---- shard.c: life, requests, leaders ---- */
/* Blocking, before the loop runs. index > 0: with a loop of its own. What a failed one holds goes with the process. */
enum err shard_open(struct node *n, uint32_t index, struct metrics *metrics,
                    struct shard **ret_shard) MUST_CHECK;
/* The node's id and support are there: begin to listen, let the recovered replicas act. Before the thread runs. */
enum err shard_begin_serving(struct shard *s, struct error *error) MUST_CHECK;
/* ERR_NO_MEMORY: no thread. */
enum err shard_start_thread(struct shard *s, struct error *error) MUST_CHECK;
/* On its loop. Hands leaderships over; then node_on_drained. */
void shard_drain(struct shard *s);
/* On its loop, or before that ran. Asynchronous: all handles close, so that the loop ends. */
void shard_close(struct shard *s);
/* Its thread has ended, and its loop, if that ran. */
void shard_destroy(struct shard *s);
void shard_tick(struct shard *s);
/* Time that this turn of its loop has given to ranges and expressions. Beyond what a kind of work may take, it goes elsewhere. */
uint64_t shard_turn_spent_us(struct shard *s);
void shard_turn_spend(struct shard *s, uint64_t us);

/* ---- shard_rest.c ---- */
/* After a step: false if it does not rest, and wants its own timer. */
bool replica_rest(struct replica *r, enum group_rest rest, uint32_t node_id);
void replica_unrest(struct replica *r);
/* For its next tick. */
uint64_t replica_held_us(const struct replica *r);
void shard_rest_close(struct shard *s);

/* ---- shard_leads.c ---- */
/* Look which nodes support us, from time to time. */
void shard_look_at_peers(struct shard *s);
/* Look whether all replicas have caught up with their leaders since the start; once they have, they have. */
void shard_look_caught_up(struct shard *s);
/* It leads, another is to lead, and can take over at once. */
bool replica_wants_to_hand_over(struct replica *r);
/* Who is to lead, from now on: if that is another, and can, it is handed over to at once, else when it can. */
void replica_prefer(struct replica *r, uint64_t leader_preference);
/* 0: to whoever has most. */
void replica_hand_over(struct replica *r, uint64_t to_replica);

/* ---- shard_create.c ---- */
/* The replicas that one answer of control creates; they share a flush of the store. NULL without memory. */
struct creation *creation_begin(struct shard *s, size_t goal_count);
/* Create the goal's replica, or set it aside as lost when it was created before. false: not now, the goal comes again. */
bool creation_add(struct creation *creation, const Sluice__Controlplane__ReplicaGoal *goal);
void creation_end(struct creation *creation);
/* Its first hard state is durable. */
void replica_created(struct replica *r);
/* Control says which creation may act (0: it has not heard of any). */
void replica_confirm(struct replica *r, uint64_t creation_id);

/* ---- shard_goals.c ---- */
/* Its tombstone, then its rows go, then it is reported gone. false: not now. */
bool replica_remove(struct replica *r);
/* Take up the goals of this shard's groups, and all nodes' addresses. false: not all of them; they come again. */
bool shard_take_goals(struct shard *s, const Sluice__Controlplane__NodeGoals *goals);

/* ---- shard_recover.c, and the rows that it reads (docs/formats/replica.md) ---- */
#define NODE_META_REPLICA "replica"       /* of a group: who we are in it, and its range */
#define NODE_META_CHECKPOINT "checkpoint" /* of a group: docs/formats/entry.md */
#define NODE_META_IDS "ids/"              /* of a group, then the chunk's name, big-endian: request ids */
#define NODE_META_INSTALLED "installed"   /* of a group: which snapshot it last came from */
#define NODE_META_NODES "nodes" /* of group 0, in the first shard's store: the other nodes' addresses */
enum { NODE_META_IDS_BYTES = sizeof NODE_META_IDS - 1 + 8 };
void node_meta_ids_name(uint64_t name, uint8_t ret_key[NODE_META_IDS_BYTES]);
/* Blocking: the store, and the replicas as they were in it. */
enum err shard_load_store(struct shard *s, struct error *error) MUST_CHECK;
/* A record of the log that is of this shard's groups. */
enum err shard_load_record(struct shard *s, const struct segment_record *record) MUST_CHECK;
/* Let the recovered replicas act; when the node's id and support are there. */
enum err shard_restart_replicas(struct shard *s, struct error *error) MUST_CHECK;
struct replica_row {
    uint64_t replica_id;
    uint64_t creation_id;
    enum member_kind kind;
    uint64_t range_epoch;
    struct slice range_start;
    struct slice range_end;
};
void replica_row_encode(const struct replica_row *row, struct buffer *to);
/* Views of the replica's range. */
struct replica_row replica_row_of(const struct replica *r);

/* Blocking. What the store has beside a group's rows, into a fresh partition; ret_checkpoint is left alone where there is none.
 * ERR_CORRUPT, ERR_IO, ERR_NO_MEMORY */
enum err store_load_partition(struct store *store, uint64_t group_id, struct partition *partition,
                              uint64_t *ret_checkpoint) MUST_CHECK;

/* ---- split_lead.c: the leader's part of a split ---- */
void split_init(struct replica_split *split);
void split_deinit(struct replica_split *split);
/* This leader would like to be split at the key (empty: not); control is told. */
void split_wish(struct replica *r, struct slice key, enum split_reason reason);
/* What control says of a split, now. */
void split_take_order(struct replica *r, const Sluice__Controlplane__ReplicaGoal *goal);
/* From time to time: is it too large, is a split ordered, can it go on? */
void split_check(struct replica *r);
/* Whatever is under way ends soon: the replica does not lead any more, is split, or going. */
void split_give_up(struct replica *r);

/* ---- split_report.c: what control hears of splits ---- */
struct report_split;
/* NULL when there is nothing to say; to be freed. ERR_NO_MEMORY */
enum err split_report_create(const struct replica *r, struct report_split **ret_report) MUST_CHECK;
void split_report_fill(const struct report_split *from, Sluice__Controlplane__ReplicaReport *to,
                       struct arena *arena);
/* A leader: each storage voter has acknowledged an entry of this group's own. */
bool split_is_settled(const struct replica *r);

/* ---- split_birth.c: what a split makes ---- */
/* The split was applied to the core, as the entry of that term: the children's rows go into the replica's batch. */
void split_add_children(struct replica *parent, uint64_t term);
/* A log replica applies nothing: keep the split of its log (body: with its type), and bear when it is committed. */
void split_keep_entry(struct replica *r, uint64_t index, struct slice body);
void split_on_passed(struct replica *r);
/* Begin the birth, when the split is in the store and it is not begun. */
void split_on_applied(struct replica *parent);
/* The child's first hard state is durable: it acts. */
void split_child_durable(struct replica *child);
/* After a restart: the replica is of a split that is applied here. Call when all that have a log act. */
bool split_claim_child(struct replica *child);
/* Claimed, and the log does not know enough of it: its parent bears it again. */
bool split_is_unborn(const struct replica *child);
/* Split, and its children are not born yet: it stays until they are. */
bool split_is_bearing(const struct replica *r);
/* A replica of a range, not here, may still come from a split, as an older one has that range. */
bool split_is_waiting(struct shard *s, uint64_t group_id, struct slice start, struct slice end,
                      uint64_t epoch);
/* The rows in its range are others': they stay when it goes. */
bool split_keeps_rows(const struct replica *r);
/* The acting replica here that has the key since the split of `parent`, or NULL. */
struct replica *split_child_of(struct replica *parent, struct slice key);
/* The one that has the keys right before `end`. */
struct replica *split_child_before(struct replica *parent, struct slice end);

/* ---- shard_flush.c ---- */
void shard_flush_start(struct shard *s);
void shard_flush_stop(struct shard *s);

/* ---- shard_report.c: what control is to hear ---- */
/* Its report to control has changed. */
void replica_report(struct replica *r);
/* A leader's, if it has grown or shrunk since it was last reported. */
void replica_report_size(struct replica *r);
/* It was removed here, or never was. */
void shard_report_removed(struct shard *s, uint64_t group_id, uint64_t replica_id);
/* A replica that is destroyed is not reported any more. */
void replica_unreport(struct replica *r);
/* Hand all that has changed to the node. false: no memory or no room now; it is tried again. */
bool shard_report_all(struct shard *s);
void shard_report_init(struct shard *s);
void shard_report_close(struct shard *s);
void node_fill_report(uint64_t since_version, Sluice__Controlplane__NodeHeartbeat *heartbeat,
                      struct arena *arena, void *data);
void node_forget_reports(struct node *n);

/* ---- node.c ---- */
/* Become who we are: support, servers, first ticks, the other shards' threads. */
enum err node_begin_serving(struct node *n, struct error *error) MUST_CHECK;
void node_on_drained(struct node *n);
/* From any thread: the node cannot go on (log or store failed): say so and go down; the process is started again. */
void node_fail(struct node *n, const char *what, enum err err);

/* ---- node_goals.c ---- */
void node_on_goals(const Sluice__Controlplane__NodeGoals *goals, void *data);

/* ---- node_recover.c ---- */
/* Blocking, before any loop runs: stores, log, replicas as they were. */
enum err node_recover(struct node *n, struct error *error) MUST_CHECK;
/* Put the addresses of all nodes into the store; durable with its next flush. */
void node_keep_peers(struct node *n);

/* ---- node_heartbeat.c ---- */
void node_heartbeat_start(struct node *n);
/* On the first shard. */
void node_on_heartbeat(struct node *n, struct wire_call call, const struct frame *frame);
/* The support object, alone; for a call or two of the core. */
struct support *node_support_lock(struct node *n);
void node_support_unlock(struct node *n);
/* From time to time the shard's loop proves that it turns. */
void shard_proof_start(struct shard *s);
/* An append waits for the log; one was reported. */
void shard_append_begins(struct shard *s);
void shard_append_ends(struct shard *s);

/* ---- node_pace.c: slow disks ---- */
/* On the first shard: what a heartbeat says of its sender's log; and once a second, a look at ours. */
void node_pace_heard(struct node *n, uint32_t node_id, uint64_t incarnation, uint32_t sync_us);
void node_pace_sample(struct node *n);
/* What we say of ours; 0: not known. From any loop, as the next two. */
uint32_t node_pace_us(const struct node *n);
/* That node's disk is so much slower than ours that no lead should go there. */
bool node_pace_forbids(struct node *n, uint32_t node_id);
/* The voter to whom this leader should hand over, as our disk is slow; 0: none. */
uint64_t replica_better_leader(struct replica *r);

/* ---- identity.c: a small file that must survive ---- */
struct identity {
    uint32_t node_id;
    uint32_t incarnation; /* how often it has started */
    uint32_t loops;       /* its stores: fixed when the node first began */
};
/* ERR_NOT_FOUND: first start. ERR_CORRUPT, ERR_IO */
enum err identity_read(const char *directory, struct identity *ret_identity) MUST_CHECK;
/* Durable when it returns. */
enum err identity_write(const char *directory, const struct identity *identity) MUST_CHECK;
