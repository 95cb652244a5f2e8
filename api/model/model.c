#include "api/model/model.h"

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
