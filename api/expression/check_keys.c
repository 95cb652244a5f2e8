/* What the table's schema forbids in expressions. */
#include "api/expression/expression.h"
#include "base/reader.h"
#include "dataplane/item/item.h"

static bool path_starts_with(const struct program *p, uint32_t path, struct slice name)
{
    return slice_equal(program_path_part(p, path, 0).name, name);
}

/* One clause of an update: its path, and the type that it gives, if the text tells. */
struct clause {
    uint16_t path;
    uint8_t tag; /* 0: not known */
};

/* Step to the next clause. Of a SET only the last instruction counts: a bare value's type is known, so is
 * that of a sum or of appended lists. */
static bool next_clause(const struct program *p, struct reader *at, struct clause *ret_clause)
{
    uint8_t tag = 0;
    while (reader_left(at) > 0) {
        uint8_t op = reader_u8(at);
        if (op == UPDATE_PLUS || op == UPDATE_MINUS || op == UPDATE_LIST_APPEND) {
            tag = op == UPDATE_LIST_APPEND ? VALUE_L : VALUE_N;
            continue;
        }
        uint16_t number = reader_u16(at);
        if (op == UPDATE_ADD || op == UPDATE_DELETE)
            tag = program_value(p, reader_u16(at)).data[0];
        else if (op == UPDATE_PUSH_VALUE)
            tag = program_value(p, number).data[0];
        else if (op == UPDATE_PUSH_PATH || op == UPDATE_IF_NOT_EXISTS)
            tag = op == UPDATE_PUSH_PATH ? 0 : tag;
        if (op < UPDATE_SET)
            continue;
        *ret_clause = (struct clause){number, tag};
        return true;
    }
    return false;
}

static enum err check_update_key(const struct program *p, const struct expression_key *key,
                                 struct error *error)
{
    struct reader at;
    struct clause clause;
    reader_init(&at, p->code);
    while (next_clause(p, &at, &clause)) {
        if (!path_starts_with(p, clause.path, key->name))
            continue;
        if (key->is_table_key)
            return error_set(error, ERR_VALIDATION,
                             "One or more parameter values were invalid: Cannot update attribute %.*s. This "
                             "attribute is part of the key",
                             SLICE_PRINTF(key->name));
        if (program_path_length(p, clause.path) == 1 && clause.tag != 0 && clause.tag != key->tag)
            return error_set(error, ERR_VALIDATION,
                             "One or more parameter values were invalid: Type mismatch for Index Key %.*s "
                             "Expected: %s Actual: %s IndexName: %.*s",
                             SLICE_PRINTF(key->name), value_tag_name(key->tag), value_tag_name(clause.tag),
                             SLICE_PRINTF(key->index_name));
    }
    return ERR_OK;
}

/* Keys are scalars: there is nothing inside them. */
static enum err check_nested(const struct program *p, const struct expression_key *key, struct error *error)
{
    for (uint32_t path = 0; path < p->path_count; path++)
        if (program_path_length(p, path) > 1 && path_starts_with(p, path, key->name))
            return error_set(error, ERR_VALIDATION,
                             "Key attributes must be scalars; list random access '[]' and map lookup '.' are "
                             "not allowed: %s: %.*s",
                             key->is_table_key ? "Key" : "IndexKey", SLICE_PRINTF(key->name));
    return ERR_OK;
}

static enum err
check_each(const struct program *program, const struct expression_key *keys, size_t key_count, bool of_table,
           enum err (*check)(const struct program *, const struct expression_key *, struct error *),
           struct error *error)
{
    for (size_t i = 0; i < key_count; i++)
        if (keys[i].is_table_key == of_table)
            TRY(check(program, &keys[i], error));
    return ERR_OK;
}

enum err expression_check_keys(const struct program *program, const struct expression_key *keys,
                               size_t key_count, struct error *error)
{
    if (program->kind == PROGRAM_UPDATE) {
        TRY(check_each(program, keys, key_count, true, check_update_key, error));
        TRY(check_each(program, keys, key_count, false, check_update_key, error));
    }
    TRY(check_each(program, keys, key_count, true, check_nested, error));
    return check_each(program, keys, key_count, false, check_nested, error);
}
