/* From a body's bytes to an operation's parameters: unpacked when it came compressed, read against the model, and all of
 * that on a worker when it is large. A signature is over the bytes as they came, so nothing is unpacked for somebody who
 * has not shown who he is. */
#include "api/http/encoding.h"
#include "api/json/json.h"
#include "api/router/offload.h"
#include "api/router/reading.h"

/* ---- what may happen on a worker ---- */

static void read_parameters(struct request *r)
{
    r->read = r->operation->read(r, &r->read_error);
}

static bool is_json_object(struct slice body)
{
    struct json j;
    json_init(&j, body);
    return json_peek(&j) == JSON_OBJECT && json_skip(&j) && json_finish(&j);
}

/* Of somebody who is refused: what is no JSON is said first. */
static void check_json(struct request *r)
{
    r->read = is_json_object(r->body) ? ERR_OK : ERR_SERIALIZATION;
}

/* ERR_LIMIT: more than bytes_max. */
static void unpack(struct request *r, size_t bytes_max)
{
    buffer_init(&r->unpacked, bytes_max);
    r->read = http_decode_gzip(r->body, &r->unpacked);
    if (r->read == ERR_OK)
        r->body = buffer_view(&r->unpacked);
    else
        buffer_deinit(&r->unpacked);
    if (r->read == ERR_SERIALIZATION)
        (void)error_set(&r->read_error, ERR_SERIALIZATION, "The request's body is not gzip");
}

static void unpack_and_read(struct request *r)
{
    unpack(r, HTTP_LIMITS_DEFAULT.body_bytes_max);
    if (r->read == ERR_LIMIT)
        r->read = ERR_REQUEST_TOO_LARGE;
    if (r->read == ERR_OK)
        read_parameters(r);
}

/* ---- on the loop ---- */

static void go_on(struct request *r)
{
    if (r->router->is_closing && r->read == ERR_OK)
        r->read = ERR_SERVICE_UNAVAILABLE; /* there is nobody left to ask */
    if (r->refusal.code == ERR_OK)
        r->operation->run(r);
    else if (r->read != ERR_OK)
        answer_error(r, ERR_SERIALIZATION, NULL);
    else
        request_refuse(r);
}

/* In line a body takes no more than it has, and what it took to read is known now: nobody's bodies are refused for what
 * others' might become. What could not be read goes at once. */
static void on_work(struct request *r, enum err err)
{
    size_t held = OFFLOAD_READ_FACTOR * r->body.length + r->unpacked.length;
    if (err != ERR_OK) {
        answer_error(r, ERR_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    if (r->refusal.code == ERR_OK && r->read == ERR_OK && !offload_charge(r, held))
        r->read = ERR_SERVICE_UNAVAILABLE;
    go_on(r);
}

static void do_or_offload(struct request *r, void (*work)(struct request *r))
{
    if (offload_is_due(r->body.length)) {
        offload_run(r, r->deadline_us, work, on_work);
    } else {
        work(r);
        go_on(r);
    }
}

/* What is short is tried at once: most that is short stays short. */
static void read_packed(struct request *r)
{
    if (!offload_is_due(r->body.length)) {
        unpack(r, WORKERS_BYTES_MIN);
        if (r->read == ERR_OK)
            read_parameters(r);
        if (r->read != ERR_LIMIT) {
            go_on(r);
            return;
        }
    }
    offload_run(r, r->deadline_us, unpack_and_read, on_work);
}

void request_read(struct request *r)
{
    struct slice encoding = http_request_header(r->http, "content-encoding");
    r->body = http_request_body(r->http);
    r->read_error.code = ERR_OK;
    bool is_plain = encoding.length == 0 || slice_is_word(encoding, "identity");
    if (r->refusal.code != ERR_OK && !is_plain)
        request_refuse(r); /* whether there is JSON inside is not for strangers */
    else if (r->refusal.code != ERR_OK)
        do_or_offload(r, check_json);
    else if (is_plain)
        do_or_offload(r, read_parameters);
    else if (slice_is_word(encoding, "gzip"))
        read_packed(r);
    else
        answer_error(r, ERR_SERIALIZATION, "The Content-Encoding is not known: gzip is");
}
