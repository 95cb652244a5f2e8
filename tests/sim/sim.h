/* The deterministic simulator: storage nodes, disks, network and clients in one thread, from one seed.
 *
 * Real: the replication core, support, the partition core, the segment codec: the objects that the node links.
 * Simulated here: clocks, network, disks, the store's rows, and the shell around the cores. Time is a number.
 *
 *     world.c     events in order of time, clocks, the run
 *     network.c   messages: delay, loss, duplication, reordering, partitions
 *     disk.c      the log on a simulated disk: batches, syncs, torn and damaged bytes, recovery
 *     replica.c   the shell of one replica around group and partition
 *     store.c     what it keeps: items, shared by the groups of a node, and rows of its own
 *     split.c     a group ends, two are born; who owns a range
 *     serve.c     its answers to clients
 *     node.c      heartbeats, crash, restart, stalls
 *     client.c    the workload
 *     faults.c    what goes wrong and when
 *     operator.c  repairs, membership changes, transfers
 *     check.c     what must hold at every step
 *     linear.c    linearizability of what clients saw
 *
 * All randomness comes from world.random, all order from (time, sequence): a seed is a run, bit for bit; the
 * trace hash says so. */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "dataplane/log/segment.h"
#include "dataplane/partition/partition.h"
#include "dataplane/replication/group.h"

enum {
    NODES = 5,
    TABLES = 2,     /* each begins as one group, 0 and 1 */
    GROUPS = 24,    /* with all that splits may make */
    SPLITS_MAX = 3, /* of a table */
    KEYS = 6,       /* of a table */
    CLIENTS = 8,
    INDEX_MAX = 1 << 15,
    HISTORY_MAX = 1 << 13,
    IDS_CHUNK = 8, /* request ids */
    SEGMENT_BYTES = 64 * 1024,
    SEGMENTS_MAX = 512,
    CLOCK_RATE_PPM = 50 * 1000, /* declared; large, so that whoever ignores it is caught soon */
    MS = 1000,
    SECOND = 1000 * 1000,
    RUN_US = 100 * SECOND,   /* faults and load */
    SETTLE_US = 15 * SECOND, /* then all is healed: everything must come back */
};

/* ---- Events ---- */

enum sim_event_kind {
    SIM_REPLICATION, /* to a node: a replication message */
    SIM_HEARTBEAT,   /* to a node */
    SIM_REQUEST,     /* client to node */
    SIM_ANSWER,      /* node to client */
    SIM_SNAPSHOT,    /* to a node */
    SIM_WAKE,        /* a replica's timer */
    SIM_BEAT,        /* a node's heartbeat timer */
    SIM_SYNCED,      /* a node's disk */
    SIM_COMPUTED,    /* a write's outcome comes back from another thread of its node */
    SIM_DOOM,        /* a node, soon after an election */
    SIM_CRASH,
    SIM_RESTART,
    SIM_FLUSH,
    SIM_CLIENT,   /* a client's timer */
    SIM_FAULT,    /* the next thing that goes wrong */
    SIM_HASTE,    /* the operator looks after a new leader at once */
    SIM_OPERATOR, /* the next thing that is looked after */
    SIM_SPLIT,    /* to a node: a split that was begun is proposed */
    SIM_BIRTH,    /* to a node: what a split made comes to be */
};

struct sim_snapshot {
    uint64_t from_replica, to_replica;
    uint64_t index, term, membership_index;
    uint8_t membership[MEMBERSHIP_BYTES_MAX];
    size_t membership_bytes;
    struct sim_meta *meta; /* NULL: the log alone */
    struct sim_items *items;
};

enum client_op { OP_READ, OP_PUT, OP_PUT_IF, OP_ADD, OP_DELETE };
enum answer_status {
    ANSWER_OK,
    ANSWER_CONDITION_FAILED,
    ANSWER_NOT_LEADER,
    ANSWER_NOT_APPLIED,
    ANSWER_UNKNOWN,
    ANSWER_WRONG_RANGE
};

struct sim_request {
    uint32_t client;
    uint64_t serial; /* of the operation */
    uint64_t attempt;
    uint32_t table;
    uint32_t group; /* where the client believes the key to be */
    uint64_t epoch; /* of that group's range */
    uint32_t key;
    enum client_op op;
    int64_t value;    /* PUT: to write; ADD: to add */
    int64_t expected; /* PUT_IF: only if it is this, NO_VALUE: only if absent */
};

struct sim_answer {
    struct sim_request request;
    enum answer_status status;
    int64_t value; /* READ, ADD */
    uint32_t hint_node;
    bool has_route; /* WRONG_RANGE: who has the key, as far as the node knows */
    uint32_t route_group;
};

#define NO_VALUE INT64_MIN

struct sim_event {
    uint64_t at_us;
    uint64_t sequence;
    enum sim_event_kind kind;
    uint32_t from_node;
    uint32_t node;
    uint32_t group;
    uint64_t life;  /* of the node or timer that it is for; stale ones are dropped */
    uint32_t waits; /* REPLICATION: how often it was put off */
    size_t bytes;
    uint8_t *data; /* REPLICATION: fields length (4), fields, payload; COMPUTED: outcome_encode */
    struct support_message heartbeat;
    struct sim_request request;
    struct sim_answer answer;
    struct sim_snapshot *snapshot;
    struct sim_event *next_free;
};

/* ---- Disks ---- */

struct sim_segment {
    uint64_t generation;
    uint8_t *bytes;
    uint32_t capacity;
    bool
        is_closed; /* from before the last start: writing goes on in a new one, which proves this one's end */
    uint32_t written; /* the writer's end */
    uint32_t synced;  /* truly on disk; [synced, written) is one batch under way */
    uint32_t proven;  /* the last batch's beginning: below it damage can be told from a torn tail */
};

/* Who is told when a batch is on disk. */
struct sim_persist {
    uint32_t group;
    uint64_t replica_id;
    enum sim_persist_kind {
        PERSIST_GROUP,
        PERSIST_INSTALLING,
        PERSIST_INSTALLED,
        PERSIST_REMOVED,
        PERSIST_OTHER
    } kind;
    struct group_persist_token token;
};

enum { PERSISTS_MAX = 1024 };

struct sim_disk {
    struct sim_segment segments[SEGMENTS_MAX];
    uint32_t segment_count;
    uint64_t generation; /* the last one given out */
    struct buffer queue; /* laid out records, not sealed */
    struct sim_persist queued[PERSISTS_MAX];
    uint32_t queued_count;
    bool is_writing;
    struct sim_persist writing[PERSISTS_MAX];
    uint32_t writing_count;
    bool is_damaged;        /* bits were flipped, ever */
    bool is_damage_pending; /* ... and nobody has read them yet */
    uint64_t slow_until_us;
    uint64_t hang_us; /* of the next sync, on top of all */
    bool must_fail;   /* the next sync fails */
    bool must_crash;  /* in the middle of the next batch */
};

/* ---- The store ---- */

/* Of one table on one node, by key number, whichever group they belong to. */
struct sim_items {
    struct buffer rows[KEYS]; /* envelope; empty = absent */
};

/* What a group keeps beside its items. */
struct sim_meta {
    struct partition_size size;
    uint64_t applied_index;
    uint64_t applied_term;
    struct buffer checkpoint; /* of the partition, at checkpoint_index <= applied_index */
    uint64_t checkpoint_index;
    struct buffer ids; /* chunks of request ids: name u64, length u32, bytes; oldest first */
};

/* ---- Replicas and nodes ---- */

struct sim_entry {
    uint64_t term;
    uint8_t *body;
    size_t bytes;
};

enum { WAITERS_MAX = 256 };

struct sim_waiter {
    uint64_t index; /* answer when this is applied */
    bool is_proposed;
    bool is_repeat; /* evaluate again then */
    struct sim_answer answer;
};

struct sim_replica {
    uint64_t replica_id; /* 0 = none here */
    uint32_t group_no;
    uint32_t node_no;
    enum member_kind kind;
    bool is_quarantined;
    bool is_removing;   /* the tombstone of the last one is not on disk yet */
    bool is_unborn;     /* the parent was split and the store says so; the log does not yet */
    uint64_t tombstone; /* the highest id that was removed here, or of which damage may have taken all */
    uint32_t first_key, end_key;
    struct group *group;
    struct partition *partition;
    struct sim_items *items;       /* the node's: our range of them, until we are split */
    struct sim_meta meta;          /* what the running process sees */
    struct sim_meta durable;       /* what a crash leaves */
    struct partition_size counted; /* a split that was begun: below the key, in the snapshot */
    struct sim_entry *entries;     /* entries[i] is index entries_first + i */
    uint64_t entries_first;
    size_t entries_count;
    size_t entries_capacity;
    uint64_t led_term;       /* partition_lead was called for */
    uint64_t committed_term; /* in which it has committed something as leader */
    struct sim_waiter waiters[WAITERS_MAX];
    uint32_t waiter_count;
    uint64_t wake_us; /* true time of the timer that counts */
    struct sim_snapshot *installing;
    struct sim_snapshot found_installing; /* recovery: INSTALLING without INSTALLED; index 0 = none */
    uint64_t digest;                      /* of the rows */
    /* What was reported durable, and outlives a crash: check_durable. */
    uint64_t promised_replica, promised_term, promised_vote, promised_index;
    uint64_t lease_since_us; /* true time since when it has led with a lease; 0 = it does not */
};

struct sim_node {
    uint32_t id; /* 1.. */
    bool is_up;
    uint64_t life; /* grows with each crash and start */
    uint64_t incarnation;
    struct support *support;
    struct sim_disk disk;
    struct sim_replica replicas[GROUPS];
    struct sim_items items[TABLES];
    struct sim_items durable_items[TABLES];
    /* Clocks: boot = boot_base + (true - true_base) * rate. */
    uint64_t true_base_us, boot_base_us;
    int64_t rate_ppm;
    int64_t wall_offset_us;
    uint64_t stalled_until_us;
    uint64_t turn_us; /* boot clock when the loop's turn began: never to be used for leases */
};

/* ---- Clients ---- */

struct sim_route {
    uint32_t group;
    uint64_t epoch;
};

struct sim_client {
    struct sim_route routes[TABLES][KEYS];
    bool is_busy;
    struct sim_request request;
    uint64_t history; /* index in the history */
    uint64_t give_up_us;
    uint32_t node; /* whom to ask */
    uint64_t serial;
    uint32_t tries;
    uint32_t unanswered; /* attempts of which nothing was heard */
};

struct history_op {
    uint32_t table, key;
    enum client_op op;
    int64_t value, expected;
    uint64_t invoke, response; /* event numbers; response UINT64_MAX: outcome not known */
    bool is_condition_failed;
    bool is_void; /* certainly not applied */
    int64_t result;
};

/* ---- What is true of a group, seen from outside ---- */

struct sim_group_truth {
    uint64_t group_id; /* 0: this slot is not used */
    bool is_born;      /* it was there from the beginning, or the split that makes it is committed */
    uint32_t table;
    uint32_t first_key, end_key;
    uint64_t epoch;
    uint32_t parent;            /* slot + 1; 0: none */
    uint64_t split_index;       /* committed */
    uint64_t consumed_us;       /* split: when whoever reads its log is through with it */
    uint32_t children[2];       /* slots, once it is split */
    uint64_t birth;             /* digest of what it began with */
    bool is_finished;           /* nobody needs it any more */
    uint64_t term_leader[4096]; /* replica id that was elected in a term */
    uint64_t committed_hash[INDEX_MAX];
    uint64_t digest[INDEX_MAX];
    bool has_digest[INDEX_MAX];
    uint64_t committed_index;
    uint64_t next_replica_id;
    uint32_t bootstrap_count;
    struct member bootstrap[3];
};

struct sim_figures {
    uint64_t events, acknowledged, reads, unknown, leader_changes, dropping_crashes, crashes,
        membership_changes, transfers, damages, quarantines, snapshots, lost, duplicated, failovers,
        failover_us_sum, failover_us_max, splits, births, retired, put_off, held_back;
};

struct world {
    uint64_t seed;
    struct random random;
    uint64_t now_us;
    uint64_t sequence;
    struct sim_event **heap;
    size_t heap_count, heap_capacity;
    struct sim_event *free_events;
    struct sim_node nodes[NODES + 1]; /* by id */
    struct sim_client clients[CLIENTS];
    struct sim_group_truth groups[GROUPS];
    uint32_t group_count;    /* slots given out */
    uint32_t splits[TABLES]; /* committed */
    /* Where each request was applied, by serial. */
    struct {
        uint32_t group;
        uint64_t index;
    } * ids;
    /* Of a key's last committed write. */
    uint64_t commit_time_us[TABLES][KEYS], id_clock_us[TABLES][KEYS];
    struct history_op *history;
    uint64_t history_count;
    bool is_blocked[NODES + 1][NODES + 1]; /* [from][to]; 0 = the clients' side */
    bool is_mute[NODES + 1][NODES + 1];    /* as above, for the heartbeats' connection only */
    uint32_t loss_ppm, duplicate_ppm, slow_ppm;
    uint32_t cut_ppm; /* APPENDs of which the shell sends fewer entries than asked */
    bool is_stormy, is_damage_off;
    bool is_split;     /* leaders are cut off at once or soon, again and again */
    bool is_hasty;     /* membership changes come in pairs, early in a term, and under partitions */
    uint64_t lease_us; /* of all nodes in this seed; heartbeats come five times as often */
    uint64_t slow_us;
    bool is_healing; /* the run is over, everything must recover */
    bool wants_membership;
    bool wants_splits;
    struct arena arena;
    uint64_t trace_hash;
    struct sim_figures figures;
    bool has_failed;
    char violation[256];
    char checker[48];
    bool is_verbose;
};

/* ---- world.c ---- */
struct world *world_create(uint64_t seed, bool is_verbose);
void world_destroy(struct world *w);
void world_run(struct world *w);
struct sim_event *world_schedule(struct world *w, uint64_t at_us, enum sim_event_kind kind);
uint64_t world_uniform(struct world *w, uint64_t low, uint64_t high);
bool world_chance(struct world *w, uint32_t ppm);
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t hash_bytes(uint64_t seed, const void *data, size_t bytes);

/* The node's clocks, read now. */
uint64_t clock_boot(const struct world *w, const struct sim_node *n);
uint64_t clock_wall(const struct world *w, const struct sim_node *n);
/* True time at which the node's boot clock will show `boot_us`. */
uint64_t clock_true(const struct world *w, const struct sim_node *n, uint64_t boot_us);
void clock_set_rate(struct world *w, struct sim_node *n, int64_t rate_ppm);

/* ---- network.c ---- */
void network_send_replication(struct world *w, struct sim_replica *from, const struct group_message *m);
void network_send_heartbeat(struct world *w, const struct support_message *m);
void network_send_request(struct world *w, const struct sim_request *r, uint32_t node);
void network_send_answer(struct world *w, const struct sim_answer *a, uint32_t from_node);
void network_send_snapshot(struct world *w, uint32_t from, uint32_t to, uint32_t group,
                           struct sim_snapshot *s);

/* ---- disk.c ---- */
void disk_init(struct sim_disk *d);
void disk_deinit(struct sim_disk *d);
void disk_append(struct world *w, struct sim_node *n, uint64_t group_id, uint64_t replica_id,
                 enum segment_record_type type, uint64_t index, uint64_t term, struct slice body);
/* Report `persist` when everything appended so far is on disk. */
void disk_flush(struct world *w, struct sim_node *n, const struct sim_persist *persist);
void disk_on_synced(struct world *w, struct sim_node *n);
/* The power goes: any subset of the unsynced batch stays. Returns whether something was lost. */
bool disk_crash(struct world *w, struct sim_node *n);
/* Flip a bit where it can be told from a torn tail. */
bool disk_damage(struct world *w, struct sim_node *n);
/* Give every record to the node's replicas; quarantine whom damage may concern. */
void disk_recover(struct world *w, struct sim_node *n);

/* ---- replica.c ---- */
void replica_step(struct world *w, struct sim_replica *r, struct group_event event,
                  struct group_update *ret_update);
void replica_open(struct world *w, struct sim_node *n, uint32_t group, uint64_t replica_id,
                  enum member_kind kind);
void replica_close(struct sim_replica *r);
void replica_create(struct world *w, struct sim_node *n, uint32_t group, uint64_t replica_id,
                    enum member_kind kind, bool is_bootstrap);
void replica_start(struct world *w, struct sim_replica *r);
void replica_quarantine(struct world *w, struct sim_replica *r, const char *why);
void replica_remove(struct world *w, struct sim_replica *r);
void replica_on_record(struct world *w, struct sim_node *n, const struct segment_record *record);
void replica_on_message(struct world *w, struct sim_node *n, const struct sim_event *event);
void replica_on_persisted(struct world *w, struct sim_replica *r, const struct sim_persist *p);
void replica_on_snapshot(struct world *w, struct sim_node *n, const struct sim_event *event);
void replica_send_snapshot(struct world *w, struct sim_replica *r, const struct member *to);
void replica_tick(struct world *w, struct sim_replica *r);
void replica_flush(struct world *w, struct sim_replica *r);
const struct sim_entry *replica_entry(const struct sim_replica *r, uint64_t index);
static inline bool replica_is_live(const struct sim_replica *r)
{
    return r->replica_id != 0 && r->group != NULL && !r->is_quarantined;
}

/* A record of this replica's own, and `persist` when it is on disk. */
void replica_append(struct world *w, struct sim_replica *r, enum segment_record_type type, uint64_t index,
                    uint64_t term, struct slice body);

/* ---- store.c ---- */
void buffer_set(struct buffer *to, struct slice bytes);
void items_init(struct sim_items *items);
void items_deinit(struct sim_items *items);
void items_copy(struct sim_items *to, const struct sim_items *from, uint32_t first_key, uint32_t end_key);
void meta_init(struct sim_meta *meta);
void meta_deinit(struct sim_meta *meta);
void meta_copy(struct sim_meta *to, const struct sim_meta *from);
void snapshot_free(struct sim_snapshot *s);
/* Chunks of request ids: write what is in none while at least `least` are, and delete what is forgotten. */
void ids_save(struct sim_replica *r, size_t least);
enum err ids_load(struct sim_replica *r);
/* All batches of the table's groups on this node reach the disk together. */
void store_flush(struct world *w, struct sim_node *n, uint32_t table);
/* The group's range without the rows that are another replica's by now. */
void store_drop_range(struct world *w, struct sim_replica *r);
/* What a checkpoint now would say becomes durable with the next flush. */
void store_checkpoint(struct sim_replica *r);

/* ---- split.c ---- */
/* A group of the table that is not finished; a draw only if there is a choice. */
uint32_t split_pick(struct world *w, uint32_t table);
/* Count on one side; the proposal follows. */
bool split_begin(struct world *w, struct sim_replica *leader);
void split_propose(struct world *w, struct sim_node *n, uint32_t g);
/* The entry at `index` is committed: the children exist. */
void split_committed(struct world *w, uint32_t g, uint64_t index, const struct sim_entry *e);
/* It is applied here. */
void split_applied(struct world *w, struct sim_replica *r);
void split_birth(struct world *w, struct sim_node *n, uint32_t g);
void split_recover(struct world *w, struct sim_node *n);
/* The parent goes: what it has not borne yet never will be. */
void split_forget(struct world *w, const struct sim_replica *parent);
/* Whether a replica of g that is not there will come, as the parent here has not applied its split yet. */
bool split_is_waiting(const struct world *w, const struct sim_node *n, uint32_t g);
/* Whether a newcomer of g may be created: no other replica here may still write that range. */
bool split_is_range_free(const struct world *w, const struct sim_node *n, uint32_t g);
/* Parents that nobody needs any more. */
void split_retire(struct world *w);
uint32_t group_slot(const struct world *w, uint64_t group_id);

/* ---- serve.c ---- */
void serve_request(struct world *w, struct sim_node *n, const struct sim_request *q);
void serve_computed(struct world *w, struct sim_node *n, const struct sim_event *event);
void serve_applied(struct world *w, struct sim_replica *r);
void serve_term_lost(struct world *w, struct sim_replica *r);
uint32_t key_bytes(uint32_t table, uint32_t key, uint8_t to[16]);
int key_number(struct slice key);
int64_t row_value(struct slice envelope);
/* As DynamoDB counts it. */
uint64_t row_bytes(struct slice envelope);

/* ---- node.c ---- */
void node_init(struct world *w, struct sim_node *n, uint32_t id);
void node_start(struct world *w, struct sim_node *n);
void node_crash(struct world *w, struct sim_node *n, bool is_machine, uint64_t down_us);
void node_on_beat(struct world *w, struct sim_node *n);
void node_on_heartbeat(struct world *w, struct sim_node *n, const struct support_message *m);

/* ---- client.c ---- */
void client_on_timer(struct world *w, uint32_t client);
void client_on_answer(struct world *w, const struct sim_answer *a);

/* ---- faults.c, operator.c ---- */
void faults_plan(struct world *w);
void faults_next(struct world *w);
void faults_heal(struct world *w);
void faults_reconnect(struct world *w);
/* Cut the old leader off from what the others say, as it hands over. */
void faults_on_change(struct world *w, struct sim_replica *leader);
void faults_on_split(struct world *w, struct sim_replica *leader);
void faults_before_split(struct world *w, struct sim_replica *leader);
void faults_lone_split(struct world *w, struct sim_replica *leader);
void faults_on_commit(struct world *w, struct sim_replica *r);
void faults_on_transfer(struct world *w, struct sim_replica *r);
/* A crash in the middle of what comes next. */
void faults_on_install(struct world *w, struct sim_replica *r);
void faults_on_elected(struct world *w, struct sim_replica *r);
void faults_crash(struct world *w, struct sim_node *n, bool is_quick);
void faults_doom(struct world *w, struct sim_node *n);
void operator_next(struct world *w);
/* Two changes in a row, or one that a leader has no business to accept: it refuses. */
void operator_meddle(struct world *w, struct sim_replica *leader);
/* Right after an election, before the leader has any business to change the membership. */
void operator_hurry(struct world *w, uint32_t g);

/* ---- check.c ---- */
void check_fail(struct world *w, const char *checker, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_elected(struct world *w, struct sim_replica *r, uint64_t term);
void check_committed(struct world *w, struct sim_replica *r, uint64_t from, uint64_t to);
void check_applied(struct world *w, struct sim_replica *r, uint64_t index);
void check_acknowledged(struct world *w, struct sim_replica *r, const struct sim_request *q, uint64_t index);
void check_leases(struct world *w);
void check_campaign(struct world *w, struct sim_replica *r);
void check_birth(struct world *w, struct sim_replica *parent, uint32_t side);
void check_durable(struct world *w, struct sim_replica *r);
void check_settled(struct world *w);
void check_print_history(struct world *w, uint32_t table, uint32_t k);
uint64_t check_digest(const struct sim_replica *r);

/* ---- linear.c ---- */
/* false: no order of the operations explains what clients saw; `ret_key` says where. */
bool linear_check(const struct history_op *ops, uint64_t count, uint32_t table, uint32_t key,
                  bool *ret_is_undecided);
