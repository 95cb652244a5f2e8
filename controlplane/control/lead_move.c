#include "controlplane/control/lead_move.h"

#include <jansson.h>
#include <stdio.h>

#include "base/memory.h"

enum { KIND_STORAGE = 0 };

struct lead_move {
    struct change change;
    uint64_t group_id;
    char node_name[NAME_BYTES_MAX + 1];
    struct answer *answer;
    answer_cb done;
    void *data;
};

/* The replica that is to lead; NULL: there is none. */
static struct replica *find_replica(const struct control *control, const struct lead_move *move)
{
    const struct partition *partition = catalog_partition(&control->catalog, move->group_id);
    for (size_t i = 0; partition != NULL && i < partition->replica_count; i++) {
        struct replica *replica = partition->replicas[i];
        if (replica->goal == GOAL_PRESENT && replica->kind == KIND_STORAGE && !replica->node->is_lost &&
            strcmp(replica->node->name, move->node_name) == 0)
            return replica;
    }
    return NULL;
}

static enum err prepare(struct control *control, struct change *change, struct sql_batch *batch)
{
    struct lead_move *move = (struct lead_move *)change;
    const struct replica *replica = find_replica(control, move);
    if (replica == NULL)
        return answer_refuse(move->answer, ERR_RESOURCE_NOT_FOUND,
                             "No storage replica of group %llu is on a node called %s",
                             (unsigned long long)move->group_id, move->node_name);
    sql_begin(batch, "UPDATE replicas SET is_leader_wanted = (replica_id = $2) WHERE group_id = $1");
    sql_u64(batch, move->group_id);
    sql_u64(batch, replica->key.replica_id);
    return ERR_OK;
}

static void want_leader(struct catalog *catalog, struct replica *leader)
{
    const struct partition *partition = leader->partition;
    for (size_t i = 0; i < partition->replica_count; i++) {
        struct replica *replica = partition->replicas[i];
        bool is_wanted = replica == leader;
        if (replica->goal == GOAL_PRESENT) {
            replica->node->leader_count += is_wanted;
            replica->node->leader_count -= replica->is_leader_wanted;
        }
        replica->is_leader_wanted = is_wanted;
        catalog_touch_goal(catalog, replica);
    }
}

static enum err apply(struct control *control, struct change *change)
{
    struct lead_move *move = (struct lead_move *)change;
    struct replica *replica = find_replica(control, move);
    if (replica == NULL)
        return ERR_INTERNAL;
    want_leader(&control->catalog, replica);
    control_tell_nodes(control);
    return answer_json(move->answer,
                       json_pack("{s:I, s:I, s:s}", "group_id", (json_int_t)move->group_id, "replica_id",
                                 (json_int_t)replica->key.replica_id, "node", replica->node->name));
}

static void on_done(struct control *control, struct change *change, enum err err)
{
    struct lead_move *move = (struct lead_move *)change;
    if (err != ERR_OK && move->answer->code == ERR_OK)
        answer_refuse(move->answer, err == ERR_UNAVAILABLE ? ERR_SERVICE_UNAVAILABLE : ERR_INTERNAL, "%s",
                      err_sentence(err));
    move->done(move->answer, move->data);
    memory_free(move);
}

void control_move_lead(struct control *control, uint64_t group_id, const char *node_name,
                       struct answer *answer, answer_cb done, void *data)
{
    struct lead_move *move = memory_zalloc(sizeof *move);
    if (move == NULL) {
        answer_refuse(answer, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
        done(answer, data);
        return;
    }
    *move = (struct lead_move){.change = {.prepare = prepare, .apply = apply, .done = on_done},
                               .group_id = group_id,
                               .answer = answer,
                               .done = done,
                               .data = data};
    (void)snprintf(move->node_name, sizeof move->node_name, "%s", node_name); /* a longer one is no node's */
    control_submit(control, &move->change);
}
