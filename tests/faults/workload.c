#include "tests/faults/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/random.h"
#include "tests/faults/faultfs.h"

enum { OUTSTANDING_MAX = 4, FLUSH_EVERY = 40, FAIL_EVERY = 70, PATH_BYTES = 200 };

struct member {
    struct workload *workload;
    struct wal_group *group;
    uint64_t group_id, replica_id, last_index, term, hard_term;
    struct store_applied applied;
    uint64_t recovered_terms[WORKLOAD_INDEX_MAX];
};

struct workload {
    uv_loop_t loop;
    struct wal *wal;
    struct wal_port *port;
    struct store *store;
    struct store_batch *batch;
    struct member members[WORKLOAD_GROUPS + 1];
    struct random random;
    unsigned outstanding;
    bool is_closed, is_failing;
    char wal_path[PATH_BYTES];
};

/* An append under way. */
struct promise {
    struct member *member;
    struct workload_record record;
};

size_t workload_body(uint64_t group_id, uint64_t index, uint64_t term, uint8_t *to)
{
    uint64_t x = group_id * 1000003 + index * 10007 + term * 101;
    size_t bytes = 24 + (size_t)(x * 2654435761u >> 7) % (WORKLOAD_BODY_BYTES_MAX - 24);
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(x + i * (1 + x % 7));
    memcpy(to, &term, sizeof term);
    return bytes;
}

struct slice workload_key(uint64_t group_id, uint64_t index, char side, uint8_t *to)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(group_id >> (56 - 8 * i));
        to[8 + i] = (uint8_t)(index >> (56 - 8 * i));
    }
    to[16] = (uint8_t)side;
    return slice_make(to, WORKLOAD_KEY_BYTES);
}

void workload_apply(struct store_batch *batch, const struct segment_record *entry,
                    struct store_applied *applied)
{
    *applied = (struct store_applied){
        .replica_id = entry->replica_id,
        .index = entry->index,
        .term = entry->term,
        .item_count = applied->item_count + 2,
        .item_bytes = applied->item_bytes + 2 * entry->body.length,
    };
    uint8_t key[WORKLOAD_KEY_BYTES];
    store_batch_put(batch, workload_key(entry->group_id, entry->index, 'a', key), entry->body);
    store_batch_set_applied(batch, entry->group_id, applied);
    store_batch_put(batch, workload_key(entry->group_id, entry->index, 'b', key), entry->body);
}

struct wal_options workload_wal_options(const char *directory)
{
    return (struct wal_options){
        .directory = directory, .segment_bytes = 64 * 1024, .segments_max = 16, .synced_mark_delay_us = 3000};
}

struct store_options workload_store_options(const char *directory)
{
    return (struct store_options){.directory = directory,
                                  .write_buffer_bytes = 64 * 1024,
                                  .block_cache_bytes = 1 << 20,
                                  .rate_limit_bytes_per_s = UINT64_MAX,
                                  .background_threads = 1};
}

static void must(enum err err, const char *what)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "workload: %s: %s\n", what, err_name(err));
    exit(1);
}

static void note(const struct workload_record *record)
{
    if (faultfs_note != NULL)
        faultfs_note(record, sizeof *record);
}

static void apply_entry(struct workload *w, const struct workload_record *r)
{
    uint8_t body[WORKLOAD_BODY_BYTES_MAX];
    struct segment_record entry = {
        .group_id = r->group_id, .replica_id = r->replica_id, .index = r->index, .term = r->term};
    entry.body = slice_make(body, workload_body(r->group_id, r->index, r->term, body));
    store_batch_clear(w->batch);
    workload_apply(w->batch, &entry, &w->members[r->group_id].applied);
    must(store_write_waiting(w->store, w->batch), "store_write");
}

static void on_append(void *cookie, enum err err)
{
    struct promise *promise = cookie;
    struct member *member = promise->member;
    struct workload *w = member->workload;
    w->outstanding--;
    if (err != ERR_OK && w->is_failing) {
        free(promise);
        return;
    }
    must(err, "append");
    note(&promise->record);
    bool is_next = promise->record.index == member->applied.index + 1;
    if (promise->record.note == NOTE_ACK_ENTRY && member->group_id < WORKLOAD_REPLACING && is_next)
        apply_entry(w, &promise->record);
    free(promise);
}

static struct promise *promise_make(struct member *member, enum workload_note kind, uint64_t index,
                                    uint64_t term)
{
    struct promise *promise = calloc(1, sizeof *promise);
    promise->member = member;
    promise->record = (struct workload_record){kind, member->group_id, member->replica_id, index, term};
    member->workload->outstanding++;
    return promise;
}

static void wait_until(struct workload *w, unsigned outstanding)
{
    while (w->outstanding > outstanding)
        uv_run(&w->loop, UV_RUN_ONCE);
}

static void append_entry(struct member *member, uint64_t index)
{
    uint8_t body[WORKLOAD_BODY_BYTES_MAX];
    struct promise *promise = promise_make(member, NOTE_ACK_ENTRY, index, member->term);
    struct workload_record issue = promise->record;
    issue.note = NOTE_ISSUE_ENTRY;
    note(&issue);
    struct segment_record record = {.type = SEGMENT_ENTRY, .index = index, .term = member->term};
    record.body = slice_make(body, workload_body(member->group_id, index, member->term, body));
    must(wal_append(member->group, &record, 1, on_append, promise), "wal_append");
    member->last_index = index;
}

static void append_hard_state(struct member *member)
{
    struct promise *promise = promise_make(member, NOTE_ACK_HARD_STATE, 0, ++member->hard_term);
    struct segment_record record = {
        .type = SEGMENT_HARD_STATE, .term = member->hard_term, .body = SLICE_LITERAL("a vote")};
    must(wal_append(member->group, &record, 1, on_append, promise), "hard state");
}

static void create_member(struct workload *w, uint64_t group_id, uint64_t replica_id)
{
    struct member *member = &w->members[group_id];
    *member = (struct member){.workload = w, .group_id = group_id, .replica_id = replica_id, .term = 1};
    struct workload_record issue = {NOTE_ISSUE_CREATE, group_id, replica_id, 0, 0};
    note(&issue);
    must(wal_group_create(&member->group, w->port, group_id, replica_id), "create");
}

static void recreate_member(struct workload *w, struct member *member)
{
    wait_until(w, 0);
    struct promise *promise = promise_make(member, NOTE_ACK_REMOVE, 0, 0);
    struct workload_record issue = promise->record;
    issue.note = NOTE_ISSUE_REMOVE;
    note(&issue);
    must(wal_group_remove(member->group, on_append, promise), "remove");
    wait_until(w, 0);
    create_member(w, member->group_id, member->replica_id + 1);
}

/* A new leader replaces what was not committed: the last few entries, in a higher term. */
static void replace_suffix(struct workload *w, struct member *member)
{
    wait_until(w, 0);
    uint64_t back = random_below(&w->random, 4);
    if (member->last_index <= back)
        return;
    uint64_t index = member->last_index - back;
    if (index < wal_group_replica(member->group).first_index)
        return;
    member->term++;
    append_entry(member, index);
}

static void flush_and_truncate(struct workload *w)
{
    must(store_flush(w->store), "flush");
    for (uint64_t g = 1; g < WORKLOAD_REPLACING; g++) {
        struct store_applied applied;
        if (store_applied_durable(w->store, g, &applied) == ERR_OK)
            must(wal_group_truncate_prefix(w->members[g].group, applied.index + 1, applied.term), "truncate");
    }
    struct member *replacing = &w->members[WORKLOAD_REPLACING];
    wait_until(w, 0);
    struct workload_record issue = {NOTE_ISSUE_ENTRY, WORKLOAD_REPLACING, replacing->replica_id, 0, 0};
    if (replacing->last_index > 20) {
        issue.index = replacing->last_index - 10;
        must(wal_group_truncate_prefix(replacing->group, issue.index, 1), "truncate");
    }
}

static void on_closed(void *data)
{
    ((struct workload *)data)->is_closed = true;
}

static void close_log(struct workload *w)
{
    w->is_closed = false;
    wal_port_close(w->port, on_closed, w);
    while (!w->is_closed)
        uv_run(&w->loop, UV_RUN_ONCE);
    wal_close(w->wal);
}

static enum err on_record(void *data, const struct segment_record *record)
{
    struct workload *w = data;
    if (record->type == SEGMENT_ENTRY)
        w->members[record->group_id].recovered_terms[record->index] = record->term;
    return ERR_OK;
}

static void on_damage(void *data, const struct wal_damage *damage)
{
    fprintf(stderr, "workload: damage in segment %llu at %u..%u, group %llu, type %d\n",
            (unsigned long long)damage->generation, damage->where.begin, damage->where.end,
            (unsigned long long)damage->where.group_id, (int)damage->where.type);
    exit(1);
}

static void open_log(struct workload *w)
{
    struct error error = {0};
    struct wal_options options = workload_wal_options(w->wal_path);
    struct wal_recovery recovery = {.on_record = on_record, .on_damage = on_damage, .data = w};
    must(wal_open(&w->wal, &options, &recovery, &error), "wal_open");
    must(wal_port_open(&w->port, w->wal, &w->loop), "wal_port_open");
}

/* Go on from what recovery found, and stand by it. */
static void adopt_recovered(struct workload *w, struct member *member)
{
    must(wal_group_open(&member->group, w->port, member->group_id), "wal_group_open");
    struct wal_replica replica = wal_group_replica(member->group);
    member->last_index = replica.last_index;
    member->hard_term = replica.hard_state_term;
    struct workload_record ack = {NOTE_ACK_HARD_STATE, member->group_id, member->replica_id, 0,
                                  member->hard_term};
    note(&ack);
    for (uint64_t i = replica.first_index; i <= replica.last_index; i++) {
        struct workload_record r = {NOTE_ACK_ENTRY, member->group_id, member->replica_id, i,
                                    member->recovered_terms[i]};
        note(&r);
        if (member->group_id < WORKLOAD_REPLACING && i == member->applied.index + 1)
            apply_entry(w, &r);
    }
}

/* The next sync of the log fails, or the next write; start over from what is there. In the second case the last
 * acknowledged batch is one that nothing behind it proves. */
static void fail_and_reopen(struct workload *w, enum faultfs_kind kind)
{
    if (faultfs_arm == NULL)
        return;
    wait_until(w, 0);
    w->is_failing = true;
    faultfs_only("wal/");
    faultfs_arm(kind, 1);
    for (uint64_t g = 1; g <= WORKLOAD_REPLACING; g++)
        append_entry(&w->members[g], w->members[g].last_index + 1);
    append_hard_state(&w->members[WORKLOAD_IDLE]);
    wait_until(w, 0);
    faultfs_arm(FAULTFS_NONE, 0);
    close_log(w);
    open_log(w);
    w->is_failing = false;
    for (uint64_t g = 1; g <= WORKLOAD_GROUPS; g++)
        adopt_recovered(w, &w->members[g]);
}

static void step(struct workload *w, unsigned n)
{
    for (uint64_t g = 1; g <= WORKLOAD_REPLACING; g++)
        if (random_one_in(&w->random, 2))
            append_entry(&w->members[g], w->members[g].last_index + 1);
    if (n % 23 == 5)
        replace_suffix(w, &w->members[WORKLOAD_REPLACING]);
    if (n % 50 == 7)
        append_hard_state(&w->members[WORKLOAD_IDLE]);
    if (n % 31 == 3)
        append_entry(&w->members[WORKLOAD_MORTAL], w->members[WORKLOAD_MORTAL].last_index + 1);
    if (n % 97 == 90)
        recreate_member(w, &w->members[WORKLOAD_MORTAL]);
    if (n % FAIL_EVERY == FAIL_EVERY - 1)
        fail_and_reopen(w, n / FAIL_EVERY % 2 == 0 ? FAULTFS_SYNC : FAULTFS_EIO);
    if (n % FLUSH_EVERY == FLUSH_EVERY - 1)
        flush_and_truncate(w);
    wait_until(w, (unsigned)random_below(&w->random, OUTSTANDING_MAX));
}

int workload_run(const char *directory, unsigned steps)
{
    struct workload *w = calloc(1, sizeof *w);
    struct error error = {0};
    char store_path[PATH_BYTES];
    snprintf(w->wal_path, sizeof w->wal_path, "%s/wal", directory);
    snprintf(store_path, sizeof store_path, "%s/store", directory);
    struct store_options store_options = workload_store_options(store_path);
    random_init(&w->random, 1);
    uv_loop_init(&w->loop);
    w->batch = store_batch_create();
    must(store_open(&w->store, &store_options, &error), "store_open");
    open_log(w);
    for (uint64_t g = 1; g <= WORKLOAD_GROUPS; g++)
        create_member(w, g, 100 * g);
    append_hard_state(&w->members[WORKLOAD_IDLE]);
    for (unsigned n = 0; n < steps; n++)
        step(w, n);
    wait_until(w, 0);
    close_log(w);
    store_batch_destroy(w->batch);
    store_close(w->store);
    uv_loop_close(&w->loop);
    free(w);
    return 0;
}
