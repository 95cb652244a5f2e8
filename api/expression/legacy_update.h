/* AttributeUpdates, which was before UpdateExpression: a map from attributes to what becomes of them.
 *
 *     {"views": {"Action": "ADD", "Value": {"N": "1"}}, "old": {"Action": "DELETE"}, "title": {"Value": {"S": "x"}}} */
#pragma once

#include "api/expression/legacy.h"

enum legacy_action { LEGACY_PUT, LEGACY_ADD, LEGACY_DELETE };

/* As the request has it; all of it is borrowed until it has been compiled. */
struct legacy_update {
    struct legacy_attribute attribute;
    enum legacy_action action; /* not given: LEGACY_PUT */
    struct slice value;        /* encoded; data NULL: not given */
};

struct legacy_updates {
    bool is_given;
    struct legacy_update *updates;
    size_t count; /* also of those beyond LEGACY_ENTRIES_MAX, which are not there */
};

/* LEGACY_PUT: there is none of this name. */
enum legacy_action legacy_action_from_name(struct slice name);

/* Check, and append the program; nothing when there are no updates.
 * ERR_VALIDATION  with DynamoDB's words; with our own for what is beyond our bounds
 * ERR_NO_MEMORY */
enum err legacy_updates_compile(struct legacy_updates *updates, struct buffer *ret_program,
                                struct error *error) MUST_CHECK;

/* What a node said of such a program, which it takes for an expression's, in the words for AttributeUpdates. */
const char *legacy_update_words(const char *text);
