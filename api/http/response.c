#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "api/http/http_internal.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"

static const char JSON_1_0[] = "application/x-amz-json-1.0";
static const char JSON[] = "application/json";

enum {
    ENCODED_BYTES_MAX = 64 * 1024 * 1024,
    TYPE_BYTES = 128,
    WHOLE_BYTES_MAX =
        LOOP_TURN_BYTES_MAX, /* larger bodies go to the kernel in blocks, as turns have room for them */
    BLOCK_BYTES = 256 * 1024,
};

/* A body on its way to the wire. */
struct packing {
    struct buffer body;
    enum http_encoding encoding;
    bool has_crc;
    uint32_t crc;
    char type[TYPE_BYTES]; /* empty: none */
};

/* A large one. */
struct packing_job {
    struct packing packing;
    struct worker_job job;
};

/* ---- what may happen on a worker ---- */

/* Without memory it goes out as it is. */
static void encode(struct packing *p)
{
    struct buffer encoded;
    buffer_init(&encoded, ENCODED_BYTES_MAX);
    if (http_encode(p->encoding, buffer_view(&p->body), &encoded) == ERR_OK) {
        buffer_deinit(&p->body);
        p->body = encoded;
    } else {
        buffer_deinit(&encoded);
        p->encoding = HTTP_IDENTITY;
    }
}

static void pack(struct packing *p)
{
    if (p->encoding != HTTP_IDENTITY)
        encode(p);
    p->crc = (uint32_t)crc32_z(0, p->body.data, p->body.length);
    p->has_crc = true;
}

/* ---- headers ---- */

/* A body that goes in blocks. */
struct blocks {
    struct http_server *server;
    uint8_t *data;
    size_t length;
};

/* libmicrohttpd's. None now: it asks again whenever it runs. */
static ssize_t next_block(void *data, uint64_t position, char *to, size_t bytes_max)
{
    const struct blocks *blocks = data;
    struct http_server *s = blocks->server;
    if (!loop_turn_has_room(s->loop)) {
        loop_defer_for_room(s->loop, &s->room_task);
        return 0;
    }
    size_t left = blocks->length - (size_t)position;
    size_t bytes = left < bytes_max ? left : bytes_max;
    memcpy(to, blocks->data + position, bytes);
    loop_turn_take(s->loop, bytes);
    return (ssize_t)bytes;
}

static void free_blocks(void *data)
{
    struct blocks *blocks = data;
    memory_free(blocks->data);
    memory_free(blocks);
}

/* Takes the bytes. */
static struct MHD_Response *make_blocks(struct http_server *s, uint8_t *data, size_t length)
{
    struct blocks *blocks = memory_alloc(sizeof(*blocks));
    struct MHD_Response *response = NULL;
    if (blocks != NULL) {
        *blocks = (struct blocks){s, data, length};
        response = MHD_create_response_from_callback(length, BLOCK_BYTES, next_block, blocks, free_blocks);
    }
    if (response == NULL) {
        memory_free(blocks);
        memory_free(data);
    }
    return response;
}

/* Takes the body. NULL when there is no memory. */
static struct MHD_Response *make_body(struct http_server *s, struct buffer *body)
{
    static char nothing[1];
    size_t length = 0;
    uint8_t *data = buffer_detach(body, &length);
    if (length > WHOLE_BYTES_MAX)
        return make_blocks(s, data, length);
    loop_turn_take(s->loop, length);
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

static void choose_type(const struct http_request *r, const struct http_response *response,
                        char to[TYPE_BYTES])
{
    struct slice type = response->content_type;
    to[0] = '\0';
    if (response->body == NULL && type.length == 0)
        return;
    if (type.length == 0) {
        struct slice asked = http_request_header(r, "content-type");
        asked = slice_trim(slice_split(&asked, ';'));
        type = slice_is_word(asked, JSON) ? SLICE_LITERAL(JSON) : SLICE_LITERAL(JSON_1_0);
    }
    snprintf(to, TYPE_BYTES, "%.*s", SLICE_PRINTF(type));
}

/* A header that there is no memory for is left out: clients live without any of these, but for the encoding. */
static bool add_headers(struct http_request *r, const struct packing *p)
{
    struct MHD_Response *to = r->response;
    MHD_add_response_header(to, "x-amzn-RequestId", r->id);
    if (p->has_crc) {
        char crc[16];
        snprintf(crc, sizeof(crc), "%lu", (unsigned long)p->crc);
        MHD_add_response_header(to, "x-amz-crc32", crc);
    }
    MHD_add_response_header(to, "Server", "Server");
    if (p->type[0] != '\0')
        MHD_add_response_header(to, "Content-Type", p->type);
    http_builtin_add_cors(r, to);
    if (r->is_last || r->server->is_draining)
        MHD_add_response_header(to, "Connection", "close");
    return p->encoding == HTTP_IDENTITY ||
           MHD_add_response_header(to, "Content-Encoding", http_encoding_name(p->encoding)) == MHD_YES;
}

static void count(struct http_request *r, const struct packing *p)
{
    struct http_metrics *m = &r->server->metrics;
    metric_add(&m->bytes_sent, p->body.length);
    metric_record(&m->request, clock_boot_us() - r->began_us);
    if (p->encoding != HTTP_IDENTITY)
        metric_increment(&m->compressed);
    metric_increment(r->status < 400 ? &m->status_2xx : r->status < 500 ? &m->status_4xx : &m->status_5xx);
}

/* ---- the way ---- */

/* Without memory there is no response, and the connection ends. */
static void finish(struct http_request *r, struct packing *p)
{
    struct http_server *s = r->server;
    count(r, p);
    r->response = make_body(s, &p->body);
    if (r->response != NULL && !add_headers(r, p)) {
        MHD_destroy_response(r->response);
        r->response = NULL;
    }
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

static void on_work(struct worker_job *job)
{
    struct http_request *r = job->data;
    pack(&r->packing->packing);
}

/* Whoever has gone needs neither checksum nor compression. */
static bool is_wanted(const struct worker_job *job)
{
    const struct http_request *r = job->data;
    return !r->is_cancelled;
}

/* The connection was suspended all the time, so neither it nor the server has gone. */
static void on_done(struct worker_job *job, enum err err)
{
    struct http_request *r = job->data;
    struct packing_job *p = r->packing;
    if (err != ERR_OK)
        p->packing.encoding = HTTP_IDENTITY;
    r->packing = NULL;
    finish(r, &p->packing);
    memory_free(p);
}

/* False: no memory. */
static bool begin_packing(struct http_request *r, const struct packing *from)
{
    struct packing_job *p = memory_alloc(sizeof(*p));
    if (p == NULL)
        return false;
    p->packing = *from;
    p->job = (struct worker_job){
        .work = on_work, .done = on_done, .is_wanted = is_wanted, .deadline_us = UINT64_MAX, .data = r};
    r->packing = p;
    workers_run(r->server->workers, &p->job);
    return true;
}

static void charge(struct http_request *r, size_t bytes)
{
    struct http_server *s = r->server;
    s->reply_bytes = s->reply_bytes - r->reply_charged + bytes;
    r->reply_charged = bytes;
    metric_set(&s->metrics.reply_bytes, s->reply_bytes);
}

void http_response_discharge(struct http_request *r)
{
    charge(r, 0);
}

bool http_response_has_room(const struct http_server *s, size_t bytes)
{
    return bytes <= s->limits.reply_budget_bytes - s->reply_bytes;
}

void http_response_release(struct http_request *r)
{
    charge(r, 0);
    if (r->response != NULL)
        MHD_destroy_response(r->response);
    r->response = NULL;
}

/* False: it was too much, and the request has got another answer. */
static bool has_room(struct http_request *r, const struct http_response *response)
{
    struct http_server *s = r->server;
    size_t bytes = response->body->length;
    http_connections_make_room(s, bytes);
    if (http_response_has_room(s, bytes)) {
        charge(r, bytes);
        return true;
    }
    metric_increment(&s->metrics.refused_reply_budget);
    buffer_deinit(response->body);
    http_respond_error(r, ERR_SERVICE_UNAVAILABLE, NULL);
    return false;
}

void http_respond(struct http_request *r, const struct http_response *response)
{
    ASSERT(!r->is_answered);
    size_t bytes = response->body == NULL ? 0 : response->body->length;
    if (bytes > WORKERS_BYTES_MIN && !has_room(r, response))
        return;
    struct packing p = {.encoding = HTTP_IDENTITY};
    choose_type(r, response, p.type);
    if (bytes > HTTP_ENCODE_BYTES_MIN)
        p.encoding = http_encoding_wanted(http_request_header(r, "accept-encoding"));
    if (response->body != NULL) {
        p.body = *response->body;
        buffer_init(response->body, 0);
    }
    r->is_answered = true;
    r->status = response->status;
    r->is_last = response->is_last;
    http_request_drop_body(r);
    r->is_discarding = true;
    /* An answer that comes before the request is whole is not suspended, and short. */
    if (bytes > WORKERS_BYTES_MIN && r->is_whole && begin_packing(r, &p))
        return;
    pack(&p);
    finish(r, &p);
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
