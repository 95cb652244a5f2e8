#include "api/model/model.h"

#include "api/model/request_internal.h"

const struct model_operation *model_operation_find(struct slice name)
{
    size_t low = 0, high = model_operation_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(name, slice_from_string(model_operations[middle].name));
        if (order == 0)
            return &model_operations[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool is_named(const struct model_member *member, struct json_string name)
{
    if (name.has_escapes)
        return json_string_equals(name, member->name);
    return name.raw.length == member->name_bytes &&
           memcmp(name.raw.data, member->name, member->name_bytes) == 0;
}

size_t model_find_member(const struct model_shape *shape, struct json_string name, size_t from)
{
    for (size_t i = from; i < shape->member_count; i++)
        if (is_named(&shape->members[i], name))
            return i;
    for (size_t i = 0; i < from; i++)
        if (is_named(&shape->members[i], name))
            return i;
    return shape->member_count;
}
