/* Support between a pair of nodes: the promise on which every lease rests.
 *
 * Nodes, not groups, exchange heartbeats. A asks B for support; B promises, at an epoch, that for `lease_us`
 * on B's clock no replica on B will vote against a leader on A. A counts on it for a little less on its own
 * clock, from before it asked:
 *
 *     A   ask(sent_us) ------------------------------------ held until sent_us + lease_us * (1-r)/(1+r)
 *                 \            / granted(epoch, sent_us)
 *     B            promise ------------------------------------------- until received_us + lease_us
 *
 * A leader on A has its group's lease while a quorum of the group's voters' nodes support A in the epoch
 * which they confirmed in this term (group.h). Before a replica on B votes against A, its promise has run
 * out and is withdrawn: B's epoch for A changes, and no later heartbeat can revive an old term's lease.
 * dataplane/replication/README.md has the argument why two leases never overlap.
 *
 * Rules
 * - now_us is CLOCK_BOOTTIME, read for this call: for `support_receive` after the heartbeat was received, for
 *   `support_ask` before it is sent, for `support_is_held` after the request it guards arrived. Never a time
 *   cached by the loop.
 * - A node that starts acts as if it had just promised to everyone: `support_can_vote` is false for
 *   lease_us + margin_us. Its epochs are new, because `incarnation` is.
 * - A heartbeat from a later incarnation ends the promise to the earlier one: that process is dead. Heartbeats
 *   of earlier ones that are still under way are refused.
 * - Clock rates differ by at most clock_rate_ppm from true time (declared; machines beyond it break leases).
 * - A heartbeat proves progress: the shell asks only if every loop and the log made some since the last one.
 *
 * One `struct support` per node. Groups on several loops share it: the shell serialises calls (a mutex held
 * around group_step, support_* and gates; they take a microsecond). Pure, no allocation after create.
 * Linked by the node and by the simulator. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

struct support;

enum { SUPPORT_MESSAGE_BYTES = 43 };

struct support_options {
    uint32_t node_id;
    /* Greater than at any earlier start of this node, below 2^32, not 0: a counter on its disk, made durable before
     * the first heartbeat. */
    uint64_t incarnation;
    uint64_t lease_us;       /* 0: 1,000,000 */
    uint64_t margin_us;      /* after a restart, on top of the lease; 0: 100,000 */
    uint32_t clock_rate_ppm; /* declared bound on drift; 0: 1,000 */
    uint32_t peers_max;      /* nodes that may ever be heard of; 0: 64 */
};

/* How often to ask each peer, at the default lease. */
enum { SUPPORT_HEARTBEAT_US = 200 * 1000 };

struct support_message {
    bool is_grant; /* else: asking */
    uint32_t from_node;
    uint32_t to_node;
    uint64_t asker_incarnation;
    uint64_t sent_us;  /* the asker's clock, comes back in the grant */
    uint64_t epoch;    /* grant: B's for A */
    uint64_t lease_us; /* grant: how long B promises; the asker counts on the smaller of its own and this */
};

/* NULL without memory. */
struct support *support_create(const struct support_options *options, uint64_t now_us);
void support_destroy(struct support *s);

/* ---- Heartbeats ---- */

/* The heartbeat to send to `peer` now. */
struct support_message support_ask(struct support *s, uint32_t peer, uint64_t now_us);

struct support_result {
    bool has_reply;
    struct support_message reply; /* send it back at once */
    /* The peer's support for us changed its epoch or came back: step the groups that are led here and have
     * a voter there (TICK), so that they confirm it. */
    bool is_held_changed;
    /* The peer has restarted: step the groups that follow a leader there (TICK). */
    bool is_restarted;
};

/* Take in a heartbeat or a grant.
 * ERR_INVALID  not for this node, or from itself
 * ERR_STALE    from or for an earlier incarnation, or a grant older than one we had
 * ERR_LIMIT    peers_max */
enum err support_receive(struct support *s, const struct support_message *message, uint64_t now_us,
                         struct support_result *ret_result) MUST_CHECK;

/* The Heartbeat frame's `message`. */
void support_message_encode(const struct support_message *message, uint8_t to[SUPPORT_MESSAGE_BYTES]);
/* ERR_CORRUPT */
enum err support_message_decode(struct slice bytes, struct support_message *ret_message) MUST_CHECK;

/* ---- Given: what we promised ---- */

/* After a start: false until every promise of our former life has run out. */
bool support_can_vote(const struct support *s, uint64_t now_us);
/* From when on it is true. */
uint64_t support_vote_from(const struct support *s);
/* Until when we are bound to `node`, on our clock; 0 = not bound. */
uint64_t support_promised_until(const struct support *s, uint32_t node);
/* Our epoch for `node`; 0 = never heard of it. */
uint64_t support_given_epoch(const struct support *s, uint32_t node);
/* End our support for `node` in the current epoch. Our promise must have run out at now_us (asserted). */
void support_withdraw(struct support *s, uint32_t node, uint64_t now_us);

/* ---- Held: what we may count on ---- */

/* `node` supports us at now_us in this epoch. Ourselves: always. */
bool support_is_held(const struct support *s, uint32_t node, uint64_t epoch, uint64_t now_us);
/* The epoch of the support that we hold at now_us; 0 = none. */
uint64_t support_held_epoch(const struct support *s, uint32_t node, uint64_t now_us);

/* Our own incarnation, and the latest that was heard of another node; 0 = none. */
uint64_t support_incarnation(const struct support *s);
uint64_t support_peer_incarnation(const struct support *s, uint32_t node);

/* For status pages. */
uint64_t support_held_until(const struct support *s, uint32_t node);
uint64_t support_lease_us(const struct support *s);
