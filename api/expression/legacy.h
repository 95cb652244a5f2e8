/* What the parameters that are older than expressions have in common. Each is a map or list by attribute: a name, never a
 * path. They become the programs that expressions become (legacy_condition.h, legacy_update.h, legacy_projection.h), so
 * that nobody behind the router knows of them.
 *
 * DynamoDB does not bound them but by the size of a request. We do, as what they ask for is run on a loop. */
#pragma once

#include "api/expression/expression.h"
#include "dataplane/expression/program_builder.h"

enum {
    LEGACY_ENTRIES_MAX = 4096, /* attributes of AttributeUpdates; values of all conditions of one parameter */
    LEGACY_NAMES_MAX = 1024,   /* AttributesToGet: each item that is read is looked through for them */
    LEGACY_OPERATORS_MAX = 300, /* of those, what looks into the item: as an expression's */
};

/* A map's key or a list's element. Structs that sort as these do begin with one. */
struct legacy_attribute {
    struct slice name;
    size_t position; /* in the request */
};

/* Sort by name; of a name that occurs more than once keep the last, as everywhere in JSON. entry_bytes: of one entry.
 * Returns how many are left. */
size_t legacy_unique(void *entries, size_t count, size_t entry_bytes);
int legacy_compare(const void *a, const void *b); /* for qsort: by name, then by position */

/* parameter: its name, for the words.
 * ERR_VALIDATION  more than `most`, or a name that no attribute can have; with words of our own */
enum err legacy_check_count(const char *parameter, size_t count, size_t most, struct error *error) MUST_CHECK;
enum err legacy_check_name(struct slice name, struct error *error) MUST_CHECK;

/* A path of this one name. */
uint16_t legacy_path(struct program_builder *b, struct slice name);
/* Append the program and release the builder. ERR_NO_MEMORY */
enum err legacy_finish(struct program_builder *b, struct buffer *ret_program) MUST_CHECK;
