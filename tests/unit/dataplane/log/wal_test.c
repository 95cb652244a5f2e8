/* The log on a real directory: what was acknowledged is there after a reopening, and files go round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "dataplane/log/wal.h"

enum { ENTRY_BYTES = 200 };

struct fixture {
    char directory[64];
    uv_loop_t loop;
    struct wal *wal;
    struct wal_port *port;
    struct wal_options options;
    unsigned reported, failed;
    enum err last_err;
    unsigned streamed, damages;
    struct wal_damage damage;
    unsigned read_count;
    uint64_t read_first_index;
    enum err read_err;
    bool is_read;
};

static void remove_directory(const char *path)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", path);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->directory, sizeof f->directory, "/tmp/wal_test_XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    uv_loop_init(&f->loop);
    f->options = (struct wal_options){.directory = f->directory, .segment_bytes = 64 * 1024};
    *state = f;
    return 0;
}

static enum err on_record(void *data, const struct segment_record *record)
{
    struct fixture *f = data;
    f->streamed++;
    return ERR_OK;
}

static void on_damage(void *data, const struct wal_damage *damage)
{
    struct fixture *f = data;
    if (f->damages++ == 0)
        f->damage = *damage;
}

static enum err try_open(struct fixture *f)
{
    struct error error = {0};
    struct wal_recovery recovery = {.on_record = on_record, .on_damage = on_damage, .data = f};
    f->streamed = f->damages = 0;
    enum err err = wal_open(&f->wal, &f->options, &recovery, &error);
    if (err != ERR_OK)
        return err;
    assert_int_equal(wal_port_open(&f->port, f->wal, &f->loop), ERR_OK);
    return ERR_OK;
}

static void open_log(struct fixture *f)
{
    assert_int_equal(try_open(f), ERR_OK);
}

static void on_closed(void *data)
{
    ((struct fixture *)data)->port = NULL;
}

static void close_log(struct fixture *f)
{
    wal_port_close(f->port, on_closed, f);
    while (f->port != NULL)
        uv_run(&f->loop, UV_RUN_ONCE);
    wal_close(f->wal);
    f->wal = NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->wal != NULL)
        close_log(f);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    remove_directory(f->directory);
    free(f);
    return 0;
}

static void on_append(void *cookie, enum err err)
{
    struct fixture *f = cookie;
    f->reported++;
    f->failed += err != ERR_OK;
    f->last_err = err;
}

static void wait_for(struct fixture *f, unsigned reported)
{
    while (f->reported < reported)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static enum err append_entry(struct fixture *f, struct wal_group *group, uint64_t index, uint64_t term)
{
    uint8_t body[ENTRY_BYTES];
    memset(body, (int)index, sizeof body);
    struct segment_record record = {
        .type = SEGMENT_ENTRY, .index = index, .term = term, .body = slice_make(body, sizeof body)};
    return wal_append(group, &record, 1, on_append, f);
}

static void append_entries(struct fixture *f, struct wal_group *group, uint64_t first, uint64_t last,
                           uint64_t term)
{
    unsigned before = f->reported;
    for (uint64_t index = first; index <= last; index++)
        assert_int_equal(append_entry(f, group, index, term), ERR_OK);
    wait_for(f, before + (unsigned)(last - first + 1));
    assert_int_equal(f->failed, 0);
}

static void append_hard_state(struct fixture *f, struct wal_group *group, uint64_t term, const char *text)
{
    struct segment_record record = {
        .type = SEGMENT_HARD_STATE, .term = term, .body = slice_from_string(text)};
    unsigned before = f->reported;
    assert_int_equal(wal_append(group, &record, 1, on_append, f), ERR_OK);
    wait_for(f, before + 1);
}

static void on_read(void *cookie, enum err err, const struct segment_record *entries, size_t count)
{
    struct fixture *f = cookie;
    f->is_read = true;
    f->read_err = err;
    f->read_count = (unsigned)count;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].body.length, ENTRY_BYTES);
        assert_int_equal(entries[i].body.data[7], (uint8_t)entries[i].index);
        assert_int_equal(entries[i].index, entries[0].index + i);
    }
    f->read_first_index = count > 0 ? entries[0].index : 0;
}

static void read_back(struct fixture *f, struct wal_group *group, uint64_t first, uint64_t last,
                      size_t bytes_max)
{
    f->is_read = false;
    assert_int_equal(wal_group_read(group, first, last, bytes_max, on_read, f), ERR_OK);
    while (!f->is_read)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static struct wal_group *create_group(struct fixture *f, uint64_t group_id, uint64_t replica_id)
{
    struct wal_group *group;
    assert_int_equal(wal_group_create(&group, f->port, group_id, replica_id), ERR_OK);
    return group;
}

static struct wal_group *reopen_group(struct fixture *f, uint64_t group_id)
{
    struct wal_group *group;
    assert_int_equal(wal_group_open(&group, f->port, group_id), ERR_OK);
    return group;
}

static void entries_and_hard_state_come_back_after_reopening(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    struct wal_group *b = create_group(f, 2, 21);
    append_hard_state(f, a, 5, "vote for 12");
    append_entries(f, a, 1, 20, 5);
    append_entries(f, b, 1, 3, 1);
    close_log(f);
    open_log(f);
    assert_int_equal(f->damages, 0);
    assert_int_equal(f->streamed, 2 + 1 + 20 + 3);
    a = reopen_group(f, 1);
    struct wal_replica replica = wal_group_replica(a);
    assert_int_equal(replica.replica_id, 11);
    assert_int_equal(replica.first_index, 1);
    assert_int_equal(replica.last_index, 20);
    assert_int_equal(replica.hard_state_term, 5);
    assert_true(slice_equal_string(replica.hard_state, "vote for 12"));
    assert_int_equal(wal_group_replica(reopen_group(f, 2)).last_index, 3);
    struct wal_group *none;
    assert_int_equal(wal_group_open(&none, f->port, 1), ERR_NOT_FOUND);
    append_entries(f, a, 21, 22, 5);
    read_back(f, a, 19, 22, 1000000);
    assert_int_equal(f->read_err, ERR_OK);
    assert_int_equal(f->read_count, 4);
}

static void a_replaced_suffix_stays_replaced(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    append_entries(f, a, 1, 10, 1);
    struct segment_record cut = {.type = SEGMENT_TRUNCATE_SUFFIX, .index = 6};
    assert_int_equal(wal_append(a, &cut, 1, NULL, NULL), ERR_OK);
    append_entries(f, a, 6, 7, 2);
    append_entries(f, a, 7, 7, 3); /* without a truncation before it */
    assert_int_equal(wal_group_replica(a).last_index, 7);
    close_log(f);
    open_log(f);
    assert_int_equal(wal_group_replica(reopen_group(f, 1)).last_index, 7);
}

static void reading_is_bounded_and_refuses_what_is_not_there(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    append_entries(f, a, 1, 30, 1);
    read_back(f, a, 1, 30, 3 * ENTRY_BYTES);
    assert_in_range(f->read_count, 1, 5);
    assert_int_equal(f->read_first_index, 1);
    read_back(f, a, 4, 30, 0);
    assert_int_equal(f->read_count, 1);
    assert_int_equal(wal_group_read(a, 30, 31, 100, on_read, f), ERR_NOT_FOUND);
    assert_int_equal(wal_group_read(a, 0, 1, 100, on_read, f), ERR_NOT_FOUND);
}

static void entries_are_found_by_the_segment_from_which_on_they_are_wanted(void **state)
{
    struct fixture *f = *state;
    f->options.segments_max = 16;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    uint64_t last[17] = {0};
    for (uint64_t index = 1; index <= 1000; index++) {
        append_entries(f, a, index, index, 1);
        last[wal_figures(f->wal).current_generation] = index;
    }
    uint64_t newest = wal_figures(f->wal).current_generation;
    assert_in_range(newest, 3, 16);
    assert_int_equal(wal_group_index_from(a, 0), 1);
    for (uint64_t generation = 1; generation < newest; generation++)
        assert_int_equal(wal_group_index_from(a, generation + 1), last[generation] + 1);
    assert_int_equal(wal_group_index_from(a, newest + 1), 1001);
}

static void segments_are_recycled_and_what_matters_is_carried_forward(void **state)
{
    struct fixture *f = *state;
    f->options.segments_max = 5;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    struct wal_group *idle = create_group(f, 2, 21);
    struct wal_group *gone = create_group(f, 3, 31);
    append_hard_state(f, idle, 9, "idle, but not forgotten");
    unsigned before = f->reported;
    assert_int_equal(wal_group_remove(gone, on_append, f), ERR_OK);
    wait_for(f, before + 1);
    for (uint64_t index = 1; index <= 3000; index += 10) { /* 12 segments' worth */
        append_entries(f, a, index, index + 9, 1);
        assert_int_equal(wal_group_truncate_prefix(a, index + 5, 1), ERR_OK);
    }
    assert_true(wal_figures(f->wal).oldest_generation > 5);
    close_log(f);
    open_log(f);
    assert_int_equal(f->damages, 0);
    struct wal_replica replica = wal_group_replica(reopen_group(f, 1));
    assert_int_equal(replica.first_index, 2996);
    assert_int_equal(replica.last_index, 3000);
    assert_int_equal(replica.first_previous_term, 1);
    replica = wal_group_replica(reopen_group(f, 2));
    assert_int_equal(replica.hard_state_term, 9);
    assert_true(slice_equal_string(replica.hard_state, "idle, but not forgotten"));
    assert_int_equal(replica.last_index, 0);
    assert_true(wal_is_removed(f->wal, 3, 31));
    assert_false(wal_is_removed(f->wal, 3, 32));
}

/* LOG_START(40) was written when 40..49 were still needed; their segments are gone, it is still there. Found by the
 * power cut test, as false damage of a replica that replaced entries. */
static void a_start_that_later_ones_have_overtaken_is_not_taken_for_loss(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    struct wal_group *other = create_group(f, 2, 21);
    append_entries(f, a, 1, 49, 1);
    append_entries(f, other, 1, 300, 1); /* the next segment */
    append_entries(f, a, 50, 50, 1);
    assert_int_equal(wal_group_truncate_prefix(a, 40, 1), ERR_OK);
    append_entries(f, a, 51, 51, 1);
    append_entries(f, a, 48, 60, 2); /* replaced, from before the first one in this segment */
    assert_int_equal(wal_group_truncate_prefix(other, 301, 1), ERR_OK);
    assert_int_equal(wal_group_truncate_prefix(a, 55, 2), ERR_OK);
    for (uint64_t index = 301; index <= 900; index += 50)
        append_entries(f, other, index, index + 49, 1);
    close_log(f);
    open_log(f);
    assert_int_equal(f->damages, 0);
    struct wal_replica replica = wal_group_replica(reopen_group(f, 1));
    assert_int_equal(replica.first_index, 55);
    assert_int_equal(replica.last_index, 60);
    assert_int_equal(replica.first_previous_term, 2);
}

/* The same with the removal of the replica in the overtaking part, seen by the power cut test. */
static void a_removed_replica_s_missing_entries_are_no_loss(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    struct wal_group *other = create_group(f, 2, 21);
    append_entries(f, a, 1, 2, 1);
    append_entries(f, other, 1, 300, 1);
    assert_int_equal(wal_group_truncate_prefix(other, 301, 1), ERR_OK);
    append_entries(f, other, 301, 600, 1); /* a's state is carried forward into this segment */
    append_entries(f, a, 3, 3, 1);
    unsigned before = f->reported;
    assert_int_equal(wal_group_remove(a, on_append, f), ERR_OK);
    wait_for(f, before + 1);
    append_entries(f, create_group(f, 1, 12), 1, 2, 1);
    assert_int_equal(wal_group_truncate_prefix(other, 590, 1), ERR_OK);
    append_entries(f, other, 601, 1000, 1);
    close_log(f);
    open_log(f);
    assert_int_equal(f->damages, 0);
    assert_int_equal(wal_group_replica(reopen_group(f, 1)).last_index, 2);
}

static void a_full_log_refuses_and_goes_on_after_a_truncation(void **state)
{
    struct fixture *f = *state;
    f->options.segments_max = 3;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    uint64_t index = 1;
    for (; f->failed == 0; index++) {
        unsigned before = f->reported;
        assert_int_equal(append_entry(f, a, index, 1), ERR_OK);
        wait_for(f, before + 1);
    }
    assert_int_equal(f->last_err, ERR_NO_SPACE);
    uint64_t last = wal_group_replica(a).last_index;
    assert_int_equal(last, index - 2);
    uint64_t groups[4];
    assert_int_equal(wal_port_oldest_groups(f->port, groups, 4), 1);
    assert_int_equal(groups[0], 1);
    assert_int_equal(wal_group_truncate_prefix(a, last + 1, 1), ERR_OK);
    do { /* recycling runs beside us: until it is through, the answer stays NO_SPACE */
        unsigned before = f->reported;
        assert_int_equal(append_entry(f, a, last + 1, 1), ERR_OK);
        wait_for(f, before + 1);
    } while (f->last_err == ERR_NO_SPACE);
    assert_int_equal(f->last_err, ERR_OK);
    close_log(f);
    open_log(f);
    assert_int_equal(wal_group_replica(reopen_group(f, 1)).first_index, last + 1);
}

static void a_removed_replica_never_returns_but_its_group_may(void **state)
{
    struct fixture *f = *state;
    struct wal_group *group;
    open_log(f);
    group = create_group(f, 1, 11);
    append_entries(f, group, 1, 5, 1);
    assert_int_equal(wal_group_create(&group, f->port, 1, 12), ERR_EXISTS);
    f->reported = 0;
    assert_int_equal(wal_group_remove(group, on_append, f), ERR_OK);
    wait_for(f, 1);
    assert_int_equal(wal_group_create(&group, f->port, 1, 11), ERR_STALE);
    group = create_group(f, 1, 12);
    append_entries(f, group, 1, 2, 7);
    close_log(f);
    open_log(f);
    assert_true(wal_is_removed(f->wal, 1, 11));
    group = reopen_group(f, 1);
    assert_int_equal(wal_group_replica(group).replica_id, 12);
    assert_int_equal(wal_group_replica(group).last_index, 2);
}

static void an_unfinished_snapshot_is_known_after_reopening(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    append_entries(f, a, 1, 5, 1);
    struct segment_record record = {.type = SEGMENT_SNAPSHOT_INSTALLING,
                                    .index = 100,
                                    .term = 3,
                                    .body = slice_from_string("snapshot 8")};
    assert_int_equal(wal_append(a, &record, 1, NULL, NULL), ERR_OK);
    close_log(f);
    open_log(f);
    a = reopen_group(f, 1);
    struct wal_replica replica = wal_group_replica(a);
    assert_true(replica.is_installing);
    assert_int_equal(replica.snapshot_index, 100);
    assert_true(slice_equal_string(replica.snapshot, "snapshot 8"));
    record = (struct segment_record){.type = SEGMENT_SNAPSHOT_INSTALLED, .index = 100, .term = 3};
    assert_int_equal(wal_append(a, &record, 1, NULL, NULL), ERR_OK);
    append_entries(f, a, 101, 103, 3);
    close_log(f);
    open_log(f);
    replica = wal_group_replica(reopen_group(f, 1));
    assert_false(replica.is_installing);
    assert_int_equal(replica.first_index, 101);
    assert_int_equal(replica.last_index, 103);
    assert_int_equal(replica.first_previous_term, 3);
}

/* The n-th segment file, oldest first. */
static void segment_path(const struct fixture *f, unsigned n, char *path, size_t path_bytes)
{
    char names[64][32];
    unsigned count = 0;
    DIR *directory = opendir(f->directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (strstr(entry->d_name, ".segment") != NULL && count < 64)
            snprintf(names[count++], sizeof names[0], "%.31s", entry->d_name);
    closedir(directory);
    qsort(names, count, sizeof names[0], (int (*)(const void *, const void *))strcmp);
    assert_true(n < count);
    snprintf(path, path_bytes, "%s/%s", f->directory, names[n]);
}

static void flip(const char *path, off_t offset)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void damage_quarantines_the_replica_concerned_and_no_other(void **state)
{
    struct fixture *f = *state;
    char path[128];
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    append_entries(f, a, 1, 1, 1);
    struct wal_group *b = create_group(f, 2, 21);
    append_entries(f, b, 1, 1, 1);
    append_entries(f, a, 2, 2, 1);
    close_log(f);
    segment_path(f, 0, path, sizeof path);
    /* START, the seal, CREATED, then a's first entry's body. */
    flip(path, SEGMENT_START_BYTES + SEGMENT_SYNCED_BYTES + 64 + 64 + 20);
    open_log(f);
    assert_int_equal(f->damages, 1);
    assert_true(f->damage.where.is_group_known);
    assert_int_equal(f->damage.where.group_id, 1);
    a = reopen_group(f, 1);
    b = reopen_group(f, 2);
    assert_true(wal_group_replica(a).is_damaged);
    assert_false(wal_group_replica(b).is_damaged);
    assert_int_equal(append_entry(f, a, 3, 1), ERR_CORRUPT);
    append_entries(f, b, 2, 3, 1);
    f->reported = 0;
    assert_int_equal(wal_group_remove(a, on_append, f), ERR_OK);
    wait_for(f, 1);
    a = create_group(f, 1, 12);
    append_entries(f, a, 1, 4, 1);
    close_log(f);
    open_log(f); /* the damage may still be there, the new replica does not suffer from it */
    assert_false(wal_group_replica(reopen_group(f, 1)).is_damaged);
    assert_false(wal_group_replica(reopen_group(f, 2)).is_damaged);
}

static void damage_to_a_header_quarantines_all_that_were_there(void **state)
{
    struct fixture *f = *state;
    char path[128];
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    struct wal_group *b = create_group(f, 2, 21);
    append_entries(f, a, 1, 1, 1);
    append_entries(f, b, 1, 1, 1);
    close_log(f);
    segment_path(f, 0, path, sizeof path);
    flip(path, SEGMENT_START_BYTES + SEGMENT_SYNCED_BYTES + 2 * 64 + 33);
    open_log(f);
    assert_false(f->damage.where.is_group_known);
    assert_true(wal_group_replica(reopen_group(f, 1)).is_damaged);
    assert_true(wal_group_replica(reopen_group(f, 2)).is_damaged);
    create_group(f, 5, 51);
    append_hard_state(f, create_group(f, 6, 61), 1, "x");
    close_log(f);
    open_log(f);
    assert_false(wal_group_replica(reopen_group(f, 5)).is_damaged);
    assert_true(wal_group_replica(reopen_group(f, 2)).is_damaged);
}

static void a_missing_segment_is_damage(void **state)
{
    struct fixture *f = *state;
    char path[128];
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    append_entries(f, a, 1, 1000, 1);
    close_log(f);
    segment_path(f, 1, path, sizeof path);
    assert_int_equal(unlink(path), 0);
    open_log(f);
    assert_true(f->damages >= 1);
    assert_true(wal_group_replica(reopen_group(f, 1)).is_damaged);
}

static void reading_back_notices_damage(void **state)
{
    struct fixture *f = *state;
    char path[128];
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    append_entries(f, a, 1, 3, 1);
    segment_path(f, 0, path, sizeof path);
    flip(path, SEGMENT_START_BYTES + SEGMENT_SYNCED_BYTES + 64 + 64 + 20);
    read_back(f, a, 1, 3, 1000);
    assert_int_equal(f->read_err, ERR_CORRUPT);
    assert_int_equal(f->read_count, 0);
}

static void limits_refuse_without_queueing(void **state)
{
    struct fixture *f = *state;
    f->options.queue_bytes_max = 2000;
    f->options.index_entries_max = 8;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    unsigned queued = 0;
    while (append_entry(f, a, queued + 1, 1) == ERR_OK)
        queued++;
    assert_in_range(queued, 5, 8);
    assert_int_equal(append_entry(f, a, queued + 1, 1), ERR_BUSY);
    wait_for(f, queued);
    append_entries(f, a, queued + 1, 8, 1);
    assert_int_equal(append_entry(f, a, 9, 1), ERR_LIMIT);
    static uint8_t large[20000];
    struct segment_record record = {.type = SEGMENT_HARD_STATE, .body = slice_make(large, sizeof large)};
    assert_int_equal(wal_append(a, &record, 1, NULL, NULL), ERR_LIMIT);
    assert_int_equal(wal_group_truncate_prefix(a, 5, 1), ERR_OK);
    append_hard_state(f, a, 1, "x");
    append_entries(f, a, 9, 9, 1);
}

static void bad_options_and_foreign_directories_are_refused(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct error error;
    struct wal *wal;
    struct wal_options options = f->options;
    options.segment_bytes = 5000;
    assert_int_equal(wal_open(&wal, &options, NULL, &error), ERR_CONFIG);
    options = f->options;
    options.segments_max = 2;
    assert_int_equal(wal_open(&wal, &options, NULL, &error), ERR_CONFIG);
    open_log(f);
    assert_int_equal(wal_open(&wal, &f->options, NULL, &error), ERR_IO); /* locked */
    close_log(f);
    snprintf(path, sizeof path, "%s/foreign", f->directory);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(wal_open(&wal, &f->options, NULL, &error), ERR_CORRUPT);
    unlink(path);
}

static void opening_survives_every_failed_allocation(void **state)
{
    struct fixture *f = *state;
    open_log(f);
    struct wal_group *a = create_group(f, 1, 11);
    append_hard_state(f, a, 1, "state");
    append_entries(f, a, 1, 50, 1);
    close_log(f);
    unsigned attempts = 0;
    for (;; attempts++) {
        struct error error;
        memory_fail_after(attempts);
        enum err err = wal_open(&f->wal, &f->options, NULL, &error);
        memory_fail_after(-1);
        if (err == ERR_OK)
            break;
        assert_int_equal(err, ERR_NO_MEMORY);
    }
    assert_true(attempts > 5);
    assert_int_equal(wal_port_open(&f->port, f->wal, &f->loop), ERR_OK);
    assert_int_equal(wal_group_replica(reopen_group(f, 1)).last_index, 50);
}

/* Writers that come one after the other, each when the one before has been told: without an interval, a sync for each. */
static void syncs_keep_their_interval_while_writers_come_faster(void **state)
{
    enum { INTERVAL_US = 5000, ENTRIES = 200 };
    struct fixture *f = *state;
    f->options.sync_interval_us = INTERVAL_US;
    open_log(f);
    struct wal_group *group = create_group(f, 1, 11);
    append_hard_state(f, group, 1, "state");
    unsigned before = f->reported;
    uint64_t batches = wal_figures(f->wal).batches;
    uint64_t began_us = clock_boot_us();
    for (uint64_t index = 1; index <= ENTRIES; index++) {
        assert_int_equal(append_entry(f, group, index, 1), ERR_OK);
        uint64_t until_us = clock_boot_us() + 200;
        while (clock_boot_us() < until_us)
            uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    wait_for(f, before + ENTRIES);
    uint64_t took_us = clock_boot_us() - began_us;
    batches = wal_figures(f->wal).batches - batches;
    assert_in_range(batches, 2, took_us / INTERVAL_US + 3);
    assert_true(batches < ENTRIES);
    assert_int_equal(f->failed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_and_hard_state_come_back_after_reopening),
        TEST(a_replaced_suffix_stays_replaced),
        TEST(reading_is_bounded_and_refuses_what_is_not_there),
        TEST(entries_are_found_by_the_segment_from_which_on_they_are_wanted),
        TEST(segments_are_recycled_and_what_matters_is_carried_forward),
        TEST(a_start_that_later_ones_have_overtaken_is_not_taken_for_loss),
        TEST(a_removed_replica_s_missing_entries_are_no_loss),
        TEST(a_full_log_refuses_and_goes_on_after_a_truncation),
        TEST(a_removed_replica_never_returns_but_its_group_may),
        TEST(an_unfinished_snapshot_is_known_after_reopening),
        TEST(damage_quarantines_the_replica_concerned_and_no_other),
        TEST(damage_to_a_header_quarantines_all_that_were_there),
        TEST(a_missing_segment_is_damage),
        TEST(reading_back_notices_damage),
        TEST(limits_refuse_without_queueing),
        TEST(bad_options_and_foreign_directories_are_refused),
        TEST(opening_survives_every_failed_allocation),
        TEST(syncs_keep_their_interval_while_writers_come_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
