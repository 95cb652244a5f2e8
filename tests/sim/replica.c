/* The shell of one replica: what dataplane/node does around the cores, on simulated disk, store and network. */
#include <string.h>

#include "tests/sim/sim.h"

enum { WAITS_MAX = 200 };

/* ---- Entries that the shell keeps ---- */

const struct sim_entry *replica_entry(const struct sim_replica *r, uint64_t index)
{
    if (index < r->entries_first || index >= r->entries_first + r->entries_count)
        return NULL;
    return &r->entries[index - r->entries_first];
}

static void entries_cut(struct sim_replica *r, uint64_t from_index)
{
    while (r->entries_count > 0 && r->entries_first + r->entries_count > from_index)
        memory_free(r->entries[--r->entries_count].body);
}

static void entries_reset(struct sim_replica *r, uint64_t first_index)
{
    entries_cut(r, 0);
    r->entries_first = first_index;
}

static void entries_drop_front(struct sim_replica *r, uint64_t first_index)
{
    if (first_index <= r->entries_first)
        return;
    size_t drop = first_index - r->entries_first;
    if (drop >= r->entries_count) {
        entries_reset(r, first_index);
        return;
    }
    for (size_t i = 0; i < drop; i++)
        memory_free(r->entries[i].body);
    memmove(r->entries, r->entries + drop, (r->entries_count - drop) * sizeof(r->entries[0]));
    r->entries_count -= drop;
    r->entries_first = first_index;
}

static void entries_put(struct sim_replica *r, uint64_t index, uint64_t term, struct slice body)
{
    entries_cut(r, index);
    ASSERT(index == r->entries_first + r->entries_count);
    if (r->entries_count == r->entries_capacity) {
        r->entries_capacity = r->entries_capacity == 0 ? 64 : r->entries_capacity * 2;
        r->entries = memory_resize(r->entries, r->entries_capacity * sizeof(r->entries[0]));
        ASSERT(r->entries != NULL);
    }
    uint8_t *copy = memory_alloc(body.length);
    ASSERT(copy != NULL);
    memcpy(copy, body.data, body.length);
    r->entries[r->entries_count++] = (struct sim_entry){.term = term, .body = copy, .bytes = body.length};
}

/* ---- Life cycle ---- */

static uint64_t group_id_of(const struct world *w, const struct sim_replica *r)
{
    return w->groups[r->group_no].group_id;
}

void replica_open(struct world *w, struct sim_node *n, uint32_t group, uint64_t replica_id,
                  enum member_kind kind)
{
    struct sim_replica *r = &n->replicas[group];
    replica_close(r);
    r->replica_id = replica_id;
    r->group_no = group;
    r->node_no = n->id;
    r->kind = kind;
    r->is_quarantined = r->is_unborn = false;
    r->items = &n->items[w->groups[group].table];
    r->first_key = w->groups[group].first_key;
    r->end_key = w->groups[group].end_key;
    r->entries_first = 1;
    const struct group_options options = {.group_id = w->groups[group].group_id,
                                          .replica_id = replica_id,
                                          .node_id = n->id,
                                          .kind = kind,
                                          .seed = random_u64(&w->random),
                                          .inflight_bytes_max = 32 * 1024};
    r->group = group_create(&options);
    r->partition = partition_create(0);
    ASSERT(r->group != NULL && r->partition != NULL);
    meta_init(&r->meta);
}

void replica_close(struct sim_replica *r)
{
    if (r->group == NULL)
        return;
    group_destroy(r->group);
    partition_destroy(r->partition);
    r->group = NULL;
    r->partition = NULL;
    meta_deinit(&r->meta);
    entries_cut(r, 0);
    memory_free(r->entries);
    r->entries = NULL;
    r->entries_capacity = 0;
    snapshot_free(r->installing);
    r->installing = NULL;
    r->waiter_count = 0;
    r->wake_us = 0;
    r->led_term = 0;
    r->lease_since_us = 0;
    r->found_installing.index = 0;
}

void replica_append(struct world *w, struct sim_replica *r, enum segment_record_type type, uint64_t index,
                    uint64_t term, struct slice body)
{
    disk_append(w, &w->nodes[r->node_no], group_id_of(w, r), r->replica_id, type, index, term, body);
}

static void persist(struct world *w, struct sim_replica *r, const struct group_persist *p)
{
    struct sim_node *n = &w->nodes[r->node_no];
    uint64_t group_id = group_id_of(w, r);
    if (p->has_hard_state)
        disk_append(w, n, group_id, r->replica_id, SEGMENT_HARD_STATE, 0, p->hard_state_term, p->hard_state);
    if (p->truncate_from != 0) {
        disk_append(w, n, group_id, r->replica_id, SEGMENT_TRUNCATE_SUFFIX, p->truncate_from, 0, SLICE_EMPTY);
        entries_cut(r, p->truncate_from);
    }
    for (uint32_t i = 0; i < p->entry_count; i++) {
        const struct group_entry *e = &p->entries[i];
        disk_append(w, n, group_id, r->replica_id, SEGMENT_ENTRY, p->first_index + i, e->term, e->body);
        entries_put(r, p->first_index + i, e->term, e->body);
    }
    const struct sim_persist done = {
        .group = r->group_no, .replica_id = r->replica_id, .kind = PERSIST_GROUP, .token = p->token};
    disk_flush(w, n, &done);
}

void replica_create(struct world *w, struct sim_node *n, uint32_t group, uint64_t replica_id,
                    enum member_kind kind, bool is_bootstrap)
{
    replica_open(w, n, group, replica_id, kind);
    struct sim_replica *r = &n->replicas[group];
    meta_deinit(&r->durable);
    meta_init(&r->durable);
    store_drop_range(w, r);
    r->promised_replica = r->promised_index = 0;
    uint8_t kind_byte = (uint8_t)kind;
    disk_append(w, n, group_id_of(w, r), replica_id, SEGMENT_GROUP_CREATED, 0, 0, slice_make(&kind_byte, 1));
    struct group_update update;
    if (is_bootstrap) {
        enum err err = group_bootstrap(r->group, w->groups[group].bootstrap, 3, &update);
        ASSERT(err == ERR_OK);
        disk_append(w, n, group_id_of(w, r), replica_id, SEGMENT_HARD_STATE, 0, 0, update.persist.hard_state);
    }
    const struct sim_persist done = {.group = group, .replica_id = replica_id, .kind = PERSIST_GROUP};
    disk_flush(w, n, &done);
    replica_start(w, r);
}

void replica_quarantine(struct world *w, struct sim_replica *r, const char *why)
{
    if (r->is_quarantined)
        return;
    world_trace(w, "node %u group %u replica %llu: quarantined, %s", r->node_no, r->group_no,
                (unsigned long long)r->replica_id, why);
    r->is_quarantined = true;
    w->figures.quarantines++;
    if (!w->nodes[r->node_no].disk.is_damaged)
        check_fail(w, "quarantine", "node %u group %u: quarantined (%s), but nothing damaged its disk",
                   r->node_no, r->group_no, why);
}

void replica_remove(struct world *w, struct sim_replica *r)
{
    struct sim_node *n = &w->nodes[r->node_no];
    disk_append(w, n, group_id_of(w, r), r->replica_id, SEGMENT_GROUP_REMOVED, 0, 0, SLICE_EMPTY);
    const struct sim_persist done = {
        .group = r->group_no, .replica_id = r->replica_id, .kind = PERSIST_REMOVED};
    disk_flush(w, n, &done);
    world_trace(w, "node %u group %u replica %llu: removed", n->id, r->group_no,
                (unsigned long long)r->replica_id);
    split_forget(w, r);
    r->tombstone = r->replica_id;
    replica_close(r);
    r->replica_id = 0;
    r->is_quarantined = false;
    r->is_removing = true;
}

/* ---- Recovery ---- */

static enum err on_installed_record(struct sim_replica *r, const struct segment_record *record)
{
    if (record->body.length < 8)
        return ERR_CORRUPT;
    r->found_installing.index = 0;
    entries_reset(r, record->index + 1);
    return group_restore_snapshot(r->group, record->index, record->term, slice_from(record->body, 8));
}

static enum err on_installing_record(struct sim_replica *r, const struct segment_record *record)
{
    struct sim_snapshot *s = &r->found_installing;
    if (record->body.length < 8 || record->body.length > 8 + MEMBERSHIP_BYTES_MAX)
        return ERR_CORRUPT;
    s->index = record->index;
    s->term = record->term;
    memcpy(&s->membership_index, record->body.data, 8);
    s->membership_bytes = record->body.length - 8;
    memcpy(s->membership, record->body.data + 8, s->membership_bytes);
    return ERR_OK;
}

static enum err on_group_record(struct sim_replica *r, const struct segment_record *record)
{
    enum err err = ERR_OK;
    switch ((int)record->type) {
    case SEGMENT_HARD_STATE:
        return group_restore_hard_state(r->group, record->body);
    case SEGMENT_ENTRY:
        r->found_installing.index = 0; /* that one came to nothing */
        err = group_restore_entry(r->group, record->index, record->term, record->body);
        if (err == ERR_OK && record->index > r->entries_first + r->entries_count)
            entries_reset(r, record->index);
        if (err == ERR_OK && record->index >= r->entries_first)
            entries_put(r, record->index, record->term, record->body);
        return err;
    case SEGMENT_TRUNCATE_SUFFIX:
        entries_cut(r, record->index);
        return group_restore_truncate_suffix(r->group, record->index);
    case SEGMENT_LOG_START:
        err = group_restore_log_start(r->group, record->index, record->term);
        entries_drop_front(r, record->index);
        return err;
    case SEGMENT_SNAPSHOT_INSTALLING:
        return on_installing_record(r, record);
    case SEGMENT_SNAPSHOT_INSTALLED:
        return on_installed_record(r, record);
    }
    return ERR_OK;
}

void replica_on_record(struct world *w, struct sim_node *n, const struct segment_record *record)
{
    uint32_t g = group_slot(w, record->group_id);
    struct sim_replica *r = &n->replicas[g];
    if (record->type == SEGMENT_GROUP_CREATED) {
        enum member_kind kind =
            record->body.length == 1 && record->body.data[0] == MEMBER_LOG ? MEMBER_LOG : MEMBER_STORAGE;
        replica_open(w, n, g, record->replica_id, kind);
        return;
    }
    if (r->replica_id != record->replica_id) {
        if (r->replica_id != 0 && record->replica_id < r->replica_id)
            return;
        /* Its creation was lost to damage. */
        replica_open(w, n, g, record->replica_id, MEMBER_STORAGE);
        replica_quarantine(w, r, "no creation record");
    }
    if (record->type == SEGMENT_GROUP_REMOVED) {
        replica_close(r);
        r->replica_id = 0;
        r->tombstone = record->replica_id;
        return;
    }
    if (!r->is_quarantined && on_group_record(r, record) != ERR_OK)
        replica_quarantine(w, r, "a record does not fit");
}

static void append_snapshot_record(struct world *w, struct sim_replica *r, const struct sim_snapshot *s,
                                   enum segment_record_type type, enum sim_persist_kind kind)
{
    struct sim_node *n = &w->nodes[r->node_no];
    uint8_t body[8 + MEMBERSHIP_BYTES_MAX];
    memcpy(body, &s->membership_index, 8);
    memcpy(body + 8, s->membership, s->membership_bytes);
    disk_append(w, n, group_id_of(w, r), r->replica_id, type, s->index, s->term,
                slice_make(body, 8 + s->membership_bytes));
    const struct sim_persist done = {.group = r->group_no, .replica_id = r->replica_id, .kind = kind};
    disk_flush(w, n, &done);
}

/* The store was replaced, and the crash came before the log could follow. */
static enum err complete_install(struct world *w, struct sim_replica *r)
{
    const struct sim_snapshot *s = &r->found_installing;
    if (s->index == 0 || r->kind != MEMBER_STORAGE || r->durable.applied_index != s->index)
        return ERR_OK;
    entries_reset(r, s->index + 1);
    append_snapshot_record(w, r, s, SEGMENT_SNAPSHOT_INSTALLED, PERSIST_OTHER);
    return group_restore_snapshot(r->group, s->index, s->term,
                                  slice_make(s->membership, s->membership_bytes));
}

static enum partition_entry_kind entry_kind(const struct sim_entry *e)
{
    switch (e->body[0]) {
    case ENTRY_WRITE:
        return PARTITION_ENTRY_WRITE;
    case ENTRY_SCHEMA:
        return PARTITION_ENTRY_SCHEMA;
    case ENTRY_SPLIT:
        return PARTITION_ENTRY_SPLIT;
    default:
        return PARTITION_ENTRY_NONE;
    }
}

/* From the store's last flush, and from the log beyond it. */
static enum err load_store(struct sim_replica *r)
{
    meta_copy(&r->meta, &r->durable);
    if (r->meta.checkpoint.length > 0)
        TRY(partition_checkpoint_decode(r->partition, buffer_view(&r->meta.checkpoint)));
    TRY(ids_load(r));
    partition_set_stored(r->partition, r->meta.applied_index, r->meta.size);
    /* Request ids of what the store has and the checkpoint does not. */
    for (uint64_t i = r->meta.checkpoint_index + 1; i <= r->meta.applied_index; i++) {
        const struct sim_entry *e = replica_entry(r, i);
        if (e == NULL)
            return ERR_CORRUPT;
        struct partition_effect effect;
        TRY(partition_apply(r->partition, i, entry_kind(e), slice_make(e->body + 1, e->bytes - 1), &effect));
    }
    return ERR_OK;
}

void replica_start(struct world *w, struct sim_replica *r)
{
    struct sim_node *n = &w->nodes[r->node_no];
    enum err err = complete_install(w, r);
    if (err == ERR_OK && r->kind == MEMBER_STORAGE)
        err = load_store(r);
    struct group_status status = group_status(r->group);
    uint64_t applied = r->kind == MEMBER_STORAGE ? r->meta.applied_index : status.first_index - 1;
    if (err == ERR_OK)
        err = group_start(r->group, applied, r->kind == MEMBER_STORAGE ? r->meta.applied_term : 0,
                          clock_boot(w, n));
    if (err != ERR_OK) {
        replica_quarantine(w, r, "it cannot start");
        return;
    }
    r->digest = check_digest(r);
    check_durable(w, r);
    if (r->kind == MEMBER_STORAGE && partition_is_split(r->partition))
        split_applied(w, r);
    replica_tick(w, r);
}

/* ---- The step ---- */

static void apply_entry(struct world *w, struct sim_replica *r, uint64_t index)
{
    const struct sim_entry *e = replica_entry(r, index);
    ASSERT(e != NULL);
    struct partition_effect effect;
    enum err err =
        partition_apply(r->partition, index, entry_kind(e), slice_make(e->body + 1, e->bytes - 1), &effect);
    if (err != ERR_OK) {
        check_fail(w, "apply", "node %u group %u: entry %llu does not apply", r->node_no, r->group_no,
                   (unsigned long long)index);
        return;
    }
    int key = effect.kind == PARTITION_EFFECT_PUT || effect.kind == PARTITION_EFFECT_DELETE
                  ? key_number(effect.key)
                  : -1;
    if (key >= 0 && effect.kind == PARTITION_EFFECT_PUT)
        buffer_set(&r->items->rows[key], effect.envelope);
    else if (key >= 0)
        buffer_clear(&r->items->rows[key]);
    ids_save(r, IDS_CHUNK);
    r->meta.size = partition_size(r->partition);
    r->meta.applied_index = index;
    r->meta.applied_term = e->term;
    r->promised_index = index;
    r->digest = check_digest(r);
    check_applied(w, r, index);
    if (effect.kind == PARTITION_EFFECT_SPLIT)
        split_applied(w, r);
}

static void apply_up_to(struct world *w, struct sim_replica *r, uint64_t commit_index)
{
    struct group_status status = group_status(r->group);
    uint64_t from = status.applied_index + 1;
    check_committed(w, r, from, commit_index);
    for (uint64_t i = from; i <= commit_index && r->kind == MEMBER_STORAGE && !w->has_failed; i++)
        apply_entry(w, r, i);
    if (w->has_failed)
        return;
    if (r->kind == MEMBER_LOG && status.split_index >= from && status.split_index <= commit_index)
        split_applied(w, r);
    struct group_update update;
    replica_step(w, r, (struct group_event){.kind = GROUP_EVENT_APPLIED, .index = commit_index}, &update);
    status = group_status(r->group);
    if (status.role == GROUP_LEADER && status.applied_index >= status.noop_index &&
        r->led_term != status.term && r->kind == MEMBER_STORAGE) {
        r->led_term = status.term;
        partition_lead(r->partition, clock_boot(w, &w->nodes[r->node_no]));
    }
    serve_applied(w, r);
}

static void schedule_wake(struct world *w, struct sim_replica *r)
{
    struct sim_node *n = &w->nodes[r->node_no];
    uint64_t boot_us = group_wake_us(r->group, n->support, clock_boot(w, n));
    if (boot_us == UINT64_MAX) {
        r->wake_us = 0;
        return;
    }
    uint64_t at_us = clock_true(w, n, boot_us);
    at_us = at_us < w->now_us + 1 * MS ? w->now_us + 1 * MS : at_us;
    if (r->wake_us > w->now_us && r->wake_us <= at_us)
        return; /* an earlier tick does no harm */
    r->wake_us = at_us;
    struct sim_event *event = world_schedule(w, at_us, SIM_WAKE);
    event->node = n->id;
    event->group = r->group_no;
    event->life = n->life;
}

/* All that an update asks for, but applying. */
static void update_carry_out(struct world *w, struct sim_replica *r, const struct group_update *update,
                             enum group_role role_before)
{
    if (update->is_term_lost)
        serve_term_lost(w, r);
    if (update->persist.is_needed)
        persist(w, r, &update->persist);
    if (update->is_elected)
        check_elected(w, r, update->term);
    enum group_role role = group_status(r->group).role;
    if (role == GROUP_CANDIDATE && role_before != GROUP_CANDIDATE)
        check_campaign(w, r);
    if (update->is_commit_advanced && role == GROUP_LEADER && r->committed_term != update->term) {
        r->committed_term = update->term;
        faults_on_commit(w, r);
    }
    for (uint32_t i = 0; i < update->message_count; i++)
        network_send_replication(w, r, &update->messages[i]);
    for (uint32_t i = 0; i < update->snapshot_count; i++)
        replica_send_snapshot(w, r, &update->snapshots[i]);
}

void replica_step(struct world *w, struct sim_replica *r, struct group_event event,
                  struct group_update *ret_update)
{
    struct sim_node *n = &w->nodes[r->node_no];
    event.now_us = clock_boot(w, n);
    event.support = n->support;
    enum group_role role_before = group_status(r->group).role;
    group_step(r->group, &event, ret_update);
    update_carry_out(w, r, ret_update, role_before);
    if (ret_update->is_removed) {
        replica_remove(w, r);
        return;
    }
    if (ret_update->commit_index > group_status(r->group).applied_index && event.kind != GROUP_EVENT_APPLIED)
        apply_up_to(w, r, ret_update->commit_index);
    if (r->group != NULL)
        schedule_wake(w, r);
}

void replica_tick(struct world *w, struct sim_replica *r)
{
    struct group_update update;
    if (replica_is_live(r))
        replica_step(w, r, (struct group_event){.kind = GROUP_EVENT_TICK}, &update);
}

/* For a child whose parent here is not there yet: later. */
static void put_off(struct world *w, const struct sim_event *event)
{
    struct sim_event *again = world_schedule(w, w->now_us + 2 * MS, SIM_REPLICATION);
    again->from_node = event->from_node;
    again->node = event->node;
    again->group = event->group;
    again->waits = event->waits + 1;
    w->figures.put_off += event->waits == 0;
    again->bytes = event->bytes;
    again->data = memory_alloc(event->bytes);
    ASSERT(again->data != NULL);
    memcpy(again->data, event->data, event->bytes);
}

void replica_on_message(struct world *w, struct sim_node *n, const struct sim_event *event)
{
    if (split_is_waiting(w, n, event->group) && event->waits < WAITS_MAX) {
        put_off(w, event);
        return;
    }
    struct sim_replica *r = &n->replicas[event->group];
    struct group_message m;
    struct group_entry entries[512];
    uint32_t head;
    memcpy(&head, event->data, 4);
    enum err err = message_decode(slice_make(event->data + 4, head), &m);
    ASSERT(err == ERR_OK && m.entry_count <= 512);
    err = append_entries_decode(slice_make(event->data + 4 + head, event->bytes - 4 - head), m.entry_count,
                                entries);
    ASSERT(err == ERR_OK);
    m.entries = entries;
    if (!replica_is_live(r) || m.to_replica != r->replica_id)
        return;
    struct group_update update;
    replica_step(w, r, (struct group_event){.kind = GROUP_EVENT_MESSAGE, .message = &m}, &update);
}

/* ---- Flushes and snapshots ---- */

/* The store makes what it has durable, sometimes without a new checkpoint; then the log's front goes. */
void replica_flush(struct world *w, struct sim_replica *r)
{
    if (r->kind != MEMBER_STORAGE || r->installing != NULL)
        return;
    if (world_chance(w, 600 * 1000)) {
        store_checkpoint(r);
    }
    store_flush(w, &w->nodes[r->node_no], w->groups[r->group_no].table);
    uint64_t first = r->durable.checkpoint_index + 1;
    if (first < 40 || !world_chance(w, 500 * 1000))
        return;
    first -= world_uniform(w, 0, 30);
    /* While there are log replicas, they must be able to repair any voter: keep what voters still lack. */
    const struct membership *members = group_membership(r->group);
    for (uint32_t i = 0; i < members->count; i++)
        if (members->members[i].kind == MEMBER_LOG)
            return;
    struct group_status status = group_status(r->group);
    if (status.split_index != 0 && first > status.split_index)
        first = status.split_index; /* who lags shall have it from the log */
    uint64_t previous_term;
    if (first <= status.first_index || !group_entry_term(r->group, first - 1, &previous_term))
        return;
    disk_append(w, &w->nodes[r->node_no], group_id_of(w, r), r->replica_id, SEGMENT_LOG_START, first,
                previous_term, SLICE_EMPTY);
    entries_drop_front(r, first);
    struct group_update update;
    replica_step(w, r, (struct group_event){.kind = GROUP_EVENT_TRUNCATED, .index = first}, &update);
}

void replica_send_snapshot(struct world *w, struct sim_replica *r, const struct member *to)
{
    if (r->kind != MEMBER_STORAGE && to->kind == MEMBER_STORAGE)
        return; /* we have no rows to give */
    if (group_is_split(r->group) && to->kind == MEMBER_STORAGE)
        return; /* they are our children's by now */
    struct sim_snapshot *s = memory_zalloc(sizeof(*s));
    ASSERT(s != NULL);
    s->from_replica = r->replica_id;
    s->to_replica = to->replica_id;
    const struct membership *m = group_membership_committed(r->group);
    struct group_status status = group_status(r->group);
    s->index = to->kind == MEMBER_LOG ? status.first_index - 1 : r->meta.applied_index;
    bool is_known = group_entry_term(r->group, s->index, &s->term);
    ASSERT(is_known);
    s->membership_index = m->index < s->index ? m->index : s->index;
    struct buffer bytes;
    buffer_init(&bytes, MEMBERSHIP_BYTES_MAX);
    membership_encode(m, &bytes);
    memcpy(s->membership, bytes.data, bytes.length);
    s->membership_bytes = bytes.length;
    buffer_deinit(&bytes);
    if (to->kind == MEMBER_STORAGE) {
        s->meta = memory_zalloc(sizeof(*s->meta));
        s->items = memory_zalloc(sizeof(*s->items));
        ASSERT(s->meta != NULL && s->items != NULL);
        meta_init(s->meta);
        meta_copy(s->meta, &r->meta);
        buffer_clear(&s->meta->ids); /* all are in the checkpoint */
        buffer_clear(&s->meta->checkpoint);
        partition_checkpoint_encode(r->partition, &s->meta->checkpoint);
        s->meta->checkpoint_index = r->meta.applied_index;
        items_init(s->items);
        items_copy(s->items, r->items, r->first_key, r->end_key);
    }
    w->figures.snapshots++;
    network_send_snapshot(w, r->node_no, to->node_id, r->group_no, s);
}

void replica_on_snapshot(struct world *w, struct sim_node *n, const struct sim_event *event)
{
    struct sim_replica *r = &n->replicas[event->group];
    struct sim_snapshot *s = event->snapshot;
    if (!replica_is_live(r) || r->replica_id != s->to_replica || r->installing != NULL)
        return;
    struct group_update update;
    replica_step(w, r,
                 (struct group_event){.kind = GROUP_EVENT_INSTALLING, .index = s->index, .term = s->term},
                 &update);
    if (update.err != ERR_OK)
        return;
    r->installing = memory_alloc(sizeof(*s));
    ASSERT(r->installing != NULL);
    *r->installing = *s;
    s->meta = NULL; /* ours now */
    s->items = NULL;
    faults_on_install(w, r);
    append_snapshot_record(w, r, r->installing, SEGMENT_SNAPSHOT_INSTALLING, PERSIST_INSTALLING);
}

static void finish_install(struct world *w, struct sim_replica *r)
{
    const struct sim_node *n = &w->nodes[r->node_no];
    struct sim_snapshot *s = r->installing;
    r->installing = NULL;
    entries_reset(r, s->index + 1);
    if (r->kind == MEMBER_STORAGE) {
        items_copy(r->items, &n->durable_items[w->groups[r->group_no].table], r->first_key, r->end_key);
        partition_destroy(r->partition);
        r->partition = partition_create(0);
        ASSERT(r->partition != NULL);
        enum err err = load_store(r);
        ASSERT(err == ERR_OK);
        r->digest = check_digest(r);
    }
    struct group_update update;
    replica_step(w, r,
                 (struct group_event){.kind = GROUP_EVENT_INSTALLED,
                                      .index = s->index,
                                      .term = s->term,
                                      .membership = slice_make(s->membership, s->membership_bytes),
                                      .membership_index = s->membership_index},
                 &update);
    ASSERT(update.err == ERR_OK);
    snapshot_free(s);
}

void replica_on_persisted(struct world *w, struct sim_replica *r, const struct sim_persist *p)
{
    struct group_update update;
    switch (p->kind) {
    case PERSIST_GROUP:
        r->promised_replica = r->replica_id;
        r->promised_term = p->token.term;
        r->promised_vote = p->token.vote;
        if (p->token.term != 0 || p->token.last_index != 0)
            replica_step(w, r, (struct group_event){.kind = GROUP_EVENT_PERSISTED, .token = p->token},
                         &update);
        break;
    case PERSIST_INSTALLING:
        /* The store is wiped and filled, all of it durable; with INSTALLED the log follows. */
        if (r->installing->meta != NULL) {
            meta_copy(&r->durable, r->installing->meta);
            items_copy(&w->nodes[r->node_no].durable_items[w->groups[r->group_no].table],
                       r->installing->items, r->first_key, r->end_key);
        }
        faults_on_install(w, r);
        append_snapshot_record(w, r, r->installing, SEGMENT_SNAPSHOT_INSTALLED, PERSIST_INSTALLED);
        break;
    case PERSIST_INSTALLED:
        finish_install(w, r);
        break;
    case PERSIST_REMOVED:
    case PERSIST_OTHER:
        break;
    }
}
