/* What the endpoint answers without a router: the health line, and browsers' questions (CORS). */
#include <stdio.h>

#include "api/http/http_internal.h"

static void answer_health(struct http_request *r)
{
    struct buffer body;
    buffer_init(&body, 1024);
    buffer_append(&body, buffer_view(&r->server->health));
    http_respond(r, &(struct http_response){
                        .status = 200, .content_type = SLICE_LITERAL("text/plain"), .body = &body});
    buffer_deinit(&body);
}

bool http_builtin_answer(struct http_request *r)
{
    bool is_root = slice_equal_string(r->path, "/") && r->query.length == 0;
    if (slice_equal_string(r->method, "OPTIONS"))
        http_respond(r, &(struct http_response){.status = 200});
    else if (is_root && slice_equal_string(r->method, "GET"))
        answer_health(r);
    else
        return false;
    return true;
}

static void echo(struct http_request *r, struct MHD_Response *to, const char *asked, const char *answer)
{
    struct slice value = http_request_header(r, asked);
    if (value.length > 0) /* libmicrohttpd keeps a NUL behind each value */
        MHD_add_response_header(to, answer, (const char *)value.data);
}

void http_builtin_add_cors(struct http_request *r, struct MHD_Response *response)
{
    if (http_request_header(r, "origin").length == 0)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
    if (!slice_equal_string(r->method, "OPTIONS")) {
        MHD_add_response_header(response, "Access-Control-Expose-Headers",
                                "x-amzn-RequestId,x-amz-crc32,Date");
        return;
    }
    echo(r, response, "access-control-request-headers", "Access-Control-Allow-Headers");
    echo(r, response, "access-control-request-method", "Access-Control-Allow-Methods");
    MHD_add_response_header(response, "Access-Control-Max-Age", "172800");
}
