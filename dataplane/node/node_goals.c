/* Goals from control, on the first shard's loop: each other shard gets a copy of what is its own and says when it has taken
 * it up. When all have, control is told so.
 *
 *     goals --> shard 0: at once --------------------------------------+--> goals_taken
 *         \--> message --> shard k: shard_take_goals --> home again --/
 *
 * Messages to a shard arrive in order, so what comes later is taken up later. */
#include "dataplane/node/node_internal.h"

enum { ARENA_BLOCK = 64 * 1024, ARENA_MAX = 64 * 1024 * 1024 };

/* One answer of control. */
struct goals_batch {
    struct node *node;
    uint64_t version;
    uint32_t waiting; /* shards that have not said */
    bool are_all_taken;
};

/* One shard's part of it: goes there and comes back. */
struct goals_message {
    struct mailbox_message message;
    struct goals_batch *batch;
    struct shard *shard;
    bool are_taken;
    struct buffer packed;
};

static void settle(struct goals_batch *batch, bool are_taken)
{
    struct node *n = batch->node;
    batch->are_all_taken &= are_taken;
    if (--batch->waiting > 0)
        return;
    if (n->goals != NULL) /* else the node is closing */
        goals_taken(n->goals, batch->version, batch->are_all_taken);
    memory_free(batch);
}

static void message_destroy(struct goals_message *message)
{
    buffer_deinit(&message->packed);
    memory_free(message);
}

/* ---- on the shard's loop ---- */

static void on_home(struct mailbox_message *delivered)
{
    struct goals_message *message = (struct goals_message *)delivered;
    settle(message->batch, message->are_taken);
    message_destroy(message);
}

static void on_away(struct mailbox_message *delivered)
{
    struct goals_message *message = (struct goals_message *)delivered;
    struct shard *s = message->shard;
    struct arena arena;
    arena_init(&arena, ARENA_BLOCK, ARENA_MAX);
    const Sluice__Controlplane__NodeGoals *goals =
        proto_unpack(&sluice__controlplane__node_goals__descriptor, buffer_view(&message->packed), &arena);
    message->are_taken = goals != NULL && !s->is_closing && shard_take_goals(s, goals);
    arena_deinit(&arena);
    message->message.deliver = on_home;
    if (mailbox_post(s->node->shards[0]->mailbox, &message->message) != ERR_OK)
        node_fail(s->node, "goals", ERR_BUSY); /* the first loop stands still */
}

/* ---- on the first shard's ---- */

/* The shard's goals and all nodes, packed. */
static bool pack(const Sluice__Controlplane__NodeGoals *goals, const struct shard *s, struct buffer *to)
{
    Sluice__Controlplane__NodeGoals part = *goals;
    part.n_goals = 0;
    part.goals = memory_alloc((goals->n_goals + 1) * sizeof *part.goals);
    if (part.goals == NULL)
        return false;
    for (size_t i = 0; i < goals->n_goals; i++)
        if (node_shard_of(s->node, goals->goals[i]->group_id) == s)
            part.goals[part.n_goals++] = goals->goals[i];
    proto_append(to, &part.base);
    memory_free(part.goals);
    return !buffer_has_failed(to);
}

static bool send_away(struct goals_batch *batch, const Sluice__Controlplane__NodeGoals *goals,
                      struct shard *s)
{
    struct goals_message *message = memory_zalloc(sizeof *message);
    if (message == NULL)
        return false;
    message->message.deliver = on_away;
    message->batch = batch;
    message->shard = s;
    buffer_init(&message->packed, ARENA_MAX);
    if (pack(goals, s, &message->packed) && mailbox_post(s->mailbox, &message->message) == ERR_OK)
        return true;
    message_destroy(message);
    return false;
}

static bool become(struct node *n, uint32_t node_id)
{
    if (n->node_id == node_id)
        return true;
    if (n->node_id != 0) {
        log_error("node_id_changed", "old=%u new=%u", n->node_id, node_id);
        return false;
    }
    struct error error = {.code = ERR_OK};
    n->node_id = node_id;
    enum err err = node_begin_serving(n, &error);
    if (err != ERR_OK) {
        log_error("node_not_started", "reason=\"%s\"", error.text);
        node_fail(n, "start", err);
    }
    return err == ERR_OK;
}

static void distribute(struct node *n, const Sluice__Controlplane__NodeGoals *goals)
{
    struct goals_batch *batch = memory_alloc(sizeof *batch);
    if (batch == NULL) {
        goals_taken(n->goals, goals->goals_version, false);
        return;
    }
    *batch = (struct goals_batch){n, goals->goals_version, 1, true};
    bool is_news = goals->n_goals > 0 || goals->n_nodes > 0;
    for (uint32_t i = 1; i < n->shard_count && is_news; i++) {
        if (send_away(batch, goals, n->shards[i]))
            batch->waiting++;
        else
            batch->are_all_taken = false;
    }
    settle(batch, shard_take_goals(n->shards[0], goals));
}

void node_on_goals(const Sluice__Controlplane__NodeGoals *goals, void *data)
{
    struct node *n = data;
    bool is_possible = !atomic_load(&n->has_failed) && goals->node_id != 0;
    if (!is_possible || !become(n, goals->node_id))
        goals_taken(n->goals, goals->goals_version, false);
    else
        distribute(n, goals);
}
