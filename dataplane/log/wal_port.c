/* A loop's end of the log: gathers appends into batches, hands them over at the end of the turn, and reports
 * what the log thread did with them. */
#include "base/assert.h"
#include "base/memory.h"
#include "dataplane/log/wal_internal.h"

/* ---- Batches ---- */

static void batch_destroy(struct wal_batch *batch)
{
    if (batch == NULL)
        return;
    buffer_deinit(&batch->bytes);
    memory_free(batch->appends);
    memory_free(batch);
}

static struct wal_batch *batch_create(struct wal_port *port)
{
    struct wal_batch *batch = port->idle;
    if (batch != NULL) {
        port->idle = NULL;
    } else {
        batch = memory_zalloc(sizeof *batch);
        if (batch == NULL)
            return NULL;
        buffer_init(&batch->bytes, port->wal->options.batch_bytes_max);
    }
    batch->port = port;
    batch->epoch = port->epoch;
    return batch;
}

/* One emptied batch is kept with its memory: the common case is one being filled while one is written. */
static void batch_recycle(struct wal_port *port, struct wal_batch *batch)
{
    if (port->idle != NULL) {
        batch_destroy(batch);
        return;
    }
    buffer_clear(&batch->bytes);
    batch->append_count = 0;
    batch->record_count = 0;
    port->idle = batch;
}

static void hand_over(struct wal_port *port)
{
    struct wal *wal = port->wal;
    struct wal_batch *batch = port->filling;
    if (batch == NULL)
        return;
    port->filling = NULL;
    port->outstanding++;
    port->outstanding_batches++;
    pthread_mutex_lock(&wal->mutex);
    wal_batch_list_push(&wal->queue, batch);
    if (!wal->is_pacing)
        pthread_cond_signal(&wal->work);
    pthread_mutex_unlock(&wal->mutex);
}

static void on_check(uv_check_t *handle)
{
    hand_over(handle->data);
}

static void on_prepare(uv_prepare_t *handle)
{
    hand_over(handle->data);
}

static enum err reserve_append(struct wal_batch *batch, size_t bytes)
{
    if (batch->append_count == batch->append_capacity) {
        size_t capacity = batch->append_capacity == 0 ? 16 : 2 * batch->append_capacity;
        struct wal_pending *appends = memory_resize(batch->appends, capacity * sizeof *appends);
        if (appends == NULL)
            return ERR_NO_MEMORY;
        batch->appends = appends;
        batch->append_capacity = capacity;
    }
    return buffer_reserve(&batch->bytes, bytes) ? ERR_OK : ERR_NO_MEMORY;
}

/* The batch that takes `bytes` more of this kind. */
static enum err filling_for(struct wal_port *port, size_t bytes, bool is_upkeep, struct wal_batch **ret_batch)
{
    struct wal_batch *batch = port->filling;
    if (batch != NULL && (batch->is_upkeep != is_upkeep || batch->epoch != port->epoch ||
                          batch->bytes.length + bytes > port->wal->options.batch_bytes_max)) {
        hand_over(port);
        batch = NULL;
    }
    if (batch == NULL) {
        batch = batch_create(port);
        if (batch == NULL)
            return ERR_NO_MEMORY;
        batch->is_upkeep = is_upkeep;
    }
    enum err err = reserve_append(batch, bytes);
    if (err != ERR_OK) {
        if (batch != port->filling)
            batch_destroy(batch);
        return err;
    }
    port->filling = *ret_batch = batch;
    return ERR_OK;
}

/* ---- Appending ---- */

static void note_queued(struct wal_group *group, const struct segment_record *record)
{
    if (record->type == SEGMENT_ENTRY) {
        ASSERT(record->index >= group->queued_first_index && record->index <= group->queued_last_index + 1);
        group->queued_last_index = record->index;
        return;
    }
    group->queued_meta_count++;
    if (record->type == SEGMENT_TRUNCATE_SUFFIX && record->index <= group->queued_last_index) {
        ASSERT(record->index >= group->queued_first_index);
        group->queued_last_index = record->index - 1;
    }
    bool is_installed = record->type == SEGMENT_SNAPSHOT_INSTALLED;
    if (record->type != SEGMENT_LOG_START && !is_installed)
        return;
    uint64_t first_index = is_installed ? record->index + 1 : record->index;
    if (!is_installed && first_index <= group->queued_first_index)
        return;
    group->queued_first_index = first_index;
    if (is_installed || group->queued_last_index < first_index - 1)
        group->queued_last_index = first_index - 1;
}

static enum err may_append(const struct wal_port *port, const struct segment_record *records, size_t count,
                           size_t *ret_bytes)
{
    const struct wal *wal = port->wal;
    size_t bytes = 0, entries = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].body.length > SEGMENT_BODY_BYTES_MAX)
            return ERR_LIMIT;
        bytes += segment_record_bytes(records[i].body.length);
        entries += records[i].type == SEGMENT_ENTRY;
    }
    if (wal_has_failed(wal))
        return ERR_IO;
    if (port->is_closing)
        return ERR_CLOSED;
    if (bytes > wal->options.batch_bytes_max ||
        (entries > 0 && atomic_load(&wal->index_entries) + entries > wal->options.index_entries_max))
        return ERR_LIMIT;
    if (port->queued_bytes + bytes > wal->options.queue_bytes_max)
        return ERR_BUSY;
    *ret_bytes = bytes;
    return ERR_OK;
}

enum err wal_port_append(struct wal_port *port, struct wal_group *group, const struct segment_record *records,
                         size_t count, bool is_upkeep, wal_append_cb done, void *cookie)
{
    size_t bytes;
    struct wal_batch *batch;
    ASSERT(count > 0 && group->port == port && !group->is_removing);
    TRY(may_append(port, records, count, &bytes));
    for (size_t i = 0; i < count; i++)
        TRY(wal_group_reserve(group, records[i].index, &records[i]));
    TRY(filling_for(port, bytes, is_upkeep, &batch));
    for (size_t i = 0; i < count; i++) {
        struct segment_record record = records[i];
        record.group_id = group->group_id;
        record.replica_id = group->replica_id;
        note_queued(group, &record);
        segment_record_layout(buffer_extend(&batch->bytes, segment_record_bytes(record.body.length)),
                              &record);
    }
    batch->record_count += (uint32_t)count;
    batch->appends[batch->append_count++] =
        (struct wal_pending){.group = group, .end = batch->bytes.length, .done = done, .cookie = cookie};
    group->queued_count++;
    port->queued_bytes += bytes;
    return ERR_OK;
}

enum err wal_append(struct wal_group *group, const struct segment_record *records, size_t count,
                    wal_append_cb done, void *cookie)
{
    if (group->is_damaged)
        return ERR_CORRUPT;
    for (size_t i = 0; i < count; i++)
        ASSERT(records[i].type >= SEGMENT_ENTRY && records[i].type <= SEGMENT_SNAPSHOT_INSTALLED);
    return wal_port_append(group->port, group, records, count, false, done, cookie);
}

enum err wal_group_truncate_prefix(struct wal_group *group, uint64_t first_index, uint64_t previous_term)
{
    if (group->is_damaged)
        return ERR_CORRUPT;
    if (first_index <= group->queued_first_index)
        return ERR_OK;
    struct segment_record record = {.type = SEGMENT_LOG_START, .index = first_index, .term = previous_term};
    return wal_port_append(group->port, group, &record, 1, true, NULL, NULL);
}

/* ---- Reporting ---- */

static void unlink_group(struct wal_port *port, struct wal_group *group)
{
    if (group->port_previous == NULL)
        port->groups = group->port_next;
    else
        group->port_previous->port_next = group->port_next;
    if (group->port_next != NULL)
        group->port_next->port_previous = group->port_previous;
    group->port_next = group->port_previous = NULL;
    group->port = NULL;
}

static void finish_removal(struct wal_port *port, struct wal_group *group, struct wal_location at)
{
    pthread_mutex_lock(&port->wal->mutex);
    group->tombstone->generation = at.generation;
    wal_tombstone_add(port->wal, group->tombstone);
    group->tombstone = NULL;
    unlink_group(port, group);
    wal_group_forget(group);
    pthread_mutex_unlock(&port->wal->mutex);
    port->is_needs_stale = true;
}

/* Take one append's durable records into its group's state. True: the group is gone. */
static bool apply_append(struct wal_port *port, const struct wal_batch *batch, struct wal_group *group,
                         size_t begin, size_t end)
{
    uint32_t needed_before = wal_group_entries_generation(group);
    for (size_t at = begin; at < end; at += segment_record_bytes_at(batch->bytes.data + at)) {
        struct segment_record record = segment_record_view(batch->bytes.data + at);
        struct wal_location location = {batch->at.generation, batch->at.offset + (uint32_t)at};
        if (record.type == SEGMENT_GROUP_REMOVED) {
            finish_removal(port, group, location);
            return true;
        }
        ASSERT(wal_group_follows(group, &record));
        wal_group_apply(group, &record, location);
    }
    if (wal_group_entries_generation(group) != needed_before && needed_before <= port->needed_generation)
        port->is_needs_stale = true;
    return false;
}

static void settle_append(struct wal_port *port, const struct wal_batch *batch,
                          const struct wal_pending *append, size_t begin)
{
    struct wal_group *group = append->group;
    group->queued_count--;
    for (size_t at = begin; at < append->end; at += segment_record_bytes_at(batch->bytes.data + at))
        if (segment_record_view(batch->bytes.data + at).type != SEGMENT_ENTRY)
            group->queued_meta_count--;
    if (batch->err == ERR_OK) {
        if (apply_append(port, batch, group, begin, append->end))
            return;
    } else {
        group->is_removing = false;
    }
    if (group->queued_count == 0) {
        group->queued_first_index = group->first_index;
        group->queued_last_index = group->last_index;
    }
}

static void report_batch(struct wal_port *port, struct wal_batch *batch)
{
    size_t begin = 0;
    if (batch->err == ERR_OK)
        port->reported_generation = batch->at.generation;
    else if (batch->epoch == port->epoch)
        port->epoch++;
    for (size_t i = 0; i < batch->append_count; i++) {
        struct wal_pending append = batch->appends[i];
        settle_append(port, batch, &append, begin);
        begin = append.end;
        if (append.done != NULL)
            append.done(append.cookie, batch->err);
    }
    port->queued_bytes -= batch->bytes.length;
    port->outstanding_batches--;
    batch_recycle(port, batch);
}

static void maybe_finish_closing(struct wal_port *port);

static void on_wake(struct wake *wake)
{
    struct wal_port *port = wake->data;
    uint64_t reported = 0;
    pthread_mutex_lock(&port->wal->mutex);
    struct wal_batch *batch = port->done.first;
    port->done.first = NULL;
    bool must_compute = port->must_compute_needs;
    port->must_compute_needs = false;
    pthread_mutex_unlock(&port->wal->mutex);
    while (batch != NULL) {
        struct wal_batch *next = batch->next;
        report_batch(port, batch);
        batch = next;
        reported++;
    }
    if ((must_compute || port->is_needs_stale) && !port->is_closing)
        wal_port_compute_needs(port);
    port->outstanding -= reported;
    maybe_finish_closing(port);
}

/* ---- Life cycle ---- */

enum err wal_port_open(struct wal_port **ret_port, struct wal *wal, uv_loop_t *loop)
{
    struct wal_port *port = memory_zalloc(sizeof *port);
    if (port == NULL)
        return ERR_NO_MEMORY;
    *port = (struct wal_port){.wal = wal, .loop = loop, .epoch = 1, .needed_generation = UINT32_MAX};
    enum err err = wake_open(&port->wake, loop, on_wake, port);
    if (err != ERR_OK) {
        memory_free(port);
        return err;
    }
    /* These two cannot fail. */
    uv_check_init(loop, &port->check);
    uv_prepare_init(loop, &port->prepare);
    uv_check_start(&port->check, on_check);
    uv_prepare_start(&port->prepare, on_prepare);
    uv_unref((uv_handle_t *)&port->check);
    uv_unref((uv_handle_t *)&port->prepare);
    port->check.data = port->prepare.data = port;
    port->handles_open = 3;
    pthread_mutex_lock(&wal->mutex);
    port->reported_generation = (uint32_t)wal->current->generation;
    port->next = wal->ports;
    wal->ports = port;
    pthread_mutex_unlock(&wal->mutex);
    *ret_port = port;
    return ERR_OK;
}

static void on_closed(struct wal_port *port)
{
    if (--port->handles_open > 0)
        return;
    void (*closed)(void *) = port->closed;
    void *data = port->closed_data;
    batch_destroy(port->idle);
    memory_free(port);
    if (closed != NULL)
        closed(data);
}

static void on_handle_closed(uv_handle_t *handle)
{
    on_closed(handle->data);
}

static void on_wake_closed(struct wake *wake)
{
    on_closed(wake->data);
}

/* Groups stay in the table, as after recovery, so that what they need is kept. */
static void leave_log(struct wal_port *port)
{
    struct wal *wal = port->wal;
    pthread_mutex_lock(&wal->mutex);
    while (port->groups != NULL)
        unlink_group(port, port->groups);
    struct wal_port **link = &wal->ports;
    while (*link != port)
        link = &(*link)->next;
    *link = port->next;
    pthread_mutex_unlock(&wal->mutex);
}

static void maybe_finish_closing(struct wal_port *port)
{
    if (!port->is_closing || port->outstanding > 0 || port->is_closing_handles)
        return;
    port->is_closing_handles = true;
    leave_log(port);
    wake_close(&port->wake, on_wake_closed);
    uv_close((uv_handle_t *)&port->check, on_handle_closed);
    uv_close((uv_handle_t *)&port->prepare, on_handle_closed);
}

void wal_port_close(struct wal_port *port, void (*closed)(void *data), void *data)
{
    ASSERT(!port->is_closing);
    port->closed = closed;
    port->closed_data = data;
    hand_over(port);
    port->is_closing = true;
    maybe_finish_closing(port);
}

void wal_port_outstanding_add(struct wal_port *port, int change)
{
    port->outstanding = port->outstanding + (uint64_t)(int64_t)change;
    maybe_finish_closing(port);
}

/* ---- Groups ---- */

static void link_group(struct wal_port *port, struct wal_group *group)
{
    group->port = port;
    group->port_next = port->groups;
    if (port->groups != NULL)
        port->groups->port_previous = group;
    port->groups = group;
}

enum err wal_group_create(struct wal_group **ret_group, struct wal_port *port, uint64_t group_id,
                          uint64_t replica_id)
{
    struct wal *wal = port->wal;
    struct wal_group *group = NULL;
    enum err err = ERR_OK;
    ASSERT(group_id != 0 && replica_id != 0);
    pthread_mutex_lock(&wal->mutex);
    if (wal_group_find(wal, group_id) != NULL)
        err = ERR_EXISTS;
    else if (wal_tombstone_find(wal, group_id, replica_id) != NULL)
        err = ERR_STALE;
    else if ((group = wal_group_add(wal, group_id, replica_id)) == NULL)
        err = ERR_NO_MEMORY;
    if (err == ERR_OK)
        link_group(port, group);
    pthread_mutex_unlock(&wal->mutex);
    if (err != ERR_OK)
        return err;
    struct segment_record record = {.type = SEGMENT_GROUP_CREATED, .index = 1};
    err = wal_port_append(port, group, &record, 1, false, NULL, NULL);
    if (err != ERR_OK) {
        pthread_mutex_lock(&wal->mutex);
        unlink_group(port, group);
        wal_group_forget(group);
        pthread_mutex_unlock(&wal->mutex);
        return err;
    }
    *ret_group = group;
    return ERR_OK;
}

enum err wal_group_open(struct wal_group **ret_group, struct wal_port *port, uint64_t group_id)
{
    pthread_mutex_lock(&port->wal->mutex);
    struct wal_group *group = wal_group_find(port->wal, group_id);
    if (group != NULL && group->port != NULL)
        group = NULL;
    if (group != NULL) {
        uint32_t entries = wal_group_entries_generation(group), meta = wal_group_meta_generation(group);
        uint32_t needed = entries < meta ? entries : meta;
        link_group(port, group);
        if (needed < port->needed_generation)
            port->needed_generation = needed;
    }
    pthread_mutex_unlock(&port->wal->mutex);
    if (group == NULL)
        return ERR_NOT_FOUND;
    *ret_group = group;
    return ERR_OK;
}

enum err wal_group_remove(struct wal_group *group, wal_append_cb done, void *cookie)
{
    struct segment_record record = {.type = SEGMENT_GROUP_REMOVED};
    if (group->tombstone == NULL)
        group->tombstone = memory_zalloc(sizeof *group->tombstone);
    if (group->tombstone == NULL)
        return ERR_NO_MEMORY;
    group->tombstone->group_id = group->group_id;
    group->tombstone->replica_id = group->replica_id;
    TRY(wal_port_append(group->port, group, &record, 1, true, done, cookie));
    group->is_removing = true;
    return ERR_OK;
}
