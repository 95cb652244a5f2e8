/* Bundle updates: what control pushes to MemDS and MemDS gives to routers (BundleUpdate of
 * controlplane.proto).
 *
 * An update carries all objects with a version in (base_version, version], oldest first; a long history
 * travels in several. The receiver takes it when it has everything up to base_version, and may see objects
 * again. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "controlplane/bundle/store.h"

enum { BUNDLE_UPDATE_BYTES_MAX = 4 * 1024 * 1024 };

/* Append a packed BundleUpdate of what `store` has above `since`: at most about bytes_max of it, but at least
 * one object. With nothing newer the update is empty (version == base_version == since). Sticky failure is in
 * the buffer. */
void bundle_update_append(struct buffer *to, const struct bundle_store *store, uint64_t since,
                          size_t bytes_max);

/* Called for each object that was new to the store. Its views last for the call. */
typedef void (*bundle_change_cb)(const struct bundle_object *object, void *data);

/* Verify and take a packed BundleUpdate. An object that does not verify ends it: what came before stays, the
 * store's version does not move, so that the same objects are asked for again. scratch         for unpacking;
 * not reset on_change       may be NULL ret_has_more    the sender has newer ones: ask again at once
 * ERR_INVALID    not a BundleUpdate
 * ERR_STALE      the store lacks something before base_version; nothing was taken
 * ERR_CORRUPT    an object does not verify
 * ERR_NO_MEMORY  */
enum err bundle_update_apply(struct bundle_store *store, const struct cluster_key *key, struct slice packed,
                             struct arena *scratch, bundle_change_cb on_change, void *data,
                             bool *ret_has_more) MUST_CHECK;
