#include "api/expression/problems.h"

#include <stdarg.h>
#include <stdio.h>

void problems_add(struct problems *p, enum problem_kind kind, const char *format, ...)
{
    if (problems_has(p, kind))
        return;
    char text[ERROR_TEXT_BYTES * 2];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* error_set cuts what is too long */
    va_end(arguments);
    (void)error_set(&p->found[kind], ERR_VALIDATION, "%s", text);
}

const struct error *problems_first(const struct problems *p, const enum problem_kind *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (problems_has(p, order[i]))
            return &p->found[order[i]];
    return NULL;
}
