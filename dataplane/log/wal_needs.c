/* Which segments are needed, and the records that must outlive theirs. A group needs the segments from its first
 * entry on, and those with its newest HARD_STATE, LOG_START and open SNAPSHOT_INSTALLING. The latter
 * are appended again ("carried forward") as soon as entries alone would let their segment go. */
#include "base/assert.h"
#include "dataplane/log/wal_internal.h"

static struct wal_replica replica_of(const struct wal_group *group)
{
    return (struct wal_replica){
        .group_id = group->group_id,
        .replica_id = group->replica_id,
        .first_index = group->first_index,
        .last_index = group->last_index,
        .first_previous_term = group->first_previous_term,
        .hard_state_term = group->hard_state_term,
        .hard_state = slice_make(group->hard_state.data, group->hard_state.length),
        .is_damaged = group->is_damaged,
        .is_installing = group->is_installing,
        .snapshot_index = group->snapshot_index,
        .snapshot_term = group->snapshot_term,
        .snapshot = slice_make(group->snapshot.data, group->snapshot.length),
    };
}

struct wal_replica wal_group_replica(const struct wal_group *group)
{
    return replica_of(group);
}

static void carry_forward(struct wal_port *port, struct wal_group *group)
{
    struct segment_record records[WAL_META_COUNT];
    size_t count = 0;
    records[count++] = (struct segment_record){
        .type = SEGMENT_LOG_START, .index = group->first_index, .term = group->first_previous_term};
    if (group->meta_generation[WAL_META_HARD_STATE] != 0)
        records[count++] =
            (struct segment_record){.type = SEGMENT_HARD_STATE,
                                    .term = group->hard_state_term,
                                    .body = slice_make(group->hard_state.data, group->hard_state.length)};
    if (group->is_installing)
        records[count++] =
            (struct segment_record){.type = SEGMENT_SNAPSHOT_INSTALLING,
                                    .index = group->snapshot_index,
                                    .term = group->snapshot_term,
                                    .body = slice_make(group->snapshot.data, group->snapshot.length)};
    /* Refused (queue full, failed): the segment stays a little longer, the next computation tries again. */
    if (wal_port_append(port, group, records, count, true, NULL, NULL) != ERR_OK)
        port->is_needs_stale = true;
}

/* What is handed over but not reported lies no earlier than the last report, and what is handed over from now on
 * no earlier than the current segment. */
static uint32_t bound_of_unreported(struct wal_port *port)
{
    if (port->outstanding_batches > 0)
        return port->reported_generation;
    pthread_mutex_lock(&port->wal->mutex);
    uint32_t current = (uint32_t)port->wal->current->generation;
    pthread_mutex_unlock(&port->wal->mutex);
    return current;
}

static void publish(struct wal_port *port, uint32_t needed)
{
    struct wal *wal = port->wal;
    pthread_mutex_lock(&wal->mutex);
    if (port->needed_generation != needed) {
        port->needed_generation = needed;
        wal->must_consider_recycling = true;
        pthread_cond_signal(&wal->work);
    }
    pthread_mutex_unlock(&wal->mutex);
}

void wal_port_compute_needs(struct wal_port *port)
{
    uint32_t entries = bound_of_unreported(port);
    port->is_needs_stale = false;
    for (struct wal_group *group = port->groups; group != NULL; group = group->port_next)
        if (wal_group_entries_generation(group) < entries)
            entries = wal_group_entries_generation(group);
    uint32_t needed = entries;
    for (struct wal_group *group = port->groups; group != NULL; group = group->port_next) {
        uint32_t meta = wal_group_meta_generation(group);
        if (meta >= entries)
            continue;
        needed = meta < needed ? meta : needed;
        if (group->queued_meta_count == 0 && !group->is_damaged && !group->is_removing)
            carry_forward(port, group);
        port->is_needs_stale = true;
    }
    publish(port, needed);
}

size_t wal_port_oldest_groups(struct wal_port *port, uint64_t *group_ids, size_t count_max)
{
    uint32_t oldest = UINT32_MAX;
    size_t count = 0;
    for (const struct wal_group *group = port->groups; group != NULL; group = group->port_next)
        if (wal_group_entries_generation(group) < oldest)
            oldest = wal_group_entries_generation(group);
    for (const struct wal_group *group = port->groups; group != NULL && count < count_max;
         group = group->port_next)
        if (oldest != UINT32_MAX && wal_group_entries_generation(group) == oldest)
            group_ids[count++] = group->group_id;
    return count;
}

void wal_recovered_each(struct wal *wal, void (*each)(void *data, const struct wal_replica *replica),
                        void *data)
{
    for (size_t i = 0; i < WAL_GROUP_BUCKETS; i++)
        for (const struct wal_group *group = wal->groups[i]; group != NULL; group = group->hash_next)
            if (group->port == NULL) {
                struct wal_replica replica = replica_of(group);
                each(data, &replica);
            }
}
