#include "api/router/batch_parameters.h"

#include <string.h>

#include "api/json/field.h"
#include "api/router/constraints.h"
#include "api/router/reading.h"

enum { PROGRAM_BYTES = 64 * 1024, ITEMS_BYTES_MAX = 32 * 1024 * 1024, PATH_NAME_BYTES_MAX = 255 };

/* ---- step 1: JSON ---- */

/* A name that comes twice: the last one counts, as everywhere in JSON. */
static void forget_table(struct batch_parameters *b, size_t index)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->entry_count; i++)
        if (b->entries[i]->table != b->tables[index])
            b->entries[kept++] = b->entries[i];
    b->entry_count = kept;
    b->table_count--;
    memmove(b->tables + index, b->tables + index + 1, (b->table_count - index) * sizeof b->tables[0]);
}

/* NULL: there are too many already, or no memory. */
static struct batch_table *add_table(struct reading *at, struct batch_parameters *b, struct slice given)
{
    size_t maximum = batch_maximum(b->operation);
    for (size_t i = 0; i < b->table_count && i < maximum; i++)
        if (slice_equal(b->tables[i]->given, given) && b->table_count <= maximum) {
            forget_table(b, i);
            break;
        }
    if (b->table_count >= maximum) {
        b->table_count = maximum + 1;
        return NULL;
    }
    struct batch_table *table = arena_zalloc(&at->r->arena, sizeof *table);
    if (table == NULL)
        return NULL;
    table->given = given;
    buffer_init(&table->projection, PROGRAM_BYTES);
    buffer_init(&table->items, ITEMS_BYTES_MAX);
    b->tables[b->table_count++] = table;
    return table;
}

/* NULL: there are too many already, or no memory. */
static struct batch_entry *add_entry(struct reading *at, struct batch_parameters *b,
                                     struct batch_table *table)
{
    table->count++;
    if (b->entry_count >= batch_maximum(b->operation))
        return NULL;
    struct batch_entry *entry = arena_zalloc(&at->r->arena, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->table = table;
    entry->position = table->count - 1;
    buffer_init(&entry->key, KEY_BYTES_MAX);
    b->entries[b->entry_count++] = entry;
    return entry;
}

static enum err read_keys(struct reading *at, struct batch_parameters *b, struct batch_table *table)
{
    TRY(field_list_begin(&at->json, &table->has_list, at->error));
    while (table->has_list && json_array_next(&at->json)) {
        struct batch_entry *entry = add_entry(at, b, table);
        if (arena_has_failed(&at->r->arena))
            return ERR_NO_MEMORY;
        if (entry == NULL) {
            TRY(reading_skip(at));
            continue;
        }
        entry->operation = ITEM_GET;
        TRY(reading_item(at, "", &entry->is_item_given, &entry->item));
    }
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_table_field(struct reading *at, struct batch_parameters *b, struct batch_table *table,
                                 struct json_string name)
{
    if (json_string_equals(name, "Keys"))
        return read_keys(at, b, table);
    if (json_string_equals(name, "ConsistentRead"))
        return reading_bool(at, &table->is_consistent);
    if (json_string_equals(name, "ProjectionExpression"))
        return reading_text(at, &table->projection_text);
    if (json_string_equals(name, "ExpressionAttributeNames"))
        return reading_names(at, &table->substitutions);
    if (json_string_equals(name, "AttributesToGet"))
        table->has_attributes_to_get = json_peek(&at->json) != JSON_NULL;
    return reading_skip(at);
}

/* Keys and attributes to read, of one table. */
static enum err read_gets(struct reading *at, struct batch_parameters *b, struct batch_table *table)
{
    bool is_present;
    struct json_string name;
    TRY(field_object_begin(&at->json, "KeysAndAttributes", &is_present, at->error));
    while (is_present && json_object_next(&at->json, &name))
        TRY(read_table_field(at, b, table, name));
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

/* {"Item": ...} or {"Key": ...} */
static enum err read_action(struct reading *at, struct batch_entry *entry, enum item_operation operation)
{
    bool is_present;
    struct json_string name;
    const char *class_name = operation == ITEM_PUT ? "PutRequest" : "DeleteRequest";
    TRY(field_object_begin(&at->json, class_name, &is_present, at->error));
    if (is_present) {
        entry->operation = operation;
        entry->action_count++;
    }
    while (is_present && json_object_next(&at->json, &name)) {
        if (json_string_equals(name, operation == ITEM_PUT ? "Item" : "Key"))
            TRY(reading_item(at, "", &entry->is_item_given, &entry->item));
        else
            TRY(reading_skip(at));
    }
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_write(struct reading *at, struct batch_entry *entry)
{
    struct json_string name;
    TRY(field_element_object_begin(&at->json, "WriteRequest", at->error));
    while (json_object_next(&at->json, &name)) {
        if (json_string_equals(name, "PutRequest"))
            TRY(read_action(at, entry, ITEM_PUT));
        else if (json_string_equals(name, "DeleteRequest"))
            TRY(read_action(at, entry, ITEM_DELETE));
        else
            TRY(reading_skip(at));
    }
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_writes(struct reading *at, struct batch_parameters *b, struct batch_table *table)
{
    TRY(field_list_begin(&at->json, &table->has_list, at->error));
    while (table->has_list && json_array_next(&at->json)) {
        struct batch_entry *entry = add_entry(at, b, table);
        if (arena_has_failed(&at->r->arena))
            return ERR_NO_MEMORY;
        TRY(entry == NULL ? reading_skip(at) : read_write(at, entry));
    }
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_tables(struct reading *at, struct batch_parameters *b)
{
    struct json_string name;
    const char *value_class = b->operation == BATCH_GET ? "KeysAndAttributes" : "java.util.List";
    TRY(field_map_begin(&at->json, value_class, &b->is_given, at->error));
    while (b->is_given && json_object_next(&at->json, &name)) {
        struct batch_table *table = add_table(at, b, json_string_text(name, &at->r->arena));
        if (arena_has_failed(&at->r->arena))
            return ERR_NO_MEMORY;
        if (table == NULL)
            TRY(reading_skip(at));
        else
            TRY(b->operation == BATCH_GET ? read_gets(at, b, table) : read_writes(at, b, table));
    }
    return json_has_failed(&at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_field(struct reading *at, struct json_string name, void *data)
{
    struct batch_parameters *b = data;
    if (json_string_equals(name, "RequestItems"))
        return read_tables(at, b);
    if (json_string_equals(name, "ReturnConsumedCapacity"))
        return reading_text(at, &b->return_capacity);
    if (b->operation == BATCH_WRITE && json_string_equals(name, "ReturnItemCollectionMetrics"))
        return reading_text(at, &b->return_metrics);
    return reading_skip(at);
}

/* ---- step 2: the model ---- */

static void check_get_table(struct constraints *c, struct request *r, const struct batch_table *table)
{
    int length = (int)(table->given.length < PATH_NAME_BYTES_MAX ? table->given.length : PATH_NAME_BYTES_MAX);
    const char *name = (const char *)table->given.data;
    const char *path = arena_printf(&r->arena, "requestItems.%.*s.member.keys", length, name);
    const char *newer_path = arena_printf(&r->arena, "RequestItems.%.*s.member.Keys", length, name);
    if (path == NULL || newer_path == NULL)
        return; /* the arena remembers */
    if (!table->has_list)
        constraints_null(c, path);
    else if (table->count == 0)
        constraints_list_too_short(c, path);
    else if (table->count > BATCH_GET_MAX)
        constraints_list_too_long(c, newer_path, BATCH_GET_MAX);
}

static void check_write(struct constraints *c, struct request *r, const struct batch_entry *entry)
{
    if (entry->operation == ITEM_GET || entry->is_item_given)
        return;
    const struct slice given = entry->table->given;
    const char *path =
        arena_printf(&r->arena, "requestItems.%.*s.member.%zu.member.%s",
                     (int)(given.length < PATH_NAME_BYTES_MAX ? given.length : PATH_NAME_BYTES_MAX),
                     (const char *)given.data, entry->position + 1,
                     entry->operation == ITEM_PUT ? "putRequest.item" : "deleteRequest.key");
    if (path != NULL)
        constraints_null(c, path);
}

static void check_tables(struct constraints *c, struct request *r, const struct batch_parameters *b)
{
    for (size_t i = 0; i < b->table_count && i < batch_maximum(b->operation); i++) {
        const struct batch_table *table = b->tables[i];
        constraints_map_key(c, "requestItems", table->given);
        if (b->operation == BATCH_GET)
            check_get_table(c, r, table);
        else if (table->count == 0 || table->count > BATCH_WRITE_MAX)
            constraints_map_list(c, "requestItems", table->given, BATCH_WRITE_MAX);
    }
    for (size_t i = 0; b->operation == BATCH_WRITE && i < b->entry_count; i++)
        check_write(c, r, b->entries[i]);
}

static enum err check_model(struct request *r, struct batch_parameters *b, struct error *error)
{
    static const char *const capacity_set[] = {"INDEXES", "TOTAL", "NONE"};
    static const char *const metrics_set[] = {"SIZE", "NONE"};
    static const enum capacity_detail details[] = {CAPACITY_INDEXES, CAPACITY_TOTAL, CAPACITY_NONE};
    struct constraints c;
    constraints_init(&c);
    if (!b->is_given)
        constraints_null(&c, "requestItems");
    check_tables(&c, r, b);
    b->capacity =
        details[constraints_enum(&c, "returnConsumedCapacity", b->return_capacity, capacity_set, 3, 2)];
    (void)constraints_enum(&c, "returnItemCollectionMetrics", b->return_metrics, metrics_set, 2,
                           1); /* no LSIs */
    if (arena_has_failed(&r->arena))
        return ERR_NO_MEMORY;
    return constraints_finish(&c, error);
}

/* ---- step 3: the whole, values and expressions ---- */

static enum err check_count(const struct batch_parameters *b, struct error *error)
{
    const char *name = b->operation == BATCH_GET ? "BatchGetItem" : "BatchWriteItem";
    if (b->table_count == 0)
        return error_set(error, ERR_VALIDATION, "The requestItems parameter is required for %s", name);
    size_t count = b->table_count > batch_maximum(b->operation) ? b->table_count : 0;
    for (size_t i = 0; i < b->table_count && i < batch_maximum(b->operation); i++)
        count += b->tables[i]->count;
    if (count != b->entry_count)
        return error_set(error, ERR_VALIDATION, "Too many items requested for the %s call", name);
    return ERR_OK;
}

static enum err check_writes(const struct batch_parameters *b, struct error *error)
{
    for (size_t i = 0; i < b->entry_count; i++) {
        const struct batch_entry *entry = b->entries[i];
        if (entry->action_count == 0)
            return error_set(error, ERR_VALIDATION,
                             "Supplied AttributeValue is empty, must contain exactly one of the supported "
                             "datatypes");
        if (entry->action_count > 1)
            return error_set(error, ERR_VALIDATION,
                             "Supplied AttributeValue has more than one datatypes set, must contain exactly "
                             "one of the supported datatypes");
        if (entry->operation == ITEM_PUT && item_size_bytes(entry->item) > ITEM_BYTES_MAX)
            return error_set(error, ERR_VALIDATION, "Item size has exceeded the maximum allowed size");
    }
    return ERR_OK;
}

static enum err parse_projection(struct request *r, struct batch_table *table, struct error *error)
{
    const struct reading_parameter old = {"AttributesToGet", table->has_attributes_to_get};
    const struct reading_parameter new = {"ProjectionExpression", table->projection_text.data != NULL};
    TRY(reading_check_legacy(&old, 1, &new, 1, error));
    if (table->projection_text.data == NULL) {
        if (table->substitutions.has_names)
            return error_set(error, ERR_VALIDATION,
                             "ExpressionAttributeNames can only be specified when using expressions: "
                             "ProjectionExpression is null");
        return ERR_OK;
    }
    struct expression_context context;
    TRY(expression_context_init(&context, &table->substitutions, &r->arena, error));
    TRY(expression_parse(&context, EXPRESSION_PROJECTION, table->projection_text, &table->projection, error));
    return expression_context_check_unused(&context, error);
}

enum err batch_parameters_read(struct request *r, enum batch_operation operation,
                               struct batch_parameters *ret_batch, struct error *error)
{
    struct batch_parameters *b = ret_batch;
    struct reading at;
    b->operation = operation;
    reading_init(&at, r, error);
    TRY(reading_body(&at, read_field, b));
    TRY(check_model(r, b, error));
    TRY(check_count(b, error));
    TRY(reading_finish(&at));
    if (operation == BATCH_WRITE)
        return check_writes(b, error);
    for (size_t i = 0; i < b->table_count; i++)
        TRY(parse_projection(r, b->tables[i], error));
    return ERR_OK;
}

void batch_parameters_deinit(struct batch_parameters *b)
{
    for (size_t i = 0; i < b->table_count && i < batch_maximum(b->operation); i++) {
        buffer_deinit(&b->tables[i]->projection);
        buffer_deinit(&b->tables[i]->items);
    }
    for (size_t i = 0; i < b->entry_count; i++)
        buffer_deinit(&b->entries[i]->key);
}

/* ---- step 5: keys ---- */

enum err batch_entry_key(struct batch_entry *entry, const struct catalog_table *table, struct error *error)
{
    const struct key_schema *schema = &table->schema;
    struct key_fault fault = {0};
    bool is_put = entry->operation == ITEM_PUT;
    if (!entry->is_item_given)
        return item_key_fault(is_put, KEY_EXTRA, &fault, error); /* null in a list of keys */
    enum key_status status = key_encode(schema, table->space_id, entry->item,
                                        is_put ? KEY_FROM_ITEM : KEY_FROM_KEY, &entry->key, &fault);
    if (status != KEY_OK)
        return item_key_fault(is_put, status, &fault, error);
    if (buffer_has_failed(&entry->key))
        return ERR_NO_MEMORY;
    if (entry->table->projection.length == 0)
        return ERR_OK;
    struct program program;
    const struct expression_key keys[] = {
        {.name = schema->partition.name, .tag = schema->partition.type, .is_table_key = true},
        {.name = schema->sort.name, .tag = schema->sort.type, .is_table_key = true},
    };
    TRY(program_open(buffer_view(&entry->table->projection), PROGRAM_PROJECTION, &program));
    return expression_check_keys(&program, keys, schema->has_sort ? 2 : 1, error);
}

enum err batch_check_duplicates(const struct batch_parameters *b, struct error *error)
{
    for (size_t i = 0; i < b->entry_count; i++)
        for (size_t k = 0; k < i; k++)
            if (slice_equal(buffer_view(&b->entries[i]->key), buffer_view(&b->entries[k]->key)))
                return error_set(error, ERR_VALIDATION, "Provided list of item keys contains duplicates");
    return ERR_OK;
}
