#include "base/memory.h"
#include "dataplane/replication/group_internal.h"

void group_log_init(struct group_log *log)
{
    *log = (struct group_log){.first_index = 1, .window_entries = GROUP_WINDOW_FIRST};
}

void group_log_deinit(struct group_log *log)
{
    memory_free(log->runs);
    memory_free(log->grown_window);
}

/* ---- sizes ---- */

static uint64_t *sum_at(struct group_log *log, uint64_t index)
{
    uint64_t *window = log->grown_window != NULL ? log->grown_window : log->first_window;
    return &window[index % log->window_entries];
}

static uint64_t sum_of(const struct group_log *log, uint64_t index)
{
    const uint64_t *window = log->grown_window != NULL ? log->grown_window : log->first_window;
    return window[index % log->window_entries];
}

/* Room for one more entry's sum; the oldest is forgotten where there is none, for want of memory too. */
static void window_advance(struct group_log *log, uint64_t index)
{
    if (index - log->window_first < log->window_entries)
        return;
    uint32_t entries =
        log->window_entries * 4 < GROUP_TAIL_ENTRIES_MAX ? log->window_entries * 4 : GROUP_TAIL_ENTRIES_MAX;
    uint64_t *grown = entries == log->window_entries ? NULL : memory_alloc(entries * sizeof *grown);
    if (grown == NULL) {
        log->window_first = index - log->window_entries + 1;
        return;
    }
    for (uint64_t i = log->window_first; i < index; i++)
        grown[i % entries] = sum_of(log, i);
    memory_free(log->grown_window);
    log->grown_window = grown;
    log->window_entries = entries;
}

/* ---- terms ---- */

/* The run that `index` is in; the log holds the index. */
static uint32_t run_find(const struct group_log *log, uint64_t index)
{
    ASSERT(log->run_count > 0);
    uint32_t low = 0;
    uint32_t high = log->run_count;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (log->runs[middle].first_index <= index)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool group_log_term(const struct group_log *log, uint64_t index, uint64_t *ret_term)
{
    if (index + 1 == log->first_index) {
        *ret_term = log->previous_term;
        return true;
    }
    if (index < log->first_index || index > log->last_index)
        return false;
    *ret_term = log->runs[run_find(log, index)].term;
    return true;
}

uint64_t group_log_last_term(const struct group_log *log)
{
    return log->run_count == 0 ? log->previous_term : log->runs[log->run_count - 1].term;
}

uint64_t group_log_run_begin(const struct group_log *log, uint64_t index)
{
    if (index < log->first_index || index > log->last_index)
        return log->first_index;
    uint64_t begin = log->runs[run_find(log, index)].first_index;
    return begin < log->first_index ? log->first_index : begin;
}

enum err group_log_reserve(struct group_log *log, uint32_t runs)
{
    if (log->run_count + runs <= log->run_capacity)
        return ERR_OK;
    uint32_t capacity = log->run_capacity == 0 ? 4 : log->run_capacity * 2;
    while (capacity < log->run_count + runs)
        capacity *= 2;
    struct term_run *grown = memory_resize(log->runs, capacity * sizeof(*grown));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    log->runs = grown;
    log->run_capacity = capacity;
    return ERR_OK;
}

void group_log_append(struct group_log *log, uint64_t term, size_t body_bytes)
{
    uint64_t index = log->last_index + 1;
    uint64_t before = sum_of(log, log->last_index);
    window_advance(log, index);
    log->last_index = index;
    *sum_at(log, index) = before + body_bytes;
    if (log->run_count > 0 && log->runs[log->run_count - 1].term == term)
        return;
    ASSERT(log->run_count < log->run_capacity);
    log->runs[log->run_count++] = (struct term_run){.first_index = index, .term = term};
}

/* The sum at the end has been overwritten: count anew from here. */
static void window_restart(struct group_log *log)
{
    log->window_first = log->last_index;
    *sum_at(log, log->last_index) = 0;
}

void group_log_truncate_suffix(struct group_log *log, uint64_t from_index)
{
    if (from_index > log->last_index)
        return;
    ASSERT(from_index >= log->first_index);
    log->last_index = from_index - 1;
    while (log->run_count > 0 && log->runs[log->run_count - 1].first_index >= from_index)
        log->run_count--;
    if (log->last_index < log->window_first)
        window_restart(log);
}

void group_log_truncate_prefix(struct group_log *log, uint64_t first_index)
{
    if (first_index <= log->first_index)
        return;
    ASSERT(first_index <= log->last_index + 1);
    uint32_t keep = run_find(log, first_index - 1);
    log->previous_term = log->runs[keep].term;
    log->first_index = first_index;
    if (first_index > log->last_index ||
        (keep + 1 < log->run_count && log->runs[keep + 1].first_index <= first_index))
        keep++;
    log->run_count -= keep;
    for (uint32_t i = 0; i < log->run_count; i++)
        log->runs[i] = log->runs[i + keep];
}

void group_log_reset(struct group_log *log, uint64_t index, uint64_t term)
{
    log->first_index = index + 1;
    log->last_index = index;
    log->previous_term = term;
    log->run_count = 0;
    window_restart(log);
}

void group_note_entry(struct group *g, struct slice body)
{
    if (body.data[0] == ENTRY_SPLIT)
        g->split_index = g->log.last_index;
}

void group_note_cut(struct group *g)
{
    if (g->split_index < g->log.first_index || g->split_index > g->log.last_index)
        g->split_index = 0;
}

bool group_log_bytes(const struct group_log *log, uint64_t after, uint64_t up_to, uint64_t *ret_bytes)
{
    if (after < log->window_first || up_to > log->last_index || after > up_to)
        return false;
    *ret_bytes = sum_of(log, up_to) - sum_of(log, after);
    return true;
}
