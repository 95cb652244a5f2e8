/* Deep validation of item bytes that come from elsewhere. */
#include "dataplane/item/item.h"
#include "dataplane/item/number.h"

/* Bytes of the well-formed UTF-8 sequence at p (not ASCII), 0 when there is none. Unicode 15, table 3-7. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t lowest = 0x80, highest = 0xBF;
    size_t length;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        length = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        length = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        length = 4;
    else
        return 0;
    if (p[0] == 0xE0)
        lowest = 0xA0;
    else if (p[0] == 0xED)
        highest = 0x9F;
    else if (p[0] == 0xF0)
        lowest = 0x90;
    else if (p[0] == 0xF4)
        highest = 0x8F;
    if (left < length || p[1] < lowest || p[1] > highest)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool utf8_is_valid(struct slice bytes)
{
    size_t at = 0;
    while (at < bytes.length) {
        uint64_t word;
        if (bytes.length - at >= sizeof(word)) {
            memcpy(&word, bytes.data + at, sizeof(word));
            if ((word & 0x8080808080808080U) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        if (bytes.data[at] < 0x80) {
            at++;
            continue;
        }
        size_t length = utf8_sequence(bytes.data + at, bytes.length - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

static bool check_value(struct value_view value, unsigned level);

static bool check_attributes(struct slice body, unsigned level)
{
    struct reader at;
    struct attribute_view attribute;
    struct slice last = SLICE_EMPTY; /* names are not empty, so the first is above it */
    reader_init(&at, body);
    while (item_next(&at, &attribute)) {
        if (attribute.name.length > ATTRIBUTE_NAME_BYTES_MAX || slice_compare(last, attribute.name) >= 0)
            return false;
        if (!utf8_is_valid(attribute.name) || !check_value(attribute.value, level))
            return false;
        last = attribute.name;
    }
    return reader_is_done(&at);
}

static bool check_list(struct slice body, unsigned level)
{
    struct reader at;
    struct value_view value;
    reader_init(&at, body);
    while (list_next(&at, &value))
        if (!check_value(value, level))
            return false;
    return reader_is_done(&at);
}

static bool check_scalar(uint8_t tag, struct slice body)
{
    if (tag == VALUE_S)
        return utf8_is_valid(body);
    return tag == VALUE_N ? number_is_valid(body) : true;
}

static bool check_set(uint8_t member_tag, struct slice body)
{
    struct reader at;
    struct slice member, last = SLICE_EMPTY;
    bool is_first = true;
    reader_init(&at, body);
    while (set_next(&at, &member)) {
        if (!is_first && slice_compare(last, member) >= 0)
            return false;
        if (!check_scalar(member_tag, member))
            return false;
        last = member;
        is_first = false;
    }
    return !is_first && reader_is_done(&at);
}

static bool check_value(struct value_view value, unsigned level)
{
    if (level > VALUE_LEVELS_MAX)
        return false;
    switch (value.tag) {
    case VALUE_S:
    case VALUE_N:
    case VALUE_B:
        return check_scalar(value.tag, value.body);
    case VALUE_SS:
    case VALUE_NS:
    case VALUE_BS:
        return check_set(value_set_member_tag(value.tag), value.body);
    case VALUE_M:
        return check_attributes(value.body, level + 1);
    case VALUE_L:
        return check_list(value.body, level + 1);
    case VALUE_NULL:
        return value.body.length == 0;
    case VALUE_BOOL:
        return value.body.length == 1 && value.body.data[0] <= 1;
    default:
        return false;
    }
}

enum err item_check(struct slice item)
{
    return check_attributes(item, 1) ? ERR_OK : ERR_CORRUPT;
}

enum err value_check(struct slice bytes)
{
    struct value_view value;
    if (!value_decode(bytes, &value))
        return ERR_CORRUPT;
    return check_value(value, 1) ? ERR_OK : ERR_CORRUPT;
}
