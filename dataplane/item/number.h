/* Numbers: decimals of up to 38 digits in an order-preserving, self-delimiting form (docs/formats/number.md).
 *
 * The bytes are the value: equal numbers have equal bytes, and memcmp orders them as numbers, also when
 * other bytes follow. So the same form serves inside items, sets and keys.
 *
 *     sign(1) | exponent(1) | digit pairs(1 each)        zero is the sign byte alone
 *
 * Range as in DynamoDB: magnitudes 1E-130 to 9.99..E+125, 38 significant digits. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

enum {
    NUMBER_DIGITS_MAX = 38,
    NUMBER_EXPONENT_MIN = -130, /* of the first digit */
    NUMBER_EXPONENT_MAX = 125,
    NUMBER_BYTES_MAX = 21,
    NUMBER_TEXT_BYTES_MAX = 170, /* sign, "0.", 129 zeros, 38 digits */
};

/* A number in normal form, as a value. */
struct number {
    uint8_t length;
    uint8_t bytes[NUMBER_BYTES_MAX];
};

/* What can be wrong with a number that a tenant sends or computes. */
enum number_status {
    NUMBER_OK,
    NUMBER_NOT_NUMERIC,
    NUMBER_TOO_PRECISE, /* more than 38 significant digits */
    NUMBER_OVERFLOW,
    NUMBER_UNDERFLOW,
};

static inline struct slice number_view(const struct number *n)
{
    return slice_make(n->bytes, n->length);
}

/* Read DynamoDB's text forms: [+-] digits with at most one point [eE [+-] digits]; no blanks.
 *
 * Magnitude is checked before precision. Zero is subject to the upper limit only, through its written
 * exponent: 0e126 overflows and 0.0e126 does not (an oddity of DynamoDB's).
 * ret_number is untouched unless NUMBER_OK. */
enum number_status number_parse(struct slice text, struct number *ret_number) MUST_CHECK;

/* Plain decimal as DynamoDB prints it: no exponent, no needless zeros. `bytes` is a normal form (checked
 * by number_is_valid). Returns the length, at most NUMBER_TEXT_BYTES_MAX; no NUL. */
size_t number_print(struct slice bytes, char text[NUMBER_TEXT_BYTES_MAX]);
void number_append_text(struct slice bytes, struct buffer *to);

/* Exact sum and difference of two normal forms.
 *
 * A result that needs more than 38 digits is NUMBER_TOO_PRECISE: nothing is ever rounded. (DynamoDB
 * refuses it too, but calls it an overflow: number_arithmetic_error says the same.) */
enum number_status number_add(struct slice a, struct slice b, struct number *ret_sum) MUST_CHECK;
enum number_status number_subtract(struct slice a, struct slice b, struct number *ret_difference) MUST_CHECK;

struct number number_from_int64(int64_t value);
/* False when it has a fraction or does not fit. */
bool number_to_int64(struct slice bytes, int64_t *ret_value);

/* <0, 0, >0; on normal forms the same as slice_compare. */
static inline int number_compare(struct slice a, struct slice b)
{
    return slice_compare(a, b);
}

/* Whether untrusted bytes are exactly one normal form. */
bool number_is_valid(struct slice bytes);
/* The length of the normal form at the start of untrusted bytes, 0 when there is none. */
size_t number_length(struct slice bytes);

/* Bytes that count for capacity and the 400 KB limit. DynamoDB: 1 for zero, else
 * 1 + ceil(d/2) + (d odd or e odd ? 0 : 1) + (negative ? 1 : 0), with d digits and exponent e. */
size_t number_size_bytes(struct slice bytes);

/* ERR_VALIDATION with DynamoDB's sentence for a status that is not NUMBER_OK.
 * text  what was sent, echoed for NUMBER_NOT_NUMERIC */
enum err number_parse_error(enum number_status status, struct slice text, struct error *error);
enum err number_arithmetic_error(enum number_status status, struct error *error);
