/* The payload of a group's log entries: outcomes, not expressions (docs/formats/entry.md).
 *
 * A WRITE entry says what the row is afterwards, so that followers, recovery and later consumers evaluate
 * nothing. A SCHEMA entry says from which index on a schema counts, a SPLIT entry which groups go on from its index. The
 * same bytes go over the wire, into
 * the log and, for the image, into the store: nobody encodes them again. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

enum { REQUEST_ID_BYTES = 16 };

enum write_entry_flags {
    WRITE_ENTRY_DELETE = 1,     /* the row is gone afterwards; there is no image */
    WRITE_ENTRY_HAS_OLD = 2,    /* old_image is there because a consumer needs it */
    WRITE_ENTRY_HAS_ANSWER = 4, /* answer repeats the reply's attributes for a retried request */
    WRITE_ENTRY_REPLACES = 8,   /* there was a row before */
};

struct write_entry {
    uint8_t flags; /* enum write_entry_flags */
    uint8_t request_id[REQUEST_ID_BYTES];
    uint64_t commit_time_us; /* wall clock of the leader, never running backwards within a group */
    uint64_t id_clock_us;    /* elapsed time as the group's leaders measured it: see request_ids.h */
    struct slice capacity;   /* encoded capacity vector (dataplane/item/size.h) */
    uint32_t
        item_bytes_before;     /* as DynamoDB counts them (item_size_bytes); 0 without WRITE_ENTRY_REPLACES */
    uint32_t item_bytes_after; /* likewise; 0 with WRITE_ENTRY_DELETE */
    struct slice key;
    struct slice image;     /* envelope bytes as stored */
    struct slice old_image; /* envelope bytes, or empty */
    struct slice answer;    /* item bytes, or empty */
};

struct schema_entry {
    uint64_t version;
    struct slice schema; /* encoded struct key_schema */
};

/* The group ends here: keys below `key` are the first child's, the others the second's (docs/decisions/0014). */
struct split_entry {
    uint64_t range_epoch;     /* of both children */
    uint64_t group_ids[2];    /* not 0, and not the same */
    uint64_t item_count_left; /* below the key after all entries before this one */
    uint64_t item_bytes_left; /* the sum of their sizes */
    struct slice key;         /* an item key (dataplane/item/key.h), strictly inside the parent's range */
};

/* Append the entry's bytes; the buffer's sticky failure tells of memory. */
void write_entry_encode(const struct write_entry *entry, struct buffer *to);
void schema_entry_encode(const struct schema_entry *entry, struct buffer *to);
void split_entry_encode(const struct split_entry *entry, struct buffer *to);

/* Views into `bytes`, valid as long as those are.
 * ERR_CORRUPT  unknown version or flags, lengths that do not add up, or sizes that no item has. */
enum err write_entry_decode(struct slice bytes, struct write_entry *ret_entry) MUST_CHECK;
enum err schema_entry_decode(struct slice bytes, struct schema_entry *ret_entry) MUST_CHECK;
enum err split_entry_decode(struct slice bytes, struct split_entry *ret_entry) MUST_CHECK;
