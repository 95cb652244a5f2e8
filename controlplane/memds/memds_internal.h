/* What the files of sluice-memds share. One loop owns everything. */
#pragma once

#include "base/random.h"
#include "base/wire_client.h"
#include "controlplane/bundle/store.h"
#include "controlplane/memds/exchange.h"
#include "controlplane/memds/memds.h"

enum { MEMDS_PATH_BYTES = 4096 };

struct fetch;

/* Another instance, as we ask it. */
struct memds_peer {
    struct memds *memds;
    struct wire_client *client;
    struct exchange *exchange;
    struct loop_timer timer; /* to the next comparison */
    struct arena arena;      /* of one question, or of one answer */
    uint64_t bundle_version; /* of the peer, as it last said */
    bool is_ready;
    bool is_calling;
    bool is_different; /* in this comparison */
};

struct memds {
    struct loop *loop;
    struct memds_options options;
    uint64_t boot_epoch; /* of this life */
    struct memds_metrics *metrics;
    struct wire_server *server;
    struct route_map *routes;
    struct arena scratch; /* for one request at a time */
    struct memds_peer peers[MEMDS_PEERS_MAX];
    size_t peer_count;
    struct random random;
    struct loop_timer patience;
    bool is_patience_over;
    bool is_bundle_known; /* from the disk, or control says that it is all */
    bool has_caught_up;   /* with another instance that was ready */
    bool is_ready;
    bool is_closing;
    /* ---- memds_bundle.c ---- */
    char path[MEMDS_PATH_BYTES];
    struct bundle_store *bundle;
    struct fetch *fetches;
    struct loop_timer save_timer;
    uv_work_t save_work;
    struct buffer save_bytes; /* the pool's while is_saving */
    uint64_t save_version;
    enum err save_err;
    struct error save_error;
    bool is_saving;
    uint64_t saved_version;
};

/* ---- memds.c ---- */
/* Something has changed that readiness follows from. */
void memds_look_ready(struct memds *memds);

/* ---- memds_bundle.c ---- */
/* Reads the file (blocks). memds->bundle is there. */
void memds_bundle_load(struct memds *memds);
/* Verify an update, take it, tell whoever waits, save. ERR_STALE: it begins after what is here. */
enum err memds_bundle_take(struct memds *memds, struct slice packed, struct arena *scratch,
                           bool *ret_has_more) MUST_CHECK;
void memds_bundle_on_push(struct memds *memds, struct wire_call call, const struct frame *frame);
void memds_bundle_on_fetch(struct memds *memds, struct wire_call call, const struct frame *frame);
/* Answers all held fetches. */
void memds_bundle_end_fetches(struct memds *memds);

/* ---- memds_peers.c ---- */
/* ERR_CONFIG, ERR_NO_MEMORY; memds_peers_close is due also then. */
enum err memds_peers_open(struct memds *memds, struct error *error) MUST_CHECK;
void memds_peers_close(struct memds *memds);
void memds_peers_free(struct memds *memds);
