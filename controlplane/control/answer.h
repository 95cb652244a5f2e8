/* The answer of control to one operation of a tenant or operator: a status and either JSON or an exception. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

enum { ANSWER_MESSAGE_BYTES = 2048, ANSWER_BODY_BYTES_MAX = 1024 * 1024 };

struct answer {
    enum err code; /* ERR_OK, or one that has an exception in base/errors.def */
    char message[ANSWER_MESSAGE_BYTES];
    uint64_t bundle_version; /* the change shows in bundles from this version on; 0 = no change */
    struct buffer body;      /* JSON, on success */
};

void answer_init(struct answer *a);
void answer_deinit(struct answer *a);
/* Refuse: the code's exception with these words. Returns code. */
enum err answer_refuse(struct answer *a, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The full __type of a DynamoDB error. */
void answer_exception(const struct answer *a, char *to, size_t bytes);

struct json_t;
/* Take the reference to `body` and dump it. ERR_INTERNAL: NULL or no memory (the answer says so then). */
enum err answer_json(struct answer *a, struct json_t *body);
