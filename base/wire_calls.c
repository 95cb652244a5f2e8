#include "base/wire_calls.h"

#include "base/assert.h"
#include "base/memory.h"

enum { BLOCK = 64 };

enum err wire_calls_init(struct wire_calls *c, uint32_t calls_max)
{
    *c = (struct wire_calls){.block_count_max = (calls_max + BLOCK - 1) / BLOCK};
    c->blocks = memory_zalloc(c->block_count_max * sizeof(struct wire_pending *));
    return c->blocks == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void wire_calls_deinit(struct wire_calls *c)
{
    for (uint32_t i = 0; i < c->block_count; i++)
        memory_free(c->blocks[i]);
    memory_free(c->blocks);
    *c = (struct wire_calls){0};
}

static enum err add_block(struct wire_calls *c)
{
    if (c->block_count == c->block_count_max)
        return ERR_BUSY;
    struct wire_pending *block = memory_zalloc(BLOCK * sizeof *block);
    if (block == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = BLOCK; i > 0; i--) {
        block[i - 1].index = c->block_count * BLOCK + i - 1;
        block[i - 1].next_free = c->free;
        c->free = &block[i - 1];
    }
    c->blocks[c->block_count++] = block;
    return ERR_OK;
}

enum err wire_calls_open(struct wire_calls *c, struct wire_pending **ret_pending)
{
    if (c->free == NULL)
        TRY(add_block(c));
    struct wire_pending *p = c->free;
    c->free = p->next_free;
    p->generation++;
    p->call_id = (uint64_t)p->generation << 32 | p->index;
    p->is_open = true;
    c->count++;
    *ret_pending = p;
    return ERR_OK;
}

void wire_calls_close(struct wire_calls *c, struct wire_pending *pending)
{
    ASSERT(pending->is_open);
    pending->is_open = false;
    pending->next_free = c->free;
    c->free = pending;
    c->count--;
}

static struct wire_pending *at_index(const struct wire_calls *c, uint32_t index)
{
    return &c->blocks[index / BLOCK][index % BLOCK];
}

struct wire_pending *wire_calls_find(const struct wire_calls *c, uint64_t call_id)
{
    uint32_t index = (uint32_t)call_id;
    if (index / BLOCK >= c->block_count)
        return NULL;
    struct wire_pending *p = at_index(c, index);
    return p->is_open && p->call_id == call_id ? p : NULL;
}

struct wire_pending *wire_calls_next(const struct wire_calls *c, uint32_t *at)
{
    while (*at < c->block_count * BLOCK) {
        struct wire_pending *p = at_index(c, (*at)++);
        if (p->is_open)
            return p;
    }
    return NULL;
}
