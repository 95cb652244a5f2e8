/* What the files of the router share. One loop owns everything. */
#pragma once

#include "api/http/http_server.h"
#include "api/json/json_writer.h"
#include "api/model/request.h"
#include "api/router/catalog.h"
#include "api/router/router.h"
#include "api/sigv4/verify.h"
#include "base/arena.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
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
    REPLY_BYTES_MAX = 17 * 1024 * 1024,
    VALUES_BYTES_MAX =
        17 * 1024 * 1024, /* all that a body can hold: expressions say what is too much for them */
    REQUEST_ID_BYTES = 16,
};

struct router {
    struct router_options options;
    struct loop *loop;
    struct router_metrics metrics;
    struct wire_metrics wire_metrics;
    struct item_client_metrics item_metrics;
    struct dependency_metrics memds_metrics;
    struct dependency_metrics control_metrics;
    struct cluster_key key;
    struct catalog *catalog;
    struct metrics *registry;
    struct http_server *http; /* NULL until the bundle is here */
    struct sigv4_verifier *verifier;
    struct sigv4_policy policy;
    struct slice service;
    struct peer_set *memds;
    struct peer_set *control;
    struct bundle_follower *follower;
    struct item_client *items;
    unsigned lookup_turn; /* which MemDS is asked first */
    struct random random;
    /* Scratch for parsing; results are copied to the request's arena. */
    struct item_builder builder;
    struct item_builder values_builder; /* ExpressionAttributeValues: more bytes than an item has */
    struct request *pool;
    unsigned pool_count;
};

struct operation;

enum capacity_detail { CAPACITY_NONE, CAPACITY_TOTAL, CAPACITY_INDEXES };

/* One HTTP request from its head to its answer. */
struct request {
    struct request *next; /* in the pool */
    struct router *router;
    struct http_request *http;
    struct arena arena;
    struct sha256 hash;
    struct sigv4_claim claim;
    struct sigv4_refusal refusal; /* code ERR_OK: none yet */
    char tenant_id[TENANT_ID_BYTES];
    struct slice user_name;
    const struct operation *operation;
    const struct model_operation *model; /* what the operation's requests look like */
    const char *model_words;             /* of a refusal by the model; NULL: none */
    struct item_call call;
    void *state; /* the operation's own, in the arena */
};

/* ---- request.c: life and authentication ---- */
void request_on_headers(struct http_request *http, void *data);
void request_on_chunk(struct http_request *http, struct slice bytes, void *data);
void request_on_complete(struct http_request *http, void *data);
void request_on_abort(struct http_request *http, void *data);

/* ---- answer.c: every way to end a request; it is gone afterwards ---- */
/* 200 with these bytes (taken). */
void answer_json(struct request *r, struct buffer *body);
/* text NULL: the default sentence. */
void answer_error(struct request *r, enum err code, const char *text);
/* An exception by its full __type, as control words it. */
void answer_exception(struct request *r, int status, const char *type, const char *text);
/* ConditionalCheckFailedException, with the item when it was asked for (empty: without). */
void answer_condition_failed(struct request *r, struct slice item);
void request_release(struct request *r);

/* ---- operations.c ---- */
struct operation {
    const char *name;
    void (*run)(struct request *r);
};
/* NULL: not served. */
const struct operation *operation_find(struct slice name);

/* ---- item_operations.c, batch_operations.c, query_operations.c, control_operations.c, endpoint_operations.c ---- */
void operation_query(struct request *r);
void operation_scan(struct request *r);
void operation_get_item(struct request *r);
void operation_put_item(struct request *r);
void operation_update_item(struct request *r);
void operation_delete_item(struct request *r);
void operation_control(struct request *r);
void operation_describe_endpoints(struct request *r);
void operation_batch_get_item(struct request *r);
void operation_batch_write_item(struct request *r);
/* 16 random bytes for one write, the same at each of its attempts. */
void router_make_request_id(struct router *router, uint8_t to[REQUEST_ID_BYTES]);
