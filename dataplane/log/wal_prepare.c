/* The preparing thread: has the next segment's file ready before it is needed, and takes back those that are
 * not needed any more, so that the log thread never waits for the file system's journal. */
#include "base/memory.h"
#include "dataplane/log/wal_internal.h"

/* Mutex held on entry and exit. */
static void make_next(struct wal *wal)
{
    struct wal_file *file = NULL;
    enum err err = ERR_NO_SPACE;
    if (wal->file_count < wal->options.segments_max) {
        uint64_t generation = wal->next_generation++;
        pthread_mutex_unlock(&wal->mutex);
        err = wal_file_make(wal, generation, wal->options.segment_bytes, &file);
        pthread_mutex_lock(&wal->mutex);
    }
    wal->next = file;
    wal->next_err = err;
    wal->next_state = err == ERR_OK ? WAL_NEXT_READY : WAL_NEXT_REFUSED;
    pthread_cond_signal(&wal->prepared);
}

/* Take the oldest file out of the table if it may go. */
static struct wal_file *take_recyclable(struct wal *wal)
{
    if (wal->file_count == 0)
        return NULL;
    struct wal_file *oldest = wal->files[0];
    if (oldest->generation >= wal->recyclable_below || oldest->readers > 0 || oldest == wal->current)
        return NULL;
    wal->file_count--;
    memmove(wal->files, wal->files + 1, wal->file_count * sizeof(*wal->files));
    return oldest;
}

void *wal_prepare_thread(void *data)
{
    struct wal *wal = data;
    pthread_mutex_lock(&wal->mutex);
    while (!wal->must_stop_preparing) {
        struct wal_file *old = take_recyclable(wal);
        if (old != NULL) {
            uint64_t generation = old->generation;
            pthread_mutex_unlock(&wal->mutex);
            wal_file_close(old);
            wal_file_retire(wal, generation);
            pthread_mutex_lock(&wal->mutex);
        } else if (wal->next_state == WAL_NEXT_WANTED) {
            make_next(wal);
        } else {
            pthread_cond_wait(&wal->prepare, &wal->mutex);
        }
    }
    pthread_cond_signal(&wal->prepared);
    pthread_mutex_unlock(&wal->mutex);
    return NULL;
}
