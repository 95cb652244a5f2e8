/* What to say about the value that comes next when it is not of the wanted type. */
#pragma once

#include "api/json/field.h"

/* A scalar of java_type ("String") was wanted. */
enum err type_error_convert(struct json *j, const char *java_type, const char *java_class,
                            struct error *error);
/* An object or a list was wanted. */
enum err type_error_container(struct json *j, const char *scalar_words, const char *collection_class,
                              struct error *error);
