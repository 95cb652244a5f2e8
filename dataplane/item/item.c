#include "dataplane/item/item.h"

#include "dataplane/item/number.h"

static const char *const TAG_NAMES[] = {
    [VALUE_S] = "S",   [VALUE_N] = "N", [VALUE_B] = "B", [VALUE_SS] = "SS",     [VALUE_NS] = "NS",
    [VALUE_BS] = "BS", [VALUE_M] = "M", [VALUE_L] = "L", [VALUE_NULL] = "NULL", [VALUE_BOOL] = "BOOL",
};

const char *value_tag_name(uint8_t tag)
{
    return tag >= VALUE_S && tag <= VALUE_BOOL ? TAG_NAMES[tag] : "?";
}

uint8_t value_tag_from_name(struct slice name)
{
    /* Once per value of each request: the usual one-letter names without a search. */
    static const uint8_t LETTERS[256] = {
        ['S'] = VALUE_S, ['N'] = VALUE_N, ['B'] = VALUE_B, ['M'] = VALUE_M, ['L'] = VALUE_L};
    if (name.length == 1)
        return LETTERS[name.data[0]];
    for (uint8_t tag = VALUE_S; tag <= VALUE_BOOL; tag++)
        if (slice_equal_string(name, TAG_NAMES[tag]))
            return tag;
    return 0;
}

bool value_compare(struct value_view a, struct value_view b, int *ret_order)
{
    if (a.tag != b.tag || !value_is_scalar_key(a.tag))
        return false;
    *ret_order = slice_compare(a.body, b.body);
    return true;
}

/* reader_prefixed with the usual case, a length below 128, in line. */
static inline struct slice take_prefixed(struct reader *r)
{
    if (!r->has_failed && r->next != r->end && *r->next < 0x80 && *r->next < r->end - r->next) {
        struct slice s = slice_make(r->next + 1, *r->next);
        r->next += 1 + s.length;
        return s;
    }
    return reader_prefixed(r);
}

static inline struct value_view take_value(struct reader *r)
{
    struct value_view value;
    value.tag = 0;
    if (!r->has_failed && r->next != r->end)
        value.tag = *r->next++;
    else
        r->has_failed = true;
    value.body = take_prefixed(r);
    return value;
}

bool item_next(struct reader *at, struct attribute_view *ret_attribute)
{
    if (at->has_failed || at->next == at->end)
        return false;
    struct attribute_view attribute;
    attribute.name = take_prefixed(at);
    attribute.value = take_value(at);
    if (at->has_failed)
        return false;
    *ret_attribute = attribute;
    return true;
}

bool list_next(struct reader *at, struct value_view *ret_value)
{
    if (at->has_failed || at->next == at->end)
        return false;
    struct value_view value = take_value(at);
    if (at->has_failed)
        return false;
    *ret_value = value;
    return true;
}

bool set_next(struct reader *at, struct slice *ret_member)
{
    if (at->has_failed || at->next == at->end)
        return false;
    struct slice member = take_prefixed(at);
    if (at->has_failed)
        return false;
    *ret_member = member;
    return true;
}

size_t item_count(struct slice item)
{
    struct reader at;
    struct attribute_view attribute;
    size_t count = 0;
    item_iterate(item, &at);
    while (item_next(&at, &attribute))
        count++;
    return count;
}

size_t list_count(struct slice body)
{
    struct reader at;
    struct value_view value;
    size_t count = 0;
    reader_init(&at, body);
    while (list_next(&at, &value))
        count++;
    return count;
}

size_t set_count(struct slice body)
{
    struct reader at;
    struct slice member;
    size_t count = 0;
    reader_init(&at, body);
    while (set_next(&at, &member))
        count++;
    return count;
}

bool item_find(struct slice item, struct slice name, struct value_view *ret_value)
{
    struct reader at;
    struct attribute_view attribute;
    item_iterate(item, &at);
    while (item_next(&at, &attribute)) {
        int order = slice_compare(attribute.name, name);
        if (order > 0)
            return false;
        if (order == 0) {
            *ret_value = attribute.value;
            return true;
        }
    }
    return false;
}

bool list_at(struct slice body, size_t index, struct value_view *ret_value)
{
    struct reader at;
    struct value_view value;
    reader_init(&at, body);
    for (size_t i = 0; list_next(&at, &value); i++) {
        if (i == index) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool set_contains(struct slice body, struct slice member)
{
    struct reader at;
    struct slice candidate;
    reader_init(&at, body);
    while (set_next(&at, &candidate)) {
        int order = slice_compare(candidate, member);
        if (order >= 0)
            return order == 0;
    }
    return false;
}

bool set_contains_all(struct slice whole, struct slice part)
{
    struct reader whole_at, part_at;
    struct slice wanted, candidate = SLICE_EMPTY;
    reader_init(&whole_at, whole);
    reader_init(&part_at, part);
    while (set_next(&part_at, &wanted)) {
        int order = -1;
        while (order < 0) {
            if (!set_next(&whole_at, &candidate))
                return false;
            order = slice_compare(candidate, wanted);
        }
        if (order > 0)
            return false;
    }
    return true;
}

bool item_walk(struct slice item, const struct path_step *steps, size_t count, struct value_view *ret_value)
{
    struct value_view value = {VALUE_M, item};
    for (size_t i = 0; i < count; i++) {
        const struct path_step *step = &steps[i];
        if (value.tag != (step->is_index ? VALUE_L : VALUE_M))
            return false;
        bool is_found = step->is_index ? list_at(value.body, step->index, &value)
                                       : item_find(value.body, step->name, &value);
        if (!is_found)
            return false;
    }
    *ret_value = value;
    return true;
}

bool value_decode(struct slice bytes, struct value_view *ret_value)
{
    struct reader at;
    reader_init(&at, bytes);
    struct value_view value = take_value(&at);
    if (!reader_is_done(&at))
        return false;
    *ret_value = value;
    return true;
}

void value_append(struct value_view value, struct buffer *to)
{
    buffer_append_u8(to, value.tag);
    buffer_append_prefixed(to, value.body);
}
