/* Errors: an enum that functions return, and words that are added where a person will read them.
 *
 * Functions that can fail return `enum err` and are MUST_CHECK; ERR_OK is 0. Boundary functions also take
 * a final `struct error *error` (may be NULL) that says what was wrong, in words. No errno, SQLSTATE or
 * libuv code leaves the shell that met it. The list is base/errors.def. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum err {
#define ERROR(code, name, status, fault, retryable, sentence) ERR_##code,
#include "base/errors.def"
#undef ERROR
    ERR_COUNT
};

enum fault { FAULT_NONE, FAULT_CALLER, FAULT_SERVICE };

#define MUST_CHECK __attribute__((warn_unused_result))

enum { ERROR_TEXT_BYTES = 1024 }; /* DynamoDB's words repeat names of up to 255 bytes, several times */

struct error {
    enum err code;
    char text[ERROR_TEXT_BYTES]; /* NUL-terminated; cut at a UTF-8 boundary when longer */
};

/* Leave this function with the callee's error; for use where nothing is held. */
#define TRY(call)                  \
    do {                           \
        enum err try_err = (call); \
        if (try_err != ERR_OK)     \
            return try_err;        \
    } while (0)

/* Run `function(&variable)` when the variable's scope ends. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* "ERR_THROTTLED" without the prefix, never NULL. */
const char *err_name(enum err code);
/* The code of such a name; false when there is none (a newer service's error). */
bool err_from_name(const char *name, enum err *ret_code);
/* The default sentence, never NULL. */
const char *err_sentence(enum err code);
/* The DynamoDB exception's short name, or NULL where a tenant never sees this code. */
const char *err_exception(enum err code);
int err_http_status(enum err code);
enum fault err_fault(enum err code);
bool err_is_retryable(enum err code);

/* Set code and words, returning the code so that `return error_set(...)` reads well. `error` may be NULL. */
enum err error_set(struct error *error, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* After printing into `text` of `bytes`: if it was cut, let it not end within a character of UTF-8, which would make the
 * answer invalid JSON. */
void error_cut_text(char *text, size_t bytes);

/* Put "context: " before the words on the way out; keeps the code. */
enum err error_wrap(struct error *error, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
