#include "api/router/consumed_capacity.h"

void consumed_capacity_write(struct json_writer *w, enum capacity_detail detail, struct slice table,
                             int64_t milli)
{
    json_write_object_begin(w);
    json_write_name(w, "TableName");
    json_write_string(w, table);
    json_write_name(w, "CapacityUnits");
    json_write_milli(w, milli);
    if (detail == CAPACITY_INDEXES) {
        json_write_name(w, "Table");
        json_write_object_begin(w);
        json_write_name(w, "CapacityUnits");
        json_write_milli(w, milli);
        json_write_object_end(w);
    }
    json_write_object_end(w);
}
