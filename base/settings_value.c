#include <inttypes.h>
#include <string.h>

#include "base/settings_internal.h"

struct suffix {
    const char *text;
    uint64_t factor;
};

static const struct suffix durations[] = {
    {"us", 1},
    {"ms", 1000},
    {"s", 1000000},
    {"min", 60 * 1000000ull},
    {"h", 3600 * 1000000ull},
    {"d", 86400 * 1000000ull},
    {NULL, 0},
};
static const struct suffix sizes[] = {
    {"", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}, {NULL, 0},
};
static const struct suffix counts[] = {{"", 1}, {NULL, 0}};

static const struct suffix *suffixes_of(enum setting_kind kind)
{
    return kind == SETTING_duration ? durations : kind == SETTING_bytes ? sizes : counts;
}

enum err setting_parse_u64(const char *text, enum setting_kind kind, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (value > (UINT64_C(1) << 63) / 10 - 1)
            return ERR_CONFIG;
        value = value * 10 + (uint64_t)(*c - '0');
    }
    if (c == text)
        return ERR_CONFIG;
    /* A bare 0 needs no unit. */
    if (*c == '\0' && value == 0) {
        *ret_value = 0;
        return ERR_OK;
    }
    for (const struct suffix *s = suffixes_of(kind); s->text != NULL; s++) {
        if (strcmp(c, s->text) != 0)
            continue;
        if (value > (UINT64_C(1) << 63) / s->factor)
            return ERR_CONFIG;
        *ret_value = value * s->factor;
        return ERR_OK;
    }
    return ERR_CONFIG;
}

static bool is_within(const struct setting_row *row, enum setting_kind kind, uint64_t value)
{
    uint64_t bound;
    if (row->minimum[0] != '\0' && (setting_parse_u64(row->minimum, kind, &bound) != ERR_OK || value < bound))
        return false;
    return row->maximum[0] == '\0' ||
           (setting_parse_u64(row->maximum, kind, &bound) == ERR_OK && value <= bound);
}

enum err setting_value_check(const struct setting_row *row, const char *text, uint64_t *ret_value)
{
    if (row->kind == SETTING_string) {
        *ret_value = 0;
        return is_within(row, SETTING_u64, strlen(text)) ? ERR_OK : ERR_CONFIG;
    }
    if (row->kind == SETTING_bool) {
        *ret_value = strcmp(text, "true") == 0;
        return *ret_value == 1 || strcmp(text, "false") == 0 ? ERR_OK : ERR_CONFIG;
    }
    uint64_t value;
    TRY(setting_parse_u64(text, row->kind, &value));
    if (!is_within(row, row->kind, value))
        return ERR_CONFIG;
    *ret_value = value;
    return ERR_OK;
}

const char *setting_kind_words(enum setting_kind kind)
{
    static const char *const words[] = {
        [SETTING_u64] = "a number",
        [SETTING_duration] = "a duration such as 10ms, 2s or 5min",
        [SETTING_bytes] = "a size such as 4096, 64KiB or 2GiB",
        [SETTING_bool] = "true or false",
        [SETTING_string] = "a text with a length",
    };
    return words[kind];
}

bool setting_is_secret(const struct setting_row *row)
{
    static const char *const parts[] = {"secret", "password", "token", "key", "dsn"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(row->name, parts[i]) != NULL)
            return true;
    }
    return false;
}

/* As on the command line. */
static void append_option(struct buffer *to, const char *name)
{
    buffer_append_string(to, "  --");
    for (; *name != '\0'; name++)
        buffer_append_u8(to, *name == '_' ? '-' : (uint8_t)*name);
}

static void append_row_help(struct buffer *to, const struct setting_row *row)
{
    append_option(to, row->name);
    buffer_append_format(to, " %s\n      %s", row->unit, row->sentence);
    const char *initial = row->initial[0] != '\0' ? row->initial : "none";
    buffer_append_format(to, " Default: %s", initial);
    const char *what = row->kind == SETTING_string ? "; length" : ";";
    if (row->minimum[0] != '\0' || row->maximum[0] != '\0')
        buffer_append_format(to, "%s %s to %s", what, row->minimum[0] != '\0' ? row->minimum : "0",
                             row->maximum[0] != '\0' ? row->maximum : "any");
    buffer_append_string(to, ".\n");
}

void settings_help(const struct settings_group *groups, size_t group_count, struct buffer *to)
{
    buffer_append_string(to, "  --config path\n      File with settings, 'name = value' in each line.\n");
    for (size_t g = 0; g < group_count; g++) {
        for (size_t i = 0; i < groups[g].count; i++)
            append_row_help(to, &groups[g].rows[i]);
    }
}

static void append_value(struct buffer *to, const struct setting_row *row, const void *field)
{
    if (setting_is_secret(row))
        buffer_append_string(to, "***");
    else if (row->kind == SETTING_string)
        buffer_append_string(to, *(const char *const *)field);
    else if (row->kind == SETTING_bool)
        buffer_append_string(to, *(const bool *)field ? "true" : "false");
    else
        buffer_append_format(to, "%" PRIu64 "%s", *(const uint64_t *)field,
                             row->kind == SETTING_duration ? "us" : "");
}

void settings_show(const struct settings_group *groups, size_t group_count, struct buffer *to)
{
    for (size_t g = 0; g < group_count; g++) {
        for (size_t i = 0; i < groups[g].count; i++) {
            const struct setting_row *row = &groups[g].rows[i];
            buffer_append_format(to, "%s=", row->name);
            append_value(to, row, (const uint8_t *)groups[g].values + row->offset);
            buffer_append_string(to, "\n");
        }
    }
}
