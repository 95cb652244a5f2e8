/* The cluster key: 32 secret bytes that all services of one fleet share, in a file of 64 hex digits.
 *
 * Never used as it is: one key for each purpose is derived from it with HMAC-SHA-256 and a label, so that no
 * two algorithms ever see the same key. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum { CLUSTER_KEY_BYTES = 32 };

/* A plain value; treat as a secret. */
struct cluster_key {
    uint8_t sealing[CLUSTER_KEY_BYTES]; /* AES-256-GCM of secrets: controlplane/bundle/seal.h */
    uint8_t signing[CLUSTER_KEY_BYTES]; /* HMAC-SHA-256 of objects: controlplane/bundle/object.h */
};

/* From the file's text: 64 hex digits; white space around them is ignored.
 * ERR_CONFIG  anything else */
enum err cluster_key_parse(struct slice text, struct cluster_key *ret_key, struct error *error) MUST_CHECK;

/* Read the file (blocks; for start-up).
 * ERR_CONFIG  it cannot be read, or cluster_key_parse refuses it */
enum err cluster_key_load(const char *path, struct cluster_key *ret_key, struct error *error) MUST_CHECK;
