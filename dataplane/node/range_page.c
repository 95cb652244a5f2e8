#include "dataplane/node/range_page.h"

#include "dataplane/expression/condition.h"
#include "dataplane/item/envelope.h"
#include "dataplane/item/key.h"
#include "dataplane/item/size.h"

/* What a filter needs for one row, in proportion to its own tables (program.h). */
enum { SCRATCH_BLOCK_BYTES = 64 * 1024, SCRATCH_BYTES_MAX = 2 * 1024 * 1024 };

void range_page_init(struct range_page *page)
{
    *page = (struct range_page){.err = ERR_OK};
    buffer_init(&page->items, RANGE_PAYLOAD_BYTES_MAX);
    buffer_init(&page->last_key, KEY_BYTES_MAX);
    arena_init(&page->scratch, SCRATCH_BLOCK_BYTES, SCRATCH_BYTES_MAX);
}

void range_page_deinit(struct range_page *page)
{
    buffer_deinit(&page->items);
    buffer_deinit(&page->last_key);
    arena_deinit(&page->scratch);
}

static enum err add(struct range_page *page, struct slice key, struct slice stored)
{
    struct envelope envelope;
    TRY(envelope_decode(stored, &envelope));
    if (envelope.is_sealed)
        return ERR_CORRUPT;
    bool is_match = true;
    if (page->has_filter) {
        arena_reset(&page->scratch);
        TRY(condition_evaluate(&page->filter, envelope.body, &page->scratch, &is_match));
    }
    page->evaluated_count++;
    page->evaluated_bytes += item_size_bytes(envelope.body);
    page->matched_count += is_match;
    if (is_match && !page->counts_only)
        buffer_append_prefixed(&page->items, envelope.body);
    buffer_clear(&page->last_key);
    buffer_append(&page->last_key, key);
    return buffer_has_failed(&page->items) || buffer_has_failed(&page->last_key) ? ERR_NO_MEMORY : ERR_OK;
}

bool range_page_add(struct range_page *page, struct slice key, struct slice stored)
{
    page->err = add(page, key, stored);
    page->is_full = page->evaluated_count >= page->items_max || page->evaluated_bytes >= page->bytes_max;
    return page->err == ERR_OK && !page->is_full;
}
