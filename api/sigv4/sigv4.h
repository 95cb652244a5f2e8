/* AWS Signature Version 4: what both sides of a signature share.
 *
 * A signature covers a canonical form of the request (method, path, query, the headers that it names, the hash
 * of the body) and a scope: date, region, service. verify.h checks one, sign.h makes one. Everything here is
 * pure: time, secrets and the body's hash are passed in. */
#pragma once

#include "api/sigv4/sha256.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    SIGV4_SIGNED_HEADERS_MAX = 64, /* names in SignedHeaders */
    SIGV4_PARAMETERS_MAX = 128,    /* pairs in a query string */
    SIGV4_DATE_CHARS = 16,         /* 20260131T235959Z */
    SIGV4_TEXT_BYTES = 1024,
};

struct sigv4_header {
    struct slice name; /* any case */
    struct slice value;
};

/* The request as it stood on the wire; all bytes are borrowed. */
struct sigv4_request {
    struct slice method;
    struct slice path;  /* the raw path of the request line, not decoded */
    struct slice query; /* raw, without the question mark */
    const struct sigv4_header *headers;
    size_t header_count;
};

/* Why a signature was refused. The text is longer than a struct error's, as it repeats the caller's header. */
struct sigv4_refusal {
    enum err code;
    char text[SIGV4_TEXT_BYTES]; /* NUL-terminated; cut when longer */
};

/* `to` gets "20260131T235959Z" and a NUL. wall_us: microseconds since 1970. */
void sigv4_date_format(uint64_t wall_us, char to[SIGV4_DATE_CHARS + 1]);
/* ISO 8601 basic format, or RFC 1123 as the Date header has it; false for anything else. */
bool sigv4_date_parse(struct slice text, uint64_t *ret_wall_us);
