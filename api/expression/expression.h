/* From an expression's text to a program (dataplane/expression/program.h), refusing in DynamoDB's words.
 *
 *     struct expression_context context;
 *     TRY(expression_context_init(&context, &substitutions, arena, error));
 *     TRY(expression_parse(&context, EXPRESSION_UPDATE, text, &update_bytes, error));
 *     TRY(expression_parse(&context, EXPRESSION_CONDITION, text, &condition_bytes, error));
 *     TRY(expression_context_check_unused(&context, error));
 *     ... the table is looked up ...
 *     TRY(expression_check_keys(&program, &schema, error));
 *
 * One context serves one request: names and values are shared by its expressions and all must be used.
 * Parsing is iterative: nesting costs entries in an array bounded by the text's length, never stack. Every
 * refusal is ERR_VALIDATION with the words in `error`. Not thread-safe. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "dataplane/expression/program.h"

enum {
    EXPRESSION_BYTES_MAX = 4096,                 /* DynamoDB: "maximum length of any expression string" */
    EXPRESSION_OPERATORS_MAX = 300,              /* AND, OR, NOT, comparators, BETWEEN, IN, +, - */
    EXPRESSION_TOKEN_BYTES_MAX = 255,            /* #name, :value */
    EXPRESSION_SUBSTITUTION_BYTES_MAX = 2 << 20, /* all names and values of a request together */
};

enum expression_kind {
    EXPRESSION_CONDITION,     /* ConditionExpression */
    EXPRESSION_FILTER,        /* FilterExpression */
    EXPRESSION_KEY_CONDITION, /* KeyConditionExpression */
    EXPRESSION_UPDATE,        /* UpdateExpression */
    EXPRESSION_PROJECTION,    /* ProjectionExpression */
};

/* One entry of ExpressionAttributeNames (token "#n", bytes of the name) or ExpressionAttributeValues (token
 * ":v", encoded value). Borrowed until the last parse. */
struct expression_substitution {
    struct slice token;
    struct slice content;
};

struct expression_substitutions {
    bool has_names; /* the parameter was there: an empty one is refused */
    bool has_values;
    const struct expression_substitution *names;
    const struct expression_substitution *values;
    size_t name_count;
    size_t value_count;
};

struct expression_table;

struct expression_context {
    /* Leave alone. */
    struct arena *arena;
    struct expression_table *names;
    struct expression_table *values;
    uint64_t parse; /* counts the parses */
};

/* Check the tokens and index them in `arena`, which must outlive the context.
 *
 * ERR_VALIDATION  an empty parameter, a token that is none, a token over its length, all over 2 MB.
 * ERR_NO_MEMORY   the arena is spent. */
enum err expression_context_init(struct expression_context *context,
                                 const struct expression_substitutions *substitutions, struct arena *arena,
                                 struct error *error) MUST_CHECK;

/* Parse one expression and append its program to `ret_program`.
 *
 * ERR_VALIDATION  refused; nothing was appended.
 * ERR_NO_MEMORY   arena or buffer. */
enum err expression_parse(struct expression_context *context, enum expression_kind kind, struct slice text,
                          struct buffer *ret_program, struct error *error) MUST_CHECK;

/* After the last expression of the request: every name and value must have been used. */
enum err expression_context_check_unused(const struct expression_context *context,
                                         struct error *error) MUST_CHECK;

/* ---- once the table is known ---- */

/* A key attribute of the table or of one of its indexes. */
struct expression_key {
    struct slice name;
    uint8_t tag;             /* type by the schema: VALUE_S, VALUE_N or VALUE_B */
    bool is_table_key;       /* false: of an index */
    struct slice index_name; /* of an index */
};

/* What the schema forbids, in DynamoDB's order: updating a key of the table, setting an index key to a value
 * of another type, paths into a key attribute. Works for programs of all kinds.
 *
 * ERR_VALIDATION  with the words. */
enum err expression_check_keys(const struct program *program, const struct expression_key *keys,
                               size_t key_count, struct error *error) MUST_CHECK;
