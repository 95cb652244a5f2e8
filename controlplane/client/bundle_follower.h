/* The router's copy of the bundle: fetched from MemDS with long polls, verified, kept in memory.
 *
 * Starts cold from any MemDS that is ready, with control and PostgreSQL down. Polls go to each MemDS in turn, so that one
 * that hears of nothing does not keep news away; the version never goes back, whoever is asked. While no MemDS
 * can be reached the last copy stays. Objects are handed out one by one as they change (on_change); bodies are protobuf messages of
 * controlplane.proto, secrets are opened with controlplane/bundle/seal.h. Belongs to one loop. */
#pragma once

#include "base/loop.h"
#include "controlplane/bundle/update.h"
#include "controlplane/client/peer_set.h"

struct bundle_follower;

struct bundle_follower_options {
    struct peer_set *memds;        /* outlives the follower */
    const struct cluster_key *key; /* outlives the follower */
    bundle_change_cb on_change;    /* a new, changed or deleted object; may be NULL */
    /* The copy is whole up to this version; called after the on_change calls of an update. The first call
     * means: ready to serve. May be NULL. */
    void (*on_version)(uint64_t version, void *data);
    void *data;
};

/* ERR_NO_MEMORY */
enum err bundle_follower_start(struct loop *loop, const struct bundle_follower_options *options,
                               struct bundle_follower **ret_follower) MUST_CHECK;
/* Ends waits with ERR_CLOSED. Memory is freed when the call under way has ended, with the peer set's close at
 * the latest. */
void bundle_follower_stop(struct bundle_follower *f);

/* It has been whole once. */
bool bundle_follower_is_ready(const struct bundle_follower *f);
/* 0 before that. */
uint64_t bundle_follower_version(const struct bundle_follower *f);
/* For look-ups: bundle_store_get. */
const struct bundle_store *bundle_follower_store(const struct bundle_follower *f);

/* Call back when `version` is here: at once (but never inside this call) when it is already. For answers of
 * control, which name the version that makes them visible. the callback's err: ERR_OK, ERR_TIMEOUT at
 * deadline_us (boot clock), ERR_CLOSED ERR_NO_MEMORY  no callback then */
typedef void (*bundle_wait_cb)(enum err err, void *data);
enum err bundle_follower_wait(struct bundle_follower *f, uint64_t version, uint64_t deadline_us,
                              bundle_wait_cb on_version, void *data) MUST_CHECK;
