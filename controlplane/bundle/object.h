/* Bundle objects: what routers must know to serve without control - tenants, access keys, tables.
 *
 * An object has a kind and an id that name it, the version of the bundle in which it last changed (all
 * objects of a fleet count in one sequence), and a body: a protobuf message of its kind (controlplane.proto).
 * Control signs each with HMAC-SHA-256 under the cluster's signing key over the signed form, and whoever
 * reads one verifies it: a MemDS or a disk cannot make or change objects, only withhold them.
 *
 *     signed form = kind(1) | is_deleted(1) | version(8 BE) | id length(2 BE) | id | body       */
#pragma once

#include "base/buffer.h"
#include "base/reader.h"
#include "controlplane/bundle/cluster_key.h"

/* The numbers are those of ObjectKind in controlplane.proto. */
enum bundle_kind {
    BUNDLE_TENANT = 0,     /* id: tenant id */
    BUNDLE_ACCESS_KEY = 1, /* id: access key id */
    BUNDLE_TABLE = 2,      /* id: "tenant id/table name" */
    BUNDLE_POLICY = 3,
    BUNDLE_SETTING = 4,
    BUNDLE_KIND_COUNT
};

enum { BUNDLE_SIGNATURE_BYTES = 32, BUNDLE_ID_BYTES_MAX = 512, BUNDLE_BODY_BYTES_MAX = 256 * 1024 };

/* A view: id, body and signature belong to someone else. */
struct bundle_object {
    enum bundle_kind kind;
    bool is_deleted; /* the body is empty then */
    uint64_t version;
    struct slice id;
    struct slice body;
    struct slice signature;
};

/* Sizes and kind are within bounds, and the version is not 0. */
bool bundle_object_is_valid(const struct bundle_object *object);

/* The signature of object's other fields. */
void bundle_object_sign(const struct cluster_key *key, const struct bundle_object *object,
                        uint8_t ret_signature[BUNDLE_SIGNATURE_BYTES]);

/* ERR_CORRUPT  not valid, or not signed by this key as it stands */
enum err bundle_object_verify(const struct cluster_key *key, const struct bundle_object *object) MUST_CHECK;

/* The form on disk (docs/formats/bundle.md); bundle_object_read gives views into the reader's bytes, and
 * fails the reader on anything out of bounds. */
void bundle_object_append(struct buffer *to, const struct bundle_object *object);
struct bundle_object bundle_object_read(struct reader *r);
