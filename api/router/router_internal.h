/* What the files of the router share. One loop owns everything. */
#pragma once

#include "api/http/http_server.h"
#include "api/json/json_writer.h"
#include "api/model/request.h"
#include "api/router/catalog.h"
#include "api/router/page_line.h"
#include "api/router/router.h"
#include "api/sigv4/verify.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/workers.h"
#include "controlplane/bundle/seal.h"
#include "controlplane/client/bundle_follower.h"
#include "controlplane/client/control_client.h"
#include "controlplane/client/route_client.h"
#include "dataplane/client/item_client.h"
#include "dataplane/item/item_builder.h"

enum {
    REQUEST_ARENA_BLOCK = 16 * 1024,
    REQUEST_ARENA_MAX = 64 * 1024 * 1024, /* a 16 MiB body, unescaped and encoded, with room */
    REQUEST_POOL_MAX = 512,
    REPLY_BYTES_MAX = ITEM_JSON_BYTES_MAX + 1024 * 1024, /* any one item, and what is said around it */
    VALUES_BYTES_MAX =
        17 * 1024 * 1024, /* all that a body can hold: expressions say what is too much for them */
    REQUEST_ID_BYTES = 16,
};

/* For parsing; results are copied to the request's arena. */
struct reading_scratch {
    struct item_builder builder;
    struct item_builder values_builder; /* ExpressionAttributeValues: more bytes than an item has */
};

struct router {
    struct router_options options;
    struct loop *loop;
    struct router_metrics metrics;
    struct wire_metrics wire_metrics;
    struct item_client_metrics item_metrics;
    struct dependency_metrics memds_metrics;
    struct dependency_metrics control_metrics;
    struct dependency_metrics node_metrics;
    struct cluster_key key;
    struct catalog *catalog;
    struct metrics *registry;
    struct http_server *http; /* NULL until the bundle is here */
    struct sigv4_verifier *verifier;
    struct sigv4_policy policy;
    struct sigv4_policy identity_policy; /* of api/router/identity.h */
    struct peer_set *memds;
    struct peer_set *control;
    struct bundle_follower *follower;
    struct item_client *items;
    unsigned lookup_turn; /* which MemDS is asked first */
    struct random random;
    struct workers workers;
    struct page_line page_line;
    struct presence *presence;
    struct reading_scratch scratch; /* the loop's: of bodies that are read on it, so it stays small */
    struct request *pool;
    unsigned pool_count;
    bool is_closing;
};

struct operation;

enum capacity_detail { CAPACITY_NONE, CAPACITY_TOTAL, CAPACITY_INDEXES };

/* One HTTP request from its head to its answer. */
struct request {
    struct request *next; /* in the pool */
    struct router *router;
    struct http_request *http;
    struct arena arena;
    struct reading_scratch *scratch; /* of whoever reads or writes for it now: the loop's, or a worker's */
    struct slice body;               /* as the client meant it */
    struct buffer unpacked;          /* where that is, when it came compressed */
    uint64_t deadline_us;            /* for all that is done for it, but for writing the answer */
    struct sha256 hash;
    struct sigv4_claim claim;
    struct sigv4_refusal refusal; /* code ERR_OK: none yet */
    char tenant_id[TENANT_ID_BYTES];
    struct slice user_name;
    bool asks_identity; /* api/router/identity.h: no operation of ours */
    const struct operation *operation;
    const struct model_operation *model; /* what the operation's requests look like */
    const char *model_words;             /* of a refusal by the model; NULL: none */
    struct item_call call;
    void *state; /* the operation's own, in the arena */
    /* Of the reading. */
    enum err read;
    struct error read_error;
    /* offload.h */
    size_t charged_bytes;
    struct {
        struct worker_job job;
        void (*work)(struct request *r);
        void (*done)(struct request *r, enum err err);
        enum err (*write)(struct request *r);
        void (*answered)(struct request *r, enum err err);
        enum err err;
    } offload;
};

/* ---- request.c: life and authentication ---- */
void request_on_headers(struct http_request *http, void *data);
void request_on_chunk(struct http_request *http, struct slice bytes, void *data);
void request_on_complete(struct http_request *http, void *data);
void request_on_abort(struct http_request *http, void *data);
/* Refuse somebody whose claim does not hold. */
void request_refuse(struct request *r);

/* ---- request_read.c ---- */
/* Read the body; ends in the operation's run, or in a refusal. */
void request_read(struct request *r);

/* ---- answer.c: every way to end a request; it is gone afterwards ---- */
/* 200 with these bytes (taken). */
void answer_json(struct request *r, struct buffer *body);
/* These bytes (taken), which are XML. */
void answer_xml(struct request *r, int status, struct buffer *body);
/* text NULL: the default sentence. */
void answer_error(struct request *r, enum err code, const char *text);
/* The same, with more members between the two: begin writes into a fresh buffer, end answers with it (taken). */
void answer_error_begin(struct json_writer *w, struct buffer *body, enum err code, const char *text);
void answer_error_end(struct request *r, struct json_writer *w, struct buffer *body, enum err code);
/* An exception by its full __type, as control words it. */
void answer_exception(struct request *r, int status, const char *type, const char *text);
/* ConditionalCheckFailedException, with the item when it was asked for (empty: without): any thread may write it into a
 * fresh buffer, which is then answered (taken). */
void answer_condition_failed_write(struct buffer *body, struct slice item);
void answer_condition_failed(struct request *r, struct buffer *body);
void request_release(struct request *r);

/* ---- operations.c ---- */
struct operation {
    const char *name;
    /* Read the body's parameters into r->state. On a worker when the body is large: see offload.h. What it returns is
     * r->read, its words r->read_error. */
    enum err (*read)(struct request *r, struct error *error);
    /* Go on with them, or refuse what could not be read; r->state may be NULL then. */
    void (*run)(struct request *r);
    int kind; /* the file's own */
};
/* NULL: not served. */
const struct operation *operation_find(struct slice name);

/* ---- item_operations.c, batch_operations.c, query_operations.c, control_operations.c, endpoint_operations.c ---- */
enum err item_operation_read(struct request *r, struct error *error) MUST_CHECK;
void item_operation_run(struct request *r);
enum err range_operation_read(struct request *r, struct error *error) MUST_CHECK;
void range_operation_run(struct request *r);
enum err batch_operation_read(struct request *r, struct error *error) MUST_CHECK;
void batch_operation_run(struct request *r);
void operation_control(struct request *r);
void operation_describe_endpoints(struct request *r);
/* 16 random bytes for one write, the same at each of its attempts. */
void router_make_request_id(struct router *router, uint8_t to[REQUEST_ID_BYTES]);
