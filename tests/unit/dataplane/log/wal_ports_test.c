/* Several loops, each a thread with a port of its own, on one log: everybody's appends are reported in order, files go round,
 * and all of it is there after a reopening. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "dataplane/log/wal.h"

enum {
    LOOPS = 3,
    GROUPS = 4, /* of each loop */
    ENTRIES = 3000,
    BATCH = 25,
    KEPT = 100, /* entries that a truncation leaves */
    ENTRY_BYTES = 100,
};

struct owner {
    struct wal *wal;
    uint64_t first_group;
    pthread_t thread;
    uv_loop_t loop;
    struct wal_port *port;
    struct wal_group *groups[GROUPS];
    uint64_t appended[GROUPS];
    uint64_t reported[GROUPS];
    bool has_failed;
};

/* What one append tells about itself. */
struct ticket {
    struct owner *owner;
    unsigned group;
    uint64_t last;
};

static void append_batch(struct owner *o, unsigned group);

static void finish(struct owner *o, unsigned group)
{
    if (group == 0) /* one replica of each loop goes */
        o->has_failed |= wal_group_remove(o->groups[group], NULL, NULL) != ERR_OK;
    for (unsigned i = 0; i < GROUPS; i++)
        if (o->reported[i] < ENTRIES)
            return;
    wal_port_close(o->port, NULL, NULL);
}

static void on_append(void *cookie, enum err err)
{
    struct ticket *ticket = cookie;
    struct owner *o = ticket->owner;
    unsigned group = ticket->group;
    o->has_failed |= err != ERR_OK || ticket->last != o->reported[group] + BATCH;
    o->reported[group] = ticket->last;
    free(ticket);
    if (o->reported[group] > KEPT)
        o->has_failed |=
            wal_group_truncate_prefix(o->groups[group], o->reported[group] - KEPT + 1, 1) != ERR_OK;
    if (o->reported[group] < ENTRIES)
        append_batch(o, group);
    else
        finish(o, group);
}

static void append_batch(struct owner *o, unsigned group)
{
    static const uint8_t body[ENTRY_BYTES];
    struct segment_record records[BATCH];
    for (unsigned i = 0; i < BATCH; i++)
        records[i] = (struct segment_record){.type = SEGMENT_ENTRY,
                                             .index = ++o->appended[group],
                                             .term = 1,
                                             .body = slice_make(body, sizeof body)};
    struct ticket *ticket = malloc(sizeof *ticket);
    *ticket = (struct ticket){o, group, o->appended[group]};
    o->has_failed |= wal_append(o->groups[group], records, BATCH, on_append, ticket) != ERR_OK;
}

/* Every group is made and fed from its own loop's thread. */
static void *run(void *data)
{
    struct owner *o = data;
    for (unsigned i = 0; i < GROUPS && !o->has_failed; i++) {
        uint64_t id = o->first_group + i * LOOPS;
        o->has_failed |= wal_group_create(&o->groups[i], o->port, id, id + 1000) != ERR_OK;
        if (!o->has_failed)
            append_batch(o, i);
    }
    uv_run(&o->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void count_replica(void *data, const struct wal_replica *replica)
{
    unsigned *count = data;
    assert_int_equal(replica->last_index, ENTRIES);
    assert_int_equal(replica->first_index, ENTRIES - KEPT + 1);
    assert_int_equal(replica->replica_id, replica->group_id + 1000);
    assert_false(replica->is_damaged);
    (*count)++;
}

static void loops_share_one_log(void **state)
{
    char directory[] = "/tmp/wal_ports_test_XXXXXX", command[64];
    assert_non_null(mkdtemp(directory));
    const struct wal_options options = {.directory = directory, .segment_bytes = 256 * 1024};
    struct wal *wal;
    struct error error;
    assert_int_equal(wal_open(&wal, &options, NULL, &error), ERR_OK);
    static struct owner owners[LOOPS];
    for (unsigned i = 0; i < LOOPS; i++) {
        owners[i] = (struct owner){.wal = wal, .first_group = i + 1};
        assert_int_equal(uv_loop_init(&owners[i].loop), 0);
        assert_int_equal(wal_port_open(&owners[i].port, wal, &owners[i].loop), ERR_OK);
    }
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&owners[i].thread, NULL, run, &owners[i]), 0);
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_join(owners[i].thread, NULL);
        assert_int_equal(uv_loop_close(&owners[i].loop), 0);
        assert_false(owners[i].has_failed);
    }
    struct wal_figures figures = wal_figures(wal);
    assert_true(figures.oldest_generation > 1); /* files went round meanwhile */
    wal_close(wal);

    unsigned replicas = 0;
    assert_int_equal(wal_open(&wal, &options, NULL, &error), ERR_OK);
    wal_recovered_each(wal, count_replica, &replicas);
    assert_int_equal(replicas, LOOPS * (GROUPS - 1));
    for (uint64_t id = 1; id <= LOOPS; id++)
        assert_true(wal_is_removed(wal, id, id + 1000));
    wal_close(wal);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loops_share_one_log)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
