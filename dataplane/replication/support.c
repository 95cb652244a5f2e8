#include "dataplane/replication/support.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/reader.h"

enum { SUPPORT_FORMAT = 1, PPM = 1000 * 1000 };

struct support_peer {
    uint32_t node_id;
    /* Given: our promise to it. */
    bool has_asked;
    uint64_t asker_incarnation;
    uint64_t given_epoch;
    uint64_t promised_until_us;
    /* Held: its promise to us. */
    uint64_t held_epoch;
    uint64_t held_until_us;
    uint64_t held_sent_us; /* of the heartbeat that was granted last */
};

struct support {
    struct support_options options;
    uint64_t vote_from_us;
    uint32_t peer_count;
    struct support_peer peers[];
};

struct support *support_create(const struct support_options *options, uint64_t now_us)
{
    ASSERT(options->incarnation != 0 && options->incarnation <= UINT32_MAX);
    struct support_options o = *options;
    o.lease_us = o.lease_us == 0 ? 1000 * 1000 : o.lease_us;
    o.margin_us = o.margin_us == 0 ? 100 * 1000 : o.margin_us;
    o.clock_rate_ppm = o.clock_rate_ppm == 0 ? 1000 : o.clock_rate_ppm;
    o.peers_max = o.peers_max == 0 ? 64 : o.peers_max;
    struct support *s = memory_zalloc(sizeof(*s) + o.peers_max * sizeof(s->peers[0]));
    if (s == NULL)
        return NULL;
    s->options = o;
    /* The former life may have promised to anyone up to the moment of its death. */
    s->vote_from_us = now_us + o.lease_us + o.margin_us;
    return s;
}

void support_destroy(struct support *s)
{
    memory_free(s);
}

static const struct support_peer *peer_find(const struct support *s, uint32_t node)
{
    for (uint32_t i = 0; i < s->peer_count; i++)
        if (s->peers[i].node_id == node)
            return &s->peers[i];
    return NULL;
}

/* NULL when there are too many. */
static struct support_peer *peer_touch(struct support *s, uint32_t node)
{
    for (uint32_t i = 0; i < s->peer_count; i++)
        if (s->peers[i].node_id == node)
            return &s->peers[i];
    if (s->peer_count == s->options.peers_max)
        return NULL;
    struct support_peer *peer = &s->peers[s->peer_count++];
    *peer = (struct support_peer){.node_id = node, .given_epoch = s->options.incarnation << 32};
    return peer;
}

/* ---- Heartbeats ---- */

struct support_message support_ask(struct support *s, uint32_t peer, uint64_t now_us)
{
    return (struct support_message){.from_node = s->options.node_id,
                                    .to_node = peer,
                                    .asker_incarnation = s->options.incarnation,
                                    .sent_us = now_us};
}

/* B's side: promise, and say so. */
static enum err on_ask(struct support *s, const struct support_message *m, uint64_t now_us,
                       struct support_result *result)
{
    struct support_peer *peer = peer_touch(s, m->from_node);
    if (peer == NULL)
        return ERR_LIMIT;
    if (m->asker_incarnation < peer->asker_incarnation)
        return ERR_STALE;
    if (peer->asker_incarnation < m->asker_incarnation) {
        /* The process that we promised to, or confirmed to without having heard this one, is dead, and its leases
         * with it. */
        peer->promised_until_us = 0;
        peer->given_epoch++;
        result->is_restarted = peer->has_asked;
    }
    peer->has_asked = true;
    peer->asker_incarnation = m->asker_incarnation;
    uint64_t until_us = now_us + s->options.lease_us;
    if (until_us > peer->promised_until_us)
        peer->promised_until_us = until_us;
    result->has_reply = true;
    result->reply = (struct support_message){.is_grant = true,
                                             .from_node = s->options.node_id,
                                             .to_node = m->from_node,
                                             .asker_incarnation = m->asker_incarnation,
                                             .sent_us = m->sent_us,
                                             .epoch = peer->given_epoch,
                                             .lease_us = s->options.lease_us};
    return ERR_OK;
}

/* The worst case is that B's clock runs fast and ours slow, both at the bound. */
static uint64_t lease_shrunk(const struct support *s, uint64_t lease_us)
{
    uint64_t ppm = s->options.clock_rate_ppm;
    return lease_us * (PPM - ppm) / (PPM + ppm);
}

/* A's side: count on it, from before we asked. */
static enum err on_grant(struct support *s, const struct support_message *m, uint64_t now_us,
                         struct support_result *result)
{
    struct support_peer *peer = peer_touch(s, m->from_node);
    if (peer == NULL)
        return ERR_LIMIT;
    if (m->asker_incarnation != s->options.incarnation || m->sent_us < peer->held_sent_us ||
        m->sent_us > now_us)
        return ERR_STALE;
    uint64_t lease_us = m->lease_us < s->options.lease_us ? m->lease_us : s->options.lease_us;
    result->is_held_changed = peer->held_epoch != m->epoch || peer->held_until_us <= now_us;
    peer->held_sent_us = m->sent_us;
    peer->held_epoch = m->epoch;
    peer->held_until_us = m->sent_us + lease_shrunk(s, lease_us);
    return ERR_OK;
}

enum err support_receive(struct support *s, const struct support_message *message, uint64_t now_us,
                         struct support_result *ret_result)
{
    if (message->to_node != s->options.node_id || message->from_node == s->options.node_id)
        return ERR_INVALID;
    struct support_result result = {0};
    TRY(message->is_grant ? on_grant(s, message, now_us, &result) : on_ask(s, message, now_us, &result));
    *ret_result = result;
    return ERR_OK;
}

/* ---- Bytes ---- */

static uint8_t *put(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
    return to + bytes;
}

void support_message_encode(const struct support_message *message, uint8_t to[SUPPORT_MESSAGE_BYTES])
{
    uint8_t *at = put(to, SUPPORT_FORMAT, 1);
    at = put(at, message->is_grant, 1);
    at = put(at, 0, 1);
    at = put(at, message->from_node, 4);
    at = put(at, message->to_node, 4);
    at = put(at, message->asker_incarnation, 8);
    at = put(at, message->sent_us, 8);
    at = put(at, message->epoch, 8);
    at = put(at, message->lease_us, 8);
    ASSERT(at == to + SUPPORT_MESSAGE_BYTES);
}

enum err support_message_decode(struct slice bytes, struct support_message *ret_message)
{
    struct reader r;
    reader_init(&r, bytes);
    uint8_t format = reader_u8(&r);
    uint8_t is_grant = reader_u8(&r);
    uint8_t reserved = reader_u8(&r);
    struct support_message m = {.is_grant = is_grant == 1};
    m.from_node = reader_u32(&r);
    m.to_node = reader_u32(&r);
    m.asker_incarnation = reader_u64(&r);
    m.sent_us = reader_u64(&r);
    m.epoch = reader_u64(&r);
    m.lease_us = reader_u64(&r);
    if (!reader_is_done(&r) || format != SUPPORT_FORMAT || is_grant > 1 || reserved != 0)
        return ERR_CORRUPT;
    *ret_message = m;
    return ERR_OK;
}

/* ---- Given ---- */

uint64_t support_vote_from(const struct support *s)
{
    return s->vote_from_us;
}

bool support_can_vote(const struct support *s, uint64_t now_us)
{
    return now_us >= s->vote_from_us;
}

uint64_t support_promised_until(const struct support *s, uint32_t node)
{
    const struct support_peer *peer = peer_find(s, node);
    return peer == NULL ? 0 : peer->promised_until_us;
}

uint64_t support_given_epoch(const struct support *s, uint32_t node)
{
    const struct support_peer *peer = peer_find(s, node);
    return peer == NULL ? 0 : peer->given_epoch;
}

void support_withdraw(struct support *s, uint32_t node, uint64_t now_us)
{
    struct support_peer *peer = peer_touch(s, node);
    if (peer == NULL)
        return; /* never promised anything */
    ASSERT(peer->promised_until_us <= now_us);
    peer->given_epoch++;
}

/* ---- Held ---- */

bool support_is_held(const struct support *s, uint32_t node, uint64_t epoch, uint64_t now_us)
{
    if (node == s->options.node_id)
        return true;
    return epoch != 0 && support_held_epoch(s, node, now_us) == epoch;
}

uint64_t support_held_epoch(const struct support *s, uint32_t node, uint64_t now_us)
{
    const struct support_peer *peer = peer_find(s, node);
    return peer != NULL && now_us < peer->held_until_us ? peer->held_epoch : 0;
}

uint64_t support_held_until(const struct support *s, uint32_t node)
{
    const struct support_peer *peer = peer_find(s, node);
    return peer == NULL ? 0 : peer->held_until_us;
}

uint64_t support_incarnation(const struct support *s)
{
    return s->options.incarnation;
}

uint64_t support_peer_incarnation(const struct support *s, uint32_t node)
{
    const struct support_peer *peer = peer_find(s, node);
    return peer == NULL ? 0 : peer->asker_incarnation;
}

uint64_t support_lease_us(const struct support *s)
{
    return s->options.lease_us;
}
