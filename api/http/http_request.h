/* A request and its answer, as the router sees them. All slices live until the request is answered. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

struct http_request;

enum { HTTP_HEADERS_MAX = 96, HTTP_REQUEST_ID_CHARS = 52 };

struct http_header {
    struct slice name;
    struct slice value;
};

struct slice http_request_method(const struct http_request *r);
/* The raw path of the request line, not decoded, without the query. */
struct slice http_request_path(const struct http_request *r);
/* Raw, without the question mark. */
struct slice http_request_query(const struct http_request *r);
/* In order of arrival, repeated names apart. A head with more than HTTP_HEADERS_MAX is refused with 431. */
const struct http_header *http_request_headers(const struct http_request *r, size_t *ret_count);
/* The first of this name, in any case; empty when there is none. */
struct slice http_request_header(const struct http_request *r, const char *name);
/* The whole body, from on_request on. The bytes are the server's. */
struct slice http_request_body(const struct http_request *r);
/* As x-amzn-RequestId will say: 52 upper-case letters and digits, different for each request. */
struct slice http_request_id(const struct http_request *r);
/* Boot clock, when the request line was read. */
uint64_t http_request_began_us(const struct http_request *r);
/* The client has gone: see on_cancel. */
bool http_request_is_cancelled(const struct http_request *r);
/* "192.0.2.1" or "2001:db8::1". */
void http_request_client(const struct http_request *r, char *to, size_t bytes);

/* The router's own, NULL at first. */
void http_request_set_data(struct http_request *r, void *data);
void *http_request_data(const struct http_request *r);

struct http_response {
    int status;
    struct slice content_type; /* empty: as the request, for the two that DynamoDB knows, else JSON 1.0 */
    struct buffer *body;       /* its bytes are taken, the buffer is empty afterwards; NULL: no body */
    bool is_last;              /* close the connection afterwards */
};

/* Answer, now or later, once. The request is gone afterwards, and so are all slices of it. Adds x-amzn-RequestId,
 * x-amz-crc32 (of the body's bytes as they are sent), Content-Type, Server and Date. A body over 4 KiB is compressed for
 * those who ask; one over WORKERS_BYTES_MIN (base/workers.h) on a worker, as is its checksum. */
void http_respond(struct http_request *r, const struct http_response *response);

/* Answer with `{"__type":"com.amazon.coral.service#NAME","message":...,"Message":...}` and the error's status
 * (base/errors.def); an error that tenants never see becomes InternalServerError. text: NULL = the default
 * sentence. */
void http_respond_error(struct http_request *r, enum err code, const char *text);
