/* The program whose power is cut: several groups in one log and one store, each promise noted in the trace.
 *
 * Groups 1 to 3 append, and apply what is acknowledged to the store; group 4 also replaces suffixes; group 5 is
 * idle but for hard states; group 6 is removed and created again under new replica ids. The store is flushed
 * now and then and the log truncated behind it, so that segments are recycled. From time to time a sync of the
 * log fails: it is closed and opened again, and what that recovers counts as promised, although the kernel
 * never wrote it where it first stood. */
#pragma once

#include <stdint.h>

#include "base/slice.h"
#include "dataplane/log/wal.h"
#include "dataplane/store/store.h"

enum {
    WORKLOAD_GROUPS = 6,
    WORKLOAD_REPLACING = 4,
    WORKLOAD_IDLE = 5,
    WORKLOAD_MORTAL = 6,
    WORKLOAD_BODY_BYTES_MAX = 600,
    WORKLOAD_INDEX_MAX = 1 << 16,
    WORKLOAD_KEY_BYTES = 17,
};

enum workload_note {
    NOTE_ISSUE_ENTRY = 1, /* from now on entries >= index may be replaced by this one */
    NOTE_ACK_ENTRY,
    NOTE_ISSUE_CREATE,
    NOTE_ISSUE_REMOVE,
    NOTE_ACK_REMOVE,
    NOTE_ACK_HARD_STATE,
};

struct workload_record {
    uint64_t note, group_id, replica_id, index, term;
};

/* Deterministic contents. */
size_t workload_body(uint64_t group_id, uint64_t index, uint64_t term, uint8_t *to);
/* Each applied entry puts two rows, of side 'a' and 'b', with the entry's body as value, and counts them in `applied`. */
struct slice workload_key(uint64_t group_id, uint64_t index, char side, uint8_t *to);
void workload_apply(struct store_batch *batch, const struct segment_record *entry,
                    struct store_applied *applied);
struct wal_options workload_wal_options(const char *directory);
struct store_options workload_store_options(const char *directory);

/* Run it in `directory` (wal/ and store/ below it). 0, or 1 if something failed that should not. */
int workload_run(const char *directory, unsigned steps);
