/* What nodes store and send around a row: envelopes, capacity vectors, log entries, checkpoints, chunks of request
 * ids. The first byte chooses. What decodes encodes to the same bytes, or, where two forms are read, to ones that do. */
#include "dataplane/item/envelope.h"
#include "dataplane/item/size.h"
#include "dataplane/partition/partition.h"
#include "tests/fuzz/fuzz.h"

static void check_envelope(struct slice bytes)
{
    struct envelope e;
    struct buffer again = fuzz_buffer();
    if (envelope_decode(bytes, &e) == ERR_OK) {
        envelope_encode(&e, &again);
        ASSERT(slice_equal(buffer_view(&again), bytes));
    }
    buffer_deinit(&again);
}

static void check_capacity(struct slice bytes)
{
    struct capacity_vector v;
    struct buffer again = fuzz_buffer();
    if (capacity_vector_decode(bytes, &v) == ERR_OK) {
        capacity_vector_encode(&v, &again);
        ASSERT(slice_equal(buffer_view(&again), bytes));
        ASSERT(capacity_vector_total(&v).milli >= v.table.milli);
    }
    buffer_deinit(&again);
}

static void check_entries(struct slice bytes)
{
    struct write_entry write;
    struct schema_entry schema;
    struct buffer again = fuzz_buffer();
    if (write_entry_decode(bytes, &write) == ERR_OK) {
        write_entry_encode(&write, &again);
        ASSERT(slice_equal(buffer_view(&again), bytes));
    }
    buffer_clear(&again);
    if (schema_entry_decode(bytes, &schema) == ERR_OK) {
        schema_entry_encode(&schema, &again);
        ASSERT(slice_equal(buffer_view(&again), bytes));
    }
    buffer_deinit(&again);
}

/* What a partition says of itself, another one becomes; and says the same. */
static void check_checkpoint_of(const struct partition *p)
{
    struct buffer first = fuzz_buffer(), second = fuzz_buffer();
    struct partition *other = partition_create(1);
    ASSERT(other != NULL);
    partition_checkpoint_encode(p, &first);
    ASSERT(partition_checkpoint_decode(other, buffer_view(&first)) == ERR_OK);
    ASSERT(partition_applied_index(other) == partition_applied_index(p));
    ASSERT(partition_schema_version(other) == partition_schema_version(p));
    partition_checkpoint_encode(other, &second);
    ASSERT(slice_equal(buffer_view(&first), buffer_view(&second)));
    partition_destroy(other);
    buffer_deinit(&first);
    buffer_deinit(&second);
}

static void check_checkpoint(struct slice bytes)
{
    struct partition *p = partition_create(1);
    ASSERT(p != NULL);
    enum err err = partition_checkpoint_decode(p, bytes);
    ASSERT(err == ERR_OK || err == ERR_CORRUPT);
    if (err == ERR_OK)
        check_checkpoint_of(p);
    partition_destroy(p);
}

static void check_effect(enum partition_entry_kind kind, enum err err, const struct partition_effect *effect)
{
    ASSERT(err == ERR_OK || err == ERR_CORRUPT);
    if (err != ERR_OK || kind != PARTITION_ENTRY_WRITE)
        return;
    ASSERT(effect->kind == PARTITION_EFFECT_PUT || effect->kind == PARTITION_EFFECT_DELETE);
    ASSERT(effect->key.length > 0 && effect->request_id.length == REQUEST_ID_BYTES);
}

/* A log of foreign payloads: length(2) kind(1) payload, over and over; saved in chunks on the way. */
static void check_log(struct slice input)
{
    struct partition *p = partition_create(1);
    struct request_ids *loaded = request_ids_create();
    ASSERT(p != NULL && loaded != NULL);
    for (uint64_t index = 2; input.length > 0; index++) {
        size_t length = fuzz_byte(&input);
        length += 256 * (size_t)fuzz_byte(&input);
        enum partition_entry_kind kind = (enum partition_entry_kind)(fuzz_byte(&input) % 3);
        struct partition_effect effect;
        enum err err = partition_apply(p, index, kind, fuzz_bytes(&input, length), &effect);
        check_effect(kind, err, &effect);
        if (err != ERR_OK)
            break; /* the replica is quarantined */
        struct request_ids *ids = partition_request_ids(p);
        uint64_t name;
        if (index % 4 == 0 && request_ids_unsaved_count(ids) > 0) {
            struct buffer chunk = fuzz_buffer();
            ASSERT(request_ids_save(ids, 3, &chunk, &name) == ERR_OK);
            ASSERT(request_ids_load(loaded, name, buffer_view(&chunk)) == ERR_OK);
            buffer_deinit(&chunk);
        }
        while (request_ids_next_expired(ids, &name))
            ASSERT(name <= index);
    }
    check_checkpoint_of(p);
    request_ids_destroy(loaded);
    partition_destroy(p);
}

static void check_chunks(struct slice input)
{
    struct request_ids *ids = request_ids_create();
    struct buffer again = fuzz_buffer();
    ASSERT(ids != NULL);
    for (uint64_t name = 1; input.length > 0; name++) {
        size_t length = fuzz_byte(&input);
        enum err err = request_ids_load(ids, name, fuzz_bytes(&input, length));
        ASSERT(err == ERR_OK || err == ERR_CORRUPT);
        if (err != ERR_OK)
            break;
        ASSERT(request_ids_unsaved_count(ids) == 0);
        request_ids_encode(ids, &again);
        buffer_clear(&again);
    }
    request_ids_destroy(ids);
    buffer_deinit(&again);
}

void fuzz_input(struct slice input)
{
    static void (*const CHECKS[])(struct slice) = {check_envelope,   check_capacity, check_entries,
                                                   check_checkpoint, check_log,      check_chunks};
    uint8_t choice = fuzz_byte(&input);
    CHECKS[choice % (sizeof CHECKS / sizeof CHECKS[0])](input);
}
