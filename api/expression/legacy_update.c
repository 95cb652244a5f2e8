/* Source of the words: answers recorded from DynamoDB. */
#include "api/expression/legacy_update.h"

#include <string.h>

#include "dataplane/item/item.h"

#define WRONG_PARAMETER "One or more parameter values were invalid: "

static const uint8_t EMPTY_LIST[] = {VALUE_L, 0};

enum legacy_action legacy_action_from_name(struct slice name)
{
    if (slice_equal_string(name, "ADD"))
        return LEGACY_ADD;
    return slice_equal_string(name, "DELETE") ? LEGACY_DELETE : LEGACY_PUT;
}

static bool has_value(const struct legacy_update *u)
{
    return u->value.data != NULL;
}

static uint8_t tag_of(const struct legacy_update *u)
{
    return u->value.data[0];
}

static enum err check(const struct legacy_update *u, struct error *error)
{
    TRY(legacy_check_name(u->attribute.name, error));
    if (!has_value(u)) {
        if (u->action == LEGACY_DELETE)
            return ERR_OK;
        return error_set(error, ERR_VALIDATION,
                         WRONG_PARAMETER
                         "Only DELETE action is allowed when no attribute value is specified");
    }
    uint8_t tag = tag_of(u);
    if (u->action == LEGACY_DELETE && !value_is_set(tag))
        return error_set(error, ERR_VALIDATION,
                         WRONG_PARAMETER "DELETE action with value is not supported for the type %s",
                         value_tag_name(tag));
    if (u->action == LEGACY_ADD && tag != VALUE_N && tag != VALUE_L && !value_is_set(tag))
        return error_set(error, ERR_VALIDATION, WRONG_PARAMETER "ADD action is not supported for the type %s",
                         value_tag_name(tag));
    return ERR_OK;
}

static enum err check_bounds(const struct legacy_updates *updates, struct error *error)
{
    size_t bytes = 0, operators = 0;
    for (size_t i = 0; i < updates->count; i++) {
        const struct legacy_update *u = &updates->updates[i];
        bytes += u->attribute.name.length + u->value.length;
        operators += u->action != LEGACY_PUT && has_value(u);
    }
    if (operators > LEGACY_OPERATORS_MAX)
        return error_set(error, ERR_VALIDATION,
                         "AttributeUpdates must not have more than %d additions and deletions of values",
                         LEGACY_OPERATORS_MAX);
    if (bytes > EXPRESSION_SUBSTITUTION_BYTES_MAX)
        return error_set(error, ERR_VALIDATION, "Item size to update has exceeded the maximum allowed size");
    return ERR_OK;
}

static void emit_op(struct program_builder *b, enum update_op op, uint16_t number)
{
    buffer_append_u8(&b->code, (uint8_t)op);
    buffer_append_u16(&b->code, number);
}

static void emit_with_value(struct program_builder *b, enum update_op op, uint16_t path, struct slice value)
{
    uint16_t number = program_builder_value(b, value);
    emit_op(b, op, path);
    buffer_append_u16(&b->code, number);
}

/* The list that is there, or an empty one, with the value's elements behind it. */
static void emit_append(struct program_builder *b, uint16_t path, struct slice value)
{
    emit_op(b, UPDATE_PUSH_VALUE, program_builder_value(b, slice_make(EMPTY_LIST, sizeof EMPTY_LIST)));
    emit_op(b, UPDATE_IF_NOT_EXISTS, path);
    emit_op(b, UPDATE_PUSH_VALUE, program_builder_value(b, value));
    buffer_append_u8(&b->code, UPDATE_LIST_APPEND);
    emit_op(b, UPDATE_SET, path);
}

static void emit(struct program_builder *b, const struct legacy_update *u)
{
    uint16_t path = legacy_path(b, u->attribute.name);
    if (!has_value(u)) {
        emit_op(b, UPDATE_REMOVE, path);
    } else if (u->action == LEGACY_DELETE) {
        emit_with_value(b, UPDATE_DELETE, path, u->value);
    } else if (u->action == LEGACY_ADD && tag_of(u) == VALUE_L) {
        emit_append(b, path, u->value);
    } else if (u->action == LEGACY_ADD) {
        emit_with_value(b, UPDATE_ADD, path, u->value);
    } else {
        emit_op(b, UPDATE_PUSH_VALUE, program_builder_value(b, u->value));
        emit_op(b, UPDATE_SET, path);
    }
}

enum err legacy_updates_compile(struct legacy_updates *updates, struct buffer *ret_program,
                                struct error *error)
{
    TRY(legacy_check_count("AttributeUpdates", updates->count, LEGACY_ENTRIES_MAX, error));
    updates->count = legacy_unique(updates->updates, updates->count, sizeof *updates->updates);
    TRY(check_bounds(updates, error));
    for (size_t i = 0; i < updates->count; i++)
        TRY(check(&updates->updates[i], error));
    if (updates->count == 0)
        return ERR_OK;
    struct program_builder builder;
    program_builder_init(&builder, PROGRAM_UPDATE);
    for (size_t i = 0; i < updates->count; i++)
        emit(&builder, &updates->updates[i]);
    return legacy_finish(&builder, ret_program);
}

const char *legacy_update_words(const char *text)
{
    bool is_type = strcmp(text, "An operand in the update expression has an incorrect data type") == 0;
    return is_type ? "Type mismatch for attribute to update" : text;
}
