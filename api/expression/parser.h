/* What the three grammars share: reading tokens, paths and operands, and the checks on them.
 *
 * A syntax error ends the parse at once (ERR_VALIDATION, words set). Anything else that is wrong goes to
 * `problems` and the parse goes on; the program that is built meanwhile is then thrown away. */
#pragma once

#include "api/expression/context.h"
#include "api/expression/lexer.h"
#include "api/expression/problems.h"
#include "dataplane/expression/program_builder.h"
#include "dataplane/item/item.h"

struct parsed_part {
    bool is_index;
    uint32_t index;
    struct slice name; /* substituted */
};

struct parsed_path {
    uint32_t first; /* in parser.parts */
    uint32_t count;
};

enum parsed_kind {
    PARSED_UNDEFINED, /* a value that is not defined: a problem is noted */
    PARSED_PATH,
    PARSED_VALUE,
    PARSED_SIZE,
    PARSED_FUNCTION, /* any other function's result */
};

/* An operand, or a function with its first arguments. */
struct parsed_operand {
    enum parsed_kind kind;
    uint8_t tag;        /* type, as far as known from the text; 0 */
    uint8_t code_kind;  /* enum operand_kind */
    uint16_t number;    /* of the path or value */
    uint32_t token;     /* the function's name */
    struct slice value; /* encoded, of PARSED_VALUE */
    uint32_t argument_count;
    struct parsed_argument {
        uint8_t code_kind;
        uint16_t number;
        struct slice value;
    } arguments[2];
};

/* A function whose arguments are being read. */
struct parsed_call {
    uint32_t token;
    uint32_t argument_count;
    struct parsed_operand arguments[2];
};

struct parser {
    struct expression_context *context;
    enum expression_kind kind;
    struct token_list tokens;
    uint32_t at;
    uint32_t operator_count;
    uint64_t parse; /* distinguishes the numbers kept in the context's entries */
    struct program_builder builder;
    struct problems problems;
    struct parsed_part *parts;
    uint32_t part_count;
    struct parsed_path *paths; /* by path number */
    uint32_t path_count;
    struct parsed_call *calls;
    struct error *error;
};

/* ---- parser.c ---- */

/* "ConditionExpression" */
const char *expression_kind_name(enum expression_kind kind);
static inline bool expression_is_condition(enum expression_kind kind)
{
    return kind != EXPRESSION_UPDATE && kind != EXPRESSION_PROJECTION;
}

static inline enum token_kind parser_peek(const struct parser *p)
{
    return p->tokens.tokens[p->at].kind;
}
/* Step over a token of this kind; false, and nothing done, when there is another. */
bool parser_accept(struct parser *p, enum token_kind kind);
/* Syntax error unless the next token is of this kind. */
enum err parser_expect(struct parser *p, enum token_kind kind) MUST_CHECK;
enum err parser_syntax_error(struct parser *p) MUST_CHECK;
void parser_count_operator(struct parser *p);
/* How many tokens of this kind stand from `at` on. Never TOKEN_END. */
uint32_t parser_run_length(const struct parser *p, uint32_t at, enum token_kind kind);

/* Words, #names, .parts, [indexes]. */
enum err parser_path(struct parser *p, uint16_t *ret_number) MUST_CHECK;
/* A :value. */
enum err parser_value(struct parser *p, struct parsed_operand *ret_operand) MUST_CHECK;
/* Path, value or function; nested functions are read with a stack of calls. In an update, the instructions
 * of a function's arguments and of the function are emitted; those of a bare path or value are not. */
enum err parser_operand(struct parser *p, struct parsed_operand *ret_operand) MUST_CHECK;
/* In an update: leave a bare path or value on the stack (a function has done so already). */
void parser_emit_push(struct parser *p, const struct parsed_operand *operand);

/* ---- parser_path.c ---- */

bool parser_paths_are_equal(const struct parser *p, uint16_t a, uint16_t b);
/* "[a, [1], b]", cut to `bytes`. */
const char *parser_path_text(const struct parser *p, uint16_t path, char *text, size_t bytes);
/* Note an overlap or a conflict of `path` with one of the earlier ones. */
void parser_check_overlap(struct parser *p, const uint16_t *earlier, uint32_t count, uint16_t path);

/* ---- functions.c ---- */

/* Check a finished call and make its result. */
void parser_call(struct parser *p, const struct parsed_call *call, struct parsed_operand *ret_operand);
bool call_is(const struct parser *p, uint32_t token, const char *name);
/* Note a function that stands where only values and size() may. */
void parser_check_misuse(struct parser *p, const struct parsed_operand *operand);
/* Note that both operands are one path. name: of the operator or function. */
void parser_check_distinct(struct parser *p, const char *name, const struct parsed_operand *a,
                           const struct parsed_operand *b);
void parser_type_problem(struct parser *p, const char *name, const char *type);

/* ---- conditions ---- */

/* A comparison or function, with the parentheses around its operands. */
enum err parse_condition_leaf(struct parser *p) MUST_CHECK;
void parser_note_redundant(struct parser *p);

static inline bool token_is_comparator(enum token_kind kind)
{
    return kind >= TOKEN_EQUAL && kind <= TOKEN_GREATER_EQUAL;
}

/* ---- the grammars ---- */

enum err parse_condition(struct parser *p) MUST_CHECK;
enum err parse_update(struct parser *p) MUST_CHECK;
enum err parse_projection(struct parser *p) MUST_CHECK;
