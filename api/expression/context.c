#include "api/expression/context.h"

#include <stdlib.h>

#include "dataplane/item/size.h"

static int compare_entries(const void *a, const void *b)
{
    const struct expression_entry *x = a, *y = b;
    int order = slice_compare(x->token, y->token);
    if (order != 0)
        return order;
    return x->position < y->position ? -1 : 1;
}

struct expression_entry *expression_table_find(struct expression_table *table, struct slice token)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(table->entries[middle].token, token);
        if (order == 0)
            return &table->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool is_token(struct slice token, char sign)
{
    if (token.length < 2 || token.data[0] != (uint8_t)sign)
        return false;
    for (size_t i = 1; i < token.length; i++) {
        uint8_t c = token.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_')
            return false;
    }
    return true;
}

struct table_source {
    const char *parameter;
    char sign;
    const struct expression_substitution *entries;
    size_t count;
};

static enum err check_token(const struct table_source *source, struct slice token, struct error *error)
{
    if (!is_token(token, source->sign))
        return error_set(error, ERR_VALIDATION, "%s contains invalid key: Syntax error; key: \"%.*s\"",
                         source->parameter, SLICE_PRINTF(token));
    /* The sentence is DynamoDB Local's; the service's own was not seen. */
    if (token.length > EXPRESSION_TOKEN_BYTES_MAX)
        return error_set(error, ERR_VALIDATION,
                         "%s contains invalid key: The expression attribute map contains a key that is too "
                         "long; key size: %zu",
                         source->parameter, token.length);
    return ERR_OK;
}

static enum err check_name(const struct table_source *source, const struct expression_substitution *entry,
                           struct error *error)
{
    /* Our own words: the service refuses these lengths with its model's constraints, before us. */
    if (source->sign == '#' && (entry->content.length == 0 || entry->content.length > PROGRAM_NAME_BYTES_MAX))
        return error_set(error, ERR_VALIDATION,
                         "%s contains invalid value: Member must have length between 1 and 65535; key: %.*s",
                         source->parameter, SLICE_PRINTF(entry->token));
    return ERR_OK;
}

/* A value's own, without what our encoding adds. */
static size_t content_bytes(const struct table_source *source, const struct expression_substitution *entry)
{
    struct value_view value;
    bool is_value = source->sign == ':' && value_decode(entry->content, &value);
    return is_value ? value_size_bytes(value) : entry->content.length;
}

/* Sorts in memory of the arena; of tokens given twice the first is found. */
static enum err build(const struct table_source *source, struct arena *arena,
                      struct expression_table **ret_table, size_t *bytes, struct error *error)
{
    struct expression_table *table = arena_alloc(arena, sizeof *table);
    struct expression_entry *entries = arena_alloc(arena, sizeof *entries * source->count);
    if (table == NULL || entries == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < source->count; i++) {
        const struct expression_substitution *s = &source->entries[i];
        TRY(check_token(source, s->token, error));
        TRY(check_name(source, s, error));
        entries[i] = (struct expression_entry){s->token, s->content, (uint32_t)i, false, 0, 0};
        *bytes += s->token.length + content_bytes(source, s);
    }
    if (source->count > 1)
        qsort(entries, source->count, sizeof *entries, compare_entries);
    *table = (struct expression_table){entries, source->count};
    *ret_table = table;
    return ERR_OK;
}

enum err expression_context_init(struct expression_context *context,
                                 const struct expression_substitutions *substitutions, struct arena *arena,
                                 struct error *error)
{
    size_t bytes = 0;
    struct table_source names = {"ExpressionAttributeNames", '#', substitutions->names,
                                 substitutions->name_count};
    struct table_source values = {"ExpressionAttributeValues", ':', substitutions->values,
                                  substitutions->value_count};
    *context = (struct expression_context){.arena = arena};
    if (substitutions->has_names && names.count == 0)
        return error_set(error, ERR_VALIDATION, "ExpressionAttributeNames must not be empty");
    if (substitutions->has_values && values.count == 0)
        return error_set(error, ERR_VALIDATION, "ExpressionAttributeValues must not be empty");
    TRY(build(&names, arena, &context->names, &bytes, error));
    TRY(build(&values, arena, &context->values, &bytes, error));
    /* Our own words: the service's were not seen. */
    if (bytes > EXPRESSION_SUBSTITUTION_BYTES_MAX)
        return error_set(error, ERR_VALIDATION,
                         "The expression attribute names and values have exceeded the maximum allowed size; "
                         "size: %zu",
                         bytes);
    return ERR_OK;
}

static enum err check_used(const struct expression_table *table, const char *parameter, struct error *error)
{
    char keys[ERROR_TEXT_BYTES] = "";
    size_t length = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct slice token = table->entries[i].token;
        size_t room = sizeof keys - length;
        if (table->entries[i].is_used || token.length + 3 > room)
            continue; /* a message has room for so many only */
        if (length > 0) {
            memcpy(keys + length, ", ", 2);
            length += 2;
        }
        memcpy(keys + length, token.data, token.length);
        length += token.length;
        keys[length] = '\0';
    }
    for (size_t i = 0; i < table->count; i++)
        if (!table->entries[i].is_used)
            return error_set(error, ERR_VALIDATION, "Value provided in %s unused in expressions: keys: {%s}",
                             parameter, keys);
    return ERR_OK;
}

enum err expression_context_check_unused(const struct expression_context *context, struct error *error)
{
    TRY(check_used(context->names, "ExpressionAttributeNames", error));
    return check_used(context->values, "ExpressionAttributeValues", error);
}
