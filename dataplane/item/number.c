#include "dataplane/item/number.h"

#include "base/assert.h"

/* The sign byte orders the three kinds; a negative number's other bytes are complemented, so that larger
 * magnitudes sort first. A pair byte is 2 * pair, plus 1 when another pair follows. */
enum { SIGN_NEGATIVE = 1, SIGN_ZERO = 2, SIGN_POSITIVE = 3 };
enum { PAIRS_MAX = NUMBER_DIGITS_MAX / 2, ARITHMETIC_DIGITS_MAX = 2 * NUMBER_DIGITS_MAX + 2 };

/* Far beyond any range, far from overflowing 64 bits when text lengths are added. */
static const int64_t EXPONENT_SATURATED = 1000000000000;

STATIC_ASSERT(NUMBER_EXPONENT_MAX - NUMBER_EXPONENT_MIN == 255, "the exponent fits one byte");
STATIC_ASSERT(NUMBER_BYTES_MAX == 2 + PAIRS_MAX, "sign, exponent, pairs");

/* A number taken apart: 0.d0 d1 d2... with d0 != 0, times 10^(exponent + 1). Zero has no digits. */
struct decimal {
    bool is_negative;
    int exponent;
    int count;
    uint8_t digits[NUMBER_DIGITS_MAX];
};

static struct number number_zero(void)
{
    return (struct number){.length = 1, .bytes = {SIGN_ZERO}};
}

/* digits[0] != 0 and digits[count - 1] != 0, all limits kept. */
static void pack(bool is_negative, int exponent, const uint8_t *digits, int count, struct number *ret_number)
{
    uint8_t mask = is_negative ? 0xFF : 0;
    struct number n = {.length = (uint8_t)(2 + (count + 1) / 2)};
    n.bytes[0] = is_negative ? SIGN_NEGATIVE : SIGN_POSITIVE;
    n.bytes[1] = (uint8_t)(exponent - NUMBER_EXPONENT_MIN) ^ mask;
    for (int i = 0; i < count; i += 2) {
        int pair = 10 * digits[i] + (i + 1 < count ? digits[i + 1] : 0);
        n.bytes[2 + i / 2] = (uint8_t)(2 * pair + (i + 2 < count)) ^ mask;
    }
    *ret_number = n;
}

static enum number_status check_and_pack(bool is_negative, int64_t exponent, const uint8_t *digits, int count,
                                         struct number *ret_number)
{
    if (exponent > NUMBER_EXPONENT_MAX)
        return NUMBER_OVERFLOW;
    if (exponent < NUMBER_EXPONENT_MIN)
        return NUMBER_UNDERFLOW;
    if (count > NUMBER_DIGITS_MAX)
        return NUMBER_TOO_PRECISE;
    pack(is_negative, (int)exponent, digits, count, ret_number);
    return NUMBER_OK;
}

/* Of valid bytes; any others give some number or other. */
static void unpack(struct slice bytes, struct decimal *ret_decimal)
{
    struct decimal d;
    memset(&d, 0, sizeof(d));
    d.is_negative = bytes.length > 0 && bytes.data[0] == SIGN_NEGATIVE;
    uint8_t mask = d.is_negative ? 0xFF : 0;
    if (bytes.length > 1)
        d.exponent = (uint8_t)(bytes.data[1] ^ mask) + NUMBER_EXPONENT_MIN;
    for (size_t i = 2; i < bytes.length && d.count < NUMBER_DIGITS_MAX; i++) {
        int pair = (uint8_t)(bytes.data[i] ^ mask) >> 1;
        d.digits[d.count++] = (uint8_t)(pair / 10);
        d.digits[d.count++] = (uint8_t)(pair % 10);
    }
    if (d.count > 0 && d.digits[d.count - 1] == 0)
        d.count--;
    *ret_decimal = d;
}

size_t number_length(struct slice bytes)
{
    if (bytes.length == 0 || bytes.data[0] < SIGN_NEGATIVE || bytes.data[0] > SIGN_POSITIVE)
        return 0;
    if (bytes.data[0] == SIGN_ZERO)
        return 1;
    uint8_t mask = bytes.data[0] == SIGN_NEGATIVE ? 0xFF : 0;
    for (size_t i = 2; i < bytes.length && i < NUMBER_BYTES_MAX; i++) {
        unsigned byte = (uint8_t)(bytes.data[i] ^ mask);
        unsigned pair = byte >> 1;
        if (pair > 99 || (i == 2 && pair < 10))
            return 0;
        if ((byte & 1) == 0)
            return pair == 0 ? 0 : i + 1;
    }
    return 0;
}

bool number_is_valid(struct slice bytes)
{
    return bytes.length > 0 && number_length(bytes) == bytes.length;
}

/* ---- text ---- */

/* What a mantissa's text says so far. */
struct mantissa {
    uint8_t digits[NUMBER_DIGITS_MAX];
    int64_t count;          /* significant digits, without trailing zeros; may exceed the maximum */
    int64_t zeros;          /* zeros since the last significant digit */
    int64_t integer_digits; /* before the point, from the first significant digit on */
    int64_t fraction_digits;
    int64_t fraction_leading_zeros;
    bool has_digits;
};

static void mantissa_add(struct mantissa *m, uint8_t digit, bool is_fraction)
{
    m->has_digits = true;
    m->fraction_digits += is_fraction;
    if (digit == 0 && m->count == 0) {
        m->fraction_leading_zeros += is_fraction;
        return;
    }
    m->integer_digits += !is_fraction;
    if (digit == 0) {
        m->zeros++;
        return;
    }
    for (; m->zeros > 0; m->zeros--, m->count++)
        if (m->count < NUMBER_DIGITS_MAX)
            m->digits[m->count] = 0;
    if (m->count < NUMBER_DIGITS_MAX)
        m->digits[m->count] = digit;
    m->count++;
}

/* [+-] digits, to the end; false when that is not what is there. */
static bool parse_exponent(struct slice text, int64_t *ret_exponent)
{
    size_t at = text.length > 0 && (text.data[0] == '+' || text.data[0] == '-');
    bool is_negative = at == 1 && text.data[0] == '-';
    int64_t value = 0;
    if (at == text.length)
        return false;
    for (; at < text.length; at++) {
        if (text.data[at] < '0' || text.data[at] > '9')
            return false;
        value = value * 10 + (text.data[at] - '0');
        if (value > EXPONENT_SATURATED)
            value = EXPONENT_SATURATED;
    }
    *ret_exponent = is_negative ? -value : value;
    return true;
}

static bool parse_mantissa(struct slice text, size_t *at, struct mantissa *m)
{
    bool is_fraction = false;
    for (; *at < text.length; (*at)++) {
        uint8_t c = text.data[*at];
        if (c >= '0' && c <= '9')
            mantissa_add(m, (uint8_t)(c - '0'), is_fraction);
        else if (c == '.' && !is_fraction)
            is_fraction = true;
        else
            break;
    }
    return m->has_digits;
}

enum number_status number_parse(struct slice text, struct number *ret_number)
{
    struct mantissa m;
    memset(&m, 0, sizeof(m));
    int64_t exponent = 0;
    size_t at = text.length > 0 && (text.data[0] == '+' || text.data[0] == '-');
    bool is_negative = at == 1 && text.data[0] == '-';

    if (!parse_mantissa(text, &at, &m))
        return NUMBER_NOT_NUMERIC;
    if (at < text.length) {
        if (text.data[at] != 'e' && text.data[at] != 'E')
            return NUMBER_NOT_NUMERIC;
        if (!parse_exponent(slice_from(text, at + 1), &exponent))
            return NUMBER_NOT_NUMERIC;
    }
    if (m.count == 0) {
        /* Java's BigDecimal, which the limits were written for, calls 0e126 as large as 1e126. */
        if (exponent - m.fraction_digits > NUMBER_EXPONENT_MAX)
            return NUMBER_OVERFLOW;
        *ret_number = number_zero();
        return NUMBER_OK;
    }
    exponent += m.integer_digits > 0 ? m.integer_digits - 1 : -(m.fraction_leading_zeros + 1);
    int count = m.count > NUMBER_DIGITS_MAX ? NUMBER_DIGITS_MAX + 1 : (int)m.count;
    return check_and_pack(is_negative, exponent, m.digits, count, ret_number);
}

static char *put_zeros(char *to, int count)
{
    memset(to, '0', (size_t)count);
    return to + count;
}

static char *put_digits(char *to, const uint8_t *digits, int count)
{
    for (int i = 0; i < count; i++)
        *to++ = (char)('0' + digits[i]);
    return to;
}

size_t number_print(struct slice bytes, char text[NUMBER_TEXT_BYTES_MAX])
{
    struct decimal d;
    char *to = text;
    unpack(bytes, &d);
    if (d.count == 0) {
        text[0] = '0';
        return 1;
    }
    if (d.is_negative)
        *to++ = '-';
    if (d.exponent < 0) {
        *to++ = '0';
        *to++ = '.';
        to = put_zeros(to, -d.exponent - 1);
        to = put_digits(to, d.digits, d.count);
    } else if (d.exponent + 1 >= d.count) {
        to = put_digits(to, d.digits, d.count);
        to = put_zeros(to, d.exponent + 1 - d.count);
    } else {
        to = put_digits(to, d.digits, d.exponent + 1);
        *to++ = '.';
        to = put_digits(to, d.digits + d.exponent + 1, d.count - d.exponent - 1);
    }
    return (size_t)(to - text);
}

void number_append_text(struct slice bytes, struct buffer *to)
{
    char text[NUMBER_TEXT_BYTES_MAX];
    buffer_append(to, slice_make(text, number_print(bytes, text)));
}

/* ---- arithmetic ---- */

/* Carry from the lowest digit up, so that each is 0..9; what is left over at the top is 0 or -1. */
static int carry_through(int work[], int count)
{
    int carry = 0;
    for (int i = count - 1; i >= 0; i--) {
        int value = work[i] + carry;
        carry = value >= 0 ? value / 10 : -((9 - value) / 10);
        work[i] = value - 10 * carry;
    }
    return carry;
}

static void accumulate(int work[], const struct decimal *d, int highest)
{
    for (int i = 0; i < d->count; i++)
        work[highest - d->exponent + i] += d->is_negative ? -d->digits[i] : d->digits[i];
}

static enum number_status sum(const struct decimal *a, const struct decimal *b, struct number *ret_sum)
{
    int a_lowest = a->exponent - a->count, b_lowest = b->exponent - b->count;
    int lowest = a_lowest < b_lowest ? a_lowest : b_lowest;
    int highest = (a->exponent > b->exponent ? a->exponent : b->exponent) + 1; /* room for a carry */
    int count = highest - lowest;
    int work[ARITHMETIC_DIGITS_MAX + 1] = {0};
    uint8_t digits[ARITHMETIC_DIGITS_MAX + 1];

    /* Numbers so far apart do not even overlap: the result has digits from top to bottom. */
    if (count > ARITHMETIC_DIGITS_MAX)
        return NUMBER_TOO_PRECISE;
    accumulate(work, a, highest);
    accumulate(work, b, highest);
    bool is_negative = carry_through(work, count) < 0;
    if (is_negative) {
        /* work holds 10^count + result: take the result's magnitude, which is 10^count - work. */
        for (int i = 0; i < count; i++)
            work[i] = -work[i];
        carry_through(work, count);
    }
    int first = 0;
    while (first < count && work[first] == 0)
        first++;
    while (count > first && work[count - 1] == 0)
        count--;
    if (first == count) {
        *ret_sum = number_zero();
        return NUMBER_OK;
    }
    for (int i = first; i < count; i++)
        digits[i - first] = (uint8_t)work[i];
    return check_and_pack(is_negative, highest - first, digits, count - first, ret_sum);
}

static enum number_status add_signed(struct slice a, struct slice b, bool is_subtraction,
                                     struct number *ret_result)
{
    struct decimal x, y;
    unpack(a, &x);
    unpack(b, &y);
    y.is_negative ^= is_subtraction;
    /* Zero has no exponent of its own: without this it would stretch the sum to 10^0. */
    if (x.count == 0)
        x.exponent = y.exponent;
    if (y.count == 0)
        y.exponent = x.exponent;
    return sum(&x, &y, ret_result);
}

enum number_status number_add(struct slice a, struct slice b, struct number *ret_sum)
{
    return add_signed(a, b, false, ret_sum);
}

enum number_status number_subtract(struct slice a, struct slice b, struct number *ret_difference)
{
    return add_signed(a, b, true, ret_difference);
}

/* ---- integers, sizes, words ---- */

struct number number_from_int64(int64_t value)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint8_t reversed[20], digits[20];
    int length = 0;
    for (; magnitude != 0; magnitude /= 10)
        reversed[length++] = (uint8_t)(magnitude % 10);
    if (length == 0)
        return number_zero();
    for (int i = 0; i < length; i++)
        digits[i] = reversed[length - 1 - i];
    int count = length;
    while (digits[count - 1] == 0)
        count--;
    struct number n;
    pack(value < 0, length - 1, digits, count, &n);
    return n;
}

bool number_to_int64(struct slice bytes, int64_t *ret_value)
{
    struct decimal d;
    unpack(bytes, &d);
    if (d.count == 0)
        d.exponent = -1;
    if (d.exponent > 18 || d.count > d.exponent + 1)
        return false;
    int64_t value = 0;
    for (int i = 0; i <= d.exponent; i++) {
        int digit = i < d.count ? d.digits[i] : 0;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, d.is_negative ? -digit : digit, &value))
            return false;
    }
    *ret_value = value;
    return true;
}

size_t number_size_bytes(struct slice bytes)
{
    struct decimal d;
    unpack(bytes, &d);
    if (d.count == 0)
        return 1;
    bool is_odd = (d.count & 1) != 0 || (d.exponent & 1) != 0;
    return 1 + (size_t)(d.count + 1) / 2 + (is_odd ? 0 : 1) + (d.is_negative ? 1 : 0);
}

static enum err range_error(bool is_overflow, struct error *error)
{
    return error_set(error, ERR_VALIDATION,
                     "Number %s. Attempting to store a number with magnitude %s than supported range",
                     is_overflow ? "overflow" : "underflow", is_overflow ? "larger" : "smaller");
}

enum err number_parse_error(enum number_status status, struct slice text, struct error *error)
{
    switch (status) {
    case NUMBER_NOT_NUMERIC:
        return error_set(error, ERR_VALIDATION, "The parameter cannot be converted to a numeric value%s%.*s",
                         text.length > 0 ? ": " : "", SLICE_PRINTF(text));
    case NUMBER_TOO_PRECISE:
        return error_set(error, ERR_VALIDATION,
                         "Attempting to store more than 38 significant digits in a Number");
    case NUMBER_OVERFLOW:
        return range_error(true, error);
    case NUMBER_UNDERFLOW:
        return range_error(false, error);
    case NUMBER_OK:
        break;
    }
    UNREACHABLE("a number that is in order has no error");
}

enum err number_arithmetic_error(enum number_status status, struct error *error)
{
    ASSERT(status != NUMBER_OK);
    return range_error(status != NUMBER_UNDERFLOW, error);
}
