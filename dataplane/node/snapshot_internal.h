/* What the files about snapshots share: snapshot_line.c (which are sent, and when), snapshot_send.c (one on its way),
 * snapshot_receive.c (until all is there), snapshot_install.c (until it has taken the place of store and log; restarts). */
#pragma once

#include "dataplane/node/node_internal.h"

enum sending_phase {
    SENDING_LINE,  /* waits for its turn, or for its receiver */
    SENDING_BEGIN, /* waits for the end of the turn, then for the answer */
    SENDING_ROWS,
    SENDING_END,     /* said, not answered */
    SENDING_INSTALL, /* the receiver has all */
    SENDING_OVER,    /* waits for what is under way */
};

struct snapshot_out {
    struct snapshot_out *next;
    struct background_job job; /* reads a chunk */
    struct loop_task begin;
    struct loop_timer timer;
    uint32_t tries;
    struct shard *shard;
    struct replica *replica; /* held: it does not go before us */
    struct member to;
    enum sending_phase phase;
    uint64_t id;
    uint64_t index;
    uint64_t term;
    uint64_t until_us; /* INSTALL */
    struct partition_size size;
    struct store_snapshot *store; /* NULL: no rows */
    struct buffer position;       /* the next item's key, or the name of the last row */
    struct buffer payload;        /* of the chunk that is read, or ready */
    struct snapshot_chunk chunk;
    bool is_chunk_meta;
    bool is_meta; /* all items are read */
    bool is_read; /* everything is */
    bool is_reading;
    bool is_ready; /* a chunk waits to be sent */
    enum err read_err;
    uint32_t calls; /* not answered */
    struct snapshot_totals totals;
};

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

/* ---- snapshot_line.c ---- */
/* It is over: what is under way comes home; `out` may be gone after this. */
void snapshot_out_end(struct snapshot_out *out, const char *how);
/* It is over, and something that was under way is back. */
void snapshot_out_settle(struct snapshot_out *out);
void snapshot_out_fail(struct snapshot_out *out, const char *why);
/* Its receiver cannot take it now: later, from the front. */
void snapshot_out_put_back(struct snapshot_out *out, const char *why);
/* One more may begin. */
void snapshot_out_next(struct shard *s);
/* We lead, and it is a member. */
bool snapshot_out_may_go_on(const struct snapshot_out *out);
/* What this replica sends: it acts no more. */
void snapshot_stop_sending(struct replica *r);

/* ---- snapshot_send.c ---- */
/* Its turn has come: the end of a turn of the loop. */
void snapshot_out_begin(struct loop_task *task);
/* What it says when the bulk thread has read, or its timer fires. */
void snapshot_out_on_read(struct background_job *job);
void snapshot_out_read(struct background_job *job);
void snapshot_out_on_timer(struct snapshot_out *out);

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
