#include "controlplane/control/answer.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

void answer_init(struct answer *a)
{
    *a = (struct answer){0};
    buffer_init(&a->body, ANSWER_BODY_BYTES_MAX);
}

void answer_deinit(struct answer *a)
{
    buffer_deinit(&a->body);
}

enum err answer_refuse(struct answer *a, enum err code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    a->code = code;
    (void)vsnprintf(a->message, sizeof a->message, format, arguments); /* cut: the head says enough */
    va_end(arguments);
    error_cut_text(a->message, sizeof a->message);
    return code;
}

void answer_exception(const struct answer *a, char *to, size_t bytes)
{
    const char *name = err_exception(a->code);
    if (name == NULL)
        name = err_exception(ERR_INTERNAL);
    /* DynamoDB's own namespaces; SDKs take what is behind the '#'. */
    const char *space = "com.amazonaws.dynamodb.v20120810";
    if (a->code == ERR_VALIDATION)
        space = "com.amazon.coral.validate";
    else if (a->code == ERR_SERIALIZATION || a->code == ERR_UNKNOWN_OPERATION || a->code == ERR_ACCESS_DENIED)
        space = "com.amazon.coral.service";
    (void)snprintf(to, bytes, "%s#%s", space, name); /* room for the longest */
}

static int append(const char *bytes, size_t length, void *data)
{
    buffer_append(data, slice_make(bytes, length));
    return 0;
}

enum err answer_json(struct answer *a, struct json_t *body)
{
    bool is_good = body != NULL &&
                   json_dump_callback(body, append, &a->body, JSON_COMPACT | JSON_REAL_PRECISION(14)) == 0 &&
                   !buffer_has_failed(&a->body);
    json_decref(body);
    return is_good ? ERR_OK : answer_refuse(a, ERR_INTERNAL, "%s", err_sentence(ERR_INTERNAL));
}
