/* Routes by key range, in memory: the ranges that this router has needed so far.
 *
 * What is in it does not overlap: where a newer route overlaps older ones, it has those keys, and the older ones keep the rest.
 * So after a split a child that is known does not take the other one's keys along. */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "dataplane/proto/dataplane.pb-c.h"

struct route_cache;

enum { ROUTE_REPLICAS_MAX = 8, ROUTE_HOST_BYTES = 64, ROUTE_ZONE_BYTES = 64 };

struct route_replica {
    uint64_t replica_id;
    uint32_t node_id;
    uint16_t port;
    uint8_t kind; /* 0 storage, 1 log, 2 learner */
    char host[ROUTE_HOST_BYTES];
    char zone[ROUTE_ZONE_BYTES];
};

struct route {
    uint64_t group_id;
    uint64_t range_epoch;
    uint64_t membership_version;
    uint64_t term;
    uint64_t leader_replica_id; /* 0: not known */
    struct slice start;         /* of the part that is this group's, as far as is known */
    struct slice end;           /* empty: no end */
    bool is_used;               /* since the last refresh; for the owner of the cache, as are the next two */
    bool is_fresh;              /* was looked up since then: the next refresh may leave it out */
    uint32_t unused_rounds;
    uint32_t replica_count;
    struct route_replica replicas[ROUTE_REPLICAS_MAX];
};

/* NULL without memory. */
struct route_cache *route_cache_create(void);
void route_cache_destroy(struct route_cache *cache);

/* The route of the range that holds the key, or NULL; valid until the next change of the cache. */
struct route *route_cache_find(struct route_cache *cache, struct slice key);

/* Take a route up (copied) unless it is older than what is known. Routes that do not make sense are ignored.
 * ERR_NO_MEMORY  nothing has changed. */
enum err route_cache_put(struct route_cache *cache, const Sluice__Dataplane__Route *route) MUST_CHECK;
/* Forget the range that holds the key, if it is this group's. */
void route_cache_forget(struct route_cache *cache, struct slice key, uint64_t group_id);

/* Forget routes that were not used in `rounds_max` calls of this in a row: tables come and go. */
void route_cache_age(struct route_cache *cache, uint32_t rounds_max);

size_t route_cache_count(const struct route_cache *cache);
/* In order of range, for refreshing. */
struct route *route_cache_at(struct route_cache *cache, size_t index);
