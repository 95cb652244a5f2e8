/* The store of a node: items of a table, whichever of its groups they belong to, and what each group keeps beside them.
 * A flush makes all batches of a table durable together, as RocksDB does: never one group's without another's. */
#include <string.h>

#include "tests/sim/sim.h"

void buffer_set(struct buffer *to, struct slice bytes)
{
    buffer_clear(to);
    buffer_append(to, bytes);
    ASSERT(!buffer_has_failed(to));
}

/* ---- Items ---- */

void items_init(struct sim_items *items)
{
    for (uint32_t k = 0; k < KEYS; k++)
        buffer_init(&items->rows[k], 64 * 1024);
}

void items_deinit(struct sim_items *items)
{
    for (uint32_t k = 0; k < KEYS; k++)
        buffer_deinit(&items->rows[k]);
}

void items_copy(struct sim_items *to, const struct sim_items *from, uint32_t first_key, uint32_t end_key)
{
    for (uint32_t k = first_key; k < end_key; k++)
        buffer_set(&to->rows[k], buffer_view(&from->rows[k]));
}

/* ---- Rows of a group's own ---- */

void meta_init(struct sim_meta *meta)
{
    *meta = (struct sim_meta){0};
    buffer_init(&meta->checkpoint, 16 * 1024 * 1024);
    buffer_init(&meta->ids, 16 * 1024 * 1024);
}

void meta_deinit(struct sim_meta *meta)
{
    buffer_deinit(&meta->checkpoint);
    buffer_deinit(&meta->ids);
}

void meta_copy(struct sim_meta *to, const struct sim_meta *from)
{
    to->size = from->size;
    to->applied_index = from->applied_index;
    to->applied_term = from->applied_term;
    to->checkpoint_index = from->checkpoint_index;
    buffer_set(&to->checkpoint, buffer_view(&from->checkpoint));
    buffer_set(&to->ids, buffer_view(&from->ids));
}

void snapshot_free(struct sim_snapshot *s)
{
    if (s == NULL)
        return;
    if (s->meta != NULL)
        meta_deinit(s->meta);
    if (s->items != NULL)
        items_deinit(s->items);
    memory_free(s->meta);
    memory_free(s->items);
    memory_free(s);
}

/* ---- Request ids in chunks ---- */

enum { IDS_HEAD = 12 };

static size_t chunk_bytes(const uint8_t *chunk)
{
    uint32_t length;
    memcpy(&length, chunk + 8, sizeof length);
    return IDS_HEAD + length;
}

static void ids_delete(struct sim_meta *meta, uint64_t name)
{
    for (size_t at = 0; at < meta->ids.length; at += chunk_bytes(meta->ids.data + at)) {
        uint64_t found;
        memcpy(&found, meta->ids.data + at, sizeof found);
        if (found != name)
            continue;
        size_t end = at + chunk_bytes(meta->ids.data + at);
        memmove(meta->ids.data + at, meta->ids.data + end, meta->ids.length - end);
        buffer_cut(&meta->ids, meta->ids.length - (end - at));
        return;
    }
    ASSERT(!"a chunk expired that was never saved");
}

void ids_save(struct sim_replica *r, size_t least)
{
    struct request_ids *ids = partition_request_ids(r->partition);
    uint64_t name;
    while (request_ids_unsaved_count(ids) >= least) {
        struct buffer *to = &r->meta.ids;
        size_t at = to->length;
        uint8_t *head = buffer_extend(to, IDS_HEAD);
        ASSERT(head != NULL);
        enum err err = request_ids_save(ids, IDS_CHUNK, to, &name);
        ASSERT(err == ERR_OK);
        uint32_t length = (uint32_t)(to->length - at - IDS_HEAD);
        memcpy(to->data + at, &name, sizeof name);
        memcpy(to->data + at + 8, &length, sizeof length);
    }
    while (request_ids_next_expired(ids, &name))
        ids_delete(&r->meta, name);
}

enum err ids_load(struct sim_replica *r)
{
    const struct buffer *from = &r->meta.ids;
    for (size_t at = 0; at < from->length; at += chunk_bytes(from->data + at)) {
        uint64_t name;
        memcpy(&name, from->data + at, sizeof name);
        TRY(request_ids_load(
            partition_request_ids(r->partition), name,
            slice_make(from->data + at + IDS_HEAD, chunk_bytes(from->data + at) - IDS_HEAD)));
    }
    return ERR_OK;
}

/* ---- Flushes ---- */

void store_checkpoint(struct sim_replica *r)
{
    ids_save(r, 1);
    buffer_clear(&r->meta.checkpoint);
    partition_checkpoint_encode_own(r->partition, &r->meta.checkpoint);
    r->meta.checkpoint_index = r->meta.applied_index;
}

void store_flush(struct world *w, struct sim_node *n, uint32_t table)
{
    for (uint32_t g = 0; g < w->group_count; g++) {
        struct sim_replica *r = &n->replicas[g];
        bool is_running = replica_is_live(r) && r->kind == MEMBER_STORAGE && r->installing == NULL;
        if (w->groups[g].table != table || !(is_running || r->is_unborn))
            continue;
        meta_copy(&r->durable, &r->meta);
        if (r->is_unborn || !partition_is_split(r->partition))
            items_copy(&n->durable_items[table], &n->items[table], w->groups[g].first_key,
                       w->groups[g].end_key);
    }
}

/* Another replica of this node has this key, in a range that is newer. */
static bool is_taken(const struct world *w, const struct sim_node *n, uint32_t g, uint32_t key)
{
    for (uint32_t other = 0; other < w->group_count; other++) {
        const struct sim_group_truth *truth = &w->groups[other];
        if (n->replicas[other].replica_id != 0 && truth->table == w->groups[g].table &&
            truth->epoch > w->groups[g].epoch && key >= truth->first_key && key < truth->end_key)
            return true;
    }
    return false;
}

void store_drop_range(struct world *w, struct sim_replica *r)
{
    struct sim_node *n = &w->nodes[r->node_no];
    const struct sim_group_truth *truth = &w->groups[r->group_no];
    for (uint32_t k = truth->first_key; k < truth->end_key; k++) {
        if (is_taken(w, n, r->group_no, k))
            continue;
        buffer_clear(&n->items[truth->table].rows[k]);
        buffer_clear(&n->durable_items[truth->table].rows[k]);
    }
}
