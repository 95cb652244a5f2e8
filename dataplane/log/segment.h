/* The bytes of a log segment: records encoded into it, and a scan that tells a torn tail from damage.
 *
 * A segment is a file of fixed size, written from front to back by one writer, one batch after the other:
 * a batch is written, synced, and only then the next one is written. Each record therefore says up to
 * where its segment had been synced when it was written (`synced_offset`: where its batch begins), and a
 * valid record proves that everything below that offset once was on disk:
 *
 *     | START a b | c d e | f g | h i j
 *     ^           ^       ^     ^
 *     batch 1     batch 2       batch 4: h, i, j say synced_offset = here
 *
 * A record that cannot be read is DAMAGE when it lies below an offset proven so (by any later record of
 * the segment, or by the next segment's START), and otherwise the TORN tail of a batch that no sync ever
 * confirmed. So no torn batch is taken for damage, even if its later sectors reached the disk and its
 * earlier ones did not, and no flip in what was synced and followed by anything is taken for a torn tail.
 *
 * Files are recycled without being zeroed: the generation (never used twice) and the offset seed both
 * checksums, so that what an earlier generation left behind is not a record of this one.
 *
 * Pure: no I/O, no allocation, no clock; the node's log (dataplane/log/wal.h) and the simulator's disks
 * both link it. Format: docs/formats/wal.md. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum {
    SEGMENT_RECORD_HEADER_BYTES = 64,
    SEGMENT_RECORD_ALIGNMENT = 8,
    /* A segment begins with its START record, which has this size on disk. */
    SEGMENT_START_BYTES = SEGMENT_RECORD_HEADER_BYTES + 32,
    SEGMENT_SYNCED_BYTES = SEGMENT_RECORD_HEADER_BYTES,
    /* Larger bodies are refused by the writer and are no record to the scan. */
    SEGMENT_BODY_BYTES_MAX = 16 * 1024 * 1024,
};

/* Numbers are on disk: only ever added to. Records of group 0 are the log's own. */
enum segment_record_type {
    SEGMENT_START = 1,               /* first in each segment; body: struct segment_start */
    SEGMENT_SYNCED = 2,              /* all below it is on disk; index: oldest generation needed */
    SEGMENT_GROUP_CREATED = 3,       /* replica_id begins here with an empty log */
    SEGMENT_ENTRY = 4,               /* index, term, body: the entry as on the wire; replaces all >= index */
    SEGMENT_TRUNCATE_SUFFIX = 5,     /* entries >= index are void */
    SEGMENT_LOG_START = 6,           /* entries < index are void; term: that of entry index - 1 */
    SEGMENT_HARD_STATE = 7,          /* term; body: vote, membership, commit in the core's encoding */
    SEGMENT_SNAPSHOT_INSTALLING = 8, /* the store is being replaced; index, term, body: of the snapshot */
    SEGMENT_SNAPSHOT_INSTALLED = 9,  /* it holds the snapshot; the log is empty and goes on at index + 1 */
    SEGMENT_GROUP_REMOVED = 10,      /* replica_id is gone and must never act again */
};

struct segment_record {
    enum segment_record_type type;
    uint64_t group_id;
    uint64_t replica_id;
    uint64_t index;
    uint64_t term;
    struct slice body; /* from a scan: a view into the segment's bytes */
};

/* Body of START. */
struct segment_start {
    uint64_t previous_generation;    /* 0: this is the first of all */
    uint64_t oldest_generation;      /* segments before this one are not needed */
    uint32_t previous_synced_offset; /* up to here the previous segment is on disk */
    uint32_t segment_bytes;
    /* Written by a recovery: its first records repeat what stood behind previous_synced_offset. Until a
     * SYNCED record follows them the segment is void, and the previous one counts in full; from then on
     * the previous one counts up to previous_synced_offset. */
    bool is_recovery;
};

/* On disk, padding included. */
static inline size_t segment_record_bytes(size_t body_bytes)
{
    return (SEGMENT_RECORD_HEADER_BYTES + body_bytes + SEGMENT_RECORD_ALIGNMENT - 1) &
           ~(size_t)(SEGMENT_RECORD_ALIGNMENT - 1);
}

/* ---- Writing ---- */

/* Lay the record out at `to` (segment_record_bytes(body.length) bytes, written in full), without what
 * depends on its place: call segment_record_seal before it goes to disk.
 * Asserts body.length <= SEGMENT_BODY_BYTES_MAX. */
void segment_record_layout(uint8_t *to, const struct segment_record *record);

/* Complete a record laid out at `at` for its place: generation, offset in the segment, the offset up to
 * which that segment is synced (<= offset), both checksums. */
void segment_record_seal(uint8_t *at, uint64_t generation, uint32_t offset, uint32_t synced_offset);

/* Size on disk of the laid-out record at `at`. */
size_t segment_record_bytes_at(const uint8_t *at);
/* The laid-out record at `at`, without any check: for the writer's own memory. */
struct segment_record segment_record_view(const uint8_t *at);

/* Both steps; returns the bytes written. */
size_t segment_record_encode(uint8_t *to, uint64_t generation, uint32_t offset, uint32_t synced_offset,
                             const struct segment_record *record);

/* The body of a START record, 32 bytes. */
void segment_start_encode(uint8_t to[32], const struct segment_start *start);
/* ERR_CORRUPT: not such a body. */
enum err segment_start_decode(struct slice body, struct segment_start *ret_start) MUST_CHECK;

/* ---- Reading ---- */

/* Read the record with which `bytes` begin; they stand at `offset` of a segment of this generation, and there
 * may be more of them. All checks are made.
 * ERR_CORRUPT  no whole record of this generation and place is there */
enum err segment_record_decode(struct slice bytes, uint64_t generation, uint32_t offset,
                               struct segment_record *ret_record) MUST_CHECK;

enum segment_step {
    SEGMENT_STEP_RECORD, /* a record */
    SEGMENT_STEP_DAMAGE, /* scan->damage says what is lost; the next step goes on behind it */
    SEGMENT_STEP_END,    /* scan->is_torn, scan->offset, scan->synced_offset are final */
};

struct segment_damage {
    uint32_t begin; /* offsets in the segment; end is exclusive */
    uint32_t end;
    /* The record's header was whole: exactly this record of this group and replica is lost. Otherwise
     * records of any group may have been there. */
    bool is_group_known;
    enum segment_record_type type;
    uint64_t group_id;
    uint64_t replica_id;
    uint64_t index;
};

struct segment_scan {
    uint32_t offset;        /* of the next record; at the end: where the segment's valid part ends */
    uint32_t record_offset; /* of the record last returned */
    uint32_t synced_offset; /* proven to be on disk so far; final at the end */
    bool is_torn;           /* at the end: a batch had been begun there and is not whole */
    struct segment_damage damage;
    /* Leave alone. */
    struct slice bytes;
    uint64_t generation;
    bool has_looked_ahead;
    uint32_t last_whole_offset;
};

/* Scan a segment's bytes (all of the file) as the given generation.
 * synced_offset  up to where it is known to be on disk: the next segment's START says so; 0 if unknown. */
void segment_scan_init(struct segment_scan *scan, struct slice bytes, uint64_t generation,
                       uint32_t synced_offset);
enum segment_step segment_scan_next(struct segment_scan *scan, struct segment_record *ret_record);
