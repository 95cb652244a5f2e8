#include "api/router/router_internal.h"

#include <string.h>

static const char TYPE_SERVICE[] = "com.amazon.coral.service#";
static const char TYPE_VALIDATE[] = "com.amazon.coral.validate#";
static const char TYPE_DYNAMODB[] = "com.amazonaws.dynamodb.v20120810#";

/* Where each exception lives in DynamoDB's own naming; SDKs take what is behind the #. */
static const char *type_prefix(enum err code)
{
    switch ((int)code) {
    case ERR_VALIDATION:
        return TYPE_VALIDATE;
    case ERR_SERIALIZATION:
    case ERR_UNKNOWN_OPERATION:
    case ERR_MISSING_AUTHENTICATION_TOKEN:
    case ERR_INCOMPLETE_SIGNATURE:
    case ERR_INVALID_SIGNATURE:
    case ERR_UNRECOGNIZED_CLIENT:
    case ERR_ACCESS_DENIED:
    case ERR_REQUEST_TIMEOUT:
    case ERR_REQUEST_TOO_LARGE:
    case ERR_SERVICE_UNAVAILABLE:
        return TYPE_SERVICE;
    default:
        return TYPE_DYNAMODB;
    }
}

static void count(struct request *r, int status)
{
    if (status >= 500)
        metric_increment(&r->router->metrics.failed_service);
    else if (status >= 400)
        metric_increment(&r->router->metrics.refused_caller);
}

/* content_type: empty for JSON, as it was asked for. */
static void respond_as(struct request *r, int status, struct slice content_type, struct buffer *body)
{
    struct http_request *http = r->http;
    count(r, status);
    if (buffer_has_failed(body)) {
        buffer_deinit(body);
        request_release(r);
        http_respond_error(http, ERR_INTERNAL, NULL);
        return;
    }
    request_release(r);
    const struct http_response response = {.status = status, .content_type = content_type, .body = body};
    http_respond(http, &response);
    buffer_deinit(body);
}

static void respond(struct request *r, int status, struct buffer *body)
{
    respond_as(r, status, SLICE_EMPTY, body);
}

void answer_xml(struct request *r, int status, struct buffer *body)
{
    respond_as(r, status, SLICE_LITERAL("text/xml"), body);
}

void answer_json(struct request *r, struct buffer *body)
{
    respond(r, 200, body);
}

/* Old and new clients look for the words under either name. */
static void begin_error(struct json_writer *w, struct buffer *body, const char *prefix, const char *type,
                        const char *text)
{
    buffer_init(body, REPLY_BYTES_MAX);
    json_writer_init(w, body);
    json_write_object_begin(w);
    json_write_name(w, "__type");
    char full[128];
    size_t prefix_length = strlen(prefix), type_length = strlen(type);
    if (prefix_length + type_length > sizeof full)
        type_length = sizeof full - prefix_length;
    memcpy(full, prefix, prefix_length);
    memcpy(full + prefix_length, type, type_length);
    json_write_string(w, slice_make(full, prefix_length + type_length));
    if (text[0] == '\0')
        return;
    json_write_name(w, "message");
    json_write_words(w, text);
    json_write_name(w, "Message");
    json_write_words(w, text);
}

static void write_error(struct buffer *body, const char *prefix, const char *type, const char *text,
                        struct slice item)
{
    struct json_writer w;
    begin_error(&w, body, prefix, type, text);
    if (item.length > 0) {
        json_write_name(&w, "Item");
        json_write_item(&w, item);
    }
    json_write_object_end(&w);
}

void answer_error(struct request *r, enum err code, const char *text)
{
    if (err_exception(code) == NULL)
        code = ERR_INTERNAL;
    struct buffer body;
    write_error(&body, type_prefix(code), err_exception(code), text == NULL ? err_sentence(code) : text,
                SLICE_EMPTY);
    respond(r, err_http_status(code), &body);
}

void answer_error_begin(struct json_writer *w, struct buffer *body, enum err code, const char *text)
{
    begin_error(w, body, type_prefix(code), err_exception(code), text == NULL ? err_sentence(code) : text);
}

void answer_error_end(struct request *r, struct json_writer *w, struct buffer *body, enum err code)
{
    json_write_object_end(w);
    respond(r, err_http_status(code), body);
}

void answer_exception(struct request *r, int status, const char *type, const char *text)
{
    struct buffer body;
    write_error(&body, "", type, text, SLICE_EMPTY);
    respond(r, status, &body);
}

void answer_condition_failed_write(struct buffer *body, struct slice item)
{
    enum err code = ERR_CONDITIONAL_CHECK_FAILED;
    write_error(body, type_prefix(code), err_exception(code), err_sentence(code), item);
}

void answer_condition_failed(struct request *r, struct buffer *body)
{
    respond(r, err_http_status(ERR_CONDITIONAL_CHECK_FAILED), body);
}
