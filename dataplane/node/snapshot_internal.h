/* What the files about snapshots share: snapshot_send.c (a leader's side), snapshot_receive.c (until all is there),
 * snapshot_install.c (until it has taken the place of store and log; restarts). */
#pragma once

#include "dataplane/node/node_internal.h"

enum receiving_phase {
    RECEIVING_ROWS,
    RECEIVING_INSTALL, /* the core has agreed: only forward from here */
    RECEIVING_OVER,    /* waits for what is under way */
};

/* A frame of a snapshot, in line for the bulk thread. */
struct snapshot_piece {
    struct snapshot_piece *next;
    struct wire_call call;
    bool is_end;
    bool is_meta;
    struct snapshot_chunk chunk;
    struct snapshot_totals totals; /* END: the sender's */
    uint8_t payload[];
};

struct snapshot_in {
    struct snapshot_in *next;
    struct background_job job; /* takes a piece; then installs */
    struct loop_timer patience;
    struct shard *shard;
    struct replica *replica; /* held: it does not go before us */
    enum receiving_phase phase;
    uint32_t from_node;
    uint64_t id;
    uint64_t index;
    uint64_t term;
    uint64_t membership_index;
    uint8_t membership[MEMBERSHIP_BYTES_MAX];
    size_t membership_bytes;
    bool has_rows;
    struct partition_size size;
    struct snapshot_totals totals;
    struct store_import *import; /* made by the first job; NULL without rows */
    bool has_meta;               /* the items are complete */
    struct snapshot_piece *pieces, **pieces_end;
    uint32_t piece_count;
    size_t piece_bytes;
    bool is_working; /* the job is out */
    enum err job_err;
    struct partition *partition; /* as loaded from what was installed */
    uint64_t checkpoint_index;
};

/* ---- snapshot_send.c ---- */
/* What this replica sends: it acts no more. */
void snapshot_stop_sending(struct replica *r);

/* ---- snapshot_receive.c ---- */
/* Give it up, or it is done: what is under way comes home. `in` may be gone after this. */
void snapshot_in_end(struct snapshot_in *in);
/* It has ended, and something that was under way is back. */
void snapshot_in_settle(struct snapshot_in *in);
void snapshot_reply(struct wire_call call, Sluice__Dataplane__SnapshotStatus status);

/* ---- snapshot_install.c ---- */
/* The bulk thread: the last rows, ours. */
enum err snapshot_complete_import(struct snapshot_in *in) MUST_CHECK;
/* All is there and durable beside the store: ask the core, and if it agrees, put it in the place of what was. False: it is not
 * wanted any more. */
bool snapshot_install(struct snapshot_in *in);
