#include "api/router/batch_answer.h"

#include "dataplane/expression/projection.h"
#include "dataplane/item/size.h"

enum {
    BATCH_ITEMS_BYTES_MAX = 16 * 1000 * 1000, /* of a BatchGetItem's items, projected: 52 of 300 KB */
    /* Of the same as JSON, where binaries and numbers are longer; one item may have more. */
    BATCH_JSON_BYTES_MAX = 24 * 1024 * 1024,
    /* With the item that turns out to have no room. What is unprocessed is not longer than it was in the request, but
     * for the numbers in keys. */
    BATCH_REPLY_BYTES_MAX = BATCH_JSON_BYTES_MAX + ITEM_JSON_BYTES_MAX + 18 * 1024 * 1024,
};

static bool has_unprocessed(const struct batch *b, const struct batch_table *table)
{
    for (size_t i = 0; i < b->p.entry_count; i++)
        if (b->p.entries[i]->table == table && !b->p.entries[i]->is_done)
            return true;
    return false;
}

static void write_keys(struct json_writer *w, const struct batch *b, const struct batch_table *table)
{
    json_write_object_begin(w);
    json_write_name(w, "Keys");
    json_write_array_begin(w);
    for (size_t i = 0; i < b->p.entry_count; i++)
        if (b->p.entries[i]->table == table && !b->p.entries[i]->is_done)
            json_write_item(w, b->p.entries[i]->item);
    json_write_array_end(w);
    if (table->is_consistent) {
        json_write_name(w, "ConsistentRead");
        json_write_bool(w, true);
    }
    if (table->attributes_to_get.is_given) {
        json_write_name(w, "AttributesToGet");
        json_write_array_begin(w);
        for (size_t i = 0; i < table->attributes_to_get.count; i++)
            json_write_string(w, table->attributes_to_get.names[i].name);
        json_write_array_end(w);
    }
    if (table->projection_text.data != NULL) {
        json_write_name(w, "ProjectionExpression");
        json_write_string(w, table->projection_text);
    }
    if (table->substitutions.has_names) {
        json_write_name(w, "ExpressionAttributeNames");
        json_write_object_begin(w);
        for (size_t i = 0; i < table->substitutions.name_count; i++) {
            json_write_name_slice(w, table->substitutions.names[i].token);
            json_write_string(w, table->substitutions.names[i].content);
        }
        json_write_object_end(w);
    }
    json_write_object_end(w);
}

static void write_writes(struct json_writer *w, const struct batch *b, const struct batch_table *table)
{
    json_write_array_begin(w);
    for (size_t i = 0; i < b->p.entry_count; i++) {
        const struct batch_entry *entry = b->p.entries[i];
        if (entry->table != table || entry->is_done)
            continue;
        json_write_object_begin(w);
        json_write_name(w, entry->operation == ITEM_PUT ? "PutRequest" : "DeleteRequest");
        json_write_object_begin(w);
        json_write_name(w, entry->operation == ITEM_PUT ? "Item" : "Key");
        json_write_raw(w, entry->given);
        json_write_object_end(w);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

/* In the form of the request, so that a client can send it as it is. */
static void write_unprocessed(struct json_writer *w, const struct batch *b)
{
    bool is_get = b->p.operation == BATCH_GET;
    json_write_name(w, is_get ? "UnprocessedKeys" : "UnprocessedItems");
    json_write_object_begin(w);
    for (size_t i = 0; i < b->p.table_count; i++) {
        if (!has_unprocessed(b, b->p.tables[i]))
            continue;
        json_write_name_slice(w, b->p.tables[i]->given);
        if (is_get)
            write_keys(w, b, b->p.tables[i]);
        else
            write_writes(w, b, b->p.tables[i]);
    }
    json_write_object_end(w);
}

static enum err project(struct batch *b, const struct batch_table *table, struct slice item,
                        struct slice *ret_item)
{
    *ret_item = item;
    if (table->projection.length == 0)
        return ERR_OK;
    struct program program;
    TRY(program_open(buffer_view(&table->projection), PROGRAM_PROJECTION, &program));
    struct slice projected;
    arena_reset(&b->scratch);
    TRY(projection_apply(&program, item, &b->scratch, &projected));
    *ret_item = projected.data == NULL ? slice_make("", 0) : projected;
    return ERR_OK;
}

/* What has no room is unprocessed after all. The first item always has. */
static enum err write_found(struct json_writer *w, struct batch *b, struct batch_entry *entry)
{
    struct json_writer before = *w;
    size_t length = w->to->length;
    struct slice item;
    TRY(project(b, entry->table, entry->found, &item));
    json_write_item(w, item);
    size_t json_bytes = b->json_bytes + w->to->length - length;
    size_t item_bytes = b->item_bytes + item_size_bytes(item);
    bool is_first = b->json_bytes == 0;
    if (is_first || (json_bytes <= BATCH_JSON_BYTES_MAX && item_bytes <= BATCH_ITEMS_BYTES_MAX)) {
        b->json_bytes = json_bytes;
        b->item_bytes = item_bytes;
        return ERR_OK;
    }
    buffer_cut(w->to, length);
    *w = before;
    entry->is_done = false;
    return ERR_OK;
}

static enum err write_responses(struct json_writer *w, struct batch *b)
{
    json_write_name(w, "Responses");
    json_write_object_begin(w);
    for (size_t i = 0; i < b->p.table_count; i++) {
        json_write_name_slice(w, b->p.tables[i]->given);
        json_write_array_begin(w);
        for (size_t k = 0; k < b->p.entry_count; k++)
            if (b->p.entries[k]->table == b->p.tables[i] && b->p.entries[k]->found.data != NULL)
                TRY(write_found(w, b, b->p.entries[k]));
        json_write_array_end(w);
    }
    json_write_object_end(w);
    return ERR_OK;
}

static int64_t units_of_entry(const struct batch_entry *entry)
{
    enum read_kind kind = entry->table->is_consistent ? READ_STRONG : READ_EVENTUAL;
    size_t bytes = entry->found.data == NULL ? 0 : item_size_bytes(entry->found);
    return entry->operation == ITEM_GET ? capacity_read(bytes, kind).milli : entry->write_units_milli;
}

static int64_t units_of(const struct batch *b, const struct batch_table *table)
{
    int64_t milli = 0;
    for (size_t i = 0; i < b->p.entry_count; i++)
        if (b->p.entries[i]->table == table && b->p.entries[i]->is_done)
            milli += units_of_entry(b->p.entries[i]);
    return milli;
}

static void write_capacities(struct json_writer *w, const struct batch *b)
{
    if (b->p.capacity == CAPACITY_NONE)
        return;
    json_write_name(w, "ConsumedCapacity");
    json_write_array_begin(w);
    for (size_t i = 0; i < b->p.table_count; i++)
        consumed_capacity_write(w, b->p.capacity, b->p.tables[i]->given, units_of(b, b->p.tables[i]));
    json_write_array_end(w);
}

enum err batch_answer_write(struct request *r)
{
    struct batch *b = r->state;
    struct json_writer w;
    buffer_init(&b->body, BATCH_REPLY_BYTES_MAX);
    json_writer_init(&w, &b->body);
    json_write_object_begin(&w);
    if (b->p.operation == BATCH_GET)
        TRY(write_responses(&w, b));
    write_unprocessed(&w, b);
    write_capacities(&w, b);
    json_write_object_end(&w);
    return ERR_OK;
}
