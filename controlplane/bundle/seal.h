/* Secrets at rest: AES-256-GCM under the cluster's sealing key.
 *
 * Sealed form: nonce(12) | tag(16) | ciphertext. The owner's id (an access key id) is authenticated with it,
 * so that a sealed secret moved to another row does not open. Nonces are random: at 2^32 seals under one key
 * the chance of a repeat is still below 2^-32. */
#pragma once

#include "base/buffer.h"
#include "controlplane/bundle/cluster_key.h"

enum { SEAL_NONCE_BYTES = 12, SEAL_TAG_BYTES = 16, SEAL_OVERHEAD_BYTES = SEAL_NONCE_BYTES + SEAL_TAG_BYTES };
enum { SECRET_BYTES_MAX = 1024 };

/* Append the sealed form to `to`.
 * ERR_LIMIT      the secret is longer than SECRET_BYTES_MAX
 * ERR_NO_MEMORY  */
enum err secret_seal(const struct cluster_key *key, struct slice id, struct slice secret,
                     struct buffer *to) MUST_CHECK;

/* Append the secret to `to`; nothing is appended on failure.
 * ERR_CORRUPT    not sealed by this key for this id, or changed since
 * ERR_NO_MEMORY  */
enum err secret_open(const struct cluster_key *key, struct slice id, struct slice sealed,
                     struct buffer *to) MUST_CHECK;
