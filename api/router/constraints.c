#include "api/router/constraints.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { ARN_BYTES_MAX = 1024, ENUM_BYTES_MAX = 200 /* that are printed */ };

void constraints_init(struct constraints *c)
{
    c->length = 0;
    c->count = 0;
    c->text[0] = '\0';
}

__attribute__((format(printf, 2, 3))) static void add(struct constraints *c, const char *format, ...)
{
    if (c->count++ >= CONSTRAINTS_MAX)
        return;
    if (c->count > 1)
        c->length += (size_t)snprintf(c->text + c->length, sizeof c->text - c->length, "; ");
    va_list arguments;
    va_start(arguments, format);
    int wrote = vsnprintf(c->text + c->length, sizeof c->text - c->length, format, arguments);
    va_end(arguments);
    c->length += wrote < 0 ? 0 : (size_t)wrote;
    if (c->length > sizeof c->text - 4)
        c->length = sizeof c->text - 4;
}

void constraints_null(struct constraints *c, const char *path)
{
    add(c, "Value null at '%s' failed to satisfy constraint: Member must not be null", path);
}

static bool is_name_character(uint8_t ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' ||
           ch == '.' || ch == '-';
}

static bool is_arn(struct slice value)
{
    return slice_starts_with(value, SLICE_LITERAL("arn:"));
}

struct slice constraints_name_of(struct slice value)
{
    static const char marker[] = ":table/";
    if (!is_arn(value))
        return value;
    for (size_t i = 0; i + sizeof marker - 1 <= value.length; i++)
        if (slice_starts_with(slice_from(value, i), SLICE_LITERAL(":table/")))
            return slice_from(value, i + sizeof marker - 1);
    return value;
}

static void check_characters(struct constraints *c, const char *path, struct slice value, struct slice name)
{
    for (size_t i = 0; i < name.length; i++)
        if (!is_name_character(name.data[i])) {
            add(c,
                "Value '%.*s' at '%s' failed to satisfy constraint: Member must satisfy regular "
                "expression pattern: [a-zA-Z0-9_.-]+",
                SLICE_PRINTF(value), path);
            return;
        }
}

void constraints_table_name(struct constraints *c, struct slice value)
{
    if (value.data == NULL) {
        constraints_null(c, "tableName");
        return;
    }
    if (value.length == 0) {
        add(c, "Value '' at 'tableName' failed to satisfy constraint: Member must have length greater than "
               "or equal to 1");
        return;
    }
    if (value.length > ARN_BYTES_MAX) {
        add(c, "Value at 'tableName' failed to satisfy constraint: Member must have length less than or "
               "equal to 1024");
        return;
    }
    struct slice name = constraints_name_of(value);
    if (name.length > 255)
        add(c,
            "Value '%.*s' at 'tableName' failed to satisfy constraint: Member must have length less than or "
            "equal to 255",
            SLICE_PRINTF(value));
    else
        check_characters(c, "tableName", value, name);
}

void constraints_index_name(struct constraints *c, struct slice value)
{
    if (value.data == NULL)
        return;
    if (value.length < 3 || value.length > 255)
        add(c,
            "Value '%.*s' at 'indexName' failed to satisfy constraint: Member must have length %s than or "
            "equal to %d",
            (int)(value.length > 200 ? 200 : value.length), (const char *)value.data,
            value.length < 3 ? "greater" : "less", value.length < 3 ? 3 : 255);
    else
        check_characters(c, "indexName", value, value);
}

void constraints_integer(struct constraints *c, const char *path, int64_t value, int64_t least, int64_t most)
{
    if (value < least || value > most)
        add(c,
            "Value '%" PRId64
            "' at '%s' failed to satisfy constraint: Member must have value %s than or equal to %" PRId64,
            value, path, value < least ? "greater" : "less", value < least ? least : most);
}

void constraints_query_limit(struct constraints *c, int64_t value)
{
    if (value < 1)
        add(c, "Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal "
               "to 1");
}

size_t constraints_enum(struct constraints *c, const char *path, struct slice value, const char *const *set,
                        size_t set_count, size_t absent)
{
    if (value.data == NULL)
        return absent;
    for (size_t i = 0; i < set_count; i++)
        if (slice_equal_string(value, set[i]))
            return i;
    char members[256];
    size_t length = 0;
    for (size_t i = 0; i < set_count; i++)
        length +=
            (size_t)snprintf(members + length, sizeof members - length, "%s%s", i == 0 ? "" : ", ", set[i]);
    add(c, "Value '%.*s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
        SLICE_PRINTF(slice_cut_text(value, ENUM_BYTES_MAX)), path, members);
    return absent;
}

enum err constraints_finish(const struct constraints *c, struct error *error)
{
    if (c->count == 0)
        return ERR_OK;
    return error_set(error, ERR_VALIDATION, "%u validation error%s detected: %s", c->count,
                     c->count == 1 ? "" : "s", c->text);
}

/* ---- maps and lists of a batch ---- */

enum { NAME_SHOWN_MAX = 255 };

void constraints_map_key(struct constraints *c, const char *path, struct slice name)
{
    bool is_good = name.length > 0 && name.length <= ARN_BYTES_MAX;
    struct slice table = constraints_name_of(name);
    for (size_t i = 0; i < table.length; i++)
        is_good = is_good && is_name_character(table.data[i]);
    if (is_good && table.length > 0 && table.length <= 255)
        return;
    add(c,
        "Value '{%.*s=[...]}' at '%s' failed to satisfy constraint: Map keys must satisfy constraint: "
        "[Member "
        "must have length less than or equal to 1024, Member must have length greater than or equal to 1, "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]",
        (int)(name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX), (const char *)name.data, path);
}

void constraints_map_list(struct constraints *c, const char *path, struct slice name, int length_max)
{
    add(c,
        "Value '{%.*s=[...]}' at '%s' failed to satisfy constraint: Map value must satisfy constraint: "
        "[Member must have length less than or equal to %d, Member must have length greater than or equal to "
        "1]",
        (int)(name.length < NAME_SHOWN_MAX ? name.length : NAME_SHOWN_MAX), (const char *)name.data, path,
        length_max);
}

void constraints_list_too_short(struct constraints *c, const char *path)
{
    add(c,
        "Value '[]' at '%s' failed to satisfy constraint: Member must have length greater than or equal to 1",
        path);
}

void constraints_list_too_long(struct constraints *c, const char *path, int length_max)
{
    add(c, "Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d",
        path, length_max);
}
