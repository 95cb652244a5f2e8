/* Reading entries back, in the thread pool. The files are held (`readers`) meanwhile, so that none is recycled. */
#include "base/assert.h"
#include "base/memory.h"
#include "dataplane/log/wal_internal.h"

enum {
    READ_ENTRIES_MAX = 1024,
    FIRST_READ_BYTES = 4096, /* holds most records whole */
};

struct wal_read {
    uv_work_t work;
    struct wal_port *port;
    wal_read_cb done;
    void *cookie;
    uint64_t group_id, replica_id, first_index;
    size_t bytes_max;
    enum err err;
    size_t count, read_count;
    struct buffer bytes;
    struct segment_record *records;
    size_t *record_offsets;
    struct wal_location *locations;
    struct wal_file *files[]; /* of each location */
};

/* Append the record at a place to the request's bytes, checked. */
static enum err read_record(struct wal_read *read, struct wal_location at, const struct wal_file *file)
{
    size_t begin = read->bytes.length;
    size_t available = at.offset < file->bytes ? file->bytes - at.offset : 0;
    size_t first = available < FIRST_READ_BYTES ? available : FIRST_READ_BYTES;
    struct segment_record record;
    uint8_t *to = buffer_extend(&read->bytes, first);
    if (to == NULL)
        return ERR_NO_MEMORY;
    if (first < SEGMENT_RECORD_HEADER_BYTES)
        return ERR_CORRUPT;
    TRY(wal_file_read(file, to, first, at.offset));
    size_t record_bytes = segment_record_bytes_at(to);
    if (record_bytes > available)
        return ERR_CORRUPT;
    if (record_bytes > first) {
        to = buffer_extend(&read->bytes, record_bytes - first);
        if (to == NULL)
            return ERR_NO_MEMORY;
        TRY(wal_file_read(file, to, record_bytes - first, at.offset + (uint32_t)first));
    }
    read->bytes.length = begin + record_bytes;
    TRY(segment_record_decode(slice_make(read->bytes.data + begin, record_bytes), at.generation, at.offset,
                              &record));
    bool is_ours = record.type == SEGMENT_ENTRY && record.group_id == read->group_id &&
                   record.replica_id == read->replica_id &&
                   record.index == read->first_index + read->read_count;
    return is_ours ? ERR_OK : ERR_CORRUPT;
}

static void on_work(uv_work_t *work)
{
    struct wal_read *read = work->data;
    while (read->err == ERR_OK && read->read_count < read->count) {
        if (read->read_count > 0 && read->bytes.length >= read->bytes_max)
            break;
        size_t begin = read->bytes.length;
        read->err = read_record(read, read->locations[read->read_count], read->files[read->read_count]);
        if (read->err == ERR_OK)
            read->record_offsets[read->read_count++] = begin;
    }
    for (size_t i = 0; i < read->read_count; i++)
        read->records[i] = segment_record_view(read->bytes.data + read->record_offsets[i]);
}

static void release_files(struct wal *wal, struct wal_read *read)
{
    pthread_mutex_lock(&wal->mutex);
    for (size_t i = 0; i < read->count; i++)
        if (--read->files[i]->readers == 0)
            pthread_cond_signal(&wal->prepare);
    pthread_mutex_unlock(&wal->mutex);
}

static void read_destroy(struct wal_read *read)
{
    buffer_deinit(&read->bytes);
    memory_free(read->records);
    memory_free(read->record_offsets);
    memory_free(read->locations);
    memory_free(read);
}

static void on_after_work(uv_work_t *work, int status)
{
    struct wal_read *read = work->data;
    struct wal_port *port = read->port;
    release_files(port->wal, read);
    /* Truncated: the file is shorter than what was written to it. */
    enum err err = read->err == ERR_TRUNCATED ? ERR_CORRUPT : read->err;
    read->done(read->cookie, err, read->records, err == ERR_OK ? read->read_count : 0);
    read_destroy(read);
    wal_port_outstanding_add(port, -1);
}

static struct wal_read *read_create(size_t count)
{
    struct wal_read *read = memory_zalloc(sizeof *read + count * sizeof(struct wal_file *));
    if (read == NULL)
        return NULL;
    buffer_init(&read->bytes, UINT32_MAX);
    read->count = count;
    read->records = memory_alloc(count * sizeof *read->records);
    read->record_offsets = memory_alloc(count * sizeof *read->record_offsets);
    read->locations = memory_alloc(count * sizeof *read->locations);
    if (read->records != NULL && read->record_offsets != NULL && read->locations != NULL)
        return read;
    read_destroy(read);
    return NULL;
}

static void hold_files(struct wal *wal, struct wal_read *read)
{
    pthread_mutex_lock(&wal->mutex);
    for (size_t i = 0; i < read->count; i++) {
        struct wal_file *file = i > 0 ? read->files[i - 1] : NULL;
        if (file == NULL || file->generation != read->locations[i].generation)
            file = wal_files_find(wal, read->locations[i].generation);
        ASSERT(file != NULL);
        read->files[i] = file;
        file->readers++;
    }
    pthread_mutex_unlock(&wal->mutex);
}

enum err wal_group_read(struct wal_group *group, uint64_t first, uint64_t last, size_t bytes_max,
                        wal_read_cb done, void *cookie)
{
    struct wal_port *port = group->port;
    if (port->is_closing)
        return ERR_CLOSED;
    if (first > last || first < group->first_index || last > group->last_index)
        return ERR_NOT_FOUND;
    uint64_t wanted = last - first + 1;
    struct wal_read *read = read_create(wanted < READ_ENTRIES_MAX ? (size_t)wanted : READ_ENTRIES_MAX);
    if (read == NULL)
        return ERR_NO_MEMORY;
    read->work.data = read;
    read->port = port;
    read->done = done;
    read->cookie = cookie;
    read->group_id = group->group_id;
    read->replica_id = group->replica_id;
    read->first_index = first;
    read->bytes_max = bytes_max;
    for (size_t i = 0; i < read->count; i++)
        read->locations[i] = wal_group_location(group, first + i);
    hold_files(port->wal, read);
    wal_port_outstanding_add(port, 1);
    if (uv_queue_work(port->loop, &read->work, on_work, on_after_work) == 0)
        return ERR_OK;
    release_files(port->wal, read);
    wal_port_outstanding_add(port, -1);
    read_destroy(read);
    return ERR_NO_MEMORY;
}
