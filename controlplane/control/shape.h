/* Shapes of requests: what a JSON request may look like, as tables, and the two first layers of DynamoDB's validation.
 *
 * First types, where the first fault is a SerializationException; then constraints, collected up to ten into one
 * ValidationException ("N validation errors detected: Value 'v' at 'path' failed to satisfy constraint: ..."). Paths are
 * lower camel case, list positions count from 1: keySchema.1.member.keyType. JSON null is the same as absent. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum shape_kind { SHAPE_STRING, SHAPE_LONG, SHAPE_BOOLEAN, SHAPE_LIST, SHAPE_STRUCT };

struct shape {
    const char *name; /* of the member, as on the wire: "TableName" */
    enum shape_kind kind;
    const char *class_name;      /* STRUCT: as DynamoDB prints it: "KeySchemaElement" */
    bool is_required;            /* must not be null */
    int64_t minimum;             /* of a LONG, or of the length of a STRING or LIST; 0 = none */
    int64_t maximum;             /* likewise */
    const char *pattern;         /* only names: "[a-zA-Z0-9_.-]+" is understood */
    const char *const *allowed;  /* STRING: an enum's values, NULL-terminated, in DynamoDB's order */
    const struct shape *members; /* STRUCT: its members; LIST: one, the element */
    size_t member_count;
};

#define SHAPE_MEMBERS(array) .members = (array), .member_count = sizeof(array) / sizeof((array)[0])

/* A member's value, NULL when absent or null. */
json_t *shape_member(const json_t *object, const char *name);

/* ERR_SERIALIZATION  a value has the wrong type; error says which, in DynamoDB's words */
enum err shape_check_types(const struct shape *shape, const json_t *value, struct error *error) MUST_CHECK;
/* After the types.
 * ERR_VALIDATION  with the collected words, which may be longer than an error's text: into `text` */
enum err shape_check_constraints(const struct shape *shape, const json_t *value, char *text,
                                 size_t text_bytes) MUST_CHECK;
