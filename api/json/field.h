/* Fields of a request: one call per field that reads a value of the wanted type or says, in DynamoDB's words,
 * what was found instead. JSON null counts as absent everywhere, as in DynamoDB.
 *
 * All return ERR_SERIALIZATION with words in `error` (a wrong type, or text that is not JSON), or
 * ERR_NO_MEMORY when the arena is spent. Source of the words: answers recorded from DynamoDB. */
#pragma once

#include "api/json/json.h"
#include "base/error.h"

/* ret_text.data is NULL when absent; else it lives as long as body and arena. */
enum err field_string(struct json *j, struct arena *arena, struct slice *ret_text,
                      struct error *error) MUST_CHECK;

/* ret_is_present says whether there was one; ret_value is untouched otherwise. */
enum err field_bool(struct json *j, bool *ret_is_present, bool *ret_value, struct error *error) MUST_CHECK;

/* java_type  "Integer" or "Long", for the words; decides the range as well. A fraction is cut off, as Java
 * does; a value out of range saturates. */
enum err field_integer(struct json *j, const char *java_type, bool *ret_is_present, int64_t *ret_value,
                       struct error *error) MUST_CHECK;

/* Then json_object_next until false. class_name for the words: "TableName's shape in the model", such as
 * "ProvisionedThroughput"; for maps use field_map_begin. */
enum err field_object_begin(struct json *j, const char *class_name, bool *ret_is_present,
                            struct error *error) MUST_CHECK;
/* value_class: "AttributeValue", or "java.lang.String" with its package. */
enum err field_map_begin(struct json *j, const char *value_class, bool *ret_is_present,
                         struct error *error) MUST_CHECK;
/* Then json_array_next until false. */
enum err field_list_begin(struct json *j, bool *ret_is_present, struct error *error) MUST_CHECK;
/* The same three for elements of lists and values of maps, where DynamoDB's words differ for scalars. */
enum err field_element_object_begin(struct json *j, const char *class_name, struct error *error) MUST_CHECK;

/* What to answer when the scanner itself failed. */
enum err field_syntax_error(struct error *error);
