/* Heartbeats between nodes: what every lease rests on (dataplane/replication/support.h).
 *
 * A heartbeat proves that every loop of this node turns and that the log makes progress for each of them. The first loop
 * sends it, so it turns; each other one stamps the time whenever a timer of its own fires, and each says since when an append
 * of its replicas waits for the log. When a stamp is older, or a wait longer, than half a lease, none is sent, and the leases
 * here run out.
 *
 * All loops share the support object, under a lock that is held for a call or two of the core. A node with one
 * loop takes no lock. */
#include "base/assert.h"
#include "base/clock.h"
#include "dataplane/node/node_internal.h"
#include "dataplane/proto/frame_type.h"

/* ---- the support object ---- */

struct support *node_support_lock(struct node *n)
{
    if (n->shard_count > 1)
        pthread_mutex_lock(&n->support_lock);
    return n->support;
}

void node_support_unlock(struct node *n)
{
    if (n->shard_count > 1)
        pthread_mutex_unlock(&n->support_lock);
}

/* ---- progress ---- */

/* Who reads these may be a little late and never sees half a value; nothing else hangs on their order. */
static void stamp(atomic_uint_fast64_t *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

void shard_append_begins(struct shard *s)
{
    if (s->appends_in_flight++ == 0)
        stamp(&s->log_waits_since_us, clock_boot_us());
}

void shard_append_ends(struct shard *s)
{
    ASSERT(s->appends_in_flight > 0);
    stamp(&s->log_waits_since_us, --s->appends_in_flight == 0 ? 0 : clock_boot_us());
}

static void on_proof(struct loop_timer *timer)
{
    struct shard *s = timer->data;
    stamp(&s->turned_us, clock_boot_us());
    loop_timer_start(s->loop, timer, loop_now_us(s->loop) + s->node->options.heartbeat_us);
}

void shard_proof_start(struct shard *s)
{
    s->proof = (struct loop_timer){.fire = on_proof, .data = s};
    on_proof(&s->proof);
}

static bool shard_makes_progress(const struct shard *s, uint64_t now_us, uint64_t wait_us_max)
{
    uint64_t turned_us = atomic_load_explicit(&s->turned_us, memory_order_relaxed);
    uint64_t waits_since_us = atomic_load_explicit(&s->log_waits_since_us, memory_order_relaxed);
    bool is_turning = s->index == 0 || now_us < turned_us + wait_us_max;
    return is_turning && (waits_since_us == 0 || now_us < waits_since_us + wait_us_max);
}

static bool makes_progress(const struct node *n)
{
    uint64_t now_us = clock_boot_us(), wait_us_max = support_lease_us(n->support) / 2;
    for (uint32_t i = 0; i < n->shard_count; i++)
        if (!shard_makes_progress(n->shards[i], now_us, wait_us_max))
            return false;
    return !wal_has_failed(n->wal);
}

/* ---- sending ---- */

static void send_support(struct node *n, const struct support_message *message)
{
    struct shard *s = n->shards[0];
    uint8_t bytes[SUPPORT_MESSAGE_BYTES];
    support_message_encode(message, bytes);
    Sluice__Dataplane__Heartbeat header = SLUICE__DATAPLANE__HEARTBEAT__INIT;
    header.from_node = message->from_node;
    header.to_node = message->to_node;
    header.message = (ProtobufCBinaryData){.len = sizeof bytes, .data = bytes};
    header.log_sync_us = node_pace_us(n);
    const struct wire_message frame = {.type = DATAPLANE_FRAME_HEARTBEAT, .header = &header.base};
    if (peers_send(s->peers, message->to_node, 0, PEER_CHANNEL_BEAT, &frame) == ERR_OK)
        metric_increment(&s->metrics.heartbeats_sent);
}

static void ask(const struct peer_address *address, void *data)
{
    struct node *n = data;
    if (address->node_id == n->node_id)
        return;
    const struct support_message message =
        support_ask(node_support_lock(n), address->node_id, clock_boot_us());
    node_support_unlock(n);
    send_support(n, &message);
}

static void on_heartbeat_timer(struct loop_timer *timer)
{
    struct node *n = timer->data;
    if (makes_progress(n))
        peers_each(n->shards[0]->peers, ask, n);
    loop_timer_start(n->loop, timer, loop_now_us(n->loop) + n->options.heartbeat_us);
}

void node_heartbeat_start(struct node *n)
{
    n->heartbeat = (struct loop_timer){.fire = on_heartbeat_timer, .data = n};
    loop_timer_start(n->loop, &n->heartbeat, loop_now_us(n->loop));
}

/* ---- receiving ---- */

static void on_tick(struct mailbox_message *message)
{
    struct shard *s = ((struct shard_signal *)message)->shard;
    atomic_store(&s->is_tick_under_way, false); /* first: who changes support from here on asks again */
    shard_tick(s);
}

/* Support has changed: every replica must look at it. One that a full mailbox keeps from it looks half a lease later. */
static void tick_all(struct node *n)
{
    shard_tick(n->shards[0]);
    for (uint32_t i = 1; i < n->shard_count; i++) {
        struct shard *s = n->shards[i];
        if (atomic_exchange(&s->is_tick_under_way, true))
            continue;
        s->tick = (struct shard_signal){.message.deliver = on_tick, .shard = s};
        if (mailbox_post(s->mailbox, &s->tick.message) != ERR_OK)
            atomic_store(&s->is_tick_under_way, false);
    }
}

void node_on_heartbeat(struct node *n, struct wire_call call, const struct frame *frame)
{
    struct shard *s = n->shards[0];
    struct wire_identity peer;
    struct support_message message;
    arena_reset(&s->arena);
    const Sluice__Dataplane__Heartbeat *header =
        proto_unpack(&sluice__dataplane__heartbeat__descriptor, frame->header, &s->arena);
    if (header == NULL || support_message_decode(proto_slice(header->message), &message) != ERR_OK ||
        !wire_call_peer(call, &peer) || peer.role != WIRE_ROLE_NODE || peer.node_id != message.from_node) {
        metric_increment(&s->metrics.messages_malformed);
        return;
    }
    if (peers_find(s->peers, message.from_node) == NULL)
        return; /* control has not told us of it: there is no room in the table of supports for strangers */
    metric_increment(&s->metrics.heartbeats_received);
    if (!message.is_grant)
        node_pace_heard(n, message.from_node, message.asker_incarnation, header->log_sync_us);
    struct support_result result;
    enum err err = support_receive(node_support_lock(n), &message, clock_boot_us(), &result);
    node_support_unlock(n);
    if (err != ERR_OK)
        return; /* stale: late or from a life before */
    if (result.has_reply)
        send_support(n, &result.reply);
    if (result.is_held_changed || result.is_restarted)
        tick_all(n);
}
