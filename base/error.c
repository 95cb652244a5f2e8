#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

struct err_row {
    const char *name;
    const char *exception;
    const char *sentence;
    int status;
    enum fault fault;
    bool is_retryable;
};

static const struct err_row rows[ERR_COUNT] = {
#define ERROR(code, exception, status, fault, retryable, sentence) \
    [ERR_##code] = {#code, exception, sentence, status, FAULT_##fault, retryable},
#include "base/errors.def"
#undef ERROR
};

static const struct err_row *row(enum err code)
{
    ASSERT((unsigned)code < ERR_COUNT);
    return &rows[code];
}

const char *err_name(enum err code)
{
    return row(code)->name;
}

bool err_from_name(const char *name, enum err *ret_code)
{
    for (int code = 0; code < ERR_COUNT; code++) {
        if (strcmp(rows[code].name, name) == 0) {
            *ret_code = (enum err)code;
            return true;
        }
    }
    return false;
}

const char *err_sentence(enum err code)
{
    return row(code)->sentence;
}

const char *err_exception(enum err code)
{
    return row(code)->exception;
}

int err_http_status(enum err code)
{
    return row(code)->status;
}

enum fault err_fault(enum err code)
{
    return row(code)->fault;
}

bool err_is_retryable(enum err code)
{
    return row(code)->is_retryable;
}

void error_cut_text(char *text, size_t bytes)
{
    size_t end = strlen(text);
    if (end + 1 < bytes)
        return;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80)
        end--;
    if (end > 0 && ((unsigned char)text[end - 1] & 0x80) != 0)
        end--;
    text[end] = '\0';
}

enum err error_set(struct error *error, enum err code, const char *format, ...)
{
    if (error == NULL)
        return code;
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error_cut_text(error->text, sizeof error->text);
    return code;
}

enum err error_wrap(struct error *error, enum err code, const char *format, ...)
{
    if (error == NULL)
        return code;
    char inner[ERROR_TEXT_BYTES];
    snprintf(inner, sizeof inner, "%s",
             error->code == code && error->text[0] != '\0' ? error->text : err_sentence(code));
    char outer[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(outer, sizeof outer, format, arguments);
    va_end(arguments);
    error->code = code;
    int used = snprintf(error->text, sizeof error->text, "%.*s: ", ERROR_TEXT_BYTES / 2, outer);
    if (used > 0 && (size_t)used < sizeof error->text)
        snprintf(error->text + used, sizeof error->text - (size_t)used, "%.*s",
                 (int)(sizeof error->text - (size_t)used - 1), inner);
    error_cut_text(error->text, sizeof error->text);
    return code;
}
