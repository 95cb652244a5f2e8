/* What an item weighs and what it costs, in one place: the client is told, the meter bills and the buckets
 * debit the numbers computed here. All integer: capacity is in thousandths of a unit. */
#pragma once

#include "admission/capacity.h"
#include "dataplane/item/item.h"

enum read_kind { READ_EVENTUAL, READ_STRONG, READ_TRANSACTIONAL };
enum write_cost_kind { WRITE_COST_PLAIN, WRITE_COST_TRANSACTIONAL };

enum {
    READ_UNIT_BYTES = 4096,
    WRITE_UNIT_BYTES = 1024,
    CAPACITY_LSI_MAX = 5,
    CAPACITY_GSI_MAX = 20,
};

/* DynamoDB's size of an item: names plus values, as for capacity, the 400 KB limit and the 1 MB page. */
size_t item_size_bytes(struct slice item);
/* Of one value: S, B length; N number_size_bytes; BOOL, NULL 1; sets the sum of members; L, M 3 + 1 per
 * element + the elements (M: + names). */
size_t value_size_bytes(struct value_view value);

/* `bytes` rounded up to 4 KB units, at least one, times 0.5, 1 or 2. For a missing item pass 0. */
struct capacity capacity_read(uint64_t bytes, enum read_kind kind);
/* Of reading one item: the same of item_size_bytes, which is not computed where it could make no difference. */
struct capacity capacity_read_item(struct slice item, enum read_kind kind);
/* `bytes` rounded up to 1 KB units, at least one, times 1 or 2. Pass the larger of the item's sizes before
 * and after; 0 where neither exists. */
struct capacity capacity_write(uint64_t bytes, enum write_cost_kind kind);

/* What one request consumed: the table's own share and each index's. Travels in log entries. */
struct capacity_share {
    uint16_t index_no;
    struct capacity units;
};

struct capacity_vector {
    struct capacity table;
    uint8_t lsi_count;
    uint8_t gsi_count;
    struct capacity_share lsi[CAPACITY_LSI_MAX];
    struct capacity_share gsi[CAPACITY_GSI_MAX];
};

/* Table and indexes together, as in ConsumedCapacity.CapacityUnits. */
struct capacity capacity_vector_total(const struct capacity_vector *v);
void capacity_vector_encode(const struct capacity_vector *v, struct buffer *to);
/* ERR_CORRUPT  unknown version, too many shares, negative or left-over. */
enum err capacity_vector_decode(struct slice bytes, struct capacity_vector *ret_vector) MUST_CHECK;
