#include "dataplane/expression/path_walk.h"

static enum path_result find_name(struct slice body, struct slice name, struct value_view *ret_value)
{
    struct reader at;
    struct attribute_view attribute;
    item_iterate(body, &at);
    while (item_next(&at, &attribute)) {
        int order = slice_compare(attribute.name, name);
        if (order > 0)
            return PATH_ABSENT;
        if (order == 0) {
            *ret_value = attribute.value;
            return PATH_FOUND;
        }
    }
    return reader_has_failed(&at) ? PATH_CORRUPT : PATH_ABSENT;
}

static enum path_result find_index(struct slice body, uint32_t index, struct value_view *ret_value)
{
    struct reader at;
    struct value_view value;
    reader_init(&at, body);
    for (uint32_t i = 0; list_next(&at, &value); i++) {
        if (i == index) {
            *ret_value = value;
            return PATH_FOUND;
        }
    }
    return reader_has_failed(&at) ? PATH_CORRUPT : PATH_ABSENT;
}

enum path_result path_walk(const struct program *program, uint32_t path, struct slice item,
                           struct value_view *ret_value)
{
    struct value_view value = {VALUE_M, item};
    uint32_t length = program_path_length(program, path);
    for (uint32_t i = 0; i < length; i++) {
        struct path_part part = program_path_part(program, path, i);
        enum path_result result = PATH_ABSENT;
        if (part.kind == PATH_PART_NAME && value.tag == VALUE_M)
            result = find_name(value.body, part.name, &value);
        else if (part.kind == PATH_PART_INDEX && value.tag == VALUE_L)
            result = find_index(value.body, part.index, &value);
        if (result != PATH_FOUND)
            return result;
    }
    *ret_value = value;
    return PATH_FOUND;
}
