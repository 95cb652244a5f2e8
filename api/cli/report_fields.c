/* Fields of control's answers, as text. */
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "api/cli/report_internal.h"

const char *report_text(const json_t *object, const char *field)
{
    return json_string_value(json_object_get(object, field));
}

long long report_number(const json_t *object, const char *field)
{
    return json_integer_value(json_object_get(object, field));
}

bool report_truth(const json_t *object, const char *field)
{
    return json_is_true(json_object_get(object, field));
}

const char *report_time(long long us, char to[REPORT_TIME_BYTES])
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm parts;
    if (us <= 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(to, REPORT_TIME_BYTES, "%FT%TZ", &parts) == 0)
        (void)snprintf(to, REPORT_TIME_BYTES, "never"); /* fits */
    return to;
}

enum err report_finish(struct columns *columns, struct buffer *to)
{
    columns_write(columns, to);
    columns_deinit(columns);
    return buffer_has_failed(to) ? ERR_NO_MEMORY : ERR_OK;
}
