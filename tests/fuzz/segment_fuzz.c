/* A segment of the log as a disk may give it back.
 *
 * Bytes as they come hardly ever pass a checksum. So from a first byte of 128 on the input is a recipe: records in
 * batches, and then what happened to the file: bytes changed, sectors that were never written. Of a segment to
 * which nothing happened the scan must give back every record. */
#include "dataplane/log/segment.h"
#include "tests/fuzz/fuzz.h"

enum { GENERATION = 3, RECORDS_MAX = 64, SEGMENT_BYTES = 32768, SECTOR_BYTES = 512 };

struct made {
    uint8_t bytes[SEGMENT_BYTES];
    uint32_t end;
    uint32_t synced;
    unsigned count;
    struct segment_record records[RECORDS_MAX]; /* bodies view the input */
};

static void check_record(const struct segment_record *a, const struct segment_record *b)
{
    ASSERT(a->type == b->type && a->group_id == b->group_id && a->replica_id == b->replica_id);
    ASSERT(a->index == b->index && a->term == b->term && slice_equal(a->body, b->body));
}

/* Ends, moves on with each step, and stays inside. Compares with `made`, if nothing happened to it. */
static void scan(struct slice bytes, uint32_t synced_offset, const struct made *made)
{
    struct segment_scan at;
    struct segment_record record;
    enum segment_step step;
    unsigned count = 0;
    segment_scan_init(&at, bytes, GENERATION, synced_offset);
    for (uint32_t before = 0; (step = segment_scan_next(&at, &record)) != SEGMENT_STEP_END;
         before = at.offset) {
        ASSERT(at.offset > before && at.record_offset >= before);
        if (step == SEGMENT_STEP_DAMAGE) {
            ASSERT(at.damage.begin == at.record_offset && at.damage.end == at.offset);
            ASSERT(at.damage.begin < at.synced_offset && made == NULL);
            continue;
        }
        ASSERT(at.offset <= bytes.length);
        struct segment_record again;
        struct segment_start start;
        ASSERT(segment_record_decode(slice_from(bytes, at.record_offset), GENERATION, at.record_offset,
                                     &again) == ERR_OK);
        check_record(&record, &again);
        if (record.type == SEGMENT_START && segment_start_decode(record.body, &start) == ERR_OK)
            ASSERT(record.body.length == SEGMENT_START_BYTES - SEGMENT_RECORD_HEADER_BYTES);
        if (made != NULL && count < made->count)
            check_record(&record, &made->records[count]);
        count++;
    }
    ASSERT(at.offset >= at.synced_offset || at.offset >= bytes.length);
    if (made != NULL)
        ASSERT(count == made->count && at.offset == made->end && !at.is_torn);
}

/* Records until a 0 for the type; 128 and above begins a new batch. */
static void make_records(struct slice *input, struct made *made)
{
    for (uint8_t type = fuzz_byte(input); type != 0 && made->count < RECORDS_MAX; type = fuzz_byte(input)) {
        if (type >= 128)
            made->synced = made->end;
        struct segment_record record = {.type = (enum segment_record_type)(1 + type % SEGMENT_GROUP_REMOVED)};
        record.group_id = fuzz_byte(input);
        record.index = fuzz_byte(input);
        size_t body_bytes = fuzz_byte(input);
        record.body = fuzz_bytes(input, 4 * body_bytes);
        if (made->end + segment_record_bytes(record.body.length) > SEGMENT_BYTES)
            break;
        made->end += (uint32_t)segment_record_encode(made->bytes + made->end, GENERATION, made->end,
                                                     made->synced, &record);
        made->records[made->count++] = record;
    }
}

/* A place and what comes there, until the input ends. */
static bool harm(struct slice *input, struct made *made)
{
    bool is_harmed = false;
    while (input->length > 0) {
        size_t place = fuzz_byte(input);
        place = (place + 256 * (size_t)fuzz_byte(input)) % SEGMENT_BYTES;
        uint8_t change = fuzz_byte(input);
        if (change == 0)
            memset(made->bytes + place / SECTOR_BYTES * SECTOR_BYTES, 0, SECTOR_BYTES);
        else
            made->bytes[place] ^= change;
        is_harmed = true;
    }
    return is_harmed;
}

void fuzz_input(struct slice input)
{
    uint8_t choice = fuzz_byte(&input);
    if (choice < 128) {
        scan(input, choice < 64 ? 0 : (uint32_t)input.length, NULL);
        return;
    }
    static struct made made;
    memset(&made, 0, sizeof made);
    make_records(&input, &made);
    uint32_t synced_offset = choice % 2 == 0 ? 0 : made.synced;
    bool is_harmed = harm(&input, &made);
    scan(slice_make(made.bytes, SEGMENT_BYTES), synced_offset, is_harmed ? NULL : &made);
}
