/* As much of HTTP/1.1 as the answers of DynamoDB endpoints need: a status line, headers, a body of
 * Content-Length bytes. Anything else (chunks, continuations) counts as malformed, never as an answer. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"

enum load_response_state { LOAD_RESPONSE_PARTIAL, LOAD_RESPONSE_WHOLE, LOAD_RESPONSE_MALFORMED };

enum { LOAD_RESPONSE_BYTES_MAX = 2 * 1024 * 1024 };

struct load_response {
    struct buffer bytes; /* what has come of it; append, then parse */
    /* Set when whole. */
    unsigned status;
    struct slice body; /* in `bytes` */
    bool is_last;      /* the server closes the connection after it */
    /* Leave alone. */
    size_t head_bytes; /* 0: its end is not here */
    size_t body_bytes;
};

void load_response_init(struct load_response *r);
void load_response_deinit(struct load_response *r);
/* Be ready for the next one. */
void load_response_clear(struct load_response *r);
/* Look at what has been appended. */
enum load_response_state load_response_parse(struct load_response *r);
/* The exception's short name ("ThrottlingException") of a whole answer that is none of success; a view, empty
 * when it has none. */
struct slice load_response_exception(const struct load_response *r);
/* The object of a member ("LastEvaluatedKey") that stands once in a whole answer and has no braces in texts; a view
 * with its braces, empty when there is none. */
struct slice load_response_object(const struct load_response *r, const char *name);
