#include "dataplane/node/split_key.h"

#include "dataplane/item/key.h"

enum { SPACE_BYTES = 8 };

void split_key_init(struct split_key *k, uint64_t total_bytes)
{
    *k = (struct split_key){
        .total_bytes = total_bytes, .nearest_distance = UINT64_MAX, .between_distance = UINT64_MAX};
    buffer_init(&k->previous, KEY_BYTES_MAX);
    buffer_init(&k->nearest, SPLIT_KEY_BYTES_MAX);
    buffer_init(&k->between, SPLIT_KEY_BYTES_MAX);
}

void split_key_deinit(struct split_key *k)
{
    buffer_deinit(&k->previous);
    buffer_deinit(&k->nearest);
    buffer_deinit(&k->between);
}

static size_t common_bytes(struct slice a, struct slice b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    size_t same = 0;
    while (same < shorter && a.data[same] == b.data[same])
        same++;
    return same;
}

static uint64_t distance_of(const struct split_key *k)
{
    uint64_t middle = k->total_bytes / 2;
    return k->seen_bytes > middle ? k->seen_bytes - middle : middle - k->seen_bytes;
}

static void take(struct buffer *to, struct slice bytes)
{
    buffer_clear(to);
    buffer_append(to, bytes);
}

/* The place before `key`, behind the row that was there last. */
static void consider(struct split_key *k, struct slice key)
{
    size_t same = common_bytes(buffer_view(&k->previous), key);
    uint64_t distance = distance_of(k);
    if (same >= SPLIT_KEY_BYTES_MAX)
        return;
    struct slice place = slice_make(key.data, same + 1);
    if (distance < k->nearest_distance) {
        k->nearest_distance = distance;
        take(&k->nearest, place);
    }
    if (same < KEY_PREFIX_BYTES && distance < k->between_distance && distance <= k->total_bytes / 4) {
        k->between_distance = distance;
        take(&k->between, place);
    }
}

bool split_key_add(struct split_key *k, struct slice key, uint64_t bytes)
{
    if (k->previous.length > 0)
        consider(k, key);
    take(&k->previous, key);
    k->seen_bytes += bytes;
    /* From the middle on, places only get worse. */
    bool is_behind = k->seen_bytes > k->total_bytes / 2;
    uint64_t distance = distance_of(k);
    bool is_settled = k->between_distance <= distance || distance > k->total_bytes / 4;
    return !(is_behind && is_settled && k->nearest_distance <= distance) && !buffer_has_failed(&k->previous);
}

struct slice split_key_chosen(const struct split_key *k)
{
    if (buffer_has_failed(&k->nearest) || buffer_has_failed(&k->between) || buffer_has_failed(&k->previous))
        return SLICE_EMPTY;
    return k->between.length > 0 ? buffer_view(&k->between) : buffer_view(&k->nearest);
}

/* The hash that a boundary names; one that ends before its hash is at the first. */
static uint64_t hash_of(struct slice bound)
{
    uint64_t hash = 0;
    for (size_t i = SPACE_BYTES; i < KEY_PREFIX_BYTES; i++)
        hash = hash << 8 | (i < bound.length ? bound.data[i] : 0);
    return hash;
}

bool split_key_halfway(struct slice start, struct slice end, struct buffer *to)
{
    if (start.length < SPACE_BYTES)
        return false;
    bool is_same_space = end.length >= SPACE_BYTES &&
                         slice_equal(slice_make(start.data, SPACE_BYTES), slice_make(end.data, SPACE_BYTES));
    uint64_t low = hash_of(start);
    uint64_t high = is_same_space ? hash_of(end) : UINT64_MAX;
    if (high < low || high - low < 2)
        return false;
    buffer_clear(to);
    buffer_append(to, slice_make(start.data, SPACE_BYTES));
    buffer_append_u64_be(to, low + (high - low) / 2);
    return !buffer_has_failed(to);
}
