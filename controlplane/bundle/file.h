/* The bundle on disk, so that a MemDS that starts alone serves at once (docs/formats/bundle.md).
 *
 * One file holds all objects and is replaced as a whole: written beside, synced, renamed, directory synced.
 * Encode and decode are pure; write and read block and belong on a thread of the pool or into start-up. */
#pragma once

#include "base/buffer.h"
#include "controlplane/bundle/store.h"

enum { BUNDLE_FILE_BYTES_MAX = 1024 * 1024 * 1024 };

/* Append the file's bytes; sticky failure is in the buffer. */
void bundle_file_encode(struct buffer *to, const struct bundle_store *store);

/* Fill an empty store.
 * ERR_CORRUPT    damaged, or an object that is not signed by this key; the store is empty again
 * ERR_NO_MEMORY  likewise */
enum err bundle_file_decode(struct slice bytes, const struct cluster_key *key, struct bundle_store *store,
                            struct error *error) MUST_CHECK;

/* Replace the file at `path`.
 * ERR_IO, ERR_NO_SPACE  the old file is as it was */
enum err bundle_file_write(const char *path, struct slice bytes, struct error *error) MUST_CHECK;

/* Append its bytes to `to`.
 * ERR_NOT_FOUND  there is none
 * ERR_IO, ERR_NO_MEMORY  */
enum err bundle_file_read(const char *path, struct buffer *to, struct error *error) MUST_CHECK;
