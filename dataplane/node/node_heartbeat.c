/* Heartbeats between nodes: what every lease rests on (dataplane/replication/support.h).
 *
 * A heartbeat proves that this loop turns (it is sent from it) and that the log makes progress: while an
 * append has been waiting for longer than half a lease, none is sent, and the leases here run out. */
#include "base/clock.h"
#include "dataplane/node/node_internal.h"
#include "dataplane/proto/frame_type.h"

static void send_support(struct node *n, const struct support_message *message)
{
    uint8_t bytes[SUPPORT_MESSAGE_BYTES];
    support_message_encode(message, bytes);
    Sluice__Dataplane__Heartbeat header = SLUICE__DATAPLANE__HEARTBEAT__INIT;
    header.from_node = message->from_node;
    header.to_node = message->to_node;
    header.message = (ProtobufCBinaryData){.len = sizeof bytes, .data = bytes};
    const struct wire_message frame = {.type = DATAPLANE_FRAME_HEARTBEAT, .header = &header.base};
    if (peers_send(n->peers, message->to_node, PEER_CHANNEL_BEAT, &frame) == ERR_OK)
        metric_increment(&n->metrics.heartbeats_sent);
}

static bool makes_progress(const struct node *n, uint64_t now_us)
{
    return !wal_has_failed(n->wal) &&
           (n->appends_in_flight == 0 || now_us - n->append_progress_us < support_lease_us(n->support) / 2);
}

static void ask(const struct peer_address *address, void *data)
{
    struct node *n = data;
    if (address->node_id == n->node_id)
        return;
    const struct support_message message = support_ask(n->support, address->node_id, clock_boot_us());
    send_support(n, &message);
}

static void on_heartbeat_timer(struct loop_timer *timer)
{
    struct node *n = timer->data;
    if (makes_progress(n, clock_boot_us()))
        peers_each(n->peers, ask, n);
    loop_timer_start(n->loop, timer, loop_now_us(n->loop) + n->options.heartbeat_us);
}

void node_heartbeat_start(struct node *n)
{
    n->heartbeat = (struct loop_timer){.fire = on_heartbeat_timer, .data = n};
    loop_timer_start(n->loop, &n->heartbeat, loop_now_us(n->loop));
}

static void tick_all(struct node *n)
{
    struct replica *next;
    for (struct replica *r = n->replicas; r != NULL; r = next) {
        next = r->hh.next;
        replica_tick(r);
    }
}

void node_on_heartbeat(struct node *n, struct wire_call call, const struct frame *frame)
{
    struct wire_identity peer;
    struct support_message message;
    arena_reset(&n->arena);
    const Sluice__Dataplane__Heartbeat *header =
        proto_unpack(&sluice__dataplane__heartbeat__descriptor, frame->header, &n->arena);
    if (header == NULL || support_message_decode(proto_slice(header->message), &message) != ERR_OK ||
        !wire_call_peer(call, &peer) || peer.role != WIRE_ROLE_NODE || peer.node_id != message.from_node) {
        metric_increment(&n->metrics.messages_malformed);
        return;
    }
    if (peers_find(n->peers, message.from_node) == NULL)
        return; /* control has not told us of it: there is no room in the table of supports for strangers */
    metric_increment(&n->metrics.heartbeats_received);
    struct support_result result;
    if (support_receive(n->support, &message, clock_boot_us(), &result) != ERR_OK)
        return; /* stale: late or from a life before */
    if (result.has_reply)
        send_support(n, &result.reply);
    if (result.is_held_changed || result.is_restarted)
        tick_all(n);
}
