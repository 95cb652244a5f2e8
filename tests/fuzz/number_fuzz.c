/* Numbers: a line of text each; and foreign bytes that may be a normal form. */
#include "dataplane/item/number.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const struct number *n)
{
    char text[NUMBER_TEXT_BYTES_MAX];
    struct number again;
    size_t length = number_print(number_view(n), text);
    ASSERT(length >= 1 && length <= sizeof text);
    ASSERT(number_parse(slice_make(text, length), &again) == NUMBER_OK);
    ASSERT(slice_equal(number_view(n), number_view(&again)));
}

/* a - b is -(b - a), and where nothing was refused, (a - b) + b is a and 0 + a is a. */
static void check_arithmetic(const struct number *a, const struct number *b)
{
    struct number difference, opposite, sum, zero = number_from_int64(0);
    enum number_status status = number_subtract(number_view(a), number_view(b), &difference);
    ASSERT(number_subtract(number_view(b), number_view(a), &opposite) == status);
    ASSERT(number_add(number_view(&zero), number_view(a), &sum) == NUMBER_OK);
    ASSERT(slice_equal(number_view(&sum), number_view(a)));
    if (status != NUMBER_OK)
        return;
    int order = number_compare(number_view(a), number_view(b));
    int sign = number_compare(number_view(&difference), number_view(&zero));
    ASSERT((order < 0) == (sign < 0) && (order > 0) == (sign > 0));
    ASSERT(number_add(number_view(&difference), number_view(&opposite), &sum) == NUMBER_OK);
    ASSERT(slice_equal(number_view(&sum), number_view(&zero)));
    ASSERT(number_add(number_view(&difference), number_view(b), &sum) == NUMBER_OK);
    ASSERT(slice_equal(number_view(&sum), number_view(a)));
}

static void check_foreign(struct slice bytes)
{
    size_t length = number_length(bytes);
    ASSERT(length <= bytes.length && length <= NUMBER_BYTES_MAX);
    ASSERT(number_is_valid(bytes) == (length == bytes.length && length > 0));
    char text[NUMBER_TEXT_BYTES_MAX];
    ASSERT(number_print(bytes, text) <= sizeof text); /* of any bytes: some number or other */
    if (length == 0)
        return;
    struct number n = {.length = (uint8_t)length};
    memcpy(n.bytes, bytes.data, length);
    check_text(&n);
    int64_t value;
    if (!number_to_int64(number_view(&n), &value))
        return;
    struct number again = number_from_int64(value);
    ASSERT(slice_equal(number_view(&n), number_view(&again)));
}

void fuzz_input(struct slice input)
{
    struct number a, b = number_from_int64(0);
    check_foreign(input);
    while (input.length > 0) {
        struct slice line = fuzz_line(&input);
        enum number_status status = number_parse(line, &a);
        if (status != NUMBER_OK) {
            struct error error;
            ASSERT(number_parse_error(status, line, &error) == ERR_VALIDATION);
            continue;
        }
        ASSERT(number_is_valid(number_view(&a)));
        ASSERT(number_size_bytes(number_view(&a)) <= NUMBER_BYTES_MAX + 1);
        check_text(&a);
        check_arithmetic(&a, &b);
        b = a;
    }
}
