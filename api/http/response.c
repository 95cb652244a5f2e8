#include <stdio.h>
#include <zlib.h>

#include "api/http/http_internal.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"

static const char JSON_1_0[] = "application/x-amz-json-1.0";
static const char JSON[] = "application/json";

/* NULL when there is no memory; the bytes are then freed. */
static struct MHD_Response *make_body(struct buffer *body, char crc[16])
{
    static char nothing[1];
    size_t length = 0;
    uint8_t *data = body != NULL ? buffer_detach(body, &length) : NULL;
    snprintf(crc, 16, "%lu", length > 0 ? crc32_z(0, data, length) : 0);
    if (length == 0) {
        memory_free(data);
        return MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(length, data, memory_free);
    if (response == NULL)
        memory_free(data);
    return response;
}

static void add_content_type(struct http_request *r, struct MHD_Response *to, struct slice wanted)
{
    char text[128];
    struct slice type = wanted;
    if (type.length == 0) {
        struct slice asked = http_request_header(r, "content-type");
        type = slice_equal_string(asked, JSON) ? asked : SLICE_LITERAL(JSON_1_0);
    }
    snprintf(text, sizeof(text), "%.*s", SLICE_PRINTF(type));
    MHD_add_response_header(to, "Content-Type", text);
}

/* A header that there is no memory for is left out: clients live without any of these. */
static void add_headers(struct http_request *r, struct MHD_Response *to, const struct http_response *from,
                        const char *crc)
{
    struct http_server *s = r->server;
    MHD_add_response_header(to, "x-amzn-RequestId", r->id);
    MHD_add_response_header(to, "x-amz-crc32", crc);
    MHD_add_response_header(to, "Server", "Server");
    if (from->body != NULL || from->content_type.length > 0)
        add_content_type(r, to, from->content_type);
    for (size_t i = 0; i < from->header_count; i++)
        MHD_add_response_header(to, (const char *)from->headers[i].name.data,
                                (const char *)from->headers[i].value.data);
    http_builtin_add_cors(r, to);
    if (from->is_last || s->is_draining)
        MHD_add_response_header(to, "Connection", "close");
}

static void count(struct http_request *r, const struct http_response *response, size_t bytes)
{
    struct http_metrics *m = &r->server->metrics;
    metric_add(&m->bytes_sent, bytes);
    metric_record(&m->request, clock_boot_us() - r->began_us);
    metric_increment(response->status < 400   ? &m->status_2xx
                     : response->status < 500 ? &m->status_4xx
                                              : &m->status_5xx);
}

void http_respond(struct http_request *r, const struct http_response *response)
{
    struct http_server *s = r->server;
    char crc[16];
    ASSERT(!r->is_answered);
    count(r, response, response->body != NULL ? response->body->length : 0);
    r->is_answered = true;
    r->status = response->status;
    r->response = make_body(response->body, crc);
    if (r->response != NULL)
        add_headers(r, r->response, response, crc);
    http_request_drop_body(r);
    r->is_discarding = true;
    if (!r->is_whole)
        return; /* goes out when the client has sent all, at the latest */
    if (r->is_served) {
        s->in_flight--;
        metric_set(&s->metrics.in_flight, s->in_flight);
    }
    if (r->is_suspended && !r->is_in_handler) {
        r->is_suspended = false;
        MHD_resume_connection(r->mhd);
        http_server_wake(s);
    }
}

static void append_json_text(struct buffer *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buffer_append_u8(to, '\\');
        if ((uint8_t)*text < 0x20)
            buffer_append_format(to, "\\u%04x", (unsigned)(uint8_t)*text);
        else
            buffer_append_u8(to, (uint8_t)*text);
    }
}

void http_respond_error(struct http_request *r, enum err code, const char *text)
{
    enum err shown = err_exception(code) != NULL ? code : ERR_INTERNAL;
    const char *words = text != NULL && shown == code ? text : err_sentence(shown);
    struct buffer body;
    buffer_init(&body, 8192);
    buffer_append_format(&body, "{\"__type\":\"com.amazon.coral.service#%s\",\"message\":\"",
                         err_exception(shown));
    append_json_text(&body, words);
    buffer_append_string(&body, "\",\"Message\":\"");
    append_json_text(&body, words);
    buffer_append_string(&body, "\"}");
    http_respond(r, &(struct http_response){.status = err_http_status(shown), .body = &body});
    buffer_deinit(&body);
}
