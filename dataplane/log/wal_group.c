/* A replica's state as its log records make it, and where its entries are. */
#include "base/assert.h"
#include "base/memory.h"
#include "dataplane/log/wal_internal.h"

static size_t bucket_of(uint64_t id)
{
    return (size_t)((id * 0x9E3779B97F4A7C15u) >> 52) % WAL_GROUP_BUCKETS;
}

struct wal_group *wal_group_find(struct wal *wal, uint64_t group_id)
{
    struct wal_group *group = wal->groups[bucket_of(group_id)];
    while (group != NULL && group->group_id != group_id)
        group = group->hash_next;
    return group;
}

struct wal_group *wal_group_add(struct wal *wal, uint64_t group_id, uint64_t replica_id)
{
    struct wal_group *group = memory_zalloc(sizeof *group);
    if (group == NULL)
        return NULL;
    struct wal_group **bucket = &wal->groups[bucket_of(group_id)];
    group->wal = wal;
    group->group_id = group_id;
    group->replica_id = replica_id;
    group->first_index = group->queued_first_index = 1;
    group->hash_next = *bucket;
    *bucket = group;
    return group;
}

void wal_group_forget(struct wal_group *group)
{
    struct wal_group **link = &group->wal->groups[bucket_of(group->group_id)];
    while (*link != group)
        link = &(*link)->hash_next;
    *link = group->hash_next;
    atomic_fetch_sub(&group->wal->index_entries, group->last_index + 1 - group->first_index);
    memory_free(group->hard_state.data);
    memory_free(group->snapshot.data);
    memory_free(group->locations);
    memory_free(group->tombstone);
    memory_free(group);
}

struct wal_tombstone *wal_tombstone_find(struct wal *wal, uint64_t group_id, uint64_t replica_id)
{
    struct wal_tombstone *tombstone = wal->tombstones[bucket_of(group_id)];
    while (tombstone != NULL && (tombstone->group_id != group_id || tombstone->replica_id != replica_id))
        tombstone = tombstone->next;
    return tombstone;
}

void wal_tombstone_add(struct wal *wal, struct wal_tombstone *tombstone)
{
    struct wal_tombstone **bucket = &wal->tombstones[bucket_of(tombstone->group_id)];
    tombstone->next = *bucket;
    *bucket = tombstone;
}

enum err wal_bytes_reserve(struct wal_bytes *bytes, size_t length)
{
    if (length <= bytes->capacity)
        return ERR_OK;
    uint8_t *data = memory_resize(bytes->data, length);
    if (data == NULL)
        return ERR_NO_MEMORY;
    bytes->data = data;
    bytes->capacity = length;
    return ERR_OK;
}

static void bytes_set(struct wal_bytes *bytes, struct slice value)
{
    ASSERT(value.length <= bytes->capacity);
    if (value.length > 0)
        memcpy(bytes->data, value.data, value.length);
    bytes->length = value.length;
}

static size_t entry_count(const struct wal_group *group)
{
    return (size_t)(group->last_index + 1 - group->first_index);
}

/* Room for `count` locations behind locations_begin; moves them to the front first. */
static enum err reserve_locations(struct wal_group *group, size_t count)
{
    if (group->locations_begin + count <= group->locations_capacity)
        return ERR_OK;
    if (group->locations_begin >= entry_count(group) && group->locations_begin > 0) {
        memmove(group->locations, group->locations + group->locations_begin,
                entry_count(group) * sizeof *group->locations);
        group->locations_begin = 0;
        return reserve_locations(group, count);
    }
    size_t capacity = 2 * (group->locations_begin + count);
    capacity = capacity < 16 ? 16 : capacity;
    struct wal_location *locations = memory_resize(group->locations, capacity * sizeof *locations);
    if (locations == NULL)
        return ERR_NO_MEMORY;
    group->locations = locations;
    group->locations_capacity = capacity;
    return ERR_OK;
}

enum err wal_group_reserve(struct wal_group *group, uint64_t last_index, const struct segment_record *record)
{
    if (record->type == SEGMENT_HARD_STATE)
        return wal_bytes_reserve(&group->hard_state, record->body.length);
    if (record->type == SEGMENT_SNAPSHOT_INSTALLING)
        return wal_bytes_reserve(&group->snapshot, record->body.length);
    if (record->type != SEGMENT_ENTRY)
        return ERR_OK;
    /* A queued record may move the log far ahead; then the places begin anew. */
    uint64_t first_index = group->first_index;
    if (group->queued_first_index > group->last_index + 1)
        first_index = group->queued_first_index;
    if (last_index < first_index)
        return ERR_OK;
    return reserve_locations(group, (size_t)(last_index + 1 - first_index));
}

static void set_last(struct wal_group *group, uint64_t last_index)
{
    struct wal *wal = group->wal;
    if (last_index > group->last_index)
        atomic_fetch_add(&wal->index_entries, last_index - group->last_index);
    else
        atomic_fetch_sub(&wal->index_entries, group->last_index - last_index);
    group->last_index = last_index;
}

static void empty_at(struct wal_group *group, uint64_t first_index, uint64_t previous_term)
{
    set_last(group, group->first_index - 1);
    group->first_index = first_index;
    group->last_index = first_index - 1;
    group->first_previous_term = previous_term;
    group->locations_begin = 0;
}

static void apply_entry(struct wal_group *group, const struct segment_record *record, struct wal_location at)
{
    set_last(group, record->index);
    group->locations[group->locations_begin + (record->index - group->first_index)] = at;
}

static void apply_log_start(struct wal_group *group, const struct segment_record *record)
{
    if (record->index < group->first_index)
        return;
    if (record->index > group->last_index) {
        empty_at(group, record->index, record->term);
        return;
    }
    size_t dropped = (size_t)(record->index - group->first_index);
    group->locations_begin += dropped;
    group->first_index = record->index;
    group->first_previous_term = record->term;
    atomic_fetch_sub(&group->wal->index_entries, dropped);
}

static void apply_snapshot(struct wal_group *group, const struct segment_record *record)
{
    group->is_installing = record->type == SEGMENT_SNAPSHOT_INSTALLING;
    group->snapshot_index = record->index;
    group->snapshot_term = record->term;
    if (group->is_installing)
        bytes_set(&group->snapshot, record->body);
    else
        empty_at(group, record->index + 1, record->term);
}

static void note_meta(struct wal_group *group, const struct segment_record *record, uint32_t generation)
{
    uint32_t *meta = group->meta_generation;
    if (record->type == SEGMENT_HARD_STATE)
        meta[WAL_META_HARD_STATE] = generation;
    else if (record->type == SEGMENT_SNAPSHOT_INSTALLING)
        meta[WAL_META_SNAPSHOT] = generation;
    else if (record->type == SEGMENT_LOG_START || record->type == SEGMENT_GROUP_CREATED)
        meta[WAL_META_START] = generation;
    else if (record->type == SEGMENT_SNAPSHOT_INSTALLED)
        meta[WAL_META_START] = generation, meta[WAL_META_SNAPSHOT] = 0;
    else if (meta[WAL_META_START] == 0)
        meta[WAL_META_START] = generation;
}

static bool is_positional(const struct segment_record *record)
{
    return record->type == SEGMENT_ENTRY || record->type == SEGMENT_TRUNCATE_SUFFIX;
}

static void declare_start(struct wal_group *group, uint64_t index, uint64_t term)
{
    if (index < group->declared_start)
        return;
    group->declared_start = index;
    group->declared_term = term;
}

/* Older segments may be gone, with entries that were needed when a record that is still here was written, and are
 * not any more: a later LOG_START, or the replica's removal, has overtaken them. So an entry that does not
 * follow what we have is taken as the first one; when all is read, first entry and declared start must agree. */
void wal_group_take_position(struct wal_group *group, const struct segment_record *record)
{
    bool is_before = record->index < group->first_index && record->index >= group->declared_start;
    bool is_behind = record->type == SEGMENT_ENTRY && record->index > group->last_index + 1;
    if (is_positional(record) && (!group->has_position || is_before || is_behind))
        empty_at(group, record->index, record->index == group->declared_start ? group->declared_term : 0);
    if (record->type != SEGMENT_HARD_STATE)
        group->has_position = true;
    if (record->type == SEGMENT_GROUP_CREATED)
        declare_start(group, 1, 0);
    else if (record->type == SEGMENT_LOG_START)
        declare_start(group, record->index, record->term);
    else if (record->type == SEGMENT_SNAPSHOT_INSTALLED)
        declare_start(group, record->index + 1, record->term);
}

bool wal_group_follows(const struct wal_group *group, const struct segment_record *record)
{
    if (record->type != SEGMENT_ENTRY)
        return true;
    return record->index >= group->first_index && record->index <= group->last_index + 1;
}

void wal_group_apply(struct wal_group *group, const struct segment_record *record, struct wal_location at)
{
    note_meta(group, record, at.generation);
    switch (record->type) {
    case SEGMENT_ENTRY:
        apply_entry(group, record, at);
        return;
    case SEGMENT_TRUNCATE_SUFFIX:
        if (record->index <= group->last_index)
            set_last(group, (record->index > group->first_index ? record->index : group->first_index) - 1);
        return;
    case SEGMENT_LOG_START:
        apply_log_start(group, record);
        return;
    case SEGMENT_HARD_STATE:
        group->hard_state_term = record->term;
        bytes_set(&group->hard_state, record->body);
        return;
    case SEGMENT_SNAPSHOT_INSTALLING:
    case SEGMENT_SNAPSHOT_INSTALLED:
        apply_snapshot(group, record);
        return;
    case SEGMENT_GROUP_CREATED:
    case SEGMENT_GROUP_REMOVED:
        return;
    case SEGMENT_START:
    case SEGMENT_SYNCED:
    default:
        UNREACHABLE("not a record of a group");
    }
}

struct wal_location wal_group_location(const struct wal_group *group, uint64_t index)
{
    ASSERT(index >= group->first_index && index <= group->last_index);
    return group->locations[group->locations_begin + (index - group->first_index)];
}

/* Locations are in the order of the log, so the first entry has the oldest: an entry that replaced others
 * lies behind them, and behind everything with a lower index. */
uint32_t wal_group_entries_generation(const struct wal_group *group)
{
    return entry_count(group) == 0 ? UINT32_MAX : wal_group_location(group, group->first_index).generation;
}

uint32_t wal_group_meta_generation(const struct wal_group *group)
{
    uint32_t oldest = UINT32_MAX;
    for (int i = 0; i < WAL_META_COUNT; i++)
        if (group->meta_generation[i] != 0 && group->meta_generation[i] < oldest)
            oldest = group->meta_generation[i];
    return oldest;
}

uint64_t wal_group_index_from(const struct wal_group *group, uint64_t generation)
{
    uint64_t low = group->first_index, high = group->last_index + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (wal_group_location(group, middle).generation < generation)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
