/* A few servers of one kind (MemDS, control), of which any may answer a call.
 *
 *     call --> home ---------------------> answer
 *                \-- fails, or hedge_us --> the next one --> whoever answers first
 *
 * Calls begin at the set's home: one drawn at random, so that many routers spread themselves, or (is_sticky) whoever
 * answered last. A server that failed or was slow is passed over for a few seconds, if there is another; one that fails
 * fifty times in a row is not asked at all for a while (base/breaker.h). Further tries come out of one budget for the set
 * (base/retry_budget.h). A server that is not connected costs neither time nor budget.
 *
 * A call that certainly was not done (ERR_UNAVAILABLE, ERR_NOT_LEADER, ERR_BUSY) is tried once at each server in turn, within its
 * deadline; one that is_repeatable after a time-out or a broken connection too. Any other end is the caller's to judge.
 * Belongs to one loop. */
#pragma once

#include "base/breaker.h"
#include "base/dependency.h"
#include "base/wire_client.h"

enum { PEER_SET_MAX = 8 };

struct peer_set;

/* addresses: a list as base/address.h reads it, hosts numeric.
 * on_state (may be NULL) tells each time that a connection comes or breaks.
 * ERR_CONFIG     no address, too many, or not understood
 * ERR_NO_MEMORY  */
struct peer_set_options {
    const char *name; /* for logs: "memds" */
    const char *addresses;
    struct wire_identity identity;         /* ours */
    struct wire_metrics *metrics;          /* may be NULL */
    struct dependency_metrics *dependency; /* of this set alone; not NULL */
    const struct breaker_options *breaker; /* not NULL */
    bool is_sticky; /* one of them is the one to ask (control): stay with whoever answered */
    void (*on_state)(struct peer_set *set, void *data);
    void *data;
};
enum err peer_set_open(struct loop *loop, const struct peer_set_options *options, struct peer_set **ret_set,
                       struct error *error) MUST_CHECK;
/* Ends every call with ERR_CLOSED; frees later, then calls on_close (may be NULL). */
void peer_set_close(struct peer_set *set, void (*on_close)(void *data), void *data);

bool peer_set_is_ready(const struct peer_set *set);

/* How to ask. */
struct peer_call_options {
    uint64_t deadline_us; /* boot clock */
    uint64_t attempt_us;  /* longest wait for one server; 0: until the deadline */
    uint64_t
        hedge_us; /* ask a second one too when the first has not answered by then; 0: never. is_repeatable then */
    bool is_repeatable; /* it only reads, or does no harm when it is done twice */
    unsigned turn;      /* begin at the turn-th server after the home */
};

/* As wire_client_call, over the set. The callback runs exactly once, and never inside this call, also when
 * there is nobody to ask (ERR_UNAVAILABLE) or no memory (ERR_NO_MEMORY, the only error returned, without a
 * callback). */
enum err peer_set_call(struct peer_set *set, const struct wire_message *message,
                       const struct peer_call_options *options, wire_response_cb on_response,
                       void *data) MUST_CHECK;
