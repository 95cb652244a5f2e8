#include "dataplane/node/entry_cache.h"

#include "base/memory.h"

void entry_cache_init(struct entry_cache *c)
{
    *c = (struct entry_cache){0};
}

static struct cached_entry *at(const struct entry_cache *c, size_t position)
{
    return &c->ring[(c->start + position) & (c->capacity - 1)];
}

static void drop(struct entry_cache *c, struct cached_entry *entry)
{
    union { /* ours to free, though viewed as const */
        const uint8_t *in;
        uint8_t *out;
    } body = {entry->body.data};
    c->bytes -= entry->body.length;
    memory_free(body.out);
}

void entry_cache_truncate(struct entry_cache *c, uint64_t index)
{
    while (c->count > 0 && c->first_index + c->count > index) {
        drop(c, at(c, c->count - 1));
        c->count--;
    }
}

void entry_cache_deinit(struct entry_cache *c)
{
    entry_cache_truncate(c, 0);
    memory_free(c->ring);
    *c = (struct entry_cache){0};
}

/* Capacity is a power of two; growing lays the ring out straight. */
static enum err grow(struct entry_cache *c)
{
    size_t capacity = c->capacity == 0 ? 8 : c->capacity * 2;
    struct cached_entry *ring = memory_alloc(capacity * sizeof *ring);
    if (ring == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < c->count; i++)
        ring[i] = *at(c, i);
    memory_free(c->ring);
    c->ring = ring;
    c->capacity = capacity;
    c->start = 0;
    return ERR_OK;
}

enum err entry_cache_put(struct entry_cache *c, uint64_t index, uint64_t term, struct slice body)
{
    uint8_t *copy = memory_alloc(body.length);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (c->count == c->capacity && grow(c) != ERR_OK) {
        memory_free(copy);
        return ERR_NO_MEMORY;
    }
    if (body.length > 0)
        memcpy(copy, body.data, body.length);
    if (c->count > 0 && (index < c->first_index || index > c->first_index + c->count))
        entry_cache_truncate(c, 0);
    entry_cache_truncate(c, index);
    if (c->count == 0)
        c->first_index = index;
    c->count++;
    c->bytes += body.length;
    *at(c, c->count - 1) = (struct cached_entry){term, slice_make(copy, body.length)};
    return ERR_OK;
}

const struct cached_entry *entry_cache_find(const struct entry_cache *c, uint64_t index)
{
    if (c->count == 0 || index < c->first_index || index >= c->first_index + c->count)
        return NULL;
    return at(c, (size_t)(index - c->first_index));
}

void entry_cache_trim(struct entry_cache *c, uint64_t index, size_t bytes_max)
{
    while (c->count > 0 && c->bytes > bytes_max && c->first_index <= index) {
        drop(c, at(c, 0));
        c->start = (c->start + 1) & (c->capacity - 1);
        c->first_index++;
        c->count--;
    }
}
