/* The objects of a bundle in memory: by kind and id, and in the order of their versions.
 *
 *     by name:     hash table (kind, id) -> object
 *     by version:  list, oldest first; a changed object moves to the end
 *
 * so that "all that changed since version v" is the end of the list. Deleted objects stay as small
 * tombstones, as a follower that was away must hear of them. Used by control's receivers: MemDS and routers.
 * Holds what was verified before; pure, for one thread. */
#pragma once

#include "controlplane/bundle/object.h"

struct bundle_store;

/* NULL when there is no memory. */
struct bundle_store *bundle_store_create(void);
void bundle_store_destroy(struct bundle_store *store);
/* Forget everything, version included. */
void bundle_store_clear(struct bundle_store *store);

/* Everything up to this version is here; 0 when empty. */
uint64_t bundle_store_version(const struct bundle_store *store);
/* Raise it, when an update was taken as a whole; a lower one is ignored. */
void bundle_store_advance(struct bundle_store *store, uint64_t version);
/* Tombstones included. */
size_t bundle_store_count(const struct bundle_store *store);
/* Live objects of one kind. */
size_t bundle_store_count_of(const struct bundle_store *store, enum bundle_kind kind);

/* Take a copy of `object` unless a version as new is here already.
 * ERR_STALE      it is; nothing changed
 * ERR_NO_MEMORY  nothing changed */
enum err bundle_store_put(struct bundle_store *store, const struct bundle_object *object) MUST_CHECK;

/* The live object, or false. The views in *ret_object last until the next put or clear. */
bool bundle_store_get(const struct bundle_store *store, enum bundle_kind kind, struct slice id,
                      struct bundle_object *ret_object);

/* Walk the objects with a version above `since`, oldest first, tombstones included, until visit returns
 * false. Costs as many steps as there are such objects. */
typedef bool (*bundle_visit_cb)(const struct bundle_object *object, void *data);
void bundle_store_walk(const struct bundle_store *store, uint64_t since, bundle_visit_cb visit, void *data);
