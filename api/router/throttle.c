#include "api/router/throttle.h"

#include "api/router/data_table.h"

/* DynamoDB, ThrottlingException: the message of tables on demand. */
static const char ON_DEMAND_WORDS[] =
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your "
    "table "
    "or index so please try again shortly. If exceptions persist, check if you have a hot key: "
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html";

static void write_reason(struct json_writer *w, bool is_write, struct slice arn)
{
    json_write_object_begin(w);
    json_write_name(w, "reason");
    json_write_words(w, is_write ? "TableWriteKeyRangeThroughputExceeded"
                                 : "TableReadKeyRangeThroughputExceeded");
    json_write_name(w, "resource");
    json_write_string(w, arn);
    json_write_object_end(w);
}

/* The member's name begins with a small letter in one exception and with a capital in the other, as in DynamoDB's model. A table
 * that is gone by now has no reason any more. */
void answer_throttled(struct request *r, bool is_write, const struct slice *tables, size_t count)
{
    const struct catalog_table *first = data_table_find(r, tables[0]);
    bool is_on_demand = first == NULL || first->is_on_demand;
    enum err code = is_on_demand ? ERR_THROTTLED : ERR_PROVISIONED_THROUGHPUT_EXCEEDED;
    struct json_writer w;
    struct buffer body;
    metric_increment(&r->router->metrics.throttled);
    answer_error_begin(&w, &body, code, is_on_demand ? ON_DEMAND_WORDS : NULL);
    json_write_name(&w, is_on_demand ? "throttlingReasons" : "ThrottlingReasons");
    json_write_array_begin(&w);
    for (size_t i = 0; i < count; i++) {
        const struct catalog_table *table = data_table_find(r, tables[i]);
        if (table != NULL)
            write_reason(&w, is_write, table->arn);
    }
    json_write_array_end(&w);
    answer_error_end(r, &w, &body, code);
}
