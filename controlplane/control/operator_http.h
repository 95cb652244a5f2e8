/* The operator port: JSON over HTTP with a bearer token, on a thread of its own that only carries requests to control's
 * loop and answers back (controlplane/control/operator_api.c). */
#pragma once

#include "base/error.h"
#include "base/mailbox.h"

struct control;
struct operator_http;

struct operator_http_options {
    const char *host;  /* numeric */
    uint16_t port;     /* 0 = any free one */
    const char *token; /* "Authorization: Bearer <token>"; outlives it */
    struct mailbox *mailbox;
    struct control *control;
};

/* ERR_CONFIG: not an address. ERR_IO: it cannot listen. ERR_NO_MEMORY */
enum err operator_http_open(const struct operator_http_options *options, struct operator_http **ret_http,
                            struct error *error) MUST_CHECK;
uint16_t operator_http_port(const struct operator_http *http);
/* Answers what is under way with 503 and waits for the thread. What the loop still has of requests is freed when it is
 * done with them. NULL: does nothing. */
void operator_http_close(struct operator_http *http);
