/* Single constraints: is this string, or this size, what its shape allows? */
#include "api/model/request_internal.h"

bool model_is_in_range(const struct model_shape *shape, int64_t size)
{
    return !(shape->has_minimum && size < shape->minimum) && !(shape->has_maximum && size > shape->maximum);
}

size_t model_find_choice(const struct model_shape *shape, struct slice text)
{
    size_t i = 0;
    while (i < shape->choice_count && !slice_equal_string(text, shape->choices[i]))
        i++;
    return i;
}

bool model_matches(const struct model_pattern *pattern, struct slice text)
{
    if (text.length < pattern->least || text.length > pattern->most)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if ((pattern->bytes[text.data[i] / 64] >> text.data[i] % 64 & 1) == 0)
            return false;
    return true;
}

int64_t model_text_length(struct slice text)
{
    int64_t units = 0;
    for (size_t i = 0; i < text.length; i++) {
        bool begins_character = (text.data[i] & 0xC0) != 0x80;
        units += begins_character + (text.data[i] >= 0xF0); /* beyond U+FFFF: a pair */
    }
    return units;
}

struct slice model_plain_text(struct json_string string, struct buffer *scratch)
{
    if (!string.has_escapes)
        return string.raw;
    buffer_clear(scratch);
    uint8_t *to = buffer_extend(scratch, string.raw.length);
    if (to == NULL)
        return SLICE_EMPTY;
    return slice_make(to, json_string_copy(string, to));
}

struct slice model_table_name(struct slice name_or_arn)
{
    static const struct slice arn = {(const uint8_t *)"arn:", 4};
    static const struct slice marker = {(const uint8_t *)":table/", 7};
    if (!slice_starts_with(name_or_arn, arn))
        return name_or_arn;
    for (size_t i = 0; i + marker.length <= name_or_arn.length; i++)
        if (slice_starts_with(slice_from(name_or_arn, i), marker))
            return slice_from(name_or_arn, i + marker.length);
    return name_or_arn;
}

enum table_name_fault model_check_table_name(const struct model_shape *shape, struct slice text)
{
    if ((int64_t)text.length < shape->minimum)
        return TABLE_NAME_EMPTY;
    if (model_text_length(text) > shape->maximum)
        return TABLE_NAME_ARN_TOO_LONG;
    struct slice name = model_table_name(text);
    if (name.length > TABLE_NAME_LENGTH_MAX)
        return TABLE_NAME_TOO_LONG;
    /* An ARN may end in ":table/": there is no such table, which is for later to say. */
    return name.length == 0 || model_matches(shape->pattern, name) ? TABLE_NAME_GOOD : TABLE_NAME_CHARACTERS;
}

bool model_string_is_good(const struct model_shape *shape, struct slice text)
{
    if (shape->is_table)
        return model_check_table_name(shape, text) == TABLE_NAME_GOOD;
    if (shape->choice_count > 0 && model_find_choice(shape, text) == shape->choice_count)
        return false;
    if (shape->pattern != NULL && !model_matches(shape->pattern, text))
        return false;
    return !(shape->has_minimum || shape->has_maximum) || model_is_in_range(shape, model_text_length(text));
}
