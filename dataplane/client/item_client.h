/* Reads and writes of single items, and reads of ranges, at whoever serves them, with the retries that make failovers invisible.
 *
 *   call -> route (cache, else look-up) -> node -> answer
 *             ^                              |
 *             +-- not leader, wrong range, not applied, unknown, broken connection: learn, wait, again
 *
 * A write keeps its request id through all attempts, so that an attempt whose outcome is unknown may be
 * repeated (dataplane/partition/request_ids.h); the deadline of a call is below the time for which nodes
 * remember ids. Nodes that only fail are passed over, and further tries are bounded together (node_guard.h). One loop owns it. */
#pragma once

#include "base/arena.h"
#include "base/dependency.h"
#include "base/wire_client.h"
#include "dataplane/client/route_cache.h"

struct item_client;

enum {
    ITEM_CALL_US_MAX = 20 * 1000 * 1000, /* below REQUEST_ID_LIFE_US, with room for clocks */
    ITEM_PAYLOAD_PARTS_MAX = 3,
};

struct item_client_metrics {
#define METRIC(name, kind, unit, sentence) struct metric_##kind name;
#include "dataplane/client/client_metrics.def"
#undef METRIC
};
extern const struct metric_table item_client_metric_table;

/* Look up the routes of keys (borrowed for the call): item_client_learn for each that is known, and then, unless it is a
 * refresh, item_client_looked_up. Of those that are no refresh one is under way at a time. */
typedef void (*item_lookup)(struct item_client *client, const struct slice *keys, size_t count,
                            bool is_refresh, void *data);

struct item_client_options {
    struct wire_identity identity;
    struct wire_metrics *wire_metrics;
    struct item_client_metrics *metrics;   /* not NULL */
    struct dependency_metrics *dependency; /* of the nodes, as one; not NULL */
    const char *zone;                      /* ours: eventual reads stay in it where they can */
    uint64_t attempt_us;                   /* longest wait for one node's answer; 0: 1 s */
    uint64_t refresh_us;                   /* between background refreshes of used routes; 0: 1 s */
    item_lookup lookup;
    void *data;
};

/* ERR_NO_MEMORY */
enum err item_client_create(struct loop *loop, const struct item_client_options *options,
                            struct item_client **ret_client) MUST_CHECK;
/* Ends every call with ERR_CLOSED. */
void item_client_destroy(struct item_client *client);

/* What look-ups found, and what else is heard of routes. */
void item_client_learn(struct item_client *client, const Sluice__Dataplane__Route *route);
/* A look-up has ended, well or not: whoever waits for a route tries again. */
void item_client_looked_up(struct item_client *client);

/* The end of a call, exactly once, never inside the call that began it.
 *
 * ERR_OK           `header` is the node's last word (status OK, NOT_FOUND, CONDITION_FAILED or INVALID) and
 *                  `payload` its bytes; valid during this call only. Of a range it is what one group has, or a part of
 *                  that: the caller goes on at `rest`
 * ERR_UNKNOWN_OUTCOME  a repeated write was refused, and an unanswered attempt of it may still be applied
 * ERR_THROTTLED    the partition's cap is reached, of eventual reads on all of its replicas; nothing was read or applied
 * ERR_TIMEOUT      the deadline passed: a read was not answered, a write may or may not be applied
 * ERR_UNAVAILABLE  the deadline passed and a write was certainly not applied
 * ERR_INTERNAL     the node cannot do it, and would not next time; a write may be applied by an earlier attempt
 * ERR_CLOSED       the client was destroyed */
struct item_call;
typedef void (*item_call_cb)(struct item_call *call, enum err err, const ProtobufCMessage *header,
                             struct slice payload);

/* Embedded in the caller's request; zero it first. All that is borrowed lives until the callback. */
struct item_call {
    struct slice key;     /* of a range: any key in its first part; the range says begin and end */
    uint64_t deadline_us; /* boot clock; at most ITEM_CALL_US_MAX from now */
    item_call_cb done;
    void *data;
    /* The header of a read, a write or a range; group, epoch, key and deadline are filled in for each attempt. */
    bool is_write;
    bool is_range;
    Sluice__Dataplane__ReadRequest read;
    Sluice__Dataplane__WriteRequest write;
    Sluice__Dataplane__RangeRequest range;
    struct slice payload[ITEM_PAYLOAD_PARTS_MAX];
    size_t payload_count;
    /* Leave alone. */
    struct item_client *client;
    struct item_call *next;
    struct item_call **previous;
    struct loop_timer timer;
    uint64_t began_us;
    uint32_t attempts;
    uint32_t lookups;
    uint32_t replica_next; /* whom to ask when no leader is known */
    uint32_t throttles;    /* replicas that had nothing left for this read */
    uint64_t group_id;
    uint64_t asked_replica_id; /* whom it asked last, and by which route */
    uint32_t asked_node_id;
    uint64_t asked_epoch;
    uint64_t asked_term;
    uint64_t asked_leader_id;
    bool may_be_applied;
    bool is_attempt_unanswered; /* an attempt went out and nobody said what became of it */
    bool takes_long;            /* a node has said so: its attempts get more time */
    bool has_gone_out;          /* at least once */
    bool is_put_off;            /* no budget for its next try so far */
    bool waits_for_route;
    bool is_looked_up; /* its key is in the look-up under way */
};

/* Initialise call->read, call->write or call->range with protobuf-c's INIT, fill in the call, then begin. */
void item_client_begin(struct item_client *client, struct item_call *call);

/* For watching: routes known. */
size_t item_client_route_count(const struct item_client *client);
