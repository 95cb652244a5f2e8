/* Memberships, as the groups' leaders report them: what is, and what wins over whatever was wanted. */
#include "controlplane/control/fleet_internal.h"
#include "controlplane/proto/controlplane.pb-c.h"

typedef Sluice__Controlplane__ReplicaReport replica_report; /* protobuf-c's name, shorter */

static enum replica_membership membership_of(const replica_report *report, uint64_t replica_id)
{
    for (size_t i = 0; i < report->n_members; i++) {
        if (report->members[i]->replica_id == replica_id)
            return report->members[i]->is_learner ? REPLICA_LEARNER : REPLICA_VOTER;
    }
    return REPLICA_NO_MEMBER;
}

/* Ids are added in increasing order, so one below the highest was a member, or never can be. A leader knows better: it has
 * seen higher ones go. */
static uint64_t floor_of(const replica_report *report)
{
    uint64_t id_floor = report->replica_id_floor;
    for (size_t i = 0; i < report->n_members; i++) {
        if (report->members[i]->replica_id >= id_floor)
            id_floor = report->members[i]->replica_id + 1;
    }
    return id_floor;
}

static void note_joined(struct control *control, const struct replica *replica)
{
    struct fleet_metrics *m = control->options.fleet_metrics;
    if (replica->kind == REPLICA_LOG)
        metric_increment(&m->log_replicas_joined);
    else
        metric_increment(&m->storage_replicas_built);
    log_info("replica_joined", "group=%llu replica=%llu kind=%s node=%s",
             (unsigned long long)replica->key.group_id, (unsigned long long)replica->key.replica_id,
             replica->kind == REPLICA_LOG ? "log" : "storage", replica->node->name);
}

void control_take_membership(struct control *control, struct replica *replica, const replica_report *report)
{
    struct partition *partition = replica->partition;
    replica->milli_per_s = report->read_milli_per_s + report->write_milli_per_s;
    if (replica->role == ROLE_REMOVED || replica->role == ROLE_QUARANTINED)
        control_wake_repair(control);
    if (report->n_members == 0 || report->membership_version <= partition->membership_version)
        return;
    bool is_first = partition->membership_version == 0;
    partition->membership_version = report->membership_version;
    partition->replica_id_floor = floor_of(report);
    partition->voter_count = 0;
    for (size_t i = 0; i < report->n_members; i++)
        partition->voter_count += !report->members[i]->is_learner;
    for (size_t i = 0; i < partition->replica_count; i++) {
        struct replica *r = partition->replicas[i];
        enum replica_membership before = r->membership;
        r->membership = membership_of(report, r->key.replica_id);
        if (!is_first && r->is_newcomer && before != REPLICA_VOTER && r->membership == REPLICA_VOTER)
            note_joined(control, r);
    }
    control_wake_repair(control);
}
