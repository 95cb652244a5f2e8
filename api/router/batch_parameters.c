#include "api/router/batch_parameters.h"

#include <string.h>

#include "api/json/field.h"

enum { PROGRAM_BYTES = 8 * 1024 * 1024 };

/* ---- steps 1 and 2: the body against the model ---- */

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
    buffer_init(&entry->key, KEY_BYTES_MAX);
    b->entries[b->entry_count++] = entry;
    return entry;
}

static enum err read_keys(struct reading *at, struct batch_parameters *b, struct batch_table *table)
{
    bool is_present;
    TRY(field_list_begin(at->json, &is_present, at->error));
    while (is_present && json_array_next(at->json)) {
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
    return json_has_failed(at->json) ? field_syntax_error(at->error) : ERR_OK;
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
        return reading_attributes(at, &table->attributes_to_get);
    return reading_skip(at);
}

/* Keys and attributes to read, of one table. */
static enum err read_gets(struct reading *at, struct batch_parameters *b, struct batch_table *table)
{
    bool is_present;
    struct json_string name;
    TRY(field_object_begin(at->json, "KeysAndAttributes", &is_present, at->error));
    while (is_present && json_object_next(at->json, &name))
        TRY(read_table_field(at, b, table, name));
    return json_has_failed(at->json) ? field_syntax_error(at->error) : ERR_OK;
}

/* Its text is kept, too: as JSON of ours the writes of one body could take 240 MB, for numbers are printed in full. */
static enum err read_written(struct reading *at, struct batch_entry *entry)
{
    (void)json_peek(at->json);
    const uint8_t *begin = json_position(at->json);
    TRY(reading_item(at, "", &entry->is_item_given, &entry->item));
    entry->given = slice_make(begin, (size_t)(json_position(at->json) - begin));
    return ERR_OK;
}

/* {"Item": ...} or {"Key": ...} */
static enum err read_action(struct reading *at, struct batch_entry *entry, enum item_operation operation)
{
    bool is_present;
    struct json_string name;
    const char *class_name = operation == ITEM_PUT ? "PutRequest" : "DeleteRequest";
    TRY(field_object_begin(at->json, class_name, &is_present, at->error));
    if (is_present) {
        entry->operation = operation;
        entry->action_count++;
    }
    while (is_present && json_object_next(at->json, &name)) {
        if (json_string_equals(name, operation == ITEM_PUT ? "Item" : "Key"))
            TRY(read_written(at, entry));
        else
            TRY(reading_skip(at));
    }
    return json_has_failed(at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_write(struct reading *at, struct batch_entry *entry)
{
    struct json_string name;
    TRY(field_element_object_begin(at->json, "WriteRequest", at->error));
    while (json_object_next(at->json, &name)) {
        if (json_string_equals(name, "PutRequest"))
            TRY(read_action(at, entry, ITEM_PUT));
        else if (json_string_equals(name, "DeleteRequest"))
            TRY(read_action(at, entry, ITEM_DELETE));
        else
            TRY(reading_skip(at));
    }
    return json_has_failed(at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_writes(struct reading *at, struct batch_parameters *b, struct batch_table *table)
{
    bool is_present;
    TRY(field_list_begin(at->json, &is_present, at->error));
    while (is_present && json_array_next(at->json)) {
        struct batch_entry *entry = add_entry(at, b, table);
        if (arena_has_failed(&at->r->arena))
            return ERR_NO_MEMORY;
        TRY(entry == NULL ? reading_skip(at) : read_write(at, entry));
    }
    return json_has_failed(at->json) ? field_syntax_error(at->error) : ERR_OK;
}

static enum err read_table(struct reading *at, struct batch_parameters *b, struct json_string name)
{
    if (json_peek(at->json) == JSON_NULL)
        return reading_skip(at);
    struct batch_table *table = add_table(at, b, json_string_text(name, &at->r->arena));
    if (arena_has_failed(&at->r->arena))
        return ERR_NO_MEMORY;
    if (table == NULL)
        return reading_skip(at);
    return b->operation == BATCH_GET ? read_gets(at, b, table) : read_writes(at, b, table);
}

static enum err read_tables(void *data, struct json *j, struct error *error)
{
    struct reading *at = reading_hooked(data, j, error);
    struct batch_parameters *b = at->parameters;
    const char *value_class = b->operation == BATCH_GET ? "KeysAndAttributes" : "java.util.List";
    struct json_string name;
    bool is_present;
    b->table_count = b->entry_count = 0; /* RequestItems twice: the last one counts */
    TRY(field_map_begin(j, value_class, &is_present, error));
    while (is_present && json_object_next(j, &name))
        TRY(read_table(at, b, name));
    return json_has_failed(j) ? field_syntax_error(error) : ERR_OK;
}

/* The model goes over it, too: there are constraints on tables, keys and writes, small against the values in them. */
static const struct model_hook hooks[] = {
    {.id = MEMBER_REQUEST_ITEMS, .is_checked = true, .read = read_tables},
};

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
    const struct reading_parameter old = {"AttributesToGet", table->attributes_to_get.is_given};
    const struct reading_parameter new = {"ProjectionExpression", table->projection_text.data != NULL};
    TRY(reading_check_mixed(&old, 1, &new, 1, error));
    TRY(legacy_projection_compile(&table->attributes_to_get, &r->arena, &table->projection, error));
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
    reading_init(&at, r, b);
    TRY(reading_body(&at, hooks, sizeof hooks / sizeof hooks[0]));
    b->capacity = reading_capacity(&at);
    TRY(check_count(b, error));
    TRY(reading_finish(&at, error));
    if (operation == BATCH_WRITE)
        return check_writes(b, error);
    for (size_t i = 0; i < b->table_count; i++)
        TRY(parse_projection(r, b->tables[i], error));
    return ERR_OK;
}

void batch_parameters_deinit(struct batch_parameters *b)
{
    for (size_t i = 0; i < b->table_count && i < batch_maximum(b->operation); i++)
        buffer_deinit(&b->tables[i]->projection);
    for (size_t i = 0; i < b->entry_count; i++)
        buffer_deinit(&b->entries[i]->key);
}

/* ---- step 5: keys ---- */

enum err batch_entry_key(struct batch_entry *entry, struct error *error)
{
    const struct key_schema *schema = &entry->table->schema;
    struct key_fault fault = {0};
    bool is_put = entry->operation == ITEM_PUT;
    if (!entry->is_item_given)
        return item_key_fault(is_put, KEY_EXTRA, &fault, error); /* null in a list of keys */
    enum key_status status = key_encode(schema, entry->table->space_id, entry->item,
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
