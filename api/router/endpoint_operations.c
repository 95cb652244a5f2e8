/* DescribeEndpoints: clients that discover their endpoint are told to stay with the one they found. */
#include "api/router/reading.h"

enum { CACHE_MINUTES = 1440 };

void operation_describe_endpoints(struct request *r)
{
    struct buffer body;
    struct json_writer w;
    if (r->read != ERR_OK) {
        reading_refuse(r);
        return;
    }
    buffer_init(&body, REPLY_BYTES_MAX);
    json_writer_init(&w, &body);
    json_write_object_begin(&w);
    json_write_name(&w, "Endpoints");
    json_write_array_begin(&w);
    json_write_object_begin(&w);
    json_write_name(&w, "Address");
    json_write_string(&w, http_request_header(r->http, "host"));
    json_write_name(&w, "CachePeriodInMinutes");
    json_write_int(&w, CACHE_MINUTES);
    json_write_object_end(&w);
    json_write_array_end(&w);
    json_write_object_end(&w);
    answer_json(r, &body);
}
