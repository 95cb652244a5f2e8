/* Reading the log at open.
 *
 * 1. Look at each file's START and find the last segment in use, from it the oldest one needed.
 * 2. Walk the chain of `previous` back to that one; what is not in the chain is free to be used again.
 * 3. Read the chain in order. What the next segment's START, or later records, prove to have been synced
 *    must be there: if it is not, it is damage.
 * 4. What the last segment holds beyond what is proven may be in the page cache only, of a process that died or
 *    of a sync that failed. It is written again, into a new segment, and sealed there with a SYNCED
 *    record; without that seal the new segment is void. Nothing was acted upon before that. */
#include "base/assert.h"
#include "base/memory.h"
#include "dataplane/log/wal_internal.h"

struct candidate {
    uint64_t generation;
    struct wal_file *file; /* NULL: missing */
    struct segment_start start;
    bool has_start;
    uint32_t limit;         /* bytes that count */
    uint32_t synced_offset; /* at least this much was synced */
};

struct recovery {
    struct wal *wal;
    const struct wal_recovery *callbacks;
    struct error *error;
    struct wal_listing listing;
    struct candidate *chain; /* ascending once found */
    size_t chain_count, chain_capacity;
    uint8_t *bytes; /* one segment */
    size_t bytes_capacity;
    uint64_t oldest;
    bool has_unknown_damage;
    struct buffer tail; /* records of the last segment that are not proven synced, as laid out there */
};

/* ---- Looking at single segments ---- */

static enum err load(struct recovery *r, const struct wal_file *file, uint32_t bytes, struct slice *ret_bytes)
{
    if (bytes > r->bytes_capacity) {
        uint8_t *grown = memory_resize(r->bytes, bytes);
        if (grown == NULL)
            return ERR_NO_MEMORY;
        r->bytes = grown;
        r->bytes_capacity = bytes;
    }
    enum err err = wal_file_read(file, r->bytes, bytes, 0);
    if (err != ERR_OK)
        return error_set(r->error, ERR_IO, "read segment %llu", (unsigned long long)file->generation);
    *ret_bytes = slice_make(r->bytes, bytes);
    return ERR_OK;
}

/* What a scan of a whole segment says about its use. */
struct survey {
    bool has_start, has_seal, has_damage;
    struct segment_start start;
    uint64_t oldest;
    uint32_t end, synced_offset;
};

static void survey_bytes(struct slice bytes, uint64_t generation, struct survey *ret_survey)
{
    struct survey s = {0};
    struct segment_scan scan;
    struct segment_record record;
    enum segment_step step;
    segment_scan_init(&scan, bytes, generation, 0);
    while ((step = segment_scan_next(&scan, &record)) != SEGMENT_STEP_END) {
        if (step == SEGMENT_STEP_DAMAGE) {
            s.has_damage = true;
            continue;
        }
        if (record.type == SEGMENT_START && scan.record_offset == 0)
            s.has_start = segment_start_decode(record.body, &s.start) == ERR_OK;
        if (record.type == SEGMENT_SYNCED && record.index > s.oldest)
            s.oldest = record.index;
        s.has_seal = s.has_seal || record.type == SEGMENT_SYNCED;
    }
    if (s.start.oldest_generation > s.oldest)
        s.oldest = s.start.oldest_generation;
    s.end = scan.offset;
    s.synced_offset = scan.synced_offset;
    *ret_survey = s;
}

static bool is_in_use(const struct survey *s)
{
    if (s->has_damage)
        return true;
    return s->has_start && (!s->start.is_recovery || s->has_seal);
}

/* The newest segment in use. ERR_NOT_FOUND: none is. */
static enum err find_last(struct recovery *r, struct candidate *ret_last)
{
    for (size_t i = r->listing.segment_count; i-- > 0;) {
        struct wal_file *file;
        struct slice bytes;
        struct survey s;
        TRY(wal_file_open(r->wal, r->listing.segments[i], &file));
        enum err err = load(r, file, file->bytes, &bytes);
        if (err == ERR_OK)
            survey_bytes(bytes, file->generation, &s);
        if (err != ERR_OK || !is_in_use(&s)) {
            wal_file_close(file);
            TRY(err);
            continue;
        }
        r->oldest = s.oldest;
        *ret_last = (struct candidate){.generation = file->generation,
                                       .file = file,
                                       .start = s.start,
                                       .has_start = s.has_start,
                                       .limit = file->bytes};
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

static enum err chain_add(struct recovery *r, const struct candidate *candidate)
{
    if (r->chain_count == r->chain_capacity) {
        size_t capacity = 2 * r->chain_capacity + 8;
        struct candidate *grown = memory_resize(r->chain, capacity * sizeof *grown);
        if (grown == NULL)
            return ERR_NO_MEMORY;
        r->chain = grown;
        r->chain_capacity = capacity;
    }
    r->chain[r->chain_count++] = *candidate;
    return ERR_OK;
}

static bool is_listed(const struct recovery *r, uint64_t generation)
{
    for (size_t i = 0; i < r->listing.segment_count; i++)
        if (r->listing.segments[i] == generation)
            return true;
    return false;
}

static uint64_t newest_listed_below(const struct recovery *r, uint64_t generation)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < r->listing.segment_count; i++)
        if (r->listing.segments[i] < generation)
            newest = r->listing.segments[i];
    return newest;
}

static enum err read_start(struct recovery *r, struct candidate *c)
{
    struct slice bytes;
    struct segment_record record;
    if (c->file->bytes < SEGMENT_START_BYTES)
        return ERR_OK;
    TRY(load(r, c->file, SEGMENT_START_BYTES, &bytes));
    c->has_start = segment_record_decode(bytes, c->generation, 0, &record) == ERR_OK &&
                   record.type == SEGMENT_START && segment_start_decode(record.body, &c->start) == ERR_OK;
    return ERR_OK;
}

/* The segment before `next`, as `next` names it; without its START, the newest there is. */
static enum err open_previous(struct recovery *r, const struct candidate *next,
                              struct candidate *ret_previous)
{
    struct candidate c = {.generation = next->has_start ? next->start.previous_generation
                                                        : newest_listed_below(r, next->generation)};
    if (c.generation == 0 || c.generation < r->oldest)
        return ERR_NOT_FOUND;
    if (!is_listed(r, c.generation)) {
        *ret_previous = c;
        return ERR_OK;
    }
    TRY(wal_file_open(r->wal, c.generation, &c.file));
    enum err err = read_start(r, &c);
    if (err != ERR_OK) {
        wal_file_close(c.file);
        return err;
    }
    c.limit = c.file->bytes;
    if (next->has_start) {
        c.synced_offset = next->start.previous_synced_offset;
        c.limit = c.synced_offset;
    }
    *ret_previous = c;
    return ERR_OK;
}

static enum err find_chain(struct recovery *r)
{
    struct candidate c;
    enum err err = find_last(r, &c);
    while (err == ERR_OK) {
        err = chain_add(r, &c);
        if (err != ERR_OK) {
            wal_file_close(c.file);
            return err;
        }
        struct candidate next = c;
        err = open_previous(r, &next, &c);
    }
    for (size_t i = 0; i < r->chain_count / 2; i++) {
        struct candidate swap = r->chain[i];
        r->chain[i] = r->chain[r->chain_count - 1 - i];
        r->chain[r->chain_count - 1 - i] = swap;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* ---- Damage ---- */

static void quarantine_all(struct recovery *r)
{
    r->has_unknown_damage = true;
    for (size_t i = 0; i < WAL_GROUP_BUCKETS; i++)
        for (struct wal_group *group = r->wal->groups[i]; group != NULL; group = group->hash_next)
            group->is_damaged = true;
}

static enum err find_or_add(struct recovery *r, uint64_t group_id, uint64_t replica_id, bool is_created,
                            struct wal_group **ret_group)
{
    struct wal_group *group = wal_group_find(r->wal, group_id);
    if (group != NULL && group->replica_id != replica_id && replica_id != 0) {
        wal_group_forget(group); /* an earlier replica whose removal lies in damage, or was not repeated */
        group = NULL;
    }
    if (group == NULL) {
        group = wal_group_add(r->wal, group_id, replica_id);
        if (group == NULL)
            return ERR_NO_MEMORY;
        group->is_damaged = r->has_unknown_damage && !is_created;
    }
    *ret_group = group;
    return ERR_OK;
}

static enum err on_damage(struct recovery *r, uint64_t generation, const struct segment_damage *where)
{
    struct wal_damage damage = {.generation = generation, .where = *where};
    struct wal_group *group;
    if (r->callbacks != NULL && r->callbacks->on_damage != NULL)
        r->callbacks->on_damage(r->callbacks->data, &damage);
    if (where->is_group_known && where->type == SEGMENT_SYNCED)
        return ERR_OK;
    if (!where->is_group_known || where->group_id == 0) {
        quarantine_all(r);
        return ERR_OK;
    }
    if (wal_tombstone_find(r->wal, where->group_id, where->replica_id) != NULL)
        return ERR_OK;
    TRY(find_or_add(r, where->group_id, where->replica_id, false, &group));
    group->is_damaged = true;
    return ERR_OK;
}

/* ---- Records ---- */

static enum err apply_removed(struct recovery *r, const struct segment_record *record, uint32_t generation)
{
    struct wal_group *group = wal_group_find(r->wal, record->group_id);
    struct wal_tombstone *tombstone = wal_tombstone_find(r->wal, record->group_id, record->replica_id);
    if (tombstone == NULL) {
        tombstone = memory_zalloc(sizeof *tombstone);
        if (tombstone == NULL)
            return ERR_NO_MEMORY;
        tombstone->group_id = record->group_id;
        tombstone->replica_id = record->replica_id;
        wal_tombstone_add(r->wal, tombstone);
    }
    tombstone->generation = generation;
    if (group != NULL && group->replica_id == record->replica_id)
        wal_group_forget(group);
    return ERR_OK;
}

static enum err on_gap(struct recovery *r, const struct segment_record *record, struct wal_location at)
{
    struct segment_damage lost = {.begin = at.offset,
                                  .end = at.offset,
                                  .is_group_known = true,
                                  .type = record->type,
                                  .group_id = record->group_id,
                                  .replica_id = record->replica_id,
                                  .index = record->index};
    return on_damage(r, at.generation, &lost);
}

static enum err apply(struct recovery *r, const struct segment_record *record, struct wal_location at)
{
    struct wal_group *group;
    if (record->type < SEGMENT_GROUP_CREATED || record->type > SEGMENT_GROUP_REMOVED)
        return error_set(r->error, ERR_INVALID, "segment %u: record of type %d: made by a newer version",
                         at.generation, (int)record->type);
    if (record->type == SEGMENT_GROUP_REMOVED)
        return apply_removed(r, record, at.generation);
    if (wal_tombstone_find(r->wal, record->group_id, record->replica_id) != NULL)
        return ERR_OK;
    TRY(find_or_add(r, record->group_id, record->replica_id, record->type == SEGMENT_GROUP_CREATED, &group));
    wal_group_take_position(group, record);
    if (!wal_group_follows(group, record))
        return group->is_damaged ? ERR_OK : on_gap(r, record, at);
    group->queued_first_index = group->first_index;
    TRY(wal_group_reserve(group, record->index, record));
    wal_group_apply(group, record, at);
    return ERR_OK;
}

static enum err deliver(struct recovery *r, const struct segment_record *record, struct wal_location at)
{
    if (record->type == SEGMENT_START || record->type == SEGMENT_SYNCED)
        return ERR_OK;
    TRY(apply(r, record, at));
    if (r->callbacks == NULL || r->callbacks->on_record == NULL)
        return ERR_OK;
    return r->callbacks->on_record(r->callbacks->data, record);
}

/* A record of the last segment beyond what is proven: to be written again. */
static enum err keep_tail(struct recovery *r, const struct segment_record *record)
{
    if (record->type == SEGMENT_START || record->type == SEGMENT_SYNCED)
        return ERR_OK;
    uint8_t *to = buffer_extend(&r->tail, segment_record_bytes(record->body.length));
    if (to == NULL)
        return ERR_NO_MEMORY;
    segment_record_layout(to, record);
    return ERR_OK;
}

static enum err read_segment(struct recovery *r, struct candidate *c, bool is_last)
{
    struct slice bytes;
    struct segment_scan scan;
    struct segment_record record;
    enum segment_step step;
    uint32_t proven = c->synced_offset;
    if (c->file == NULL)
        return on_damage(r, c->generation, &(struct segment_damage){0});
    TRY(load(r, c->file, c->file->bytes, &bytes));
    if (is_last) {
        struct survey s;
        survey_bytes(bytes, c->generation, &s);
        proven = s.synced_offset;
    }
    if (bytes.length > c->limit)
        bytes.length = c->limit;
    segment_scan_init(&scan, bytes, c->generation, c->synced_offset);
    while ((step = segment_scan_next(&scan, &record)) != SEGMENT_STEP_END) {
        struct wal_location at = {(uint32_t)c->generation, scan.record_offset};
        if (step == SEGMENT_STEP_DAMAGE)
            TRY(on_damage(r, c->generation, &scan.damage));
        else if (is_last && scan.record_offset >= proven)
            TRY(keep_tail(r, &record));
        else
            TRY(deliver(r, &record, at));
    }
    c->synced_offset = proven;
    return ERR_OK;
}

/* ---- The new segment ---- */

static enum err write_new(struct recovery *r, struct wal_file *file, const struct segment_start *start)
{
    struct wal *wal = r->wal;
    uint8_t body[SEGMENT_START_BYTES - SEGMENT_RECORD_HEADER_BYTES];
    uint8_t first[SEGMENT_START_BYTES], seal[SEGMENT_SYNCED_BYTES];
    segment_start_encode(body, start);
    struct segment_record record = {.type = SEGMENT_START, .body = slice_make(body, sizeof body)};
    segment_record_encode(first, file->generation, 0, 0, &record);
    uint32_t offset = sizeof first;
    for (size_t at = 0; at < r->tail.length; at += segment_record_bytes_at(r->tail.data + at))
        segment_record_seal(r->tail.data + at, file->generation, offset + (uint32_t)at, 0);
    struct iovec iov[2] = {{first, sizeof first}, {r->tail.data, r->tail.length}};
    TRY(wal_file_append(file, iov, r->tail.length > 0 ? 2 : 1, 0));
    TRY(wal_file_sync(file));
    offset += (uint32_t)r->tail.length;
    record = (struct segment_record){.type = SEGMENT_SYNCED, .index = start->oldest_generation};
    segment_record_encode(seal, file->generation, offset, offset, &record);
    TRY(wal_file_append(file, &(struct iovec){seal, sizeof seal}, 1, offset));
    TRY(wal_file_sync(file));
    wal->current = file;
    wal->offset = wal->synced_offset = offset + sizeof seal;
    wal->is_marked = true;
    return ERR_OK;
}

static enum err deliver_tail(struct recovery *r, uint32_t generation)
{
    for (size_t at = 0; at < r->tail.length; at += segment_record_bytes_at(r->tail.data + at)) {
        struct segment_record record = segment_record_view(r->tail.data + at);
        TRY(deliver(r, &record, (struct wal_location){generation, SEGMENT_START_BYTES + (uint32_t)at}));
    }
    return ERR_OK;
}

static enum err begin_new_segment(struct recovery *r)
{
    struct wal *wal = r->wal;
    struct segment_start start = {.oldest_generation = r->oldest, .is_recovery = true};
    const struct candidate *last = r->chain_count > 0 ? &r->chain[r->chain_count - 1] : NULL;
    if (last != NULL) {
        start.previous_generation = last->generation;
        start.previous_synced_offset = last->synced_offset;
    }
    if (last != NULL && last->synced_offset == 0 && last->has_start) {
        start.previous_generation = last->start.previous_generation; /* not even its START is proven */
        start.previous_synced_offset = last->start.previous_synced_offset;
    }
    uint32_t bytes = wal->options.segment_bytes;
    size_t needed = SEGMENT_START_BYTES + r->tail.length + SEGMENT_SYNCED_BYTES + wal->upkeep_reserve_bytes;
    if (needed > bytes)
        bytes = (uint32_t)((needed + 4095) / 4096 * 4096);
    start.segment_bytes = bytes;
    uint64_t generation = wal->next_generation++;
    struct wal_file *file;
    enum err err = wal_file_make(wal, generation, bytes, &file);
    if (err != ERR_OK)
        return error_set(r->error, err, "make segment %llu", (unsigned long long)generation);
    err = write_new(r, file, &start);
    if (err == ERR_OK)
        err = deliver_tail(r, (uint32_t)generation);
    if (err == ERR_OK)
        err = wal_files_add(wal, file);
    if (err != ERR_OK) {
        wal_file_close(file);
        wal->current = NULL;
        return error_wrap(r->error, err, "begin segment %llu", (unsigned long long)generation);
    }
    wal->oldest_recorded = r->oldest;
    return ERR_OK;
}

/* ---- All of it ---- */

/* Segments in use stay open; the rest becomes spare. */
static enum err settle_files(struct recovery *r)
{
    struct wal *wal = r->wal;
    for (size_t i = 0; i < r->chain_count; i++) {
        struct candidate *c = &r->chain[i];
        if (c->file == NULL)
            continue;
        TRY(wal_files_add(wal, c->file));
        c->file = NULL;
    }
    for (size_t i = 0; i < r->listing.segment_count; i++)
        if (wal_files_find(wal, r->listing.segments[i]) == NULL)
            TRY(wal_file_retire(wal, r->listing.segments[i]));
    return ERR_OK;
}

/* Entries that the log's start calls for, and that are not there, lay in something lost. */
static enum err check_starts(struct recovery *r)
{
    for (size_t i = 0; i < WAL_GROUP_BUCKETS; i++)
        for (struct wal_group *group = r->wal->groups[i]; group != NULL; group = group->hash_next) {
            struct segment_damage lost = {.is_group_known = true,
                                          .type = SEGMENT_ENTRY,
                                          .group_id = group->group_id,
                                          .replica_id = group->replica_id,
                                          .index = group->declared_start};
            if (!group->is_damaged && group->first_index != group->declared_start)
                TRY(on_damage(r, r->wal->current->generation, &lost));
        }
    return ERR_OK;
}

static void take_numbers(struct recovery *r)
{
    struct wal *wal = r->wal;
    uint64_t highest = 0;
    for (size_t i = 0; i < r->listing.segment_count; i++)
        highest = r->listing.segments[i];
    for (size_t i = 0; i < r->listing.spare_count; i++) {
        if (r->listing.spares[i] > highest)
            highest = r->listing.spares[i];
        if (wal->spare_count < WAL_SPARES_MAX && r->listing.spares[i] != 0)
            wal->spare_numbers[wal->spare_count++] = r->listing.spares[i];
    }
    wal->next_generation = highest + 1;
}

static enum err run(struct recovery *r)
{
    enum err err = wal_directory_list(r->wal, &r->listing);
    if (err != ERR_OK)
        return error_set(r->error, err, "list %s", r->wal->options.directory);
    take_numbers(r);
    TRY(find_chain(r));
    for (size_t i = 0; i < r->chain_count; i++)
        TRY(read_segment(r, &r->chain[i], i + 1 == r->chain_count));
    if (r->oldest == 0)
        r->oldest = 1;
    TRY(settle_files(r));
    TRY(begin_new_segment(r));
    return check_starts(r);
}

enum err wal_recover(struct wal *wal, const struct wal_recovery *recovery, struct error *error)
{
    struct recovery r = {.wal = wal, .callbacks = recovery, .error = error};
    buffer_init(&r.tail, UINT32_MAX / 2);
    if (error != NULL)
        error->code = ERR_OK;
    enum err err = run(&r);
    for (size_t i = 0; i < r.chain_count; i++)
        wal_file_close(r.chain[i].file);
    for (size_t i = 0; i < WAL_GROUP_BUCKETS; i++)
        for (struct wal_group *group = wal->groups[i]; group != NULL; group = group->hash_next) {
            group->queued_first_index = group->first_index;
            group->queued_last_index = group->last_index;
        }
    memory_free(r.chain);
    memory_free(r.bytes);
    wal_listing_deinit(&r.listing);
    buffer_deinit(&r.tail);
    if (err != ERR_OK && error != NULL && error->code == ERR_OK)
        error_set(error, err, "%s", err_sentence(err));
    return err;
}
